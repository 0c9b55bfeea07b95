"""The numeric reading: torch float64 tensors, one trial at a time under `torch.func.vmap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from typing import Any, Self

import torch

from theorylab.errors import InputError
from theorylab.readings.array import Array, broadcast, number

Tensor = torch.Tensor

step_at_zero: ContextVar[float] = ContextVar("step_at_zero", default=0.0)
"""The stated derivative of relu at 0, for the flow that is being evaluated."""

device: ContextVar[str] = ContextVar("device", default="cpu")


class GateTape:
    """The gates of one evaluation in the order in which they are met: their arguments and their values, flat.

    given: the values that they take; None for those of the arguments.
    """

    def __init__(self, given: Tensor | None = None) -> None:
        self.given, self.met = given, 0
        self.arguments: list[Tensor] = []
        self.values: list[Tensor] = []

    def gate(self, x: Tensor) -> Tensor:
        value = _step(x)
        if self.given is not None:
            value = self.given[self.met : self.met + x.numel()].reshape(x.shape)
        self.met += x.numel()
        self.arguments.append(x.reshape(-1))
        self.values.append(value.reshape(-1))
        return value


tape: ContextVar[GateTape | None] = ContextVar("tape", default=None)
"""Where the gates of the evaluation are taken down, and held."""


def step(x: Tensor) -> Tensor:
    """The gate of relu: 1 above 0, 0 below, the stated convention at 0; its derivative is 0."""
    kept = tape.get()
    return _step(x) if kept is None else kept.gate(x)


def sign(x: Tensor) -> Tensor:
    kept = tape.get()
    return torch.sign(x.detach()) if kept is None else 2 * kept.gate(x) - 1


def _step(x: Tensor) -> Tensor:
    x = x.detach()
    return torch.where(x == 0, step_at_zero.get(), (x > 0).to(x.dtype))


FUNCTIONS = {
    "step": step,
    "sign": sign,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "sin": torch.sin,
    "cos": torch.cos,
    "arcsinh": torch.asinh,
}


class Numeric(Array):
    """Shape: integers. `data` is a float64 tensor of one trial."""

    __slots__ = ("data",)
    data: Tensor

    def __init__(self, data: Tensor) -> None:
        self.data = data

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @classmethod
    def constant(cls, value: Any) -> Self:
        if isinstance(value, Numeric):
            return cls(value.data)
        if isinstance(value, Fraction):
            return cls(_scalar(float(value), device.get()))
        return cls(torch.tensor(_floats(value), dtype=torch.float64, device=device.get()))

    @classmethod
    def assembled(cls, scalars: Sequence[Any], shape: tuple[int, ...]) -> Self:
        return cls(torch.stack([s.data for s in scalars]).reshape(shape))

    def _add(self, other: Self) -> Self:
        broadcast(self.shape, other.shape)
        return type(self)(self.data + other.data)

    def _multiply(self, other: Self) -> Self:
        broadcast(self.shape, other.shape)
        return type(self)(self.data * other.data)

    def __sub__(self, other: Any) -> Any:
        left, right = self._pair(other)
        broadcast(left.shape, right.shape)
        return Numeric(left.data - right.data)

    def __neg__(self) -> Self:
        return type(self)(-self.data)

    def __abs__(self) -> Self:
        return type(self)(torch.abs(self.data) if tape.get() is None else self.data * sign(self.data))

    def _power(self, exponent: int) -> Self:
        return type(self)(torch.reciprocal(self.data) if exponent == -1 else self.data**exponent)

    def _matmul(self, other: Self) -> Self:
        return type(self)(self.data @ other.data)

    def _swap(self, axis1: int, axis2: int) -> Self:
        return type(self)(self.data.transpose(axis1, axis2))

    def _sum(self, axes: tuple[int, ...], keepdims: bool) -> Self:
        return type(self)(self.data.sum(dim=axes, keepdim=keepdims) if axes else self.data)

    def __getitem__(self, key: Any) -> Self:
        entries = tuple(self._expand_key(key))
        axis = 0
        for entry in entries:
            if isinstance(entry, int) and not -self.shape[axis] <= entry < self.shape[axis]:
                raise InputError(f"index {entry} is out of range for axis {axis} of shape {self.shape}")
            axis += entry is not None
        return type(self)(self.data[entries])

    def apply(self, function: str) -> Self:
        return type(self)(FUNCTIONS[function](self.data))

    def __repr__(self) -> str:
        return f"Numeric(shape={self.shape})"


@lru_cache(maxsize=4096)
def _scalar(value: float, where: str) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, device=where)


def _floats(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_floats(v) for v in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return float(number(value))


def stack(arrays: Sequence[Numeric], axis: int) -> Numeric:
    return Numeric(torch.stack([a.data for a in arrays], dim=axis))


def concatenate(arrays: Sequence[Numeric], axis: int) -> Numeric:
    return Numeric(torch.cat([a.data for a in arrays], dim=axis))


def null_component(x: Numeric, v: Numeric) -> Numeric:
    """v, (..., d), minus its projection on the columns of x, (d, n), which may be dependent."""
    u, s, _ = torch.linalg.svd(x.data, full_matrices=False)
    kept = u * (s > s[0] * (max(x.shape) * torch.finfo(s.dtype).eps))
    return Numeric(v.data - (v.data @ kept) @ kept.mT)


def einsum(subscripts: str, arrays: Sequence[Array]) -> Numeric:
    """Sums of products; subscripts with "->"."""
    return Numeric(torch.einsum(subscripts, *(x.into(Numeric).data for x in arrays)))


def singular_values(x: Numeric) -> Numeric:
    """nan where x is not finite: the decomposition would refuse a whole batch for one such matrix."""
    finite = torch.isfinite(x.data).all()
    return Numeric(torch.where(finite, torch.linalg.svdvals(torch.where(finite, x.data, 0.0)), torch.nan))


def expm(x: Numeric) -> Numeric:
    """The exponential of a square matrix.

    Where the norm is below 0.1, torch's Taylor polynomial is too short for float64 (an error of 2e-11 at 0.03). A block
    1 beside x keeps the norm above that; the exponential of a block matrix is taken block by block.
    """
    block = torch.nn.functional.pad(x.data, (0, 1, 0, 1))
    corner = torch.zeros_like(block)
    corner[-1, -1] = 1.0
    return Numeric(torch.linalg.matrix_exp(block + corner)[:-1, :-1])


def logsumexp(x: Numeric) -> Numeric:
    """log of the sum of exp over all entries."""
    return Numeric(torch.logsumexp(x.data.reshape(-1), dim=0))


BISECTIONS = 64
"""More than it takes to bring any interval of moderate size down to neighbouring floats."""


def root(function: Callable[[Any], Any], low: Array, high: Array) -> Numeric:
    """A zero of a scalar function between low and high by bisection; nan where its signs there are the same."""
    left, right = (end.into(Numeric) for end in (low, high))
    at_left, at_right = torch.sign(function(left).data), torch.sign(function(right).data)
    a, b = left.data + 0 * at_left, right.data + 0 * at_left
    for _ in range(BISECTIONS):
        middle = a + (b - a) / 2
        same = torch.sign(function(Numeric(middle)).data) == at_left
        a, b = torch.where(same, middle, a), torch.where(same, b, middle)
    return Numeric(torch.where(at_left * at_right < 0, b, torch.nan))
