"""Bad input to `tl.simulate`: one sentence; what goes wrong on the way: a status; never a hang, never a traceback."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import ops
from theorylab.simulate.methods import METHODS, STIFF_METHODS

ALL = (*METHODS, *STIFF_METHODS, "auto")


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


@tl.model(w="d")
def roots(p, x):
    return ops.sqrt(p.w)[None, :] @ x


flow = tl.GradientFlow(linear, loss=tl.loss.square)
SIZES: dict[str, Any] = {"dims": {"d": 3, "n": 4}, "trials": 4, "seed": 0}
explosion = tl.Flow(lambda p: {"x": p.x**2}, state={"x": ""}, setting=tl.Setting(init={"x": 1}))

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "end": ({"t_end": "later"}, "t_end is 'later'; expected a time"),
    "truth as an end": ({"t_end": True}, "t_end is True; expected a time"),
    "ends": ({"t_end": [1.0, 2.0]}, r"t_end has shape \(2,\); expected a number or shape \(4,\)"),
    "end before 0": ({"t_end": -1}, "t_end is -1; expected a time that is not negative"),
    "no end": ({"t_end": math.inf}, "without a stopping rule; expected finite times or until"),
    "no times": ({"times": []}, r"times is \[\]; expected at least one time"),
    "one time": ({"times": 3.0}, "times is 3.0; expected at least one time in a flat list"),
    "table of times": ({"times": [[1, 2], [3, 4]]}, "expected at least one time in a flat list"),
    "falling times": ({"times": [2, 1]}, "expected rising finite times"),
    "rtol": ({"rtol": -1e-6}, "rtol=-1e-06 was given; expected a number from"),
    "atol": ({"atol": -1e-6}, "atol=-1e-06 was given; expected positive numbers"),
    "text as atol": ({"atol": "small"}, "atol is 'small'; expected a positive number"),
    "no atol": ({"atol": None}, "atol is None; expected a positive number"),
    "max_steps": ({"max_steps": True}, "max_steps=True was given; expected a positive integer"),
    "first_step": ({"first_step": "x"}, "first_step='x' was given; expected a positive number"),
    "start": ({"t_start": "a"}, "t_start is 'a'; expected a number"),
    "no method": ({"method": None}, "method is None; expected a name such as 'auto'"),
    "method": ({"method": "rk45"}, "method='rk45' is unknown; expected 'auto' or one of"),
    "device": ({"device": "cuda:99"}, "device is 'cuda:99'; expected 'cpu', or 'cuda' where a GPU is visible"),
    "device without numbers": ({"device": "meta"}, "device is 'meta'; expected 'cpu'"),
    "number as device": ({"device": 99}, "device is 99; expected 'cpu'"),
    "complex init": (
        {"init": {"w": np.zeros((4, 3)) * 1j}}, "init of 'w' is ndarray of complex128; expected an array of float64"
    ),
    "huge end": ({"t_end": 10**400}, "expected a time, or one for each trial"),
    "repeated times": ({"times": [1, 1]}, r"times is \[1, 1\]; expected rising finite times"),
    "no times at all": ({"times": [1, math.nan]}, "times is .* expected rising finite times"),
    "half a trial": ({"trials": 0.5}, "trials is 0.5; expected a positive integer"),
    "rows of init": ({"init": {"w": np.zeros((3, 3))}}, "init gives 3 trials and trials is 4; expected"),
    "one row of init": ({"init": {"w": np.zeros(4)}}, r"has shape \(4,\); expected \(4, 3\), one row a trial"),
    "rule that is not called": ({"until": tl.converged}, "until is 'converged', no rule.*such as tl.converged"),
    "name of an event": ({"events": {"until": tl.event(lambda p: p.w[0])}}, "a name other than until"),
    "memory": ({"dims": {"d": 10**10, "n": 4}}, "; expected .* fit into .* of memory|does not fit into memory"),
    "more trials than memory": ({"trials": 10**12}, "does not fit into memory|fit into .* GiB of memory"),
    "rule": ({"until": lambda t, y, f, rows: True}, "the stopping rule returned bool; expected torch.bool of shape"),
    "event": ({"events": {"e": tl.event(lambda p: p.w)}}, "the quantity of an event has 3 entries; expected a scalar"),
    "option": ({"tolerance": 1}, "simulate got the unknown option 'tolerance'"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(tl.InputError, match=message) as error:
        tl.simulate(flow, **{**SIZES, **given})
    assert "\n" not in str(error.value)


def test_numbers_of_numpy_and_distributions_by_name() -> None:
    """Integers of numpy are integers; a parameter that init does not name starts as the setting says."""

    @tl.model(a="k d", b="k")
    def product(p, x):
        return p.b[None, :] @ (p.a @ x)

    two: Any = np.int64(2)
    sizes = {"k": np.int64(3), "d": np.int32(2), "n": 2}
    pair = tl.GradientFlow(product, loss=tl.loss.square)
    init = {"a": tl.init.normal(scale=1e-3), "b": np.ones((5, 3))}
    run = tl.simulate(pair, dims=sizes, init=init, t_end=1e-3, max_steps=np.int64(9), trials=two + 3)
    assert run.case["init.a"].shape == (5, 3, 2)
    assert 1e-5 < run.case["init.a"].abs().max() < 1e-2
    assert torch.equal(run.case["init.b"], torch.ones(5, 3).double())
    assert int(tl.simulate(pair.euler(1), dims=sizes, steps=two, trials=2).t[0]) == 2


@pytest.mark.parametrize("gtol", [-1.0, 0.0, math.nan, math.inf, "a", None, True])
def test_bad_gtol(gtol: Any) -> None:
    with pytest.raises(tl.InputError, match="expected a positive number"):
        tl.converged(gtol)


@pytest.mark.parametrize("h", [math.nan, math.inf])
def test_a_step_that_is_no_number(h: float) -> None:
    with pytest.raises(tl.InputError, match="expected a finite number that is not negative"):
        flow.euler(h)


@pytest.mark.parametrize("given", [{"rtol": -3}, {"atol": [1e-3] * 3}, {"method": "tsit5"}])
def test_schemes_take_no_tolerance(given: dict[str, Any]) -> None:
    with pytest.raises(tl.InputError, match=f"a scheme was given {next(iter(given))}"):
        tl.simulate(flow.euler(0.1), steps=3, **SIZES, **given)


@pytest.mark.parametrize("method", ALL)
def test_no_time_at_all(method: str) -> None:
    run = tl.simulate(flow, t_end=0, times=[0, 1], observe=["loss"], method=method, **SIZES)
    assert {s.label for s in run.status} == {"t_end"}
    assert torch.equal(run.params["w"], run.case["init.w"])
    assert torch.equal(run.saved["w"][:, 0], run.case["init.w"])
    assert torch.isnan(run.saved["w"][:, 1]).all()
    assert (run.drift["loss"].value == 0).all()
    assert (run.stats.steps == 0).all()


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("backend", ["C", "torch"])
def test_what_goes_wrong_is_a_status(method: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that blows up at t = 1, one whose domain is left at once, and a limit on the steps."""
    if backend == "torch":
        monkeypatch.setattr(import_module("theorylab.simulate.compiled"), "MAX_NODES", 0)
    lost = tl.simulate(explosion, trials=3, method=method, rtol=1e-6)
    assert {s.label for s in lost.status} <= {"step_too_small", "non_finite"}
    assert torch.allclose(lost.t, torch.ones(3).double(), rtol=1e-3)
    outside = tl.simulate(tl.GradientFlow(roots, loss=tl.loss.square), method=method, **SIZES)
    assert {s.label for s in outside.status} == {"non_finite"}
    short = tl.simulate(flow, t_end=1e6, max_steps=2, method=method, **SIZES)
    assert {s.label for s in short.status} == {"max_steps"}
    assert (short.stats.steps + short.stats.rejected == 2).all()
    assert torch.isfinite(short.params["w"]).all()
