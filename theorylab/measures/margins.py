"""Margins of a classifier and the capacity measures that are divided by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.networks import dense_layers, double, inputs, outputs
from theorylab.measures.path_norm import path_norm


def classified(network: nn.Module, x: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """The scores (n, classes) of samples x (n, ...), and the labels (n,) as integers."""
    with torch.no_grad():
        scores = outputs(double(network), inputs(x, "x"), "samples")
    y = torch.as_tensor(labels).cpu()
    if scores.ndim != 2 or y.shape != scores.shape[:1]:
        raise InputError(
            f"scores have the shape {tuple(scores.shape)}, labels {tuple(y.shape)}; expected (n, k) and (n,)"
        )
    if not len(scores):
        raise InputError("x holds no samples; expected at least one")
    if scores.shape[1] < 2:
        raise InputError("the network has one output; expected a score for each of two or more classes")
    if y.is_floating_point() or not bool(((y >= 0) & (y < scores.shape[1])).all()):
        raise InputError(f"labels are not all integers from 0 to {scores.shape[1] - 1}; expected one class a sample")
    return scores, y.long()


def margins(network: nn.Module, x: Any, labels: Any) -> Tensor:
    """f(x)[y] - max over j != y of f(x)[j], one a sample, (n,)."""
    scores, y = classified(network, x, labels)
    own = scores.gather(1, y[:, None])[:, 0]
    others = scores.scatter(1, y[:, None], -torch.inf)
    return own - others.max(1).values


def margin_loss(network: nn.Module, x: Any, labels: Any, margin: float = 0.0) -> float:
    """The share of samples with a margin of at most `margin`: L_gamma of the samples; gamma = 0 is the error."""
    if math.isnan(margin):
        raise InputError("margin is nan; expected a number")
    return float((margins(network, x, labels) <= margin).double().mean())


@dataclass(frozen=True)
class NormMeasures:
    """Capacity measures of a chain of Linear and ReLU layers, each divided by the squared margin.

    (Neyshabur, Bhojanapalli, McAllester, Srebro 2017, section 2; formulas as known in the field.)
    l2: prod 4 |W_i|_F^2. l1_path: (sum over paths of prod |2 w|)^2. l2_path: sum over paths of prod 4 h_i w^2.
    spectral: prod h_i |W_i|_2^2, with h_i the number of units that layer i feeds.
    """

    l2: float
    l1_path: float
    l2_path: float
    spectral: float


def norm_measures(network: nn.Sequential, margin: float) -> NormMeasures:
    """The measures for a margin > 0, often the 5th or 10th percentile over the samples; biases are left out."""
    if not margin > 0:
        raise InputError(f"margin is {margin!r}; expected a positive number")
    weights = [w for w, _ in dense_layers(network, "the norm measures")]
    depth, widths = len(weights), [len(w) for w in weights]
    bare = chain(weights)
    shape = weights[0].shape[1:]
    scale = margin**-2
    return NormMeasures(
        l2=scale * math.prod(4 * float(w.square().sum()) for w in weights),
        l1_path=scale * (2**depth * path_norm(bare, shape, 1)) ** 2,
        l2_path=scale * math.prod(4 * h for h in widths) * path_norm(bare, shape, 2) ** 2,
        spectral=scale * math.prod(h * spectral_norm(w) ** 2 for h, w in zip(widths, weights, strict=True)),
    )


def spectral_norm(weight: Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight, 2))


def chain(weights: Sequence[Tensor]) -> nn.Sequential:
    """The network without biases with these weights (out, in), float64."""
    modules: list[nn.Module] = []
    for weight in weights:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
        linear.weight = nn.Parameter(weight.detach().double().clone())
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])
