"""Claims about runs: only violations that a second method, a longer time and neighbours confirm are counterexamples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from tests.falsify import statements as s
from theorylab import ops
from theorylab.falsify.draws import random_codes
from theorylab.falsify.outcome import Hunt
from theorylab.falsify.program import QuickField, quick_program
from theorylab.falsify.regression import LawBroken, run_holds
from theorylab.falsify.run_search import hunt_runs
from theorylab.falsify.runs import Runs
from theorylab.simulate import Status, integrate


def width(c: Any) -> Any:
    return c.init.a**2 + c.init.b**2


hypentropy = tl.Limit(s.branches, s.beta, tl.argmin(tl.bias.hypentropy(width)), name="hyperbolic entropy")


def attack(claim: Any, **options: Any) -> Hunt:
    sizes = s.sizes(claim, d=2, k=2, m=1, n=2) if isinstance(claim.subject, tl.Flow) else {}
    return hunt_runs(claim, dims=sizes, **options)


def test_a_true_limit_survives() -> None:
    found = attack(hypentropy)
    assert found.counterexample is None
    assert found.examined - found.outside >= 50
    assert found.violations == 0


@pytest.mark.parametrize("factor", [2, Fraction(11, 10)], ids=str)
def test_a_limit_with_a_wrong_constant_dies(factor: Any) -> None:
    found = attack(hypentropy.but(value=tl.argmin(tl.bias.hypentropy(lambda c: factor * width(c))), name="wrong k"))
    assert found.tier == "numeric"
    assert found.dims == {"d": 2, "n": 1}, "one sample leaves a kernel only in two dimensions"
    assert found.counterexample is not None
    assert found.counterexample.case["init.e"] == found.counterexample.case["init.a"]
    assert "10 times that" in found.counterexample.recheck


def test_a_limit_without_its_hypothesis_dies() -> None:
    assert attack(hypentropy.without("both branches start alike")).counterexample is not None


def test_laws_along_runs_are_told_from_drifts() -> None:
    """The drift of a true law is the integrator's; the matrix law for relu is broken by two units."""
    assert attack(s.per_unit).counterexample is None
    found = attack(s.relu_matrix)
    assert found.counterexample is not None
    assert found.dims["k"] == 2


def test_a_law_that_breaks_late_dies() -> None:
    """u is the time, and the gate opens at t = 5."""
    opening = tl.Flow(
        lambda p: {"u": 0 * p.u + 1, "v": ops.relu(p.u - 5)}, state={"u": "", "v": ""},
        setting=tl.Setting(init={"u": 0}),
    )  # fmt: skip
    law = tl.Invariant(opening, lambda p: p.v, name="late")
    found = attack(law)
    assert found.counterexample is not None
    with pytest.raises(LawBroken, match="drift"):
        run_holds(law, dims={}, values=found.counterexample.case)


def test_a_law_whose_value_is_zero_is_compared_with_its_terms() -> None:
    """z . s vanishes by cancellation from start to end, up to rounding; z . s + |s|^2 / 1000 does not."""
    orthogonal = tl.assume(
        "x' z = 0", lambda c: c.z @ c.x, lambda c: {"x": c.x - ops.outer(c.z, c.z @ c.x) / (c.z**2).sum()}
    )
    flow = s.branches.with_(setting=tl.Setting(orthogonal, z=tl.var("d", nonzero=True)))
    law = tl.Invariant(flow, lambda p, c: (c.z * c.integral.s).sum(), name="row space")
    assert attack(law).counterexample is None
    curved = law.but(
        quantity=lambda p, c: (c.z * c.integral.s).sum() + (c.integral.s**2).sum() / 1000, name="not linear"
    )
    assert attack(curved).counterexample is not None


