"""Every way a trajectory can end."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from theorylab.simulate import Status, converged, integrate
from theorylab.simulate.methods import METHODS

from .backends import apply, backends, on
from .zoo import decay, tensor

methods = pytest.mark.parametrize("method", METHODS)


@backends
@methods
@pytest.mark.parametrize("rtol", [1e-4, 1e-8, 1e-12])
def test_blow_up_stops_at_its_time(method: str, rtol: float, backend: str) -> None:
    """y' = y^2 is infinite at t = 1 / y(0)."""
    field = on(backend, lambda t, y, c: [y[0] ** 2], 1)
    run = integrate(field, tensor([[1.0], [4.0], [-1.0]]), t_end=5.0, rtol=rtol, method=method)
    assert run.statuses == (Status.STEP_TOO_SMALL, Status.STEP_TOO_SMALL, Status.T_END)
    assert torch.allclose(run.t[:2], tensor([1.0, 0.25]), rtol=100 * rtol)
    assert run.failed.tolist() == [True, True, False]


@backends
@methods
def test_leaving_the_domain(method: str, backend: str) -> None:
    """y' = -sqrt(y) reaches 0 at t = 2 sqrt(y(0)), where the formula ends."""
    start = tensor([[1.0], [0.25]])
    run = integrate(on(backend, lambda t, y, c: [-apply("sqrt", y[0])], 1), start, t_end=5.0, rtol=1e-8, method=method)
    assert run.statuses == (Status.NON_FINITE, Status.NON_FINITE)
    assert torch.allclose(run.t, 2 * start[:, 0].sqrt(), rtol=1e-5)
    assert torch.isfinite(run.y).all()


@methods
@pytest.mark.parametrize("failing", range(3, 17))
def test_failure_of_one_evaluation_costs_one_step(method: str, failing: int) -> None:
    """Whichever stage is not finite, also the one at the end of a step, the step is taken again."""
    calls = 0

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return -y / (calls != failing)

    run = integrate(field, tensor([[1.0]]), t_end=3.0, rtol=1e-8, method=method)
    assert run.statuses == (Status.T_END,)
    assert run.stats.rejected.tolist() == [1]
    assert math.isclose(run.y.item(), math.exp(-3), rel_tol=1e-6)


@backends
def test_field_that_is_never_finite(backend: str) -> None:
    run = integrate(on(backend, lambda t, y, c: [(y[0] - y[0]) ** -1], 1), tensor([[1.0]]), t_end=1.0)
    assert run.statuses == (Status.NON_FINITE,)


@backends
@methods
def test_step_limit(method: str, backend: str) -> None:
    problem = decay()
    run = integrate(problem.on(backend), problem.initial, t_end=3.0, rtol=1e-10, max_steps=3, method=method)
    assert run.counts() == {"max_steps": 6}
    assert (run.stats.steps + run.stats.rejected == 3).all()
    assert (run.t < 3).all()
    assert not run.finished.any()
    expected = torch.stack([problem.exact(run.t[i : i + 1])[i, 0] for i in range(6)])
    assert torch.allclose(run.y, expected, rtol=1e-8)


@methods
def test_sliding_is_noticed(method: str) -> None:
    """x' = -sign(x), z' = 1: from (1, 0) the solution meets x = 0 at t = 1 and stays there; a field whose gates are not
    known makes the method chatter."""
    field = on("torch", lambda t, y, c: [-apply("sign", y[0] + 1e-300), 1], 2)
    run = integrate(field, tensor([[1.0, 0.0]]), t_end=1e3, rtol=1e-8, method=method, max_steps=20_000)
    assert run.statuses == (Status.CHATTERING,)
    assert run.t[0] >= 1
    assert abs(run.y[0, 0]) < 1e-6
    assert torch.allclose(run.y[0, 1], run.t[0])
    assert (run.stats.steps + run.stats.rejected)[0] < 2000


@backends
@methods
def test_steep_is_no_kink(method: str, backend: str) -> None:
    """x' = -tanh(1e6 x) looks like -sign(x) from the steps, but halving finds that the field does not jump."""
    field = on(backend, lambda t, y, c: [-apply("tanh", 1_000_000 * y[0]), 1], 2)
    run = integrate(field, tensor([[1e-3, 0.0]]), t_end=1e3, rtol=1e-8, method=method, max_steps=3000)
    assert run.statuses == (Status.MAX_STEPS,)


@backends
@methods
def test_crossing_a_kink_is_no_sliding(method: str, backend: str) -> None:
    """x' = 2 + sign(x - 1): speed 1, then 3; the crossing costs a few rejections and the result stays accurate."""
    field = on(backend, lambda t, y, c: [2 + apply("sign", y[0] - 1)], 1)
    run = integrate(field, tensor([[0.0]]), t_end=1e3, rtol=1e-8, method=method, max_steps=3000)
    assert run.statuses == (Status.T_END,)
    assert math.isclose(run.y[0, 0].item(), 1 + 3 * 999.0, rel_tol=1e-8)


@backends
@methods
def test_stiffness_is_no_sliding(method: str, backend: str) -> None:
    """Rates 1 and 1e3 after a moving point: the stability limit rules the step, and the end is reached."""
    field = on(backend, lambda t, y, c: [-1 * (y[0] - apply("cos", t)), -1000 * (y[1] - apply("cos", t))], 2)
    run = integrate(field, tensor([[0.0, 0.0]]), t_end=3.0, rtol=1e-6, method=method)
    assert run.statuses == (Status.T_END,)
    exact = tensor([(math.cos(3.0) + math.sin(3.0) - math.exp(-3.0)) / 2, math.cos(3.0) + 1e-3 * math.sin(3.0)])
    assert torch.allclose(run.y[0], exact, atol=1e-5)


def test_start_at_an_equilibrium() -> None:
    run = integrate(lambda t, y, rows: -y, torch.zeros(1, 2).double(), t_end=1.0, until=converged(1e-8))
    assert run.statuses == (Status.CONVERGED,)
    assert run.t.tolist() == [0.0]
    assert integrate(lambda t, y, rows: -y, torch.zeros(1, 2).double(), t_end=1.0).statuses == (Status.T_END,)


def test_every_status_gives_one_sentence_of_advice() -> None:
    for status in Status:
        assert status.advice.endswith(".")
        assert status.label == status.label.lower()
    assert {status for status in Status if status.finished} == {Status.CONVERGED, Status.T_END, Status.EVENT}
