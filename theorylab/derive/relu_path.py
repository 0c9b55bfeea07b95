"""Exact gradient-flow paths of one ReLU neuron (Vardi and Shamir 2012.05156, Section 4).

The flow of (1/2) sum_i (relu(<x_i, w>) - y_i)^2 from w = 0 with relu'(0) = 1 runs through linear phases. Where X'X
has commensurate rational eigenvalues, the first phase is polynomial in z = exp(-rate t), and everything that follows
is rational once the exit from it is. This module finds the path; the kernel rule "relu-path" checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import gcd, isqrt, lcm
from typing import Any

import flint

from theorylab.errors import InputError, UnsupportedReading

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]
Exact = int | Fraction

MAX_DEGREE = 256


@dataclass(frozen=True)
class ReluPath:
    """A flow that ends at a zero-loss point of more than the least l2 norm.

    `path` holds one polynomial in z for each coordinate of w, coefficients by rising degree; z falls from 1 to
    `exit`, where the units of `leaving` switch off for ever. `limit` is the end of the flow, `minimal` the zero-loss
    point of least l2 norm. limit - at_exit is the sum of the samples that stay active times `weights`. `statement` and
    `proof` are those of a certificate with the rule "relu-path".
    """

    x: Matrix
    y: Vector
    rate: Fraction
    path: Matrix
    exit: Fraction
    leaving: tuple[int, ...]
    at_exit: Vector
    limit: Vector
    minimal: Vector
    cone: Mapping[str, Any]
    weights: Vector

    @property
    def ratio(self) -> Fraction:
        """||limit||^2 / ||minimal||^2."""
        return _dot(self.limit, self.limit) / _dot(self.minimal, self.minimal)

    @property
    def statement(self) -> dict[str, Any]:
        return {
            "x": _written(self.x),
            "y": _written(self.y),
            "limit": _written(self.limit),
            "better": _written(self.minimal),
        }

    @property
    def proof(self) -> dict[str, Any]:
        return {
            "rate": str(self.rate),
            "path": _written(self.path),
            "exit": str(self.exit),
            "leaving": list(self.leaving),
            "cone": dict(self.cone),
            "weights": _written(self.weights),
        }


def relu_path(x: Sequence[Sequence[Exact]], y: Sequence[Exact]) -> ReluPath:
    """Follow the flow on exact data to its limit.

    Args:
        x: (n, d) samples as rows, integers or Fractions.
        y: (n,) targets.

    Raises:
        InputError: the shapes do not fit, or an entry is no integer and no Fraction.
        UnsupportedReading: the path is not of the form that can be followed exactly (irrational eigenvalues or exit,
            no unit that leaves, more than two units that stay, a unit that comes back).
    """
    rows, targets = _data(x, y)
    rate, path, exit_, leaving = first_phase(rows, targets)
    staying = [i for i in range(len(rows)) if i not in leaving]
    if any(targets[j] != 0 for j in leaving):
        raise UnsupportedReading("a unit leaves whose target is not 0: the field jumps there")
    at_exit = tuple(_value(p, exit_) for p in path)
    kept = tuple(rows[i] for i in staying)
    error = tuple(_dot(rows[i], at_exit) - targets[i] for i in staying)
    if not staying or any(_dot(error, error) >= targets[i] ** 2 for i in staying):
        raise UnsupportedReading("the samples that stay active are not seen to stay so")
    cone = _cone(rows, leaving, kept, error)
    weights = _solve(_gram(kept), tuple(-e for e in error))
    if weights is None:
        raise UnsupportedReading("the samples that stay active are not linearly independent")
    limit = tuple(w + sum(a * r[k] for a, r in zip(weights, kept, strict=True)) for k, w in enumerate(at_exit))
    found = ReluPath(
        rows, targets, rate, path, exit_, leaving, at_exit, limit, minimal_interpolator(rows, targets), cone, weights
    )
    if found.ratio <= 1:
        raise UnsupportedReading("the flow ends at the zero-loss point of least norm")
    return found


def first_phase(x: Sequence[Sequence[Exact]], y: Sequence[Exact]) -> tuple[Fraction, Matrix, Fraction, tuple[int, ...]]:
    """The rate, the path, the exit and the units that leave (see `ReluPath`), while all gates are open.

    Raises:
        InputError, UnsupportedReading: as for `relu_path`.
    """
    rows, targets = _data(x, y)
    rate, path = _open_gates(rows, targets)
    return rate, path, *_exit(rows, path)


def minimal_interpolator(x: Sequence[Sequence[Exact]], y: Sequence[Exact]) -> Vector:
    """The w of least l2 norm with relu(X w) = y, by its optimality conditions.

    The zero-loss points are a polyhedron: <x_i, w> = y_i where y_i > 0, and <x_i, w> <= 0 where y_i = 0. The least
    norm is attained at w = sum_i a_i x_i with a_i <= 0 on the inequalities that are tight, 0 on the others.

    Raises:
        UnsupportedReading: no w has zero loss.
    """
    rows, targets = _data(x, y)
    tight: list[int] = []
    for i, target in enumerate(targets):
        if target > 0 and _solve(_gram(tuple(rows[k] for k in [*tight, i])), (Fraction(0),) * (len(tight) + 1)):
            tight.append(i)  # a row that depends on the earlier ones adds nothing
    loose = [i for i, target in enumerate(targets) if target == 0]
    for count in range(len(loose) + 1):
        for chosen in combinations(loose, count):
            used = [*tight, *chosen]
            basis = tuple(rows[i] for i in used)
            weights = _solve(_gram(basis), tuple(targets[i] for i in used)) if used else ()
            if weights is None or any(a > 0 for a in weights[len(tight) :]):
                continue
            w = tuple(
                sum((a * r[k] for a, r in zip(weights, basis, strict=True)), Fraction(0)) for k in range(len(rows[0]))
            )
            if all(max(_dot(row, w), Fraction(0)) == target for row, target in zip(rows, targets, strict=True)):
                return w
    raise UnsupportedReading("no weight vector fits the data")


def design(
    frame: Sequence[Sequence[Exact]], exit: Fraction, powers: Sequence[int] = (1, 4, 9)
) -> tuple[Matrix, Vector]:
    """Data with an exact path: X = Q diag(sqrt(powers)) up to scale, and y = (y1, y2, 0) with the given exit.

    With z = exp(-rate t) the third unit is u_3 = -sum_k Q_3k (Q_1k y1 + Q_2k y2) z^powers_k, and y2 / y1 is chosen to
    make that 0 at z = exit.

    Args:
        frame: (3, 3) rational orthogonal matrix Q, up to scale.
        exit: rational between 0 and 1.
        powers: three distinct squares.

    Raises:
        InputError: Q is not orthogonal up to scale, or a power is no square.
        UnsupportedReading: no positive targets lead to this exit.
    """
    q = tuple(tuple(Fraction(entry) for entry in row) for row in frame)
    norm = _dot(q[0], q[0])
    if len(q) != 3 or any(_dot(q[i], q[j]) != norm * (i == j) for i in range(3) for j in range(3)):
        raise InputError(f"the frame is {frame!r}, expected three orthogonal rows of one length")
    roots = [isqrt(power) for power in powers]
    if [root * root for root in roots] != list(powers):
        raise InputError(f"the powers are {tuple(powers)!r}, expected squares")
    along = [sum((q[2][k] * q[i][k] * exit ** powers[k] for k in range(3)), Fraction(0)) for i in range(2)]
    if along[0] * along[1] >= 0:
        raise UnsupportedReading("no positive targets lead to this exit")
    ratio = -along[0] / along[1]
    x = tuple(tuple(entry * root for entry, root in zip(row, roots, strict=True)) for row in q)
    scale = lcm(*(entry.denominator for row in x for entry in row))
    return tuple(tuple(entry * scale for entry in row) for row in x), (
        Fraction(ratio.denominator),
        Fraction(ratio.numerator),
        Fraction(0),
    )


def _data(x: Sequence[Sequence[Exact]], y: Sequence[Exact]) -> tuple[Matrix, Vector]:
    for entry in [*(entry for row in x for entry in row), *y]:
        if not isinstance(entry, int | Fraction):
            raise InputError(f"the data contain {entry!r}, expected integers and Fractions")
    if not x or not x[0] or any(len(row) != len(x[0]) for row in x) or len(y) != len(x):
        raise InputError(f"the data have {len(x)} samples and {len(y)} targets, expected a matrix and one target a row")
    return tuple(tuple(map(Fraction, row)) for row in x), tuple(map(Fraction, y))


def _open_gates(x: Matrix, y: Vector) -> tuple[Fraction, Matrix]:
    """The rate, and w = sum_lambda (1 - z^(lambda/rate)) / lambda * P_lambda X'y with all gates open."""
    d = len(x[0])
    columns = tuple(zip(*x, strict=True))
    gram = _gram(columns)
    pull = tuple(_dot(column, y) for column in columns)
    eigenvalues = _rational_spectrum(gram)
    positive = [value for value in eigenvalues if value > 0]
    common = lcm(*(value.denominator for value in positive))
    rate = Fraction(gcd(*(int(value * common) for value in positive)), common)
    powers = [int(value / rate) for value in positive]
    if max(powers) > MAX_DEGREE:
        raise UnsupportedReading(f"the eigenvalues of X'X have ratios beyond {MAX_DEGREE}")
    path = [[Fraction(0)] * (max(powers) + 1) for _ in range(d)]
    for value, power in zip(positive, powers, strict=True):
        part = pull
        for other in eigenvalues:
            if other != value:
                moved = tuple(_dot(row, part) - other * part[k] for k, row in enumerate(gram))
                part = tuple(entry / (value - other) for entry in moved)
        for k in range(d):
            path[k][0] += part[k] / value
            path[k][power] -= part[k] / value
    return rate, tuple(tuple(p) for p in path)


