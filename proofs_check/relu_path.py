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

Zero loss at the limit means y = X limit for the units that stay (their y is positive), and limit - w(exit) lies in
their span; so e tends to 0, and w to the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise, zip_longest
from typing import Any

from .document import Budget, Rejected, fields, integer, listing, mapping, rational, show
from .outcome import Checked

RULE = "relu-path"
MAX_DEGREE = 256
MAX_SPLITS = 4096
MAX_BITS = 1024  # of a number in the document
MAX_EXIT_BITS = 8192  # of the exit to the power of the degree
MAX_SIZE = 32

Vector = list[Fraction]
Matrix = list[Vector]
Polynomial = list[Fraction]  # coefficients by rising degree


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check both phases, the limit, and the better point."""
    statement = fields(document["statement"], "the statement", ("x", "y", "limit", "better"))
    proof = fields(document["proof"], "the proof", ("rate", "path", "exit", "leaving", "cone"))
    x = _matrix(statement["x"], "x")
    n, d = len(x), len(x[0])
    y = _vector(statement["y"], "y", n)
    limit, better = _vector(statement["limit"], "limit", d), _vector(statement["better"], "better", d)
    leaving = sorted({integer(j, "a unit that leaves", 0, n - 1) for j in listing(proof["leaving"], "leaving")})
    staying = [i for i in range(n) if i not in leaving]
    if not leaving or not staying:
        raise Rejected(RULE, "some units have to leave and some have to stay")

    at_exit = _first_phase(x, y, leaving, proof, budget)
    error = [_dot(x[i], at_exit) - y[i] for i in staying]
    size = _dot(error, error)
    for i in staying:
        if y[i] <= 0 or size >= y[i] ** 2:
            raise Rejected(RULE, f"unit {i} is not seen to stay active: |e| at the exit is not less than its y")
    _falling(x, leaving, staying, error, fields(proof["cone"], "the cone", ("rows", "matrix", "falling")))

    if not _in_span([x[i] for i in staying], [a - b for a, b in zip(limit, at_exit, strict=True)]):
        raise Rejected(RULE, "the limit is not reached along the samples that stay active")
    for what, point in (("limit", limit), ("better point", better)):
        for i in range(n):
            if max(_dot(x[i], point), Fraction(0)) != y[i]:
                raise Rejected(RULE, f"the {what} has a positive loss on sample {i}")
    if _dot(better, better) >= _dot(limit, limit):
        raise Rejected(RULE, "the better point has no smaller norm than the limit")
    started = "the flow starts at 0 with relu'(0) = 1 everywhere"
    return Checked(f"d={d}, n={n}", ("limit", "zero loss", "smaller norm"), (started,))


def _first_phase(x: Matrix, y: Vector, leaving: list[int], proof: dict[str, Any], budget: Budget) -> Vector:
    """w at the exit, having checked the first phase."""
    d = len(x[0])
    rate, end = _number(proof["rate"], "the rate"), _number(proof["exit"], "the exit")
    if rate <= 0 or not 0 < end < 1:
        raise Rejected(RULE, "the rate has to be positive, and the exit between 0 and 1")
    path = [_polynomial(p, f"coordinate {k} of the path") for k, p in enumerate(listing(proof["path"], "the path", d))]
    if max(map(len, path)) * max(end.denominator.bit_length(), 1) > MAX_EXIT_BITS:
        raise Rejected("limit", "the exit has too many digits for a path of this degree")
    if any(_value(p, Fraction(1)) for p in path):
        raise Rejected(RULE, "the path does not start at 0")
    units = [_combine(row, path) for row in x]
    residuals = [[u[0] - target, *u[1:]] for u, target in zip(units, y, strict=True)]
    for k in range(d):
        # dz/dt = -rate z, so the flow w' = -X'(X w - y) reads: rate z dw/dz = X'(X w - y).
        moved = [rate * m * c for m, c in enumerate(path[k])]
        if any(_combine([Fraction(1), Fraction(-1)], [moved, _combine([row[k] for row in x], residuals)])):
            raise Rejected(RULE, f"coordinate {k} of the path does not solve the flow")
    for i, u in enumerate(units):
        # u_i = (1 - z) g, with g > 0 up to z = 1: the unit is active from the start.
        g = [-c for c in _divided(u, Fraction(1))[0]]
        if i in leaving:
            if y[i] != 0:
                raise Rejected(RULE, f"unit {i} leaves, but its y is not 0: the field jumps there")
            if _value(g, end) != 0:
                raise Rejected(RULE, f"unit {i} does not reach 0 at the exit")
            while g and _value(g, end) == 0:
                g = _divided(g, end)[0]
        if not _positive(g, end, Fraction(1), budget):
            raise Rejected(RULE, f"unit {i} is not seen to be active before the exit")
    return [_value(p, end) for p in path]


def _falling(x: Matrix, leaving: list[int], staying: list[int], error: Vector, cone: dict[str, Any]) -> None:
    """Every unit that left keeps falling."""
    rows = _matrix(cone["rows"], "the rows of the cone", len(staying))
    m = len(rows)
    moves = _matrix(cone["matrix"], "the matrix of the cone", m)
    kernel = [[_dot(x[i], x[j]) for j in staying] for i in staying]
    if len(moves) != m:
        raise Rejected(RULE, "the matrix of the cone is not square")
    if any(moves[i][j] < 0 for i in range(m) for j in range(m) if i != j):
        raise Rejected(RULE, "the matrix of the cone has a negative entry off the diagonal")
    for i in range(m):
        left = [-_dot(rows[i], [kernel[a][b] for a in range(len(staying))]) for b in range(len(staying))]
        right = [_dot(moves[i], [row[b] for row in rows]) for b in range(len(staying))]
        if left != right:
            raise Rejected(RULE, f"row {i} of the cone does not move by its matrix")
    q = [_dot(row, error) for row in rows]
    if min(q) < 0:
        raise Rejected(RULE, "the flow is outside the cone at the exit")
    falling = mapping(cone["falling"], "falling")
    if set(falling) != {str(j) for j in leaving}:
        raise Rejected(RULE, "the cone has to speak of the units that leave, and of no other")
    for j in leaving:
        weights = _vector(falling[str(j)], f"the weights of unit {j}", m)
        speed = [_dot(x[i], x[j]) for i in staying]
        if min(weights) < 0 or [_dot(weights, [row[b] for row in rows]) for b in range(len(staying))] != speed:
            raise Rejected(RULE, f"the speed of unit {j} is not a nonnegative combination of the cone's rows")
        if _dot(weights, q) <= 0:
            raise Rejected(RULE, f"unit {j} does not fall at the exit")


# -- polynomials in z, and linear algebra -----------------------------------------------------------------------


def _positive(p: Polynomial, low: Fraction, high: Fraction, budget: Budget) -> bool:
    """Whether p > 0 on [low, high]: all Bernstein coefficients are positive on each of some parts of the interval."""
    parts = [_bernstein(p, low, high, budget)] if p else [[]]
    for _ in range(MAX_SPLITS):
        if not parts:
            return True
        coefficients = parts.pop()
        if not coefficients or coefficients[0] <= 0 or coefficients[-1] <= 0:  # these two are values of p
            return False
        if min(coefficients) <= 0:
            parts += _halves(coefficients, budget)
    return False


def _bernstein(p: Polynomial, low: Fraction, high: Fraction, budget: Budget) -> Vector:
    """Coefficients b_k of p(low + (high - low) t) = sum_k b_k binomial(n, k) t^k (1 - t)^(n - k)."""
    shifted: Polynomial = [Fraction(0)]
    for c in reversed(p):  # Horner: p(low + width t)
        budget.spend(8 * len(p))
        raised = zip([*shifted, Fraction(0)], [Fraction(0), *shifted], strict=True)
        shifted = [low * a + (high - low) * b for a, b in raised]
        shifted[0] += c
    shifted = shifted[: len(p)]
    n = len(shifted) - 1
    ratios = [Fraction(1)]
    for k in range(n):
        ratios.append(ratios[-1] * (n - k) / (k + 1))
    scaled = [c / r for c, r in zip(shifted, ratios, strict=True)]
    for level in range(1, n + 1):  # b_k = sum_i binomial(k, i) scaled_i, by repeated sums
        budget.spend(8 * n)
        for k in range(n, level - 1, -1):
            scaled[k] += scaled[k - 1]
    return scaled


def _halves(b: Vector, budget: Budget) -> list[Vector]:
    """De Casteljau: the Bernstein coefficients on the two halves of the interval."""
    left, right, current = [b[0]], [b[-1]], b
    while len(current) > 1:
        budget.spend(8 * len(current))
        current = [(p + q) / 2 for p, q in pairwise(current)]
        left.append(current[0])
        right.append(current[-1])
    return [left, right[::-1]]


def _combine(weights: Sequence[Fraction], polynomials: list[Polynomial]) -> Polynomial:
    return [_dot(weights, column) for column in zip_longest(*polynomials, fillvalue=Fraction(0))]


def _divided(p: Polynomial, root: Fraction) -> tuple[Polynomial, Fraction]:
    """q and r with p = (z - root) q + r, by Horner's rule: r is the value at the root."""
    carried = list(accumulate(reversed(p), lambda value, c: value * root + c))
    return (carried[-2::-1], carried[-1]) if carried else ([], Fraction(0))


