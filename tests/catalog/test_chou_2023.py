"""Weight normalization: exact laws for L = 2, 3, 4, and limits against plain gradient flow from a smaller start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import theorylab as tl
from tests.catalog.certify import claims_of, is_derived, is_provable, rulings
from theorylab import ops
from theorylab.catalog import chou_2023 as chou
from theorylab.simulate import integrate
from theorylab.simulate.observe import observe
from theorylab.simulate.problem import Problem

DIMS = {"N": 2, "M": 1, "n": 2}
PROVED = {
    "norm-invariant", "polar-invariants", "polar-invariants-l3", "polar-invariants-l4", "plain-invariants",
    "plain-invariants-l3", "plain-invariants-l4", "mirror-form", "signed-norm", "signed-polar-invariants",
    "signed-polar-invariants-l3", "signed-polar-invariants-l4", "signed-plain-invariants",
    "signed-plain-invariants-l3", "signed-plain-invariants-l4", "residual-law", "residual-law-normalized",
    "radial-law", "mirror-convex",
}  # fmt: skip


def test_the_checker_accepts_every_law_for_all_sizes(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("chou-2023").items() if c.expected == "proved" and c.goals()}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == "all sizes", name


def _log(p, c):
    return (c.z * ops.log(chou.direction(p))).sum(-1)


def _power(L, exponent, rate=1):
    return lambda p, c: ops.exp(rate * (2 - L) * p.g**2 / (2 * c.eta)) * (c.z * chou.direction(p) ** exponent).sum(-1)


two, three, four = (chou.polar_invariants[L] for L in (2, 3, 4))
MUTANTS = {
    "norm, exponent": chou.norm_invariant.but(quantity=lambda p: (p.v**3).sum(-1)),
    "norm, with g": chou.norm_invariant.but(quantity=lambda p: (p.v**2).sum(-1) + p.g**2),
    "polar 2, sign": two.but(quantity=lambda p, c: _log(p, c) - p.g**2 / (2 * c.eta) * c.z.sum(-1)),
    "polar 2, constant": two.but(quantity=lambda p, c: _log(p, c) + p.g**2 / c.eta * c.z.sum(-1)),
    "polar 2, exponent": two.but(quantity=lambda p, c: _log(p, c) + p.g**3 / (2 * c.eta) * c.z.sum(-1)),
    "polar 2, ratio of rates": two.but(quantity=lambda p, c: _log(p, c) + p.g**2 * c.eta / 2 * c.z.sum(-1)),
    "polar 2, plain": two.but(quantity=lambda p, c: (c.z * ops.log(chou.weights(p))).sum(-1)),
    "polar 3, sign": three.but(quantity=_power(3, -1, rate=-1)),
    "polar 3, exponent": three.but(quantity=_power(3, -2)),
    "polar 4, constant": four.but(quantity=_power(4, -2, rate=2)),
    "polar 4, exponent": four.but(quantity=_power(4, -1)),
    "polar 3, outside the kernel": three.without("A z = 0"),
    "polar 3, norm not one": three.without("|v(0)| = 1"),
    "polar 3, norm not carried": three.but(on=[]),
    "plain 2, outside the kernel": chou.plain_invariants[2].without("A z = 0"),
    "plain 3, exponent": chou.plain_invariants[3].but(quantity=chou.plain_law(4)),
    "mirror, constant": chou.mirror_form.but(rate=lambda p, c: -2 * p.g**2 / (p.v**2).sum() * (c.x @ c.r.mT)[..., 0]),
    "mirror, norm left out": chou.mirror_form.but(quantity=lambda p, c: chou.mirror(chou.weights(p) ** 2, c.eta)),
}


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    claims = claims_of("chou-2023")
    controls = {n: c for n, c in claims.items() if c.expected == "refuted" and c.goals()}
    assert len(controls) == 14
    assert not [name for name, ruling in rulings(controls | MUTANTS, tmp_path).items() if ruling.accepted]


@pytest.mark.parametrize("name", MUTANTS)
def test_no_reading_derives_a_mutant(name: str) -> None:
    assert not is_provable(MUTANTS[name], DIMS)


@given(st.sampled_from([-2, -1, 1, 2]), st.integers(1, 4))
@settings(deadline=None, max_examples=16)
def test_the_polar_law_has_one_exponent_and_one_rate(exponent: int, rate: int) -> None:
    claim = chou.polar_invariants[3].but(quantity=_power(3, exponent, rate=rate))
    assert is_derived(claim) == ((exponent, rate) == (-1, 1))


# --- limits -----------------------------------------------------------------------------------------------------------


def _plain_limits(L: int, start: torch.Tensor, case: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Limits of plain gradient flow from the weights `start`, (trials, N), on the data of another run."""
    setting = tl.Setting(A=tl.var("M N"), y=tl.var("1 M"))
    dims = {"N": start.shape[1], "M": case["A"].shape[1]}
    problem = Problem(chou.gradient_flow(L, setting), dims, {"A": case["A"], "y": case["y"], "init.w": start})
    options = {"t_end": 3e3, "rtol": 1e-11, "atol": 1e-30}
    return integrate(problem.compiled(), problem.initial, until=tl.converged(1e-12), **options).y


