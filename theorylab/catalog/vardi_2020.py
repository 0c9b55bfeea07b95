"""Vardi, Shamir: what one ReLU neuron is biased to cannot be written as a function of its weights.

The model is x -> relu(<w, x>) with the square loss, one half of the sum over the samples, one sample a column. Where
the flow starts at 0, which it would never leave otherwise, relu'(0) = 1. If the limit of the flow minimises R over the
zero-loss points for every data set, then R is constant on R^d minus 0, d >= 3: the proof follows one family of data.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops

_paper = tl.paper("vardi-2020", "Implicit regularization in ReLU networks with the square loss", arxiv="2012.05156")
_theorem_1 = _paper.claim("Theorem 1")
_theorem_3 = _paper.claim("Theorem 3")
_theorem_5 = _paper.claim("Theorem 5")
_lemma_6 = _paper.claim("Lemma 6")
_theorem_8 = _paper.claim("Theorem 8")
_lemma_10 = _paper.claim("Lemma 10")
_derived = _paper.claim("", note="derived here")


def neuron(activation, d="d"):
    """x -> s(<w, x>) with inputs in d dimensions."""

    @tl.model(w=d)
    def network(p, x, c):
        return activation(p.w[None, :] @ x, c)

    return network


def relu(z, c):
    return ops.relu(z)


def leaky_relu(z, c):
    return ops.leaky_relu(z, slope=c.slope)


in_space = neuron(relu, "3")


def weights(p):
    return p.w


def dot(a, b):
    return (a * b).sum()


# --- the family of data sets of Theorem 3 -----------------------------------------------------------------------------


def samples(c):
    """X_gamma' (3, 3): the samples (3, -1, 0), (4, 2, 0) and (0, gamma, gamma)."""
    return ops.stack([ops.vec(3, 4, 0), ops.vec(-1, 2, c.gamma), ops.vec(0, 0, c.gamma)])


def targets(c):
    """alpha (16, 18, 0), (1, 3)."""
    return c.alpha * ops.vec(16, 18, 0)[None, :]


def all_active(t, c):
    """w(t) / alpha as long as all three samples are active."""
    end = ops.vec(5, -1, 1)
    return end - ops.expm(-t * (samples(c) @ samples(c).mT)) @ end


def exit_time(c):
    """When the third sample reaches <x_3, w> = 0; it stays inactive from then on."""
    return ops.root(lambda t: dot(samples(c)[:, 2], all_active(t, c)), Fraction(1, 128), Fraction(1, 2))


def s(c):
    """Where the third coordinate is frozen."""
    return all_active(exit_time(c), c)[2]


at_zero = tl.Setting(init={"w": 0})
any_scale = at_zero.with_(
    gamma=tl.var(draw=tl.draw.loguniform(1 / 8, 8), positive=True),
    alpha=tl.var(draw=tl.draw.loguniform(1 / 8, 8), positive=True),
)
family = tl.GradientFlow(
    in_space, loss=tl.loss.square, setting=any_scale, data=lambda c: (samples(c), targets(c)), gates=1
)
_settle = {"t_end": 30.0, "trials": 16}

limit = tl.Limit(
    family,
    weights,
    lambda c: c.alpha * ops.vec(5, -1, s(c)),
    name="limit",
    title="The flow ends at alpha (5, -1, s), where s depends on gamma alone",
    statement=r"w(\infty) = \alpha\,(5, -1, s(\gamma)),\quad s(\gamma) = w_3(t_1)/\alpha,\; w(t_1) \perp x_3",
    source=_theorem_3,
    expect="supported",
    settle={**_settle, "tolerance": 1e-10, "gtol": 1e-12, "tolerances": (1e-8, 1e-10, 1e-12)},
)
below_zero = tl.Inequality(
    family,
    lambda c: -c.end.w[2],
    strict=True,
    name="third-coordinate",
    premises=("the limit exists",),
    title="The third coordinate of the limit is negative",
    statement=r"s(\gamma) < 0",
    source=_theorem_3,
    expect="supported",
    settle=_settle,
)

# What the theorem says of s for gamma = 1, 2, 5, and other exact data sets of the family.
_enclosed = {"1": ("-0.045", "-0.035"), "2": ("-0.12", "-0.1"), "5": ("-0.22", "-0.2"), "355/113": ("-0.168", "-0.167"),
             "1/2": ("-0.012", "-0.011"), "20": ("-0.231", "-0.23")}  # fmt: skip
