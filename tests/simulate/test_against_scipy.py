"""Flows of the public language beside independent solutions: gradients written by hand in torch or numpy, LSODA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

import theorylab as tl
from theorylab import ops

from .backends import needs_compiler

pytestmark = needs_compiler
LABELS = tl.Setting(y=tl.var("1 n", tl.draw.one_of(-1, 1)))


def slope(loss: Callable[[dict[str, Tensor]], Tensor], p: dict[str, Tensor]) -> dict[str, Tensor]:
    held = {n: v.clone().requires_grad_(True) for n, v in p.items()}
    found = torch.autograd.grad(loss(held), list(held.values()))
    return dict(zip(held, found, strict=True))


def solved(rates: Callable[[dict[str, Tensor]], dict[str, Tensor]], p: dict[str, Tensor], t_end: float) -> dict:
    """The state at t_end of p' = rates(p), by LSODA."""
    shapes = {n: v.shape for n, v in p.items()}

    def split(y: np.ndarray) -> dict[str, Tensor]:
        parts = torch.from_numpy(y.copy()).split([int(np.prod(s)) for s in shapes.values()])
        return {n: part.reshape(s) for (n, s), part in zip(shapes.items(), parts, strict=True)}

    def flat(q: dict[str, Tensor]) -> np.ndarray:
        return torch.cat([q[n].reshape(-1) for n in shapes]).numpy()

    found = solve_ivp(lambda t, y: flat(rates(split(y))), (0, t_end), flat(p), "LSODA", rtol=1e-11, atol=1e-13)
    assert found.success
    return split(found.y[:, -1])


@tl.model(W="k d", V="k k", a="k")
def deep_tanh(p, x):
    return p.a[None, :] @ ops.tanh(p.V @ ops.tanh(p.W @ x))


@tl.model(W="k d", a="k")
def softplus(p, x):
    return p.a[None, :] @ ops.log(1 + ops.exp(p.W @ x))


@tl.model(A="h d", B="h h", C="h h", D="h h", E="m h")
def deep_linear(p, x):
    return p.E @ p.D @ p.C @ p.B @ p.A @ x


def outputs(name: str, p: dict[str, Tensor], x: Tensor) -> Tensor:
    if name == "deep_tanh":
        return p["a"][None] @ torch.tanh(p["V"] @ torch.tanh(p["W"] @ x))
    if name == "softplus":
        return p["a"][None] @ torch.nn.functional.softplus(p["W"] @ x, threshold=1e3)
    return p["E"] @ p["D"] @ p["C"] @ p["B"] @ p["A"] @ x


MODELS: dict[str, tuple[Any, dict[str, int]]] = {
    "deep_tanh": (deep_tanh, {"d": 3, "k": 8, "n": 6}),
    "softplus": (softplus, {"d": 4, "k": 12, "n": 5}),
    "deep_linear": (deep_linear, {"d": 4, "h": 8, "m": 2, "n": 5}),
}
LOSSES: dict[str, tuple[Any, Callable[[Tensor, Tensor], Tensor]]] = {
    "square": (tl.loss.square, lambda f, y: ((f - y) ** 2).sum() / 2),
    "logistic": (tl.loss.logistic, lambda f, y: torch.nn.functional.softplus(-f * y).sum()),
    "exponential": (tl.loss.exponential, lambda f, y: torch.exp(-f * y).sum()),
}


