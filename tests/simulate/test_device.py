"""Runs on a GPU agree with the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import theorylab as tl
from theorylab import ops
from theorylab.simulate import integrate, integrate_fixed
from theorylab.simulate.methods import METHODS

from .networks import bent

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the GPU path is not tested here"),
]
methods = pytest.mark.parametrize("method", METHODS)


def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    rate = 1 + 0.01 * rows.to(y.dtype)
    return torch.stack([y[:, 1], -rate * torch.sin(y[:, 0])], dim=1)


def start() -> Tensor:
    return torch.stack([torch.linspace(0.1, 2.5, 200), torch.zeros(200)], dim=1).double()


@methods
def test_fixed_steps(method: str) -> None:
    on = {
        name: integrate_fixed(field, start(), t_end=5.0, steps=100, method=method, device=name)
        for name in ("cpu", "cuda")
    }
    assert torch.allclose(on["cpu"], on["cuda"].cpu(), rtol=1e-9, atol=1e-9)


@methods
def test_adaptive_steps(method: str) -> None:
    rtol = 1e-8
    on = {
        name: integrate(field, start(), t_end=5.0, rtol=rtol, atol=rtol, method=method, device=name, save=[1.0, 4.0])
        for name in ("cpu", "cuda")
    }
    assert torch.allclose(on["cpu"].y, on["cuda"].y.cpu(), rtol=10 * rtol, atol=10 * rtol)
    assert on["cuda"].y.is_cuda


@tl.model(W="k d", a="k")
def net(p, x):
    return p.a[None, :] @ ops.tanh(p.W @ x)


gradient_flow = tl.GradientFlow(net, loss=tl.loss.square)
SIZES: dict[str, Any] = {"dims": {"d": 3, "k": 4, "n": 5}, "trials": 50, "seed": 4}


def test_runs_of_a_flow() -> None:
    """The public interface: the same cases, states, quantities, drifts and events on both devices."""
    rtol = 1e-8
    options = {
        **SIZES, "t_end": 3.0, "times": [1.0, 3.0], "observe": ["loss", "gradient_norm"], "rtol": rtol, "atol": rtol,
        "events": {"half": tl.event(lambda p: (p.a**2).sum() - 2)}, "method": "dop853",
    }  # fmt: skip
    cpu, gpu = (tl.simulate(gradient_flow, device=name, **options) for name in ("cpu", "cuda"))
    assert gpu.backend == "batched torch: events are looked for after every step"
    assert gpu.t.is_cuda
    assert cpu.status == gpu.status
    for name in ("loss", "gradient_norm"):
        assert torch.allclose(cpu.quantities[name], gpu.quantities[name].cpu(), rtol=100 * rtol, atol=100 * rtol)
        assert torch.allclose(cpu.drift[name].value, gpu.drift[name].value.cpu(), rtol=1e-5, atol=1e-5)
    assert torch.equal(cpu.events["half"].count, gpu.events["half"].count.cpu())
    assert torch.allclose(cpu.events["half"].times, gpu.events["half"].times.cpu(), rtol=1e-6, equal_nan=True)
    limits = [run.limit(lambda p: p.a) for run in (cpu, gpu)]
    assert torch.equal(limits[0].trusted, limits[1].trusted.cpu())


@pytest.mark.parametrize("name", ["descent", "sgd", "adam"])
def test_steps_of_a_scheme(name: str) -> None:
    schemes = {
        "descent": gradient_flow.euler(0.01),
        "sgd": gradient_flow.sgd(0.01, batch=2),
        "adam": gradient_flow.adam(0.01, batch=2),
    }
    on = {
        where: tl.simulate(schemes[name], steps=100, times=[10, 100], device=where, **SIZES)
        for where in ("cpu", "cuda")
    }
    one, other = on["cpu"].solution.saved, on["cuda"].solution.saved
    assert one is not None
    assert other is not None
    assert torch.allclose(one, other.cpu(), rtol=1e-9, atol=1e-9)


@tl.model(u="d", v="d")
def diagonal(p, x):
    return (p.u * p.u - p.v * p.v)[None, :] @ x


@tl.model(W1="k k", W2="k k", W3="k k")
def deep_linear(p, x):
    return p.W3 @ (p.W2 @ (p.W1 @ x))


@tl.model(w="d")
def neuron(p, x):
    return ops.relu(p.w[None, :] @ x)


# The workloads of benchmarks/ensembles.py in small.
GENERATED: dict[str, tuple[Any, dict[str, Any]]] = {
    "A": (diagonal, {"dims": {"d": 8, "n": 3}, "init": tl.init.normal(scale=0.1), "t_end": 100.0}),
    "C": (deep_linear, {"dims": {"k": 3, "n": 3}, "init": tl.init.normal(scale=0.3), "t_end": 20.0}),
    "D": (neuron, {"dims": {"d": 5, "n": 10}, "t_end": 50.0}),
    "slides": (bent, {"dims": {"d": 2, "k": 3, "n": 4}, "t_end": 20.0}),
}


@pytest.mark.parametrize("method", ["auto", "tsit5", "rock4", "rodas5p"])
@pytest.mark.parametrize("name", GENERATED)
def test_generated_code(name: str, method: str) -> None:
    model, options = GENERATED[name]
    rtol = 1e-7
    options = {
        **options,
        "trials": 300,
        "rtol": rtol,
        "atol": 1e-9,
        "method": method,
        "times": [1.0],
        "observe": ["loss"],
    }
    cpu, gpu = (
        tl.simulate(tl.GradientFlow(model, loss=tl.loss.square), device=on, **options) for on in ("cpu", "cuda")
    )
    assert gpu.backend == "generated CUDA"
    assert gpu.solution.y.is_cuda
    kept = torch.ones(300, dtype=torch.bool)
    for run in (cpu, gpu):
        kept &= run.solution.finished.cpu()
        kept &= True if run.grazed is None else ~run.grazed.cpu()
    assert int(kept.sum()) >= 200
    assert [s for s, k in zip(cpu.status, kept, strict=True) if k] == [
        s for s, k in zip(gpu.status, kept, strict=True) if k
    ]
    assert cpu.solution.saved is not None
    assert gpu.solution.saved is not None
    for one, other in ((cpu.solution.y, gpu.solution.y), (cpu.solution.saved, gpu.solution.saved)):
        assert torch.allclose(one[kept], other.cpu()[kept], rtol=10 * rtol, atol=10 * rtol)
