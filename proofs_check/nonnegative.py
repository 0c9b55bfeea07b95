"""Proofs of E >= 0: E is a sum of pieces, and each piece is a sum of squares and of products of nonnegative things.

A piece is an expression at one value of each of its axes, in letters and definitions that are kept whole. Gates are
split by cases: h = step(a) with h = 1 only where a >= 0, and h = 0 only where a <= 0 (at a = 0 either may hold, so
both cases include it; a gate with any other value at 0 is not covered, hence "gates" must be "binary"), and s = sign(a)
with s = 1 where a > 0 and s = -1 where a < 0. In each case a becomes +alpha or -alpha with alpha >= 0. Squares are
taken away, or v' G v for a vector v of expressions and a rational matrix G, which is seen to be positive semidefinite
by elimination. What remains must have nonnegative coefficients only, on monomials of known sign.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from .algebra import Expression
from .document import MAX_EXPONENT, Coefficient, Rejected, fields, integer, listing, mapping, name, rational, text
from .reduce import Reducer
from .statement import Axes, Statement

MAX_GATES = 10
Entry = tuple[str, tuple[str, ...]]  # a letter or definition at one value of the piece's axes
Monomial = tuple[tuple[Entry, int], ...]
Formal = dict[Monomial, Coefficient]


def check_nonnegative(
    statement: Statement, reducer: Reducer, known: str, expression: Expression, axes: Axes, strict: bool, raw: Any
) -> None:
    """Raise Rejected unless `raw` proves `expression` >= 0 (> 0 if strict) for all values of its axes."""
    pieces = [Piece(statement, axes, spec) for spec in listing(fields(raw, "a proof", ("pieces",))["pieces"], "pieces")]
    ring = statement.ring
    rest = ring.add(expression, *(ring.scale(piece.expanded, -1) for piece in pieces))
    if not reducer.is_zero(rest):
        raise Rejected("nonnegative", f"{known} is not the sum of its pieces")
    positive = [piece.check(known) for piece in pieces]
    if strict and not any(positive):
        raise Rejected("nonnegative", f"{known}: no piece is seen to be positive in every case")


def semidefinite(matrix: list[list[Fraction]]) -> bool:
    """Whether a symmetric matrix is L D L' with D >= 0, by elimination."""
    rest = [list(row) for row in matrix]
    for k, pivot in enumerate(rest):
        if pivot[k] < 0 or (not pivot[k] and any(pivot[k:])):
            return False
        for row in rest[k + 1 :]:
            factor = row[k] / pivot[k] if pivot[k] else Fraction(0)
            row[k:] = [a - factor * b for a, b in zip(row[k:], pivot[k:], strict=True)]
    return all(row == list(column) for row, column in zip(matrix, zip(*matrix, strict=True), strict=True))


