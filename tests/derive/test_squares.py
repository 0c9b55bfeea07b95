"""Completing squares: exactly the positive semidefinite forms, and remainders that are visibly nonnegative."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.derive.squares import is_nonnegative, is_positive, sum_of_squares
from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import Polynomial

SIZE = 3
LETTERS = [po.letter(f"a{i}", ()) for i in range(SIZE)]


def form(matrix: list[list[int]]) -> Polynomial:
    total = po.ZERO
    for i in range(SIZE):
        for j in range(SIZE):
            total = total + (LETTERS[i] * LETTERS[j]).scale(matrix[i][j])
    return total


symmetric = st.lists(st.integers(-4, 4), min_size=6, max_size=6).map(
    lambda e: [[e[0], e[1], e[2]], [e[1], e[3], e[4]], [e[2], e[4], e[5]]]
)
factors = st.lists(st.lists(st.integers(-2, 2), min_size=SIZE, max_size=SIZE), min_size=2, max_size=3)


def minors(matrix: list[list[int]]) -> list[Fraction]:
    """All principal minors, exactly: the form is positive semidefinite if and only if none is negative."""

    def determinant(rows: list[list[Fraction]]) -> Fraction:
        if not rows:
            return Fraction(1)
        rest = [row[1:] for row in rows]
        terms = (rows[k][0] * determinant(rest[:k] + rest[k + 1 :]) * (-1) ** k for k in range(len(rows)))
        return sum(terms, Fraction(0))

    chosen = [[i for i in range(SIZE) if bits >> i & 1] for bits in range(1, 2**SIZE)]
    return [determinant([[Fraction(matrix[i][j]) for j in index] for i in index]) for index in chosen]


@settings(max_examples=150, deadline=None)
@given(st.one_of(symmetric, factors.map(lambda f: (np.array(f).T @ np.array(f)).tolist())))
def test_a_form_is_a_sum_of_squares_exactly_if_it_is_positive_semidefinite(matrix: list[list[int]]) -> None:
    p = form(matrix)
    squares = sum_of_squares(p)
    assert (squares is not None) == (min(minors(matrix)) >= 0)
    for weight, root in squares or ():
        assert weight > 0
        p = p - (root * root).scale(weight)
    if squares is not None:
        assert all(c > 0 and is_nonnegative(m) for m, c in p.terms.items())


def test_known_signs_are_used() -> None:
    a, b = LETTERS[:2]
    symbols = [next(iter(x.symbols())) for x in (a, b)]
    p = a * a + (a * b).scale(3) + b * b
    assert sum_of_squares(p) is None
    assert sum_of_squares(p, symbols) == ()
    assert sum_of_squares(a * a - (a * b).scale(3) + b * b, symbols) is None


@pytest.mark.parametrize(
    ("constant", "strict"),
    [(2, True), (1, False)],  # x^2 - 2x + 1 vanishes at 1, x^2 - 2x + 2 nowhere
)
def test_strict_needs_a_positive_remainder(constant: int, strict: bool) -> None:
    x = LETTERS[0]
    p = x * x - x.scale(2) + po.constant(constant)
    assert sum_of_squares(p) is not None
    squares = sum_of_squares(p, strict=True)
    assert (squares is not None) == strict
    for weight, root in squares or ():
        p = p - (root * root).scale(weight)
    assert squares is None or any(map(is_positive, p.terms))


def test_cross_terms_of_higher_degree() -> None:
    a, b, c = LETTERS
    difference = a * a - b * c
    assert sum_of_squares(difference * difference) is not None
    assert sum_of_squares(difference * difference - po.constant(Fraction(1, 100))) is None
