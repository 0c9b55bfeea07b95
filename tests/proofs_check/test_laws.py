"""Known laws are accepted with the right scope; each with one thing changed is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proofs_check import check
from tests.proofs_check import laws
from tests.proofs_check.documents import (
    Document,
    Hinted,
    certificate,
    define,
    encode,
    expr,
    goal,
    letters,
    relation,
    rewrite,
)


def reason(document: Document) -> str:
    outcome = check(encode(document))
    assert not outcome.accepted
    return outcome.reason


@pytest.mark.parametrize("law", laws.SYMBOLIC.values(), ids=laws.SYMBOLIC)
def test_law_is_proved_for_all_sizes(law: Callable[[], Hinted]) -> None:
    outcome = check(encode(law()))
    assert outcome.accepted, outcome.reason
    assert outcome.scope == "all sizes"


@pytest.mark.parametrize("objective", [False, True], ids=["outputs", "objective"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_concrete_balancedness(size: int, objective: bool) -> None:
    outcome = check(encode(laws.concrete(size, 2, objective)))
    assert outcome.accepted, outcome.reason
    assert outcome.scope == f"d={size}, k={size}, m={size}, n=2"


def test_domain_names_what_the_functions_assume() -> None:
    """Where v > 0, that |v|^2 and v / |v| are positive can be seen, and is not an assumption of its own."""
    assert check(encode(laws.weight_norm())).domain == ("v is positive throughout",)
    statement = {
        "letters": letters(u=""),
        "define": [define("a", "", "u", "sqrt"), define("b", "", "u - 1", "log")],
        "goals": [goal("zero", expr="a^2 + b - u - b")],
    }
    domain = check(encode(certificate(statement, scope="no sizes"))).domain
    assert domain == ("the argument of sqrt in a is positive", "the argument of log in b is positive")
    assert check(encode(laws.linear())).domain == ()


CONTROLS: dict[str, tuple[Callable[[], Hinted], str, str]] = {
    "bias left out": (laws.relu_bias, "k", "W1[k,d]^2 - W2[m,k]^2"),
    "off-diagonal": (laws.relu_bias, "i:k j:k", "W2[m,i] W2[m,j] - W1[i,d] W1[j,d] - b[i] b[j]"),
    "sum instead of difference": (laws.linear, "i:k j:k", "W2[m,i] W2[m,j] + W1[i,d] W1[j,d]"),
    "transposed product": (laws.linear, "i:m j:m", "W2[i,k] W2[j,k]"),
    "cross term with a minus": (laws.diagonal_net, "i:d", "up[i] um[i] - vp[i] vm[i]"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_false_law_is_rejected(name: str) -> None:
    law, ax, text = CONTROLS[name]
    statement = law()["statement"]
    statement["goals"] = [goal("conserved", ax=ax, flow=0, expr=text)]
    assert reason(certificate(statement)).startswith("conserved: goal 'law'")


DROPPED = [
    (laws.weight_norm, "A z = 0", "conserved"),
    (laws.rotation, "M' M = I", "conjugate"),
    (laws.lemma_six, "e.e", "zero"),
    (laws.lemma_six, "e.w = 0", "zero"),
    (laws.lemma_six, "v.v = r^2", "zero"),
    (laws.softmax_shift, "shift", "conserved"),
]


@pytest.mark.parametrize(("law", "hypothesis", "rule"), DROPPED, ids=[f"{d[0].__name__} {d[1]}" for d in DROPPED])
def test_dropped_hypothesis_is_missed(law: Callable[[], Hinted], hypothesis: str, rule: str) -> None:
    document = law()
    statement, proof = document["statement"], document.hints
    statement["relations"] = [r for r in statement["relations"] if r["name"] != hypothesis]
    if "rewrites" in proof:
        proof["rewrites"] = [r for r in proof["rewrites"] if r["relation"] != hypothesis]
    assert reason(certificate(statement, proof)).startswith(f"{rule}: goal")


def test_weight_norm_needs_the_unit_start() -> None:
    document = laws.weight_norm()
    proof = {"rewrites": [r for r in document.hints["rewrites"] if r["relation"] != "norm"]}
    assert reason(certificate(document["statement"], proof)).startswith("conserved: goal 'polar'")


DERIVATIVES = [
    ("exp", "2 w y", "w y"),
    ("log", "2 w z", "z"),
    ("tanh", "2 w - 2 w y^2", "2 w + 2 w y^2"),
    ("sqrt", "w y^-1", "2 w y^-1"),
    ("inv", "- 2 w y^2", "2 w y^2"),
    ("sin", "2 w z", "- 2 w z"),
    ("cos", "- 2 w z", "2 w z"),
    ("arcsinh", "2 w z^-1", "w z^-1"),
]
PARTNER = {
    "sin": ("w^2 + c", "cos"),
    "cos": ("w^2 + c", "sin"),
    "log": ("w^2 + c", "inv"),
    "arcsinh": ("1 + w^4 + 2 c w^2 + c^2", "sqrt"),
}


@pytest.mark.parametrize(("function", "right", "wrong"), DERIVATIVES, ids=[d[0] for d in DERIVATIVES])
def test_chain_rule_through(function: str, right: str, wrong: str) -> None:
    """d/dt y(w^2 + c) along w' = 1, and not what is next to it."""
    definitions = [define("y", "", "w^2 + c", function), define("one", "", "1")]
    if function in PARTNER:
        definitions.append(define("z", "", *PARTNER[function]))
    for rate, accepted in ((right, True), (wrong, False)):
        statement = {
            "letters": letters(w="", c=""),
            "define": definitions,
            "flows": [{"state": {}, "explicit": {"w": "one"}}],
            "goals": [goal("evolves", flow=0, expr="y", rate=rate, sense="==")],
        }
        assert check(encode(certificate(statement, scope="no sizes"))).accepted is accepted


