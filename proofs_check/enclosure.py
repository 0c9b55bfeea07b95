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
from .calculus import occurring
from .document import Budget, choice, fields, integer, listing, mapping, name, rational, require, show, text
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
GOALS = {"enclosed": ("low", "high"), "switches": ("times",)}


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
    require(goals, "statement", "there is no goal")
    fixed = [f"{n}={v}" for n, v in case.items() if replay.statement.letters[n] not in replay.flow.rates]
    scope = ", ".join([part for part in (replay.statement.scope(),) if part != "no sizes"] + fixed)
    return Checked(scope if 0 < len(scope) <= 150 else "one exact case", tuple(goals), tuple(replay.premises))


class Replay:
    """The flow at its exact case, and the boxes that the steps have reached."""

    def __init__(self, statement: Statement, case: dict[str, Any], proof: dict[str, Any]) -> None:
        known = len(statement.flows) == 1 and not statement.flows[0].unknown
        require(known, RULE, "the statement has to have one flow, of a known loss")
        self.statement, (self.flow,) = statement, statement.flows
        unsigned = all(statement.ring.letters[letter].sign == "any" for letter in self.flow.rates)
        require(unsigned, RULE, "a letter that moves is declared to have a sign")
        point = Point(statement, {}, case)
        values = {letter: point.values.get((letter, ())) for letter in statement.letters.values()}
        point.check_case()
        self.at_zero = point.at_zero
        self.dyadic = Dyadic(integer(proof["bits"], "bits", 16, 4096))
        self.order = integer(proof["order"], "the order", 1, 256)
        self.state = [statement.letters.get(text(n, "a letter"), -1) for n in listing(proof["state"], "the state")]
        whole = sorted(self.state) == sorted(self.flow.rates) and len(self.state) <= MAX_STATE
        single = None not in values.values()
        require(whole and single, RULE, f"the state is not that of the flow, of at most {MAX_STATE} single letters")
        self.constants = {n: value for n, value in values.items() if value is not None and n not in self.flow.rates}
        self.gates = [self._gate(statement.body(n, "a gate"), n) for n in listing(proof["gates"], "the gates")]
        require(len(set(self.gates)) == len(self.gates), RULE, "a gate is given twice")
        self.systems: dict[str, System] = {}
        self.box: Box = [self.dyadic.of(values[letter]) for letter in self.state]  # type: ignore[arg-type]
        self.time, self.signs = Fraction(0), ""
        self.reached: dict[Any, tuple[Box, str]] = {}  # by time; None is the limit
        self.premises: dict[str, None] = dict(statement.ring.domain)
        self.events: dict[int, list[tuple[Fraction, Fraction, str]]] = {letter: [] for letter in self.gates}

    def _gate(self, body: Expression, what: Any) -> int:
        ring, letters = self.statement.ring, occurring(self.statement.ring, body)
        gate = ring.single(body) and len(letters) == 1 and ring.letters[min(letters)].kind in ("step", "sign")
        require(gate, RULE, f"{show(what)} is no gate")
        return min(letters)

    def system(self, signs: str) -> System:
        if signs not in self.systems:
            ring, values = self.statement.ring, dict(self.constants)
            for gate, sign in zip(self.gates, signs, strict=True):
                values[gate] = int(sign) if ring.letters[gate].kind == "step" else 2 * int(sign) - 1
            self.systems[signs] = System(self.statement, self.dyadic, self.state, values)
        return self.systems[signs]

    def step(self, number: int, raw: dict[str, Any]) -> None:
        signs, length = text(raw["signs"], "the signs"), Fraction(rational(raw["length"], "a length"))
        fits = length > 0 and len(signs) == len(self.gates) and set(signs) <= set("01*") and number < MAX_STEPS
        require(fits, RULE, f"step {number} is no step with a positive length and a sign for each gate")
        box = [self._side(pair) for pair in listing(raw["box"], "a box", len(self.state))]
        starred = {gate for gate, sign in zip(self.gates, signs, strict=True) if sign == "*"}
        require(len(starred) <= MAX_CROSSING, "limit", f"in step {number} more than {MAX_CROSSING} gates cross")
        order = 1 if starred else self.order
        choices = [self.system(signs.replace("*", "{}").format(*c)) for c in product("01", repeat=len(starred))]
        forms = [[system.gate(gate) for system in choices] for gate in self.gates]
        over = [system.series(box, length, order) for system in choices]
        before = choices[0].series(self.box, length, order - 1)
        ends: Box = []
        for n, (start, side) in enumerate(zip(self.box, box, strict=True), 1):
            moved, rest = (hull(*(series[n][k] for series in over)) for k in (1, order))
            stays = inside(add(start, hull((0, 0), moved)), side)
            require(stays, RULE, f"in step {number} the box is not mapped into itself")
            ends.append(total(*before[n], rest))
        after = choices[0].series(ends, length, 0)
        for k, (gate, sign) in enumerate(zip(self.gates, signs, strict=True)):
            first, last = (choices[0].value(forms[k][0][0], at) for at in (before, after))
            seen = list(zip(choices, forms[k], over, strict=True))
            whole, rate = (hull(*(system.value(form[part], at) for system, form, at in seen)) for part in (0, 1))
            if sign == "*":
                within = letters_inside(self.statement.ring, self.statement.ring.letters[gate].argument or {})
                alone = not starred & within
                require(alone, RULE, f"in step {number} the argument of a gate that crosses depends on another one")
                rises = first[1] < 0 < last[0] and rate[0] > 0
                falls = last[1] < 0 < first[0] and rate[1] < 0
                require(rises or falls, RULE, f"in step {number} a gate is not seen to cross exactly once")
                self.events[gate].append((self.time, self.time + length, "rises" if rises else "falls"))
            else:
                away = not starred or whole[0] > 0 or whole[1] < 0
                keeps = away and self._keeps(gate, sign, whole, first, last, rate)
                require(keeps, RULE, f"in step {number} a gate is not seen to keep its sign")
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
        require("*" not in self.signs and self.time, RULE, "a tail follows a step with signs of all gates")
        n, system = len(self.state), self.system(self.signs)
        affine = [system.affine(system.moves[k]) for k in range(1, n + 1)]
        a, b = [[-c for c in row[1:]] for row in affine], [row[0] for row in affine]
        inverse = matrix(raw["inverse"], "the inverse", n, n)
        metric, rate = vector(raw["metric"], "the metric", n), Fraction(rational(raw["rate"], "the rate"))
        projector = times(inverse, a)
        inverts = times(projector, a) == a and [dot(row, b) for row in projector] == b
        require(inverts, RULE, "the inverse is none on the range of the field")
        require(min(*metric, rate) > 0, RULE, "the metric and the rate have to be positive")
        form = [[metric[i] * a[i][j] + metric[j] * a[j][i] for j in range(n)] for i in range(n)]
        for i in range(n):
            form[i][i] -= 2 * rate * metric[i]
        contracts = semidefinite(times(transposed(projector), times(form, projector)))
        require(contracts, RULE, "the flow of the tail is not seen to contract at that rate")
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
            keeps = least > 0 and least**2 > spread * size * self.dyadic.one[0]
            require(keeps, RULE, "a gate is not seen to keep its sign for ever")
        self.reached[None] = (limit, self.signs)

    def _combined(self, weights: list[Fraction], values: Box) -> Interval:
        return self.dyadic.product([(self.dyadic.of(w), v) for w, v in zip(weights, values, strict=True)])

    # -- goals ---------------------------------------------------------------------------------------------

    def goal(self, raw: Any) -> str:
        kind = choice(mapping(raw, "a goal").get("kind"), "the kind of a goal", GOALS)
        spec = fields(raw, "a goal", ("name", "kind", "flow", "expr", "at", *GOALS[kind]))
        known, at = name(spec["name"], "the name of a goal"), spec["at"]
        integer(spec["flow"], "the flow of a goal", 0, 0)
        time = None if at == "limit" else Fraction(rational(at, "the time of a goal"))
        require(time in self.reached, RULE, f"the proof does not reach {show(at)}")
        expression = self.statement.expression(spec["expr"], {}, f"goal {known!r}")
        if kind == "switches":
            self._switches(known, expression, spec["times"], time)
            return known
        box, signs = self.reached[time]
        require("*" not in signs, RULE, f"goal {known!r} is about the time of a kink")
        system, unit = self.system(signs), self.dyadic.one[0]
        form = system.form(expression)
        low, high = system.value(form, system.series(box, Fraction(1), 0))
        between = rational(spec["low"], "low") * unit <= low and high <= rational(spec["high"], "high") * unit
        require(between, RULE, f"goal {known!r} is not seen to lie between its bounds")
        return known

    def _switches(self, known: str, expression: Expression, times: Any, until: Fraction | None) -> None:
        """The expression has exactly the given zeros after the start, each within its bounds."""
        gate = self._gate(self.statement.ring.atom("step", expression, (), known), known)
        require(gate in self.events, RULE, f"goal {known!r} is about an expression that is no gate of the proof")
        found = [event for event in self.events[gate] if until is None or event[1] <= until]
        given = [listing(time, "a time", 3) for time in listing(times, "the times", len(found))]
        for (start, end, way), (low, high, direction) in zip(found, given, strict=True):
            right = rational(low, "low") <= start and end <= rational(high, "high") and way == direction
            require(right, RULE, f"goal {known!r} gives a zero that is not the one found")
