"""Inequalities along a flow hold at every time of a run, and for every loss where none is given."""

from __future__ import annotations

from pathlib import Path

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError
from theorylab.falsify.run_search import hunt_runs


@tl.model(u="", v="")
def product(p, x):
    return p.u * p.v * x


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


def squared_gradient(flow):
    return lambda p, c: ops.dot(flow.gradient(p, c), flow.gradient(p, c))


heavy = tl.GradientFlow(product, loss=tl.loss.square, momentum=1)
unknown = tl.GradientFlow(linear)
convex = tl.GradientFlow(linear, loss=tl.loss.square)


def energy(p, c):
    return (p.velocity_u**2 + p.velocity_v**2) / 2 + heavy.objective(p, c)


@pytest.mark.parametrize(
    "claim",
    [
        # From rest the loss falls at first, and never exceeds its first value; but it rises in between.
        tl.Evolution(heavy, heavy.objective, 0, sense="<="),
        # The gradient shrinks along the flow of a convex loss, not of every loss.
        tl.Evolution(unknown, squared_gradient(unknown), 0, sense="<="),
    ],
)
def test_an_inequality_that_is_broken_later_in_a_run_has_a_witness(claim: tl.Claim) -> None:
    assert hunt_runs(claim, dims={"d": 1, "n": 1}, trials=64).counterexample is not None


@pytest.mark.parametrize(
    "claim",
    [
        tl.Evolution(heavy, energy, 0, sense="<="),
        tl.Evolution(convex, squared_gradient(convex), 0, sense="<="),
        tl.Evolution(heavy, lambda p, c: c.t**2 - energy(p, c), lambda p, c: 2 * c.t, sense=">="),
    ],
)
def test_an_inequality_that_holds_at_every_state_is_proved(claim: tl.Claim, tmp_path: Path) -> None:
    assert tl.verify(claim, trials=16, out=tmp_path).status == "proved"


def test_an_unknown_loss_has_no_value(tmp_path: Path) -> None:
    claim = tl.Evolution(unknown, lambda p: (p.w**2).sum(), lambda p, c: -2 * unknown.objective(p, c))
    with pytest.raises(InputError, match=r"unknown loss, which has no value; expected a given loss"):
        tl.verify(claim, out=tmp_path)


def test_a_rate_by_the_slope_of_an_unknown_loss_is_proved(tmp_path: Path) -> None:
    claim = tl.Evolution(unknown, lambda p: (p.w**2).sum(), lambda p, c: -2 * ops.dot(c.r, c.f))
    assert tl.verify(claim, trials=16, out=tmp_path).status == "proved"
