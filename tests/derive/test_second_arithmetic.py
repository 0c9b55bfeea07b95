"""The identity certificates of the catalogue, through a second arithmetic."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.derive.second_arithmetic import OutOfScope, disagreements
from theorylab.catalog import load, papers
from theorylab.catalog.collect import collect
from theorylab.certificate.identity import statement
from theorylab.claims import Claim
from theorylab.derive.prove import prove
from theorylab.errors import UnsupportedReading
from theorylab.readings.letters import complete_dims

CLAIMS = {n: c for paper in papers() for n, c in collect(vars(load(paper)), paper).items()}
PROVED = {n: c for n, c in CLAIMS.items() if c.expected == "proved" and c.goals()}


def document(claim: Claim) -> tuple[dict[str, Any], dict[str, Any]] | None:
    for dims in (None, complete_dims(sorted({s for g in claim.goals() for s in g.subject.sizes}), None)):
        try:
            attempts = prove(claim.goals(), dims)
        except UnsupportedReading:
            continue
        if all(a.holds for a in attempts):
            body, proof, _ = statement(attempts)
            return body, proof
    return None


def changed(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Statements that are false: in each, one term of a goal is doubled."""
    found = []
    for number, goal in enumerate(body["goals"]):
        for k in range(len(goal["expr"])):
            other = copy.deepcopy(body)
            other["goals"][number]["expr"].append(goal["expr"][k])
            found.append(other)
    return found


@pytest.mark.parametrize("name", list(PROVED))
def test_certificates_of_the_catalogue_hold_in_a_second_arithmetic(name: str) -> None:
    made = document(PROVED[name])
    assert made is not None
    try:
        assert disagreements(*made) == []
    except OutOfScope as reason:
        pytest.skip(f"not read: {reason}")


def test_how_many_certificates_are_read() -> None:
    """Hypotheses, inequalities and conjugacies are left to the checker; everything else is read twice."""
    read = 0
    for claim in PROVED.values():
        made = document(claim)
        assert made is not None
        try:
            disagreements(*made)
        except OutOfScope:
            continue
        read += 1
    assert read >= 35


def test_false_statements_disagree() -> None:
    made = document(PROVED["vardi-2020/one-hidden-neuron"])
    assert made is not None
    body, proof = made
    mutants = changed(body)
    assert len(mutants) >= 2
    for mutant in mutants:
        assert disagreements(mutant, proof)
