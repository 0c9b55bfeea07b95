"""Counter-models: proposed by a solver, decided exactly; nothing is claimed where there is none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import theorylab as tl
from theorylab.falsify import models
from theorylab.falsify.judge import Judge
from theorylab.falsify.target import targets

pytest.importorskip("z3")

SETTING = tl.Setting(a=tl.var(), b=tl.var())
HIDDEN = Fraction(3, 17)


def hidden(c: Any) -> Any:
    """Positive except at one point, which no table of values holds."""
    return (c.a - HIDDEN) ** 2 + (c.b - c.a) ** 2


def target_of(claim: Any) -> Any:
    return next(iter(targets(claim, {})))


def test_a_false_law_is_refuted_by_a_model_alone() -> None:
    claim = tl.Inequality(SETTING, hidden, strict=True, name="hidden")
    verdict = tl.falsify(claim)
    assert (verdict.status, verdict.tier) == ("refuted", "exact")
    assert verdict.counterexample is not None
    assert verdict.counterexample.case == {"a": "3/17", "b": "3/17"}
    assert "z3 proposed" in verdict.evidence[0].summary


def test_without_the_solver_the_same_hunt_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "available", lambda: False)
    assert tl.falsify(tl.Inequality(SETTING, hidden, strict=True, name="hidden")).status == "inconclusive"


@pytest.mark.parametrize(
    ("formula", "strict"),
    [
        (lambda c: c.a**2 + c.b**2 - 2 * c.a * c.b, False),
        (lambda c: c.a**4 * c.b**2 + c.a**2 * c.b**4 + 1 - 3 * c.a**2 * c.b**2, False),  # Motzkin: no sum of squares
        (hidden, False),
    ],
)
def test_a_true_law_has_no_model_and_is_not_claimed_for_that(formula: Any, strict: bool) -> None:
    claim = tl.Inequality(SETTING, formula, strict=strict, name="true")
    assert models.countermodel(target_of(claim), "every") is None
    assert tl.falsify(claim).status == "inconclusive"


def test_hypotheses_and_signs_are_obeyed() -> None:
    positive = tl.Setting(a=tl.var(positive=True), b=tl.var(positive=True))
    claim = tl.Inequality(positive, lambda c: c.a + c.b, strict=True, name="sum")
    assert models.countermodel(target_of(claim), "every") is None
    found = models.countermodel(target_of(tl.Inequality(SETTING, lambda c: c.a + c.b, name="sum")), "every")
    assert found is not None
    judge, code, finding = found
    assert isinstance(judge, Judge)
    assert finding.rational
    assert finding.value < 0
    point = judge.code.exact(code)
    assert point["a"] + point["b"] == finding.value


def test_what_is_no_polynomial_is_left_alone() -> None:
    claim = tl.Inequality(SETTING, lambda c: tl.ops.exp(c.a) - 1, name="exp")
    assert models.countermodel(target_of(claim), "every") is None