VALUES = [
    ("exp", "w", "- w", "a b - 1", "a b + 1"),
    ("exp", "w", "2 w", "a^2 - b", "a^3 - b"),
    ("sqrt", "w^2 c", "c", "a - w b", "a - w^2 b"),
    ("sqrt", "c", "w^2", "a^3 - c a", "a^3 - c"),
    ("sin", "w", "- w", "a + b", "a - b"),
    ("cos", "w", "- w", "a - b", "a + b"),
    ("step", "c", "w^2 c", "a - b", "a + b"),
    ("sign", "c", "- w c", "a + b", "a - b"),
    ("sign", "c", "c", "a^2 - 1", "a^2"),
    ("inv", "c", "2 w c", "a - 2 w b", "a - w b"),
    ("tanh", "w c", "- c w", "a + b", "a - b"),
]


@pytest.mark.parametrize(("function", "u", "v", "right", "wrong"), VALUES)
def test_value_relations_of(function: str, u: str, v: str, right: str, wrong: str) -> None:
    """For w > 0 and any c."""
    for text, accepted in ((right, True), (wrong, False)):
        statement = {
            "letters": letters({"w": "positive"}, w="", c=""),
            "define": [define("a", "", u, function), define("b", "", v, function)],
            "goals": [goal("zero", expr=text)],
        }
        assert check(encode(certificate(statement, scope="no sizes"))).accepted is accepted


def test_nonnegative_factor_does_not_leave_a_step() -> None:
    """step(c u) = step(u) fails at c = 0, so only a positive factor may go."""
    for sign, accepted in (("positive", True), ("nonnegative", False), ("nonzero", False), ("any", False)):
        statement = {
            "letters": letters({"c": sign}, c="", u=""),
            "define": [define("a", "", "c u", "step"), define("b", "", "u", "step")],
            "goals": [goal("zero", expr="a - b")],
        }
        assert check(encode(certificate(statement, scope="no sizes"))).accepted is accepted


def test_only_a_positive_factor_leaves_a_root() -> None:
    """sqrt(c^2 u) = |c| sqrt(u)."""
    for sign, accepted in (("positive", True), ("nonnegative", False), ("nonzero", False), ("any", False)):
        statement = {
            "letters": letters({"c": sign}, c="", u=""),
            "define": [define("a", "", "c^2 u", "sqrt"), define("b", "", "u", "sqrt")],
            "goals": [goal("zero", expr="a - c b")],
        }
        assert check(encode(certificate(statement, scope="no sizes"))).accepted is accepted


