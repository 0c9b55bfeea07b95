"""Path norms against the listed paths; node-wise rescaling changes neither them nor Path-SGD."""

from __future__ import annotations

import copy
from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import theorylab.measures as ms
from theorylab.errors import InputError
from theorylab.measures.networks import dense_layers


def chain(widths: tuple[int, ...], seed: int = 0, bias: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    modules: list[nn.Module] = []
    for a, b in pairwise(widths):
        modules += [nn.Linear(a, b, bias=bias, dtype=torch.float64), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def listed(network: nn.Sequential, p: float) -> float:
    """The sum of prod |w_e|^p over all paths, one by one; a bias is an edge from one more input."""
    total = 0.0
    layers = dense_layers(network, "the test")
    for first in range(len(layers)):
        for units in product(*(range(len(w)) for w, _ in layers[first:])):
            weights = [w for w, _ in layers[first:]]
            inner = 1.0
            for weight, (a, b) in zip(weights[1:], pairwise(units), strict=True):
                inner *= abs(float(weight[b, a])) ** p
            bias = layers[first][1]
            if bias is not None:
                total += inner * abs(float(bias[units[0]])) ** p
            if first == 0:
                total += inner * float((weights[0][units[0]].abs() ** p).sum())
    return total


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_it_is_the_sum_over_the_listed_paths(p: float, bias: bool) -> None:
    network = chain((3, 4, 2, 3), bias=bias)
    assert ms.path_norm(network, (3,), p) ** p == pytest.approx(listed(network, p), rel=1e-12)


@settings(deadline=None)
@given(seed=st.integers(0, 99), spread=st.floats(0.1, 4), bias=st.booleans())
def test_rescaling_changes_neither_the_function_nor_the_norm(seed: int, spread: float, bias: bool) -> None:
    network = chain((3, 5, 4, 2), seed, bias)
    factors = [torch.exp(spread * torch.randn(w, dtype=torch.float64)) for w in (5, 4)]
    other = ms.rescaled(network, factors)
    x = torch.randn(7, 3, dtype=torch.float64)
    torch.testing.assert_close(other(x), network(x), rtol=1e-9, atol=1e-12)
    assert ms.path_norm(other, (3,)) == pytest.approx(ms.path_norm(network, (3,)), rel=1e-10)


@pytest.mark.parametrize("bias", [False, True])
def test_half_the_second_derivative(bias: bool) -> None:
    """gamma_2 = 1/2 d^2 phi_2^2 / dw^2: phi_2^2 is a quadratic polynomial in every single weight."""
    network = chain((3, 4, 2), bias=bias)
    weights = ms.path_weights(network, (3,))
    for name, parameter in network.named_parameters():
        index = (0,) * parameter.ndim

        def squared(shift: float, name: str = name, index: tuple[int, ...] = index) -> float:
            moved = copy.deepcopy(network)
            with torch.no_grad():
                moved.get_parameter(name)[index] += shift
            return ms.path_norm(moved, (3,)) ** 2

        second = squared(1.0) - 2 * squared(0.0) + squared(-1.0)
        assert float(weights[name][index]) == pytest.approx(second / 2, rel=1e-9)


def stepped(network: nn.Sequential, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> nn.Sequential:
    optimizer.zero_grad()
    (network(x) - 1).square().sum().backward()
    optimizer.step()
    return network


@pytest.mark.parametrize("p", [1, 2])
def test_path_sgd_does_not_see_rescaling_and_sgd_does(p: float) -> None:
    network = chain((3, 5, 4, 2), 1, bias=True)
    x = torch.randn(6, 3, dtype=torch.float64)
    factors = [torch.exp(torch.randn(w, dtype=torch.float64)) for w in (5, 4)]
    gaps = []
    for make in (lambda n: ms.PathSGD(n, (3,), lr=0.05, p=p), lambda n: torch.optim.SGD(n.parameters(), lr=0.05)):
        plain = copy.deepcopy(network)
        rescaled = ms.rescaled(network, factors)
        after = ms.rescaled(stepped(plain, make(plain), x), factors)
        other = stepped(rescaled, make(rescaled), x)
        pairs = zip(after.parameters(), other.parameters(), strict=True)
        gaps.append(max(float(((a - b).abs().max() / (1 + a.abs().max())).detach()) for a, b in pairs))
    assert gaps[0] < 1e-12
    assert gaps[1] > 1e-2


def test_recurrent_weights_share_their_edges() -> None:
    """1/2 d^2 gamma^2 / dp^2 = kappa_1 + 4 kappa_2, with each pair of edges on a path counted once."""
    torch.manual_seed(0)
    rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True, dtype=torch.float64)
    steps = 4
    a, w = float(rnn.weight_ih_l0) ** 2, float(rnn.weight_hh_l0) ** 2
    # The network puts out every hidden state h_t = sum over s <= t of a w^(t - s).
    lags = [t - s for t in range(steps) for s in range(t + 1)]
    total = a * sum(w**lag for lag in lags)
    kappa_1 = a * sum(lag * w ** (lag - 1) for lag in lags if lag)
    kappa_2 = w * a * sum(lag * (lag - 1) / 2 * w ** (lag - 2) for lag in lags if lag > 1)
    assert ms.path_norm(rnn, (steps, 1)) ** 2 == pytest.approx(total, rel=1e-12)
    found = ms.path_weights(rnn, (steps, 1))["weight_hh_l0"]
    assert float(found) == pytest.approx(kappa_1, rel=1e-12)

    def squared(shift: float) -> float:
        moved = copy.deepcopy(rnn)
        with torch.no_grad():
            moved.weight_hh_l0 += shift
        return ms.path_norm(moved, (steps, 1)) ** 2

    h = 1e-3
    second = (-squared(2 * h) + 16 * squared(h) - 30 * squared(0) + 16 * squared(-h) - squared(-2 * h)) / (12 * h * h)
    assert second / 2 == pytest.approx(kappa_1 + 4 * kappa_2, rel=1e-6)
    assert kappa_2 > 0.01 * kappa_1


def test_a_convolution_counts_every_edge() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 1, 2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3, 1, bias=False))
    kernel, out = network[0].weight.double().flatten(), network[3].weight.double().flatten()
    expected = (kernel.square().sum() * out.square().sum()).sqrt()
    assert ms.path_norm(network, (1, 4)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Tanh()), "Tanh"),
        (nn.RNN(1, 1), "nonlinearity='relu'"),
        ("network", "expected a torch.nn.Module"),
    ],
)
def test_other_modules_are_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ms.path_norm(network, (2,))


