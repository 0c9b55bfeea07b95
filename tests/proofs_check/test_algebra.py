"""The algebra against an evaluator that knows only nested loops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import algebra, check
from proofs_check.algebra import MASK, WIDTH, free, unpack
from proofs_check.document import Budget
from proofs_check.point import Point
from proofs_check.statement import Statement
from tests.proofs_check.documents import Document, Expr, certificate, encode, expr, goal

SIZES = {"p": 2, "q": 3}
SHAPES = {"A": ("p", "q"), "B": ("q", "p"), "C": ("p", "p"), "u": ("p",), "v": ("q",), "s": (), "t": ()}
LABELS = {"p": ("a", "b", "c", "d"), "q": ("x", "y", "z")}
FREE = {"a": "p", "x": "q"}


@st.composite
def terms(draw: st.DrawFn) -> list[Any]:
    """A term over the letters above; a and x may be free, the other labels are summed."""
    factors = []
    for name in draw(st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=4)):
        labels = [draw(st.sampled_from(LABELS[size])) for size in SHAPES[name]]
        factors.append([name, labels, draw(st.integers(1, 2))])
    if draw(st.booleans()):
        factors.append(["delta", [draw(st.sampled_from(LABELS["p"])), "a"], 1])
    return [str(draw(st.fractions(-3, 3, max_denominator=3).filter(bool))), factors]


expressions = st.lists(terms(), min_size=1, max_size=3)


def statement(**more: Any) -> Document:
    return {"letters": {name: {"shape": list(shape)} for name, shape in SHAPES.items()}, "goals": [], **more}


def values(seed: int) -> dict[str, Any]:
    """Random small rationals for every letter, as nested lists of strings."""
    generator = random.Random(seed)

    def fill(shape: tuple[str, ...]) -> Any:
        if not shape:
            return str(Fraction(generator.randint(-4, 4), generator.randint(1, 3)))
        return [fill(shape[1:]) for _ in range(SIZES[shape[0]])]

    return {name: fill(shape) for name, shape in SHAPES.items()}


def entry(array: Any, at: list[int]) -> Fraction:
    for i in at:
        array = array[i]
    return Fraction(array)


def by_loops(raw: Expr, point: dict[str, Any], at: dict[str, int]) -> Fraction:
    """The value of an expression, summing every term over its labels."""
    total = Fraction(0)
    for coefficient, factors in raw:
        labels = {label: "p" for name, indices, _ in factors for label in indices if name == "delta"}
        labels |= {
            i: s for name, indices, _ in factors if name != "delta" for i, s in zip(indices, SHAPES[name], strict=True)
        }
        summed = [label for label in labels if label not in at]
        for choice in product(*(range(SIZES[labels[label]]) for label in summed)):
            here = {**at, **dict(zip(summed, choice, strict=True))}
            term = Fraction(coefficient)
            for name, indices, exponent in factors:
                where = [here[i] for i in indices]
                term *= (where[0] == where[1]) if name == "delta" else entry(point[name], where) ** exponent
            total += term
    return total


def read(raw: Expr, seed: int = 0) -> tuple[Statement, Point, Any]:
    kernel = Statement(statement(), Budget())
    axes = {label: free(label, size) for label, size in FREE.items()}
    return kernel, Point(kernel, SIZES, values(seed)), kernel.expression(raw, axes, "the expression")


def everywhere() -> Iterator[dict[str, int]]:
    for a, x in product(range(SIZES["p"]), range(SIZES["q"])):
        yield {"a": a, "x": x}


def kernel_index(at: dict[str, int]) -> dict[algebra.Index, int]:
    return {free(label, FREE[label]): i for label, i in at.items()}


@settings(deadline=None, max_examples=60)
@given(expressions, st.integers(0, 10**6))
def test_reading_keeps_the_value(raw: Expr, seed: int) -> None:
    _, point, expression = read(raw, seed)
    for at in everywhere():
        assert point.value(expression, kernel_index(at)) == by_loops(raw, values(seed), at)


@settings(deadline=None, max_examples=40)
@given(expressions, expressions, st.integers(0, 10**6))
def test_product_is_the_product_of_values(left: Expr, right: Expr, seed: int) -> None:
    kernel, point, first = read(left, seed)
    axes = {label: free(label, size) for label, size in FREE.items()}
    both = kernel.ring.multiply(first, kernel.expression(right, axes, "the expression"))
    for at in everywhere():
        expected = by_loops(left, values(seed), at) * by_loops(right, values(seed), at)
        assert point.value(both, kernel_index(at)) == expected


@settings(deadline=None, max_examples=60)
@given(expressions, st.randoms(use_true_random=False))
def test_renaming_and_shuffling_leave_the_normal_form(raw: Expr, generator: random.Random) -> None:
    """E - E' is shown to be zero where E' has other names of dummies, other orders of factors and terms."""
    moved = []
    for coefficient, factors in raw:
        names = {label: label for label in FREE}
        for labels in LABELS.values():
            bound = [label for label in labels if label not in FREE]
            names |= dict(zip(bound, generator.sample(bound, len(bound)), strict=True))
        copied = [[name, [names[i] for i in indices], e] for name, indices, e in factors]
        moved.append([str(-Fraction(coefficient)), generator.sample(copied, len(copied))])
    both = raw + generator.sample(moved, len(moved))
    document = certificate(
        statement(goals=[{"name": "g", "kind": "zero", "axes": [["a", "p"], ["x", "q"]], "expr": both}])
    )
    assert check(encode(document)).accepted


@settings(deadline=None, max_examples=40)
@given(expressions, st.integers(0, 10**6))
def test_what_is_accepted_as_zero_is_zero(raw: Expr, seed: int) -> None:
    """An expression that is not 0 at one point is never accepted; E - E with one coefficient changed is such."""
    changed = [[str(-Fraction(c)), f] for c, f in raw]
    changed[0][0] = str(Fraction(changed[0][0]) + 1)
    both = raw + changed
    differs = any(by_loops(both, values(seed), at) for at in everywhere())
    document = certificate(
        statement(goals=[{"name": "g", "kind": "zero", "axes": [["a", "p"], ["x", "q"]], "expr": both}])
    )
    assert not (check(encode(document)).accepted and differs)


@settings(deadline=None, max_examples=40)
@given(expressions, st.integers(0, 10**6))
def test_lie_derivative_is_the_slope(raw: Expr, seed: int) -> None:
    """Along W' = V the derivative of a polynomial is the linear coefficient of E(W + t V), by interpolation."""
    speeds = {name: f"d{name}" for name in SHAPES}
    shapes = {**SHAPES, **{speed: SHAPES[name] for name, speed in speeds.items()}}
    body = {
        "letters": {name: {"shape": list(shape)} for name, shape in shapes.items()},
        "flows": [{"state": {}, "explicit": speeds}],
        "goals": [],
    }
    kernel = Statement(body, Budget())
    axes = {label: free(label, size) for label, size in FREE.items()}
    slope = kernel.along(kernel.flows[0], kernel.expression(raw, axes, "the expression"))
    start, moves = values(seed), {speeds[name]: value for name, value in values(seed + 1).items()}
    point = Point(kernel, SIZES, {**start, **moves})
    for at in list(everywhere())[:2]:
        degree = max(sum(e for _, _, e in factors) for _, factors in raw)
        samples = [
            by_loops(raw, {n: _moved(start[n], moves[speeds[n]], t) for n in SHAPES}, at) for t in range(degree + 1)
        ]
        assert point.value(slope, kernel_index(at)) == _linear_coefficient(samples)