def _rational_spectrum(gram: Matrix) -> list[Fraction]:
    size = len(gram)
    matrix = flint.fmpq_mat(size, size, [flint.fmpq(a.numerator, a.denominator) for row in gram for a in row])
    _, factors = matrix.charpoly().factor()
    if any(factor.degree() > 1 for factor, _ in factors):
        raise UnsupportedReading("X'X has irrational eigenvalues")
    return sorted(_fraction(-factor[0] / factor[1]) for factor, _ in factors)


def _exit(x: Matrix, path: Matrix) -> tuple[Fraction, tuple[int, ...]]:
    """The largest z in (0, 1) at which a unit reaches 0, and the units that do."""
    exits: dict[int, Fraction] = {}
    irrational = 0.0
    for i, row in enumerate(x):
        u = flint.fmpq_poly([])
        for weight, p in zip(row, path, strict=True):
            u += flint.fmpq_poly([flint.fmpq(c.numerator, c.denominator) for c in p]) * flint.fmpq(
                weight.numerator, weight.denominator
            )
        g = u / flint.fmpq_poly([1, -1]) if u != 0 else u
        if g == 0 or g(1) <= 0:
            raise UnsupportedReading(f"unit {i} is not active where the flow starts")
        for factor, _ in g.factor()[1]:
            if factor.degree() == 1:
                root = _fraction(-factor[0] / factor[1])
                if 0 < root < 1:
                    exits[i] = max(root, exits.get(i, root))
            else:
                found: list[Any] = factor.numer().complex_roots()  # pairs of a ball and a multiplicity
                real = [float(root.real) for root, _ in found if root.imag == 0]
                irrational = max([irrational, *(root for root in real if 0 < root < 1)])
    first = max(exits.values(), default=Fraction(0))
    if first == 0 and irrational == 0:
        raise UnsupportedReading("no unit leaves: the flow fits the data in its first phase")
    if irrational > first:
        raise UnsupportedReading("the first exit is irrational")
    return first, tuple(i for i, root in exits.items() if root == first)