def test_inequalities_where_runs_end() -> None:
    def distance(factor: Fraction) -> Any:
        return lambda c: factor * ops.norm(c.v - c.init.w) - ops.norm(c.end.w - c.init.w)

    two = tl.Inequality(s.taught, distance(Fraction(2)), name="factor two")
    assert attack(two).counterexample is None
    half = attack(two.but(lhs=distance(Fraction(1, 2)), name="factor one half"))
    assert half.counterexample is not None
    assert float(half.counterexample.value) < 0


def test_what_has_not_converged_is_no_witness() -> None:
    """Exponential loss on separable data: w grows like log t for ever, whatever limit is claimed."""
    flow = tl.GradientFlow(
        tl.model(w="")(lambda p, x: p.w * x), loss=tl.loss.exponential,
        data=lambda c: (c.x * 0 + 1, c.x * 0 + 1), setting=tl.Setting(x=tl.var("1 n")),
    )  # fmt: skip
    found = attack(tl.Limit(flow, lambda p: p.w, lambda c: c.init.w, name="stays"))
    assert found.counterexample is None
    assert found.violations == 0
    assert "not converged" in found.summary


def test_slow_motion_is_no_limit() -> None:
    """w' = -w^3 is still at 0.05 when its speed is 1e-4, so a limit of 0 is not refuted there."""
    flow = tl.Flow(lambda p: tl_namespace(w=-(p.w**3)), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0, name="zero", settle={"gtol": 1e-4})
    found = attack(claim)
    assert found.violations > 0
    assert found.counterexample is None
    assert "changed by tolerance or time" in found.summary
    false = claim.but(value=lambda c: c.init.w * 0 + 1, name="one")
    almost = attack(false.but(quantifier="almost every", name="almost one"))
    assert almost.counterexample is None, "the limit 0 itself is not reached, so nothing is shown"
    rests = attack(false).counterexample
    assert rests is not None
    assert rests.case == {"init.w": "0"}


@pytest.mark.parametrize(("shift", "dies"), [(Fraction(0), False), (Fraction(1, 1000), True)], ids=str)
def test_a_vanishing_limit_is_compared_with_where_the_run_started(shift: Fraction, dies: bool) -> None:
    """Relative to the end itself, what is left of w' = -w would always be all of it."""
    flow = tl.Flow(lambda p: tl_namespace(w=-p.w), state={"w": ""})
    found = attack(tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * shift, name="zero"))
    assert (found.counterexample is not None) == dies
    assert (found.violations > 0) == dies


def test_a_sign_that_the_exact_flow_keeps_has_to_be_kept() -> None:
    """w' = -w cannot cross 0, w' = -1 can."""
    for field, kept in ((lambda p: -p.w, False), (lambda p: p.w * 0 - 1, True)):
        flow = tl.Flow(lambda p, f=field: tl_namespace(w=f(p)), state={"w": ""})
        claim = tl.Invariant(flow, lambda p: p.w, name="constant")
        runs = Runs(claim, next(iter(claim.tests())), {})
        problem = runs.problem({"init.w": np.array([1.0])}, 1)
        ends = runs._ends(problem, integrate(problem.field, problem.initial, t_end=1.0), Status.T_END)
        across = replace(ends, y=-ends.y if float(ends.y) > 0 else ends.y - 1)
        assert runs._signs_kept(problem, ends).tolist() == [True]
        assert runs._signs_kept(problem, across).tolist() == [kept]


def test_a_saddle_is_a_witness_against_every_start_alone() -> None:
    """w' = w - w^3 leaves 0 for one of +-1: that w^2 tends to 1 is false at 0 alone."""
    flow = tl.Flow(lambda p: tl_namespace(w=p.w - p.w**3), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w**2, lambda c: c.init.w * 0 + 1, name="one")
    witness = attack(claim).counterexample
    assert witness is not None
    assert witness.case == {"init.w": "0"}
    assert "rests where it starts" in witness.recheck
    almost = claim.but(quantifier="almost every", name="almost")
    assert attack(almost).counterexample is None
    assert attack(almost.but(quantity=lambda p: p.w, name="plus one")).counterexample is not None


