"""The ratio penalty: what the algebra proves for all sizes, autograd beside it, and matrix completion at full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import theorylab as tl
from tests.catalog.certify import claims_of, rulings
from theorylab import ops
from theorylab.catalog.zhao_2022 import completion, penalty, preconditioners, products
from theorylab.simulate.cases import Cases, draw_cases

PROVED = {
    "singular-values-move", "gradient", "gradient-is-orthogonal-to-w", "rank-minus-r-squared", "r-squared-minus-one",
    "rank-three-low", "rank-three-high", "penalty-flow-keeps-the-norm", "threshold", "preconditioned-direction",
    "one-factor-for-all-entries", *(f"singular-values-of-depth-{n}" for n in (1, 2, 3, 4)),
    *(f"end-to-end-{n}" for n in (2, 3, 4)),
}  # fmt: skip


def _transposed(c: Any) -> Any:
    law: Any = products.end_to_end_law(c, 3)
    return law.mT


MUTANTS = {
    "gradient, sign": penalty.penalty_gradient.but(
        lhs=lambda c: -(penalty.gradient(c.U, c.s, c.V) * penalty.change(c)).sum()
    ),
    "velocity, constant": penalty.velocity.but(rhs=lambda c: 2 * c.ds),
    "preconditioner, sign": preconditioners.law.but(rhs=lambda c: ops.diag(c.U.mT @ (c.P * c.G) @ c.V)),
    "preconditioner, exchanged": preconditioners.law.but(rhs=lambda c: -ops.diag(c.U.mT @ (c.P.mT * c.G) @ c.V)),
    "depth 4, one factor less": products.singular_value_law[4].but(rhs=lambda c: products.law_of_depth(c, 4) * 3 / 4),
    "end to end, orders exchanged": products.end_to_end[3].but(rhs=_transposed),
}


def test_the_checker_accepts_every_law(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("zhao-2022").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == ("no sizes" if "rank-three" in name else "all sizes"), name


NUMERIC = {"preconditioned-flow-keeps-the-norm"}
"""Without an exact form: the singular values of a matrix."""


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    controls = {
        n: c
        for n, c in claims_of("zhao-2022").items()
        if c.expected == "refuted" and c.goals() and n.partition("/")[2] not in NUMERIC
    }
    assert len(controls) == 11
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


def test_the_measured_rank_and_error_are_those_of_the_claims() -> None:
    """At the start, where no step has been made: the plots' formulas against the claims'."""
    ranks, errors = completion.measured("adam", 2, completion.PENALTY, 3, trials=4, times=(0,), steps=1)
    cases = Cases(completion.SMALL_MATRICES.setting, {}, draw_cases(completion.SMALL_MATRICES.setting, {}, 4, 3))
    start = cases.of_case(lambda c: completion.effective_rank(c.start2 @ c.start1))
    torch.testing.assert_close(ranks[:, 0], start)
    torch.testing.assert_close(errors[:, 0], cases.of_case(lambda c: completion.unseen_error(c.start2 @ c.start1, c)))
    assert bool((ranks > 5).all())


@pytest.mark.slow
@pytest.mark.parametrize("depth", completion.DEPTHS)
@pytest.mark.parametrize("scheme", completion.NAMES)
def test_completion_of_a_100_by_100_matrix_of_rank_5(scheme: str, depth: int) -> None:
    """Three problems: Adam's error on unseen entries falls, gradient descent's hardly moves, but neither at depth 3."""
    arms = [
        completion.measured(scheme, depth, weight, completion.SEED, matrices=completion.LARGE_MATRICES)
        for weight in (0, completion.PENALTY)
    ]
    (_, plain), (_, penalised) = arms
    assert bool(torch.isfinite(torch.stack([plain, penalised])).all())
    falls = 1 - penalised[:, -1] / plain[:, -1]
    as_claimed = float(falls.mean()) >= 0 if scheme == "adam" else float(falls.abs().mean()) <= completion.SMALL
    assert as_claimed is (depth < 3)