def test_gates_square_to_themselves_only_if_binary() -> None:
    for gates, accepted in (("binary", True), ("any", False)):
        statement = {
            "gates": gates,
            "letters": letters(u="n"),
            "define": [define("h", "n", "u[n]", "step")],
            "goals": [goal("zero", ax="n", expr="h[n]^2 - h[n]")],
        }
        assert check(encode(certificate(statement))).accepted is accepted


def test_vanished_index_leaves_its_size() -> None:
    """sum_i a_i / a_i = n, and the trace of the identity is n."""
    statement = {
        "letters": letters({"a": "nonzero"}, a="n"),
        "goals": [
            goal("zero", "quotient", expr="a[i] a[i]^-1 - #n"),
            goal("zero", "trace", "j:n", expr="a[j] delta[j,i] delta[i,j] - a[j]"),
        ],
    }
    assert check(encode(certificate(statement))).accepted
    statement["goals"] = [goal("zero", expr="a[i] a[i]^-1 - 1")]
    assert reason(certificate(statement)).startswith("zero")


def test_summed_hypothesis_says_nothing_of_one_entry() -> None:
    """sum_i a_i b_i = 0 does not give a_i b_i = 0, nor sum_i a_i b_i c_i = 0."""
    for text in ("a[j] b[j]", "c[j] a[i] b[i] - c[j] a[j] b[j]"):
        statement = {
            "letters": letters(a="n", b="n", c="n"),
            "relations": [relation("R", "", "a[i] b[i]")],
            "goals": [goal("zero", ax="j:n", expr=text)],
        }
        assert reason(certificate(statement, {"rewrites": [rewrite("R", "a[i] b[i]")]})).startswith("zero")
    statement = {
        "letters": letters(a="n", b="n", c="n"),
        "relations": [relation("R", "", "a[i] b[i]")],
        "goals": [goal("zero", expr="a[i] b[i] c[i]")],
    }
    assert reason(certificate(statement, {"rewrites": [rewrite("R", "a[i] b[i]")]})).startswith("zero")


FALSE_USES = [
    ("", "a[i] b[k]", "a[i] b[i]", "a[i] b[k]"),  # (sum a)(sum b) = 0 does not give sum a_i b_i = 0
    ("j:n", "a[j] b[i] c[i]", "a[i] b[i] c[i]", "a[j] b[i] c[i]"),  # a_j <b, c> = 0 does not give sum a_i b_i c_i = 0
    ("", "a[i]^2", "a[i]^2 b[i]", "a[i]^2"),
    ("", "a[i] b[i]", "a[i]^2 b[i]^2", "a[i] b[i]"),
]


@pytest.mark.parametrize(("ax", "text", "claim", "lead"), FALSE_USES)
def test_dummies_of_a_hypothesis_stay_apart(ax: str, text: str, claim: str, lead: str) -> None:
    statement = {
        "letters": letters(a="n", b="n", c="n"),
        "relations": [relation("R", ax, text)],
        "goals": [goal("zero", expr=claim)],
    }
    assert reason(certificate(statement, {"rewrites": [rewrite("R", lead)]})).startswith("zero")


def test_exponents_do_not_run_into_the_next_letter() -> None:
    """z = s^64 and s = t^512 give z^32 = t^(2^20); a packed exponent of 2^20 would read as the letter after t."""
    statement = {
        "letters": letters(s="", t="", u="", z=""),
        "define": [define("p", "", "t^64"), define("q", "", "p^8")],
        "relations": [relation("z", "", "z - s^64"), relation("s", "", "s - q")],
        "goals": [goal("zero", expr="z^32 - u")],
    }
    proof = {"rewrites": [rewrite("z", "z"), rewrite("s", "s")]}
    assert reason(certificate(statement, proof, "no sizes")).startswith("zero")
    statement = {
        "letters": letters(s=""),
        "define": [define("p", "", "s^64"), define("q", "", "p^64")],
        "goals": [goal("zero", expr="q - q")],
    }
    assert reason(certificate(statement, scope="no sizes")).startswith("limit: an exponent beyond 1000")


def test_hypothesis_about_what_moves_is_refused() -> None:
    statement = laws.linear()["statement"]
    statement["relations"] = [relation("R", "i:k j:m", "W2[j,i]")]
    assert reason(certificate(statement, {"rewrites": [rewrite("R", "W2[j,i]")]})).startswith("relation: relation 'R'")


