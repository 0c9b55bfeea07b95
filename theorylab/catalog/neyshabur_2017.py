"""Neyshabur's thesis: norms of rectifier networks that rescaling does not see, and descent that respects them.

Multiplying the weights into a hidden unit by s > 0 and dividing those out of it by s leaves the function of a ReLU
network as it is. The path norm does not change, Path-SGD maps rescaled weights to the rescaled result, sharpness and
gradient descent do neither. `tl.measures` computes the same on a user's torch.nn.Module.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops

_paper = tl.paper("neyshabur-2017", "Implicit regularization in deep learning", arxiv="1709.01953")
_path = _paper.claim("path norm", note="formula as known in the field")
_path_sgd = _paper.claim("Path-SGD", note="formula as known in the field")
_perturbation = _paper.claim("perturbation lemma", note="formula as known in the field; Lemma 2 of 1707.09564")
_derived = _paper.claim("", note="derived here")


@tl.model(U="h d", V="g h", W="k g")
def network(p, x):
    """Two hidden layers of rectifiers without biases."""
    return p.W @ ops.relu(p.V @ ops.relu(p.U @ x))


@tl.model(U="h d", b="h", W="k h")
def biased(p, x):
    """One hidden layer of rectifiers with biases."""
    return p.W @ ops.relu(p.U @ x + p.b[:, None])


_factor = tl.draw.loguniform(1 / 8, 8)
_weights = {"U": tl.var("h d"), "V": tl.var("g h"), "W": tl.var("k g")}
factors = tl.Setting(s=tl.var("h", _factor, positive=True), u=tl.var("g", _factor, positive=True))
weights_and_factors = factors.with_(**_weights)
flow = tl.GradientFlow(network, setting=factors.with_(eta=tl.var(positive=True)))


def rescaled(p, c):
    """Unit i of the first hidden layer rescaled by s_i, unit j of the second by u_j."""
    return p.replace(U=c.s[:, None] * p.U, V=c.u[:, None] * p.V / c.s[None, :], W=p.W / c.u[None, :])


# --- the function and the path norm -----------------------------------------------------------------------------------

same_function = tl.Identity(
    flow,
    lambda p, c: network(rescaled(p, c), c.x),
    lambda p, c: network(p, c.x),
    name="same-function",
    title="Rescaling the units does not change the function of the network",
    statement=r"f_{T(w)}(x) = f_w(x) \quad\text{for every rescaling } T",
    source=_path,
    expect="proved",
)


def paths(p, power=lambda w: w**2):
    """The sum over all paths of the product of |w|^p along it, by one forward pass."""
    return (power(p.W) @ power(p.V) @ power(p.U)).sum()


path_norm = tl.Identity(
    weights_and_factors,
    lambda c: paths(rescaled(c, c)),
    lambda c: paths(c),
    name="path-norm",
    title="Rescaling the units does not change the path norm, p = 2",
    statement=r"\phi_2(T(w)) = \phi_2(w),\quad \phi_2(w)^2 = \sum_{\mathrm{paths}} \prod_{e} w_e^2",
    source=_path,
    expect="proved",
)
path_norm_1 = path_norm.but(
    lhs=lambda c: paths(rescaled(c, c), abs),
    rhs=lambda c: paths(c, abs),
    name="path-norm-l1",
    title="Rescaling the units does not change the path norm, p = 1",
    statement=r"\phi_1(T(w)) = \phi_1(w),\quad \phi_1(w) = \sum_{\mathrm{paths}} \prod_{e} |w_e|",
    expect="proved",
)
with_biases = tl.Setting(s=tl.var("h", _factor, positive=True), U=tl.var("h d"), b=tl.var("h"), W=tl.var("k h"))


def paths_with_biases(p):
    """A bias is an edge from an input that is constantly 1."""
    return ((p.W**2) @ (p.U**2)).sum() + ((p.W**2) @ (p.b**2)).sum()


path_norm_bias = tl.Identity(
    with_biases,
    lambda c: paths_with_biases(c.replace(U=c.s[:, None] * c.U, b=c.s * c.b, W=c.W / c.s[None, :])),
    lambda c: paths_with_biases(c),
    name="path-norm-bias",
    title="With biases among the weights into their units, the path norm does not change either",
    statement=r"\phi_2(T(w)) = \phi_2(w) \quad\text{with } T(b)_i = s_i b_i",
    source=_path,
    expect="proved",
)
bias_left_alone = path_norm_bias.but(
    lhs=lambda c: paths_with_biases(c.replace(U=c.s[:, None] * c.U, W=c.W / c.s[None, :])),
    name="path-norm-bias-not-rescaled",
    title="Biases that are not rescaled change the path norm",
    expect="refuted",
)
frobenius = path_norm.but(
    lhs=lambda c: squares(rescaled(c, c)),
    rhs=lambda c: squares(c),
    name="frobenius-norms",
    title="Rescaling the units changes the sum of the squared weights",
    expect="refuted",
)


def squares(p):
    return (p.U**2).sum() + (p.V**2).sum() + (p.W**2).sum()


# --- Path-SGD ---------------------------------------------------------------------------------------------------------


def gamma(p):
    """For every weight the squared paths through it, without itself: into its unit times out of it."""
    into = (p.V**2) @ (p.U**2).sum(-1)
    out = (p.W**2).sum(0) @ (p.V**2)
    return {
        "U": out[:, None] + 0 * p.U,
        "V": (p.W**2).sum(0)[:, None] * (p.U**2).sum(-1)[None, :],
        "W": into[None, :] + 0 * p.W,
    }


def path_step(p, c):
    """One step of Path-SGD: w - eta / gamma(w) dL/dw."""
    descent, scale = flow.field(p, c), gamma(p)
    return p.replace(**{n: p[n] + c.eta * descent[n] / scale[n] for n in p})


def gradient_step(p, c):
    return p + c.eta * flow.field(p, c)


def step_then_rescale(step, name):
    return lambda p, c: rescaled(step(p, c), c)[name]


def rescale_then_step(step, name):
    return lambda p, c: step(rescaled(p, c), c)[name]


path_sgd = [
    tl.Identity(
        flow,
        step_then_rescale(path_step, name),
        rescale_then_step(path_step, name),
        name=f"path-sgd-{name.lower()}",
        title=f"Path-SGD maps rescaled weights to the rescaled result, for any step size: the weights {name}",
        statement=r"T(\mathrm{PathSGD}(w)) = \mathrm{PathSGD}(T(w))",
        source=_path_sgd,
        expect="proved",
    )
    for name in ("U", "V", "W")
]
sgd = path_sgd[0].but(
    lhs=step_then_rescale(gradient_step, "U"),
    rhs=rescale_then_step(gradient_step, "U"),
    name="sgd",
    title="Gradient descent does not",
    expect="refuted",
)


def along(p, c, name):
    """Half the second derivative of phi_2^2 along a change z of one layer."""

    def slope(q):
        return ops.derivative(paths, q, {name: c.z})

    return ops.derivative(slope, p, {name: c.z}) / 2


curvature = [
    tl.Identity(
        tl.Setting(**_weights, z=_weights[name]),
        lambda c, n=name: along({m: c[m] for m in _weights}, c, n),
        lambda c, n=name: (gamma(c)[n] * c.z**2).sum(),
        name=f"path-sgd-curvature-{name.lower()}",
        title=f"gamma is half the second derivative of the squared path norm: the weights {name}",
        statement=r"\tfrac12\, \partial_w^2 \phi_2^2\,[z, z] = \sum_e \gamma_2(w, e)\, z_e^2",
        source=_path_sgd,
        expect="proved",
    )
    for name in ("U", "V", "W")
]

# --- weights that several edges share ---------------------------------------------------------------------------------

recurrent = tl.Setting(A=tl.var("h h"), B=tl.var("h d"), C=tl.var("k h"), z=tl.var("h h"))
COPIES = ("first", "second", "third")


def unrolled(squares, c):
    """The squared paths of h <- A h + B x over four steps, with a squared A of its own for each transition."""
    into = (c.B**2).sum(-1)
    total = into
    for copy in COPIES:
        total = squares[copy] @ total + into
    return ((c.C**2) @ total).sum()


def copies(c):
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
    source=_derived,
    expect="proved",
)
shared_weights_once = shared_weights.but(
    rhs=lambda c: one_edge(c) + two_edges(c),
    name="shared-weights-once",
    title="Recurrent weights: half the second derivative is kappa_1 + kappa_2",
    expect="refuted",
)

# --- the data-dependent path norm -------------------------------------------------------------------------------------

on_data = tl.Setting(
    s=tl.var("h", _factor, positive=True),
    U=tl.var("h d"),
    W=tl.var("k h"),
    x=tl.var("d n"),
    alpha=tl.var(draw=tl.draw.uniform(0, 1)),
)


def covariance(h):
    """Of the rows of h (units, n) over the samples, (units, units)."""
    centred = h - h.mean(-1)[:, None]
    return (centred[:, None, :] * centred[None, :, :]).mean(-1)


def complexity(p, c, alpha):
    """The sum over the outputs of gamma_v^2 = w_v' (alpha Cov(h) + (1 - alpha) diag(gamma^2)) w_v."""
    first = alpha * ((p.U @ covariance(c.x)) * p.U).sum(-1) + (1 - alpha) * (p.U**2).sum(-1)
    spread = ((p.W @ covariance(ops.relu(p.U @ c.x))) * p.W).sum()
    return alpha * spread + (1 - alpha) * ((p.W**2) @ first).sum()


