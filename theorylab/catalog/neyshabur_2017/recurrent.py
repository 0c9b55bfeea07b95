"""Recurrent networks, whose edges share weights: which rescalings there are, and Path-SGD with kappa_1."""

from __future__ import annotations

from typing import Any

import theorylab as tl
from theorylab import ops
from theorylab.catalog.neyshabur_2017.paper import DERIVED, FACTOR, RECURRENT

LATER = ("x2", "x3")
"""The inputs of the later steps; the first is x."""


@tl.model(A="h h", B="h d", C="k h")
def network(p, x, c):
    """h <- relu(A h + B x_t) over three steps; the output is C h."""
    h = ops.relu(p.B @ x)
    for name in LATER:
        h = ops.relu(p.A @ h + p.B @ c[name])
    return p.C @ h


flow = tl.GradientFlow(
    network,
    setting=tl.Setting(
        s=tl.var("h", FACTOR, positive=True),
        u=tl.var("h", FACTOR, positive=True),
        eta=tl.var(positive=True),
        **dict.fromkeys(LATER, tl.var("d n")),
    ),
)


def rescaled(p, c):
    """Unit i has one factor s_i at every step, because every step shares its weights."""
    return p.replace(A=c.s[:, None] * p.A / c.s[None, :], B=c.s[:, None] * p.B, C=p.C / c.s[None, :])


def rescaled_by_step(p, c):
    """What a factor s_i before and u_i after a step would ask of the weights."""
    return p.replace(A=c.u[:, None] * p.A / c.s[None, :], B=c.s[:, None] * p.B, C=p.C / c.u[None, :])


same_function = tl.Identity(
    flow,
    lambda p, c: flow.outputs(rescaled(p, c), c),
    lambda p, c: flow.outputs(p, c),
    name="recurrent-same-function",
    title="Recurrent weights: one factor for each unit at all steps does not change the function",
    statement=r"f_{T(w)} = f_w,\quad T(A)_{ij} = s_i A_{ij} / s_j",
    source=RECURRENT,
    expect="proved",
)
factors_by_step = same_function.but(
    lhs=lambda p, c: flow.outputs(rescaled_by_step(p, c), c),
    name="recurrent-factors-by-step",
    title="Recurrent weights: factors that differ from step to step do not change the function",
    statement=r"f_{T(w)} = f_w,\quad T(A)_{ij} = u_i A_{ij} / s_j",
    expect="refuted",
)

# --- the squared paths, with a copy of A for each transition ----------------------------------------------------------

recurrent = tl.Setting(A=tl.var("h h"), B=tl.var("h d"), C=tl.var("k h"), z=tl.var("h h"))
COPIES = ("first", "second")


def unrolled(squares, c):
    """The squared paths of h <- A h + B x over three steps, with a squared A of its own for each transition."""
    into = (c.B**2).sum(-1)
    total = into
    for copy in COPIES:
        total = squares[copy] @ total + into
    return ((c.C**2) @ total).sum()


def copies(c) -> dict[str, Any]:
    return dict.fromkeys(COPIES, c.A**2)


def one_edge(c):
    """kappa_1: one edge of A changes, the sum over its places on the paths."""
    total = 0
    for copy in COPIES:
        total = ops.derivative(lambda q: unrolled(q, c), copies(c), {copy: c.z**2}) + total
    return total


def two_edges(c):
    """kappa_2: two edges of A change, each pair of places on a path once."""
    change, total = c.A * c.z, 0
    for i, early in enumerate(COPIES):
        for late in COPIES[i + 1 :]:

            def slope(q, copy=early):
                return ops.derivative(lambda r: unrolled(r, c), q, {copy: change})

            total = ops.derivative(slope, copies(c), {late: change}) + total
    return total


def recurrent_curvature(c):
    """Half the second derivative of phi_2^2 along a change z of A."""

    def squared(q):
        return unrolled(dict.fromkeys(COPIES, q.A**2), c)

    return ops.derivative(lambda q: ops.derivative(squared, q, {"A": c.z}), {"A": c.A}, {"A": c.z}) / 2


