"""Nothing is proved that holds for some losses only: the slope of an unknown loss is known at one state."""

from __future__ import annotations

from pathlib import Path

import pytest

import theorylab as tl
from theorylab import ops


@tl.model(a="")
def scalar(p, x):
    return p.a * x


@tl.model(A="h d", B="m h")
def smooth(p, x):
    return p.B @ ops.tanh(p.A @ x)


@tl.model(A="h d", B="m h")
def rectified(p, x):
    return p.B @ ops.relu(p.A @ x)


flow = tl.GradientFlow(scalar)
moving = tl.GradientFlow(scalar, momentum=0)


def slope(p, c, scale=1, of=flow):
    return of.field(p.replace(a=scale * p.a), c).a


FALSE = {
    "twice the state": tl.Identity(flow, lambda p, c: slope(p, c, 2), slope),
    "no curvature": tl.Identity(flow, lambda p, c: ops.derivative(lambda q: slope(q, c), p, p)),
    "twice the state, with momentum": tl.Identity(
        moving, lambda p, c: moving.field(p.replace(a=2 * p.a), c).velocity_a - moving.field(p, c).velocity_a
    ),
    "third difference": tl.Identity(
        flow, lambda p, c: slope(p, c, 3) - 3 * slope(p, c, 2) + 3 * slope(p, c, 1) - slope(p, c, 0)
    ),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_claim_that_holds_for_some_losses_is_refuted(name: str, tmp_path: Path) -> None:
    assert tl.verify(FALSE[name].but(name="false"), trials=8, out=tmp_path).status == "refuted"


units = tl.var("h", tl.draw.loguniform(1 / 8, 8), positive=True)
rescaling = tl.GradientFlow(rectified, setting=tl.Setting(s=units))


def rescaled(p, c):
    return p.replace(A=c.s[:, None] * p.A, B=p.B / c.s[None, :])


def test_where_the_outputs_agree_the_slopes_do(tmp_path: Path) -> None:
    claim = tl.Identity(
        rescaling,
        lambda p, c: rescaling.field(rescaled(p, c), c).B,
        lambda p, c: c.s[None, :] * rescaling.field(p, c).B,
        name="rescaled",
    )
    verdict = tl.verify(claim, trials=8, out=tmp_path)
    assert (verdict.status, verdict.scope) == ("proved", "all sizes")


@pytest.mark.parametrize("model", [smooth, rectified])
def test_the_second_derivative_is_symmetric(model, tmp_path: Path) -> None:
    """Derivatives in derivatives: the inner letters are not the outer ones."""
    network = tl.GradientFlow(model, loss=tl.loss.square, setting=tl.Setting(u=tl.var("h d"), v=tl.var("m h")))

    def along(p, c, part, other, direction):
        return ops.derivative(lambda q: network.field(q, c)[part], p, {other: direction})

    claim = tl.Identity(
        network,
        lambda p, c: (along(p, c, "A", "B", c.v) * c.u).sum(),
        lambda p, c: (along(p, c, "B", "A", c.u) * c.v).sum(),
        name="symmetric",
    )
    assert tl.verify(claim, trials=8, out=tmp_path).status == "proved"
    wrong = claim.but(rhs=lambda p, c: 2 * (along(p, c, "B", "A", c.u) * c.v).sum(), name="twice")
    assert tl.verify(wrong, trials=8, out=tmp_path).status == "refuted"
