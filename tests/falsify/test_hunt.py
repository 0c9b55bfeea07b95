"""False claims die with small witnesses, true ones survive thousands of cases."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest

import theorylab as tl
from tests.falsify import statements as s
from theorylab import ops
from theorylab.falsify import Hunt, hunt


def attack(claim: Any, seed: int = 0, budget: int = 4096, **dims: int) -> Hunt:
    return hunt(claim, dims=s.sizes(claim, **dims), budget=budget, seed=seed)


@pytest.mark.parametrize("claim", s.TRUE, ids=lambda c: c.id)
def test_a_true_claim_survives(claim: Any) -> None:
    found = attack(claim)
    assert found.counterexample is None
    assert found.examined - found.outside >= 1000
    assert found.violations == 0


@pytest.mark.parametrize("claim", s.FALSE, ids=lambda c: c.id)
def test_a_false_claim_dies(claim: Any) -> None:
    found = attack(claim)
    assert found.counterexample is not None
    assert found.counterexample.cause == "law broken"
    assert found.tier in ("exact", "enclosure")
    assert sum(found.dims.values()) <= 5


def test_the_matrix_law_for_relu_needs_two_hidden_units_and_nothing_else() -> None:
    """With one unit the matrix law is the unit law, which holds; two units of different gates break it."""
    found = attack(s.relu_matrix)
    assert found.dims == {"d": 1, "k": 2, "m": 1, "n": 1}
    assert found.witness is not None
    w1, w2 = found.witness.values["W1"], found.witness.values["W2"]
    x, r = found.witness.values["x"][0][0], found.witness.values["r"][0][0]
    i, j = found.witness.component
    assert i != j
    assert sum(abs(v) for v in [w1[0][0], w1[1][0], *w2[0], x, r]) == 5
    # d/dt (W2'W2 - W1 W1')_ij = -r x (w1_i w2_j (h_i - h_j) + w1_j w2_i (h_j - h_i))
    h = [Fraction(int(w1[k][0] * x > 0)) for k in (0, 1)]
    slope = -r * x * (w1[i][0] * w2[0][j] - w1[j][0] * w2[0][i]) * (h[i] - h[j])
    assert found.witness.value == slope != 0


def test_what_is_behind_a_number_of_the_statement_is_found() -> None:
    """No case has u > 10^6 or u near 7/3 by chance."""
    for gate in (lambda u: u - 10**6, lambda u: Fraction(1, 10**4) - (u - Fraction(7, 3)) ** 2):
        opening = tl.Flow(lambda p, g=gate: {"u": 0 * p.u, "v": ops.relu(g(p.u))}, state={"u": "", "v": ""})
        assert attack(tl.Invariant(opening, lambda p: p.v)).tier == "exact"


def test_one_percent_shows_in_the_value() -> None:
    found = attack(s.one_percent)
    assert found.witness is not None
    assert found.witness.values["W1"] == [[1]]
    assert abs(found.witness.value or 0) == Fraction(2, 100)


def test_the_bias_law_is_broken_by_the_bias_alone() -> None:
    found = attack(s.bias_left_out)
    assert found.witness is not None
    assert (found.witness.values["x"], found.witness.values["W1"]) == ([[0]], [[0]])
    assert found.witness.values["b"] == [1]


def test_a_witness_satisfies_the_hypotheses_exactly() -> None:
    found = attack(s.polar[2].but(quantity=lambda p, c: s.polar_quantity(2)(p, c) * p.g, name="times g"))
    assert found.witness is not None
    if "v" in found.witness.values:
        assert sum(v * v for v in found.witness.values["v"]) == 1
        assert found.witness.values["v"] != found.witness.values["init.v"]
    assert all(Fraction(1, 2) <= v <= Fraction(3, 2) for v in found.witness.values["init.v"])


def test_an_inequality_among_the_hypotheses_is_respected() -> None:
    longer = tl.assume("x is longer", lambda c: (c.x**2).sum() - (c.y**2).sum(), positive=True)
    setting = s.vectors.with_(longer)
    assert attack(tl.Inequality(setting, lambda c: (c.x**2).sum() - (c.y**2).sum(), strict=True)).counterexample is None
    sharper = tl.Inequality(setting, lambda c: (c.x**2).sum() - 2 * (c.y**2).sum(), name="sharper")
    found = attack(sharper)
    assert found.witness is not None
    x, y = (sum(v * v for v in found.witness.values[n]) for n in "xy")
    assert y < x < 2 * y


def test_a_relation_that_cannot_be_enforced_has_to_hold_exactly() -> None:
    proportional = tl.assume("x = 2 y", lambda c: c.x - 2 * c.y)
    setting = s.vectors.with_(proportional)
    assert attack(tl.Identity(setting, lambda c: c.x * c.y, lambda c: 2 * c.y**2), d=1).counterexample is None
    found = attack(tl.Identity(setting, lambda c: c.x * c.y, lambda c: c.y**2, name="x y = y y"), d=1)
    assert found.witness is not None
    assert found.witness.values["x"] == [2 * found.witness.values["y"][0]] != [0]


def test_signs_and_ranges_are_respected() -> None:
    setting = tl.Setting(p=tl.var(positive=True), q=tl.var(nonzero=True), u=tl.var("", tl.draw.uniform(0.5, 1.5)))
    assert hunt(tl.Inequality(setting, lambda c: c.p, strict=True), dims={}).counterexample is None
    assert hunt(tl.Inequality(setting, lambda c: c.q**2, strict=True), dims={}).counterexample is None
    assert hunt(tl.Inequality(setting, lambda c: c.u * 2, 1), dims={}).counterexample is None
    assert hunt(tl.Inequality(setting, lambda c: c.u * 2, 2, name="u >= 1"), dims={}).counterexample is not None
    assert hunt(tl.Inequality(setting, lambda c: c.q, name="q >= 0"), dims={}).counterexample is not None


def test_almost_every_is_not_refuted_on_a_null_set() -> None:
    def kink(c: Any) -> Any:
        return ops.step(c.x) + ops.step(-c.x)

    everywhere = tl.Identity(s.vectors, kink, 1, name="one of the gates is open")
    assert attack(everywhere).counterexample is not None
    assert attack(everywhere.but(quantifier="almost every", name="a.e.")).counterexample is None
    apart = tl.Inequality(s.vectors, lambda c: ((c.x - c.y) ** 2).sum(), strict=True, name="x is not y")
    assert attack(apart).counterexample is not None
    assert attack(apart.but(quantifier="almost every", name="a.e. not equal")).counterexample is None


def test_almost_every_is_refuted_on_an_open_set() -> None:
    found = attack(s.relu_matrix.but(quantifier="almost every", name="matrix law almost everywhere"))
    assert found.counterexample is not None
    assert "around the case" in found.counterexample.recheck


def test_an_irrational_violation_is_shown_by_a_ball() -> None:
    found = attack(s.polar[3].without("A z = 0"))
    assert found.tier == "enclosure"
    assert found.witness is not None
    assert found.witness.value is None
    assert not found.witness.certifiable
    # At N = 1, A = z = v = eta = g = 1, y = 0: Q = exp(-g^2/2), g' = -3 g^5, so Q' = 3 exp(-1/2).
    assert {n: found.witness.values[n] for n in ("z", "eta", "init.g")} == {"z": [1], "eta": 1, "init.g": 1}
    assert float(found.witness.enclosure) == pytest.approx(3 * 2.718281828459045**-0.5, rel=1e-10)


def test_a_rational_witness_can_be_certified() -> None:
    found = attack(s.polar[2].without("|v(0)| = 1"))
    assert found.tier == "exact"
    assert found.witness is not None
    assert found.witness.certifiable
    assert isinstance(found.witness.value, Fraction)


def test_higher_derivatives_refute_what_the_first_cannot() -> None:
    """From rest the first three derivatives of the matrix law under momentum vanish."""
    found = attack(s.with_momentum)
    assert found.witness is not None
    assert found.witness.order == 4
    assert found.witness.derivatives == 3
    assert found.witness.certifiable


def test_the_hypotheses_that_other_invariants_carry_are_not_attacked() -> None:
    """A false invariant in `on` does not refute the claim that leans on it."""
    false = s.norms[2].but(quantity=lambda p: p.g, name="g is constant")
    leaning = tl.Invariant(s.norms[2].subject, lambda p: (p.v**2).sum(), on=[false], name="leaning")
    assert attack(leaning).counterexample is None
    assert attack(false).counterexample is not None


def test_a_gate_on_its_kink_says_nothing_of_a_derivative() -> None:
    """From w = 0 every gate sits on its kink: no start of a run is smooth."""
    flow = s.taught.with_(setting=tl.Setting(init={"w": 0}))
    found = attack(tl.Evolution(flow, lambda p, c: ((p.w - c.v) ** 2).sum(), 0, sense=">=", name="farther from 0"))
    assert found.counterexample is None
    assert found.outside == found.examined


def test_the_same_seed_gives_the_same_hunt() -> None:
    first, again = attack(s.relu_matrix, seed=7), attack(s.relu_matrix, seed=7)
    assert first == again
    assert attack(s.per_unit, seed=7).outside != attack(s.per_unit, seed=8).outside


def test_what_has_no_formula_is_left_alone() -> None:
    limit = tl.Limit(s.taught, lambda p: p.w, lambda c: c.v, name="limit")
    found = attack(limit)
    assert (found.counterexample, found.examined) == (None, 0)
    assert "no formula" in found.reason


def test_falsify_gives_a_verdict() -> None:
    verdict = tl.falsify(s.relu_matrix, dims={"d": 2})
    assert (verdict.status, verdict.tier, verdict.scope) == ("refuted", "exact", "d=1, k=2, m=1, n=1")
    assert verdict.as_expected
    assert verdict.counterexample is not None
    verdict = tl.falsify(s.per_unit, dims={"d": 1, "k": 2, "m": 1, "n": 1}, trials=100)
    assert (verdict.status, verdict.tier) == ("inconclusive", None)
    assert verdict.reason


@pytest.mark.parametrize(
    ("options", "named"), [({"dims": {"q": 2}}, "'q'"), ({"trials": 0}, "trials=0"), ({"dims": {"d": 0}}, "d=0")]
)
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(tl.InputError, match=named):
        tl.falsify(s.per_unit, **options)


def test_a_claim_is_expected() -> None:
    with pytest.raises(tl.InputError, match="int"):
        tl.falsify(3)  # type: ignore[arg-type]


def test_importing_the_hunt_does_not_import_hypothesis_or_torch() -> None:
    program = "import sys, theorylab.falsify; sys.exit('hypothesis' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
