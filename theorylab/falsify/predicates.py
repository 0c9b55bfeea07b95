"""Hypotheses that a refuted claim may be lacking: each a few lines of numpy over a batch of cases, or over the sizes.

`impose` changes free letters of cases so that the predicate holds, in numbers that stay short; `holds` recognises it,
so that the weaker of two predicates can be told. Both return None where the predicate makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Arrays = Mapping[str, np.ndarray]
"""Values by letter, (B, *shape); initial parameters are "init.W"."""

SMALL = 1 / 32


@dataclass(frozen=True)
class Letters:
    """The free letters of a statement by role."""

    parameters: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return self.parameters + self.others


@dataclass(frozen=True)
class Predicate:
    """`text` completes "if ...". Those listed first are thought of as weaker where inclusion does not decide."""

    text: str
    impose: Callable[[Arrays, Letters], Arrays | None]
    holds: Callable[[Arrays, Letters], np.ndarray | None]


def _each(
    names: Callable[[Letters], Sequence[str]], change: Callable[[np.ndarray], np.ndarray]
) -> Callable[..., Arrays | None]:
    def impose(arrays: Arrays, letters: Letters) -> Arrays | None:
        chosen = names(letters)
        return {**arrays, **{n: change(arrays[n]) for n in chosen}} if chosen else None

    return impose


def _every(
    names: Callable[[Letters], Sequence[str]], test: Callable[[np.ndarray], np.ndarray]
) -> Callable[..., np.ndarray | None]:
    def holds(arrays: Arrays, letters: Letters) -> np.ndarray | None:
        chosen = names(letters)
        if not chosen:
            return None
        return np.all([test(arrays[n]).reshape(len(arrays[n]), -1).all(1) for n in chosen], axis=0)

    return holds


def _filled(a: np.ndarray) -> np.ndarray:
    return np.where(a == 0, 1.0, a)


def _parameters(letters: Letters) -> Sequence[str]:
    return letters.parameters


def _others(letters: Letters) -> Sequence[str]:
    return letters.others if letters.parameters else ()


def _all(letters: Letters) -> Sequence[str]:
    return letters.all


# --- balance: W2' W2 = W1 W1', and its forms for vectors and scalars ------------------------------------------------


def _pairs(arrays: Arrays, letters: Letters) -> list[tuple[str, str]]:
    """Adjacent layers: W1 (k, d) and W2 (m, k), W1 (k, d) and a (k,), or two letters of one shape below matrices."""
    shapes = {n: arrays[n].shape[1:] for n in letters.parameters}
    found = []
    for a, b in combinations(letters.parameters, 2):
        s, t = shapes[a], shapes[b]
        matrices = len(s) == 2 and len(t) == 2 and t[1] == s[0]
        if matrices or (len(s) == 2 and len(t) == 1 and t[0] == s[0]) or (s == t and len(s) < 2):
            found.append((a, b))
    return found


def _balance(arrays: Arrays, letters: Letters) -> Arrays | None:
    pairs = _pairs(arrays, letters)
    if not pairs or len({n for p in pairs for n in p}) < 2 * len(pairs):
        return None
    out = dict(arrays)
    for a, b in pairs:
        first, second = arrays[a], arrays[b]
        if first.shape == second.shape and first.ndim < 3:
            out[b] = np.where(second < 0, -1.0, 1.0) * first
        elif second.ndim == 2:
            out[a] = np.zeros_like(first)
            out[a][:, :, 0] = np.where(first[:, :, 0] < 0, -1.0, 1.0) * second
        else:
            rank = min(first.shape[2], second.shape[1])
            out[a], out[b] = np.zeros_like(first), np.zeros_like(second)
            out[a][:, :, :rank] = first[:, :, :rank]
            out[b][:, :rank, :] = first[:, :, :rank].swapaxes(1, 2)
    return out


def _balanced(arrays: Arrays, letters: Letters) -> np.ndarray | None:
    pairs = _pairs(arrays, letters)
    if not pairs:
        return None
    good = []
    for a, b in pairs:
        first, second = arrays[a], arrays[b]
        if first.shape == second.shape and first.ndim < 3:
            gap = first**2 - second**2
        elif second.ndim == 2:
            gap = (first**2).sum(2) - second**2
        else:
            gap = second.swapaxes(1, 2) @ second - first @ first.swapaxes(1, 2)
        good.append((gap == 0).reshape(len(gap), -1).all(1))
    return np.all(good, axis=0)


# --- orthogonal samples ---------------------------------------------------------------------------------------------


def _samples(arrays: Arrays, letters: Letters) -> str | None:
    """The inputs: a letter x of shape (d, n) with more rows than one."""
    return "x" if "x" in letters.others and arrays["x"].ndim == 3 and arrays["x"].shape[2] > 1 else None


def _orthogonalise(arrays: Arrays, letters: Letters) -> Arrays | None:
    name = _samples(arrays, letters)
    if name is None or arrays[name].shape[1] < arrays[name].shape[2]:
        return None
    x = arrays[name]
    found = np.zeros_like(x)
    for j in range(x.shape[2]):
        found[:, j :: x.shape[2], j] = x[:, j :: x.shape[2], j]
    return {**arrays, name: found}


def _orthogonal(arrays: Arrays, letters: Letters) -> np.ndarray | None:
    name = _samples(arrays, letters)
    if name is None:
        return None
    gram = arrays[name].swapaxes(1, 2) @ arrays[name]
    apart = ~np.eye(gram.shape[1], dtype=bool)
    return (gram[:, apart] == 0).all(1)


PREDICATES = (
    Predicate(
        "no initial parameter is zero", _each(_parameters, _filled), _every(_parameters, lambda a: a != 0)
    ),
    Predicate("no entry is zero", _each(_all, _filled), _every(_all, lambda a: a != 0)),
    Predicate(
        "no entry of the data is negative", _each(_others, np.abs), _every(_others, lambda a: a >= 0)
    ),
    Predicate("no initial parameter is negative", _each(_parameters, np.abs), _every(_parameters, lambda a: a >= 0)),
    Predicate("no entry is negative", _each(_all, np.abs), _every(_all, lambda a: a >= 0)),
    Predicate(
        "all entries are positive", _each(_all, lambda a: np.abs(_filled(a))), _every(_all, lambda a: a > 0)
    ),
    Predicate(
        "the initial parameters are small",
        _each(_parameters, lambda a: a * SMALL), _every(_parameters, lambda a: np.abs(a) <= 4 * SMALL),
    ),
    Predicate("the layers start balanced", _balance, _balanced),
    Predicate("the samples are orthogonal", _orthogonalise, _orthogonal),
)  # fmt: skip


@dataclass(frozen=True)
class SizePredicate:
    """A relation of sizes: `impose` gives sizes for which it holds, from others."""

    text: str
    impose: Callable[[Mapping[str, int]], dict[str, int] | None]
    holds: Callable[[Mapping[str, int]], bool]


def _fewer(small: str, large: str) -> SizePredicate:
    def impose(dims: Mapping[str, int]) -> dict[str, int]:
        return {**dims, small: max(dims[small] - 1, 1), large: max(dims[large], dims[small], 2)}

    return SizePredicate(f"{small} < {large}", impose, lambda dims: dims[small] < dims[large])


def size_predicates(names: Sequence[str]) -> list[SizePredicate]:
    """Fewer samples than inputs, or outputs than inputs, and every size alone equal to 1."""
    found = [_fewer(a, b) for a, b in (("n", "d"), ("d", "n")) if a in names and b in names]
    for name in names:
        found.append(
            SizePredicate(f"{name} = 1", lambda dims, n=name: {**dims, n: 1}, lambda dims, n=name: dims[n] == 1)
        )
    return found
