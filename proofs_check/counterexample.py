"""Rule "exact-counterexample": one goal fails at one exact rational point.

The point satisfies the hypotheses, the declared signs and the initial values exactly; the value of the goal there has
to be the forbidden one. What is 0 along a flow has derivatives that are 0, so one of these may be evaluated instead
(with a linear loss <r, f> where the loss is arbitrary: its slope r is constant). For a derivative along a flow no gate
may sit on its kink, so that the violation persists in a neighbourhood.
"""

from __future__ import annotations

from typing import Any

from .calculus import Derivation
from .document import Budget, Rejected, fields, integer, listing, name, rational, require, show
from .goals import Goal, Prover
from .kernel import Checked
from .point import MAX_POINT, Point
from .statement import Statement

RULE = "exact-counterexample"
MAX_DERIVATIVES = 4
OPTIONAL = ("component", "letter", "derivatives", "zero")


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check that the goal named by the proof fails at the point that the proof gives."""
    proof = fields(document["proof"], "the proof", ("goal", "sizes", "at", "value"), OPTIONAL)
    statement = Statement(document["statement"], budget)
    goals = [Goal(statement, raw) for raw in listing(statement.raw["goals"], "goals")]
    found = [goal for goal in goals if goal.name == name(proof["goal"], "the goal of the proof")]
    require(len(found) == 1, RULE, f"the statement has {len(found)} goals with the name {proof['goal']!r}")
    (goal,) = found
    point = Point(statement, proof["sizes"], proof["at"])
    point.check_case()
    parts = [part for part in goal.parts(Prover(statement, proof)) if part.name == proof.get("letter", "")]
    require(parts, RULE, f"{goal.what} says nothing of {show(proof.get('letter'))}")
    (part,) = parts
    component = [integer(i, "an index", 0, MAX_POINT) for i in listing(proof.get("component", []), "the component")]
    at = dict(zip(part.axes.values(), component, strict=False))
    exists = at in point.components(part.axes) and len(component) == len(part.axes)
    require(exists, RULE, f"the component {show(component)} does not exist")
    expression = part.expression if goal.flow is None else statement.expanded(goal.moves, part.expression)
    further = integer(proof.get("derivatives", 0), "the number of derivatives", 0, MAX_DERIVATIVES)
    along = goal.flow is not None and goal.kind != "conjugate" and part.sense == "=="
    require(not further or along, RULE, f"{goal.what} says nothing of derivatives along a flow")
    for _ in range(further):
        expression = statement.expanded(goal.moves, Derivation(statement.ring, goal.moves.rates)(expression))
    value = point.value(expression, at)
    anywhere = goal.kind in ("zero", "nonnegative") and not further
    require(anywhere or not point.on_kink, RULE, "a gate sits on its kink at the point")
    if value != rational(proof["value"], "the value"):
        raise Rejected(RULE, f"the value at the point is {show(str(value))}, not {show(proof['value'])}")
    if {"==": value == 0, "<=": value <= 0, ">=": value >= 0, ">": value > 0}[part.sense]:
        raise Rejected(RULE, f"{goal.what} holds at the point: its value there is {show(str(value))}")
    return Checked(statement.scope(point.sizes), (goal.name,), tuple(statement.ring.domain))
