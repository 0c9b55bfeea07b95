"""Norm-based measures, the perturbation lemma, and what the PAC-Bayes bounds are made of."""

from __future__ import annotations

from typing import Any

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.neyshabur_2017.feed_forward import WEIGHTS, network, rescaled, weights_and_factors
from theorylab.catalog.neyshabur_2017.paper import FACTOR, MEASURES, PAC_BAYES, PERTURBATION

# --- norms of the layers, multiplied ----------------------------------------------------------------------------------


NO_SPECTRAL_NORM = "The spectral norm has no formula that the checker reads."


def product(measures) -> Any:
    """The product of some numbers."""
    found: Any = 1
    for m in measures:
        found = found * m
    return found


def frobenius(c):
    """prod |W_i|_F^2, the l2 measure up to its constant and the margin."""
    return product((c[n] ** 2).sum() for n in WEIGHTS)


def capacity(c) -> Any:
    """prod |W_i|_2^2 sum |W_i|_F^2 / |W_i|_2^2, what the spectral bound knows of the weights."""
    norms = [ops.opnorm(c[n]) ** 2 for n in WEIGHTS]
    return product(norms) * sum((c[n] ** 2).sum() / m for n, m in zip(WEIGHTS, norms, strict=True))


layer_factors = tl.Setting(a=tl.var("", FACTOR, positive=True), b=tl.var("", FACTOR, positive=True), **WEIGHTS)


def layers_rescaled(c):
    return c.replace(U=c.a * c.U, V=c.b * c.V / c.a, W=c.W / c.b)


frobenius_layers = tl.Identity(
    layer_factors,
    lambda c: frobenius(layers_rescaled(c)),
    frobenius,
    name="l2-measure-layers",
    title="Rescaling whole layers does not change the l2 measure",
    statement=r"\prod_i \|T(w)_i\|_F^2 = \prod_i \|W_i\|_F^2",
    source=MEASURES,
    expect="proved",
)
capacity_layers = tl.Identity(
    layer_factors,
    lambda c: capacity(layers_rescaled(c)),
    capacity,
    name="spectral-capacity-layers",
    title="Rescaling whole layers does not change the spectral bound",
    statement=r"\prod_i \|W_i\|_2^2 \sum_i \|W_i\|_F^2 / \|W_i\|_2^2",
    note=NO_SPECTRAL_NORM,
    source=PAC_BAYES,
    expect="supported",
)
frobenius_units, capacity_units = (
    law.but(
        subject=weights_and_factors,
        lhs=lambda c, measure=measure: measure(rescaled(c, c)),
        name=f"{name}-units",
        title=f"Rescaling single units does not change the {text} either",
    )
    for law, measure, name, text in (
        (frobenius_layers, frobenius, "l2-measure", "l2 measure"),
        (capacity_layers, capacity, "spectral-capacity", "spectral bound"),
    )
)

# --- the perturbation lemma -------------------------------------------------------------------------------------------

DEPTH = len(WEIGHTS)


def bounded_change(c):
    """Changes of each layer cut down to a spectral norm of less than 1 / depth of its own."""
    cut = {n: Fraction(999, 1000) * ops.opnorm(c[n]) / (DEPTH * ops.opnorm(c[f"d{n}"])) for n in WEIGHTS}
    return {f"d{n}": c[f"d{n}"] * ops.minimum(1, cut[n]) for n in WEIGHTS}


def shares(c):
    """|dW_i|_2 / |W_i|_2 of each layer."""
    return ops.stack([ops.opnorm(c[f"d{n}"]) / ops.opnorm(c[n]) for n in WEIGHTS])


small_change = tl.assume("|dW_i|_2 < |W_i|_2 / depth", lambda c: 1 - DEPTH * shares(c), bounded_change, positive=True)
perturbed = tl.Setting(
    small_change,
    **WEIGHTS,
    **{f"d{n}": v for n, v in WEIGHTS.items()},
    x=tl.var("d 1"),
)


