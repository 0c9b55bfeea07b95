"""Statistical claims through `tl.verify`: stated level, stated margin, and two samples before anything is refuted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError

HALF = Fraction(1, 2)
case = tl.Setting(u=tl.var("", tl.draw.uniform(0, 1)), s=tl.var("", tl.draw.uniform(1, 2)))


def judged(claim: Any, **options: Any) -> tl.Verdict:
    return tl.verify(claim, **{"seed": 1, **options})


average = tl.Mean(case, lambda c: c.u, HALF, margin=0.03, samples=4096, name="average")
chance = tl.Mean(
    case, lambda c: ops.step(c.u - Fraction(1, 4)), Fraction(3, 4), values="boolean", margin=0.05, samples=2048
)


def test_an_equality_is_supported_within_its_margin_and_refuted_outside_of_its_interval() -> None:
    verdict = judged(average)
    assert verdict.status == "supported"
    assert "equality is meant up to 0.03" in verdict.premises
    assert "the mean of 4096 samples is nearly normal" in verdict.premises
    wrong = judged(average.but(value=Fraction(11, 20)))
    assert (wrong.status, wrong.tier) == ("refuted", "numeric")
    assert wrong.counterexample is not None
    assert "two independent samples of 4096 and 16384 cases" in wrong.counterexample.recheck


def test_a_protocol_has_draws_of_its_own() -> None:
    """The samples are those of the verification's seed and the protocol's together."""

    def found(own: int, seed: int) -> tuple[str, ...]:
        return tuple(e.summary for e in judged(average.but(seed=own, expect="supported"), seed=seed).evidence)

    assert found(3, 4) == found(0, 7)
    assert found(3, 4) != found(0, 4)


def test_a_margin_that_the_samples_cannot_see_decides_nothing() -> None:
    verdict = judged(average.but(margin=None, expect="inconclusive"))
    assert verdict.status == "inconclusive"
    assert "samples would settle it" in verdict.reason
    nothing = tl.Mean(case, lambda c: c.u - HALF, 0, samples=64)
    assert "margin=" in judged(nothing).reason


def test_one_percent_is_told_apart_by_enough_samples() -> None:
    """The spread of u s - s / 2 + 1 about 1 is a thirtieth of what u alone has."""
    law = tl.Mean(case, lambda c: (c.u - HALF) / 32 + 1, 1, samples=2048)
    assert judged(law).status == "supported"
    assert judged(law.but(value=Fraction(101, 100))).status == "refuted"


def test_inequalities() -> None:
    low, high = Fraction(2, 5), Fraction(3, 5)
    assert judged(average.but(value=low, sense=">=", margin=None, expect="supported")).status == "supported"
    assert judged(average.but(value=high, sense="<=", margin=None, expect="supported")).status == "supported"
    assert judged(average.but(value=high, sense=">=", margin=None)).status == "refuted"
    assert judged(average.but(value=low, sense="<=", margin=None)).status == "refuted"
    assert judged(average.but(value=HALF, sense=">=", margin=None)).status == "inconclusive", "at the very border"


def test_probabilities_have_exact_intervals() -> None:
    verdict = judged(chance)
    assert verdict.status == "supported"
    assert "Clopper-Pearson" in verdict.evidence[-1].summary
    assert not any("normal" in p for p in verdict.premises)
    assert judged(chance.but(value=Fraction(4, 5))).status == "refuted"
    with pytest.raises(InputError, match="boolean has the value"):
        judged(average.but(values="boolean"))


def test_ranges_have_intervals_without_assumptions() -> None:
    law = average.but(values=(0, 1), margin=0.05, expect="supported")
    verdict = judged(law)
    assert verdict.status == "supported"
    assert "Bernstein" in verdict.evidence[-1].summary
    assert judged(law.but(value=HALF + Fraction(1, 10))).status == "refuted"


def test_a_mean_for_every_value_of_the_other_variables() -> None:
    """E u s = s / 2 for every s; the mean over s too is 3 / 4, and says less."""
    every = tl.Mean(case, lambda c: c.u * c.s, lambda c: c.s / 2, over=["u"], margin=0.1, samples=2048)
    assert judged(every).status == "supported"
    wrong = judged(every.but(value=Fraction(3, 4)))
    assert wrong.status == "refuted"
    assert wrong.counterexample is not None
    assert set(wrong.counterexample.case) == {"s"}
    both = tl.Mean(case, lambda c: c.u * c.s, Fraction(3, 4), margin=0.05, samples=2048)
    assert judged(both).status == "supported"
    with pytest.raises(InputError, match="over names the unknown variable 'v'"):
        judged(every.but(over=["v"]))


# --- runs -------------------------------------------------------------------------------------------------------------


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


regression = tl.GradientFlow(
    linear, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(x=tl.var("d d", tl.draw.orthogonal()), y=tl.var("1 d"), init={"w": tl.draw.normal(0.5)}),
)  # fmt: skip
doubled = regression.with_(data=lambda c: (c.x, 2 * c.y))


def test_the_ends_of_runs_are_random_variables() -> None:
    """With orthonormal inputs w ends at x y, of expected squared length d."""
    law = tl.Mean(regression, lambda c: (c.end.w**2).sum(), 2, margin=1, samples=512)
    verdict = judged(law, dims={"d": 2})
    assert verdict.status == "supported"
    assert "every run converges" in verdict.premises
    assert judged(law.but(value=4), dims={"d": 2}).status == "refuted"


def test_another_flow_may_run_from_the_same_case() -> None:
    """Twice the targets end at twice the weights; from the same start, not at the same distance from it."""
    law = tl.Mean(
        regression, lambda c: ops.norm(doubled.end(c).w - 2 * c.end.w), 0, margin=1e-6, samples=64, values=(0, 1)
    )
    assert judged(law.but(margin=0.5, expect="supported"), dims={"d": 2}).status == "supported"
    length = tl.Mean(regression, lambda c: ops.norm(doubled.end(c).w) - ops.norm(c.end.w), 0, sense=">=", samples=64)
    assert judged(length, dims={"d": 2}).status == "supported"
    assert judged(length.but(sense="<="), dims={"d": 2}).status == "refuted"


def test_runs_that_do_not_converge_are_no_samples() -> None:
    away = tl.Flow(lambda p: {"u": p.u * 0 + 1}, state={"u": ""})
    verdict = judged(tl.Mean(away, lambda c: c.end.u, 0, sense=">=", samples=32, settle={"t_end": 10.0}))
    assert verdict.status == "inconclusive"
    assert "no value" in verdict.reason


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.Mean(3, lambda c: c.u, 0), "Mean got int; expected a setting or a flow"),  # type: ignore[arg-type]
        (lambda: tl.Mean(case, lambda p, c: c.u, 0), "function of 2 arguments"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, sense="~"), "sense is '~'"),  # type: ignore[arg-type]
        (lambda: tl.Mean(case, lambda c: c.u, 0, confidence=1), "confidence is 1; expected a level"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, margin=0), "margin is 0; expected a positive number"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, values=(1, 0)), "a range"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, samples=8), "samples is 8; expected an integer of at least 16"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, groups=0), "groups is 0"),
        (lambda: tl.Mean(case, lambda c: c.u, 0, seed=-1), "seed is -1; expected an integer of at least 0"),
    ],
)
def test_misuse_is_one_sentence(misuse: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)
