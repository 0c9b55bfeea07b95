"""Models with known numbers of conservation laws, each stated by its forward map alone.

`theorylab discover --table` counts their laws anew. Sources: Marcotte, Gribonval and Peyre 2023 (arXiv 2307.00144) for
first-order flows, 2024 (arXiv 2405.12888) for momentum and other metrics.
"""

from __future__ import annotations

from typing import Any

import theorylab as tl
from theorylab import ops
from theorylab.catalog.rows import Row


def q(n: int, r: int, m: int) -> int:
    """Independent laws of V U x with n inputs, r hidden units and m outputs."""
    return r * (r + 1) // 2 if r <= n + m else (n + m) * (2 * r - n - m + 1) // 2


# --- layers -----------------------------------------------------------------------------------------------------------


@tl.model(W1="k d", W2="m k")
def two_layers(p, x):
    return p.W2 @ (p.W1 @ x)


@tl.model(W1="a d", W2="b a", W3="m b")
def three_layers(p, x):
    return p.W3 @ (p.W2 @ (p.W1 @ x))


@tl.model(W1="k d", b="k", W2="m k", c="m")
def two_layers_with_biases(p, x):
    return p.W2 @ (p.W1 @ x + p.b[:, None]) + p.c[:, None]


@tl.model(w="N")
def product(p, x):
    total = x
    for factor in p.w:
        total = total * factor
    return total


@tl.model(u="N", v="N")
def diagonal(p, x):
    return (p.u * p.v)[None, :] @ x


@tl.model(U="r cin k1", V="cout r k2", x="cin L")
def convolutions(p, x, activation=lambda z: z):
    length, first, second = len(x[0]), len(p.U[0, 0]), len(p.V[0, 0])
    places = range(length - first + 1)
    hidden = [activation(sum(p.U[:, :, b] @ x[:, a + b] for b in range(first))) for a in places]
    return ops.stack([sum(p.V[:, :, b] @ hidden[a + b] for b in range(second)) for a in places[: 1 - second]])


@tl.model(A="k k", B="k d", b="k", C="m k", x="d T")
def recurrent(p, x, activation=lambda z: z):
    state = activation(p.B @ x[:, 0] + p.b)
    for step in range(1, len(x[0])):
        state = activation(p.A @ state + p.B @ x[:, step] + p.b)
    return p.C @ state


@tl.model(U="k d")
def tied(p, x):
    return p.U.mT @ (p.U @ x)


@tl.model(U="n r")
def gram(p, x):
    return p.U @ p.U.mT * x.sum()


# --- activations ------------------------------------------------------------------------------------------------------


def unit(activation: Any) -> Any:
    @tl.model(W1="k d", W2="m k")
    def network(p, x):
        return p.W2 @ activation(p.W1 @ x)

    return network


def unit_with_bias(activation: Any) -> Any:
    @tl.model(W1="k d", b="k", W2="m k")
    def network(p, x):
        return p.W2 @ activation(p.W1 @ x + p.b[:, None])

    return network


@tl.model(W1="a d", W2="b a", W3="m b")
def deep_relu(p, x):
    return p.W3 @ ops.relu(p.W2 @ ops.relu(p.W1 @ x))


@tl.model(W1="k d", W2="d k")
def skip(p, x):
    return x + p.W2 @ ops.relu(p.W1 @ x)


def silu(z: Any) -> Any:
    return z / (1 + ops.exp(-z))


@tl.model(W1="k d", b="k", W2="m k", slope="k")
def swish(p, x):
    z = p.W1 @ x + p.b[:, None]
    return p.W2 @ (z / (1 + ops.exp(-z * p.slope[:, None])))


def gated(activation: Any) -> Any:
    @tl.model(up="k d", gate="k d", down="m k")
    def network(p, x):
        return p.down @ (activation(p.gate @ x) * (p.up @ x))

    return network


# --- attention --------------------------------------------------------------------------------------------------------


@tl.model(Q="h d", K="h d", V="h d", O="d h", x="d T")
def separate_factors(p, x):
    """The score of a pair of tokens and the value of a token, as two generic outputs."""
    return ops.concat([x.mT @ (p.Q.mT @ (p.K @ x)), p.O @ (p.V @ x)])


@tl.model(Q="H h d", K="H h d", V="H h d", O="H d h", x="d T")
def separate_heads(p, x):
    return ops.concat([x.mT @ (p.Q.mT @ (p.K @ x)), p.O @ (p.V @ x)], -2)


@tl.model(Q="h d", K="h d", V="h d", O="d h", x="d T")
def softmax_attention(p, x):
    return p.O @ (p.V @ x) @ ops.softmax(x.mT @ (p.Q.mT @ (p.K @ x))).mT


