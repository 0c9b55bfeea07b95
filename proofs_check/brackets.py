"""Iterated Lie brackets of polynomial vector fields at a point modulo a prime, and ranks.

A dual number of level n is (n, a, b) = a + eps_n b, eps_n^2 = 0, with a and b of lower level; level 0 are residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .document import Budget, Coefficient, Rejected, show
from .forward import Poly

RULE = "rank"
Field = dict[int, Poly]
Dual = Any


class Residues:
    """Arithmetic of nested dual numbers modulo a prime."""

    def __init__(self, prime: int, budget: Budget) -> None:
        self.prime, self.budget = prime, budget

    def number(self, value: Coefficient) -> int:
        try:
            return value.numerator * pow(value.denominator, -1, self.prime) % self.prime
        except ValueError:
            raise Rejected(RULE, f"{show(str(value))} has no residue") from None

    def compiled(self, field: Field) -> list[tuple[int, list[tuple[int, tuple[int, ...]]]]]:
        return [(k, [(self.number(c), m) for m, c in p.items()]) for k, p in field.items()]

    def times(self, a: Dual, b: Dual) -> Dual:
        if a.__class__ is int and b.__class__ is int:
            return a * b % self.prime
        level = max(a[0] if a.__class__ is tuple else 0, b[0] if b.__class__ is tuple else 0)
        (a0, a1), (b0, b1) = parts(a, level), parts(b, level)
        self.budget.spend(2)
        return level, self.times(a0, b0), self.plus(self.times(a0, b1), self.times(a1, b0))

    def plus(self, a: Dual, b: Dual, sign: int = 1) -> Dual:
        if a.__class__ is int and b.__class__ is int:
            return (a + sign * b) % self.prime
        level = max(a[0] if a.__class__ is tuple else 0, b[0] if b.__class__ is tuple else 0)
        (a0, a1), (b0, b1) = parts(a, level), parts(b, level)
        return level, self.plus(a0, b0, sign), self.plus(a1, b1, sign)

    def value(self, field: Any, at: Sequence[Dual]) -> list[Dual]:
        found: list[Dual] = [0] * len(at)
        for k, terms in field:
            total: Dual = 0
            self.budget.spend(4 * len(terms))
            for c, m in terms:
                for n in m:
                    c = self.times(c, at[n])
                total = self.plus(total, c)
            found[k] = total
        return found

    def bracket(self, word: Sequence[Any], at: Sequence[Dual], level: int) -> list[Dual]:
        """[v_1, [v_2, ... v_n]] at a point: [v, X] = DX v - Dv X, derivatives by dual numbers."""
        here = self.value(word[0], at)
        if len(word) == 1:
            return here
        inner = self.bracket(word[1:], moved(at, here, level), level + 1)
        along = moved(at, [parts(v, level)[0] for v in inner], level)
        back = self.value(word[0], along)
        return [self.plus(parts(v, level)[1], parts(w, level)[1], -1) for v, w in zip(inner, back, strict=True)]

    def rank(self, rows: Sequence[Sequence[int]]) -> int:
        """The rank of rows of residues, by elimination with invertible pivots."""
        pivots: list[tuple[int, list[int]]] = []
        for row in rows:
            for column, pivot in pivots:
                factor = row[column]
                if factor:
                    self.budget.spend(len(pivot) >> 2)
                    row = [(v - factor * w) % self.prime for v, w in zip(row, pivot, strict=True)]
            column = next((k for k, v in enumerate(row) if v), None)
            if column is not None:
                inverse = pow(row[column], -1, self.prime)
                pivots.append((column, [v * inverse % self.prime for v in row]))
        return len(pivots)


def parts(a: Dual, level: int) -> tuple[Dual, Dual]:
    return (a[1], a[2]) if a.__class__ is tuple and a[0] == level else (a, 0)


def moved(at: Sequence[Dual], along: Sequence[Dual], level: int) -> list[Dual]:
    """at + eps_level along."""
    return [v if w == 0 else (level, v, w) for v, w in zip(at, along, strict=True)]
