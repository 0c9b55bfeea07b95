"""The dual coordinate of diagonal networks of depth D > 2, b = (U - z)^(-p) - (V + z)^(-p) with p = D / (D - 2)."""

from __future__ import annotations

from typing import Any

import torch

from theorylab.errors import UnsupportedReading
from theorylab.readings.array import Array
from theorylab.readings.numeric import Numeric

BISECTIONS = 60
NEWTON = 3


def deep_primal(z: Any, up: Any, down: Any, p: float) -> Numeric:
    """b at z, entry by entry; nan outside of -down < z < up."""
    z, u, v = _tensors(z, up, down)
    inside = (z < u) & (z > -v)
    return Numeric(torch.where(inside, u - z, torch.nan) ** -p - torch.where(inside, v + z, torch.nan) ** -p)


def deep_dual(b: Any, up: Any, down: Any, p: float) -> Numeric:
    """z at b, entry by entry, to rounding of up + down.

    With w the distance of z to the end that b pulls it to and T = up + down, w solves w^-p - (T - w)^-p = s for s = |b|
    or below it; the left side falls from infinity to 0 on (0, T / 2], and w^-p is at most s + (T / 2)^-p.
    """
    b, u, v = _tensors(b, up, down)
    total = u + v + 0 * b
    # z > (U - V) / 2 exactly where the formula there, which is 0, is below b
    positive = b >= 0
    s = b.abs()
    low, high = -torch.log(s + (total / 2) ** -p) / p, torch.log(total / 2)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = torch.exp(-p * middle) - (total - torch.exp(middle)) ** -p > s
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    w = torch.exp((low + high) / 2)
    for _ in range(NEWTON):
        value = w**-p - (total - w) ** -p - s
        w = w + value / (p * (w ** (-p - 1) + (total - w) ** (-p - 1)))
    return Numeric(torch.where(positive, u - w, w - v))


def _tensors(*values: Any) -> tuple[torch.Tensor, ...]:
    found = []
    for value in values:
        array = value.into(Numeric) if isinstance(value, Array) else Numeric.constant(value)
        if array is None:
            raise UnsupportedReading("the potential of a deep diagonal network has no symbolic form")
        found.append(array.data)
    return tuple(found)
