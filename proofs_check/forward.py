"""The forward map of a model as sparse polynomials, expanded from a graph of sums, products, powers and gates.

A monomial is the sorted tuple of its letters, each as often as its exponent says: coordinates first, then the letters
of the input, then the slopes. Gates have the value that they take at a rational point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .document import MAX_EXPONENT, Budget, Coefficient, Rejected, integer, listing, rational, show, text, whole

if TYPE_CHECKING:
    from .elementary import Functions

RULE = "rank"
FUNCTIONS = ("exp", "tanh", "sin", "cos", "sqrt")
MAX_BITS = 20_000
Monomial = tuple[int, ...]
Poly = dict[Monomial, Coefficient]


def add(summands: Sequence[Poly], budget: Budget) -> Poly:
    total: Poly = {}
    for summand in summands:
        budget.spend(len(summand))
        for m, c in summand.items():
            total[m] = total.get(m, 0) + c
    return {m: whole(c) for m, c in total.items() if c}


def multiply(a: Poly, b: Poly, budget: Budget) -> Poly:
    budget.spend(len(a) * len(b))
    total: Poly = {}
    for m, c in a.items():
        for n, d in b.items():
            key = tuple(sorted(m + n)) if m and n else m or n
            total[key] = total.get(key, 0) + c * d
    for m, c in total.items():
        if len(m) > MAX_EXPONENT or c.numerator.bit_length() + c.denominator.bit_length() > MAX_BITS:
            raise Rejected("limit", "a polynomial has too large a degree or coefficient")
    return {m: whole(c) for m, c in total.items() if c}


def partials(p: Poly) -> dict[int, Poly]:
    """The derivative by each letter that occurs."""
    found: dict[int, Poly] = {}
    for m, c in p.items():
        for letter in set(m):
            at = m.index(letter)
            rest = m[:at] + m[at + 1 :]
            slot = found.setdefault(letter, {})
            slot[rest] = slot.get(rest, 0) + c * m.count(letter)
    return found


def polynomial(raw: Any, what: str, letters: int) -> Poly:
    """A polynomial written [[coefficient, [letter, ...]], ...] in the first `letters` letters."""
    found: Poly = {}
    for term in listing(raw, what):
        coefficient, numbers = listing(term, f"a term of {what}", 2)
        key = tuple(sorted(integer(n, f"a letter of {what}", 0, letters - 1) for n in listing(numbers, what)))
        if key in found or len(key) > MAX_EXPONENT:
            raise Rejected("parser", f"{what} has a monomial twice, or one of too large a degree")
        found[key] = rational(coefficient, f"a coefficient of {what}")
    return {m: c for m, c in found.items() if c}


class Graph:
    """Nodes of a formula, each after those that it is made of."""

    def __init__(self, raw: Any, kinds: Mapping[str, tuple[int, int]], budget: Budget) -> None:
        """kinds: for each kind of letter ("z", "x" or "slope") its first number and how many there are."""
        self.budget = budget
        self.nodes: list[tuple[str, Any]] = []
        for position, node in enumerate(listing(raw, "the nodes")):
            head, *rest = listing(node, "a node") or [None]
            kind = text(head, "the kind of a node")
            if kind == "const" and len(rest) == 1:
                self.nodes.append((kind, rational(rest[0], "a constant")))
            elif kind in kinds and len(rest) == 1:
                start, count = kinds[kind]
                self.nodes.append(("letter", start + integer(rest[0], f"a letter {kind}", 0, count - 1)))
            elif kind in ("add", "mul") and len(rest) == 1 and rest[0]:
                self.nodes.append((kind, [self._before(i, position) for i in listing(rest[0], "a node")]))
            elif kind == "pow" and len(rest) == 2:
                exponent = integer(rest[1], "an exponent", -MAX_EXPONENT, MAX_EXPONENT)
                self.nodes.append((kind, (self._before(rest[0], position), exponent)))
            elif kind in ("step", *FUNCTIONS) and len(rest) == 1:
                self.nodes.append((kind, self._before(rest[0], position)))
            else:
                raise Rejected(
                    "parser", f"a node is {show(node)}, expected a constant, letter, sum, product, power or gate"
                )

    def _before(self, raw: Any, position: int) -> int:
        return integer(raw, "a reference to a node", 0, position - 1)

    def root(self, raw: Any, what: str) -> int:
        return integer(raw, what, 0, len(self.nodes) - 1)

    @property
    def has_functions(self) -> bool:
        return any(kind in FUNCTIONS or (kind == "pow" and args[1] < 1) for kind, args in self.nodes)

    @property
    def gated(self) -> bool:
        return any(kind == "step" for kind, _ in self.nodes)

    def gates(self, at: Mapping[int, Coefficient]) -> dict[int, int]:
        """The values of the gates at a point where none is on its kink."""
        values: list[Coefficient] = []
        found: dict[int, int] = {}
        for position, (kind, args) in enumerate(self.nodes):
            self.budget.spend(4)
            if kind == "const":
                value = args
            elif kind == "letter":
                value = at.get(args, 0)
            elif kind == "add":
                value = sum(values[i] for i in args)
            elif kind == "mul":
                value = Fraction(1)
                for i in args:
                    value *= values[i]
            elif kind == "pow" and args[1] > 0:
                value = values[args[0]] ** args[1]
            elif kind != "step":
                raise Rejected("statement", "a forward map has gates beside functions or divisions")
            elif values[args] == 0:
                raise Rejected(RULE, "a gate is on its kink at the point of the cell")
            else:
                value = found[position] = int(values[args] > 0)
            if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
                raise Rejected("limit", "a value at the point is too large")
            values.append(value)
        return found

    def expand(self, gates: Mapping[int, int], functions: Functions | None = None) -> list[Poly]:
        """Every node as a polynomial, with these values of the gates and letters for functions."""
        found: list[Poly] = []
        for position, (kind, args) in enumerate(self.nodes):
            if kind == "const":
                value: Poly = {(): args} if args else {}
            elif kind == "letter":
                value = {(args,): 1}
            elif kind == "add":
                value = add([found[i] for i in args], self.budget)
            elif kind == "step":
                value = {(): 1} if gates[position] else {}
            elif kind in FUNCTIONS:
                value = _required(functions).apply(kind, found[args])
            else:
                factors = [found[i] for i in args] if kind == "mul" else [found[args[0]]] * args[1]
                if kind == "pow" and args[1] < 1:
                    one: Poly = {(): 1}
                    factors = [one, *[_required(functions).apply("inv", found[args[0]])] * -args[1]]
                if functions is None:
                    value = factors[0]
                    for factor in factors[1:]:
                        value = multiply(value, factor, self.budget)
                else:
                    value = functions.times(factors)
            found.append(value)
        return found


def _required(functions: Functions | None) -> Functions:
    if functions is None:
        raise Rejected("statement", "a velocity, or a forward map with gates, contains a function or a division")
    return functions
