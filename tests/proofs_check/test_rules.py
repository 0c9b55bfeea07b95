"""Cofactors of hypotheses, orders of defects, smooth fields, sums of exponents: true certificates and false twins."""

from __future__ import annotations

import pytest

from proofs_check import check
from tests.proofs_check.documents import Document, certificate, define, encode, expr, goal, letters, relation


def reason(statement: Document, proof: Document | None = None, scope: str = "no sizes") -> str:
    return check(encode(certificate(statement, proof, scope))).reason


# -- ideal membership ----------------------------------------------------------------------------------------------


def circle(text: str, minus: str) -> str:
    """On x^2 + y^2 = 1 and x y = 1/2 the difference x - y has the square 0: no single rewriting of terms shows it."""
    statement = {
        "letters": letters(x="", y=""),
        "relations": [relation("circle", "", "x^2 + y^2 - 1"), relation("hyperbola", "", "x y - 1/2")],
        "goals": [goal("zero", expr=text)],
    }
    return reason(statement, {"zero": {"law": {"": {"minus": expr(minus)}}}})


def test_combinations_of_hypotheses() -> None:
    square = "x^2 - 2 x y + y^2"
    assert circle(square, "=circle - 2 =hyperbola") == ""
    assert circle("x^4 - y^4 - x^2 + y^2", "x^2 =circle - y^2 =circle") == ""
    for minus in ("=circle", "=circle + 2 =hyperbola", "2 =circle - 2 =hyperbola"):
        assert circle(square, minus).startswith("zero: goal 'law'")
    assert circle("x - y", "=circle - 2 =hyperbola").startswith("zero: goal 'law'")
    assert circle(square, "=circle - 2 =parabola").startswith("statement: ")


NOTHING_THAT_IS_ZERO = {
    "a plain term": "=circle - 2 =hyperbola + x",
    "a number": "=circle - 2 =hyperbola + 1",
    "a letter": "x^2 - 2 x y + y^2",
    "a hypothesis in a denominator": "=circle^-1",
    "what is 0 at a jump": "=circle - 2 =hyperbola + =law",
}


@pytest.mark.parametrize("name", NOTHING_THAT_IS_ZERO)
def test_only_what_is_zero_is_taken_away(name: str) -> None:
    minus = NOTHING_THAT_IS_ZERO[name]
    assert circle("x^2 - 2 x y + y^2 + x", minus).split(":")[0] in ("relation", "statement")
    assert circle("x", minus) != ""


def test_factor_that_may_vanish_is_refused() -> None:
    """x y = 0 and x (x y) = 0 say nothing of y; for x other than 0 they do."""
    for sign, accepted in (("any", False), ("nonnegative", False), ("nonzero", True), ("positive", True)):
        statement = {
            "letters": letters({"x": sign}, x="", y=""),
            "relations": [relation("R", "", "x y")],
            "goals": [goal("zero", expr="y")],
        }
        for times, minus in (("x", "=R"), ("x + 0", "=R"), ("0", "=R - =R"), ("x^2", "x =R")):
            proof = {"zero": {"law": {"": {"times": expr(times), "minus": expr(minus)}}}}
            assert (reason(statement, proof) == "") is (accepted and times != "0"), (sign, times)


def test_proof_brings_no_assumption_of_its_own() -> None:
    """From x y = 0 follows y = 0 only where x is not 0: an atom 1/x in the proof would assume so."""
    statement: Document = {
        "letters": letters(x="", y=""),
        "relations": [relation("R", "", "x y")],
        "goals": [goal("zero", expr="y")],
    }
    inverse = {"name": "z", "axes": [], "fn": "inv", "arg": expr("x")}
    minus = expr("z =R + y z =z")
    proof = {"zero": {"law": {"": {"atoms": [inverse], "minus": minus}}}}
    assert "assumes the argument of inv in z is not 0" in reason(statement, proof)
    twin = {**inverse, "equal": expr("x"), "minus": []}
    again = {**inverse, "name": "w"}
    for atoms in ([twin, again], [twin]):
        for combination in ("w =R + y w =w", "z =R + y z =z"):
            proof = {"zero": {"law": {"": {"atoms": atoms, "minus": expr(combination)}}}}
            assert reason(statement, proof) != ""


