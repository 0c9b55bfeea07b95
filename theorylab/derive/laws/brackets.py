"""Lie brackets of polynomial vector fields at a point modulo a prime, by nested dual numbers.

The bracket [v, X] = DX v - Dv X needs the derivative of X along v: X is evaluated at z + eps v(z) with eps^2 = 0,
and X may itself be a bracket, with a new eps for each level. A dual number of level n is (n, a, b), that is
a + eps_n b with a and b of lower level; level 0 are residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from theorylab.derive.laws.sparse import Coefficient
from theorylab.derive.laws.system import Field

PRIME = (1 << 31) - 1
Dual = int | tuple[int, "Dual", "Dual"]
Word = tuple[int, ...]
Compiled = list[tuple[int, list[tuple[int, tuple[int, ...]]]]]


def residue(value: Coefficient) -> int:
    value = Fraction(value)
    return value.numerator * pow(value.denominator, -1, PRIME) % PRIME


def compiled(field: Field) -> Compiled:
    return [(k, [(residue(c), m) for m, c in p.items()]) for k, p in field.items()]


def times(a: Dual, b: Dual) -> Dual:
    if type(a) is int and type(b) is int:
        return a * b % PRIME
    if a == 0 or b == 0:
        return 0
    m = a[0] if type(a) is tuple else 0
    n = b[0] if type(b) is tuple else 0
    if m < n:
        a, b, m, n = b, a, n, m
    if m == n:
        return m, times(a[1], b[1]), plus(times(a[1], b[2]), times(a[2], b[1]))  # type: ignore[index]
    return m, times(a[1], b), times(a[2], b)  # type: ignore[index]


def plus(a: Dual, b: Dual) -> Dual:
    if type(a) is int and type(b) is int:
        return (a + b) % PRIME
    m = a[0] if type(a) is tuple else 0
    n = b[0] if type(b) is tuple else 0
    if m < n:
        a, b, m, n = b, a, n, m
    if m == n:
        return m, plus(a[1], b[1]), plus(a[2], b[2])  # type: ignore[index]
    return m, plus(a[1], b), a[2]  # type: ignore[index]


def minus(a: Dual) -> Dual:
    return -a % PRIME if type(a) is int else (a[0], minus(a[1]), minus(a[2]))  # type: ignore[index]


def split(a: Dual, level: int) -> tuple[Dual, Dual]:
    """The parts of a + eps_level b."""
    return (a[1], a[2]) if type(a) is tuple and a[0] == level else (a, 0)  # type: ignore[index]


Vector = dict[int, Dual]


def evaluate(field: Compiled, at: Sequence[Dual]) -> Vector:
    """The components of a field that are not 0 at a point."""
    found: Vector = {}
    for k, terms in field:
        total: Dual = 0
        for c, m in terms:
            term: Dual = c
            for number in m:
                term = times(term, at[number])
            total = plus(total, term)
        if total != 0:
            found[k] = total
    return found


def moved(at: Sequence[Dual], along: Vector, level: int) -> list[Dual]:
    """at + eps_level along."""
    there = list(at)
    for k, v in along.items():
        there[k] = (level, at[k], v)
    return there


def bracket(word: Word, fields: Sequence[Compiled], at: Sequence[Dual], level: int = 1) -> Vector:
    """[v_1, [v_2, ... v_n]] at a point, for the word (1, 2, ... n)."""
    head = fields[word[0]]
    here = evaluate(head, at)
    if len(word) == 1:
        return here
    inner = bracket(word[1:], fields, moved(at, here, level), level + 1) if here else {}
    parts = {k: split(v, level) for k, v in inner.items()}
    value = {k: a for k, (a, _) in parts.items() if a != 0} if here else bracket(word[1:], fields, at, level + 1)
    found = {k: b for k, (_, b) in parts.items() if b != 0}
    if value:
        for k, v in evaluate(head, moved(at, value, level)).items():
            slope = split(v, level)[1]
            if slope != 0:
                found[k] = plus(found.get(k, 0), minus(slope))
    return {k: v for k, v in found.items() if v != 0}
