"""Statements in which one name would stand for two things are refused, before anything could be proved of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops

S, V = tl.Setting, tl.var
decay = tl.Flow(lambda p, c: {"u": -c.e * p.u}, state={"u": ""}, setting=S(s=V(), e=V("", lambda c: c.s)))


def network(momentum: Any = None, **shapes: str) -> Any:
    """A model whose parameters have given names; the output is their product."""

    @tl.model(**shapes)
    def product(p: Any, x: Any) -> Any:
        first, *others = (p[name] for name in shapes)
        for other in others:
            first = first * other
        return first + 0 * x

    return tl.GradientFlow(product, loss=tl.loss.square, setting=S(x=V("m n")), momentum=momentum)


def gates(value: Any) -> Any:
    @tl.model(w="d")
    def neuron(p: Any, x: Any) -> Any:
        return ops.relu(p.w[None, :] @ x)

    return tl.GradientFlow(neuron, loss=tl.loss.square, gates=value)


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (lambda: tl.Invariant(network(y="m n"), lambda p: p.y), "'y' is also a variable or data"),
        (lambda: tl.Invariant(network(0, a="", velocity_a=""), lambda p: p.a), "which is a velocity here"),
        (lambda: tl.Invariant(decay.with_(state={"u": "", "s": ""}), lambda p: p.u), "'s' is also a variable"),
        (lambda: tl.Identity(S(delta=V("n n")), lambda c: c.delta @ c.delta, lambda c: c.delta), "Kronecker"),
        (lambda: tl.Identity(S(a=V("", tl.draw.normal(), positive=True)), lambda c: c.a), "has other values"),
        (lambda: tl.Conjugate(gates(0), gates(1), lambda p: p), "gates=0 and gates=1"),
        (
            lambda: tl.Conjugate(decay, decay.with_(setting=S(s=V(), e=V("", lambda c: 2 * c.s))), lambda p: p),
            "'e' is defined in the setting of 'flow' alone",
        ),
    ],
    ids=["data", "velocity", "variable", "delta", "sign", "gates", "definition"],
)
def test_one_name_for_two_things_is_refused(claim: Callable[[], Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(tl.InputError, match=sentence):
        tl.verify(claim(), trials=4, out=tmp_path)


def scalars(field: Any) -> Any:
    return tl.Invariant(tl.Flow(field, state={"u": "3"}), lambda p: p.u)


@tl.model(f="3")
def sixth(p: Any, x: Any) -> Any:
    return p.f[0] * x[5:6]


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (lambda: scalars(lambda p: {"u": p.u.sum()}), r"gives 'u' the shape \(\); expected \(3,\)"),
        (lambda: tl.Invariant(decay, lambda p: p.u, horizon=-1.0), "horizon is -1.0; expected a positive number"),
        (lambda: tl.Invariant(decay, lambda p: p.u, horizon="ten"), "horizon is 'ten'"),
        (lambda: tl.GradientFlow(sixth, setting=S(init={"f": float("nan")})), "init of 'f' is nan"),
        (lambda: tl.GradientFlow(sixth, loss=lambda f: f.sum()), "a loss takes one argument"),
        (lambda: tl.Invariant(tl.GradientFlow(sixth), lambda p: p.f), "declared sample shape such as x='7'"),
    ],
    ids=["field", "horizon", "text", "init", "loss", "outputs"],
)
def test_mistakes_are_named(claim: Callable[[], Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(tl.InputError, match=sentence):
        tl.verify(claim(), trials=4, out=tmp_path)


def test_sizes_beyond_all_memory_are_refused(tmp_path: Path) -> None:
    claim = tl.Invariant(network(w="m n"), lambda p: (p.w**2).sum())
    with pytest.raises(tl.InputError, match="fit into memory"):
        tl.verify(claim, dims={"m": 10**7, "n": 10**7}, trials=4, out=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        S(
            tl.assume("|x| > 1", lambda c: c.x**2 - 1, lambda c: {"x": 1 + c.x**2}, positive=True),
            x=V("", tl.draw.uniform(1, 3)),
        ),
        S(tl.assume("x^2 = 1", lambda c: c.x**2 - 1, lambda c: {"x": 0 * c.x + 1}), x=V("", tl.draw.uniform(0.5, 2))),
    ],
    ids=["above 1", "square 1"],
)
def test_draws_on_one_side_do_not_hide_what_enforce_misses(setting: tl.Setting, tmp_path: Path) -> None:
    """Both hypotheses hold for x = -2 or x = -1, which `enforce` never gives, and the claim x >= 1 fails there."""
    with pytest.raises(tl.InputError, match="misses cases that satisfy the hypothesis"):
        tl.verify(tl.Inequality(setting, lambda c: c.x, 1), trials=4, out=tmp_path)


@pytest.mark.parametrize(
    ("third", "true"), [(3, False), (3, True), (Fraction(17, 3), False)], ids=["false", "true", "in no table"]
)
def test_what_enforce_misses_is_attacked(third: Any, true: bool, tmp_path: Path) -> None:
    """x (s - 3) = 0 holds for s = 3 too, where x, which `enforce` makes 0, is anything."""
    missing = tl.assume("x (s - r) = 0", lambda c: c.x * (c.s - third), lambda c: {"x": 0 * c.x})
    claim = tl.Identity(S(missing, x=V(), s=V()), lambda c: c.x * c.s if true else c.x, lambda c: third * c.x * true)
    if true:
        with pytest.raises(tl.InputError, match="misses cases that satisfy the hypothesis"):
            tl.verify(claim, trials=4, out=tmp_path)
        return
    verdict = tl.verify(claim, trials=4, out=tmp_path)
    assert (verdict.status, verdict.tier) == ("refuted", "exact")
    assert verdict.counterexample is not None
    assert verdict.counterexample.case["s"] == str(third)
    assert verdict.counterexample.case["x"] != "0"


def test_a_proof_whose_premise_runs_leave_is_no_proof_of_the_claim(tmp_path: Path) -> None:
    """1 / u falls wherever it is defined; a run through u = 0 jumps from -infinity to infinity."""
    passing = tl.Flow(lambda p: {"u": p.u * 0 + 1}, state={"u": ""})
    falls = tl.Evolution(passing, lambda p: 1 / p.u, 0, sense="<=")
    verdict = tl.verify(falls, trials=8, out=tmp_path)
    assert (verdict.status, verdict.certificate) == ("inconclusive", None)
    assert "proved where u ≠ 0 all along" in verdict.reason
    away = falls.but(subject=passing.with_(setting=S(init={"u": V("", tl.draw.uniform(1, 2), positive=True)})))
    assert tl.verify(away, trials=8, out=tmp_path).status == "proved"