def test_division_needs_a_nonzero_letter() -> None:
    statement = {"letters": letters(a=""), "goals": [goal("zero", expr="a a^-1 - 1")]}
    assert "divides by 'a'" in reason(certificate(statement, scope="no sizes"))


def test_quantity_that_jumps_is_not_conserved() -> None:
    """step(w) has the derivative 0 off its kink, and yet it changes."""
    statement = {
        "letters": letters(w=""),
        "define": [define("h", "", "w", "step"), define("one", "", "1")],
        "flows": [{"state": {}, "explicit": {"w": "one"}}],
        "goals": [goal("conserved", flow=0, expr="h")],
    }
    assert "jumps at the gate" in reason(certificate(statement, scope="no sizes"))
    statement["goals"] = [goal("evolves", flow=0, expr="h w^2", rate="2 h w", sense="==")]
    assert check(encode(certificate(statement, scope="no sizes"))).accepted


def test_jump_is_seen_beside_powers_of_a_gate() -> None:
    """h^3 - 3/2 h^2 jumps by -1/2 and s^3 - 3 s by -4, where their derivatives 3 h^2 - 3 h and 3 s^2 - 3 are 0."""
    for gate, jumping in (("step", "g^3 - 3/2 g^2"), ("sign", "g^3 - 3 g")):
        statement = {
            "letters": letters(w=""),
            "gates": "binary",
            "define": [define("g", "", "w", gate), define("one", "", "1")],
            "flows": [{"state": {}, "explicit": {"w": "one"}}],
            "goals": [goal("conserved", flow=0, expr=jumping)],
        }
        assert "jumps at the gate" in reason(certificate(statement, scope="no sizes"))
        statement["goals"] = [goal("conserved", flow=0, expr="g^4 - g^2")]
        assert check(encode(certificate(statement, scope="no sizes"))).accepted


def test_jump_is_seen_through_expanded_arguments() -> None:
    """relu(W x + b) written out is continuous; the gate with another argument is not."""
    statement = {
        "letters": letters(W="d", b="", x="d", one=""),
        "define": [
            define("u", "", "W[i] x[i] + b"),
            define("h", "", "u", "step"),
            define("z", "i:d", "0"),
            define("zero", "", "0"),
        ],
        "flows": [{"state": {}, "explicit": {"W": "z", "b": "zero"}}],
        "goals": [goal("conserved", flow=0, expr="h W[i] x[i] + h b")],
    }
    assert check(encode(certificate(statement))).accepted
    statement["goals"] = [goal("conserved", flow=0, expr="h W[i] x[i] - h b")]
    assert "jumps at the gate" in reason(certificate(statement))


def test_jump_is_judged_entry_by_entry() -> None:
    """sum_k h_k c_k w_k is continuous, (sum_k h_k c_k)(sum_j w_j) is not."""
    statement = {
        "letters": letters(w="n", c="n"),
        "define": [define("h", "k:n", "w[k]", "step"), define("z", "k:n", "0")],
        "flows": [{"state": {}, "explicit": {"w": "z"}}],
        "goals": [goal("conserved", flow=0, expr="h[k] c[k] w[k]")],
    }
    assert check(encode(certificate(statement))).accepted
    statement["goals"] = [goal("conserved", flow=0, expr="h[k] c[k] w[j]")]
    assert "jumps at the gate" in reason(certificate(statement))


def test_jump_inside_a_function_is_seen() -> None:
    """exp(h w) is continuous, exp(h) jumps."""
    for inner, continuous in (("h w", True), ("h", False)):
        statement = {
            "letters": letters(w=""),
            "define": [define("h", "", "w", "step"), define("y", "", inner, "exp"), define("z", "", "0")],
            "flows": [{"state": {}, "explicit": {"w": "z"}}],
            "goals": [goal("conserved", flow=0, expr="y")],
        }
        outcome = check(encode(certificate(statement, scope="no sizes")))
        assert outcome.accepted is continuous
        assert continuous or "jumps at the gate" in outcome.reason


def test_dloss_df_of_an_arbitrary_loss_has_no_derivative() -> None:
    statement = laws.linear()["statement"]
    statement["goals"] = [goal("conserved", flow=0, expr="r[m,n]")]
    assert "its own derivative is not known" in reason(certificate(statement))


