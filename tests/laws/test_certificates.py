"""Damaged certificates of counts of laws are rejected; each is sealed again, so only the mathematics can do it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import proofs_check
import theorylab as tl
from tests.laws import test_counts as counts
from tests.laws import test_functions as functions
from tests.proofs_check.documents import encode, seal
from theorylab.catalog.conservation_laws import convex, softmax_attention, two_layers

Document = dict[str, Any]

FLOWS: dict[str, tuple[tl.Flow, dict[str, int]]] = {
    "linear": (tl.GradientFlow(counts.linear), {"d": 2, "k": 2, "m": 2}),
    "gap": (tl.GradientFlow(counts.deep), {"d": 1, "a": 2, "b": 2, "m": 1}),
    "momentum": (tl.GradientFlow(counts.deep, momentum=0), {"d": 1, "a": 2, "b": 2, "m": 1}),
    "damped": (tl.GradientFlow(counts.linear, momentum=1), {"d": 2, "k": 2, "m": 2}),
    "decay": (tl.GradientFlow(counts.linear, weight_decay=3), {"d": 2, "k": 2, "m": 2}),
    "rates": (tl.GradientFlow(counts.linear, rates={"W1": tl.Fraction(1, 3)}), {"d": 2, "k": 2, "m": 2}),
    "mirror": (tl.GradientFlow(two_layers, metric=lambda p: p), {"d": 2, "k": 2, "m": 2}),
    "relu": (tl.GradientFlow(counts.relu), {"d": 2, "k": 2, "m": 2}),
    "convex": (tl.GradientFlow(convex, metric=lambda p: p.replace(W=p.W * 0 + 1)), {"d": 2, "k": 2, "m": 2}),
    "weight norm": (tl.GradientFlow(functions.weight_norm), {"N": 3}),
    "exponential": (functions.biased(tl.ops.exp), {"d": 2, "k": 2, "m": 2}),
    "attention": (tl.GradientFlow(softmax_attention), {"d": 2, "h": 1, "T": 3}),
}


@pytest.fixture(scope="module", params=list(FLOWS))
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Document:
    flow, dims = FLOWS[request.param]
    laws = tl.discover(flow, dims=dims, out=tmp_path_factory.mktemp("laws"))
    assert laws.certificate is not None
    return json.loads(Path(laws.certificate).read_text())


def accepted(document: Document) -> bool:
    return proofs_check.check(encode(seal(document))).accepted


def damaged(document: Document) -> Iterator[tuple[str, Document]]:
    """Copies with one thing changed so that the proof no longer shows the statement."""

    def copied() -> tuple[Document, Document, Document]:
        copy_ = copy.deepcopy(document)
        return copy_, copy_["statement"], copy_["proof"]

    changed, statement, proof = copied()
    statement["count"] += 1
    yield "one law more is claimed", changed

    changed, statement, proof = copied()
    statement["bound"] -= 1
    yield "a smaller bound is claimed", changed

    changed, statement, proof = copied()
    statement["bound"] += 1
    yield "a larger bound is claimed", changed

    changed, statement, proof = copied()
    statement["laws"][0][0][0] = str(-2 * Fraction(statement["laws"][0][0][0]))
    if len(statement["laws"][0]) > 1:
        yield "a coefficient of a law is changed", changed

    changed, statement, proof = copied()
    del statement["laws"][0][0]
    if statement["laws"][0]:
        yield "a law lacks a term", changed

    changed, statement, proof = copied()
    letter = statement["laws"][-1][-1][1][-1]
    letter[0] = entries(statement)[letter[0] == entries(statement)[0]]
    yield "a letter of a law is another one", changed

    changed, statement, proof = copied()
    del statement["laws"][0]
    yield "a law is missing", changed

    changed, statement, proof = copied()
    statement["laws"].append(copy.deepcopy(statement["laws"][0]))
    statement["count"] += 1
    yield "a law is counted twice", changed

    changed, statement, proof = copied()
    statement["laws"].append(squared(statement["laws"][0]))
    statement["count"] += 1
    yield "the square of a law is counted", changed

    changed, statement, proof = copied()
    statement["laws"].append([["1", [[entries(statement)[0], [], 1]]]])
    statement["count"] += 1
    yield "a coordinate is claimed to be constant", changed

    changed, statement, proof = copied()
    del proof["words"][-1]
    yield "a bracket is missing", changed

    changed, statement, proof = copied()
    proof["words"][-1] = proof["words"][0]
    if len(proof["words"]) > 1:
        yield "a bracket is counted twice", changed

    changed, statement, proof = copied()
    proof["words"][0] = [0, 0]
    yield "a field with itself has the bracket 0", changed

    changed, statement, proof = copied()
    proof["members"][0] = [1, [10**6]]
    yield "a field is no coefficient of an output", changed

    changed, statement, proof = copied()
    proof["members"][0] = [0, []] if proof["members"][0][0] else [1, []]
    yield "a field is another one", changed

    changed, statement, proof = copied()
    proof["point"] = ["0"] * len(proof["point"])
    yield "the point is 0", changed

    changed, statement, proof = copied()
    proof["prime"] = 6
    yield "the prime is none", changed

    changed, statement, proof = copied()
    proof["words"][0] = [0] * 40
    yield "a word is too long", changed

    changed, statement, proof = copied()
    statement["clock"] = None if statement.get("clock") is not None else "1"
    yield "a flow has a clock exactly where it has a drift", changed

    changed, statement, proof = copied()
    statement["constants"] = ["eta"]
    yield "a constant is added and not counted", changed

    changed, statement, proof = copied()
    statement["outputs"].append(statement["laws"][0][0][1][0][0])
    yield "an output moves one coordinate of a law alone", changed


def entries(statement: Document) -> list[str]:
    """The names of the entries of the state."""
    return [
        name + (f"[{','.join(map(str, index))}]" if index else "")
        for name, shape in statement["state"]
        for index in product(*(range(statement["sizes"].get(size, size)) for size in shape))
    ]


def squared(law: list[Any]) -> list[Any]:
    return [[str(Fraction(c) * Fraction(d)), [*m, *n]] for c, m in law for d, n in law]


def test_whole_certificate(document: Document) -> None:
    assert accepted(document)


def test_damaged_certificates_are_rejected(document: Document) -> None:
    found = list(damaged(document))
    assert len(found) >= 10
    assert [name for name, changed in found if accepted(changed)] == []


def test_a_weaker_count_is_still_true(document: Document) -> None:
    """Without its last law a list proves one law less: accepted, and no longer complete."""
    weaker = copy.deepcopy(document)
    weaker["statement"]["laws"].pop()
    weaker["statement"]["count"] -= 1
    assert accepted(weaker)


def test_a_scope_names_only_sizes_of_arrays(document: Document) -> None:
    boasting = copy.deepcopy(document)
    boasting["statement"]["sizes"]["width"] = 1000
    boasting["scope"] = ", ".join([*boasting["scope"].split(", "), "width=1000"])
    outcome = proofs_check.check(encode(seal(boasting)))
    assert "those of no array" in outcome.reason


@pytest.mark.parametrize("document", ["damped"], indirect=True)
def test_what_outputs_and_velocities_may_contain(document: Document) -> None:
    """Of the slopes and the clock an output knows nothing, and the velocity is linear in the slopes."""
    for expected, part, expression in (
        ("an output depends on", "define", [["1", [["slope.W1[0,0]", [], 1]]]]),
        ("an output depends on", "define", [["1", [["clock", [], 1]]]]),
        ("the velocity depends on", "velocity", [["1", [["clock", [], 1]]]]),
        ("the velocity depends on", "velocity", [["1", [["x[0,0]", [], 1]]]]),
        ("not linear in the slopes", "velocity", [["1", [["slope.W1[0,0]", [], 1], ["slope.W2[0,0]", [], 1]]]]),
        ("not linear in the slopes", "velocity", [["1", [["slope.W1[0,0]", [], 2]]]]),
    ):
        changed = copy.deepcopy(document)
        if part == "velocity":
            changed["statement"][part][0] = expression
        else:
            changed["statement"][part][-1]["expr"] = expression
        assert expected in proofs_check.check(encode(seal(changed))).reason


@pytest.mark.parametrize("document", ["damped"], indirect=True)
def test_outputs_do_not_hide_a_slope_in_each_other(document: Document) -> None:
    changed = copy.deepcopy(document)
    for name, sign in (("plus", "1"), ("minus", "-1")):
        expression = [[sign, [["slope.W1[0,0]", [], 1], ["W1[0,0]", [], 1]]]]
        changed["statement"]["define"].append({"name": name, "axes": [], "expr": expression})
        changed["statement"]["outputs"].append(name)
    assert "an output depends on" in proofs_check.check(encode(seal(changed))).reason


@pytest.mark.parametrize("document", ["linear"], indirect=True)
def test_definitions_are_no_arrays(document: Document) -> None:
    """Derivatives are taken entry by entry; in a sum over an index each entry would count once for all of them."""
    changed = copy.deepcopy(document)
    expression = [["1", [["W1[0,0]", [], 1]]]]
    changed["statement"]["define"].append({"name": "row", "axes": [["i", "3"]], "fn": "exp", "arg": expression})
    assert "an array" in proofs_check.check(encode(seal(changed))).reason


def relu_document(tmp_path: Path) -> Document:
    laws = tl.discover(FLOWS["relu"][0], dims=FLOWS["relu"][1], out=tmp_path)
    assert laws.certificate is not None
    return json.loads(Path(laws.certificate).read_text())


def test_a_gate_on_its_kink_is_rejected(tmp_path: Path) -> None:
    document = relu_document(tmp_path)
    document["statement"]["cell"]["inputs"][0] = ["0", "0"]
    outcome = proofs_check.check(encode(seal(document)))
    assert "kink" in outcome.reason


def test_a_cell_needs_its_own_point(tmp_path: Path) -> None:
    document = relu_document(tmp_path)
    document["proof"]["point"][0] = str(Fraction(document["proof"]["point"][0]) + 1)
    outcome = proofs_check.check(encode(seal(document)))
    assert "not the state of the cell" in outcome.reason


def test_dead_units_do_not_count_as_separated(tmp_path: Path) -> None:
    """With the inputs of one pattern alone the same two laws no longer bound the number of laws by two."""
    document = relu_document(tmp_path)
    document["statement"]["cell"]["inputs"] = document["statement"]["cell"]["inputs"][:1]
    outputs = len(document["statement"]["outputs"])
    document["proof"]["members"] = [[1 + (n - 1) % outputs if n else 0, x] for n, x in document["proof"]["members"]]
    assert not accepted(document)


def test_a_function_needs_a_rational_value(tmp_path: Path) -> None:
    """At a bias other than 0 the exponential is no rational number, and takes no free value."""
    flow, dims = FLOWS["exponential"]
    laws = tl.discover(flow, dims=dims, out=tmp_path)
    document = json.loads(Path(str(laws.certificate)).read_text())
    names = [f"{n}{i}" for n, shape in (("U", 4), ("b", 2), ("V", 4)) for i in range(shape)]
    document["proof"]["point"][names.index("b0")] = "1"
    assert "is not rational at the point" in proofs_check.check(encode(seal(document))).reason


def test_a_norm_needs_a_rational_value(tmp_path: Path) -> None:
    flow, dims = FLOWS["weight norm"]
    laws = tl.discover(flow, dims=dims, out=tmp_path)
    document = json.loads(Path(str(laws.certificate)).read_text())
    document["proof"]["point"] = ["2", "1", "1", "1"]
    assert "is not rational at the point" in proofs_check.check(encode(seal(document))).reason