def test_equal_atoms_need_equal_arguments() -> None:
    for v, minus, accepted in (("y", "=R", True), ("y", "0", False), ("0 - y", "=R", False), ("y", "2 =R", False)):
        statement: Document = {
            "letters": letters(x="", y=""),
            "define": [define("a", "", "x", "exp"), define("b", "", "y", "exp")],
            "relations": [relation("R", "", "x - y")],
            "goals": [goal("zero", expr="a - b")],
        }
        twin = {"name": "e", "axes": [], "fn": "exp", "arg": expr("x"), "equal": expr(v), "minus": expr(minus)}
        proof = {"zero": {"law": {"": {"atoms": [twin], "minus": expr("=e")}}}}
        assert (reason(statement, proof) == "") is accepted


def test_instances_of_a_hypothesis_have_indices_of_their_own() -> None:
    statement: Document = {
        "letters": letters(A="m n", z="n", y="m"),
        "relations": [relation("R", "j:m", "A[j,i] z[i]")],
        "goals": [goal("zero", expr="y[a] A[a,i] z[i]"), goal("zero", "each", "j:m", expr="y[j] A[j,i] z[i]")],
    }

    def proof(**minus: str) -> Document:
        return {"zero": {known: {"": {"minus": expr(text)}} for known, text in minus.items()}}

    assert reason(statement, proof(law="y[c] =R[c]", each="y[j] =R[j]"), "all sizes") == ""
    assert reason(statement, proof(law="y[i] =R[i]", each="y[j] =R[i]"), "all sizes").startswith("zero: goal 'each'")
    statement["goals"] = [goal("zero", expr="y[a] A[b,i] z[i]")]
    assert reason(statement, proof(law="y[a] =R[b]"), "all sizes") == ""
    assert reason(statement, proof(law="y[a] =R[a]"), "all sizes").startswith("zero")
    statement["goals"] = [goal("zero", "each", "j:n", expr="z[j]")]
    assert "runs over" in reason(statement, proof(each="=R[j]"), "all sizes")
    statement["relations"] = [relation("R", "", "A[j,i] z[i] y[j]")]
    statement["goals"] = [goal("zero", expr="A[j,i] z[i] y[j] y[j]")]
    assert reason(statement, proof(law="y[j] =R"), "all sizes").startswith("zero")


def test_what_is_conserved_is_zero_along_its_own_flow_only() -> None:
    """x + y is kept by x' = 1, y' = -1; another flow, or no flow, knows nothing of it; nor does a goal before it."""
    flow = {"state": {}, "explicit": {"x": "one", "y": "minus"}, "initial": {"x": "nought", "y": "one"}}
    kept = goal("conserved", "kept", flow=0, expr="x + y")
    proof = {"later": ["kept"], "zero": {"law": {"": {"minus": expr("=kept")}}}}
    for goals, where, accepted in (
        ([kept, "law"], 0, True),
        ([kept, "law"], 1, False),
        ([kept, "law"], None, False),
        (["law", kept], 0, False),
    ):
        law = goal("zero", expr="x + y - 1") if where is None else goal("zero", expr="x + y - 1", flow=where)
        statement: Document = {
            "letters": letters(x="", y=""),
            "define": [define("one", "", "1"), define("minus", "", "0 - 1"), define("nought", "", "0")],
            "flows": [flow, {"state": {}, "explicit": {"x": "one", "y": "one"}}],
            "goals": [law if part == "law" else part for part in goals],
        }
        assert (reason(statement, proof) == "") is accepted


def test_names_of_what_is_zero_are_given_once() -> None:
    statement: Document = {
        "letters": letters(x="", y=""),
        "relations": [relation("R", "", "x y")],
        "goals": [goal("zero", expr="x")],
    }
    atom = {"name": "R", "axes": [], "fn": "tanh", "arg": expr("x")}
    proof = {"zero": {"law": {"": {"atoms": [atom], "minus": expr("=R")}}}}
    assert "given twice" in reason(statement, proof)
    statement["relations"].append(relation("!", "", "x"))
    assert reason(statement, proof).startswith("parser")


