"""Flows in log-time: margins grow without bound, and exponentials of their differences leave the range of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab.readings import expression as ex
from theorylab.simulate import stiffness
from theorylab.simulate.program import Program
from theorylab.simulate.shares import with_shares
from theorylab.simulate.stiffness import derivatives

from .backends import needs_compiler


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[..., None, :] @ x


PLANE = (np.eye(2), np.ones((1, 2)))
LOGISTIC = tl.GradientFlow(linear, loss=tl.loss.logistic, data=PLANE).normalised()


@needs_compiler
@pytest.mark.parametrize("method", ["auto", "rodas5p"])
@pytest.mark.parametrize("end", [3.0, 1e3, 1e6])
def test_exponential_loss_of_two_margins(method: str, end: float) -> None:
    """On the axes the margins are w: their sum grows with s, and sinh of half their difference falls like e^(-s/2)."""
    flow = tl.GradientFlow(linear, loss=tl.loss.exponential, data=PLANE).normalised()
    starts = np.array([[0.0, 0.0], [1.0, -2.0], [3000.0, 0.0]])
    run = tl.simulate(flow, init={"w": starts}, t_end=end, method=method, observe=["loss"])
    assert [s.label for s in run.status] == ["t_end"] * 3
    w = run.params["w"]
    assert torch.allclose(w.sum(1), torch.from_numpy(starts.sum(1)) + end, rtol=1e-7)
    apart = [2 * math.asinh(math.sinh(half) * math.exp(-end / 2)) for half in (0.0, 1.5)]
    assert torch.allclose(w[:2, 0] - w[:2, 1], torch.tensor(apart).double(), atol=1e-7)
    assert abs(float(w[2, 0] - w[2, 1]) - max(0.0, 3000.0 - end)) < 1e-4
    smallest = w.min(1).values
    log_loss = -smallest + torch.log1p(torch.exp(smallest - w.max(1).values))
    assert torch.allclose(run.quantities["loss"][:, 1], log_loss, rtol=1e-9)


@needs_compiler
def test_margins_of_a_separable_set_become_the_largest() -> None:
    """The direction tends to that of the largest margin like 1 / s, which is log t."""
    x = np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 1.0]])
    flow = tl.GradientFlow(linear, loss=tl.loss.exponential, data=(x, np.ones((1, 3)))).normalised()
    angles = np.linspace(-math.pi, math.pi, 200_001)
    best = (np.stack([np.cos(angles), np.sin(angles)], 1) @ x).min(1).max()
    gaps = []
    for end in (1e2, 1e4, 1e6):
        w = tl.simulate(flow, trials=8, t_end=end).params["w"]
        gaps.append(best - float((w @ torch.from_numpy(x) / w.norm(dim=1, keepdim=True)).min(1).values.min()))
    assert gaps[0] < 0.1
    assert gaps[1] < gaps[0] / 30
    assert abs(gaps[2]) < 1e-5


@needs_compiler
def test_logistic_loss_down_to_the_smallest_numbers() -> None:
    """From equal margins m, m' is half the share sigma(-m) / log(1 + e^(-m)), which tends to 1: m = s / 2 + O(1)."""
    run = tl.simulate(LOGISTIC, init={"w": np.zeros((1, 2))}, t_end=1200.0)
    assert [s.label for s in run.status] == ["t_end"]
    assert run.params["w"][0, 0] == pytest.approx(600, abs=1)
    # L' = -2 sigma(-m)^2 gives log L = log(2 log(1 + e^(-m))): by hand at m = 1
    at = tl.simulate(LOGISTIC, init={"w": np.ones((1, 2))}, t_end=1e-9).solution.field[0, 0]
    assert float(at) == pytest.approx(1 / (1 + math.e) / (2 * math.log1p(math.exp(-1))), rel=1e-6)


@needs_compiler
def test_logistic_loss_at_margins_of_any_size() -> None:
    """m' = 1 / (1 + e^m): from -2000 a margin grows at speed 1; from 0, m + e^m = t + 1."""
    flow = tl.GradientFlow(linear, loss=tl.loss.logistic, data=PLANE)
    run = tl.simulate(flow, init={"w": np.array([[-2000.0, 0.0], [900.0, -800.0]])}, t_end=500.0)
    assert [s.label for s in run.status] == ["t_end"] * 2
    w = run.params["w"]
    assert torch.allclose(w[:, 0], torch.tensor([-1500.0, 900.0]).double(), rtol=1e-9)
    assert float(w[0, 1] + torch.exp(w[0, 1])) == pytest.approx(501, rel=1e-7)
    assert float(w[1, 1]) == pytest.approx(-300, rel=1e-8)


def test_formulas_without_shares_are_left_alone() -> None:
    x, y = (ex.call("exp", ex.var(name)) for name in "xy")
    of_three = ex.mul(x, ex.power(ex.add(x, y, ex.ONE), -1))
    of_another = ex.mul(ex.power(x, 2), ex.power(ex.add(y, ex.ONE), -1))
    assert with_shares([of_three, of_another]) == [of_three, of_another]
    share = ex.mul(ex.const(5), x, ex.power(ex.add(ex.mul(ex.const(3), x), y), -1))
    [written] = with_shares([share])
    assert written is not share
    values = {"x": 0.7, "y": -1.3}
    assert np.allclose(stiffness._values([written], values), stiffness._values([share], values), rtol=1e-15)


def test_shares_of_exponentials_are_derivatives() -> None:
    """The same Jacobian as by the plain rules at moderate exponents; the limit where those give infinity times 0."""
    x, y = ex.var("x"), ex.var("y")
    total = ex.add(
        ex.mul(ex.const(3), ex.call("exp", ex.add(x, ex.mul(ex.const(-1), y)))),
        ex.call("exp", ex.mul(x, y)),
        ex.const(2),
    )
    program = Program.of([ex.power(total, -1), ex.mul(y, ex.power(total, -2))], ["x", "y"], 0.0)
    found = derivatives(program).jacobian
    assert found is not None
    columns = [ex.directional(program.roots, {name: ex.ONE}) for name in "xy"]
    plain = [columns[j][i] for i in range(2) for j in range(2)]
    rng = np.random.default_rng(0)
    for _ in range(5):
        values = dict(zip("xy", rng.normal(size=2), strict=True))
        got, expected = (stiffness._values(roots, values) for roots in (found, plain))
        assert np.allclose(got, expected, rtol=1e-12)
    far = {"x": 2000.0, "y": 0.0}
    assert np.array_equal(stiffness._values(found, far), np.zeros(4))
    assert not np.isfinite(stiffness._values(plain, far)).all()
