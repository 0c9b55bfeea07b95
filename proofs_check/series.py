"""Taylor series of a flow at one exact case, in dyadic intervals (used by the rule "enclosure")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from .algebra import Expression
from .calculus import Substitution
from .document import Coefficient, require
from .dyadic import Dyadic, Interval, divided
from .statement import Statement

RULE = "enclosure"
Box = list[Interval]
Form = list[tuple[Fraction, int]]  # a sum of coefficient times node


class System:
    """The field of a flow for some values of its constants and gates, as forms over nodes.

    Node 0 is the number 1, then come the state letters, then products, reciprocals and atoms in the order of their
    making. `moves` are the derivatives of letters and atoms, by the chain rule.
    """

    def __init__(
        self, statement: Statement, dyadic: Dyadic, state: Sequence[int], values: Mapping[int, Coefficient]
    ) -> None:
        self.statement, self.dyadic, self.ring, self.size = statement, dyadic, statement.ring, len(state)
        (self.flow,) = statement.flows
        self.put = Substitution(self.ring, {n: {0: value} if value else {} for n, value in values.items()})
        self.nodes: list[tuple[Any, ...]] = [("one",), *(("letter", letter) for letter in state)]
        self.known: dict[Any, int] = {node: n for n, node in enumerate(self.nodes)}
        self.moves: dict[int, Form] = {n: [] for n in range(1, len(state) + 1)}
        self.gates: dict[int, tuple[Form, Form]] = {}
        for n, letter in enumerate(state, 1):
            self.moves[n] = self.form(self.flow.rates[letter])

    def gate(self, letter: int) -> tuple[Form, Form]:
        """The argument of a gate, and its derivative along the flow."""
        if letter not in self.gates:
            argument = self.ring.letters[letter].argument or {}
            self.gates[letter] = (self.form(argument), self.form(self.statement.along(self.flow, argument)))
        return self.gates[letter]

    def form(self, expression: Expression) -> Form:
        terms: Form = []
        for monomial, coefficient in self.put(self.statement.expanded(self.flow, expression)).items():
            node = 0
            for letter, indices, e in self.ring.powers(monomial):
                require(not indices, RULE, "the flow has letters with indices, expected one letter for each entry")
                base = self.node(letter)
                factor = base if e > 0 else self.make(("inverse", base))
                for _ in range(abs(e)):
                    node = self.make(("times", node, factor)) if node else factor
            terms.append((Fraction(coefficient), node))
        return terms

    def node(self, letter: int) -> int:
        known = self.ring.letters[letter]
        if ("letter", letter) in self.known:
            return self.known["letter", letter]
        given = known.argument is not None and known.kind not in ("step", "sign")
        require(given, RULE, f"the proof does not give the value of {known.name}")
        if ("atom", letter) not in self.known:
            argument = self.form(known.argument or {})
            n = self.known["atom", letter] = len(self.nodes)
            self.nodes.append(("atom", known.kind, argument))
            self.moves[n] = self.form(self.statement.along(self.flow, self.ring.over_places(letter)))
        return self.known["atom", letter]

    def make(self, node: tuple[Any, ...]) -> int:
        if node not in self.known:
            self.known[node] = len(self.nodes)
            self.nodes.append(node)
        return self.known[node]

    def affine(self, form: Form) -> list[Fraction]:
        """The constant and the coefficients of a form that is affine in the state."""
        row = [Fraction(0)] * (self.size + 1)
        for c, node in form:
            require(node <= self.size, RULE, "the flow of the tail is not linear")
            row[node] += c
        return row

    def value(self, form: Form, series: list[Box], k: int = 0) -> Interval:
        """Coefficient k of a form along the series of the nodes."""
        return self.dyadic.product([(self.dyadic.of(c), series[n][k]) for c, n in form])

    def series(self, start: Box, length: Fraction, order: int) -> list[Box]:
        """Taylor coefficients of the nodes along the flow from a box, in units of 1/length^k."""
        times, h = self.dyadic.times, self.dyadic.of(length)
        products = len(self.nodes) - len(self.moves)
        self.ring.budget.spend((order + 1) * (sum(map(len, self.moves.values())) + products * (order + 1)))
        found: list[Box] = [[self.dyadic.one]]
        for n, node in enumerate(self.nodes[1:], 1):
            if node[0] == "letter":
                first = start[n - 1]
            elif node[0] == "times":
                first = times(found[node[1]][0], found[node[2]][0])
            elif node[0] == "inverse":
                first = self.dyadic.reciprocal(found[node[1]][0])
            else:
                first = self.dyadic.function(node[1], self.value(node[2], found))
            found.append([first])
        for k in range(1, order + 1):
            found[0].append((0, 0))
            for n, node in enumerate(self.nodes[1:], 1):
                if n in self.moves:
                    part = divided(times(h, self.value(self.moves[n], found, k - 1)), k)
                elif node[0] == "times":
                    a, b = found[node[1]], found[node[2]]
                    part = self.dyadic.product([(a[j], b[k - j]) for j in range(k + 1)])
                else:  # a z = 1
                    a, z = found[node[1]], found[n]
                    part = times(self.dyadic.product([(a[j], z[k - j]) for j in range(1, k + 1)]), (-z[0][1], -z[0][0]))
                found[n].append(part)
        return found