def _cone(x: Matrix, leaving: Sequence[int], kept: Matrix, error: Vector) -> dict[str, Any]:
    """Coordinates q = P e of the second phase whose nonnegativity is kept, and makes every unit that left fall.

    With one sample left q = +-e. With two, let s = <x_j, X'e> be the speed of unit j. By Cayley-Hamilton
    s'' + tr(K) s' + det(K) s = 0, so p = s' + c s has p' = (c - tr K) p - chi(c) s, and q = (s, p) works whenever
    chi(c) <= 0, that is for c between the eigenvalues of K.
    """
    kernel = _gram(kept)
    rows: list[Vector] = []
    blocks: list[Matrix] = []
    falling: dict[str, list[int]] = {}
    for j in leaving:
        speed = tuple(_dot(row, x[j]) for row in kept)
        s = _dot(speed, error)
        if s <= 0:
            raise UnsupportedReading(f"unit {j} does not fall after the exit")
        falling[str(j)] = [0] * len(rows) + [1]
        if len(kept) == 1:
            rows.append(speed)
            blocks.append(((-kernel[0][0],),))
        elif len(kept) == 2:
            moved = tuple(-_dot(speed, column) for column in kernel)
            c, trace, chi = _between(kernel, -_dot(moved, error) / s)
            rows += [speed, tuple(a + c * b for a, b in zip(moved, speed, strict=True))]
            blocks.append(((-c, Fraction(1)), (-chi, c - trace)))
        else:
            raise UnsupportedReading("more than two samples stay active")
    matrix = [[Fraction(0)] * len(rows) for _ in rows]
    start = 0
    for block in blocks:
        for a, block_row in enumerate(block):
            matrix[start + a][start : start + len(block)] = block_row
        start += len(block)
    weights = {unit: [str(a) for a in w + [0] * (len(rows) - len(w))] for unit, w in falling.items()}
    return {"rows": _written(rows), "matrix": _written(matrix), "falling": weights}


