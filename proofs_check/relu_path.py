"""Rule "relu-path": where the gradient flow of one ReLU neuron ends, exactly (Vardi and Shamir 2012.05156, Theorem 5).

    w' = - sum_i relu'(u_i) (relu(u_i) - y_i) x_i,    u_i = <x_i, w>,    w(0) = 0,    relu'(0) = 1

The statement gives rational data x, y, the limit of the flow and a better point: both have zero loss, and the better
point has the smaller l2 norm, so the flow does not minimise it. The flow has two phases.

1. All gates are open while every u_i > 0. The proof gives w as polynomials in z = exp(-rate t), so z falls from 1.
   They solve the flow (a polynomial identity) and start at 0, and u_i > 0 on (exit, 1), from the start (u_i' > 0) on.
   At z = exit exactly the units of the set `leaving` have u_j = 0. They have y_j = 0, so the field is Lipschitz
   there, and the flow goes on in one way only.
2. The units that stay have e = X w - y with e' = -K e, K = X X' (rows that stay). Then |e| never grows, so |e| < y_i
   at the exit keeps u_i > 0. A unit that leaves falls at the rate s_j = <x_j, X' e>. To see s_j > 0 for ever, the
   proof gives rows P with -P K = M P, where M has no negative entry off the diagonal: q = P e solves q' = M q, and
   q >= 0 at the exit keeps q >= 0, each q_k > 0 staying positive. It remains that s_j = <a_j, q> with a_j >= 0.

Zero loss at the limit means y = X limit for the units that stay (their y is positive), and limit - w(exit) is a
combination of their rows with the weights of the proof; so e tends to 0, and w to the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, zip_longest
from typing import Any

from .document import Budget, fields, integer, listing, require
from .kernel import Checked
from .linear import Matrix, Vector, dot, matrix, number, times, transposed, vector

RULE = "relu-path"
MAX_DEGREE = 256
MAX_SPLITS = 4096
MAX_EXIT_BITS = 8192  # of the exit to the power of the degree
MAX_SIZE = 32

Polynomial = list[Fraction]  # coefficients by rising degree


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check both phases, the limit, and the better point."""
    statement = fields(document["statement"], "the statement", ("x", "y", "limit", "better"))
    proof = fields(document["proof"], "the proof", ("rate", "path", "exit", "leaving", "cone", "weights"))
    x = matrix(statement["x"], "x")
    n, d = len(x), len(x[0])
    require(max(n, d) <= MAX_SIZE, "limit", f"x has more than {MAX_SIZE} rows or columns")
    y = vector(statement["y"], "y", n)
    limit, better = vector(statement["limit"], "limit", d), vector(statement["better"], "better", d)
    leaving = sorted({integer(j, "a unit that leaves", 0, n - 1) for j in listing(proof["leaving"], "leaving")})
    staying = [i for i in range(n) if i not in leaving]
    require(leaving and staying, RULE, "some units have to leave and some have to stay")

    at_exit = _first_phase(x, y, leaving, proof, budget)
    error = [dot(x[i], at_exit) - y[i] for i in staying]
    size = dot(error, error)
    for i in staying:
        small = y[i] > 0 and size < y[i] ** 2
        require(small, RULE, f"unit {i} is not seen to stay active: |e| at the exit is not less than its y")
    _falling([x[j] for j in leaving], [x[i] for i in staying], error, proof["cone"], leaving)

    weights = vector(proof["weights"], "the weights", len(staying))
    reached = _combine([Fraction(1), *weights], [at_exit, *(x[i] for i in staying)])
    require(limit == reached, RULE, "the limit is not reached along the samples that stay active")
    for what, point in (("limit", limit), ("better point", better)):
        for i in range(n):
            require(max(dot(x[i], point), 0) == y[i], RULE, f"the {what} has a positive loss on sample {i}")
    require(dot(better, better) < dot(limit, limit), RULE, "the better point has no smaller norm than the limit")
    started = "the flow starts at 0 with relu'(0) = 1 everywhere"
    return Checked(f"d={d}, n={n}", ("limit", "zero loss", "smaller norm"), (started,))


