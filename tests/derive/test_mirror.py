"""Limits by the identities behind them: true ones are certified, and each with one thing changed is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from tests.certificates import identity_document, rulings
from theorylab.catalog import chou_2023
from theorylab.derive.mirror import behind
from theorylab.derive.prove import Attempt, prove


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


@tl.model(w="d")
def square(p: Any, x: Any) -> Any:
    return (p.w**2)[None, :] @ x


data = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"))
at_zero = data.with_(init={"w": 0})
positive = data.with_(init={"w": tl.var("d", tl.draw.uniform(0.5, 1), positive=True)})


def flow(model: Any, setting: tl.Setting, **options: Any) -> Any:
    return tl.GradientFlow(model, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting, **options)


def limit(model: Any, setting: tl.Setting, potential: Any, quantity: Any = lambda p: p.w, **options: Any) -> tl.Limit:
    return tl.Limit(flow(model, setting, **options), quantity, tl.argmin(potential), name="limit")


def attempts(claim: tl.Limit) -> tuple[list[Attempt], tuple[str, ...]] | None:
    """The first list of goals that all hold, with its premises."""
    for goals, premises in behind(claim, None):
        found = prove(goals, None)
        if all(a.holds for a in found):
            return found, premises
    return None


from_start = tl.bias.bregman(tl.bias.l2, start=lambda c: c.init.w)
entropy = tl.bias.bregman(tl.bias.entropy, start=lambda c: c.init.w**2)
squared = {"quantity": lambda p: p.w**2}
TRUE = {
    "least norm": (limit(linear, at_zero, tl.bias.l2), ()),
    "closest to the start": (limit(linear, data, from_start), ()),
    "with rates": (limit(linear, at_zero, tl.bias.l2, rates={"w": lambda c: 3}), ()),
    "entropy": (limit(square, positive, entropy, **squared), ("the limit has positive entries",)),
    "entropy of the catalogue": (chou_2023.plain_bias[2], ("the limit has positive entries",)),
}


@pytest.mark.parametrize("name", TRUE)
def test_limit_is_certified_for_all_sizes(name: str, tmp_path: Path) -> None:
    claim, premises = TRUE[name]
    found = attempts(claim)
    assert found is not None
    assert found[1] == premises
    (ruling,) = rulings([identity_document(claim, found[0])], tmp_path)
    assert ruling.accepted, ruling.reason
    assert ruling.scope == "all sizes"


FALSE = {
    "least norm from any start": limit(linear, data, tl.bias.l2),
    "a weighted norm": limit(linear, at_zero, tl.bias.weighted_l2(lambda c: 1 + c.x.sum(-1) ** 2)),
    "a concave functional": limit(linear, at_zero, tl.bias.smooth(lambda b, c: -b)),
    "no gradient": limit(linear, at_zero, tl.bias.smooth(lambda b, c: b.sum() * c.x.sum(-1))),
    "another predictor": limit(linear, at_zero, tl.bias.l2, quantity=lambda p: 2 * p.w),
    "weight decay": limit(linear, data, from_start, weight_decay=1),
    "rates that differ": limit(linear, at_zero, tl.bias.l2, rates={"w": lambda c: 1 + c.x.sum(-1) ** 2}),
    "entropy for a linear model": limit(linear, positive, tl.bias.bregman(tl.bias.entropy, lambda c: c.init.w)),
    "entropy from elsewhere": limit(square, positive, tl.bias.bregman(tl.bias.entropy, lambda c: c.init.w), **squared),
}


@pytest.mark.parametrize("name", FALSE)
def test_one_thing_changed_is_not_proved(name: str) -> None:
    assert attempts(FALSE[name]) is None


def test_other_claims_have_no_such_identities() -> None:
    ends = flow(linear, at_zero)
    assert behind(tl.Limit(ends, lambda p: p.w, 0), None) == []
    assert behind(tl.Invariant(ends, lambda p: p.w.sum()), None) == []
    margins = tl.argmin(tl.bias.euclidean, subject_to=tl.bias.margins(labels=lambda c: c.y))
    assert behind(tl.Limit(ends, lambda p: p.w, margins), None) == []


def test_verdict_prints_the_premise(tmp_path: Path) -> None:
    verdict = tl.verify(TRUE["least norm"][0], trials=4, out=tmp_path)
    assert (verdict.status, verdict.tier, verdict.scope) == ("proved", "kernel", "all sizes")
    assert "the limit exists and has zero loss" in verdict.premises
