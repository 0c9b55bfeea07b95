"""Proofs of inequalities: squares, products of nonnegative things, cases of gates."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from proofs_check import check
from tests.proofs_check import laws
from tests.proofs_check.documents import Document, axes, certificate, define, encode, expr, goal, letters


def piece(text: str, names: str, ax: str = "", gates: dict[str, str] | None = None, **cases: list[Any]) -> Document:
    patterns = ["".join(bits) for bits in product("01", repeat=len(gates or {}))]
    return {
        "axes": axes(ax),
        "letters": names.split(),
        "gates": gates or {},
        "expr": expr(text),
        "cases": {pattern: {"squares": cases.get(f"_{pattern}", [])} for pattern in patterns},
    }


def decide(text: str, pieces: list[Document], declared: Document, strict: bool = False, **more: Any) -> str:
    """The reason for the rejection of text >= 0 (> 0), "" if it is accepted."""
    statement = {"letters": declared, "goals": [goal("nonnegative", expr=text, strict=strict)], **more}
    scope = "all sizes" if any(spec["shape"] for spec in declared.values()) else "no sizes"
    return check(encode(certificate(statement, {"nonnegative": {"law": {"pieces": pieces}}}, scope))).reason


def square(coefficient: str, text: str) -> list[Any]:
    return [coefficient, expr(text)]


def test_sum_of_squares() -> None:
    text = "a^2 - 2 a b + 2 b^2"
    assert decide(text, [piece(text, "a b", _=[square("1", "a - b")])], letters(a="", b="")) == ""
    assert "may be negative" in decide(text, [piece(text, "a b")], letters(a="", b=""))
    assert "may be negative" in decide(text, [piece(text, "a b", _=[square("2", "a - b")])], letters(a="", b=""))


def test_square_with_negative_coefficient() -> None:
    reason = decide("0 - a^2", [piece("0 - a^2", "a", _=[square("-1", "a")])], letters(a=""))
    assert "a square has a negative coefficient" in reason


def test_strictness() -> None:
    declared = letters({"p": "positive", "q": "nonnegative"}, a="", p="", q="")
    for text, weak, strict in (
        ("p", True, True),
        ("q", True, False),
        ("a^2", True, False),
        ("a^2 + 1/7", True, True),
        ("p q", True, False),
        ("p^-1", True, True),
        ("a p", False, False),
        ("p - q", False, False),
    ):
        names = "a p q"
        assert (decide(text, [piece(text, names)], declared) == "") is weak
        assert (decide(text, [piece(text, names)], declared, strict=True) == "") is strict


def test_even_powers_of_nonzero_letters_are_positive() -> None:
    for sign, strict in (("nonzero", True), ("any", False)):
        declared = letters({"a": sign}, a="")
        assert (decide("a^2", [piece("a^2", "a")], declared, strict=True) == "") is strict


def test_sums_over_axes() -> None:
    """sum_i (a_i - b_i)^2 >= 0; the sum of the a_i b_i is not."""
    declared = letters(a="n", b="n")
    text = "a[i]^2 - 2 a[i] b[i] + b[i]^2"
    assert decide(text, [piece(text, "a b", "i:n", _=[square("1", "a[i] - b[i]")])], declared) == ""
    assert "may be negative" in decide("a[i] b[i]", [piece("a[i] b[i]", "a b", "i:n")], declared)


def test_cauchy_schwarz_by_lagrange() -> None:
    """|a|^2 |b|^2 - <a, b>^2 = 1/2 sum_ij (a_i b_j - a_j b_i)^2."""
    text = "a[i]^2 b[j]^2 - a[i] b[i] a[j] b[j]"
    half = "1/2 a[i]^2 b[j]^2 + 1/2 a[j]^2 b[i]^2 - a[i] b[j] a[j] b[i]"
    proof = [piece(half, "a b", "i:n j:n", _=[square("1/2", "a[i] b[j] - a[j] b[i]")])]
    assert decide(text, proof, letters(a="n", b="n")) == ""
    assert "not the sum of its pieces" in decide(f"{text} - a[i]^2", proof, letters(a="n", b="n"))


def test_relu_is_nonnegative_and_at_least_its_argument() -> None:
    more = {"gates": "binary", "define": [define("h", "", "u", "step")]}
    for text in ("h u", "h u - u"):
        assert decide(text, [piece(text, "h u", gates={"h": "u"})], letters(u=""), **more) == ""
    for text in ("u", "u - h u", "1/2 h u + 1/2 u"):
        assert "may be negative" in decide(text, [piece(text, "h u", gates={"h": "u"})], letters(u=""), **more)


def test_relu_is_one_lipschitz() -> None:
    """(relu(a) - relu(b))^2 <= (a - b)^2, over all four cases."""
    text = "a^2 - 2 a b + b^2 - h a^2 + 2 h k a b - k b^2"
    more = {"gates": "binary", "define": [define("h", "", "a", "step"), define("k", "", "b", "step")]}
    gates = {"h": "a", "k": "b"}
    proof = piece(text, "a b h k", gates=gates, _00=[square("1", "a - b")])
    assert decide(text, [proof], letters(a="", b=""), **more) == ""
    false = "a^2 - 2 a b + b^2 - 2 h a^2 + 4 h k a b - 2 k b^2"
    proof = piece(false, "a b h k", gates=gates, _00=[square("1", "a - b")])
    assert "may be negative" in decide(false, [proof], letters(a="", b=""), **more)


def test_gate_must_be_the_step_of_its_argument() -> None:
    more = {"gates": "binary", "define": [define("h", "", "u", "step"), define("v", "", "0 - u")]}
    proof = piece("h v", "h v", gates={"h": "v"})
    assert "is not the step of" in decide("h v", [proof], letters(u=""), **more)


def test_gate_of_unknown_value_at_zero_has_more_cases() -> None:
    """relu'(0) = -5 would make h^2 - h = 30 and h = -5: a proof by cases needs binary gates."""
    more = {"define": [define("h", "", "u", "step")]}
    assert 'needs "gates": "binary"' in decide("h", [piece("h", "h u", gates={"h": "u"})], letters(u=""), **more)


