"""Rule "indexed-identity": goals that follow by exact algebra.

What each kind of goal says, as expressions compared with 0, and the proof of that:

zero         expr = 0, at every point (with `flow`: at every point that a run can reach)
conserved    d expr / dt = 0 along a flow, and expr does not jump (see `gates`); then expr - expr(initial) = 0
evolves      d expr / dt = rate (or <=, >=)
nonnegative  expr >= 0, or > 0
order        expr = O(h^order) in a letter h (see `order`)
conjugate    a map carries the solutions of one flow to those of another (see `conjugate`)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from . import conjugate, order
from .algebra import Expression
from .calculus import Substitution, inside
from .document import Budget, Rejected, boolean, choice, fields, integer, listing, mapping, name, require
from .gates import check_jumps
from .kernel import Checked
from .nonnegative import check_nonnegative
from .statement import Axes, Flow, Statement
from .zeros import Part, Zeros

KEYS = {
    "zero": (("expr", "axes"), ("flow",)),
    "conserved": (("flow", "expr", "axes"), ()),
    "evolves": (("flow", "expr", "axes", "rate", "sense"), ()),
    "nonnegative": (("expr", "axes", "strict"), ("flow",)),
    "order": (("expr", "axes", "in", "order"), ()),
    "conjugate": (("flow", "to", "map"), ("time", "unique")),
}


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check every goal in order."""
    proof = fields(document["proof"], "the proof", (), ("zero", "later", "nonnegative"))
    statement = Statement(document["statement"], budget)
    prover = Prover(statement, proof)
    for goal in listing(statement.raw["goals"], "goals"):
        prover.prove(Goal(statement, goal))
    require(prover.names, "statement", "there is no goal")
    return Checked(statement.scope(), tuple(prover.names), tuple(statement.ring.domain))


class Goal:
    """One goal of a statement. `parts` is what has to be shown, or refuted at a point."""

    def __init__(self, statement: Statement, raw: Any) -> None:
        self.name = name(mapping(raw, "a goal").get("name"), "the name of a goal")
        self.what = f"goal {self.name!r}"
        self.kind = choice(raw.get("kind"), f"the kind of {self.what}", KEYS)
        required, optional = KEYS[self.kind]
        self.spec = fields(raw, self.what, ("name", "kind", *required), optional)
        self.statement = statement
        self.axes: Axes = {}
        self.expression: Expression = {}
        if "expr" in self.spec:
            self.axes = statement.axes(self.spec["axes"])
            self.expression = statement.expression(self.spec["expr"], self.axes, self.what)
        self.flow = None if self.spec.get("flow") is None else self.flow_number("flow")

    def flow_number(self, key: str) -> int:
        return integer(self.spec[key], "the number of a flow", 0, len(self.statement.flows) - 1)

    @property
    def moves(self) -> Flow:
        assert self.flow is not None
        return self.statement.flows[self.flow]

    def parts(self, prover: Prover) -> list[Part]:
        if self.kind == "conjugate":
            return conjugate.parts(self, prover)
        if self.kind == "order":
            return order.parts(self)
        if self.kind == "nonnegative":
            return [Part("", self.axes, self.expression, ">" if boolean(self.spec["strict"], "strict") else ">=")]
        if self.kind == "zero":
            return [Part("", self.axes, self.expression)]
        rate = self.statement.expression(self.spec.get("rate", []), self.axes, f"the rate of {self.what}")
        sense = choice(self.spec.get("sense", "=="), f"the sense of {self.what}", ("==", "<=", ">="))
        derivative = self.statement.along(self.moves, self.expression)
        return [Part("", self.axes, self.statement.ring.minus(derivative, rate), sense)]


class Prover:
    """Shows goals in order; what was conserved may be used for the later goals of its flow."""

    def __init__(self, statement: Statement, proof: dict[str, Any]) -> None:
        self.statement, self.zeros = statement, Zeros(statement)
        self.pieces = mapping(proof.get("nonnegative", {}), "the proofs of nonnegativity")
        self.proofs = mapping(proof.get("zero", {}), "the proofs of zeros")
        self.later = listing(proof.get("later", []), "what is used later")
        self.jumps = 0
        self.conserved: dict[int | None, set[str]] = {}  # names of what is 0 along a flow
        self.names: list[str] = []

    def prove(self, goal: Goal) -> None:
        new = goal.name not in self.names and goal.name not in self.statement.relations
        require(new, "statement", f"the name {goal.name!r} is given twice")
        if goal.kind in ("conserved", "evolves"):
            check_jumps(self, goal, goal.expression)
        for part in goal.parts(self):
            if part.sense == "==":
                self.vanishes(goal, part)
            else:
                self._nonnegative(goal, part)
        self.names.append(goal.name)
        if goal.kind == "conserved" and goal.name in self.later:
            self._assume(goal)

    def _assume(self, goal: Goal) -> None:
        """Q(state) - Q(initial) = 0 from now on, if the flow says where it starts."""
        ring, flow = self.statement.ring, goal.moves
        starts = inside(ring, goal.expression) & flow.rates.keys() <= flow.initial.keys()
        require(starts, "relation", f"{goal.name!r} is used later, but flow {goal.flow} lacks initial values")
        gap = ring.minus(goal.expression, Substitution(ring, flow.initial)(goal.expression))
        self.conserved.setdefault(goal.flow, set()).add(self.zeros.learn(goal.name, goal.axes, gap))

    def vanishes(self, goal: Goal, part: Part, also: Collection[str] = (), rule: str = "", wrong: str = "") -> None:
        """Zero as the proof shows it; where it says so, with dLoss/df replaced by its definition."""
        if goal.kind != "conjugate":
            also = {*also, *self.conserved.get(goal.flow, ())}
        if left := self.remainder(goal, part, also):
            left_over = f"{len(left)} terms are left, one is {self.statement.ring.shown(left)}"
            raise Rejected(rule or goal.kind, f"{goal.what}{wrong}: {left_over}")

    def remainder(self, goal: Goal, part: Part, also: Collection[str]) -> Expression:
        raw = dict(mapping(mapping(self.proofs.get(goal.name, {}), goal.what).get(part.name, {}), goal.what))
        if boolean(raw.pop("expanded", False), "expanded") and goal.flow is not None:
            part = replace(part, expression=self.statement.expanded(goal.moves, part.expression))
        return self.zeros.remainder(part, raw, goal.what, also)

    def _nonnegative(self, goal: Goal, part: Part) -> None:
        """The expression is the sum of its pieces, and these are nonnegative."""
        require(goal.name in self.pieces, "nonnegative", f"{goal.what} has no proof")
        excess = self.statement.ring.scale(part.expression, -1 if part.sense == "<=" else 1)
        if goal.flow is not None:
            excess = self.statement.expanded(goal.moves, excess)
        pieces, positive = check_nonnegative(self.statement, goal.what, goal.axes, self.pieces[goal.name])
        rest = Part("pieces", goal.axes, self.statement.ring.minus(excess, pieces))
        self.vanishes(goal, rest, (), "nonnegative", " is not the sum of its pieces")
        enough = part.sense != ">" or positive
        require(enough, "nonnegative", f"{goal.what}: no piece is seen to be positive in every case")
