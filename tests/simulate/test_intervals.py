"""Confidence intervals: known values, coverage, what they assume, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from theorylab.errors import InputError
from theorylab.simulate.intervals import bernstein, clopper_pearson, interval


def test_clopper_and_pearson_end_where_the_count_becomes_unlikely() -> None:
    samples = np.repeat([1.0, 0.0], [7, 13])
    found = clopper_pearson(samples, 0.95)
    assert found.mean == 0.35
    assert binom.sf(6, 20, found.low) == pytest.approx(0.025, rel=1e-9)
    assert binom.cdf(7, 20, found.high) == pytest.approx(0.025, rel=1e-9)
    none, every = (clopper_pearson(np.full(30, v), 0.95) for v in (0.0, 1.0))
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 30), rel=1e-9)
    assert every.low == pytest.approx(1 - none.high, rel=1e-9)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5])
def test_the_exact_interval_covers_at_its_level(p: float) -> None:
    """All counts, weighted by their probability: no simulation."""
    n, level = 40, 0.9
    ends = [clopper_pearson(np.repeat([1.0, 0.0], [k, n - k]), level) for k in range(n + 1)]
    covered = sum(binom.pmf(k, n, p) for k, e in enumerate(ends) if e.low <= p <= e.high)
    assert level <= covered < 0.99


@pytest.mark.parametrize("values", [None, (0.0, 1.0)])
def test_intervals_cover_at_their_level(values: object) -> None:
    """Of 400 samples of 200 uniform numbers, at least 0.87 are covered at 0.9: five standard errors below that."""
    rng = np.random.default_rng(0)
    found = [interval(rng.uniform(size=200), 0.9, values) for _ in range(400)]
    covered = np.mean([f.low <= 0.5 <= f.high for f in found])
    assert covered > 0.825
    assert (covered < 0.96) == (values is None), "the interval for every distribution is wider"


def test_bernstein_profits_from_a_small_variance() -> None:
    """Half-widths of 7 log / (3 n) for constant samples, and of sqrt(2 V log / n) for many others."""
    log = np.log(4 / 0.001)
    constant = bernstein(np.full(1000, 0.25), 0.999, 0, 1)
    assert constant.half_width == pytest.approx(7 * log / (3 * 999))
    many = bernstein(np.tile([0.0, 1.0], 500_000), 0.999, 0, 1)
    assert many.half_width == pytest.approx(np.sqrt(2 * 0.25 * log / 1e6), rel=0.02)
    assert bernstein(np.zeros(20), 0.999, 0, 1).low == 0


def test_samples_without_a_value_count_as_either_end() -> None:
    samples = np.append(np.tile([0.0, 1.0], 500), [np.nan] * 100)
    found = interval(samples, 0.99, "boolean")
    low, high = (clopper_pearson(np.append(samples[:1000], np.full(100, v)), 0.99) for v in (0.0, 1.0))
    assert (found.low, found.high) == (low.low, high.high)
    assert not found.doubt
    assert "100 of 1100" in interval(samples, 0.99).doubt


def test_heavy_tails_make_students_interval_doubtful() -> None:
    rng = np.random.default_rng(1)
    assert "variance" in interval(rng.standard_cauchy(2000), 0.99).doubt
    assert not interval(rng.normal(size=2000), 0.99).doubt
    noise = 1e-9 * rng.standard_cauchy(2000)
    assert not interval(1 + noise, 0.99, within=1e-3).doubt


def test_what_was_stated_of_the_values_is_checked() -> None:
    with pytest.raises(InputError, match="boolean has the value"):
        interval(np.array([0.0, 0.5]), 0.9, "boolean")
    with pytest.raises(InputError, match="lie in"):
        interval(np.array([0.0, 1.5]), 0.9, (0.0, 1.0))
