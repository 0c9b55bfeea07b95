"""The goals of an identity certificate, and what it takes to check each.

    zero        the expression is 0 for all values of the letters
    conserved   its derivative along a flow is 0
    evolves     its derivative along a flow is (at most, at least) a given rate
    nonnegative the expression is >= 0 (> 0)
    conjugate   a map carries the solutions of one flow to solutions of another

Once a quantity Q is known to be conserved, Q(state) = Q(initial) is a hypothesis for the later goals about the same
flow: it holds on the trajectories that start at the initial values, which is all that those goals speak of.
"""

from __future__ import annotations

from typing import Any

from .algebra import Expression, free
from .atoms import Derivation, Substitution, inside, occurring, one_entry
from .document import Rejected, boolean, fields, integer, mapping, name, show
from .nonnegative import check_nonnegative
from .reduce import Reducer, Rule, rule_from
from .statement import Axes, Flow, Statement

KEYS = {
    "zero": (("expr", "axes"), ("flow",)),
    "conserved": (("flow", "expr", "axes"), ()),
    "evolves": (("flow", "expr", "axes", "rate", "sense"), ()),
    "nonnegative": (("expr", "axes", "strict"), ("flow",)),
    "conjugate": (("flow", "to", "map"), ("time",)),
}


def goal_fields(raw: Any) -> tuple[str, str, dict[str, Any]]:
    """The name, the kind and the fields of a goal."""
    spec = mapping(raw, "a goal")
    known = name(spec.get("name"), "the name of a goal")
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in KEYS:
        raise Rejected("statement", f"goal {known!r} has the kind {show(kind)}, expected one of {', '.join(KEYS)}")
    required, optional = KEYS[kind]
    return known, kind, fields(spec, f"goal {known!r}", ("name", "kind", *required), optional)


def subject(statement: Statement, known: str, spec: dict[str, Any]) -> tuple[Axes, Expression]:
    """The axes of a goal and its expression."""
    axes = statement.axes(spec["axes"], lambda position, label, size: free(label, size))
    return axes, statement.expression(spec["expr"], axes, f"goal {known!r}")


def evolution(statement: Statement, known: str, spec: dict[str, Any], axes: Axes) -> tuple[str, Expression]:
    """The sense of a goal "evolves", and minus its rate."""
    if spec["sense"] not in ("==", "<=", ">="):
        raise Rejected("statement", f"goal {known!r} has the sense {show(spec['sense'])}, expected ==, <= or >=")
    rate = statement.expression(spec["rate"], axes, f"the rate of goal {known!r}")
    return spec["sense"], statement.ring.scale(rate, -1)


