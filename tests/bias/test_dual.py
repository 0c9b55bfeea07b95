"""The dual solver of the hyperbolic entropy against the conditions of optimality and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.bias import hypentropy_minimiser
from theorylab.errors import InputError

seeds = st.integers(0, 2**32 - 1)
property_test = settings(deadline=None, max_examples=60)


def draw(seed: int, d: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(d, n)), rng.normal(size=n), 10 ** rng.uniform(-4, 2, d), rng


def entropy(b: np.ndarray, k: np.ndarray, start: np.ndarray) -> float:
    def value(b: np.ndarray) -> float:
        return float((b * np.arcsinh(b / k) - np.sqrt(b**2 + k**2)).sum())

    return value(b) - value(start) - float(np.arcsinh(start / k) @ (b - start))


@given(seeds, st.integers(1, 4), st.integers(1, 5), st.booleans())
@property_test
def test_the_minimiser_fits_the_data_and_has_its_gradient_in_the_row_space(
    seed: int, n: int, extra: int, moved: bool
) -> None:
    x, y, k, rng = draw(seed, n + extra, n)
    start = rng.normal(size=n + extra) * moved
    b = hypentropy_minimiser(x, y, k, start)
    size = np.linalg.cond(x) * (np.abs(y).max() + np.abs(x).max() * np.abs(start).max())
    assert np.abs(x.T @ b - y).max() < 1e-12 * size
    gradient = np.arcsinh(b / k) - np.arcsinh(start / k)
    q, _ = np.linalg.qr(x)
    assert np.abs(gradient - q @ (q.T @ gradient)).max() < 1e-10 * np.linalg.cond(x) * np.abs(gradient).max()


@given(seeds)
@property_test
def test_no_other_interpolator_has_a_lower_value(seed: int) -> None:
    x, y, k, rng = draw(seed, 6, 2)
    start = rng.normal(size=6)
    b = hypentropy_minimiser(x, y, k, start)
    for scale in (1e-2, 1.0, 10.0):
        z = rng.normal(size=6) * scale
        z -= x @ np.linalg.lstsq(x, z, rcond=None)[0]
        assert entropy(b + z, k, start) > entropy(b, k, start)


def test_one_coordinate_and_one_sample_have_no_choice() -> None:
    assert hypentropy_minimiser([[2.0]], [3.0], 0.1) == pytest.approx([1.5], rel=1e-14)


def test_equal_features_share_the_target_in_proportion_to_the_width() -> None:
    """With x = (1, ..., 1) all b_i / k_i are equal."""
    k = np.array([1.0, 2.0, 5.0])
    assert hypentropy_minimiser(np.ones((3, 1)), [4.0], k) == pytest.approx(4 * k / 8, rel=1e-13)


def test_wide_entropy_gives_the_least_l2_norm_and_narrow_entropy_nearly_the_least_l1_norm() -> None:
    x, y = np.array([[1.0, 0.0], [0.0, 1.0], [0.75, 0.75]]), np.array([1.0, 1.0])
    assert hypentropy_minimiser(x, y, 1e6) == pytest.approx(np.linalg.lstsq(x.T, y, rcond=None)[0], rel=1e-9)
    narrow = hypentropy_minimiser(x, y, 1e-30)  # the l1 norm is least at (0, 0, 4/3), the gap is a power of k
    assert np.abs(narrow).sum() == pytest.approx(4 / 3, abs=1e-6)


def test_the_start_itself_if_it_fits() -> None:
    x, _, k, rng = draw(0, 5, 2)
    start = rng.normal(size=5)
    assert hypentropy_minimiser(x, x.T @ start, k, start) == pytest.approx(start, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0]], [1.0, 3.0], 1.0), "range"),
        (([[1.0]], [1.0], 0.0), "positive"),
        (([1.0], [1.0], 1.0), r"\(d, n\)"),
        (([[1.0]], [1.0, 2.0], 1.0), r"\(d, n\)"),
    ],
)
def test_bad_input_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        hypentropy_minimiser(*arguments)
