"""Goal "order": an expression is O(h^order), where its Taylor coefficients in the letter h below that order vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algebra import ONE
from .calculus import Derivation, Substitution, inside
from .document import integer, require
from .zeros import Part

if TYPE_CHECKING:
    from .goals import Goal


def parts(goal: Goal) -> list[Part]:
    """The derivatives of the expression in h at h = 0, below the order."""
    statement, ring, known = goal.statement, goal.statement.ring, goal.spec["in"]
    h = statement.letter(known, f"the step of {goal.what}")
    bound = statement.state.union(*(inside(ring, relation) for _, relation in statement.relations.values()))
    free = not statement.shapes[known] and h not in bound
    require(free, "order", f"{goal.what}: {known!r} is no constant scalar without hypotheses")
    smooth = not any(ring.letters[n].kind in ("step", "sign") for n in inside(ring, goal.expression))
    require(smooth, "order", f"{goal.what}: an expression with gates need not be smooth in {known!r}")
    derive, at_zero = Derivation(ring, {h: ONE}), Substitution(ring, {h: {}})
    found, current = [], goal.expression
    for n in range(integer(goal.spec["order"], f"the order of {goal.what}", 1, 16)):
        found.append(Part(str(n), goal.axes, at_zero(current)))
        current = ring.bounded(derive(current))
    return found
