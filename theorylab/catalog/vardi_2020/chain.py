"""From the family to the theorem: equivariances, Lemma 6, and the chain of them all."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.vardi_2020.family import enclosed, limit, without_third, zero_loss
from theorylab.catalog.vardi_2020.neuron import dot, lemma_6, neuron, relu, theorem_5

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
    source=theorem_5,
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
    source=theorem_5,
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
    source=lemma_6,
    expect="proved",
)
step_angle = tl.Identity(
    sphere,
    lambda c: dot(c.w, step(c) - c.w),
    name="lemma-6-angle",
    title="The step from w to u* is orthogonal to w",
    statement=r"\langle w, u^* - w\rangle = 0",
    source=lemma_6,
    expect="proved",
)
constant = tl.Theorem(
    uses=[without_third, limit, enclosed[2], zero_loss, rotation, scaling, step_length, step_angle],
    conclusion="If every limit with zero loss minimises R over the zero-loss points, then R is constant on R^d minus 0 "
    "for d >= 3.",
    argument=[
        (
            "by hand, from the first four claims",
            "the data sets of gamma = 0 and gamma = 5 have the zero-loss points alpha (5, -1, s), s <= 0, in common. "
            "The flow ends at s = 0 for the one and at s = s(5) < 0 for the other, so R is the same at these two "
            "points and nowhere smaller on the ray.",
        ),
        (
            "by hand, from rotation and scaling",
            "they move the two points to any w and w + v with v orthogonal to w, |w| = alpha q and |v| = alpha c, "
            "where q = |(5, -1, 0)| and c = |s(5)|. This is the hypothesis of Lemma 6 in R^3.",
        ),
        (
            "checked by Coq, with the step of the last two claims",
            "Lemma 6. Two close points of one sphere share a point u* = w + v, so R is the same at both, then on the "
            "sphere, then on spheres of other radii. For every d >= 3 this is the theorem constant_off_zero of "
            "proofs_check/coq/RadialStep.v.",
        ),
        ("by hand", "for d > 3 the samples are padded with zeros."),
    ],
    premises=("R is a function of the weights alone", "R is minimised by every limit with zero loss"),
    name="implicit-bias-is-trivial",
    title="No function R of the weights, other than a constant on R^d minus 0, is minimised by every limit",
    statement=r"\Big(\forall (x, y):\; w(\infty) \in \arg\min_{L(w) = 0} R(w)\Big) \;\Rightarrow\; "
    r"R \text{ is constant on } \mathbb{R}^d \setminus \{0\},\; d \ge 3",
    source=theorem_5,
    expect="inconclusive",
)

# --- controls ---------------------------------------------------------------------------------------------------------

chain_controls = [
    rotation.without("M M' = I", name="rotation-by-any-matrix", title="Any linear map of the samples maps the flow"),
    scaling.but(
        map=lambda p, c: p.replace(w=c.alpha**2 * p.w), name="scaling-by-the-square", title="Scaling by alpha^2"
    ),
    step_length.without("<e, w> = 0", name="lemma-6-length-oblique", title="A step that is not orthogonal to w"),
    step_angle.without("|v| = |w|", name="lemma-6-angle-different-lengths", title="Points of different lengths"),
]
