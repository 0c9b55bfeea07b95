"""Mutants of the headline claims (a sign, constant, exponent or hypothesis) are never proved and never supported."""

A few mutants are true themselves. They are recorded here, with the reason, as places where the theorem is not sharp.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from tests.mutants import definition, mutants, mutated
from theorylab import ops
from theorylab.catalog import load
from theorylab.catalog.collect import collect
from theorylab.claims import Claim

FAST = [
    "du-2018/balancedness-linear",
    "du-2018/balancedness-relu",
    "du-2018/balancedness-relu-bias",
    "chou-2023/norm-invariant",
    "chou-2023/polar-invariants",
    "chou-2023/plain-invariants-l3",
    "woodworth-2020/cross-branch",
    "woodworth-2020/growth-plus",
    "woodworth-2020/closed-form-path",
    "vardi-2020/every-lp-norm",
    "vardi-2020/rotation",
    "vardi-2020/scaling",
    "vardi-2020/lemma-6-length",
    "vardi-2020/lemma-6-angle",
]
SLOW = [
    "du-2018/balancedness-leaky",
    "du-2018/balancedness-leaky-bias",
    "du-2018/weight-decay",
    "du-2018/weight-decay-path",
    "du-2018/gradient-step",
    "du-2018/gradient-step-relu",
    "chou-2023/polar-invariants-l3",
    "chou-2023/polar-invariants-l4",
    "chou-2023/mirror-form",
    "woodworth-2020/plus-branch",
    "woodworth-2020/minus-branch",
    "woodworth-2020/closed-form-path-any-start",
    "woodworth-2020/row-space",
    "vardi-2020/limit",
    "vardi-2020/third-coordinate",
    "vardi-2020/exact-witness-limit",
    "vardi-2020/distance-law",
    "vardi-2020/distance-law-leaky",
    "vardi-2020/factor-two",
    "vardi-2020/least-norm-in-the-plane",
    "vardi-2020/span-of-the-samples",
    "vardi-2020/one-hidden-neuron",
]

NOT_SHARP = {
    "chou-2023/plain-invariants-l3: quantity (c.z * p.w ** (2 - L + 1)).sum(-1)": "the exponent becomes 0",
    "vardi-2020/every-lp-norm: lhs power_sum(c.p, 6 * c.alpha, -c.alpha, c.alpha * c.s)": "a weaker inequality",
    "vardi-2020/every-lp-norm: lhs power_sum(c.p, 5 * c.alpha, c.alpha, c.alpha * c.s)": "norms are even",
    "vardi-2020/every-lp-norm: rhs power_sum(c.p, 5 * c.alpha, c.alpha)": "norms are even",
    "vardi-2020/factor-two: lhs 3 * ops.norm(c.v - c.init.w)": "a weaker inequality",
    **{
        f"vardi-2020/lemma-6-length: lhs {text}": "the step is orthogonal to w, so <step + a w, step - w> is <step, step - w>"
        for text in (
            "dot(step(c) + c.w, step(c) - c.w)",
            "dot(step(c) - 2 * c.w, step(c) - c.w)",
            "dot(step(c) - c.w, step(c) + c.w)",
            "dot(step(c) - c.w, step(c) - 2 * c.w)",
        )
    },
    "vardi-2020/lemma-6-angle: without <e, v> = 0": "v enters the step only along (v + w)/2",
}


@cache
def claims(paper: str) -> dict[str, Claim]:
    return collect(vars(load(paper)), paper)


@pytest.mark.parametrize("claim_id", [*FAST, *(pytest.param(i, marks=pytest.mark.slow) for i in SLOW)])
def test_mutants_are_refuted(claim_id: str, tmp_path: Path) -> None:
    claim = claims(claim_id.partition("/")[0])[claim_id]
    assert claim.expected in ("proved", "supported")
    made = list(mutants(claim))
    assert made
    judged = {m.name: tl.verify(m, trials=64, out=tmp_path / str(n)) for n, m in enumerate(made)}
    true = {name for name, verdict in judged.items() if verdict.status in ("proved", "supported")}
    assert true == {name for name in NOT_SHARP if name.startswith(f"{claim_id}: ")}
    assert {verdict.status for name, verdict in judged.items() if name not in true} <= {"refuted"}


