"""Limits are supported where the residual falls with the tolerance, and go on to fall."""

from __future__ import annotations

from fractions import Fraction

import pytest

import theorylab as tl
from theorylab.simulate.observe import observe

# u (s - u^2): from u > 0 to the root of s
pitchfork = tl.Flow(
    lambda p, c: {"u": p.u * (c.s - p.u**2)}, state={"u": ""},
    setting=tl.Setting(s=tl.var(positive=True), init={"u": tl.var("", tl.draw.uniform(0.25, 1), positive=True)}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("off", "agrees"), [(0, True), (Fraction(1, 10**9), None), (Fraction(1, 10**5), False)], ids=["0", "1e-9", "1e-5"]
)
def test_a_limit_that_is_true_to_nine_digits_is_not_supported(off: Fraction, agrees: bool | None) -> None:
    limit = tl.Limit(pitchfork, lambda p: p.u**2, lambda c: c.s * (1 + off))
    (test,) = limit.tests()
    assert observe(test, {}, trials=8, seed=0).agrees is agrees


def test_residuals_that_fall_unevenly_are_no_obstacle() -> None:
    """u v tends to y - lam: from 1e-8 to 1e-10 the worst of these falls 24 times."""

    @tl.model(u="", v="")
    def product(p, x):
        return p.u * p.v * x

    setting = tl.Setting(
        one=tl.var("1 1", tl.draw.one_of(1)), y=tl.var("1 1", tl.draw.uniform(2, 3)),
        lam=tl.var("", tl.draw.uniform(0.1, 0.5), positive=True),
        init={"u": tl.draw.uniform(0.5, 1), "v": tl.draw.uniform(0.5, 1)},
    )  # fmt: skip
    flow = tl.GradientFlow(
        product, loss=tl.loss.square, weight_decay=lambda c: c.lam, data=lambda c: (c.one, c.y), setting=setting
    )
    (test,) = tl.Limit(flow, lambda p: p.u * p.v, lambda c: c.y.sum() - c.lam).tests()
    found = observe(test, {}, trials=8, seed=0)
    assert found.agrees
    assert len(found.worst) == 4
