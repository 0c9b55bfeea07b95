"""Scalar expressions at given sizes as polynomials without indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from theorylab.readings import expression as ex
from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import Polynomial


class _Polynomials:
    def const(self, value: Fraction) -> Polynomial:
        return po.constant(value)

    def add(self, terms: Sequence[Polynomial]) -> Polynomial:
        total: dict[po.Monomial, po.Coefficient] = {}
        for term in terms:
            for m, c in term.terms.items():
                value = total.get(m, 0) + c
                if value:
                    total[m] = po.simple(value)
                else:
                    del total[m]
        return Polynomial(total)

    def mul(self, factors: Sequence[Polynomial]) -> Polynomial:
        result = po.ONE
        for factor in sorted(factors, key=lambda p: len(p.terms)):
            result = result * factor
        return result

    def power(self, base: Polynomial, exponent: int) -> Polynomial:
        return base**exponent if exponent > 0 else po.reciprocal(base) ** -exponent

    def call(self, function: str, argument: Polynomial) -> Polynomial:
        return po.atom(function, argument)


def polynomials(roots: Sequence[ex.Expression], signs: Mapping[str, str] | None = None) -> list[Polynomial]:
    """Each root as a polynomial in scalar letters and atoms. `signs` gives the known signs of entries by array name."""
    known = signs or {}

    def variable(name: str) -> Polynomial:
        return po.letter(name, (), known.get(name.split("[")[0], "any"))

    return ex.evaluate(roots, variable, _Polynomials())
