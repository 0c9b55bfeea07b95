"""How many independent conservation laws: those found, and a bound from the Lie closure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint

from theorylab.derive.laws.ansatz import Ansatz, polynomial_laws
from theorylab.derive.laws.brackets import PRIME, Word, residue
from theorylab.derive.laws.closure import MAX_DEPTH, independent, lie_closure
from theorylab.derive.laws.functions import AT_ZERO, Functions, exact_value
from theorylab.derive.laws.sparse import Poly, add, multiply, partials, value
from theorylab.derive.laws.system import System

RANGE = 10_000
LATTICE = 40
POINTS = 20
SQUARES = 400


@dataclass(frozen=True)
class Cell:
    """A rational state (all coordinates but the clock) and inputs at which no gate is on its kink."""

    at: tuple[Fraction, ...]
    inputs: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Count:
    """Independent laws, the brackets that bound their number, and the point at which both ranks were taken.

    laws: polynomials in the coordinates, first those of the constants. count, bound: without the constants.
    words: brackets as words in the numbers of `system.fields`. depth: the longest bracket tried.
    rational: whether all functions have rational values at the point; without, the bound is numeric evidence only.
    """

    system: System
    laws: tuple[Poly, ...]
    count: int
    bound: int
    words: tuple[Word, ...]
    point: tuple[Fraction, ...]
    depth: int = 0
    solutions: int = 0
    cell: Cell | None = None
    interrupted: bool = False
    rational: bool = True


def count_laws(
    system: System,
    degree: int,
    *,
    cell: Cell | None = None,
    exact: System | None = None,
    rng: random.Random | None = None,
    tell: Callable[[str], None] = lambda text: None,
    max_depth: int = MAX_DEPTH,
) -> Count:
    """All polynomial laws up to a degree, and the bound. An interrupt ends the search with what was found.

    exact: the system with functions of inputs kept, which laws of Taylor polynomials are checked on.
    """
    rng = rng or random.Random(0)
    point, values, rational = _point(system, cell, rng)
    fixed = len(system.formulas.constants)
    ansatz = Ansatz(system.dimension, degree, system.dimension - 1 if system.clock is not None else None)
    found: list[Poly] = []
    words, depth, interrupted = (), 0, False
    laws: list[Poly] = []
    try:
        polynomial_laws(system.polynomial_fields, ansatz, tell, found)
    except KeyboardInterrupt:
        interrupted = True
    if exact is not None:
        found = [law for law in found if _holds(law, exact)]
    laws = _chosen(found, system, point)
    if not interrupted:
        tell("bounding the number of laws")
        try:
            at = [residue(v) for v in [*point, *values]]
            target = system.dimension - len(laws)
            closure = lie_closure(system.extended_fields, at, target, system.dimension, tell, rng, max_depth)
            words, depth = closure.words, closure.depth
        except KeyboardInterrupt:
            interrupted = True
    bound = system.dimension - len(words) - fixed
    if not rational:
        bound = max(bound, len(laws) - fixed)
    return Count(
        system,
        tuple(laws),
        len(laws) - fixed,
        bound,
        words,
        point,
        depth,
        len(found) - fixed,
        cell,
        interrupted,
        rational,
    )


def _holds(law: Poly, system: System) -> bool:
    """Whether a law is constant along fields that contain functions, by the relations of these functions alone."""
    slopes = partials(law)
    for moves in system.fields:
        rate = add({}, *(multiply(slopes[k], p) for k, p in moves.items() if k in slopes))
        if rate and (system.functions is None or system.functions.cleared({0: rate})):
            return False
    return True


def _point(system: System, cell: Cell | None, rng: random.Random) -> tuple[tuple[Fraction, ...], list[Fraction], bool]:
    """Rational coordinates at which all functions are rational, and their values; any values where none is found."""
    point: list[Fraction] = []
    values: list[Fraction] | None = None
    for _ in range(POINTS):
        point = [Fraction(rng.randint(2, RANGE)) for _ in system.names]
        if cell is not None:
            point[: len(cell.at)] = cell.at
        if system.functions is None:
            return tuple(point), [], True
        for function, u in system.functions.letters:
            own = sorted({n for m in u for n in m if n < system.dimension})
            if function in AT_ZERO:
                for k in own:
                    point[k] = Fraction(0)
            elif function == "rsqrt" and u == {(k, k): 1 for k in own}:
                for k, v in zip(own, _rational_sphere(len(own), rng), strict=True):
                    point[k] = v
            elif function == "rsqrt":
                _seek_square(u, own, point, rng)
        values = system.functions.point_values(point)
        if values is not None:
            return tuple(point), values, True
    for _ in range(POINTS**2):
        point = [Fraction(rng.randint(2, RANGE)) for _ in system.names]
        values = _modular_values(system.functions, point, rng) if system.functions is not None else []
        if values is not None:
            break
    return tuple(point), values or [], False


def _modular_values(functions: Functions, point: Sequence[Fraction], rng: random.Random) -> list[Fraction] | None:
    """Residues with the algebraic relations of the letters, and any residues for transcendental functions."""
    known = {k: residue(v) for k, v in enumerate(point)}
    for number, (function, u) in enumerate(functions.letters, functions.first):
        argument = sum(residue(value({m: c}, known)) for m, c in u.items()) % PRIME
        root = pow(argument, (PRIME + 1) // 4, PRIME)
        if (function == "inv" and not argument) or (function == "rsqrt" and root * root % PRIME != argument):
            return None
        known[number] = rng.randint(2, RANGE)
        if function in ("inv", "rsqrt"):
            known[number] = pow(argument if function == "inv" else root, -1, PRIME)
    return [Fraction(known[functions.first + i]) for i in range(len(functions.letters))]


def _seek_square(u: Poly, own: Sequence[int], point: list[Fraction], rng: random.Random) -> None:
    """Small integers for some coordinates at which a polynomial in them is the square of a rational, if that is met."""
    for _ in range(SQUARES):
        values = {k: Fraction(rng.randint(-9, 9)) for k in own}
        if max(n for m in u for n in m) < len(point) and exact_value("rsqrt", Fraction(value(u, values))) is not None:
            for k, v in values.items():
                point[k] = v
            return


def _rational_sphere(count: int, rng: random.Random) -> list[Fraction]:
    """Integers whose sum of squares is a square, by stereographic projection."""
    t = [rng.randint(2, 50) for _ in range(count - 1)]
    square = sum(v * v for v in t)
    return [Fraction(2 * v) for v in t] + [Fraction(1 - square) if count > 1 else Fraction(rng.randint(2, 50))]


def _chosen(basis: Sequence[Poly], system: System, point: Sequence[Fraction]) -> list[Poly]:
    """Laws with independent gradients, short ones of low degree first; those of the constants lead."""
    size = len(system.formulas.coordinates)
    own = [{(k,): 1} for k in range(size - len(system.formulas.constants), size)]
    short = sorted(_shortened(basis), key=_plainness)
    candidates = [*own, *short]
    at = [residue(v) for v in point]
    rows = []
    for law in candidates:
        row = [0] * system.dimension
        for k, slope in partials(law).items():
            row[k] = int(value(slope, at)) % PRIME
        rows.append(row)
    return [candidates[i] for i in independent(rows)]


def _plainness(law: Poly) -> tuple[int, int, int, list[tuple[int, ...]]]:
    return max(map(len, law)), sum(abs(int(c)) for c in law.values()), len(law), sorted(law)


def _shortened(basis: Sequence[Poly]) -> list[Poly]:
    """Each group of laws that share a monomial replaced by short combinations; first terms are positive."""
    groups: dict[tuple[int, ...], int] = {}
    members: dict[int, list[Poly]] = {}
    for number, law in enumerate(basis):
        touched = {groups[m] for m in law if m in groups}
        joined = [p for t in sorted(touched) for p in members.pop(t)]
        members[number] = [*joined, law]
        for p in members[number]:
            for m in p:
                groups[m] = number
    found = []
    for group in members.values():
        found += [_signed(p) for p in (_reduced(group) if 1 < len(group) <= LATTICE else group)]
    return found


def _reduced(group: Sequence[Poly]) -> list[Poly]:
    """A basis of the same lattice with short vectors (Lenstra, Lenstra and Lovasz 1982)."""
    monomials = sorted({m for p in group for m in p})
    rows = flint.fmpz_mat([[int(p.get(m, 0)) for m in monomials] for p in group]).lll()
    return [{m: int(c) for m, c in zip(monomials, row, strict=True) if c} for row in rows.tolist()]


def _signed(law: Poly) -> Poly:
    return law if law[min(law)] > 0 else {m: -c for m, c in law.items()}
