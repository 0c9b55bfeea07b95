"""Convergence is found, at the right time, also where an explicit method runs at its stability limit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import Status, converged, integrate
from theorylab.simulate.methods import METHODS
from theorylab.simulate.typing import Field

from .backends import backends, on
from .zoo import tensor

methods = pytest.mark.parametrize("method", METHODS)
FASTEST = 100.0


class Quadratic:
    """A stiff quadratic loss: rates 1 to 100 in a random frame, minimum at a random point."""

    def __init__(self) -> None:
        noise = torch.Generator().manual_seed(1)
        self.frame = torch.linalg.qr(torch.randn(5, 5, generator=noise, dtype=torch.float64))[0]
        self.rates = torch.logspace(0, 1, 5, base=FASTEST, dtype=torch.float64)
        self.minimum = torch.randn(5, generator=noise, dtype=torch.float64)
        self.initial = torch.randn(3, 5, generator=noise, dtype=torch.float64)
        self.hessian = self.frame @ torch.diag(self.rates) @ self.frame.T

    def field(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return -(y - self.minimum) @ self.hessian

    def on(self, backend: str) -> Field:
        def rates(t: Any, y: Any, c: Any) -> list[Any]:
            away = [a - b for a, b in zip(y, self.minimum.tolist(), strict=True)]
            return [-1 * sum(a * h for a, h in zip(away, row, strict=True)) for row in self.hessian.tolist()]

        return self.field if backend == "torch" else on(backend, rates, 5)

    def field_norm(self, t: Tensor) -> Tensor:
        """Exact norm of the field of each row at its time t, (B,)."""
        modes = (self.initial - self.minimum) @ self.frame * self.rates
        return torch.linalg.vector_norm(modes * torch.exp(-self.rates * t[:, None]), dim=1)


@backends
@methods
@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
def test_convergence_below_the_floor_of_the_field(method: str, rtol: float, backend: str) -> None:
    """Without care the norm of the field stays near (fastest rate) x rtol x |y|; the rule is met all the same."""
    loss, gtol = Quadratic(), 1e-9
    options = {"t_end": 30.0, "rtol": rtol, "atol": 1e-14, "method": method}
    field = loss.on(backend)
    careless = integrate(field, loss.initial, save=torch.linspace(20.0, 25.0, 20, dtype=torch.float64), **options)
    assert careless.saved is not None
    floor = ((careless.saved - loss.minimum) @ loss.hessian).norm(dim=2).amax(dim=1)
    assert floor.min() > 5 * gtol

    run = integrate(field, loss.initial, until=converged(gtol), **options)
    assert run.counts() == {"converged": 3}
    assert (run.field.norm(dim=1) <= gtol).all()
    # The time is right to a few steps at the stability limit, and the step count has not grown.
    assert (loss.field_norm(run.t - 0.1) > gtol).all()
    assert (loss.field_norm(run.t + 0.1) < gtol).all()
    assert (run.stats.steps < careless.stats.steps).all()
    assert ((run.y - loss.minimum).norm(dim=1) < 2 * gtol).all()


@backends
@methods
def test_slow_start_is_no_convergence(method: str, backend: str) -> None:
    """y' = y (1 - y) from 1e-5 leaves its plateau although the field is small there."""
    field = on(backend, lambda t, y, c: [y[0] * (1 - y[0])], 1)
    run = integrate(field, tensor([[1e-5]]), t_end=100.0, method=method, until=converged(1e-6), rtol=1e-8)
    assert run.statuses == (Status.CONVERGED,)
    assert abs(run.y[0, 0] - 1) < 2e-6


@backends
def test_end_time_before_convergence(backend: str) -> None:
    loss = Quadratic()
    run = integrate(loss.on(backend), loss.initial, t_end=0.5, until=converged(1e-9))
    assert run.counts() == {"t_end": 3}
    assert run.t.tolist() == [0.5] * 3


@backends
def test_infinite_horizon(backend: str) -> None:
    loss = Quadratic()
    run = integrate(loss.on(backend), loss.initial, t_end=float("inf"), until=converged(1e-6), rtol=1e-6)
    assert run.counts() == {"converged": 3}
    with pytest.raises(InputError, match="expected finite times or until="):
        integrate(loss.field, loss.initial, t_end=float("inf"))


def test_kinks_do_not_hold_up_a_run_that_waits_for_convergence() -> None:
    """w' = -sum over samples of relu' (relu(x w) - y) x: 200 neurons cross many kinks on their way."""
    noise = torch.Generator().manual_seed(3)
    x = torch.randn(10, 5, generator=noise, dtype=torch.float64)
    teacher = torch.randn(5, generator=noise, dtype=torch.float64)
    target = torch.relu(x @ teacher)
    start = torch.randn(200, 5, generator=noise, dtype=torch.float64)

    def field(t: Tensor, w: Tensor, rows: Tensor) -> Tensor:
        z = w @ x.T
        return -((torch.relu(z) - target) * (z > 0)) @ x

    plain = integrate(field, start, t_end=300.0, rtol=1e-7, atol=1e-10, method="tsit5")
    waiting = integrate(field, start, t_end=300.0, rtol=1e-7, atol=1e-10, method="tsit5", until=converged(1e-8))
    assert waiting.counts().get("converged", 0) > 190
    done = waiting.status == Status.CONVERGED
    assert (waiting.stats.evaluations[done].sum() < plain.stats.evaluations[done].sum()).item()
    assert torch.allclose(waiting.y[done], plain.y[done], atol=1e-4)


def test_any_rule_may_stop_a_run() -> None:
    """until= sees time, state, field and rows: stop at the first step beyond a level."""
    level = tensor([2.0, 3.0])
    run = integrate(
        lambda t, y, rows: y, tensor([[1.0], [1.0]]), t_end=9.0, until=lambda t, y, f, rows: y[:, 0] >= level[rows]
    )
    assert run.counts() == {"converged": 2}
    assert (run.t >= torch.log(level)).all()
    assert torch.allclose(run.y[:, 0], torch.exp(run.t), rtol=1e-8)


@pytest.mark.parametrize("gtol", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_gtol(gtol: float) -> None:
    with pytest.raises(InputError, match=r"gtol=.* was given; expected a positive number"):
        converged(gtol)


@backends
@methods
def test_the_end_is_nearer_than_the_way(method: str, backend: str) -> None:
    """At the stability limit stiff components stay at the tolerance; the last steps, inside the limit, damp them."""
    loss, t_end = Quadratic(), 30.0
    times = torch.linspace(20.0, 25.0, 20, dtype=torch.float64)
    options = {"t_end": t_end, "rtol": 1e-6, "atol": 1e-14, "method": method}
    run = integrate(loss.on(backend), loss.initial, save=times, **options)
    assert run.saved is not None

    def exact(t: Tensor) -> Tensor:
        modes = (loss.initial - loss.minimum) @ loss.frame * torch.exp(-loss.rates * t)
        return loss.minimum + modes @ loss.frame.T

    on_the_way = torch.stack([(run.saved[:, i] - exact(t)).norm(dim=1) for i, t in enumerate(times)]).amax(0)
    assert ((run.y - exact(torch.tensor(t_end))).norm(dim=1) < 0.1 * on_the_way).all()
