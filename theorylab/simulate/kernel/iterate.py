"""Discrete schemes of small models run whole in generated C: the loop over steps together with the formulas."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.simulate.compiler import build, compiler
from theorylab.simulate.kernel.program import Term, function
from theorylab.simulate.kernel.solve import _common, processors, run
from theorylab.simulate.kernel.source import LANES, PROCESSOR, defines, fixed, inputs, opening
from theorylab.simulate.program import Program
from theorylab.simulate.status import Status

_ARRAYS = ("own", "shared", "fresh", "times", "y", "saved", "start", "drift", "status", "done")


class _Job(ctypes.Structure):
    """`struct job` of iterate.c."""

    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "first", "steps", "saves", "next")]
        + [("gtol", ctypes.c_double)]
        + [(name, ctypes.c_void_p) for name in _ARRAYS]
    )


class StepKernel:
    """A compiled scheme; `fresh` are the names of the scalars that every step draws anew, in order."""

    def __init__(self, library: ctypes.CDLL, own: np.ndarray, shared: np.ndarray, quantities: int) -> None:
        self.quantities = quantities
        self._entry = library.iterate
        self._entry.argtypes = [ctypes.POINTER(_Job)]
        self._entry.restype = ctypes.c_int
        self.own, self.shared = np.ascontiguousarray(own), np.ascontiguousarray(shared)

    def advance(
        self, arrays: Mapping[str, np.ndarray], fresh: np.ndarray, *, first: int, steps: int, gtol: float
    ) -> None:
        """`steps` steps from step `first`; y, saved, start, drift, status, done and times in `arrays` are changed.

        fresh: (trials, steps, number of fresh scalars).
        """
        held = {**arrays, "own": self.own, "shared": self.shared, "fresh": np.ascontiguousarray(fresh)}
        count = len(held["y"])
        job = _Job(
            count=count,
            first=first,
            steps=steps,
            saves=len(held["times"]),
            next=0,
            gtol=gtol,
            **{name: held[name].ctypes.data for name in _ARRAYS},
        )
        run(lambda: self._entry(ctypes.byref(job)), min(processors(), -(-count // LANES)))

    def once(self, y: np.ndarray, fresh: np.ndarray) -> Tensor:
        """The states after one step from y, (trials, D)."""
        count = len(y)
        arrays = {
            "y": np.ascontiguousarray(y),
            "saved": np.zeros((count, 0)),
            "start": np.zeros((count, self.quantities)),
            "drift": np.zeros((count, self.quantities)),
            "status": np.full(count, -1),
            "done": np.zeros(count, dtype=np.int64),
            "times": np.zeros(0, dtype=np.int64),
        }
        self.advance(arrays, fresh, first=0, steps=1, gtol=-1.0)
        return torch.from_numpy(arrays["y"])


def step_kernel(
    roots: Sequence[ex.Expression],
    state: Sequence[str],
    constants: Mapping[str, Tensor],
    fresh: Sequence[str],
    *,
    gate: float,
    waits: bool,
    max_nodes: int,
) -> StepKernel | str:
    """The kernel of a scheme with the roots: next state, square of the norm of the field if `waits`, quantities.

    constants: (trials,) by name. Where the code cannot be built, the reason.
    """
    program = Program.of(roots, state, gate)
    held = [name for name in program.held if name not in fresh]
    if program.nodes > max_nodes:
        return f"the step has {program.nodes} sub-expressions, more than the {max_nodes} that are compiled"
    if compiler() is None:
        return "no C compiler was found"
    trials = len(next(iter(constants.values()))) if constants else 1
    columns = [constants[name] for name in held]
    values = torch.stack(columns, 1).numpy() if columns else np.zeros((trials, 0))
    common = _common(np.ascontiguousarray(values))
    library = build(_source(program, held, common, fresh, waits), ("-O2", "-march=native"))
    if library is None:
        return "the compiler did not build the generated code"
    return StepKernel(library, values[:, ~common], values[0, common], len(roots) - len(state) - waits)


def _source(program: Program, held: Sequence[str], common: np.ndarray, fresh: Sequence[str], waits: bool) -> str:
    plain = Program(program.roots, program.state, tuple(held), program.gate)
    terms = inputs(plain, list(map(bool, common)))
    own = int((~common).sum())
    terms |= {name: Term(f"own[{own + i}]", True) for i, name in enumerate(fresh)}
    dim = len(program.state)
    sizes = {
        "DIM": dim,
        "OWN": own,
        "FRESH": len(fresh),
        "WAITS": int(waits),
        "QUANTITIES": len(program.roots) - dim - waits,
        "CONVERGED": Status.CONVERGED.value,
        "NON_FINITE": Status.NON_FINITE.value,
    }
    step = function("step", program.roots, terms, program.gate)
    return "\n".join([opening(PROCESSOR), defines(sizes), step, fixed("iterate.c")])