def _value(p: Polynomial, at: Fraction) -> Fraction:
    return _divided(p, at)[1]


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def _in_span(rows: Matrix, target: Vector) -> bool:
    """Whether the target is a linear combination of the rows (Gaussian elimination)."""
    basis: list[tuple[int, Vector]] = []
    for row in rows:
        rest = _eliminated(row, basis)
        pivot = next((k for k, a in enumerate(rest) if a), None)
        if pivot is not None:
            basis.append((pivot, [a / rest[pivot] for a in rest]))
    return not any(_eliminated(target, basis))


def _eliminated(row: Vector, basis: list[tuple[int, Vector]]) -> Vector:
    for pivot, unit in basis:
        row = [a - row[pivot] * b for a, b in zip(row, unit, strict=True)]
    return row


# -- reading ---------------------------------------------------------------------------------------------------


def _vector(raw: Any, what: str, length: int) -> Vector:
    return [_number(entry, f"an entry of {what}") for entry in listing(raw, what, length)]


def _matrix(raw: Any, what: str, width: int | None = None) -> Matrix:
    rows = listing(raw, what)
    if not 1 <= len(rows) <= MAX_SIZE or not isinstance(rows[0], list) or not 1 <= len(rows[0]) <= MAX_SIZE:
        raise Rejected("parser", f"{what} is {show(raw)}, expected a matrix with at most {MAX_SIZE} rows and columns")
    return [_vector(row, f"a row of {what}", len(rows[0]) if width is None else width) for row in rows]


def _polynomial(raw: Any, what: str) -> Polynomial:
    coefficients = listing(raw, what)
    if not 1 <= len(coefficients) <= MAX_DEGREE + 1:
        raise Rejected("limit", f"{what} has no coefficient, or a degree beyond {MAX_DEGREE}")
    return [_number(c, f"a coefficient of {what}") for c in coefficients]


def _number(raw: Any, what: str) -> Fraction:
    value = Fraction(rational(raw, what))
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise Rejected("limit", f"{what} has more than {MAX_BITS} bits")
    return value
