"""The data-dependent path norm (Neyshabur, Tomioka, Salakhutdinov, Srebro 2016, section 3).

gamma_v^2 = w_v' R_v w_v for the weights w_v into a unit v, with R_v = alpha Cov(h) + (1 - alpha) diag(gamma^2) over the
units h that feed v. At alpha = 0 it counts paths, at alpha = 1 it is the variance of v's pre-activation on the data,
which is what batch normalisation divides by.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.networks import SHAPES, dense_layers, inputs, only


def node_complexities(network: nn.Sequential, x: Any, alpha: float) -> list[Tensor]:
    """gamma_v^2 of every unit, one tensor (width,) a layer, for samples x (n, d), or (n, ...) with d numbers each.

    The network is a chain of Linear layers without biases and ReLU. For inputs gamma^2 = 1.
    Raises InputError for alpha outside [0, 1], for biases and for other modules.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha!r}; expected a number in [0, 1]")
    only(network, (nn.Linear, nn.ReLU, *SHAPES), "the data-dependent path norm")
    layers = dense_layers(network, "the data-dependent path norm")
    if any(bias is not None for _, bias in layers):
        raise InputError("the data-dependent path norm got a network with biases; expected bias=False")
    h = inputs(x, "x")
    width = layers[0][0].shape[1]
    if h.ndim < 2 or not len(h) or h[0].numel() != width:
        raise InputError(f"x has the shape {tuple(h.shape)}; expected samples of {width} numbers, (n, {width})")
    h = h.flatten(1)
    gamma = torch.ones(h.shape[-1], dtype=torch.float64)
    found = []
    for weight, _ in layers:
        spread = torch.cov(h.mT, correction=0).reshape(len(gamma), len(gamma))
        gamma = (weight @ (alpha * spread + (1 - alpha) * torch.diag(gamma)) * weight).sum(-1)
        found.append(gamma)
        h = torch.relu(h @ weight.mT)
    return found


def data_dependent_path_norm(network: nn.Sequential, x: Any, alpha: float) -> float:
    """The square root of the sum of gamma_v^2 over the outputs; arguments and errors as in `node_complexities`."""
    return float(node_complexities(network, x, alpha)[-1].sum().sqrt())
