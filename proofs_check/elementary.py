"""Functions in a forward map, as letters with polynomial derivatives, and their Taylor polynomials in the input.

exp, tanh, sin, cos, 1/u and u^(-1/2) satisfy differential equations with polynomial right-hand sides. A function of
u_0(z) + u_1(z, x), u_1 = 0 at x = 0, equals its Taylor series in u_1 near x = 0, so coefficients of the truncated
outputs at monomials of the input up to the order are derivatives of the outputs at x = 0, which belong to the fields
of the flow. At the point of the proof every letter has to have a rational value.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

from .document import Budget, Coefficient, Rejected
from .forward import Poly, add, multiply, partials

RULE = "rank"
MAX_LETTERS = 4096
# For each function: the functions that its derivatives are polynomials in, and their derivatives by the argument.
EQUATIONS: dict[str, tuple[tuple[str, ...], tuple[Poly, ...]]] = {
    "exp": (("exp",), ({(0,): 1},)),
    "tanh": (("tanh",), ({(): 1, (0, 0): -1},)),
    "sin": (("sin", "cos"), ({(1,): 1}, {(0,): -1})),
    "cos": (("sin", "cos"), ({(1,): 1}, {(0,): -1})),
    "inv": (("inv",), ({(0, 0): -1},)),
    "rsqrt": (("rsqrt",), ({(0, 0, 0): Fraction(-1, 2)},)),
}
AT_ZERO = {"exp": 1, "tanh": 0, "sin": 0, "cos": 1}


class Functions:
    """Letters for functions, numbered from `first`; letters of the input have numbers from `first_input`.

    order: the degree in the input at which Taylor polynomials end; None keeps functions of the input as letters.
    """

    def __init__(self, first: int, first_input: int, order: int | None, budget: Budget) -> None:
        self.first, self.first_input, self.order, self.budget = first, first_input, order, budget
        self.letters: list[tuple[str, Poly]] = []
        self.numbers: dict[object, int] = {}
        self.gradients: dict[int, dict[int, Poly]] = {}

    def times(self, factors: Sequence[Poly]) -> Poly:
        """A product, without what is beyond the order."""
        result = factors[0]
        for factor in factors[1:]:
            result = multiply(result, factor, self.budget)
            if self.order is not None:
                result = {m: c for m, c in result.items() if sum(n >= self.first_input for n in m) <= self.order}
        return result

    def apply(self, function: str, u: Poly) -> Poly:
        if function == "sqrt":
            return self.times([u, self.apply("rsqrt", u)])
        if self.order is None:
            return self.letter(function, u)
        start = {m: c for m, c in u.items() if not m or m[-1] < self.first_input}
        rest = {m: c for m, c in u.items() if m and m[-1] >= self.first_input}
        names, slopes = EQUATIONS[function]
        coefficient: Poly = {(names.index(function),): 1}
        total, power = self.composed(coefficient, function, start), rest
        for n in range(1, self.order + 1 if rest else 0):
            parts = [multiply(p, slopes[k], self.budget) for k, p in partials(coefficient).items()]
            coefficient = {m: Fraction(c) / n for m, c in add(parts, self.budget).items()}
            total = add([total, self.times([self.composed(coefficient, function, start), power])], self.budget)
            power = self.times([power, rest])
        return total

    def composed(self, formal: Poly, function: str, u: Poly) -> Poly:
        """A polynomial in the functions of `EQUATIONS` at the argument u."""
        letters = [self.letter(name, u) for name in EQUATIONS[function][0]]
        terms = [self.times([{(): c}, *(letters[n] for n in m)]) for m, c in formal.items()]
        return add(terms, self.budget)

    def letter(self, function: str, u: Poly) -> Poly:
        key = (function, frozenset(u.items()))
        if key not in self.numbers:
            if len(self.letters) == MAX_LETTERS:
                raise Rejected("limit", f"more than {MAX_LETTERS} functions appear")
            self.numbers[key] = self.first + len(self.letters)
            self.letters.append((function, u))
        return {(self.numbers[key],): 1}

    def gradient(self, number: int) -> dict[int, Poly]:
        """The derivative of a letter by each coordinate."""
        if number not in self.gradients:
            function, u = self.letters[number - self.first]
            names, slopes = EQUATIONS[function]
            slope = self.composed(slopes[names.index(function)], function, u)
            self.gradients[number] = {k: multiply(slope, p, self.budget) for k, p in self.partials(u).items()}
        return self.gradients[number]

    def partials(self, p: Poly) -> dict[int, Poly]:
        """The derivative of a polynomial by each coordinate, through the functions in it."""
        found: dict[int, list[Poly]] = {}
        for number, slope in partials(p).items():
            if number < self.first:
                found.setdefault(number, []).append(slope)
            elif number < self.first_input:
                for k, inner in self.gradient(number).items():
                    found.setdefault(k, []).append(multiply(slope, inner, self.budget))
        return {k: add(parts, self.budget) for k, parts in found.items()}

    def vanishes(self, p: Poly) -> bool:
        """Whether a polynomial is 0 by u (1/u) = 1, u (u^(-1/2))^2 = 1 and the rules of polynomials alone."""
        polynomials = [p]
        for index in reversed(range(len(self.letters))):
            function, u = self.letters[index]
            if function in ("inv", "rsqrt"):
                polynomials = [q for r in polynomials for q in self._without(r, self.first + index, u, function)]
        return not any(polynomials)

    def _without(self, p: Poly, number: int, u: Poly, function: str) -> list[Poly]:
        """p times a power of u, without the letter; odd powers of u^(-1/2) apart from even ones."""
        step = 2 if function == "rsqrt" else 1
        parts: dict[int, dict[int, Poly]] = {}
        for m, c in p.items():
            exponent = m.count(number)
            rest = tuple(n for n in m if n != number)
            parts.setdefault(exponent % step, {}).setdefault(exponent // step, {})[rest] = c
        found = []
        for powers in parts.values():
            total: Poly = {}
            for exponent in range(max(powers) + 1):
                total = add([multiply(total, u, self.budget), powers.get(exponent, {})], self.budget)
            found.append(total)
        return found

    def values(self, point: Sequence[Coefficient]) -> list[Coefficient]:
        """The values of the letters at rational coordinates."""
        known = list(point)
        for function, u in self.letters:
            argument: Coefficient = 0
            for m, c in u.items():
                for n in m:
                    c = c * known[n]
                argument += c
            known.append(_value(function, Fraction(argument)))
        return known[len(point) :]


def _value(function: str, u: Fraction) -> Coefficient:
    if function in AT_ZERO and u == 0:
        return AT_ZERO[function]
    if function == "inv" and u:
        return 1 / u
    if function == "rsqrt" and u > 0:
        root = Fraction(isqrt(u.numerator), isqrt(u.denominator))
        if root * root == u:
            return 1 / root
    raise Rejected(RULE, f"{function} has no rational value at the point")
