"""Every method is what it says: order conditions of its tableau, its error weights and its dense output."""

from __future__ import annotations

import numpy as np
import pytest

from theorylab.errors import InputError
from theorylab.simulate.methods import DOP853, METHODS, TSIT5, ExplicitRungeKutta, by_name
from theorylab.simulate.methods.tableau import alternating_basis

from .rooted_trees import condition, density, stage_weights, trees

EPS = np.finfo(float).eps
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def test_number_of_rooted_trees() -> None:
    # Hairer, Norsett, Wanner, Solving ODEs I, table II.2.1.
    assert [len(trees(n)) for n in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


def test_density_of_the_trees_of_order_four() -> None:
    assert sorted(density(tree) for tree in trees(4)) == [4, 8, 12, 24]


def defect(method: ExplicitRungeKutta, weights: np.ndarray, order: int, theta: float = 1.0) -> float:
    """Largest violation of an order condition, in units of the terms that make it up."""
    return max(
        abs(condition(method.a, weights, tree) - theta**order / density(tree))
        / max(1.0, condition(abs(method.a), abs(weights), tree))
        for tree in trees(order)
    )


@methods
def test_solution_has_its_order_and_no_more(method: ExplicitRungeKutta) -> None:
    for order in range(1, method.order + 1):
        assert defect(method, method.b, order) < 1e-14
    assert defect(method, method.b, method.order + 1) > 1e-7


@methods
def test_nodes_are_row_sums(method: ExplicitRungeKutta) -> None:
    assert np.all(np.abs(method.a.sum(1) - method.c) <= 8 * EPS * np.maximum(1, np.abs(method.a).sum(1)))


@methods
def test_stages_are_explicit_and_the_last_is_the_end_of_the_step(method: ExplicitRungeKutta) -> None:
    assert np.all(np.triu(method.a) == 0)
    assert method.c[method.last] == 1
    assert method.c[method.last - 1] == 1  # the estimate of the spectral radius needs two stages at the same time


def embedded_orders(method: ExplicitRungeKutta) -> list[int]:
    """Highest order at which each row of error weights vanishes on every tree."""
    found = []
    for weights in method.e:
        order = 0
        while max(abs(weights @ stage_weights(method.a, tree)) for tree in trees(order + 1)) < 1e-13:
            order += 1
        found.append(order)
    return found


def test_embedded_orders() -> None:
    assert embedded_orders(TSIT5) == [4]
    # With errors h^6 and h^4, the quotient of DOP853 behaves as h^12 / h^4 = h^8.
    assert embedded_orders(DOP853) == [5, 3]
    assert [method.embedded_order for method in (TSIT5, DOP853)] == [4, 7]


@methods
@pytest.mark.parametrize("theta", [0.1, 0.37, 0.5, 0.83, 1.0])
def test_dense_output_has_its_order(method: ExplicitRungeKutta, theta: float) -> None:
    weights = np.array(alternating_basis(theta, len(method.g))) @ method.g
    for order in range(1, method.dense_order + 1):
        assert defect(method, weights, order, theta) < 1e-14


@methods
def test_dense_output_is_smooth_between_steps(method: ExplicitRungeKutta) -> None:
    """Value b at theta = 1; derivative k_0 at theta = 0 and k_last at theta = 1."""
    degree, tiny = len(method.g), 1e-7
    at = {theta: np.array(alternating_basis(theta, degree)) @ method.g for theta in (tiny, -tiny, 1 + tiny, 1 - tiny)}
    start = (at[tiny] - at[-tiny]) / (2 * tiny)
    end = (at[1 + tiny] - at[1 - tiny]) / (2 * tiny)
    unit = np.eye(len(method.c))
    assert np.array_equal(np.array(alternating_basis(1.0, degree)) @ method.g, method.b)
    assert np.abs(start - unit[0]).max() < 1e-5
    assert np.abs(end - unit[method.last]).max() < 1e-5


@methods
def test_perturbed_coefficient_breaks_the_conditions(method: ExplicitRungeKutta) -> None:
    weights = method.b.copy()
    weights[method.last - 1] += 1e-10
    assert max(defect(method, weights, order) for order in range(1, method.order + 1)) > 1e-12


@methods
def test_every_method_is_cited(method: ExplicitRungeKutta) -> None:
    assert any(year in method.citation for year in ("1993", "2011"))


def test_auto_takes_the_high_order_for_tight_tolerances() -> None:
    assert by_name("auto", rtol=1e-6) is TSIT5
    assert by_name("auto", rtol=1e-10) is DOP853


def test_unknown_method() -> None:
    with pytest.raises(InputError, match=r"method='euler' is unknown; expected 'auto' or one of 'tsit5', 'dop853'"):
        by_name("euler", rtol=1e-6)
