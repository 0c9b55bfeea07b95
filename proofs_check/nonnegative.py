"""Proofs of E >= 0: E is a sum of pieces, and each piece is a sum of squares and of products of nonnegative things.

A piece is an expression at one value of each of its axes, in letters and definitions that are kept whole. Gates are
split by cases: h = step(a) with h = 1 only where a >= 0, and h = 0 only where a <= 0 (at a = 0 either may hold, so
both cases include it; a gate with any other value at 0 is not covered, hence "gates" must be "binary"). In each
case a becomes +alpha or -alpha with alpha >= 0. What remains after the squares are taken away must have
nonnegative coefficients only, on monomials of known sign: even powers, and letters that are nonnegative.
"""

from __future__ import annotations

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
        self.order = sorted(self.gates)
        self.patterns = ["".join(bits) for bits in product("01", repeat=min(len(self.order), MAX_GATES))]
        self.squares = {
            pattern: self._squares(case) for pattern, case in mapping(spec["cases"], "the cases of a piece").items()
        }
        for pattern in self.squares:
            if pattern not in self.patterns:
                raise Rejected("nonnegative", f"a piece has a case {pattern!r} that is no pattern of its gates")
        self._check_gates()
        ring = statement.ring
        body = statement.expression(self._translated(spec["expr"]), self.axes, "a piece")
        self.expanded = ring.closed(body, tuple(i for label, i in self.axes.items() if label not in goal_axes))

    def check(self, known: str) -> bool:
        """Whether the piece is positive in every case, having checked that it is nonnegative in each."""
        strict = True
        for pattern in self.patterns:
            rest = self._at(self.formal, pattern)
            for weight, root in self.squares.get(pattern, []):
                inner = self._at(root, pattern)
                for left, a in inner.items():
                    self.statement.ring.budget.spend(len(inner))
                    for right, b in inner.items():
                        _collect(rest, _joined(left, right), -weight * a * b)
            strict = self._all_nonnegative(rest, known, pattern) and strict
        return strict

    def _squares(self, raw: Any) -> list[tuple[Coefficient, Formal]]:
        found = []
        for square in listing(fields(raw, "a case", ("squares",))["squares"], "squares"):
            coefficient, inner = listing(square, "a square", 2)
            weight = rational(coefficient, "the coefficient of a square")
            if weight < 0:
                raise Rejected("nonnegative", "a square has a negative coefficient")
            found.append((weight, self._formal(inner)))
        return found

    def _all_nonnegative(self, rest: Formal, known: str, pattern: str) -> bool:
        """Whether some term is positive, having checked that every term is nonnegative."""
        arguments = set(self.gates.values())
        positive = False
        for monomial, coefficient in rest.items():
            signs = ["nonnegative" if entry[0] in arguments else self._sign(entry[0]) for entry, _ in monomial]
            powers = list(zip(signs, (exponent for _, exponent in monomial), strict=True))
            if coefficient < 0 or any(e % 2 and sign not in ("positive", "nonnegative") for sign, e in powers):
                term = " ".join([str(coefficient), *(f"{entry[0]}^{e}" for entry, e in monomial)])
                raise Rejected("nonnegative", f"{known}, case {pattern!r}: {term[:100]} may be negative")
            if all(sign == "positive" or (sign == "nonzero" and e % 2 == 0) for sign, e in powers):
                positive = True
        return positive

    def _sign(self, alias: str) -> str:
        """The sign of a letter, or of a definition."""
        body = self.statement.body(self.names[alias], alias)
        return next(s for s in ("positive", "nonnegative", "nonzero", "any") if self.statement.ring.has_sign(body, s))

    def _check_gates(self) -> None:
        """Each gate really is the step of its argument, at the same indices."""
        if not self.gates:
            return
        ring = self.statement.ring
        if not ring.binary_gates:
            raise Rejected("nonnegative", 'a proof by cases needs "gates": "binary"')
        if len(self.gates) > MAX_GATES:
            raise Rejected("limit", f"a piece has {len(self.gates)} gates, at most {MAX_GATES} are split")
        for gate, argument in self.gates.items():
            if gate not in self.names or not isinstance(argument, str) or argument not in self.names:
                raise Rejected("nonnegative", f"the gate {gate!r} or its argument is no letter of the piece")
            h, a = self.names[gate], self.names[argument]
            body, inner = self.statement.body(h, gate), self.statement.body(a, argument)
            shape = self.statement.shapes[a]
            if self.statement.shapes[h] != shape or ring.atom("step", inner, shape, argument) != body:
                raise Rejected("nonnegative", f"{h!r} is not the step of {a!r}")
            if len(self.uses.get(gate, set()) | self.uses.get(argument, set())) > 1:
                raise Rejected("nonnegative", f"the gate {gate!r} or its argument occurs with two index patterns")
            if argument in self.gates or list(self.gates.values()).count(argument) > 1:
                raise Rejected("nonnegative", f"{argument!r} is the argument of two gates, or a gate itself")

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

    def _translated(self, raw: Any) -> Any:
        return [[c, [[self.names[alias], labels, e] for alias, labels, e in factors]] for c, factors in raw]

    def _at(self, formal: Formal, pattern: str) -> Formal:
        """The polynomial in one case: gates become 0 or 1, and a becomes alpha or -alpha (written a again)."""
        bits = {gate: bit == "1" for gate, bit in zip(self.order, pattern, strict=True)}
        turned = {self.gates[gate] for gate, bit in bits.items() if not bit}
        total: Formal = {}
        for monomial, coefficient in formal.items():
            if any(bits.get(entry[0]) is False for entry, _ in monomial):
                continue
            flips = sum(exponent for entry, exponent in monomial if entry[0] in turned)
            kept = tuple((entry, exponent) for entry, exponent in monomial if entry[0] not in bits)
            _collect(total, kept, -coefficient if flips % 2 else coefficient)
        return total


def _joined(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for entry, exponent in right:
        powers[entry] = powers.get(entry, 0) + exponent
    return tuple(sorted((entry, exponent) for entry, exponent in powers.items() if exponent))


def _collect(total: Formal, monomial: Monomial, coefficient: Coefficient) -> None:
    value = total.get(monomial, 0) + coefficient
    if value:
        total[monomial] = value
    else:
        total.pop(monomial, None)
