"""Where the cubics through both ends of steps leave a side, for many at once; kinks.c says the same."""

from __future__ import annotations

import torch
from torch import Tensor

from theorylab.simulate.sliding import TINY

BISECTIONS = 40


def cubic(u0: Tensor, u1: Tensor, a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """The cubic with values u0, u1 and slopes a, b (times the step) at the ends of a step, at theta in [0, 1]."""
    rest = 1 - theta
    ends = u0 * rest**2 * (1 + 2 * theta) + u1 * theta**2 * (1 + 2 * rest)
    return ends + theta * rest * (a * rest - b * theta)


def leaves(u0: Tensor, u1: Tensor, a: Tensor, b: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Where each cubic first leaves the side u >= 0 for more than round-off, or 2; its least interior minimum or inf.

    All are of one shape, (n,); `size` is that of u in the past.
    """
    round_off = TINY * (size + u0.abs() + u1.abs() + a.abs() + b.abs())
    # The slope is p theta^2 + q theta + a.
    p, q = 6 * (u0 - u1) + 3 * (a + b), 6 * (u1 - u0) - 4 * a - 2 * b
    root = torch.sqrt((q * q - 4 * p * a).clamp(min=0))
    r = -0.5 * (q + torch.where(q < 0, -root, root))
    turns = torch.stack([r / p, a / r]).nan_to_num(nan=2.0, posinf=2.0, neginf=2.0)
    inside = (turns > 0) & (turns < 1) & (q * q - 4 * p * a > 0)
    one = torch.ones_like(u0)
    first, second = torch.where(inside, turns, one).sort(dim=0)[0]
    turn = torch.full_like(u0, torch.inf)
    for theta in (first, second):
        value = cubic(u0, u1, a, b, theta)
        turn = torch.where((theta < 1) & (value < torch.minimum(u0, u1)) & (value.abs() < turn.abs()), value, turn)
    share, low, start = torch.full_like(u0, 2.0), u0, torch.zeros_like(u0)
    for theta in (first, second, one):
        value = torch.where(theta < 1, cubic(u0, u1, a, b, theta), u1)
        here = (share == 2) & (value < -round_off) & (value < low)
        index = here.nonzero()[:, 0]
        if len(index):
            ends = (u0[index], u1[index], a[index], b[index])
            left, right, down = start[index], theta[index], low[index] > 0
            for _ in range(BISECTIONS):
                middle = 0.5 * (left + right)
                above = cubic(*ends, middle) > 0
                left, right = torch.where(above, middle, left), torch.where(above, right, middle)
            # One that has been on the kink from the start is not followed along it.
            begin = torch.where(ends[0] <= 0, 0.0, start[index])
            share[index] = torch.where(down, 0.5 * (left + right), begin)
        low, start = value, theta
    return share, turn
