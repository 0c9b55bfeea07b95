"""Hypothesis is served what the screening found, and shrinks it to the same minimum with its cause held fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab as tl
from tests.falsify import statements as s
from theorylab.falsify.backend import polish, serving
from theorylab.falsify.cause import FAILURES, Cause, LawBroken
from theorylab.falsify.draws import random_codes
from theorylab.falsify.judge import Judge, Rejected
from theorylab.falsify.regression import exact_case, hold, run_holds
from theorylab.falsify.runs import Runs
from theorylab.falsify.shrink import shrink
from theorylab.falsify.target import targets
from theorylab.readings.namespace import Namespace


def test_served_integers_come_first() -> None:
    seen: list[tuple[int, int]] = []
    with serving([(7, 3), (99, 5)]) as backend:

        @settings(max_examples=8, backend=backend, database=None)
        @given(st.integers(0, 9), st.integers(0, 9))
        def note(a: int, b: int) -> None:
            seen.append((a, b))

        note()
    assert (7, 3) in seen[:2]
    assert all(0 <= a <= 9 and 0 <= b <= 9 for a, b in seen)


@pytest.mark.parametrize(
    ("claim", "dims"),
    [
        (s.one_percent, {"d": 1, "k": 1, "m": 1, "n": 1}),
        (s.bias_left_out, {"d": 1, "k": 1, "m": 1, "n": 2}),
        (s.relu_matrix, {"d": 1, "k": 2, "m": 1, "n": 1}),
        (s.cauchy_schwarz.but(lhs=lambda c: 2 * (c.x * c.y).sum() - (c.x**2).sum(), name="other"), {"d": 3}),
    ],
    ids=lambda given: getattr(given, "id", ""),
)
def test_hypothesis_reaches_the_minimum_of_the_shrinker(claim: Any, dims: dict[str, int]) -> None:
    judge = Judge(next(iter(targets(claim, dims))), claim.quantifier)
    codes = random_codes(judge.code, 3, 0, 1024)
    for row in codes[judge.screen(codes).violates]:
        code = tuple(int(i) for i in row)
        try:
            finding = judge.decide(code)
        except Rejected:
            continue
        found = polish(judge, code)
        assert found is not None
        polished, calls = found
        least = shrink(judge, code, finding).code
        assert judge.code.complexity(np.array([polished])) == judge.code.complexity(np.array([least]))
        assert judge.decide(polished)
        assert calls < 2000
        return
    raise AssertionError("no violation was screened")


def test_the_cause_is_held_fixed() -> None:
    """w' = w^2 + w^3/8 blows up from w > 0, ends at 0 from small negative w, and the claim is broken further down."""
    flow = tl.Flow(lambda p: Namespace({"w": p.w**2 + p.w**3 / 8}), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0 - 1, name="minus one", settle={"gtol": 1e-6})
    runs = Runs(claim, next(iter(claim.tests())), {})
    codes = np.arange(runs.code.radix[0])[:, None]
    causes = runs.screen(codes).cause
    for cause in {Cause(int(c)) for c in causes} - {Cause.LAW_BROKEN}:
        found = polish(runs, (int(codes[causes == cause][-1, 0]),), cause=cause)
        assert found is not None
        assert found[0] == (int(codes[causes == cause][0, 0]),)
    assert Cause.BLOW_UP in causes


def test_every_cause_has_its_exception() -> None:
    assert set(FAILURES) == set(Cause)
    assert len(set(FAILURES.values())) == len(Cause)


# --- regression tests ----------------------------------------------------------------------------------------------


def text(verdict: tl.Verdict) -> str:
    assert verdict.counterexample is not None
    return verdict.counterexample.regression


def pasted(verdict: tl.Verdict, claim: Any) -> Any:
    """The test function of a counterexample, as a file of tests would define it."""
    values: dict[str, Any] = {"claim": claim}
    exec(text(verdict), values)
    return next(v for n, v in values.items() if n.startswith("test_"))


def test_the_regression_test_of_a_case_fails_until_the_claim_is_mended() -> None:
    verdict = tl.falsify(s.relu_matrix, dims={"d": 1})
    with pytest.raises(LawBroken):
        pasted(verdict, s.relu_matrix)()
    assert '"init.W1": [[' in text(verdict)
    mended = s.relu_matrix.but(quantity=s.unit, name="mended")
    pasted(verdict, mended)()


def test_the_regression_test_of_a_run_fails_until_the_claim_is_mended() -> None:
    flow = tl.Flow(lambda p: Namespace({"w": p.w - p.w**3}), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0 + 1, name="plus one")
    verdict = tl.falsify(claim, trials=64)
    with pytest.raises(LawBroken):
        pasted(verdict, claim)()
    pasted(verdict, claim.but(quantity=lambda p: p.w**2, name="square"))()


@pytest.mark.parametrize("kind", ["run", "case"])
def test_the_regression_test_shows_initial_values_as_the_statement_defines_them(kind: str) -> None:
    setting = tl.Setting(a=tl.var(positive=True), init={"w": lambda c: c.a / 3, "v": lambda c: -c.a})
    flow = tl.Flow(lambda p: Namespace({"w": -p.w, "v": p.v * 0}), state={"w": "", "v": ""}, setting=setting)
    claim = {
        "run": tl.Limit(flow, lambda p: p.v, lambda c: c.init.w * 0, name="run"),
        "case": tl.Invariant(flow, lambda p: p.w, name="case"),
    }[kind]
    verdict = tl.falsify(claim, trials=64)
    assert '"a": 1,' in text(verdict)
    assert '"init.w": "1/3"' in text(verdict) or '"init.w": "0.3333' in text(verdict)
    assert '"init.v": -1,' in text(verdict)
    with pytest.raises(LawBroken):
        pasted(verdict, claim)()


def test_a_catalogued_control_is_found_by_its_id() -> None:
    from theorylab.targets import resolve

    ((_, claim),) = resolve(_control())
    verdict = tl.falsify(claim)
    assert f'["{claim.id}"]' in text(verdict)
    with pytest.raises(LawBroken):
        pasted(verdict, None)()


def _control() -> str:
    from theorylab import catalog

    return next(e["id"] for e in catalog.index() if e["expected"] == "refuted" and e["kind"] == "invariant")


def test_values_outside_the_tables_are_cases_too() -> None:
    case = exact_case(
        s.one_percent, dims=dict.fromkeys("dkmn", 1),
        values={"x": [["22/7"]], "r": [[1]], "init.W1": [[1]], "init.W2": [["1000/3"]]},
    )  # fmt: skip
    with pytest.raises(LawBroken):
        hold(case)
    with pytest.raises(tl.InputError, match="q"):
        exact_case(s.one_percent, dims=dict.fromkeys("dkmn", 1), values={"q": 1})


def test_a_true_run_holds() -> None:
    flow = tl.Flow(lambda p: Namespace({"w": -p.w}), state={"w": ""})
    run_holds(tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0, name="0"), dims={}, values={"init.w": "3/2"})
