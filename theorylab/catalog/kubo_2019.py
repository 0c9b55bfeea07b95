"""Kubo, Banno, Manabe, Minoji: a rectifier network is almost straight between its samples.

On the segment x(t) = x0 + t (x1 - x0) the output is piecewise linear. Where unit j switches, the slope jumps by a gap.
The definitions are operational: gradient gap deviation is the standard deviation of the gaps, gradient deflection their
sum. `tl.measures.along_segment` computes them for a torch.nn.Module of any depth; here they are formulas for one hidden
layer, f(x) = sum_j a_j relu(z_j), z = w x + b.
"""

from __future__ import annotations

import math

import torch

import theorylab as tl
from theorylab import Fraction, ops

_paper = tl.paper("kubo-2019", "Implicit regularization in over-parameterized neural networks", arxiv="1903.01997")
_derived = _paper.claim("", note="operational definitions, formula derived here")
_empirical = _paper.claim("", note="after the paper's main finding; the protocol is this module's")

PI = Fraction(math.pi)

# --- one hidden layer along a segment ---------------------------------------------------------------------------------


@tl.model(w="m n", b="m", a="m")
def network(p, x):
    return p.a[None, :] @ ops.relu(p.w @ x + p.b[:, None])


segment = tl.Setting(w=tl.var("m n"), b=tl.var("m"), a=tl.var("m"), x0=tl.var("n"), x1=tl.var("n"))


def output(c, x):
    """f(x), a scalar."""
    return network(c, x[:, None]).sum()


def slope(c, x):
    """The slope of the output along the segment, at a point x of it."""
    return ops.derivative(lambda q: output(c, q["x"]), {"x": x}, {"x": c.x1 - c.x0})


def inputs(c, x):
    """What the units see, z (m,)."""
    return c.w @ x + c.b


def turns(c):
    """(m,): 1 where a unit switches on along the segment, -1 where it switches off, 0 where it does not switch."""
    return ops.step(inputs(c, c.x1)) - ops.step(inputs(c, c.x0))


def gaps(c):
    """The jump of the slope at the kink of each unit, (m,); 0 for a unit that does not switch."""
    return c.a * turns(c) * (inputs(c, c.x1) - inputs(c, c.x0))


telescoping = tl.Identity(
    segment,
    lambda c: gaps(c).sum(),
    lambda c: slope(c, c.x1) - slope(c, c.x0),
    name="telescoping",
    title="The gradient deflection is the sum of the gradient gaps",
    statement=r"\sum_j \mathrm{gap}_j = f'(1^-) - f'(0^+),\quad "
    r"\mathrm{gap}_j = a_j\,\Delta h_j\,\langle w_j, x_1 - x_0\rangle",
    source=_derived,
    expect="proved",
)
both_directions = tl.Inequality(
    segment,
    lambda c: turns(c) * (inputs(c, c.x1) - inputs(c, c.x0)),
    name="both-directions",
    title="A unit bends the output by the sign of its weight, whichever way it switches",
    statement=r"\Delta h_j\,\langle w_j, x_1 - x_0\rangle \ge 0",
    source=_derived,
    expect="proved",
)
size_of_a_gap = tl.Identity(
    segment,
    gaps,
    lambda c: c.a * abs(turns(c)) * abs(inputs(c, c.x1) - inputs(c, c.x0)),
    name="size-of-a-gap",
    title="The gap of a unit that switches is its output weight times |<w, x1 - x0>|",
    statement=r"\mathrm{gap}_j = a_j\,|\langle w_j, x_1 - x_0\rangle|\;[\,\text{unit } j \text{ switches}\,]",
    source=_derived,
    expect="supported",
)
end_point = tl.Identity(
    segment,
    lambda c: output(c, c.x1),
    lambda c: output(c, c.x0) + slope(c, c.x0) + (c.a * turns(c) * inputs(c, c.x1)).sum(),
    name="end-point",
    title="The output leaves its first tangent by each gap times the rest of the segment after its kink",
    statement=r"f(x_1) = f(x_0) + f'(0^+) + \sum_j \mathrm{gap}_j\,(1 - t_j),\quad "
    r"\langle w_j, x_1 - x_0\rangle\,(1 - t_j) = z_j(x_1)",
    source=_derived,
    expect="proved",
)

# --- random networks --------------------------------------------------------------------------------------------------


def unit(v):
    return v / ops.norm(v)


_directions = {
    "u": tl.var("n"),
    "v": tl.var("n"),
    "theta": tl.var(draw=tl.draw.uniform(0.25, 3)),
    "x0": tl.var("n", lambda c: unit(c.u)),
    "x1": tl.var("n", lambda c: ops.cos(c.theta) * c.x0 + ops.sin(c.theta) * unit(c.v - ops.dot(c.v, c.x0) * c.x0)),
}


