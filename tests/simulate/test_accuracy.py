"""The adaptive integrator on problems with exact solutions, and what it says of its own error."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.simulate import converged, ensemble, integrate
from theorylab.simulate.methods import METHODS

from .backends import backends
from .zoo import RATIONAL_LIMIT, ZOO, Problem, decay, diagonal_net, logistic, neuron, rational_neuron, tensor

methods = pytest.mark.parametrize("method", METHODS)
problems = pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)


def worst_error(problem: Problem, method: str, rtol: float, backend: str) -> float:
    run = integrate(problem.on(backend), problem.initial, t_end=problem.t_end, rtol=rtol, atol=rtol, method=method)
    assert run.counts() == {"t_end": len(problem.initial)}
    return (run.y - problem.exact(tensor([problem.t_end]))[:, 0]).abs().max().item()


@backends
@methods
@problems
def test_error_follows_the_tolerance(problem: Problem, method: str, backend: str) -> None:
    # tan amplifies a local error at its steepest point 1 / cos(1.4)^2 = 35 times.
    room = 1e4 if problem.name == "riccati" else 300
    errors = {rtol: worst_error(problem, method, rtol, backend) for rtol in (1e-4, 1e-7, 1e-10)}
    assert all(error < room * rtol for rtol, error in errors.items()), errors
    assert errors[1e-10] < 1e-4 * errors[1e-4]


@backends
@methods
@pytest.mark.parametrize("problem", [decay(), logistic()], ids=lambda problem: problem.name)
def test_error_estimate_covers_the_error_of_a_contracting_flow(problem: Problem, method: str, backend: str) -> None:
    field = problem.on(backend)
    start = problem.initial.clamp(min=0.5) if problem.name == "logistic" else problem.initial
    for rtol in (1e-5, 1e-8):
        loose = integrate(field, start, t_end=3.0, rtol=rtol, atol=1e-3 * rtol, method=method)
        exact = integrate(field, start, t_end=3.0, rtol=1e-13, atol=1e-15, method="dop853")
        error = torch.linalg.vector_norm(loose.y - exact.y, dim=1)
        assert (error <= loose.error_estimate + 1e-13).all()
        assert (loose.error_estimate < 1e4 * rtol).all()


@given(
    rates=st.lists(st.floats(0, 30), min_size=2, max_size=4),
    angle=st.floats(0, 2 * math.pi),
    start=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=20)
def test_quadratic_losses(rates: list[float], angle: float, start: list[float]) -> None:
    """y' = -H y is solved by exp(-H t), whatever the spectrum and the frame of H."""
    dim = len(rates)
    frame = torch.eye(dim, dtype=torch.float64)
    frame[:2, :2] = tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    hessian = frame @ torch.diag(tensor(rates)) @ frame.T
    y0 = tensor([start[:dim]])
    run = integrate(lambda t, y, rows: -y @ hessian, y0, t_end=1.0, rtol=1e-8, atol=1e-10)
    exact = y0 @ frame @ torch.diag(torch.exp(-tensor(rates))) @ frame.T
    assert (run.y - exact).abs().max() <= 1e-6


@methods
def test_path_of_a_diagonal_net(method: str) -> None:
    """beta = (u0^2 + v0^2) sinh(2 s) along the path, for any data and any positive start of both branches."""
    d, n, trials = 8, 3, 5
    x, y = ensemble(1, 1, lambda g: g.standard_normal((n, d)))[0], ensemble(2, 1, lambda g: g.standard_normal(n))[0]
    start = ensemble(3, trials, lambda g: g.uniform(0.05, 1.0, size=(2, d)))
    field, initial = diagonal_net(start[:, 0], start[:, 1], x, y)
    run = integrate(field, initial, t_end=20.0, rtol=1e-10, atol=1e-30, method=method, save=tensor([0.1, 1.0, 20.0]))
    assert run.saved is not None
    u, v, e, h, s = run.saved.split(d, dim=2)
    predicted = (start**2).sum(1)[:, None] * torch.sinh(2 * s)
    assert (u * v - e * h - predicted).abs().max() < 1e-8
    assert predicted[:, 0].abs().max() > 0.1  # the path has left its start


def test_time_of_a_diagonal_net_in_one_dimension() -> None:
    """With x = 1, beta' = 2 sqrt(beta^2 + k^2) (y - beta), which integrates in closed form."""
    k, y = tensor([0.02, 0.2, 2.0]), 1.5
    field, initial = diagonal_net((k / 2).sqrt()[:, None], (k / 2).sqrt()[:, None], tensor([[1.0]]), tensor([y]))
    run = integrate(field, initial, t_end=2.0, rtol=1e-11, atol=1e-30)
    beta = run.y[:, 0] * run.y[:, 1] - run.y[:, 2] * run.y[:, 3]
    far = (y**2 + k**2).sqrt()

    def clock(b: torch.Tensor) -> torch.Tensor:
        return torch.log((k**2 + y * b + far * (b**2 + k**2).sqrt()) / (y - b)) / (2 * far)

    assert (clock(beta) - clock(torch.zeros_like(k)) - 2.0).abs().max() < 1e-8


@methods
def test_rational_path_of_a_relu_neuron(method: str) -> None:
    """Both phases of an exact path: polynomials in exp(-49 t), then a rational limit that is not the one of phase 1."""
    problem, switch = rational_neuron()
    times = torch.linspace(0.0, switch, 12, dtype=torch.float64)
    run = integrate(
        problem.field,
        problem.initial,
        t_end=10.0,
        rtol=1e-11,
        atol=1e-9,
        method=method,
        until=converged(1e-7),
        save=times,
    )
    assert run.counts() == {"converged": 1}
    assert run.saved is not None
    assert torch.allclose(run.saved, problem.exact(times), rtol=1e-9, atol=1e-7)
    assert torch.allclose(run.y[0], RATIONAL_LIMIT, rtol=1e-9)


@pytest.mark.parametrize(
    ("gamma", "limit"),
    [(0.0, 0.0), (1.0, -0.0407729197666735), (5.0, -0.209048812305405)],
    ids=lambda value: str(value),
)
def test_limit_of_a_relu_neuron(gamma: float, limit: float) -> None:
    """The family X_gamma with y = (16, 18, 0): from w = 0 to (5, -1, s), s known to 15 digits."""
    x = tensor([[3.0, -1.0, 0.0], [4.0, 2.0, 0.0], [0.0, gamma, gamma]])
    run = integrate(
        neuron(x, tensor([16.0, 18.0, 0.0])),
        torch.zeros(1, 3, dtype=torch.float64),
        t_end=100.0,
        rtol=1e-12,
        atol=1e-12,
        until=converged(1e-11),
    )
    assert run.counts() == {"converged": 1}
    assert (run.y[0] - tensor([5.0, -1.0, limit])).abs().max() < 1e-10


@methods
def test_state_stays_in_float64(method: str) -> None:
    problem = decay()
    run = integrate(problem.field, problem.initial, t_end=0.1, method=method, save=[0.05], observe=lambda t, y, rows: y)
    values = (run.t, run.y, run.field, run.error_estimate, run.saved, run.observed, run.drift)
    assert {value.dtype for value in values if value is not None} == {torch.float64}