def _first_phase(x: Matrix, y: Vector, leaving: list[int], proof: dict[str, Any], budget: Budget) -> Vector:
    """w at the exit, having checked the first phase."""
    d = len(x[0])
    rate, end = number(proof["rate"], "the rate"), number(proof["exit"], "the exit")
    require(rate > 0 and 0 < end < 1, RULE, "the rate has to be positive, and the exit between 0 and 1")
    path = [_polynomial(p, f"coordinate {k} of the path") for k, p in enumerate(listing(proof["path"], "the path", d))]
    bits = max(map(len, path)) * end.denominator.bit_length()
    require(bits <= MAX_EXIT_BITS, "limit", "the exit has too many digits for a path of this degree")
    require(not any(_value(p, Fraction(1)) for p in path), RULE, "the path does not start at 0")
    units = [_combine(row, path) for row in x]
    residuals = [[u[0] - target, *u[1:]] for u, target in zip(units, y, strict=True)]
    for k in range(d):
        # dz/dt = -rate z, so the flow w' = -X'(X w - y) reads: rate z dw/dz = X'(X w - y).
        moved = [rate * m * c for m, c in enumerate(path[k])]
        gap = _combine([Fraction(1), Fraction(-1)], [moved, _combine([row[k] for row in x], residuals)])
        require(not any(gap), RULE, f"coordinate {k} of the path does not solve the flow")
    for i, u in enumerate(units):
        # u_i = (1 - z) g, with g > 0 up to z = 1: the unit is active from the start.
        g = [-c for c in _divided(u, Fraction(1))[0]]
        if i in leaving:
            require(y[i] == 0, RULE, f"unit {i} leaves, but its y is not 0: the field jumps there")
            require(_value(g, end) == 0, RULE, f"unit {i} does not reach 0 at the exit")
            while g and _value(g, end) == 0:
                g = _divided(g, end)[0]
        active = _positive(g, end, Fraction(1), budget)
        require(active, RULE, f"unit {i} is not seen to be active before the exit")
    return [_value(p, end) for p in path]


def _falling(left: Matrix, kept: Matrix, error: Vector, raw: Any, leaving: list[int]) -> None:
    """Every unit that left keeps falling."""
    cone = fields(raw, "the cone", ("rows", "matrix", "falling"))
    rows = matrix(cone["rows"], "the rows of the cone", None, len(kept))
    m = len(rows)
    require(1 <= m <= MAX_SIZE, "limit", f"the cone has {m} rows, expected 1 to {MAX_SIZE}")
    moves = matrix(cone["matrix"], "the matrix of the cone", m, m)
    inward = all(moves[i][j] >= 0 for i in range(m) for j in range(m) if i != j)
    require(inward, RULE, "the matrix of the cone has a negative entry off the diagonal")
    moved = [[-a for a in row] for row in times(rows, times(kept, transposed(kept)))]
    require(times(moves, rows) == moved, RULE, "the rows of the cone do not move by its matrix")
    q = [dot(row, error) for row in rows]
    require(min(q) >= 0, RULE, "the flow is outside the cone at the exit")
    falling = fields(cone["falling"], "falling", [str(j) for j in leaving])
    for j, sample in zip(leaving, left, strict=True):
        weights = vector(falling[str(j)], f"the weights of unit {j}", m)
        seen = min(weights) >= 0 and _combine(weights, rows) == [dot(row, sample) for row in kept]
        require(seen, RULE, f"the speed of unit {j} is not a nonnegative combination of the cone's rows")
        require(dot(weights, q) > 0, RULE, f"unit {j} does not fall at the exit")


# -- polynomials in z ------------------------------------------------------------------------------------------


def _positive(p: Polynomial, low: Fraction, high: Fraction, budget: Budget) -> bool:
    """Whether p > 0 on [low, high]: on parts of it p(a + (b - a) t) = sum c_k t^k >= c_0 + sum min(c_k, 0) > 0."""
    parts = [(low, high)]
    for _ in range(MAX_SPLITS):
        if not parts:
            return True
        a, b = parts.pop()
        c = _moved(p, a, b - a, budget)
        if not c or c[0] <= 0 or sum(c) <= 0:  # these two are values of p
            return False
        if c[0] + sum(min(coefficient, 0) for coefficient in c[1:]) <= 0:
            parts += [(a, (a + b) / 2), ((a + b) / 2, b)]
    return False


def _moved(p: Polynomial, low: Fraction, width: Fraction, budget: Budget) -> Polynomial:
    """p(low + width t) as a polynomial in t, by Horner's rule."""
    found: Polynomial = []
    for c in reversed(p):
        budget.spend(8 * len(p))
        found = [low * a + width * b for a, b in zip([*found, Fraction(0)], [Fraction(0), *found], strict=True)]
        found[0] += c
    return found


def _combine(weights: Sequence[Fraction], polynomials: list[Polynomial]) -> Polynomial:
    return [dot(weights, column) for column in zip_longest(*polynomials, fillvalue=Fraction(0))]


def _divided(p: Polynomial, root: Fraction) -> tuple[Polynomial, Fraction]:
    """q and r with p = (z - root) q + r, by Horner's rule: r is the value at the root."""
    carried = list(accumulate(reversed(p), lambda value, c: value * root + c))
    return (carried[-2::-1], carried[-1]) if carried else ([], Fraction(0))


def _value(p: Polynomial, at: Fraction) -> Fraction:
    return _divided(p, at)[1]


def _polynomial(raw: Any, what: str) -> Polynomial:
    coefficients = listing(raw, what)
    fits = 1 <= len(coefficients) <= MAX_DEGREE + 1
    require(fits, "limit", f"{what} has no coefficient, or a degree beyond {MAX_DEGREE}")
    return [number(c, f"a coefficient of {what}") for c in coefficients]
