"""Measured orders of convergence with fixed steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from theorylab.simulate import integrate, integrate_fixed
from theorylab.simulate.methods import METHODS, ExplicitRungeKutta

from .zoo import Problem, driven, oscillator, tensor

methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def slopes(sizes: list[float], errors: list[float]) -> list[float]:
    pairs = pairwise(zip(sizes, errors, strict=True))
    return [math.log(e1 / e2) / math.log(h1 / h2) for (h1, e1), (h2, e2) in pairs]


COUNTS = {
    ("driven", "tsit5"): [12, 18, 27, 40],
    ("driven", "dop853"): [8, 12, 18],
    ("oscillator", "tsit5"): [80, 160, 320],
    ("oscillator", "dop853"): [60, 90, 135],
}


@methods
@pytest.mark.parametrize("problem", [driven(), oscillator()], ids=lambda problem: problem.name)
def test_global_order(method: ExplicitRungeKutta, problem: Problem) -> None:
    end = 0.7 * problem.t_end
    exact = problem.exact(tensor([end]))[:, 0]
    counts = COUNTS[problem.name, method.name]
    errors = [
        torch.dist(integrate_fixed(problem.field, problem.initial, t_end=end, steps=n, method=method), exact).item()
        for n in counts
    ]
    measured = slopes([end / n for n in counts], errors)
    assert all(method.order - 0.4 < slope < method.order + 0.8 for slope in measured), measured


@methods
def test_dense_output_order(method: ExplicitRungeKutta) -> None:
    """The local error inside one step is of the order of the interpolant plus one."""
    problem = driven()
    sizes = [0.8, 0.56, 0.4] if method.order == 5 else [1.4, 1.0, 0.7]
    errors = []
    for h in sizes:
        times = tensor([0.3, 0.45, 0.7]) * h
        run = integrate(
            problem.field,
            problem.initial,
            t_end=3 * h,
            first_step=h,
            max_steps=1,
            rtol=0.5,
            atol=0.5,
            method=method,
            save=times,
        )
        assert run.saved is not None
        assert run.stats.steps.tolist() == [1, 1, 1]
        assert run.t.tolist() == [h, h, h]
        errors.append((run.saved - problem.exact(times)).norm().item())
    measured = slopes(sizes, errors)
    assert all(method.dense_order + 0.5 < slope < method.dense_order + 1.8 for slope in measured), measured


@methods
def test_fixed_steps_are_exact_for_polynomials_of_the_order(method: ExplicitRungeKutta) -> None:
    powers = torch.arange(method.order, dtype=torch.float64)
    end = integrate_fixed(
        lambda t, y, rows: (t[:, None] + 1) ** powers,
        torch.zeros(1, method.order, dtype=torch.float64),
        t_end=2.0,
        steps=3,
        method=method,
    )
    assert torch.allclose(end[0], (3 ** (powers + 1) - 1) / (powers + 1), rtol=1e-14, atol=0)