class Piece:
    """One piece, `expanded` in the letters of the statement and formal in its own names."""

    def __init__(self, statement: Statement, goal_axes: Axes, raw: Any) -> None:
        spec = fields(raw, "a piece", ("axes", "letters", "expr", "cases"), ("gates",))
        self.statement = statement
        self.axes = statement.axes(spec["axes"])
        for label, index in self.axes.items():
            if goal_axes.get(label, index) != index:
                raise Rejected("nonnegative", f"the axis {label!r} of a piece has another size than that of the goal")
        self.names = {
            name(alias, "a name of a piece"): text(target, f"the meaning of {alias!r}")
            for alias, target in mapping(spec["letters"], "the letters of a piece").items()
        }
        self.gates = mapping(spec.get("gates", {}), "the gates of a piece")
        self.uses: dict[str, set[tuple[str, ...]]] = {}
        self.formal = self._formal(spec["expr"])
        self.patterns = ["".join(bits) for bits in product("01", repeat=min(len(self.gates), MAX_GATES))]
        self.cases = mapping(spec["cases"], "the cases of a piece")
        for pattern in self.cases.keys() - set(self.patterns):
            raise Rejected("nonnegative", f"a piece has a case {pattern!r} that is no pattern of its gates")
        self.forms = {pattern: self._forms(case) for pattern, case in self.cases.items()}
        self.shut = {gate: self._shut(gate, argument) for gate, argument in sorted(self.gates.items())}
        translated = [[c, [[self.names[n], labels, e] for n, labels, e in factors]] for c, factors in spec["expr"]]
        body = statement.expression(translated, self.axes, "a piece")
        summed = tuple(index for label, index in self.axes.items() if label not in goal_axes)
        self.expanded = statement.ring.closed(body, summed)

    def check(self, known: str) -> bool:
        """Whether the piece is positive in every case, having checked that it is nonnegative in each."""
        strict = True
        for pattern in self.patterns:
            rest = self._at(self.formal, pattern)
            for weight, left, right in self.forms.get(pattern, []):
                self._subtract(rest, weight, self._at(left, pattern), self._at(right, pattern))
            strict = self._all_nonnegative(rest, known, pattern) and strict
        return strict

    def _subtract(self, rest: Formal, weight: Coefficient, left: Formal, right: Formal) -> None:
        self.statement.ring.budget.spend(len(left) * len(right))
        for (m, a), (n, b) in product(left.items(), right.items()):
            _collect(rest, _joined(m, n), -weight * a * b)

    def _forms(self, raw: Any) -> list[tuple[Coefficient, Formal, Formal]]:
        """The terms weight * left * right of a sum of squares and of v' G v."""
        spec = fields(raw, "a case", (), ("squares", "gram"))
        found = []
        for square in listing(spec.get("squares", []), "squares"):
            coefficient, inner = listing(square, "a square", 2)
            weight, root = rational(coefficient, "the coefficient of a square"), self._formal(inner)
            if weight < 0:
                raise Rejected("nonnegative", "a square has a negative coefficient")
            found.append((weight, root, root))
        if "gram" in spec:
            gram = fields(spec["gram"], "a Gram form", ("vector", "matrix"))
            vector = [self._formal(entry) for entry in listing(gram["vector"], "the vector of a Gram form")]
            rows = [listing(row, "a row", len(vector)) for row in listing(gram["matrix"], "the matrix", len(vector))]
            matrix = [[Fraction(rational(entry, "an entry of a Gram matrix")) for entry in row] for row in rows]
            self.statement.ring.budget.spend(len(vector) ** 3)
            if not semidefinite(matrix):
                raise Rejected("nonnegative", "a Gram matrix is not symmetric and positive semidefinite")
            found += [
                (g, v, w) for row, v in zip(matrix, vector, strict=True) for g, w in zip(row, vector, strict=True)
            ]
        return found

    def _all_nonnegative(self, rest: Formal, known: str, pattern: str) -> bool:
        """Whether some term is positive, having checked that every term is nonnegative."""
        arguments, positive = set(self.gates.values()), False
        for monomial, coefficient in rest.items():
            signs = [("nonnegative" if n in arguments else self._sign(n), e) for (n, _), e in monomial]
            if coefficient < 0 or any(e % 2 and sign not in ("positive", "nonnegative") for sign, e in signs):
                term = " ".join([str(coefficient), *(f"{entry[0]}^{e}" for entry, e in monomial)])
                raise Rejected("nonnegative", f"{known}, case {pattern!r}: {term[:100]} may be negative")
            positive |= all(sign == "positive" or (sign == "nonzero" and e % 2 == 0) for sign, e in signs)
        return positive

    def _sign(self, alias: str) -> str:
        """The sign of a letter, or of a definition."""
        body = self.statement.body(self.names[alias], alias)
        return next(s for s in ("positive", "nonnegative", "nonzero", "any") if self.statement.ring.has_sign(body, s))

    def _shut(self, gate: str, argument: Any) -> int:
        """The value of a gate where its argument is negative; it really is the step or the sign of that argument."""
        ring = self.statement.ring
        if len(self.gates) > MAX_GATES:
            raise Rejected("limit", f"a piece has {len(self.gates)} gates, at most {MAX_GATES} are split")
        if gate not in self.names or not isinstance(argument, str) or argument not in self.names:
            raise Rejected("nonnegative", f"the gate {gate!r} or its argument is no letter of the piece")
        if argument in self.gates or list(self.gates.values()).count(argument) > 1:
            raise Rejected("nonnegative", f"{argument!r} is the argument of two gates, or a gate itself")
        if len(self.uses.get(gate, set()) | self.uses.get(argument, set())) > 1:
            raise Rejected("nonnegative", f"the gate {gate!r} or its argument occurs with two index patterns")
        h, a = self.names[gate], self.names[argument]
        body, inner = self.statement.body(h, gate), self.statement.body(a, argument)
        shape = self.statement.shapes[a]
        if self.statement.shapes[h] == shape and ring.atom("step", inner, shape, a) == body:
            if not ring.binary_gates:
                raise Rejected("nonnegative", 'a proof by cases needs "gates": "binary"')
            return 0
        if self.statement.shapes[h] == shape and ring.atom("sign", inner, shape, a) == body:
            return -1
        raise Rejected("nonnegative", f"{h!r} is not the step of {a!r}, nor its sign")

    # -- formal polynomials --------------------------------------------------------------------------------

    def _formal(self, raw: Any) -> Formal:
        total: Formal = {}
        for term in listing(raw, "an expression of a piece"):
            coefficient, factors = listing(term, "a term of a piece", 2)
            monomial: Monomial = ()
            for factor in listing(factors, "the factors of a term of a piece"):
                alias, labels, exponent = listing(factor, "a factor of a piece", 3)
                if not isinstance(alias, str) or alias not in self.names:
                    raise Rejected("nonnegative", f"a piece uses {alias!r}, which is not among its letters")
                at = tuple(name(label, "an index of a piece") for label in listing(labels, "the indices of a piece"))
                if any(label not in self.axes for label in at):
                    raise Rejected("nonnegative", f"an index of {alias!r} is no axis of its piece")
                low = 1 if alias in self.gates else -MAX_EXPONENT
                integer(exponent, f"an exponent of {alias!r}", low, MAX_EXPONENT)
                self.uses.setdefault(alias, set()).add(at)
                monomial = _joined(monomial, (((alias, at), exponent),))
            _collect(total, monomial, rational(coefficient, "a coefficient of a piece"))
        return total

    def _at(self, formal: Formal, pattern: str) -> Formal:
        """The polynomial in one case: gates become numbers, and a becomes alpha or -alpha (written a again)."""
        bits = {gate: bit == "1" for gate, bit in zip(self.shut, pattern, strict=True)}
        turned = {self.gates[gate] for gate, bit in bits.items() if not bit}
        total: Formal = {}
        for monomial, coefficient in formal.items():
            for (alias, _), exponent in monomial:
                coefficient *= -1 if alias in turned and exponent % 2 else 1
                coefficient *= self.shut[alias] ** exponent if bits.get(alias) is False else 1
            _collect(total, tuple(power for power in monomial if power[0][0] not in bits), coefficient)
        return total


def _joined(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for entry, exponent in right:
        powers[entry] = powers.get(entry, 0) + exponent
    return tuple(sorted((entry, exponent) for entry, exponent in powers.items() if exponent))


def _collect(total: Formal, monomial: Monomial, coefficient: Coefficient) -> None:
    total[monomial] = total.get(monomial, 0) + coefficient
    if not total[monomial]:
        del total[monomial]
