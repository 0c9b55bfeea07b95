"""The digits of scikit-learn, a small network for them, how it is trained and what is measured of it.

8 x 8 images in [0, 1], 100 to train on and 500 others to test on, the same in every run. Random are the start (normal,
variance 2 / inputs of a layer), the replaced labels and the factors of rescaled units.
"""

from __future__ import annotations

import math
from functools import cache, reduce
from typing import Any

import torch

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.errors import MissingExtra

PIXELS, CLASSES, TRAIN, TEST = 64, 10, 100, 500
WIDTHS = (4, 16, 64, 128)
WIDE = 64
STEPS, RATE = 500, Fraction(1, 5)
REAL, CENSORED, RANDOM = Fraction(0), Fraction(1, 20), Fraction(1)
"""Shares of the labels that are replaced by random ones."""
SEED = 170901953
PROTOCOL: dict[str, Any] = {"samples": 16, "confidence": 0.99, "seed": SEED, "expect": "supported"}
SHOWN = 3
"""Runs in a plot."""

FAR = 10**6
"""More than any score: takes the right class out of a maximum."""


@tl.model(U=f"h {PIXELS}", W=f"{CLASSES} h")
def network(p, x):
    return p.W @ ops.relu(p.U @ x)


@cache
def digits() -> dict[str, Any]:
    """Images x (64, n) and labels y (n,) to train on, unseen_x and unseen_y to test on."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        text = "the digits need scikit-learn, which is not installed: pip install 'theorylab[sklearn]'"
        raise MissingExtra(text) from error
    images, labels = load_digits(return_X_y=True)
    rows = [[Fraction(int(v), 16) for v in image] for image in images[: TRAIN + TEST]]
    seen, other = rows[:TRAIN], rows[TRAIN:]
    own = [int(v) for v in labels[: TRAIN + TEST]]
    found = {"x": seen, "y": own[:TRAIN], "unseen_x": other, "unseen_y": own[TRAIN:]}
    return {name: ops.array(values).mT if "x" in name else ops.array(values) for name, values in found.items()}


def labels(c, share):
    """The labels (n,), a share of them replaced by random ones."""
    return c.y + ops.step(share - c.coin) * (c.label - c.y)


def one_hot(y):
    return ops.stack([ops.relu(1 - abs(y - k)) for k in range(CLASSES)])


def _setting():
    shapes = {"x": f"{PIXELS} {TRAIN}", "y": f"{TRAIN}", "unseen_x": f"{PIXELS} {TEST}", "unseen_y": f"{TEST}"}
    data: dict[str, Any] = {n: tl.var(shape, lambda c, n=n: digits()[n]) for n, shape in shapes.items()}
    starts: dict[str, Any] = {}
    for h in WIDTHS:
        starts[f"U{h}"] = tl.var(f"{h} {PIXELS}", tl.draw.normal((2 / PIXELS) ** 0.5))
        starts[f"W{h}"] = tl.var(f"{CLASSES} {h}", tl.draw.normal((2 / h) ** 0.5))
    return tl.Setting(
        coin=tl.var(f"{TRAIN}", tl.draw.uniform(0, 1)),
        label=tl.var(f"{TRAIN}", tl.draw.integer(0, CLASSES - 1)),
        factor=tl.var(f"{WIDE}", tl.draw.loguniform(1 / 10, 10), positive=True),
        **starts,
        **data,
    )


SETTING = _setting()


def start(c, width) -> Any:
    return {"U": c[f"U{width}"], "W": c[f"W{width}"]}


def rescaled(p, factor) -> Any:
    """The weights into each hidden unit times its factor, those out of it divided by it."""
    return {"U": factor[:, None] * p["U"], "W": p["W"] / factor[None, :]}


def flow(share, first=None):
    """The gradient flow of the mean cross-entropy; `first` gives the start of a case."""
    given: Any = first
    made = {n: lambda c, n=n: given(c)[n] for n in ("U", "W")} if first else {}
    return tl.GradientFlow(
        network,
        loss=tl.loss.softmax_cross_entropy,
        data=lambda c: (c.x, one_hot(labels(c, share))),
        setting=SETTING.with_(init=made),
    )


def gradient_descent(flow):
    return flow.euler(RATE / TRAIN)


def trained(c, width, share):
    """The weights after gradient descent from the start of this width."""
    return gradient_descent(flow(share)).after(start(c, width), c, STEPS)


# --- what is measured -------------------------------------------------------------------------------------------------


def margins(p, x, y):
    """The score of the right class minus the largest other one, (n,)."""
    scores, hot = network(p, x), one_hot(y)
    other = [scores[k] - FAR * hot[k] for k in range(CLASSES)]
    return (scores * hot).sum(0) - reduce(ops.maximum, other)


def test_error(p, c):
    return 1 - ops.step(margins(p, c.unseen_x, c.unseen_y)).mean()


MEASURES = ("l2", "l1 path", "l2 path", "spectral")


def measures(p, c, share) -> Any:
    """(4,): the logarithms of `MEASURES` over the squared mean margin on the training set.

    l2: 16 |U|_F^2 |W|_F^2. l1 path: 16 phi_1^2. l2 path: 16 h k phi_2^2. spectral: h k |U|_2^2 |W|_2^2, with h hidden
    units and k classes.
    """
    margin, units = margins(p, c.x, labels(c, share)).mean(), p["U"].shape[0] * CLASSES
    found = (
        16 * (p["U"] ** 2).sum() * (p["W"] ** 2).sum(),
        16 * (abs(p["W"]) @ abs(p["U"])).sum() ** 2,
        16 * units * ((p["W"] ** 2) @ (p["U"] ** 2)).sum(),
        units * ops.opnorm(p["U"]) ** 2 * ops.opnorm(p["W"]) ** 2,
    )
    return ops.log(ops.vec(*found) / margin**2)


# --- the same of a torch.nn.Module, for plots -------------------------------------------------------------------------


def as_module(p):
    """The network with weights U and W as a torch.nn.Module."""
    layers = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64) for w in (p["U"], p["W"])]
    with torch.no_grad():
        for layer, weight in zip(layers, (p["U"], p["W"]), strict=True):
            layer.weight.copy_(weight)
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])


@cache
def observed(width, share, seed):
    """The mean over some runs of the test error and of the logarithms of `MEASURES`."""
    scheme = gradient_descent(flow(share, lambda c: start(c, width)))
    run = tl.simulate(scheme, dims={"h": width}, trials=SHOWN, seed=seed + SEED, steps=STEPS)
    errors, logarithms = [], []
    for i in range(SHOWN):
        case = {name: values[i] for name, values in run.case.items()}
        net = as_module({name: values[i] for name, values in run.params.items()})
        y = torch.where(case["coin"] < float(share), case["label"], case["y"]).long()
        margin = abs(float(tl.measures.margins(net, case["x"].mT, y).mean()))
        found = tl.measures.norm_measures(net, margin)
        errors.append(tl.measures.margin_loss(net, case["unseen_x"].mT, case["unseen_y"].long()))
        logarithms.append([math.log(m) for m in (found.l2, found.l1_path, found.l2_path, found.spectral)])
    return sum(errors) / SHOWN, torch.tensor(logarithms, dtype=torch.float64).mean(0)
