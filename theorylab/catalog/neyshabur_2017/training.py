"""Path-SGD against gradient descent in training, from balanced and from badly scaled starts.

Protocol of the claims on the digits, fixed before any run with its seeds. 64 hidden units, real labels, 500 steps of
size 1/5 for both (chosen, like the range of the factors, with other seeds). A balanced start is normal with variance
2 / inputs of a layer; a badly scaled one is the same function with the unit i rescaled by a factor from 1/10 to 10,
uniform in its logarithm. 16 runs, Student's interval at level 0.99.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.neyshabur_2017 import digits
from theorylab.catalog.neyshabur_2017.digits import PROTOCOL, REAL, SETTING, STEPS, WIDE, start
from theorylab.catalog.neyshabur_2017.paper import EXPERIMENT, FACTOR, PATH_SGD

# --- one hidden layer -------------------------------------------------------------------------------------------------


def gamma(p):
    """The squared paths through each weight, without itself."""
    return {"U": (p.W**2).sum(0)[:, None] + 0 * p.U, "W": (p.U**2).sum(-1)[None, :] + 0 * p.W}


def path_sgd(flow, rate):
    """The scheme w <- w - rate / gamma(w) dL/dw."""

    def step(p, c):
        descent, scale = flow.field(p, c), gamma(p)
        return {n: p[n] + rate * descent[n] / scale[n] for n in p}

    return tl.Scheme(step, flow=flow)


# --- the whole trajectory ---------------------------------------------------------------------------------------------


@tl.model(U="h d", W="k h")
def network(p, x):
    return p.W @ ops.relu(p.U @ x)


ROUNDS, SLOW = 10, Fraction(1, 100)
regression = tl.GradientFlow(
    network, loss=tl.loss.square, setting=tl.Setting(s=tl.var("h", FACTOR, positive=True))
)  # fmt: skip


def later(scheme, p, c):
    """The weights after some steps from p rescaled by s, and those after the same steps from p."""
    own: Any = {n: p[n] for n in p}
    return scheme.after(digits.rescaled(own, c.s), c, ROUNDS), scheme.after(own, c, ROUNDS)


def weights(p):
    """Into each hidden unit and out of it, (h, d + k)."""
    return ops.concat([p["U"], p["W"].mT], -1)


trajectory = tl.Identity(
    regression,
    lambda p, c: weights(later(path_sgd(regression, SLOW), p, c)[0]),
    lambda p, c: weights(digits.rescaled(later(path_sgd(regression, SLOW), p, c)[1], c.s)),
    name="path-sgd-trajectory",
    title=f"{ROUNDS} steps of Path-SGD from rescaled weights give the rescaled result",
    statement=r"T(\mathrm{PathSGD}^n(w)) = \mathrm{PathSGD}^n(T(w)),\quad n = 10",
    note="Each step is proved on its own (path-sgd-u, path-sgd-v, path-sgd-w), so it holds for every number of steps.",
    source=PATH_SGD,
    expect="supported",
)

# --- test error on the digits -----------------------------------------------------------------------------------------

RULES = {
    "Path-SGD": lambda flow: path_sgd(flow, digits.RATE / digits.TRAIN),
    "gradient descent": digits.gradient_descent,
}


def first(c, badly_scaled) -> Any:
    return digits.rescaled(start(c, WIDE), c.factor) if badly_scaled else start(c, WIDE)


def error(c, rule, badly_scaled):
    """The test error after training."""
    return digits.test_error(RULES[rule](digits.flow(REAL)).after(first(c, badly_scaled), c, STEPS), c)


@cache
def course(rule, badly_scaled, seed):
    """(steps, training loss, test error) along one run."""
    times = list(range(0, STEPS + 1, 20))
    scheme = RULES[rule](digits.flow(REAL, lambda c: first(c, badly_scaled)))
    run = tl.simulate(scheme, dims={"h": WIDE}, trials=1, seed=seed + digits.SEED, steps=STEPS, times=times)
    case = {name: values[0] for name, values in run.case.items()}
    losses, errors = [], []
    for k in range(len(times)):
        net = digits.as_module({name: values[0, k] for name, values in run.saved.items()})
        losses.append(float(torch.nn.functional.cross_entropy(net(case["x"].mT), case["y"].long()).detach()))
        errors.append(tl.measures.margin_loss(net, case["unseen_x"].mT, case["unseen_y"].long()))
    return tuple(map(float, times)), tuple(losses), tuple(errors)


def courses(which, label, yscale: Any = "linear"):
    """The plot of one of the two along the steps, for both rules and both starts."""

    def figure(seed):
        curves = []
        for rule in RULES:
            for badly_scaled in (False, True):
                found = course(rule, badly_scaled, seed)
                name = f"{rule}, {'badly scaled' if badly_scaled else 'balanced'}"
                curves.append(tl.Series(name, found[0], found[which], "line"))
        return tl.Figure(
            f"{label}: Path-SGD and gradient descent", "step", label, tuple(curves), yscale=yscale,
            caption="The curves of Path-SGD from both starts are one.",
        )  # fmt: skip

    return figure


badly_scaled = tl.Mean(
    SETTING,
    lambda c: error(c, "gradient descent", True) - error(c, "Path-SGD", True),
    0,
    sense=">=",
    name="path-sgd-badly-scaled",
    title="Digits, badly scaled start: the test error of Path-SGD is at most that of gradient descent",
    statement=r"E[\mathrm{err}_{\mathrm{GD}} - \mathrm{err}_{\mathrm{PathSGD}}] \ge 0",
    figures=[
        courses(1, "training loss", "log"),
        courses(2, "test error"),
    ],
    source=EXPERIMENT,
    **PROTOCOL,
)
balanced = tl.Mean(
    SETTING,
    lambda c: error(c, "Path-SGD", False) - error(c, "gradient descent", False),
    Fraction(1, 50),
    sense="<=",
    name="path-sgd-balanced",
    title="Digits, balanced start: the test error of Path-SGD is at most that of gradient descent and a fiftieth",
    statement=r"E[\mathrm{err}_{\mathrm{PathSGD}} - \mathrm{err}_{\mathrm{GD}}] \le \tfrac1{50}",
    source=EXPERIMENT,
    **PROTOCOL,
)
no_difference = tl.Mean(
    SETTING,
    lambda c: abs(error(c, "Path-SGD", True) - error(c, "Path-SGD", False)),
    Fraction(1, 500),
    sense="<=",
    name="path-sgd-test-error-rescaled",
    title="Digits: bad scaling of the start moves the test error of Path-SGD by at most one image in 500, in the mean",
    statement=r"E\,|\mathrm{err}(T(w)) - \mathrm{err}(w)| \le \tfrac1{500}",
    source=EXPERIMENT,
    **PROTOCOL,
)
difference = no_difference.but(
    quantity=lambda c: abs(error(c, "gradient descent", True) - error(c, "gradient descent", False)),
    name="sgd-test-error-rescaled",
    title="Digits: bad scaling of the start moves the test error of gradient descent by at most one image in 500",
)

claims = [trajectory, badly_scaled, balanced, no_difference, difference]
