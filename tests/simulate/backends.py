"""One definition of a field for both integrators: batched torch, and generated C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.readings.letters import TIME
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.compiler import compiler
from theorylab.simulate.typing import Field

BACKENDS = ("torch", "fused")
backends = pytest.mark.parametrize("backend", BACKENDS)
both_engines = pytest.mark.parametrize("engine", ["C", "torch"], indirect=True)
needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler: fused kernels are not tested here")

# formula(t, coordinates, constants by name) -> rates; the numbers are `Scalar`s or columns of tensors.
Scalars = Callable[[Any, Sequence[Any], Mapping[str, Any]], Sequence[Any]]


class Scalar:
    """A number in the exact reading."""

    def __init__(self, node: ex.Expression) -> None:
        self.node = node

    def __add__(self, other: Any) -> Scalar:
        return Scalar(ex.add(self.node, _node(other)))

    def __mul__(self, other: Any) -> Scalar:
        return Scalar(ex.mul(self.node, _node(other)))

    def __sub__(self, other: Any) -> Scalar:
        return Scalar(ex.add(self.node, _node(other, -1)))

    def __rsub__(self, other: Any) -> Scalar:
        return Scalar(_node(other)) - self

    def __neg__(self) -> Scalar:
        return Scalar(_node(self, -1))

    def __pow__(self, exponent: int) -> Scalar:
        return Scalar(ex.power(self.node, exponent))

    __radd__, __rmul__ = __add__, __mul__


def _node(value: Any, factor: int = 1) -> ex.Expression:
    node = value.node if isinstance(value, Scalar) else ex.const(Fraction(value))
    return ex.mul(ex.const(factor), node)


def apply(function: str, x: Any) -> Any:
    """sqrt, log, cos, sign or step (0 at 0) of a number of either reading."""
    if isinstance(x, Scalar):
        return Scalar(ex.call(function, x.node))
    return torch.heaviside(x, torch.zeros_like(x)) if function == "step" else getattr(torch, function)(x)


def on(backend: str, formula: Scalars, dim: int, constants: Mapping[str, Tensor] | None = None) -> Field:
    """The formula as a callable of (t, y, rows); `constants` are (trials,) each."""
    held = dict(constants or {})
    if backend == "torch":

        def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
            rates = formula(t, y.unbind(1), {name: values[rows] for name, values in held.items()})
            return torch.stack([rate + torch.zeros_like(t) for rate in rates], dim=1)

        return field
    if compiler() is None:
        pytest.skip("no C compiler: fused kernels are not tested here")
    state = [f"y{i}" for i in range(dim)]
    rates = formula(Scalar(ex.var(TIME)), [Scalar(ex.var(n)) for n in state], {n: Scalar(ex.var(n)) for n in held})
    compiled = compile_formula([_node(rate) for rate in rates], state, held or {"unused": torch.zeros(1000)}, 0.0)
    assert isinstance(compiled, Formula)
    return compiled
