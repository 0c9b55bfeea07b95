"""Exact points at which a claim fails; and points that do not count."""

from __future__ import annotations

from typing import Any

from proofs_check import check
from tests.proofs_check import laws
from tests.proofs_check.documents import Document, certificate, define, encode, expr, goal, letters, relation

RULE = "exact-counterexample"


def decide(statement: Document, at: Document, value: str, scope: str = "no sizes", **proof: Any) -> str:
    """The reason for the rejection, "" if the point refutes the goal."""
    body = {"goal": "law", "sizes": {}, "at": at, "value": value, **proof}
    return check(encode(certificate(statement, body, scope, RULE))).reason


def zero(text: str, declared: Document, **more: Any) -> Document:
    return {"letters": declared, "goals": [goal("zero", expr=text)], **more}


def test_refutes_the_matrix_law_of_a_relu_layer() -> None:
    outcome = check(encode(laws.off_diagonal()))
    assert outcome.accepted, outcome.reason
    assert outcome.scope == "d=1, k=2, m=1, n=1"


def test_true_claim_has_no_counterexample() -> None:
    point = {"goal": "law", "sizes": {"d": 1, "k": 1, "m": 1, "n": 1}, "component": [0, 0], "value": "0"}
    at = {"W1": [["2"]], "W2": [["3"]], "x": [["5"]], "r": [["7"]]}
    document = certificate(laws.linear()["statement"], {**point, "at": at}, "d=1, k=1, m=1, n=1", RULE)
    assert "holds at the point" in check(encode(document)).reason


def test_value_is_recomputed() -> None:
    assert decide(zero("a - 2 b", letters(a="", b="")), {"a": "1", "b": "1/3"}, "1/3") == ""
    assert "the value at the point is '1/3'" in decide(
        zero("a - 2 b", letters(a="", b="")), {"a": "1", "b": "1/3"}, "1"
    )


def test_hypotheses_and_signs_hold_at_the_point() -> None:
    declared = letters({"a": "positive"}, a="", b="")
    statement = zero("a", declared, relations=[relation("sum", "", "a + b - 1")])
    assert decide(statement, {"a": "2", "b": "-1"}, "2") == ""
    assert "the hypothesis 'sum' does not hold" in decide(statement, {"a": "2", "b": "0"}, "2")
    assert "declared positive" in decide(statement, {"a": "0", "b": "1"}, "0")


def test_matrix_hypothesis_holds_in_every_entry() -> None:
    unit = relation("M M' = I", "a:n b:n", "M[a,i] M[b,i] - delta[a,b]")
    statement = zero("M[i,j] M[i,j] - M[i,i]^2", letters(M="n n"), relations=[unit])
    turn = [["3/5", "-4/5"], ["4/5", "3/5"]]
    assert decide(statement, {"M": turn}, "32/25", "n=2", sizes={"n": 2}) == ""
    sheared = [["1", "1"], ["0", "1"]]
    assert 'the hypothesis "M M\' = I" does not hold' in decide(statement, {"M": sheared}, "1", "n=2", sizes={"n": 2})


def test_state_is_at_its_initial_value() -> None:
    statement = {
        "letters": letters(w="", w0=""),
        "define": [define("rate", "", "w^2")],
        "flows": [{"state": {}, "explicit": {"w": "rate"}, "initial": {"w": "w0"}}],
        "goals": [goal("conserved", flow=0, expr="w")],
    }
    assert decide(statement, {"w": "2", "w0": "2"}, "4") == ""
    assert "not at its initial value" in decide(statement, {"w": "2", "w0": "1"}, "4")


def test_senses() -> None:
    """w' = w^2: the claim w' <= 5 fails at w = 3, and w' >= 5 fails at w = 2, not the other way round."""
    for sense, refuting, harmless in (("<=", "3", "2"), (">=", "2", "3"), ("==", "3", None)):
        statement = {
            "letters": letters(w=""),
            "define": [define("rate", "", "w^2")],
            "flows": [{"state": {}, "explicit": {"w": "rate"}}],
            "goals": [goal("evolves", flow=0, expr="w", rate="5", sense=sense)],
        }
        assert decide(statement, {"w": refuting}, str(int(refuting) ** 2 - 5)) == ""
        if harmless:
            assert "holds at the point" in decide(statement, {"w": harmless}, str(int(harmless) ** 2 - 5))


def test_strict_inequality_fails_at_zero() -> None:
    for strict, refuted in ((True, True), (False, False)):
        statement = {"letters": letters(a=""), "goals": [goal("nonnegative", expr="a^2", strict=strict)]}
        assert (decide(statement, {"a": "0"}, "0") == "") is refuted


def test_conjugation_fails_for_a_map_that_does_not_carry() -> None:
    statement = laws.scaling()["statement"]
    statement["define"][-1] = define("aw", "i:d", "2 alpha w[i]")
    at = {"w": ["1"], "x": [["1"]], "y": ["3"], "alpha": "1"}
    value = {"sizes": {"d": 1, "n": 1}, "component": [0], "letter": "w"}
    # field_b(2 w) = -(2 - 3) = 1, and 2 field_a(w) = -2 (1 - 3) = 4.
    assert decide(statement, at, "-3", "d=1, n=1", **value) == ""


