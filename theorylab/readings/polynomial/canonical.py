"""Canonical terms: deltas contracted, equal factors merged, dummies named by the smallest spelling of the term.

Dummies that no chain of factors links are named apart from each other. Within a linked part, dummies are told apart by
where they occur (colour refinement); where that leaves equals, each of them is tried as the first, but for those that
swap without a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.array import Size
from theorylab.readings.polynomial.symbols import Coefficient, Factor, Monomial, Symbol, factor_key, size_factor

MAX_SPELLINGS = 1000


def canonical(factors: Iterable[Factor]) -> tuple[Coefficient, Monomial]:
    """Merge equal factors, contract deltas, and name the dummies -1, -2, ... in a canonical way."""
    factors = list(factors)
    if not any(idx for _, idx, _ in factors):
        return 1, _merge(factors)
    sizes: dict[int, Size] = {}
    for s, idx, _ in factors:
        for i, size in zip(idx, s.sizes, strict=True):
            if sizes.setdefault(i, size) != size:
                raise InputError(f"an index runs over both {sizes[i]} and {size}; expected one size")
    coefficient, factors = _contract(factors)
    before = _dummies(factors)
    merged = _merge(factors)
    after = _dummies(merged)
    for i in before - after:  # the factors of a sum cancelled: what is left is the sum of 1
        value, extra = size_factor(sizes[i])
        coefficient *= value
        merged = _merge(merged + extra)
    return coefficient, _named(merged) if after else merged


def _dummies(factors: Iterable[Factor]) -> set[int]:
    return {i for _, idx, _ in factors for i in idx if i < 0}


def _contract(factors: list[Factor]) -> tuple[Coefficient, list[Factor]]:
    """Use up Kronecker deltas that carry a dummy index; beside delta[i, j] the other factors have i for j."""
    coefficient: Coefficient = 1
    done = 0
    while True:
        at = next((k for k, (s, _, _) in enumerate(factors) if s.name == "delta" and k >= done), None)
        if at is None:
            return coefficient, factors
        s, (a, b), _ = factors[at]
        kept, gone = max(a, b) if min(a, b) < 0 else min(a, b), min(a, b) if min(a, b) < 0 else max(a, b)
        rest = factors[:at] + factors[at + 1 :]
        rest = [(t, tuple(kept if i == gone else i for i in idx), e) for t, idx, e in rest]
        if gone >= 0 and a != b:
            factors, done = [(s, (kept, gone), 1), *rest], done + 1
            continue
        if kept < 0 and not any(kept in idx for _, idx, _ in rest):  # sum_a delta[a, a] is the size
            value, extra = size_factor(s.sizes[0])
            coefficient *= value
            rest += extra
        factors = rest


def _merge(factors: Iterable[Factor]) -> Monomial:
    exponents: dict[tuple[Symbol, tuple[int, ...]], int] = {}
    for s, idx, e in factors:
        if s.name == "delta":
            idx = (idx[0], idx[1]) if idx[0] <= idx[1] else (idx[1], idx[0])
        exponents[s, idx] = exponents.get((s, idx), 0) + e
    merged = [(s, idx, min(e, 1) if s.name == "delta" else e) for (s, idx), e in exponents.items() if e]
    return tuple(sorted(merged, key=factor_key))


# --- names of dummies -------------------------------------------------------------------------------------------------


def _named(factors: Monomial) -> Monomial:
    """The factors with their dummies named: linked parts in the order of their spellings."""
    named = [f for f in factors if all(i >= 0 for i in f[1])]
    used = 0
    for part in sorted((_spelled(part) for part in _linked(factors)), key=_key):
        named += [(s, tuple(i - used if i < 0 else i for i in idx), e) for s, idx, e in part]
        used += len(_dummies(part))
    return tuple(sorted(named, key=factor_key))


def _key(factors: Iterable[Factor]) -> list[tuple[str, tuple[int, ...], int]]:
    return [factor_key(f) for f in factors]


def _linked(factors: Monomial) -> list[list[Factor]]:
    """The factors with dummies, in parts that share none."""
    parts: list[tuple[set[int], list[Factor]]] = []
    for f in factors:
        dummies = {i for i in f[1] if i < 0}
        if dummies:
            touched = [part for part in parts if part[0] & dummies]
            parts = [part for part in parts if not part[0] & dummies]
            parts.append((dummies.union(*(d for d, _ in touched)), [*(g for _, own in touched for g in own), f]))
    return [own for _, own in parts]


def _spelled(part: Sequence[Factor]) -> list[Factor]:
    """The smallest spelling of a linked part, with dummies -1, -2, ..."""
    dummies = sorted(_dummies(part))
    best: list[Factor] | None = None
    for count, order in enumerate(_orders(part, dict.fromkeys(dummies, 0))):
        if count == MAX_SPELLINGS:
            raise UnsupportedReading(f"a term with {len(dummies)} summed indices is too symmetric for a canonical form")
        names = {i: -1 - n for n, i in enumerate(order)}
        spelling = sorted(((s, tuple(names.get(i, i) for i in idx), e) for s, idx, e in part), key=factor_key)
        if best is None or _key(spelling) < _key(best):
            best = spelling
    assert best is not None
    return best


def _orders(part: Sequence[Factor], colour: Mapping[int, int]) -> Iterator[list[int]]:
    """Orders of the dummies, as few as symmetry allows, that do not depend on how they are named now."""
    colour = _refined(part, colour)
    classes: dict[int, list[int]] = {}
    for i, c in colour.items():
        classes.setdefault(c, []).append(i)
    tied = next((classes[c] for c in sorted(classes) if len(classes[c]) > 1), None)
    if tied is None:
        yield [classes[c][0] for c in sorted(classes)]
        return
    tried: list[int] = []
    for i in tied:
        if not any(_swap(part, i, j) for j in tried):
            tried.append(i)
            yield from _orders(part, {k: 2 * c - (k == i) for k, c in colour.items()})


def _refined(part: Sequence[Factor], colour: Mapping[int, int]) -> dict[int, int]:
    """The coarsest colouring below the given one in which dummies of one colour occur alike."""
    current, count = dict(colour), 0
    while count < len(set(current.values())) < len(current) or not count:
        count = len(set(current.values()))
        seen: dict[int, list[tuple[object, ...]]] = {i: [] for i in current}
        for s, idx, e in part:
            view = tuple((1, current[i]) if i < 0 else (0, i) for i in idx)
            for position, i in enumerate(idx):
                if i < 0:
                    seen[i].append((s.name, e, position, view, tuple(j == i for j in idx)))
        keys = {i: (current[i], sorted(seen[i])) for i in current}  # type: ignore[type-var]
        ranks: list[object] = []
        for key in sorted(keys.values()):
            if not ranks or ranks[-1] != key:
                ranks.append(key)
        current = {i: ranks.index(keys[i]) for i in current}
    return current


def _swap(part: Sequence[Factor], i: int, j: int) -> bool:
    """Whether the part stays the same when two dummies change places."""
    names = {i: j, j: i}
    swapped = {(s, tuple(names.get(k, k) for k in idx), e) for s, idx, e in part}
    return swapped == set(part)
