"""Flat terms: contraction keeps their value at all small sizes, and equal terms are found to be equal."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import pytest

from theorylab.certificate.terms import DELTA, Term, contracted, matching

SIZES = {"n": 3, "m": 2}


def value(term, at):
    """The value of a term, with a number for each letter and index that is never the same twice."""
    total = Fraction(0)
    for places in product(*(range(SIZES[size]) for _, size in term.sums)):
        index = {**at, **dict(zip((i for i, _ in term.sums), places, strict=True))}
        found = term.coefficient
        for known, indices in term.factors:
            entry = tuple(index[i] for i in indices)
            if known == DELTA:
                found *= entry[0] == entry[1]
            elif known.startswith("#"):
                found *= SIZES[known[1:]]
            else:
                found *= Fraction(sum(map(ord, known)) + sum(7**k * (e + 1) for k, e in enumerate(entry)), 5)
        total += found
    return total


A, B = ("A", ("i", "s")), ("B", ("t", "u"))
N, M = ("s", "n"), ("t", "n")
TERMS = {
    "one sum": Term(Fraction(2), (A, (DELTA, ("s", "i"))), (N,)),
    "two sums": Term(Fraction(-1), (A, (DELTA, ("s", "t")), B), (N, M, ("u", "m"))),
    "chain": Term(Fraction(3), ((DELTA, ("t", "s")), (DELTA, ("s", "u")), ("A", ("u", "i"))), (N, M, ("u", "n"))),
    "itself": Term(Fraction(1), (A, (DELTA, ("s", "s"))), (N,)),
    "trace of the identity": Term(Fraction(1), ((DELTA, ("s", "t")), (DELTA, ("t", "s"))), (N, M)),
    "axes": Term(Fraction(5), ((DELTA, ("j", "i")), A), (N,)),
    "an index that does not occur": Term(Fraction(1, 2), (A,), (N, ("u", "m"))),
}


@pytest.mark.parametrize("name", TERMS)
def test_contraction_keeps_the_value(name):
    term = TERMS[name]
    after = contracted(term)
    assert contracted(after) == after
    assert len(after.sums) < len(term.sums) or name in ("itself", "axes")
    for i, j in product(range(3), repeat=2):
        assert value(term, {"i": i, "j": j}) == value(after, {"i": i, "j": j})


def test_terms_are_matched_up_to_the_names_and_the_order_of_sums():
    def path(*labels, sums):
        factors = tuple(("W", pair) for pair in pairwise(labels))
        return Term(Fraction(1), factors[::-1], tuple((index, "n") for index in sums))

    term, total = path("i", *"abcdefgh", "j", sums="abcdefgh"), path("i", *"stuvwxyz", "j", sums="zyxwvuts")
    assert matching(term, total) == tuple("hgfedcba")
    assert matching(term, path("j", *"stuvwxyz", "i", sums="stuvwxyz")) is None
    assert matching(path("a", "b", "a", sums="ab"), path("a", "b", "a", sums="ab")) in (("a", "b"), ("b", "a"))
    assert matching(path("a", "b", "a", sums="ab"), path("a", "a", "b", sums="ab")) is None
    assert matching(path("i", "a", sums="a"), path("a", "i", sums="a")) is None
