"""One backward pass for all trials gives each trial its own gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import theorylab as tl
from theorylab import ops
from theorylab.simulate.batched import batched_field
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.problem import Problem


@tl.model(W="k d", a="k")
def net(p, x):
    return p.a[None, :] @ ops.relu(p.W @ x)


h = tl.Setting(h=tl.var("", positive=True))
FLOWS = {
    "plain": tl.GradientFlow(net, loss=tl.loss.square),
    "logistic": tl.GradientFlow(net, loss=tl.loss.logistic),
    "rates": tl.GradientFlow(net, loss=tl.loss.square, setting=h, rates={"a": lambda c: c.h}),
    "decay": tl.GradientFlow(net, loss=tl.loss.square, setting=h, weight_decay=lambda c: c.h),
    "metric": tl.GradientFlow(net, loss=tl.loss.square, metric=lambda p: {"W": p.W**2 + 1, "a": 2}),
    "gate": tl.GradientFlow(net, loss=tl.loss.square, setting=tl.Setting(init={"W": 0}), gates=1),
    "normalised": tl.GradientFlow(net, loss=tl.loss.exponential).normalised(),
    "momentum": tl.GradientFlow(net, loss=tl.loss.square, momentum=1),
    "all": tl.GradientFlow(
        net,
        loss=tl.loss.logistic,
        setting=h,
        momentum=lambda p, c: c.h * (p.a**2).sum(),
        rates={"W": lambda p, c: (p.a**2).sum()},
        weight_decay=lambda c: c.h,
    ),
}
OTHERS = {
    "integral": FLOWS["plain"].with_integral(s=lambda p: p.a),
    "speed": FLOWS["plain"].with_speed(lambda p: 2),
}


def problem(flow: Any) -> Problem:
    dims = {"d": 2, "k": 3, "n": 5}
    return Problem(flow, dims, draw_cases(flow, dims, 7, 0))


@pytest.mark.parametrize("name", FLOWS)
def test_same_field(name: str) -> None:
    ensemble = problem(FLOWS[name])
    batched = batched_field(ensemble)
    assert batched is not None
    rows = torch.tensor([5, 1, 1, 6])  # some trials, in another order, one twice
    t, y = torch.zeros(4, dtype=torch.float64), ensemble.initial[rows] + 0.125
    expected = ensemble.field(t, y, rows)
    assert expected.abs().max() > 1e-3
    with torch.no_grad():
        found = batched(t, y, rows)
    assert not found.requires_grad
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FLOWS)
def test_products_with_the_jacobian(name: str) -> None:
    """By two backward passes, or forward mode, as difference quotients say."""
    ensemble = problem(FLOWS[name])
    batched = batched_field(ensemble)
    assert batched is not None
    rows, step = torch.arange(7), 1e-6
    t, y = torch.zeros(7, dtype=torch.float64), ensemble.initial + 0.125
    v = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    quotient = (ensemble.field(t, y + step * v, rows) - ensemble.field(t, y - step * v, rows)) / (2 * step)
    with torch.no_grad():
        found = batched.product(t, y, rows, v)
    assert found.abs().max() > 1e-2
    assert torch.allclose(found, quotient, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", OTHERS)
def test_other_flows_keep_to_the_field_itself(name: str) -> None:
    ensemble = problem(OTHERS[name])
    assert batched_field(ensemble) is None
    assert ensemble.batched() == ensemble.field


def test_a_difference_is_an_error_of_theorylab(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import import_module

    from theorylab.errors import InternalError

    module = import_module("theorylab.simulate.problem")
    ensemble = problem(FLOWS["plain"])
    monkeypatch.setattr(module, "batched_field", lambda _: lambda t, y, rows: 2 * ensemble.field(t, y, rows))
    with pytest.raises(InternalError, match="one backward pass and one for each trial differ by"):
        ensemble.batched()
