"""Sharpness of a minimum: how much the loss rises under small changes of the weights.

Keskar et al. 2017 for the largest rise in a box, Neyshabur et al. 2017 (1706.08947) for the expected one. Neither is
invariant under node-wise rescaling, although the network's function is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.networks import double

Loss = Callable[[nn.Module], Tensor]
"""The loss of a network as a scalar tensor. It closes over the data, which are float64 on the CPU as the copy of the
network that it is called with."""


def sharpness(network: nn.Module, loss: Loss, alpha: float = 5e-4, steps: int = 100, seed: int = 0) -> float:
    """max over |u_i| <= alpha (|w_i| + 1) of (L(w + u) - L(w)) / (1 + L(w)), from below.

    By projected sign ascent from a random corner of the box and from its centre: a lower bound of the maximum.
    """
    if not alpha > 0:
        raise InputError(f"alpha is {alpha!r}; expected a positive number")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps is {steps!r}; expected a positive integer")
    net = double(network)
    weights = list(net.parameters())
    centres = [w.detach().clone() for w in weights]
    boxes = [alpha * (c.abs() + 1) for c in centres]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        at_centre = float(_value(loss, net))
    highest = at_centre
    for random in (False, True):
        _set(weights, centres)
        if random:
            signs = [torch.randint(0, 2, c.shape, generator=generator).double() * 2 - 1 for c in centres]
            _set(weights, [c + s * b for c, s, b in zip(centres, signs, boxes, strict=True)])
        for step in range(steps + 1):
            value = _value(loss, net)
            highest = max(highest, float(value.detach()))
            slopes = torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)
            stride = 2.0 / (1 + step)
            moved = [w.detach() + stride * b * g.sign() for w, b, g in zip(weights, boxes, slopes, strict=True)]
            _set(weights, [m.clamp(c - b, c + b) for m, c, b in zip(moved, centres, boxes, strict=True)])
    return (highest - at_centre) / (1 + at_centre)


@dataclass(frozen=True)
class Estimate:
    """A mean over random perturbations and its standard error."""

    mean: float
    standard_error: float


def expected_sharpness(network: nn.Module, loss: Loss, sigma: float, draws: int = 100, seed: int = 0) -> Estimate:
    """E_u L(w + u) - L(w) for u normal with standard deviation sigma in every weight."""
    if not sigma > 0:
        raise InputError(f"sigma is {sigma!r}; expected a positive number")
    if draws < 2:
        raise InputError(f"draws is {draws!r}; expected at least 2")
    net = double(network)
    weights = list(net.parameters())
    centres = [w.detach().clone() for w in weights]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        start = float(_value(loss, net))
        rises = []
        for _ in range(draws):
            _set(weights, [c + sigma * torch.randn(c.shape, generator=generator, dtype=c.dtype) for c in centres])
            rises.append(float(_value(loss, net)) - start)
    values = torch.tensor(rises, dtype=torch.float64)
    return Estimate(float(values.mean()), float(values.std() / draws**0.5))


def _value(loss: Loss, network: nn.Module) -> Tensor:
    """The loss, a finite scalar tensor."""
    try:
        found = loss(network)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"the loss fails on the float64 copy of the network ({reason}); expected data in float64 on the CPU"
        ) from error
    if not isinstance(found, Tensor) or found.numel() != 1:
        got = f"the shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"the loss gives {got}; expected a scalar tensor")
    return found.reshape(())


@torch.no_grad()
def _set(weights: list[nn.Parameter], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)