enclosed = [
    tl.Enclosed(
        family,
        lambda p: p.w[2],
        Fraction(low),
        Fraction(high),
        at={"gamma": Fraction(gamma), "alpha": 1},
        zeros=lambda p, c: dot(samples(c)[:, 2], p.w),
        name=f"enclosed-gamma-{gamma}",
        title=f"gamma = {gamma}: s is in ({low}, {high}), and the third sample changes its sign exactly once",
        statement=rf"\gamma = {gamma}: \quad s(\gamma) \in ({low}, {high})",
        source=_theorem_3,
        expect="proved",
        settle=_settle,
    )
    for gamma, (low, high) in _enclosed.items()
]

# --- its zero-loss points ---------------------------------------------------------------------------------------------

ray = tl.Setting(
    gamma=tl.var(positive=True), alpha=tl.var(positive=True), z=tl.var(), s=tl.var(draw=lambda c: -(c.z**2))
)


def loss_on_ray(c):
    """The loss at (5 alpha, -alpha, s)."""
    w = ops.vec(5 * c.alpha, -c.alpha, c.s)
    return tl.loss.square.value(in_space({"w": w}, samples(c), c), targets(c))


zero_loss = tl.Inequality(
    ray,
    lambda c: -loss_on_ray(c),
    name="zero-loss-ray",
    title="(5 alpha, -alpha, s) has no loss for any s <= 0 and any gamma > 0",
    statement=r"L(5\alpha, -\alpha, s) \le 0 \quad\text{for } s = -z^2,\; \alpha, \gamma > 0",
    source=_theorem_3,
    expect="proved",
)

nonzero = tl.Setting(p=tl.var(positive=True), alpha=tl.var(positive=True), s=tl.var(nonzero=True))


def power_sum(p, *entries):
    """|w|_p^p, from the entries of w that are not 0."""
    total = 0
    for entry in entries:
        total = abs(entry) ** p + total
    return total


every_lp = tl.Inequality(
    nonzero,
    lambda c: power_sum(c.p, 5 * c.alpha, -c.alpha, c.alpha * c.s),
    lambda c: power_sum(c.p, 5 * c.alpha, -c.alpha),
    strict=True,
    name="every-lp-norm",
    title="Every lp norm with p < infinity is smaller at alpha (5, -1, 0), which has zero loss too",
    statement=r"s \ne 0 \;\Rightarrow\; \|\alpha(5,-1,s)\|_p^p > \|\alpha(5,-1,0)\|_p^p \quad\text{for every } p > 0",
    source=_theorem_3,
    expect="proved",
)

# --- one exact data set -----------------------------------------------------------------------------------------------

any_data = tl.GradientFlow(in_space, loss=tl.loss.square, setting=at_zero, gates=1)
witness = tl.Fails(
    tl.Limit(any_data, weights, tl.argmin(tl.bias.l2)),
    at={"x": [[6, -3, 2], [-6, -4, 12], [6, 18, 9]], "y": [[13314, 17514, 0]]},
    name="exact-witness",
    title="An exact data set on which the flow from 0 does not end at the zero-loss point of least l2 norm",
    statement=r"x = \begin{pmatrix} 6 & -3 & 2 \\ -6 & -4 & 12 \\ 6 & 18 & 9 \end{pmatrix},\; y = (13314, 17514, 0): "
    r"\quad w(\infty) = \left(\tfrac{55835}{112}, -\tfrac{191343}{224}, \tfrac{194043}{224}\right)",
    source=_derived,
    expect="proved",
)
witness_limit = tl.Limit(
    tl.GradientFlow(
        in_space,
        loss=tl.loss.square,
        setting=at_zero,
        data=([[6, -3, 2], [-6, -4, 12], [6, 18, 9]], [[13314, 17514, 0]]),
        gates=1,
    ),
    weights,
    lambda c: ops.array([Fraction(55835, 112), Fraction(-191343, 224), Fraction(194043, 224)]),
    name="exact-witness-limit",
    title="Where the flow of the exact data set ends, by simulation",
    statement=r"w(\infty) = \left(\tfrac{55835}{112}, -\tfrac{191343}{224}, \tfrac{194043}{224}\right)",
    source=_derived,
    expect="supported",
    settle={"t_end": 30.0, "trials": 1, "gtol": 1e-8, "tolerance": 1e-9, "tolerances": (1e-8, 1e-10, 1e-12)},
)

# --- equivariances ----------------------------------------------------------------------------------------------------

