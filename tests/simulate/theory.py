"""Flows of the literature with solutions in closed form, stated in the public language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import theorylab as tl
from theorylab import ops

log = tl.draw.loguniform


@dataclass(frozen=True)
class Exact:
    """A flow with quantity(p, c) at time t known: solution(case, t) -> (trials, ...); `case` as in a run.

    steps: by order of the method, two numbers of steps between which its order shows.
    """

    name: str
    flow: Any
    quantity: Callable[..., Any]
    solution: Callable[[Mapping[str, Tensor], float], Tensor]
    t_end: float
    dims: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[int, tuple[int, int]] = field(default_factory=lambda: {5: (27, 135), 8: (12, 27)})


def riccati(start: Tensor, plus: Tensor, minus: Tensor, rate: Tensor, t: float) -> Tensor:
    """The solution of z' = -k (z - plus)(z - minus) from `start`, with rate = k (plus - minus)."""
    share = (start - plus) / (start - minus) * torch.exp(-rate * t)
    return (plus - share * minus) / (1 - share)


def hypentropy() -> Exact:
    """u v - e h from u = e, v = h on one sample: beta = k sinh(2 a), z = exp(2 a) solves a Riccati equation.

    Woodworth et al., Kernel and rich regimes, arXiv 2002.09277.
    """

    @tl.model(u="", v="", e="", h="")
    def net(p, x):
        return (p.u * p.v - p.e * p.h) * x

    start = {
        "u": tl.var("", log(0.1, 1)),
        "v": tl.var("", log(0.1, 1)),
        "e": lambda c: c.init.u,
        "h": lambda c: c.init.v,
    }
    setting = tl.Setting(
        init=start, s=tl.var("", tl.draw.uniform(-2, 2)), x=tl.var("1 1", lambda c: c.s[None, None] * 0 + 1)
    )
    flow = tl.GradientFlow(net, loss=tl.loss.square, setting=setting, data=lambda c: (c.x, c.s[None, None]))

    def solution(case: Mapping[str, Tensor], t: float) -> Tensor:
        k, s = case["init.u"] ** 2 + case["init.v"] ** 2, case["s"]
        size = torch.sqrt(s**2 + k**2)
        z = riccati(torch.ones_like(k), (s + size) / k, (s - size) / k, 2 * size, t)
        return k * (z - 1 / z) / 2

    return Exact("hypentropy", flow, lambda p: p.u * p.v - p.e * p.h, solution, 4.0)


def single_neuron() -> Exact:
    """a w with a^2 - w^2 = delta > 0 on one sample: y = tanh(theta / 2) solves a Riccati equation.

    Here a w = delta sinh(theta) / 2.

    Azulay et al., On the implicit bias of initialization shape, arXiv 2102.09769.
    """

    @tl.model(a="", w="")
    def net(p, x):
        return p.a * p.w * x

    setting = tl.Setting(
        init={"a": tl.var("", log(0.7, 1.5)), "w": tl.var("", tl.draw.uniform(-0.5, 0.5))},
        s=tl.var("", log(0.5, 2)), x=tl.var("1 1", lambda c: c.s[None, None] * 0 + 1),
    )  # fmt: skip
    flow = tl.GradientFlow(net, loss=tl.loss.square, setting=setting, data=lambda c: (c.x, c.s[None, None]))

    def solution(case: Mapping[str, Tensor], t: float) -> Tensor:
        a, w, s = case["init.a"], case["init.w"], case["s"]
        delta = a**2 - w**2
        size = torch.sqrt(delta**2 + 4 * s**2)
        y = riccati(w / a, (-delta + size) / (2 * s), (-delta - size) / (2 * s), size, t)
        return delta * y / (1 - y**2)  # sinh(theta) / 2 = tanh(theta / 2) / (1 - tanh^2)

    return Exact("single neuron", flow, lambda p: p.a * p.w, solution, 4.0)


ROTATION = ops.array([[3, -4], [4, 3]])