def test_gate_and_argument_share_their_indices() -> None:
    """h_i u_j is not nonnegative, although h_i u_i is."""
    more = {"gates": "binary", "define": [define("h", "i:n", "u[i]", "step")]}
    proof = piece("h[i] u[j]", "h u", "i:n j:n", gates={"h": "u"})
    assert "two index patterns" in decide("h[i] u[j]", [proof], letters(u="n"), **more)
    proof = piece("h[i] u[i]", "h u", "i:n", gates={"h": "u"})
    assert decide("h[i] u[i]", [proof], letters(u="n"), **more) == ""


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"cases": {"0": {}, "1": {}, "2": {"squares": []}}}, "unknown key '2'"),
    ({"cases": {"1": {}}}, "lacks the key '0'"),
    ({"letters": ["h"]}, "is no letter of the piece"),
    ({"letters": ["h"], "gates": {}}, "which is no letter"),
    ({"letters": ["h", "u", "nobody"]}, "expected a letter or a definition"),
    ({"expr": expr("h v[i]"), "letters": ["h", "u", "v"]}, "no axis of the piece"),
    ({"gates": {"g": "u"}}, "is no letter of the piece"),
    ({"gates": {"h": "h"}}, "or a gate itself"),
    ({"expr": expr("h u[i]")}, "gives 'u' 1 indices"),
    ({"expr": [["1", [["h", [], -1], ["u", [], 1]]]]}, "divides by 'h'"),
    ({"axes": [["i", "i"], ["i", "i"]]}, "appears twice"),
    ({"extra": 1}, "unknown key"),
]


