"""Exact counterexamples and ReLU paths as certificates; values computed by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from tests.certificates import rulings
from theorylab import ops
from theorylab.certificate.counterexample import counterexample_document
from theorylab.certificate.kernel import check
from theorylab.certificate.relu_path import relu_path_document
from theorylab.derive.negative import refutation
from theorylab.derive.relu_path import relu_path


@tl.model(W1="k d", W2="m k")
def layers(p: Any, x: Any) -> Any:
    return p.W2 @ ops.relu(p.W1 @ x)


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


def matrix_law() -> tuple[Any, Any, dict[str, int], dict[str, Any], tuple[int, ...], Fraction]:
    """W2'W2 - W1W1' for ReLU, entry (0, 1), with one open and one shut unit.

    W1' = (-2, 0) and W2' = (-2, 0), so the derivative is -2 * 3 - (-2)(-2) = -10.
    """
    claim = tl.Invariant(tl.GradientFlow(layers), lambda p: p.W2.mT @ p.W2 - p.W1 @ p.W1.mT, name="matrix")
    values = {"W1": [[1], [-2]], "W2": [[1, 3]], "x": [[2]], "r": [[1]]}
    values |= {f"init.{n}": values[n] for n in ("W1", "W2")}
    return claim, claim.goals()[0], {"d": 1, "k": 2, "m": 1, "n": 1}, values, (0, 1), Fraction(-10)


def reversed_distance() -> tuple[Any, Any, dict[str, int], dict[str, Any], tuple[int, ...], Fraction]:
    """|w - v|^2 falls: w = 2, v = 1, x = 1 gives w' = -1, and 2 (w - v) w' = -2."""
    setting = tl.Setting(x=tl.var("d n"), v=tl.var("d"))
    flow = tl.GradientFlow(
        neuron, loss=tl.loss.square, setting=setting, data=lambda c: (c.x, neuron({"w": c.v}, c.x)), gates=1
    )
    claim = tl.Evolution(flow, lambda p, c: ((p.w - c.v) ** 2).sum(), 0, sense=">=", name="reversed")
    values = {"w": [2], "init.w": [2], "v": [1], "x": [[1]]}
    return claim, claim.goals()[0], {"d": 1, "n": 1}, values, (), Fraction(-2)


def strict_square() -> tuple[Any, Any, dict[str, int], dict[str, Any], tuple[int, ...], Fraction]:
    """(z - 1)^2 > 0 fails at z = 1, where it is 0."""
    claim = tl.Inequality(tl.Setting(z=tl.var("n")), lambda c: (c.z - 1) ** 2, strict=True, name="strict")
    return claim, claim.goals()[0], {"n": 2}, {"z": [3, 1]}, (1,), Fraction(0)


def initial_value() -> tuple[Any, Any, dict[str, int], dict[str, Any], tuple[int, ...], Fraction]:
    """w = w(0) + 1 at every state: at the start w - w(0) - 1 is -1."""
    flow = tl.GradientFlow(neuron)
    claim = tl.Identity(flow, lambda p, c: p.w, lambda p, c: c.init.w + 1, name="start")
    values = {"w": [Fraction(1, 2)], "init.w": [Fraction(1, 2)], "x": [[1]], "r": [[1]]}
    return claim, claim.goals()[0], {"d": 1, "n": 1}, values, (0,), Fraction(-1)


def gate_at_zero() -> tuple[Any, Any, dict[str, int], dict[str, Any], tuple[int, ...], Fraction]:
    """Where relu'(0) = 1, the gate of w = 0 is open."""
    claim = tl.Identity(tl.GradientFlow(neuron, gates=1), lambda p: ops.step(p.w), name="gate")
    values = {"w": [0], "init.w": [0], "x": [[1]], "r": [[1]]}
    return claim, claim.goals()[0], {"d": 1, "n": 1}, values, (0,), Fraction(1)


CASES = [matrix_law, reversed_distance, strict_square, initial_value, gate_at_zero]


def test_false_goals_are_refuted_by_the_checker(tmp_path: Path) -> None:
    documents = [counterexample_document(*case()) for case in CASES]
    ruled = rulings(documents, tmp_path)
    assert [(r.accepted, r.reason) for r in ruled] == [(True, "")] * len(CASES)
    assert ruled[0].scope == "d=1, k=2, m=1, n=1"


def test_another_value_or_a_component_that_holds_is_refused(tmp_path: Path) -> None:
    claim, goal, dims, values, component, value = matrix_law()
    wrong_value = counterexample_document(claim, goal, dims, values, component, value + 1)
    symmetric = counterexample_document(claim, goal, dims, values, (1, 1), Fraction(0))
    moved = counterexample_document(claim, goal, dims, {**values, "init.W1": [[1], [2]]}, component, value)
    anywhere = counterexample_document(
        claim, goal, dims, {**values, "init.W1": [[1], [2]]}, component, value, at_start=False
    )
    ruled = rulings([wrong_value, symmetric, moved, anywhere], tmp_path)
    assert [r.accepted for r in ruled] == [False, False, False, True]


