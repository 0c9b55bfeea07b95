"""Proofs of E >= 0: E is a sum of pieces, and each piece is a sum of squares and of products of nonnegative things.

A piece is an expression at one value of each of its axes, in letters and definitions that are kept whole. Gates are
split by cases: h = step(a) with h = 1 only where a >= 0, and h = 0 only where a <= 0 (at a = 0 either may hold, so
both cases include it; a gate with any other value at 0 is not covered, hence "gates" must be "binary"), and s = sign(a)
with s = 1 where a > 0 and s = -1 where a < 0. In each case a becomes +alpha or -alpha with alpha >= 0. Squares are
taken away, or v' G v for a vector v of expressions and a rational matrix G, which is seen to be positive semidefinite
by elimination. What remains must have nonnegative coefficients only, on monomials of known sign.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from .algebra import Expression
from .calculus import Substitution
from .document import Coefficient, fields, listing, mapping, rational, require
from .linear import matrix, semidefinite
from .statement import Axes, Statement

RULE = "nonnegative"
MAX_GATES = 10
SIGNS = ("positive", "nonnegative", "nonzero", "any")
Form = tuple[Coefficient, Expression, Expression]


def check_nonnegative(statement: Statement, known: str, axes: Axes, raw: Any) -> tuple[Expression, bool]:
    """The sum of the pieces of `raw`, each of which is >= 0 for all values of the axes, and whether some one is > 0."""
    pieces = [Piece(statement, axes, spec) for spec in listing(fields(raw, "a proof", ("pieces",))["pieces"], "pieces")]
    positive = [piece.check(known) for piece in pieces]
    return statement.ring.add({}, *(piece.expanded for piece in pieces)), any(positive)


class Piece:
    """One piece: `whole` in letters of known sign, one for each name; `expanded` in those of the statement."""

    def __init__(self, statement: Statement, goal_axes: Axes, raw: Any) -> None:
        spec = fields(raw, "a piece", ("axes", "letters", "expr", "cases"), ("gates",))
        self.statement, self.axes = statement, statement.axes(spec["axes"])
        for label, index in self.axes.items():
            fits = goal_axes.get(label, index) == index
            require(fits, RULE, f"the axis {label!r} of a piece has another size than that of the goal")
        self.gates = mapping(spec.get("gates", {}), "the gates of a piece")
        names = listing(spec["letters"], "the letters of a piece")
        letters = {known: self._letter(known) for known in names}
        self.own = Statement({"letters": letters, "goals": []}, statement.ring.budget)
        shut = {gate: self._shut(gate, argument) for gate, argument in sorted(self.gates.items())}
        self.whole = self._read(spec["expr"])
        patterns = ["".join(bits) for bits in product("01", repeat=len(shut))]
        cases = fields(spec["cases"], "the cases of a piece", patterns)
        self.cases: dict[str, tuple[Substitution, list[Form]]] = {}
        for pattern in patterns:
            images: dict[int, Expression] = {}
            for bit, (gate, value) in zip(pattern, shut.items(), strict=True):
                argument = self.own.letters[self.gates[gate]]
                images[self.own.letters[gate]] = {0: 1} if bit == "1" else {0: value} if value else {}
                images[argument] = self.own.ring.scale(self.own.ring.over_places(argument), 1 if bit == "1" else -1)
            self.cases[pattern] = Substitution(self.own.ring, images), self._forms(cases[pattern])
        self._one_place_each()
        body = statement.expression(spec["expr"], self.axes, "a piece")
        self.expanded = statement.ring.closed(body, tuple(i for n, i in self.axes.items() if n not in goal_axes))

    def check(self, known: str) -> bool:
        """Whether the piece is positive in every case, having checked that it is nonnegative in each."""
        ring, strict = self.own.ring, True
        for pattern, (at, forms) in self.cases.items():
            rest = at(self.whole)
            for weight, left, right in forms:
                ring.accumulate(rest, ring.multiply(at(left), at(right)), -weight)
            for monomial, coefficient in rest.items():
                term = {monomial: coefficient}
                seen = ring.has_sign(term, "nonnegative")
                require(seen, RULE, f"{known}, case {pattern!r}: {ring.shown(term)} may be negative")
            strict = strict and ring.has_sign(rest, "positive")
        return strict

    def _letter(self, known: Any) -> dict[str, Any]:
        """The letter that stands for a letter or definition; for |a| where that is the argument of a gate."""
        body = self.statement.body(known, "a letter of a piece")
        signs = (sign for sign in SIGNS if self.statement.ring.has_sign(body, sign))
        sign = "nonnegative" if known in self.gates.values() else next(signs)
        return {"shape": list(self.statement.shapes[known]), "sign": sign}

    def _read(self, raw: Any) -> Expression:
        expression = self.own.expression(raw, self.axes, "a piece")
        indices = [i for m in expression for _, indices, _ in self.own.ring.powers(m) for i in indices]
        require(all(i[0] < 0 for i in indices), RULE, "an index in a piece is no axis of the piece")
        return expression

    def _forms(self, raw: Any) -> list[Form]:
        """The terms weight * left * right of a sum of squares and of v' G v."""
        spec = fields(raw, "a case", (), ("squares", "gram"))
        found = []
        for coefficient, inner in (listing(s, "a square", 2) for s in listing(spec.get("squares", []), "squares")):
            weight, root = rational(coefficient, "the coefficient of a square"), self._read(inner)
            require(weight >= 0, RULE, "a square has a negative coefficient")
            found.append((weight, root, root))
        if "gram" in spec:
            gram = fields(spec["gram"], "a Gram form", ("vector", "matrix"))
            vector = [self._read(entry) for entry in listing(gram["vector"], "the vector of a Gram form")]
            rows = matrix(gram["matrix"], "a Gram matrix", len(vector), len(vector))
            self.statement.ring.budget.spend(len(vector) ** 3)
            require(semidefinite(rows), RULE, "a Gram matrix is not symmetric and positive semidefinite")
            found += [(g, v, w) for row, v in zip(rows, vector, strict=True) for g, w in zip(row, vector, strict=True)]
        return found

    def _shut(self, gate: str, argument: Any) -> int:
        """The value of a gate where its argument is negative; it really is the step or the sign of that argument."""
        statement, ring, letters = self.statement, self.statement.ring, self.own.letters
        require(len(self.gates) <= MAX_GATES, "limit", f"a piece has more than {MAX_GATES} gates")
        known = gate in letters and isinstance(argument, str) and argument in letters
        require(known, RULE, f"the gate {gate!r} or its argument is no letter of the piece")
        single = argument not in self.gates and list(self.gates.values()).count(argument) == 1
        require(single, RULE, f"{argument!r} is the argument of two gates, or a gate itself")
        inner, body = statement.body(argument, argument), statement.body(gate, gate, argument)
        if ring.atom("sign", inner, statement.shapes[argument], argument) == body:
            return -1
        step = ring.atom("step", inner, statement.shapes[argument], argument) == body
        require(step, RULE, f"{gate!r} is not the step of {argument!r}, nor its sign")
        require(ring.binary_gates, RULE, 'a proof by cases needs "gates": "binary"')
        return 0

    def _one_place_each(self) -> None:
        """A gate and its argument occur at one value of their indices only."""
        for gate, argument in self.gates.items():
            pair = {self.own.letters[gate], self.own.letters[argument]}
            used = {indices for letter, indices in self.own.ring.factors if letter in pair}
            at = {indices for indices in used if not any(i[1][:1] == "@" for i in indices)}
            require(len(at) <= 1, RULE, f"the gate {gate!r} or its argument occurs with two index patterns")
