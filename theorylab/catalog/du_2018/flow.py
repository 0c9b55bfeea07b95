"""Conservation laws of gradient flow: the differences of adjacent layers.

Two adjacent layers W1 (k, d) and W2 (m, k) with an activation s that is homogeneous of degree one, s(z) = s'(z) z:
linear, ReLU, leaky ReLU. They may lie anywhere in a network of any depth: what comes before is an arbitrary input,
what comes after, with the loss, an arbitrary derivative by the outputs.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import ops

paper = tl.paper(
    "du-2018",
    "Algorithmic regularization in learning deep homogeneous models: layers are automatically balanced",
    arxiv="1806.00900",
)
known = paper.claim("", note="formula as known in the field")
derived = paper.claim("", note="consequence of the conservation law, derived here")


def layers(activation, bias=False):
    """x -> W2 s(W1 x + b), one sample a column."""

    @tl.model(W1="k d", W2="m k", **({"b": "k"} if bias else {}))
    def network(p, x, c):
        z = p.W1 @ x + (p.b[..., None] if bias else 0)
        return p.W2 @ activation(z, c)

    return network.embedded()


def identity(z, c):
    return z


def relu(z, c):
    return ops.relu(z)


def leaky_relu(z, c):
    return ops.leaky_relu(z, slope=c.slope)


kinks = {"horizon": 0.5, "max_steps": 250}
"""Runs of ReLU networks on noisy targets soon slide along kinks, where an explicit method crawls."""

any_slope = tl.Setting(slope=tl.var(draw=tl.draw.uniform(0, 1)))

linear = tl.GradientFlow(layers(identity))
rectified = tl.GradientFlow(layers(relu))
rectified_bias = tl.GradientFlow(layers(relu, bias=True))
leaky = tl.GradientFlow(layers(leaky_relu), setting=any_slope)
leaky_bias = tl.GradientFlow(layers(leaky_relu, bias=True), setting=any_slope)


def matrix(p):
    """W2' W2 - W1 W1', (k, k)."""
    return p.W2.mT @ p.W2 - p.W1 @ p.W1.mT


def unit(p):
    """Squared norm of the weights into each hidden unit minus that of the weights out of it, (k,)."""
    return (p.W1**2).sum(-1) - (p.W2**2).sum(-2)


def unit_bias(p):
    """The same with the bias among the weights into the unit, (k,)."""
    return unit(p) + p.b**2


# --- conservation laws ------------------------------------------------------------------------------------------------

balancedness_linear = tl.Invariant(
    linear,
    matrix,
    name="balancedness-linear",
    title="Adjacent linear layers: W2'W2 - W1W1' is conserved",
    statement=r"\frac{d}{dt}\left(W_2^\top W_2 - W_1 W_1^\top\right) = 0",
    source=known,
    expect="proved",
)
balancedness_relu = tl.Invariant(
    rectified,
    unit,
    name="balancedness-relu",
    title="ReLU: each unit conserves the squared norm in minus the squared norm out",
    statement=r"\frac{d}{dt}\left(\|W_1[i,:]\|^2 - \|W_2[:,i]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)
balancedness_relu_bias = tl.Invariant(
    rectified_bias,
    unit_bias,
    name="balancedness-relu-bias",
    title="ReLU with biases: the bias counts among the weights into the unit",
    statement=r"\frac{d}{dt}\left(\|W_1[i,:]\|^2 + b_i^2 - \|W_2[:,i]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)
balancedness_leaky = tl.Invariant(
    leaky,
    unit,
    name="balancedness-leaky",
    title="Leaky ReLU of any slope: each unit conserves the squared norm in minus the squared norm out",
    statement=r"\frac{d}{dt}\left(\|W_1[i,:]\|^2 - \|W_2[:,i]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)
balancedness_leaky_bias = tl.Invariant(
    leaky_bias,
    unit_bias,
    name="balancedness-leaky-bias",
    title="Leaky ReLU of any slope with biases: the bias counts among the weights into the unit",
    statement=r"\frac{d}{dt}\left(\|W_1[i,:]\|^2 + b_i^2 - \|W_2[:,i]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)
balancedness_layer = tl.Invariant(
    rectified,
    lambda p: (p.W1**2).sum() - (p.W2**2).sum(),
    name="balancedness-layer",
    title="ReLU: adjacent layers conserve the difference of their squared Frobenius norms",
    statement=r"\frac{d}{dt}\left(\|W_1\|_F^2 - \|W_2\|_F^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)


@tl.model(W1="k q", W2="m k s", x="q s")
def convolution(p, x):
    """One filter bank W1 on all s patches of a sample, with q entries each, then a layer of weights for every place."""
    return (p.W2 * ops.relu(p.W1 @ x)[None]).sum(-1).sum(-1)


balancedness_convolution = tl.Invariant(
    tl.GradientFlow(convolution.embedded()),
    lambda p: (p.W1**2).sum(-1) - (p.W2**2).sum((0, 2)),
    name="balancedness-convolution",
    title="ReLU convolution, weights shared by all places: each channel conserves the squared norm in minus out",
    statement=r"\frac{d}{dt}\left(\|W_1[i,:]\|^2 - \|W_2[:,i,:]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)


@tl.model(W1="k d", W2="h k", W3="m h")
def three_layers(p, x):
    return p.W3 @ ops.relu(p.W2 @ ops.relu(p.W1 @ x))


balancedness_deep = tl.Invariant(
    tl.GradientFlow(three_layers),
    lambda p: (p.W2**2).sum(-1) - (p.W3**2).sum(-2),
    name="balancedness-deep",
    title="Three ReLU layers: the upper two conserve the balance of each unit between them",
    statement=r"\frac{d}{dt}\left(\|W_2[i,:]\|^2 - \|W_3[:,i]\|^2\right) = 0",
    source=known,
    expect="proved",
    settle=kinks,
)

# --- weight decay -----------------------------------------------------------------------------------------------------

decaying = tl.GradientFlow(
    layers(identity),
    weight_decay=lambda c: c.lam,
    setting=tl.Setting(lam=tl.var(draw=tl.draw.uniform(0.125, 2), positive=True)),
)
weight_decay = tl.Evolution(
    decaying,
    matrix,
    lambda p, c: -2 * c.lam * matrix(p),
    name="weight-decay",
    title="Weight decay: the imbalance of linear layers shrinks at the rate 2 lambda",
    statement=r"D = W_2^\top W_2 - W_1 W_1^\top:\quad \dot D = -2\lambda D",
    source=derived,
    expect="proved",
)
weight_decay_law = tl.Invariant(
    decaying,
    lambda p, c: matrix(p) * ops.exp(2 * c.lam * c.t),
    name="weight-decay-law",
    title="Weight decay: the imbalance of linear layers times exp(2 lambda t) is conserved",
    statement=r"\frac{d}{dt}\left(D\,e^{2\lambda t}\right) = 0",
    source=derived,
    expect="proved",
)
weight_decay_path = tl.Trajectory(
    decaying,
    matrix,
    lambda c: matrix(c.init) * ops.exp(-2 * c.lam * c.t),
    on=[weight_decay_law],
    name="weight-decay-path",
    title="Weight decay balances linear layers exponentially",
    statement=r"D(t) = D(0)\,e^{-2\lambda t}",
    source=derived,
    expect="proved",
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    balancedness_relu.but(quantity=matrix, name="balancedness-relu-full-matrix", title="The full matrix law for ReLU"),
    balancedness_relu_bias.but(quantity=unit, name="balancedness-relu-bias-left-out", title="ReLU, bias left out"),
    balancedness_leaky_bias.but(
        quantity=unit, name="balancedness-leaky-bias-left-out", title="Leaky ReLU, bias left out"
    ),
    balancedness_linear.but(
        quantity=lambda p: p.W2.mT @ p.W2 + p.W1 @ p.W1.mT,
        name="balancedness-linear-sum",
        title="The sum of the two Gram matrices instead of their difference",
    ),
    balancedness_linear.but(
        subject=tl.GradientFlow(layers(identity), momentum=1),
        name="balancedness-linear-momentum",
        title="Conservation in spite of momentum",
    ),
    weight_decay.but(
        rate=lambda p, c: -c.lam * matrix(p), name="weight-decay-half-rate", title="Decay at the rate of the weights"
    ),
    weight_decay_path.but(
        formula=lambda c: matrix(c.init) * ops.exp(-c.lam * c.t),
        name="weight-decay-path-half-rate",
        title="The imbalance decays like the weights",
    ),
    weight_decay.but(rate=0, name="weight-decay-conserved", title="Conservation in spite of weight decay"),
    balancedness_convolution.but(
        quantity=lambda p: (p.W1**2).sum(-1) - (p.W2**2).sum((0, 2)) / 2,
        name="balancedness-convolution-half",
        title="Half of the squared norm out of a channel",
    ),
    balancedness_layer.but(
        quantity=lambda p: (p.W1**2).sum() - 2 * (p.W2**2).sum(),
        name="balancedness-layer-doubled",
        title="Twice the squared norm of the upper layer",
    ),
    balancedness_deep.but(
        quantity=lambda p: (p.W2**2).sum(-1) - (p.W3**2).sum(-2) ** 2,
        name="balancedness-deep-squared",
        title="Three layers, the norm out of a unit to the fourth power",
    ),
]
