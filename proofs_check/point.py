"""Rational values of all letters of a statement, and of its expressions in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

from .algebra import Expression, Index, bits_of, dummies, places
from .document import Coefficient, Rejected, integer, listing, mapping, rational, require, show
from .functions import FUNCTIONS
from .statement import Axes, Statement, place_axes

RULE = "point"
MAX_BITS = 100_000
MAX_POINT = 64  # the largest size of a range


class Point:
    """Values of all letters, and what follows from them."""

    def __init__(self, statement: Statement, sizes: Any, at: Any) -> None:
        self.statement, self.ring = statement, statement.ring
        self.sizes = {n: integer(size, f"size {n}", 1, MAX_POINT) for n, size in mapping(sizes, "sizes").items()}
        wanted = {size for size in statement.used_sizes if not size.isdigit()}
        for size in wanted ^ self.sizes.keys():
            wrong = "does not give the size" if size in wanted else "gives a size that the statement leaves no room for"
            raise Rejected(RULE, f"the point {wrong}: {size!r}")
        self.values: dict[tuple[int, tuple[int, ...]], Coefficient] = {}
        self.on_kink = False
        self.at_zero = rational(statement.raw.get("step_at_zero", "0"), "step_at_zero")
        binary = not self.ring.binary_gates or self.at_zero in (0, 1)
        require(binary, RULE, f"binary gates have the value 0 or 1 at zero, not {self.at_zero}")
        for letter in sorted(mapping(at, "the point").keys() ^ statement.letters.keys()):
            raise Rejected(RULE, f"the point and the statement differ in the letter {show(letter)}")
        for letter, raw in at.items():
            self._fill(letter, raw, statement.shapes[letter], ())

    def range(self, size: str) -> range:
        count = int(size) if size.isdigit() else self.sizes[size]
        require(count <= MAX_POINT, RULE, f"a range of {count} is too large for a point")
        return range(count)

    def components(self, axes: Axes) -> list[dict[Index, int]]:
        """Every choice of the indices of some axes."""
        indices = list(axes.values())
        return [dict(zip(indices, choice, strict=True)) for choice in product(*(self.range(i[2]) for i in indices))]

    def _fill(self, letter: str, raw: Any, shape: tuple[str, ...], at: tuple[int, ...]) -> None:
        if shape:
            for i, part in enumerate(listing(raw, f"the value of {letter!r}", len(self.range(shape[0])))):
                self._fill(letter, part, shape[1:], (*at, i))
            return
        value, number = rational(raw, f"an entry of {letter!r}"), self.statement.letters[letter]
        sign = self.ring.letters[number].sign
        fits = {"any": True, "nonzero": value != 0, "positive": value > 0, "nonnegative": value >= 0}[sign]
        require(fits, RULE, f"an entry of {letter!r} is {show(raw)}, declared {sign}")
        self.values[number, at] = value

    def value(self, expression: Expression, at: dict[Index, int]) -> Coefficient:
        """The value of an expression, its free indices being given."""
        total: Coefficient = 0
        for monomial, coefficient in expression.items():
            powers = self.ring.powers(monomial)
            summed = dummies(powers)
            for choice in product(*(self.range(index[2]) for index in summed)):
                self.ring.budget.spend(8 * (1 + len(powers)))
                here = {**at, **dict(zip(summed, choice, strict=True))}
                term = coefficient
                for letter, indices, exponent in powers:
                    term *= self.power(letter, tuple(here[index] for index in indices), exponent)
                total += term
        require(bits_of(total) <= MAX_BITS, "limit", "a value at the point is too large")
        return total

    def power(self, letter: int, at: tuple[int, ...], exponent: int) -> Coefficient:
        known = self.ring.letters[letter]
        if (letter, at) not in self.values:
            self.values[letter, at] = self._other(letter, at)
        base = self.values[letter, at]
        require(exponent > 0 or base, RULE, f"{known.name} is 0 and appears in a denominator")
        require(abs(exponent) * bits_of(base) <= MAX_BITS, "limit", f"a power of {known.name} is too large")
        return Fraction(base) ** exponent

    def _other(self, letter: int, at: tuple[int, ...]) -> Coefficient:
        """The value of what the point does not give: a delta, a size, or an atom."""
        known = self.ring.letters[letter]
        if known.kind == "delta":
            return int(at[0] == at[1])
        if known.kind == "size":
            return len(self.range(known.name[1:]))
        require(known.argument is not None, RULE, f"{known.name} has no value at the point")
        here = dict(zip(places(known.shape), at, strict=True))
        u = Fraction(self.value(known.argument or {}, here))
        if known.kind == "step":
            self.on_kink = self.on_kink or not u
        root = Fraction(isqrt(max(u.numerator, 0)), isqrt(u.denominator))
        ends = {Fraction(0): FUNCTIONS[known.kind].at_zero, Fraction(1): FUNCTIONS[known.kind].at_one}
        found: Coefficient | None = {
            "held": u,
            "step": int(u > 0) if u else self.at_zero,
            "sign": (u > 0) - (u < 0) or None,
            "inv": 1 / u if u else None,
            "sqrt": root if u > 0 and root * root == u else None,
        }.get(known.kind, ends.get(u))
        if found is None:
            raise Rejected(RULE, f"the value of {known.name} is not rational at the point")
        return found

    def check_case(self) -> None:
        """The hypotheses hold and the state is the initial one."""
        for known, (axes, relation) in self.statement.relations.items():
            holds = not any(self.value(relation, at) for at in self.components(axes))
            require(holds, RULE, f"the hypothesis {known!r} does not hold at the point")
        for letter, body in [pair for flow in self.statement.flows for pair in flow.initial.items()]:
            known = self.ring.letters[letter]
            for at in self.components(place_axes(known.shape)):
                starts = self.value(body, at) == self.values[letter, tuple(at.values())]
                require(starts, RULE, f"{known.name!r} is not at its initial value")
