"""One formula, three readings: values, gradients and directional derivatives agree at random points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.formulas import (
    DIMS,
    KINKED,
    LETTERS,
    SMOOTH,
    Formula,
    at,
    exact_at,
    exact_letters,
    formulas,
    indexed_letters,
    numeric_at,
    values,
)
from theorylab import ops
from theorylab.readings import exact, indexed
from theorylab.readings.calculus import directional, gradient
from theorylab.readings.indexed import Indexed
from theorylab.readings.namespace import Namespace

SEEDS = st.integers(0, 2**32)


def assert_close(left: np.ndarray, right: np.ndarray, size: np.ndarray | float = 0.0) -> None:
    np.testing.assert_array_less(np.abs(left - right), 1e-9 * (1 + np.abs(right) + size))


@given(formulas(functions=SMOOTH + KINKED, depth=3), SEEDS)
@settings(deadline=None, max_examples=40)
def test_values_agree(formula: Formula, seed: int) -> None:
    point = values(seed)
    expected = numeric_at(formula, point)
    general = formula(indexed_letters())
    assert general.shape == formula.shape
    found, size = at(general, point)
    assert_close(found, expected, size)
    assert_close(exact_at(formula(exact_letters()), point), expected)


@given(formulas(shape=(), functions=SMOOTH + KINKED), SEEDS)
@settings(deadline=None, max_examples=30)
def test_gradients_agree(formula: Formula, seed: int) -> None:
    point = values(seed)
    general, concrete = gradient(formula, indexed_letters()), gradient(formula, exact_letters())
    for name, shape in LETTERS.items():
        expected = numeric_at(lambda p, name=name: gradient(formula, p)[name], point)
        assert expected.shape[1:] == tuple(DIMS[s] for s in shape)
        found, size = at(general[name], point)
        assert_close(found, expected, size)
        assert_close(exact_at(concrete[name], point), expected)


@given(formulas(), SEEDS)
@settings(deadline=None, max_examples=30)
def test_directional_derivatives_agree(formula: Formula, seed: int) -> None:
    point, along = values(seed), values(seed + 1)
    both = {**point, **{f"to_{n}": v for n, v in along.items()}}

    def slope(p: Namespace) -> object:
        return directional(
            formula, Namespace({n: p[n] for n in LETTERS}), Namespace({n: p[f"to_{n}"] for n in LETTERS})
        )

    expected = numeric_at(slope, both)
    found, size = at(slope(Namespace({**indexed_letters(), **_prefixed(indexed_letters("to_"))})), both)  # type: ignore[arg-type]
    assert_close(found, expected, size)
    assert_close(exact_at(slope(Namespace({**exact_letters(), **_prefixed(exact_letters("to_"))})), both), expected)  # type: ignore[arg-type]


def _prefixed(letters: Namespace) -> dict[str, object]:
    return {f"to_{n}": v for n, v in letters.items()}


@given(formulas(shape=()), SEEDS)
@settings(deadline=None, max_examples=20)
def test_forward_and_reverse_mode_agree(formula: Formula, seed: int) -> None:
    """<gradient, direction> is the directional derivative."""
    p, v = exact_letters(), exact_letters("to_")
    pairing = ops.dot(gradient(formula, p), v)
    slope = exact.directional([formula(p)], dict(v))[0]
    point = {**values(seed), **{f"to_{n}": x for n, x in values(seed + 1).items()}}
    assert_close(exact_at(pairing, point), exact_at(slope, point))  # type: ignore[arg-type]


@given(formulas(), formulas(shape=("k", "d"), depth=2), SEEDS)
@settings(deadline=None, max_examples=30)
def test_substitution_commutes_with_evaluation(formula: Formula, matrix: Formula, seed: int) -> None:
    point = values(seed)
    moved = {**point, "A": numeric_at(matrix, point)}
    letters = indexed_letters()
    found, size = at(indexed.substitute([formula(letters)], {"A": matrix(letters)})[0], point)
    expected = numeric_at(formula, moved)
    assert_close(found, expected, size)
    concrete = exact_letters()
    assert_close(exact_at(exact.substitute([formula(concrete)], {"A": matrix(concrete)})[0], point), expected)


@pytest.mark.parametrize(
    ("name", "velocity", "formula", "expected"),
    [
        ("a sum moved by a constant", lambda w, a: a + 0 * w, lambda w: w.sum(), lambda w, a: a * len(w)),
        ("an atom moved by a constant", lambda w, a: a + 0 * w, lambda w: ops.tanh(w).sum(),
         lambda w, a: (a * (1 - np.tanh(w) ** 2)).sum()),
        ("a sum moved by itself and a constant", lambda w, a: w + a, lambda w: w.sum(), lambda w, a: (w + a).sum()),
    ],
)  # fmt: skip
def test_sums_count_their_terms(name: str, velocity, formula, expected) -> None:
    """A derivative that does not depend on the summed index is multiplied by the size."""
    w, a = Indexed.letter("u", ("d",)), Indexed.letter("a", ())
    (slope,) = indexed.directional([formula(w)], {"u": velocity(w, a)})
    point = values(1)
    assert_close(at(slope, point)[0], np.array([expected(u, a) for u, a in zip(point["u"], point["a"], strict=True)]))


def test_substituted_sums_count_their_terms() -> None:
    total = Indexed.letter("u", ("d",)).sum()
    (moved,) = indexed.substitute([total], {"u": Indexed.letter("y", ("d",)) + 1})
    assert at(moved, {"y": np.array([[0.5, 0.25]])})[0] == pytest.approx(2.75)


def test_like_named_letters_of_two_statements_are_told_apart() -> None:
    """The norm of v over d, then over N, and exp of a q of unknown sign after a positive one."""
    for size in ("d", "N"):
        v = Indexed.letter("v", (size,))
        slope = indexed.gradient(ops.norm(v), {"v": v})["v"]  # type: ignore[arg-type]
        assert slope.entry == (v / ops.norm(v)).entry
    for sign in ("positive", "any"):
        q = Indexed.letter("q", (), sign)
        assert indexed.gradient(ops.exp(q), {"q": q})["q"].entry == ops.exp(q).entry  # type: ignore[arg-type]
