"""Events are found and located, those that end a run and those that do not; limits come with an honest error bar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import ops

METHODS = ("tsit5", "dop853")
methods = pytest.mark.parametrize("method", METHODS)

oscillator = tl.Flow(
    lambda p, c: {"x": p.v, "v": -(c.omega**2) * p.x},
    state={"x": "", "v": ""},
    setting=tl.Setting(omega=tl.var("", tl.draw.uniform(1, 3), positive=True), init={"x": 0, "v": 1}),
)


@methods
def test_passages_of_an_oscillator(method: str) -> None:
    """sin(omega t) vanishes at k pi / omega, falling at odd k; the start is no passage."""
    run = tl.simulate(
        oscillator, t_end=9.0, trials=6, method=method, rtol=1e-9, atol=1e-12,
        events={"all": tl.event(lambda p: p.x), "falls": tl.event(lambda p: p.x, direction=-1)},
    )  # fmt: skip
    omega = run.case["omega"]
    assert run.events["all"].count.tolist() == [math.floor(9 * float(w) / math.pi) for w in omega]
    for i, w in enumerate(omega.tolist()):
        n = int(run.events["all"].count[i])
        times = run.events["all"].times[i]
        exact = torch.arange(1, n + 1, dtype=torch.float64) * math.pi / w
        assert torch.allclose(times[:n], exact, rtol=0, atol=1e-7)
        assert torch.isnan(times[n:]).all()
        falls = run.events["falls"].times[i, : int(run.events["falls"].count[i])]
        assert torch.allclose(falls, exact[::2], rtol=0, atol=1e-7)
        assert torch.allclose(
            run.events["all"].params["v"][i, :n], (-1.0) ** torch.arange(1, n + 1, dtype=torch.float64), atol=1e-6
        )
        assert run.events["all"].params["x"][i, :n].abs().max() < 1e-11
    assert {s.label for s in run.status} == {"t_end"}
    assert "events" in run.backend


@methods
def test_an_event_ends_a_run(method: str) -> None:
    """e^-kt reaches 1/10 at ln 10 / k, where slower ones have not by the end; times after it are not kept."""
    decay = tl.Flow(
        lambda p, c: {"w": -c.k * p.w},
        state={"w": ""},
        setting=tl.Setting(k=tl.var("", tl.draw.uniform(0.5, 3)), init={"w": 1}),
    )
    run = tl.simulate(decay, t_end=2.0, trials=20, times=[0.5, 1.9], method=method, observe={"w": lambda p: p.w},
                      until=[tl.event(lambda p, c: p.w - ops.exp(c.t * 0) / 10), tl.converged(1e-9)])  # fmt: skip
    exact = math.log(10) / run.case["k"]
    for i in range(20):
        if exact[i] < 2:
            assert run.status[i].label == "event"
            assert float(run.t[i]) == pytest.approx(float(exact[i]), abs=1e-8)
            assert float(run.params["w"][i]) == pytest.approx(0.1, abs=1e-12)
            assert torch.isnan(run.saved["w"][i, 1]) == (exact[i] < 1.9)
        else:
            assert run.status[i].label == "t_end"
    assert {s.label for s in run.status} == {"event", "t_end"}
    assert run.solution.finished.all()


def test_a_passage_and_its_return_inside_one_step_are_seen() -> None:
    """t (1 - t) of a state that is linear in time: one step of size 3 leaps over both zeros of the quantity."""
    line = tl.Flow(lambda p: {"s": 1 + 0 * p.s}, state={"s": ""}, setting=tl.Setting(init={"s": -1}))
    run = tl.simulate(
        line, t_end=3.0, trials=1, first_step=3.0, events={"e": tl.event(lambda p: (p.s - 0) * (p.s - 1))}
    )
    assert run.events["e"].times[0, :2].tolist() == pytest.approx([1.0, 2.0], abs=1e-9)


@tl.model(w="d")
def neuron(p, x):
    return ops.relu(p.w[None, :] @ x)


def test_events_of_a_field_with_gates() -> None:
    """The rational path of one ReLU neuron: its third sample turns inactive at ln 2 / 49, and it is followed on."""
    data = ([[6, -3, 2], [-6, -4, 12], [6, 18, 9]], [[13314, 17514, 0]])
    flow = tl.GradientFlow(neuron, loss=tl.loss.square, data=data, gates=1, setting=tl.Setting(init={"w": 0}))
    third = tl.event(lambda p: (p.w * ops.array([2, 12, 9])).sum(), direction=-1)
    options: dict[str, Any] = {"trials": 2, "t_end": 2.0, "rtol": 1e-10, "atol": 1e-9}
    run = tl.simulate(flow, events={"third": third}, times=[0.01, 1.0], **options)
    assert run.events["third"].count.tolist() == [1, 1]
    assert torch.allclose(
        run.events["third"].times, torch.full((2, 1), math.log(2) / 49, dtype=torch.float64), atol=1e-9
    )
    assert run.saved["w"].shape == (2, 2, 3)
    z = math.exp(-0.49)
    first_phase = torch.tensor([558 * (1 - z), -765 * (1 - z**4), 896 * (1 - z**9)], dtype=torch.float64)
    assert torch.allclose(run.saved["w"][:, 0], first_phase.expand(2, 3), rtol=1e-8)
    limit = torch.tensor([55835 / 112, -191343 / 224, 194043 / 224], dtype=torch.float64)
    assert torch.allclose(run.params["w"], limit.expand(2, 3), rtol=1e-7)
    ended = tl.simulate(flow, until=third, **options)
    assert [s.label for s in ended.status] == ["event", "event"]
    assert torch.allclose(ended.t, torch.full((2,), math.log(2) / 49, dtype=torch.float64), atol=1e-9)


def test_a_quantity_that_only_falls_passes_once() -> None:
    """The loss of ReLU networks whose runs slide along kinks: between two looks its interpolant may rise."""

    @tl.model(W1="k d", W2="m k")
    def two_layer(p, x):
        return p.W2 @ ops.relu(p.W1 @ x)

    flow = tl.GradientFlow(two_layer, loss=tl.loss.square)
    run = tl.simulate(
        flow, dims={"d": 3, "k": 4, "m": 2, "n": 5}, trials=16, t_end=100.0, until=tl.converged(1e-8), observe=["loss"],
        events={"one": tl.event(lambda p, c: flow.objective(p, c) - 1)},
    )  # fmt: skip
    loss, found = run.quantities["loss"], run.events["one"]
    passes = (loss[:, 0] > 1) & (loss[:, 1] < 1)
    assert passes.sum() > 8
    assert torch.equal(found.count, passes.long())
    p = {n: v[passes, 0] for n, v in found.params.items()}
    outputs = p["W2"] @ torch.relu(p["W1"] @ run.case["x"][passes])
    at = ((outputs - run.case["y"][passes]) ** 2).sum((1, 2)) / 2
    assert torch.allclose(at, torch.ones_like(at), atol=1e-7)


@pytest.mark.parametrize("first_step", [2.0, 1.0, 4 / 3])
def test_a_passage_where_the_run_is_looked_at_is_one(first_step: float) -> None:
    """s = t - 1 passes through 0 in the middle of a step, at its end, and at a quarter of the next."""
    line = tl.Flow(lambda p: {"s": 1 + 0 * p.s}, state={"s": ""}, setting=tl.Setting(init={"s": -1}))
    run = tl.simulate(line, t_end=3.0, trials=1, first_step=first_step, events={"e": tl.event(lambda p: p.s)})
    assert run.events["e"].count.tolist() == [1]
    assert run.events["e"].times.tolist() == [[pytest.approx(1.0, abs=1e-12)]]


def power(p: Any, c: Any) -> dict[str, Any]:
    return {"x": -(p.x**3)}


def test_limits_of_slow_tails() -> None:
    """x' = -x^3 tends to 0 like t^(-1/2), and an exponential to its minimum: both within their error bars."""
    slow = tl.Flow(power, state={"x": ""}, setting=tl.Setting(init={"x": tl.draw.uniform(0.5, 2)}))
    run = tl.simulate(slow, t_end=1e4, trials=20)
    found = run.limit(lambda p: 3 + p.x)
    assert found.tails == {"power": 20}
    assert (found.value - 3).abs().max() < 1e-4
    assert ((found.value - 3).abs() <= found.error).all()
    assert (run.params["x"] > 5e-3).all()

    fast = tl.Flow(lambda p, c: {"x": -c.k * (p.x - 1), "y": -3 * p.y}, state={"x": "", "y": ""},
                   setting=tl.Setting(k=tl.var("", tl.draw.uniform(0.1, 0.5))))  # fmt: skip
    run = tl.simulate(fast, t_end=12.0, trials=20)
    found = run.limit(lambda p: p.x + p.y)
    assert found.trusted.all()
    assert set(found.tails) == {"exponential"}
    assert ((found.value - 1).abs() <= found.error).all()
    assert ((found.value - 1).abs() < 1e-5 * (run.params["x"] - 1).abs().clamp(min=1e-3)).all()


