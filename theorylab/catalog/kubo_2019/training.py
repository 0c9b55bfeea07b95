"""Trained networks between their samples.

Protocol, fixed before any run with its seeds. 24 samples in two clusters in 8 dimensions, labels +1 and -1; 64 units,
He's initialization times a scale, biases from 0; 2000 steps of gradient descent on the square loss. How far from
straight: the root mean square distance of f from its chord at t = 1/4, 1/2, 3/4, over all pairs of samples, as a share
of that of f(x1) - f(x0). Almost straight means at most 1/10; a step function between the labels has 0.2. Claimed, as
the paper has it: networks trained from He's initialization are almost straight, training straightens, a larger
initialization and shuffled labels (the same samples, their labels in a random order) bend. 32 runs for each claim, 256
where a difference that may be small is claimed; Student's interval at level 0.99.

Each claim was announced as supported. Refuted was then that trained networks are almost straight: 0.198 in the mean, as
far from straight as a step; the others were supported. `expect` says what was found.
"""

from __future__ import annotations

import math
from typing import Any

import torch

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.kubo_2019.paper import EMPIRICAL
from theorylab.catalog.kubo_2019.segments import network

SEED = 190301997
STRAIGHT = Fraction(1, 10)
STEPS = 2000
LARGE = 4
SAMPLES = 24


def reordered(values, keys):
    """The values in the order of their keys: a random permutation of them for random keys."""

    def place(numbers):
        return ops.step(numbers[:, None] - numbers[None, :]).sum(-1)

    first_to_last = ops.array(list(range(SAMPLES)))
    return ops.relu(1 - abs(place(first_to_last)[:, None] - place(keys)[None, :])) @ values


trained_setting = tl.Setting(
    first_w=tl.var("64 8", tl.draw.normal(0.5)),
    first_a=tl.var("64", tl.draw.normal(math.sqrt(2 / 64))),
    label=tl.var(f"{SAMPLES}", tl.draw.one_of(-1, 1)),
    key=tl.var(f"{SAMPLES}", tl.draw.uniform(0, 1)),
    shuffled=tl.var(f"{SAMPLES}", lambda c: reordered(c.label, c.key)),
    noise=tl.var(f"8 {SAMPLES}", tl.draw.normal()),
    x=tl.var(f"8 {SAMPLES}", lambda c: c.noise + 2 * ops.outer(ops.basis(c.noise[:, 0], 0), c.label)),
)


def start(c, scale=1):
    return {"w": scale * c.first_w, "b": 0 * c.first_a, "a": scale * c.first_a}


def gradient_descent(label, scale):
    """Descent on the labels of this name, with a step that suits the curvature at this scale."""
    flow = tl.GradientFlow(
        network,
        loss=tl.loss.square,
        data=lambda c: (c.x, c[label][None, :]),
        setting=trained_setting.with_(init={n: lambda c, n=n: start(c, scale)[n] for n in ("w", "b", "a")}),
    )
    return flow.euler(Fraction(1, 2048 * scale**2))


def trained(c, label="label", scale=1):
    first: Any = start(c, scale)
    return gradient_descent(label, scale).after(first, c, STEPS)


def bend(p, c):
    """How far from straight the output is between all pairs of samples, as a share of its differences."""
    z = p["w"] @ c.x + p["b"][:, None]
    f = network(p, c.x)[0]
    away = 0
    for t in (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)):
        between = (p["a"][:, None, None] * ops.relu((1 - t) * z[:, :, None] + t * z[:, None, :])).sum(0)
        away = ((between - (1 - t) * f[:, None] - t * f[None, :]) ** 2).sum() + away
    return ops.sqrt(away / (3 * ((f[:, None] - f[None, :]) ** 2).sum()))


def error(p, c, label="label"):
    """The mean square error on the training set."""
    return ((network(p, c.x)[0] - c[label]) ** 2).mean()


