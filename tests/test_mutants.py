"""The formulas of the headline claims with one sign, constant or exponent changed, and each hypothesis dropped.

A few mutants are true themselves. They are recorded here, with the reason, as places where the theorem is not sharp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import theorylab as tl
from tests.catalog import test_chou_2023, test_woodworth_2020
from theorylab import ops
from theorylab.catalog import index, load
from theorylab.catalog.collect import collect
from theorylab.claims import Claim
from theorylab.falsify.mutate import mutated

FAST = [
    "du-2018/balancedness-linear",
    "du-2018/balancedness-relu-bias",
    "chou-2023/norm-invariant",
    "woodworth-2020/growth-plus",
    "vardi-2020/every-lp-norm",
    "vardi-2020/rotation",
    "vardi-2020/lemma-6-length",
    "vardi-2020/distance-law",
]

WEAKER = "a weaker inequality"
ORTHOGONAL = "the step is orthogonal to w, so <step + a w, step - w> is <step, step - w>"
NOT_SHARP = {
    "chou-2023/plain-invariants-l3": {
        "quantity (c.z * p.w ** (2 - L + 1)).sum(-1)": "the exponent becomes 0",
    },
    "vardi-2020/every-lp-norm": {
        "lhs power_sum(c.p, 6 * c.alpha, -c.alpha, c.alpha * c.s)": WEAKER,
        "lhs power_sum(c.p, 5 * c.alpha, c.alpha, c.alpha * c.s)": "norms are even",
        "rhs power_sum(c.p, 5 * c.alpha, c.alpha)": "norms are even",
        "lhs power_sum(c.p, 5 * c.alpha, -c.alpha, c.alpha ** 2 * c.s)": "any coordinate but 0 will do",
    },
    "vardi-2020/zero-loss-ray": {"lhs loss_on_ray(c)": "minus zero is zero"},
    "vardi-2020/least-norm-in-the-plane": {"lhs twice what it was": WEAKER},
    "vardi-2020/least-norm-on-the-line": {"lhs twice what it was": WEAKER},
    "vardi-2020/factor-two": {"lhs 3 * ops.norm(c.v - c.init.w)": WEAKER},
    "vardi-2020/lemma-6-length": {
        "lhs dot(step(c) + c.w, step(c) - c.w)": ORTHOGONAL,
        "lhs dot(step(c) - 2 * c.w, step(c) - c.w)": ORTHOGONAL,
        "lhs dot(step(c) - c.w, step(c) + c.w)": ORTHOGONAL,
        "lhs dot(step(c) - c.w, step(c) - 2 * c.w)": ORTHOGONAL,
    },
    "chou-2023/rho-grows": {
        "lhs log_rho(c.eta + c.above + 2 * c.more, c)": "rho grows",
        "lhs log_rho(c.eta + 2 * c.above + c.more, c)": "rho grows",
    },
    "chou-2023/no-help-from-large-starts": {
        "lhs -(ops.log((c.eta + c.above - c.more) / (c.eta + c.above)) / 2 - c.more / (2 * c.eta))": WEAKER,
        "lhs -(ops.log((c.eta + c.above + c.more) / (c.eta + c.above)) / 2 - 2 * (c.more / (2 * c.eta)))": WEAKER,
        "lhs -(ops.log((c.eta + c.above + c.more) / (c.eta + c.above)) / 3 - c.more / (2 * c.eta))": WEAKER,
        "lhs -(ops.log((c.eta + c.above + c.more) / (c.eta + 2 * c.above)) / 2 - c.more / (2 * c.eta))": WEAKER,
        "lhs -(ops.log((c.eta - c.above + c.more) / (c.eta + c.above)) / 2 - c.more / (2 * c.eta))": WEAKER,
    },
    "vardi-2020/lemma-6-angle": {"hypothesis without <e, v> = 0": "v enters the step only along (v + w)/2"},
}
"""Mutants that are themselves true, and why. Those that the checker proves need no reason."""

FAR_FROM_SHARP = {f"chou-2023/{kind}l1-bound{depth}" for kind in ("", "plain-") for depth in ("-l3", "-l4")}
"""Bounds that random runs stay far below, by more than a factor two: only mutants that are far too small die."""

NEVER_NEAR = {"chou-2023/l1-bound", "chou-2023/plain-l1-bound"}
"""Bounds of depth 2, with a logarithm, that random runs stay so far below that every mutant holds too."""

KINDS = ("invariant", "evolution", "trajectory", "identity", "inequality", "conjugacy")
"""Claims of other kinds are about where runs end; each of their mutants takes a minute."""

PAPERS = ("chou-2023", "du-2018", "vardi-2020", "woodworth-2020")
OTHERS = [
    e["id"]
    for e in index()
    if e["expected"] in ("proved", "supported") and e["kind"] in KINDS and e["paper"] in PAPERS
    if e["id"] not in {*FAST, *NEVER_NEAR}
]


@pytest.mark.parametrize("claim_id", [*FAST, *(pytest.param(i, marks=pytest.mark.slow) for i in OTHERS)])
def test_mutants_die_unless_they_are_true(claim_id: str) -> None:
    verdict = tl.verify(collect(vars(load(paper := claim_id.partition("/")[0])), paper)[claim_id], mutate=True)
    assert verdict.mutants or claim_id not in FAST
    fates = {f"{m.what} {m.to}": m.fate for m in verdict.mutants if m.fate != "no statement"}
    if claim_id in FAR_FROM_SHARP:
        assert "dies" in fates.values()
        return
    recorded = NOT_SHARP.get(claim_id, {}).keys()
    assert {mutant for mutant, fate in fates.items() if fate == "lives"} <= recorded
    assert recorded <= {mutant for mutant, fate in fates.items() if fate in ("lives", "also true")}


# --- limits: what no change of one sign, constant or exponent gives ---------------------------------------------------


def changed_widths() -> Iterator[tuple[str, Claim]]:
    """The hyperbolic entropy with another width k."""
    from theorylab.catalog import woodworth_2020 as paper

    for text, k in mutated(paper.k):
        yield f"k = {text}", paper.hypentropy.but(value=tl.argmin(tl.bias.hypentropy(k)))


def changed_starts() -> Iterator[tuple[str, Claim]]:
    """Plain gradient flow started elsewhere than at w(0) / rho."""
    from theorylab.catalog import chou_2023 as paper

    claim, weights, rho = paper.effective_initialization[2], paper.weights, paper.rho
    starts: dict[str, Callable[[Any], Any]] = {
        "w rho": lambda c: (weights(c.init) * rho(c)) ** 2,
        "w / rho^2": lambda c: (weights(c.init) / rho(c) ** 2) ** 2,
        "(w / rho)^3": lambda c: (weights(c.init) / rho(c)) ** 3,
        "w / (2 rho)": lambda c: (weights(c.init) / rho(c) / 2) ** 2,
        "without the exponential": lambda c: (
            (weights(c.init) * ops.norm(weights(c.end)) / ops.norm(weights(c.init))) ** 2
        ),
    }
    for text, start in starts.items():
        yield text, claim.but(value=tl.argmin(tl.bias.bregman(tl.bias.entropy, start=start)))


def by_one_percent() -> Iterator[tuple[str, Claim]]:
    from theorylab.catalog import vardi_2020 as paper

    value = paper.limit.but(value=lambda c: c.alpha * ops.vec(5, -1, tl.Fraction(101, 100) * paper.s(c)))
    yield "the third coordinate of the limit", value


@pytest.mark.slow
@pytest.mark.parametrize("family", [changed_widths, changed_starts, by_one_percent])
def test_other_limits_are_refuted(family: Callable[[], Iterator[tuple[str, Claim]]]) -> None:
    judged = {text: tl.verify(mutant, trials=64).status for text, mutant in family()}
    assert judged == dict.fromkeys(judged, "refuted")


FALSE_LIMITS = {**test_chou_2023.FALSE_LIMITS, **test_woodworth_2020.FALSE_LIMITS}


@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE_LIMITS)
def test_a_false_limit_is_neither_proved_nor_supported(name: str) -> None:
    assert tl.verify(FALSE_LIMITS[name], trials=32).status in ("refuted", "inconclusive")
