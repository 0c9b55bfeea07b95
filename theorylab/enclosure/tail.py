"""The rest of a flow for ever, where its gates no longer change and what is left is linear and contracting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from theorylab.enclosure.balls import Ball, ball
from theorylab.enclosure.steps import Path
from theorylab.readings.polynomial import Polynomial

Row = list[Fraction]
Matrix = list[Row]
SLOWER = Fraction(7, 8)
"""How much of the slowest rate, which is known in floating point only, is claimed."""


@dataclass(frozen=True)
class Tail:
    """w' = b - A w for ever. inverse: a generalised inverse G of A on its range; metric: the diagonal P of a norm in
    which the field contracts at `rate`; limit: where the flow ends."""

    inverse: Matrix
    metric: Row
    rate: Fraction
    limit: list[Ball]


@dataclass(frozen=True)
class Linear:
    """The field w' = b - A w of given signs of the gates, with what proves that it contracts."""

    matrix: Matrix
    offset: Row
    inverse: Matrix
    metric: Row
    rate: Fraction


def linear(path: Path) -> Linear | None:
    """The field of the present signs; None where it is not linear, or not seen to contract."""
    rows = [_affine(path, p) for p in path.problem.rates]
    if any(row is None for row in rows):
        return None
    affine = [row for row in rows if row is not None]
    matrix, offset = [[-c for c in row[1:]] for row in affine], [row[0] for row in affine]
    inverse, metric = _inverse(matrix), _metric(matrix)
    if inverse is None or metric is None:
        return None
    weights = np.sqrt(np.array([float(p) for p in metric]))
    floats = np.array([[float(a) for a in row] for row in matrix])
    values = np.linalg.eigvalsh(weights[:, None] * floats / weights[None, :])
    moving = [v for v in values if abs(v) > 1e-9 * max(abs(values))]
    if moving and min(moving) <= 0:
        return None
    rate = Fraction(min(moving)).limit_denominator(10**6) * SLOWER if moving else Fraction(1)
    return Linear(matrix, offset, inverse, metric, rate) if rate > 0 else None


def tail(path: Path, field: Linear) -> Tail | None:
    """The tail from where the path is; None where a gate might still change."""
    now = path.rates(path.signs, path.box)
    limit = [x + _dot(row, now) for x, row in zip(path.box, field.inverse, strict=True)]
    size = _dot(field.metric, [r * r for r in now])
    for u, sign in zip(path.arguments, path.signs, strict=True):
        row = _affine(path, u)
        if row is None:
            return None
        reach = [
            sum((a * g[k] for a, g in zip(row[1:], field.inverse, strict=True)), Fraction(0)) for k in range(len(now))
        ]
        spread = ball(sum((a * a / p for a, p in zip(reach, field.metric, strict=True)), Fraction(0)))
        value = (1 if sign == "1" else -1) * path.field(path.signs).values([u], limit)[0]
        if not (value > 0 and value * value > spread * size * 2):
            return None
    return Tail(field.inverse, field.metric, field.rate, limit)


def _affine(path: Path, p: Polynomial) -> Row | None:
    """The constant and the coefficients of p in the state, for the present signs; None where it is not affine."""
    problem = path.problem
    place = {s: k for k, s in enumerate(problem.state, 1)}
    sign = dict(zip(problem.gates, path.signs, strict=True))
    row = [Fraction(0)] * (len(problem.state) + 1)
    for monomial, coefficient in p.terms.items():
        value, at = Fraction(coefficient), 0
        for s, _, e in monomial:
            if s in place:
                if at or e != 1:
                    return None
                at = place[s]
            elif s in sign:
                value *= int(sign[s]) if s.function == "step" else (2 * int(sign[s]) - 1) ** abs(e)
            elif s.argument is None:
                value *= problem.constants[s.name] ** e
            else:
                return None
            if not value:
                break
        if value:
            row[at] += value
    return row


def _inverse(a: Matrix) -> Matrix | None:
    """G with G A A = A and range(G) in range(A): from A = C F of full rank, G = C (F C)^-2 F."""
    exact = flint.fmpq_mat([[flint.fmpq(c.numerator, c.denominator) for c in row] for row in a])
    reduced, rank = exact.rref()
    n = len(a)
    if not rank:
        return [[Fraction(0)] * n for _ in range(n)]
    pivots = [next(k for k in range(n) if reduced[i, k]) for i in range(rank)]
    c = flint.fmpq_mat([[exact[i, k] for k in pivots] for i in range(n)])
    f = flint.fmpq_mat([[reduced[i, k] for k in range(n)] for i in range(rank)])
    try:
        middle = (f * c).inv()
    except ZeroDivisionError:
        return None
    found = c * middle * middle * f
    return [[Fraction(int(found[i, k].p), int(found[i, k].q)) for k in range(n)] for i in range(n)]


def _metric(a: Matrix) -> Row | None:
    """A positive diagonal P with P A symmetric, if there is one: the rates of a gradient flow, inverted."""
    n = len(a)
    metric: list[Fraction | None] = [None] * n
    for start in range(n):
        if metric[start] is not None:
            continue
        metric[start], queue = Fraction(1), [start]
        while queue:
            i = queue.pop()
            here = metric[i]
            assert here is not None
            for j in range(n):
                if metric[j] is None and a[i][j] and a[j][i] / a[i][j] > 0:
                    metric[j] = here * a[i][j] / a[j][i]
                    queue.append(j)
    found = [p for p in metric if p is not None]
    symmetric = all(found[i] * a[i][j] == found[j] * a[j][i] for i in range(n) for j in range(n))
    return found if symmetric else None


def _dot(weights: Sequence[Fraction], values: Sequence[Ball]) -> Ball:
    return sum((ball(w) * v for w, v in zip(weights, values, strict=True)), flint.arb(0))