def test_jump_is_shown_by_the_argument_of_its_own_gate() -> None:
    """u step(u) does not jump and v step(u) does; what is 0 at a jump is 0 nowhere else."""
    for text, accepted in (("u h", True), ("v h", False), ("u h + v^2 h", False)):
        for factors in ([], [["u", [], 1]], [["v", [], 1]], [["=!", [], 1]]):
            statement: Document = {
                "letters": letters(u="", v=""),
                "define": [define("h", "", "u", "step"), define("zero", "", "0")],
                "flows": [{"state": {}, "explicit": {"u": "zero", "v": "zero"}}],
                "goals": [goal("conserved", flow=0, expr=text)],
            }
            proof = {"zero": {"law": {"jump 1": {"minus": [["1", [["=!", [], 1], *factors]]]}}}}
            assert (reason(statement, proof) == "") is (accepted and not factors)
    jumps = {"jump 1": {"minus": [["1", [["=!", [], 1]]]]}}
    statement["goals"] = [goal("conserved", "first", flow=0, expr="u h"), goal("zero", "second", flow=0, expr="u")]
    proof = {"zero": {"first": jumps, "second": {"": {"minus": [["1", [["=!", [], 1]]]]}}}}
    assert "no factor that is known to be 0" in reason(statement, proof)


# -- Taylor coefficients in the step -------------------------------------------------------------------------------

LEAPFROG = [  # q'' = -q: a half kick, a drift, a half kick
    define("half", "", "v - 1/2 h q"),
    define("q1", "", "q + h half"),
    define("v1", "", "half - 1/2 h q1"),
]
DEFECTS = [
    ("q1^2 + v1^2 - q^2 - v^2", 3, 4),  # the energy changes at third order
    ("q1 - q - h v + 1/2 h^2 q", 16, None),  # and the drift is that of Taylor's formula up to h^2, exactly
    ("v1 - v + h q + 1/2 h^2 v", 3, 4),
]


@pytest.mark.parametrize(("text", "order", "false"), DEFECTS)
def test_order_of_a_defect(text: str, order: int, false: int | None) -> None:
    statement: Document = {"letters": letters(q="", v="", h=""), "define": LEAPFROG}
    statement["goals"] = [{**goal("order", expr=text), "in": "h", "order": order}]
    assert reason(statement) == ""
    if false is not None:
        statement["goals"][0]["order"] = false
        assert reason(statement).startswith("order: goal 'law'")


def test_order_through_functions() -> None:
    """exp(-h) = 1 - h + h^2/2 + O(h^3), and not O(h^4)."""
    for order, true in ((3, True), (4, False)):
        statement = {
            "letters": letters(h=""),
            "define": [define("e", "", "0 - h", "exp")],
            "goals": [{**goal("order", expr="e - 1 + h - 1/2 h^2"), "in": "h", "order": order}],
        }
        assert (reason(statement) == "") is true


def test_order_in_something_that_is_no_step() -> None:
    gated = {
        "letters": letters(h="", w=""),
        "define": [define("g", "", "w + h", "step")],
        "goals": [{**goal("order", expr="h g - h g"), "in": "h", "order": 2}],
    }
    assert reason(gated) == ""  # no gate is left
    gated["goals"][0]["expr"] = expr("h^2 g")
    assert "with gates" in reason(gated)
    moving = {
        "letters": letters(h="", w=""),
        "define": [define("one", "", "1")],
        "flows": [{"state": {}, "explicit": {"h": "one"}}],
        "goals": [{**goal("order", expr="h^2"), "in": "h", "order": 2}],
    }
    assert "no constant scalar" in reason(moving)
    bound = {  # h^2 x^2 = 1 where h x = 1
        "letters": letters({"h": "positive"}, h="", x=""),
        "relations": [relation("inverse", "", "h x - 1")],
        "goals": [{**goal("order", expr="h^2 x^2"), "in": "h", "order": 2}],
    }
    assert "no constant scalar without hypotheses" in reason(bound)


# -- uniqueness ----------------------------------------------------------------------------------------------------


