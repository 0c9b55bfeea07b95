"""Matrix products in generated C: sums of fused products side by side, the same bits in any company."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.simulate import Solution, integrate
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.kernel import solve

from .backends import needs_compiler

pytestmark = needs_compiler
ROWS, COLUMNS, TRIALS = 14, 4, 64


@cache
def constants() -> dict[str, Tensor]:
    """The coefficients are those of every trial, `scale` is its own."""
    noise = torch.Generator().manual_seed(0)
    names = [f"x{i}_{j}" for i in range(ROWS) for j in range(COLUMNS)] + [f"b{i}" for i in range(ROWS)]
    shared = {name: torch.randn(1, generator=noise, dtype=torch.float64).expand(TRIALS) for name in names}
    return shared | {"scale": 1 + 0.1 * torch.rand(TRIALS, generator=noise, dtype=torch.float64)}


def least_squares(trials: slice, gates: bool) -> Formula:
    """-scale X'(X y^3 - b) / 14 + (x00 x01 + x02) y / 9: more rows than are summed at once, and sums of constants.

    With gates only the rows count where X y^3 > b.
    """
    cubes = [ex.power(ex.var(f"y{j}"), 3) for j in range(COLUMNS)]
    residuals = [
        ex.add(*(ex.mul(ex.var(f"x{i}_{j}"), cubes[j]) for j in range(COLUMNS)), ex.mul(ex.const(-1), ex.var(f"b{i}")))
        for i in range(ROWS)
    ]
    pulls = [ex.mul(ex.call("step", r), r) for r in residuals] if gates else residuals
    factor = ex.mul(ex.const(Fraction(1, 9)), ex.add(ex.mul(ex.var("x0_0"), ex.var("x0_1")), ex.var("x0_2")))
    roots = [
        ex.add(
            *(
                ex.mul(ex.const(Fraction(-1, ROWS)), ex.var("scale"), ex.var(f"x{i}_{j}"), pulls[i])
                for i in range(ROWS)
            ),
            ex.mul(factor, ex.var(f"y{j}")),
        )
        for j in range(COLUMNS)
    ]
    held = {name: values[trials].clone() for name, values in constants().items()}
    found = compile_formula(roots, [f"y{j}" for j in range(COLUMNS)], held, 0.0)
    assert found is not None
    return found


def states() -> Tensor:
    return 0.5 * torch.randn(TRIALS, COLUMNS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("gates", [False, True])
def test_values_are_those_of_the_matrices(gates: bool) -> None:
    y, held = 2 * states(), constants()
    matrix = torch.stack([torch.stack([held[f"x{i}_{j}"][0] for j in range(COLUMNS)]) for i in range(ROWS)])
    target = torch.stack([held[f"b{i}"][0] for i in range(ROWS)])
    residual = y**3 @ matrix.T - target
    pull = residual.clamp(min=0) if gates else residual
    factor = (matrix[0, 0] * matrix[0, 1] + matrix[0, 2]) / 9
    expected = -held["scale"][:, None] * (pull @ matrix) / ROWS + factor * y
    value = least_squares(slice(None), gates)(torch.zeros(TRIALS), y, torch.arange(TRIALS))
    assert torch.allclose(value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "gates"),
    [("tsit5", False), ("tsit5", True), ("dop853", True), ("rock4", False), ("rock4", True), ("rodas5p", False)],
)
def test_bits_depend_neither_on_company_nor_on_threads(
    method: str, gates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coefficients that all trials share are numbers in the code of many trials, and vectors in that of one."""
    y, options = states(), {"t_end": 1.0, "rtol": 1e-6, "atol": 1e-9, "method": method}

    def run(trials: slice) -> Solution:
        return integrate(least_squares(trials, gates), y[trials], **options)

    monkeypatch.setattr(solve, "processors", lambda: 1)
    together = run(slice(None))
    assert together.compiled
    assert together.counts() == {"t_end": TRIALS}
    monkeypatch.setattr(solve, "processors", lambda: 2)
    for trials in (slice(None), slice(9, 10), slice(40, 47)):
        some = run(trials)
        for a, b in (
            (some.y, together.y),
            (some.field, together.field),
            (some.error_estimate, together.error_estimate),
        ):
            assert torch.equal(a.view(torch.int64), b[trials].contiguous().view(torch.int64))
        assert torch.equal(some.stats.evaluations, together.stats.evaluations[trials])
