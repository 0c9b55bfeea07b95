"""`tl.simulate` as users see it: quantities and drifts, which back-end ran and why, and bad input in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import ops

from .backends import needs_compiler

problems = import_module("theorylab.simulate.problem")


@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W2 @ (p.W1 @ x)


flow = tl.GradientFlow(two_layer, loss=tl.loss.square)
balance = lambda p: p.W1 @ p.W1.mT - p.W2.mT @ p.W2  # noqa: E731
SMALL: dict[str, Any] = {"dims": {"d": 2, "k": 3, "m": 1, "n": 4}, "trials": 6, "seed": 2}


def test_quantities_at_the_times_asked_for() -> None:
    times = [0.0, 0.5, 2.0]
    observe = {"loss": "loss", "slope": "gradient_norm", "balance": balance, "half": lambda p, c: c.t / 2}
    run = tl.simulate(flow, t_end=2.0, times=times, observe=observe, **SMALL)
    assert run.times is not None
    assert run.times.tolist() == times
    assert run.saved["W1"].shape == (6, 3, 3, 2)
    assert run.quantities["balance"].shape == (6, 3, 3, 3)
    assert torch.equal(run.quantities["half"], torch.tensor([0, 0.25, 1], dtype=torch.float64).expand(6, 3))
    W1, W2, x, y = run.saved["W1"], run.saved["W2"], run.case["x"][:, None], run.case["y"][:, None]
    residual = W2 @ W1 @ x - y
    assert torch.allclose(run.quantities["loss"], (residual**2).sum((-1, -2)) / 2, rtol=1e-12)
    squares = [((W2.mT @ residual @ x.mT) ** 2).sum((-1, -2)), ((residual @ x.mT @ W1.mT) ** 2).sum((-1, -2))]
    assert torch.allclose(run.quantities["slope"], sum(squares).sqrt(), rtol=1e-12)
    ends = tl.simulate(flow, t_end=2.0, observe=["loss"], **SMALL)
    assert torch.allclose(ends.quantities["loss"], run.quantities["loss"][:, [0, 2]], rtol=1e-6)
    assert ends.times is None


@pytest.mark.parametrize("rtol", [1e-5, 1e-8])
def test_drift_beside_the_error_of_the_integrator(rtol: float) -> None:
    """An invariant drifts by less than the error that the integrator knows of; what is none drifts by far more."""
    run = tl.simulate(
        flow,
        t_end=2.0,
        rtol=rtol,
        atol=rtol * 1e-3,
        observe={"law": balance, "none": lambda p: p.W1 @ p.W1.mT},
        **SMALL,
    )
    law, none = run.drift["law"], run.drift["none"]
    assert law.value.shape == law.own_error.shape == (6, 3, 3)
    assert (law.value > 0).all()
    assert (law.value <= law.own_error).all()
    assert (none.value.flatten(1).amax(1) > 100 * none.own_error.flatten(1).amax(1)).all()


def test_times_after_the_end_of_a_run_are_missing() -> None:
    run = tl.simulate(flow, t_end=1e4, until=tl.converged(1e-3), times=[0.0, 9e3], observe=["loss"], **SMALL)
    assert {s.label for s in run.status} == {"converged"}
    assert torch.isnan(run.quantities["loss"]).tolist() == [[False, True]] * 6
    assert torch.isnan(run.saved["W2"][:, 1]).all()


def test_an_end_time_for_each_trial() -> None:
    ends = torch.linspace(0.5, 2, 6, dtype=torch.float64)
    run = tl.simulate(flow, t_end=ends, **SMALL)
    assert torch.equal(run.t, ends)


@needs_compiler
def test_the_back_end_that_ran_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tl.simulate(flow, t_end=0.1, **SMALL).backend == "generated C"
    custom = tl.simulate(flow, t_end=0.1, until=lambda t, y, f, rows: t > 0.05, **SMALL)
    assert custom.backend == "batched torch: the stopping rule is no tl.converged"
    rotation = tl.Flow(lambda p: {"W": ops.expm(p.W) * 0 - p.W}, state={"W": "2 2"})
    assert "no exact reading at these sizes" in tl.simulate(rotation, t_end=0.1, trials=2).backend

    def reason(n: int) -> str:  # other sizes are other programs, so that none is remembered
        return tl.simulate(flow, t_end=0.1, **{**SMALL, "dims": {**SMALL["dims"], "n": n}}).backend

    monkeypatch.setattr(problems, "MAX_OPERATIONS", 100)
    assert "operations, and at most 1e+02 are written out" in reason(5)
    monkeypatch.undo()
    compiled = import_module("theorylab.simulate.compiled")
    monkeypatch.setattr(problems, "compile_formula", lambda *_: None)
    monkeypatch.setattr(compiled, "compiler", lambda: None)
    assert reason(6) == "batched torch: no C compiler was found"
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "MAX_NODES", 10)
    assert "more than the 10 that are compiled" in reason(7)
    monkeypatch.undo()
    monkeypatch.setattr(import_module("theorylab.simulate.kernel.solve"), "MAX_NODES", 10)
    assert "more than the 10 that a whole run is compiled of" in reason(8)


def test_a_large_model_does_not_wait_for_its_exact_reading() -> None:
    """10^8 operations are counted, not written out."""
    from theorylab.simulate.cases import draw_cases
    from theorylab.simulate.problem import Problem

    dims = {"d": 300, "k": 300, "m": 10, "n": 500}
    problem = Problem(flow, dims, draw_cases(flow, dims, 1, 0))
    assert "operations" in problem.too_large()
    t, row = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    assert torch.allclose(
        problem.compiled()(t, problem.initial, row), problem.field(t, problem.initial, row), rtol=1e-9
    )


def test_a_field_that_is_not_finite_is_a_status() -> None:
    """log of a negative number in two of three trials: the third runs on."""
    field = tl.Flow(lambda p: {"x": ops.log(p.x)}, state={"x": ""})
    run = tl.simulate(field, init={"x": [2.0, -1.0, -3.0]}, t_end=1.0)
    assert [s.label for s in run.status] == ["t_end", "non_finite", "non_finite"]
    assert run.params["x"].tolist()[1:] == [-1.0, -3.0]
    blowing = tl.Flow(lambda p: {"x": p.x**2}, state={"x": ""})
    assert not tl.simulate(blowing, init={"x": [1.0]}, t_end=5.0).status[0].finished


def test_a_limit_on_steps_is_a_status() -> None:
    run = tl.simulate(flow, t_end=1e6, max_steps=5, **SMALL)
    assert {s.label for s in run.status} == {"max_steps"}
    assert (run.stats.steps + run.stats.rejected == 5).all()


def test_init_arrays_may_be_lists_tensors_and_arrays() -> None:
    w1, w2 = np.ones((2, 3, 2)), torch.ones(2, 1, 3)
    run = tl.simulate(flow, init={"W1": w1, "W2": w2.tolist()}, t_end=0.5, dims=SMALL["dims"])
    assert run.params["W2"].shape == (2, 1, 3)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no flow": ({"flow": 3}, "simulate got int; expected a flow"),
    "no trial": ({"trials": 0}, "trials is 0; expected a positive integer"),
    "unknown array": ({"init": {"W": np.ones((2, 2))}}, "init names the unknown parameter 'W'"),
    "array of another size": ({"init": {"W1": np.ones((2, 9, 9))}}, r"shape \(2, 9, 9\); expected \(2, 3, 2\)"),
    "no trials in arrays": ({"init": {"W1": np.ones((0, 3, 2))}}, "expected at least one trial"),
    "differing trials": ({"init": {"W1": np.ones((2, 3, 2)), "W2": np.ones((3, 1, 3))}}, r"gives \[2, 3\] trials"),
    "no array": ({"init": {"W1": "big"}}, "init of 'W1' is str; expected an array of float64 numbers"),
    "ragged": ({"init": {"W1": [[1.0], [1.0, 2.0]]}}, "init of 'W1' is list; expected an array"),
    "infinite": ({"init": {"W1": np.full((2, 3, 2), np.inf)}}, "contains non-finite values"),
    "negative end": ({"t_end": -1.0}, "t_end is -1.0; expected a time that is not negative"),
    "no end": ({"t_end": float("nan")}, "t_end is nan"),
    "end in words": ({"t_end": "soon"}, "t_end is 'soon'; expected a time"),
    "endless": ({"t_end": float("inf")}, "expected finite times or until="),
    "ends of others": ({"t_end": [1.0, 2.0]}, r"t_end has shape \(2,\)"),
    "falling times": ({"times": [2.0, 1.0]}, "expected rising finite times"),
    "times in words": ({"times": ["a"]}, "expected rising finite times"),
    "no times": ({"times": []}, "expected at least one time"),
    "method": ({"method": "rk4"}, "method='rk4' is unknown; expected 'auto' or one of"),
    "tolerance": ({"rtol": "tight"}, "rtol is 'tight'; expected a positive number"),
    "no tolerance": ({"rtol": 0.0}, "rtol=0.0 was given"),
    "option": ({"speed": 3}, "unknown option 'speed'"),
    "observe": ({"observe": 3}, "observe is int; expected formulas by name"),
    "no quantity": ({"observe": {"a": 3}}, "observe has 3 for 'a'"),
    "unknown name": ({"observe": ["losses"]}, "observe has 'losses' for 'losses'"),
    "device": ({"device": "abacus"}, "device is 'abacus'; expected 'cpu', or 'cuda'"),
    "seed": ({"seed": -1}, "seed=-1 was given"),
    "sizes": ({"dims": {"z": 3}}, "unknown size 'z'"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(given: dict[str, Any], message: str) -> None:
    arguments = {**SMALL, **given}
    with pytest.raises(tl.InputError, match=message) as error:
        tl.simulate(arguments.pop("flow", flow), **arguments)
    assert "\n" not in str(error.value)
