"""Random and structured codes. Case i depends on the seed and on i alone, whatever the batch."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement
from math import isqrt

import numpy as np
from numpy.random import Philox

from theorylab.falsify.cases import Block, CaseCode

RANDOM, STRUCTURED = 0, 1
MOVES = 3
_BITS = 2**53
REACH = np.array([3, 9, 33, 1 << 30])
"""How far into the tables a random case looks: small values are tried as often as wide ones."""


def words(seed: int, stream: int, start: int, count: int, width: int) -> np.ndarray:
    """(count, width) uniform 64-bit words; row i is the same for every batch that holds it."""
    blocks = -(-width // 4)
    source = Philox(key=np.array([seed % 2**64, stream], dtype=np.uint64))
    source.advance(start * blocks)
    return source.random_raw(count * blocks * 4).reshape(count, blocks * 4)[:, :width]


def random_codes(code: CaseCode, seed: int, start: int, count: int, reach: np.ndarray = REACH) -> np.ndarray:
    """(count, C) codes of cases start, start + 1, ...: entries up to a random reach, some of them simplest."""
    raw = words(seed, RANDOM, start, count, code.length + 1)
    near = reach[(raw[:, :1] & 3).astype(np.int64)]
    sparsity = ((raw[:, :1] >> 2) & 3) * 24
    picks = (raw[:, 1:] >> 32).astype(np.int64) % np.minimum(near, code.radix)
    return np.where((raw[:, 1:] & 127) < sparsity, 0, picks)


@lru_cache
def square_norms(size: int) -> tuple[tuple[int, ...], ...]:
    """Vectors of small positive integers whose Euclidean norm is an integer, so that norms stay rational."""
    if size > 6:
        ones = [1] * size
        found = []
        for a in range(1, size + 8):
            for b in range(a, size + 8):
                total = size - 2 + a * a + b * b
                if isqrt(total) ** 2 == total:
                    found.append((*ones[2:], a, b))
        return tuple(found[:8])
    largest = {2: 24, 3: 9, 4: 7, 5: 5, 6: 4}.get(size, 1)
    vectors = combinations_with_replacement(range(1, largest + 1), size)
    return tuple(v for v in vectors if isqrt(total := sum(x * x for x in v)) ** 2 == total)


def _vector(b: Block, word: int) -> np.ndarray | None:
    """Entries of a rational norm that the table holds, or None."""
    choices = square_norms(b.size)
    for offset in range(min(len(choices), 16)):
        entries = choices[(word + offset) % len(choices)]
        for denominator in (1, 2, 4, 8):
            signs = [-1 if word >> (8 + i) & 1 else 1 for i in range(b.size)]
            for sign in (signs, [1] * b.size):
                values = [Fraction(s * v, denominator) for s, v in zip(sign, entries, strict=True)]
                spots = [b.position.get(v) for v in values]
                if None not in spots:
                    return np.roll(np.array(spots), word >> 40)
    return None


def structured_codes(code: CaseCode, seed: int, start: int, count: int) -> np.ndarray:
    """(count, C) codes whose letters are zeros, ones, unit vectors, diagonal, or vectors of rational norm."""
    raw = words(seed, STRUCTURED, start, count, len(code.blocks))
    result = np.zeros((count, code.length), dtype=np.int64)
    for at, (b, span) in enumerate(code.spans()):
        one = b.position.get(Fraction(1), 0)
        for row in range(count):
            word = int(raw[row, at]) >> 3
            pattern = 0 if start + row == 0 else 1 if start + row == 1 else 1 + int(raw[row, at] & 7) % 6
            target = result[row, span]
            if b.width > 1 and pattern:
                target[:] = word % len(b.table)
            elif pattern == 1:
                target[:] = one
            elif pattern == 2:
                target[word % b.size] = one
            elif pattern == 3 and len(b.shape) >= 2:
                grid = target.reshape(b.shape)
                for i in range(min(b.shape[-2:])):
                    grid[..., i, i] = one
            elif pattern == 4 and b.size > 1 and (found := _vector(b, word)) is not None:
                target[:] = found
            elif pattern in (3, 4, 5):
                target[:] = np.arange(b.size) % len(b.table)
            elif pattern == 6:
                target[:] = word % len(b.table)
    return result


def move(code: CaseCode, columns: dict[str, np.ndarray], moved: np.ndarray, by: float = 1e-3) -> None:
    """Shift every continuous entry of the rows `moved` by up to `by`, inside its range. Changes `columns`."""
    names = [(b, e) for b in code.blocks for e in b.entry_names() if not b.discrete]
    noise = words(1, MOVES, 0, len(moved), max(len(names), 1))
    for (b, name), column in zip(names, noise.T, strict=False):
        low, high = float(b.floats.min()), float(b.floats.max())
        offset = ((column >> np.uint64(11)).astype(np.float64) / _BITS * 2 - 1) * by
        near = columns[name] + offset * moved
        columns[name] = np.where((low <= near) & (near <= high), near, columns[name] - offset * moved)