def factorisation() -> Exact:
    """U U' from alpha I with one measurement A = Q diag(1, -1) Q': alpha exp(4 lambda A), z = exp(4 lambda).

    Gunasekar et al., Implicit regularization in matrix factorization, arXiv 1705.09280.
    """
    frame = ROTATION / 5
    a = frame @ ops.array([[1, 0], [0, -1]]) @ frame.mT

    @tl.model(U="2 2", x="1")
    def net(p, x):
        return (a * (p.U @ p.U.mT)).sum()[None] * x

    setting = tl.Setting(
        init={"U": lambda c: ops.eye(c.init.U) * ops.sqrt(c.alpha)}, alpha=tl.var("", log(0.05, 0.5)),
        y=tl.var("1 1", tl.draw.uniform(-1, 1)),
    )  # fmt: skip
    flow = tl.GradientFlow(net, loss=tl.loss.square, setting=setting, data=lambda c: (c.y * 0 + 1, c.y))

    def solution(case: Mapping[str, Tensor], t: float) -> Tensor:
        alpha, y = case["alpha"], case["y"][:, 0, 0]
        size = torch.sqrt(y**2 + 4 * alpha**2)
        z = riccati(torch.ones_like(y), (y + size) / (2 * alpha), (y - size) / (2 * alpha), 4 * size, t)
        q = torch.tensor([[3.0, -4.0], [4.0, 3.0]], dtype=torch.float64) / 5
        return alpha[:, None, None] * (q @ torch.diag_embed(torch.stack([z, 1 / z], 1)) @ q.T)

    return Exact("matrix factorisation", flow, lambda p: p.U @ p.U.mT, solution, 3.0, {}, {5: (40, 135), 8: (27, 60)})


def sequential() -> Exact:
    """Two layers from e^-delta I: every mode of the product is a logistic curve.

    Gidel, Bach, Lacoste-Julien, Implicit regularization of discrete gradient dynamics, arXiv 1904.13262.
    """

    @tl.model(V="d d", W="d d")
    def net(p, x):
        return p.V @ p.W @ x

    identity = {"V": lambda c: ops.eye(c.init.V) * c.e, "W": lambda c: ops.eye(c.init.W) * c.e}
    setting = tl.Setting(init=identity, e=tl.var("", log(0.05, 0.3)), s=tl.var("d", tl.draw.uniform(0.5, 3)))
    flow = tl.GradientFlow(
        net, loss=tl.loss.square, setting=setting,
        data=lambda c: (ops.eye(c.init.V), ops.eye(c.init.V) * c.s),
    )  # fmt: skip

    def solution(case: Mapping[str, Tensor], t: float) -> Tensor:
        s, u = case["s"], case["e"][:, None] ** 2
        return torch.diag_embed(s / (1 + (s / u - 1) * torch.exp(-2 * s * t)))

    return Exact("sequential learning", flow, lambda p: p.V @ p.W, solution, 3.0, {"d": 3})


def exponential_weights() -> Exact:
    """w = exp(a) on one sample, exponential loss, in the time tau with d tau = L dt: 1 / w_i = 1 / w_i(0) - x_i tau.

    Morwani, Ramaswamy, Inductive bias of gradient descent for exponentially weight normalized nets, arXiv 2010.12909.
    """

    @tl.model(a="d")
    def net(p, x):
        return ops.exp(p.a)[None, :] @ x

    setting = tl.Setting(init={"a": tl.draw.uniform(-1, 0)}, x=tl.var("d 1", log(0.2, 1)))
    flow = tl.GradientFlow(
        net, loss=tl.loss.exponential, setting=setting, data=lambda c: (c.x, (c.x * 0 + 1).mean(-2, keepdims=True))
    ).normalised()

    def solution(case: Mapping[str, Tensor], t: float) -> Tensor:
        return 1 / (torch.exp(-case["init.a"]) - case["x"][..., 0] * t)

    return Exact("exponential weights", flow, lambda p: ops.exp(p.a), solution, 0.8, {"d": 3}, {5: (4, 135), 8: (4, 8)})


FLOWS = (hypentropy(), single_neuron(), factorisation(), sequential(), exponential_weights())


# One ReLU neuron from w = 0 on X_gamma = (3, -1, 0), (4, 2, 0), (0, gamma, gamma), y = (16, 18, 0), gate 1 at 0: the
# limit is (5, -1, s). Vardi, Shamir, Implicit regularization in ReLU networks with the square loss, arXiv 2012.05156,
# theorem 3; the values of s by its two closed phases, to 15 digits.
VARDI = {1: -0.0407729197666735, 5: -0.209048812305405}


@tl.model(w="d")
def neuron(p, x):
    return ops.relu(p.w[None, :] @ x)


def vardi(gamma: int) -> Any:
    x = [[3, 4, 0], [-1, 2, gamma], [0, 0, gamma]]
    return tl.GradientFlow(
        neuron, loss=tl.loss.square, data=(x, [[16, 18, 0]]), gates=1, setting=tl.Setting(init={"w": 0})
    )