def gaussian(m, weights=lambda c: c.sigma_w, outputs=lambda c: c.sigma_a):
    """Networks with m units and independent normal weights, without biases, on unit vectors at the angle theta."""
    return tl.Setting(
        sigma_w=tl.var(draw=tl.draw.uniform(0.5, 2)),
        sigma_a=tl.var(draw=tl.draw.uniform(0.25, 1)),
        w_normal=tl.var(f"{m} n", tl.draw.normal()),
        a_normal=tl.var(f"{m}", tl.draw.normal()),
        **_directions,
        w=tl.var(f"{m} n", lambda c: weights(c) * c.w_normal),
        a=tl.var(f"{m}", lambda c: outputs(c) * c.a_normal),
        b=tl.var(f"{m}", lambda c: 0 * c.a_normal),
    )


def he(m):
    """He's initialization at width m: the variances 2 / n and 2 / m."""
    return gaussian(m, lambda c: ops.sqrt(Fraction(2) / c.u.shape[0]), lambda c: ops.sqrt(Fraction(2, m)))


def spread(c):
    """4 / pi sin^2(theta / 2) (theta + sin theta): E <w, x1 - x0>^2 over the units that switch, at variance 1."""
    return 4 / PI * ops.sin(c.theta / 2) ** 2 * (c.theta + ops.sin(c.theta))


WIDTH = 64
_over = ("w_normal", "a_normal")
_protocol = {"over": _over, "groups": 2, "margin": 0.02, "source": _derived, "expect": "supported"}

kinks = tl.Mean(
    gaussian(WIDTH),
    lambda c: abs(turns(c)).mean() / (c.theta / PI),
    1,
    samples=2**14,
    name="kinks",
    title="The probability that a random unit switches is theta / pi",
    statement=r"P(\text{kink}) = \theta / \pi,\quad |x_0| = |x_1| = 1,\; \cos\theta = \langle x_0, x_1\rangle",
    **_protocol,
)
closed_form = tl.Mean(
    gaussian(WIDTH),
    lambda c: (gaps(c) ** 2).sum() / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * spread(c)),
    1,
    samples=2**15,
    name="closed-form",
    title="The mean of the sum of squared gaps over random networks, in closed form",
    statement=r"E \sum_j \mathrm{gap}_j^2 = "
    r"m\,\sigma_a^2 \sigma_w^2\,\tfrac{4}{\pi}\sin^2\tfrac\theta2\,(\theta + \sin\theta)",
    **_protocol,
)
deflection_variance = closed_form.but(
    quantity=lambda c: gaps(c).sum() ** 2 / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * spread(c)),
    samples=2**17,
    margin=0.03,
    control_of=None,
    name="deflection-variance",
    title="The gradient deflection has the same second moment",
    statement=r"\mathrm{Var} \sum_j \mathrm{gap}_j = E \sum_j \mathrm{gap}_j^2",
    expect="supported",
)


def he_value(c):
    return 4 / Fraction(c.u.shape[0]) * spread(c)


width = {
    m: tl.Mean(
        he(m),
        lambda c: (gaps(c) ** 2).sum() / he_value(c),
        1,
        samples=2**21 // m,
        name=f"he-{m}",
        title=f"He's initialization: the sum of squared gaps does not depend on the width (m = {m})",
        statement=r"E \sum_j \mathrm{gap}_j^2 = \frac{16}{\pi n}\sin^2\tfrac\theta2\,(\theta + \sin\theta)",
        **_protocol,
    )
    for m in (64, 256, 1024)
}
UNITS = 64
widening = tl.Setting(
    width=tl.var(draw=tl.draw.ladder(16, 4096), to=math.inf, positive=True),
    w_normal=tl.var(f"{UNITS} n", tl.draw.normal()),
    a_normal=tl.var(f"{UNITS}", tl.draw.normal()),
    **_directions,
    w=tl.var(f"{UNITS} n", lambda c: ops.sqrt(Fraction(2) / c.u.shape[0]) * c.w_normal),
    a=tl.var(f"{UNITS}", lambda c: ops.sqrt(2 / c.width) * c.a_normal),
    b=tl.var(f"{UNITS}", lambda c: 0 * c.a_normal),
)


def gap_deviation(c):
    """The standard deviation of the gaps over the kinks."""
    count = abs(turns(c)).sum()
    mean = gaps(c).sum() / count
    return ops.sqrt((abs(turns(c)) * (gaps(c) - mean) ** 2).sum() / count)


per_kink = tl.Scaling(
    widening,
    gap_deviation,
    -Fraction(1, 2),
    "width",
    name="gap-deviation-in-the-width",
    title="He's initialization: the gradient gap deviation falls like the inverse root of the width",
    statement=r"\mathrm{std}_j(\mathrm{gap}_j) = O(m^{-1/2})",
    note=f"A sample of {UNITS} units, whose output weights have the variance 2 / m of a network of width m.",
    source=_derived,
    expect="supported",
)

