"""Ascent finds violations that random cases miss."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

import theorylab as tl
from theorylab.falsify import hunt
from theorylab.falsify.ascent import next_generation
from theorylab.falsify.cases import CaseCode, block
from theorylab.falsify.draws import random_codes
from theorylab.falsify.run_search import hunt_runs
from theorylab.readings.namespace import Namespace

CODE = CaseCode((block("w", (2, 3), "any", None), block("M", (2, 2), "any", tl.draw.orthogonal())))


def test_a_generation_keeps_the_best_and_stays_in_the_tables() -> None:
    codes = random_codes(CODE, 0, 0, 64)
    margins = np.arange(64)[::-1].astype(float)
    children = next_generation(CODE, codes, margins, 0, 0, 64)
    assert children.shape == (64, CODE.length)
    assert ((children >= 0) & (children < CODE.radix)).all()
    best = {tuple(row) for row in codes[-8:]}
    assert best <= {tuple(row) for row in children}
    assert len(np.unique(children, axis=0)) > 32
    assert np.array_equal(children, next_generation(CODE, codes, margins, 0, 0, 64))


def test_generations_reach_a_target_that_random_cases_miss() -> None:
    """Six entries that have to be 27/8 each: one case of 81^6."""
    wanted = CODE.blocks[0].position[Fraction(27, 8)]
    values = CODE.blocks[0].floats[:, 0]

    def margins(codes: np.ndarray) -> np.ndarray:
        return np.abs(values[codes[:, :6]] - values[wanted]).sum(1)

    codes = random_codes(CODE, 0, 0, 512)
    start = margins(codes).min()
    for generation in range(40):
        codes = next_generation(CODE, codes, margins(codes), 0, generation, 512)
    assert margins(codes).min() < start / 10


def test_a_narrow_violation_of_an_inequality_is_found() -> None:
    """|x - a|^2 >= 1/100 for a = (13/8, -9/4, 3/8, 7/2), false near one point of a grid of at least 81^4."""
    a = (Fraction(13, 8), Fraction(-9, 4), Fraction(3, 8), Fraction(7, 2))
    setting = tl.Setting(x=tl.var("4"))
    far = tl.Inequality(
        setting, lambda c: sum((c.x[i] - a[i]) ** 2 for i in range(4)) - Fraction(1, 100), name="away from a"
    )
    found = hunt(far, dims={}, budget=2**16)
    assert found.counterexample is not None
    assert "z3" not in found.summary


def test_many_runs_are_screened_in_buckets() -> None:
    """w' = -w ends at 0, so that it moves no farther than from w(0): true, and screened by the thousand."""
    flow = tl.Flow(lambda p: Namespace({"w": -p.w}), state={"w": ""})
    claim = tl.Inequality(flow, lambda c: c.init.w**2, lambda c: (c.end.w - c.init.w) ** 2 - 1, name="near")
    found = hunt_runs(claim, dims={}, trials=5000)
    assert found.counterexample is None
    assert found.examined >= 5000
    false = claim.but(rhs=lambda c: (c.end.w - c.init.w) ** 2 + 1, name="nearer than that")
    refuted = hunt_runs(false, dims={}, trials=5000)
    assert refuted.counterexample is not None
    assert refuted.counterexample.case == {"init.w": "0"} or abs(float(refuted.counterexample.case["init.w"])) <= 1
