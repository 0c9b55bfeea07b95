"""Runs on a GPU agree with the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from theorylab.simulate import integrate, integrate_fixed
from theorylab.simulate.methods import METHODS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the GPU path is not tested here")
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
