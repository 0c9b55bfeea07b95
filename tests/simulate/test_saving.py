"""Dense output and observed quantities cost nothing and change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from theorylab.simulate import converged, integrate
from theorylab.simulate.methods import METHODS

from .backends import apply, backends, on
from .zoo import ZOO, Problem, decay, oscillator, tensor

methods = pytest.mark.parametrize("method", METHODS)


@backends
@methods
@pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)
def test_saved_states_lie_on_the_exact_path(problem: Problem, method: str, backend: str) -> None:
    times = torch.linspace(0, problem.t_end, 41, dtype=torch.float64)
    run = integrate(
        problem.on(backend), problem.initial, t_end=problem.t_end, rtol=1e-8, atol=1e-10, method=method, save=times
    )
    assert run.saved is not None
    scale = problem.exact(times).abs().amax()
    assert (run.saved - problem.exact(times)).abs().max() < 3e-6 * scale
    assert torch.equal(run.saved[:, 0], problem.initial)
    assert torch.allclose(run.saved[:, -1], run.y, rtol=1e-14, atol=1e-14)


@backends
@methods
def test_saving_does_not_change_the_run(method: str, backend: str) -> None:
    problem = oscillator()
    field, options = problem.on(backend), {"t_end": problem.t_end, "rtol": 1e-7, "method": method}
    plain = integrate(field, problem.initial, **options)
    saved = integrate(field, problem.initial, save=torch.linspace(0, 7, 100).double(), **options)
    assert torch.equal(plain.y, saved.y)
    assert torch.equal(plain.stats.steps, saved.stats.steps)


@backends
def test_states_after_the_stop_are_not_made_up(backend: str) -> None:
    run = integrate(
        on(backend, lambda t, y, c: [-y[0]], 1),
        tensor([[1.0], [1e-4]]),
        t_end=10.0,
        save=[1.0, 5.0, 9.9],
        until=converged(1e-3),
        rtol=1e-8,
    )
    assert run.saved is not None
    assert torch.isnan(run.saved[:, :, 0]).tolist() == [[False, False, True], [True, True, True]]
    assert torch.allclose(run.saved[0, :2, 0], torch.exp(-tensor([1.0, 5.0])), rtol=1e-6)


@methods
def test_drift_is_the_largest_change_over_the_steps(method: str) -> None:
    problem, seen = oscillator(), {}

    def observe(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        for row, state in zip(rows.tolist(), y, strict=True):
            seen.setdefault(row, []).append(state)
        return y

    run = integrate(problem.field, problem.initial, t_end=4.0, rtol=1e-6, method=method, observe=observe)
    assert run.drift is not None
    for row, states in seen.items():
        changes = (torch.stack(states) - problem.initial[row]).abs()
        assert torch.equal(run.drift[row], changes.amax(0))
    # cos sweeps [-1, 1] from 1, its derivative [-omega, omega] from 0, within half a step.
    assert torch.allclose(run.drift[1:], tensor([[2.0, 2.0], [2.0, 5.0]]), rtol=0.05)


@backends
def test_drift_of_a_quantity_that_is_not_finite_is_not_finite(backend: str) -> None:
    field, margin = on(backend, lambda t, y, c: [-y[0]], 1), on(backend, lambda t, y, c: [apply("log", y[0] - 0.5)], 1)
    run = integrate(field, tensor([[1.0]]), t_end=1.0, observe=margin)
    assert run.drift is not None
    assert torch.isnan(run.drift).all()


@backends
def test_extra_stages_are_counted(backend: str) -> None:
    problem = decay()
    field = problem.on(backend)
    plain = integrate(field, problem.initial, t_end=1.0, method="dop853")
    once = integrate(field, problem.initial, t_end=1.0, method="dop853", save=[0.5])
    assert torch.equal(once.stats.evaluations, plain.stats.evaluations + 3)
