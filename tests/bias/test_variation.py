"""The least variation of the slope of a function through points: closed forms, and a dual that holds everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import bias
from theorylab.errors import InputError


def points(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.permutation(np.cumsum(rng.uniform(0.2, 2, n)) - n / 2), rng.normal(size=n), rng


@given(st.integers(0, 2**31), st.integers(3, 7))
@settings(deadline=None, max_examples=30)
def test_the_polygon_is_least(seed: int, n: int) -> None:
    x, y, rng = points(seed, n)
    order = np.argsort(x)
    slopes = np.diff(y[order]) / np.diff(x[order])
    best = bias.slope_variation().minimum(x, y)
    assert best.value == pytest.approx(np.abs(np.diff(slopes)).sum(), rel=1e-9)
    assert abs(best.certificate.gap) < 1e-9
    assert best.certificate.primal < 1e-9
    kinks = np.stack([rng.normal(size=5), rng.normal(size=5)])
    fitted = np.maximum(x[:, None] - kinks[0], 0) @ kinks[1]
    other = bias.slope_variation().certificate(kinks, x, fitted)
    assert other.primal < 1e-9
    assert other.gap >= -1e-9, "no function has less variation than the bound for its values"


@given(st.integers(0, 2**31), st.integers(3, 6))
@settings(deadline=None, max_examples=15)
def test_no_function_beats_the_bound_where_biases_count(seed: int, n: int) -> None:
    x, y, rng = points(seed, n)
    f = bias.slope_variation(biases=True)
    best = f.minimum(x, y)
    assert abs(best.certificate.gap) < f.resolution
    assert best.certificate.primal < 1e-6
    kinks = np.stack([rng.normal(size=5), rng.normal(size=5)])
    fitted = np.maximum(x[:, None] - kinks[0], 0) @ kinks[1]
    assert f.certificate(kinks, x, fitted).gap >= -1e-9


def test_three_points_where_biases_count() -> None:
    """h is a hat, and the least value is the second difference of y over the largest |h| / sqrt(1 + u^2) of the hat.

    For x = 1, 2, 4 that is at the middle, 1 / sqrt(5), and the second difference of 0, 1, 0 is 3/2. For x = -2, 1, 2
    the left side (u + 2) / 3 is largest against the weight at u = 1/2, and the second difference is 4/3.
    """
    f = bias.slope_variation(biases=True)
    assert f.minimum([1.0, 2.0, 4.0], [0.0, 1.0, 0.0]).value == pytest.approx(1.5 * np.sqrt(5), rel=1e-7)
    assert f.minimum([-2.0, 1.0, 2.0], [0.0, 1.0, 0.0]).value == pytest.approx(0.8 * np.sqrt(5), rel=1e-7)


def test_a_knot_inside_an_interval_is_found() -> None:
    """Left of the origin the weight falls towards 0: a piece a + s u is largest at u = s / a, between the points."""
    f = bias.slope_variation(biases=True)
    best = f.minimum([-3.0, -1.0, 0.75, 3.0], [4.0, 0.0, 0.0, 1.0])
    grid = np.linspace(-3, 3, 60_001)
    h = np.maximum(np.array([-3.0, -1.0, 0.75, 3.0])[None] - grid[:, None], 0) @ best.certificate.dual
    ratio = np.abs(h) / np.sqrt(1 + grid**2)
    assert ratio.max() <= 1 + 1e-9
    inside = [k for k in best.b[0] if np.abs(k - np.array([-3, -1, 0.75, 3])).min() > 0.01]
    assert inside, "the best knots are not all data points"


def test_a_line_needs_no_kink_and_a_wrong_fit_is_seen() -> None:
    f = bias.slope_variation()
    assert f.minimum([0.0, 1.0, 3.0], [1.0, 2.0, 4.0]).value == pytest.approx(0, abs=1e-12)
    assert f.certificate([[1.0], [1.0]], [0.0, 1.0, 3.0], [0.0, 0.0, 4.0]).primal == pytest.approx(1 / 6, rel=1)
    with pytest.raises(InputError, match="distinct"):
        f.minimum([0.0, 0.0, 1.0], [1.0, 1.0, 2.0])
    with pytest.raises(InputError, match="interpolators"):
        f.subject_to(bias.margins())
