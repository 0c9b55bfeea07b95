"""Known solutions of the literature: every method at its accuracy and order, discrete schemes to rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab.simulate import integrate, integrate_fixed
from theorylab.simulate.methods import METHODS, STIFF_METHODS, ExplicitRungeKutta

from .test_order import slopes
from .theory import FLOWS, VARDI, Exact, vardi

ALL = (*METHODS, *STIFF_METHODS, "auto")
flows = pytest.mark.parametrize("known", FLOWS, ids=lambda known: known.name)


@flows
@pytest.mark.parametrize("method", ALL)
def test_runs_follow_the_solution(known: Exact, method: str) -> None:
    times = [0.3 * known.t_end, known.t_end]
    errors = []
    for rtol in (1e-5, 1e-8):
        run = tl.simulate(
            known.flow, dims=known.dims, trials=12, t_end=known.t_end, times=times, observe={"q": known.quantity},
            rtol=rtol, atol=1e-3 * rtol, method=method, seed=3,
        )  # fmt: skip
        assert {s.label for s in run.status} == {"t_end"}
        exact = torch.stack([known.solution(run.case, t) for t in times], 1)
        errors.append(float(((run.quantities["q"] - exact).abs() / (1 + exact.abs())).max()))
    assert errors[0] < 2e-3
    assert errors[1] < 1e-6
    assert errors[1] < errors[0] / 50


@flows
@pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if isinstance(m, ExplicitRungeKutta)], ids=lambda m: m.name
)
def test_orders(known: Exact, method: ExplicitRungeKutta) -> None:
    run = tl.simulate(known.flow, dims=known.dims, trials=4, t_end=0.1, seed=3)
    problem = run.problem
    field = problem.compiled()
    exact = known.solution(run.case, known.t_end).reshape(4, -1)
    t = torch.full((4,), known.t_end, dtype=torch.float64)
    errors, counts = [], known.steps[method.order]
    for n in counts:
        y = integrate_fixed(field, problem.initial, t_end=known.t_end, steps=n, method=method)
        errors.append(float((problem.observe(known.quantity, t, y) - exact).norm()))
    (measured,) = slopes([1 / n for n in counts], errors)
    assert method.order - 0.6 < measured < method.order + 1.3, (measured, errors)


@flows
@pytest.mark.parametrize("method", STIFF_METHODS)
def test_the_error_of_one_step_has_the_order(known: Exact, method: str) -> None:
    """The local order is one more."""
    run = tl.simulate(known.flow, dims=known.dims, trials=4, t_end=0.1, seed=3)
    problem = run.problem
    parts, errors = (5, 10) if known.name == "exponential weights" else (40, 80), []
    for h in (known.t_end / n for n in parts):
        one = integrate(
            problem.compiled(), problem.initial, t_end=h, first_step=h, rtol=0.9, atol=1e6, method=method
        )  # fmt: skip
        assert one.stats.steps.tolist() == [1] * 4
        t = torch.full((4,), h, dtype=torch.float64)
        errors.append(
            float((problem.observe(known.quantity, t, one.y) - known.solution(run.case, h).reshape(4, -1)).norm())
        )
    (measured,) = slopes([1 / n for n in parts], errors)
    assert STIFF_METHODS[method].order + 0.5 < measured < STIFF_METHODS[method].order + 1.8, (measured, errors)


@pytest.mark.parametrize("gamma", VARDI)
@pytest.mark.parametrize("method", ALL)
def test_the_limit_of_a_relu_neuron(gamma: int, method: str) -> None:
    run = tl.simulate(
        vardi(gamma), trials=1, t_end=200.0, until=tl.converged(1e-9), rtol=1e-9, atol=1e-12, method=method
    )
    assert run.status[0].label == "converged"
    assert run.params["w"][0].tolist() == pytest.approx([5, -1, VARDI[gamma]], abs=1e-6)


# --- discrete schemes ------------------------------------------------------------------------------------------------


@tl.model(A="d d", B="d d", C="d d")
def deep(p, x):
    return p.C @ p.B @ p.A @ x


def test_law_of_parsimony() -> None:
    """Gradient descent with weight decay from multiples of orthogonal matrices: d - 2 r singular values of each layer
    follow rho_l <- rho_l (1 - eta lambda - eta prod of the other rho^2), to rounding. Yaras et al., arXiv 2306.01154.
    """
    d, eta, decay, size, steps = 5, 0.05, 0.01, (0.3, 0.5, 0.4), 60
    noise = np.random.default_rng(3)
    frames = [np.linalg.qr(noise.standard_normal((d, d)))[0] for _ in range(3)]
    target = 2 * np.outer(*noise.standard_normal((2, d))) / d
    flow = tl.GradientFlow(deep, loss=tl.loss.square, data=(np.eye(d), target), weight_decay=tl.Fraction(1, 100))
    init = {name: (s * q)[None] for name, s, q in zip("ABC", size, frames, strict=True)}
    run = tl.simulate(flow.euler(eta), init=init, steps=steps)
    rho = np.array(size)
    for _ in range(steps):
        others = np.prod(rho) ** 2 / rho**2
        rho = rho * (1 - eta * decay - eta * others)
    for name, value in zip("ABC", rho, strict=True):
        found = torch.linalg.svdvals(run.params[name][0])
        assert int(((found - value).abs() < 1e-12).sum()) >= d - 2, name
        assert float((found - value).abs().max()) > 0.05


@pytest.mark.parametrize("layers", [2, 3])
def test_identical_initialisation(layers: int) -> None:
    """W_j(0) = alpha I: eigenvalues follow d <- d - eta d^(N-1) (d^N - lambda). Chou et al., arXiv 2011.13772."""
    net = tl.model(**dict.fromkeys("ABC"[:layers], "d d"))(
        lambda p, x: p.C @ (p.B @ (p.A @ x)) if layers == 3 else p.B @ (p.A @ x)
    )
    targets, eta, alpha, steps = np.array([4.0, 1.0, 0.25, -0.5]), 0.01, 0.25, 800
    flow = tl.GradientFlow(net, loss=tl.loss.square, data=(np.eye(4), np.diag(targets)))
    init = dict.fromkeys("ABC"[:layers], alpha * np.eye(4)[None])
    run = tl.simulate(flow.euler(eta), init=init, steps=steps)
    value = np.full(4, alpha)
    for _ in range(steps):
        value = value - eta * value ** (layers - 1) * (value**layers - targets)
    for name in init:
        np.testing.assert_allclose(run.params[name][0].numpy(), np.diag(value), atol=1e-11)


@pytest.mark.parametrize("eta", [1.05, 1.15, 1.22])
def test_orbit_of_period_two(eta: float) -> None:
    """Descent on (x^2 - 1)^2 / 4 with 1 < eta < sqrt 5 - 1: p q = 1 / eta and p + q = sqrt(1 + 3 / eta).

    Chen, Bruna, Beyond the edge of stability, arXiv 2206.04172.
    """
    well = tl.Flow(
        lambda p: {"x": p.x - p.x**3}, state={"x": ""}, setting=tl.Setting(init={"x": tl.draw.uniform(0.8, 1.2)})
    )
    run = tl.simulate(well.euler(eta), trials=20, steps=2001, times=[1999, 2000, 2001])
    p, q, again = run.saved["x"].unbind(1)
    assert torch.allclose(p * q, torch.full_like(p, 1 / eta), rtol=1e-12)
    assert torch.allclose(p + q, torch.full_like(p, math.sqrt(1 + 3 / eta)), rtol=1e-12)
    assert torch.allclose(p, again, rtol=1e-12)
    assert ((p - q).abs() > 0.2).all()


def test_trajectories_and_limits_of_changed_flows_are_claims() -> None:
    """x' = -x in the coordinate s = log x: s(t) = s(0) - t; in the time with d tau = x dt: x falls linearly."""
    decay = tl.Flow(
        lambda p: {"x": -p.x},
        state={"x": ""},
        setting=tl.Setting(init={"x": tl.var("", tl.draw.uniform(2, 3), positive=True)}),
    )
    logs: Any = decay.in_log("x")
    line = tl.Trajectory(logs, lambda q: q.log_x, lambda c: c.init.log_x - c.t, name="line")
    assert tl.verify(line, trials=32).status in ("proved", "supported")
    assert tl.verify(line.but(formula=lambda c: c.init.log_x - 2 * c.t, name="twice"), trials=32).status == "refuted"
    slow = decay.with_speed(lambda p: 1 / p.x)
    falls = tl.Trajectory(slow, lambda p: p.x, lambda c: c.init.x - c.t, name="falls", horizon=1.0)
    assert tl.verify(falls, trials=32).status in ("proved", "supported")
    toward = tl.Flow(lambda p: {"x": 1 - p.x}, state={"x": ""})
    chart = toward.chart(lambda p: {"y": 3 * p.x}, lambda q: {"x": q.y / 3})
    assert tl.verify(tl.Limit(chart, lambda q: q.y, 3, name="three"), trials=32).status == "supported"
    assert tl.verify(tl.Limit(chart, lambda q: q.y, 4, name="four"), trials=32).status == "refuted"
