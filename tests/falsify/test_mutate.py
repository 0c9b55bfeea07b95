"""Mutants of claims: what is changed, and that nothing else is."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.catalog import vardi_2020
from theorylab.falsify.mutate import definition, mutants, mutated
from theorylab.verdict import Verdict

FACTOR = 3


def sample(p: Any, c: Any = None, power: int = 2) -> Any:
    """-3 p^2 and a quotient."""
    return -FACTOR * p**power + 4 * c.x[0] / (p - 1)


def two_steps(p: Any) -> Any:
    square = p * p
    return square.sum(-1) - 2


def test_one_change_at_a_time() -> None:
    assert [text for text, _ in mutated(sample)] == [
        "-FACTOR * p ** power - 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 2 * (4 * c.x[0] / (p - 1))",
        "(-FACTOR) ** 2 * p ** power + 4 * c.x[0] / (p - 1)",
        "FACTOR * p ** power + 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** (power + 1) + 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 5 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 4 * c.x[0] / (p + 1)",
        "-FACTOR * p ** power + 4 * c.x[0] / (p - 2)",
    ]


def test_every_statement_of_a_function_is_changed_and_no_axis() -> None:
    assert [text for text, _ in mutated(two_steps)] == [
        "square = p ** 2 * p",
        "square.sum(-1) + 2",
        "square.sum(-1) - 4",
    ]


@pytest.mark.parametrize(
    ("formula", "changed"),
    [
        (lambda c: -2 * c.x, {"-3 * c.x", "2 * c.x"}),
        (lambda c: tl.Fraction(1, 2) - ops.stack([c.x, c.y], -1), {
            "tl.Fraction(1, 2) + ops.stack([c.x, c.y], -1)", "tl.Fraction(2, 2) - ops.stack([c.x, c.y], -1)",
            "tl.Fraction(1, 2) - 2 * ops.stack([c.x, c.y], -1)",
        }),
        (lambda c: c.x[-1, 0].mean(-1), set()),
    ],
)  # fmt: skip
def test_numbers_are_told_from_axes_and_indices(formula: Any, changed: set[str]) -> None:
    assert {text for text, _ in mutated(formula)} == changed


def test_globals_closures_and_defaults_are_kept() -> None:
    shift = [10]
    closed = lambda p, scale=7, *, more=1: scale * p + shift[0] * more + FACTOR  # noqa: E731
    found = dict(mutated(closed))
    assert found["scale * p + shift[0] * more - FACTOR"](1) == 14
    assert found["scale * p - shift[0] * more + FACTOR"](1) == 0
    assert found["scale * p - shift[0] * more + FACTOR"](1, 8, more=2) == -9
    shift = [20]
    assert found["scale * p + shift[0] * more - FACTOR"](1) == 24, "a closure is a variable and no value"
    assert "scale * p + shift[0] * more + FACTOR" in inspect.getsource(closed)


def test_definitions_are_told_apart_on_one_line() -> None:
    first, second = (lambda p: p + 1), (lambda p: p * 2)
    assert [definition(f).body.right.value for f in (first, second)] == [1, 2]  # type: ignore[union-attr]


def test_a_function_without_source_has_no_mutants() -> None:
    space: dict[str, Any] = {}
    exec("f = lambda p: p + 1", space)
    assert list(mutated(space["f"])) == []


# --- claims -----------------------------------------------------------------------------------------------------------


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear)
unit = tl.assume("|z| = 1", lambda c: (c.z**2).sum() - 1, lambda c: {"z": c.z / ops.norm(c.z)})
along = flow.with_(setting=tl.Setting(unit, z=tl.var("d")))


def named(claim: tl.Invariant) -> list[tuple[str, str]]:
    return [(m.what, m.to) for m in mutants(claim)]


def test_hypotheses_are_dropped() -> None:
    claim = tl.Identity(along, lambda p, c: (c.z**2).sum(), 1, name="unit")
    assert named(claim) == [
        ("lhs", "(c.z ** 3).sum()"),
        ("rhs", "2"),
        ("rhs", "-1"),
        ("hypothesis", "without |z| = 1"),
    ]


def test_bounds_are_moved_to_where_they_say_more_and_turned_round() -> None:
    lower = tl.Evolution(flow, lambda p: (p.w**2).sum(), 0, sense=">=", name="grows")
    assert named(lower)[1:] == [("rate", "1"), ("sense", "<=")]
    upper = tl.Evolution(flow, lambda p: (p.w**2).sum(), 0, sense="<=", name="falls")
    assert named(upper)[1:] == [("rate", "-1"), ("sense", ">=")]
    rank = tl.Rank(flow, lambda p: ops.outer(p.w, p.w), 1, name="rank")
    assert named(rank) == [("rank", "0"), ("sense", ">=")]
    slope = tl.Scaling(along, lambda p: p.w.sum(), tl.Fraction(1, 2), "t", horizon=9, name="slope")
    assert [to for what, to in named(slope) if what == "exponent"] == ["3/5", "-1/2"]


def test_a_minimiser_becomes_one_of_other_functionals() -> None:
    claim = tl.Limit(flow, lambda p: p.w, tl.argmin(tl.bias.l2), name="least norm")
    assert named(claim) == [("value", "a minimiser of the l1 norm")]


def test_fates() -> None:
    """v enters the step only along (v + w) / 2, so <e, v> = 0 is not used; all others are."""
    verdict = tl.verify(vardi_2020.step_angle, trials=32, mutate=True)
    assert verdict.status == "proved"
    assert {m.to: m.fate for m in verdict.mutants} == {
        "dot(c.w, step(c) + c.w)": "dies",
        "dot(c.w, step(c) - 2 * c.w)": "dies",
        "1": "dies",
        "without |v| = |w|": "dies",
        "without <e, w> = 0": "dies",
        "without <e, v> = 0": "also true",
    }
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))).mutants == verdict.mutants


def test_a_weaker_inequality_does_not_die() -> None:
    setting = tl.Setting(z=tl.var("d"), w=tl.var("d", nonzero=True))
    claim = tl.Inequality(setting, lambda c: (c.z**2).sum() + (c.w**2).sum(), 0, strict=True, name="positive")
    fates = {(m.what, m.to): m.fate for m in tl.verify(claim, trials=32, mutate=True).mutants}
    assert fates.pop(("lhs", "(c.z ** 2).sum() + 2 * (c.w ** 2).sum()")) in ("lives", "also true")
    assert set(fates.values()) == {"dies"}


def test_a_refuted_claim_and_one_about_claims_have_no_mutants() -> None:
    law = tl.Invariant(flow, lambda p: p.w + 1, name="still")
    assert tl.verify(law, trials=32, mutate=True).mutants == ()
    assert list(mutants(tl.Fails(law, name="moves"))) == []
