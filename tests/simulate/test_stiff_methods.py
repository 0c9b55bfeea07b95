"""ROCK4 and Rodas5P are what they say: order conditions, error estimates, stability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from theorylab.simulate.methods import ROCK4, RODAS5P, STIFF_METHODS
from theorylab.simulate.methods.stabilised import Member

from .rooted_trees import Tree, condition, density, stage_weights, trees

members = pytest.mark.parametrize("member", ROCK4.members, ids=lambda member: f"{member.stages} stages")


# --- ROCK4 ----------------------------------------------------------------------------------------------------------


def tableau(member: Member) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b and error weights of a member as one Runge-Kutta method; its last stage is the new point."""
    size = member.stages + 1
    a = np.zeros((size, size))
    before, now = np.zeros(size), np.zeros(size)
    for j, (mu, nu) in enumerate(zip(member.mu, member.nu, strict=True)):
        a[j] = now
        before, now = now, nu * now + (1 - nu) * before
        now[j] += mu
    first = len(member.mu)
    for i in range(4):
        a[first + i] = now
        a[first + i, first : first + 4] += member.a[i]
    b, e = now.copy(), np.zeros(size)
    b[first : first + 4] += member.b
    e[first : first + 5] = member.e
    a[-1] = b
    return a, b, e


def defect(a: np.ndarray, b: np.ndarray, order: int) -> float:
    return max(abs(condition(a, b, tree) - 1 / density(tree)) for tree in trees(order))


@members
def test_every_stage_count_has_order_four_and_no_more(member: Member) -> None:
    a, b, _ = tableau(member)
    assert max(defect(a, b, order) for order in range(1, 5)) < 1e-13
    assert defect(a, b, 5) > 1e-4


@members
def test_estimate_has_order_three_and_no_more(member: Member) -> None:
    a, _, e = tableau(member)
    for order in range(1, 4):
        assert max(abs(e @ stage_weights(a, tree)) for tree in trees(order)) < 1e-13
    weights = [e @ stage_weights(a, tree) for tree in trees(4)]
    assert np.linalg.norm(weights) == pytest.approx(ROCK4.estimate)


@members
def test_nodes_are_row_sums(member: Member) -> None:
    assert np.allclose(tableau(member)[0].sum(1)[:-1], member.nodes, atol=1e-13)


@members
def test_stability_interval(member: Member) -> None:
    """Damped to 0.95 but near 0, unstable soon after the end, and of a length that grows as 0.35 times the square."""
    z = -member.interval * (1 - np.cos(np.linspace(0, np.pi, 40 * member.stages))) / 2
    values = abs(member.stability(z))
    assert values.max() <= 1 + 1e-12
    # Around z = -1 the polynomial follows exp before it oscillates.
    assert values[z < -4].max() <= 0.95 + 1e-9 or member.stages <= 6
    assert abs(member.stability(np.array([-1.01 * member.interval]))[0]) > 1
    assert member.interval >= 0.35 * member.stages**2 - 3
    if member.stages >= 33:
        assert member.interval >= 0.35 * member.stages**2


@members
def test_stability_polynomial_is_that_of_the_tableau(member: Member) -> None:
    a, b, _ = tableau(member)
    for z in (-0.01, -0.5, -3.0):
        slopes = np.linalg.solve(np.eye(len(a)) - z * a, np.ones(len(a)))
        assert member.stability(np.array([z]))[0] == pytest.approx(1 + z * (b @ slopes), rel=1e-10)


def test_a_perturbed_recurrence_breaks_the_order() -> None:
    member = ROCK4.members[7]
    mu = member.mu.copy()
    mu[3] *= 1 + 1e-9
    a, b, _ = tableau(replace(member, mu=mu))
    assert max(defect(a, b, order) for order in range(1, 5)) > 1e-12


def test_a_perturbed_zero_breaks_the_stability() -> None:
    """The finish gives any recurrence the order; only with the right zeros is the polynomial bounded."""
    stages = 20
    p, *others = ROCK4.zeros[stages]
    member = replace(ROCK4, zeros={stages: (1.01 * p, *others)}).members[0]
    a, b, _ = tableau(member)
    assert max(defect(a, b, order) for order in range(1, 5)) < 1e-13
    z = -np.linspace(0.5, 1, 4000) * member.interval
    assert abs(member.stability(z)).max() > 1


# --- Rodas5P --------------------------------------------------------------------------------------------------------


def rosenbrock_condition(weights: np.ndarray, alpha: np.ndarray, beta: np.ndarray, tree: Tree) -> float:
    """The elementary weight of a tree: a branch that stands alone takes alpha + Gamma, others take alpha."""

    def stages(tree: Tree) -> np.ndarray:
        if len(tree) == 1:
            return beta @ stages(tree[0])
        result = np.ones(len(weights))
        for branch in tree:
            result = result * (alpha @ stages(branch))
        return result

    return float(weights @ stages(tree))


def rosenbrock_defect(weights: np.ndarray, order: int) -> float:
    alpha, gamma, _, _ = RODAS5P.standard()
    return max(
        abs(rosenbrock_condition(weights, alpha, alpha + gamma, tree) - 1 / density(tree)) for tree in trees(order)
    )


def test_rodas5p_has_order_five_and_an_estimate_of_order_four() -> None:
    _, _, b, embedded = RODAS5P.standard()
    assert max(rosenbrock_defect(b, order) for order in range(1, 6)) < 1e-13
    assert rosenbrock_defect(b, 6) > 1e-3
    assert max(rosenbrock_defect(embedded, order) for order in range(1, 5)) < 1e-13
    assert rosenbrock_defect(embedded, 5) > 1e-3


def test_rodas5p_is_stable_in_the_left_half_plane_and_damps_at_infinity() -> None:
    assert abs(RODAS5P.stability_at_infinity()) < 1e-12
    sizes = np.logspace(-3, 8, 300)
    for angle in np.linspace(np.pi / 2, np.pi, 9):
        assert abs(RODAS5P.stability(sizes * np.exp(1j * angle))).max() <= 1 + 1e-12
    negative = abs(RODAS5P.stability(-np.logspace(1, 8, 100).astype(complex)))
    assert negative[-1] < 1e-6
    assert negative.max() < 0.2


def test_rodas5p_nodes_and_shifts_are_row_sums() -> None:
    alpha, gamma, _, _ = RODAS5P.standard()
    assert np.allclose(alpha.sum(1), RODAS5P.nodes, atol=1e-13)
    assert np.allclose(gamma.sum(1), RODAS5P.shifts, atol=1e-13)


def test_a_perturbed_coefficient_breaks_the_order() -> None:
    rows = {i: dict(row) for i, row in RODAS5P.rows.items()}
    rows[4][2] += 1e-8
    _, _, b, _ = replace(RODAS5P, rows=rows).standard()
    alpha, gamma, _, _ = replace(RODAS5P, rows=rows).standard()
    worst = max(
        abs(rosenbrock_condition(b, alpha, alpha + gamma, tree) - 1 / density(tree))
        for order in range(1, 6)
        for tree in trees(order)
    )
    assert worst > 1e-11


def test_every_method_is_cited() -> None:
    assert "Abdulle" in ROCK4.citation
    assert "Steinebach" in RODAS5P.citation
    assert set(STIFF_METHODS) == {"rock4", "rodas5p"}
