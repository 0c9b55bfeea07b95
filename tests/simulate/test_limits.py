"""Limits are supported where the residual falls with the tolerance, and go on to fall; limits from finite runs."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

import theorylab as tl
from theorylab.simulate.extrapolate import Extrapolation
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
    """u v tends to y - lam: from 1e-8 to 1e-10 the worst residual falls less than 25 times for some of these seeds."""

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
    found = [observe(test, {}, trials=8, seed=seed) for seed in range(4)]
    assert all(o.agrees for o in found)
    assert {len(o.worst) for o in found} == {3, 4}


def regression(t_end: float) -> tuple[Tensor, Extrapolation]:
    """Where the least-squares flow of 100 problems ends, by the pseudo-inverse, and what runs to t_end say of it."""

    @tl.model(w="d")
    def linear(p, x):
        return p.w[..., None, :] @ x

    setting = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"))
    run = tl.simulate(
        tl.GradientFlow(linear, loss=tl.loss.square, setting=setting), dims={"d": 5, "n": 3}, trials=100, t_end=t_end
    )
    x, y, start = run.case["x"], run.case["y"], run.case["init.w"][:, :, None]
    end = start + torch.linalg.pinv(x.mT) @ (y.mT - x.mT @ start)
    return end[:, :, 0], run.limit(lambda p: p.w)


@pytest.mark.parametrize(("t_end", "share"), [(1.0, 0.1), (3.0, 0.5), (10.0, 0.8), (30.0, 0.75)])
def test_error_bars_of_early_runs_cover_limits_whose_slow_parts_are_still_hidden(t_end: float, share: float) -> None:
    end, found = regression(t_end)
    assert ((found.value - end).abs() <= found.error)[found.trusted].all()
    assert found.trusted.double().mean() >= share


def test_powers_that_mix_are_covered() -> None:
    """x falls like t^(-1/2), so that x + 3 x^2 is no power of t for long."""
    slow = tl.Flow(lambda p: {"x": -2 * p.x**3}, state={"x": ""}, setting=tl.Setting(init={"x": tl.draw.normal()}))
    for t_end in (10.0, 100.0, 1000.0):
        found = tl.simulate(slow, t_end=t_end, trials=100).limit(lambda p: p.x + 3 * p.x**2)
        assert (found.value.abs() <= found.error)[found.trusted].all()
        assert int(found.trusted.sum()) >= 5


def test_a_plateau_that_lasts_as_long_as_the_run_is_no_limit() -> None:
    """u v from 1e-14 leaves the saddle at 0 after t = 16, and tends to 1."""
    escaping = tl.Flow(
        lambda p: {"u": (1 - p.u * p.v) * p.v, "v": (1 - p.u * p.v) * p.u},
        state={"u": "", "v": ""},
        setting=tl.Setting(init={"u": Fraction(1, 10**7), "v": Fraction(1, 10**7)}),
    )
    found = tl.simulate(escaping, t_end=6.0, trials=1).limit(lambda p: p.u * p.v)
    assert not found.trusted.any()
    found = tl.simulate(escaping, t_end=30.0, trials=1).limit(lambda p: p.u * p.v)
    assert found.trusted.all()
    assert ((found.value - 1).abs() <= found.error).all()


def test_limits_of_runs_that_start_later() -> None:
    """x' = -t x from t = 2: observed with the time, it starts at 2 too."""
    flow = tl.Flow(lambda p, c: {"x": -c.t * (p.x - 1)}, state={"x": ""}, setting=tl.Setting(init={"x": 3}))
    run = tl.simulate(flow, t_start=2.0, t_end=9.0, trials=2, observe={"t": lambda p, c: c.t})
    assert torch.equal(run.quantities["t"], torch.tensor([[2.0, 9.0]] * 2).double())
    found = run.limit(lambda p: p.x)
    assert found.tails == {"settled": 2}
    assert ((found.value - 1).abs() <= found.error).all()
