"""Ascent towards a violation: the cases nearest to breaking an inequality, varied and recombined.

A cross-entropy search over case codes (Rubinstein, Methodology and Computing in Applied Probability 1, 1999): the best
tenth of a generation says how the entries of the next one are distributed, and is varied entry by entry as well.
"""

from __future__ import annotations

import numpy as np

from theorylab.falsify.cases import CaseCode
from theorylab.falsify.draws import words

GENERATIONS, OFFSPRING = 8, 8
"""How many generations follow the first, and how many children each of the best cases has."""
VARIANTS = 4
"""The stream of random words that varies cases."""


def next_generation(
    code: CaseCode, codes: np.ndarray, margins: np.ndarray, seed: int, generation: int, count: int, reach: int = 1 << 30
) -> np.ndarray:
    """The best of the cases (B, C) by margin (B,), each with variants: `count` cases, to a multiple of eight.

    Of eight children one is the parent, three have one or two entries replaced, two have one or two entries moved to a
    neighbouring value, and two take every entry from one of the best cases. reach: how far into the tables they look.
    """
    _, first = np.unique(codes, axis=0, return_index=True)
    best = codes[first[np.argsort(margins[first], kind="stable")][: max(count // OFFSPRING, 1)]]
    children = np.repeat(best, OFFSPRING, axis=0)
    width = code.length
    raw = words(seed, VARIANTS, generation * len(children), len(children), 4 + width)
    rows = np.arange(len(children))
    part = rows % OFFSPRING
    mixed = best[(raw[:, 4:] % np.uint64(len(best))).astype(np.int64), np.arange(width)]
    children = np.where((part >= 6)[:, None], mixed, children)
    ranks, sorted_codes = _orders(code)
    for k in range(2):
        at = (raw[:, 2 * k] % np.uint64(width)).astype(np.int64)
        limit = np.minimum(code.radix[at], reach)
        word = raw[:, 2 * k + 1]
        replaced = (word % limit.astype(np.uint64)).astype(np.int64)
        here = children[rows, at]
        step = np.where(word & np.uint64(1), 1, -1) * (1 + ((word >> np.uint64(8)) & np.uint64(3)).astype(np.int64))
        moved = sorted_codes[at, np.clip(ranks[at, here] + step, 0, code.radix[at] - 1)]
        moved = np.where(moved < limit, moved, here)
        changes = (part > 0) & (part < 6) & ((k == 0) | (rows % 2 == 1))
        children[rows, at] = np.where(changes, np.where(part <= 3, replaced, moved), here)
    return children


def _orders(code: CaseCode) -> tuple[np.ndarray, np.ndarray]:
    """For each integer of the code: the rank of each of its values by size, and the values by rank, (C, largest)."""
    largest = int(code.radix.max(initial=1))
    ranks, codes = (np.zeros((code.length, largest), dtype=np.int64) for _ in range(2))
    for b, span in code.spans():
        order = np.argsort(b.floats[:, 0], kind="stable")
        codes[span, : len(order)] = order
        ranks[span, order] = np.arange(len(order))
    return ranks, codes
