"""The array that a formula sees, whatever it is read as.

A model, a quantity or a data set is written once, for one trial, with `@ + - * / ** .mT .sum()`, indexing and
`theorylab.ops`. It is then read three ways: as expressions at given sizes (`exact`), as indexed sums for all
sizes (`indexed`) and as torch tensors (`numeric`). This module holds what the three have in common.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from numbers import Rational
from typing import Any, Self

from theorylab.errors import InputError, ShapeError, UnsupportedReading

REFLECTED = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "matmul": "__rmatmul__",
    "power": "__rpow__",
}
Axis = int | Sequence[int] | None
Size = int | str

FLOAT_DENOMINATOR = 64


def number(value: Any) -> Fraction:
    """An exact number: int, Fraction, or a float that is a multiple of 1/64; InputError for any other float."""
    if isinstance(value, bool):
        return Fraction(int(value))
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, float):
        if math.isfinite(value) and (value * FLOAT_DENOMINATOR).is_integer():
            return Fraction(value)
        raise InputError(
            f"a formula contains the float {value!r}, which would poison exact algebra; "
            f"expected {_exact_spelling(value)}"
        )
    raise InputError(f"a formula contains {type(value).__name__} {value!r}; expected an array, an int or a Fraction")


def _exact_spelling(value: float) -> str:
    """How to write the number that a float seems to stand for: a short fraction, or the root of one."""
    if not math.isfinite(value):
        return "a finite number"
    near = Fraction(value).limit_denominator(1000)
    square = Fraction(value * value).limit_denominator(100)
    if value > 0 and abs(near - value) > 1e-15 * value and abs(square - value * value) <= 1e-15 * square:
        argument = str(square) if square.denominator == 1 else f"Fraction({square.numerator}, {square.denominator})"
        return f"an exact one: write ops.sqrt({argument})"
    return f"an exact one: write Fraction({near.numerator}, {near.denominator})"


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Rational)) and not isinstance(value, Array)


class Array(ABC):
    """One trial's array. Subclasses give the primitives; everything else is built here, once."""

    __slots__ = ()
    __hash__ = object.__hash__

    @property
    @abstractmethod
    def shape(self) -> tuple[Size, ...]: ...

    @classmethod
    @abstractmethod
    def constant(cls, value: Any) -> Self:
        """A number or nested lists of numbers as an array of this reading."""

    @classmethod
    def assembled(cls, scalars: Sequence[Any], shape: tuple[int, ...]) -> Self:
        """Scalars of this reading as an array of the given shape, in the order of its entries."""
        if not shape:
            return scalars[0]
        raise UnsupportedReading("an array of given numbers has a fixed size")

    @abstractmethod
    def _add(self, other: Any) -> Self: ...

    @abstractmethod
    def _multiply(self, other: Any) -> Self: ...

    @abstractmethod
    def _power(self, exponent: int) -> Self: ...

    @abstractmethod
    def _matmul(self, other: Any) -> Self: ...

    @abstractmethod
    def _swap(self, axis1: int, axis2: int) -> Self: ...

    @abstractmethod
    def _sum(self, axes: tuple[int, ...], keepdims: bool) -> Self: ...

    @abstractmethod
    def __getitem__(self, key: Any) -> Self: ...

    @abstractmethod
    def apply(self, function: str) -> Self:
        """One of step, sign, sqrt, exp, log, tanh, sin, cos, arcsinh, entry by entry."""

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def mT(self) -> Self:
        """The transpose of the last two axes."""
        if self.ndim < 2:
            raise ShapeError(f".mT needs at least two axes, got shape {self.shape}")
        return self._swap(-1, -2)

    @property
    def T(self) -> Self:
        """The transpose of a matrix; as in the array API, only for two axes."""
        if self.ndim != 2:
            raise ShapeError(f".T needs exactly two axes, got shape {self.shape}; use .mT")
        return self._swap(0, 1)

    def into(self, kind: type[Array]) -> Any:
        """The array in another reading; None where it has none there."""
        return self if isinstance(self, kind) else None

    def _pair(self, other: Any) -> tuple[Any, Any]:
        """Both operands in one reading; numbers and constant arrays take the reading of what they meet."""
        if isinstance(other, type(self)):
            return self, other
        if isinstance(other, Array):
            if (there := other.into(type(self))) is not None:
                return self, there
            if (here := self.into(type(other))) is not None:
                return here, other
            raise InputError(
                f"a formula mixes {type(self).__name__} and {type(other).__name__} arrays; expected one reading"
            )
        if is_number(other):
            return self, self.constant(number(other))
        if hasattr(other, "__array__") or isinstance(other, (list, tuple)):
            return self, self.constant(other)
        raise InputError(f"a formula combines an array with {type(other).__name__}; expected an array or a number")

    def __add__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return left._add(right)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return left._add(-right)

    def __rsub__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return right._add(-left)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Mapping):
            return NotImplemented
        left, right = self._pair(other)
        return left._multiply(right)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return left._multiply(right._power(-1))

    def __rtruediv__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return right._multiply(left._power(-1))

    def __neg__(self) -> Self:
        return self._multiply(self.constant(Fraction(-1)))

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        """|x| = x (2 step(x) - 1), without a hypothesis at 0."""
        return self * (2 * self.apply("step") - 1)

    def __pow__(self, exponent: Any) -> Any:
        if isinstance(exponent, Array):
            return (self.apply("log") * exponent).apply("exp")
        power = number(exponent)
        if power.denominator == 1:
            return self._power(power.numerator)
        if power.denominator == 2:
            return self.apply("sqrt")._power(power.numerator)
        return (self.apply("log") * power).apply("exp")

    def __rpow__(self, base: Any) -> Any:
        exponent, root = self._pair(base)
        return (exponent * root.apply("log")).apply("exp")

    def __matmul__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return left._product(right)

    def __rmatmul__(self, other: Any) -> Any:
        left, right = self._pair(other)
        return right._product(left)

    def _product(self, other: Self) -> Self:
        if self.ndim == 0 or other.ndim == 0:
            raise ShapeError(f"@ needs arrays with at least one axis, got shapes {self.shape} and {other.shape}; use *")
        left = self[None, :] if self.ndim == 1 else self
        right = other[:, None] if other.ndim == 1 else other
        if left.shape[-1] != right.shape[-2]:
            raise ShapeError(f"@ got shapes {self.shape} and {other.shape}; expected equal inner sizes")
        product = left._matmul(right)
        if other.ndim == 1:
            product = product[..., 0]
        if self.ndim == 1:
            product = product[..., 0] if other.ndim == 1 else product[..., 0, :]
        return product

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._sum(self._axes(axis), keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        axes = self._axes(axis)
        total = self._sum(axes, keepdims)
        for a in axes:
            total = total / self._size(a)
        return total

    def _size(self, axis: int) -> Any:
        """The length of an axis, as something that divides an array of this reading."""
        return self.shape[axis]

    def _axes(self, axis: Axis) -> tuple[int, ...]:
        if axis is None:
            return tuple(range(self.ndim))
        given = (axis,) if isinstance(axis, int) else tuple(axis)
        if any(not -self.ndim <= a < self.ndim for a in given):
            raise ShapeError(f"axis {axis} is out of range for shape {self.shape}")
        return tuple(sorted({a % self.ndim for a in given}))

    def _expand_key(self, key: Any) -> list[Any]:
        """An index as a list with one entry an axis and the Nones in place; Ellipsis filled in."""
        entries = list(key) if isinstance(key, tuple) else [key]
        used = sum(entry is not None and entry is not Ellipsis for entry in entries)
        if used > self.ndim:
            raise ShapeError(f"index {key!r} has more entries than the shape {self.shape} has axes")
        fill = [slice(None)] * (self.ndim - used)
        if any(entry is Ellipsis for entry in entries):
            at = next(i for i, entry in enumerate(entries) if entry is Ellipsis)
            entries[at : at + 1] = fill
        else:
            entries += fill
        for entry in entries:
            if not (entry is None or isinstance(entry, (int, slice))):
                raise InputError(f"index entry {entry!r} is not an int, a slice, None or ...")
        return entries

    def __bool__(self) -> bool:
        raise InputError("a formula branches on the value of an array; expected ops.where, ops.step or ops.maximum")

    def _refuse(self, what: str) -> Any:
        raise InputError(_refusal(what))

    def __len__(self) -> int:
        """The length of the first axis."""
        if not self.ndim:
            raise InputError(
                "a formula takes the length of a scalar, or iterates over it; expected an array with an axis"
            )
        if not isinstance(self.shape[0], int):
            raise UnsupportedReading(f"the length {self.shape[0]!r} of an axis needs a given size")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return self._refuse("float(...) of an array")

    def __int__(self) -> int:
        return self._refuse("int(...) of an array")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Operators with a numpy array on the left; any other numpy function is refused."""
        reflected = (
            REFLECTED.get(ufunc.__name__) if method == "__call__" and len(inputs) == 2 and inputs[1] is self else None
        )
        if reflected is None or kwargs:
            return self._refuse(f"numpy.{ufunc.__name__}")
        return getattr(self, reflected)(inputs[0])

    def __array_function__(self, function: Any, *args: Any) -> Any:
        return self._refuse(f"numpy.{function.__name__}")

    @classmethod
    def __torch_function__(cls, function: Any, *args: Any, **kwargs: Any) -> Any:
        raise InputError(_refusal(f"torch.{function.__name__}"))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("a numpy function or an array conversion")

    def __lt__(self, other: Any) -> Any:
        self._refuse("a comparison")

    __le__ = __gt__ = __ge__ = __lt__

    def __eq__(self, other: Any) -> Any:
        self._refuse("a comparison")

    def __ne__(self, other: Any) -> Any:
        self._refuse("a comparison")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(
            f"a formula uses the array attribute .{name}; "
            "expected array-API operators, .mT, .sum(), .mean(), .shape, or theorylab.ops"
        )


def _refusal(what: str) -> str:
    return f"a formula uses {what}, which has no exact reading; expected array-API operators and theorylab.ops"


def broadcast(left: tuple[Size, ...], right: tuple[Size, ...]) -> tuple[Size, ...]:
    """The common shape of two arrays; InputError where the sizes do not match."""
    width = max(len(left), len(right))
    padded = [(1,) * (width - len(s)) + tuple(s) for s in (left, right)]
    shape: list[Size] = []
    for a, b in zip(*padded, strict=True):
        if a != b and a != 1 and b != 1:
            raise ShapeError(f"shapes {left} and {right} do not match; expected equal sizes or 1 on each axis")
        shape.append(b if a == 1 else a)
    return tuple(shape)
