"""Changes of a rectifier network's weights that leave its function as it is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from theorylab.errors import InputError
from theorylab.measures.networks import checked, dense_layers


def rescaled(network: nn.Sequential, factors: Sequence[Any]) -> nn.Sequential:
    """A copy in which the edges into each hidden unit are multiplied by its factor and those out of it divided by it.

    factors: positive numbers for each hidden layer, of shape (width,). A bias counts as an edge into its unit.
    """
    layers = [m for m in checked(network).modules() if isinstance(m, nn.Linear)]
    factors = [torch.as_tensor(f) for f in factors]
    widths = [len(weight) for weight, _ in dense_layers(network, "rescaling")[:-1]]
    if [tuple(f.shape) for f in factors] != [(w,) for w in widths]:
        got = [tuple(f.shape) for f in factors]
        raise InputError(f"factors have the shapes {got}; expected one of shape (width,) a hidden layer: {widths}")
    if not all(bool((f > 0).all()) for f in factors):
        raise InputError("a factor is not positive; expected positive numbers")
    if len(layers) != len(widths) + 1:
        raise InputError("a layer of the network is used twice; expected layers with weights of their own")
    copied = copy.deepcopy(network)
    linear = [m for m in copied.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        for i, factor in enumerate(factors):
            linear[i].weight *= factor.to(linear[i].weight)[:, None]
            if linear[i].bias is not None:
                linear[i].bias.mul_(factor.to(linear[i].bias))
            linear[i + 1].weight /= factor.to(linear[i + 1].weight)[None, :]
    return copied
