"""Which of several l1 minimisers a vanishing start chooses: a second functional on the face of minimisers.

Where the minimisers of |b|_1 over x' b = y are a face, diagonal networks of depth two from a vanishing start choose the
one with the largest entropy -sum |b_i| log |b_i|, and those of depth D > 2 the one with the largest sum |b_i|^(2/D)
(Wind, Antun, Hansen, 2307.07410).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from theorylab.bias.certificate import Certificate, Constraint, Minimum, checked_data, interpolators, largest
from theorylab.bias.dual import newton
from theorylab.bias.norms import l1
from theorylab.bias.solvers import linear
from theorylab.errors import InputError
from theorylab.readings.host import per_ensemble

OWN_DATA = interpolators()
SUPPORT = 1e-9
"""Entries that no l1 minimiser has above this share of the norm are off the face."""


@dataclass(frozen=True)
class TieBreak:
    """The l1 minimiser that maximises the entropy (depth 2), or sum |b_i|^(2/depth), among the l1 minimisers."""

    depth: int = 2
    constraint: Constraint = OWN_DATA
    resolution: float = 1e-11

    @property
    def name(self) -> str:
        chosen = "entropy" if self.depth == 2 else f"sum of |b|^(2/{self.depth})"
        return f"the l1 norm, with the largest {chosen} among its minimisers"

    def subject_to(self, constraint: Constraint) -> TieBreak:
        if constraint.margins:
            raise InputError("tie_break was given margins; expected interpolators")
        return TieBreak(self.depth, constraint)

    def dual_residual(self, b: Any, c: Any) -> Any:
        """The larger of the l1 gap at b and the relative dual residual of the second functional on the face."""
        return per_ensemble(self._residuals, b, self.constraint.x(c), what="a dual certificate of a tie-break")

    def dual_scale(self, b: Any, c: Any) -> Any:
        return (b * 0).sum() + 1

    def _residuals(self, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        found = [self.certificate(*row).residual for row in zip(b.cpu().numpy(), x.cpu().numpy(), strict=True)]
        return torch.tensor(found, dtype=torch.float64, device=b.device)

    def _gradient(self, a: np.ndarray) -> np.ndarray:
        """The gradient of minus the second functional at positive entries, up to a factor and what |b|_1 fixes."""
        return np.log(a) if self.depth == 2 else -(a ** (2 / self.depth - 1))

    def certificate(self, b: Any, x: Any) -> Certificate:
        """Dual points of both problems at b, (d,): the l1 norm's as `dual`, and `stationary` on the face."""
        b, x = np.asarray(b, float), np.asarray(x, float)
        if not (np.isfinite(b).all() and np.isfinite(x).all()):
            nan = float("nan")
            return Certificate(np.full(x.shape[1], nan), b * nan, nan, nan)
        first = l1.certificate(b, x)
        signs = _face(x, x.T @ b)
        on = signs != 0
        a = signs[on] * b[on]
        if not on.any() or not (a > 0).all():
            return Certificate(first.dual, first.slope, first.primal, first.gap, first.scaled_by, float(on.any()))
        rows = x[on] * signs[on, None]
        gradient = self._gradient(a)
        outside = gradient - rows @ np.linalg.lstsq(rows, gradient, rcond=None)[0]
        size = float(np.linalg.norm(gradient)) or 1.0
        return Certificate(
            first.dual, first.slope, first.primal, first.gap, first.scaled_by, float(np.linalg.norm(outside)) / size
        )

    def minimum(self, x: Any, y: Any) -> Minimum:
        """The chosen minimiser over {x' b = y}: the face by linear programs, the point on it by Newton's method."""
        x, y = checked_data(x, y)
        signs = _face(x, y)
        on = signs != 0
        rows = x[on] * signs[on, None]
        if self.depth == 2:
            a = newton(np.exp, np.exp, rows, y)
        else:
            power = 1 / (2 / self.depth - 1)
            # z = -a^(2/D - 1) < 0: the search starts where all entries are 1
            a = newton(
                lambda z: np.where(z < 1, np.abs(1 - z), np.nan) ** power,
                lambda z: -power * np.where(z < 1, np.abs(1 - z), np.nan) ** (power - 1),
                np.hstack([rows, np.ones((len(rows), 1))]),
                np.append(y, l1.minimum(x, y).value),
            )
        b = np.zeros(len(x))
        b[on] = signs[on] * a
        return Minimum(b, float(np.abs(b).sum()), self.certificate(b, x))


def tie_break(depth: int = 2) -> TieBreak:
    """The l1 minimiser that diagonal networks of a depth >= 2 choose from a vanishing start, also where many exist."""
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 2:
        raise InputError(f"tie_break got the depth {depth!r}; expected an integer of at least 2")
    return TieBreak(depth)


def _face(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The sign that entry i has in some l1 minimiser over {x' b = q}, 0 where all have 0 there, (d,).

    No entry has both signs on the face, for the norm is linear between two minimisers.
    """
    d = len(x)
    least = l1.minimum(x, q).value
    if least == 0:
        return np.zeros(d)
    scale = max(least, largest(q))
    rows = np.vstack([np.hstack([x.T, -x.T]), np.ones((1, 2 * d))])
    targets = np.append(q, least) / scale
    signs = np.zeros(d)
    for i in range(2 * d):
        if signs[i % d]:
            continue
        cost = np.zeros(2 * d)
        cost[i] = -1.0
        found = linear(cost, rows, targets, False)
        if found is not None and found[0][i] > SUPPORT * least / scale:
            signs[i % d] = 1.0 if i < d else -1.0
            inside = found[0][:d] - found[0][d:]
            known = np.abs(inside) > SUPPORT * least / scale
            signs[known] = np.sign(inside[known])
    return signs
