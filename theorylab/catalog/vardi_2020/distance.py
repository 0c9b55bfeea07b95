"""What does hold: strictly monotonic activations, the factor two, and up to two dimensions."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.vardi_2020.family import family, least
from theorylab.catalog.vardi_2020.neuron import (
    at_zero,
    derived,
    dot,
    leaky_relu,
    neuron,
    relu,
    theorem_1,
    theorem_8,
    weights,
)

# --- the distance to every zero-loss point falls ----------------------------------------------------------------------

any_teacher = tl.Setting(x=tl.var("d n"), v=tl.var("d"))


def taught(activation, setting=any_teacher, d="d", **options):
    """The flow on targets that the weights v fit: v is any zero-loss point of the data."""
    model = neuron(activation, d)
    return tl.GradientFlow(
        model, loss=tl.loss.square, setting=setting, data=lambda c: (c.x, model({"w": c.v}, c.x, c)), **options
    )


def distance(p, c):
    """|w - v|^2."""
    return dot(p.w - c.v, p.w - c.v)


nearer = tl.Evolution(
    taught(relu),
    distance,
    0,
    sense="<=",
    name="distance-law",
    title="The distance to every zero-loss point falls",
    statement=r"L(v) = 0 \;\Rightarrow\; \frac{d}{dt}\|w - v\|^2 \le 0",
    source=theorem_8,
    expect="proved",
)
nearer_leaky = tl.Evolution(
    taught(leaky_relu, any_teacher.with_(slope=tl.var(draw=tl.draw.uniform(1 / 8, 1), positive=True))),
    distance,
    0,
    sense="<=",
    name="distance-law-leaky",
    title="Leaky ReLU of any positive slope: the distance to every zero-loss point falls",
    statement=r"L(v) = 0 \;\Rightarrow\; \frac{d}{dt}\|w - v\|^2 \le 0",
    source=theorem_8,
    expect="proved",
)
factor_two = tl.Inequality(
    taught(relu),
    lambda c: 2 * ops.norm(c.v - c.init.w),
    lambda c: ops.norm(c.end.w - c.init.w),
    name="factor-two",
    premises=("the limit exists",),
    title="The limit is at most twice as far from the start as any zero-loss point",
    statement=r"\|w(\infty) - w(0)\| \le 2\,\|v - w(0)\| \quad\text{for every zero-loss } v",
    source=theorem_8,
    expect="supported",
    settle={"t_end": 100.0, "trials": 32},
)


def from_zero(d):
    """The flow of ReLU from 0 in d dimensions."""
    return taught(relu, at_zero.with_(x=tl.var(f"{d} n"), v=tl.var(d)), d, gates=1)


plane = tl.Inequality(
    from_zero("2"),
    lambda c: ops.norm(c.v),
    lambda c: ops.norm(c.end.w),
    name="least-norm-in-the-plane",
    premises=("the limit exists and has zero loss",),
    title="In two dimensions the flow from 0 ends at the zero-loss point of least l2 norm",
    statement=r"d = 2,\; w(0) = 0: \quad \|w(\infty)\| \le \|v\| \quad\text{for every zero-loss } v",
    source=derived,
    expect="supported",
    settle={"t_end": 100.0, "trials": 32},
)
line = plane.but(
    subject=from_zero("1"),
    name="least-norm-on-the-line",
    title="In one dimension the flow from 0 ends at the zero-loss point of least l2 norm",
    statement=r"d = 1,\; w(0) = 0: \quad |w(\infty)| \le |v| \quad\text{for every zero-loss } v",
    expect="supported",
    control_of=None,
)

# --- strictly monotonic activations -----------------------------------------------------------------------------------

kernel_part = tl.Invariant(
    tl.GradientFlow(
        neuron(leaky_relu),
        setting=tl.Setting(
            tl.assume(
                "x' z = 0", lambda c: c.z @ c.x, lambda c: {"x": c.x - ops.outer(c.z, c.z @ c.x) / dot(c.z, c.z)}
            ),
            x=tl.var("d n"),
            z=tl.var("d"),
            slope=tl.var(positive=True),
        ),
    ),
    lambda p, c: dot(c.z, p.w),
    name="span-of-the-samples",
    title="The weights move in the span of the samples, whatever the loss",
    statement=r"x^\top z = 0 \;\Rightarrow\; \frac{d}{dt}\langle z, w\rangle = 0",
    source=theorem_1,
    expect="proved",
)
strictly_monotonic = tl.Setting(
    x=tl.var("d m"), v=tl.var("d"), slope=tl.var(draw=tl.draw.uniform(1 / 8, 1), positive=True)
)
nearest = tl.Limit(
    taught(leaky_relu, strictly_monotonic).with_(loss=tl.loss.square),
    weights,
    lambda c: c.v - ops.null_component(c.x, c.v - c.init.w),
    quantifier="almost every",
    name="nearest-to-the-start",
    title="Leaky ReLU of any positive slope: the flow ends at the zero-loss point nearest to its start",
    statement=r"w(\infty) = w(0) + X^+\left(s^{-1}(y) - X w(0)\right) = w(0) + X^+ X (v - w(0)) "
    r"\quad\text{for every zero-loss } v,\; X = x^\top",
    source=theorem_1,
    expect="supported",
    settle={"t_end": 1000.0, "trials": 16},
)

# --- controls ---------------------------------------------------------------------------------------------------------

distance_controls = [
    nearer.but(sense=">=", name="distance-law-reversed", title="The distance grows"),
    nearer.but(
        quantity=lambda p, c: dot(p.w - 2 * c.v, p.w - 2 * c.v),
        name="distance-law-doubled-point",
        title="The distance to twice a zero-loss point falls",
    ),
    factor_two.but(
        subject=family,
        lhs=lambda c: ops.norm(least(c)),
        name="factor-one",
        title="The limit is at most as far from the start as any zero-loss point",
    ),
    plane.but(
        setting=tl.Setting(x=tl.var("2 n"), v=tl.var("2")),
        name="least-norm-in-the-plane-from-any-start",
        title="The same from any start",
    ),
    kernel_part.without(
        "x' z = 0", name="span-of-the-samples-any-direction", title="No direction of the weights moves"
    ),
    nearest.but(
        subject=taught(relu, strictly_monotonic).with_(loss=tl.loss.square),
        name="nearest-to-the-start-relu",
        title="The same for ReLU, which is not strictly monotonic",
    ),
    nearest.but(
        value=lambda c: c.v - ops.null_component(c.x, c.v),
        name="nearest-to-zero",
        title="The flow ends at the zero-loss point of least norm, wherever it starts",
    ),
]
