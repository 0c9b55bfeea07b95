"""Functions of the parameters as further letters with polynomial derivatives.

exp(u), tanh(u), sin(u), cos(u), 1/u and u^(-1/2) satisfy first-order differential equations with polynomial right-hand
sides, so a vector field that contains them is polynomial on a larger space, where each letter moves with its argument.
A function of u_0(theta) + u_1(theta, x), u_1 = 0 at x = 0, is its Taylor polynomial in u_1: coefficients in x of the
truncated outputs are those of the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isqrt

from theorylab.derive.laws import sparse
from theorylab.derive.laws.sparse import INPUT, Coefficient, Poly
from theorylab.errors import UnsupportedReading

EQUATIONS: dict[str, tuple[tuple[str, ...], tuple[Poly, ...]]] = {
    "exp": (("exp",), ({(0,): 1},)),
    "tanh": (("tanh",), ({(): 1, (0, 0): -1},)),
    "sin": (("sin", "cos"), ({(1,): 1}, {(0,): -1})),
    "cos": (("sin", "cos"), ({(1,): 1}, {(0,): -1})),
    "inv": (("inv",), ({(0, 0): -1},)),
    "log": (("log", "inv"), ({(1,): 1}, {(1, 1): -1})),
    "rsqrt": (("rsqrt",), ({(0, 0, 0): Fraction(-1, 2)},)),
}
"""For each function the functions that its derivatives are polynomials in, and their derivatives in these."""
AT_ZERO = {"exp": 1, "tanh": 0, "sin": 0, "cos": 1}
"""Functions with a rational value at 0, and none at other rationals (Lindemann)."""


class Functions(sparse.Polynomials):
    """The domain of polynomials in coordinates, inputs and letters for functions, numbered from `first`.

    order: the degree in the inputs at which Taylor polynomials end; None keeps functions of inputs as letters.
    """

    def __init__(self, first: int, order: int | None) -> None:
        super().__init__(self._named)
        self.first, self.order = first, order
        self.letters: list[tuple[str, Poly]] = []
        self._numbers: dict[tuple[str, frozenset[tuple[sparse.Monomial, Coefficient]]], int] = {}
        self._gradients: dict[int, dict[int, Poly]] = {}

    def mul(self, factors: Sequence[Poly]) -> Poly:
        result = factors[0]
        for factor in factors[1:]:
            result = self._cut(sparse.multiply(result, factor))
        return result

    def power(self, base: Poly, exponent: int) -> Poly:
        if exponent < 0:
            base = self._named("inv", base)
        return self.mul([base] * abs(exponent))

    def _cut(self, p: Poly) -> Poly:
        if self.order is None:
            return p
        return {m: c for m, c in p.items() if sum(n >= INPUT for n in m) <= self.order}

    def _named(self, function: str, u: Poly) -> Poly:
        if function == "sqrt":
            return self.mul([u, self._named("rsqrt", u)])
        if function not in EQUATIONS:
            raise UnsupportedReading(f"{function} of the parameters")
        if self.order is None:
            return self.letter(function, u)
        start = {m: c for m, c in u.items() if not m or m[-1] < INPUT}
        rest = {m: c for m, c in u.items() if m and m[-1] >= INPUT}
        total: Poly = {}
        power = sparse.constant(1)
        for coefficient in _taylor(function, self.order if rest else 0):
            if power:
                sparse.accumulate(total, self.mul([self._composed(coefficient, function, start), power]))
                power = self.mul([power, rest])
        return {m: sparse.whole(c) for m, c in total.items()}

    def _composed(self, formal: Poly, function: str, u: Poly) -> Poly:
        """A polynomial in the functions of `EQUATIONS` at the argument u."""
        letters = [self.letter(name, u) for name in EQUATIONS[function][0]]
        total: Poly = {}
        for m, c in formal.items():
            sparse.accumulate(total, self.mul([sparse.constant(c), *(letters[n] for n in m)]))
        return total

    def letter(self, function: str, u: Poly) -> Poly:
        """The letter of a function of u, or its value where u is a number."""
        if not u or u.keys() == {()}:
            value = exact_value(function, Fraction(u.get((), 0)))
            if value is not None:
                return sparse.constant(value)
        key = (function, frozenset(u.items()))
        if key not in self._numbers:
            self._numbers[key] = self.first + len(self.letters)
            self.letters.append((function, u))
        return sparse.letter(self._numbers[key])

    def gradient(self, number: int) -> dict[int, Poly]:
        """The derivative of a letter by each coordinate."""
        if number not in self._gradients:
            function, u = self.letters[number - self.first]
            names, slopes = EQUATIONS[function]
            slope = self._composed(slopes[names.index(function)], function, u)
            self._gradients[number] = {k: sparse.multiply(slope, p) for k, p in self.partials(u).items()}
        return self._gradients[number]

    def partials(self, p: Poly) -> dict[int, Poly]:
        """The derivative of a polynomial by each coordinate, through the functions in it."""
        found: dict[int, Poly] = {}
        for number, slope in sparse.partials(p).items():
            if number < self.first:
                found[number] = sparse.add(found.get(number, {}), slope)
            elif number < INPUT:
                for k, inner in self.gradient(number).items():
                    found[k] = sparse.add(found.get(k, {}), sparse.multiply(slope, inner))
        return {k: q for k, q in found.items() if q}

    def cleared(self, field: Mapping[int, Poly]) -> list[dict[int, Poly]]:
        """Fields without 1/u and u^(-1/2) that are orthogonal to the same gradients of polynomials.

        Multiplied by a power of u, which is not 0; even and odd powers of u^(-1/2) are separated.
        """
        fields = [dict(field)]
        for index in reversed(range(len(self.letters))):
            function, u = self.letters[index]
            if function in ("inv", "rsqrt"):
                step = 1 if function == "inv" else 2
                fields = [part for f in fields for part in _without(f, self.first + index, u, step)]
        return fields

    def point_values(self, point: list[Fraction]) -> list[Fraction] | None:
        """The values of the letters at rational coordinates, or None where one is irrational."""
        values = dict(enumerate(point))
        found = []
        for function, u in self.letters:
            value = exact_value(function, Fraction(sparse.value(u, values)))
            if value is None:
                return None
            values[self.first + len(found)] = value
            found.append(value)
        return found


def _taylor(function: str, order: int) -> list[Poly]:
    """The Taylor coefficients of a function up to `order`, as polynomials in the functions of its equations."""
    names, slopes = EQUATIONS[function]
    found: list[Poly] = [sparse.letter(names.index(function))]
    for n in range(order):
        derivative: Poly = {}
        for number, slope in sparse.partials(found[-1]).items():
            sparse.accumulate(derivative, sparse.multiply(slope, slopes[number]))
        found.append(sparse.scale(derivative, Fraction(1, n + 1)))
    return found


def _without(field: Mapping[int, Poly], number: int, u: Poly, step: int) -> list[dict[int, Poly]]:
    """The parts of a field with powers of a letter congruent mod `step`, times a power of u that removes the letter."""
    parts: dict[int, dict[int, dict[int, Poly]]] = {}
    for k, p in field.items():
        for m, c in p.items():
            exponent = m.count(number)
            rest = tuple(n for n in m if n != number)
            parts.setdefault(exponent % step, {}).setdefault(k, {}).setdefault(exponent // step, {})[rest] = c
    found = []
    for components in parts.values():
        top = max(e for by_power in components.values() for e in by_power)
        powers = [sparse.power(u, e) for e in range(top + 1)]
        cleared = {
            k: sparse.add(*(sparse.multiply(p, powers[top - e]) for e, p in by_power.items()))
            for k, by_power in components.items()
        }
        found.append({k: p for k, p in cleared.items() if p})
    return [f for f in found if f]


def exact_value(function: str, u: Fraction) -> Fraction | None:
    """The value at a rational argument where it is rational."""
    if function in AT_ZERO:
        return Fraction(AT_ZERO[function]) if u == 0 else None
    if function == "inv":
        return 1 / u if u else None
    if function == "log":
        return Fraction(0) if u == 1 else None
    root = Fraction(isqrt(abs(u.numerator)), isqrt(u.denominator))
    return 1 / root if u > 0 and root * root == u else None
