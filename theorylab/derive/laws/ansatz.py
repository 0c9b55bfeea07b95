"""All polynomial laws up to a degree: sparse coefficient matching, peeling, and an integer kernel for each block.

The unknowns are the coefficients of the monomials of a law h. For each field v, every coefficient of v . grad h is one
linear equation. Most equations have a single term; they are peeled off with their unknown until none is left. What
remains falls into connected components, small enough for dense exact linear algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb, gcd

import flint
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from theorylab.derive.laws.sparse import Coefficient, Poly, partials
from theorylab.derive.laws.system import Field
from theorylab.errors import InputError, InternalError

PRIME = (1 << 61) - 1
BYTES_PER_TERM = 90
SECONDS_PER_TERM = 1.0e-6
SMALL = 1 << 40


@dataclass(frozen=True)
class Cost:
    """What the search for laws needs: unknown coefficients, terms of the equations, memory and time."""

    unknowns: int
    terms: int

    @property
    def gigabytes(self) -> float:
        return self.terms * BYTES_PER_TERM / 1e9

    @property
    def seconds(self) -> float:
        return self.terms * SECONDS_PER_TERM


class Ansatz:
    """The monomials of degree 1 to `degree` in the coordinates, times powers of the clock up to `degree`.

    Monomials are rows of letters, one array for each length.
    """

    def __init__(self, dimension: int, degree: int, clock: int | None = None) -> None:
        self.clock = clock
        self.plain = dimension - (clock is not None)
        self.degree = degree
        clocks = range(degree + 1) if clock is not None else range(1)
        self.shapes = [(d, e) for e in clocks for d in range(1, degree + 1)]

    def count(self) -> int:
        return sum(comb(self.plain + d - 1, d) for d, _ in self.shapes)

    def incidences(self) -> list[int]:
        """How many unknowns, counted with multiplicity, contain each coordinate."""
        found = [0] * self.plain
        for d, _ in self.shapes:
            share = comb(self.plain + d - 1, d) * d // self.plain
            found = [n + share for n in found]
        if self.clock is not None:
            found.append(sum(comb(self.plain + d - 1, d) * e for d, e in self.shapes))
        return found

    def blocks(self) -> Iterator[np.ndarray]:
        for d, e in self.shapes:
            if d == 1:
                rows = np.arange(self.plain)[:, None]
            elif d == 2:
                rows = np.stack(np.triu_indices(self.plain), 1)
            else:
                rows = np.array(list(combinations_with_replacement(range(self.plain), d)))
            if e:
                rows = np.concatenate([rows, np.full((len(rows), e), self.clock)], 1)
            yield rows.astype(np.int64)


def cost(fields: Sequence[Field], ansatz: Ansatz) -> Cost:
    sizes = [0] * (ansatz.plain + (ansatz.clock is not None))
    for v in fields:
        for k, p in v.items():
            sizes[k] += len(p)
    return Cost(ansatz.count(), sum(a * b for a, b in zip(ansatz.incidences(), sizes, strict=True)))


def polynomial_laws(
    fields: Sequence[Field],
    ansatz: Ansatz,
    tell: Callable[[str], None] = lambda text: None,
    found: list[Poly] | None = None,
) -> list[Poly]:
    """A basis of the polynomial laws in the monomials of the ansatz, with integer coefficients without common factor.

    `found` receives each law as soon as it is known. fields: polynomial components with integer coefficients.
    """
    found = [] if found is None else found
    for attempt in range(3):
        laws = _solve(fields, ansatz, tell, found, seed=attempt)
        if laws is not None:
            return laws
        found.clear()
    raise InternalError("the equations of the laws could not be told apart by 64-bit keys")


def _solve(
    fields: Sequence[Field], ansatz: Ansatz, tell: Callable[[str], None], found: list[Poly], seed: int
) -> list[Poly] | None:
    tell("matching coefficients")
    monomials = list(ansatz.blocks())
    equation, unknown, coefficient = _equations(fields, monomials, seed)
    total = sum(map(len, monomials))
    tell("peeling equations of one term")
    alive, equation, unknown, coefficient = _peeled(equation, unknown, coefficient, total)
    starts = np.cumsum([0, *map(len, monomials)])

    def monomial(number: int) -> tuple[int, ...]:
        block = int(np.searchsorted(starts, number, "right")) - 1
        return tuple(map(int, monomials[block][number - starts[block]]))

    checked = Checker(fields)
    for number in np.setdiff1d(np.flatnonzero(alive), unknown):
        found.append({monomial(int(number)): 1})
    for number, (columns, rows) in enumerate(_blocks(equation, unknown, coefficient), 1):
        if number & (number - 1) == 0:
            tell(f"laws of {number} blocks of equations")
        for vector in kernel(rows, len(columns)):
            found.append({monomial(int(c)): v for c, v in zip(columns, vector, strict=True) if v})
            if not checked(found[-1]):
                return None
    return found


class Checker:
    """Whether a polynomial is constant along every field, exactly."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.at: dict[int, list[tuple[int, Poly]]] = {}
        for a, v in enumerate(fields):
            for k, p in v.items():
                self.at.setdefault(k, []).append((a, p))

    def __call__(self, law: Poly) -> bool:
        totals: dict[tuple[int, tuple[int, ...]], Coefficient] = {}
        for k, slope in partials(law).items():
            for a, p in self.at.get(k, ()):
                for m, c in slope.items():
                    for n, d in p.items():
                        key = (a, tuple(sorted(m + n)))
                        totals[key] = totals.get(key, 0) + c * d
        return not any(totals.values())


