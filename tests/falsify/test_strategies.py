"""Hypothesis finds and shrinks what the hunt finds, in the same code."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import find, given, settings

from tests.falsify import statements as s
from theorylab.errors import InputError
from theorylab.falsify.strategies import ExactCase, LawBroken, cases, check, violation


def test_a_true_law_passes() -> None:
    check(s.per_unit, examples=60)


def test_a_false_law_fails_with_its_case() -> None:
    with pytest.raises(LawBroken, match=r"k=2.*x=.*init\.W1="):
        check(s.relu_matrix, examples=400, dims={"d": 1, "m": 1, "n": 1})


def test_what_was_screened_is_served_first() -> None:
    """Two examples, of which Hypothesis spends the first on zeros, are enough for a law that few cases break."""
    with pytest.raises(LawBroken, match="k=2"):
        check(s.relu_matrix, examples=2)


def test_shrinking_reaches_the_known_minimum() -> None:
    """One sample, one input, one weight: x = w1 = w2 = r = 1 up to sign."""
    ones = cases(s.one_percent, largest=1)
    least = find(ones, lambda case: violation(case) is not None, settings=settings(database=None))
    assert set(least.dims.values()) == {1}
    assert all(abs(v[0][0]) == 1 for v in least.values.values())


@settings(max_examples=30, deadline=None)
@given(case=cases(s.polar[2], dims={"M": 1}, largest=3))
def test_drawn_cases_have_their_sizes_signs_and_ranges(case: ExactCase) -> None:
    values = case.values
    assert len(values["A"]) == 1
    assert len(values["z"]) == len(values["init.v"]) == case.dims["N"] <= 3
    assert all(v != 0 for v in values["z"])
    assert all(Fraction(1, 2) <= v <= Fraction(3, 2) for v in values["init.v"])


def test_unknown_sizes_are_named() -> None:
    with pytest.raises(InputError, match="'q'"):
        cases(s.per_unit, dims={"q": 1})