def case(run: tl.Run, trial: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    start = {n: run.case[f"init.{n}"][trial] for n in run.params}
    return start, run.case["x"][trial], run.case["y"][trial]


def close(found: Any, run: tl.Run, trial: int, tolerance: float = 1e-7) -> bool:
    return all(torch.allclose(found[n], v[trial], rtol=tolerance, atol=tolerance) for n, v in run.params.items())


@pytest.mark.parametrize(
    ("model", "loss"),
    [("deep_tanh", "square"), ("deep_tanh", "logistic"), ("softplus", "square"), ("softplus", "exponential"),
     ("deep_linear", "square")],
)  # fmt: skip
def test_models_and_losses(model: str, loss: str) -> None:
    net, dims = MODELS[model]
    given, value = LOSSES[loss]
    setting = {} if loss == "square" else {"setting": LABELS}
    flow = tl.GradientFlow(net, loss=given, **setting)
    run = tl.simulate(flow, init=tl.draw.normal(0.4), dims=dims, trials=2, t_end=1.5, rtol=1e-9, atol=1e-12, seed=2)
    assert {s.label for s in run.status} == {"t_end"}
    p, x, y = case(run, 1)
    expected = solved(lambda q: {n: -g for n, g in slope(lambda r: value(outputs(model, r, x), y), q).items()}, p, 1.5)
    assert close(expected, run, 1)


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


def square(p: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    return ((p["w"][None] @ x - y) ** 2).sum() / 2


SIZES: dict[str, Any] = {"dims": {"d": 3, "n": 5}, "trials": 2, "seed": 3}


def test_momentum() -> None:
    run = tl.simulate(tl.GradientFlow(linear, loss=tl.loss.square, momentum=tl.Fraction(1, 2)), t_end=4.0, **SIZES)
    x, y = run.case["x"][0], run.case["y"][0]
    w = run.case["init.w"][0]

    def rates(q: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"w": q["v"], "v": -q["v"] / 2 - slope(lambda r: square(r, x, y), {"w": q["w"]})["w"]}

    assert torch.allclose(solved(rates, {"w": w, "v": 0 * w}, 4.0)["w"], run.params["w"][0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", ["mirror", "rates", "normalised", "log"])
def test_changed_flows(kind: str) -> None:
    """Entropy as a metric, rates, the time in which the loss falls by itself, and coordinates log w."""
    positive = tl.Setting(init={"w": tl.var("d", tl.draw.uniform(0.5, 1.5), positive=True)})
    x, y = given = np.random.default_rng(5).uniform(0.2, 1, (3, 5)), np.ones((1, 5))
    plain = tl.GradientFlow(linear, loss=tl.loss.square, setting=positive, data=given)
    mirror = tl.GradientFlow(
        linear, loss=tl.loss.square, setting=positive, data=given, metric=lambda p: {"w": p.w}
    )  # fmt: skip
    flows: dict[str, tuple[Any, Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
        "mirror": (mirror, lambda w, g, f: -w * g),
        "rates": (plain.with_(rates={"w": 3}), lambda w, g, f: -3 * g),
        "normalised": (
            tl.GradientFlow(linear, loss=tl.loss.exponential, setting=positive, data=given).normalised(),
            lambda w, g, f: torch.from_numpy(x) @ torch.exp(-f) / torch.exp(-f).sum(),
        ),
        "log": (mirror.in_log("w"), lambda w, g, f: -w * g),
    }
    flow, rate = flows[kind]
    run = tl.simulate(flow, trials=2, seed=4, t_end=2.0)
    start = run.case["init.log_w"].exp() if kind == "log" else run.case["init.w"]
    end = run.params["log_w"].exp() if kind == "log" else run.params["w"]
    data = torch.from_numpy(x), torch.from_numpy(y)

    def rates(q: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"w": rate(q["w"], slope(lambda r: square(r, *data), q)["w"], (q["w"] @ data[0]))}

    assert torch.allclose(solved(rates, {"w": start[1]}, 2.0)["w"], end[1], rtol=1e-7, atol=1e-8)


def test_schemes_on_a_deep_net() -> None:
    """Heavy ball and Adam on a net of 96 parameters, step by step as written out in torch."""
    net, dims = MODELS["deep_tanh"]
    flow = tl.GradientFlow(net, loss=tl.loss.square)
    options: dict[str, Any] = {"dims": dims, "trials": 2, "seed": 6, "init": tl.draw.normal(0.4), "steps": 30}
    ball = tl.simulate(flow.heavy_ball(0.02, 0.8), **options)
    adam = tl.simulate(flow.adam(0.02), **options)
    names = list(flow.state)
    x, y = ball.case["x"][1], ball.case["y"][1]
    p = {n: ball.case[f"init.{n}"][1].clone() for n in names}
    before = dict(p)
    peer = {n: v.clone().requires_grad_(True) for n, v in p.items()}
    optimiser = torch.optim.Adam(peer.values(), lr=0.02)
    for _ in range(30):
        g = slope(lambda r: ((outputs("deep_tanh", r, x) - y) ** 2).sum() / 2, p)
        p, before = {n: p[n] - 0.02 * g[n] + 0.8 * (p[n] - before[n]) for n in names}, p
        optimiser.zero_grad()
        (((outputs("deep_tanh", peer, x) - y) ** 2).sum() / 2).backward()
        optimiser.step()
    for n in names:
        assert torch.allclose(ball.params[n][1], p[n], rtol=1e-9, atol=1e-11)
        assert torch.allclose(adam.params[n][1], peer[n].detach(), rtol=1e-8, atol=1e-9)
