"""Ranks and sparsity of limits, and pairs of limits that no functional explains, through `tl.verify`."""

from __future__ import annotations

from typing import Any

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError


def judged(claim: Any, **options: Any) -> tl.Verdict:
    return tl.verify(claim, **{"trials": 6, **options})


# --- ranks ------------------------------------------------------------------------------------------------------------


@tl.model(W="d k")
def matrix(p: Any, x: Any) -> Any:
    return p.W @ x


outer = tl.GradientFlow(
    matrix, loss=tl.loss.square, data=lambda c: (c.x, ops.outer(c.a, c.b) @ c.x),
    setting=tl.Setting(x=tl.var("k k", tl.draw.orthogonal()), a=tl.var("d"), b=tl.var("k")),
)  # fmt: skip
one = tl.Rank(outer, lambda p: p.W, 1, quantifier="almost every", name="rank one")
SIZES = {"d": 3, "k": 2}


@pytest.mark.slow
def test_a_limit_of_rank_one() -> None:
    """With invertible inputs the only minimiser of the loss is a b'."""
    assert judged(one, dims=SIZES).status == "supported"


@pytest.mark.slow
def test_other_ranks_and_other_matrices_are_refuted() -> None:
    assert judged(one.but(rank=0), dims=SIZES).status == "refuted"
    assert judged(one.but(rank=2, sense=">="), dims=SIZES).status == "refuted"
    assert judged(one.but(rank=1, sense=">=", expect="supported"), dims=SIZES).status == "supported"
    assert judged(one.but(quantity=lambda p: p.W + 1), dims=SIZES).status == "refuted"


def test_a_rank_above_the_size_holds() -> None:
    assert judged(one.but(rank=2, expect="supported"), dims=SIZES).status == "supported"


@tl.model(u="d", v="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u**2 - p.v**2)[None, :] @ x


def predictor(p: Any) -> Any:
    return p.u**2 - p.v**2


small = tl.GradientFlow(
    diagonal, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(
        alpha=tl.var(to=0, draw=tl.draw.ladder(1e-1, 1e-4, 5), positive=True), x=tl.var("d n"), y=tl.var("1 n"),
        init={"u": lambda c: c.alpha, "v": lambda c: c.alpha},
    ),
)  # fmt: skip
sparse = tl.Sparsity(small, predictor, 1, quantifier="almost every", settle={"t_end": 300.0})


@pytest.mark.slow
def test_small_starts_end_at_sparse_limits() -> None:
    """One sample: a diagonal network ends at one coordinate as its start vanishes, and not before."""
    sizes = {"d": 3, "n": 1}
    assert judged(sparse, dims=sizes).status in ("supported", "inconclusive")
    assert judged(sparse.but(rank=0), dims=sizes).status == "refuted"


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.Rank(outer, lambda p: p.W, 1.5), "expected a number of singular values"),  # type: ignore[arg-type]
        (lambda: tl.Sparsity(outer, lambda p: p.W, -1), "expected a number of entries"),
        (lambda: tl.Rank(outer, lambda p: p.W, 0, sense=">="), "Rank got 0"),
        (lambda: tl.Rank(outer, lambda p: p.W, 1, sense="~"), "sense is '~'"),  # type: ignore[arg-type]
        (lambda: tl.Rank(outer, lambda p: p.W, 1, threshold=0), "threshold is 0"),
        (lambda: tl.Rank(tl.Setting(), lambda p: p.W, 1), "Rank got Setting; expected a flow"),  # type: ignore[arg-type]
    ],
)
def test_misuse_of_ranks_is_one_sentence(misuse: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)


# --- no functional ----------------------------------------------------------------------------------------------------


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


def family(gamma: int) -> tl.Flow:
    """One neuron on the data X_gamma of Vardi and Shamir, 2012.05156, theorem 3."""
    return tl.GradientFlow(
        neuron, loss=tl.loss.square, gates=1,
        data=lambda c: (ops.array([[3, 4, 0], [-1, 2, gamma], [0, 0, gamma]]), c.a * ops.array([[16, 18, 0]])),
        setting=tl.Setting(a=tl.var("", tl.draw.uniform(1, 2), positive=True), init={"w": 0}),
    )  # fmt: skip


pair = tl.NoFunctional(family(1), family(5), lambda p: p.w, settle={"t_end": 50.0}, name="no functional of w")


def test_two_data_sets_that_prefer_different_common_solutions() -> None:
    """The limits a (5, -1, s) with s = -0.0408 and -0.2090 are solutions of both."""
    assert judged(pair).status == "supported"


@pytest.mark.slow
def test_equal_limits_are_explained_by_one_functional() -> None:
    assert judged(pair.but(other=family(1))).status == "refuted", "the limits are the same"
    closer = pair.but(quantity=lambda p: p.w[:2])
    assert judged(closer).status == "refuted", "two coordinates of the limits are the same"


def test_limits_that_are_no_common_solutions_contradict_nothing() -> None:
    """Linear predictors from 0 minimise the l2 norm for all data: other data have other solutions."""
    setting = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"), init={"w": 0})
    regression = tl.GradientFlow(linear, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting)
    doubled = regression.with_(data=lambda c: (c.x, 2 * c.y))
    claim = tl.NoFunctional(regression, doubled, lambda p: p.w)
    verdict = judged(claim, dims={"d": 3, "n": 1})
    assert verdict.status == "refuted"
    assert verdict.counterexample is not None
    assert "loss" in verdict.counterexample.violation
    with pytest.raises(InputError, match="the same parameters"):
        tl.NoFunctional(regression, small, lambda p: p.w)
