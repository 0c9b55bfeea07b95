"""An upper bound on the number of conservation laws: the rank of the Lie closure of the fields at a point.

Every law is constant along each field, hence along all their iterated brackets. The rank of brackets modulo a prime at
one point is a lower bound of their generic rank over the rationals, so the dimension minus this rank bounds the number
of independent laws from above, whatever the point and however few brackets are tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flint

from theorylab.derive.laws.brackets import PRIME, Vector, Word, bracket, compiled
from theorylab.derive.laws.system import Field

MAX_DEPTH = 12
MAX_WORK = 12_000_000


@dataclass(frozen=True)
class Closure:
    """Brackets that are independent at the point, as words in the numbers of fields; `depth` is the longest."""

    words: tuple[Word, ...]
    depth: int
    exhausted: bool

    @property
    def rank(self) -> int:
        return len(self.words)


def lie_closure(
    fields: Sequence[Field],
    point: Sequence[int],
    target: int,
    dimension: int,
    tell: Callable[[str], None] = lambda text: None,
    rng: random.Random | None = None,
    max_depth: int = MAX_DEPTH,
) -> Closure:
    """Independent brackets of the fields at a point mod PRIME, at most `target` of them.

    point: residues of the `dimension` coordinates, then of further letters that fields contain and move.
    target: the rank that cannot be exceeded (dimension minus number of laws).
    Depth is raised until the target is met, no longer word can add anything, or a limit of work is reached.
    """
    rng = rng or random.Random(0)
    ready = [compiled(f) for f in fields]
    near = _neighbours(fields)
    basis = Basis(dimension)
    level: list[Word] = [(i,) for i in range(len(fields))]
    words: list[Word] = []
    work = 0
    depth = 1
    while True:
        tell(f"brackets of depth {depth}")
        grown, nonzero = [], []
        batch = 4 * (target - basis.rank) + 64
        for start in range(0, len(level), batch):
            chunk = level[start : start + batch]
            values = [bracket(w, ready, point) for w in chunk]
            work += sum(3 ** (depth - 1) * sum(len(t) for k, t in ready[w[-1]]) for w in chunk)
            nonzero += [w for w, v in zip(chunk, values, strict=True) if v]
            for i in basis.extend(values):
                grown.append(chunk[i])
            if basis.rank >= target or work > MAX_WORK:
                break
        words += grown
        if basis.rank >= target or depth >= max_depth or work > MAX_WORK or not level:
            return Closure(tuple(words), depth, basis.rank < target and work > MAX_WORK)
        depth += 1
        level = _longer(grown, nonzero, near, rng, 8 * (target - basis.rank) + 256)


def _longer(grown: list[Word], nonzero: list[Word], near: list[set[int]], rng: random.Random, limit: int) -> list[Word]:
    """Words with one letter more, those of independent brackets first; no word that is 0 by antisymmetry."""
    found: dict[Word, None] = {}
    first = set(grown)
    for group in (grown, [w for w in nonzero if w not in first]):
        pairs = [(a, w) for w in group for a in sorted(set().union(*(near[n] for n in w))) if len(w) != 1 or a < w[0]]
        rng.shuffle(pairs)
        for a, w in pairs[: max(0, limit - len(found))]:
            found[a, *w] = None
    return list(found)


def _neighbours(fields: Sequence[Field]) -> list[set[int]]:
    """For each field those that may have a bracket with it or with its brackets that is not 0."""
    moves: dict[int, set[int]] = {}
    reads: dict[int, set[int]] = {}
    for a, v in enumerate(fields):
        for k, p in v.items():
            moves.setdefault(k, set()).add(a)
            for m in p:
                for n in m:
                    reads.setdefault(n, set()).add(a)
    near = []
    for v in fields:
        found: set[int] = set()
        for k, p in v.items():
            found |= reads.get(k, set())
            for n in {n for m in p for n in m}:
                found |= moves.get(n, set())
        near.append(found)
    return near


class Basis:
    """Vectors modulo PRIME, and which of them are independent of those before."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.rows: list[list[int]] = []

    @property
    def rank(self) -> int:
        return len(self.rows)

    def extend(self, vectors: Sequence[Vector]) -> list[int]:
        """Add vectors; the numbers of those that are independent of all before."""
        dense = [_dense(v, self.dimension) for v in vectors]
        own = [i for i, row in enumerate(dense) if any(row)]
        chosen = independent([*self.rows, *(dense[i] for i in own)])
        added = [own[i - len(self.rows)] for i in chosen[len(self.rows) :]]
        self.rows += [dense[i] for i in added]
        return added


def _dense(vector: Vector, dimension: int) -> list[int]:
    row = [0] * dimension
    for k, v in vector.items():
        if k < dimension:
            assert isinstance(v, int)
            row[k] = v
    return row


def independent(rows: Sequence[Sequence[int]]) -> list[int]:
    """The numbers of the rows that are independent of the rows before, modulo PRIME."""
    if not rows:
        return []
    columns = flint.nmod_mat([list(row) for row in rows], PRIME).transpose()
    reduced, rank = columns.rref()
    pivots, at = [], 0
    for i in range(rank):
        while not int(reduced[i, at]):
            at += 1
        pivots.append(at)
        at += 1
    return pivots
