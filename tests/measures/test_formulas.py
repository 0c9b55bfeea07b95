"""The measures beside their formulas, written out by other means: listed paths and samples in rational numbers, numpy.

Formulas as in 1709.01953 and 1707.09564; every constant that they name is a constant here too. Where they make an
inequality, it holds for random networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import theorylab.measures as ms
from theorylab.measures.margins import chain

Matrix = list[list[int]]
SMALL: list[Matrix] = [[[1, -2], [3, 1], [-1, 2]], [[2, 0, -1], [1, -3, 1]]]
DEEP: list[Matrix] = [*SMALL, [[1, -1], [2, 1], [0, 3]]]


def network(weights: Sequence[Matrix]) -> nn.Sequential:
    return chain([torch.tensor(w, dtype=torch.float64) for w in weights])


def listed_paths(weights: Sequence[Matrix]) -> list[list[int]]:
    """The weights along each path from an input to an output."""
    units = [range(len(weights[0][0])), *(range(len(w)) for w in weights)]
    return [[w[b][a] for w, a, b in zip(weights, way, way[1:], strict=False)] for way in product(*units)]


def largest_singular_value(weight: Matrix) -> float:
    """The root of the largest eigenvalue of W'W."""
    w = np.array(weight, dtype=float)
    return math.sqrt(np.linalg.eigvalsh(w.T @ w)[-1])


def frobenius(weight: Matrix) -> int:
    return sum(v * v for row in weight for v in row)


def relu_outputs(weights: Sequence[Matrix], x: Sequence[Fraction]) -> list[list[Fraction]]:
    """What each layer puts out for one sample, before the rectifier."""
    outputs, h = [], list(x)
    for w in weights:
        outputs.append([sum((v * a for v, a in zip(row, h, strict=True)), start=Fraction(0)) for row in w])
        h = [max(z, Fraction(0)) for z in outputs[-1]]
    return outputs


