"""Vector fields against torch autograd on models written by hand, and against differential equations on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import theorylab as tl
from theorylab import ops
from theorylab.derive.prove import prove
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.letters import complete_dims
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.problem import Problem

DIMS = {"d": 3, "k": 4, "m": 2, "n": 5}
TRIALS = 3


@tl.model(W1="k d", b="k", W2="m k")
def network(p: Any, x: Any) -> Any:
    return p.W2 @ ops.tanh(p.W1 @ x + p.b[:, None])


def by_hand(p: Mapping[str, Tensor], x: Tensor) -> Tensor:
    return p["W2"] @ torch.tanh(p["W1"] @ x + p["b"][:, None])


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


def problem_of(flow: Flow, **dims: int) -> Problem:
    sizes = {s: {**DIMS, **dims}[s] for s in flow.sizes}
    return Problem(flow, sizes, draw_cases(flow, sizes, TRIALS, 3))


def field(problem: Problem, t: float = 0.0) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """States away from the start, and the velocity there, for each trial by name."""
    y = problem.initial + 0.25 * torch.cos(
        torch.arange(problem.initial.numel()).reshape(problem.initial.shape).double()
    )
    times = torch.full((TRIALS,), t, dtype=torch.float64)
    velocity = problem.field(times, y, torch.arange(TRIALS))
    return [problem.unflatten(row) for row in y], [problem.unflatten(row) for row in velocity]


def case(problem: Problem, trial: int) -> dict[str, Tensor]:
    return {n: v[trial] for n, v in problem.values.items()}


def descent(loss: Callable[[Mapping[str, Tensor]], Tensor], p: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Minus the gradient, by torch autograd."""
    leaves = {n: v.clone().requires_grad_() for n, v in p.items()}
    loss(leaves).backward()
    return {n: -v.grad if v.grad is not None else torch.zeros_like(v) for n, v in leaves.items()}


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-11, atol=1e-12)


def square(f: Tensor, y: Tensor) -> Tensor:
    return ((f - y) ** 2).sum() / 2


