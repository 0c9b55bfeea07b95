"""Matrix products in generated C: rows summed side by side are the sums that were asked for."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.simulate import integrate
from theorylab.simulate.compiled import Formula, compile_formula

from .backends import needs_compiler

pytestmark = needs_compiler
ROWS, COLUMNS = 17, 5


@cache
def constants(trials: int) -> dict[str, Tensor]:
    noise = torch.Generator().manual_seed(0)
    names = [f"x{i}_{j}" for i in range(ROWS) for j in range(COLUMNS)] + [f"b{i}" for i in range(ROWS)]
    return {name: torch.randn(1, generator=noise, dtype=torch.float64).expand(trials) for name in names}


def least_squares(trials: int) -> Formula:
    """-X'(X y^3 - b) / 17: products with X of more rows than are summed at once, and with its transpose."""
    cubes = [ex.power(ex.var(f"y{j}"), 3) for j in range(COLUMNS)]
    residuals = [
        ex.add(*(ex.mul(ex.var(f"x{i}_{j}"), cubes[j]) for j in range(COLUMNS)), ex.mul(ex.const(-1), ex.var(f"b{i}")))
        for i in range(ROWS)
    ]
    roots = [
        ex.add(*(ex.mul(ex.const(Fraction(-1, ROWS)), ex.var(f"x{i}_{j}"), residuals[i]) for i in range(ROWS)))
        for j in range(COLUMNS)
    ]
    found = compile_formula(roots, [f"y{j}" for j in range(COLUMNS)], constants(trials), 0.0)
    assert found is not None
    return found


def states(trials: int) -> Tensor:
    return torch.randn(trials, COLUMNS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_values_are_those_of_the_matrices() -> None:
    field, y = least_squares(11), states(11)
    values = {name: float(value[0]) for name, value in constants(11).items()}
    matrix = torch.tensor([[values[f"x{i}_{j}"] for j in range(COLUMNS)] for i in range(ROWS)], dtype=torch.float64)
    target = torch.tensor([values[f"b{i}"] for i in range(ROWS)], dtype=torch.float64)
    expected = -((y**3 @ matrix.T - target) @ matrix) / ROWS
    assert torch.allclose(field(torch.zeros(11), y, torch.arange(11)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["tsit5", "rock4"])
def test_shared_coefficients_give_the_bits_of_coefficients_of_each_trial(method: str) -> None:
    y, options = 0.5 * states(11), {"t_end": 1.0, "rtol": 1e-6, "atol": 1e-9, "method": method}
    together, alone = integrate(least_squares(11), y, **options), integrate(least_squares(1), y[4:5], **options)
    assert together.compiled
    assert torch.equal(together.y[4:5].view(torch.int64), alone.y.view(torch.int64))
