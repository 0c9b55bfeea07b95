"""Potentials: their gradients, their limits, and the dual residual that vanishes exactly at minimisers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab import bias, ops
from theorylab.errors import InputError, ShapeError, UnsupportedReading
from theorylab.readings.exact import Exact
from theorylab.readings.indexed import Indexed
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric

seeds = st.integers(0, 2**32 - 1)
property_test = settings(deadline=None, max_examples=40)


def numeric(values: object) -> Numeric:
    return Numeric(torch.as_tensor(np.asarray(values, float), dtype=torch.float64))


def slope(potential: bias.Potential, b: np.ndarray, case: Case | None = None) -> np.ndarray:
    return potential.gradient(numeric(b), case or Case({})).data.numpy()


# --- the projection on the kernel -------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 5), st.integers(1, 5))
@property_test
def test_the_null_component_is_the_projection_on_the_kernel(seed: int, d: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(d, n))
    if n > 1:
        x[:, -1] = 2 * x[:, 0]  # dependent columns span no more
    v = rng.normal(size=d)
    z = ops.null_component(numeric(x), numeric(v)).data.numpy()
    assert np.allclose(x.T @ z, 0, atol=1e-12)
    coefficients, *_ = np.linalg.lstsq(x, v - z, rcond=None)
    assert np.allclose(x @ coefficients, v - z, atol=1e-10)


def test_the_null_component_works_on_rows_and_under_vmap() -> None:
    rng = np.random.default_rng(0)
    x, v = torch.from_numpy(rng.normal(size=(6, 4, 2))), torch.from_numpy(rng.normal(size=(6, 3, 4)))
    mapped = torch.func.vmap(lambda x, v: ops.null_component(Numeric(x), Numeric(v)).data)(x, v)
    for xi, vi, zi in zip(x, v, mapped, strict=True):
        for row, found in zip(vi, zi, strict=True):
            assert torch.equal(
                ops.null_component(Numeric(xi), Numeric(row)).data.round(decimals=12), found.round(decimals=12)
            )


def test_the_null_component_has_no_symbolic_reading() -> None:
    for make in (
        lambda n, s: Exact.variable(n, s),
        lambda n, s: Indexed.letter(n, ["d" if k == 4 else "n" for k in s]),
    ):
        with pytest.raises(UnsupportedReading, match="kernel"):
            ops.null_component(make("x", (4, 2)), make("v", (4,)))
    with pytest.raises(ShapeError, match=r"\(4, 2\)"):
        ops.null_component(numeric(np.ones((4, 2))), numeric(np.ones(3)))


# --- gradients --------------------------------------------------------------------------------------------------------

VALUES = {
    "l2": (bias.l2, lambda b: b**2 / 2),
    "weighted l2": (bias.weighted_l2(Fraction(3, 2)), lambda b: 0.75 * b**2),
    "lp 3": (bias.lp(3), lambda b: np.abs(b) ** 3 / 3),
    "lp 3/2": (bias.lp(Fraction(3, 2)), lambda b: np.abs(b) ** 1.5 / 1.5),
    "lp 5/4": (bias.lp(1.25), lambda b: np.abs(b) ** 1.25 / 1.25),
    "hypentropy": (bias.hypentropy(0.25), lambda b: b * np.arcsinh(4 * b) - np.sqrt(b**2 + 1 / 16) + 0.25),
    "entropy": (bias.entropy, lambda b: b * np.log(b) - b),
    "power": (bias.power(Fraction(2, 3)), lambda b: -1.5 * b ** (2 / 3)),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_gradient_is_the_derivative_of_the_value(name: str) -> None:
    potential, value = VALUES[name]
    b = np.array([0.1, 0.3, 1.0, 2.5])
    if name not in ("entropy", "power"):
        b = np.concatenate([-b, b])
    h = 1e-5
    assert np.allclose(slope(potential, b), (value(b + h) - value(b - h)) / (2 * h), rtol=1e-8)
    assert (np.diff(slope(potential, np.sort(b))) > 0).all()


def test_hyperbolic_entropy_lies_between_l1_and_l2() -> None:
    b = np.array([-2.0, -0.1, 0.5, 3.0])
    assert np.allclose(1e6 * slope(bias.hypentropy(10**6), b), b, rtol=1e-9)
    tiny = slope(bias.hypentropy(Fraction(1, 10**200)), b)
    assert np.allclose(tiny / np.log(2e200), np.sign(b), atol=0.01)


def test_a_width_may_be_a_function_of_the_case() -> None:
    case = Case({"k": numeric([1.0, 2.0])})
    assert np.allclose(slope(bias.hypentropy(lambda c: c.k), np.array([1.0, 1.0]), case), np.arcsinh([1.0, 0.5]))


def test_lp_at_zero_has_slope_zero() -> None:
    assert (slope(bias.lp(Fraction(5, 4)), np.zeros(3)) == 0).all()


# --- minimisers -------------------------------------------------------------------------------------------------------


def residual(potential: bias.Potential, b: np.ndarray, x: np.ndarray) -> float:
    return float(potential.dual_residual(numeric(b), Case({"x": numeric(x)})).data.abs().max())


@given(seeds)
@property_test
def test_the_dual_residual_vanishes_at_the_projection_and_nowhere_else(seed: int) -> None:
    """For l2 from a start w0 the minimiser over x' b = y is w0 + x (x' x)^-1 (y - x' w0)."""
    rng = np.random.default_rng(seed)
    x, y, w0 = rng.normal(size=(5, 2)), rng.normal(size=2), rng.normal(size=5)
    b = w0 + np.linalg.lstsq(x.T, y - x.T @ w0, rcond=None)[0]
    divergence = bias.bregman(bias.l2, start=lambda c: numeric(w0))
    assert residual(divergence, b, x) < 1e-12
    z = rng.normal(size=5)
    z -= x @ np.linalg.lstsq(x, z, rcond=None)[0]
    assert residual(divergence, b + z, x) == pytest.approx(np.abs(z).max(), rel=1e-9)


def test_gradient_flow_of_a_linear_predictor_is_supported_as_a_projection_and_refused_as_another() -> None:
    @tl.model(w="N")
    def linear(p, x):
        return p.w[None, :] @ x

    setting = tl.Setting(x=tl.var("N M"), y=tl.var("1 M"))
    flow = tl.GradientFlow(linear, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting)
    run = tl.simulate(
        flow, dims={"N": 5, "M": 2}, trials=6, seed=2, t_end=1e4, until=tl.converged(1e-11), rtol=1e-10, atol=1e-12
    )
    for trial in range(6):
        x, b = run.case["x"][trial].numpy(), run.params["w"][trial].numpy()
        w0 = run.case["init.w"][trial]
        assert residual(bias.bregman(bias.l2, start=lambda c, w0=w0: Numeric(w0)), b, x) < 1e-9
        assert residual(bias.l2, b, x) > 1e-3
        assert residual(bias.bregman(bias.lp(3), start=lambda c, w0=w0: Numeric(w0)), b, x) > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bias.lp(1), "above 1"),
        (lambda: bias.lp(0.3), "above 1"),
        (lambda: bias.power(2), "between 0 and 1"),
        (lambda: bias.hypentropy(0), "positive"),
        (lambda: bias.hypentropy("k"), "str"),
        (lambda: bias.weighted_l2(-1), "positive"),
        (lambda: bias.bregman(bias.l2, start=0), "int"),
        (lambda: bias.bregman("l2", start=lambda c: 0), "str"),
        (lambda: bias.smooth(3), "int"),
    ],
)
def test_bad_potentials_are_refused_in_one_sentence(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make()  # type: ignore[operator]
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)
