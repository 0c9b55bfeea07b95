"""Vector fields at a point modulo a prime: derivatives by dual numbers, iterated Lie brackets, and ranks.

A dual number of level n is (n, a, b) = a + eps_n b, eps_n^2 = 0, with a and b of lower level; level 0 are residues.
A point gives every letter of a ring a value, and a velocity gives every letter a speed: atoms move with their
arguments. A field is a function from a point and a level above all of the point's to a velocity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .algebra import Expression
from .calculus import partials
from .document import Budget, Coefficient, Rejected, show
from .functions import FUNCTIONS, Calculus

RULE = "rank"
Dual = Any
Compiled = list[tuple[int, list[int]]]  # coefficient, and letters as often as the exponent says; ~n divides by n
Field = Callable[[Sequence[Dual], int], list[Dual]]


class Residues:
    """Arithmetic of nested dual numbers modulo a prime."""

    def __init__(self, prime: int, ring: Calculus, budget: Budget) -> None:
        self.prime, self.ring, self.budget = prime, ring, budget
        self.atoms: list[tuple[int, Compiled, dict[int, Compiled]]] = []  # letter, slope, partials of the argument

    def number(self, value: Coefficient) -> int:
        return value.numerator * self.unit(value.denominator) % self.prime

    def times(self, a: Dual, b: Dual) -> Dual:
        if a.__class__ is int and b.__class__ is int:
            return a * b % self.prime
        if a == 0 or b == 0:
            return 0
        first, second = level_of(a), level_of(b)
        self.budget.spend(2)
        if first < second:
            return second, self.times(a, b[1]), self.times(a, b[2])
        if second < first:
            return first, self.times(a[1], b), self.times(a[2], b)
        return first, self.times(a[1], b[1]), self.plus(self.times(a[1], b[2]), self.times(a[2], b[1]))

    def plus(self, a: Dual, b: Dual, sign: int = 1) -> Dual:
        if a.__class__ is int and b.__class__ is int:
            return (a + sign * b) % self.prime
        if b == 0:
            return a
        level = max(level_of(a), level_of(b))
        (a0, a1), (b0, b1) = parts(a, level), parts(b, level)
        return level, self.plus(a0, b0, sign), self.plus(a1, b1, sign)

    def unit(self, value: int) -> int:
        """1/value; the modulus need not be prime where every divisor that occurs has an inverse."""
        try:
            return pow(value, -1, self.prime)
        except ValueError:
            raise Rejected(RULE, f"{show(value)} has no inverse modulo {self.prime}") from None

    def inverse(self, a: Dual) -> Dual:
        if a.__class__ is int:
            return self.unit(a)
        inner = self.inverse(a[1])
        return a[0], inner, self.plus(0, self.times(a[2], self.times(inner, inner)), -1)

    # -- expressions and velocities --------------------------------------------------------------------------

    def compiled(self, expression: Expression) -> Compiled:
        found = []
        for m, c in expression.items():
            powers = sorted(self.ring.powers(m), reverse=True)  # inputs come first: they are 0
            found.append((self.number(c), [n if e > 0 else ~n for n, _, e in powers for _ in range(abs(e))]))
        return found

    def value(self, terms: Compiled, at: Sequence[Dual]) -> Dual:
        total: Dual = 0
        self.budget.spend(4 * len(terms))
        for c, letters in terms:
            term: Dual = c
            for n in letters:
                term = self.times(term, at[n] if n >= 0 else self.inverse(at[~n]))
                if term == 0:
                    break
            total = self.plus(total, term)
        return total

    def learn_atoms(self) -> None:
        """Compile how the atoms of the ring move; gates do not."""
        ring, number = self.ring, 0
        while number < len(ring.letters):  # a slope may contain atoms that are new
            known = ring.letters[number]
            if known.argument is not None and known.kind not in ("step", "sign"):
                slope = FUNCTIONS[known.kind].slope(ring, ring.over_places(number), known.argument, known)
                inner = {n: self.compiled(p) for n, _, _, p in partials(ring, known.argument)}
                self.atoms.append((number, self.compiled(slope), inner))
            number += 1

    def velocity(self, speeds: Mapping[int, Dual], at: Sequence[Dual]) -> list[Dual]:
        """The speeds of all letters, those of some being given and of others 0."""
        found: list[Dual] = [0] * len(at)
        for n, speed in speeds.items():
            found[n] = speed
        for atom, slope, inner in self.atoms:
            total: Dual = 0
            for n, partial in inner.items():
                if found[n] != 0:
                    total = self.plus(total, self.times(self.value(partial, at), found[n]))
            found[atom] = total if total == 0 else self.times(self.value(slope, at), total)
        return found

    def field(self, rates: Mapping[int, Compiled], inputs: Sequence[int] = ()) -> Field:
        """The field with these rates, differentiated by some constant letters in turn."""

        def found(at: Sequence[Dual], level: int) -> list[Dual]:
            here = at
            for n, letter in enumerate(inputs):
                here = moved(here, self.velocity({letter: 1}, here), level + n)
            speeds = {k: self.value(p, here) for k, p in rates.items()}
            for n in reversed(range(level, level + len(inputs))):
                speeds = {k: parts(v, n)[1] for k, v in speeds.items()}
            return self.velocity(speeds, at)

        return found

    def bracket(self, word: Sequence[Field], at: Sequence[Dual], level: int = 1) -> list[Dual]:
        """[v_1, [v_2, ... v_n]] at a point: [v, X] = DX v - Dv X."""
        here = word[0](at, level)
        if len(word) == 1:
            return here
        inner = self.bracket(word[1:], moved(at, here, level), level + 1)
        along = moved(at, [parts(v, level)[0] for v in inner], level)
        back = word[0](along, level + 1)
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
                inverse = self.unit(row[column])
                pivots.append((column, [v * inverse % self.prime for v in row]))
        return len(pivots)


def level_of(a: Dual) -> int:
    return a[0] if a.__class__ is tuple else 0


def parts(a: Dual, level: int) -> tuple[Dual, Dual]:
    return (a[1], a[2]) if a.__class__ is tuple and a[0] == level else (a, 0)


def moved(at: Sequence[Dual], along: Sequence[Dual], level: int) -> list[Dual]:
    """at + eps_level along."""
    return [v if w == 0 else (level, v, w) for v, w in zip(at, along, strict=True)]