def test_the_network_is_not_changed() -> None:
    network = chain((3, 4, 2)).train()
    before = [w.clone() for w in network.parameters()]
    ms.path_weights(network, (3,))
    assert network.training
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, network.parameters(), strict=True))


# --- the data-dependent path norm -------------------------------------------------------------------------------------


def test_the_endpoints_of_the_data_dependent_path_norm() -> None:
    network = chain((3, 5, 4, 2), 2)
    x = torch.randn(50, 3, dtype=torch.float64)
    assert ms.data_dependent_path_norm(network, x, 0.0) == pytest.approx(ms.path_norm(network, (3,)), rel=1e-12)
    before = x
    for module, complexity in zip(
        (m for m in network if isinstance(m, nn.Linear)), ms.node_complexities(network, x, 1.0), strict=True
    ):
        z = before @ module.weight.mT
        torch.testing.assert_close(complexity, z.var(0, correction=0).detach())
        before = torch.relu(z)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_data_dependent_path_norm_is_invariant(alpha: float) -> None:
    network = chain((3, 5, 4, 2), 3)
    x = torch.randn(50, 3, dtype=torch.float64)
    other = ms.rescaled(network, [torch.exp(torch.randn(w, dtype=torch.float64)) for w in (5, 4)])
    norms = [ms.data_dependent_path_norm(n, x, alpha) for n in (network, other)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)
