"""Univariate ReLU functions and the total variation of their slope: what small weights mean in one dimension.

A two-layer network f(x) = sum_j a_j relu(w_j x + b_j) + affine has f'' = sum_j a_j |w_j| delta(x + b_j / w_j). The
least squared norm of the weights is the total variation of f', weighted by sqrt(1 + x^2) where the biases
count too (Savarese et al., 1902.05040; Boursier and Flammarion, 2303.01353), with a free affine part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from theorylab.bias.certificate import Certificate, Constraint, Minimum, checked_data, interpolators, largest
from theorylab.errors import InputError
from theorylab.readings.host import per_ensemble

OWN_DATA = interpolators()
REFINEMENTS = 40


@dataclass(frozen=True)
class SlopeVariation:
    """The integral of w(x) |f''(x)| for w = 1, or w = sqrt(1 + x^2) if biases count.

    A function is given by its kinks: an array (2, m), knots in the first row and jumps of the slope in the second. The
    data are x (1, n) and y (1, n), and an affine part is free.
    """

    biases: bool = False
    constraint: Constraint = OWN_DATA

    @property
    def resolution(self) -> float:
        """The knots of the weighted variation are found by cutting planes, up to the tolerance of linear programs."""
        return 1e-6 if self.biases else 1e-12

    @property
    def name(self) -> str:
        return "the total variation of the slope" + (", weighted by sqrt(1 + x^2)" if self.biases else "")

    def subject_to(self, constraint: Constraint) -> SlopeVariation:
        if constraint.margins:
            raise InputError("slope_variation was given margins; expected interpolators")
        return SlopeVariation(self.biases, constraint)

    def weight(self, knots: np.ndarray) -> np.ndarray:
        return np.sqrt(1 + knots**2) if self.biases else np.ones_like(knots)

    def value(self, kinks: Any) -> float:
        """The weighted variation of a function given by its kinks, (2, m)."""
        knots, jumps = np.asarray(kinks, float)
        return float((self.weight(knots) * np.abs(jumps)).sum())

    def dual_residual(self, b: Any, c: Any) -> Any:
        """The relative gap between the variation of the kinks b, (2, m), and the best dual value of the data."""
        given = (b, self.constraint.x(c), self.constraint.y(c))
        return per_ensemble(self._gaps, *given, what=f"a dual certificate of {self.name}")

    def dual_scale(self, b: Any, c: Any) -> Any:
        return (b * 0).sum() + 1

    def _gaps(self, b: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rows = zip(b.cpu().numpy(), x.cpu().numpy(), y.cpu().numpy(), strict=True)
        return torch.tensor([self.certificate(*row).gap for row in rows], dtype=torch.float64, device=b.device)

    def certificate(self, kinks: Any, x: Any, y: Any) -> Certificate:
        """The dual point nu of the data x, y (n,) and the gap of a function that fits them.

        For sum nu = sum nu_i x_i = 0, every fitting f has sum nu_i y_i = integral of h f'' with h(t) = sum nu_i
        relu(x_i - t). So sum nu_i y_i is at most its variation, if |h| <= w everywhere. `primal` is what is left of the
        kinks' fit after the best affine part.
        """
        kinks = np.asarray(kinks, float)
        x, y = checked_data(np.reshape(x, (1, -1)), y)
        nodes = x[0]
        dual, _ = self._solve(nodes, y)
        scaled = 1.0 / max(1.0, self._largest_ratio(nodes, dual))
        dual = scaled * dual
        value = self.value(kinks)
        rest = y - np.maximum(nodes[:, None] - kinks[0][None], 0.0) @ kinks[1]
        affine = np.stack([np.ones_like(nodes), nodes], 1)
        short = largest(rest - affine @ np.linalg.lstsq(affine, rest, rcond=None)[0])
        gap = value - float(dual @ y)
        size = max(value, float(np.finfo(float).tiny))
        slope = np.maximum(nodes[None] - kinks[0][:, None], 0.0) @ dual
        return Certificate(dual, slope, short / max(largest(y), float(np.finfo(float).tiny)), gap / size, scaled)

    def minimum(self, x: Any, y: Any) -> Minimum:
        """A function of least variation through the points x (n,), y (n,), as kinks (2, m), and its certificate."""
        x, y = checked_data(np.reshape(x, (1, -1)), y)
        if len(np.unique(x)) < x.size:
            raise InputError("x has equal entries; expected distinct points")
        _, kinks = self._solve(x[0], y)
        return Minimum(kinks, self.value(kinks), self.certificate(kinks, x[0], y))

    def _solve(self, nodes: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A dual point and kinks: a linear program on the knots where the constraint |h| <= w has been tight so far."""
        order = np.argsort(nodes)
        t, v = nodes[order], y[order]
        knots = t[1:-1]
        dual, jumps = np.zeros(len(t)), np.zeros(len(knots))
        if len(t) > 2:
            dual, jumps = self._program(t, v, knots)
            for _ in range(REFINEMENTS if self.biases else 0):
                worst = self._peaks(t, dual)
                new = worst[self._ratio(t, dual, worst) > 1 + 1e-12]
                new = new[[bool(np.abs(knots - k).min() > 1e-12 * (1 + abs(k))) for k in new]] if len(new) else new
                if not len(new):
                    break
                knots = np.concatenate([knots, new])
                dual, jumps = self._program(t, v, knots)
        back = np.empty_like(dual)
        back[order] = dual
        kept = np.abs(jumps) > 0
        return back, np.stack([knots[kept], jumps[kept]])

    def _program(self, t: np.ndarray, v: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """maximise v' nu over |h| <= w at the knots, sum nu = nu' t = 0; the jumps are its marginals."""
        from scipy.optimize import linprog

        hinge = np.maximum(t[None] - knots[:, None], 0.0)
        weight = self.weight(knots)
        size = largest(v) or 1.0
        found = linprog(
            -v / size, A_ub=np.vstack([hinge, -hinge]), b_ub=np.concatenate([weight, weight]),
            A_eq=np.stack([np.ones_like(t), t]), b_eq=np.zeros(2), bounds=(None, None), method="highs",
        )  # fmt: skip
        if found.status != 0:
            return np.full(len(t), np.nan), np.full(len(knots), np.nan)
        marginals = -found.ineqlin.marginals * size
        return found.x, marginals[: len(knots)] - marginals[len(knots) :]

    def _pieces(self, t: np.ndarray, dual: np.ndarray) -> list[tuple[float, float, float, float]]:
        """(left, right, a, s): h(u) = a + s u between two neighbouring points; it is 0 outside of all."""
        pieces = []
        for i in range(len(t) - 1):
            later = dual[i + 1 :]
            pieces.append((float(t[i]), float(t[i + 1]), float(later @ t[i + 1 :]), -float(later.sum())))
        return pieces

    def _peaks(self, t: np.ndarray, dual: np.ndarray) -> np.ndarray:
        """Where |h| / w can be largest: the points, and u = s / a inside of a piece a + s u, for w = sqrt(1 + u^2)."""
        found = list(t)
        if self.biases:
            found += [s / a for left, right, a, s in self._pieces(t, dual) if a and left < s / a < right]
        return np.array(found)

    def _ratio(self, t: np.ndarray, dual: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.abs(np.maximum(t[None] - at[:, None], 0.0) @ dual) / self.weight(at)

    def _largest_ratio(self, nodes: np.ndarray, dual: np.ndarray) -> float:
        """max |h| / w over the whole line, exactly: h is piecewise linear."""
        order = np.argsort(nodes)
        t, nu = nodes[order], dual[order]
        return float(self._ratio(t, nu, self._peaks(t, nu)).max(initial=0.0))


def slope_variation(biases: bool = False) -> SlopeVariation:
    """The total variation of f' for univariate f, weighted by sqrt(1 + x^2) if biases count in the norm.

    Without biases the polygon through the points is a minimiser: its variation is the sum of the jumps of its slope.
    """
    return SlopeVariation(bool(biases))
