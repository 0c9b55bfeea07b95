"""Norms as predictions: closed forms, certificates that no other point has, what changes of data leave alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import cvxpy
import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import bias
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.exact import Exact
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric

ELASTIC = bias.convex(
    "the elastic net",
    program=lambda b: cvxpy.norm1(b) + cvxpy.sum_squares(b) / 2,
    conjugate=lambda z: float((np.maximum(abs(z) - 1, 0) ** 2).sum() / 2),
)
L3 = bias.norm(
    "the l3 norm",
    program=lambda b: cvxpy.pnorm(b, 3),
    dual_norm=lambda z: float((abs(z) ** 1.5).sum() ** (2 / 3)),
)
VECTORS = {"l1": bias.l1, "linf": bias.linf, "euclidean": bias.euclidean, "own l3": L3, "own elastic": ELASTIC}


def data(seed: int, d: int = 6, n: int = 2) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(d, n)), rng.normal(size=n), rng


def numeric(values: object) -> Numeric:
    return Numeric(torch.as_tensor(np.asarray(values, float), dtype=torch.float64))


@pytest.mark.parametrize("name", VECTORS)
def test_a_minimum_is_certified_and_no_other_interpolator_is(name: str) -> None:
    f = VECTORS[name]
    for seed in range(4):
        x, y, rng = data(seed)
        best = f.minimum(x, y)
        assert best.certificate.primal < 1e-9
        assert abs(best.certificate.gap) < f.resolution
        assert f.certificate(best.b, x).gap == pytest.approx(0, abs=f.resolution)
        z = rng.normal(size=len(x))
        z -= x @ np.linalg.lstsq(x, z, rcond=None)[0]
        other = best.b + z
        excess = (f.value(other) - best.value) / f.value(other)
        assert excess > 0.01
        size = max(abs(f.value(other)), abs(f.conjugate(f.certificate(other, x).slope)))
        assert f.certificate(other, x).gap * size == pytest.approx(f.value(other) - best.value, rel=1e-5)


@pytest.mark.parametrize(("f", "dual"), [(bias.l1, np.inf), (bias.linf, 1), (bias.euclidean, 2), (L3, 1.5)])
def test_one_sample_has_the_least_norm_that_the_dual_norm_says(f: Any, dual: float) -> None:
    """min |b| over <x, b> = y is |y| / |x|_*, and so is the inverse of the largest margin."""
    x, _, _ = data(3, n=1)
    expected = 2 / np.linalg.norm(x[:, 0], dual)
    assert f.minimum(x, [2.0]).value == pytest.approx(expected, rel=1e-7)
    assert bias.max_margin(f).minimum(x, [-1.0], margins=True).value == pytest.approx(expected / 2, rel=1e-7)


def test_every_l1_minimiser_of_a_face_is_certified() -> None:
    """With a feature that is 1 for all coordinates every nonnegative interpolator is a minimiser."""
    x = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    for b in ([0.4, 0.2, 0.2, 0.2], [0.6, 0.0, 0.0, 0.4], [0.0, 0.9, 0.0, 0.1]):
        assert abs(bias.l1.certificate(b, x).gap) < 1e-14
    assert bias.l1.certificate([0.75, -0.25, 0.25, 0.25], x).gap == pytest.approx(1 / 3)


def test_a_weight_is_a_number_or_a_function_of_the_case() -> None:
    x, y, _ = data(5)
    w = np.linspace(1, 9, 6)
    best = bias.l1_weighted(lambda c: c.w).minimum(x, y, parameters=[w])
    scaled = bias.l1.minimum(x / w[:, None], y)
    assert best.b * w == pytest.approx(scaled.b, abs=1e-12)
    case = Case({"x": numeric(x), "w": numeric(w)})
    f = bias.l1_weighted(lambda c: c.w)
    assert abs(float(f.dual_residual(numeric(best.b), case).data)) < 1e-12
    assert float(bias.l1.dual_residual(numeric(best.b), case).data) > 1e-3


@pytest.mark.parametrize("name", VECTORS)
def test_a_certificate_does_not_depend_on_the_basis_of_the_samples(name: str) -> None:
    """{x' b = q} is {(x M)' b = M' q}."""
    x, _, rng = data(7)
    b, mix = rng.normal(size=6), rng.normal(size=(2, 2))
    f = VECTORS[name]
    assert f.certificate(b, x).gap == pytest.approx(f.certificate(b, x @ mix).gap, abs=1e-7)
    if f.dual_norm is not None:
        assert f.certificate(b, x).gap == pytest.approx(f.certificate(-3 * b, x).gap, abs=1e-7)


def test_margins_count_the_direction_alone() -> None:
    x, _, rng = data(11, d=5, n=3)
    labels = np.array([1.0, -1.0, 1.0])
    for f in (bias.max_margin(bias.l1), bias.max_margin(bias.linf), bias.max_margin(bias.euclidean)):
        best = f.minimum(x, labels, margins=True)
        assert (labels * (x.T @ best.b)).min() == pytest.approx(1, abs=1e-8)
        assert abs(f.certificate(40 * best.b, x, labels).gap) < f.resolution
        assert f.certificate(-best.b, x, labels).gap == 1, "a negative margin is infinitely far from optimal"
        b = best.b + 0.02 * rng.normal(size=5)
        margin = (labels * (x.T @ b)).min() / f.value(b)
        assert f.certificate(b, x, labels).gap == pytest.approx(1 - margin * best.value, abs=1e-7)


def test_support_vectors_carry_the_margin() -> None:
    """Two opposite samples: the maximal margin is half their distance, and the third sample has no dual weight."""
    x, labels = np.array([[1.0, 1.0, 5.0], [2.0, -2.0, 9.0]]), np.array([1.0, -1.0, 1.0])
    best = bias.max_margin(bias.euclidean).minimum(x, labels, margins=True)
    assert best.b == pytest.approx([0, 0.5], abs=1e-7)
    assert best.certificate.dual == pytest.approx([1 / 4, 1 / 4, 0], abs=1e-6)


# --- matrices ---------------------------------------------------------------------------------------------------------


def test_the_nuclear_norm_of_diagonal_measurements_is_an_l1_norm() -> None:
    x = np.zeros((9, 2))
    x[[0, 4, 8], 0], x[[0, 4, 8], 1] = [1, 2, 3], [1, -1, 0.5]
    best = bias.nuclear.minimum(x, [1.0, 0.5], shape=(3, 3))
    flat = bias.l1.minimum(x[[0, 4, 8]], [1.0, 0.5])
    assert best.value == pytest.approx(flat.value, rel=1e-7)
    assert abs(best.certificate.gap) < 1e-7


def test_rotations_leave_a_nuclear_gap_alone() -> None:
    rng = np.random.default_rng(2)
    b, x = rng.normal(size=(3, 2)), rng.normal(size=(6, 3))
    u, v = np.linalg.qr(rng.normal(size=(3, 3)))[0], np.linalg.qr(rng.normal(size=(2, 2)))[0]
    turned = np.stack([(u @ a.reshape(3, 2) @ v).reshape(-1) for a in x.T], 1)
    gap = bias.nuclear.certificate(b, x).gap
    assert gap > 0.01
    assert bias.nuclear.certificate(u @ b @ v, turned).gap == pytest.approx(gap, abs=1e-7)


def test_a_fixed_matrix_is_the_least_of_all_norms_that_see_all_its_entries() -> None:
    b = np.arange(4.0).reshape(2, 2)
    for f in (bias.nuclear, bias.group(), bias.group(1), bias.group(3)):
        assert f.certificate(b, np.eye(4)).gap == pytest.approx(0, abs=f.resolution)


def test_groups_choose_whole_rows() -> None:
    """Rows (1, 1) and (1.3, 0) may fit y = 1: the first is larger for l2, the second for l1 and for large q."""
    x = np.array([[1.0], [1.0], [1.3], [0.0]])
    for q, row in ((2, 0), (1, 1), (4, 0)):
        best = bias.group(q).minimum(x, [1.0], shape=(2, 2)).b
        assert np.abs(best[1 - row]).max() < 1e-6 < np.abs(best[row]).max()


def test_a_matrix_of_predictors_shares_its_inputs() -> None:
    """min |B|_* over B x = Y for square invertible x: B is given, so certified; a wider kernel is not."""
    rng = np.random.default_rng(4)
    b = rng.normal(size=(3, 2))
    assert bias.nuclear.certificate(b, rng.normal(size=(2, 2))).gap == pytest.approx(0, abs=1e-7)
    assert bias.nuclear.certificate(b, np.array([[1.0], [0.0]])).gap > 0.01


def test_schatten_norms_have_their_gradient() -> None:
    rng = np.random.default_rng(6)
    b, h = rng.normal(size=(3, 2)), 1e-5
    f = bias.schatten(3)
    assert isinstance(f, bias.Potential)
    gradient = f.gradient(numeric(b), Case({})).data.numpy()

    def value(m: np.ndarray) -> float:
        return float((np.linalg.svd(m, compute_uv=False) ** 3).sum() / 3)

    step = rng.normal(size=b.shape)
    assert (gradient * step).sum() == pytest.approx((value(b + h * step) - value(b - h * step)) / (2 * h), rel=1e-7)
    assert bias.schatten(1) is bias.nuclear
    assert np.allclose(bias.schatten(2).gradient(numeric(b), Case({})).data, b)
    x = rng.normal(size=(6, 2))
    least = (x @ np.linalg.lstsq(x.T @ x, np.ones(2), rcond=None)[0]).reshape(3, 2)
    residual = bias.schatten(2).dual_residual(numeric(least), Case({"x": numeric(x)}))
    assert float(residual.data.abs().max()) < 1e-12
    assert float(f.dual_residual(numeric(least), Case({"x": numeric(x)})).data.abs().max()) > 1e-3


def test_path_norms_are_invariant_under_rescaling_of_units() -> None:
    rng = np.random.default_rng(8)
    w1, w2, c = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.uniform(0.1, 9, 4)
    for p in (1, 2, 3, Fraction(3, 2)):
        norm = float(bias.path_norm([numeric(w1), numeric(w2)], p).data)
        paths = np.abs(w2[:, :, None] * w1[None]) ** float(p)
        assert norm == pytest.approx(paths.sum() ** (1 / float(p)), rel=1e-12)
        assert float(bias.path_norm([numeric(c[:, None] * w1), numeric(w2 / c)], p).data) == pytest.approx(norm)
    assert isinstance(bias.path_norm([Exact.variable("W", (2, 2)), Exact.variable("V", (1, 2))], 2), Exact)


# --- what a certificate rests on ------------------------------------------------------------------------------------


def test_a_solver_that_errs_certifies_nothing() -> None:
    x, y, _ = data(9)
    good = bias.l1.minimum(x, y)

    def halved(*problem: Any) -> Any:
        pair = bias.l1.solver(*problem)
        assert pair is not None
        return replace(pair, dual=pair.dual / 2)

    def doubled(*problem: Any) -> Any:
        pair = bias.l1.solver(*problem)
        assert pair is not None
        return replace(pair, dual=2 * pair.dual)

    assert replace(bias.l1, solver=halved).certificate(good.b, x).gap == pytest.approx(0.5)
    shrunk = replace(bias.l1, solver=doubled).certificate(good.b, x)
    assert shrunk.scaled_by == pytest.approx(0.5)
    assert abs(shrunk.gap) < 1e-12, "a dual point outside of the domain counts only after it was scaled into it"
    lost = replace(bias.l1, solver=lambda *problem: None).certificate(good.b, x)
    assert np.isnan(lost.gap)


def test_gaps_are_taken_trial_by_trial_under_vmap() -> None:
    x, _, rng = data(10)
    b = rng.normal(size=(5, 6))

    def gap(row: torch.Tensor) -> torch.Tensor:
        return bias.l1.dual_residual(Numeric(row), Case({"x": numeric(x)})).data

    found = torch.func.vmap(gap)(torch.from_numpy(b))
    assert found.numpy() == pytest.approx([bias.l1.certificate(row, x).gap for row in b], abs=1e-14)
    with pytest.raises(UnsupportedReading, match="no symbolic form"):
        bias.l1.dual_residual(Exact.variable("b", (6,)), Case({"x": Exact.variable("x", (6, 2))}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bias.l1.minimum([[1.0]], [1.0, 2.0]), r"\(d, n\)"),
        (lambda: bias.l1.minimum([[1.0, 1.0]], [1.0, 2.0]), "no b was found"),
        (lambda: bias.max_margin(bias.l1).minimum([[1.0, 1.0]], [1.0, -1.0], margins=True), "margin at least 1"),
        (lambda: bias.nuclear.minimum(np.eye(4), np.ones(4), shape=(3, 3)), "4 entries"),
        (lambda: bias.l1.certificate([1.0, 2.0], np.ones((3, 1))), "one row for each"),
        (lambda: bias.l1_weighted(0), "positive"),
        (lambda: bias.group(Fraction(1, 2)), "at least 1"),
        (lambda: bias.schatten(0), "at least 1"),
        (lambda: bias.path_norm([]), "at least one matrix"),
        (lambda: bias.max_margin(bias.l2), "expected a norm"),
        (lambda: bias.max_margin(ELASTIC), "expected a norm"),
        (lambda: bias.l2.subject_to(bias.margins()), "expected a norm"),
        (lambda: bias.interpolators(3), "function of the case"),  # type: ignore[arg-type]
        (lambda: bias.norm("own", program=3, dual_norm=abs), "function of an array"),  # type: ignore[arg-type]
        (lambda: tl.argmin(3), "potential of tl.bias"),
    ],
)
def test_bad_norms_are_refused_in_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