@pytest.mark.parametrize("weights", [SMALL, DEEP])
def test_norm_measures_from_the_listed_paths(weights: list[Matrix]) -> None:
    margin, paths = Fraction(3, 2), listed_paths(weights)
    found = ms.norm_measures(network(weights), float(margin))
    l2 = math.prod(4 * frobenius(w) for w in weights) / margin**2
    l1_path = sum(math.prod(2 * abs(v) for v in path) for path in paths) ** 2 / margin**2
    fed = [len(w) for w in weights]
    l2_path = sum(math.prod(4 * h * v * v for h, v in zip(fed, path, strict=True)) for path in paths) / margin**2
    spectral = math.prod(h * largest_singular_value(w) ** 2 for h, w in zip(fed, weights, strict=True))
    assert found.l2 == pytest.approx(float(l2), rel=1e-12)
    assert found.l1_path == pytest.approx(float(l1_path), rel=1e-12)
    assert found.l2_path == pytest.approx(float(l2_path), rel=1e-12)
    assert found.spectral == pytest.approx(spectral / float(margin) ** 2, rel=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_path_weights_from_the_listed_paths(p: int) -> None:
    """gamma_p(w, e) = (sum over the paths through e of prod |w|^p over their other edges)^(2/p)."""
    sizes = [len(DEEP[0][0]), *(len(w) for w in DEEP)]
    found = list(ms.path_weights(network(DEEP), (sizes[0],), p).values())
    for layer, weight in enumerate(DEEP):
        for i, row in enumerate(weight):
            for j in range(len(row)):
                ways = [w for w in product(*map(range, sizes)) if (w[layer], w[layer + 1]) == (j, i)]
                others = [
                    math.prod(abs(DEEP[k][w[k + 1]][w[k]]) ** p for k in range(len(DEEP)) if k != layer) for w in ways
                ]
                assert float(found[layer][i, j]) == pytest.approx(sum(others) ** (2 / p), rel=1e-12)


@pytest.mark.parametrize("alpha", [Fraction(0), Fraction(2, 7), Fraction(1)])
def test_the_data_dependent_path_norm_in_rational_numbers(alpha: Fraction) -> None:
    """gamma_v^2 = w_v' (alpha Cov(h) + (1 - alpha) diag(gamma^2)) w_v, from the inputs, where gamma^2 = 1, up."""
    samples = [[Fraction(a), Fraction(b)] for a, b in ((1, 2), (-1, 3), (4, 1), (0, -2), (2, 2))]
    layers = [relu_outputs(DEEP, x) for x in samples]
    gamma = [Fraction(1)] * 2
    for k, weight in enumerate(DEEP):
        fed = samples if k == 0 else [[max(z, Fraction(0)) for z in layer[k - 1]] for layer in layers]
        units, n = range(len(fed[0])), len(fed)
        mean = [sum((h[i] for h in fed), start=Fraction(0)) / n for i in units]
        cov = [[sum((h[i] - mean[i]) * (h[j] - mean[j]) for h in fed) / n for j in units] for i in units]
        own = [[alpha * cov[i][j] + (1 - alpha) * gamma[i] * (i == j) for j in units] for i in units]
        gamma = [sum((w[i] * own[i][j] * w[j] for i in units for j in units), start=Fraction(0)) for w in weight]
        layer = ms.node_complexities(network(DEEP), [[float(v) for v in x] for x in samples], float(alpha))[k]
        assert layer.tolist() == pytest.approx([float(g) for g in gamma], rel=1e-11)


def test_the_divergence_of_two_gaussians_is_an_integral() -> None:
    """E ln(p / q) for p = N(w, s^2), q = N(mean, s^2), coordinate by coordinate by Gauss-Hermite quadrature."""
    w, mean, sigma = np.array([0.7, -1.2, 2.0]), np.array([0.1, 0.4, -1.0]), 0.8
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    at = w[:, None] + sigma * nodes
    log_ratio = ((at - mean[:, None]) ** 2 - (at - w[:, None]) ** 2) / (2 * sigma**2)
    expected = (log_ratio * weights).sum() / math.sqrt(2 * math.pi)
    assert ms.gaussian_kl(w, sigma, mean) == pytest.approx(expected, rel=1e-12)


def test_the_pac_bayes_bounds_solved_for_what_they_add() -> None:
    """((bound - empirical) / 4)^2 (m - 1) - KL = ln(6 m / delta), and with m and 2 for the expected sharpness."""
    m, delta, kl = 777, 0.03, 12.5
    margin = ((ms.margin_bound(0.2, kl, m, delta) - 0.2) / 4) ** 2 * (m - 1) - kl
    assert math.exp(margin) == pytest.approx(6 * m / delta, rel=1e-9)
    sharp = ((ms.sharpness_bound(0.2, 0.05, kl, m, delta) - 0.25) / 4) ** 2 * m - kl
    assert math.exp(sharp) == pytest.approx(2 * m / delta, rel=1e-9)


def test_the_perturbation_lemma_by_numpy() -> None:
    changes = [np.array(w) / 20 for w in DEEP]
    norms = [largest_singular_value(w) for w in DEEP]
    share = 3 * (1 / 20)
    expected = math.e * 2.5 * norms[0] * norms[1] * norms[2] * share
    assert ms.perturbation_bound(network(DEEP), [torch.tensor(u) for u in changes], 2.5) == pytest.approx(expected)


def test_the_spectral_capacity_and_bound_by_numpy() -> None:
    """B^2 d^2 h ln(d h) prod |W_i|^2 sum |W_i|_F^2 / |W_i|^2, and lemma 1 for the sigma of theorem 1's proof.

    sigma = gamma / (42 d B b^(d-1) (h ln(4 h d))^(1/2)), where b = (1 + 1/d) beta is the farthest point of the
    grid from beta, the geometric mean of the spectral norms.
    """
    d, h, radius, margin, delta = 3, 3, 3.0, 0.5, 0.1
    squares = [largest_singular_value(w) ** 2 for w in DEEP]
    ratios = sum(frobenius(w) / s for w, s in zip(DEEP, squares, strict=True))
    capacity = radius**2 * d**2 * h * math.log(d * h) * math.prod(squares) * ratios
    assert ms.spectral_capacity(network(DEEP), radius) == pytest.approx(capacity, rel=1e-12)

    x = np.array([[1.0, 2.0], [-1.0, 2.5], [2.0, -1.0], [0.5, 0.25]])
    y = [0, 1, 2, 2]
    beta = math.prod(squares) ** (1 / (2 * d))
    sigma = margin / (42 * d * radius * (beta * (1 + 1 / d)) ** (d - 1) * math.sqrt(h * math.log(4 * h * d)))
    kl = beta**2 * ratios / (2 * sigma**2)
    points = d * len(x) ** (1 / (2 * d))
    scores = x.T
    for k, w in enumerate(DEEP):
        scores = np.array(w) @ (np.maximum(scores, 0) if k else scores)
    gaps = [scores[c, i] - max(scores[j, i] for j in range(3) if j != c) for i, c in enumerate(y)]
    missed = sum(gap <= margin for gap in gaps) / len(x)
    expected = missed + 4 * math.sqrt((kl + math.log(6 * len(x) * points / delta)) / (len(x) - 1))
    assert ms.spectral_bound(network(DEEP), x, y, margin, radius, delta) == pytest.approx(expected, rel=1e-10)


def test_sharpness_of_a_convex_loss_is_at_a_corner_of_its_box() -> None:
    """max over |u_i| <= alpha (|w_i| + 1) of (L(w + u) - L(w)) / (1 + L(w)), from all 2^4 corners."""
    linear = nn.Linear(2, 2, bias=False, dtype=torch.float64)
    rows = np.array([[0.5, -1.5], [2.0, 0.25]])
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(rows))
    x = np.array([[1.0, -0.5], [0.3, 2.0], [-1.0, 1.0]])
    given_x = torch.tensor(x)
    alpha = 0.1

    def loss(w: np.ndarray) -> float:
        return float((x @ w.T) ** 2 @ np.ones(2) @ np.ones(3))

    box = alpha * (abs(rows) + 1)
    corners = [loss(rows + np.reshape(s, (2, 2)) * box) for s in product((-1, 1), repeat=4)]
    expected = (max(corners) - loss(rows)) / (1 + loss(rows))
    found = ms.sharpness(linear, lambda net: net(given_x).square().sum(), alpha)
    assert found == pytest.approx(expected, rel=1e-9)


