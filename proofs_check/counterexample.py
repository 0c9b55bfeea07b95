"""Rule "exact-counterexample": one goal fails at one exact rational point.

The point gives every letter a rational value. It has to satisfy the hypotheses, the declared signs and the initial
values exactly; the value of the goal is then computed in rational arithmetic and must be the forbidden one. For a
derivative along a flow no gate may sit on its kink, so that the violation persists in a neighbourhood.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

from .algebra import Expression, Index, dummies, place, unpack
from .document import Budget, Coefficient, Rejected, fields, integer, listing, mapping, name, rational, show, text
from .goals import Goals, evolution, goal_fields, subject
from .outcome import Checked
from .statement import Axes, Statement

RULE = "exact-counterexample"
MAX_BITS = 100_000
MAX_POINT = 64  # the largest size of a range


class Point:
    """Values of all letters, and what follows from them."""

    def __init__(self, statement: Statement, sizes: Any, at: Any) -> None:
        self.statement = statement
        self.ring = statement.ring
        self.sizes = {
            size: integer(value, f"size {size}", 1, MAX_POINT) for size, value in mapping(sizes, "sizes").items()
        }
        for size in statement.used_sizes:
            if not size.isdigit() and size not in self.sizes:
                raise Rejected(RULE, f"the point does not give the size {size!r}")
        for size in self.sizes:
            if size not in statement.used_sizes:
                raise Rejected(RULE, f"the point gives a size {show(size)}, which the statement leaves no room for")
        self.values: dict[tuple[int, tuple[int, ...]], Coefficient] = {}
        self.on_kink = False
        at_zero = rational(statement.raw.get("step_at_zero", "0"), "step_at_zero")
        if self.ring.binary_gates and at_zero not in (0, 1):
            raise Rejected(RULE, f"binary gates have the value 0 or 1 at zero, not {at_zero}")
        self.at_zero = at_zero
        given = mapping(at, "the point")
        if given.keys() != statement.letters.keys():
            odd = sorted(given.keys() ^ statement.letters.keys())
            raise Rejected(RULE, f"the point and the statement differ in the letter {show(odd[0])}")
        for letter, raw in given.items():
            self._fill(letter, raw, statement.shapes[letter], ())

    def range(self, size: str) -> range:
        count = int(size) if size.isdigit() else self.sizes[size]
        if count > MAX_POINT:
            raise Rejected(RULE, f"a range of {count} is too large for a point")
        return range(count)

    def _fill(self, letter: str, raw: Any, shape: tuple[str, ...], at: tuple[int, ...]) -> None:
        if shape:
            count = len(self.range(shape[0]))
            for position, part in enumerate(listing(raw, f"the value of {letter!r}", count)):
                self._fill(letter, part, shape[1:], (*at, position))
            return
        value = rational(raw, f"an entry of {letter!r}")
        number = self.statement.letters[letter]
        sign = self.ring.letters[number].sign
        fits = {"any": True, "nonzero": value != 0, "positive": value > 0, "nonnegative": value >= 0}[sign]
        if not fits:
            raise Rejected(RULE, f"an entry of {letter!r} is {show(raw)}, declared {sign}")
        self.values[number, at] = value

    def value(self, expression: Expression, at: dict[Index, int]) -> Coefficient:
        """The value of an expression, its free indices being given."""
        total: Coefficient = 0
        for frame, poly in expression.items():
            summed = dummies(frame)
            frame_value: Coefficient = 0
            for choice in product(*(self.range(index[2]) for index in summed)):
                self.ring.budget.spend(4 * len(frame))
                here = {**at, **dict(zip(summed, choice, strict=True))}
                term: Coefficient = 1
                for letter, indices, exponent in frame:
                    term *= self._power(letter, tuple(here[index] for index in indices), exponent)
                frame_value += term
            total += frame_value * self._scalar(poly)
        return _bounded(total)

    def _scalar(self, poly: dict[int, Coefficient]) -> Coefficient:
        total: Coefficient = 0
        for monomial, coefficient in poly.items():
            self.ring.budget.spend(8)
            for slot, exponent in unpack(monomial):
                coefficient *= self._power(self.ring.scalars[slot], (), exponent)
            total += coefficient
        return _bounded(total)

    def _power(self, letter: int, at: tuple[int, ...], exponent: int) -> Coefficient:
        known = self.ring.letters[letter]
        if known.kind == "delta":
            return int(at[0] == at[1])
        if known.kind == "size":
            base: Coefficient = len(self.range(known.name[1:]))
        else:
            if (letter, at) not in self.values:
                self.values[letter, at] = self._atom(letter, at)
            base = self.values[letter, at]
        if exponent < 0 and not base:
            raise Rejected(RULE, f"{known.name} is 0 and appears in a denominator")
        if abs(exponent) * (base.numerator.bit_length() + base.denominator.bit_length()) > MAX_BITS:
            raise Rejected("limit", f"a power of {known.name} is too large")
        return Fraction(base) ** exponent

    def _atom(self, letter: int, at: tuple[int, ...]) -> Coefficient:
        known = self.ring.letters[letter]
        if known.argument is None:
            raise Rejected(RULE, f"{known.name} has no value at the point")
        places = {place(p, size): i for p, (size, i) in enumerate(zip(known.shape, at, strict=True))}
        u = Fraction(self.value(known.argument, places))
        if known.kind in ("step", "sign") and u == 0:
            self.on_kink = True
            if known.kind == "sign":
                raise Rejected(RULE, f"{known.name} sits on its kink")
            return self.at_zero
        if known.kind == "step":
            return int(u > 0)
        if known.kind == "sign":
            return 1 if u > 0 else -1
        if known.kind == "inv" and u:
            return 1 / u
        if known.kind == "sqrt" and u > 0:
            root = Fraction(isqrt(u.numerator), isqrt(u.denominator))
            if root * root == u:
                return root
        if known.kind == "log" and u == 1:
            return 0
        if u == 0 and known.kind in ("exp", "cos", "tanh", "sin", "arcsinh"):
            return int(known.kind in ("exp", "cos"))
        raise Rejected(RULE, f"the value of {known.name} is not rational at the point")

    def components(self, axes: Axes) -> list[dict[Index, int]]:
        """Every choice of the indices of some axes."""
        indices = list(axes.values())
        return [dict(zip(indices, choice, strict=True)) for choice in product(*(self.range(i[2]) for i in indices))]

    def check_case(self) -> None:
        """The hypotheses hold and the state is the initial one."""
        statement, ring = self.statement, self.ring
        for known, relation in statement.relations.items():
            for at in self.components(statement.relation_axes[known]):
                if self.value(relation, at):
                    raise Rejected(RULE, f"the hypothesis {known!r} does not hold at the point")
        for letter in statement.orthogonal:
            size = ring.letters[letter].shape[0]
            for a, c in product(self.range(size), repeat=2):
                row = sum(self.values[letter, (a, b)] * self.values[letter, (c, b)] for b in self.range(size))
                if row != (a == c):
                    raise Rejected(RULE, f"{ring.letters[letter].name!r} is not orthogonal at the point")
        for flow in statement.flows:
            for letter, body in flow.initial.items():
                shape = ring.letters[letter].shape
                axes = {str(p): place(p, size) for p, size in enumerate(shape)}
                for at in self.components(axes):
                    if self.value(body, at) != self.values[letter, tuple(at.values())]:
                        raise Rejected(RULE, f"{ring.letters[letter].name!r} is not at its initial value")


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check that the goal named by the proof fails at the point that the proof gives."""
    proof = fields(document["proof"], "the proof", ("goal", "sizes", "at", "value"), ("component", "letter"))
    statement = Statement(document["statement"], [], budget)
    goals = [goal_fields(raw) for raw in listing(statement.raw["goals"], "goals")]
    found = [goal for goal in goals if goal[0] == name(proof["goal"], "the goal of the proof")]
    if len(found) != 1:
        raise Rejected(RULE, f"the statement has {len(found)} goals with the name {proof['goal']!r}")
    known, kind, spec = found[0]
    point = Point(statement, proof["sizes"], proof["at"])
    point.check_case()
    axes, expression, sense = _claimed(statement, known, kind, spec, proof)
    component = [integer(i, "an index", 0, MAX_POINT) for i in listing(proof.get("component", []), "the component")]
    at = dict(zip(axes.values(), component, strict=False))
    if at not in point.components(axes) or len(component) != len(axes):
        raise Rejected(RULE, f"the component {show(component)} does not exist")
    value = point.value(expression, at)
    if point.on_kink and kind not in ("zero", "nonnegative"):
        raise Rejected(RULE, "a gate sits on its kink at the point")
    if value != rational(proof["value"], "the value"):
        raise Rejected(RULE, f"the value at the point is {show(str(value))}, not {show(proof['value'])}")
    holds = {"==": value == 0, "<=": value <= 0, ">=": value >= 0, ">": value > 0}[sense]
    if holds:
        raise Rejected(RULE, f"goal {known!r} holds at the point: its value there is {show(str(value))}")
    return Checked(statement.scope(point.sizes), (known,), tuple(statement.ring.domain))


