"""Verdicts on claims about one exact case."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from proofs_check import check
from theorylab import ops


@tl.model(w="")
def line(p, x):
    return p.w * x


def flow(**options: Any) -> Any:
    """w' = 4 - 4 w from 0: the limit is 1, and w(t) = 1 - exp(-4 t)."""
    setting = tl.Setting(init={"w": 0}, a=tl.var(positive=True))
    return tl.GradientFlow(
        line,
        loss=tl.loss.square,
        setting=setting,
        data=lambda c: (ops.array([[2]]) * c.a, ops.array([[2]]) * c.a),
        **options,
    )


def at_one(low: Any, high: Any, **options: Any) -> Any:
    return tl.Enclosed(flow(), lambda p: p.w, low, high, at={"a": 1}, settle={"t_end": 20.0}, name="limit", **options)


def test_a_true_claim_is_proved_by_a_certificate_that_states_its_bounds(tmp_path: Path) -> None:
    verdict = tl.verify(at_one(Fraction(7, 8), Fraction(9, 8), zeros=lambda p: p.w - Fraction(1, 2)), out=tmp_path)
    assert (verdict.status, verdict.tier, verdict.scope) == ("proved", "kernel", "a=1")
    data = Path(verdict.certificate or "").read_bytes()
    assert check(data).accepted
    goals = json.loads(data)["statement"]["goals"]
    assert (goals[0]["low"], goals[0]["high"], goals[0]["at"]) == ("7/8", "9/8", "limit")
    assert len(goals[1]["times"]) == 1


def test_a_false_claim_is_refuted_by_an_enclosure(tmp_path: Path) -> None:
    verdict = tl.verify(at_one(0, Fraction(1, 2)), out=tmp_path)
    assert (verdict.status, verdict.tier) == ("refuted", "enclosure")
    assert verdict.counterexample is not None
    assert verdict.counterexample.case == {"a": "1"}
    assert verdict.counterexample.violation.startswith("the value is in [0.99")


def test_a_wrong_number_of_sign_changes_is_refuted(tmp_path: Path) -> None:
    verdict = tl.verify(at_one(0, 2, zeros=lambda p: p.w - Fraction(1, 2), count=2), out=tmp_path)
    assert verdict.counterexample is not None
    assert (verdict.status, verdict.counterexample.violation) == ("refuted", "the sign changes 1 times, not 2")


def test_a_bound_that_is_the_value_itself_proves_and_refutes_nothing(tmp_path: Path) -> None:
    for low, high in ((0, 1), (1, 2)):
        verdict = tl.verify(at_one(low, high), out=tmp_path)
        assert (verdict.status, verdict.tier, verdict.certificate) == ("inconclusive", None, None)
        assert "so near to one of the bounds" in verdict.reason


def test_a_value_at_a_time(tmp_path: Path) -> None:
    true, false = (Fraction(63, 100), Fraction(64, 100)), (Fraction(64, 100), Fraction(65, 100))  # 1 - 1/e = 0.632
    assert tl.verify(at_one(*true, time=Fraction(1, 4)), out=tmp_path).status == "proved"
    assert tl.verify(at_one(*false, time=Fraction(1, 4)), out=tmp_path).status == "refuted"


def test_what_cannot_be_enclosed_is_inconclusive(tmp_path: Path) -> None:
    growing = tl.Enclosed(flow(weight_decay=-9), lambda p: p.w, 0, 1, at={"a": 1}, name="growing")
    verdict = tl.verify(growing, out=tmp_path)
    assert verdict.status == "inconclusive"
    assert verdict.reason.startswith("not enclosed")


def test_bounds_in_the_wrong_order_are_bad_input() -> None:
    with pytest.raises(tl.InputError, match="the lower one first"):
        at_one(1, 0)
