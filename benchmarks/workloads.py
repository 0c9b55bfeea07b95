"""The workloads of the ensemble benchmarks: a flow of theorylab, and the same rates in array code for the peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import theorylab as tl
from theorylab import ops

RTOL, ATOL = 1e-6, 1e-9


@dataclass(frozen=True)
class Workload:
    """`rates` maps one state (D,) or a batch (B, D) to its derivative, for numpy, torch and jax alike.

    convert brings its constants to the arrays of a library. operations: fused multiply-adds and other arithmetic of one
    evaluation as it stands in `rates`, 0 where they were not counted.
    """

    name: str
    flow: Any
    dims: Mapping[str, int]
    initial: Mapping[str, np.ndarray]
    t_end: float
    rates: Callable[[Any, Callable[[np.ndarray], Any]], Any]
    operations: int = 0

    @property
    def states(self) -> np.ndarray:
        """(B, D), in the order of theorylab."""
        return np.concatenate([self.initial[n].reshape(len(self.initial[n]), -1) for n in self.flow.state], 1)


@tl.model(u="d", v="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u * p.u - p.v * p.v)[None, :] @ x


@tl.model(W="k d", a="k")
def two_layer(p: Any, x: Any) -> Any:
    return p.a[None, :] @ (p.W @ x)


@tl.model(W="k d", a="k")
def relu_net(p: Any, x: Any) -> Any:
    return p.a[None, :] @ ops.relu(p.W @ x)


@tl.model(W="k d", a="k")
def two_layer_relu(p: Any, x: Any) -> Any:
    return p.a[None, :] @ ops.relu(p.W @ x)


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


@tl.model(W1="k k", W2="k k", W3="k k", x="2 k")
def completion(p: Any, x: Any) -> Any:
    """The entry of the product whose row and column the sample names."""
    return (x[0] * (p.W3 @ (p.W2 @ (p.W1 @ x[1])))).sum()[None]


def workload_a(trials: int, t_end: float = 1000.0, name: str = "A") -> Workload:
    """Diagonal linear net u*u - v*v with 40 coordinates on 12 samples, from about 1e-3."""
    noise = np.random.default_rng(0)
    x = noise.standard_normal((12, 40))
    target = np.zeros(40)
    target[:3] = 1.0, -0.7, 0.5
    x, y = x / np.sqrt(12), x @ target / np.sqrt(12)

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        u, v = state[..., :40], state[..., 40:]
        force = ((u * u - v * v) @ convert(x.T) - convert(y)) @ convert(2 * x)
        return _join([-force * u, force * v])

    initial = {n: 1e-3 * np.exp(0.3 * noise.standard_normal((trials, 40))) for n in ("u", "v")}
    flow = tl.GradientFlow(diagonal, loss=tl.loss.square, data=(x.T, y[None]))
    return Workload(f"{name}, {trials}", flow, {"d": 40}, initial, t_end, rates, 2 * 12 * 40 + 4 * 40)


def _unfit(seed: int, trials: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """20 samples (20, 5) with targets (20,) that 16 units cannot fit, and starts of the units."""
    noise = np.random.default_rng(seed)
    x = noise.standard_normal((20, 5))
    w, other = noise.standard_normal((2, 5)) / np.sqrt(5)
    y = np.maximum(x @ w, 0) - 0.3 * x @ other
    start = {"W": noise.standard_normal((trials, 16, 5)) / np.sqrt(5), "a": noise.standard_normal((trials, 16)) / 4}
    return x / np.sqrt(20), y / np.sqrt(20), start


def workload_bl(trials: int) -> Workload:
    """Linear 5-16-1 on 20 samples whose targets it cannot fit."""
    x, y, initial = _unfit(1, trials)

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        weights, a = state[..., :80].reshape((*state.shape[:-1], 16, 5)), state[..., 80:]
        hidden = weights @ convert(x.T)
        residual = (a[..., None, :] @ hidden)[..., 0, :] - convert(y)
        pull = (residual @ convert(x))[..., None, :]
        inner = (a[..., :, None] * pull).reshape((*state.shape[:-1], 80))
        return _join([-inner, -(hidden @ residual[..., :, None])[..., 0]])

    flow = tl.GradientFlow(two_layer, loss=tl.loss.square, data=(x.T, y[None]))
    return Workload(f"BL, {trials}", flow, {"d": 5, "k": 16}, initial, 100.0, rates)


def workload_noisy(trials: int) -> Workload:
    """ReLU 5-16-1 on 20 samples with targets that it cannot fit: nearly every trajectory slides along kinks."""
    x, y, initial = _unfit(4, trials)

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        weights, a = state[..., :80].reshape((*state.shape[:-1], 16, 5)), state[..., 80:]
        hidden = weights @ convert(x.T)
        active = hidden > 0
        residual = (a[..., None, :] @ (hidden * active))[..., 0, :] - convert(y)
        pull = (residual[..., None, :] * active) @ convert(x)
        inner = (a[..., :, None] * pull).reshape((*state.shape[:-1], 80))
        return _join([-inner, -((hidden * active) @ residual[..., :, None])[..., 0]])

    flow = tl.GradientFlow(relu_net, loss=tl.loss.square, data=(x.T, y[None]))
    return Workload(f"noisy ReLU 5-16-1, {trials}", flow, {"d": 5, "k": 16}, initial, 100.0, rates)


def workload_c(trials: int) -> Workload:
    """Completion of a 10 x 10 matrix of rank 2, half of it seen, by a product of three factors."""
    noise = np.random.default_rng(2)
    seen = (noise.permutation(100) < 50).reshape(10, 10).astype(int)
    target = noise.standard_normal((10, 2)) @ noise.standard_normal((2, 10))

    rows, columns = np.nonzero(seen)
    entries = np.stack([np.eye(10)[:, rows], np.eye(10)[:, columns]])

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        w1, w2, w3 = (state[..., i : i + 100].reshape((*state.shape[:-1], 10, 10)) for i in (0, 100, 200))
        inner, outer = w2 @ w1, w3 @ w2
        gap = (w3 @ inner - convert(target)) * convert(seen.astype(float))
        parts = [_turn(outer) @ gap, _turn(w3) @ gap @ _turn(w1), gap @ _turn(inner)]
        return _join([-part.reshape((*state.shape[:-1], 100)) for part in parts])

    initial = {f"W{i}": 0.1 * noise.standard_normal((trials, 10, 10)) for i in (1, 2, 3)}
    flow = tl.GradientFlow(completion, loss=tl.loss.square, data=(entries, target[rows, columns][None]))
    return Workload(f"C, {trials}", flow, {"k": 10}, initial, 300.0, rates)


def workload_d(trials: int) -> Workload:
    """One ReLU neuron, 5 weights, 10 samples."""
    noise = np.random.default_rng(3)
    x = noise.standard_normal((10, 5))
    x, y = x / np.sqrt(10), np.maximum(x @ noise.standard_normal(5), 0) / np.sqrt(10)

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        z = state @ convert(x.T)
        active = z > 0
        return -((z * active - convert(y)) * active) @ convert(x)

    flow = tl.GradientFlow(neuron, loss=tl.loss.square, data=(x.T, y[None]))
    return Workload(f"D, {trials}", flow, {"d": 5}, {"w": noise.standard_normal((trials, 5))}, 50.0, rates)


def workload_relu(trials: int) -> Workload:
    """ReLU 5-16-1 on 20 samples whose targets it cannot fit: most trajectories slide along kinks."""
    x, y, initial = _unfit(4, trials)

    def rates(state: Any, convert: Callable[[np.ndarray], Any]) -> Any:
        raise NotImplementedError("no peer follows a sliding trajectory")

    flow = tl.GradientFlow(two_layer_relu, loss=tl.loss.square, data=(x.T, y[None]))
    return Workload(f"ReLU, {trials}", flow, {"d": 5, "k": 16}, initial, 100.0, rates)


def _turn(matrix: Any) -> Any:
    return matrix.swapaxes(-1, -2)


def _join(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, -1)
    if type(parts[0]).__module__.startswith("torch"):
        import torch

        return torch.cat(parts, -1)
    import jax.numpy

    return jax.numpy.concatenate(parts, -1)
