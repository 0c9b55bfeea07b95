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
from .document import Coefficient, Rejected, fields, listing, mapping, name, rational
from .linear import matrix, semidefinite
from .statement import Axes, Statement

MAX_GATES = 10


def check_nonnegative(statement: Statement, known: str, axes: Axes, raw: Any) -> tuple[Expression, bool]:
    """The sum of the pieces of `raw`, each of which is >= 0 for all values of the axes, and whether some one is > 0."""
    pieces = [Piece(statement, axes, spec) for spec in listing(fields(raw, "a proof", ("pieces",))["pieces"], "pieces")]
    positive = [piece.check(known) for piece in pieces]
    return statement.ring.add({}, *(piece.expanded for piece in pieces)), any(positive)


class Piece:
    """One piece: `whole` in its own names, which are letters of known sign; `expanded` in those of the statement."""

    def __init__(self, statement: Statement, goal_axes: Axes, raw: Any) -> None:
        spec = fields(raw, "a piece", ("axes", "letters", "expr", "cases"), ("gates",))
        self.statement, self.axes = statement, statement.axes(spec["axes"])
        for label, index in self.axes.items():
            if goal_axes.get(label, index) != index:
                raise Rejected("nonnegative", f"the axis {label!r} of a piece has another size than that of the goal")
        self.names = mapping(spec["letters"], "the letters of a piece")
        self.gates = mapping(spec.get("gates", {}), "the gates of a piece")
        shut = {gate: self._shut(gate, argument) for gate, argument in sorted(self.gates.items())}
        letters = {name(alias, "a name of a piece"): self._letter(alias) for alias in self.names}
        self.own = Statement({"letters": letters, "goals": []}, statement.ring.budget)
        self.whole = self._read(spec["expr"])
        cases = mapping(spec["cases"], "the cases of a piece")
        self.patterns: dict[str, tuple[Substitution, list[tuple[Coefficient, Expression, Expression]]]] = {}
        for bits in product("01", repeat=len(shut)):
            case = cases.get("".join(bits), {})
            images: dict[int, Expression] = {}
            for bit, (gate, value) in zip(bits, shut.items(), strict=True):
                argument = self.own.letters[self.gates[gate]]
                images[self.own.letters[gate]] = {0: 1} if bit == "1" else {0: value} if value else {}
                images[argument] = self.own.ring.scale(self.own.ring.over_places(argument), 1 if bit == "1" else -1)
            self.patterns["".join(bits)] = (Substitution(self.own.ring, images), self._forms(case))
        for pattern in cases.keys() - self.patterns.keys():
            raise Rejected("nonnegative", f"a piece has a case {pattern!r} that is no pattern of its gates")
        self._one_place_each()
        translated = [
            [c, [[self.names.get(n, n), labels, e] for n, labels, e in factors]] for c, factors in spec["expr"]
        ]
        body = statement.expression(translated, self.axes, "a piece")
        summed = tuple(index for label, index in self.axes.items() if label not in goal_axes)
        self.expanded = statement.ring.closed(body, summed)

    def check(self, known: str) -> bool:
        """Whether the piece is positive in every case, having checked that it is nonnegative in each."""
        ring, strict = self.own.ring, True
        for pattern, (at, forms) in self.patterns.items():
            rest = at(self.whole)
            for weight, left, right in forms:
                ring.accumulate(rest, ring.multiply(at(left), at(right)), -weight)
            for monomial, coefficient in rest.items():
                if not ring.has_sign({monomial: coefficient}, "nonnegative"):
                    powers = [f"{ring.letters[n].name}^{e}" for n, _, e in ring.powers(monomial)]
                    term = " ".join([str(coefficient), *powers])[:100]
                    raise Rejected("nonnegative", f"{known}, case {pattern!r}: {term} may be negative")
            strict = strict and ring.has_sign(rest, "positive")
        return strict

    def _letter(self, alias: str) -> dict[str, Any]:
        """The letter of a piece that stands for a letter or definition; |a| where that is the argument of a gate."""
        body = self.statement.body(self.names[alias], f"the meaning of {alias!r}")
        signs = (s for s in ("positive", "nonnegative", "nonzero", "any") if self.statement.ring.has_sign(body, s))
        sign = "nonnegative" if alias in self.gates.values() else next(signs)
        return {"shape": list(self.statement.shapes[self.names[alias]]), "sign": sign}

    def _read(self, raw: Any) -> Expression:
        expression = self.own.expression(raw, self.axes, "a piece")
        if any(i[0] >= 0 for m in expression for _, indices, _ in self.own.ring.powers(m) for i in indices):
            raise Rejected("nonnegative", "an index in a piece is no axis of the piece")
        return expression

    def _forms(self, raw: Any) -> list[tuple[Coefficient, Expression, Expression]]:
        """The terms weight * left * right of a sum of squares and of v' G v."""
        spec = fields(raw, "a case", (), ("squares", "gram"))
        found = []
        for square in listing(spec.get("squares", []), "squares"):
            coefficient, inner = listing(square, "a square", 2)
            weight, root = rational(coefficient, "the coefficient of a square"), self._read(inner)
            if weight < 0:
                raise Rejected("nonnegative", "a square has a negative coefficient")
            found.append((weight, root, root))
        if "gram" in spec:
            gram = fields(spec["gram"], "a Gram form", ("vector", "matrix"))
            vector = [self._read(entry) for entry in listing(gram["vector"], "the vector of a Gram form")]
            rows = matrix(gram["matrix"], "a Gram matrix", len(vector), len(vector))
            self.statement.ring.budget.spend(len(vector) ** 3)
            if not semidefinite(rows):
                raise Rejected("nonnegative", "a Gram matrix is not symmetric and positive semidefinite")
            found += [(g, v, w) for row, v in zip(rows, vector, strict=True) for g, w in zip(row, vector, strict=True)]
        return found

    def _shut(self, gate: str, argument: Any) -> int:
        """The value of a gate where its argument is negative; it really is the step or the sign of that argument."""
        ring = self.statement.ring
        if len(self.gates) > MAX_GATES:
            raise Rejected("limit", f"a piece has {len(self.gates)} gates, at most {MAX_GATES} are split")
        if gate not in self.names or not isinstance(argument, str) or argument not in self.names:
            raise Rejected("nonnegative", f"the gate {gate!r} or its argument is no letter of the piece")
        if argument in self.gates or list(self.gates.values()).count(argument) > 1:
            raise Rejected("nonnegative", f"{argument!r} is the argument of two gates, or a gate itself")
        h, a = self.names[gate], self.names[argument]
        inner, body = self.statement.body(a, argument), self.statement.body(h, gate, a)
        if ring.atom("sign", inner, self.statement.shapes[a], a) == body:
            return -1
        if ring.atom("step", inner, self.statement.shapes[a], a) != body:
            raise Rejected("nonnegative", f"{h!r} is not the step of {a!r}, nor its sign")
        if not ring.binary_gates:
            raise Rejected("nonnegative", 'a proof by cases needs "gates": "binary"')
        return 0

    def _one_place_each(self) -> None:
        """A gate and its argument occur at one value of their indices only."""
        used = set(self.own.ring.factors)
        for gate, argument in self.gates.items():
            pair = {self.own.letters[gate], self.own.letters[argument]}
            at = {indices for letter, indices in used if letter in pair and not any(i[1][:1] == "@" for i in indices)}
            if len(at) > 1:
                raise Rejected("nonnegative", f"the gate {gate!r} or its argument occurs with two index patterns")