def solves(field: str, formula: str, *definitions: Document, signs: dict[str, str] | None = None) -> str:
    """w' = field is solved by the formula in t: from the flow that stands still, while time passes."""
    statement = {
        "letters": letters(signs or {}, w="", t="", c=""),
        "define": [
            define("one", "", "1"),
            define("zero", "", "0"),
            *definitions,
            define("field", "", field),
            define("solution", "", formula),
        ],
        "flows": [{"state": {}, "explicit": {"w": "zero", "t": "one"}}, {"state": {}, "explicit": {"w": "field"}}],
        "goals": [{**goal("conjugate", flow=0, to=1, map={"w": "solution"}), "unique": True}],
    }
    return reason(statement)


def test_smooth_field_has_one_solution() -> None:
    decay = define("e", "", "0 - t", "exp")
    assert solves("0 - w", "c e", decay) == ""
    assert solves("0 - w", "2 c e - c", decay).startswith("conjugate")


def test_field_that_is_not_smooth_may_have_another_solution() -> None:
    """w' = 2 sqrt(w) is solved by t^2 and by 0; w' = step(w) by t and by 0; where w > 0 is declared, sqrt is smooth."""
    root, gate = define("root", "", "w", "sqrt"), define("gate", "", "w", "step")
    assert "smooth: goal 'law': the argument of 'sqrt:root'" in solves("2 root", "t^2", root)
    assert "smooth: goal 'law': the field contains the gate" in solves("gate", "t", gate)
    declared = solves("2 root", "t^2", root, signs={"w": "positive", "t": "positive"})
    assert declared == ""


def test_division_in_a_field_needs_a_sign() -> None:
    inverse = define("d", "", "1 + w", "inv")
    assert "smooth" in solves("d", "0 - 1", inverse)
    square = define("d", "", "1 + w^2", "inv")
    assert not solves("d - d", "c", square).startswith("smooth")


# -- exponents add -------------------------------------------------------------------------------------------------

EXPONENTS = [
    ("u + v", "u", "v", "a - b c", "a - b"),
    ("2 u - v", "u", "v", "a - b^2 c^-1", "a - b^2 c"),
    ("1/2 u", "u", "v", "a^2 - b", "a^3 - b"),
    ("u", "1/3 u", "1/2 u", "a^2 - b^3 c^2", "a^2 - b^2 c^3"),
    ("u v + u", "u v", "u", "a - b c", "a - b - c"),
]


@pytest.mark.parametrize(("u", "v", "w", "right", "wrong"), EXPONENTS)
def test_exponential_of_a_sum(u: str, v: str, w: str, right: str, wrong: str) -> None:
    for text, true in ((right, True), (wrong, False)):
        statement = {
            "letters": letters(u="", v=""),
            "define": [define("a", "", u, "exp"), define("b", "", v, "exp"), define("c", "", w, "exp")],
            "goals": [goal("zero", expr=text)],
        }
        assert (reason(statement) == "") is true


def test_law_with_an_exponential_factor() -> None:
    """h' = 3 c h gives h exp(-3 c t) = const, for all sizes; not with another rate."""
    for rate, true in (("3", True), ("2", False)):
        statement = {
            "letters": letters(h="n", c="", t=""),
            "define": [
                define("e", "", f"0 - {rate} c t", "exp"),
                define("f", "i:n", "3 c h[i]"),
                define("one", "", "1"),
            ],
            "flows": [{"state": {}, "explicit": {"h": "f", "t": "one"}}],
            "goals": [goal("conserved", ax="i:n", flow=0, expr="e h[i]")],
        }
        assert (reason(statement, scope="all sizes") == "") is true


def test_hypothesis_that_is_reserved_for_one_goal() -> None:
    statement = {
        "letters": letters(x="", y=""),
        "relations": [relation("R", "", "x - y")],
        "goals": [goal("zero", "mine", expr="x^2 - y^2"), goal("zero", "other", expr="x^3 - y^3")],
    }
    rule = {"relation": "R", "lead": expr("x")[0]}
    assert reason(statement, {"rewrites": [rule]}) == ""
    assert reason(statement, {"rewrites": [{**rule, "for": "mine"}]}).startswith("zero: goal 'other'")
    both = [{**rule, "for": "mine"}, {**rule, "for": "other"}]
    assert reason(statement, {"rewrites": both}) == ""
