"""Batched torch on a device other than the CPU: nothing lies in the wrong place, and results are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import theorylab as tl
from theorylab.simulate import given, simulate

from .networks import smooth
from .pretend import DEVICE, Pretended, pretended_gpu

FLOW = tl.GradientFlow(smooth, loss=tl.loss.square)
CASES: dict[str, Any] = {"dims": {"d": 2, "k": 3, "n": 4}, "trials": 3, "seed": 2}
TOLERANCE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-5}
HALF = tl.event(lambda p: (p.a**2).sum() - 2)
OBSERVED = ["loss", "gradient_norm"]
RUNS: dict[str, Callable[..., Any]] = {
    "explicit": lambda **on: simulate(
        FLOW, t_end=1.0, times=[0.5], observe=OBSERVED, method="tsit5", **TOLERANCE, **on
    ),
    "events": lambda **on: simulate(FLOW, t_end=1.0, events={"half": HALF}, method="tsit5", **TOLERANCE, **on),
    "stabilised": lambda **on: simulate(FLOW, t_end=0.5, method="rock4", **TOLERANCE, **on),
    "descent": lambda **on: simulate(FLOW.euler(0.01), steps=5, times=[1, 5], observe=["loss"], **on),
    "sgd": lambda **on: simulate(FLOW.sgd(0.01, batch=2), steps=5, until=tl.converged(1e-9), **on),
    "adam": lambda **on: simulate(FLOW.adam(0.01, batch=2), steps=5, **on),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_lie_on_their_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = RUNS[name](**CASES)
    monkeypatch.setattr(given, "check_device", lambda device: None)
    with pretended_gpu():
        found = RUNS[name](device=str(DEVICE), **CASES)
        assert found.backend.startswith("batched torch: ")
        assert isinstance(found.solution.y, Pretended)
        ends, quantities = found.solution.y.cpu(), {n: v.cpu() for n, v in found.quantities.items()}
        assert found.status == expected.status
    assert torch.allclose(ends, expected.solution.y, rtol=1e-2, atol=1e-4)
    for quantity, values in quantities.items():
        assert torch.allclose(values, expected.quantities[quantity], rtol=1e-2, atol=1e-3)


def test_a_tensor_in_the_wrong_place_is_noticed() -> None:
    with pretended_gpu():
        there = torch.ones(3, device=DEVICE)
        assert isinstance(there + 1, Pretended)
        assert (there.cpu() + torch.ones(3)).tolist() == [2.0, 2.0, 2.0]
        with pytest.raises(RuntimeError, match="on the CPU"):
            there + torch.ones(3)
        with pytest.raises(TypeError, match="no numpy array"):
            there.numpy()
