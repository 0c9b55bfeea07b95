"""The exact decision stands on its own: it does not lean on what the floats have sorted out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import theorylab as tl
from tests.falsify import statements as s
from theorylab.falsify.draws import random_codes
from theorylab.falsify.judge import Judge, Rejected
from theorylab.falsify.target import targets


def judge(claim: Any, **dims: int) -> Judge:
    return Judge(next(iter(targets(claim, dims))), claim.quantifier)


def code_of(j: Judge, **values: Any) -> tuple[int, ...]:
    """The code of given flat values, all other letters at their simplest."""
    code: list[int] = []
    for b in j.code.blocks:
        given = values.get(b.name.replace(".", "_"), [b.table[0][0]] * b.size)
        code += [b.position[Fraction(v)] for v in given]
    return tuple(code)


@pytest.mark.parametrize("claim", s.FALSE + s.TRUE, ids=lambda c: c.id)
def test_floats_and_exact_values_agree_on_what_is_violated(claim: Any) -> None:
    dims = dict.fromkeys(claim.subject.sizes, 2)
    j = judge(claim, **dims)
    codes = random_codes(j.code, 11, 0, 24)
    screening = j.screen(codes)
    for row, violates, outside in zip(codes, screening.violates, screening.outside, strict=True):
        try:
            exact = j.at(j.code.exact(tuple(row))) is not None
        except Rejected:
            exact = False
        assert exact == violates or (outside and not violates)


def test_a_gate_on_its_kink_is_rejected() -> None:
    """The same violation with the gates off their kink is accepted."""
    j = judge(s.relu_matrix, d=1, k=2, m=1, n=1)
    common = {"x": [1], "r": [1], "init_W2": [1, 2]}
    with pytest.raises(Rejected, match="kink"):
        j.decide(code_of(j, init_W1=[1, 0], **common))
    assert j.decide(code_of(j, init_W1=[1, -1], **common)).rational


def test_a_case_outside_the_hypotheses_is_rejected() -> None:
    proportional = tl.assume("x = 2 y", lambda c: c.x - 2 * c.y)
    longer = tl.assume("x is longer", lambda c: (c.x**2).sum() - (c.y**2).sum(), positive=True)
    claim = tl.Identity(s.vectors.with_(proportional, longer), lambda c: c.x, 0, name="x = 0")
    j = judge(claim, d=1)
    with pytest.raises(Rejected, match="x = 2 y"):
        j.decide(code_of(j, x=[1], y=[1]))
    with pytest.raises(Rejected, match="longer"):
        j.decide(code_of(j))
    assert j.decide(code_of(j, x=[2], y=[1])).value == 2


def test_neighbours_move_every_continuous_entry_and_stay_in_range() -> None:
    setting = tl.Setting(
        u=tl.var("2", tl.draw.uniform(0.5, 1.5)),
        p=tl.var(positive=True),
        y=tl.var("2", tl.draw.one_of(-1, 1)),
        x=tl.var("2"),
    )
    j = judge(tl.Inequality(setting, lambda c: c.p * 0))
    code = code_of(j, u=["1/2", "3/2"])
    here = j.code.exact(code)
    seen = list(j.neighbours(code))
    assert len(seen) >= 3
    for point in seen:
        assert all((point[n] == here[n]) == n.startswith("y") for n in here)
        assert all(abs(point[n] - here[n]) < Fraction(1, 500) for n in here)
        assert Fraction(1, 2) <= point["u[0]"] <= point["u[1]"] <= Fraction(3, 2)
        assert point["x[0]"] != point["x[1]"]


def test_a_field_that_has_no_value_is_no_start_of_a_run() -> None:
    """v' = log(v) is not there for v < 0, so that w moves there says nothing."""
    from theorylab import ops
    from theorylab.readings.namespace import Namespace

    flow = tl.Flow(lambda p: Namespace({"w": p.w * 0 + 1, "v": ops.log(p.v)}), state={"w": "", "v": ""})
    j = judge(tl.Invariant(flow, lambda p: p.w, name="w"))
    assert np.array_equal(j.screen(np.zeros((1, 2), dtype=np.int64)).violates, [True])
    with pytest.raises(Rejected, match="velocity"):
        j.decide(code_of(j, init_v=[-1]))
    assert j.decide(code_of(j, init_v=[1])).value == 1
