"""Indexed polynomials: canonical form, ring laws, derivations, atoms."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.formulas import DIMS, LETTERS, SMOOTH, Formula, at, formulas, indexed_letters, values
from theorylab import ops
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings import indexed
from theorylab.readings import polynomial as po
from theorylab.readings.indexed import Indexed
from theorylab.readings.polynomial import Factor, Monomial, Polynomial

P = indexed_letters()
SEEDS = st.integers(0, 2**32)
examples = settings(deadline=None, max_examples=30)


def entries(shape: tuple[str, ...] | None = None, functions: tuple[str, ...] = SMOOTH) -> st.SearchStrategy[Polynomial]:
    return formulas(shape, functions).map(lambda f: f(P).entry)


# --- canonical form ---------------------------------------------------------------------------------------------------


def scrambled(m: Monomial, seed: int) -> list[Factor]:
    """The same term: other names for the dummies, factors in another order, powers in pieces."""
    generator = random.Random(seed)
    dummies = sorted({i for _, idx, _ in m for i in idx if i < 0})
    names = dict(zip(dummies, generator.sample(range(-50, 0), len(dummies)), strict=True))
    factors: list[Factor] = []
    for s, idx, e in m:
        renamed = tuple(names.get(i, i) for i in idx)
        factors += [(s, renamed, 1)] * e if e > 0 else [(s, renamed, e)]
    generator.shuffle(factors)
    return factors


@given(entries(), SEEDS)
@examples
def test_canonical_form_ignores_names_and_order(p: Polynomial, seed: int) -> None:
    for m in p.terms:
        assert po.canonical(scrambled(m, seed)) == (1, m)


def cycle(length: int, letter: str, reverse: frozenset[int] = frozenset()) -> list[Factor]:
    """The factors of tr(S^n), with some of them transposed."""
    s = po.symbol(letter, ("d", "d"))
    edges = [(-1 - i, -1 - (i + 1) % length) for i in range(length)]
    return [(s, edge[::-1] if i in reverse else edge, 1) for i, edge in enumerate(edges)]


@pytest.mark.parametrize("length", [3, 4, 5])
def test_symmetric_sums_have_one_form(length: int) -> None:
    """tr(S S S ...) under all renamings of its dummies, which nothing tells apart."""
    factors = cycle(length, "S")
    forms = {
        po.canonical([(s, tuple(-1 - order[-1 - i] for i in idx), e) for s, idx, e in factors])
        for order in itertools.permutations(range(length))
    }
    assert len(forms) == 1


def test_traces_are_equal_exactly_when_the_words_are_cyclic_shifts_or_transposes() -> None:
    """tr of words in S and S': equal forms if and only if one word is a rotation of the other or of its transpose."""
    words = list(itertools.product((False, True), repeat=4))

    def orbit(word: tuple[bool, ...]) -> frozenset[tuple[bool, ...]]:
        transposed = tuple(not t for t in reversed(word))
        return frozenset(w[i:] + w[:i] for w in (word, transposed) for i in range(4))

    for one, other in itertools.combinations(words, 2):
        forms = [po.canonical(cycle(4, "S", frozenset(i for i, t in enumerate(w) if t))) for w in (one, other)]
        assert (forms[0] == forms[1]) == (orbit(one) == orbit(other))


@pytest.mark.parametrize("steps", [(1, 2), (1, 4), (1, 2, 3)])
def test_circulant_products_have_one_form(steps: tuple[int, ...]) -> None:
    s = po.symbol("S", ("d", "d"))
    edges = [(i, (i + step) % 7) for i in range(7) for step in steps]
    forms = {
        po.canonical([(s, (-1 - names[i], -1 - names[j]), 1) for i, j in edges])
        for names in (random.Random(n).sample(range(7), 7) for n in range(20))
    }
    assert len(forms) == 1


def spider(legs: int) -> list[Factor]:
    """sum_c (sum_ab S_ca S_ab)^legs."""
    s = po.symbol("S", ("d", "d"))
    return [(s, (-1, -2 * i), 1) for i in range(1, legs + 1)] + [
        (s, (-2 * i, -2 * i - 1), 1) for i in range(1, legs + 1)
    ]


def test_equal_branches_have_one_form_or_are_refused() -> None:
    """Branches that swap only as a whole: few are tried, many are refused and never given a wrong form."""
    _, four = po.canonical(spider(4))
    assert po.canonical(scrambled(four, 1)) == (1, four)
    with pytest.raises(UnsupportedReading, match="17 summed indices"):
        po.canonical(spider(8))


def test_high_powers_of_sums() -> None:
    """(sum_i u_i^2)^12 and (sum_ij S_ij)^6 have as many equal dummies, which swap freely."""
    assert len(((P.u**2).sum() ** 12).entry.terms) == 1
    assert len((P.S.sum() ** 6).entry.terms) == 1