def _between(kernel: Matrix, least: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """A number c >= least between the eigenvalues of a 2 x 2 matrix, its trace, and its polynomial at c."""
    trace = kernel[0][0] + kernel[1][1]
    determinant = kernel[0][0] * kernel[1][1] - kernel[0][1] * kernel[1][0]
    for c in (trace / 2, Fraction(-(-least // 1)), least):
        chi = c * c - trace * c + determinant
        if c >= least and chi <= 0:
            return c, trace, chi
    raise UnsupportedReading("the unit that left is not seen to fall for ever")


def _solve(matrix: Matrix, right: Vector) -> Vector | None:
    """The solution of a square system, or None where it is singular."""
    size = len(matrix)
    try:
        solution = flint.fmpq_mat(
            size, size, [flint.fmpq(a.numerator, a.denominator) for row in matrix for a in row]
        ).solve(flint.fmpq_mat(size, 1, [flint.fmpq(a.numerator, a.denominator) for a in right]))
    except ZeroDivisionError:
        return None
    return tuple(_fraction(solution[k, 0]) for k in range(size))


def _gram(rows: Matrix) -> Matrix:
    return tuple(tuple(_dot(a, b) for b in rows) for a in rows)


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def _value(p: Sequence[Fraction], at: Fraction) -> Fraction:
    value = Fraction(0)
    for c in reversed(p):
        value = value * at + c
    return value


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _written(value: Any) -> Any:
    """Nested sequences of Fractions as nested lists of strings."""
    return str(value) if isinstance(value, Fraction | int) else [_written(entry) for entry in value]