LOSSES: dict[str, tuple[Any, Callable[[Tensor, Tensor], Tensor]]] = {
    "square": (tl.loss.square, square),
    "logistic": (tl.loss.logistic, lambda f, y: functional.softplus(-y * f).sum()),
    "exponential": (tl.loss.exponential, lambda f, y: torch.exp(-y * f).sum()),
    "cross-entropy": (tl.loss.softmax_cross_entropy, lambda f, y: -(y * torch.log_softmax(f, 0)).sum()),
    "a function": (lambda f, y: ((f - y) ** 4).sum(), lambda f, y: ((f - y) ** 4).sum()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_field_is_minus_the_gradient(name: str) -> None:
    given, reference = LOSSES[name]
    problem = problem_of(tl.GradientFlow(network, loss=given))
    states, velocities = field(problem)
    for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
        c = case(problem, i)
        assert_same(v, descent(lambda q, c=c: reference(by_hand(q, c["x"]), c["y"]), p))


def test_labels_are_drawn_for_classification() -> None:
    values = problem_of(tl.GradientFlow(network, loss=tl.loss.logistic)).values["y"]
    assert set(values.flatten().tolist()) == {-1.0, 1.0}


def test_unknown_loss_has_an_arbitrary_derivative() -> None:
    problem = problem_of(tl.GradientFlow(network))
    assert problem.values["r"].shape == (TRIALS, DIMS["m"], DIMS["n"])
    states, velocities = field(problem)
    for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
        c = case(problem, i)
        assert_same(v, descent(lambda q, c=c: (c["r"] * by_hand(q, c["x"])).sum(), p))


def test_rates_decay_and_metric() -> None:
    """theta' = -M (eta g) - lambda theta, each option a number, or a function of (c) or of (p, c)."""
    flow = tl.GradientFlow(
        network,
        loss=tl.loss.square,
        setting=tl.Setting(eta=tl.var(positive=True), lam=tl.var()),
        rates={"W1": lambda c: c.eta, "b": 3, "W2": lambda p, c: (p.b**2).sum()},
        weight_decay=lambda c: c.lam,
        metric=lambda p, c: {"W1": p.W1**2, "b": ops.outer(p.b, p.b), "W2": 2},
    )
    problem = problem_of(flow)
    states, velocities = field(problem)
    for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
        c = case(problem, i)
        g = descent(lambda q, c=c: square(by_hand(q, c["x"]), c["y"]), p)
        expected = {
            "W1": p["W1"] ** 2 * g["W1"] * c["eta"],
            "b": 3 * p["b"] * (p["b"] @ g["b"]),
            "W2": 2 * g["W2"] * (p["b"] ** 2).sum(),
        }
        assert_same(v, {n: e - c["lam"] * p[n] for n, e in expected.items()})


@pytest.mark.parametrize("friction", [0, 2, "tau"])
def test_momentum_is_second_order_from_rest(friction: int | str) -> None:
    """W' = V, V' = -grad L - lambda W - tau V with V(0) = 0."""
    setting = tl.Setting(tau=tl.var(positive=True))
    flow = tl.GradientFlow(
        network,
        loss=tl.loss.square,
        setting=setting,
        weight_decay=tl.Fraction(1, 2),
        momentum=(lambda c: c.tau) if friction == "tau" else friction,
    )
    problem = problem_of(flow)
    start = problem.unflatten(problem.initial)
    assert all(not v.any() for n, v in start.items() if n.startswith("velocity_"))
    states, velocities = field(problem)
    for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
        c = case(problem, i)
        own = {n: p[n] for n in network.shapes}
        g = descent(lambda q, c=c: square(by_hand(q, c["x"]), c["y"]), own)
        tau = c["tau"] if friction == "tau" else float(friction)
        force = {f"velocity_{n}": g[n] - own[n] / 2 - tau * p[f"velocity_{n}"] for n in own}
        assert_same(v, {n: p[f"velocity_{n}"] for n in own} | force)


def test_a_damped_oscillator() -> None:
    """w'' + 2 w' + 5 w = 0 from rest: w = w0 e^-t (cos 2t + sin(2t)/2)."""
    flow = tl.GradientFlow(
        linear,
        loss=tl.loss.square,
        momentum=2,
        data=([[1], [0]], [[0]]),
        weight_decay=4,
        setting=tl.Setting(init={"w": 1}),
    )
    run = tl.simulate(flow, dims={"d": 2}, trials=1, t_end=1.0, rtol=1e-11)
    expected = np.exp(-1) * (np.cos(2) + np.sin(2) / 2)
    assert run.params["w"][0, 0].item() == pytest.approx(expected, rel=1e-8)


def test_momentum_takes_other_options() -> None:
    flow = tl.GradientFlow(linear, momentum=1)
    assert flow.loss is None
    changed = flow.with_(loss=tl.loss.square, setting=tl.Setting(q=tl.var("d")))
    assert changed.loss is tl.loss.square
    assert changed.setting.variables.keys() == {"q"} == changed.base.setting.variables.keys()
    assert changed.friction(*_at_start(changed)) == 1
    assert {v.draw.a for n, v in changed.initial().items() if n.startswith("velocity") and v.draw is not None} == {0.0}


POSITIVE, LARGE = (tl.assume("a is one", lambda c, v=v: c.a - v, lambda c, v=v: {"a": c.a * 0 + v}) for v in (1, 2))
STATED = tl.Setting(POSITIVE, a="", b="d", init={"w": 1})
still = Flow(lambda p: {"w": p.w * 0}, state={"w": "d"}, setting=STATED)
learning = tl.GradientFlow(linear, loss=tl.loss.square, setting=STATED)
MADE = {
    "flow": still,
    "integral": still.with_integral(s=lambda p: p.w.sum()),
    "gradient flow": learning,
    "momentum": tl.GradientFlow(linear, momentum=1, setting=STATED),
    "time": learning.with_speed(lambda p: 2),
    "time of a flow": still.with_speed(lambda p: 2),
    "chart": still.chart(lambda p: {"q": 2 * p.w}, lambda q: {"w": q.q / 2}),
    "scheme": learning.euler(1).flow,
}


@pytest.mark.parametrize("flow", MADE.values(), ids=MADE)
def test_a_setting_is_added_to_that_of_any_flow(flow: Flow) -> None:
    changed = flow.with_(setting=tl.Setting(LARGE, b=tl.var("d", positive=True), e="", init={"w": 2}))
    assert set(changed.setting.variables) == {"a", "b", "e"}
    assert changed.setting.variables["b"].positive
    assert changed.setting.init["w"] == 2
    assert [a for a in changed.setting.assumptions if a.name == "a is one"] == [LARGE]
    again = changed.with_(setting=tl.Setting()).setting
    assert (again.variables, again.init) == (changed.setting.variables, changed.setting.init)


def _at_start(flow: Flow) -> Any:
    from theorylab.derive.world import World

    world = World(flow, None)
    return flow.start(world.case)


def test_formulas_see_the_outputs_under_momentum() -> None:
    flow = tl.GradientFlow(linear, loss=tl.loss.square, momentum=0)
    problem = problem_of(flow)
    zero = torch.zeros(TRIALS, dtype=torch.float64)
    found = problem.observe(lambda p, c: c.f - c.y - c.r, zero, problem.initial)
    assert not found.any()


@pytest.mark.parametrize("gate", [0, 1, tl.Fraction(1, 2)])
def test_the_gate_at_zero_is_the_stated_one(gate: Any) -> None:
    """relu(w x) at w = 0: the velocity is -gate * x r."""

    @tl.model(w="")
    def neuron(p: Any, x: Any) -> Any:
        return ops.relu(p.w * x)

    flow = tl.GradientFlow(neuron, data=([[2]], [[0]]), gates=gate, setting=tl.Setting(init={"w": 0}))
    problem = problem_of(flow)
    zero = torch.zeros(TRIALS, dtype=torch.float64)
    velocity = problem.field(zero, problem.initial, torch.arange(TRIALS))
    torch.testing.assert_close(velocity[:, 0], -2 * float(gate) * problem.values["r"][:, 0, 0])


def test_samples_of_a_declared_shape() -> None:
    """A model of one (T, d) sample is applied to each of n samples; outputs are stacked along the last axis."""

    @tl.model(Q="d d", v="d", x="T d")
    def attention(p: Any, x: Any) -> Any:
        return ops.softmax(x @ p.Q @ x.mT) @ x @ p.v

    def loop(p: Mapping[str, Tensor], x: Tensor) -> Tensor:
        each = [x[..., i] for i in range(x.shape[-1])]
        return torch.stack([torch.softmax(s @ p["Q"] @ s.mT, -1) @ s @ p["v"] for s in each], -1)

    flow = tl.GradientFlow(attention, loss=tl.loss.square)
    problem = problem_of(flow, T=3, d=2)
    assert problem.values["x"].shape == (TRIALS, 3, 2, DIMS["n"])
    states, velocities = field(problem)
    for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
        c = case(problem, i)
        assert_same(v, descent(lambda q, c=c: square(loop(q, c["x"]), c["y"]), p))


def test_fixed_data_and_data_from_the_case() -> None:
    x, y = [[1, 2], [3, 4]], [[5, 6]]
    fixed = problem_of(tl.GradientFlow(linear, loss=tl.loss.square, data=(x, y)), d=2)
    drawn = tl.Setting(A=tl.var("d n"), teacher=tl.var("d"))
    taught = problem_of(
        tl.GradientFlow(linear, loss=tl.loss.square, data=lambda c: (2 * c.A, c.teacher[None, :] @ c.A), setting=drawn)
    )
    for problem, pair in [
        (fixed, lambda c: (torch.tensor(x).double(), torch.tensor(y).double())),
        (taught, lambda c: (2 * c["A"], c["teacher"][None, :] @ c["A"])),
    ]:
        states, velocities = field(problem)
        for i, (p, v) in enumerate(zip(states, velocities, strict=True)):
            data, targets = pair(case(problem, i))
            assert_same(v, descent(lambda q, d=data, z=targets: square(q["w"][None, :] @ d, z), p))


def test_integrals() -> None:
    """w' = -w with s' = w^2 and u' = s: the integrals start at 0 and follow their integrands."""
    flow = Flow(lambda p: {"w": -p.w}, state={"w": "d"}).with_integral(s=lambda p, c: p.w**2)
    flow = flow.with_integral(u=lambda p, c: c.integral.s)
    problem = problem_of(flow)
    start = problem.unflatten(problem.initial)
    assert start["integral.s"].shape == (TRIALS, DIMS["d"])
    assert not start["integral.s"].any()
    p, v = field(problem)
    assert_same(v[0], {"w": -p[0]["w"], "integral.s": p[0]["w"] ** 2, "integral.u": p[0]["integral.s"]})
    run = tl.simulate(flow, dims={"d": 1}, trials=1, t_end=1.0, rtol=1e-11)
    w0 = run.case["init.w"][0, 0].item()
    end = run.problem.unflatten(run.solution.y)
    assert end["integral.s"][0, 0].item() == pytest.approx(w0**2 * (1 - np.exp(-2)) / 2, rel=1e-8)
    assert end["integral.u"][0, 0].item() == pytest.approx(w0**2 * (1 - (1 - np.exp(-2)) / 2) / 2, rel=1e-8)


def test_the_start_is_seen_with_integrals_of_their_shape() -> None:
    flow = tl.GradientFlow(linear).with_integral(s=lambda p, c: -(c.x @ c.r.mT)[:, 0])
    law = tl.Invariant(flow, lambda p, c: (p.w - c.integral.s).sum(-1))
    problem = problem_of(flow)
    zero = torch.zeros(TRIALS, dtype=torch.float64)
    assert not problem.observe(law.tests()[0].observe, zero, problem.initial).any()


def test_time_is_seen() -> None:
    flow = Flow(lambda p, c: {"w": c.t * p.w}, state={"w": ""})
    p, v = field(problem_of(flow), t=0.5)
    assert_same(v[0], {"w": 0.5 * p[0]["w"]})


def test_a_step_of_gradient_descent() -> None:
    """p + h * field(p), with h a positive variable of the setting."""
    scheme = tl.GradientFlow(linear, loss=tl.loss.square).euler("h")
    problem = problem_of(scheme.flow)
    assert (problem.values["h"] > 0).all()
    zero = torch.zeros(TRIALS, dtype=torch.float64)
    found = problem.observe(lambda p, c: scheme.step(p, c).w, zero, problem.initial)
    velocity = problem.field(zero, problem.initial, torch.arange(TRIALS))
    torch.testing.assert_close(found, problem.initial + problem.values["h"][:, None] * velocity)


def test_input_shapes_are_found() -> None:
    """The row size of x is the one that fits, also where it is no size of a parameter."""

    @tl.model(w="k", W="m k")
    def inner(p: Any, x: Any) -> Any:
        return p.W @ x + p.w.sum()

    @tl.model(a="")
    def scalar(p: Any, x: Any) -> Any:
        return p.a * x

    assert inner.input_shape() == ("k", "n")
    assert scalar.input_shape() == ("d", "n")
    assert tl.GradientFlow(scalar).sizes == {"d", "n"}


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.model(), "no parameters"),
        (lambda: tl.model(w=3), "the shape of parameter 'w' is 3"),
        (lambda: tl.model(w="d-1"), "contains 'd-1'"),
        (lambda: tl.model(w="0"), "contains '0'"),
        (lambda: tl.model(items="d"), "a parameter is named 'items'"),
        (lambda: tl.model(w="d")(3), "decorates a function, got int"),  # type: ignore[arg-type]
        (lambda: linear.family(L=2), "has no option 'L'; expected one of its arguments: p, x"),
        (
            lambda: tl.GradientFlow(tl.model(U="m n")(lambda p, x: p.U @ x)).sizes,
            "'n' rows, which is the number of samples",
        ),
        (lambda: tl.GradientFlow(lambda p, x: x), "got function; expected a model declared"),  # type: ignore[arg-type]
        (lambda: tl.GradientFlow(linear, loss="square"), "loss is str"),
        (lambda: tl.GradientFlow(linear, rates={"v": 1}), "rates names the unknown parameter 'v'; expected one of: w"),
        (lambda: tl.GradientFlow(linear, rates={"w": "fast"}), "the rate of 'w' is str"),
        (lambda: tl.GradientFlow(linear, weight_decay="x"), "weight_decay is str"),
        (lambda: tl.GradientFlow(linear, momentum="x"), "momentum is str"),
        (lambda: tl.GradientFlow(linear, metric=3), "metric is int"),  # type: ignore[arg-type]
        (lambda: tl.GradientFlow(linear, gates="one"), "gates is str; expected a number"),
        (lambda: tl.GradientFlow(linear, setting=3), "setting is int"),  # type: ignore[arg-type]
        (lambda: tl.GradientFlow(linear, setting=tl.Setting(init={"q": 1})), "init names the unknown parameter 'q'"),
        (lambda: tl.GradientFlow(linear).with_(setting={"q": "d"}), "setting is dict; expected tl.Setting"),
        (
            lambda: tl.GradientFlow(linear).with_(decay=1),
            "with_ got 'decay' for 'linear'; expected one of: .*weight_decay",
        ),
        (lambda: still.with_(data=3), "with_ got 'data' for 'flow'; expected one of: .*state"),
        (lambda: tl.GradientFlow(linear, data=3), "data is int"),
        (lambda: tl.GradientFlow(linear, data=([[1, "a"]], [[1]])), "data x contains str"),
        (lambda: tl.GradientFlow(linear, data=([[1]], [[float("inf")]])), "data y contains inf"),
        (lambda: tl.GradientFlow(linear, data=([], [])), "data x is empty"),
        (lambda: Flow(lambda p: {}, state={"values": "d"}), "a state is named 'values'"),
        (
            lambda: field(problem_of(Flow(lambda p: {"v": p.w}, state={"w": "d"}, name="odd"))),
            "the field of 'odd' gives",
        ),
        (
            lambda: field(problem_of(tl.GradientFlow(linear, loss=tl.loss.square, metric=lambda p: {"v": 1}))),
            "metric gives",
        ),
        (
            lambda: problem_of(tl.GradientFlow(linear, loss=tl.loss.square, data=lambda c: 3)),
            "data gives int; expected a pair",
        ),
        (
            lambda: problem_of(tl.GradientFlow(linear, loss=tl.loss.square, data=([[1], [2], [3]], [[1, 2]]))),
            "targets of shape",
        ),
        (lambda: Flow(lambda p: p, state={"w": "d"}).objective({}, {}), "is not a gradient flow"),  # type: ignore[arg-type]
        (lambda: complete_dims(["d"], {"e": 2}), "unknown size 'e'; expected one of: d"),
        (lambda: complete_dims(["d"], {"d": 0}), "d=0; expected a positive integer"),
    ],
)
def test_misuse_is_one_sentence(misuse: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)


def test_the_inputs_have_the_shape_that_the_setting_declares() -> None:
    @tl.model(a="3", b="2")
    def convolution(p, x):
        hidden = ops.stack([sum(p.a[k] * x[i + k] for k in range(3)) for i in range(2)])
        return p.b[None, :] @ ops.relu(hidden)

    def norms(p):
        return (p.a**2).sum() - (p.b**2).sum()

    flow = tl.GradientFlow(convolution, setting=tl.Setting(x=tl.var("4 s")))
    assert flow.input_shape == (4, "s")
    assert flow.sizes == {"s"}
    assert prove(tl.Invariant(flow, norms).goals(), {"s": 2})[0].holds