def test_a_false_map_between_flows(tmp_path: Path) -> None:
    """y -> 2 y scales the flow by 2 and not by 4: with w = x = y = 1 the fields are -(4 - 2) and 4 * 0."""
    setting = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"), alpha=tl.var(positive=True))
    flow = tl.GradientFlow(neuron, loss=tl.loss.square, setting=setting, data=lambda c: (c.x, c.y))
    claim = tl.Conjugate(
        flow, flow.with_(data=lambda c: (c.x, c.alpha * c.y)), lambda p, c: p.replace(w=c.alpha**2 * p.w), name="square"
    )
    values = {"w": [1], "init.w": [1], "x": [[1]], "y": [[1]], "alpha": 2}
    (goal,) = claim.goals()
    document = counterexample_document(claim, goal, {"d": 1, "n": 1}, values, (0,), Fraction(-2), array="w")
    (ruling,) = rulings([document], tmp_path)
    assert ruling.accepted, ruling.reason


def test_a_refuted_claim_carries_a_certificate_of_falsity(tmp_path: Path) -> None:
    claim = matrix_law()[0]
    verdict = tl.verify(claim, dims={"d": 1, "k": 2, "m": 1, "n": 1}, trials=8, out=tmp_path)
    assert (verdict.status, verdict.tier) == ("refuted", "exact")
    assert verdict.certificate is not None
    document = json.loads(Path(verdict.certificate).read_bytes())
    assert (document["rule"], document["seal"]) == ("exact-counterexample", verdict.certificate_hash)
    (ruling,) = check([Path(verdict.certificate)])
    assert ruling.accepted
    assert ruling.scope == verdict.scope
    assert any("accepted the certificate of falsity" in e.summary for e in verdict.evidence)


X = [[6, -3, 2], [-6, -4, 12], [6, 18, 9]]
Y = [[13314, 17514, 0]]
start = tl.Setting(init={"w": 0})
any_data = tl.GradientFlow(neuron, loss=tl.loss.square, setting=start, gates=1)
exact_data = tl.GradientFlow(neuron, loss=tl.loss.square, setting=start, gates=1, data=(X, Y))


def ends_at_least_norm(flow: Any, quantity: Any = None, potential: Any = tl.bias.l2) -> Any:
    return tl.Limit(flow, quantity or (lambda p: p.w), tl.argmin(potential))


def test_an_exact_path_is_certified(tmp_path: Path) -> None:
    path = relu_path(list(zip(*X, strict=True)), Y[0])
    found = [
        refutation(tl.Fails(ends_at_least_norm(any_data), at={"x": X, "y": Y})),
        refutation(tl.Fails(ends_at_least_norm(exact_data))),
    ]
    document = relu_path_document("test/path", path)
    for other in found:
        assert other is not None
        assert {k: other[k] for k in ("rule", "scope", "statement", "proof")} == {
            k: document[k] for k in ("rule", "scope", "statement", "proof")
        }
    (ruling,) = rulings([document], tmp_path)
    assert (ruling.accepted, ruling.scope) == (True, "d=3, n=3")
    assert path.ratio == Fraction(6195358457, 3584) / 1699405


DIAGONAL = [[1, 0, 0], [0, 2, 0], [0, 0, 3]]
OTHER_CLAIMS = {
    "no data": (ends_at_least_norm(any_data), None),
    "data that are fitted in one phase": (ends_at_least_norm(any_data), {"x": DIAGONAL, "y": [[1, 1, 1]]}),
    "another norm": (ends_at_least_norm(exact_data, potential=tl.bias.lp(3)), None),
    "another quantity": (ends_at_least_norm(exact_data, lambda p: 2 * p.w), None),
    "relu'(0) = 0": (ends_at_least_norm(exact_data.with_(gates=0)), None),
    "another start": (ends_at_least_norm(exact_data.with_(setting=tl.Setting(init={"w": 1}))), None),
    "weight decay": (ends_at_least_norm(exact_data.with_(weight_decay=1)), None),
    "no loss given": (ends_at_least_norm(exact_data.with_(loss=None)), None),
    "a value and no norm": (tl.Limit(exact_data, lambda p: p.w, lambda c: ops.array([558, -765, 896])), None),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_CLAIMS)
def test_other_claims_are_not_taken_for_it(name: str) -> None:
    claim, at = OTHER_CLAIMS[name]
    assert refutation(tl.Fails(claim, at=at)) is None
