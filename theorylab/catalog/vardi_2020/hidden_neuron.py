"""One hidden neuron, x -> v relu(<w, x>): its flow conserves |w|^2 - v^2, and nothing else is known of its bias."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.vardi_2020.chain import orthogonal, step_angle, step_length
from theorylab.catalog.vardi_2020.family import any_scale, at_gamma, samples, targets, trajectories, zero_loss
from theorylab.catalog.vardi_2020.neuron import assumption_12, derived, dot, lemma_10, neuron, relu, theorem_14


def hidden(d="d"):
    """x -> v relu(<w, x>) with inputs in d dimensions."""

    @tl.model(w=d, v="")
    def network(p, x):
        return p.v * ops.relu(p.w[None, :] @ x)

    return network


def predictor(p):
    """u = v w: for v > 0 the network is x -> relu(<u, x>)."""
    return p.v * p.w


one_hidden = tl.GradientFlow(hidden())

balance = tl.Invariant(
    one_hidden,
    lambda p: dot(p.w, p.w) - p.v**2,
    name="one-hidden-neuron",
    title="One hidden neuron conserves |w|^2 - v^2",
    statement=r"\frac{d}{dt}\left(\|w\|^2 - v^2\right) = 0",
    source=lemma_10,
    expect="proved",
)


def predictor_gradient(p, c):
    """The gradient of the loss by u = v w, for v > 0."""
    return c.x @ (c.r * ops.step(p.w[None, :] @ c.x))[0]


reduced = tl.Evolution(
    one_hidden,
    predictor,
    lambda p, c: -(p.w * dot(p.w, predictor_gradient(p, c)) + p.v**2 * predictor_gradient(p, c)),
    name="one-hidden-neuron-reduced",
    title="The predictor u = v w of one hidden neuron moves with the metric w w' + v^2 I",
    statement=r"u = v w: \quad \dot u = -\left(w w^\top + v^2 I\right)\nabla_u L",
    source=derived,
    expect="proved",
)

# --- from (0, eps) ----------------------------------------------------------------------------------------------------

from_eps = one_hidden.with_(gates=1, setting=tl.Setting(eps=tl.var(positive=True), init={"w": 0, "v": lambda c: c.eps}))
balanced = tl.Trajectory(
    from_eps,
    lambda p: p.v**2 - dot(p.w, p.w),
    lambda c: c.eps**2,
    on=[balance],
    name="balanced-from-zero",
    title="From w = 0 and v = eps, v^2 = |w|^2 + eps^2 at all times: as eps vanishes, limits are balanced",
    statement=r"w(0) = 0,\; v(0) = \varepsilon: \quad v^2 - \|w\|^2 = \varepsilon^2",
    source=lemma_10,
    expect="proved",
)

# --- balanced weights are the plane of the predictors -----------------------------------------------------------------


def psi(u):
    """The balanced weights of a predictor u, not 0."""
    root = ops.sqrt(ops.norm(u))
    return {"w": u / root, "v": root}


predictors = tl.Setting(u=tl.var("d"))
is_balanced = tl.Identity(
    predictors,
    lambda c: dot(psi(c.u)["w"], psi(c.u)["w"]),
    lambda c: psi(c.u)["v"] ** 2,
    name="psi-is-balanced",
    title="Psi(u) = (u / |u|^(1/2), |u|^(1/2)) is balanced",
    statement=r"\Psi(u) = (w, v) = \left(u / \sqrt{\|u\|}, \sqrt{\|u\|}\right): \quad \|w\| = v",
    source=derived,
    expect="proved",
)
is_inverse = tl.Identity(
    predictors,
    lambda c: psi(c.u)["v"] * psi(c.u)["w"],
    lambda c: c.u,
    name="psi-is-inverse",
    title="Psi(u) has the predictor u",
    statement=r"\Psi(u) = (w, v): \quad v\,w = u",
    source=derived,
    expect="proved",
)


def balanced_metric(p):
    """|u| (I + u u' / |u|^2), (d, d)."""
    size, square = ops.norm(p.w), ops.outer(p.w, p.w)
    return {"w": size * ops.eye(square) + square / size}


of_predictor = tl.GradientFlow(neuron(relu), metric=balanced_metric, setting=tl.Setting(init={"w": tl.var("d")}))
on_balanced = tl.Conjugate(
    of_predictor,
    one_hidden,
    lambda p, c: psi(p.w),
    name="balanced-flow",
    title="On balanced weights the predictor u moves by -|u| (I + u u' / |u|^2) grad L: any loss and data",
    statement=r"\dot u = -\|u\|\left(I + \hat u \hat u^\top\right)\nabla_u L, \quad \hat u = u / \|u\|,"
    r"\qquad (w, v) = \Psi(u)",
    source=derived,
    expect="proved",
)

any_data = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"))
hidden_turned = tl.GradientFlow(
    hidden(),
    loss=tl.loss.square,
    setting=tl.Setting(orthogonal, M=tl.var("d d"), **any_data.variables),
    data=lambda c: (c.x, c.y),
)
hidden_rotation = tl.Conjugate(
    hidden_turned,
    hidden_turned.with_(data=lambda c: (c.M @ c.x, c.y)),
    lambda p, c: p.replace(w=c.M @ p.w),
    name="hidden-rotation",
    title="One hidden neuron: rotating the samples rotates the flow",
    statement=r"x \mapsto M x \;\Rightarrow\; (w, v)(t) \mapsto (M w, v)(t) \quad\text{for } M M^\top = I",
    source=theorem_14,
    expect="proved",
)
hidden_scaled = hidden_turned.with_(setting=tl.Setting(beta=tl.var(positive=True), **any_data.variables))
hidden_scaling = tl.Conjugate(
    hidden_scaled,
    hidden_scaled.with_(data=lambda c: (c.x, c.beta**2 * c.y)),
    lambda p, c: {"w": c.beta * p.w, "v": c.beta * p.v},
    time=lambda c: 1 / c.beta**2,
    name="hidden-scaling",
    title="One hidden neuron: scaling the targets by beta^2 scales the weights by beta, at beta^2 times the speed",
    statement=r"y \mapsto \beta^2 y \;\Rightarrow\; (w, v)(t) \mapsto \beta\,(w, v)(\beta^2 t) "
    r"\quad\text{for } \beta > 0",
    source=theorem_14,
    expect="proved",
)

# --- the limit as eps vanishes ----------------------------------------------------------------------------------------

small_start = any_scale.with_(
    eps=tl.var(draw=tl.draw.loguniform(1e-4, 1), positive=True), init={"w": 0, "v": lambda c: c.eps}
)
hidden_family = tl.GradientFlow(
    hidden("3"), loss=tl.loss.square, setting=small_start, data=lambda c: (samples(c), targets(c)), gates=1
)
_settle = {"t_end": 200.0, "trials": 16}


# The predictor leaves 0 after about ln(2 / eps) / |sum_i y_i x_i|, and arrives within a tenth of this time.
_times = [0.04 + 0.0004 * k for k in range(150)] + [0.1 + 0.01 * k for k in range(40)]


def hidden_paths(seed):
    flow = hidden_family.with_(setting=small_start.with_(eps=tl.var(draw=tl.draw.constant(0.001))))
    return tl.Figure(
        "trajectories of the predictor",
        "first coordinate of u",
        "third coordinate of u",
        trajectories(flow, predictor, _times),
        caption="u = v w from w = 0 and v = 0.001, with alpha = 1. The point of least norm is (5, -1, 0).",
    )


def against_eps(seed):
    scales = [10.0**-i for i in range(6)]
    ends = []
    for eps in scales:
        run = tl.simulate(at_gamma(hidden_family, 5, eps=eps), trials=1, t_end=200.0, until=tl.converged(1e-12))
        ends.append(float((run.params["v"] * run.params["w"][:, 2])[0]))
    return tl.Figure(
        "the limit against the initial output weight",
        "eps",
        "third coordinate of u at the end",
        (tl.Series("gamma = 5", tuple(scales), tuple(ends)),),
        "log",
        caption="gamma = 5, from w = 0 and v = eps, with alpha = 1. Without the output weight it is -0.2090.",
    )


third_below_zero = tl.Inequality(
    hidden_family,
    lambda c: -predictor(c.end)[2],
    strict=True,
    name="hidden-third-coordinate",
    premises=("the limit exists",),
    title="The third coordinate of the predictor is negative in the limit, for every eps",
    statement=r"u_3(\infty) < 0 \quad\text{for every } \varepsilon, \gamma > 0",
    source=assumption_12,
    expect="supported",
    settle=_settle,
    figures=[hidden_paths, against_eps],
)
smaller_start = hidden_family.with_(setting=small_start.with_(init={"v": lambda c: c.eps / 10}))
settles = tl.Scaling(
    hidden_family.with_(setting=small_start.with_(eps=tl.var(draw=tl.draw.ladder(1 / 2, 1 / 256), positive=True))),
    lambda p, c: predictor(p) - predictor(smaller_start.end(c)),
    2,
    "eps",
    name="limit-of-small-starts",
    title="The limit of the predictor settles like eps^2: from eps and from eps / 10 it differs by O(eps^2)",
    statement=r"u_\varepsilon(\infty) - u_{\varepsilon/10}(\infty) = \Theta(\varepsilon^2)",
    source=assumption_12,
    expect="supported",
    settle=_settle,
)
without_bias = tl.Theorem(
    uses=[
        balanced, is_balanced, is_inverse, on_balanced, third_below_zero, settles, zero_loss, hidden_rotation,
        hidden_scaling, step_length, step_angle,
    ],
    conclusion="If every limit of small starts with zero loss minimises R(w, v) over the zero-loss points, then R is "
    "constant on the balanced weights other than 0, |w| = v > 0, for d >= 3. Balancedness is the only exception: "
    "R = (|w|^2 - v^2)^2 is minimised by all these limits, and constant on them.",
    argument=[
        (
            "by hand, from the first four claims",
            "as eps vanishes the limits are balanced, so they are Psi(u) for the limit u of the predictor.",
        ),
        (
            "by hand, from the claims on the third coordinate and on zero loss",
            "u -> R(Psi(u)) is the same at the limits u of gamma = 0 and gamma = 5, and nowhere smaller on the ray "
            "that both have in common.",
        ),
        (
            "by hand, from rotation and scaling",
            "they move these two points as for one neuron, which is the hypothesis of Lemma 6 for u -> R(Psi(u)).",
        ),
        (
            "checked by Coq, with the step of the last two claims",
            "Lemma 6: u -> R(Psi(u)) is constant off 0, and Psi maps onto the balanced weights.",
        ),
    ],
    premises=(
        "Assumption 12: for gamma = 0 and gamma = 5 the flow from (0, eps) reaches zero loss for small eps, and for "
        "gamma = 5 the third coordinate of its predictor has a negative limit (measured, not proved)",
    ),
    name="hidden-neuron-is-trivial",
    title="One hidden neuron: nothing but balancedness is minimised by every limit",
    source=theorem_14,
    expect="inconclusive",
)  # fmt: skip

# --- controls ---------------------------------------------------------------------------------------------------------

hidden_controls = [
    balance.but(
        quantity=lambda p: dot(p.w, p.w) + p.v**2, name="one-hidden-neuron-sum", title="|w|^2 + v^2 is conserved"
    ),
    balanced.but(formula=0, name="exactly-balanced-from-zero", title="Balanced although eps is not 0"),
    balanced.but(
        quantity=lambda p: p.v**2 - 2 * dot(p.w, p.w),
        on=[],
        name="balanced-from-zero-doubled",
        title="v^2 = 2 |w|^2 + eps^2: true as long as w stays at 0",
    ),
    hidden_rotation.without(
        "M M' = I", name="hidden-rotation-by-any-matrix", title="Any linear map of the samples maps the flow"
    ),
    hidden_scaling.but(time=1, name="hidden-scaling-same-speed", title="Scaling at the same times"),
    on_balanced.but(
        subject=of_predictor.with_(metric=lambda p: {"w": ops.norm(p.w)}),
        name="balanced-flow-isotropic",
        title="The predictor moves along the gradient",
    ),
    third_below_zero.but(
        lhs=lambda c: predictor(c.end)[2] + c.alpha / 5,
        name="hidden-third-coordinate-bounded",
        title="The third coordinate of the predictor is above -alpha / 5",
    ),
    settles.but(exponent=1, name="limit-of-small-starts-linear", title="The limit settles like eps"),
]
