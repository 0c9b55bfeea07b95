"""How a rectifier network bends between two inputs: gradient gaps and gradient deflection.

On the segment x(t) = x0 + t (x1 - x0) the outputs are piecewise linear in t. At a knot the slope jumps by a gap; their
spread is the gradient gap deviation, their sum the gradient deflection (Kubo, Banno, Manabe, Minoji 2019; the
operational definitions used here: standard deviation of the jumps; last slope minus first).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.networks import RECTIFIERS, double, inputs, leaves, outputs

MAX_KNOTS = 1_000_000
STRAIGHT = 1e-9
"""How far from straight a piece may be, relative to the values at the knots, before the enumeration is refused."""


@dataclass(frozen=True)
class Segment:
    """A network along a segment. knots (k,): where slopes change, in (0, 1). slopes (k + 1, outputs): by t, per piece.

    gaps (k, outputs): slope after minus slope before. All float64, in units of outputs per length of the segment = 1.
    """

    knots: Tensor
    slopes: Tensor

    @property
    def gaps(self) -> Tensor:
        return self.slopes[1:] - self.slopes[:-1]

    @property
    def gap_deviation(self) -> Tensor:
        """The standard deviation of the gaps over the knots, (outputs,); 0 without knots."""
        return self.gaps.std(0, correction=0) if len(self.knots) else torch.zeros_like(self.slopes[0])

    @property
    def deflection(self) -> Tensor:
        """The last slope minus the first, (outputs,): the sum of the gaps."""
        return self.slopes[-1] - self.slopes[0]


def along_segment(network: nn.Module, x0: Any, x1: Any) -> Segment:
    """The exact pieces of a network between two samples x0 and x1 of one shape (without the batch axis).

    Outputs of any shape are listed one after the other; a network that gives one number a sample has one output.

    The network is piecewise linear through nn.ReLU and nn.LeakyReLU modules, of any depth and wiring. Rectifier by
    rectifier in the order of a forward pass, every sign change of a pre-activation is located on the pieces found so
    far, on which it is linear: no grid, and as many passes as rectifiers. Raises InputError where the network bends
    between the knots, such as one with another non-linearity.
    """
    net = double(network)
    start, end = inputs(x0, "x0"), inputs(x1, "x1")
    if start.shape != end.shape:
        raise InputError(f"x0 and x1 have the shapes {tuple(start.shape)} and {tuple(end.shape)}; expected one shape")
    knots = torch.tensor([0.0, 1.0], dtype=torch.float64)
    done = 0
    while True:
        values, before = _forward(net, start, end, knots)
        if done == len(before):
            break
        knots = _with_crossings(knots, before[done])
        done += 1
        if len(knots) > MAX_KNOTS:
            raise InputError(f"the network bends at more than {MAX_KNOTS} points of the segment; expected fewer")
    between = (knots[1:] + knots[:-1]) / 2
    middle, _ = _forward(net, start, end, between)
    bend = (middle - (values[1:] + values[:-1]) / 2).abs().max()
    if not bend <= STRAIGHT * (1 + values.abs().max()):
        raise InputError("the network bends between the knots of its ReLU modules; expected no other non-linearity")
    # The derivative at a middle is the slope of its piece, without the rounding of a difference over a short one.
    slopes: Tensor = torch.func.jvp(lambda t: _outputs(net, start, end, t), (between,), (torch.ones_like(between),))[1]
    return Segment(knots[1:-1], slopes.detach())


def _outputs(net: nn.Module, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    found = outputs(net, start + t.reshape(-1, *[1] * start.ndim) * (end - start), "samples")
    return found.reshape(len(t), -1)


@torch.no_grad()
def _forward(net: nn.Module, start: Tensor, end: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs (len(t), outputs), and the pre-activations (len(t), units) of every call of a rectifier, in order."""
    before: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, args: before.append(args[0].detach().flatten(1).clone()))
        for _, module in leaves(net)
        if isinstance(module, RECTIFIERS)
    ]
    try:
        out = _outputs(net, start, end, t)
    finally:
        for hook in hooks:
            hook.remove()
    return out, before


def _with_crossings(knots: Tensor, z: Tensor) -> Tensor:
    """The knots together with the zeros of z (knots, units), linear between them."""
    left, right = z[:-1], z[1:]
    piece, unit = torch.nonzero(left * right < 0, as_tuple=True)
    a, b = left[piece, unit], right[piece, unit]
    crossings = knots[piece] + (knots[piece + 1] - knots[piece]) * (a / (a - b))
    merged = torch.cat([knots, crossings]).sort().values
    # Zeros of one pre-activation found twice, in neighbouring pieces, differ by rounding.
    apart = torch.cat([torch.tensor([True]), merged[1:] - merged[:-1] > 1e-13])
    merged = merged[apart]
    merged[-1] = 1.0
    return merged
