"""Known laws are accepted with the right scope; each with one thing changed is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofs_check import check
from tests.proofs_check import laws
from tests.proofs_check.documents import Document, certificate, define, encode, expr, goal, letters, relation, rewrite


def reason(document: Document) -> str:
    outcome = check(encode(document))
    assert not outcome.accepted
    return outcome.reason


@pytest.mark.parametrize("law", laws.SYMBOLIC.values(), ids=laws.SYMBOLIC)
def test_law_is_proved_for_all_sizes(law: Callable[[], Document]) -> None:
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
    domain = check(encode(laws.weight_norm())).domain
    assert "the argument of sqrt in nu is positive" in domain
    assert "the argument of log in l is positive" in domain
    assert "v is positive throughout" in domain
    assert check(encode(laws.linear())).domain == ()


CONTROLS: dict[str, tuple[Callable[[], Document], str, str]] = {
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
    (laws.rotation, "M M' = I", "conjugate"),
    (laws.lemma_six, "e.e", "zero"),
    (laws.lemma_six, "e.w = 0", "zero"),
    (laws.lemma_six, "v.v = r^2", "zero"),
    (laws.softmax_shift, "shift", "conserved"),
]


@pytest.mark.parametrize(("law", "hypothesis", "rule"), DROPPED, ids=[f"{d[0].__name__} {d[1]}" for d in DROPPED])
def test_dropped_hypothesis_is_missed(law: Callable[[], Document], hypothesis: str, rule: str) -> None:
    document = law()
    statement, proof = document["statement"], document["proof"]
    statement["relations"] = [r for r in statement["relations"] if r["name"] != hypothesis]
    if "rewrites" in proof:
        proof["rewrites"] = [r for r in proof["rewrites"] if r["relation"] != hypothesis]
    assert reason(certificate(statement, proof)).startswith(f"{rule}: goal")


def test_weight_norm_needs_the_unit_start() -> None:
    document = laws.weight_norm()
    proof = {"rewrites": [r for r in document["proof"]["rewrites"] if r["relation"] != "norm"]}
    assert reason(certificate(document["statement"], proof)).startswith("conserved: goal 'polar'")


DERIVATIVES = [
    ("exp", "2 w y", "w y"),
    ("log", "2 w^-1", "w^-1"),
    ("tanh", "2 w - 2 w y^2", "2 w + 2 w y^2"),
    ("sqrt", "w y^-1", "2 w y^-1"),
    ("inv", "- 2 w y^2", "2 w y^2"),
    ("sin", "2 w z", "- 2 w z"),
    ("cos", "- 2 w z", "2 w z"),
    ("arcsinh", "2 w z", "w z"),
]
PARTNER = {"sin": ("w^2", "cos"), "cos": ("w^2", "sin"), "arcsinh": ("1 + w^4", "sqrt")}


@pytest.mark.parametrize(("function", "right", "wrong"), DERIVATIVES, ids=[d[0] for d in DERIVATIVES])
def test_chain_rule_through(function: str, right: str, wrong: str) -> None:
    """d/dt y(w^2) along w' = 1, and not what is next to it."""
    definitions = [define("y", "", "w^2", function), define("one", "", "1")]
    if function in PARTNER:
        definitions.append(define("z", "", *PARTNER[function]))
    if function == "arcsinh":
        right, wrong = right.replace("z", "z^-1"), wrong.replace("z", "z^-1")
    for rate, accepted in ((right, True), (wrong, False)):
        statement = {
            "letters": letters({"w": "positive"}, w=""),
            "define": definitions,
            "flows": [{"state": {}, "explicit": {"w": "one"}}],
            "goals": [goal("evolves", flow=0, expr="y", rate=rate, sense="==")],
        }
        assert check(encode(certificate(statement, scope="no sizes"))).accepted is accepted


VALUES = [
    ("exp", "w", "- w", "a b - 1", "a b + 1"),
    ("exp", "w", "2 w", "a^2 - b", "a^3 - b"),
    ("sqrt", "w^2 c", "c", "a - w b", "a - w^2 b"),
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


def test_dloss_df_of_an_arbitrary_loss_has_no_derivative() -> None:
    statement = laws.linear()["statement"]
    statement["goals"] = [goal("conserved", flow=0, expr="r[m,n]")]
    assert "its own derivative is not known" in reason(certificate(statement))


def test_conjugation_of_an_arbitrary_loss_needs_equal_outputs() -> None:
    """Scaling w scales the output, so an arbitrary loss has another gradient there."""
    statement = laws.rotation()["statement"]
    statement["letters"]["r"] = {"shape": ["n"]}
    statement["define"] = [d for d in statement["define"] if d["name"] not in ("r", "r2")]
    statement["flows"][1]["outputs"] = [["f2", "r"]]
    assert check(encode(certificate(statement))).accepted
    statement["define"][-1] = define("Mw", "j:d", "2 M[j,i] w[i]")
    assert reason(certificate(statement)).startswith("conjugate: goal 'law'")


def test_conserved_goal_serves_later_goals_of_its_flow_only() -> None:
    document = laws.weight_norm()
    statement, proof = document["statement"], document["proof"]
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
        "define": [define("L", "", "w^4"), define("cL", "", "c w^4"), define("same", "", "w")],
        "flows": [
            {"state": {"w": expr("1")}, "objective": "cL"},
            {"state": {"w": expr("1")}, "objective": "L"},
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
