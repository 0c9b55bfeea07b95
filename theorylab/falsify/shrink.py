"""Shrinking in batches: every simplification of a round is one ensemble, and the cause is held fixed.

The cause is the target, so a case of a round counts only if it violates the same goal in the same sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np

from theorylab.falsify.cases import Block, CaseCode, Code
from theorylab.falsify.judge import Finding, Rejected, Screening

NEAR_SIMPLEST = 9
"""How many of the simplest values of an entry are tried in each round."""

MOST_PROJECTIONS = 8
MAX_ROUNDS = 60
MOST = 4096
TRIES = 24


class Shrunk:
    """The simplest violation that was found, and what it took. `path` leads to it, from the one that was given."""

    def __init__(self, code: Code, finding: Finding) -> None:
        self.code, self.finding = code, finding
        self.path: list[Code] = [code]
        self.batches = 0
        self.examined = 0


class Examiner(Protocol):
    """Screens batches of cases and decides single ones."""

    @property
    def code(self) -> CaseCode: ...
    def screen(self, codes: np.ndarray) -> Screening: ...
    def decide(self, code: Code) -> Finding: ...


def shrink(judge: Examiner, code: Code, finding: Finding, *, rounds: int = MAX_ROUNDS, most: int = MOST) -> Shrunk:
    """A case that violates the same target and is as simple as single and joint replacements make it.

    A rational violation is never given up for one that only balls can show. `most` limits the cases of one batch, the
    simplest first.
    """
    best = Shrunk(code, finding)
    for _ in range(rounds):
        if not _round(judge, best, most):
            break
    return best


def _round(judge: Examiner, best: Shrunk, most: int) -> bool:
    current = np.array(best.code, dtype=np.int64)
    if not len(current):
        return False
    candidates = np.unique(np.array([*_candidates(judge, current)], dtype=np.int64).reshape(-1, len(current)), axis=0)
    weight = judge.code.complexity(candidates)
    here = judge.code.complexity(current[None])[0]
    candidates = candidates[weight < here][np.argsort(weight[weight < here], kind="stable")][:most]
    if not len(candidates):
        return False
    screening = judge.screen(candidates)
    best.batches += 1
    best.examined += len(candidates)
    good = candidates[screening.violates]
    if screening.undecided is not None and screening.undecided.any():
        unknown = candidates[screening.undecided]
        simpler = judge.code.complexity(unknown) < judge.code.complexity(good).min(initial=here)
        if simpler.any() and _accept(judge, best, unknown[simpler][:TRIES]):
            return True
    if not len(good):
        return False
    joint = _joined(judge, current, good)
    ranked = good[np.argsort(judge.code.complexity(good), kind="stable")]
    pool = ranked[:TRIES]
    if len(joint):
        best.batches += 1
        best.examined += len(joint)
        found = joint[judge.screen(joint).violates]
        pool = np.concatenate([found[np.argsort(judge.code.complexity(found), kind="stable")], pool])
    return _accept(judge, best, pool)


def _accept(judge: Examiner, best: Shrunk, pool: np.ndarray) -> bool:
    for row in pool:
        code = tuple(int(i) for i in row)
        try:
            finding = judge.decide(code)
        except Rejected:
            continue
        if finding.rational or not best.finding.rational:
            best.code, best.finding = code, finding
            best.path.append(code)
            return True
    return False


def _candidates(judge: Examiner, current: np.ndarray) -> Iterator[np.ndarray]:
    """Whole letters, slices of letters and single entries replaced by something simpler; one or two letters by their
    absolute values."""
    positive = [(span, _absolute(b, current[span])) for b, span in judge.code.spans() if b.width == 1]
    for first, second in combinations_with_replacement(positive, 2):
        yield _with(_with(current, *first), *second)
    for b, span in judge.code.spans():
        own = current[span]
        one = b.position.get(Fraction(1), 0)
        for value in {0, one}:
            yield _with(current, span, np.full_like(own, value))
        if b.width == 1 and b.size > 1:
            grid = own.reshape(b.shape)
            for axis in range(len(b.shape)):
                for i in range(b.shape[axis]):
                    for value in {0, one}:
                        changed = grid.copy()
                        np.moveaxis(changed, axis, 0)[i] = value
                        yield _with(current, span, changed.reshape(-1))
    for i, value in enumerate(current):
        simpler = {*range(min(int(value), NEAR_SIMPLEST)), int(value) // 2, int(value) - 1}
        for v in simpler:
            if 0 <= v < value:
                yield _with(current, slice(i, i + 1), np.array([v]))


def _absolute(b: Block, own: np.ndarray) -> np.ndarray:
    return np.array([b.position.get(abs(b.table[i][0]), i) for i in own], dtype=np.int64)


def _with(current: np.ndarray, span: slice, values: np.ndarray) -> np.ndarray:
    changed = current.copy()
    changed[span] = values
    return changed


def _joined(judge: Examiner, current: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Successful replacements put together, more and more of them, the most simplifying first."""
    order = np.argsort(judge.code.complexity(good), kind="stable")
    merged, rows, touched = current.copy(), [], np.zeros(len(current), dtype=bool)
    for row in good[order]:
        changed = row != current
        if (changed & touched).any():
            continue
        touched |= changed
        merged = np.where(changed, row, merged)
        rows.append(merged.copy())
    return np.array(rows[1:], dtype=np.int64).reshape(-1, len(current))


def projections(old: CaseCode, code: Code, new: CaseCode) -> np.ndarray:
    """A case with some rows and columns of its letters left out: its forms at smaller sizes, (B, C).

    Letters that are not given entry by entry take their simplest value.
    """
    flat = np.array(code, dtype=np.int64)
    before = {b.name: (b, flat[span]) for b, span in old.spans()}
    most = max((o - n for b in new.blocks for o, n in zip(before[b.name][0].shape, b.shape, strict=True)), default=0)
    found = []
    for offset in range(min(most, MOST_PROJECTIONS) + 1):
        parts = []
        for b in new.blocks:
            source, own = before[b.name]
            if b.width > 1 or source.width > 1:
                parts.append(np.zeros(b.length, dtype=np.int64))
                continue
            axes = [np.arange(n) + min(offset, o - n) for o, n in zip(source.shape, b.shape, strict=True)]
            parts.append(own.reshape(source.shape)[np.ix_(*axes)].reshape(-1))
        found.append(np.concatenate([np.zeros(0, dtype=np.int64), *parts]))
    return np.array(found, dtype=np.int64).reshape(-1, new.length)


def simplest(judge: Examiner, codes: np.ndarray, excess: np.ndarray, tries: int) -> tuple[Code, Finding] | None:
    """The simplest of some screened violations that survives the exact decision; a rational one if there is one.

    Where the simplest ones are too close to call, the clearest ones are tried: those of largest excess (B,).
    """
    rows, first = np.unique(codes, axis=0, return_index=True)
    simple = np.argsort(judge.code.complexity(rows), kind="stable")[:tries]
    clear = np.argsort(-excess[first], kind="stable")[: tries // 2]
    for chosen in (simple, np.setdiff1d(clear, simple, assume_unique=True)):
        best: tuple[Code, Finding] | None = None
        for row in rows[chosen]:
            code = tuple(int(i) for i in row)
            try:
                finding = judge.decide(code)
            except Rejected:
                continue
            if finding.rational:
                return code, finding
            best = best or (code, finding)
        if best is not None:
            return best
    return None
