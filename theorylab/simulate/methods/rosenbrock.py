"""Rosenbrock methods as data: one linear system a step, with the Jacobian of the field as its matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theorylab.simulate.methods.tableau import Row


@dataclass(frozen=True, eq=False)
class Rosenbrock:
    """An embedded Rosenbrock method in the form that needs no product with the Jacobian.

    With J = df/dy and W = I / (gamma h) - J at (t, y), the stages solve
    W k_i = f(t + c_i h, y + sum_j a_ij k_j) + sum_j C_ij k_j / h + h d_i df/dt. The last stage starts from a solution
    of order `embedded_order`, its k is the estimate of the error, and their sum is the new point: b = (a_last, 1).
    Hairer, Wanner, Solving ODEs II, IV.7.

    name, order     of the solution that is propagated
    nodes, shifts   c and d
    rows, coupling  {i: {j: a_ij}} and {i: {j: C_ij}}
    dense           rows g_n of the interpolant y(t + theta h) = (1 - theta) y + theta (y_new + (1 - theta) (g_0 k +
                    theta (g_1 k + theta g_2 k)))
    dense_order     order of the interpolant
    citation        where the coefficients come from
    """

    name: str
    order: int
    embedded_order: int
    gamma: float
    nodes: tuple[float, ...]
    shifts: tuple[float, ...]
    rows: Mapping[int, Row]
    coupling: Mapping[int, Row]
    dense: tuple[tuple[float, ...], ...]
    dense_order: int
    citation: str

    @property
    def stages(self) -> int:
        """Evaluations of f a step, the first of which is known from the step before."""
        return len(self.nodes)

    @cached_property
    def a(self) -> NDArray[np.float64]:
        """a_ij, (stages, stages), strictly lower triangular."""
        return self._matrix(self.rows)

    @cached_property
    def c(self) -> NDArray[np.float64]:
        """C_ij, (stages, stages), strictly lower triangular."""
        return self._matrix(self.coupling)

    @cached_property
    def b(self) -> NDArray[np.float64]:
        """Weights of the solution, (stages,)."""
        weights = self.a[-1].copy()
        weights[-1] = 1.0
        return weights

    def standard(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """alpha, Gamma, b and the weights of the embedded solution of the classical form.

        There (I - gamma h J) k_i = h f(y + sum_j alpha_ij k_j) + h J sum_j Gamma_ij k_j, and the new point is
        y + sum b_i k_i. Gamma has gamma on its diagonal.
        """
        inverse = np.eye(self.stages) / self.gamma - self.c
        gamma = np.linalg.inv(inverse).astype(np.float64)
        embedded = self.b.copy()
        embedded[-1] = 0.0
        return self.a @ gamma, gamma, self.b @ gamma, embedded @ gamma

    def stability(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """The stability function at complex z."""
        alpha, gamma, b, _ = self.standard()
        one = np.ones(self.stages)
        return np.array([1 + x * (b @ np.linalg.solve(np.eye(self.stages) - x * (alpha + gamma), one)) for x in z])

    def stability_at_infinity(self) -> float:
        """The limit of the stability function, 0 for a method that damps stiff components at once."""
        alpha, gamma, b, _ = self.standard()
        return float(1 - b @ np.linalg.solve(alpha + gamma, np.ones(self.stages)))

    def _matrix(self, rows: Mapping[int, Row]) -> NDArray[np.float64]:
        matrix = np.zeros((self.stages, self.stages))
        for i, row in rows.items():
            for j, value in row.items():
                matrix[i, j] = value
        return matrix
