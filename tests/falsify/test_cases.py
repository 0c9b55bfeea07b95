"""Codes: tables, decoding, structured and random draws, shrinking towards the simplest value."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import draw
from theorylab.falsify.cases import CaseCode, block, complexity, nested, real_values, rotations, thresholds, values_of
from theorylab.falsify.draws import random_codes, square_norms, structured_codes

BLOCKS = (
    block("W", (2, 3), "any", None),
    block("p", (), "positive", None),
    block("u", (2,), "any", draw.uniform(0.5, 1.5)),
    block("y", (1, 2), "any", draw.one_of(-1, 1)),
    block("k", (), "any", draw.integer(2, 5), integer=True),
    block("M", (2, 2), "any", draw.orthogonal()),
)
CODE = CaseCode(BLOCKS)


def test_code_zero_is_the_simplest_case() -> None:
    values = CODE.exact((0,) * CODE.length)
    assert nested("W", (2, 3), values) == [[0, 0, 0], [0, 0, 0]]
    assert (values["p"], values["u[0]"], values["y[0,0]"], values["k"]) == (1, 1, 1, 2)
    assert nested("M", (2, 2), values) == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("given_draw", "sign", "low", "high"),
    [
        (draw.uniform(0.5, 1.5), "any", 0.5, 1.5),
        (draw.uniform(-1, 1), "positive", 0, 1),
        (draw.loguniform(1e-3, 1), "any", 1e-3, 1),
        (draw.uniform(0, 50), "nonzero", 0, 50),
        (draw.integer(3, 9), "any", 3, 9),
        (draw.constant(0.25), "any", 0.25, 0.25),
    ],
)
def test_tables_stay_inside_the_range_and_sign(given_draw: draw.Draw, sign: str, low: float, high: float) -> None:
    table = values_of(given_draw, sign)
    assert all(low <= v <= high for v in table)
    assert all(v.denominator & (v.denominator - 1) == 0 for v in table)
    assert list(map(complexity, table)) == sorted(map(complexity, table))
    assert (0 in table) == (sign == "any" and low <= 0 <= high)


def test_the_constants_of_a_statement_widen_tables_within_their_range() -> None:
    found = thresholds([Fraction(1000), Fraction(7, 3), Fraction(1)])
    assert {Fraction(v) for v in (1000, 1001, 999, -1001, Fraction(7, 3), Fraction(3, 7))} <= set(found)
    assert not set(found) & set(real_values())
    anything, positive, bounded, label = (b.holding(found) for b in (BLOCKS[0], BLOCKS[1], BLOCKS[2], BLOCKS[3]))
    assert set(found) <= {v for (v,) in anything.table}
    assert all(v > 0 for (v,) in positive.table)
    assert (1001,) in positive.table
    assert all(Fraction(1, 2) <= v <= Fraction(3, 2) for (v,) in bounded.table)
    assert label == BLOCKS[3]


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        values_of(draw.uniform(-2, -1), "positive")


def test_the_grid_of_reals_is_symmetric() -> None:
    assert {-v for v in real_values()} == set(real_values())


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_rotations_are_orthogonal(size: int) -> None:
    for flat in rotations(size):
        m = np.array(flat, dtype=object).reshape(size, size)
        assert (m @ m.T == np.eye(size, dtype=int)).all()


@pytest.mark.parametrize("size", range(2, 10))
def test_vectors_of_rational_norm_exist_for_every_size(size: int) -> None:
    assert square_norms(size)
    for v in square_norms(size):
        assert len(v) == size
        assert isqrt(total := sum(x * x for x in v)) ** 2 == total


@settings(max_examples=50, deadline=None)
@given(st.tuples(*(st.integers(0, int(r) - 1) for r in CODE.radix)))
def test_columns_and_exact_values_agree(code: tuple[int, ...]) -> None:
    exact = CODE.exact(code)
    columns = CODE.columns(np.array([code, code]))
    assert {name: Fraction(column[1]) for name, column in columns.items() if "M" not in name} == {
        name: value for name, value in exact.items() if "M" not in name
    }
    assert all(columns[name][0] == float(value) for name, value in exact.items())


@pytest.mark.parametrize("draws", [random_codes, structured_codes])
def test_case_i_does_not_depend_on_the_batch(draws) -> None:
    whole = draws(CODE, 5, 0, 64)
    parts = np.concatenate([draws(CODE, 5, start, count) for start, count in ((0, 10), (10, 1), (11, 53))])
    assert (whole == parts).all()
    assert ((whole >= 0) & (whole < CODE.radix)).all()
    assert (draws(CODE, 6, 0, 64) != whole).any()


def test_structured_cases_begin_with_zeros_and_ones() -> None:
    zeros, ones = structured_codes(CODE, 0, 0, 2)
    assert not zeros.any()
    assert nested("W", (2, 3), CODE.exact(ones)) == [[1, 1, 1], [1, 1, 1]]


def test_complexity_counts_nonzero_entries_first() -> None:
    table = CODE.blocks[0].position
    one_large, two_small = np.zeros((2, CODE.length), dtype=np.int64)
    one_large[0] = table[Fraction(8)]
    two_small[:2] = table[Fraction(1)]
    large, small = CODE.complexity(np.array([one_large, two_small]))
    assert large < small
