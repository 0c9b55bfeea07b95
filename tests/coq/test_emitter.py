"""Certificates as Coq scripts: what is covered, what compiles, and that a false script does not."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

import theorylab as tl
from tests.catalog.certify import claims_of
from tests.certificates import identity_document
from theorylab import coq_tier, ops
from theorylab.certificate import coq, coqc
from theorylab.certificate.terms import Uncovered
from theorylab.derive.prove import prove

needs_coq = pytest.mark.skipif(bool(coqc.missing()), reason=f"scripts are not compiled: {coqc.missing()}")


@tl.model(W1="k d", W2="m k")
def linear(p, x):
    return p.W2 @ p.W1 @ x


@tl.model(W1="k d", b="k", W2="m k")
def relu(p, x):
    return p.W2 @ ops.relu(p.W1 @ x + p.b[:, None])


@tl.model(a="", b="")
def scalar(p, x):
    return p.a**3 * p.b**2 * x


@tl.model(a="d", b="d")
def signed(p, x):
    return (p.a**3 - p.b**3) @ x


@tl.model(a="d", b="d")
def signed_squares(p, x):
    return (p.a**2 - p.b**2) @ x


@tl.model(g="", v="d")
def weight_norm(p, x):
    return (p.g * p.v / ops.norm(p.v)) @ x


def balance(p):
    return p.W2.mT @ p.W2 - p.W1 @ p.W1.mT


def document(flow, law, dims=None):
    claim = tl.Invariant(flow, law, name="law")
    return identity_document(claim, prove(claim.goals(), dims))


def test_a_script_is_the_same_every_time_and_names_its_certificate():
    certificate = document(tl.GradientFlow(linear), balance)
    text = coq.script(certificate)
    assert text == coq.script(json.loads(json.dumps(certificate)))
    assert certificate["seal"] in text
    assert text.count("Theorem") == text.count("Print Assumptions") == 1


def test_there_is_no_script_for_a_law_that_does_not_hold():
    with pytest.raises(Uncovered, match="needs more than the distributive law"):
        coq.script(document(tl.GradientFlow(linear), lambda p: p.W2.mT @ p.W2 + p.W1 @ p.W1.mT))
    with pytest.raises(Uncovered, match="needs more than the distributive law"):
        coq.script(document(tl.GradientFlow(relu), balance))  # for ReLU only the diagonal survives
    with pytest.raises(Uncovered, match="needs more than the distributive law"):
        coq.script(document(tl.GradientFlow(linear, weight_decay=1), balance))


def test_what_has_no_script_says_why():
    with pytest.raises(Uncovered, match="tanh"):
        coq.script(document(tl.GradientFlow(linear), lambda p: ops.tanh(p.W1)))
    same = document(tl.GradientFlow(linear), balance)
    term = ["1", [["W1", ["s", "t"], 2]]]
    same["statement"]["goals"] = [
        {"name": "g", "kind": "zero", "axes": [], "expr": [term, ["-1", [["W1", ["t", "u"], 2]]]]},
    ]
    with pytest.raises(Uncovered, match="both sides written out"):
        coq.script(same)
    with pytest.raises(Uncovered, match="too large: a term has a degree beyond"):
        coq.script(document(tl.GradientFlow(scalar), lambda p: p.a**60))


CASES = {
    "units with biases": (tl.GradientFlow(relu), lambda p: (p.W1**2).sum(-1) + p.b**2 - (p.W2**2).sum(-2), None),
    "powers": (tl.GradientFlow(scalar), lambda p: 2 * p.a**2 - 3 * p.b**2, None),
    "adjacent linear layers": (tl.GradientFlow(linear), balance, None),
    "rates": (
        tl.GradientFlow(linear, rates={"W1": 3, "W2": 2}),
        lambda p: 3 * p.W2.mT @ p.W2 - 2 * p.W1 @ p.W1.mT,
        None,
    ),
    "one size": (tl.GradientFlow(linear), balance, {"k": 1, "d": 2, "m": 1, "n": 1}),
    "square roots": (tl.GradientFlow(weight_norm), lambda p: (p.v**2).sum(), None),
    "reciprocals and fractions": (
        tl.GradientFlow(signed),
        lambda p: Fraction(1, 2) * p.a**-1 + Fraction(1, 2) * p.b**-1,
        None,
    ),
    "logarithms": (tl.GradientFlow(signed_squares), lambda p: ops.log(p.a) + ops.log(p.b), None),
    "exponentials": (
        tl.GradientFlow(linear, weight_decay=1),
        lambda p, c: ops.exp(2 * c.t) * balance(p),
        None,
    ),
}


def compiled(name, text):
    script = coq_tier.calculus() / f"{name}.v"
    script.write_text(text)
    return coqc.compile_file(script)


@needs_coq
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if number > 1 else ()) for number, case in enumerate(CASES)]
)
def test_scripts_compile(case):
    flow, law, dims = CASES[case]
    answer = compiled(f"case_{list(CASES).index(case)}", coq.script(document(flow, law, dims)))
    assert not answer.reason
    assert len(answer.assumptions) == 1
    assert coq_tier.CLASSICAL.issuperset(answer.assumptions[0])


CATALOGUE = {
    "a diagonal of products with orthogonal matrices": ("zhao-2022", "singular-values-move"),
    "a sum over an index that does not occur": ("zhao-2022", "rank-minus-r-squared"),
    "squares": ("zhao-2022", "rank-three-low"),
    "cases of gates along a flow": ("vardi-2020", "distance-law-leaky"),
    "a positive quantity": ("vardi-2020", "every-lp-norm"),
    "a defined dLoss/df": ("chou-2023", "residual-law"),
    "conserved quantities, and where they start": ("du-2018", "weight-decay-path"),
}


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize("case", CATALOGUE)
def test_scripts_of_the_catalogue_compile(case):
    paper, name = CATALOGUE[case]
    claim = claims_of(paper)[f"{paper}/{name}"]
    text = coq.script(identity_document(claim, prove(claim.goals(), None)))
    answer = compiled(f"catalogue_{list(CATALOGUE).index(case)}", text)
    assert not answer.reason
    assert len(answer.assumptions) == text.count("Print Assumptions") > 0
    assert coq_tier.CLASSICAL.issuperset(axiom for printed in answer.assumptions for axiom in printed)


def test_a_script_assumes_what_it_needs_and_speaks_of_whole_runs():
    text = coq.script(document(tl.GradientFlow(signed_squares), lambda p: ops.log(p.a) + ops.log(p.b)))
    assert "_domain : forall t, I t -> forall (i0 : 'I_(d)), 0 < (1%:R * (a t i0))." in text
    claim = claims_of("vardi-2020")["vardi-2020/balanced-from-zero"]
    text = coq.script(identity_document(claim, prove(claim.goals(), None)))
    assert "Hypothesis start_w : forall (i0 : 'I_(d)), w t0 i0 = 0." in text
    assert "_cases" not in text  # the law holds for any gates
    claim = claims_of("vardi-2020")["vardi-2020/distance-law"]
    text = coq.script(identity_document(claim, prove(claim.goals(), None)))
    assert text.count("_cases : forall t, I t -> ") == 2
    assert "forall s t, I s -> I t -> s <= t -> goal_0 t <= goal_0 s." in text


@needs_coq
def test_a_field_with_a_wrong_sign_does_not_compile():
    text = coq.script(document(tl.GradientFlow(linear), balance))
    start = text.index("Definition d_W1_1")
    wrong = text[:start] + text[start:].replace("(- 1%:R)", "1%:R", 1)
    assert "ring equation" in compiled("wrong", wrong).reason


@needs_coq
def test_a_square_with_a_wrong_sign_does_not_compile():
    claim = claims_of("zhao-2022")["zhao-2022/rank-three-high"]
    certificate = identity_document(claim, prove(claim.goals(), None))
    text = coq.script(certificate)
    (goal,) = certificate["statement"]["goals"]
    goal["expr"][0][0] = "-5"  # of s1 s2: it was -2
    with pytest.raises(Uncovered, match="needs more than the distributive law"):
        coq.script(certificate)
    wrong = text.replace("((- 2%:R) * y1 * y2", "((- 5%:R) * y1 * y2").replace(
        "0 <= (- 2%:R) * y1 * y2", "0 <= (- 5%:R) * y1 * y2"
    )
    assert wrong != text
    assert compiled("wrong_square", wrong).reason


@needs_coq
def test_the_tier_is_coq_where_the_script_compiled_in_this_run(tmp_path):
    flow = tl.GradientFlow(scalar)
    law = tl.Invariant(flow, lambda p: 2 * p.a**2 - 3 * p.b**2, name="law")
    verdict = tl.verify(law, trials=8, out=tmp_path, coq=True)
    assert (verdict.status, verdict.tier) == ("proved", "coq")
    (evidence,) = (item for item in verdict.evidence if item.kind == "coq")
    assert evidence.numbers["compiler"] == coqc.version()
    assert "propositional_extensionality" in str(evidence.numbers["assumptions"])
    assert tl.verify(law, trials=8, out=tmp_path).tier == "kernel"


def test_a_proof_without_a_script_stays_at_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(coqc, "missing", lambda: "")
    certificate = tmp_path / "law.json"
    certificate.write_text(json.dumps(document(tl.GradientFlow(linear), lambda p: ops.tanh(p.W1))))
    verdict = tl.Verdict(id="law", status="proved", tier="kernel", scope="all sizes", certificate=str(certificate))
    answer = coq_tier.compiled(verdict)
    assert answer.tier == "kernel"
    assert "tanh" in answer.evidence[0].summary


def test_coq_is_asked_for_where_there_is_none(monkeypatch):
    monkeypatch.setattr(coqc, "missing", lambda: "coqc is not on the PATH")
    with pytest.raises(tl.InputError, match="coqc is not on the PATH"):
        tl.verify(tl.Invariant(tl.GradientFlow(scalar), lambda p: p.a, name="law"), coq=True)