def bound(c):
    """e |x| prod |W_i|_2 sum |dW_i|_2 / |W_i|_2."""
    return ops.exp(1) * ops.norm(c.x) * product(ops.opnorm(c[n]) for n in WEIGHTS) * shares(c).sum()


def change_of_output(c):
    moved = c.replace(**{n: c[n] + c[f"d{n}"] for n in WEIGHTS})
    return ops.norm(network(moved, c.x) - network(c, c.x))


perturbation = tl.Inequality(
    perturbed,
    bound,
    change_of_output,
    name="perturbation",
    title="Small changes of the layers change the output by at most e |x| prod |W_i| sum |dW_i| / |W_i|",
    statement=r"\|f_{w+u}(x) - f_w(x)\| \le e\, \|x\| \prod_i \|W_i\|_2 \sum_i \frac{\|U_i\|_2}{\|W_i\|_2}",
    note=NO_SPECTRAL_NORM,
    source=PERTURBATION,
    expect="supported",
)
perturbation_tenth = perturbation.but(
    lhs=lambda c: bound(c) / 10,
    name="perturbation-a-tenth",
    title="The same with a tenth of the constant",
    expect="refuted",
)

# --- the PAC-Bayes bounds ---------------------------------------------------------------------------------------------

_positive = tl.var("", tl.draw.loguniform(1 / 4, 4), positive=True)
proof_of_theorem_1 = tl.Setting(gamma=_positive, radius=_positive, beta=_positive, log_term=_positive)


def share_of_the_margin(c, constant):
    """What the perturbation lemma leaves of the margin, for sigma of the proof with this constant and three layers.

    log_term is h ln(4 h d); half of the perturbations have a spectral norm of at most sigma (2 log_term)^(1/2).
    """
    sigma = c.gamma / (constant * DEPTH * c.radius * c.beta ** (DEPTH - 1) * ops.sqrt(c.log_term))
    norm = sigma * ops.sqrt(2 * c.log_term)
    return c.gamma / 4 - ops.exp(2) * DEPTH * c.radius * c.beta ** (DEPTH - 1) * norm


proof_constant = tl.Inequality(
    proof_of_theorem_1,
    lambda c: share_of_the_margin(c, 42),
    name="spectral-bound-constant",
    title="With 42 in the standard deviation, half of the perturbations move the output by at most gamma / 4",
    statement=r"e^2 \sqrt{2} / 42 \le 1/4",
    note="No rule of the checker compares constants such as e^2 and the root of 2.",
    source=PAC_BAYES,
    expect="supported",
)
proof_constant_41 = proof_constant.but(
    lhs=lambda c: share_of_the_margin(c, 41),
    name="spectral-bound-constant-41",
    title="The same with 41",
    statement=r"e^2 \sqrt{2} / 41 \le 1/4",
    expect="refuted",
)

margins = tl.Setting(gamma=_positive, wider=_positive, capacity=_positive, log_term=_positive, m=_positive)


def spectral_term(c, gamma):
    """((capacity / gamma^2 + log_term) / m)^(1/2), what the bound adds to the margin loss."""
    return ops.sqrt((c.capacity / gamma**2 + c.log_term) / c.m)


larger_margin = tl.Inequality(
    margins,
    lambda c: spectral_term(c, c.gamma),
    lambda c: spectral_term(c, c.gamma + c.wider),
    name="larger-margin",
    title="A larger margin lowers what the spectral bound adds to the margin loss",
    note="No rule of the checker compares two roots.",
    source=PAC_BAYES,
    expect="supported",
)
smaller_margin = larger_margin.but(
    rhs=lambda c: spectral_term(c, c.gamma * c.gamma / (c.gamma + c.wider)),
    name="smaller-margin",
    title="A smaller margin lowers it too",
    expect="refuted",
)

gaussians = tl.Setting(w=tl.var("5"), z=tl.var("5"), sigma=_positive)


def log_ratio(c):
    """ln of N(w, sigma^2 I) over N(0, sigma^2 I) at w + sigma z."""
    return (((c.w + c.sigma * c.z) ** 2).sum() - (c.sigma**2 * c.z**2).sum()) / (2 * c.sigma**2)