def test_delta_contracts() -> None:
    identity = indexed.eye("d")
    assert (identity @ P.S).entry == P.S.entry
    assert ops.trace(identity).entry == po.letter("#d", (), "positive")
    assert (identity @ identity).entry == identity.entry
    assert (identity * identity).entry == identity.entry
    assert (identity.sum(-1)).entry == po.ONE


def test_an_index_over_two_sizes_is_refused() -> None:
    with pytest.raises(InputError, match="both d and k"):
        po.canonical([(po.symbol("u", ("d",)), (0,), 1), (po.symbol("v", ("k",)), (0,), 1)])


# --- ring laws --------------------------------------------------------------------------------------------------------


@given(entries(()), entries(()), entries(()))
@settings(deadline=None, max_examples=15)
def test_ring_laws(p: Polynomial, q: Polynomial, r: Polynomial) -> None:
    assert p + q == q + p
    assert p * q == q * p
    assert p * (q + r) == p * q + p * r
    assert (p * q) * r == p * (q * r)
    assert not p - p
    assert p**3 == p * p * p


@given(formulas(("k", "d"), (), depth=1), formulas(("d", "m"), (), depth=1))
@settings(deadline=None, max_examples=15)
def test_matrix_laws(left: Formula, right: Formula) -> None:
    a, b = left(P), right(P)
    assert ((a @ b).mT).entry == (b.mT @ a.mT).entry
    assert (a @ b).sum().entry == (a.sum(0) @ b.sum(-1)).entry
    product = a @ b @ P.B
    assert ops.trace(product @ product.mT).entry == (product**2).sum().entry


@given(entries(), SEEDS)
@examples
def test_zero_normal_form_means_zero(p: Polynomial, seed: int) -> None:
    axes = p.free()
    array = Indexed(p, ())
    for axis in axes:
        size = next(z for m in p.terms for s, idx, _ in m for i, z in zip(idx, s.sizes, strict=True) if i == axis)
        array = Indexed(array.entry.sum_over(axis, size), ())
    value, size = at(array, values(seed))
    assert not po.normal_form(p - p)
    if (np.abs(value) > 1e-9 * (1 + size)).any():
        assert po.normal_form(p)


# --- derivations ------------------------------------------------------------------------------------------------------


def along(p: Polynomial) -> Polynomial:
    """The derivative along S -> S'S, A -> A S, u -> S u + 1, v -> tanh(v), a -> a^2."""
    rates = {
        "S": P.S.mT @ P.S, "A": P.A @ P.S, "u": P.S @ P.u + 1, "v": ops.tanh(P.v), "a": P.a**2,
    }  # fmt: skip
    return indexed.directional([Indexed(p, ())], rates)[0].entry  # type: ignore[arg-type]


@given(entries(()), entries(()))
@examples
def test_leibniz(p: Polynomial, q: Polynomial) -> None:
    assert along(p + q) == along(p) + along(q)
    assert along(p * q) == along(p) * q + p * along(q)


@given(entries(()), st.sampled_from(["tanh", "sin", "cos", "exp", "arcsinh", "step", "sign"]))
@examples
def test_chain_rule(p: Polynomial, function: str) -> None:
    outer: dict[str, Callable[[Any], Any]] = {
        "tanh": lambda x: 1 - ops.tanh(x) ** 2, "sin": ops.cos, "cos": lambda x: -ops.sin(x), "exp": ops.exp,
        "arcsinh": lambda x: 1 / ops.sqrt(1 + x**2), "step": lambda x: 0 * x, "sign": lambda x: 0 * x,
    }  # fmt: skip
    slope = outer[function](Indexed(p, ())).entry
    assert not po.normal_form(along(po.atom(function, p)) - slope * along(p))


@given(entries(()), st.sampled_from(sorted(LETTERS)), st.sampled_from(sorted(LETTERS)))
@examples
def test_partial_derivatives_commute(p: Polynomial, first: str, second: str) -> None:
    one, other = (next(iter(P[n].entry.symbols())) for n in (first, second))
    here, there = [100 + i for i in range(len(one.sizes))], [200 + i for i in range(len(other.sizes))]
    assert po.partial(po.partial(p, one, here), other, there) == po.partial(po.partial(p, other, there), one, here)


@given(formulas(()), st.sampled_from(sorted(LETTERS)))
@examples
def test_directional_is_the_sum_of_partials(formula: Formula, name: str) -> None:
    direction = Indexed.letter("h", LETTERS[name])
    p = formula(P)
    gradient = indexed.gradient(p, {name: P[name]})[name]
    assert indexed.directional([p], {name: direction})[0].entry == (gradient * direction).sum().entry


def test_derivative_of_an_entry_is_a_delta() -> None:
    found = po.partial(P.A.entry, po.symbol("A", LETTERS["A"]), [10, 11])
    expected = Polynomial({po.canonical([(po.delta("k"), (0, 10), 1), (po.delta("d"), (1, 11), 1)])[1]: 1})
    assert found == expected


# --- atoms ------------------------------------------------------------------------------------------------------------

