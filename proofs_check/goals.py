"""Rule "indexed-identity": goals that follow by exact algebra.

What each kind of goal says, as expressions compared with 0, and the proof of that:

zero         expr = 0, at every point (with `flow`: at every point that a run can reach)
conserved    d expr / dt = 0 along a flow, and expr does not jump; from then on expr - expr(initial) = 0 may be used
evolves      d expr / dt = rate (or <=, >=)
nonnegative  expr >= 0, or > 0
order        expr = O(h^order): the Taylor coefficients in the letter h below that order vanish
conjugate    a map carries the solutions of one flow to those of another (see `conjugate`)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from .algebra import ONE, Expression
from .calculus import Derivation, Substitution, entry_of, inside, occurring, one_entry
from .document import Budget, Rejected, boolean, choice, fields, integer, listing, mapping, name
from .kernel import Checked
from .statement import Axes, Flow, Statement
from .zeros import Zeros

KEYS = {
    "zero": (("expr", "axes"), ("flow",)),
    "conserved": (("flow", "expr", "axes"), ()),
    "evolves": (("flow", "expr", "axes", "rate", "sense"), ()),
    "nonnegative": (("expr", "axes", "strict"), ("flow",)),
    "order": (("expr", "axes", "in", "order"), ()),
    "conjugate": (("flow", "to", "map"), ("time", "unique")),
}


@dataclass(frozen=True)
class Part:
    """One thing that a goal says: the expression is "==" 0, or ">=", or ">", or "<=", for all values of the axes."""

    name: str
    axes: Axes
    expression: Expression
    sense: str = "=="


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
        from . import conjugate

        ring = self.statement.ring
        if self.kind == "conjugate":
            return conjugate.parts(self, prover)
        if self.kind == "order":
            return [Part(str(n), self.axes, e) for n, e in enumerate(self._taylor())]
        if self.kind == "nonnegative":
            return [Part("", self.axes, self.expression, ">" if boolean(self.spec["strict"], "strict") else ">=")]
        if self.kind == "zero":
            return [Part("", self.axes, self.expression)]
        derivative = self.statement.along(self.moves, self.expression)
        if self.kind == "conserved":
            return [Part("", self.axes, derivative)]
        sense = choice(self.spec["sense"], f"the sense of {self.what}", ("==", "<=", ">="))
        rate = self.statement.expression(self.spec["rate"], self.axes, f"the rate of {self.what}")
        return [Part("", self.axes, ring.add(derivative, ring.scale(rate, -1)), sense)]

    def _taylor(self) -> list[Expression]:
        """The derivatives of the expression in the letter h at h = 0, below the order."""
        statement, ring = self.statement, self.statement.ring
        h = statement.letter(self.spec["in"], f"the step of {self.what}")
        if statement.shapes[self.spec["in"]] or h in statement.state:
            raise Rejected("order", f"{self.what}: {self.spec['in']!r} is no constant scalar")
        if any(ring.letters[n].kind in ("step", "sign") for n in inside(ring, self.expression)):
            raise Rejected("order", f"{self.what}: an expression with gates need not be smooth in {self.spec['in']!r}")
        derive, at_zero = Derivation(ring, {h: ONE}), Substitution(ring, {h: {}})
        found, current = [], self.expression
        for _ in range(integer(self.spec["order"], f"the order of {self.what}", 1, 16)):
            found.append(at_zero(current))
            current = ring.bounded(derive(current))
        return found


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
        if goal.name in self.names or goal.name in self.statement.relations:
            raise Rejected("statement", f"the name {goal.name!r} is given twice")
        if goal.kind in ("conserved", "evolves"):
            self.check_jumps(goal, goal.expression)
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
        if not inside(ring, goal.expression) & flow.rates.keys() <= flow.initial.keys():
            raise Rejected("relation", f"{goal.name!r} is used later, but flow {goal.flow} lacks initial values")
        gap = ring.add(goal.expression, ring.scale(Substitution(ring, flow.initial)(goal.expression), -1))
        shape = tuple(index[2] for index in goal.axes.values())
        known = self.zeros.learn(goal.name, shape, self.statement.over_places(gap, goal.axes))
        self.conserved.setdefault(goal.flow, set()).add(known)

    def vanishes(self, goal: Goal, part: Part, also: Collection[str] = (), rule: str = "", wrong: str = "") -> None:
        """Zero as the proof shows it; where it says so, with dLoss/df replaced by its definition."""
        if goal.kind != "conjugate":
            also = {*also, *self.conserved.get(goal.flow, ())}
        if left := self.remainder(goal, part, also):
            left_over = f"{len(left)} terms are left, one is {self._shown(left)}"
            raise Rejected(rule or goal.kind, f"{goal.what}{wrong}: {left_over}")

    def remainder(self, goal: Goal, part: Part, also: Collection[str]) -> Expression:
        raw = dict(mapping(mapping(self.proofs.get(goal.name, {}), goal.what).get(part.name, {}), goal.what))
        expression = part.expression
        if boolean(raw.pop("expanded", False), "expanded") and goal.flow is not None:
            expression = self.statement.expanded(goal.moves, expression)
        return self.zeros.remainder(expression, part.axes, raw, goal.what, also)

    def check_jumps(self, goal: Goal, expression: Expression) -> None:
        """A quantity may contain a gate step(u) or sign(u) only so that it does not jump where u = 0.

        The jump is governed by the derivative in one entry of the gate: it has to vanish modulo that entry's argument.
        """
        ring = self.statement.ring
        letters = sorted(inside(ring, expression))
        for gate in [letter for letter in letters if ring.letters[letter].kind in ("step", "sign")]:
            if any(ring.letters[n].kind == "step" for rate in goal.moves.rates.values() for n in inside(ring, rate)):
                named = ring.letters[gate].name.replace(":", " in ")
                ring.domain[f"the argument of {named} is not 0 throughout"] = None
            entry = entry_of(ring, gate, "!")
            axes = {**goal.axes, **{f"gate{n}": index for n, index in enumerate(entry)}}
            u = ring.at(ring.letters[gate].argument or {}, ring.letters[gate].shape, entry)
            for whole in [expression, *(ring.letters[letter].argument or {} for letter in letters)]:
                rates: dict[int, Expression] = {letter: {} for letter in occurring(ring, whole)}
                jump = Derivation(ring, {**rates, gate: one_entry(ring, entry)})(whole)
                if jump:
                    places = {i for m in jump for _, idx, _ in ring.powers(m) for i in idx if i[1].startswith("@")}
                    axes |= {f"at{index[1][1:]}": index for index in places}
                    self.statement.shapes["=!"], self.statement.bodies["=!"] = (), u
                    self.jumps += 1
                    jumps = f": the quantity jumps at the gate {ring.letters[gate].name!r}"
                    self.vanishes(goal, Part(f"jump {self.jumps}", axes, jump), {"=!"}, "conserved", jumps)

    def _nonnegative(self, goal: Goal, part: Part) -> None:
        from .nonnegative import check_nonnegative

        if goal.name not in self.pieces:
            raise Rejected("nonnegative", f"{goal.what} has no proof")
        excess = self.statement.ring.scale(part.expression, -1 if part.sense == "<=" else 1)
        if goal.flow is not None:
            excess = self.statement.expanded(goal.moves, excess)
        ring = self.statement.ring
        pieces, positive = check_nonnegative(self.statement, goal.what, goal.axes, self.pieces[goal.name])
        rest = ring.add(excess, ring.scale(pieces, -1))
        self.vanishes(goal, Part("pieces", goal.axes, rest), (), "nonnegative", " is not the sum of its pieces")
        if part.sense == ">" and not positive:
            raise Rejected("nonnegative", f"{goal.what}: no piece is seen to be positive in every case")

    def _shown(self, expression: Expression) -> str:
        """One term, for a message."""
        monomial, coefficient = min(expression.items())
        words = [str(coefficient)] if len(str(coefficient)) < 40 else ["(...)"]
        for number, _, exponent in self.statement.ring.powers(monomial):
            words.append(self.statement.ring.letters[number].name + (f"^{exponent}" if exponent != 1 else ""))
        return " ".join(words)[:200]
