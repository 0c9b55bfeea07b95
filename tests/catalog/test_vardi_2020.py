"""vardi-2020: the closed form against linear algebra of its own, proofs accepted, controls not provable."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.optimize import brentq

import theorylab as tl
from tests.certificates import identity_document, rulings
from theorylab import agreement
from theorylab.catalog import vardi_2020
from theorylab.catalog.collect import collect
from theorylab.claims.base import Claim
from theorylab.derive.negative import refutation
from theorylab.derive.prove import Attempt, prove
from theorylab.errors import UnsupportedReading
from theorylab.readings.letters import complete_dims
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric
from theorylab.simulate.observe import observe

CLAIMS: Mapping[str, Claim] = collect(vars(vardi_2020), "vardi-2020")
PROVED = {name: claim for name, claim in CLAIMS.items() if claim.expected == "proved" and claim.goals()}
CONTROLS = {name: claim for name, claim in CLAIMS.items() if claim.expected == "refuted" and claim.goals()}


def numbers(**values: float) -> Case:
    return Case({name: Numeric(torch.tensor(value, dtype=torch.float64)) for name, value in values.items()})


def attempts_at(claim: Claim) -> list[Attempt]:
    """For all sizes, or at given ones where the statement has fixed sizes."""
    try:
        return prove(claim.goals(), None)
    except UnsupportedReading:
        own = claim.subject.sizes
        return prove(claim.goals(), complete_dims(sorted(own() if callable(own) else own), None))


@pytest.mark.parametrize(
    ("gamma", "exit_time", "s"), [(1, 0.169650596128, -0.0407729197666735), (5, 0.0861474737807, -0.209048812305405)]
)
def test_the_exit_and_the_frozen_coordinate(gamma: float, exit_time: float, s: float) -> None:
    c = numbers(gamma=gamma, alpha=1)
    assert float(vardi_2020.exit_time(c).data) == pytest.approx(exit_time, abs=1e-12)
    assert float(vardi_2020.s(c).data) == pytest.approx(s, abs=1e-14)


@pytest.mark.parametrize("gamma", [0.125, 0.7, 3.0, 8.0])
def test_both_phases_end_at_the_closed_form(gamma: float) -> None:
    """Phase two by its own matrix exponential: only the first two samples move the weights."""
    x = np.array([[3, -1, 0], [4, 2, 0], [0, gamma, gamma]])
    y = np.array([16.0, 18.0, 0.0])
    star = np.linalg.solve(x, y)

    def first(t: float) -> np.ndarray:
        return star - expm(-t * x.T @ x) @ star

    t1 = brentq(lambda t: x[2] @ first(t), 1e-3, 0.5, xtol=1e-15, rtol=1e-15)
    assert all(x[2] @ first(t) > 0 for t in np.linspace(1e-3, t1 - 1e-3, 50))
    active = x[:2]
    w1 = first(t1)
    end = w1 + np.linalg.pinv(active) @ (y[:2] - active @ w1)
    c = numbers(gamma=gamma, alpha=1)
    assert end == pytest.approx([5, -1, float(vardi_2020.s(c).data)], abs=1e-12)
    later = w1 + np.linalg.pinv(active) @ (np.eye(2) - expm(-0.3 * active @ active.T)) @ (y[:2] - active @ w1)
    assert x[2] @ later < 0
    assert np.linalg.norm(end) > np.linalg.norm([5, -1, 0])


def test_claims_expected_to_be_proved_are_proved(tmp_path: Path) -> None:
    attempts = {name: attempts_at(claim) for name, claim in PROVED.items()}
    assert [name for name, found in attempts.items() if not all(a.holds for a in found)] == []
    ruled = rulings([identity_document(PROVED[name], found) for name, found in attempts.items()], tmp_path)
    assert [(name, r.reason) for name, r in zip(attempts, ruled, strict=True) if not r.accepted] == []
    fixed = {"interpolator", "rates-after-the-switch", "zero-loss-ray", "every-lp-norm"}  # in three dimensions
    scopes = {name.split("/")[1]: r.scope for name, r in zip(attempts, ruled, strict=True)}
    assert {name for name, scope in scopes.items() if scope != "all sizes"} == fixed
    assert {scopes[name] for name in fixed} == {"no sizes"}


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_not_proved(name: str) -> None:
    assert not all(a.holds for a in attempts_at(CONTROLS[name]))


def test_the_exact_witness_is_certified() -> None:
    found = refutation(vardi_2020.witness)
    assert found is not None
    end = [Fraction(value) for value in found["statement"]["limit"]]
    x = [list(row) for row in zip(*[[6, -3, 2], [-6, -4, 12], [6, 18, 9]], strict=True)]
    outputs = [sum(a * b for a, b in zip(row, end, strict=True)) for row in x]
    assert outputs == [13314, 17514, Fraction(-46627, 32)]
    assert sum(v * v for v in end) == Fraction(6195358457, 3584)


def shown(claim: Claim, trials: int, **dims: int) -> bool | None:
    *_, test = claim.tests()
    return observe(test, dims, trials=trials, seed=0, settle=claim.settle).agrees


def test_simulated_limits() -> None:
    assert shown(vardi_2020.limit, 6) is True
    assert shown(vardi_2020.limit.but(value=vardi_2020.least), 6) is False


def test_a_run_that_ends_at_zero_does_not_excuse_the_others() -> None:
    """From any start some runs end at 0, where no relative error is small, and others too far out."""
    control = next(
        c for c in vardi_2020.distance_controls if c.control_of and c.control_of.endswith("least-norm-in-the-plane")
    )
    assert shown(vardi_2020.plane, 32, n=2) is True
    assert shown(control, 32, n=2) is False


def test_one_hidden_neuron_from_small_starts_ends_at_the_measured_points() -> None:
    """Limits of the third coordinate for gamma = 5, of an integrator of another kind, to six decimals."""
    measured = {1: -0.252442, 0.1: -0.260065, 0.01: -0.260151, 0.001: -0.260152}
    (curve,) = vardi_2020.against_eps(0).series
    found = dict(zip(curve.x, curve.y, strict=True))
    assert {eps: found[eps] for eps in measured} == pytest.approx(measured, abs=1e-6)


def test_the_plotted_trajectories_end_at_the_closed_form() -> None:
    *curves, least = vardi_2020.paths(0).series
    assert (least.x, least.y) == ((5,), (0,))
    for curve, gamma in zip(curves, vardi_2020.GAMMAS, strict=True):
        end = 0.0 if gamma == 0 else float(vardi_2020.s(numbers(gamma=gamma, alpha=1)).data)
        assert (curve.x[-1], curve.y[-1]) == pytest.approx((5, end), abs=1e-3)


def test_a_witness_without_values_for_the_other_flow_is_refuted_all_the_same() -> None:
    """A conjugacy into a flow with other parameters: the certificate has no rule for it, the verdict stands."""
    control = CLAIMS["vardi-2020/balanced-flow-isotropic"]
    verdict = tl.verify(control, trials=16)
    assert (verdict.status, verdict.tier, verdict.certificate) == ("refuted", "exact", None)


def test_readings_are_compared_where_the_hypotheses_hold() -> None:
    """Lemma 6 leaves its hypotheses as relations in the exact readings; off them the two sides differ."""
    gap = agreement.compare(vardi_2020.sphere, [vardi_2020.step_angle.formula], {"d": 3}, 0)
    assert gap is not None
    assert gap < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_every_verdict_is_the_expected_one(name: str) -> None:
    assert tl.verify(CLAIMS[name]).as_expected