kl = tl.Mean(
    gaussians,
    log_ratio,
    lambda c: (c.w**2).sum() / (2 * c.sigma**2),
    over=["z"],
    samples=65536,
    margin=0.25,
    name="gaussian-kl",
    title="The divergence of N(w, sigma^2) from N(0, sigma^2) is |w|^2 / (2 sigma^2)",
    statement=r"\mathrm{KL} = \|w\|^2 / (2\sigma^2)",
    source=PAC_BAYES,
    expect="supported",
)
kl_twice = kl.but(
    value=lambda c: (c.w**2).sum() / c.sigma**2,
    name="gaussian-kl-twice",
    title="It is |w|^2 / sigma^2",
    expect="refuted",
)

# --- the bound with the expected sharpness, on samples of a known distribution ----------------------------------------

SAMPLES, DELTA, RATE, VARIANCE = 2000, Fraction(1, 20), 4, Fraction(1, 4)
sine = tl.Setting(v=tl.var("4"), x=tl.var(f"4 {SAMPLES}"), coin=tl.var(f"{SAMPLES}", tl.draw.uniform(0, 1)))


def labels(c):
    """1 with probability (1 + sin v.x) / 2, else -1."""
    return 2 * ops.step((1 + ops.sin(c.v @ c.x)) / 2 - c.coin) - 1


def fitted(c):
    """One step of gradient descent from 0 on the loss (1 - y sin(w.x)) / 2, in [0, 1]."""
    return RATE * (c.x @ labels(c)) / (2 * SAMPLES)


def empirical_loss(w, c, variance):
    """The mean loss of w + u for normal u with this variance, by E sin(a + b z) = exp(-b^2 / 2) sin(a)."""
    damping = ops.exp(-variance * (c.x**2).sum(0) / 2)
    return ((1 - labels(c) * damping * ops.sin(w @ c.x)) / 2).mean()


def true_loss(w, c, variance):
    """Its expectation over normal x in four dimensions and the coins."""
    spread = 1 + variance

    def overlap(a):
        return ops.exp(-(a**2).sum() / (2 * spread)) / spread**2

    return (2 - overlap(c.v - w) + overlap(c.v + w)) / 4


def deviation(w):
    """4 ((KL + ln(2 m / delta)) / m)^(1/2) for a normal prior around 0."""
    divergence = (w**2).sum() / (2 * VARIANCE)
    return 4 * ops.sqrt((divergence + ops.log(divergence * 0 + 2 * SAMPLES / DELTA)) / SAMPLES)


def is_below(c, term):
    """1 where the expected true loss is below the empirical loss, the expected sharpness and the term."""
    w = fitted(c)
    expected_sharpness = empirical_loss(w, c, VARIANCE) - empirical_loss(w, c, 0)
    return ops.step(empirical_loss(w, c, 0) + expected_sharpness + term(w) - true_loss(w, c, VARIANCE))


sharpness_bound = tl.Mean(
    sine,
    lambda c: is_below(c, deviation),
    1 - DELTA,
    sense=">=",
    values="boolean",
    samples=512,
    name="expected-sharpness-bound",
    title="The PAC-Bayes bound with the expected sharpness holds with probability 1 - delta, for a fitted model",
    statement=r"P\big[E_u L(w+u)"
    r" \le \hat L + (E_u \hat L(w+u) - \hat L) + 4\sqrt{(\mathrm{KL} + \ln(2m/\delta)) / m}\big]"
    r" \ge 1 - \delta,\quad m = 2000,\ \delta = 1/20",
    source=PAC_BAYES,
    expect="supported",
)
sharpness_alone = sharpness_bound.but(
    quantity=lambda c: is_below(c, lambda w: 0),
    name="expected-sharpness-alone",
    title="It holds without the last term",
    expect="refuted",
)

claims = [
    frobenius_layers, frobenius_units, capacity_layers, capacity_units, perturbation, perturbation_tenth,
    proof_constant, proof_constant_41, larger_margin, smaller_margin, kl, kl_twice, sharpness_bound, sharpness_alone,
]  # fmt: skip