x, y, c = Indexed.letter("x", ("d",)), Indexed.letter("y", ("d",)), Indexed.letter("c", (), "positive")
positive = Indexed.letter("z", ("d",), "positive")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (ops.step(3 * c * x), ops.step(x)),
        (ops.sign(-2 * c * x), -ops.sign(x)),
        (ops.relu(c * x), c * ops.relu(x)),
        (ops.tanh(-x), -ops.tanh(x)),
        (ops.sin(y - x), -ops.sin(x - y)),
        (ops.cos(y - x), ops.cos(x - y)),
        (ops.arcsinh(-x / 2), -ops.arcsinh(x / 2)),
        (ops.sqrt(4 * c**2 * (x**2 + 1)), 2 * c * ops.sqrt(x**2 + 1)),
        (ops.norm(c * x), c * ops.norm(x)),
        (ops.sqrt(positive**2), positive),
        (ops.sqrt(x**4), x**2),
        (ops.sqrt(x**6 * y), x**2 * ops.sqrt(x**2 * y)),
        (ops.log(x**3), 3 * ops.log(x)),
        ((x**3) ** Fraction(-1, 3), 1 / x),
        (1 / (2 * c * x + 2 * c * y), 1 / (x + y) / (2 * c)),
        (1 / (-x - y), -1 / (x + y)),
        (ops.exp(x + y), ops.exp(x) * ops.exp(y)),
        (ops.exp(-2 * x), 1 / ops.exp(x) ** 2),
        (ops.exp(0 * x), 1 + 0 * x),
        (ops.log(1 + 0 * x), 0 * x),
        (ops.cosh(x) ** 2, 1 + ops.sinh(x) ** 2),
        (indexed.eye("d") * ops.outer(x, y), indexed.eye("d") * ops.outer(y, x)),
        (indexed.eye("d") @ P.S * indexed.eye("d"), P.S.mT * indexed.eye("d")),
        (ops.tanh(P.A @ P.S).mT, ops.tanh(P.S.mT @ P.A.mT)),
    ],
)
def test_known_values_of_atoms(left: Indexed, right: Indexed) -> None:
    assert left.entry == right.entry


@pytest.mark.parametrize(
    "zero",
    [
        ops.sqrt(1 + x**2) ** 2 - 1 - x**2,
        ops.sin(x) ** 2 + ops.cos(x) ** 2 - 1,
        abs(x) ** 2 - x**2,
        ops.relu(x) - ops.relu(x) * ops.step(x),
        (x**2 - y**2) / (x + y) - (x - y),
        1 / (1 + x**2) + x**2 / (1 + x**2) - 1,
        ops.relu(x) * ops.tanh(x) - ops.tanh(x) * ops.step(x) * ops.relu(x),
        1 / ops.sqrt(1 + x**2) - ops.sqrt(1 + x**2) / (1 + x**2),
        (ops.sign(x) ** 2).sum() - (1 + 0 * x).sum(),
        ops.softmax(x).sum() - 1,
    ],
)
def test_identities_that_normal_forms_show(zero: Indexed) -> None:
    assert zero.entry
    assert not po.normal_form(zero.entry)


@pytest.mark.parametrize(
    "nonzero",
    [
        ops.step(-x) + ops.step(x) - 1,
        ops.step(x) - ops.step(y),
        ops.log(x * y) - ops.log(x) - ops.log(y),
        ops.log(x**2) - 2 * ops.log(x),
        ops.log(-(x**3)) - 3 * ops.log(x),
        ops.sqrt(x**2) - x,
        ops.sqrt(x**6) - x**3,
        x - y,
    ],
)
def test_identities_that_do_not_hold_everywhere(nonzero: Indexed) -> None:
    """They fail at 0, or for negative x and y."""
    assert po.normal_form(nonzero.entry)


def test_gates_of_another_convention_keep_their_powers() -> None:
    gate = ops.step(x)
    assert not po.normal_form((gate**2 - gate).entry)
    assert po.normal_form((gate**2 - gate).entry, binary_gates=False)


@pytest.mark.parametrize("function", ["log", "inv"])
def test_atoms_without_a_value_are_refused(function: str) -> None:
    with pytest.raises(InputError, match=f"{function} of an expression that is exactly zero"):
        po.atom(function, po.ZERO)


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(InputError, match="divides by an expression that is exactly zero"):
        1 / (x - x)


def test_expanding_has_a_budget() -> None:
    token = po.budget.set(po.Budget(100))
    try:
        with pytest.raises(UnsupportedReading, match="too large to expand"):
            (x + y + 1) ** 9
    finally:
        po.budget.reset(token)


def test_sizes_of_sums() -> None:
    """Sums of 1 are sizes, means divide by them."""
    total = (x.mean() * 0 + 1).sum()
    assert total.entry == po.ONE
    assert ((1 + 0 * P.A).sum()).entry == (po.letter("#d", (), "positive") * po.letter("#k", (), "positive"))
    value, _ = at(P.u.mean(), values(0))
    np.testing.assert_allclose(value, values(0)["u"].mean(-1))
    assert DIMS["d"] == 2
