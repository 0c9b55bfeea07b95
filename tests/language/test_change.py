"""Flows in other coordinates, at other speeds, and of the logarithm of the loss: same paths, laws carried over."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import ops

small = tl.draw.loguniform(0.1, 1)
DIMS = {"d": 2, "n": 3}


@tl.model(u="d", v="d")
def diagonal(p, x):
    return (p.u**2 - p.v**2)[None, :] @ x


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


positive = tl.Setting(init={n: tl.var("d", small, positive=True) for n in "uv"})
flow = tl.GradientFlow(diagonal, loss=tl.loss.square, setting=positive)
OPTIONS = {"dims": DIMS, "trials": 5, "seed": 1, "t_end": 3.0, "rtol": 1e-10}


def squares() -> tl.Flow:
    return flow.chart(lambda p: {"a": p.u**2, "b": p.v**2}, lambda q: {"u": ops.sqrt(q.a), "v": ops.sqrt(q.b)})


def test_a_chart_carries_runs() -> None:
    plain, logs, square = (tl.simulate(f, **OPTIONS) for f in (flow, flow.in_log("u", "v"), squares()))
    assert torch.allclose(torch.exp(logs.params["log_u"]), plain.params["u"], rtol=1e-8)
    assert torch.allclose(square.params["b"], plain.params["v"] ** 2, rtol=1e-8)
    assert set(square.params) == {"a", "b"}


def test_logarithms_far_below_the_numbers_that_have_squares() -> None:
    """log u = -2 t, beside v with v' = v (1 - v), which is stiff in the end."""
    falling = tl.Flow(lambda p: {"u": -2 * p.u, "v": p.v * (1 - p.v)}, state={"u": "", "v": ""}).in_log("u")
    run = tl.simulate(falling, init={"u": np.ones(1), "v": np.full(1, 0.1)}, trials=1, t_end=300.0, rtol=1e-9)
    assert run.params["log_u"].tolist() == pytest.approx([-600.0])


def test_a_state_that_stays_negative() -> None:
    """u' = -2 u g keeps its sign, whichever it is."""
    below = tl.Setting(init={"u": lambda c: -c.s, "v": tl.var("d", small)}, s=tl.var("d", small, positive=True))
    mirrored = tl.GradientFlow(diagonal, loss=tl.loss.square, setting=below)
    plain, logs = (tl.simulate(f, **OPTIONS) for f in (mirrored, mirrored.in_log("u", sign=-1)))
    assert torch.allclose(-torch.exp(logs.params["log_u"]), plain.params["u"], rtol=1e-8)
    assert torch.allclose(logs.params["same_v"], plain.params["v"], rtol=1e-8)


@pytest.mark.parametrize(
    ("moved", "law", "wrong"),
    [
        (flow.in_log("u", "v"), lambda q: q.log_u + q.log_v, lambda q: q.log_u - q.log_v),
        (squares(), lambda q: q.a * q.b, lambda q: q.a + q.b),
        (flow.with_speed(lambda p, c: (p.u**2).sum()), lambda p: p.u * p.v, lambda p: p.u**2 + p.v**2),
    ],
    ids=["logarithms", "squares", "speed"],
)
def test_laws_of_changed_flows_are_proved_and_wrong_ones_refuted(moved, law, wrong) -> None:
    assert tl.verify(tl.Invariant(moved, law, name="law"), trials=32).status == "proved"
    assert tl.verify(tl.Invariant(moved, wrong, name="wrong"), trials=32).status == "refuted"


def test_a_chart_is_a_conjugacy_and_a_wrong_one_is_not() -> None:
    chart = squares()
    right = tl.Conjugate(flow, chart, lambda p: {"a": p.u**2, "b": p.v**2}, name="chart")
    wrong = tl.Conjugate(flow, chart, lambda p: {"a": p.u**2, "b": 2 * p.v**2}, name="wrong chart")
    assert tl.verify(right, trials=32).status == "proved"
    assert tl.verify(wrong, trials=32).status == "refuted"


def test_a_chart_may_start_from_its_own_coordinates() -> None:
    """One sample: a' = -4 a x r and b' = 4 b x r keep a b, from any start."""
    here = squares().starting_here(a=tl.draw.constant(0.25), b=tl.draw.constant(0.5))
    run = tl.simulate(here, **OPTIONS)
    assert torch.allclose(run.params["a"] * run.params["b"], torch.full((5, 2), 0.125, dtype=torch.float64), rtol=1e-8)


