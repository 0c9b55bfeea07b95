"""Balancedness: what the algebra proves for all sizes, and what it must not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab as tl
from tests.catalog.certify import claims_of, is_derived, is_provable, rulings
from theorylab.catalog import du_2018 as du

DIMS = {"d": 2, "k": 2, "m": 2, "n": 2}
PROVED = {
    "balancedness-linear", "balancedness-relu", "balancedness-relu-bias", "balancedness-leaky",
    "balancedness-leaky-bias", "balancedness-layer", "weight-decay", "weight-decay-law", "weight-decay-path",
    "gradient-step", "gradient-step-relu", "balancedness-convolution", "balancedness-deep", "factorization-step",
    "bounded-factors",
}  # fmt: skip


def test_the_checker_accepts_every_law_for_all_sizes(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("du-2018").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == "all sizes", name


MUTANTS = {
    "linear, sign": du.balancedness_linear.but(quantity=lambda p: p.W2.mT @ p.W2 + p.W1 @ p.W1.mT),
    "linear, constant": du.balancedness_linear.but(quantity=lambda p: 2 * p.W2.mT @ p.W2 - p.W1 @ p.W1.mT),
    "linear, exponent": du.balancedness_linear.but(quantity=lambda p: (p.W2.mT @ p.W2) ** 2 - (p.W1 @ p.W1.mT) ** 2),
    "relu, sign": du.balancedness_relu.but(quantity=lambda p: (p.W1**2).sum(-1) + (p.W2**2).sum(-2)),
    "relu, constant": du.balancedness_relu.but(quantity=lambda p: (p.W1**2).sum(-1) - 2 * (p.W2**2).sum(-2)),
    "relu, exponent": du.balancedness_relu.but(quantity=lambda p: (p.W1**4).sum(-1) - (p.W2**4).sum(-2)),
    "relu, all units in one": du.balancedness_relu.but(quantity=lambda p: p.W1.sum(-1) ** 2 - p.W2.sum(-2) ** 2),
    "bias, sign": du.balancedness_relu_bias.but(quantity=lambda p: du.unit(p) - p.b**2),
    "bias, constant": du.balancedness_relu_bias.but(quantity=lambda p: du.unit(p) + p.b**2 / 2),
    "bias, exponent": du.balancedness_relu_bias.but(quantity=lambda p: du.unit(p) + p.b**4),
    "leaky, slope": du.balancedness_leaky.but(
        quantity=lambda p, c: (p.W1**2).sum(-1) - c.slope * (p.W2**2).sum(-2)
    ),
    "leaky, full matrix": du.balancedness_leaky.but(quantity=du.matrix),
    "layer, sign": du.balancedness_layer.but(quantity=lambda p: (p.W1**2).sum() + (p.W2**2).sum()),
    "decay, sign": du.weight_decay.but(rate=lambda p, c: 2 * c.lam * du.matrix(p)),
    "decay, exponent": du.weight_decay.but(rate=lambda p, c: -2 * c.lam**2 * du.matrix(p)),
    "path, sign": du.weight_decay_path.but(formula=lambda c: du.matrix(c.init) * tl.ops.exp(2 * c.lam * c.t)),
    "path, exponent": du.weight_decay_path.but(formula=lambda c: du.matrix(c.init) * tl.ops.exp(-2 * c.lam * c.t**2)),
    "step, sign": du.gradient_step.but(rate=lambda p, c: -(c.h**2) * du.matrix(du.linear.field(p, c))),
    "step, constant": du.gradient_step.but(rate=lambda p, c: c.h**2 * du.matrix(du.linear.field(p, c)) / 2),
    "step, exponent": du.gradient_step.but(rate=lambda p, c: c.h**3 * du.matrix(du.linear.field(p, c))),
}  # fmt: skip


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    controls = {n: c for n, c in claims_of("du-2018").items() if c.expected == "refuted" and c.goals()}
    false = controls | MUTANTS
    assert len(controls) == 17
    accepted = [name for name, ruling in rulings(false, tmp_path).items() if ruling.accepted]
    assert not accepted


@pytest.mark.parametrize("name", MUTANTS)
def test_no_reading_derives_a_mutant(name: str) -> None:
    assert not is_provable(MUTANTS[name], DIMS)


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))
@settings(deadline=None, max_examples=40)
def test_a_combination_is_conserved_exactly_if_its_coefficients_balance(a: int, b: int, c: int) -> None:
    law = tl.Invariant(
        du.rectified_bias, lambda p: a * (p.W1**2).sum(-1) + b * p.b**2 + c * (p.W2**2).sum(-2), name="combination"
    )
    assert is_derived(law) == (a == b == -c)


@pytest.mark.parametrize("gates", [0, 1, Fraction(1, 2)])
def test_the_law_holds_for_every_derivative_of_relu_at_zero(gates: object, tmp_path: Path) -> None:
    law = tl.Invariant(tl.GradientFlow(du.layers(du.relu), gates=gates), du.unit, name="unit")
    (ruling,) = rulings({"unit": law}, tmp_path).values()
    assert ruling.accepted


def test_a_slope_of_one_makes_leaky_relu_linear() -> None:
    """The control of the full matrix law is false because of the kink alone."""
    straight = tl.GradientFlow(du.layers(lambda z, c: tl.ops.leaky_relu(z, slope=1)))
    assert is_derived(tl.Invariant(straight, du.matrix, name="matrix"))
    assert not is_derived(tl.Invariant(du.leaky, du.matrix, name="matrix"))


def test_a_run_keeps_the_balance_and_gradient_descent_changes_it_by_the_square_of_the_step() -> None:
    flow = tl.GradientFlow(du.layers(du.identity), loss=tl.loss.square)
    dims = {"d": 3, "k": 4, "m": 2, "n": 5}
    run = tl.simulate(flow, init=tl.init.normal(0.5), dims=dims, trials=8, seed=1, t_end=2.0, rtol=1e-11, atol=1e-13)
    before, after = _matrix(run.case["init.W1"], run.case["init.W2"]), _matrix(run.params["W1"], run.params["W2"])
    assert (after - before).abs().max() < 1e-10
    assert (run.params["W1"] - run.case["init.W1"]).abs().max() > 0.1


def _matrix(w1: torch.Tensor, w2: torch.Tensor) -> torch.Tensor:
    return w2.mT @ w2 - w1 @ w1.mT
