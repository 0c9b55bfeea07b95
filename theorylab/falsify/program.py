"""The field of a flow from its exact reading, in float64 over a batch: quick for the small sizes of a hunt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.derive.world import World
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import CaseCode
from theorylab.flow import Flow
from theorylab.readings import expression as ex
from theorylab.readings.array import is_number
from theorylab.readings.exact import Exact, entry_name
from theorylab.readings.letters import Dims

LARGEST = 3_000
"""Expressions with more nodes than this are left to the numeric reading."""

FUNCTIONS = {
    "sign": np.sign, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "arcsinh": np.arcsinh,
}  # fmt: skip


class Program:
    """Expressions in the order in which they are computed; arguments are positions of earlier values."""

    def __init__(self, roots: Sequence[ex.Expression], step_at_zero: float) -> None:
        order = ex.topological(roots)
        at = {id(node): i for i, node in enumerate(order)}
        self.steps = [(node.op, _payload(node), [at[id(c)] for c in ex.children(node)]) for node in order]
        self.results = [at[id(root)] for root in roots]
        self.step_at_zero = step_at_zero

    def __call__(self, columns: Mapping[str, np.ndarray]) -> list[Any]:
        """The value of each root, from one column (b,) for each variable."""
        values: list[Any] = []
        for op, payload, arguments in self.steps:
            match op:
                case "const":
                    value = payload
                case "var":
                    value = columns[payload]
                case "add":
                    value = values[arguments[0]]
                    for i in arguments[1:]:
                        value = value + values[i]
                case "mul":
                    value = values[arguments[0]]
                    for i in arguments[1:]:
                        value = value * values[i]
                case "pow":
                    value = values[arguments[0]] ** payload
                case _:
                    value = self._call(payload, values[arguments[0]])
            values.append(value)
        return [values[i] for i in self.results]

    def _call(self, function: str, value: Any) -> Any:
        if function == "step":
            return np.where(value == 0, self.step_at_zero, value > 0)
        return FUNCTIONS[function](value)


def _payload(node: ex.Expression) -> Any:
    match node.op:
        case "const":
            return float(node.args[0])
        case "var" | "fn":
            return node.args[0]
        case "pow":
            return float(node.args[1]) if node.args[1] < 0 else node.args[1]
    return None


class QuickField:
    """field(t, y, rows) as `integrate` takes it, for the cases with the given columns."""

    def __init__(self, program: Program, names: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
        self.program, self.names, self.columns = program, names, columns
        self._rows: Tensor | None = None
        self._chosen: dict[str, np.ndarray] = {}

    def __call__(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        if self._rows is not rows:
            index = rows.numpy()
            self._rows, self._chosen = rows, {n: c[index] for n, c in self.columns.items()}
        state = dict(zip(self.names, np.ascontiguousarray(y.numpy().T), strict=True))
        result = np.empty(y.shape)
        with np.errstate(all="ignore"):
            for i, value in enumerate(self.program({**self._chosen, **state})):
                result[:, i] = value
        return torch.from_numpy(result)


def quick_program(flow: Flow, dims: Dims, code: CaseCode) -> tuple[Program, list[str]] | None:
    """The field as a program with the names of its coordinates, or None where the exact reading does not serve."""
    if not is_number(flow.gates):
        return None
    try:
        world = World(flow, dims)
        velocity = [world.velocity[n] for n in world.state]
    except (InputError, UnsupportedReading):
        return None
    roots = [e for a in velocity if isinstance(a, Exact) for e in a.entries()]
    names = [entry_name(n, i) for n, a in world.state.items() for i in np.ndindex(a.shape)]  # type: ignore[arg-type]
    known = {e for b in code.blocks for e in b.entry_names()} | set(names)
    if len(ex.topological(roots)) > LARGEST or not ex.variables(roots) <= known:
        return None
    return Program(roots, float(Fraction(flow.gates))), names
