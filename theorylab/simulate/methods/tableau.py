"""Explicit Runge-Kutta methods as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Row = Mapping[int, float]


@dataclass(frozen=True, eq=False)
class ExplicitRungeKutta:
    """An embedded explicit Runge-Kutta pair whose last stage is the field at the new point.

    A step of size h from (t, y) evaluates k_i = f(t + c_i h, y + h sum_j a_ij k_j). The stage `last` has the
    weights of the solution as its row (b = a[last], c = 1), so it serves as the first stage of the next step.
    Stages after `last` are evaluated for dense output only. All rows are sparse: {stage: coefficient}.

    name, order     of the solution that is propagated
    embedded_order  q: the error estimate behaves as h^(q+1)
    nodes           c
    rows            {i: {j: a_ij}}, row 0 is empty
    errors          one row e for the estimate h |sum e_i k_i|; two rows (e5, e3) for the quotient
                    h |e5 k|^2 / sqrt(|e5 k|^2 + |e3 k|^2 / 100) of Hairer, Norsett, Wanner (II.10)
    dense           rows g_n of the interpolant y(t + theta h) = y + h sum_n phi_n(theta) sum_i g_ni k_i with
                    phi_0 = theta, phi_1 = theta (1 - theta), phi_2 = theta^2 (1 - theta), ...: factors alternate
    dense_order     order of the interpolant, uniformly in theta
    citation        where the coefficients come from
    """

    name: str
    order: int
    embedded_order: int
    nodes: tuple[float, ...]
    rows: Mapping[int, Row]
    last: int
    errors: tuple[Row, ...]
    dense: tuple[Row, ...]
    dense_order: int
    citation: str

    @property
    def extra_stages(self) -> int:
        """Stages that only dense output needs."""
        return len(self.nodes) - self.last - 1

    @cached_property
    def a(self) -> NDArray[np.float64]:
        """Coefficients a_ij, (stages, stages), strictly lower triangular."""
        return self._matrix([self.rows.get(i, {}) for i in range(len(self.nodes))])

    @cached_property
    def b(self) -> NDArray[np.float64]:
        """Weights of the solution, (stages,)."""
        return self.a[self.last]

    @cached_property
    def c(self) -> NDArray[np.float64]:
        """Nodes, (stages,)."""
        return np.array(self.nodes)

    @cached_property
    def e(self) -> NDArray[np.float64]:
        """Error weights, (1 or 2, stages)."""
        return self._matrix(self.errors)

    @cached_property
    def g(self) -> NDArray[np.float64]:
        """Dense output rows, (degree, stages)."""
        return self._matrix(self.dense)

    @cached_property
    def interval(self) -> float:
        """Length of the stability interval on the negative real axis, to one per cent."""
        stages = np.eye(self.last)
        z = 0.0
        while z < 100.0:
            z += 0.01
            slopes = np.linalg.solve(stages + z * self.a[: self.last, : self.last], np.ones(self.last))
            if abs(1 - z * (self.b[: self.last] @ slopes)) > 1:
                break
        return z

    def _matrix(self, rows: list[Row] | tuple[Row, ...]) -> NDArray[np.float64]:
        matrix = np.zeros((len(rows), len(self.nodes)))
        for i, row in enumerate(rows):
            for j, value in row.items():
                matrix[i, j] = value
        return matrix


def alternating_basis(theta: float, degree: int) -> list[float]:
    """phi_0(theta), ..., phi_{degree-1}(theta): theta, theta (1 - theta), theta^2 (1 - theta), ..."""
    values = [theta]
    for n in range(1, degree):
        values.append(values[-1] * ((1 - theta) if n % 2 else theta))
    return values


def from_powers(c1: float, c2: float, c3: float, c4: float) -> tuple[float, float, float, float]:
    """Coordinates of c1 theta + c2 theta^2 + c3 theta^3 + c4 theta^4 in the alternating basis.

    phi_2 = theta^2 - theta^3 and phi_3 = theta^2 - 2 theta^3 + theta^4, so the top two powers fix g3 and g2.
    """
    g3 = c4
    g2 = -2 * c4 - c3
    g1 = g3 + g2 - c2
    return c1 + g1, g1, g2, g3
