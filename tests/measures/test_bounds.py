"""Margins, norm measures, the perturbation lemma, the PAC-Bayes bounds and sharpness."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import theorylab.measures as ms
from theorylab.errors import InputError
from theorylab.measures.margins import chain, spectral_norm
from theorylab.measures.pac_bayes import PROOF_CONSTANT


def random_chain(widths: tuple[int, ...], seed: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    pairs = itertools.pairwise(widths)
    return chain([torch.randn(b, a, generator=generator, dtype=torch.float64) for a, b in pairs])


def weights(network: nn.Sequential) -> list[Tensor]:
    return [w.detach() for w in network.parameters()]


def test_margins_of_given_scores() -> None:
    network = nn.Linear(2, 3, bias=False)
    network.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
    x = [[3.0, 1.0], [0.0, 2.0], [1.0, 1.0]]
    assert ms.margins(network, x, [0, 0, 2]).tolist() == [2.0, -2.0, -3.0]
    assert ms.margin_loss(network, x, [0, 0, 2]) == pytest.approx(2 / 3)
    assert ms.margin_loss(network, x, [0, 1, 0], margin=0) == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="integers from 0 to 2"):
        ms.margins(network, x, [0, 1, 3])


def test_norm_measures_of_one_path() -> None:
    network = chain([torch.tensor([[3.0]]), torch.tensor([[2.0]])])
    found = ms.norm_measures(network, margin=2.0)
    assert found.l2 == pytest.approx(4 * 9 * 4 * 4 / 4)
    assert found.l1_path == pytest.approx((4 * 6) ** 2 / 4)
    assert found.l2_path == pytest.approx(16 * 36 / 4)
    assert found.spectral == pytest.approx(36 / 4)


def test_norm_measures_scale_with_the_margin() -> None:
    network = random_chain((4, 6, 3), 0)
    one, two = ms.norm_measures(network, 1.0), ms.norm_measures(network, 2.0)
    for name in ("l2", "l1_path", "l2_path", "spectral"):
        assert getattr(one, name) == pytest.approx(4 * getattr(two, name))
    rescaled = ms.rescaled(network, [torch.exp(torch.linspace(-1, 1, 6, dtype=torch.float64))])
    other = ms.norm_measures(rescaled, 1.0)
    assert other.l1_path == pytest.approx(one.l1_path)
    assert other.l2_path == pytest.approx(one.l2_path)
    assert abs(other.l2 / one.l2 - 1) > 0.01


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), depth=st.integers(1, 4), fraction=st.floats(0.01, 1.0), aligned=st.booleans())
def test_the_perturbation_lemma(seed: int, depth: int, fraction: float, aligned: bool) -> None:
    widths = (3, *[5] * (depth - 1), 2)
    network = random_chain(widths, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    changes = [
        w if aligned else torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in weights(network)
    ]
    changes = [
        u * fraction * spectral_norm(w) / (depth * spectral_norm(u))
        for u, w in zip(changes, weights(network), strict=True)
    ]
    x = torch.randn(64, 3, generator=generator, dtype=torch.float64)
    radius = float(x.norm(dim=1).max())
    moved = chain([w + u for w, u in zip(weights(network), changes, strict=True)])
    change = float((moved(x) - network(x)).norm(dim=1).max().detach())
    assert change <= ms.perturbation_bound(network, changes, radius)


def test_the_perturbation_lemma_refuses_large_changes() -> None:
    network = random_chain((3, 5, 2), 0)
    with pytest.raises(InputError, match="at most 1 / depth"):
        ms.perturbation_bound(network, [0.6 * w for w in weights(network)], 1.0)


def test_the_constant_of_the_proof() -> None:
    """The perturbation must stay within a quarter of the margin: e^2 sqrt(2) / 42 <= 1/4, and 41 would do, 39 not."""
    assert math.e**2 * math.sqrt(2) / PROOF_CONSTANT <= 1 / 4 < math.e**2 * math.sqrt(2) / 41


def test_the_margin_bound_by_hand() -> None:
    assert ms.gaussian_kl([3.0, 4.0], sigma=2.0) == pytest.approx(25 / 8)
    assert ms.margin_bound(0.1, 25 / 8, 1001, 0.01) == pytest.approx(
        0.1 + 4 * math.sqrt((25 / 8 + math.log(600_600)) / 1000)
    )
    assert ms.sharpness_bound(0.1, 0.2, 0.0, 400, 0.5) == pytest.approx(0.3 + 4 * math.sqrt(math.log(1600) / 400))


def test_the_spectral_bound_does_not_see_the_scale_of_single_layers() -> None:
    network = random_chain((4, 6, 6, 3), 1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 4, generator=generator, dtype=torch.float64)
    y = network(x).argmax(1)
    first, second, third = weights(network)
    other = chain([4 * first, second / 8, 2 * third])
    for measure in (
        lambda n: ms.spectral_capacity(n, 5.0),
        lambda n: ms.spectral_bound(n, x, y, margin=0.5, radius=5.0),
    ):
        assert measure(other) == pytest.approx(measure(network), rel=1e-10)
    doubled = chain([2 * first, second, third])
    assert ms.spectral_capacity(doubled, 5.0) == pytest.approx(4 * ms.spectral_capacity(network, 5.0))
    assert ms.spectral_bound(network, x, y, 0.5, 5.0) > ms.spectral_bound(network, x, y, 0.6, 5.0)


def quadratic(network: nn.Module) -> Tensor:
    return sum((w.square().sum() for w in network.parameters()), torch.zeros(()))


def test_sharpness_of_a_parabola() -> None:
    """The maximum of sum w^2 over the box is at its far corner; the expected rise is sigma^2 per weight."""
    network = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    w = network.weight.detach().abs()
    alpha = 0.25
    start = float(w.square().sum())
    corner = float((w + alpha * (w + 1)).square().sum())
    assert ms.sharpness(network, quadratic, alpha) == pytest.approx((corner - start) / (1 + start), rel=1e-9)
    found = ms.expected_sharpness(network, quadratic, sigma=0.1, draws=2000)
    assert abs(found.mean - 3 * 0.01) < 4 * found.standard_error


def test_sharpness_sees_rescaling() -> None:
    network = random_chain((3, 5, 1), 4)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = network(x).detach()

    def loss(net: nn.Module) -> Tensor:
        return (net(x) - y).square().mean()

    other = ms.rescaled(network, [torch.full((5,), 20.0, dtype=torch.float64)])
    values = [ms.expected_sharpness(n, loss, sigma=0.01).mean for n in (network, other)]
    assert values[1] > 5 * values[0]
