"""Rule "indexed-identity": goals that follow by exact algebra (see `goals`)."""

from __future__ import annotations

from typing import Any

from .document import Budget, Rejected, fields, listing
from .goals import Goal, Prover
from .outcome import Checked
from .statement import Statement


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check every goal in order."""
    proof = fields(document["proof"], "the proof", (), ("zero", "later", "nonnegative"))
    statement = Statement(document["statement"], budget)
    prover = Prover(statement, proof)
    for goal in listing(statement.raw["goals"], "goals"):
        prover.prove(Goal(statement, goal))
    if not prover.names:
        raise Rejected("statement", "there is no goal")
    return Checked(statement.scope(), tuple(prover.names), tuple(statement.ring.domain))
