"""The ratio penalty: what the algebra proves for all sizes, autograd beside it, and matrix completion at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import theorylab as tl
from tests.catalog.certify import claims_of, rulings
from theorylab.catalog import zhao_2022 as zhao

PROVED = {
    "singular-values-move", "gradient", "gradient-is-orthogonal-to-w", "rank-minus-r-squared", "rank-three-low",
    "rank-three-high", "penalty-flow-keeps-the-norm", "threshold",
    *(f"singular-values-of-depth-{n}" for n in (1, 2, 3, 4)), *(f"end-to-end-{n}" for n in (2, 3, 4)),
}  # fmt: skip
MUTANTS = {
    "gradient, sign": zhao.penalty_gradient.but(lhs=lambda c: -(zhao.gradient(c.U, c.s, c.V) * zhao.change(c)).sum()),
    "velocity, constant": zhao.velocity.but(rhs=lambda c: 2 * c.ds),
    "depth 4, one factor less": zhao.singular_value_law[4].but(rhs=lambda c: zhao.law_of_depth(c, 4) * 3 / 4),
    "end to end, orders exchanged": zhao.end_to_end[3].but(rhs=lambda c: zhao.end_to_end_law(c, 3).mT),
}


def test_the_checker_accepts_every_law(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("zhao-2022").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == ("no sizes" if "rank-three" in name else "all sizes"), name


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    controls = {
        n: c
        for n, c in claims_of("zhao-2022").items()
        if c.expected == "refuted" and c.goals() and "preconditioned" not in n
    }
    assert len(controls) >= 6
    accepted = [name for name, ruling in rulings(controls | MUTANTS, tmp_path).items() if ruling.accepted]
    assert not accepted


def test_autograd_gives_the_gradient_of_the_penalty() -> None:
    torch.manual_seed(0)
    w = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    values = torch.linalg.svdvals(w)
    (found,) = torch.autograd.grad(values.sum() / values.norm(), w)
    u, s, v = torch.linalg.svd(w.detach())
    size = s.norm()
    torch.testing.assert_close(found, u @ v / size - s.sum() * w.detach() / size**3)
    assert abs(float((found * w.detach()).sum())) < 1e-14


def test_singular_values_of_a_lost_trial_are_nan_and_leave_the_others_alone() -> None:
    from theorylab.readings.numeric import Numeric

    def values(x: torch.Tensor) -> torch.Tensor:
        return tl.ops.singular_values(Numeric(x)).data  # type: ignore[attr-defined]

    found = torch.func.vmap(values)(torch.stack([torch.eye(2), torch.full((2, 2), torch.nan)]).double())
    assert found[0].tolist() == [1.0, 1.0]
    assert bool(found[1].isnan().all())


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_completion_of_a_100_by_100_matrix_of_rank_5_with_adam(depth: int) -> None:
    """Three seeds, 2000 of 5000 entries in the mean: the penalty does not raise the error on unseen entries."""
    problem = zhao.completion_problem(100, 5, tl.Fraction(1, 5))
    errors = []
    for penalty in (0, zhao.PENALTY):
        scheme = zhao.adam(zhao.completion(problem, 100, depth, penalty), depth)
        run = tl.simulate(scheme, trials=3, seed=0, steps=zhao.STEPS)
        w = zhao.product([run.params[f"W{j}"] for j in range(1, depth + 1)])
        unseen = 1 - run.case["mask"]
        gap = (unseen * (w - run.case["target"])).flatten(1).norm(dim=1)
        errors.append(gap / (unseen * run.case["target"]).flatten(1).norm(dim=1))
    assert bool(torch.isfinite(torch.stack(errors)).all())
    assert float(errors[1].mean()) <= float(errors[0].mean())