def one_layer_rescaled(c):
    return c.replace(U=c.s[:, None] * c.U, W=c.W / c.s[None, :])


data_dependent = tl.Identity(
    on_data,
    lambda c: complexity(one_layer_rescaled(c), c, c.alpha),
    lambda c: complexity(c, c, c.alpha),
    name="data-dependent-path-norm",
    title="Rescaling the units does not change the data-dependent path norm",
    statement=r"\gamma_{\mathrm{net}}(T(w)) = \gamma_{\mathrm{net}}(w) \quad\text{for every } \alpha \in [0, 1]",
    source=_derived,
    expect="proved",
)
paths_endpoint = tl.Identity(
    on_data,
    lambda c: complexity(c, c, 0),
    lambda c: ((c.W**2) @ (c.U**2)).sum(),
    name="data-dependent-path-norm-0",
    title="At alpha = 0 it is the path norm",
    statement=r"\alpha = 0: \quad \gamma_{\mathrm{net}}^2 = \phi_2^2",
    source=_derived,
    expect="proved",
)
variance_endpoint = tl.Identity(
    on_data,
    lambda c: complexity(c, c, 1),
    lambda c: ((c.W @ (ops.relu(c.U @ c.x) - ops.relu(c.U @ c.x).mean(-1)[:, None])) ** 2).mean(-1).sum(),
    name="data-dependent-path-norm-1",
    title="At alpha = 1 it is the variance that batch normalisation divides by",
    statement=r"\alpha = 1: \quad \gamma_{\mathrm{net}}^2 = \sum_v \mathrm{Var}(z_v)",
    source=_derived,
    expect="proved",
)