def test_a_chart_in_time_with_its_integrals() -> None:
    """The integral of dt along a run at speed s(p) is the time of the plain flow."""
    timed = flow.with_integral(t=lambda p: 1).with_speed(lambda p, c: 1 / (p.u**2).sum())
    run = tl.simulate(timed, **OPTIONS)
    at = run.problem.unflatten(run.solution.y)["integral.t"]
    for i in range(2):
        plain = tl.simulate(flow, **{**OPTIONS, "t_end": float(at[i])})
        assert torch.allclose(plain.params["u"][i], run.params["u"][i], rtol=1e-7)


def test_normalised_flow_is_the_flow_of_the_logarithm() -> None:
    """Along theta' = -grad L / L of a separable linear problem, far below the underflow of L itself."""
    exponential = tl.GradientFlow(linear, loss=tl.loss.exponential)
    normalised = exponential.normalised()
    data = {"w": torch.zeros(1, 2, dtype=torch.float64)}
    given = normalised.with_(data=([[1, 1], [0, 1]], [[1, 1]]))
    run = tl.simulate(given, init=data, t_end=2000.0, rtol=1e-10)
    assert run.status[0].label == "t_end"
    w = run.params["w"][0]
    # Samples (1, 0) and (1, 1), labels 1: margins w1 and w1 + w2; softmax weights (p, 1 - p) with p = 1 / (1 + e^-w2):
    # w1' = 1 and w2' = 1 - p, so e^w2 + w2 grows by t.
    assert float(w[0]) == pytest.approx(2000.0, rel=1e-9)
    assert float(torch.exp(w[1]) + w[1]) == pytest.approx(2001.0, rel=1e-8)
    assert math.exp(-float(w[0])) == 0.0


def test_closed_slope_of_the_logarithm_is_its_derivative() -> None:
    from theorylab.readings.numeric import Numeric

    loss = tl.loss.exponential.logarithm()
    noise = torch.Generator().manual_seed(3)
    f = torch.randn(2, 5, generator=noise, dtype=torch.float64)
    y = torch.sign(torch.randn(2, 5, generator=noise, dtype=torch.float64))
    slope = torch.func.grad(lambda f: loss.value(Numeric(f), Numeric(y)).data)(f)
    assert torch.allclose(loss.residual(Numeric(f), Numeric(y)).data, slope, rtol=1e-12)
    assert torch.allclose(loss.value(Numeric(f), Numeric(y)).data, torch.log(torch.exp(-f * y).sum()), rtol=1e-12)


def test_mirror_flow() -> None:
    """w' = -w grad L is the flow of log w: the metric w is the inverse Hessian of sum w log w."""
    setting = tl.Setting(init={"w": tl.var("d", small, positive=True)}, x=tl.var("d n"), y=tl.var("1 n"))
    mirror = tl.GradientFlow(linear, loss=tl.loss.square, setting=setting, metric=lambda p: {"w": p.w})
    logs = mirror.in_log("w")
    run, moved = tl.simulate(mirror, **OPTIONS), tl.simulate(logs, **OPTIONS)
    assert torch.allclose(run.params["w"], torch.exp(moved.params["log_w"]), rtol=1e-8)
    in_row_space = tl.Evolution(logs, lambda q: q.log_w, lambda q, c: -(c.x @ c.r.mT)[..., 0])
    assert tl.verify(in_row_space, trials=32).status == "proved"


BAD = {
    "no function": (lambda: flow.chart(1, 2), "a chart got no function"),
    "no arrays": (lambda: flow.chart(lambda p: p.u, lambda q: q), "a chart maps the state to"),
    "old name": (lambda: flow.chart(lambda p: {"u": p.u}, lambda q: {}), "reuses the name 'u'"),
    "back to part": (
        lambda: tl.simulate(flow.chart(lambda p: {"a": p.u}, lambda q: {"u": q.a}), dims=DIMS),
        "expected one array for each of u, v",
    ),
    "unknown logarithm": (lambda: flow.in_log("w"), "unknown state 'w'"),
    "no logarithm": (lambda: flow.in_log(), "expected names of states"),
    "normalised without loss": (lambda: tl.GradientFlow(linear).normalised(), "needs a given loss"),
}


@pytest.mark.parametrize(("made", "message"), BAD.values(), ids=BAD.keys())
def test_bad_changes(made, message: str) -> None:
    with pytest.raises(tl.InputError, match=message):
        made()
