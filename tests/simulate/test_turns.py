"""An explicit method and those for stiff problems take trials by turns, of fields in torch that are no formulas."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import theorylab as tl
from theorylab import ops
from theorylab.simulate import Status, converged, integrate
from theorylab.simulate.methods import TSIT5

from .test_stiff import stiff_decay
from .zoo import tensor

compilation = import_module("theorylab.simulate.compiled")


@tl.model(u="d", v="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u * p.u - p.v * p.v)[None, :] @ x


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


def spread_data(gates: bool) -> tuple[np.ndarray, np.ndarray]:
    """Data (4, 8) with singular values from 1 to 200, and targets that one neuron, or a diagonal net, can fit."""
    noise = np.random.default_rng(3)
    first, second = (np.linalg.qr(noise.standard_normal((4, 4)))[0] for _ in range(2))
    x = np.concatenate([first * np.array([1.0, 5.0, 30.0, 200.0]) @ second, noise.standard_normal((4, 4))], 1)
    y = noise.standard_normal(4) @ x
    return x, (np.maximum(y, 0) if gates else y)[None]


def large() -> tuple[Any, Any]:
    """y' = -H y in 160 coordinates, rates from 1 to 2000 times the number of the trial; the field and its calls."""
    problem = stiff_decay(torch.logspace(0, math.log10(2e3), 160, dtype=torch.float64), trials=2)
    calls = []

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        calls.append(len(rows))
        return problem.field(t, y, rows)

    return problem, (field, calls)


