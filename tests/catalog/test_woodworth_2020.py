"""Diagonal linear networks: exact laws, and limits against the minimisers of the dual problem."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import theorylab as tl
from tests.catalog.certify import claims_of, is_derived, is_provable, rulings
from theorylab import ops
from theorylab.catalog import woodworth_2020 as ww
from theorylab.readings.namespace import Namespace
from theorylab.simulate.observe import observe

DIMS = {"N": 2, "M": 2, "n": 2}
PROVED = {
    "plus-branch", "minus-branch", "cross-branch", "growth-plus", "decay-plus", "decay-minus", "growth-minus",
    "closed-form-path", "closed-form-path-any-start", "row-space",
}  # fmt: skip


def test_the_checker_accepts_every_law_for_all_sizes(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("woodworth-2020").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == "all sizes", name


def _path(formula):
    return ww.path.but(formula=formula)


MUTANTS = {
    "branch, sign": ww.plus_branch.but(quantity=lambda p: p.u_plus**2 + p.v_plus**2),
    "branch, constant": ww.minus_branch.but(quantity=lambda p: p.u_minus**2 - 2 * p.v_minus**2),
    "branch, exponent": ww.plus_branch.but(quantity=lambda p: p.u_plus**3 - p.v_plus**3),
    "cross, constant": ww.cross_branch.but(quantity=lambda p: p.u_plus * p.u_minus + 2 * p.v_plus * p.v_minus),
    "cross, exponent": ww.cross_branch.but(quantity=lambda p: p.u_plus**2 * p.u_minus + p.v_plus**2 * p.v_minus),
    "growth, sign": ww.exponential_laws[0].but(quantity=lambda p, c: (p.u_plus - p.v_plus) * ops.exp(-c.integral.s)),
    "growth, constant": ww.exponential_laws[0].but(
        quantity=lambda p, c: (p.u_plus + p.v_plus) * ops.exp(-2 * c.integral.s)
    ),
    "path, sign of s": _path(lambda c: ww.k(c) * ops.sinh(-2 * c.integral.s)),
    "path, sign in k": _path(lambda c: (c.init.u_plus**2 - c.init.v_plus**2) * ops.sinh(2 * c.integral.s)),
    "path, factor of s": _path(lambda c: ww.k(c) * ops.sinh(c.integral.s)),
    "path, exponent of k": _path(lambda c: ww.k(c) ** 2 * ops.sinh(2 * c.integral.s)),
    "path, balanced k": _path(lambda c: 2 * c.init.u_plus * c.init.v_plus * ops.sinh(2 * c.integral.s)),
    "any start, sign": ww.path_any_start.but(
        formula=lambda c: (ww.upper(c) * ops.exp(2 * c.integral.s) + ww.lower(c) * ops.exp(-2 * c.integral.s)) / 2
    ),
    "row space, any z": ww.row_space.without("x' z = 0"),
}


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    claims = claims_of("woodworth-2020")
    controls = {n: c for n, c in claims.items() if c.expected == "refuted" and c.goals()}
    assert len(controls) == 3
    assert not [name for name, ruling in rulings(controls | MUTANTS, tmp_path).items() if ruling.accepted]


@pytest.mark.parametrize("name", MUTANTS)
def test_no_reading_derives_a_mutant(name: str) -> None:
    assert not is_provable(MUTANTS[name], DIMS)


@given(st.integers(1, 4), st.integers(1, 4))
@settings(deadline=None, max_examples=16)
def test_the_path_has_one_width_and_one_rate(width: int, rate: int) -> None:
    path = _path(lambda c: Fraction(width, 2) * ww.k(c) * ops.sinh(rate * c.integral.s))
    assert is_derived(path) == ((width, rate) == (2, 2))


# --- limits -----------------------------------------------------------------------------------------------------------

SCALE_AND_SHAPE = [(1, 0), (1, 0.6), (0.1, 0), (0.1, 0.9), (1e-3, 0.3)]


@cache
def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 3)), rng.normal(size=3)


def _ends(start: Mapping[str, np.ndarray]) -> np.ndarray:
    x, y = _data()
    flow = tl.GradientFlow(ww.diagonal, loss=tl.loss.square, data=(x, y[None, :]))
    run = tl.simulate(
        flow, init=dict(start), dims={"N": 8}, t_end=3e3, until=tl.converged(1e-12), rtol=1e-11, atol=1e-30
    )
    assert all(status.label == "converged" for status in run.status)
    return ww.predictor(Namespace(run.params)).numpy()


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Limits (5, 8) of starts of scale u0 v0 and shape (u0 - v0) / (u0 + v0), and their widths."""
    alpha, shape = np.array(SCALE_AND_SHAPE).T
    u = np.repeat(np.sqrt(alpha * (1 + shape) / (1 - shape))[:, None], 8, 1)
    v = alpha[:, None] / u
    return _ends({"u_plus": u, "v_plus": v, "u_minus": u, "v_minus": v}), u**2 + v**2