def _claimed(
    statement: Statement, known: str, kind: str, spec: dict[str, Any], proof: dict[str, Any]
) -> tuple[Axes, Expression, str]:
    """The axes of a goal, the expression that it speaks of, and how that should compare with 0."""
    goals = Goals(statement, {})
    if kind == "conjugate":
        letter = statement.letters.get(text(proof.get("letter"), "the letter of the proof"))
        mismatch = goals.mismatch(known, spec)
        if letter not in mismatch:
            raise Rejected(RULE, f"goal {known!r} says nothing of the letter {proof['letter']!r}")
        shape = statement.ring.letters[letter].shape
        return {str(p): place(p, size) for p, size in enumerate(shape)}, mismatch[letter], "=="
    axes, expression = subject(statement, known, spec)
    if kind == "zero":
        return axes, expression, "=="
    if kind == "nonnegative":
        return axes, expression, ">" if spec["strict"] is True else ">="
    flow = statement.flows[goals.flow_number(spec["flow"])]
    derivative = statement.along(flow, expression)
    sense = "=="
    if kind == "evolves":
        sense, negated = evolution(statement, known, spec, axes)
        derivative = statement.ring.add(derivative, negated)
    return axes, statement.expanded(flow, derivative), sense


def _bounded(value: Coefficient) -> Coefficient:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise Rejected("limit", "a value at the point is too large")
    return value
