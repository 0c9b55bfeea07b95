"""Rule "indexed-identity": goals that follow by exact algebra (see `goals`)."""

from __future__ import annotations

from typing import Any

from .document import Budget, Rejected, fields, listing
from .goals import Goals
from .outcome import Checked
from .statement import Statement


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check every goal in order."""
    proof = fields(document["proof"], "the proof", (), ("rewrites", "nonnegative"))
    statement = Statement(document["statement"], proof.get("rewrites", []), budget)
    goals = Goals(statement, proof)
    for goal in listing(statement.raw["goals"], "goals"):
        goals.check(goal)
    if not goals.names:
        raise Rejected("statement", "there is no goal")
    for known in {name for names, _, _ in statement.later_rewrites for name in names}:
        if known not in goals.names:
            raise Rejected("relation", f"a rewrite uses {known!r}, which is neither a relation nor a goal")
    return Checked(statement.scope(), tuple(goals.names), tuple(statement.ring.domain))
