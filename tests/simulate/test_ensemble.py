"""Rows of an ensemble are on their own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from theorylab.simulate import Status, converged, integrate
from theorylab.simulate.methods import METHODS

from .zoo import ZOO, Problem, decay, logistic, tensor

methods = pytest.mark.parametrize("method", METHODS)


@methods
@pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)
def test_alone_or_in_a_batch(problem: Problem, method: str) -> None:
    rtol = 1e-8
    options = {"t_end": problem.t_end, "rtol": rtol, "atol": 1e-10, "method": method, "save": [0.3 * problem.t_end]}
    together = integrate(problem.field, problem.initial, **options)
    for trial in range(len(problem.initial)):

        def field(t: Tensor, y: Tensor, rows: Tensor, trial: int = trial) -> Tensor:
            return problem.field(t, y, rows + trial)

        alone = integrate(field, problem.initial[trial : trial + 1], **options)
        assert together.saved is not None
        assert alone.saved is not None
        assert torch.allclose(alone.y[0], together.y[trial], rtol=10 * rtol, atol=1e-9)
        assert torch.allclose(alone.saved[0], together.saved[trial], rtol=10 * rtol, atol=1e-9)
        assert abs(int(alone.stats.steps[0] - together.stats.steps[trial])) <= 1


def test_same_call_same_bits() -> None:
    problem = decay()
    runs = [integrate(problem.field, problem.initial, t_end=2.0, save=[1.0], until=converged(1e-3)) for _ in range(2)]
    assert torch.equal(runs[0].y, runs[1].y)
    assert torch.equal(runs[0].t, runs[1].t)
    assert runs[0].saved is not None
    assert runs[1].saved is not None
    assert torch.equal(runs[0].saved.nan_to_num(), runs[1].saved.nan_to_num())


def test_steps_are_not_shared() -> None:
    """A row 30 times faster takes many more steps, and the slow row none of them."""
    rate = tensor([1.0, 30.0])

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return (rate[rows] * torch.cos(rate[rows] * t))[:, None]

    run = integrate(field, torch.zeros(2, 1).double(), t_end=5.0, rtol=1e-8)
    assert run.stats.steps[1] > 10 * run.stats.steps[0]
    assert torch.allclose(run.y[:, 0], torch.sin(rate * 5), atol=1e-6)


@methods
def test_finished_rows_are_dropped_and_every_evaluation_is_counted(method: str) -> None:
    problem, calls = logistic(), []

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        calls.append(rows)
        return problem.field(t, y, rows)

    ends = tensor([0.5, 2.0, 6.0])
    run = integrate(field, problem.initial, t_end=ends, rtol=1e-7, method=method, save=[0.1, 0.4])
    assert torch.equal(run.t, ends)
    seen = torch.bincount(torch.cat(calls), minlength=3)
    assert torch.equal(seen, run.stats.evaluations)
    assert len({int(count) for count in seen}) == 3
    last_call = {row: max(i for i, rows in enumerate(calls) if row in rows) for row in range(3)}
    assert sorted(last_call.values()) == [last_call[row] for row in sorted(range(3), key=lambda row: seen[row].item())]
    assert len(calls[-1]) == 1


def test_times_belong_to_rows() -> None:
    """Start and end times a row, and a field that depends on time."""
    starts, ends = tensor([0.0, 1.0, -2.0]), tensor([1.0, 1.0, 3.0])
    run = integrate(lambda t, y, rows: 2 * t[:, None], torch.zeros(3, 1).double(), t_start=starts, t_end=ends)
    assert torch.allclose(run.y[:, 0], ends**2 - starts**2, atol=1e-10)
    assert run.stats.steps[1] == 0


def test_one_bad_row_does_not_disturb_the_others() -> None:
    problem = decay()
    spoiled = torch.cat([problem.initial, tensor([[float("nan"), 1.0, 1.0, 1.0], [float("inf"), 0.0, 0.0, 0.0]])])

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return problem.field(t, y, rows.clamp(max=5))

    alone = integrate(problem.field, problem.initial, t_end=1.0)
    mixed = integrate(field, spoiled, t_end=1.0)
    assert mixed.statuses == (Status.T_END,) * 6 + (Status.NON_FINITE,) * 2
    assert torch.allclose(mixed.y[:6], alone.y, rtol=1e-8)
    assert mixed.stats.steps[6:].tolist() == [0, 0]


def test_first_state_is_not_overwritten() -> None:
    problem = decay()
    before = problem.initial.clone()
    integrate(problem.field, problem.initial, t_end=1.0)
    assert torch.equal(problem.initial, before)
