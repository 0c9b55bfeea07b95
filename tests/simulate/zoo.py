"""Fields with exact solutions, for every test of the integrator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from theorylab.simulate.typing import Field

from .backends import Scalars, apply, on


@dataclass(frozen=True)
class Problem:
    """field and initial as `integrate` takes them; exact(t: (S,)) -> (B, S, D).

    scalars: the field once more, in scalars, with its constants.
    """

    name: str
    field: Callable[[Tensor, Tensor, Tensor], Tensor]
    initial: Tensor
    t_end: float
    exact: Callable[[Tensor], Tensor]
    scalars: Scalars | None = None
    constants: Mapping[str, Tensor] | None = None

    def on(self, backend: str) -> Field:
        """The field for a backend."""
        if backend == "torch":
            return self.field
        assert self.scalars is not None
        return on(backend, self.scalars, self.initial.shape[1], self.constants)


def tensor(*values: object) -> Tensor:
    return torch.tensor(*values, dtype=torch.float64)


def decay() -> Problem:
    """y' = -H y with a different symmetric H for each row: the flow of a quadratic loss."""
    noise = torch.Generator().manual_seed(5)
    frames = torch.linalg.qr(torch.randn(6, 4, 4, generator=noise, dtype=torch.float64))[0]
    rates = tensor([0.0, 0.3, 1.0, 7.0]) * torch.arange(1, 7, dtype=torch.float64)[:, None]
    hessian = frames @ torch.diag_embed(rates) @ frames.mT
    start = torch.randn(6, 4, generator=noise, dtype=torch.float64)

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return -(hessian[rows] @ y[:, :, None])[:, :, 0]

    def exact(t: Tensor) -> Tensor:
        coordinates = (frames.mT @ start[:, :, None])[:, None, :, 0]
        return torch.exp(-t[:, None] * rates[:, None]) * coordinates @ frames.mT

    constants = {f"h{i}{j}": hessian[:, i, j].clone() for i in range(4) for j in range(4)}
    return Problem(
        "quadratic loss", field, start, 3.0, exact,
        lambda t, y, c: [-sum(c[f"h{i}{j}"] * y[j] for j in range(4)) for i in range(4)], constants,
    )  # fmt: skip


def logistic() -> Problem:
    """y' = r y (1 - y): a plateau, then a rise; r differs from row to row."""
    rate, start = tensor([1.0, 2.0, 5.0]), tensor([[1e-3], [0.2], [1.7]])

    def exact(t: Tensor) -> Tensor:
        growth = torch.exp(rate[:, None] * t)
        return (start * growth / (1 + start * (growth - 1)))[:, :, None]

    return Problem(
        "logistic", lambda t, y, rows: rate[rows, None] * y * (1 - y), start, 6.0, exact,
        lambda t, y, c: [c["rate"] * y[0] * (1 - y[0])], {"rate": rate},
    )  # fmt: skip


def oscillator() -> Problem:
    """x'' = -omega^2 x: no dissipation, so errors stay."""
    omega = tensor([1.0, 2.0, 5.0])

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.stack([y[:, 1], -(omega[rows] ** 2) * y[:, 0]], dim=1)

    def exact(t: Tensor) -> Tensor:
        phase = omega[:, None] * t
        return torch.stack([torch.cos(phase), -omega[:, None] * torch.sin(phase)], dim=2)

    return Problem(
        "oscillator", field, tensor([[1.0, 0.0]] * 3), 7.0, exact,
        lambda t, y, c: [y[1], -(c["omega"] ** 2) * y[0]], {"omega": omega},
    )  # fmt: skip


def driven() -> Problem:
    """y' = y cos(t + phase): depends on time."""
    phase = tensor([0.0, 0.4, 2.0])

    def exact(t: Tensor) -> Tensor:
        return torch.exp(torch.sin(t + phase[:, None]) - torch.sin(phase[:, None]))[:, :, None]

    return Problem(
        "driven", lambda t, y, rows: y * torch.cos(t + phase[rows])[:, None], tensor([[1.0]] * 3), 5.0, exact,
        lambda t, y, c: [y[0] * apply("cos", t + c["phase"])], {"phase": phase},
    )  # fmt: skip


def riccati() -> Problem:
    """y' = 1 + y^2 up to t = 1.4: steep, since tan blows up at pi / 2."""
    return Problem(
        "riccati", lambda t, y, rows: 1 + y**2, tensor([[0.0], [-1.0]]), 1.4, lambda t: torch.stack([
            torch.tan(t), torch.tan(t - math.pi / 4)])[:, :, None], lambda t, y, c: [1 + y[0] ** 2]
    )  # fmt: skip


ZOO = (decay(), logistic(), oscillator(), driven(), riccati())


# The two-phase paths of one ReLU neuron from w = 0, where the gate is 1: loss |relu(X w) - y|^2 / 2.


def neuron(x: Tensor, y: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Gradient flow of one ReLU neuron on the samples `x`, one a row; the gate at 0 is 1."""

    def field(t: Tensor, w: Tensor, rows: Tensor) -> Tensor:
        z = w @ x.T
        return -(torch.relu(z) - y) * (z >= 0) @ x

    return field


def rational_neuron() -> tuple[Problem, float]:
    """The exact rational path: its first phase, and the time ln 2 / 49 at which the third sample turns inactive."""
    x = tensor([[6.0, -6.0, 6.0], [-3.0, -4.0, 18.0], [2.0, 12.0, 9.0]])
    field = neuron(x, tensor([13314.0, 17514.0, 0.0]))

    def exact(t: Tensor) -> Tensor:
        z = torch.exp(-49 * t)
        return torch.stack([558 * (1 - z), -765 * (1 - z**4), 896 * (1 - z**9)], dim=1)[None]

    return Problem("rational neuron", field, torch.zeros(1, 3, dtype=torch.float64), 2.0, exact), math.log(2) / 49


RATIONAL_LIMIT = tensor([55835 / 112, -191343 / 224, 194043 / 224])


def diagonal_net(alpha: Tensor, beta: Tensor, x: Tensor, y: Tensor) -> tuple[Callable, Tensor]:
    """u * v - e * h on samples `x`, (n, d), with the integral s = -int x' r dt as a fifth block; (field, initial).

    alpha, beta: (B, d), the common starts of u and e, and of v and h.
    """
    d = alpha.shape[1]

    def field(t: Tensor, state: Tensor, rows: Tensor) -> Tensor:
        u, v, e, h, _ = state.split(d, dim=1)
        force = -((u * v - e * h) @ x.T - y) @ x
        return torch.cat([force * v, force * u, -force * h, -force * e, force], dim=1)

    return field, torch.cat([alpha, beta, alpha, beta, torch.zeros_like(alpha)], dim=1)
