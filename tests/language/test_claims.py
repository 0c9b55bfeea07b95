"""What each kind of claim asks: goals that imply it, tests that could refute it, controls made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import theorylab as tl
from theorylab import ops
from theorylab.claims import base
from theorylab.claims.base import Conjugates, Conserved, Evolves, NonNegative, Zero
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.problem import Problem

DIMS = {"d": 2, "n": 3}
TRIALS = 4


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


@tl.model(a="d", b="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.a * p.b)[None, :] @ x


decay = Flow(lambda p, c: {"w": -c.k * p.w}, state={"w": "d"}, setting=tl.Setting(k=tl.var(positive=True)))
regression = tl.GradientFlow(linear, loss=tl.loss.square)
pair = tl.GradientFlow(diagonal)


def observed(test: base.Test, t: float = 0.0, factor: float = 1.0, end: bool = False) -> torch.Tensor:
    """What a test shows at the states factor * start at time t, (trials, q)."""
    flow = test.subject
    dims = {s: DIMS[s] for s in flow.sizes}
    problem = Problem(flow, dims, draw_cases(flow, dims, TRIALS, 0))
    times = torch.full((TRIALS,), t, dtype=torch.float64)
    return problem.observe(test.observe, times, factor * problem.initial, ended=end)


def start(flow: Flow) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    dims = {s: DIMS[s] for s in flow.sizes}
    problem = Problem(flow, dims, draw_cases(flow, dims, TRIALS, 0))
    return problem.initial, dict(problem.values)


def zero(value: torch.Tensor) -> bool:
    return float(value.abs().max()) < 1e-12


# --- what is observed -------------------------------------------------------------------------------------------------


def test_invariant_observes_the_change_since_the_start() -> None:
    law = tl.Invariant(decay, lambda p: (p.w**2).sum(), name="norm")
    (goal,), (test,) = law.goals(), law.tests()
    assert isinstance(goal, Conserved)
    assert (test.kind, test.where) == ("zero", "run")
    w, _ = start(decay)
    assert zero(observed(test))
    torch.testing.assert_close(observed(test, factor=2.0)[:, 0], 3 * (w**2).sum(1))


def test_invariants_that_carry_come_first() -> None:
    norm = tl.Invariant(decay, lambda p: (p.w**2).sum(), name="norm")
    law = tl.Invariant(decay, lambda p: p.w, on=[norm, norm], name="law")
    assert [g.name for g in law.goals()] == ["norm", "law"]
    assert all(g.subject is law.subject for g in law.goals())


@pytest.mark.parametrize(("sense", "sign"), [("==", 1), (">=", 1), ("<=", -1)])
def test_evolution_compares_with_the_integral_of_the_rate(sense: Any, sign: int) -> None:
    law = tl.Evolution(decay, lambda p: p.w.sum(), lambda p, c: -c.k * p.w.sum(), sense=sense)
    (goal,), (test, *_) = law.goals(), law.tests()
    assert isinstance(goal, Evolves)
    assert goal.sense == sense
    assert test.kind == ("zero" if sense == "==" else "nonnegative")
    assert "accumulated_rate" in test.subject.integrals
    w, _ = start(decay)  # at twice the start the integral, a state, is still 0
    torch.testing.assert_close(observed(test, factor=2.0)[:, 0], sign * w.sum(1))


def test_evolution_of_a_scheme_is_the_change_in_one_step() -> None:
    """(1 - h k) w - w = -h k w."""
    scheme = tl.Scheme(
        step=lambda p, c: p.replace(w=p.w - c.h * c.k * p.w),
        flow=decay.with_(setting=decay.setting.with_(h=tl.var(positive=True))),
    )
    law = tl.Evolution(scheme, lambda p: p.w, lambda p, c: -c.h * c.k * p.w)
    (goal,), (test,) = law.goals(), law.tests()
    assert isinstance(goal, Zero)
    assert test.where == "state"
    assert zero(observed(test))
    assert not zero(observed(law.but(rate=0).tests()[0]))
    falling = law.but(quantity=lambda p: (p.w**2).sum(), rate=0, sense="<=")
    assert falling.goals() == []
    assert falling.tests()[0].kind == "nonnegative"


def test_trajectory_compares_with_a_formula_of_time() -> None:
    law = tl.Trajectory(decay, lambda p: p.w, lambda c: c.init.w * ops.exp(-c.k * c.t))
    (test,) = law.tests()
    w, values = start(decay)
    assert all(goal.derived for goal in law.goals())
    assert not tl.Trajectory(decay, lambda p: 2 * p.w, lambda c: c.init.w).goals()
    assert zero(observed(test))
    expected = w - w * torch.exp(-0.5 * values["k"])[:, None]
    torch.testing.assert_close(observed(test, t=0.5), expected)


def test_conjugate_compares_the_fields() -> None:
    """w -> a w carries the flow with targets y to that with targets a y."""
    given = tl.Setting(a=tl.var(positive=True), x=tl.var("d n"), y=tl.var("1 n"))
    one = regression.with_(setting=given, data=lambda c: (c.x, c.y))
    law = tl.Conjugate(one, one.with_(data=lambda c: (c.x, c.a * c.y)), lambda p, c: p.replace(w=c.a * p.w))
    (goal,), (test, *_) = law.goals(), law.tests()
    assert isinstance(goal, Conjugates)
    assert (test.where, test.kind) == ("state", "zero")
    assert zero(observed(test, factor=0.5))
    assert not zero(observed(law.but(map=lambda p, c: p.replace(w=c.a**2 * p.w)).tests()[0]))
    assert not zero(observed(law.but(time=2).tests()[0]))


def test_identity_and_inequality_of_a_setting_and_of_a_flow() -> None:
    setting = tl.Setting(x=tl.var("d"), y=tl.var("d"))
    same = tl.Identity(setting, lambda c: (c.x + c.y).sum(), lambda c: c.x.sum() + c.y.sum())
    assert isinstance(same.goals()[0], Zero)
    assert same.tests()[0].where == "case"
    everywhere = tl.Inequality(regression, lambda p, c: ((c.f - c.y) ** 2).sum(), 0, strict=True)
    (goal,), (test,) = everywhere.goals(), everywhere.tests()
    assert isinstance(goal, NonNegative)
    assert (goal.strict, test.strict, test.where, test.kind) == (True, True, "state", "nonnegative")
    assert (observed(test) > 0).all()
    ends = tl.Inequality(regression, lambda c: (c.end.w**2).sum(), lambda c: (c.init.w**2).sum())
    assert ends.goals() == []
    assert ends.tests()[0].where == "end"
    w, _ = start(regression)
    torch.testing.assert_close(observed(ends.tests()[0], factor=2.0, end=True)[:, 0], 3 * (w**2).sum(1))


def test_limit_in_closed_form() -> None:
    law = tl.Limit(decay, lambda p: p.w, lambda c: 0 * c.init.w, settle={"tolerance": 1e-6})
    (test,) = law.tests()
    assert (law.goals(), test.where, test.tolerance) == ([], "end", 1e-6)
    assert law.premises == ("the limit exists",)
    w, _ = start(decay)
    torch.testing.assert_close(observed(test, factor=2.0, end=True), 2 * w)


def test_limit_at_a_minimiser_has_the_premise_of_zero_loss() -> None:
    flow = tl.GradientFlow(
        linear, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=tl.Setting(x=tl.var("d n"), y=tl.var("1 n"))
    )
    law = tl.Limit(flow, lambda p: p.w, tl.argmin(tl.bias.l2))
    assert law.premises == ("the limit exists and has zero loss",)
    loss, residual = law.tests()
    assert (loss.premise, residual.premise) == (True, False)
    assert "dual residual" in residual.name
    w, values = start(flow)
    expected = ((w[:, None, :] @ values["x"] - values["y"]) ** 2).sum((1, 2)) / 2
    torch.testing.assert_close(observed(loss, end=True)[:, 0], expected)


# --- controls ---------------------------------------------------------------------------------------------------------

hypothesis = tl.assume("a = b", lambda c: c.init.a - c.init.b, lambda c: {"init.b": c.init.a})
law = tl.Invariant(
    pair.with_(setting=tl.Setting(hypothesis)),
    lambda p: p.a - p.b,
    name="difference",
    title="a and b stay equal",
    statement="a = b",
    expect="proved",
    premises=["none"],
    quantifier="almost every",
    settle={"trials": 8},
)


def test_a_control_is_expected_to_be_refuted() -> None:
    control = law.but(quantity=lambda p: p.a + p.b)
    assert (control.expected, control.control_of) == ("refuted", "difference")
    assert (control.title, control.tex, control.name) == ("difference changed", "", "difference changed")
    assert (control.quantifier, control.settle, control.subject) == ("almost every", {"trials": 8}, law.subject)
    assert (law.expected, law.control_of, law.title) == ("proved", None, "a and b stay equal")


def test_a_hypothesis_is_dropped() -> None:
    control = law.without("a = b", title="without")
    assert control.setting.assumptions == ()
    assert law.setting.assumptions == (hypothesis,)
    assert (control.name, control.title) == ("difference without a = b", "without")


def test_a_control_over_another_setting() -> None:
    scheme = tl.Evolution(pair.euler("h"), lambda p: p.a**2 - p.b**2, 0)
    control = scheme.but(setting=scheme.setting.with_(q=tl.var()))
    assert set(control.setting.variables) == {"h", "q"}
    assert control.subject.flow.setting is control.setting


def test_changed_options_of_a_control() -> None:
    control = law.but(expect="supported", name="other", horizon=3.0)
    assert (control.expected, control.name, control.id, control.tests()[0].horizon) == (
        "supported",
        "other",
        "other",
        3.0,
    )


def test_identifiers() -> None:
    assert tl.Invariant(pair, lambda p: p.a, name="A law, for L = 2").id == "a-law-for-l-2"
    assert tl.Invariant(pair, lambda p: p.a).id == "invariant"
    assert tl.Invariant(pair, lambda p: p.a).named("paper/law").id == "paper/law"


def test_sources() -> None:
    source = tl.paper("key", "A title", arxiv="1806.00900").claim("theorem 2", note="derived here")
    assert str(source) == "A title, arXiv 1806.00900, theorem 2, derived here"


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.Invariant(tl.Setting(), lambda p: p), "Invariant got Setting; expected a flow"),  # type: ignore[arg-type]
        (lambda: tl.Invariant(pair, 3), "the quantity is int; expected a function"),  # type: ignore[arg-type]
        (lambda: tl.Invariant(pair, lambda: 3), "takes 0 arguments"),
        (lambda: tl.Invariant(pair, lambda p: p.a, on=[tl.Identity(tl.Setting(), lambda c: 0)]), "on lists Identity"),
        (lambda: tl.Invariant(pair, lambda p: p.a, colour="red"), "unknown option 'colour'; expected one of: name"),
        (lambda: tl.Invariant(pair, lambda p: p.a, quantifier="most"), "quantifier is 'most'"),
        (lambda: tl.Invariant(pair, lambda p: p.a, expect="true"), "expect is 'true'; expected one of: proved"),
        (lambda: tl.Invariant(pair, lambda p: p.a, settle={"tend": 3}), "settle has the unknown option 'tend'"),
        (lambda: tl.Evolution(tl.Setting(), lambda p: p, 0), "Evolution got Setting"),  # type: ignore[arg-type]
        (lambda: tl.Evolution(pair, lambda p: p.a, 0, sense="<"), "sense is '<'"),  # type: ignore[arg-type]
        (lambda: tl.Evolution(pair, lambda p: p.a, "fast"), "the rate is str"),
        (
            lambda: tl.Trajectory(pair, lambda p: p.a, lambda p, c: p.a),
            "function of 2 arguments; expected a function of the case",
        ),
        (lambda: tl.Inequality(pair.euler("h"), lambda p: p.a), "Inequality got a scheme"),
        (lambda: tl.Limit(pair, lambda p: p.a, lambda p, c: p.a), "expected a function of the case"),
        (lambda: tl.argmin(3), "argmin got int; expected a potential of tl.bias"),
        (lambda: tl.Fails(3), "Fails got int; expected a claim"),  # type: ignore[arg-type]
        (lambda: tl.Theorem(uses=[3], conclusion=""), "Theorem uses int"),  # type: ignore[list-item]
        (lambda: tl.Theorem(uses=[], conclusion=""), "uses no claims"),
        (lambda: law.but(rate=0), "Invariant.but got 'rate'; expected one of: subject, quantity, on, setting"),
        (lambda: law.without("a = c"), "there is no assumption 'a = c' to drop"),
        (lambda: tl.Fails(law).but(setting=tl.Setting()), "Fails.but got 'setting'; expected one of: claim, at, name"),
    ],
)
def test_misuse_is_one_sentence(misuse: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)


def test_a_quantity_has_to_be_an_array() -> None:
    bad = tl.Invariant(pair, lambda p: [p.a])
    with pytest.raises(InputError, match="a quantity is list; expected a scalar or an array"):
        observed(bad.tests()[0])