@tl.model(Q="G h d", K="h d", V="h d", O="G d h", x="d T")
def grouped_queries(p, x):
    """Heads that share one key and one value."""
    scores = x.mT @ (p.Q.mT @ (p.K @ x))
    return ops.concat([scores, p.O @ (p.V @ x)], -2)


# --- other parametrizations -------------------------------------------------------------------------------------------


@tl.model(g="", v="N")
def weight_norm(p, x):
    return (p.g * p.v / ops.norm(p.v))[None, :] @ x


@tl.model(w="N")
def direction(p, x):
    return (p.w / ops.norm(p.w))[None, :] @ x


@tl.model(w="N")
def softmax_weights(p, x):
    return ops.softmax(p.w)[None, :] @ x


@tl.model(W="k d", V="m k")
def convex(p, x):
    return p.V @ ops.relu(p.W @ x)


decay = tl.Setting(lam=tl.var(positive=True))


def sized(names: str, *sizes: tuple[int, ...]) -> tuple[dict[str, int], ...]:
    return tuple(dict(zip(names.split(), size, strict=True)) for size in sizes)


rows = [
    Row("two-layer linear", tl.GradientFlow(two_layers), sized("d k m", (2, 2, 2), (3, 3, 3), (4, 4, 4), (1, 3, 1)),
        lambda d, k, m: q(d, k, m)),
    Row("deep linear", tl.GradientFlow(three_layers),
        sized("d a b m", (2, 2, 2, 2), (3, 3, 3, 3), (1, 3, 1, 1), (2, 4, 1, 2)),
        lambda d, a, b, m: q(d, a, b) + q(a, b, m)),
    Row("deep linear, one input and one output", tl.GradientFlow(three_layers), sized("d a b m", (1, 2, 2, 1)),
        lambda **_: 6, gap=1, remark="a single field has D - 1 = 7 laws, of which 6 are quadratic"),
    Row("linear with biases", tl.GradientFlow(two_layers_with_biases), sized("d k m", (2, 2, 2), (1, 3, 1), (1, 4, 1)),
        lambda d, k, m: q(d + 1, k, m), remark="the bias acts as one more input"),
    Row("product of scalars", tl.GradientFlow(product), sized("N", (3,), (4,)), lambda N: N - 1),
    Row("diagonal u v", tl.GradientFlow(diagonal), sized("N", (2,), (3,)), lambda N: N),
    Row("convolution, linear", tl.GradientFlow(convolutions),
        sized("cin r cout k1 k2 L", (2, 2, 2, 2, 2, 3), (1, 2, 2, 2, 3, 4)),
        lambda r, **_: r * (r + 1) // 2),
    Row("linear recurrent", tl.GradientFlow(recurrent), sized("k d m T", (2, 2, 2, 3)),
        lambda k, **_: k * (k + 1) // 2),
    Row("tied U'U x, no more units than inputs", tl.GradientFlow(tied), sized("k d", (2, 2), (2, 3)), lambda k, d: 0),
    Row("tied U'U x, more units than inputs", tl.GradientFlow(tied), sized("k d", (3, 2)), lambda k, d: 0, gap=2,
        remark="n (r - n) laws, rational functions of the column space"),
    Row("tied U U'", tl.GradientFlow(gram), sized("n r", (2, 3)), lambda n, r: 0, gap=2, degree=3,
        remark="ratios of Plücker minors"),
    Row("ReLU", tl.GradientFlow(unit(ops.relu)), sized("d k m", (2, 3, 2), (3, 2, 1)), lambda k, **_: k),
    Row("ReLU, one input", tl.GradientFlow(unit(ops.relu)), sized("d k m", (1, 3, 2)), lambda **_: 4,
        remark="units of equal sign act linearly"),
    Row("ReLU with bias", tl.GradientFlow(unit_with_bias(ops.relu)), sized("d k m", (1, 2, 2), (2, 2, 1)),
        lambda k, **_: k),
    Row("squared ReLU with bias", tl.GradientFlow(unit_with_bias(lambda z: ops.relu(z) ** 2)),
        sized("d k m", (1, 2, 2)), lambda k, **_: k),
    Row("deep ReLU", tl.GradientFlow(deep_relu), sized("d a b m", (2, 3, 2, 2)), lambda a, b, **_: a + b),
    Row("deep ReLU, one unit in a layer", tl.GradientFlow(deep_relu), sized("d a b m", (2, 1, 2, 1)), lambda **_: 4),
    Row("ReLU convolution", tl.GradientFlow(convolutions.family(activation=ops.relu)),
        sized("cin r cout k1 k2 L", (2, 2, 1, 2, 2, 4)), lambda r, **_: r),
    Row("ReLU recurrent", tl.GradientFlow(recurrent.family(activation=ops.relu)), sized("k d m T", (2, 2, 2, 3)),
        lambda k, **_: k),
    Row("ReLU with a skip connection", tl.GradientFlow(skip), sized("d k", (2, 2)), lambda d, k: k),
    Row("bilinear gate", tl.GradientFlow(gated(lambda z: z)), sized("d k m", (2, 2, 2)), lambda k, **_: 2 * k),
    Row("ReGLU", tl.GradientFlow(gated(ops.relu)), sized("d k m", (2, 2, 2)), lambda k, **_: 2 * k),
    Row("SwiGLU", tl.GradientFlow(gated(silu)), sized("d k m", (2, 2, 2)), lambda k, **_: k),
    Row("tanh", tl.GradientFlow(unit(ops.tanh)), sized("d k m", (2, 2, 2), (2, 3, 1), (3, 3, 3)), lambda **_: 0),
    Row("tanh with bias", tl.GradientFlow(unit_with_bias(ops.tanh)), sized("d k m", (2, 2, 2)), lambda **_: 0),
    Row("sine with phase", tl.GradientFlow(unit_with_bias(ops.sin)), sized("d k m", (2, 2, 2)), lambda **_: 0,
        remark="r symmetries and no law"),
    Row("SiLU", tl.GradientFlow(unit(silu)), sized("d k m", (2, 2, 2), (3, 3, 3)), lambda **_: 0),
    Row("exponential with bias", tl.GradientFlow(unit_with_bias(ops.exp)), sized("d k m", (2, 2, 2)), lambda k, **_: k),
    Row("Swish with a trained slope", tl.GradientFlow(swish), sized("d k m", (2, 2, 2)), lambda k, **_: k),
    Row("attention, separate factors", tl.GradientFlow(separate_factors), sized("d h T", (3, 2, 2)),
        lambda d, h, T: 2 * q(d, h, d)),
    Row("attention, separate factors, two heads", tl.GradientFlow(separate_heads), sized("H d h T", (2, 4, 2, 2)),
        lambda H, d, h, T: 2 * H * q(d, h, d)),
    Row("softmax attention", tl.GradientFlow(softmax_attention), sized("d h T", (2, 1, 3), (2, 2, 3)),
        lambda d, h, T: 2 * q(d, h, d)),
    Row("attention, separate factors, grouped queries", tl.GradientFlow(grouped_queries),
        sized("G d h T", (2, 3, 2, 2)), lambda G, d, h, T: 2 * q(d, h, G * d),
        remark="group sums over the shared key and value"),
    Row("weight norm g v/|v|", tl.GradientFlow(weight_norm), sized("N", (2,), (3,)), lambda N: 1),
    Row("direction w/|w|", tl.GradientFlow(direction), sized("N", (2,), (3,)), lambda N: 1),
    Row("softmax of weights", tl.GradientFlow(softmax_weights), sized("N", (2,), (3,)), lambda N: 1),
    Row("softmax cross-entropy on the outputs", tl.GradientFlow(two_layers, loss=tl.loss.softmax_cross_entropy),
        sized("d k m", (2, 2, 3)), lambda d, k, m: q(d, k, m - 1) + k,
        remark="the column sums of the last layer are constant"),
    Row("nonnegative factorisation, mirror flow", tl.GradientFlow(two_layers, metric=lambda p: p),
        sized("d k m", (2, 2, 2), (2, 3, 2)), lambda k, **_: k),
    Row("nonnegative factorisation, one input and one output", tl.GradientFlow(two_layers, metric=lambda p: p),
        sized("d k m", (1, 3, 1)), lambda **_: 3, gap=2,
        remark="differences between k of log(u_k/v_k)/(u_k - v_k) are missing"),
    Row("input-convex network, mirror flow", tl.GradientFlow(convex, metric=lambda p: p.replace(W=p.W * 0 + 1)),
        sized("d k m", (2, 2, 2)), lambda k, **_: k),
    Row("weight decay, two-layer linear", tl.GradientFlow(two_layers, weight_decay=lambda c: c.lam, setting=decay),
        sized("d k m", (2, 2, 2), (3, 3, 3)), lambda d, k, m: q(d, k, m), remark="homogeneous laws times exp(2 lam t)"),
    Row("momentum, undamped, two-layer linear", tl.GradientFlow(two_layers, momentum=0),
        sized("d k m", (2, 2, 2), (3, 3, 3)), lambda k, **_: k * (k - 1) // 2),
    Row("momentum, undamped, deep linear", tl.GradientFlow(three_layers, momentum=0), sized("d a b m", (1, 2, 2, 1)),
        lambda **_: 2),
    Row("momentum, undamped, ReLU", tl.GradientFlow(unit(ops.relu), momentum=0), sized("d k m", (2, 2, 2)),
        lambda **_: 0),
    Row("momentum, damped, two-layer linear", tl.GradientFlow(two_layers, momentum=1), sized("d k m", (2, 2, 2)),
        lambda **_: 1),
]  # fmt: skip
