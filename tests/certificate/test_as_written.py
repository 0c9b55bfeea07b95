"""Identities are certified as they are written: what the engine cancels is left for the checker to multiply out."""

from __future__ import annotations

import pytest

from theorylab.certificate.completed import accepted, completed
from theorylab.certificate.identity import outlined
from theorylab.derive.prove import prove
from theorylab.targets import resolve_all

CLAIMS = (
    "du-2018/gradient-step", "du-2018/gradient-step-relu", "neyshabur-2017/same-function", "neyshabur-2017/path-norm",
    "neyshabur-2017/path-sgd-u", "vardi-2020/balanced-flow",
)  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_every_term_of_an_identity_counts(name: str) -> None:
    ((_, claim),) = resolve_all([name])
    body, hints, _ = outlined(prove(claim.goals(), None))
    zeros = [goal for goal in body["goals"] if goal["kind"] == "zero"]
    assert zeros
    assert any(spec["name"].startswith("part.") for spec in body["define"])
    assert accepted(body, completed(body, hints))
    for goal in zeros:
        assert goal["expr"]
        for term in goal["expr"]:
            coefficient = term[0]
            term[0] = f"{2 * int(coefficient)}"
            assert not accepted(body, completed(body, hints)), f"{term} counted twice"
            term[0] = coefficient
