"""Flat terms: sums over indices of products of indexed letters. When two are the same, and Kronecker's delta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

Factor = tuple[str, tuple[str, ...]]  # a letter or atom, and its indices
Axes = tuple[tuple[str, str], ...]  # (index, size)
DELTA = "delta"


class Uncovered(Exception):
    """The statement has no such form; the message is the reason."""


@dataclass(frozen=True)
class Term:
    """coefficient * sum over `sums` of the product of `factors` (a power is a repeated factor)."""

    coefficient: Fraction
    factors: tuple[Factor, ...] = ()
    sums: Axes = ()

    def renamed(self, names: Mapping[str, str]) -> Term:
        return Term(
            self.coefficient,
            tuple((known, tuple(names.get(i, i) for i in indices)) for known, indices in self.factors),
            tuple((names.get(i, i), size) for i, size in self.sums),
        )


@dataclass(frozen=True)
class Rule:
    """`terms` add up to 0 for all values of the axes; the term at `lead` is replaced by the others."""

    name: str
    axes: Axes
    terms: tuple[Term, ...]
    lead: int


@dataclass(frozen=True)
class Contraction:
    """A term that equals another one: `index` is an index that it no longer sums over, and `kept` what replaces it.

    `kind` is "self" (delta of an index with itself is 1), "turn" (delta is symmetric), "sum" (a sum over an index of
    delta) or "count" (a sum over an index that occurs nowhere).
    """

    kind: str
    after: Term
    index: str = ""
    kept: str = ""


def contraction(term: Term) -> Contraction | None:
    """The next step that removes a delta or a sum from a term; None if there is none."""
    sizes = dict(term.sums)
    plain = tuple((k, i) for k, i in term.factors if k != DELTA or i[0] != i[1])
    if plain != term.factors:
        return Contraction("self", replace(term, factors=plain))
    for place, (known, indices) in enumerate(term.factors):
        summed = [index for index in indices if index in sizes] if known == DELTA else []
        if summed:
            gone = summed[-1]
            kept = indices[0] if gone == indices[1] else indices[1]
            others = replace(term, factors=(*term.factors[:place], *term.factors[place + 1 :]))
            left = tuple(pair for pair in term.sums if pair[0] != gone)
            return Contraction("sum", replace(others, sums=left).renamed({gone: kept}), gone, kept)
    turned = tuple((k, tuple(sorted(i))) if k == DELTA else (k, i) for k, i in term.factors)
    if turned != term.factors:
        return Contraction("turn", replace(term, factors=turned))
    used = {index for _, indices in term.factors for index in indices}
    for index, size in term.sums:
        if index not in used:
            left = tuple(pair for pair in term.sums if pair[0] != index)
            return Contraction("count", counted(replace(term, sums=left), size, 1), index)
    return None


def contracted(term: Term) -> Term:
    """The term with as few deltas and sums as possible."""
    while (step := contraction(term)) is not None:
        term = step.after
    return term


def accumulate(terms: list[Term], term: Term) -> None:
    """Add a term to a sum of terms no two of which are equal up to a number."""
    for position, other in enumerate(terms):
        if matching(term, other) is not None:
            total = other.coefficient + term.coefficient
            terms[position : position + 1] = [replace(other, coefficient=total)] if total else []
            return
    if term.coefficient:
        terms.append(term)


def total(terms: Iterable[Term]) -> list[Term]:
    """The sum of some terms, with equal ones collected."""
    found: list[Term] = []
    for term in terms:
        accumulate(found, term)
    return found


def counted(term: Term, size: str, power: int) -> Term:
    """The term times a power of a size."""
    if size.isdigit():
        return replace(term, coefficient=term.coefficient * Fraction(int(size)) ** power)
    return replace(term, factors=(*term.factors, *((f"#{size}", ()),) * power))


def matching(term: Term, total: Term) -> tuple[str, ...] | None:
    """The sums of `term` in the order in which they are the sums of `total`, if the terms are equal up to a number."""
    mine, theirs = dict(term.sums), dict(total.sums)
    if sorted(mine.values()) != sorted(theirs.values()) or _letters(term) != _letters(total):
        return None

    def bound(wanted: Factor, factor: Factor, names: dict[str, str]) -> dict[str, str] | None:
        names = dict(names)
        for there, here in zip(wanted[1], factor[1], strict=True):
            if there not in theirs or here not in mine:
                if there != here or there in theirs or here in mine:
                    return None
            elif names.setdefault(there, here) != here or theirs[there] != mine[here]:
                return None
        return names if len(set(names.values())) == len(names) else None

    def extended(wanted: list[Factor], left: list[Factor], names: dict[str, str]) -> dict[str, str] | None:
        if not wanted:
            return names
        first = min(wanted, key=lambda f: sum(index in theirs and index not in names for index in f[1]))
        others = list(wanted)
        others.remove(first)
        for factor in dict.fromkeys(f for f in left if f[0] == first[0]):
            if (more := bound(first, factor, names)) is not None:
                rest = list(left)
                rest.remove(factor)
                if (found := extended(others, rest, more)) is not None:
                    return found
        return None

    names = extended(list(total.factors), list(term.factors), {})
    if names is None:
        return None
    for index, size in total.sums:  # what occurs in no factor
        if index not in names:
            names[index] = next(i for i, z in term.sums if z == size and i not in names.values())
    return tuple(names[index] for index, _ in total.sums)


def _letters(term: Term) -> list[str]:
    return sorted(known for known, _ in term.factors)