orthogonal = tl.assume("M M' = I", lambda c: c.M @ c.M.mT - ops.eye(c.M), lambda c: {"M": ops.cayley(c.M)})
turned = tl.GradientFlow(
    neuron(relu),
    loss=tl.loss.square,
    setting=tl.Setting(orthogonal, M=tl.var("d d"), x=tl.var("d n"), y=tl.var("1 n")),
    data=lambda c: (c.x, c.y),
    gates=1,
)
rotation = tl.Conjugate(
    turned,
    turned.with_(data=lambda c: (c.M @ c.x, c.y)),
    lambda p, c: p.replace(w=c.M @ p.w),
    name="rotation",
    title="Rotating the samples rotates the flow",
    statement=r"x \mapsto M x \;\Rightarrow\; w(t) \mapsto M w(t) \quad\text{for } M M^\top = I",
    source=_theorem_5,
    expect="proved",
)
scaled = tl.GradientFlow(
    neuron(relu),
    loss=tl.loss.square,
    setting=tl.Setting(alpha=tl.var(positive=True), x=tl.var("d n"), y=tl.var("1 n")),
    data=lambda c: (c.x, c.y),
    gates=1,
)
scaling = tl.Conjugate(
    scaled,
    scaled.with_(data=lambda c: (c.x, c.alpha * c.y)),
    lambda p, c: p.replace(w=c.alpha * p.w),
    name="scaling",
    title="Scaling the targets scales the flow, at the same times",
    statement=r"y \mapsto \alpha y \;\Rightarrow\; w(t) \mapsto \alpha\, w(t) \quad\text{for } \alpha > 0",
    source=_theorem_5,
    expect="proved",
)

# --- Lemma 6: one step on a sphere ------------------------------------------------------------------------------------


def perpendicular(*directions):
    """The projection on the complement of some directions."""
    return lambda v: ops.null_component(ops.stack(directions, -1), v)


def same_length(c):
    """v and w around their mean m, with half their difference made orthogonal to m."""
    mean = (c.v + c.w) / 2
    half = perpendicular(mean)((c.w - c.v) / 2)
    return {"v": mean - half, "w": mean + half}


sphere = tl.Setting(
    tl.assume("|v| = |w|", lambda c: dot(c.v, c.v) - dot(c.w, c.w), same_length),
    tl.assume("<e, w> = 0", lambda c: dot(c.e, c.w), lambda c: {"e": perpendicular(c.v, c.w)(c.e)}),
    tl.assume("<e, v> = 0", lambda c: dot(c.e, c.v), lambda c: {"e": perpendicular(c.v, c.w)(c.e)}),
    w=tl.var("d"),
    v=tl.var("d"),
    e=tl.var("d"),
)


def apart(c):
    """eps^2 / (4 r^2 - eps^2) with r = |v| = |w| and eps = |v - w|."""
    gap = dot(c.v - c.w, c.v - c.w)
    return gap / (4 * dot(c.w, c.w) - gap)


def step(c):
    """u* = (v + w)/2 (1 + eps^2 / (4 r^2 - eps^2)) + e."""
    return (c.v + c.w) / 2 * (1 + apart(c)) + c.e


step_length = tl.Identity(
    sphere,
    lambda c: dot(step(c) - c.w, step(c) - c.w),
    lambda c: dot(c.e, c.e) + dot(c.w, c.w) * apart(c),
    name="lemma-6-length",
    title="u* is at the same distance r c' from both points, if |e|^2 = r^2 (c'^2 - eps^2 / (4 r^2 - eps^2))",
    statement=r"\|u^* - w\|^2 = \|e\|^2 + \frac{r^2\varepsilon^2}{4r^2 - \varepsilon^2},\quad "
    r"u^* = \tfrac{v + w}{2}\left(1 + \tfrac{\varepsilon^2}{4r^2 - \varepsilon^2}\right) + e,\; e \perp v, w",
    source=_lemma_6,
    expect="proved",
)
step_angle = tl.Identity(
    sphere,
    lambda c: dot(c.w, step(c) - c.w),
    name="lemma-6-angle",
    title="The step from w to u* is orthogonal to w",
    statement=r"\langle w, u^* - w\rangle = 0",
    source=_lemma_6,
    expect="proved",
)
constant = tl.Theorem(
    uses=[limit, below_zero, zero_loss, rotation, scaling, step_length, step_angle],
    conclusion="R is constant on R^d minus 0 for d >= 3: by rotation and scaling any two points of one length are "
    "joined by steps as in Lemma 6, along which R may not change, and so are spheres of different radius; zero padding "
    "gives d > 3.",
    rule="by hand",
    name="implicit-bias-is-trivial",
    title="No function R of the weights, other than a constant on R^d minus 0, is minimised by every limit",
    source=_theorem_5,
    expect="inconclusive",
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
    source=_theorem_8,
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
    source=_theorem_8,
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
    source=_theorem_8,
    expect="supported",
    settle={"t_end": 100.0, "trials": 32},
)
plane = tl.Inequality(
    taught(relu, at_zero.with_(x=tl.var("2 2"), v=tl.var("2")), "2", gates=1),
    lambda c: ops.norm(c.v),
    lambda c: ops.norm(c.end.w),
    name="least-norm-in-the-plane",
    premises=("the limit exists and has zero loss",),
    title="In two dimensions the flow from 0 ends at the zero-loss point of least l2 norm",
    statement=r"d = 2,\; w(0) = 0: \quad \|w(\infty)\| \le \|v\| \quad\text{for every zero-loss } v",
    source=_derived,
    expect="supported",
    settle={"t_end": 100.0, "trials": 32},
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
    source=_theorem_1,
    expect="proved",
)