# --- inequalities, for random networks --------------------------------------------------------------------------------

random_networks = st.builds(
    lambda widths, seed, spread: _random(widths, seed, spread),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    seed=st.integers(0, 2**16),
    spread=st.floats(0, 2),
)


def _random(widths: list[int], seed: int, spread: float) -> nn.Sequential:
    """Normal weights with rows of very different sizes."""
    generator = np.random.default_rng(seed)
    shapes = zip(widths[1:], widths, strict=False)
    drawn = [generator.normal(size=s) * np.exp(spread * generator.normal(size=(s[0], 1))) for s in shapes]
    return chain([torch.tensor(w) for w in drawn])


def _weights(net: nn.Sequential) -> list[np.ndarray]:
    return [w.detach().numpy() for w in net.parameters()]


@settings(deadline=None, max_examples=50)
@given(net=random_networks)
def test_path_norms_are_bounded_by_the_layers(net: nn.Sequential) -> None:
    """phi_2 <= phi_1; with one output phi_2 <= prod max |row|_2; and the outputs are at most phi_1 max |x_i|."""
    weights = _weights(net)
    size = (weights[0].shape[1],)
    first, second = ms.path_norm(net, size, 1), ms.path_norm(net, size, 2)
    assert second <= first * (1 + 1e-12)
    rows = [np.linalg.norm(w, axis=1) for w in weights]
    inner = math.prod(float(r.max()) for r in rows[:-1])
    assert second <= inner * float(np.linalg.norm(rows[-1])) * (1 + 1e-12)
    x = torch.rand(20, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(net(x).abs().sum(1).max().detach()) <= first * float(x.abs().max()) * (1 + 1e-12)


@settings(deadline=None, max_examples=50)
@given(net=random_networks, radius=st.floats(0.1, 10))
def test_the_spectral_capacity_lies_between_its_bounds_by_rank(net: nn.Sequential, radius: float) -> None:
    """1 <= |W|_F^2 / |W|_2^2 <= rank W, so the sum over the layers is between d and the sum of the ranks."""
    weights = _weights(net)
    d, h = len(weights), max([len(w) for w in weights[:-1]] or [len(weights[-1])])
    unit = radius**2 * d**2 * h * math.log(d * h) * math.prod(float(np.linalg.norm(w, 2)) ** 2 for w in weights)
    found = ms.spectral_capacity(net, radius)
    assert unit * d * (1 - 1e-9) <= found <= unit * sum(min(w.shape) for w in weights) * (1 + 1e-9)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), d=st.integers(2, 4), margin=st.floats(0.01, 10), radius=st.floats(0.1, 10))
def test_half_of_the_perturbations_of_the_spectral_bound_move_no_output_by_a_quarter_of_the_margin(
    seed: int, d: int, margin: float, radius: float
) -> None:
    """What lemma 1 asks of sigma, on the whole ball of inputs, at the least point (1 - 1/d) beta of the grid."""
    h = 6
    net = _random([h] * (d + 1), seed, 0.0)
    norms = [float(np.linalg.norm(w, 2)) for w in _weights(net)]
    beta = math.prod(norms) ** (1 / d)
    balanced = chain([torch.tensor(w * beta / n) for w, n in zip(_weights(net), norms, strict=True)])
    sigma = margin / (42 * d * radius * (beta * (1 - 1 / d)) ** (d - 1) * math.sqrt(h * math.log(4 * h * d)))
    generator = torch.Generator().manual_seed(seed)
    kept = 0
    for _ in range(40):
        changes = [sigma * torch.randn(h, h, generator=generator, dtype=torch.float64) for _ in range(d)]
        if max(float(torch.linalg.matrix_norm(u, 2)) for u in changes) <= beta / d:
            kept += ms.perturbation_bound(balanced, changes, radius) <= margin / 4
    assert kept >= 20
