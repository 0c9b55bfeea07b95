"""One neuron x -> s(<w, x>), and the places of the paper."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops

_paper = tl.paper("vardi-2020", "Implicit regularization in ReLU networks with the square loss", arxiv="2012.05156")
theorem_1 = _paper.claim("Theorem 1")
theorem_3 = _paper.claim("Theorem 3")
theorem_5 = _paper.claim("Theorem 5")
lemma_6 = _paper.claim("Lemma 6")
theorem_8 = _paper.claim("Theorem 8")
lemma_10 = _paper.claim("Lemma 10")
assumption_12 = _paper.claim("Assumption 12")
theorem_14 = _paper.claim("Theorem 14")
figure_1 = _paper.claim("Figure 1")
derived = _paper.claim("", note="derived here")


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


def weights(p):
    return p.w


def dot(a, b):
    return (a * b).sum()


at_zero = tl.Setting(init={"w": 0})
