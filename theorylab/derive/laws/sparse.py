"""Sparse polynomials over the rationals in numbered letters, and the domain in which expressions become such.

A monomial is the sorted tuple of its letters, each as often as its exponent says; a polynomial maps monomials to
coefficients that are not 0. Coordinates have the lowest numbers, letters of the inputs the highest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

from theorylab.errors import UnsupportedReading

Monomial = tuple[int, ...]
Coefficient = int | Fraction
Poly = dict[Monomial, Coefficient]

INPUT = 1 << 32
"""Letters from here on belong to inputs and to other variables that a statement quantifies over."""
MAX_TERMS = 2_000_000


def whole(c: Coefficient) -> Coefficient:
    return c.numerator if c.denominator == 1 else c


def constant(value: Coefficient) -> Poly:
    return {(): whole(value)} if value else {}


def letter(number: int) -> Poly:
    return {(number,): 1}


def add(*summands: Poly) -> Poly:
    if len(summands) == 1:
        return summands[0]
    total: Poly = {}
    for summand in summands:
        accumulate(total, summand)
    return total


def accumulate(total: Poly, summand: Poly, factor: Coefficient = 1) -> None:
    """total += factor * summand, in place."""
    for m, c in summand.items():
        value = total.get(m, 0) + factor * c
        if value:
            total[m] = value
        else:
            total.pop(m, None)


def scale(p: Poly, factor: Coefficient) -> Poly:
    return {m: whole(c * factor) for m, c in p.items()} if factor else {}


def multiply(a: Poly, b: Poly) -> Poly:
    if len(a) > len(b):
        a, b = b, a
    if len(a) * len(b) > MAX_TERMS:
        raise UnsupportedReading("the model is too large to expand")
    total: Poly = {}
    get = total.get
    for m, c in a.items():
        for n, d in b.items():
            key = tuple(sorted(m + n)) if m and n else m or n
            total[key] = get(key, 0) + c * d
    return {m: c for m, c in total.items() if c}


def power(base: Poly, exponent: int) -> Poly:
    result: Poly = {(): 1}
    while exponent:
        if exponent & 1:
            result = multiply(result, base)
        exponent >>= 1
        if exponent:
            base = multiply(base, base)
    return result


def partials(p: Poly) -> dict[int, Poly]:
    """The derivative by each letter that occurs."""
    found: dict[int, Poly] = {}
    for m, c in p.items():
        previous = None
        for position, number in enumerate(m):
            if number != previous:
                rest = m[:position] + m[position + 1 :]
                slot = found.setdefault(number, {})
                slot[rest] = slot.get(rest, 0) + c * m.count(number)
            previous = number
    return found


def letters(*polynomials: Poly) -> set[int]:
    return {number for p in polynomials for m in p for number in m}


def by_inputs(p: Poly) -> dict[Monomial, Poly]:
    """The coefficients of a polynomial in the letters of inputs, by monomial in them."""
    found: dict[Monomial, Poly] = {}
    for m, c in p.items():
        cut = len(m)
        while cut and m[cut - 1] >= INPUT:
            cut -= 1
        found.setdefault(m[cut:], {})[m[:cut]] = c
    return found


def primitive(polynomials: Mapping[int, Poly]) -> dict[int, Poly]:
    """The polynomials times the positive number that makes all coefficients integers without a common factor."""
    coefficients = [c for p in polynomials.values() for c in p.values()]
    common = lcm(*(c.denominator for c in coefficients))
    content = gcd(*(int(c * common) for c in coefficients))
    if common == content:
        return dict(polynomials)
    factor = Fraction(common, content or 1)
    return {k: scale(p, factor) for k, p in polynomials.items()}


def value(p: Poly, at: Mapping[int, Coefficient] | Sequence[Coefficient]) -> Coefficient:
    """The value at a point."""
    total: Coefficient = 0
    for m, c in p.items():
        for number in m:
            c = c * at[number]
        total += c
    return whole(total)


class Polynomials:
    """The domain of polynomials. `function` gives the value of a named function of a polynomial, if it has one."""

    def __init__(self, function: Callable[[str, Poly], Poly] | None = None) -> None:
        self.function = function

    const = staticmethod(constant)

    def add(self, terms: Sequence[Poly]) -> Poly:
        return add(*terms)

    def mul(self, factors: Sequence[Poly]) -> Poly:
        result = factors[0]
        for factor in factors[1:]:
            result = multiply(result, factor)
        return result

    def power(self, base: Poly, exponent: int) -> Poly:
        if exponent < 0:
            return power(self.call("inv", base), -exponent)
        return power(base, exponent)

    def call(self, function: str, argument: Poly) -> Poly:
        if self.function is None:
            raise UnsupportedReading(f"{function} of the parameters is no polynomial")
        return self.function(function, argument)
