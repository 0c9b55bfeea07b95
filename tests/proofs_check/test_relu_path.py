"""Exact paths of one ReLU neuron: the printed design, others of the same recipe, and damaged proofs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from proofs_check import check
from proofs_check.document import Budget
from proofs_check.relu_path import _positive
from tests.proofs_check import laws
from tests.proofs_check.documents import Document, certificate, encode
from tests.relu_designs import designs
from theorylab.derive.relu_path import design, first_phase, relu_path


def sealed(statement: Document, proof: Document, scope: str = "d=3, n=3") -> bytes:
    return encode(certificate(statement, proof, scope, "relu-path"))


def test_printed_design() -> None:
    outcome = check(encode(laws.printed_path()))
    assert outcome.accepted, outcome.reason
    assert outcome.scope == "d=3, n=3"
    assert outcome.goals == ("limit", "zero loss", "smaller norm")


@pytest.mark.parametrize("number", range(12))
def test_other_designs(number: int) -> None:
    path = relu_path(*designs()[23 * number])
    outcome = check(sealed(path.statement, path.proof))
    assert outcome.accepted, outcome.reason


def test_limit_of_one_design_is_not_that_of_another() -> None:
    first, second = (relu_path(*data) for data in designs()[:2])
    assert not check(sealed(first.statement, second.proof)).accepted
    assert not check(sealed({**first.statement, "limit": second.statement["limit"]}, first.proof)).accepted


def spoiled(change: dict[str, Any]) -> str:
    document = laws.printed_path()
    statement = {**document["statement"], **{k: v for k, v in change.items() if k in document["statement"]}}
    proof = {**document["proof"], **{k: v for k, v in change.items() if k in document["proof"]}}
    return check(sealed(statement, proof)).reason


GOOD = laws.printed_path()["proof"]
LIMIT = ["55835/112", "-191343/224", "194043/224"]
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"better": LIMIT}, "no smaller norm"),
    ({"better": ["0", "0", "0"]}, "has a positive loss"),
    ({"limit": ["558", "-765", "896"]}, "is not reached along the samples"),
    ({"weights": ["0", "0"]}, "is not reached along the samples"),
    ({"weights": ["0", "0", "0"]}, "a list of 2"),
    ({"y": ["13314", "17514", "1"]}, "does not solve the flow"),
    ({"rate": "98"}, "does not solve the flow"),
    ({"rate": "-49"}, "has to be positive"),
    ({"exit": "1/3"}, "does not reach 0 at the exit"),
    ({"exit": "1"}, "between 0 and 1"),
    ({"exit": "1/2", "leaving": []}, "some units have to leave"),
    ({"leaving": [0]}, "its y is not 0"),
    ({"leaving": [2, 7]}, "a unit that leaves"),
    ({"path": [[str(2 * Fraction(c)) for c in p] for p in GOOD["path"]]}, "does not solve the flow"),
    ({"path": [["1", *p[1:]] for p in GOOD["path"]]}, "does not start at 0"),
    ({"cone": {**GOOD["cone"], "rows": [["0", "0"], ["0", "0"]]}}, "not a nonnegative combination"),
    ({"cone": {**GOOD["cone"], "matrix": [["0", "0"], ["0", "0"]]}}, "do not move by its matrix"),
    ({"cone": {**GOOD["cone"], "falling": {}}}, "falling lacks the key '2'"),
    ({"cone": {**GOOD["cone"], "falling": {"2": ["0", "0"]}}}, "not a nonnegative combination"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_damage_is_named(change: dict[str, Any], sentence: str) -> None:
    assert sentence in spoiled(change)


def test_cone_without_invariance() -> None:
    """q = e solves q' = -K e, but -K has negative entries off the diagonal: q >= 0 would not last."""
    kernel = [[108, 114], [114, 349]]
    cone = {
        "rows": [["1", "0"], ["0", "1"]],
        "matrix": [[str(-a) for a in row] for row in kernel],
        "falling": {"2": ["-6", "108"]},
    }
    assert "negative entry off the diagonal" in spoiled({"cone": cone})


def test_unit_that_is_never_active_is_seen() -> None:
    """x_3 split into 3/5 x_3 and -4/5 x_3 leaves X'X and X'y, hence the path; but the second part starts inactive."""
    document = laws.printed_path()
    x, y = document["statement"]["x"], document["statement"]["y"]
    parts = [[str(Fraction(c) * Fraction(entry)) for entry in x[2]] for c in ("3/5", "-4/5")]
    change = {"x": [*x[:2], *parts], "y": [*y, "0"], "leaving": [2, 3]}
    assert "unit 3 is not seen to be active before the exit" in spoiled(change)


def test_point_outside_the_cone() -> None:
    """The mirrored rows (-s, -p) move by the same matrix, but start negative."""
    rows, matrix = GOOD["cone"]["rows"], GOOD["cone"]["matrix"]
    mirrored = [[str(-Fraction(a)) for a in row] for row in rows]
    blocks = [[*row, "0", "0"] for row in matrix] + [["0", "0", *row] for row in matrix]
    cone = {"rows": rows + mirrored, "matrix": blocks, "falling": {"2": ["1", "0", "0", "0"]}}
    assert "outside the cone at the exit" in spoiled({"cone": cone})


def test_large_error_at_the_exit() -> None:
    """A design whose |e| at the exit exceeds its smaller target: the bound says nothing, and so does the kernel."""
    x, y = design([[3, 6, 2], [-6, 2, 3], [2, -3, 6]], Fraction(2, 3))
    rate, path, exit_, leaving = first_phase(x, y)
    statement = {"x": written(x), "y": written(y), "limit": ["0"] * 3, "better": ["0"] * 3}
    proof = {
        "rate": str(rate),
        "path": written(path),
        "exit": str(exit_),
        "leaving": list(leaving),
        "cone": GOOD["cone"],
        "weights": ["0", "0"],
    }
    assert "is not seen to stay active" in check(sealed(statement, proof)).reason


def written(rows: Any) -> Any:
    return [written(row) for row in rows] if isinstance(rows, tuple) else str(rows)


POLYNOMIALS = [
    ([1, 0, 1], True),
    ([-1, 3], False),  # root 1/3
    ([1, -4, 4], False),  # double root 1/2
    ([1, -4, 5], True),  # discriminant -4
    ([100, -400, 401], True),  # least value about 1/4
    ([100, -400, 400], False),
    ([0, 1], False),  # root at the end 0
    ([1, -1], False),  # root at the end 1
    ([], False),
    ([-5], False),
]


@pytest.mark.parametrize(("coefficients", "positive"), POLYNOMIALS)
def test_positivity_on_the_unit_interval(coefficients: list[int], positive: bool) -> None:
    p = [Fraction(c) for c in coefficients]
    assert _positive(p, Fraction(0), Fraction(1), Budget()) is positive


def test_numbers_and_degrees_are_limited() -> None:
    assert spoiled({"exit": f"1/{2**2049}"}).startswith("limit")
    assert spoiled({"path": [["0"] * 300] * 3}).startswith("limit")
    assert spoiled({"exit": f"{2**1000 - 1}/{2**1000}"}).startswith("limit")
    assert spoiled({"x": [["1"] * 40] * 40}).startswith("limit")
