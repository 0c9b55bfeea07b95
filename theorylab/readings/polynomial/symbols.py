"""Symbols of indexed polynomials: letters, sizes, Kronecker's delta and atoms."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from theorylab.readings.array import Size

if TYPE_CHECKING:
    from theorylab.readings.polynomial.terms import Polynomial

Coefficient = int | Fraction
Factor = tuple["Symbol", tuple[int, ...], int]
Monomial = tuple[Factor, ...]


class Symbol:
    """A letter, a size, a delta or an atom. Interned by name: equal symbols are one object."""

    __slots__ = ("argument", "function", "name", "sign", "sizes")
    name: str
    sizes: tuple[Size, ...]
    sign: str
    function: str | None
    argument: Polynomial | None

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: Symbol) -> bool:
        return self.name < other.name

    @property
    def nonzero(self) -> bool:
        return self.sign in ("positive", "nonzero")


_symbols: dict[tuple[str, tuple[Size, ...], str, Polynomial | None], Symbol] = {}


def symbol(
    name: str,
    sizes: Sequence[Size] = (),
    sign: str = "any",
    function: str | None = None,
    argument: Polynomial | None = None,
) -> Symbol:
    """The symbol with this name; an argument tells apart atoms of like-named letters of other sizes or signs."""
    key = (name, tuple(sizes), sign, argument)
    found = _symbols.get(key)
    if found is None:
        found = _symbols[key] = Symbol()
        found.name, found.sizes, found.sign = name, tuple(sizes), sign
        found.function, found.argument = function, argument
    return found


def size_factor(size: Size, count: int = 1) -> tuple[Coefficient, tuple[Factor, ...]]:
    """The value of a size: a number, or a positive symbol."""
    if isinstance(size, int):
        return size**count, ()
    return 1, ((symbol(f"#{size}", (), "positive"), (), count),)


def delta(size: Size) -> Symbol:
    return symbol("delta", (size, size))


def factor_key(f: Factor) -> tuple[str, tuple[int, ...], int]:
    return f[0].name, f[1], f[2]
