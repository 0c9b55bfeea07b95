"""An `enforce` that misses cases of its hypothesis is refused: a proof for its values would not be one of the claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from theorylab import ops


def kernel(enforce: Callable[[Any], dict[str, Any]]) -> tl.Identity:
    """A z = 0 implies A (2 z) = 0."""
    setting = tl.Setting(
        tl.assume("A z = 0", lambda c: c.A @ c.z, enforce), A=tl.var("M N"), z=tl.var("N"), w=tl.var("N")
    )
    return tl.Identity(setting, lambda c: c.A @ (2 * c.z), name="kernel")


def projected(c: Any) -> dict[str, Any]:
    return {"A": c.A - ops.outer(c.A @ c.z, c.z) / (c.z**2).sum()}


def test_a_projection_reaches_every_case(tmp_path: Path) -> None:
    assert tl.verify(kernel(projected), trials=16, out=tmp_path).status == "proved"


@pytest.mark.parametrize(
    "enforce",
    [
        lambda c: {"z": 0 * c.z},
        lambda c: {"A": 0 * c.A},
        lambda c: {"A": ops.outer((c.A @ c.w), c.w - (c.w * c.z).sum() / (c.z**2).sum() * c.z)},
    ],
    ids=["z is zero", "A is zero", "A has rank one and depends on another variable"],
)
def test_a_map_that_is_not_onto_is_refused(enforce: Callable[[Any], dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(tl.InputError, match="misses cases that satisfy the hypothesis"):
        tl.verify(kernel(enforce), trials=16, out=tmp_path)


@pytest.mark.parametrize(
    ("enforce", "onto"),
    [
        (lambda c: {"x": c.x**2}, True),
        (lambda c: {"x": ops.exp(c.x)}, True),
        (lambda c: {"x": c.x**2 + 1}, False),
        (lambda c: {"x": c.y**2}, False),
    ],
    ids=["square", "exponential", "above one", "the square of another variable"],
)
def test_inequalities(enforce: Callable[[Any], dict[str, Any]], onto: bool, tmp_path: Path) -> None:
    positive = tl.assume("x > 0", lambda c: c.x, enforce, positive=True)
    claim = tl.Inequality(tl.Setting(positive, x=tl.var(), y=tl.var()), lambda c: c.x, name="positive")
    if onto:
        assert tl.verify(claim, trials=16, out=tmp_path).status != "refuted"
    else:
        with pytest.raises(tl.InputError, match="misses cases"):
            tl.verify(claim, trials=16, out=tmp_path)


def test_a_proof_that_needs_no_enforce_is_not_held_up(tmp_path: Path) -> None:
    """Cayley's map misses reflections; for all sizes M M' = I is a relation, and the proof covers them too."""
    orthogonal = tl.assume("M M' = I", lambda c: c.M @ c.M.mT - ops.eye(c.M), lambda c: {"M": ops.cayley(c.M)})
    setting = tl.Setting(orthogonal, M=tl.var("d d"), x=tl.var("d"))
    length = tl.Identity(setting, lambda c: ((c.x @ c.M) ** 2).sum(), lambda c: (c.x**2).sum(), name="length")
    verdict = tl.verify(length, trials=16, out=tmp_path)
    assert (verdict.status, verdict.scope) == ("proved", "all sizes")
