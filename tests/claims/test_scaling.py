"""Claims about exponents through `tl.verify`: true ones are supported, false ones refuted, slow ones left open."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError

SMALL = tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 1024, 8))
case = tl.Setting(h=SMALL, a=tl.var(positive=True), b=tl.var())


def judged(claim: Any, **options: Any) -> tl.Verdict:
    return tl.verify(claim, **{"trials": 6, "dims": None, **options})


def cubic(c: Any) -> Any:
    return c.a * c.h**2 + c.b * c.h**3


square = tl.Scaling(case, cubic, 2, "h", name="square")


def test_a_power_is_supported_and_others_are_refuted() -> None:
    assert judged(square).status == "supported"
    for wrong in (1, Fraction(19, 10), Fraction(21, 10), 3):
        verdict = judged(square.but(exponent=wrong))
        assert (verdict.status, verdict.tier) == ("refuted", "numeric")
        assert verdict.counterexample is not None
        assert set(verdict.counterexample.case) == {"a", "b"}, "the variable that is walked is no part of the case"
        assert f"{float(wrong):.4g} was claimed" in verdict.counterexample.violation
    assert judged(square.but(exponent=Fraction(3, 2), sense=">=", expect="supported")).status == "supported"
    assert judged(square.but(exponent=Fraction(5, 2), sense=">=")).status == "refuted"
    assert judged(square.but(exponent=Fraction(3, 2), sense="<=")).status == "refuted"


def test_an_exponent_may_belong_to_the_case() -> None:
    law = tl.Scaling(case, lambda c: ops.exp(c.a * ops.log(c.h)), lambda c: c.a, "h")
    assert judged(law).status == "supported"
    assert judged(law.but(exponent=lambda c: c.a + Fraction(1, 10))).status == "refuted"


def test_a_logarithm_leaves_the_question_open() -> None:
    verdict = judged(tl.Scaling(case, lambda c: -(c.h**2) * ops.log(c.h), 2, "h"))
    assert verdict.status == "inconclusive"
    assert "longer ladder" in verdict.reason


def test_every_case_and_almost_every_case_are_different_claims() -> None:
    """b h + h^2 has the exponent 1 unless b = 0, which a random draw never meets."""
    every = tl.Scaling(case, lambda c: c.b * c.h + c.h**2, 1, "h")
    verdict = judged(every)
    assert verdict.status == "refuted"
    assert verdict.counterexample is not None
    assert verdict.counterexample.case["b"] == "0"
    assert judged(every.but(quantifier="almost every", expect="supported")).status == "supported"
    assert judged(every.but(quantifier="almost every", exponent=2)).status == "refuted"


def test_a_quantity_that_is_zero_has_no_exponent() -> None:
    nothing = tl.Scaling(case, lambda c: ops.exp(c.h) * ops.exp(-c.h) - 1, 2, "h")
    assert judged(nothing).status == "inconclusive"
    assert judged(nothing.but(sense=">=", expect="supported")).status == "supported"


# --- orders of schemes ------------------------------------------------------------------------------------------------


def pull(p: Any, c: Any) -> Any:
    """Minus the gradient of a w1^2 + w1 w2^2 + w2^4 / 4."""
    w = p.w
    return {"w": -ops.stack([2 * c.a * w[0] + w[1] ** 2, 2 * w[0] * w[1] + w[1] ** 3])}


def along(field: Any, p: Any, c: Any, direction: Any) -> Any:
    """The derivative of a field along a direction, a namespace."""
    return p.replace(w=ops.derivative(lambda q: field(q, c)["w"], p, direction))


smooth = tl.Flow(pull, state={"w": "2"}, setting=tl.Setting(h=SMALL, a=tl.var(positive=True)))
descent = tl.Scheme(lambda p, c: p + p.replace(w=pull(p, c)["w"]) * c.h, flow=smooth)
modified = tl.Flow(
    lambda p, c: p.replace(w=pull(p, c)["w"]) - along(pull, p, c, p.replace(w=pull(p, c)["w"])) * (c.h / 2),
    state={"w": "2"},
    setting=smooth.setting,
)


def size(p: Any) -> Any:
    return ops.norm(p.w)


def defect(flow: Any) -> Any:
    return lambda p, c: size(descent.after(p, c) - flow.after(p, c, c.h))


plain = tl.Scaling(
    descent, defect(smooth), 2, "h", quantifier="almost every", settle={"ladder": [2.0**-k for k in range(5, 11)]}
)


def test_gradient_descent_follows_the_flow_to_second_order() -> None:
    assert judged(plain, trials=3).status == "supported"


@pytest.mark.slow
def test_gradient_descent_follows_a_modified_flow_to_third_order() -> None:
    """Implicit gradient regularization, Barrett and Dherin, 2009.11162."""
    assert judged(plain.but(exponent=3)).status == "refuted"
    assert judged(plain.but(quantity=defect(modified), exponent=3, expect="supported")).status == "supported"
    assert judged(plain.but(quantity=defect(modified), exponent=2)).status == "refuted"


@pytest.mark.slow
def test_after_a_fixed_time_the_error_is_of_first_order() -> None:
    ladder = {"ladder": [2.0**-k for k in range(5, 10)]}
    law = plain.but(
        quantity=lambda p, c: size(descent.after(p, c, 1 / c.h) - smooth.after(p, c, 1)), exponent=1, settle=ladder,
        expect="supported",
    )  # fmt: skip
    assert judged(law, trials=3).status == "supported"


# --- time -------------------------------------------------------------------------------------------------------------

decay = tl.Flow(
    lambda p: {"u": -(p.u**3)}, state={"u": ""},
    setting=tl.Setting(init={"u": tl.var("", tl.draw.uniform(0.5, 2), positive=True)}),
)  # fmt: skip
slow = tl.Scaling(decay, lambda p: p.u, Fraction(-1, 2), "t", horizon=1e6)


def test_rates_of_decay() -> None:
    """u' = -u^3 from u0: u = (u0^-2 + 2 t)^(-1/2)."""
    assert judged(slow).status == "supported"
    for wrong in (Fraction(-2, 5), -1):
        assert judged(slow.but(exponent=wrong)).status == "refuted"


def test_a_horizon_too_short_decides_nothing() -> None:
    assert judged(slow.but(horizon=1.0)).status == "inconclusive"


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.Scaling(case, cubic, 2, "k"), "unknown variable 'k'; expected one of: t, h, a, b"),
        (lambda: tl.Scaling(case, cubic, 2, "t"), "expected a flow"),
        (lambda: tl.Scaling(decay, lambda p: p.u, 2, "t"), "no horizon"),
        (lambda: tl.Scaling(case, cubic, "two", "h"), "an exponent is str"),
        (lambda: tl.Scaling(case, cubic, 2, "h", sense="~"), "sense is '~'"),  # type: ignore[arg-type]
        (lambda: tl.Scaling(case, cubic, 2, "h", settle={"ladder": [1, 0.5, 0.25]}).tests(), "at least four"),
        (lambda: tl.Scaling(case, cubic, 2, "h", settle={"ladder": [1, 2, 1, 3]}).tests(), "rising or falling"),
        (lambda: tl.draw.ladder(1, 1), "that differ"),
        (lambda: tl.draw.ladder(1, 0), "positive"),
        (lambda: tl.draw.ladder(1, 0.5, 3), "at least 4"),
    ],
)
def test_misuse_is_one_sentence(misuse: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)
