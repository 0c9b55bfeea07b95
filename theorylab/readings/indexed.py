"""The all-sizes reading: arrays whose entries are indexed polynomials and whose sizes are symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from theorylab.errors import InputError, ShapeError, UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, Size, broadcast, number
from theorylab.readings.domain import note
from theorylab.readings.polynomial import Polynomial

_TEMPORARY = 5_000
_HELD = 4_000
"""Names of axes for a while, and of the index of one sample while a formula sees only that sample."""


class Indexed(Array):
    """`entry` has one free index an axis (index a for axis a); an axis of size 1 has none."""

    __slots__ = ("_shape", "entry")
    entry: Polynomial

    def __init__(self, entry: Polynomial, shape: Sequence[Size]) -> None:
        self.entry = entry
        self._shape = tuple(Symbolic(size) if isinstance(size, str) else size for size in shape)

    @property
    def shape(self) -> tuple[Size, ...]:
        return self._shape

    def _size(self, axis: int) -> Any:
        return _count(self.shape[axis])

    def _pair(self, other: Any) -> tuple[Any, Any]:
        return super()._pair(_count(other) if isinstance(other, Symbolic) else other)

    @classmethod
    def constant(cls, value: Any) -> Self:
        if isinstance(value, Indexed):
            return cls(value.entry, value.shape)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, (list, tuple)):
            raise UnsupportedReading("an array of given numbers has a fixed size")
        return cls(po.constant(number(value)), ())

    @classmethod
    def letter(cls, name: str, shape: Sequence[Size], sign: str = "any") -> Self:
        """A named array. Axes of size 1 carry no index."""
        axes = [a for a, size in enumerate(shape) if size != 1]
        entry = po.letter(name, [shape[a] for a in axes], sign).relabel(dict(enumerate(axes)))
        return cls(entry, shape)

    def is_zero(self) -> bool:
        """Whether every entry is 0, whatever the letters are."""
        return not _plain([self])[0].entry

    def axes(self) -> list[tuple[int, Size]]:
        """The indexed axes with their sizes."""
        return [(a, size) for a, size in enumerate(self.shape) if size != 1]

    def _aligned(self, other: Self) -> tuple[Polynomial, Polynomial, tuple[Size, ...]]:
        shape = broadcast(self.shape, other.shape)
        parts = []
        for array in (self, other):
            offset = len(shape) - array.ndim
            parts.append(array.entry.relabel(lambda i, offset=offset: _moved(i, offset)) if offset else array.entry)
        return parts[0], parts[1], shape

    def _add(self, other: Self) -> Self:
        left, right, shape = self._aligned(other)
        return type(self)(left + right, shape)

    def _multiply(self, other: Self) -> Self:
        left, right, shape = named(self)._aligned(named(other))
        return type(self)(left * right, shape)

    def _power(self, exponent: int) -> Self:
        if exponent < 0:
            (base,) = _plain([self])  # that a letter is not 0 can be stated, that a part is not 0 cannot
            note("inv", base)
            return type(self)(po.reciprocal(base.entry) ** -exponent, self.shape)
        return type(self)(named(self).entry ** exponent, self.shape)

    def _matmul(self, other: Self) -> Self:
        self, other = named(self), named(other)
        shape = broadcast(self.shape[:-2], other.shape[:-2])
        rank = len(shape) + 2
        left = self.entry.relabel(lambda i, n=self.ndim: _TEMPORARY if i == n - 1 else _moved(i, rank - n))
        right = other.entry.relabel(lambda i, n=other.ndim: _TEMPORARY if i == n - 2 else _moved(i, rank - n))
        inner = self.shape[-1]
        entry = left * right
        if inner != 1:
            entry = entry.sum_over(_TEMPORARY, inner)
        return type(self)(entry, (*shape, self.shape[-2], other.shape[-1]))

    def _swap(self, axis1: int, axis2: int) -> Self:
        a, b = axis1 % self.ndim, axis2 % self.ndim
        shape = list(self.shape)
        shape[a], shape[b] = shape[b], shape[a]
        return type(self)(self.entry.relabel({a: b, b: a}), shape)

    def _sum(self, axes: tuple[int, ...], keepdims: bool) -> Self:
        entry = self.entry
        for a in axes:
            if self.shape[a] != 1:
                entry = entry.sum_over(a, self.shape[a])
        if keepdims:
            return type(self)(entry, [1 if a in axes else size for a, size in enumerate(self.shape)])
        kept = [a for a in range(self.ndim) if a not in axes]
        return type(self)(entry.relabel({a: n for n, a in enumerate(kept)}), [self.shape[a] for a in kept])

    def __getitem__(self, key: Any) -> Self:
        names: dict[int, int] = {}
        shape: list[Size] = []
        axis = 0
        for item in self._expand_key(key):
            if item is None:
                shape.append(1)
                continue
            size = self.shape[axis]
            if isinstance(item, int):
                if size != 1:
                    raise UnsupportedReading("an integer index needs a given size")
                if item not in (0, -1):
                    raise ShapeError(f"index {item} is out of range for axis {axis} of shape {self.shape}")
            elif item == slice(None):
                names[axis] = len(shape)
                shape.append(size)
            else:
                raise UnsupportedReading("a partial slice needs a given size")
            axis += 1
        return type(self)(self.entry.relabel(names), shape)

    def apply(self, function: str) -> Self:
        note(function, self)
        return type(self)(po.atom(function, self.entry), self.shape)

    def held(self) -> Self:
        """One entry of the last axis, any: the array without that axis, whose index is kept aside."""
        last = self.ndim - 1
        return type(self)(self.entry.relabel({last: _HELD}), self.shape[:-1])

    def released(self, size: Size) -> Self:
        """The array with the index that `held` kept aside as its last axis again."""
        return type(self)(self.entry.relabel({_HELD: self.ndim}), (*self.shape, size))

    def __repr__(self) -> str:
        return f"Indexed({self.entry}, shape={self.shape})"


def _moved(axis: int, by: int) -> int:
    return axis if axis >= _HELD else axis + by


def _count(size: Size) -> Indexed:
    """A size as a number of the formula."""
    coefficient, factors = po.size_factor(size)
    return Indexed(Polynomial({tuple(factors): coefficient}), ())


class Symbolic(str):
    """The name of a size, as `.shape` shows it; in arithmetic it is the number that it stands for."""

    __slots__ = ()

    def into(self, kind: type[Array]) -> Any:
        return _count(self).into(kind)

    def _operate(self, name: str, other: Any) -> Any:
        return getattr(_count(self), name)(_count(other) if isinstance(other, Symbolic) else other)

    def __add__(self, other: Any) -> Any:
        return self._operate("__add__", other)

    def __radd__(self, other: Any) -> Any:
        return self._operate("__radd__", other)

    def __sub__(self, other: Any) -> Any:
        return self._operate("__sub__", other)

    def __rsub__(self, other: Any) -> Any:
        return self._operate("__rsub__", other)

    def __mul__(self, other: Any) -> Any:
        return self._operate("__mul__", other)

    def __rmul__(self, other: Any) -> Any:
        return self._operate("__rmul__", other)

    def __truediv__(self, other: Any) -> Any:
        return self._operate("__truediv__", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._operate("__rtruediv__", other)

    def __pow__(self, other: Any) -> Any:
        return self._operate("__pow__", other)

    def __neg__(self) -> Any:
        return -_count(self)

    def _unknown(self, *_: Any) -> Any:
        raise UnsupportedReading(f"the number of the size {str(self)!r} is not known")

    __index__ = __int__ = __float__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _unknown  # pyright: ignore


_parts: ContextVar[dict[Polynomial, po.Symbol] | None] = ContextVar("parts of a formula by what they are", default=None)


@contextmanager
def as_written(parts: dict[Polynomial, po.Symbol]) -> Iterator[None]:
    """Formulas keep the structure in which they are written: factors are not multiplied out but get names in `parts`.

    The indices 0, 1, ... of a part are the axes of its name.
    """
    token = _parts.set(parts)
    try:
        yield
    finally:
        _parts.reset(token)


def named(array: Any) -> Any:
    """A factor by name, where formulas are kept as written and it is more than a letter or a number."""
    parts = _parts.get()
    terms = array.entry.terms
    if parts is None or len(terms) == 0 or (len(terms) == 1 and len(next(iter(terms))) < 2):
        return array
    sizes = dict(array.axes())
    used = sorted({i for m in terms for _, indices, _ in m for i in indices if i >= 0})
    if not sizes.keys() >= set(used):
        return array
    entry = array.entry.relabel({i: n for n, i in enumerate(used)})
    if entry not in parts:
        parts[entry] = po.symbol(f"part {len(parts) + 1}", [sizes[i] for i in used])
    name = parts[entry]
    return type(array)(Polynomial({((name, tuple(used), 1),): 1}), array.shape)


def spelled_out(entry: Polynomial, parts: Mapping[Polynomial, po.Symbol]) -> Polynomial:
    """A polynomial with its parts in place of their names."""
    meanings = {name: meaning for meaning, name in parts.items()}
    while any(s in meanings for s in entry.letters()):
        entry = po.substitute(entry, meanings.get)
    return entry


def _plain(arrays: Iterable[Indexed]) -> list[Indexed]:
    parts = _parts.get()
    return [Indexed(spelled_out(a.entry, parts), a.shape) for a in arrays] if parts else list(arrays)


def eye(size: Size) -> Indexed:
    if size == 1:
        return Indexed(po.ONE, (1, 1))
    return Indexed(Polynomial({((po.delta(size), (0, 1), 1),): 1}), (size, size))


def substitute(arrays: Sequence[Indexed], values: Mapping[str, Indexed]) -> list[Indexed]:
    """Replace letters by arrays of the same shape, also inside atoms."""

    def value(s: po.Symbol) -> Polynomial | None:
        return _without_unit_axes(values[s.name]) if s.name in values else None

    values = dict(zip(values, _plain(values.values()), strict=True))
    return [Indexed(po.substitute(a.entry, value), a.shape) for a in _plain(arrays)]


def directional(arrays: Sequence[Indexed], direction: Mapping[str, Indexed]) -> list[Indexed]:
    """The derivative of each array along a direction given for each named letter."""

    def along(s: po.Symbol) -> Polynomial | None:
        return _without_unit_axes(direction[s.name]) if s.name in direction else None

    direction = dict(zip(direction, _plain(direction.values()), strict=True))
    return [Indexed(po.directional(a.entry, along), a.shape) for a in _plain(arrays)]


def gradient(scalar: Indexed, letters: Mapping[str, Indexed]) -> dict[str, Indexed]:
    """The gradient of a scalar by letters, given as arrays."""
    if any(size != 1 for size in scalar.shape):
        raise InputError(f"a gradient needs a scalar, got shape {scalar.shape}")
    (scalar,) = _plain([scalar])
    result: dict[str, Indexed] = {}
    for name, array in letters.items():
        (s,) = array.entry.symbols()
        labels = [_TEMPORARY + a for a, _ in array.axes()]
        found = po.partial(scalar.entry, s, labels)
        result[name] = Indexed(found.relabel({_TEMPORARY + a: a for a, _ in array.axes()}), array.shape)
    return result


def _without_unit_axes(array: Indexed) -> Polynomial:
    return array.entry.relabel({a: n for n, (a, _) in enumerate(array.axes())})
