"""Rule "enclosure": bounds of a flow's solution from one exact point, replayed step by step in dyadic intervals.

A step of length h carries a box X of states to the next. The proof names the signs of the gates during the step and a
box B; for the field f of these signs, computed from the flow statement, it is checked that

1. X + [0, h] f(B) lies in B: then the solution exists up to h and stays in B (Picard);
2. the next box is the Taylor sum of order p from X, with the p-th coefficient over B as its remainder;
3. every gate keeps its sign: its argument u has that sign all over B, or has it at both ends and is monotone.

A kink is crossed in a step of its own, with both signs allowed ("*"): f(B) is then the hull of the fields, the next box
is X + h f(B), and u has another sign at the end while u' keeps its own in every field: u has exactly one zero. In the
tail the signs of the last step stay for ever and the flow reads w' = r = b - A w. The proof gives G with G A A = A and
G A b = b, so that G A r = r and w + G r is constant, and a diagonal P > 0 with r'(P A + A'P - 2 rate P) r >= 0 for all
such r. So V = r'P r falls like exp(-2 rate t), w tends to w + G r, and u = a'w + c never is further from its limit
than the root of sum_i (G'a)_i^2 / P_i times V.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from .algebra import Expression
from .calculus import inside as letters_inside
from .document import Budget, Rejected, fields, integer, listing, mapping, name, rational, show, text
from .dyadic import Dyadic, Interval, add, hull, inside, total
from .kernel import Checked
from .linear import dot, matrix, semidefinite, times, transposed, vector
from .point import Point
from .series import Box, System
from .statement import Statement

RULE = "enclosure"
MAX_STEPS = 20_000
MAX_CROSSING = 4
MAX_STATE = 16


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Replay the steps and the tail, then check every goal."""
    raw = dict(mapping(document["statement"], "the statement"))
    case = mapping(raw.pop("case", None), "the case")
    proof = fields(document["proof"], "the proof", ("bits", "order", "state", "gates", "steps"), ("tail",))
    replay = Replay(Statement(raw, budget), case, proof)
    for number, step in enumerate(listing(proof["steps"], "the steps")[: MAX_STEPS + 1]):
        replay.step(number, fields(step, "a step", ("signs", "length", "box")))
    if "tail" in proof:
        replay.tail(fields(proof["tail"], "the tail", ("inverse", "metric", "rate")))
    goals = [replay.goal(goal) for goal in listing(raw["goals"], "goals")]
    if not goals:
        raise Rejected("statement", "there is no goal")
    fixed = [f"{n}={v}" for n, v in case.items() if replay.statement.letters[n] not in replay.flow.rates]
    scope = ", ".join([part for part in (replay.statement.scope(),) if part != "no sizes"] + fixed)
    return Checked(scope if 0 < len(scope) <= 150 else "one exact case", tuple(goals), tuple(replay.premises))


