"""Drift against tolerance tells a conserved quantity from one that is not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import Refinement, converged, drift_falls, ensemble, fall_factors, integrate, refine
from theorylab.simulate.methods import METHODS
from theorylab.simulate.typing import Observe

from .zoo import ZOO, Problem, logistic, tensor

LADDER = (1e-6, 1e-8, 1e-10)
methods = pytest.mark.parametrize("method", ["auto", *METHODS])
D, K, M, N, TRIALS = 2, 3, 2, 4, 16


class TwoLayers:
    """Gradient flow of |V W x - y|^2 / 2 with random data for each trial."""

    def __init__(self) -> None:
        self.x = ensemble(1, TRIALS, lambda g: g.standard_normal((D, N)))
        self.y = ensemble(2, TRIALS, lambda g: g.standard_normal((M, N)))
        self.initial = ensemble(3, TRIALS, lambda g: 0.6 * g.standard_normal(K * D + M * K))
        self.scale = (self.initial**2).sum(1, keepdim=True)

    def layers(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y[:, : K * D].view(-1, K, D), y[:, K * D :].view(-1, M, K)

    def field(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        w, v = self.layers(y)
        x = self.x[rows]
        residual = v @ w @ x - self.y[rows]
        return -torch.cat([(v.mT @ residual @ x.mT).flatten(1), (residual @ (w @ x).mT).flatten(1)], dim=1)

    def balancedness(self, factor: float = 1.0) -> Observe:
        def observe(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
            w, v = self.layers(y)
            return (w @ w.mT - factor * v.mT @ v).flatten(1)

        return observe


@methods
def test_conserved_quantity_drifts_by_the_tolerance_alone(method: str) -> None:
    net = TwoLayers()
    result = refine(net.field, net.initial, LADDER, observe=net.balancedness(), t_end=4.0, method=method)
    worst = result.worst(net.scale)
    assert drift_falls(worst, LADDER)
    assert worst[0] < 1e-4
    assert result.curve(net.scale) == (LADDER, tuple(worst.tolist()))


@methods
@pytest.mark.parametrize("factor", [1.001, -1.0])
def test_other_quantities_keep_their_drift(method: str, factor: float) -> None:
    net = TwoLayers()
    result = refine(net.field, net.initial, LADDER, observe=net.balancedness(factor), t_end=4.0, method=method)
    worst = result.worst(net.scale)
    assert not drift_falls(worst, LADDER)
    assert torch.allclose(fall_factors(worst, LADDER), torch.ones(2).double(), atol=0.01)


def test_law_that_the_method_keeps_exactly_starts_at_round_off() -> None:
    """Runge-Kutta methods keep linear invariants: here the sum of the coordinates."""
    mixing = tensor([[-1.0, 1.0], [0.7, -0.7]])
    result = refine(
        lambda t, y, rows: y @ mixing,
        tensor([[1.0, 2.0]]),
        LADDER,
        observe=lambda t, y, rows: y.sum(1, keepdim=True),
        t_end=20.0,
    )
    worst = result.worst(3.0)
    assert (worst < 1e-13).all()
    assert drift_falls(worst, LADDER)


@pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)
@methods
def test_own_error_covers_the_true_error(problem: Problem, method: str) -> None:
    result = refine(problem.field, problem.initial, LADDER, t_end=problem.t_end, method=method)
    exact = problem.exact(tensor([problem.t_end]))[:, 0]
    true = torch.stack([torch.linalg.vector_norm(run.y - exact, dim=1) for run in result.runs])
    assert (true[:-1] <= 1.5 * result.own_error[:-1] + 1e-12).all()
    assert (true[-1] <= 1.5 * result.own_error[-2] + 1e-12).all()
    assert result.finished.all()


def test_trials_that_end_in_other_ways_are_set_apart() -> None:
    """y' = y^2 blows up from y > 0 and converges from y < 0; each trial keeps its own account."""
    start = tensor([[1.0], [-1.0], [-2.0]])
    result = refine(
        lambda t, y, rows: y**2, start, (1e-5, 1e-7), observe=lambda t, y, rows: 1 / y + t[:, None], t_end=3.0
    )
    assert result.followed.tolist() == [False, True, True]
    assert result.finished.tolist() == [False, True, True]
    assert drift_falls(result.worst(), (1e-5, 1e-7))


def test_a_trial_that_converges_at_one_tolerance_only_has_not_finished() -> None:
    runs = [
        integrate(lambda t, y, rows: -y, tensor([[1.0], [1e-3]]), t_end=1.0, until=converged(gtol))
        for gtol in (1e-2, 0.9)
    ]
    result = Refinement((1e-6, 1e-8), tuple(runs), None)
    assert all(run.finished.all() for run in runs)
    assert result.finished.tolist() == [False, True]
    assert result.followed.tolist() == [True, True]


@pytest.mark.parametrize(
    ("drift", "falls"),
    [
        ([1e-4, 1e-6, 1e-8], True),
        ([1e-4, 1e-4 / 25, 1e-4 / 625], True),
        ([1e-4, 1e-4 / 24, 1e-8], False),
        ([1e-4, 1e-6, 1e-6], False),
        ([1e-14, 1e-14, 2e-14], True),
        ([1e-4, 1e-13, 2e-13], True),
        ([1e-4, 1e-13, 1e-12], False),
        ([1e-4, math.nan, 1e-8], False),
        ([math.inf, 1e-6, 1e-8], True),
        ([1e-4, math.inf, math.inf], False),
        ([0.0, 0.0, 0.0], True),
    ],
)
def test_rule_for_identities(drift: list[float], falls: bool) -> None:
    """At least five times for ten times tighter, until 1e3 machine epsilons of the scale."""
    assert drift_falls(drift, LADDER).item() is falls


def test_scale_moves_the_round_off_level() -> None:
    drift = tensor([[1e-4, 1e-4], [1e-11, 1e-11], [1e-11, 1e-11]])
    assert drift_falls(drift, LADDER, tensor([1.0, 1e3])).tolist() == [False, True]


def test_fall_factor_is_per_ten_times_tighter() -> None:
    assert torch.allclose(fall_factors(tensor([1.0, 1e-4]), (1e-6, 1e-8)), tensor([100.0]))


@pytest.mark.parametrize("ladder", [(1e-6,), (1e-8, 1e-6), (1e-6, 1e-6), (1e-6, 0.0)])
def test_bad_ladders(ladder: tuple[float, ...]) -> None:
    problem = logistic()
    with pytest.raises(InputError, match="expected at least two, positive and falling"):
        refine(problem.field, problem.initial, ladder, t_end=1.0)
    with pytest.raises(InputError, match="expected at least two, positive and falling"):
        drift_falls(torch.zeros(len(ladder)), ladder)
