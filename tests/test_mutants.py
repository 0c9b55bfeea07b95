"""Mutants of the headline claims (a sign, a constant, an exponent, a hypothesis) are neither proved nor supported."""

from __future__ import annotations

from fractions import Fraction

import pytest

import theorylab as tl
from tests.catalog import test_chou_2023, test_du_2018, test_woodworth_2020
from theorylab import ops
from theorylab.catalog import vardi_2020 as vardi
from theorylab.claims import Claim

VARDI: dict[str, Claim] = {
    "limit, sign": vardi.limit.but(value=lambda c: c.alpha * ops.vec(5, -1, -vardi.s(c))),
    "limit, constant": vardi.limit.but(value=lambda c: c.alpha * ops.vec(5, -1, Fraction(101, 100) * vardi.s(c))),
    "limit, exponent": vardi.limit.but(value=lambda c: c.alpha**2 * ops.vec(5, -1, vardi.s(c))),
    "third coordinate, sign": vardi.below_zero.but(rhs=lambda c: Fraction(1, 10)),
    "zero loss ray, sign": vardi.zero_loss.but(lhs=lambda c: -vardi.zero_loss.formula(c) - 1),
    "lp norms, reversed": vardi.every_lp.but(
        lhs=lambda c: vardi.power_sum(c.p, 5 * c.alpha, -c.alpha),
        rhs=lambda c: vardi.power_sum(c.p, 5 * c.alpha, -c.alpha, c.alpha * c.s),
    ),
    "lp norms, constant": vardi.every_lp.but(rhs=lambda c: 2 * vardi.power_sum(c.p, 5 * c.alpha, -c.alpha)),
    "rotation, of the samples alone": vardi.rotation.but(map=lambda p: p),
    "rotation, back": vardi.rotation.but(map=lambda p, c: p.replace(w=c.M.mT @ p.w)),
    "scaling, sign": vardi.scaling.but(map=lambda p, c: p.replace(w=-c.alpha * p.w)),
    "distance, constant": vardi.nearer.but(rate=-1),
    "distance, exponent": vardi.nearer.but(quantity=lambda p, c: ((p.w - c.v) ** 3).sum()),
    "factor two, constant": vardi.factor_two.but(lhs=lambda c: ops.norm(c.v - c.init.w) / 2),
    "span of the samples, exponent": vardi.kernel_part.but(quantity=lambda p, c: (c.z * p.w**2).sum()),
    "one hidden neuron, constant": vardi.balance.but(quantity=lambda p: (p.w**2).sum() - 2 * p.v**2),
    "one hidden neuron, exponent": vardi.balance.but(quantity=lambda p: (p.w**2).sum() - p.v**4),
}  # fmt: skip
for _claim in (vardi.rotation, vardi.step_length, vardi.step_angle, vardi.kernel_part):
    VARDI |= {f"{_claim.name} without {a.name}": _claim.without(a.name) for a in _claim.setting.assumptions}

MUTANTS: dict[str, Claim] = {f"vardi: {name}": mutant for name, mutant in VARDI.items()}
for _paper in (test_chou_2023, test_du_2018, test_woodworth_2020):
    _key = _paper.__name__.rpartition("test_")[2]
    MUTANTS |= {f"{_key}: {name}": mutant for name, mutant in _paper.MUTANTS.items()}
    MUTANTS |= {f"{_key}: {name}": mutant for name, mutant in getattr(_paper, "FALSE_LIMITS", {}).items()}

NOT_SHARP = {
    "chou_2023: polar 3, norm not carried": "|v| is conserved whether or not the claim says so",
    "vardi: lemma-6-angle without <e, v> = 0": "<w, u* - w> = 0 needs e orthogonal to w alone",
}
"""Mutants that are themselves true, and why."""

SHARP = {name: mutant for name, mutant in MUTANTS.items() if name not in NOT_SHARP}


@pytest.mark.parametrize("name", sorted(name for name, mutant in SHARP.items() if mutant.goals()))
def test_a_mutant_of_a_law_is_neither_proved_nor_supported(name: str) -> None:
    assert tl.verify(SHARP[name], trials=32).status in ("refuted", "inconclusive")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, mutant in SHARP.items() if not mutant.goals()))
def test_a_mutant_of_a_limit_is_neither_proved_nor_supported(name: str) -> None:
    assert tl.verify(SHARP[name], trials=32).status in ("refuted", "inconclusive")


@pytest.mark.parametrize("name", NOT_SHARP)
def test_a_mutant_that_is_true_is_recorded_as_not_sharp(name: str) -> None:
    assert tl.verify(MUTANTS[name], trials=32).status in ("proved", "supported")
