"""Feed-forward networks: what rescaling the units leaves alone (path norms, Path-SGD) and what not."""

from __future__ import annotations

from typing import Any

import theorylab as tl
from theorylab import ops
from theorylab.catalog.neyshabur_2017.paper import DERIVED, FACTOR, PATH, PATH_SGD


@tl.model(U="h d", V="g h", W="k g")
def network(p, x):
    """Two hidden layers of rectifiers without biases."""
    return p.W @ ops.relu(p.V @ ops.relu(p.U @ x))


WEIGHTS: dict[str, Any] = {"U": tl.var("h d"), "V": tl.var("g h"), "W": tl.var("k g")}
factors = tl.Setting(s=tl.var("h", FACTOR, positive=True), u=tl.var("g", FACTOR, positive=True))
weights_and_factors = factors.with_(**WEIGHTS)
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
    source=PATH,
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
    source=PATH,
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
with_biases = tl.Setting(s=tl.var("h", FACTOR, positive=True), U=tl.var("h d"), b=tl.var("h"), W=tl.var("k h"))


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
    source=PATH,
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


# --- the largest layers with the same function ------------------------------------------------------------------------

one_output = tl.Setting(**{**WEIGHTS, "W": tl.var("1 g")})
two_units = tl.Setting(U=tl.var("2 d"), V=tl.var("2 2"), W=tl.var("1 2"))


def evened_out(c):
    """The network rescaled so that the weights into each hidden unit have norm 1."""
    first = ops.norm(c.U, axis=-1)
    into = c.V * first[None, :]
    second = ops.norm(into, axis=-1)
    return c.replace(U=c.U / first[:, None], V=into / second[:, None], W=c.W * second[None, :])


def largest_norms(c):
    """gamma_{2, inf}^2 = the product over the layers of the largest squared norm of the weights into one unit."""
    into = [((c[n] ** 2).sum(-1)) for n in WEIGHTS]
    return ops.maximum(into[0][0], into[0][1]) * ops.maximum(into[1][0], into[1][1]) * into[2][0]


evened = [
    tl.Identity(
        one_output,
        lambda c, n=name: (evened_out(c)[n] ** 2).sum(-1),
        1,
        name=f"evened-out-{name.lower()}",
        title=f"Some rescaling gives every hidden unit incoming weights of norm 1: the weights {name}",
        statement=r"\|T(w)_{\to v}\| = 1 \quad\text{for hidden } v",
        source=PATH,
        expect="proved",
    )
    for name in ("U", "V")
]
evened_paths = tl.Identity(
    one_output,
    lambda c: (evened_out(c).W ** 2).sum(),
    lambda c: paths(c),
    name="evened-out-path-norm",
    title="There the product of the layers' largest norms is the path norm: the last layer alone",
    statement=r"\gamma_{2,\infty}(T(w)) = \|T(w)_{\to \mathrm{out}}\| = \phi_2(w)",
    source=PATH,
    expect="proved",
)
largest_norms_bound = tl.Inequality(
    two_units,
    largest_norms,
    paths,
    name="path-norm-below-largest-norms",
    title="The path norm is at most the product of the layers' largest norms: two units a layer",
    statement=r"\phi_2(w) \le \gamma_{2,\infty}(w)",
    note="No rule of the checker bounds a maximum from below by each of its arguments.",
    source=PATH,
    expect="supported",
)
largest_norms_equal = tl.Identity(
    two_units,
    paths,
    largest_norms,
    name="path-norm-is-largest-norms",
    title="For every single choice of weights the two are equal",
    statement=r"\phi_2(w) = \gamma_{2,\infty}(w)",
    source=PATH,
    expect="refuted",
)

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
        source=PATH_SGD,
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
        tl.Setting(**WEIGHTS, z=WEIGHTS[name]),
        lambda c, n=name: along({m: c[m] for m in WEIGHTS}, c, n),
        lambda c, n=name: (gamma(c)[n] * c.z**2).sum(),
        name=f"path-sgd-curvature-{name.lower()}",
        title=f"gamma is half the second derivative of the squared path norm: the weights {name}",
        statement=r"\tfrac12\, \partial_w^2 \phi_2^2\,[z, z] = \sum_e \gamma_2(w, e)\, z_e^2",
        source=PATH_SGD,
        expect="proved",
    )
    for name in ("U", "V", "W")
]

# --- the data-dependent path norm -------------------------------------------------------------------------------------

on_data = tl.Setting(
    s=tl.var("h", FACTOR, positive=True),
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
    source=DERIVED,
    expect="proved",
)
paths_endpoint = tl.Identity(
    on_data,
    lambda c: complexity(c, c, 0),
    lambda c: ((c.W**2) @ (c.U**2)).sum(),
    name="data-dependent-path-norm-0",
    title="At alpha = 0 it is the path norm",
    statement=r"\alpha = 0: \quad \gamma_{\mathrm{net}}^2 = \phi_2^2",
    source=DERIVED,
    expect="proved",
)
variance_endpoint = tl.Identity(
    on_data,
    lambda c: complexity(c, c, 1),
    lambda c: ((c.W @ (ops.relu(c.U @ c.x) - ops.relu(c.U @ c.x).mean(-1)[:, None])) ** 2).mean(-1).sum(),
    name="data-dependent-path-norm-1",
    title="At alpha = 1 it is the variance that batch normalisation divides by",
    statement=r"\alpha = 1: \quad \gamma_{\mathrm{net}}^2 = \sum_v \mathrm{Var}(z_v)",
    source=DERIVED,
    expect="proved",
)

# --- sharpness --------------------------------------------------------------------------------------------------------

flow_on_data = tl.GradientFlow(
    network, loss=tl.loss.square, setting=factors.with_(**{f"d{n}": v for n, v in WEIGHTS.items()})
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

claims = [
    same_function, path_norm, path_norm_1, path_norm_bias, bias_left_alone, frobenius, evened, evened_paths,
    largest_norms_bound, largest_norms_equal, path_sgd, sgd, curvature, data_dependent, paths_endpoint,
    variance_endpoint, sharpness,
]  # fmt: skip
