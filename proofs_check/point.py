"""Rational values of all letters of a statement, and of its expressions in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

from .algebra import Expression, Index, dummies, places
from .document import Coefficient, Rejected, integer, listing, mapping, rational, show
from .functions import FUNCTIONS
from .statement import Axes, Statement

RULE = "point"
MAX_BITS = 100_000
MAX_POINT = 64  # the largest size of a range


class Point:
    """Values of all letters, and what follows from them."""

    def __init__(self, statement: Statement, sizes: Any, at: Any) -> None:
        self.statement, self.ring = statement, statement.ring
        self.sizes = {n: integer(size, f"size {n}", 1, MAX_POINT) for n, size in mapping(sizes, "sizes").items()}
        for size in {size for size in statement.used_sizes if not size.isdigit()} ^ self.sizes.keys():
            wrong = (
                "gives a size that the statement leaves no room for" if size in self.sizes else "does not give the size"
            )
            raise Rejected(RULE, f"the point {wrong}: {size!r}")
        self.values: dict[tuple[int, tuple[int, ...]], Coefficient] = {}
        self.on_kink = False
        self.at_zero = rational(statement.raw.get("step_at_zero", "0"), "step_at_zero")
        if self.ring.binary_gates and self.at_zero not in (0, 1):
            raise Rejected(RULE, f"binary gates have the value 0 or 1 at zero, not {self.at_zero}")
        for letter in sorted(mapping(at, "the point").keys() ^ statement.letters.keys()):
            raise Rejected(RULE, f"the point and the statement differ in the letter {show(letter)}")
        for letter, raw in at.items():
            self._fill(letter, raw, statement.shapes[letter], ())

    def range(self, size: str) -> range:
        count = int(size) if size.isdigit() else self.sizes[size]
        if count > MAX_POINT:
            raise Rejected(RULE, f"a range of {count} is too large for a point")
        return range(count)

    def _fill(self, letter: str, raw: Any, shape: tuple[str, ...], at: tuple[int, ...]) -> None:
        if shape:
            for i, part in enumerate(listing(raw, f"the value of {letter!r}", len(self.range(shape[0])))):
                self._fill(letter, part, shape[1:], (*at, i))
            return
        value, number = rational(raw, f"an entry of {letter!r}"), self.statement.letters[letter]
        sign = self.ring.letters[number].sign
        if not {"any": True, "nonzero": value != 0, "positive": value > 0, "nonnegative": value >= 0}[sign]:
            raise Rejected(RULE, f"an entry of {letter!r} is {show(raw)}, declared {sign}")
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
        if total.numerator.bit_length() + total.denominator.bit_length() > MAX_BITS:
            raise Rejected("limit", "a value at the point is too large")
        return total

    def power(self, letter: int, at: tuple[int, ...], exponent: int) -> Coefficient:
        known = self.ring.letters[letter]
        if known.kind == "delta":
            return int(at[0] == at[1])
        if (letter, at) not in self.values:
            counted = known.kind == "size"
            self.values[letter, at] = len(self.range(known.name[1:])) if counted else self._atom(letter, at)
        base = self.values[letter, at]
        if exponent < 0 and not base:
            raise Rejected(RULE, f"{known.name} is 0 and appears in a denominator")
        if abs(exponent) * (base.numerator.bit_length() + base.denominator.bit_length()) > MAX_BITS:
            raise Rejected("limit", f"a power of {known.name} is too large")
        return Fraction(base) ** exponent

    def _atom(self, letter: int, at: tuple[int, ...]) -> Coefficient:
        known = self.ring.letters[letter]
        if known.argument is None:
            raise Rejected(RULE, f"{known.name} has no value at the point")
        u = Fraction(self.value(known.argument, dict(zip(places(known.shape), at, strict=True))))
        if known.kind == "held":
            return u
        if known.kind == "step":
            self.on_kink = self.on_kink or not u
            return int(u > 0) if u else self.at_zero
        if known.kind == "sign" and u:
            return 1 if u > 0 else -1
        if known.kind == "inv" and u:
            return 1 / u
        if known.kind == "sqrt" and u > 0:
            root = Fraction(isqrt(u.numerator), isqrt(u.denominator))
            if root * root == u:
                return root
        value = {0: FUNCTIONS[known.kind].at_zero, 1: FUNCTIONS[known.kind].at_one}.get(u)  # type: ignore[call-overload]
        if value is None:
            raise Rejected(RULE, f"the value of {known.name} is not rational at the point")
        return value

    def components(self, axes: Axes) -> list[dict[Index, int]]:
        """Every choice of the indices of some axes."""
        indices = list(axes.values())
        return [dict(zip(indices, choice, strict=True)) for choice in product(*(self.range(i[2]) for i in indices))]

    def check_case(self) -> None:
        """The hypotheses hold and the state is the initial one."""
        for known, (axes, relation) in self.statement.relations.items():
            if any(self.value(relation, at) for at in self.components(axes)):
                raise Rejected(RULE, f"the hypothesis {known!r} does not hold at the point")
        for letter, body in [pair for flow in self.statement.flows for pair in flow.initial.items()]:
            axes = {str(index): index for index in places(self.ring.letters[letter].shape)}
            for at in self.components(axes):
                if self.value(body, at) != self.values[letter, tuple(at.values())]:
                    raise Rejected(RULE, f"{self.ring.letters[letter].name!r} is not at its initial value")
