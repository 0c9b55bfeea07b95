"""No path of batched torch makes a tensor without saying where: on a GPU it would lie on the CPU, beside all others."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

import theorylab as tl
from theorylab.simulate import compiled
from theorylab.simulate.kernel import iterate

from .networks import bent, smooth


class Placed(TorchFunctionMode):
    """Keeps the lines of theorylab that make a tensor without a device, or take one of numpy for what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: set[str] = set()
        self.made = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        makes = func in _device_constructors() or func is torch.from_numpy
        if makes:
            self.made += 1
        if makes and kwargs.get("device") is None and not (args and isinstance(args[0], torch.Tensor)):
            line = next(f for f in reversed(traceback.extract_stack()) if f.filename != __file__)
            if "/theorylab/" in line.filename:
                self.faults.add(f"{line.filename.split('/theorylab/')[-1]}:{line.lineno}: {line.line}")
        return func(*args, **kwargs)


def flow(model: Any, **options: Any) -> Any:
    return tl.GradientFlow(model, loss=tl.loss.square, **options)


CASES: dict[str, Any] = {"dims": {"d": 2, "k": 3, "n": 4}, "trials": 3, "seed": 2, "device": "cpu"}
TOLERANCE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-5}
HALF = tl.event(lambda p: (p.a**2).sum() - 2)
KEPT: dict[str, Any] = {"times": [0.5, 1.0], "observe": ["loss", "gradient_norm"]}
RUNS: dict[str, Callable[[], Any]] = {
    "explicit": lambda: tl.simulate(flow(smooth), t_end=2.0, **KEPT, **CASES, **TOLERANCE),
    "converged": lambda: tl.simulate(flow(smooth), t_end=3.0, until=tl.converged(1e-2), **CASES, **TOLERANCE),
    "events": lambda: tl.simulate(flow(smooth), t_end=2.0, events={"half": HALF}, **KEPT, **CASES, **TOLERANCE),
    "until": lambda: tl.simulate(flow(smooth), t_end=2.0, until=HALF, **CASES, **TOLERANCE),
    "limit": lambda: tl.simulate(flow(smooth), t_end=2.0, **CASES, **TOLERANCE).limit(lambda p: p.a),
    "kinks": lambda: tl.simulate(flow(bent), t_end=2.0, **KEPT, **CASES, **TOLERANCE),
    "events of kinks": lambda: tl.simulate(flow(bent), t_end=2.0, events={"half": HALF}, **CASES, **TOLERANCE),
    "rock4": lambda: tl.simulate(flow(smooth), t_end=2.0, method="rock4", **KEPT, **CASES, **TOLERANCE),
    "rodas5p": lambda: tl.simulate(flow(bent), t_end=2.0, method="rodas5p", **KEPT, **CASES, **TOLERANCE),
    "momentum": lambda: tl.simulate(flow(smooth, momentum=0.5), t_end=2.0, method="rodas5p", **CASES, **TOLERANCE),
    "kinks with momentum": lambda: tl.simulate(flow(bent, momentum=0.5), t_end=2.0, **CASES, **TOLERANCE),
    "turns": lambda: tl.simulate(flow(smooth), t_end=300.0, **KEPT, **CASES, **TOLERANCE),
    "descent": lambda: tl.simulate(flow(smooth).euler(0.01), steps=9, times=[1, 9], observe=["loss"], **CASES),
    "sgd": lambda: tl.simulate(flow(smooth).sgd(0.01, batch=2), steps=9, until=tl.converged(1e-9), **CASES),
    "adam": lambda: tl.simulate(flow(smooth).adam(0.01, batch=2), steps=9, **CASES),
}


def without_compilers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiled, "build", lambda text, flags: None)
    patch.setattr(compiled, "_libraries", compiled.Libraries())
    patch.setattr(iterate, "compiler", lambda: None)


@pytest.mark.parametrize("name", RUNS)
def test_every_tensor_of_a_run_is_placed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_compilers(monkeypatch)
    with Placed() as placed:
        run = RUNS[name]()
    assert placed.made
    assert name != "turns" or "rodas5p" in run.solution.finisher
    assert not placed.faults, "\n".join(sorted(placed.faults))
