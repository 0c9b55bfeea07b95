"""Vectors and matrices of rationals: reading them, products, and positive semidefiniteness."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .document import listing, rational, require, show

MAX_BITS = 2048  # of a number in a document
Vector = list[Fraction]
Matrix = list[Vector]


def number(raw: Any, what: str) -> Fraction:
    value = Fraction(rational(raw, what))
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    require(bits <= MAX_BITS, "limit", f"{what} has more than {MAX_BITS} bits")
    return value


def vector(raw: Any, what: str, length: int | None = None) -> Vector:
    return [number(entry, f"an entry of {what}") for entry in listing(raw, what, length)]


def matrix(raw: Any, what: str, rows: int | None = None, columns: int | None = None) -> Matrix:
    """A matrix by rows; with at least one entry where the numbers of rows and columns are not given."""
    found = listing(raw, what, rows)
    if columns is None:
        require(
            found and isinstance(found[0], list) and found[0], "parser", f"{what} is {show(raw)}, expected a matrix"
        )
        columns = len(found[0])
    return [vector(row, f"a row of {what}", columns) for row in found]


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def transposed(a: Matrix) -> Matrix:
    return [list(column) for column in zip(*a, strict=True)]


def times(a: Matrix, b: Matrix) -> Matrix:
    columns = transposed(b)
    return [[dot(row, column) for column in columns] for row in a]


def semidefinite(a: Matrix) -> bool:
    """Whether a symmetric matrix is L D L' with D >= 0, by elimination."""
    rest = [list(row) for row in a]
    for k, pivot in enumerate(rest):
        if pivot[k] < 0 or (not pivot[k] and any(pivot[k:])):
            return False
        for row in rest[k + 1 :]:
            factor = row[k] / pivot[k] if pivot[k] else Fraction(0)
            row[k:] = [x - factor * y for x, y in zip(row[k:], pivot[k:], strict=True)]
    return a == transposed(a)