def test_conjugation_of_an_arbitrary_loss_needs_equal_outputs() -> None:
    """Scaling w scales the output, so an arbitrary loss has another gradient there."""
    document = laws.rotation()
    statement, proof = document["statement"], document.hints
    statement["letters"]["r"] = {"shape": ["n"]}
    statement["define"] = [d for d in statement["define"] if d["name"] not in ("r", "r2")]
    statement["flows"][1]["outputs"] = [["f2", "r"]]
    assert check(encode(certificate(statement, proof))).accepted
    statement["define"][-1] = define("Mw", "j:d", "2 M[j,i] w[i]")
    assert reason(certificate(statement, proof)).startswith("conjugate: goal 'law'")


def two_flows(first: Document, second: Document, map: dict[str, str]) -> str:
    statement = {
        "letters": letters({"q": "positive"}, w="", v="", u="", x="", r="", s="", c="", q="", q0=""),
        "define": [
            define("f", "", "w x"),
            define("pull", "", "- r x"),
            define("w+c", "", "w + c"),
            define("one", "", "1"),
            define("zero", "", "0"),
            define("minus_q", "", "0 - q"),
        ],
        "flows": [first, second],
        "goals": [goal("conjugate", flow=0, to=1, map=map)],
    }
    return check(encode(certificate(statement, scope="no sizes"))).reason


DESCENT = {"state": {"w": expr("1")}, "outputs": [["f", "r"]]}
CARRIED: list[tuple[Document, Document, dict[str, str], str]] = [
    # The fields agree, but at w + c the loss has another gradient.
    (DESCENT, DESCENT, {"w": "w"}, ""),
    (DESCENT, DESCENT, {"w": "w+c"}, "conjugate: goal 'law'"),
    # A constant r is no loss gradient.
    ({"state": {}, "explicit": {"w": "pull"}}, DESCENT, {"w": "w"}, "the two flows have different losses"),
    (DESCENT, {"state": {"w": expr("1")}, "outputs": [["f", "s"]]}, {"w": "w"}, "the two flows have different losses"),
    # v moves in the first flow; in the second it is a constant.
    (
        {"state": {}, "explicit": {"w": "v", "v": "one"}},
        {"state": {}, "explicit": {"w": "v"}},
        {"w": "w"},
        "contains a letter that moves in flow a only",
    ),
    # u moves in the second flow only.
    (
        {"state": {}, "explicit": {"w": "one"}},
        {"state": {}, "explicit": {"w": "one", "u": "zero"}},
        {"w": "w", "u": "u"},
        "moves with another flow",
    ),
    # The map leaves the domain q > 0 of the second flow.
    (
        {"state": {}, "explicit": {"q": "zero"}},
        {"state": {}, "explicit": {"q": "zero"}},
        {"q": "minus_q"},
        "is not seen to be positive",
    ),
]


@pytest.mark.parametrize(("first", "second", "map", "sentence"), CARRIED)
def test_conjugation_between_flows_that_fit(
    first: Document, second: Document, map: dict[str, str], sentence: str
) -> None:
    found = two_flows(first, second, map)
    assert sentence in found if sentence else found == ""