def test_the_limit_is_the_minimiser_of_the_hyperbolic_entropy() -> None:
    limits, widths = _grid()
    x, y = _data()
    for b, k in zip(limits, widths, strict=True):
        assert np.abs(b - tl.bias.hypentropy_minimiser(x, y, k)).max() < 5e-12
        assert np.abs(b - tl.bias.hypentropy_minimiser(x, y, 2 * k)).max() > 1e-5


def test_small_scale_is_near_l1_and_an_unbalanced_start_is_back_at_l2() -> None:
    x, y = _data()
    least_l1 = linprog(np.ones(16), A_eq=np.hstack([x.T, -x.T]), b_eq=y).fun
    least_l2 = np.linalg.lstsq(x.T, y, rcond=None)[0]
    norms = dict(zip(SCALE_AND_SHAPE, np.abs(_grid()[0]).sum(1), strict=True))
    assert norms[1, 0] > norms[0.1, 0] > norms[1e-3, 0.3] > least_l1
    kernel = np.abs(least_l2).sum()
    assert abs(norms[0.1, 0.9] - kernel) < 0.1 * abs(norms[0.1, 0] - kernel)


def test_random_shapes_and_unequal_branches_end_at_bregman_minimisers() -> None:
    rng = np.random.default_rng(1)
    x, y = _data()
    start = {n: rng.uniform(0.1, 1, (6, 8)) for n in ("u_plus", "v_plus", "u_minus", "v_minus")}
    limits = _ends(start)
    a = (start["u_plus"] + start["v_plus"]) ** 2 + (start["u_minus"] - start["v_minus"]) ** 2
    b = (start["u_minus"] + start["v_minus"]) ** 2 + (start["u_plus"] - start["v_plus"]) ** 2
    first = start["u_plus"] * start["v_plus"] - start["u_minus"] * start["v_minus"]
    for limit, k, b0 in zip(limits, np.sqrt(a * b) / 2, first, strict=True):
        assert np.abs(limit - tl.bias.hypentropy_minimiser(x, y, k, start=b0)).max() < 2e-11
        assert np.abs(limit - tl.bias.hypentropy_minimiser(x, y, k)).max() > 1e-3


LIMITS = {c.name: c for c in claims_of("woodworth-2020").values() if c.kind == "limit"}
balanced = tl.bias.hypentropy(lambda c: 2 * c.init.u_plus * c.init.v_plus)
FALSE_LIMITS = {
    "the width of a balanced start": ww.hypentropy.but(value=tl.argmin(balanced)),
    "half the width": ww.hypentropy.but(value=tl.argmin(tl.bias.hypentropy(lambda c: ww.k(c) / 2))),
    "the start left out": ww.hypentropy_any_start.but(
        value=tl.argmin(tl.bias.hypentropy(lambda c: ops.sqrt(ww.upper(c) * ww.lower(c))))
    ),
}


@pytest.mark.parametrize("name", [*LIMITS, *FALSE_LIMITS])
def test_the_dual_residual_falls_with_the_tolerance_only_for_the_right_potential(name: str) -> None:
    claim = (LIMITS | FALSE_LIMITS)[name]
    *_, test = claim.tests()
    seen = observe(test, {"N": 4, "M": 2}, trials=6, seed=3, settle=claim.settle)
    assert seen.agrees is (claim.expected == "supported"), seen.reason
    assert (seen.worst[-1] < 1e-10) is seen.agrees
