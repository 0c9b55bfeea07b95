"""Formulas of a flow as generated C, for ensembles of small models.

The exact reading gives a graph of shared scalar sub-expressions; it is written as straight-line C, several rows at a
time, compiled once and cached by content. Generated source holds nothing from a user but numbers and generated names.
Where there is no compiler, no exact reading, or the graph is too large, callers keep to torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.simulate.compiler import Libraries, build, compiler
from theorylab.simulate.kernel.source import rows_source
from theorylab.simulate.program import Program

# Straight-line code of more sub-expressions takes too long to compile; torch integrates it.
MAX_NODES = 12_000
_libraries = Libraries()


class Formula:
    """Compiled roots as a function of (t: (b,), y: (b, D), rows: (b,)), (b, number of roots).

    program    what was compiled
    constants  (trials, len(program.held)) values of the case constants
    own        no constant is taken for one that all trials share, so that ensembles of any company run the same code
    """

    def __init__(self, program: Program, constants: Tensor, entry: Any, own: bool = False) -> None:
        self.program, self.own = program, own
        self.constants = np.ascontiguousarray(constants.numpy())
        self._entry = entry
        # What runs of ensembles keep for the next one; see kernel/solve.py.
        self.kernels: dict[Any, Any] = {}
        self._selected: tuple[Tensor, np.ndarray] | None = None

    def of(self, rows: Tensor) -> Formula:
        """The formula with the constants of the trials `rows`, in this order."""
        return Formula(self.program, torch.from_numpy(self.constants[rows.numpy()]), self._entry, self.own)

    def __call__(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        if self._selected is None or self._selected[0] is not rows:
            self._selected = (rows, self.constants[rows.numpy()])
        held = self._selected[1]
        times, states = (np.ascontiguousarray(x.detach().numpy()) for x in (t, y))
        out = np.empty((len(states), len(self.program.roots)))
        self._entry(len(states), *(array.ctypes.data for array in (times, states, held, out)))
        return torch.from_numpy(out)


def compile_formula(
    roots: Sequence[ex.Expression], state: Sequence[str], constants: Mapping[str, Tensor], gate: float
) -> Formula | None:
    """Roots over state names and constants (each (trials,)) as a `Formula`; None where compiling is not possible."""
    program = Program.of(roots, state, gate)
    if program.nodes > MAX_NODES or not set(program.held) <= set(constants):
        return None
    library = _libraries.get(program, lambda: build(rows_source(program), ("-O1", "-march=native")))
    if library is None:
        return None
    entry = library.rows
    entry.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 4]
    entry.restype = None
    trials = len(next(iter(constants.values()))) if constants else 1
    columns = [constants[name] for name in program.held]
    held = torch.stack(columns, 1) if columns else torch.zeros(trials, 0, dtype=torch.float64)
    return Formula(program, held, entry)


def obstacle(roots: Sequence[ex.Expression], state: Sequence[str], gate: float) -> str:
    """Why `compile_formula` gave none."""
    nodes = Program.of(roots, state, gate).nodes
    if nodes > MAX_NODES:
        return f"a formula has {nodes} sub-expressions, more than the {MAX_NODES} that are compiled"
    return "no C compiler was found" if compiler() is None else "the compiler did not build the generated code"