@pytest.mark.parametrize("L", [2, 3])
def test_weight_normalization_ends_where_plain_gradient_flow_does_from_a_smaller_start(L: int) -> None:
    flow = chou.effective_initialization[L].subject
    run = tl.simulate(
        flow, dims={"N": 4, "M": 2}, trials=4, seed=5, t_end=300.0, until=tl.converged(1e-12), rtol=1e-11, atol=1e-30
    )
    assert all(status.label == "converged" for status in run.status)
    start, end = (
        p["g"][:, None] * p["v"] / torch.linalg.vector_norm(p["v"], dim=1, keepdim=True)
        for p in ({n: run.case[f"init.{n}"] for n in ("g", "v")}, run.params)
    )
    sizes = [torch.linalg.vector_norm(w, dim=1) for w in (start, end)]
    rho = sizes[0] / sizes[1] * torch.exp((sizes[1] ** 2 - sizes[0] ** 2) / (2 * run.case["eta"]))
    assert (_plain_limits(L, start / rho[:, None], run.case) - end).abs().max() < 1e-9
    assert (_plain_limits(L, start, run.case) - end).abs().max() > 1e-2


def test_the_bound_of_the_l1_norm_against_linear_programming() -> None:
    """The runs of the claim, and Q of scipy: the bound is 0 or more, and is not met by chance alone."""
    flow = chou.wn_bound[2].subject
    run = tl.simulate(flow, dims={"N": 6, "M": 3}, trials=6, seed=1, t_end=300.0, rtol=1e-10, atol=1e-30)
    g, v = run.params["g"], run.params["v"]
    norms = ((g[:, None] * v / torch.linalg.vector_norm(v, dim=1, keepdim=True)) ** 2).sum(1)
    start = 6 * run.case["scale"] ** 2
    rho = torch.sqrt(start / norms) * torch.exp((norms - start) / (2 * run.case["eta"]))
    for k in range(6):
        a, y = run.case["A"][k].numpy(), run.case["y"][k, 0].numpy()
        least = linprog([1.0] * 6, A_eq=a, b_eq=y, bounds=[(0, None)] * 6).fun
        assert norms[k] >= least * (1 - 1e-6)
        assert (norms[k] - least) * torch.log(rho[k] ** 2 * least / start[k]) <= least * math.log(6) + 1e-9


def test_two_networks_side_by_side_do_not_touch_each_other() -> None:
    flow = chou.problems(tl.draw.constant(0.3))
    pair = tl.simulate(flow, trials=3, seed=2, t_end=5.0, rtol=1e-11, atol=1e-30)
    setting = tl.Setting(A=tl.var("M N"), y=tl.var("1 M"))
    case = {"A": pair.case["A"], "y": (pair.case["y"])[:, None], "init.w": pair.case["init.w"]}
    alone = Problem(chou.gradient_flow(2, setting), {"N": 20, "M": 10}, case)
    end = integrate(alone.compiled(), alone.initial, t_end=5.0, rtol=1e-11, atol=1e-30).y
    assert (end - pair.params["w"]).abs().max() < 1e-9
    assert torch.linalg.vector_norm(pair.case["init.v"], dim=1) == pytest.approx(torch.ones(3))
    weights = pair.case["init.g"][:, None] * pair.case["init.v"]
    assert (weights - pair.case["init.w"]).abs().max() < 1e-14


LIMITS = {c.name: c for c in claims_of("chou-2023").values() if c.kind == "limit"}
FALSE_LIMITS = {
    "norm not one": chou.effective_initialization[3].without("|v(0)| = 1"),
    "rho upside down": chou.effective_initialization[2].but(
        value=chou.ends_as_if_from(2, lambda c: chou.weights(c.init) * chou.rho(c))
    ),
    "the functional of L = 3": chou.plain_bias[4].but(value=chou.plain_bias[3].value),
}


@pytest.mark.parametrize("name", [*LIMITS, *FALSE_LIMITS])
def test_the_dual_residual_falls_with_the_tolerance_only_for_the_right_start(name: str) -> None:
    claim = (LIMITS | FALSE_LIMITS)[name]
    *_, test = claim.tests()
    seen = observe(test, {"N": 4, "M": 2}, trials=4, seed=3, settle=claim.settle)
    assert seen.agrees is (claim.expected != "refuted"), seen.reason
    assert (seen.worst[-1] < 1e-9) is seen.agrees


def test_the_plot_against_the_scale_has_every_point() -> None:
    """Runs that have converged count too; weight normalization is better in the middle and worse at scale 1."""
    normalized, plain = chou.against_scale(0).series
    assert len(normalized.x) == len(plain.x) == 9
    assert all(math.isfinite(y) for y in (*normalized.y, *plain.y))
    assert normalized.y[4] < plain.y[4]
    assert normalized.y[-1] > plain.y[-1]