SENSELESS: list[tuple[dict[str, Any], str]] = [
    ({"goals": []}, "there is no goal"),
    ({"relations": [relation("R", "", "#n - 3")]}, "is about sizes only"),
    ({"relations": [relation("R", "", "1")]}, "is about sizes only"),
    ({"relations": [relation("R", "", "c - w[i]")], "flows": [{"state": {"w": []}}]}, "which moves"),
    ({"flows": [{"state": {"w": []}, "outputs": [["f", "w"]]}]}, "a letter that moves stands for dLoss/df"),
    ({"flows": [{"state": {"w": []}, "outputs": [["f", "c"]]}]}, "the shapes of 'f' and 'c' differ"),
    ({"flows": [{"state": {"w": []}, "outputs": [["f", "r"]], "objective": "g"}]}, "unknown key 'objective'"),
    ({"flows": [{"state": {"w": []}, "explicit": {"w": "f"}}]}, "has two equations"),
    ({"flows": [{"state": {"w": []}, "velocity": {"w": "w"}}]}, "has two equations"),
    ({"flows": [{"state": {"w": []}, "velocity": {"w": "c"}}]}, "the shapes of 'w' and 'c' differ"),
    ({"flows": [{"state": {}, "velocity": {"w": "r"}}]}, "a letter that is not in its state"),
    ({"flows": [{"state": {}, "explicit": {"w": "g"}}]}, "the shapes of 'w' and 'g' differ"),
    ({"flows": [{"state": {"w": []}, "initial": {"w": "f"}}]}, "is not a constant"),
    ({"flows": [{"state": {"w": []}, "initial": {"w": "g"}}]}, "the shapes of 'w' and 'g' differ"),
    ({"flows": [{"state": {"w": []}, "initial": {"r": "r"}}]}, "which it does not move"),
    ({"flows": [{"state": {"p": []}, "initial": {"p": "c"}}]}, "is not seen to be positive"),
    ({"flows": [{"state": {"f": []}}]}, "expected a letter"),
    ({"sizes": {"n": 0}}, "expected an integer from 1"),
    ({"gates": "soft"}, "expected one of any, binary"),
    ({"letters": {"w": {"shape": ["n"], "sign": "negative"}}}, "expected one of any, nonzero"),
    ({"letters": {"w": {"shape": ["0"]}}}, "a size"),
    ({"letters": {"delta": {"shape": []}}}, "'delta' is Kronecker's delta"),
    ({"define": [define("w", "", "c")]}, "is given twice"),
    ({"define": [define("e", "", "0", "sqrt")]}, "is identically 0"),
    ({"define": [define("e", "", "0 - c^2", "log")]}, "is never positive"),
    ({"define": [define("e", "", "c", "gamma")]}, "the function of definition 'e'"),
    ({"define": [define("e", "i:n i:n", "c")]}, "appears twice"),
]


@pytest.mark.parametrize(("change", "sentence"), SENSELESS)
def test_statement_that_makes_no_sense(change: dict[str, Any], sentence: str) -> None:
    statement = {
        "letters": letters({"p": "positive"}, w="n", r="n", c="", p=""),
        "define": [define("f", "i:n", "w[i] c"), define("g", "", "c^2")],
        "goals": [goal("zero", expr="c - c")],
        **change,
    }
    assert sentence in reason(certificate(statement))


def test_conserved_goal_serves_later_goals_of_its_flow_only() -> None:
    document = laws.weight_norm()
    statement, proof = document["statement"], document.hints
    statement["goals"][1] = goal("zero", "unit", expr="v[i]^2 - 1")
    assert reason(certificate(statement, proof)).startswith("zero: goal 'unit'")
    statement["goals"][1] = goal("zero", "unit", flow=0, expr="v[i]^2 - 1")
    assert check(encode(certificate(statement, proof))).accepted
    del statement["flows"][0]["initial"]
    assert "lacks initial values" in reason(certificate(statement, proof))


def test_time_change_is_positive() -> None:
    """The flow of 2 L is the flow of L, twice as fast; not a flow backwards."""
    statement = {
        "letters": letters({"c": "positive"}, w="", c=""),
        "define": [define("L", "", "w^4"), define("cL", "", "c w^4"), define("same", "", "w"), define("one", "", "1")],
        "flows": [
            {"state": {"w": expr("1")}, "outputs": [["cL", "one"]]},
            {"state": {"w": expr("1")}, "outputs": [["L", "one"]]},
        ],
        "goals": [goal("conjugate", flow=0, to=1, map={"w": "same"}, time="c")],
    }
    assert check(encode(certificate(statement, scope="no sizes"))).accepted
    statement["letters"]["c"]["sign"] = "nonzero"
    assert "not seen to be positive" in reason(certificate(statement, scope="no sizes"))


def test_scope_is_what_is_proved() -> None:
    document = laws.linear()
    assert reason(certificate(document["statement"], scope="d=3")).startswith("scope")
    document["statement"]["sizes"] = {"d": 3}
    assert reason(certificate(document["statement"], scope="all sizes")).startswith("scope")
    assert check(encode(certificate(document["statement"], scope="d=3"))).accepted


def test_indices_of_different_ranges_do_not_meet() -> None:
    statement = {"letters": letters(a="n", b="m"), "goals": [goal("zero", expr="a[i] b[i]")]}
    assert "runs over n and m" in reason(certificate(statement))
