"""Indexed polynomials: sums of products of indexed symbols, with summed (dummy) indices, for all sizes.

    f[m, n] = sum_{k, d} W2[m, k] h[k, n] W1[k, d] x[d, n]

An index is an int: 0, 1, ... are the axes of the array that the polynomial gives (free), negative ones are dummies.
Symbols are letters, sizes, Kronecker's delta, and atoms: a named function of an indexed polynomial, kept unexpanded.
Terms are canonical up to renaming of dummies, so that equal sums cancel. With no indices at all this is ordinary
polynomial arithmetic, and statements at concrete sizes use the same code.
"""

from theorylab.readings.polynomial.atoms import atom, reciprocal, slope
from theorylab.readings.polynomial.calculus import directional, partial, substitute
from theorylab.readings.polynomial.canonical import canonical
from theorylab.readings.polynomial.rewriting import Rule, normal_form, rewrite
from theorylab.readings.polynomial.symbols import Coefficient, Factor, Monomial, Symbol, delta, size_factor, symbol
from theorylab.readings.polynomial.terms import (
    ONE,
    ZERO,
    Budget,
    Polynomial,
    budget,
    constant,
    dummy_count,
    letter,
    simple,
)

__all__ = [
    "ONE", "ZERO", "Budget", "Coefficient", "Factor", "Monomial", "Polynomial", "Rule", "Symbol", "atom", "budget",
    "canonical", "constant", "delta", "directional", "dummy_count", "letter", "normal_form", "partial", "reciprocal",
    "rewrite", "simple", "size_factor", "slope", "substitute", "symbol",
]  # fmt: skip