def test_higher_derivative_refutes_what_the_first_cannot() -> None:
    """w'' = -r x: Q = w w' has Q' = w'^2 + w w'' and Q'' = 3 w' w'', both 0 at rest in 0, but Q (3) = 3 w''^2 = 108."""
    statement = {
        "letters": letters(w="", v="", x="", r=""),
        "define": [define("f", "", "w x")],
        "flows": [{"state": {"w": expr("1")}, "velocity": {"w": "v"}, "outputs": [["f", "r"]]}],
        "goals": [goal("conserved", flow=0, expr="w v")],
    }
    at = {"w": "0", "v": "0", "x": "2", "r": "3"}
    assert "holds at the point" in decide(statement, at, "0")
    assert "holds at the point" in decide(statement, at, "0", derivatives=1)
    assert decide(statement, at, "108", derivatives=2) == ""
    assert "the value at the point is '108'" in decide(statement, at, "107", derivatives=2)
    assert "expected an integer from 0 to 4" in decide(statement, at, "108", derivatives=5)
    statement["goals"] = [goal("evolves", flow=0, expr="w v", rate="5", sense="<=")]
    assert "says nothing of derivatives" in decide(statement, at, "108", derivatives=2)


def test_gate_on_its_kink_refutes_no_derivative() -> None:
    """|w|' = 0 fails everywhere but at the kink of the gate, where nothing is said."""
    statement = {
        "letters": letters(w=""),
        "define": [define("h", "", "w", "step"), define("one", "", "1")],
        "flows": [{"state": {}, "explicit": {"w": "one"}}],
        "goals": [goal("conserved", flow=0, expr="2 h w - w")],
        "step_at_zero": "1",
    }
    assert decide(statement, {"w": "1"}, "1") == ""
    assert "sits on its kink" in decide(statement, {"w": "0"}, "1")


def test_step_at_zero_is_a_convention_of_the_statement() -> None:
    for value in ("0", "1", "1/2"):
        statement = zero("h - 3", letters(u=""), define=[define("h", "", "u", "step")], step_at_zero=value)
        expected = {"0": "-3", "1": "-2", "1/2": "-5/2"}[value]
        assert decide(statement, {"u": "0"}, expected) == ""
    statement["gates"] = "binary"
    assert "binary gates" in decide(statement, {"u": "0"}, "-5/2")


def test_functions_are_evaluated_only_where_they_are_rational() -> None:
    for function, u, value in (
        ("exp", "0", "1"), ("log", "1", "0"), ("cos", "0", "1"), ("sin", "0", "0"), ("tanh", "0", "0"),
        ("sqrt", "9/4", "3/2"), ("inv", "3", "1/3"), ("sign", "-2", "-1"), ("arcsinh", "0", "0"),
    ):  # fmt: skip
        statement = zero("y + 5", letters(u=""), define=[define("y", "", "u", function)])
        total = {"1": "6", "0": "5", "3/2": "13/2", "1/3": "16/3", "-1": "4"}[value]
        assert decide(statement, {"u": u}, total) == ""
    for function, u in (
        ("exp", "1"),
        ("log", "2"),
        ("sqrt", "2"),
        ("sqrt", "-4"),
        ("log", "0"),
        ("inv", "0"),
        ("sign", "0"),
    ):
        statement = zero("y + 5", letters(u=""), define=[define("y", "", "u", function)])
        assert decide(statement, {"u": u}, "0") != ""


def test_undefined_value_is_not_hidden_by_a_factor_zero() -> None:
    """z / u at z = u = 0 is undefined, not 0."""
    statement = zero("z y + 1", letters(u="", z=""), define=[define("y", "", "u", "inv")])
    assert "not rational" in decide(statement, {"u": "0", "z": "0"}, "1")


def test_point_fits_the_letters() -> None:
    statement = zero("v[i] v[i]", letters(v="n"))
    assert decide(statement, {"v": ["1", "2"]}, "5", "n=2", sizes={"n": 2}) == ""
    assert "does not give the size" in decide(statement, {"v": ["1", "2"]}, "5", "n=2")
    assert "expected a list of 2" in decide(statement, {"v": ["1"]}, "1", "n=2", sizes={"n": 2})
    assert "differ in the letter" in decide(statement, {}, "5", "n=2", sizes={"n": 2})
    assert "differ in the letter" in decide(statement, {"v": ["1", "2"], "w": "1"}, "5", "n=2", sizes={"n": 2})
    assert "leaves no room" in decide(statement, {"v": ["1", "2"]}, "5", "k=1, n=2", sizes={"n": 2, "k": 1})
    assert decide(statement, {"v": ["1", "2"]}, "5", "n=3", sizes={"n": 2}).startswith("scope")


def test_component_exists() -> None:
    statement = {"letters": letters(v="n"), "goals": [goal("zero", ax="i:n", expr="v[i]")]}
    at, sizes = {"v": ["1", "2"]}, {"n": 2}
    assert decide(statement, at, "2", "n=2", sizes=sizes, component=[1]) == ""
    for component in ([], [2], [0, 0]):
        assert "does not exist" in decide(statement, at, "2", "n=2", sizes=sizes, component=component)


def test_goal_is_named() -> None:
    statement = zero("a", letters(a=""))
    assert "0 goals with the name" in decide(statement, {"a": "1"}, "1", goal="other")


def test_fraction_of_huge_powers_is_refused() -> None:
    chain = [define("p0", "", "a^64"), *(define(f"p{k}", "", f"p{k - 1}^15") for k in range(1, 3))]
    statement = zero("p2", letters(a=""), define=chain)
    assert decide(statement, {"a": "2" * 3000}, "1").startswith("limit")


def test_expression_without_terms_is_zero() -> None:
    statement = {"letters": letters(a=""), "goals": [{"name": "law", "kind": "zero", "axes": [], "expr": expr("0")}]}
    assert "holds at the point" in decide(statement, {"a": "1"}, "0")