def _equations(
    fields: Sequence[Field], monomials: Sequence[np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The terms (equation key, unknown, coefficient) of all equations.

    The key of a monomial is the sum of random 64-bit keys of its letters, so products add; laws are checked exactly.
    """
    rng = np.random.default_rng(seed)
    size = 1 + max((int(m.max()) for m in monomials), default=0)
    size = max(size, 1 + max((n for v in fields for k, p in v.items() for m in p for n in (k, *m)), default=0))
    keys = rng.integers(0, 2**64, size, np.uint64)
    names = rng.integers(0, 2**64, len(fields), np.uint64)
    large = any(abs(c) > SMALL for v in fields for p in v.values() for c in p.values())
    terms: dict[int, tuple[list[int], list[int]]] = {}
    mask = 2**64 - 1
    plain = [int(k) for k in keys]
    for a, v in enumerate(fields):
        name = int(names[a])
        for k, p in v.items():
            slot = terms.setdefault(k, ([], []))
            for m, c in p.items():
                slot[0].append((name + sum(plain[n] for n in m) - plain[k]) & mask)
                slot[1].append(int(c))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    start = 0
    for rows in monomials:
        own = keys[rows].sum(1, dtype=np.uint64)
        for column in range(rows.shape[1]):
            order = np.argsort(rows[:, column], kind="stable")
            values = rows[order, column]
            cuts = np.flatnonzero(np.diff(values)) + 1
            for chunk in np.split(order, cuts):
                slot = terms.get(int(rows[chunk[0], column])) if len(chunk) else None
                if slot is None:
                    continue
                there = np.array(slot[0], np.uint64)
                numbers = np.array(slot[1], object if large else np.int64)
                parts.append(
                    (
                        (own[chunk][:, None] + there[None, :]).reshape(-1),
                        np.repeat(chunk + start, len(there)),
                        np.tile(numbers, len(chunk)),
                    )
                )
        start += len(rows)
    if not parts:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    return tuple(np.concatenate([part[i] for part in parts]) for i in range(3))  # type: ignore[return-value]


def _peeled(
    keys: np.ndarray, unknown: np.ndarray, coefficient: np.ndarray, total: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which unknowns may be different from 0, and the equations among them."""
    alive = np.ones(total, bool)
    _, equation = np.unique(keys, return_inverse=True)
    combined = False
    while len(equation):
        counts = np.bincount(equation)
        single = counts[equation] == 1
        if single.any():
            alive[unknown[single]] = False
            kept = alive[unknown]
            equation, unknown, coefficient = equation[kept], unknown[kept], coefficient[kept]
            continue
        if combined:
            break
        equation, unknown, coefficient = _combined(equation, unknown, coefficient, total)
        combined = True
    return alive, equation, unknown, coefficient


def _combined(
    equation: np.ndarray, unknown: np.ndarray, coefficient: np.ndarray, total: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terms with the same equation and unknown added; equations numbered anew."""
    _, equation = np.unique(equation, return_inverse=True)
    pair = equation.astype(np.int64) * total + unknown
    order = np.argsort(pair, kind="stable")
    pair, coefficient = pair[order], coefficient[order]
    starts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    sums = np.add.reduceat(coefficient, starts)
    pair = pair[starts][sums != 0]
    return pair // total, pair % total, sums[sums != 0]


def _blocks(
    equation: np.ndarray, unknown: np.ndarray, coefficient: np.ndarray
) -> Iterator[tuple[np.ndarray, list[list[int]]]]:
    """The connected components: their unknowns and their equations as dense integer rows."""
    if not len(equation):
        return
    equations, e = np.unique(equation, return_inverse=True)
    unknowns, u = np.unique(unknown, return_inverse=True)
    size = len(equations) + len(unknowns)
    graph = coo_matrix((np.ones(len(e), np.int8), (e, u + len(equations))), (size, size))
    count, label = connected_components(graph, directed=False)
    order = np.argsort(label[e], kind="stable")
    cuts = np.searchsorted(label[e][order], np.arange(1, count))
    for chunk in np.split(order, cuts):
        rows, r = np.unique(e[chunk], return_inverse=True)
        columns, c = np.unique(u[chunk], return_inverse=True)
        dense: list[list[int]] = [[0] * len(columns) for _ in rows]
        for i, j, value in zip(r, c, coefficient[chunk], strict=True):
            dense[i][j] = int(value)
        yield unknowns[columns], _distinct(dense)


def _distinct(rows: list[list[int]]) -> list[list[int]]:
    """The rows without repetitions up to a factor."""
    found = {}
    for row in rows:
        content = gcd(*row)
        lead = next((v for v in row if v), 0)
        if lead:
            sign = 1 if lead > 0 else -1
            found[tuple(sign * v // content for v in row)] = None
    return [list(row) for row in found]


def kernel(rows: list[list[int]], columns: int) -> list[list[int]]:
    """An integer basis of the vectors that all rows annihilate: the reduced one where it has small entries."""
    if not rows:
        return [[int(i == j) for j in range(columns)] for i in range(columns)]
    reduced, rank = flint.nmod_mat([[v % PRIME for v in row] for row in rows], PRIME).rref()
    if rank == columns:
        return []
    table = [[int(v) for v in row] for row in reduced.tolist()[:rank]]
    pivots = [next(j for j, v in enumerate(row) if v) for row in table]
    basis = []
    for free in sorted(set(range(columns)) - set(pivots)):
        vector: list[int] | None = _rational([(-row[free]) % PRIME for row in table])
        if vector is None:
            return _exact_kernel(rows, columns)
        whole = [0] * columns
        whole[free] = vector.pop()
        for pivot, v in zip(pivots, vector, strict=True):
            whole[pivot] = v
        basis.append(whole)
    if any((flint.fmpz_mat(rows) * flint.fmpz_mat(basis).transpose()).entries()):
        return _exact_kernel(rows, columns)
    return basis


def _exact_kernel(rows: list[list[int]], columns: int) -> list[list[int]]:
    vectors, nullity = flint.fmpz_mat(rows).nullspace()
    found = []
    for j in range(nullity):
        vector = [int(vectors[i, j]) for i in range(columns)]
        content = gcd(*vector)
        found.append([v // content for v in vector])
    return found


def _rational(residues: list[int]) -> list[int] | None:
    """Integers v_1 .. v_n, w with v_i / w = residue_i mod PRIME, all small; None where there are none."""
    common = 1
    for residue in residues:
        scaled = residue * common % PRIME
        if min(scaled, PRIME - scaled) > 1 << 20:
            denominator = _denominator(scaled)
            if denominator is None:
                return None
            common *= denominator
            if common > 1 << 24:
                return None
    values = [r * common % PRIME for r in residues]
    values = [v - PRIME if v > PRIME // 2 else v for v in values]
    return [*values, common]


def _denominator(residue: int) -> int | None:
    """The denominator of the fraction with small terms that is congruent to a residue."""
    a, b, s, t = PRIME, residue, 0, 1
    while b > 1 << 20:
        q = a // b
        a, b, s, t = b, a - q * b, t, s - q * t
    return abs(t) if 0 < abs(t) <= 1 << 20 else None


def check_degree(degree: object) -> int:
    if isinstance(degree, bool) or not isinstance(degree, int) or not 1 <= degree <= 8:
        raise InputError(f"degree is {degree!r}; expected an integer from 1 to 8")
    return degree
