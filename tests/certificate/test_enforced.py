"""A hypothesis that is enforced may lose no case: what satisfies it already has to be left as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from tests.certificates import identity_document, rulings
from theorylab import ops
from theorylab.derive.prove import prove


def in_kernel(c: Any) -> dict[str, Any]:
    return {"A": c.A - (c.A @ c.z[:, None]) @ c.z[None, :] / (c.z**2).sum()}


def unit(c: Any) -> dict[str, Any]:
    return {"z": c.z / ops.norm(c.z)}


def setting(name: str, holds: Callable[[Any], Any], enforce: Callable[[Any], dict[str, Any]]) -> tl.Setting:
    return tl.Setting(tl.assume(name, holds, enforce), A=tl.var("M N"), z=tl.var("N"))


def kernel(enforce: Callable[[Any], dict[str, Any]]) -> tl.Setting:
    return setting("A z = 0", lambda c: (c.A @ c.z[:, None])[:, 0], enforce)


def length(enforce: Callable[[Any], dict[str, Any]]) -> tl.Setting:
    return setting("|z| = 1", lambda c: ops.norm(c.z) - 1, enforce)


TRUE = {
    "A z = 0": tl.Identity(kernel(in_kernel), lambda c: c.A @ c.z[:, None]),
    "|z| = 1": tl.Identity(length(unit), lambda c: (c.z**2).sum(), 1),
}
LOST = {  # each holds for what is enforced, and not for what satisfies the hypothesis
    "A = 0": tl.Identity(kernel(lambda c: {"A": 0 * c.A}), lambda c: c.A),
    "z = 0": tl.Identity(kernel(lambda c: {"z": 0 * c.z}), lambda c: c.z),
    "twice the length": tl.Identity(length(lambda c: {"z": 2 * unit(c)["z"]}), lambda c: (c.z**2).sum(), 4),
}


@pytest.mark.parametrize("name", [*TRUE, *LOST])
def test_enforcing_loses_no_case(name: str, tmp_path: Path) -> None:
    claim = TRUE.get(name) or LOST[name]
    attempts = prove(claim.goals(), None)
    assert all(a.holds for a in attempts)
    document = identity_document(claim, attempts)
    (ruling,) = rulings([document], tmp_path)
    assert ruling.accepted is (name in TRUE), ruling.reason
    assert any(goal["name"].startswith("enforced.") for goal in document["statement"]["goals"])
    if name in LOST:
        assert ruling.reason.startswith("zero: goal 'enforced.")
