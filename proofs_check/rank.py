"""Rule "rank": how many independent conservation laws a flow has.

The flow moves its state by z' = drift(z) + B(z) grad c, for every coefficient c of an output as a polynomial in the
input (the derivative of the loss by the outputs is arbitrary). The kernel rebuilds these fields from the forward map:

1. each law is constant along every field, as polynomials: they are conservation laws;
2. the gradients of the laws have rank `count` modulo a prime at a rational point: as many are independent;
3. iterated brackets of the fields have rank D - `bound` modulo the prime at the point: a law is constant along each of
   them, so there are at most `bound`.

Ranks modulo a prime at a point are lower bounds of the generic ranks, so no probability is involved. Coordinates are
free: they are the entries of the state, constants of the statement, and the clock exp(kappa t), or t where kappa = 0.
With gates the statement holds on the cell of a rational state, for inputs near those given, where no gate changes.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from .brackets import Field, Residues
from .document import Budget, Coefficient, Rejected, fields, integer, listing, mapping, name, rational, show
from .elementary import MAX_LETTERS, Functions
from .forward import Graph, Poly, add, multiply, partials, polynomial
from .outcome import Checked

RULE = "rank"
MAX_DIMENSION = 4096
MAX_WORD = 16


class Model:
    """The coordinates of the statement and the fields along which its flow can move."""

    def __init__(self, raw: Any, order: Any, budget: Budget) -> None:
        self.raw = fields(
            raw, "the statement", ("state", "inputs", "nodes", "outputs", "laws", "count", "bound"),
            ("sizes", "parameters", "constants", "velocity", "clock", "cell"),
        )  # fmt: skip
        self.budget = budget
        self.sizes = {
            name(size, "a size"): integer(value, f"size {size}", 1, 10**6)
            for size, value in mapping(raw.get("sizes", {}), "sizes").items()
        }
        self.used: set[str] = set()
        state = [self._entries(entry) for entry in listing(raw["state"], "the state")]
        arrays = [len(entries) for entries in state]
        self.names = [entry for entries in state for entry in entries]
        moved = integer(raw.get("parameters", len(arrays)), "parameters", 1, len(arrays))
        self.parameters = sum(arrays[:moved])
        self.constants = [name(c, "a constant") for c in listing(raw.get("constants", []), "constants")]
        self.names += self.constants
        inputs = [entry for array in listing(raw["inputs"], "inputs") for entry in self._entries(array)]
        if self.used != self.sizes.keys():
            raise Rejected("statement", f"the size {min(self.sizes.keys() - self.used)!r} is that of no array")
        if len(self.names) + len(inputs) > MAX_DIMENSION:
            raise Rejected("limit", f"more than {MAX_DIMENSION} letters appear")
        if len({*self.names, *inputs}) < len(self.names) + len(inputs):
            raise Rejected("statement", "two letters have the same name")
        free = len(self.names)
        self.clock = None if raw.get("clock") is None else rational(raw["clock"], "the clock")
        self.dimension = free + (self.clock is not None)
        self.first_input, self.inputs = self.dimension + MAX_LETTERS, len(inputs)
        self._velocity(free)
        self.graph = Graph(raw["nodes"], {"z": (0, free), "x": (self.first_input, self.inputs)}, budget)
        self.functions = self.exact = None
        if self.graph.has_functions:
            taylor = integer(order, "the order", 1, 16)
            self.functions = Functions(self.dimension, self.first_input, taylor, budget)
            self.exact = Functions(self.dimension, self.first_input, None, budget)
        elif order is not None:
            raise Rejected("statement", "an order is needed exactly where there are functions")
        self.members: dict[tuple[int, tuple[int, ...], int], Field] = {}
        self.whole: list[Field] = []
        outputs = [self.graph.root(i, "an output") for i in listing(raw["outputs"], "outputs")]
        for pattern, gates in enumerate(self._patterns()):
            expanded = self.graph.expand(gates, self.functions)
            for number, output in enumerate(outputs):
                for inner, coefficient in self._coefficients(expanded[output]).items():
                    self.members[number, inner, pattern] = self._weighted(coefficient, self.functions)
        if self.exact is not None:
            expanded = self.graph.expand({}, self.exact)
            self.whole = [self._weighted(expanded[output], self.exact) for output in outputs]

    def _entries(self, raw: Any) -> list[str]:
        """The names of the entries of an array, written [name, shape]."""
        array, shape = listing(raw, "an array", 2)
        lengths = [self._size(size) for size in listing(shape, "a shape")]
        if prod(lengths) > MAX_DIMENSION:
            raise Rejected("limit", f"an array has more than {MAX_DIMENSION} entries")
        indices = product(*(range(length) for length in lengths))
        return [f"{name(array, 'an array')}{list(index) if index else ''}" for index in indices]

    def _size(self, raw: Any) -> int:
        if isinstance(raw, str) and raw in self.sizes:
            self.used.add(raw)
            return self.sizes[raw]
        return integer(raw, "a size", 1, MAX_DIMENSION)

    def _patterns(self) -> list[dict[int, int]]:
        """The values of the gates for each input of the cell; a single empty pattern where there are none."""
        cell = self.raw.get("cell")
        if (cell is not None) != self.graph.gated:
            raise Rejected("statement", "a cell is needed exactly where there are gates")
        if cell is None:
            return [{}]
        fields(cell, "the cell", ("at", "inputs"))
        count = self.dimension - (self.clock is not None)
        self.at = [rational(v, "the cell") for v in listing(cell["at"], "the state of the cell", count)]
        found = []
        for x in listing(cell["inputs"], "the inputs of the cell"):
            values = [rational(v, "an input of the cell") for v in listing(x, "an input of the cell", self.inputs)]
            found.append(self.graph.gates(dict(enumerate(self.at)) | dict(enumerate(values, self.first_input))))
        return found

    def _velocity(self, free: int) -> None:
        """Split the velocity into the drift and the weights of the slopes, which it has to be linear in."""
        self.drift: Field = {}
        self.weights: dict[int, Field] = {}
        if "velocity" in self.raw:
            given = fields(self.raw["velocity"], "the velocity", ("nodes", "roots"))
            graph = Graph(given["nodes"], {"z": (0, free), "slope": (free, self.parameters)}, self.budget)
            if graph.gated:
                raise Rejected("statement", "the velocity contains a gate")
            expanded = graph.expand({})
            moves = [expanded[graph.root(i, "a root")] for i in listing(given["roots"], "the roots", free)]
        else:
            moves = [{(free + k,): -1} if k < self.parameters else {} for k in range(free)]
        for k, p in enumerate(moves):
            if p and k >= free - len(self.constants):
                raise Rejected("statement", "a constant moves")
            for m, c in p.items():
                slope = [n - free for n in m if n >= free]
                if len(slope) > 1:
                    raise Rejected("statement", "the velocity is not linear in the slopes")
                slot = self.weights.setdefault(slope[0], {}) if slope else self.drift
                slot.setdefault(k, {})[m[: len(m) - len(slope)]] = c
        if bool(self.drift) != (self.clock is not None):
            raise Rejected("statement", "a clock is needed exactly where the flow has a drift")
        if self.clock is not None:
            self.drift[free] = {(free,): self.clock} if self.clock else {(): 1}

    def _coefficients(self, output: Poly) -> dict[tuple[int, ...], Poly]:
        """The coefficients of an output, by monomial in the letters of the input."""
        found: dict[tuple[int, ...], Poly] = {}
        for m, c in output.items():
            inner = tuple(n - self.first_input for n in m if n >= self.first_input)
            found.setdefault(inner, {})[m[: len(m) - len(inner)]] = c
        return found

    def _weighted(self, p: Poly, functions: Functions | None) -> Field:
        """B(z) times the gradient of a polynomial."""
        field: Field = {}
        for letter, slope in (functions.partials(p) if functions else partials(p)).items():
            for k, weight in self.weights.get(letter, {}).items():
                for m, c in multiply(weight, slope, self.budget).items():
                    slot = field.setdefault(k, {})
                    slot[m] = slot.get(m, 0) + c
        return field

    def extended(self, field: Field) -> Field:
        """A field with the velocities of the letters that stand for functions."""
        moves, functions = dict(field), self.functions
        if functions is None:
            return moves
        for i in range(len(functions.letters)):
            slopes = functions.gradient(self.dimension + i)
            terms = [multiply(slopes[k], p, self.budget) for k, p in field.items() if k in slopes]
            moves[self.dimension + i] = add(terms, self.budget)
        return moves

    def check_law(self, law: Poly, what: str, at: dict[int, list[tuple[int, Poly]]]) -> dict[int, Poly]:
        """The gradient of a law, after checking that it is constant along every field."""
        slopes = partials(law)
        totals: dict[tuple[int, tuple[int, ...]], Coefficient] = {}
        for k, slope in slopes.items():
            for member, p in at.get(k, ()):
                self.budget.spend(len(slope) * len(p))
                for m, c in slope.items():
                    for n, d in p.items():
                        key = (member, tuple(sorted(m + n)))
                        totals[key] = totals.get(key, 0) + c * d
        rates: dict[int, Poly] = {}
        for (member, m), c in totals.items():
            if c:
                rates.setdefault(member, {})[m] = c
        if any(self.exact is None or not self.exact.vanishes(rate) for rate in rates.values()):
            raise Rejected(RULE, f"{what} is not constant along a field of the flow")
        return slopes

    def scope(self) -> str:
        sizes = ", ".join(f"{size}={value}" for size, value in sorted(self.sizes.items())) or "no sizes"
        return f"{sizes}, on a cell" if self.graph.gated else sizes


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check the laws of the statement, that they are independent, and the bound on how many there are."""
    proof = fields(document["proof"], "the proof", ("point", "prime", "members", "words"), ("order",))
    model = Model(document["statement"], proof.get("order"), budget)
    ring = Residues(integer(proof["prime"], "the prime", 2**20, 2**53), budget)
    point = [rational(v, "the point") for v in listing(proof["point"], "the point", model.dimension)]
    if model.graph.gated and point[: len(model.at)] != model.at:
        raise Rejected(RULE, "the point is not the state of the cell")
    if model.clock and point[-1] <= 0:
        raise Rejected(RULE, "the clock is not positive at the point")
    values = model.functions.values(point) if model.functions else []
    at = [ring.number(v) for v in [*point, *values]]

    along: dict[int, list[tuple[int, Poly]]] = {}
    for number, field in enumerate([model.drift, *(model.whole if model.exact else model.members.values())]):
        for k, p in field.items():
            along.setdefault(k, []).append((number, p))
    laws = [polynomial(raw, "a law", model.dimension) for raw in listing(model.raw["laws"], "the laws")]
    gradients = []
    for number, law in enumerate(laws):
        slopes = model.check_law(law, f"law {number}", along)
        gradients.append(ring.value(ring.compiled(slopes), at)[: model.dimension])
    fixed = len(model.constants)
    count = integer(model.raw["count"], "the count", 0, model.dimension)
    if ring.rank(gradients) != len(laws) or len(laws) != count + fixed:
        raise Rejected(RULE, f"the laws do not show a count of {count}")

    members = []
    for raw in listing(proof["members"], "the members"):
        if raw == "drift":
            members.append(ring.compiled(model.extended(model.drift)))
            continue
        output, inner, pattern = listing(raw, "a member", 3)
        key = (output, tuple(listing(inner, "the monomial of a member")), pattern)
        if not all(type(n) is int for n in (output, *key[1], pattern)) or key not in model.members:
            raise Rejected(RULE, f"{show(raw)} is no coefficient of an output")
        members.append(ring.compiled(model.extended(model.members[key])))
    rows = []
    for raw in listing(proof["words"], "the words"):
        word = [members[integer(n, "a word", 0, len(members) - 1)] for n in listing(raw, "a word")]
        if not 1 <= len(word) <= MAX_WORD:
            raise Rejected(RULE, f"a word has a length other than 1 to {MAX_WORD}")
        rows.append(ring.bracket(word, at, 1)[: model.dimension])
    bound = model.dimension - fixed - ring.rank(rows)
    if integer(model.raw["bound"], "the bound", 0, model.dimension) != bound:
        raise Rejected(RULE, f"the brackets show a bound of {bound}, not {model.raw['bound']}")
    goals = (f"{count} independent conservation laws", f"at most {bound} independent conservation laws")
    return Checked(model.scope(), goals)