@pytest.mark.parametrize(("change", "sentence"), BROKEN)
def test_broken_piece(change: dict[str, Any], sentence: str) -> None:
    more = {"gates": "binary", "define": [define("h", "", "u", "step")]}
    proof = {**piece("h u", "h u", gates={"h": "u"}), **change}
    assert sentence in decide("h u", [proof], letters(u="", v="n"), **more)


QUARTIC = "a^4 - 2 a^2 b + 2 b^2 - 2 b + 1"  # (a^2 - b)^2 + (b - 1)^2


def gram(vector: list[str], matrix: list[list[str]]) -> Document:
    return {"gram": {"vector": [expr(entry) for entry in vector], "matrix": matrix}}


def by_gram(matrix: list[list[str]], text: str = QUARTIC) -> str:
    """text = v' G v for v = (1, a^2, b)."""
    proof = {**piece(text, "a b"), "cases": {"": gram(["1", "a^2", "b"], matrix)}}
    return decide(text, [proof], letters(a="", b=""))


def test_gram_matrix() -> None:
    assert by_gram([["1", "0", "-1"], ["0", "1", "-1"], ["-1", "-1", "2"]]) == ""
    singular = [["1", "-1"], ["-1", "1"]]
    proof = {**piece("a^2 - 2 a b + b^2", "a b"), "cases": {"": gram(["a", "b"], singular)}}
    assert decide("a^2 - 2 a b + b^2", [proof], letters(a="", b="")) == ""


WRONG_GRAM = {
    "indefinite": (
        [["1", "0", "-1"], ["0", "1", "-1"], ["-1", "-1", "3/2"]],
        "not symmetric and positive semidefinite",
    ),
    "not symmetric": (
        [["1", "0", "-2"], ["0", "1", "-1"], ["0", "-1", "2"]],
        "not symmetric and positive semidefinite",
    ),
    "zero pivot": ([["0", "0", "-1"], ["0", "1", "-1"], ["-1", "-1", "2"]], "not symmetric and positive semidefinite"),
    "another form": ([["1", "0", "-1"], ["0", "1", "-1"], ["-1", "-1", "5/2"]], "may be negative"),
    "too small": ([["1", "0", "-1"], ["0", "1", "-1"]], "expected a list of 3"),
}


@pytest.mark.parametrize("name", WRONG_GRAM)
def test_wrong_gram_matrix(name: str) -> None:
    matrix, sentence = WRONG_GRAM[name]
    assert sentence in by_gram(matrix)


def test_sign_cases() -> None:
    """|a| >= 0 and |a| >= a; s a >= 2 a fails at a > 0, and s^2 = 1 in both cases."""
    more = {"define": [define("s", "", "a", "sign")]}
    for text, true in (("s a", True), ("s a - a", True), ("s a + a", True), ("1 - s", True), ("s^2", True),
                       ("s a - 2 a", False), ("s", False), ("a", False), ("s - s^2", False)):  # fmt: skip
        reason = decide(text, [piece(text, "s a", gates={"s": "a"})], letters(a=""), **more)
        assert (reason == "") is true, text
    cubed = "s a^3"
    assert decide(cubed, [piece(cubed, "s a", gates={"s": "a"})], letters(a=""), **more) == ""
    wrong = {"define": [define("s", "", "a", "tanh")]}
    assert "nor its sign" in decide("s a", [piece("s a", "s a", gates={"s": "a"})], letters(a=""), **wrong)


def test_goal_without_a_proof() -> None:
    document = laws.distance()
    assert "has no proof" in check(encode(certificate(document["statement"], {}))).reason


def test_distance_law_is_not_strict_in_the_other_direction() -> None:
    document = laws.distance()
    document["statement"]["goals"][0]["sense"] = ">="
    outcome = check(encode(certificate(document["statement"], document.hints)))
    assert outcome.reason.startswith("nonnegative")