class Replay:
    """The flow at its exact case, and the boxes that the steps have reached."""

    def __init__(self, statement: Statement, case: dict[str, Any], proof: dict[str, Any]) -> None:
        if len(statement.flows) != 1 or statement.flows[0].unknown:
            raise Rejected(RULE, "the statement has to have one flow, of a known loss")
        if any(statement.ring.letters[letter].sign != "any" for letter in statement.flows[0].rates):
            raise Rejected(RULE, "a letter that moves is declared to have a sign")
        self.statement, (self.flow,) = statement, statement.flows
        point = Point(statement, {}, case)
        values = {letter: point.values.get((letter, ())) for letter in statement.letters.values()}
        point.check_case()
        self.at_zero = point.at_zero
        self.dyadic = Dyadic(integer(proof["bits"], "bits", 16, 4096))
        self.order = integer(proof["order"], "the order", 1, 256)
        self.state = [statement.letters.get(text(n, "a letter"), -1) for n in listing(proof["state"], "the state")]
        if sorted(self.state) != sorted(self.flow.rates) or len(self.state) > MAX_STATE or None in values.values():
            raise Rejected(
                RULE, f"the state of the proof is not that of the flow, of at most {MAX_STATE} single letters"
            )
        self.constants = {n: value for n, value in values.items() if value is not None and n not in self.flow.rates}
        self.gates = [self._gate(statement.body(n, "a gate"), n) for n in listing(proof["gates"], "the gates")]
        if len(set(self.gates)) != len(self.gates):
            raise Rejected(RULE, "a gate is given twice")
        self.systems: dict[str, System] = {}
        self.box: Box = [self.dyadic.of(values[letter]) for letter in self.state]  # type: ignore[arg-type]
        self.time, self.signs = Fraction(0), ""
        self.reached: dict[Any, tuple[Box, str]] = {}  # by time; None is the limit
        self.premises: dict[str, None] = dict(statement.ring.domain)
        self.events: dict[int, list[tuple[Fraction, Fraction, str]]] = {letter: [] for letter in self.gates}

    def _gate(self, body: Expression, what: Any) -> int:
        ring = self.statement.ring
        letters = ring.powers(next(iter(body))) if ring.single(body) else []
        if len(letters) != 1 or self.statement.ring.letters[letters[0][0]].kind not in ("step", "sign"):
            raise Rejected(RULE, f"{show(what)} is no gate")
        return letters[0][0]

    def system(self, signs: str) -> System:
        if signs not in self.systems:
            values = dict(zip(self.gates, signs, strict=True))
            self.systems[signs] = System(self.statement, self.flow, self.dyadic, self.state, self.constants, values)
        return self.systems[signs]

    def step(self, number: int, raw: dict[str, Any]) -> None:
        signs, length = text(raw["signs"], "the signs"), Fraction(rational(raw["length"], "a length"))
        if length <= 0 or len(signs) != len(self.gates) or not set(signs) <= set("01*") or number == MAX_STEPS:
            raise Rejected(RULE, f"step {number} is no step with a positive length and a sign for each gate")
        box = [self._side(pair) for pair in listing(raw["box"], "a box", len(self.state))]
        starred = {gate for gate, sign in zip(self.gates, signs, strict=True) if sign == "*"}
        if len(starred) > MAX_CROSSING:
            raise Rejected("limit", f"in step {number} more than {MAX_CROSSING} gates cross")
        choices = [self.system(signs.replace("*", "{}").format(*c)) for c in product("01", repeat=len(starred))]
        forms = [[system.gate(gate) for system in choices] for gate in self.gates]
        over = [system.series(box, length, 1 if starred else self.order) for system in choices]
        ends: Box = []
        for n, (start, side) in enumerate(zip(self.box, box, strict=True), 1):
            moved = hull(*(series[n][1] for series in over))
            if not inside(add(start, hull((0, 0), moved)), side):
                raise Rejected(RULE, f"in step {number} the box is not mapped into itself")
            ends.append(add(start, moved))
        before = choices[0].series(self.box, length, 0 if starred else self.order - 1)
        if not starred:
            ends = [total(*first, rest[-1]) for first, rest in zip(before[1:], over[0][1:], strict=True)][: len(box)]
        after = choices[0].series(ends, length, 0)
        for k, (gate, sign) in enumerate(zip(self.gates, signs, strict=True)):
            first, last = (choices[0].value(forms[k][0][0], at) for at in (before, after))
            seen = list(zip(choices, forms[k], over, strict=True))
            whole, rate = (hull(*(system.value(form[part], at) for system, form, at in seen)) for part in (0, 1))
            if sign == "*":
                inner = self.statement.ring.letters[gate].argument
                if inner is None or starred & letters_inside(self.statement.ring, inner):
                    raise Rejected(RULE, f"in step {number} the argument of a gate that crosses depends on another one")
                rises = first[1] < 0 < last[0] and rate[0] > 0
                if not rises and not (last[1] < 0 < first[0] and rate[1] < 0):
                    raise Rejected(RULE, f"in step {number} a gate is not seen to cross exactly once")
                self.events[gate].append((self.time, self.time + length, "rises" if rises else "falls"))
            elif (whole[0] <= 0 <= whole[1] and starred) or not self._keeps(gate, sign, whole, first, last, rate):
                raise Rejected(RULE, f"in step {number} a gate is not seen to keep its sign")
        self.time, self.box, self.signs = self.time + length, ends, signs
        self.reached[self.time] = (ends, signs)

    def _keeps(self, gate: int, sign: str, whole: Interval, first: Interval, last: Interval, rate: Interval) -> bool:
        """Whether the argument of a gate keeps its sign: its values on the way and at both ends, and its slope."""
        if sign == "0":
            whole, first, last, rate = ((-b, -a) for a, b in (whole, first, last, rate))
        if whole[0] > 0:
            return True
        if not self.time and first == (0, 0) and self.statement.ring.letters[gate].kind == "step":
            self.premises[f"a gate that starts on its kink has the value {self.at_zero} there"] = None
            return int(sign) == self.at_zero and rate[0] > 0
        return (rate[0] >= 0 or rate[1] <= 0) and first[0] > 0 and last[0] > 0

    def _side(self, pair: Any) -> Interval:
        low, high = (Fraction(rational(end, "an end")) for end in listing(pair, "a side of a box", 2))
        return self.dyadic.of(low)[0], self.dyadic.of(high)[1]

    # -- the tail ------------------------------------------------------------------------------------------

    def tail(self, raw: dict[str, Any]) -> None:
        if "*" in self.signs or not self.time:
            raise Rejected(RULE, "a tail follows a step with signs of all gates")
        n, system = len(self.state), self.system(self.signs)
        affine = [system.affine(system.moves[k]) for k in range(1, n + 1)]
        a, b = [[-c for c in row[1:]] for row in affine], [row[0] for row in affine]
        inverse = matrix(raw["inverse"], "the inverse", n, n)
        metric, rate = vector(raw["metric"], "the metric", n), Fraction(rational(raw["rate"], "the rate"))
        projector = times(inverse, a)
        if times(projector, a) != a or [dot(row, b) for row in projector] != b:
            raise Rejected(RULE, "the inverse is none on the range of the field")
        if min(*metric, rate) <= 0:
            raise Rejected(RULE, "the metric and the rate have to be positive")
        form = [[metric[i] * a[i][j] + metric[j] * a[j][i] for j in range(n)] for i in range(n)]
        for i in range(n):
            form[i][i] -= 2 * rate * metric[i]
        if not semidefinite(times(transposed(projector), times(form, projector))):
            raise Rejected(RULE, "the flow of the tail is not seen to contract at that rate")
        now = system.series(self.box, Fraction(1), 1)
        r = [now[k][1] for k in range(1, n + 1)]
        limit = [add(x, self._combined(row, r)) for x, row in zip(self.box, inverse, strict=True)]
        size = self._combined(metric, [self.dyadic.square(x) for x in r])[1]
        at_end = system.series(limit, Fraction(1), 0)
        for gate, sign in zip(self.gates, self.signs, strict=True):
            u = system.gate(gate)[0]
            weights = system.affine(u)[1:]
            spread = sum(dot(weights, g) ** 2 / p for g, p in zip(transposed(inverse), metric, strict=True))
            value = system.value(u, at_end)
            least = value[0] if sign == "1" else -value[1]
            if least <= 0 or least**2 <= spread * size * self.dyadic.one[0]:
                raise Rejected(RULE, "a gate is not seen to keep its sign for ever")
        self.reached[None] = (limit, self.signs)

    def _combined(self, weights: list[Fraction], values: Box) -> Interval:
        return self.dyadic.product([(self.dyadic.of(w), v) for w, v in zip(weights, values, strict=True)])

    # -- goals ---------------------------------------------------------------------------------------------

    def goal(self, raw: Any) -> str:
        kind = mapping(raw, "a goal").get("kind")
        own = {"enclosed": ("low", "high"), "switches": ("times",)}.get(text(kind, "the kind of a goal"))
        if own is None:
            raise Rejected(RULE, f"a goal is of the kind {show(kind)}, expected enclosed or switches")
        spec = fields(raw, "a goal", ("name", "kind", "flow", "expr", "at", *own))
        known, at = name(spec["name"], "the name of a goal"), spec["at"]
        integer(spec["flow"], "the flow of a goal", 0, 0)
        time = None if at == "limit" else Fraction(rational(at, "the time of a goal"))
        if time not in self.reached:
            raise Rejected(RULE, f"the proof does not reach {show(at)}")
        expression = self.statement.expression(spec["expr"], {}, f"goal {known!r}")
        if kind == "switches":
            self._switches(known, expression, spec["times"], time)
            return known
        box, signs = self.reached[time]
        if "*" in signs:
            raise Rejected(RULE, f"goal {known!r} is about the time of a kink")
        system = self.system(signs)
        form = system.form(expression)
        low, high = system.value(form, system.series(box, Fraction(1), 0))
        unit = self.dyadic.one[0]
        if (
            low < Fraction(rational(spec["low"], "low")) * unit
            or high > Fraction(rational(spec["high"], "high")) * unit
        ):
            raise Rejected(RULE, f"goal {known!r} is not seen to lie between its bounds")
        return known

    def _switches(self, known: str, expression: Expression, times: Any, until: Fraction | None) -> None:
        """The expression has exactly the given zeros after the start, each within its bounds."""
        gate = self._gate(self.statement.ring.atom("step", expression, (), known), known)
        if gate not in self.events:
            raise Rejected(RULE, f"goal {known!r} is about an expression that is no gate of the proof")
        found = [event for event in self.events[gate] if until is None or event[1] <= until]
        given = [listing(time, "a time", 3) for time in listing(times, "the times", len(found))]
        for (start, end, way), (low, high, direction) in zip(found, given, strict=True):
            if rational(low, "low") > start or end > rational(high, "high") or way != direction:
                raise Rejected(RULE, f"goal {known!r} gives a zero that is not the one found")