# --- one hidden neuron ------------------------------------------------------------------------------------------------


@tl.model(w="d", v="")
def hidden_neuron(p, x):
    return p.v * ops.relu(p.w[None, :] @ x)


one_hidden = tl.GradientFlow(hidden_neuron)

balance = tl.Invariant(
    one_hidden,
    lambda p: dot(p.w, p.w) - p.v**2,
    name="one-hidden-neuron",
    title="One hidden neuron conserves |w|^2 - v^2",
    statement=r"\frac{d}{dt}\left(\|w\|^2 - v^2\right) = 0",
    source=_lemma_10,
    expect="proved",
)


def predictor_gradient(p, c):
    """The gradient of the loss by u = v w, for v > 0."""
    return c.x @ (c.r * ops.step(p.w[None, :] @ c.x))[0]


reduced = tl.Evolution(
    one_hidden,
    lambda p: p.v * p.w,
    lambda p, c: -(p.w * dot(p.w, predictor_gradient(p, c)) + p.v**2 * predictor_gradient(p, c)),
    name="one-hidden-neuron-reduced",
    title="The predictor u = v w of one hidden neuron moves with the metric w w' + v^2 I",
    statement=r"u = v w: \quad \dot u = -\left(w w^\top + v^2 I\right)\nabla_u L",
    source=_derived,
    expect="proved",
)

# --- controls ---------------------------------------------------------------------------------------------------------


def least(c):
    """The zero-loss point of least l2 norm."""
    return c.alpha * ops.vec(5, -1, 0)


def largest(*entries):
    """The maximum norm."""
    total = 0
    for entry in entries:
        total = ops.maximum(abs(entry), total)
    return total


controls = [
    enclosed[0].but(
        low=Fraction("-0.12"),
        high=Fraction("-0.1"),
        name="enclosed-gamma-1-as-for-2",
        title="gamma = 1: s is in (-0.12, -0.1)",
    ),
    enclosed[2].but(
        low=Fraction(-1), high=Fraction(0), count=0, name="enclosed-no-switch", title="gamma = 5: no sign changes"
    ),
    limit.but(
        value=least,
        name="limit-of-least-norm",
        title="The flow ends at the zero-loss point of least l2 norm",
        settle=_settle,
    ),
    limit.but(
        value=lambda c: c.alpha * ops.vec(5, -1, 2 * s(c)),
        name="limit-twice-as-low",
        title="The third coordinate is frozen at 2 s",
        settle=_settle,
    ),
    limit.but(
        subject=family.with_(setting=any_scale.with_(init={"w": tl.draw.normal()})),
        name="limit-from-any-start",
        title="The same limit from any start",
        settle=_settle,
    ),
    zero_loss.but(
        setting=ray.with_(s=tl.var(draw=lambda c: c.z**2)), name="zero-loss-ray-upwards", title="No loss for any s >= 0"
    ),
    every_lp.but(
        lhs=lambda c: largest(5 * c.alpha, -c.alpha, c.alpha * c.s),
        rhs=lambda c: largest(5 * c.alpha, -c.alpha),
        name="maximum-norm",
        title="The maximum norm is smaller too",
    ),
    rotation.without("M M' = I", name="rotation-by-any-matrix", title="Any linear map of the samples maps the flow"),
    scaling.but(
        map=lambda p, c: p.replace(w=c.alpha**2 * p.w), name="scaling-by-the-square", title="Scaling by alpha^2"
    ),
    step_length.without("<e, w> = 0", name="lemma-6-length-oblique", title="A step that is not orthogonal to w"),
    step_angle.without("|v| = |w|", name="lemma-6-angle-different-lengths", title="Points of different lengths"),
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
        setting=tl.Setting(x=tl.var("2 2"), v=tl.var("2")),
        name="least-norm-in-the-plane-from-any-start",
        title="The same from any start",
    ),
    kernel_part.without(
        "x' z = 0", name="span-of-the-samples-any-direction", title="No direction of the weights moves"
    ),
    balance.but(
        quantity=lambda p: dot(p.w, p.w) + p.v**2, name="one-hidden-neuron-sum", title="|w|^2 + v^2 is conserved"
    ),
]
