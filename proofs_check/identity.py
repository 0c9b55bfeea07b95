"""Rule "indexed-identity": goals that follow by exact algebra (see `goals`)."""

from __future__ import annotations

from typing import Any

from .document import Budget, Rejected, fields, listing
from .goals import Goal, Prover
from .outcome import Checked
from .statement import Statement


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check every goal in order."""
    proof = fields(document["proof"], "the proof", (), ("rewrites", "nonnegative", "cofactors"))
    statement = Statement(document["statement"], listing(proof.get("rewrites", []), "rewrites"), budget)
    prover = Prover(statement, proof)
    for goal in listing(statement.raw["goals"], "goals"):
        prover.prove(Goal(statement, goal))
    if not prover.names:
        raise Rejected("statement", "there is no goal")
    for known in {n for rewrite in statement.rewrites for _, n in rewrite.parts}:
        if known not in prover.names and known not in statement.relations:
            raise Rejected("relation", f"a rewrite uses {known!r}, which is neither a relation nor a goal")
    return Checked(statement.scope(), tuple(prover.names), tuple(statement.ring.domain))
