"""Where flows end: functionals that they minimise, exactly or as a scale goes to zero, judged through `tl.verify`."""

from __future__ import annotations

from typing import Any

import cvxpy
import numpy as np
import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError

SIZES = {"d": 3, "n": 1}
GIVEN = {"x": tl.var("d n"), "y": tl.var("1 n")}


def judged(claim: Any, **options: Any) -> tl.Verdict:
    return tl.verify(claim, **{"trials": 6, "dims": SIZES, **options})


# --- norms of a linear predictor --------------------------------------------------------------------------------------


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


@tl.model(w="d")
def scaled(p: Any, x: Any, c: Any) -> Any:
    return (c.s * p.w)[None, :] @ x


regression = tl.GradientFlow(
    linear, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=tl.Setting(**GIVEN, init={"w": 0})
)
features = tl.GradientFlow(
    scaled, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(s=tl.var("d", tl.draw.uniform(0.5, 1.5), positive=True), **GIVEN, init={"w": 0}),
)  # fmt: skip
weighted = tl.bias.norm(
    "the norm of b / s",
    program=lambda b, s: cvxpy.norm(cvxpy.multiply(b, 1 / s)),
    dual_norm=lambda z, s: float(np.linalg.norm(z * s)),
    parameters=[lambda c: c.s],
)
least = tl.Limit(regression, lambda p: p.w, tl.argmin(tl.bias.euclidean), name="least norm")
own = tl.Limit(features, lambda p, c: c.s * p.w, tl.argmin(weighted), name="a functional of one's own")


def test_a_linear_predictor_ends_at_the_least_euclidean_norm() -> None:
    assert judged(least).status == "supported"
    verdict = judged(least.but(value=tl.argmin(tl.bias.l1)))
    assert verdict.status == "refuted"
    assert verdict.counterexample is not None
    assert "dual residual of the l1 norm" in verdict.counterexample.violation


def test_a_functional_of_ones_own_is_supported_where_it_is_right() -> None:
    assert judged(own).status == "supported"


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [tl.bias.linf, tl.bias.group(3), tl.bias.lp(3)], ids=lambda f: f.name)
def test_other_norms_are_refuted(wrong: Any) -> None:
    assert judged(least.but(value=tl.argmin(wrong))).status == "refuted"
    assert judged(own.but(value=tl.argmin(tl.bias.euclidean))).status == "refuted"


# --- diagonal networks ------------------------------------------------------------------------------------------------

SCALE = tl.var("", tl.draw.uniform(0.25, 1), positive=True)


@tl.model(u="d", v="d")
def cubes(p: Any, x: Any) -> Any:
    return (p.u**3 - p.v**3)[None, :] @ x


def cubic(p: Any) -> Any:
    return p.u**3 - p.v**3


deep = tl.GradientFlow(
    cubes, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(
        tl.assume("one scale", lambda c: c.init.v - c.init.u, lambda c: {"init.v": c.init.u}),
        a=SCALE, b=SCALE, **GIVEN,
        init={"u": lambda c: c.a, "v": lambda c: c.b},
    ),
)  # fmt: skip
SETTLE = {"t_end": 500.0, "atol": 1e-30}
entropy = tl.Limit(deep, cubic, tl.argmin(tl.bias.hypentropy(lambda c: c.a**3, 3)), settle=SETTLE, name="depth three")
shape = tl.Limit(
    deep, cubic, tl.argmin(tl.bias.diagonal_network(lambda c: c.a, lambda c: c.b, 3)),
    settle=SETTLE, name="depth and shape",
)  # fmt: skip


def test_depth_three_has_its_own_entropy() -> None:
    assert judged(entropy).status == "supported"


@pytest.mark.slow
def test_wrong_depths_widths_and_shapes_are_refuted() -> None:
    for wrong in (tl.bias.hypentropy(lambda c: 2 * c.a**2), tl.bias.hypentropy(lambda c: 2 * c.a**3, 3)):
        assert judged(entropy.but(value=tl.argmin(wrong))).status == "refuted"
    assert judged(entropy.without("one scale")).status == "refuted"
    uneven = entropy.but(setting=deep.setting.without("one scale"), value=shape.value, expect="supported")
    assert judged(uneven).status == "supported"


@tl.model(u="d", v="d")
def squares(p: Any, x: Any) -> Any:
    return (p.u**2 - p.v**2)[None, :] @ x


def square(p: Any) -> Any:
    return p.u**2 - p.v**2


