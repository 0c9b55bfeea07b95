"""Claims about where all runs end, of flows some of whose runs end nowhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import theorylab as tl

# w (w - 1): to 0 from w < 1, and to infinity in finite time from w > 1
start = {"w": tl.draw.uniform(0.25, 1.125)}
parting = tl.Flow(lambda p: {"w": p.w * (p.w - 1)}, state={"w": ""}, setting=tl.Setting(init=start))
scaled = tl.Flow(
    lambda p: {"w": p.w * (p.w - 1)}, state={"w": ""},
    setting=tl.Setting(s=tl.var("", tl.draw.ladder(1 / 8, 1 / 1024), to=0), init=start),
)  # fmt: skip
OF_ENDS = {
    "limit": lambda **meta: tl.Limit(parting, lambda p: p.w, 0, **meta),
    "inequality": lambda **meta: tl.Inequality(parting, lambda c: c.init.w, lambda c: c.end.w, **meta),
    "sparsity": lambda **meta: tl.Sparsity(parting, lambda p: p.w[None], 0, **meta),
    "exponent": lambda **meta: tl.Scaling(scaled, lambda p, c: p.w + c.s, 1, "s", **meta),
}


@pytest.mark.parametrize("stated", OF_ENDS.values(), ids=OF_ENDS)
def test_where_all_runs_end_is_not_told_by_those_that_do(stated: Callable[..., tl.Claim]) -> None:
    claim = stated(quantifier="almost every")
    verdict = tl.verify(claim, trials=16, budget=64)
    assert verdict.status == "inconclusive"
    assert "runs blow up" in verdict.reason
    assert tl.verify(stated(quantifier="almost every", premises=("w is bounded",)), trials=16).status == "supported"
    bounded = claim.setting.with_(init={"w": tl.draw.uniform(0.25, 0.875)})
    assert tl.verify(claim.but(setting=bounded), trials=16, budget=64).status == "supported"