# --- sharpness --------------------------------------------------------------------------------------------------------

flow_on_data = tl.GradientFlow(
    network, loss=tl.loss.square, setting=factors.with_(**{f"d{n}": v for n, v in _weights.items()})
)


def curvature_of_the_loss(p, c):
    """The second derivative of the loss along a change of all weights."""
    change = {n: c[f"d{n}"] for n in p}

    def slope(q):
        return ops.derivative(lambda r: flow_on_data.objective(r, c), q, change)

    return ops.derivative(slope, p, change)


sharpness = same_function.but(
    subject=flow_on_data,
    lhs=lambda p, c: curvature_of_the_loss(rescaled(p, c), c),
    rhs=curvature_of_the_loss,
    name="sharpness",
    title="Rescaling the units does not change the sharpness of the loss",
    statement=r"D^2 L(T(w))[z, z] = D^2 L(w)[z, z]",
    expect="refuted",
)

# --- the perturbation lemma -------------------------------------------------------------------------------------------

DEPTH = len(_weights)


def bounded_change(c):
    """Changes of each layer cut down to a spectral norm of less than 1 / depth of its own."""
    cut = {n: Fraction(999, 1000) * ops.opnorm(c[n]) / (DEPTH * ops.opnorm(c[f"d{n}"])) for n in _weights}
    return {f"d{n}": c[f"d{n}"] * ops.minimum(1, cut[n]) for n in _weights}


def shares(c):
    """|dW_i|_2 / |W_i|_2 of each layer."""
    return ops.stack([ops.opnorm(c[f"d{n}"]) / ops.opnorm(c[n]) for n in _weights])


small_change = tl.assume("|dW_i|_2 < |W_i|_2 / depth", lambda c: 1 - DEPTH * shares(c), bounded_change, positive=True)
perturbed = tl.Setting(
    small_change,
    **_weights,
    **{f"d{n}": v for n, v in _weights.items()},
    x=tl.var("d 1"),
)


def bound(c):
    """e |x| prod |W_i|_2 sum |dW_i|_2 / |W_i|_2."""
    product = 1
    for n in _weights:
        product = ops.opnorm(c[n]) * product
    return ops.exp(1) * ops.norm(c.x) * product * shares(c).sum()


def change_of_output(c):
    moved = c.replace(**{n: c[n] + c[f"d{n}"] for n in _weights})
    return ops.norm(network(moved, c.x) - network(c, c.x))


perturbation = tl.Inequality(
    perturbed,
    bound,
    change_of_output,
    name="perturbation",
    title="Small changes of the layers change the output by at most e |x| prod |W_i| sum |dW_i| / |W_i|",
    statement=r"\|f_{w+u}(x) - f_w(x)\| \le e\, \|x\| \prod_i \|W_i\|_2 \sum_i \frac{\|U_i\|_2}{\|W_i\|_2}",
    source=_perturbation,
    expect="supported",
)
perturbation_tenth = perturbation.but(
    lhs=lambda c: bound(c) / 10,
    name="perturbation-a-tenth",
    title="The same with a tenth of the constant",
    expect="refuted",
)
