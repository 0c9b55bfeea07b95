"""Vector fields at a point modulo a prime: derivatives by dual numbers, iterated Lie brackets, and ranks.

A number is a residue, or a sum of residues times products of eps_1, eps_2, ..., with eps_k^2 = 0: a dictionary whose
keys say by their bits which eps occur. A point gives every letter of a ring a value, and a velocity gives every letter
a speed: atoms move with their arguments. A field is a function from a point and a level, the number of an eps above all
of the point's, to a velocity.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .algebra import Expression
from .calculus import partials
from .document import Budget, Coefficient, Rejected, show
from .functions import FUNCTIONS, Calculus

RULE = "rank"
Dual = int | dict[int, int]
Compiled = list[tuple[int, list[int]]]  # coefficient, and letters as often as the exponent says; ~n divides by n
Field = Callable[[Sequence[Dual], int], list[Dual]]


class Residues:
    """Arithmetic of dual numbers modulo a prime."""

    def __init__(self, prime: int, ring: Calculus, budget: Budget) -> None:
        self.prime, self.ring, self.budget = prime, ring, budget
        self.atoms: list[tuple[int, Compiled, dict[int, Compiled]]] = []  # letter, slope, partials of the argument

    def number(self, value: Coefficient) -> int:
        return value.numerator * self.unit(value.denominator) % self.prime

    def times(self, a: Dual, b: Dual) -> Dual:
        if isinstance(a, int) and isinstance(b, int):
            return a * b % self.prime
        found: dict[int, int] = {}
        right = terms(b)
        for m, x in terms(a):
            self.budget.spend(len(right))
            for n, y in right:
                if not m & n:
                    found[m | n] = (found.get(m | n, 0) + x * y) % self.prime
        return reduced(found)

    def plus(self, a: Dual, b: Dual, sign: int = 1) -> Dual:
        if isinstance(a, int) and isinstance(b, int):
            return (a + sign * b) % self.prime
        found = dict(terms(a))
        for n, y in terms(b):
            found[n] = (found.get(n, 0) + sign * y) % self.prime
        return reduced(found)

    def unit(self, value: int) -> int:
        """1/value; the modulus need not be prime where every divisor that occurs has an inverse."""
        try:
            return pow(value, -1, self.prime)
        except ValueError:
            raise Rejected(RULE, f"{show(value)} has no inverse modulo {self.prime}") from None

    def inverse(self, a: Dual) -> Dual:
        """1/a by Newton's method: what is missing is a sum of products of eps, and is squared each time."""
        found: Dual = self.unit(dict(terms(a)).get(0, 0))
        while missing := self.plus(1, self.times(a, found), -1):
            found = self.plus(found, self.times(found, missing))
        return found

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
                if not term:
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
                if found[n]:
                    total = self.plus(total, self.times(self.value(partial, at), found[n]))
            found[atom] = self.times(self.value(slope, at), total) if total else 0
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

    def rank(self, rows: Sequence[Sequence[Any]]) -> int:
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


def terms(a: Dual) -> Collection[tuple[int, int]]:
    return [(0, a)] if isinstance(a, int) else a.items()


def reduced(found: dict[int, int]) -> Dual:
    """The same number without terms that are 0."""
    found = {m: x for m, x in found.items() if x}
    return found if any(found) else found.get(0, 0)


def parts(a: Dual, level: int) -> tuple[Dual, Dual]:
    """x and y with a = x + eps_level y."""
    with_it = {m ^ (1 << level): x for m, x in terms(a) if m >> level & 1}
    return reduced({m: x for m, x in terms(a) if not m >> level & 1}), reduced(with_it)


def moved(at: Sequence[Dual], along: Sequence[Dual], level: int) -> list[Dual]:
    """at + eps_level along."""
    pairs = zip(at, along, strict=True)
    return [dict(terms(v)) | {m | 1 << level: x for m, x in terms(w)} if w else v for v, w in pairs]