def test_a_run_that_rests_has_a_limit_where_the_claim_is_about_every_case() -> None:
    """w' = -relu(w) rests at every w < 0, which is open; of zero loss or of almost every case it says nothing."""
    flow = tl.Flow(lambda p: tl_namespace(w=-ops.relu(p.w)), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0, name="zero")
    assert attack(claim).counterexample is not None
    about_loss = attack(claim.but(premises=("the limit has zero loss",), name="of zero loss"))
    assert about_loss.counterexample is None
    assert "at a critical point" in about_loss.summary


def test_the_stable_manifold_of_a_saddle_is_no_witness() -> None:
    """From w = 0 the flow u' = -u, w' = w - w^3 runs into the saddle, and from no neighbour of it."""
    flow = tl.Flow(
        lambda p: tl_namespace(u=-p.u, w=p.w - p.w**3), state={"u": "", "w": ""}, setting=tl.Setting(init={"u": 1})
    )
    found = attack(tl.Limit(flow, lambda p: p.w**2, lambda c: c.init.w * 0 + 1, name="one"))
    assert found.violations > 0
    assert found.counterexample is None


def test_a_blow_up_is_no_witness() -> None:
    """w' = w^2 leaves every bound in finite time from w > 0, and tends to 0 from w < 0."""
    flow = tl.Flow(lambda p: tl_namespace(w=p.w**2), state={"w": ""})
    found = attack(tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0, name="zero"))
    assert found.counterexample is None
    assert "blow-up" in found.summary


def test_positive_hypotheses_are_respected() -> None:
    flow = tl.Flow(lambda p: tl_namespace(w=p.w - p.w**3), state={"w": ""})
    right = tl.Setting(tl.assume("w > 0", lambda c: c.init.w, positive=True))
    claim = tl.Limit(flow.with_(setting=right), lambda p: p.w, lambda c: c.init.w * 0 + 1, name="plus one")
    found = attack(claim)
    assert found.counterexample is None
    assert "outside the hypotheses" in found.summary


def test_the_same_seed_gives_the_same_hunt() -> None:
    flow = tl.Flow(lambda p: tl_namespace(w=p.w - p.w**3), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0 + 1, name="plus one")
    first = attack(claim, seed=3)
    assert first.counterexample is not None
    assert first == attack(claim, seed=3)


def test_the_exact_and_the_numeric_field_agree() -> None:
    for claim in (s.relu_matrix, hypentropy, s.polar[2], s.nearer):
        runs = Runs(claim, next(t for t in claim.tests()), s.sizes(claim))
        code = runs.code
        codes = random_codes(code, 0, 0, 16)
        problem = runs.problem(code.columns(codes), 16)
        program = quick_program(runs.flow, runs.dims, code)
        assert program is not None
        rows = torch.arange(3, 11)
        zero, start = torch.zeros(8, dtype=torch.float64), problem.initial[rows]
        quick = QuickField(*program, code.columns(codes))(zero, start, rows)
        slow = problem.field(zero, start, rows)
        assert torch.allclose(quick, slow, rtol=1e-10, atol=1e-10)


def test_falsify_hunts_runs_where_there_is_no_formula() -> None:
    wrong = hypentropy.but(value=tl.argmin(tl.bias.l2), name="least squares")
    verdict = tl.falsify(wrong, dims={"d": 2, "n": 1})
    assert (verdict.status, verdict.tier) == ("refuted", "numeric")
    assert verdict.counterexample is not None


def tl_namespace(**values: Any) -> Any:
    from theorylab.readings.namespace import Namespace

    return Namespace(values)


def test_codes_start_from_small_values() -> None:
    runs = Runs(s.per_unit, next(iter(s.per_unit.tests())), s.sizes(s.per_unit))
    from theorylab.falsify.run_search import _codes

    assert np.abs(list(runs.code.columns(_codes(runs.code, 0, 64)).values())).max() <= 8
