"""Polynomials as sums of squares and of nonnegative monomials: completing squares, in rationals.

A variable is a symbol at one pattern of indices. A monomial is known to be nonnegative where every exponent is even or
belongs to something of known sign. The other monomials have to be cross terms of squares: over the half-monomials
b_i with c b_i^2 in the polynomial, p = b'Gb + (nonnegative monomials), and G is positive semidefinite if exact
elimination without exchange, G = L D L', meets no negative pivot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product

from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import Monomial, Polynomial, Symbol

Square = tuple[Fraction, Polynomial]
"""A positive weight and a root: weight * root^2."""

MAX_BASIS = 32
MAX_OPTIONAL = 6
MAX_CHOICES = 32


def is_nonnegative(m: Monomial, known: Collection[Symbol] = ()) -> bool:
    """Whether a monomial is nonnegative wherever it is defined, `known` being the symbols that are."""
    return all(e % 2 == 0 or s.sign == "positive" or s in known for s, _, e in m)


def is_positive(m: Monomial) -> bool:
    return all(s.sign == "positive" or (e % 2 == 0 and s.nonzero) for s, _, e in m)


def sum_of_squares(p: Polynomial, known: Collection[Symbol] = (), *, strict: bool = False) -> tuple[Square, ...] | None:
    """Squares such that p minus them has only positive coefficients, on nonnegative monomials; None if none are found.

    known: symbols of unknown declared sign that are nonnegative here. With `strict`, one of the monomials that are
    left is positive wherever it is defined.
    """
    if all(c > 0 and is_nonnegative(m, known) for m, c in p.terms.items()):
        return () if not strict or any(map(is_positive, p.terms)) else None
    halves = (_half(m) for m, c in p.terms.items() if c > 0)
    basis = sorted((half for half in halves if half is not None), key=_elimination_order)
    if len(basis) > MAX_BASIS:
        return None
    pairs: dict[Monomial, list[tuple[int, int]]] = {}
    for i, j in combinations(range(len(basis)), 2):
        _, cross = po.canonical(basis[i] + basis[j])
        if cross in p.terms:
            pairs.setdefault(cross, []).append((i, j))
    diagonal = {po.canonical(b + b)[1] for b in basis}
    forced = [m for m, c in p.terms.items() if m not in diagonal and not (c > 0 and is_nonnegative(m, known))]
    if any(m not in pairs for m in forced):
        return None
    optional = [m for m in pairs if m not in diagonal and m not in forced][:MAX_OPTIONAL]
    for tried, crosses in enumerate(_choices(forced, optional, pairs)):
        if tried == MAX_CHOICES:
            return None
        squares = _eliminated(p, basis, crosses)
        if squares is not None and (not strict or _leaves_positive(p, squares)):
            return squares
    return None


def _choices(
    forced: Sequence[Monomial], optional: Sequence[Monomial], pairs: Mapping[Monomial, Sequence[tuple[int, int]]]
) -> Iterator[dict[Monomial, tuple[int, int]]]:
    """Which cross terms enter the Gram matrix, and at which entries: the largest sets first."""
    for count in range(len(optional), -1, -1):
        for chosen in combinations(optional, count):
            used = [*forced, *chosen]
            for entries in product(*(pairs[m] for m in used)):
                yield dict(zip(used, entries, strict=True))


def _half(m: Monomial) -> Monomial | None:
    if any(e % 2 for _, _, e in m):
        return None
    return tuple((s, idx, e // 2) for s, idx, e in m)


def _elimination_order(m: Monomial) -> tuple[bool, int, str]:
    """Monomials of unknown sign first, so that what is left over is positive where possible."""
    return is_positive(m), -sum(abs(e) for _, _, e in m), repr(m)


def _eliminated(
    p: Polynomial, basis: Sequence[Monomial], crosses: Mapping[Monomial, tuple[int, int]]
) -> tuple[Square, ...] | None:
    size = len(basis)
    gram = [[Fraction(0)] * size for _ in basis]
    for i, b in enumerate(basis):
        gram[i][i] = Fraction(p.terms[po.canonical(b + b)[1]])
    for m, (i, j) in crosses.items():
        gram[i][j] = gram[j][i] = Fraction(p.terms[m]) / 2
    squares: list[Square] = []
    for k in range(size):
        pivot, row = gram[k][k], gram[k]
        others = [j for j in range(k + 1, size) if row[j]]
        if pivot < 0 or (pivot == 0 and others):
            return None
        if not others:
            continue  # pivot * basis[k]^2 stays as a nonnegative monomial
        weights = {j: row[j] / pivot for j in others}
        root = Polynomial({basis[k]: 1, **{basis[j]: po.simple(w) for j, w in weights.items()}})
        squares.append((pivot, root))
        for i in others:
            for j in others:
                gram[i][j] -= weights[i] * row[j]
    return tuple(squares)


def _leaves_positive(p: Polynomial, squares: Sequence[Square]) -> bool:
    for weight, root in squares:
        p = p - (root * root).scale(weight)
    return any(map(is_positive, p.terms))