alpha = tl.var(to=0, draw=tl.draw.ladder(1e-1, 1e-4, 6), positive=True)
vanishing = tl.GradientFlow(
    squares, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(alpha=alpha, **GIVEN, init={"u": lambda c: c.alpha, "v": lambda c: c.alpha}),
)  # fmt: skip
rich = tl.Limit(vanishing, square, tl.argmin(tl.bias.l1), settle={"t_end": 300.0}, name="least l1 norm")


def test_as_the_scale_vanishes_the_l1_norm_is_least() -> None:
    verdict = judged(rich, trials=4)
    assert verdict.status == "supported"
    assert any(e.figures for e in verdict.evidence), "the ladder is drawn"


@pytest.mark.slow
def test_one_scale_is_no_witness_and_other_norms_are_refuted_by_their_slopes() -> None:
    verdict = judged(rich.but(value=tl.argmin(tl.bias.l2)), trials=4)
    assert verdict.status == "refuted"
    assert verdict.counterexample is not None
    assert "slopes" in verdict.counterexample.violation


@pytest.mark.slow
def test_where_many_l1_minimisers_exist_all_are_right_and_one_is_chosen() -> None:
    """The instance of Wind, Antun, Hansen, 2307.07410: every nonnegative interpolator has the least l1 norm."""
    x, y = ops.array([[1, 0], [1, 1], [1, 2], [1, 3]]), ops.array([[1, tl.Fraction(6, 5)]])
    flow = vanishing.with_(
        data=lambda c: (c.x0, c.y0),
        setting=tl.Setting(
            x0=tl.var("4 2", lambda c: x), y0=tl.var("1 2", lambda c: y), shift=tl.var("", tl.draw.uniform(1, 2)),
            init={"u": lambda c: c.alpha * c.shift, "v": lambda c: c.alpha * c.shift},
        ),
    )  # fmt: skip
    claim = tl.Limit(flow, square, tl.argmin(tl.bias.tie_break()), settle={"t_end": 300.0})
    options = {"dims": {"d": 4, "n": 2}, "trials": 3}
    assert judged(claim, **options).status == "supported"
    assert judged(claim.but(value=tl.argmin(tl.bias.l1), expect="supported"), **options).status == "supported"
    assert judged(claim.but(value=tl.argmin(tl.bias.tie_break(3))), **options).status == "refuted"


# --- margins ----------------------------------------------------------------------------------------------------------

labelled = tl.Setting(
    x=tl.var("d n"), v=tl.var("d"), y=tl.var("1 n", lambda c: ops.sign(c.v[None, :] @ c.x)),
    init={"w": tl.draw.normal(0.25)},
)  # fmt: skip
classifier = tl.GradientFlow(linear, loss=tl.loss.exponential, data=lambda c: (c.x, c.y), setting=labelled)
over = tl.bias.margins(inputs=lambda c: c.x, labels=lambda c: c.y)
margin = tl.Limit(
    classifier.normalised(), lambda p: p.w, tl.argmin(tl.bias.euclidean, subject_to=over), horizon=300.0,
    quantifier="almost every", name="largest margin",
)  # fmt: skip


def test_the_direction_of_a_normalised_flow_has_the_largest_margin() -> None:
    assert judged(margin, dims={"d": 3, "n": 2}, trials=4).status == "supported"


@pytest.mark.slow
def test_a_direction_that_converges_like_one_over_log_t_decides_nothing() -> None:
    slow = margin.but(subject=classifier, horizon=1e4)
    assert judged(slow, dims={"d": 3, "n": 2}, trials=4).status == "inconclusive"


@pytest.mark.slow
def test_the_largest_margin_for_another_norm_is_refuted() -> None:
    wrong = margin.but(value=tl.argmin(tl.bias.max_margin(tl.bias.l1)))
    assert judged(wrong, dims={"d": 3, "n": 2}).status == "refuted"


def test_constraints_are_checked() -> None:
    with pytest.raises(InputError, match="subject_to is str; expected"):
        tl.argmin(tl.bias.l1, subject_to="margins")
    with pytest.raises(InputError, match="expected a norm"):
        tl.argmin(tl.bias.l2, subject_to=over)
    two = tl.Setting(h=alpha, k=alpha, init={"w": 0})
    with pytest.raises(InputError, match="one limit at a time"):
        tl.Limit(regression.with_(setting=two), lambda p: p.w, tl.argmin(tl.bias.l1)).tests()