shared_weights = tl.Identity(
    recurrent,
    recurrent_curvature,
    lambda c: one_edge(c) + 4 * two_edges(c),
    name="shared-weights",
    title="Recurrent weights: half the second derivative of the squared path norm is kappa_1 + 4 kappa_2",
    statement=r"\tfrac12\, \partial_A^2 \phi_2^2\,[z, z] = \kappa^{(1)} + 4\, \kappa^{(2)}",
    source=DERIVED,
    expect="proved",
)
shared_weights_once = shared_weights.but(
    rhs=lambda c: one_edge(c) + two_edges(c),
    name="shared-weights-once",
    title="Recurrent weights: half the second derivative is kappa_1 + kappa_2",
    expect="refuted",
)


# --- Path-SGD ---------------------------------------------------------------------------------------------------------


def kappa(p):
    """kappa_1 of every weight: over its places t, the squared paths into its start times those out of its end."""
    into = [(p.B**2).sum(-1)]
    out = [(p.C**2).sum(0)]
    for _ in COPIES:
        into.append((p.A**2) @ into[-1] + into[0])
        out.insert(0, out[0] @ (p.A**2))
    places = zip(into[:-1], out[1:], strict=True)
    return {
        "A": sum((after[:, None] * before[None, :] for before, after in places), start=0 * p.A),
        "B": (out[0] + sum(out[1:]))[:, None] + 0 * p.B,
        "C": into[-1][None, :] + 0 * p.C,
    }


def path_step(p, c):
    """One step of Path-SGD as it is used: w - eta / kappa_1(w) dL/dw."""
    descent, scale = flow.field(p, c), kappa(p)
    return p.replace(**{n: p[n] + c.eta * descent[n] / scale[n] for n in p})


def gradient_step(p, c):
    return p + c.eta * flow.field(p, c)


kappa_1 = tl.Identity(
    recurrent,
    one_edge,
    lambda c: (kappa(c)["A"] * c.z**2).sum(),
    name="recurrent-kappa-1",
    title="Recurrent weights: kappa_1 is the second derivative where every place has a weight of its own",
    statement=r"\kappa^{(1)}_i = \sum_{e \in E_i} \gamma^2_{\mathrm{in}}(u_e)\, \gamma^2_{\mathrm{out}}(v_e)",
    source=RECURRENT,
    expect="proved",
)
kappa_scaling = tl.Identity(
    flow,
    lambda p, c: kappa(rescaled(p, c))["A"] * rescaled(p, c).A ** 2,
    lambda p, c: kappa(p)["A"] * p.A**2,
    name="recurrent-kappa-1-scaling",
    title="Recurrent weights: kappa_1 of a weight scales like its inverse square",
    statement=r"\kappa^{(1)}(T(w))_{ij} = (s_j / s_i)^2\, \kappa^{(1)}(w)_{ij}",
    source=RECURRENT,
    expect="proved",
)
path_sgd = [
    tl.Identity(
        flow,
        lambda p, c, n=name: rescaled(path_step(p, c), c)[n],
        lambda p, c, n=name: path_step(rescaled(p, c), c)[n],
        name=f"recurrent-path-sgd-{name.lower()}",
        title=f"Recurrent weights: Path-SGD with kappa_1 maps rescaled weights to the rescaled result: {name}",
        statement=r"T(\mathrm{PathSGD}(w)) = \mathrm{PathSGD}(T(w))",
        source=RECURRENT,
        expect="proved",
    )
    for name in ("A", "B", "C")
]
sgd = path_sgd[0].but(
    lhs=lambda p, c: rescaled(gradient_step(p, c), c).A,
    rhs=lambda p, c: gradient_step(rescaled(p, c), c).A,
    name="recurrent-sgd",
    title="Recurrent weights: gradient descent does not",
    expect="refuted",
)

claims = [
    same_function, factors_by_step, shared_weights, shared_weights_once, kappa_1, kappa_scaling, path_sgd, sgd,
]  # fmt: skip
