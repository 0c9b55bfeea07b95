"""Stabilised explicit methods as data: Chebyshev-like recurrences whose stability interval grows with their square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# What a B-series gives to the rooted trees of order 1 to 4, in this order: o, [o], [o,o], [[o]], [o,o,o], [o,[o]],
# [[o,o]], [[[o]]]. The exact flow has 1 / gamma(tree).
_EXACT = np.array([1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24])
_FINISH = 4


@dataclass(frozen=True, eq=False)
class Member:
    """One method of a family: `stages` evaluations of f from y, of which the last four make up the finish.

    The recurrence y_0 = y, y_j = h mu_j f(y_{j-1}) + nu_j y_{j-1} + (1 - nu_j) y_{j-2} ends in u. Then
    k_i = f(u + h sum_j a_ij k_j), i = 1 .. 4, and the new point is u + h sum_i b_i k_i. The error estimate is
    h (sum_i e_i k_i + e_5 f at the new point).

    mu, nu         (stages - 4,)
    nodes          (stages,) times of the states at which f is evaluated, in units of h
    a, b, e        (4, 4), (4,) and (5,)
    interval       the stability polynomial is at most 1 on [-interval, 0], and at most 0.95 but near 0
    """

    stages: int
    mu: Vector
    nu: Vector
    nodes: Vector
    a: Vector
    b: Vector
    e: Vector
    interval: float

    def stability(self, z: Vector) -> Vector:
        """The stability polynomial at real z."""
        before, now = np.ones_like(z), np.ones_like(z)
        for mu, nu in zip(self.mu, self.nu, strict=True):
            before, now = now, (mu * z + nu) * now + (1 - nu) * before
        slopes: list[Vector] = []
        for row in self.a:
            slopes.append(now + z * sum((a * k for a, k in zip(row, slopes, strict=False)), np.zeros_like(z)))
        return now + z * sum(b * k for b, k in zip(self.b, slopes, strict=True))


@dataclass(frozen=True, eq=False)
class Stabilised:
    """A family of stabilised explicit methods of order 4 with an embedded estimate of order 3.

    The stability polynomial with s stages is R(z) = w(x) P(x) / (w(a) P(a)) at x = a + z / d. w has the zeros
    1 - (p +- i q) / s^2 and 1 - (p' +- i q') / s^2; P, of degree s - 4, is orthogonal on [-1, 1] for the weight
    w^2 / sqrt(1 - x^2), so that it has a recurrence of three terms; a = 1 + r / s^2; and R'(0) = 1 gives d.

    zeros      {s: (p, q, p', q', r)}
    nodes      the times of the second and third stage of the finish, as shares of the time that the finish covers
    estimate   norm of the weights that the error estimate gives to the trees of order 4
    """

    name: str
    order: int
    embedded_order: int
    zeros: Mapping[int, tuple[float, float, float, float, float]]
    nodes: tuple[float, float]
    estimate: float
    citation: str

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """All methods, by rising number of stages."""
        return tuple(self._member(stages) for stages in sorted(self.zeros))

    def _member(self, stages: int) -> Member:
        p, q, p2, q2, r = (value / stages**2 for value in self.zeros[stages])
        at, degree = 1 + r, stages - _FINISH
        zeros = ((1 - p, q), (1 - p2, q2))
        alpha, beta = _orthogonal(degree, zeros)
        # P_{j-1}, P_j and their derivatives at x = a, in units of P_j.
        before, slope_before, slope = 0.0, 0.0, 0.0
        mu, nu = np.zeros(degree), np.zeros(degree)
        for j in range(degree):
            value = (at - alpha[j]) - beta[j] * before
            next_slope = 1 + (at - alpha[j]) * slope - beta[j] * slope_before
            mu[j], nu[j] = 1 / value, (at - alpha[j]) / value
            before, slope_before, slope = 1 / value, slope / value, next_slope / value
        d = slope + sum(2 * (at - c) / ((at - c) ** 2 + s**2) for c, s in zeros)
        mu /= d
        reached, times = _recurrence(mu, nu)
        a, b, e = _finish(reached, self.nodes, self.estimate)
        nodes = np.concatenate([times, reached[0] + a.sum(1)])
        return Member(stages, mu, nu, nodes, a, b, e, float(d * (1 + at)))


def _orthogonal(degree: int, zeros: tuple[tuple[float, float], ...]) -> tuple[Vector, Vector]:
    """alpha and beta of the monic orthogonal polynomials P_{j+1} = (x - alpha_j) P_j - beta_j P_{j-1}, by Stieltjes.

    The weight is prod ((x - c)^2 + s^2)^2 / sqrt(1 - x^2), for which Gauss-Chebyshev sums are exact.
    """
    points = degree + 2 * len(zeros) + 2
    x = np.cos((np.arange(points) + 0.5) * np.pi / points)
    weight = np.prod([((x - c) ** 2 + s**2) ** 2 for c, s in zeros], axis=0)
    before, now = np.zeros(points), np.full(points, 1 / np.sqrt(weight.sum()))
    alpha, beta, length = np.zeros(degree), np.zeros(degree), 0.0
    for j in range(degree):
        # `now` and `before` have norm 1; the monic polynomials are `length` times longer from one to the next.
        alpha[j], beta[j] = (weight * x * now * now).sum(), length**2
        ahead = (x - alpha[j]) * now - length * before
        length = np.sqrt((weight * ahead * ahead).sum())
        before, now = now, ahead / length
    return alpha, beta


def _slope_weights(state: Vector) -> Vector:
    """The weights of f at a state whose B-series has these weights."""
    one, two, three, four = state[:4]
    return np.array([1, one, one**2, two, one**3, one * two, three, four])


def _recurrence(mu: Vector, nu: Vector) -> tuple[Vector, Vector]:
    """The weights of the state that the recurrence ends in, and the times of its stages."""
    before = now = np.zeros(len(_EXACT))
    times = []
    for m, n in zip(mu, nu, strict=True):
        times.append(now[0])
        before, now = now, m * _slope_weights(now) + n * now + (1 - n) * before
    return now, np.array(times)


def _finish(p: Vector, nodes: tuple[float, float], estimate: float) -> tuple[Vector, Vector, Vector]:
    """a, b and e of the four stages that raise a state with the weights p to order 4.

    The order conditions of the composition, written for the four stages alone, have the right-hand sides r below. Two
    of their times are given; the last follows from the condition of [[[o]]].
    """
    t = _EXACT - p
    r1 = t[0]
    r2 = t[1] - p[0] * r1
    r3 = t[2] - p[0] ** 2 * r1 - 2 * p[0] * r2
    r4 = t[3] - p[1] * r1 - p[0] * r2
    r5 = t[4] - p[0] ** 3 * r1 - 3 * p[0] ** 2 * r2 - 3 * p[0] * r3
    r6 = t[5] - p[0] * p[1] * r1 - (p[0] ** 2 + p[1]) * r2 - p[0] * (r3 + r4)
    r7 = t[6] - p[2] * r1 - p[0] ** 2 * r2 - 2 * p[0] * r4
    r8 = t[7] - p[3] * r1 - p[1] * r2 - p[0] * r4
    c2, c3 = (share * r1 for share in nodes)

    def tableau(c4: float) -> tuple[Vector, Vector]:
        c = np.array([c2, c3, c4])
        b2, b3, b4 = np.linalg.solve(np.array([c, c**2, c**3]), [r2, r3, r5])
        # x_i = sum_j a_ij c_j and y_i = sum_j a_ij c_j^2; x_2 = 0, and x_3 has one term.
        x3, x4 = np.linalg.solve([[b3, b4], [b3 * c3, b4 * c4]], [r4, r6])
        y4 = (r7 - b3 * x3 * c2) / b4
        a43 = (y4 - c2 * x4) / (c3 * (c3 - c2))
        a32, a42 = x3 / c2, (x4 - a43 * c3) / c2
        a = np.array([[0, 0, 0, 0], [c2, 0, 0, 0], [c3 - a32, a32, 0, 0], [c4 - a42 - a43, a42, a43, 0]])
        return a, np.array([r1 - b2 - b3 - b4, b2, b3, b4])

    def defect(c4: float) -> float:
        a, b = tableau(c4)
        return float(b[3] * a[3, 2] * a[2, 1] * c2 / r8 - 1)

    low, high = r1, 1.02 * r1
    for _ in range(60):
        at_low, at_high = defect(low), defect(high)
        if at_low == at_high:
            break
        low, high = high, high - at_high * (high - low) / (at_high - at_low)
    a, b = tableau(high)
    return a, b, _estimate(p, a, b, estimate)


def _estimate(p: Vector, a: Vector, b: Vector, size: float) -> Vector:
    """Weights of the four stages and of f at the new point that vanish on the trees up to order 3, of norm `size`."""
    slopes: list[Vector] = []
    for row in [*a, b]:
        state = p + sum((x * k for x, k in zip(row, slopes, strict=False)), np.zeros(len(p)))
        slopes.append(_slope_weights(state))
    series = np.stack(slopes, axis=1)
    null = np.linalg.svd(series[:4])[2][-1]
    null *= size / np.linalg.norm(series[4:] @ null) * np.sign(null[-1])
    return null
