"""After a refutation, predicates that repair a claim are suggested, others are not, and nothing is decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theorylab as tl
from tests.falsify import statements as s
from theorylab.falsify import hunt
from theorylab.falsify.predicates import PREDICATES, Letters, size_predicates
from theorylab.falsify.run_search import hunt_runs
from theorylab.falsify.suggest import suggestion
from theorylab.readings.namespace import Namespace
from theorylab.verdict import Evidence

LETTERS = Letters(("init.W1", "init.W2", "init.a", "init.u", "init.v"), ("x", "y"))
SHAPES = {
    "init.W1": (3, 2), "init.W2": (2, 3), "init.a": (3,), "init.u": (4,), "init.v": (4,), "x": (3, 2), "y": (1, 2),
}  # fmt: skip


def suggested(claim: Any) -> Evidence:
    dims = s.sizes(claim)
    found = suggestion(claim, hunt(claim, dims=dims), dims)
    assert found is not None
    assert found.outcome == "open"
    return found


@pytest.mark.parametrize("parameters", [("init.W1", "init.W2"), ("init.W1", "init.a"), ("init.u", "init.v")], ids=str)
@pytest.mark.parametrize("predicate", PREDICATES, ids=lambda p: p.text)
def test_a_predicate_holds_where_it_is_imposed(predicate: Any, parameters: tuple[str, ...]) -> None:
    noise = np.random.default_rng(0)
    letters = Letters(parameters, LETTERS.others)
    values = {n: noise.integers(-4, 5, (64, *SHAPES[n])) / 8 for n in letters.all}
    changed = predicate.impose(values, letters)
    assert changed is not None
    assert predicate.holds(changed, letters).all()
    assert not predicate.holds(values, letters).all()
    assert {n: v.shape for n, v in changed.items()} == {n: v.shape for n, v in values.items()}


def test_sizes_satisfy_their_predicates() -> None:
    for predicate in size_predicates(["d", "k", "n"]):
        made = predicate.impose({"d": 2, "k": 2, "n": 2})
        assert made is not None
        assert predicate.holds(made)


def test_what_repairs_the_matrix_law_for_relu() -> None:
    """With one unit it is the unit law, and where nothing is negative every gate is open and the net linear."""
    found = suggested(s.relu_matrix)
    assert found.summary.startswith("Suggestion, not a result: no counterexample was found if k = 1 (")
    assert "nor if no entry is negative" in found.summary
    assert int(found.numbers["cases"]) > 1000
    assert "all entries are positive" not in found.summary, "the weaker predicate is enough"


def test_balance_repairs_what_holds_of_balanced_layers() -> None:
    zero = tl.Trajectory(tl.GradientFlow(s.linear_net), s.matrix, lambda c: c.init.W1 @ c.init.W1.mT * 0, name="zero")
    assert "no counterexample was found if the layers start balanced" in suggested(zero).summary


def test_orthogonal_samples_repair_what_holds_of_them() -> None:
    def apart(c: Any) -> Any:
        return c.x.mT @ c.x - (c.x**2).sum(0) * tl.ops.eye(c.x.mT @ c.x)

    claim = tl.Identity(tl.Setting(x=tl.var("d n"), w=tl.var("d")), apart, 0, name="Gram matrix")
    dims = {"d": 3, "n": 2}
    found = suggestion(claim, hunt(claim, dims=dims), dims)
    assert found is not None
    assert "the samples are orthogonal" in found.summary
    assert "n = 1" in found.summary


def test_no_predicate_repairs_a_wrong_constant() -> None:
    found = suggested(s.one_percent)
    assert found.summary.startswith("No hypothesis is suggested")


def test_a_predicate_that_repairs_a_claim_about_runs() -> None:
    """w' = w - w^3 ends at 1 from w > 0; from 0 it rests there, so that "not negative" is not enough."""
    flow = tl.Flow(lambda p: Namespace({"w": p.w - p.w**3}), state={"w": ""})
    claim = tl.Limit(flow, lambda p: p.w, lambda c: c.init.w * 0 + 1, name="plus one")
    found = suggestion(claim, hunt_runs(claim, dims={}), {})
    assert found is not None
    assert "no counterexample was found if all entries are positive" in found.summary


def test_a_verdict_shows_the_suggestion_and_is_not_changed_by_it() -> None:
    verdict = tl.verify(s.relu_matrix, dims={"d": 1, "k": 2, "m": 1, "n": 1})
    assert verdict.status == "refuted"
    (found,) = [e for e in verdict.evidence if e.kind == "suggestion"]
    assert "k = 1" in found.summary
    assert suggestion(s.per_unit, hunt(s.per_unit, dims=s.DIMS, budget=64), s.DIMS) is None
