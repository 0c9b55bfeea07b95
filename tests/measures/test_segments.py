"""Gradient gaps along segments against the closed form of one hidden layer, and against fine grids."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import theorylab.measures as ms
from theorylab.errors import InputError


def test_one_hidden_layer_has_the_jumps_of_its_formula() -> None:
    """f = sum a_j relu(w_j x + b_j) jumps by a_j |w_j (x1 - x0)| where w_j x + b_j = 0."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 2)).double()
    x0, x1 = torch.randn(2, 3, dtype=torch.float64)
    (w, b), a = (network[0].weight, network[0].bias), network[2].weight
    speed = w @ (x1 - x0)
    time = -(w @ x0 + b) / speed
    inside = (time > 0) & (time < 1)
    order = time[inside].argsort()
    found = ms.along_segment(network, x0, x1)
    torch.testing.assert_close(found.knots, time[inside][order].detach())
    torch.testing.assert_close(found.gaps, (a * speed.abs())[:, inside].mT[order].detach(), rtol=1e-10, atol=1e-12)


class Residual(nn.Module):
    """x + V relu(U relu(W x)), convolved before: any wiring of rectifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 2, 3, padding=1)
        self.inner = nn.Sequential(nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10))
        self.last = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        return self.last(torch.relu(z.flatten(1)) * 0 + z.flatten(1) + self.inner(z))


def deep(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2)
    ).double()


@pytest.mark.parametrize("seed", range(4))
def test_deep_networks_are_found_whole(seed: int) -> None:
    """Interpolating the values at the knots gives the network everywhere, and the gaps telescope."""
    network = deep(seed)
    x0, x1 = 3 * torch.randn(2, 4, dtype=torch.float64)
    found = ms.along_segment(network, x0, x1)
    assert len(found.knots) > 5
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)
    values = network(x0 + t[:, None] * (x1 - x0)).detach()
    ends = torch.cat([torch.zeros(1), found.knots, torch.ones(1)]).double()
    lengths = (t[:, None] - ends[None, :-1]).clamp(min=0).minimum(ends[1:] - ends[:-1])
    torch.testing.assert_close(values[0] + lengths @ found.slopes, values, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(found.gaps.sum(0), found.deflection, rtol=1e-12, atol=1e-12)
    # Every knot is one: the slopes differ, unless the unit that switches feeds only dead ones.
    assert float((found.gaps.abs().max(1).values > 1e-9).double().mean()) > 0.8


def test_other_wirings() -> None:
    torch.manual_seed(1)
    network = Residual().double()
    x0, x1 = torch.randn(2, 1, 5, dtype=torch.float64) * 4
    found = ms.along_segment(network, x0, x1)
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    values = network(x0 + t[:, None, None] * (x1 - x0)).detach()
    ends = torch.cat([torch.zeros(1), found.knots, torch.ones(1)]).double()
    lengths = (t[:, None] - ends[None, :-1]).clamp(min=0).minimum(ends[1:] - ends[:-1])
    torch.testing.assert_close(values[0] + lengths @ found.slopes, values, rtol=1e-9, atol=1e-10)


def test_a_curved_network_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh())
    with pytest.raises(InputError, match="bends between the knots"):
        ms.along_segment(network, [0.0, 1.0], [1.0, -1.0])


def test_the_mean_square_over_random_networks() -> None:
    """E sum gap^2 = m s_a^2 s_w^2 (4 / pi) sin^2(theta / 2) (theta + sin theta), and theta / pi of the units bend."""
    torch.manual_seed(0)
    d, m, theta, networks = 10, 50, 1.1, 400
    x0, x1 = torch.zeros(2, d, dtype=torch.float64)
    x0[0], x1[0], x1[1] = 1, math.cos(theta), math.sin(theta)
    squares, shares, network = [], [], nn.Sequential(nn.Linear(d, m, bias=False), nn.ReLU(), nn.Linear(m, 1)).double()
    for _ in range(networks):
        nn.init.normal_(network[0].weight, std=math.sqrt(2 / d))
        nn.init.normal_(network[2].weight, std=math.sqrt(2 / m))
        found = ms.along_segment(network, x0, x1)
        squares.append(float(found.gaps.square().sum()))
        shares.append(len(found.knots) / m)
    expected = 16 / (math.pi * d) * math.sin(theta / 2) ** 2 * (theta + math.sin(theta))
    for values, mean in ((squares, expected), (shares, theta / math.pi)):
        sample = torch.tensor(values)
        assert abs(float(sample.mean()) - mean) < 4 * float(sample.std()) / math.sqrt(networks)