def as_module(p):
    """The network as a torch.nn.Module."""
    units, size = p["w"].shape
    hidden = torch.nn.Linear(size, units, dtype=torch.float64)
    out = torch.nn.Linear(units, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        hidden.weight.copy_(p["w"])
        hidden.bias.copy_(p["b"])
        out.weight.copy_(p["a"][None])
    return torch.nn.Sequential(hidden, torch.nn.ReLU(), out)


def between_samples(label, scale, title):
    """The plot of the output between two samples, before and after training."""

    def figure(seed):
        run = tl.simulate(
            gradient_descent(label, scale), dims={"m": 64, "n": 8}, trials=1, seed=seed + SEED, steps=STEPS, times=[0]
        )
        x, y = (run.case[name][0] for name in ("x", label))
        low, high = x[:, y < 0][:, 0], x[:, y > 0][:, 0]
        t = torch.linspace(0, 1, 101, dtype=torch.float64)
        curves, kinks = [], []
        for when, p in (
            ("before training", {n: v[:, 0] for n, v in run.saved.items()}),
            ("after training", run.params),
        ):
            net = as_module({name: value[0] for name, value in p.items()})
            along = tl.measures.along_segment(net, low, high)
            values = net(low + t[:, None] * (high - low)).detach()[:, 0]
            curves.append(tl.Series(when, tuple(t.tolist()), tuple(values.tolist()), "line"))
            if when == "after training":
                curves.append(tl.Series("straight", (0.0, 1.0), (float(values[0]), float(values[-1])), "line"))
            kinks.append(f"{len(along.knots)} kinks with gaps of {float(along.gap_deviation[0]):.2g} {when}")
        return tl.Figure(
            title, "place t on the segment", "output", tuple(curves),
            caption=f"From a sample with label -1 to one with label +1: {', '.join(kinks)}.",
        )  # fmt: skip

    return figure


_protocol = {"confidence": 0.99, "seed": SEED, "source": EMPIRICAL, "expect": "supported"}
_runs = {"samples": 32, **_protocol}

fits = tl.Mean(
    trained_setting,
    lambda c: error(trained(c), c),
    Fraction(1, 20),
    sense="<=",
    name="fits",
    title="Trained networks fit: the mean square error on the training set is at most 1/20",
    statement=r"E\,\tfrac1n\sum_i (f(x_i) - y_i)^2 \le \tfrac1{20}",
    **_runs,
)
straight = tl.Mean(
    trained_setting,
    lambda c: bend(trained(c), c),
    STRAIGHT,
    sense="<=",
    name="trained-networks-are-almost-straight",
    title="Trained from He's initialization, networks are almost straight between samples",
    statement=r"E\,\frac{\|f(x_t) - (1-t) f(x_0) - t f(x_1)\|}{\|f(x_1) - f(x_0)\|} \le \tfrac1{10}"
    r"\quad\text{(root mean squares over pairs of samples and } t = \tfrac14, \tfrac12, \tfrac34)",
    figures=[between_samples("label", 1, "the output between two samples, He's initialization")],
    note="Announced as supported, found to be refuted: 0.198 in the mean, as far from straight as a step (0.2).",
    **{**_runs, "expect": "refuted"},
)
training = tl.Mean(
    trained_setting,
    lambda c: bend(start(c), c) - bend(trained(c), c),
    0,
    sense=">=",
    name="training-straightens",
    title="Training leaves the network straighter between samples than it was",
    statement=r"E\,\mathrm{bend}(\text{start}) \ge E\,\mathrm{bend}(\text{trained})",
    samples=256,
    **_protocol,
)
scale_matters = tl.Mean(
    trained_setting,
    lambda c: bend(trained(c, scale=LARGE), c) - bend(trained(c), c),
    0,
    sense=">=",
    name="larger-start-bends",
    title=f"An initialization {LARGE} times larger leaves the trained network more bent",
    statement=rf"E\,\mathrm{{bend}}(\text{{trained from }} {LARGE}\,\theta_0) \ge E\,\mathrm{{bend}}(\text{{trained}})",
    **_runs,
)
labels_matter = tl.Mean(
    trained_setting,
    lambda c: bend(trained(c, "shuffled"), c) - bend(trained(c), c),
    0,
    sense=">=",
    name="shuffled-labels-bend",
    title="Shuffled labels leave the trained network more bent",
    statement=r"E\,\mathrm{bend}(\text{trained on shuffled labels}) \ge E\,\mathrm{bend}(\text{trained})",
    **_runs,
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    straight.but(
        quantity=lambda c: bend(trained(c, scale=LARGE), c),
        name="almost-straight-from-a-large-start",
        title=f"Networks trained from an initialization {LARGE} times larger are almost straight",
        figures=[between_samples("label", LARGE, "the output between two samples, larger initialization")],
    ),
    straight.but(
        quantity=lambda c: bend(trained(c, "shuffled"), c),
        name="almost-straight-with-shuffled-labels",
        title="Networks trained on shuffled labels are almost straight",
        figures=[between_samples("shuffled", 1, "the output between two samples, shuffled labels")],
    ),
]

claims = [fits, straight, training, scale_matters, labels_matter, controls]