# --- limits that minimise a functional --------------------------------------------------------------------------------


def changed_widths() -> Iterator[tuple[str, Claim]]:
    """The hyperbolic entropy with another width k."""
    from theorylab.catalog import woodworth_2020 as paper

    for text, k in mutated(paper.k):
        yield f"k = {text}", paper.hypentropy.but(value=tl.argmin(tl.bias.hypentropy(k)))
    for text, predictor in mutated(paper.predictor):
        yield f"predictor = {text}", paper.hypentropy.but(quantity=predictor)
    yield "the l2 norm", paper.hypentropy.but(value=tl.argmin(tl.bias.l2))


def changed_starts() -> Iterator[tuple[str, Claim]]:
    """Plain gradient flow started elsewhere than at w(0) / rho."""
    from theorylab.catalog import chou_2023 as paper

    claim, weights, rho = paper.effective_initialization[2], paper.weights, paper.rho
    starts: dict[str, Callable[[Any], Any]] = {
        "w rho": lambda c: (weights(c.init) * rho(c)) ** 2,
        "w / rho^2": lambda c: (weights(c.init) / rho(c) ** 2) ** 2,
        "(w / rho)^3": lambda c: (weights(c.init) / rho(c)) ** 3,
        "w / (2 rho)": lambda c: (weights(c.init) / rho(c) / 2) ** 2,
        "without the exponential": lambda c: (weights(c.init) * ops.norm(weights(c.end)) / ops.norm(weights(c.init))) ** 2,
    }
    for text, start in starts.items():
        yield text, claim.but(value=tl.argmin(tl.bias.bregman(tl.bias.entropy, start=start)))
    yield "without |v(0)| = 1", claim.without("|v(0)| = 1")


@pytest.mark.slow
@pytest.mark.parametrize("family", [changed_widths, changed_starts])
def test_other_minimisers_are_refuted(family: Callable[[], Iterator[tuple[str, Claim]]], tmp_path: Path) -> None:
    judged = {text: tl.verify(m, trials=64, out=tmp_path / str(n)).status for n, (text, m) in enumerate(family())}
    assert judged == dict.fromkeys(judged, "refuted")


# --- the mutations themselves -----------------------------------------------------------------------------------------

FACTOR = 3


def sample(p: Any, c: Any = None, power: int = 2) -> Any:
    return -FACTOR * p**power + 4 * c.x[0] / (p - 1)


def test_one_change_at_a_time() -> None:
    texts = [text for text, _ in mutated(sample)]
    assert texts == [
        "-FACTOR * p ** power - 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 2 * (4 * c.x[0] / (p - 1))",
        "FACTOR * p ** power + 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** (power + 1) + 4 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 5 * c.x[0] / (p - 1)",
        "-FACTOR * p ** power + 4 * c.x[0] / (p + 1)",
        "-FACTOR * p ** power + 4 * c.x[0] / (p - 2 * 1)",
    ]


def test_mutants_keep_globals_closures_and_defaults() -> None:
    shift = 10
    closed = lambda p, scale=7: scale * p + shift + FACTOR  # noqa: E731
    found = {text: function(1) for text, function in mutated(closed)}
    assert found["scale * p + shift - FACTOR"] == 14
    assert found["scale * p - shift + FACTOR"] == 0
    assert "scale * p + shift + FACTOR" in inspect.getsource(closed)


def test_definitions_are_told_apart_on_one_line() -> None:
    first, second = (lambda p: p + 1), (lambda p: p * 2)
    assert [definition(f).body.right.value for f in (first, second)] == [1, 2]  # type: ignore[union-attr]
