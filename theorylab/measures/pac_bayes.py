"""PAC-Bayes bounds on the error of a network, and the perturbation lemma behind the spectral one.

Neyshabur, Bhojanapalli, Srebro 2018 (1707.09564): lemma 1 (margin bound), lemma 2 (perturbation), theorem 1 (spectral
bound). Statements as known in the field. Networks are chains of Linear layers without biases and ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.margins import margin_loss, spectral_norm
from theorylab.measures.networks import dense_layers, inputs

PROOF_CONSTANT = 42
"""sigma = gamma / (42 d B beta^(d-1) sqrt(h ln(4 h d))) in the proof of theorem 1: e^2 sqrt(2) / 42 <= 1/4."""


def gaussian_kl(w: Any, sigma: float, prior_mean: Any = 0.0) -> float:
    """KL(N(w, sigma^2 I) || N(prior_mean, sigma^2 I)) = |w - prior_mean|^2 / (2 sigma^2)."""
    if not sigma > 0:
        raise InputError(f"sigma is {sigma!r}; expected a positive number")
    difference = torch.as_tensor(w, dtype=torch.float64) - torch.as_tensor(prior_mean, dtype=torch.float64)
    return float(difference.square().sum()) / (2 * sigma**2)


def margin_bound(empirical: float, kl: float, samples: int, delta: float = 0.05) -> float:
    """Lemma 1: L_0 <= empirical margin loss + 4 sqrt((KL + ln(6 m / delta)) / (m - 1)), with probability 1 - delta.

    It holds for a prior that the data do not touch and a random perturbation of which at least half stays within a
    quarter of the margin on the whole input domain: those are the caller's to see to.
    """
    _check_probability(samples, delta, 2)
    _check_sign("kl", kl)
    return empirical + 4 * math.sqrt((kl + math.log(6 * samples / delta)) / (samples - 1))


def sharpness_bound(empirical: float, expected_sharpness: float, kl: float, samples: int, delta: float = 0.05) -> float:
    """E_u L(f_(w+u)) <= empirical + expected sharpness + 4 sqrt((KL + ln(2 m / delta)) / m)."""
    _check_probability(samples, delta, 1)
    _check_sign("kl", kl)
    return empirical + expected_sharpness + 4 * math.sqrt((kl + math.log(2 * samples / delta)) / samples)


def perturbation_bound(network: nn.Sequential, changes: Sequence[Tensor], radius: float) -> float:
    """Lemma 2: e B prod |W_i|_2 sum |U_i|_2 / |W_i|_2, a bound on |f_(w+u)(x) - f_w(x)|_2 for all |x| <= B = radius.

    changes: U_i, one of the shape of each weight, with |U_i|_2 <= |W_i|_2 / depth; InputError otherwise.
    """
    weights = _weights(network)
    _check_sign("radius", radius)
    if [u.shape for u in changes] != [w.shape for w in weights]:
        raise InputError(f"changes have the shapes {[tuple(u.shape) for u in changes]}; expected those of the weights")
    norms = [spectral_norm(w) for w in weights]
    ratios = [spectral_norm(u.detach().cpu().double()) / n for u, n in zip(changes, norms, strict=True)]
    if max(ratios) > (1 + 1e-12) / len(weights):
        raise InputError(f"a change has {max(ratios):.3g} of the norm of its weight; expected at most 1 / depth")
    return math.e * radius * math.prod(norms) * sum(ratios)


def spectral_capacity(network: nn.Sequential, radius: float) -> float:
    """B^2 d^2 h ln(d h) prod |W_i|_2^2 sum |W_i|_F^2 / |W_i|_2^2 of theorem 1, whose bound hides a constant.

    radius: B, the largest norm of an input. d: the number of layers. h: the largest number of units of a hidden layer.
    """
    weights = _weights(network)
    _check_sign("radius", radius)
    d, h = len(weights), _width(weights)
    norms = [spectral_norm(w) ** 2 for w in weights]
    ratios = sum(float(w.square().sum()) / n for w, n in zip(weights, norms, strict=True))
    return radius**2 * d**2 * h * math.log(d * h) * math.prod(norms) * ratios


def spectral_bound(
    network: nn.Sequential, x: Any, labels: Any, margin: float, radius: float, delta: float = 0.05
) -> float:
    """Lemma 1 with the perturbation of theorem 1's proof, constants kept: the error is below it
    with probability 1 - delta.

    The layers are balanced to one spectral norm beta first, which changes nothing. The proof covers the values of
    beta by a grid of d m^(1/(2d)) points, each within a factor 1 +- 1/d of the betas that it serves.
    It exceeds 1 for all but the smallest networks; what it tells is an order.
    """
    if not margin > 0:
        raise InputError(f"margin is {margin!r}; expected a positive number")
    _check_sign("radius", radius)
    longest = float(inputs(x, "x").flatten(1).norm(dim=1).max())
    if longest > radius * (1 + 1e-12):
        raise InputError(
            f"a sample has the norm {longest:.6g}, the radius is {radius:.6g}; expected it to hold them all"
        )
    weights = _weights(network)
    d, h, m = len(weights), max(_width(weights), 1), len(x)
    norms = [spectral_norm(w) for w in weights]
    beta = math.prod(norms) ** (1 / d)
    balanced = sum(float(w.square().sum()) * (beta / n) ** 2 for w, n in zip(weights, norms, strict=True))
    # The grid's beta~ is at most (1 + 1/d) beta, and sigma uses beta~.
    grid = beta * (1 + 1 / d)
    sigma = margin / (PROOF_CONSTANT * d * radius * grid ** (d - 1) * math.sqrt(h * math.log(4 * h * d)))
    kl = balanced / (2 * sigma**2)
    points = max(d * m ** (1 / (2 * d)), 1)
    return margin_bound(margin_loss(network, x, labels, margin), kl, m, delta / points)


def _weights(network: nn.Sequential) -> list[Tensor]:
    layers = dense_layers(network, "the bound")
    if any(bias is not None for _, bias in layers):
        raise InputError("the bound got a network with biases; expected bias=False")
    weights = [w for w, _ in layers]
    if not all(bool(w.any()) for w in weights):
        raise InputError("a layer of the network is 0; expected layers with a positive norm")
    return weights


def _width(weights: Sequence[Tensor]) -> int:
    return max([len(w) for w in weights[:-1]] or [len(weights[-1])])


def _check_sign(name: str, value: float) -> None:
    if not value >= 0:
        raise InputError(f"{name} is {value!r}; expected a number that is not negative")


def _check_probability(samples: int, delta: float, least: int) -> None:
    if not 0 < delta < 1:
        raise InputError(f"delta is {delta!r}; expected a probability between 0 and 1")
    if samples < least:
        raise InputError(f"samples is {samples!r}; expected at least {least}")
