"""`tl.falsify` on claims about exponents, and mutants within their time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops, sharpness

ladder = tl.Setting(h=tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 1024, 8)), a=tl.var(positive=True))


@pytest.mark.parametrize(("exponent", "status"), [(3, "inconclusive"), (Fraction(29, 10), "refuted"), (1, "refuted")])
def test_an_exponent_is_hunted(exponent: Any, status: str) -> None:
    """sin h - h is -h^3 / 6 and smaller terms."""
    claim = tl.Scaling(ladder, lambda c: c.a * (ops.sin(c.h) - c.h), exponent, "h")
    verdict = tl.falsify(claim, trials=64)
    assert verdict.status == status
    assert verdict.evidence[0].numbers["examined"]


def test_a_refutation_comes_with_a_suggestion() -> None:
    claim = tl.Identity(tl.Setting(x=tl.var(), y=tl.var()), lambda c: abs(c.x), lambda c: c.x)
    verdict = tl.falsify(claim, trials=64)
    assert [e.kind for e in verdict.evidence] == ["search", "suggestion"]
    assert "no entry is negative" in verdict.evidence[1].summary


def test_mutants_end_in_time_and_say_what_was_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sharpness, "SECONDS", -1.0)
    setting = tl.Setting(tl.assume("x = y", lambda c: c.x - c.y, lambda c: {"x": c.y}), x=tl.var(), y=tl.var())
    claim = tl.Identity(setting, lambda c: c.x**2 - c.y**2 + c.x, lambda c: c.y)
    found = tl.verify(claim, trials=4, mutate=True, out=tmp_path).mutants
    assert [m.what for m in found[:2]] == ["hypothesis", "lhs"]
    assert {m.fate for m in found} == {"not tried"}