class Goals:
    """Checks the goals of a statement in order; raises Rejected at the first that does not hold."""

    def __init__(self, statement: Statement, proof: dict[str, Any]) -> None:
        self.statement = statement
        self.pieces = mapping(proof.get("nonnegative", {}), "the proofs of nonnegativity")
        self.conserved: dict[int, list[Rule]] = {}
        self.relations: dict[int, dict[str, Expression]] = {}
        self.names: list[str] = []

    def check(self, raw: Any) -> None:
        known, kind, spec = goal_fields(raw)
        if known in self.names or known in self.statement.relation_axes:
            raise Rejected("statement", f"the name {known!r} is given twice")
        if kind == "conjugate":
            self._conjugate(known, spec)
        else:
            axes, expression = subject(self.statement, known, spec)
            getattr(self, f"_{kind}")(known, spec, axes, expression)
        self.names.append(known)

    # -- the kinds -----------------------------------------------------------------------------------------

    def _zero(self, known: str, spec: dict[str, Any], axes: Axes, expression: Expression) -> None:
        self._vanishes("zero", known, expression, self._optional_flow(spec))

    def _conserved(self, known: str, spec: dict[str, Any], axes: Axes, expression: Expression) -> None:
        number = self.flow_number(spec["flow"])
        self._vanishes("conserved", known, self._derivative(number, known, expression), number)
        self._assume(known, number, axes, expression)

    def _evolves(self, known: str, spec: dict[str, Any], axes: Axes, expression: Expression) -> None:
        number = self.flow_number(spec["flow"])
        sense, rate = evolution(self.statement, known, spec, axes)
        excess = self.statement.ring.add(self._derivative(number, known, expression), rate)
        if sense == "==":
            self._vanishes("evolves", known, excess, number)
        else:
            flow = self.statement.flows[number]
            excess = self.statement.expanded(flow, excess)
            signed = self.statement.ring.scale(excess, -1 if sense == "<=" else 1)
            self._is_nonnegative(known, signed, axes, False, number)

    def _nonnegative(self, known: str, spec: dict[str, Any], axes: Axes, expression: Expression) -> None:
        number = self._optional_flow(spec)
        self._is_nonnegative(known, expression, axes, boolean(spec["strict"], "strict"), number)

    def _conjugate(self, known: str, spec: dict[str, Any]) -> None:
        for difference in self.mismatch(known, spec).values():
            self._vanishes("conjugate", known, difference, None)

    def mismatch(self, known: str, spec: dict[str, Any]) -> dict[int, Expression]:
        """field_b(map(p)) * time - D map(p) . field_a(p), for every state letter of b."""
        statement, ring = self.statement, self.statement.ring
        a = statement.flows[self.flow_number(spec["flow"])]
        b = statement.flows[self.flow_number(spec["to"])]
        time = statement.expression(spec.get("time", [["1", []]]), {}, f"the time of goal {known!r}")
        self._check_time(known, time, a)
        images: dict[int, Expression] = {}
        for letter, body in mapping(spec["map"], f"the map of goal {known!r}").items():
            number = statement.letters.get(letter)
            if number is None or number not in b.rates:
                raise Rejected("statement", f"goal {known!r} maps {show(letter)}, which flow b does not move")
            images[number] = statement.body(body, f"the image of {letter!r}")
            if statement.shapes[body] != statement.shapes[letter]:
                raise Rejected("statement", f"in goal {known!r} the shapes of {letter!r} and {body!r} differ")
            statement.check_sign(number, images[number], f"the image of {letter!r} in goal {known!r}")
            if inside(ring, images[number]) & (statement.state - a.rates.keys()):
                raise Rejected("statement", f"in goal {known!r} the image of {letter!r} moves with another flow")
            for inner in inside(ring, images[number]):
                self._check_jump(known, images[number], inner)
        if images.keys() != b.rates.keys():
            raise Rejected("statement", f"the map of goal {known!r} does not give every state letter of flow b")
        carry = Substitution(ring, dict(images))
        self._check_loss(known, a, b, carry)
        derive = Derivation(ring, a.rates, a.unknown | b.unknown)
        found: dict[int, Expression] = {}
        for letter, rate in b.rates.items():
            target = statement.expanded(b, rate)
            if inside(ring, target) & (a.rates.keys() - b.rates.keys()):
                raise Rejected("statement", f"in goal {known!r} flow b contains a letter that moves in flow a only")
            pushed = statement.expanded(a, derive(images[letter]))
            found[letter] = ring.add(ring.multiply(carry(target), time), ring.scale(pushed, -1))
        return found

    def _check_time(self, known: str, time: Expression, a: Flow) -> None:
        """A change of time is a positive factor that depends on the point of flow a."""
        ring = self.statement.ring
        if inside(ring, time) & (self.statement.state - a.rates.keys()):
            raise Rejected("statement", f"the time of goal {known!r} moves with another flow")
        single = ring.monomial_of(time)
        if single is None or single[2] <= 0 or not all(ring.positive(n) for n, _ in ring.letters_of(*single[:2])):
            raise Rejected("conjugate", f"the time of goal {known!r} is not seen to be positive")

    def _check_loss(self, known: str, a: Flow, b: Flow, carry: Substitution) -> None:
        """An arbitrary loss has the same gradient r in both flows only where the outputs are the same."""
        ring = self.statement.ring
        if a.unknown != b.unknown:
            raise Rejected("conjugate", f"in goal {known!r} the two flows have different losses")
        for output, r in b.outputs:
            if r in b.unknown:
                twins = [f for f, weight in a.outputs if weight == r]
                if len(twins) != 1 or sum(weight == r for _, weight in b.outputs) != 1:
                    raise Rejected("conjugate", f"in goal {known!r} one dLoss/df stands for several outputs")
                self._vanishes("conjugate", known, ring.add(carry(output), ring.scale(twins[0], -1)), None)

    # -- what they share -----------------------------------------------------------------------------------

    def _derivative(self, number: int, known: str, expression: Expression) -> Expression:
        """The derivative along a flow of a quantity that does not jump."""
        for letter in inside(self.statement.ring, expression):
            self._check_jump(known, expression, letter)
        return self.statement.along(self.statement.flows[number], expression)

    def reducer(self, number: int | None) -> Reducer:
        """What may be used: the hypotheses, and what is conserved along the flow."""
        extra = [] if number is None else self.conserved.get(number, [])
        return Reducer(self.statement.ring, [*self.statement.hypotheses, *extra])

    def flow_number(self, raw: Any) -> int:
        return integer(raw, "the number of a flow", 0, len(self.statement.flows) - 1)

    def _optional_flow(self, spec: dict[str, Any]) -> int | None:
        return None if spec.get("flow") is None else self.flow_number(spec["flow"])

    def _vanishes(self, rule: str, known: str, expression: Expression, number: int | None) -> None:
        """Zero, first with a defined dLoss/df as a free letter (faster, and more general), then with its definition."""
        reducer = self.reducer(number)
        left = reducer.remainder(expression)
        if left and number is not None and self.statement.flows[number].held:
            left = reducer.remainder(self.statement.expanded(self.statement.flows[number], expression))
        if left:
            count = sum(len(poly) for poly in left.values())
            raise Rejected(rule, f"goal {known!r}: {count} terms are left, one is {self.shown(left)}")

    def _is_nonnegative(self, known: str, expression: Expression, axes: Axes, strict: bool, number: int | None) -> None:
        if known not in self.pieces:
            raise Rejected("nonnegative", f"goal {known!r} has no proof")
        check_nonnegative(self.statement, self.reducer(number), known, expression, axes, strict, self.pieces[known])

    def _assume(self, known: str, number: int, axes: Axes, expression: Expression) -> None:
        """Q(state) - Q(initial) = 0 from now on, if the flow says where it starts."""
        statement, flow = self.statement, self.statement.flows[number]
        moving = inside(statement.ring, expression) & flow.rates.keys()
        if not any(known in names for names, _, _ in statement.later_rewrites):
            return
        if not moving <= flow.initial.keys():
            raise Rejected("relation", f"{known!r} is used as a hypothesis, but flow {number} lacks initial values")
        at_start = Substitution(statement.ring, dict(flow.initial))(expression)
        proved = self.relations.setdefault(number, {})
        proved[known] = statement.ring.add(expression, statement.ring.scale(at_start, -1))
        for names, multipliers, lead in statement.later_rewrites:
            if known in names and all(other in proved for other in names):
                relation: Expression = {}  # a combination of expressions that are 0 is 0
                for other, multiplier in zip(names, multipliers, strict=True):
                    factor = statement.expression(multiplier, axes, f"a multiplier of {other!r}")
                    statement.ring.accumulate(relation, statement.ring.multiply(factor, proved[other]))
                self.conserved.setdefault(number, []).append(statement.rule(known, relation, axes, lead))

    def _check_jump(self, known: str, expression: Expression, letter: int) -> None:
        """A quantity may contain a gate step(u) or sign(u) only so that it does not jump where u = 0.

        Its formal derivative is 0 off the jump, so without this check step(w) would count as conserved. The jump is
        governed by the derivative in one entry of the gate; it has to vanish modulo the argument of that entry.
        """
        ring, spec = self.statement.ring, self.statement.ring.letters[letter]
        if spec.kind not in ("step", "sign") or spec.argument is None:
            return
        entry = tuple(free(f"!{p}", size) for p, size in enumerate(spec.shape))
        rate = one_entry(ring, entry)
        u = ring.at(spec.argument, spec.shape, entry)
        arguments = [ring.letters[n].argument for n in inside(ring, expression)]
        for part in [expression, *(argument for argument in arguments if argument)]:
            rates: dict[int, Expression] = {number: {} for number in occurring(ring, part)}
            jump = Derivation(ring, {**rates, letter: rate})(part)
            if jump and not any(self._divides(u, lead, jump) for lead in _terms(u)):
                raise Rejected("conserved", f"goal {known!r}: the quantity jumps at the gate {spec.name!r}")

    def _divides(self, u: Expression, lead: Expression, jump: Expression) -> bool:
        try:
            rule = rule_from(self.statement.ring, u, lead, "a gate")
        except Rejected:
            return False
        return Reducer(self.statement.ring, [*self.statement.hypotheses, rule]).is_zero(jump)

    def shown(self, expression: Expression) -> str:
        """One term, for a message."""
        ring = self.statement.ring
        frame = min(expression)
        monomial, coefficient = min(expression[frame].items())
        words = [str(coefficient)] if len(str(coefficient)) < 40 else ["(...)"]
        for number, exponent in ring.letters_of(frame, monomial):
            words.append(ring.letters[number].name + (f"^{exponent}" if exponent != 1 else ""))
        return " ".join(words)[:200]


def _terms(expression: Expression) -> list[Expression]:
    return [{frame: {monomial: 1}} for frame, poly in expression.items() for monomial in poly]