def test_a_large_linear_field_goes_on_with_the_stabilised_method() -> None:
    """Saved states, drifts and counts as the exact solution and the calls say.

    |y|^2 / 2 falls all the way; t exp(-500 t) is largest at t = 1/500, long before the first turn ends.
    """
    problem, (field, calls) = large()
    times = [0.0, 1e-3, 0.05, 0.3, 1.0]
    options: dict[str, Any] = {"t_end": 1.0, "rtol": 1e-6, "atol": 1e-9, "save": times}

    def watch(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.stack([(y**2).sum(1) / 2, t * torch.exp(-500 * t)], 1)

    run = integrate(field, problem.initial, observe=watch, **options)
    assert run.statuses == (Status.T_END,) * 2
    assert (run.method, run.finisher) == ("tsit5", ("rock4",) * 2)
    exact = problem.exact(tensor(times))
    assert run.saved is not None
    assert torch.allclose(run.saved, exact, rtol=0, atol=2e-6)
    assert torch.equal(run.saved[:, -1], run.y)
    assert ((run.y - exact[:, -1]).norm(dim=1) <= 2 * run.error_estimate).all()
    energy = (exact**2).sum(2) / 2
    assert run.drift is not None
    assert torch.allclose(run.drift[:, 0], energy[:, 0] - energy[:, -1], rtol=1e-6)
    assert torch.allclose(run.drift[:, 1], tensor(math.exp(-1) / 500).expand(2), rtol=0.02)
    # Each product with the Jacobian is a call with tangents.
    assert run.stats.evaluations.sum() == sum(calls)
    # Steps of Tsit5 cannot be longer than its stability interval over the largest rate.
    assert run.stats.evaluations[1] < 0.5 * TSIT5.last * 4e3 / TSIT5.interval


def test_trials_of_one_ensemble_stop_on_their_own() -> None:
    """Converged at the stability limit, not finite from the start, not stiff at all."""
    problem, (field, _) = large()

    def mixed(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.where((rows < 2)[:, None], field(t, y, rows.clamp(max=1)), -y)

    start = torch.cat([problem.initial, torch.full((1, 160), torch.nan), torch.ones(1, 160)]).double()
    run = integrate(mixed, start, t_end=30.0, rtol=1e-6, atol=1e-9, until=converged(1e-2))
    assert run.statuses == (*[Status.CONVERGED] * 2, Status.NON_FINITE, Status.CONVERGED)
    assert run.finisher[:2] == ("rock4",) * 2
    assert run.finisher[3] == "tsit5"
    assert (run.field[[0, 1, 3]].norm(dim=1) <= 1e-2).all()
    assert run.t[3].item() == pytest.approx(math.log(math.sqrt(160) / 1e-2), rel=0.2)
    short = integrate(mixed, start, t_end=2.0, rtol=1e-6, atol=1e-9, max_steps=40)
    assert short.statuses == (*[Status.MAX_STEPS] * 2, Status.NON_FINITE, Status.T_END)
    assert (short.stats.steps + short.stats.rejected <= 40).all()


@pytest.mark.parametrize("name", ["diagonal", "neuron"])
def test_a_model_in_torch_ends_with_the_method_of_generated_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times fewer evaluations than the explicit method, and the ends of generated code within 10 rtol."""
    model = {"diagonal": diagonal, "neuron": neuron}[name]
    flow = tl.GradientFlow(model, loss=tl.loss.square, data=spread_data(name == "neuron"))
    options: dict[str, Any] = {
        "trials": 4,
        "seed": 1,
        "t_end": 2.0,
        "atol": 1e-9,
        "max_steps": 10**6,
        "times": [0.1, 1],
    }
    fused = tl.simulate(flow, rtol=1e-6, **options)
    plain = tl.simulate(flow, rtol=1e-6, method="tsit5", **options)
    monkeypatch.setattr(compilation, "MAX_NODES", 0)
    run = tl.simulate(flow, rtol=1e-6, **options)
    assert (fused.backend, run.backend[:13]) == ("generated C", "batched torch")
    assert run.status == fused.status
    assert run.solution.finisher == fused.solution.finisher
    assert set(run.solution.finisher) == {"rodas5p"}
    assert (run.stats.evaluations < plain.stats.evaluations / 10).all()
    scale = 1 + fused.solution.y.abs()
    assert ((run.solution.y - fused.solution.y).abs() <= 1e-5 * scale).all()
    for n, saved in fused.saved.items():
        assert ((run.saved[n] - saved).abs() <= 1e-5 * (1 + saved.abs())).all()


@pytest.mark.parametrize("rate", [0.1, 3e3])
def test_chattering_is_told_beside_stiffness(rate: float) -> None:
    """x' = -sign(x) chatters about 0, while y' = r (cos t - y) is stiff or not."""

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.stack([-torch.sign(y[:, 0]), rate * (torch.cos(t) - y[:, 1])], 1)

    run = integrate(field, tensor([[1.0, 1.0], [2.0, 1.0]]), t_end=1e4, rtol=1e-6, max_steps=5000)
    assert run.statuses == (Status.CHATTERING,) * 2
    assert torch.allclose(run.t, tensor([1.0, 2.0]), atol=0.2 if rate < 1 else 1e-3)


def test_a_field_without_derivative_keeps_the_explicit_method() -> None:
    problem = stiff_decay(tensor([1.0, 30.0, 1e3]))

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.from_numpy(problem.field(t, y, rows).numpy())

    run = integrate(field, problem.initial, t_end=1.0, rtol=1e-6, atol=1e-9)
    assert run.finisher == ("tsit5",) * 5
    assert torch.allclose(run.y, problem.exact(tensor([1.0]))[:, 0], atol=1e-6)


# --- momentum --------------------------------------------------------------------------------------------------------


def returning(b: float, t: float) -> tuple[float, float]:
    """w and w' at t for w'' = -w while w > 0 and w'' = -(w + b) while w < 0, from w = 1 at rest.

    It comes to 0 with speed 1 at pi / 2, and back with the same speed after s with tan(s / 2) = -1 / b.
    """
    s = 2 * (math.pi - math.atan(1 / b))
    period = math.pi + s
    u = t % period
    if u < math.pi / 2:
        return math.cos(u), -math.sin(u)
    if u < math.pi / 2 + s:
        v = u - math.pi / 2
        return b * math.cos(v) - b - math.sin(v), -b * math.sin(v) - math.cos(v)
    v = u - math.pi / 2 - s
    return math.sin(v), math.cos(v)


@pytest.mark.parametrize("backend", ["generated C", "batched torch"])
def test_a_neuron_with_momentum_crosses_its_kink_again_and_again(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples 1 and -1 with targets 0 and b: the force jumps by b at w = 0."""
    if backend == "batched torch":
        monkeypatch.setattr(compilation, "MAX_NODES", 0)
    b, times = 0.7, [1.0, 3.0, 7.0, 10.0, 20.0]
    flow = tl.GradientFlow(
        neuron, loss=tl.loss.square, momentum=0, data=(np.array([[1.0, -1.0]]), np.array([[0.0, b]]))
    )
    run = tl.simulate(flow, init={"w": np.array([[1.0]])}, times=times, t_end=20.0, rtol=1e-9, atol=1e-12)
    assert run.backend.startswith(backend)
    found = torch.stack([run.saved["w"][0, :, 0], run.saved["velocity_w"][0, :, 0]], 1)
    assert torch.allclose(found, tensor([returning(b, t) for t in times]), rtol=0, atol=3e-8)
    assert run.slid is not None
    assert not run.slid.any()
    assert run.stats.rejected[0] < 40