def test_logarithms_and_growth_are_not_continued() -> None:
    """log x grows like log t for x' = 1 / x, and 1 / log(t) creeps to 0: neither has a limit to be trusted."""
    creeping = tl.Flow(
        lambda p: {"x": ops.exp(-p.x), "y": 1 + 0 * p.x},
        state={"x": "", "y": ""},
        setting=tl.Setting(init={"x": 1, "y": 0}),
    )
    for t_end in (30.0, 100.0, 1e4):
        run = tl.simulate(creeping, t_end=t_end, trials=2, atol=1e-12)
        for quantity in (lambda p: p.x, lambda p: 1 / p.x, lambda p: p.y):
            found = run.limit(quantity)
            assert not found.trusted.any(), (t_end, found)
            assert torch.isinf(found.error).all()
            assert found.tails == {"unknown": 2}


def test_a_settled_limit_and_a_lost_one() -> None:
    both = tl.Flow(lambda p, c: {"x": c.s * p.x**2 - (1 - c.s) * p.x}, state={"x": ""},
                   setting=tl.Setting(s=tl.var("", tl.draw.one_of(0, 1)), init={"x": 1}))  # fmt: skip
    run = tl.simulate(both, t_end=60.0, trials=8, max_steps=3000)
    found = run.limit(lambda p: p.x)
    settles = run.case["s"] == 0
    assert torch.equal(found.trusted, settles)
    assert (found.error[settles] < 1e-6).all()
    assert set(found.tails) == {"settled", "unknown"}


