"""What a statement can claim: what each kind of goal says, as expressions compared with 0, and the proof of that.

zero         expr = 0, at every point (with `flow`: at every point that a run can reach)
conserved    d expr / dt = 0 along a flow, and expr does not jump; from then on expr - expr(initial) = 0 may be used
evolves      d expr / dt = rate (or <=, >=)
nonnegative  expr >= 0, or > 0
order        expr = O(h^order): the Taylor coefficients in the letter h below that order vanish
conjugate    a map carries the solutions of one flow to those of another (see `conjugate`)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .algebra import ONE, Expression
from .calculus import Derivation, Substitution, entry_of, inside, occurring, one_entry
from .document import Rejected, boolean, choice, fields, integer, listing, mapping, name, text
from .reduce import Reducer, Rule, rule_from
from .statement import Axes, Flow, Statement

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
        for letter in sorted(inside(ring, self.expression)):
            self.check_jump(self.expression, letter)
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

    def check_jump(self, expression: Expression, letter: int) -> None:
        """A quantity may contain a gate step(u) or sign(u) only so that it does not jump where u = 0.

        The jump is governed by the derivative in one entry of the gate: it has to vanish modulo that entry's argument.
        """
        ring, spec = self.statement.ring, self.statement.ring.letters[letter]
        if spec.kind not in ("step", "sign"):
            return
        if any(ring.letters[n].kind == "step" for rate in self.moves.rates.values() for n in inside(ring, rate)):
            ring.domain[f"the argument of {spec.name.replace(':', ' in ')} is not 0 throughout"] = None
        entry = entry_of(ring, letter, "!")
        u = ring.at(spec.argument or {}, spec.shape, entry)
        arguments = [ring.letters[n].argument or {} for n in sorted(inside(ring, expression))]
        for part in [expression, *arguments]:
            rates: dict[int, Expression] = {number: {} for number in occurring(ring, part)}
            jump = Derivation(ring, {**rates, letter: one_entry(ring, entry)})(part)
            if jump and not any(self._divides(u, {lead: 1}, jump) for lead in u):
                raise Rejected("conserved", f"{self.what}: the quantity jumps at the gate {spec.name!r}")

    def _divides(self, u: Expression, lead: Expression, jump: Expression) -> bool:
        try:
            rule = rule_from(self.statement.ring, u, lead, "a gate")
        except Rejected:
            return False
        return Reducer(self.statement.ring, [*self.statement.hypotheses, rule]).is_zero(jump)


class Prover:
    """Shows goals in order; what was conserved may be used for the later goals of its flow."""

    def __init__(self, statement: Statement, proof: dict[str, Any]) -> None:
        self.statement = statement
        self.pieces = mapping(proof.get("nonnegative", {}), "the proofs of nonnegativity")
        self.cofactors = mapping(proof.get("cofactors", {}), "the cofactors")
        self.conserved: dict[int, list[Rule]] = {}
        self.proved: dict[int, dict[str, Expression]] = {}  # what is 0 along a flow
        self.names: list[str] = []

    def prove(self, goal: Goal) -> None:
        if goal.name in self.names or goal.name in self.statement.relations:
            raise Rejected("statement", f"the name {goal.name!r} is given twice")
        for part in goal.parts(self):
            if part.sense == "==":
                self.vanishes(goal, self._without_multiples(goal, part), goal.flow)
            else:
                self._nonnegative(goal, part)
        if goal.kind == "conserved":
            self._assume(goal)
        self.names.append(goal.name)

    def _without_multiples(self, goal: Goal, part: Part) -> Expression:
        """Less the sum of q h over given cofactors q of hypotheses h = 0; axes of h beside the goal's are summed."""
        statement, ring, rest = self.statement, self.statement.ring, dict(part.expression)
        for pair in listing(self.cofactors.get(goal.name, []), f"the cofactors of {goal.what}"):
            cofactor, known = listing(pair, "a cofactor", 2)
            if text(known, "the hypothesis of a cofactor") not in statement.relations:
                raise Rejected("relation", f"{goal.what} has a cofactor of {known!r}, which is no hypothesis")
            axes, relation = statement.relations[known]
            if any(goal.axes.get(label, index) != index for label, index in axes.items()):
                raise Rejected("relation", f"an axis of {known!r} has another size in {goal.what}")
            multiple = statement.expression(cofactor, {**axes, **goal.axes}, f"a cofactor of {known!r}")
            summed = tuple(index for label, index in axes.items() if label not in goal.axes)
            ring.accumulate(rest, ring.closed(ring.multiply(multiple, relation), summed), -1)
        return rest

    def reducer(self, goal: Goal) -> Reducer:
        """What may be used: the hypotheses, and what is conserved along the flow."""
        extra = [] if goal.kind == "conjugate" or goal.flow is None else self.conserved.get(goal.flow, [])
        return Reducer(
            self.statement.ring, [*self.statement.hypotheses, *self.statement.reserved.get(goal.name, []), *extra]
        )

    def vanishes(self, goal: Goal, expression: Expression, flow: int | None) -> None:
        """Zero, first with a defined dLoss/df as a free letter (faster, and more general), then with its definition."""
        reducer = self.reducer(goal)
        left = reducer.remainder(expression)
        if left and flow is not None and self.statement.flows[flow].held:
            left = reducer.remainder(self.statement.expanded(self.statement.flows[flow], expression))
        if left:
            raise Rejected(goal.kind, f"{goal.what}: {len(left)} terms are left, one is {self._shown(left)}")

    def _nonnegative(self, goal: Goal, part: Part) -> None:
        from .nonnegative import check_nonnegative

        if goal.name not in self.pieces:
            raise Rejected("nonnegative", f"{goal.what} has no proof")
        excess = self.statement.ring.scale(part.expression, -1 if part.sense == "<=" else 1)
        if goal.flow is not None:
            excess = self.statement.expanded(goal.moves, excess)
        reducer, strict = self.reducer(goal), part.sense == ">"
        check_nonnegative(self.statement, reducer, goal.what, excess, goal.axes, strict, self.pieces[goal.name])

    def _assume(self, goal: Goal) -> None:
        """Q(state) - Q(initial) = 0 from now on, if the flow says where it starts; combinations of these are 0."""
        statement, ring = self.statement, self.statement.ring
        uses = [rewrite for rewrite in statement.rewrites if goal.name in {known for _, known in rewrite.parts}]
        if not uses:
            return
        if not inside(ring, goal.expression) & goal.moves.rates.keys() <= goal.moves.initial.keys():
            raise Rejected("relation", f"{goal.name!r} is used later, but flow {goal.flow} lacks initial values")
        assert goal.flow is not None
        at_start = Substitution(ring, goal.moves.initial)(goal.expression)
        proved = self.proved.setdefault(goal.flow, {})
        proved[goal.name] = ring.add(goal.expression, ring.scale(at_start, -1))
        for rewrite in uses:
            if all(other in proved for _, other in rewrite.parts):
                relation: Expression = {}
                for multiplier, other in rewrite.parts:
                    factor = statement.expression(multiplier, goal.axes, f"a multiplier of {other!r}")
                    ring.accumulate(relation, ring.multiply(factor, proved[other]))
                rule = statement.rule(goal.name, relation, goal.axes, rewrite.lead)
                self.conserved.setdefault(goal.flow, []).append(rule)

    def _shown(self, expression: Expression) -> str:
        """One term, for a message."""
        monomial, coefficient = min(expression.items())
        words = [str(coefficient)] if len(str(coefficient)) < 40 else ["(...)"]
        for number, _, exponent in self.statement.ring.powers(monomial):
            words.append(self.statement.ring.letters[number].name + (f"^{exponent}" if exponent != 1 else ""))
        return " ".join(words)[:200]
