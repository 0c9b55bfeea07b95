"""The exact reading at given sizes: arrays whose entries are shared scalar expressions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, Self

import numpy as np

from theorylab.errors import InputError, InternalError, ShapeError
from theorylab.readings import expression as ex
from theorylab.readings.array import Array, broadcast, number
from theorylab.readings.domain import note


class Exact(Array):
    """Shape: integers. Entries: `Expression`, held in a numpy object array that never decays."""

    __slots__ = ("data",)
    data: Any

    def __init__(self, data: Any) -> None:
        if isinstance(data, ex.Expression):
            self.data = np.empty((), object)
            self.data[()] = data
        else:
            self.data = data

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @classmethod
    def constant(cls, value: Any) -> Self:
        if isinstance(value, Exact):
            return cls(value.data)
        raw = np.array(value, dtype=object)
        out = np.empty(raw.shape, object)
        for index in np.ndindex(raw.shape):
            entry: Any = raw[index]
            if isinstance(entry, np.generic):
                entry = entry.item()
            out[index] = ex.const(Fraction(entry) if isinstance(value, np.ndarray) else number(entry))
        return cls(out)

    @classmethod
    def variable(cls, name: str, shape: Sequence[int]) -> Self:
        """One variable an entry, named "W[0,1]" (or "g" for a scalar)."""
        out = np.empty(tuple(shape), object)
        for index in np.ndindex(out.shape):
            out[index] = ex.var(entry_name(name, index))
        return cls(out)

    def into(self, kind: type[Array]) -> Any:
        """The array in another reading, where it is a constant: rational, or a formula of constants such as sqrt(2)."""
        if isinstance(self, kind):
            return self
        if (values := self.constants()) is not None:
            return kind.constant(values)
        if ex.variables(self.entries()):
            return None
        return kind.assembled(ex.evaluate(self.entries(), _no_letter, _Scalars(kind)), self.shape)

    def is_zero(self) -> bool:
        """Whether every entry is written as 0; a formula that only simplifies to 0 is not."""
        return all(e.op == "const" and not e.args[0] for e in self.entries())

    def constants(self) -> Any:
        """Nested lists of Fractions where the array is a plain constant, else None."""
        if any(e.op != "const" for e in self.entries()):
            return None
        values = np.empty(self.data.shape, object)
        for index in np.ndindex(values.shape):
            values[index] = self.data[index].args[0]
        return values.tolist()

    def entries(self) -> list[ex.Expression]:
        return list(self.data.reshape(-1))

    def with_entries(self, entries: Sequence[ex.Expression]) -> Self:
        out = np.empty(self.data.shape, object)
        out.reshape(-1)[:] = entries
        return type(self)(out)

    def _map(self, function: Callable[[ex.Expression], ex.Expression]) -> Self:
        return self.with_entries([function(e) for e in self.entries()])

    def _zip(self, other: Self, function: Callable[[ex.Expression, ex.Expression], ex.Expression]) -> Self:
        broadcast(self.shape, other.shape)
        left, right = np.broadcast_arrays(self.data, other.data)
        values = [function(a, b) for a, b in zip(left.flat, right.flat, strict=True)]
        out = np.empty(left.shape, object)
        out.reshape(-1)[:] = values
        return type(self)(out)

    def _add(self, other: Self) -> Self:
        return self._zip(other, ex.add)

    def _multiply(self, other: Self) -> Self:
        return self._zip(other, ex.mul)

    def _power(self, exponent: int) -> Self:
        if exponent < 0:
            note("inv", self)
        return self._map(lambda e: ex.power(e, exponent))

    def _matmul(self, other: Self) -> Self:
        batch = np.broadcast_shapes(self.shape[:-2], other.shape[:-2])
        left = np.broadcast_to(self.data, batch + self.shape[-2:])
        right = np.broadcast_to(other.data, batch + other.shape[-2:])
        out = np.empty((*batch, self.shape[-2], other.shape[-1]), object)
        for index in np.ndindex(out.shape):
            row, column = left[index[:-1]], right[(*index[:-2], slice(None), index[-1])]
            out[index] = ex.add(*(ex.mul(a, b) for a, b in zip(row, column, strict=True)))
        return type(self)(out)

    def _swap(self, axis1: int, axis2: int) -> Self:
        return type(self)(np.swapaxes(self.data, axis1, axis2))

    def _sum(self, axes: tuple[int, ...], keepdims: bool) -> Self:
        kept = tuple(a for a in range(self.ndim) if a not in axes)
        moved = np.transpose(self.data, kept + axes)
        shape = tuple(self.shape[a] for a in kept)
        out = np.empty(shape, object)
        for index in np.ndindex(shape):
            out[index] = ex.add(*moved[index].reshape(-1)) if axes else moved[index]
        if keepdims:
            out = out.reshape(tuple(1 if a in axes else self.shape[a] for a in range(self.ndim)))
        return type(self)(out)

    def __getitem__(self, key: Any) -> Self:
        entries = tuple(self._expand_key(key))
        axis = 0
        for entry in entries:
            if entry is None:
                continue
            if isinstance(entry, int) and not -self.shape[axis] <= entry < self.shape[axis]:
                raise ShapeError(f"index {entry} is out of range for axis {axis} of shape {self.shape}")
            axis += 1
        picked = self.data[entries]
        return type(self)(picked if isinstance(picked, np.ndarray) else np.array(picked, object).reshape(()))

    def apply(self, function: str) -> Self:
        note(function, self)
        return self._map(lambda e: ex.call(function, e))

    def __repr__(self) -> str:
        return f"Exact(shape={self.shape})"


class _Scalars:
    """The domain of scalar arrays of another reading."""

    def __init__(self, kind: type[Array]) -> None:
        self.const = kind.constant

    def add(self, terms: Sequence[Array]) -> Array:
        return reduce(operator.add, terms)

    def mul(self, factors: Sequence[Array]) -> Array:
        return reduce(operator.mul, factors)

    def power(self, base: Array, exponent: int) -> Array:
        return base**exponent

    def call(self, function: str, argument: Array) -> Array:
        return argument.apply(function)


def _no_letter(name: str) -> Array:
    raise InternalError(f"{name!r} is no constant")


def entry_name(name: str, index: Sequence[int]) -> str:
    return f"{name}[{','.join(map(str, index))}]" if index else name


def stack(arrays: Sequence[Exact], axis: int) -> Exact:
    return Exact(np.stack([a.data for a in arrays], axis=axis))


def concatenate(arrays: Sequence[Exact], axis: int) -> Exact:
    return Exact(np.concatenate([a.data for a in arrays], axis=axis))


def substitute(arrays: Sequence[Exact], values: Mapping[str, Exact]) -> list[Exact]:
    """Replace whole named variables by arrays of the same shape."""
    table: dict[str, ex.Expression] = {}
    for name, value in values.items():
        for index in np.ndindex(value.shape):
            table[entry_name(name, index)] = value.data[index]
    roots = [e for a in arrays for e in a.entries()]
    return _split(arrays, ex.substitute(roots, table))


def directional(arrays: Sequence[Exact], direction: Mapping[str, Exact]) -> list[Exact]:
    """The derivative of each array along a direction given for each named variable."""
    table: dict[str, ex.Expression] = {}
    for name, value in direction.items():
        for index in np.ndindex(value.shape):
            table[entry_name(name, index)] = value.data[index]
    roots = [e for a in arrays for e in a.entries()]
    return _split(arrays, ex.directional(roots, table))


def gradient(scalar: Exact, names: Mapping[str, tuple[int, ...]]) -> dict[str, Exact]:
    """The gradient of a scalar by whole named variables, given with their shapes."""
    if scalar.shape != ():
        raise InputError(f"a gradient needs a scalar, got shape {scalar.shape}")
    flat = [entry_name(n, i) for n, shape in names.items() for i in np.ndindex(shape)]
    parts = iter(ex.gradient(scalar.data[()], flat))
    result: dict[str, Exact] = {}
    for name, shape in names.items():
        out = np.empty(shape, object)
        for index in np.ndindex(shape):
            out[index] = next(parts)
        result[name] = Exact(out)
    return result


def _split(arrays: Sequence[Exact], entries: Sequence[ex.Expression]) -> list[Exact]:
    result, at = [], 0
    for a in arrays:
        size = int(np.prod(a.shape))
        result.append(a.with_entries(entries[at : at + size]))
        at += size
    return result