BAD = {
    "number": (lambda: tl.event(3), "an event got int"),
    "direction": (lambda: tl.event(lambda p: p.x, direction=2), "direction is 2"),
    "no event": (lambda: tl.simulate(oscillator, events={"a": 3}), "events has int for 'a'"),
    "no names": (lambda: tl.simulate(oscillator, events=tl.event(lambda p: p.x)), "expected tl.event"),
    "rule": (lambda: tl.simulate(oscillator, until=[3]), "until is int; expected a stopping rule"),
    "limit": (lambda: tl.simulate(oscillator, trials=1).limit(3), "got int; expected a function"),
    "limit of steps": (
        lambda: tl.simulate(oscillator.euler(1), trials=1, steps=1).limit(lambda p: p.x),
        "was asked of a discrete scheme",
    ),
}


@pytest.mark.parametrize(("made", "message"), BAD.values(), ids=BAD.keys())
def test_bad_events(made: Any, message: str) -> None:
    with pytest.raises(tl.InputError, match=message):
        made()


def test_times_may_be_an_array() -> None:
    """With gates, saved times and events share a grid; an array of times is asked for like a list."""

    @tl.model(w="d")
    def neuron(p, x):
        return ops.relu(p.w @ x)

    flow = tl.GradientFlow(neuron, loss=tl.loss.square)
    events = {"unit": tl.event(lambda p: (p.w**2).sum() - 1)}
    asked: dict[str, Any] = {"dims": {"d": 2, "n": 3}, "trials": 4, "t_end": 3.0, "events": events}
    runs = [tl.simulate(flow, times=times, **asked) for times in ([1.0, 2.0], np.array([1.0, 2.0]))]
    assert torch.equal(runs[0].saved["w"], runs[1].saved["w"])
    assert runs[0].saved["w"].shape == (4, 2, 2)
