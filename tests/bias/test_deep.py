"""Potentials of diagonal networks of any depth and shape, and of weight normalization: gradients and inverses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import bias
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.exact import Exact
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric

UP, DOWN = np.array([0.5, 1.0, 0.125, 2.0]), np.array([0.5, 0.25, 1.0, 3.0])


def numeric(values: object) -> Numeric:
    return Numeric(torch.as_tensor(np.asarray(values, float), dtype=torch.float64))


def gradient(f: bias.Potential, b: np.ndarray) -> np.ndarray:
    return f.gradient(numeric(b), Case({})).data.numpy()


def inverse(f: bias.Potential, z: np.ndarray) -> np.ndarray:
    assert f.inverse is not None
    return f.inverse(numeric(z), Case({})).data.numpy()


POTENTIALS = {
    **{f"depth {D}": bias.hypentropy(Fraction(1, 8), D) for D in (2, 3, 4, 7)},
    **{
        f"shape, depth {D}": bias.diagonal_network(lambda c: numeric(UP), lambda c: numeric(DOWN), D) for D in (2, 3, 5)
    },
    "l2": bias.l2,
    "weighted l2": bias.weighted_l2(Fraction(3, 2)),
    "moved": bias.bregman(bias.hypentropy(1), start=lambda c: numeric(UP)),
}
POSITIVE = {"entropy": bias.entropy, "wn": bias.weight_normalized(Fraction(1, 2))}


@pytest.mark.parametrize("name", [*POTENTIALS, *POSITIVE])
def test_the_inverse_undoes_the_gradient(name: str) -> None:
    f = {**POTENTIALS, **POSITIVE}[name]
    for scale in (1e-3, 1.0, 30.0):
        b = scale * np.array([1.0, 0.3, 2.0, 0.7]) * (1 if name in POSITIVE else np.array([1, -1, -1, 1]))
        assert inverse(f, gradient(f, b)) == pytest.approx(b, rel=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_potential_of_a_network_vanishes_where_it_starts(depth: int) -> None:
    f = POTENTIALS[f"shape, depth {depth}"]
    assert gradient(f, UP**depth - DOWN**depth) == pytest.approx(np.zeros(4), abs=1e-12)


def test_equal_branches_have_the_hyperbolic_entropy() -> None:
    """u(0) = v(0) = a: k = a^D, and z is measured in units of a^(2 - D), for D = 2 as arcsinh with k = 2 a^2."""
    b = np.array([0.01, -0.5, 3.0])
    for depth in (3, 4):
        both = bias.diagonal_network(Fraction(1, 2), Fraction(1, 2), depth)
        one = bias.hypentropy(Fraction(1, 2) ** depth, depth)
        assert gradient(both, b) == pytest.approx(0.5 ** (2 - depth) * gradient(one, b), rel=1e-10)
    both = bias.diagonal_network(Fraction(1, 2), Fraction(1, 2))
    assert gradient(both, b) == pytest.approx(gradient(bias.hypentropy(Fraction(1, 2)), b), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_network_moves_along_its_dual_coordinate(depth: int) -> None:
    """u' = s u^(D-1), v' = -s v^(D-1) for any s(t), here 1: z moves at the constant speed D - 2, or 2 for D = 2."""
    from scipy.integrate import solve_ivp

    f = POTENTIALS[f"shape, depth {depth}"]
    start = np.concatenate([UP, DOWN])
    direction = np.repeat([1.0, -1.0], 4)
    t = 0.2 / start.max() ** (depth - 2)
    run = solve_ivp(lambda _, w: direction * w ** (depth - 1), (0, t), start, rtol=1e-11, atol=1e-13)
    u, v = run.y[:4, -1], run.y[4:, -1]
    assert gradient(f, u**depth - v**depth) == pytest.approx(np.full(4, t * (depth - 2 or 2)), rel=1e-8)


@given(st.integers(0, 2**31), st.sampled_from([*POTENTIALS, *POSITIVE]))
@settings(deadline=None, max_examples=15)
def test_newton_finds_a_certified_minimum(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, 2))
    y = x.T @ rng.uniform(0.2, 2, 4)
    f = {**POTENTIALS, **POSITIVE}[name]
    best = f.minimum(x, y)
    assert best.certificate.primal < 1e-8
    assert best.certificate.stationary < 1e-8
    other = best.b * np.array([1.01, 1, 1, 1])
    other = other - x @ np.linalg.lstsq(x.T @ x, x.T @ (other - best.b), rcond=None)[0]
    assert f.certificate(other, x).stationary > 1e-7


def test_depth_separates_the_potentials() -> None:
    """The minimiser of one depth is none of another, and small widths bring all of them near the least l1 norm."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=3)
    for depth in (2, 3, 4):
        best = bias.hypentropy(Fraction(1, 4), depth).minimum(x, y)
        for other in {2, 3, 4} - {depth}:
            assert bias.hypentropy(Fraction(1, 4), other).certificate(best.b, x).stationary > 1e-3
    least = bias.l1.minimum(x, y).value
    sizes = {
        d: [np.abs(bias.hypentropy(Fraction(1, 10**e), d).minimum(x, y).b).sum() / least - 1 for e in (3, 6, 9)]
        for d in (2, 3, 4)
    }
    for excess in sizes.values():
        assert excess[0] > excess[1] > excess[2] > 0
    assert sizes[4][2] < sizes[3][2] < sizes[2][2]


def test_weight_normalization_is_scaled_entropy() -> None:
    """The gradient differs from log b by a multiple of 1, so {b : sum b fixed} has the entropic minimiser."""
    f = bias.weight_normalized(Fraction(1, 3))
    x, y = np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 1.0], [1.0, 5.0]]), np.array([2.0, 3.0])
    assert f.minimum(x, y).b == pytest.approx(bias.entropy.minimum(x, y).b, rel=1e-9)
    x = x + np.array([[0.5, 0.0], [0, 0], [0, 0], [0, 0]])
    assert np.abs(f.minimum(x, y).b - bias.entropy.minimum(x, y).b).max() > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bias.hypentropy(1, depth=1), "at least 2"),
        (lambda: bias.hypentropy(1, depth=2.5), "at least 2"),  # type: ignore[arg-type]
        (lambda: bias.diagonal_network(1, 1, depth=0), "at least 2"),
        (lambda: bias.diagonal_network(0, 1), "positive"),
        (lambda: bias.weight_normalized(0), "positive"),
        (lambda: bias.power(Fraction(1, 2)).minimum([[1.0]], [1.0]), "inverse"),
        (lambda: bias.hypentropy(1, 3).minimum([[1.0, 1.0]], [1.0, 2.0]), "range"),
    ],
)
def test_bad_shapes_are_refused_in_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_deep_potentials_have_no_symbolic_form() -> None:
    with pytest.raises(UnsupportedReading, match="no symbolic form"):
        bias.hypentropy(1, 3).gradient(Exact.variable("b", (2,)), Case({}))
