"""The experiments at laptop size: networks of two widths on the digits of scikit-learn, real and random labels.

Protocol of every claim: 8 x 8 digits in [0, 1], 100 images to train on and 500 others to test on, the same in every
run. Random are the initialization (normal, variance 2 / inputs of a layer) and the replaced labels. 500 steps of
gradient descent with step 0.2 on the mean cross-entropy. 16 runs, Student's interval at level 0.99.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import Any

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.neyshabur_2017.paper import EXPERIMENT
from theorylab.errors import MissingExtra

PIXELS, CLASSES, TRAIN, TEST = 64, 10, 100, 500
NARROW, WIDE = 4, 64
STEPS, RATE = 500, Fraction(1, 5)
RUNS, LEVEL = 16, 0.99


FAR = 10**6
"""More than any score: takes the right class out of a maximum."""


@tl.model(U=f"h {PIXELS}", W=f"{CLASSES} h")
def network(p, x):
    return p.W @ ops.relu(p.U @ x)


@cache
def digits() -> tuple[Any, list[int], Any, list[int]]:
    """Images (64, n) and their labels, to train on and to test on."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        text = "the digits need scikit-learn, which is not installed: pip install 'theorylab[sklearn]'"
        raise MissingExtra(text) from error
    images, labels = load_digits(return_X_y=True)
    rows = [[Fraction(int(v), 16) for v in image] for image in images[: TRAIN + TEST]]
    seen, other = rows[:TRAIN], rows[TRAIN:]
    own = [int(v) for v in labels[: TRAIN + TEST]]
    return ops.array(seen).mT, own[:TRAIN], ops.array(other).mT, own[TRAIN:]


def labels(c, share):
    """The labels (n,), a share of them replaced by random ones."""
    own = ops.array(digits()[1])
    return own + ops.step(share - c.coin) * (c.label - own)


def one_hot(y):
    return ops.stack([ops.relu(1 - abs(y - k)) for k in range(CLASSES)])


def setting():
    starts = {}
    for h in (NARROW, WIDE):
        starts[f"U{h}"] = tl.var(f"{h} {PIXELS}", tl.draw.normal((2 / PIXELS) ** 0.5))
        starts[f"W{h}"] = tl.var(f"{CLASSES} {h}", tl.draw.normal((2 / h) ** 0.5))
    return tl.Setting(
        coin=tl.var(f"{TRAIN}", tl.draw.uniform(0, 1)),
        label=tl.var(f"{TRAIN}", tl.draw.integer(0, CLASSES - 1)),
        **starts,
    )


def trained(c, width, share):
    """The weights after gradient descent from the start of this width."""
    flow = tl.GradientFlow(
        network,
        loss=tl.loss.softmax_cross_entropy,
        data=lambda c: (digits()[0], one_hot(labels(c, share))),
        setting=SETTING,
    )
    start: Any = {"U": c[f"U{width}"], "W": c[f"W{width}"]}
    return flow.euler(RATE / TRAIN).after(start, c, STEPS)


def margins(p, x, y):
    """The score of the right class minus the largest other one, (n,)."""
    scores, hot = network(p, x), one_hot(y)
    other = [scores[k] - FAR * hot[k] for k in range(CLASSES)]
    return (scores * hot).sum(0) - reduce(ops.maximum, other)


def test_error(p):
    _, _, x, y = digits()
    return 1 - ops.step(margins(p, x, ops.array(y))).mean()


def path_measure(c, width, share):
    """The logarithm of 4 h 4 k phi_2^2 over the squared mean margin on the training set."""
    p = trained(c, width, share)
    paths = ((p.W**2) @ (p.U**2)).sum()
    margin = margins(p, digits()[0], labels(c, share)).mean()
    return ops.log(16 * width * CLASSES * paths / margin**2)


def error_grows(share):
    return lambda c: test_error(trained(c, WIDE, share)) - test_error(trained(c, NARROW, share))


SETTING = setting()
CENSORED = Fraction(1, 20)

wide_real = tl.Mean(
    SETTING,
    error_grows(0),
    0,
    sense="<=",
    confidence=LEVEL,
    samples=RUNS,
    name="width-real-labels",
    title="Digits, real labels: the test error of 64 hidden units is at most that of 4, on average",
    statement=r"E[\mathrm{err}_{64} - \mathrm{err}_4] \le 0:\ \text{100 images, 500 steps, 16 runs, level 0.99}",
    source=EXPERIMENT,
    expect="supported",
)
wide_censored = tl.Mean(
    SETTING,
    error_grows(CENSORED),
    0,
    sense="<=",
    confidence=LEVEL,
    samples=RUNS,
    name="width-censored-labels",
    title="Digits, 5% of the labels replaced: the test error of 64 hidden units is at most that of 4, on average",
    statement=r"E[\mathrm{err}_{64} - \mathrm{err}_4] \le 0:\ \text{100 images, 500 steps, 16 runs, level 0.99}",
    source=EXPERIMENT,
    expect="supported",
)
random_labels = tl.Mean(
    SETTING,
    lambda c: path_measure(c, WIDE, 1) - path_measure(c, WIDE, 0),
    0,
    sense=">=",
    confidence=LEVEL,
    samples=RUNS,
    name="path-measure-random-labels",
    title="Digits, 64 hidden units: the path measure over the margin is larger for random labels than for real ones",
    statement=r"E[\ln \mu_{\mathrm{random}} - \ln \mu_{\mathrm{real}}] \ge 0,\quad"
    r" \mu = 16 h k\, \phi_2^2 / \mathrm{margin}^2",
    source=EXPERIMENT,
    expect="supported",
)
wide_measure = tl.Mean(
    SETTING,
    lambda c: path_measure(c, WIDE, 0) - path_measure(c, NARROW, 0),
    0,
    sense="<=",
    confidence=LEVEL,
    samples=RUNS,
    name="path-measure-width",
    title="Digits, real labels: the path measure over the margin is smaller for 64 hidden units than for 4",
    statement=r"E[\ln \mu_{64} - \ln \mu_4] \le 0",
    source=EXPERIMENT,
    expect="supported",
)

claims = [wide_real, wide_censored, random_labels, wide_measure]
