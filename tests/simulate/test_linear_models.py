"""Models that are linear in their inputs, written out by what they give for the unit vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm

import theorylab as tl
from theorylab import ops
from theorylab.derive.world import World
from theorylab.simulate.linear_models import by_unit_vectors, is_linear
from theorylab.simulate.program import Program
from theorylab.simulate.run import simulate

from .backends import needs_compiler

V = tl.var
GIVEN = {"x": V("d n"), "s": V("d"), "each": V("n")}
LINEAR: dict[str, Callable[..., Any]] = {
    "one layer": lambda p, x: p.w[None, :] @ x,
    "flat": lambda p, x: p.w @ x,
    "two layers": lambda p, x: (p.a[None, :] @ p.W) @ x,
    "two layers, the other way round": lambda p, x: p.a[None, :] @ (p.W @ x),
    "diagonal": lambda p, x: (p.w * p.w * p.w)[None, :] @ x,
    "weight normalization": lambda p, x: (p.a[0] * p.w / ops.norm(p.w))[None, :] @ x,
    "scaled inputs": lambda p, x, c: (p.w * c.s)[None, :] @ x,
    "gates of parameters": lambda p, x: ops.relu(p.w)[None, :] @ x,
    "one coordinate": lambda p, x: p.w[0] * x[1:2],
}
OTHERS: dict[str, Callable[..., Any]] = {
    "bias": lambda p, x: p.w[None, :] @ x + p.a[0],
    "relu": lambda p, x: ops.relu(p.w[None, :] @ x),
    "square": lambda p, x: p.w[None, :] @ (x * x),
    "normalised inputs": lambda p, x: p.w[None, :] @ (x / ops.norm(x, axis=0, keepdims=True)),
    "product of coordinates": lambda p, x: p.w[0] * x[0:1] * x[1:2],
    "mean over samples": lambda p, x: p.w[None, :] @ (x - x.sum(-1)[:, None] / 7),
    "first sample": lambda p, x: p.w[None, :] @ x + (p.w * x[:, 0]).sum(),
    "weights of samples": lambda p, x, c: p.w[None, :] @ (x * c.each),
    "place among the samples": lambda p, x: ops.stack([(i + 1) * (p.w @ x[:, i]) for i in range(x.shape[-1])], -1),
    "constant": lambda p, x: p.w[None, :] @ (x * 0) + p.a[0],
}


def flow_of(function: Callable[..., Any]) -> Any:
    model = tl.model(w="d", a="k", W="k d")(function)
    return tl.GradientFlow(model, loss=tl.loss.square, setting=tl.Setting(**GIVEN))


def told(function: Callable[..., Any]) -> bool:
    flow = flow_of(function)
    p, c = World(flow, {"d": 3, "k": 2, "n": 7}).view
    return is_linear(flow.model, p, c, 3)


@pytest.mark.parametrize("function", LINEAR.values(), ids=LINEAR)
def test_linear_models_are_told(function: Callable[..., Any]) -> None:
    assert told(function)


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_others_are_left_alone(function: Callable[..., Any]) -> None:
    assert not told(function)
    flow = flow_of(function)
    assert by_unit_vectors(flow, {"d": 3, "k": 2, "n": 7}) is flow


@pytest.mark.parametrize("momentum", [None, 2])
@pytest.mark.parametrize("function", LINEAR.values(), ids=LINEAR)
def test_field_and_loss_are_those_of_torch(function: Callable[..., Any], momentum: int | None) -> None:
    flow = tl.GradientFlow(flow_of(function).model, loss=tl.loss.square, setting=tl.Setting(**GIVEN), momentum=momentum)
    problem = simulate(flow, dims={"d": 3, "k": 2, "n": 7}, trials=5, seed=1, t_end=0.1).problem
    rows, t = torch.arange(5), torch.zeros(5, dtype=torch.float64)
    y = problem.initial + torch.randn(problem.initial.shape, generator=torch.Generator().manual_seed(0)).double()
    written = problem.compiled()(t, y, rows)
    torch.testing.assert_close(written, problem.field(t, y, rows), rtol=1e-12, atol=1e-12)


def nodes(k: int, n: int) -> int:
    flow = flow_of(LINEAR["two layers, the other way round"])
    problem = simulate(flow, dims={"d": 3, "k": k, "n": n}, trials=1, t_end=0.01).problem
    return Program.of(*problem.roots([None]), 0).nodes


def test_what_another_sample_costs_does_not_depend_on_the_width() -> None:
    """It is an output, a slope and what that adds to d sums; without unit vectors it costs k times as much."""
    growth = [nodes(k, 20) - nodes(k, 10) for k in (2, 8)]
    assert growth[0] == growth[1]
    # With as few samples as coordinates nothing is gained.
    assert nodes(8, 3) - nodes(8, 2) > growth[0] / 10


@needs_compiler
def test_least_squares_ends_where_the_matrix_exponential_says() -> None:
    draw = np.random.default_rng(3)
    x, y, w = draw.standard_normal((3, 9)), draw.standard_normal((1, 9)), draw.standard_normal((4, 3))
    flow = tl.GradientFlow(tl.model(w="d")(LINEAR["one layer"]), loss=tl.loss.square, data=(x, y))
    run = tl.simulate(flow, init={"w": w}, dims={"d": 3}, t_end=2.0, rtol=1e-11, atol=1e-13)
    assert run.backend == "generated C"
    end = np.linalg.solve(x @ x.T, x @ y[0])
    expected = end + (w - end) @ expm(-2.0 * x @ x.T)
    np.testing.assert_allclose(run.params["w"].numpy(), expected, rtol=0, atol=1e-9)
