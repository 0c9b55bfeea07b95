"""Rewriting by relations: sound at points where they hold, complete enough for what hypotheses say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.formulas import DIMS, Formula, at, formulas, indexed_letters, values
from theorylab import ops
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.indexed import Indexed, eye
from theorylab.readings.polynomial import Rule

P = indexed_letters()
SEEDS = st.integers(0, 2**32)


def rule(lead: Indexed, replacement: Indexed | int, name: str = "relation") -> Rule:
    (monomial,) = lead.entry.terms
    return Rule(name, monomial, Indexed.constant(replacement).entry)


def rotation(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)


ORTHOGONAL = [rule(P.S @ P.S.mT, eye("d")), rule(P.S.mT @ P.S, eye("d"))]
UNIT = [Rule("unit", po.canonical([(po.symbol("u", ("d",)), (-1,), 2)])[1], po.ONE)]
EQUAL = [rule(P.u, P.a + 0 * P.u)]
KERNEL = [rule(P.A @ P.u, 0 * P.v)]
QUADRATIC = [rule(P.a**2, 1 + P.a)]


def on_relation(name: str, seed: int) -> dict[str, np.ndarray]:
    """Random letters that satisfy the named relation."""
    point = values(seed)
    match name:
        case "orthogonal":
            point["S"] = rotation(point["a"])
        case "unit":
            point["u"] = point["u"] / np.linalg.norm(point["u"], axis=-1, keepdims=True)
        case "equal":
            point["u"] = np.repeat(point["a"][:, None], DIMS["d"], 1)
        case "kernel":
            u = point["u"]
            point["A"] = point["A"] - np.einsum("tkd,td,te->tke", point["A"], u, u) / (u**2).sum(-1)[:, None, None]
        case "quadratic":
            point["a"] = np.full_like(point["a"], (1 + 5**0.5) / 2)
    return point


RELATIONS = {"orthogonal": ORTHOGONAL, "unit": UNIT, "equal": EQUAL, "kernel": KERNEL, "quadratic": QUADRATIC}


@pytest.mark.parametrize("name", RELATIONS)
@given(formula=formulas(), seed=SEEDS)
@settings(deadline=None, max_examples=15)
def test_rewriting_keeps_values_where_the_relation_holds(name: str, formula: Formula, seed: int) -> None:
    """Multiplied with a factor in which the relation shows, so that the rules fire."""
    shown = {
        "orthogonal": (P.S @ P.S.mT @ P.S @ P.u).sum(), "unit": (P.u**2).sum() ** 2, "equal": P.u.sum(),
        "kernel": (P.B @ P.A @ P.u).sum() + 1, "quadratic": P.a**5,
    }[name]  # fmt: skip
    array = formula(P) * shown
    point = on_relation(name, seed)
    before, size = at(array, point)
    rewritten = po.normal_form(array.entry, RELATIONS[name], cleared=False)
    after, more = at(Indexed(rewritten, array.shape), point)
    np.testing.assert_array_less(np.abs(before - after), 1e-9 * (1 + size + more))


@pytest.mark.parametrize(
    ("zero", "rules"),
    [
        (P.S @ P.S.mT @ P.S - P.S, ORTHOGONAL),
        (((P.S @ P.u) ** 2).sum() - (P.u**2).sum(), ORTHOGONAL),
        (ops.norm(P.S @ P.u) - ops.norm(P.u), ORTHOGONAL),
        ((P.S @ (P.S.mT @ P.S) @ P.S.mT).sum() - eye("d").sum(), ORTHOGONAL),
        ((P.u**2).sum() ** 3 - 1, UNIT),
        (ops.norm(P.u) - 1, UNIT),
        (P.A / ops.norm(P.u) - P.A, UNIT),
        (P.u.sum() - (P.a + 0 * P.u).sum(), EQUAL),
        (P.B @ (P.A @ P.u), KERNEL),
        ((P.A @ P.u * P.v).sum(), KERNEL),
        (P.a**3 - 2 * P.a - 1, QUADRATIC),
        (ops.exp(P.a**2) - ops.exp(1 + P.a), QUADRATIC),
    ],
)
def test_consequences_of_relations(zero: Indexed, rules: list[Rule]) -> None:
    assert po.normal_form(zero.entry, rules) == po.ZERO
    assert po.normal_form(zero.entry) != po.ZERO


@pytest.mark.parametrize(
    ("kept", "rules"),
    [
        (((P.A * P.u) ** 2).sum(), UNIT),
        ((P.u**2), UNIT),
        ((P.u**3).sum(), UNIT),
        ((P.A @ (P.u * P.u)).sum(), KERNEL),
        ((P.A * P.u).sum(0), KERNEL),
        (P.S**2, ORTHOGONAL),
        (P.S @ P.S, ORTHOGONAL),
        ((P.S * P.S).sum(-1) * P.u - (P.S.mT * P.S.mT).sum(-1) * P.u, []),
    ],
)
def test_a_summed_index_of_the_lead_occurs_nowhere_else(kept: Indexed, rules: list[Rule]) -> None:
    """sum_i u_i^2 = 1 says nothing of sum_i A_ki^2 u_i^2."""
    assert po.normal_form(kept.entry, rules) == kept.entry


def test_rows_of_an_orthogonal_matrix_have_norm_one() -> None:
    assert po.normal_form((P.S**2).sum(-1).entry, ORTHOGONAL) == po.ONE


def test_rewriting_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theorylab.readings.polynomial.rewriting.MAX_REWRITES", 100)
    growing = [rule(P.a, P.a + 1)]
    with pytest.raises(UnsupportedReading, match="does not end"):
        po.rewrite(P.a.entry, growing)