# --- trained networks -------------------------------------------------------------------------------------------------
#
# Protocol. Two clusters of 24 samples in 8 dimensions, labels +1 and -1; 64 units, He's initialization times a scale,
# biases from 0; 2000 steps of gradient descent on the square loss. How far from straight: the root mean square
# distance of f from its chord at t = 1/4, 1/2, 3/4, over all pairs of samples, as a share of that of f(x1) - f(x0).
# Almost straight means at most STRAIGHT; a step function between the labels has 0.2. All bounds below were fixed before
# any of these runs; what a claim below expects (`expect`) is what they then found.

STRAIGHT = Fraction(1, 10)
STEPS = 2000
LARGE = 4
trained_setting = tl.Setting(
    first_w=tl.var("64 8", tl.draw.normal(0.5)),
    first_a=tl.var("64", tl.draw.normal(math.sqrt(2 / 64))),
    label=tl.var("24", tl.draw.one_of(-1, 1)),
    coin=tl.var("24", tl.draw.one_of(-1, 1)),
    noise=tl.var("8 24", tl.draw.normal()),
    x=tl.var("8 24", lambda c: c.noise + 2 * ops.outer(ops.basis(c.noise[:, 0], 0), c.label)),
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
    return gradient_descent(label, scale).after(start(c, scale), c, STEPS)


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
        hidden.weight.set_(p["w"]), hidden.bias.set_(p["b"]), out.weight.set_(p["a"][None])
    return torch.nn.Sequential(hidden, torch.nn.ReLU(), out)


def between_samples(label, scale, title):
    """The plot of the output between two samples, before and after training."""

    def figure(seed):
        run = tl.simulate(
            gradient_descent(label, scale), dims={"m": 64, "n": 8}, trials=1, seed=seed, steps=STEPS, times=[0]
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
            kinks.append(f"{len(along.knots)} kinks with gaps of {float(along.gap_deviation[0]):.2g} {when}")
        return tl.Figure(
            title, "place t on the segment", "output", tuple(curves),
            caption=f"From a sample with label -1 to one with label +1: {', '.join(kinks)}.",
        )  # fmt: skip

    return figure


_runs = {"samples": 32, "confidence": 0.99, "source": _empirical}

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
    expect="refuted",
    **_runs,
)
training = tl.Mean(
    trained_setting,
    lambda c: bend(start(c), c) - bend(trained(c), c),
    0,
    sense=">=",
    name="training-straightens",
    title="Training leaves the network straighter between samples than it was",
    statement=r"E\,\mathrm{bend}(\text{start}) \ge E\,\mathrm{bend}(\text{trained})",
    **_runs,
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
    lambda c: bend(trained(c, "coin"), c) - bend(trained(c), c),
    0,
    sense=">=",
    name="random-labels-bend",
    title="Random labels leave the trained network more bent",
    statement=r"E\,\mathrm{bend}(\text{trained on random labels}) \ge E\,\mathrm{bend}(\text{trained})",
    **_runs,
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    telescoping.but(
        lhs=lambda c: (c.a * turns(c) ** 2 * (inputs(c, c.x1) - inputs(c, c.x0))).sum(),
        name="telescoping-unsigned",
        title="The sum of a <w, x1 - x0> over the units that switch, without the direction of the switch",
    ),
    end_point.but(
        rhs=lambda c: output(c, c.x0) + slope(c, c.x0),
        name="straight",
        title="Every network is straight between any two points",
    ),
    kinks.but(
        quantity=lambda c: abs(turns(c)).mean() / (c.theta / (2 * PI)),
        samples=2**10,
        name="kinks-half",
        title="The probability that a random unit switches is theta / 2 pi",
    ),
    closed_form.but(
        quantity=lambda c: (
            (gaps(c) ** 2).sum()
            / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * 4 / PI * ops.sin(c.theta / 2) ** 2 * (c.theta - ops.sin(c.theta)))
        ),
        samples=2**10,
        name="closed-form-sign",
        title="theta - sin theta in the closed form",
    ),
    width[256].but(
        quantity=lambda c: (gaps(c) ** 2).sum() / (he_value(c) * 64 / 256),
        samples=2**10,
        name="he-shrinks",
        title="He's initialization: the sum of squared gaps falls like the inverse width, from m = 64 to 256",
    ),
    per_kink.but(exponent=-1, name="gap-deviation-inverse", title="The gap deviation falls like the inverse width"),
    straight.but(
        quantity=lambda c: bend(trained(c, scale=LARGE), c),
        name="almost-straight-from-a-large-start",
        title=f"Networks trained from an initialization {LARGE} times larger are almost straight",
        figures=[between_samples("label", LARGE, "the output between two samples, larger initialization")],
    ),
    straight.but(
        quantity=lambda c: bend(trained(c, "coin"), c),
        name="almost-straight-with-random-labels",
        title="Networks trained on random labels are almost straight",
        figures=[between_samples("coin", 1, "the output between two samples, random labels")],
    ),
]