def _moved(start: Any, speed: Any, time: int) -> Any:
    if isinstance(start, str):
        return str(Fraction(start) + time * Fraction(speed))
    return [_moved(a, b, time) for a, b in zip(start, speed, strict=True)]


def _linear_coefficient(samples: list[Fraction]) -> Fraction:
    """p'(0) for the polynomial with p(0), p(1), ... given (Newton's forward differences)."""
    total, sign, differences = Fraction(0), 1, samples
    for order in range(1, len(samples)):
        differences = [b - a for a, b in pairwise(differences)]
        total += sign * differences[0] / order  # the linear coefficient of binomial(t, k) is (-1)^(k-1) / k
        sign = -sign
    return total


@given(st.lists(st.integers(-(MASK // 2), MASK // 2), max_size=6))
def test_packed_exponents_come_back(exponents: list[int]) -> None:
    packed = sum(e << (WIDTH * slot) for slot, e in enumerate(exponents))
    assert unpack(packed) == [(slot, e) for slot, e in enumerate(exponents) if e]


SYMMETRIC = {
    "power of a sum": ("S^4", "v[x] v[y] v[z] v[w]"),
    "trace of a cycle": ("C[a,b] C[b,c] C[c,d] C[d,a]", "C[c,d] C[d,a] C[a,b] C[b,c]"),
    "two equal cycles": ("C[a,b] C[b,a] C[c,d] C[d,c]", "C[a,c] C[c,a] C[b,d] C[d,b]"),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_dummies_are_identified(name: str) -> None:
    left, right = SYMMETRIC[name]
    body = statement(
        define=[{"name": "S", "axes": [], "expr": expr("v[x]")}], goals=[goal("zero", expr=f"{left} - {right}")]
    )
    assert check(encode(certificate(body))).accepted


def test_different_contractions_are_not_identified() -> None:
    for left, right in (
        ("C[a,b] C[b,a]", "C[a,b] C[a,b]"),
        ("C[a,a] C[b,b]", "C[a,b] C[a,b]"),
        ("v[x] v[x]", "v[x] v[y]"),
        ("C[a,b] C[b,c] C[c,a]", "C[a,b] C[b,c] C[a,c]"),
    ):
        body = statement(goals=[goal("zero", expr=f"{left} - {right}")])
        assert not check(encode(certificate(body))).accepted
