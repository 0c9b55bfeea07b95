"""Rule "rank": how many independent conservation laws a flow has.

The flow moves its state by z' = drift(z) + B(z) grad <r, f(z, x)>, where r, the derivative of the loss by the outputs
f, is arbitrary. The kernel rebuilds these fields, F_j for the output f_j, from the forward map:

1. each law is constant along the drift and every F_j, for all inputs x: they are conservation laws;
2. the gradients of the laws have rank `count` modulo a prime at a rational point: as many are independent;
3. iterated brackets of the drift and of derivatives of the F_j by the inputs, at x = 0, have rank D - `bound` modulo
   the prime at the point: a law is constant along each of them, so there are at most `bound`.

Ranks modulo a prime at a point are lower bounds of the generic ranks, so no probability is involved. Coordinates are
free: they are the entries of the state, constants of the statement, and the clock exp(kappa t), or t where kappa = 0.
With gates the statement holds on the cell of a rational state, for inputs near those given, where no gate changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from .algebra import Expression
from .brackets import Residues
from .calculus import Substitution, inside, occurring, partials
from .document import Budget, Rejected, fields, integer, listing, mapping, name, rational
from .functions import FUNCTIONS, UNKNOWN
from .kernel import Checked
from .point import Point
from .statement import Statement
from .zeros import Zeros

RULE = "rank"
MAX_DIMENSION = 4096
MAX_WORD = 16
REQUIRED = ("state", "inputs", "define", "outputs", "laws", "count", "bound")
OPTIONAL = ("sizes", "parameters", "constants", "velocity", "clock", "cell")
GATES = ("step", "sign")
Rates = dict[int, Expression]


def check(document: dict[str, Any], budget: Budget) -> Checked:
    """Check the laws of the statement, that they are independent, and the bound on how many there are."""
    proof = fields(document["proof"], "the proof", ("point", "prime", "members", "words"), ("zero",))
    model = Model(document["statement"], budget)
    ring, coordinates = model.ring, model.coordinates
    point = model.point(listing(proof["point"], "the point", len(coordinates)), ["0"] * len(model.inputs))
    if model.gates and model.at != proof["point"][: len(model.at)]:
        raise Rejected(RULE, "the point is not the state of the cell")
    zeros = mapping(proof.get("zero", {}), "the proofs of zeros")
    laws = [model.law(raw, f"law {n}", zeros) for n, raw in enumerate(listing(model.raw["laws"], "the laws"))]
    residues = Residues(integer(proof["prime"], "the prime", 2**20, 2**53), ring, budget)
    residues.learn_atoms()
    at = [residues.number(point.power(n, (), 1)) if model.known(n) else 0 for n in range(len(ring.letters))]

    gradients = [[residues.value(residues.compiled(law.get(k, {})), at) for k in coordinates] for law in laws]
    fixed = len(model.constants)
    count = integer(model.raw["count"], "the count", 0, len(coordinates))
    if residues.rank(gradients) != len(laws) or len(laws) != count + fixed:
        raise Rejected(RULE, f"the laws do not show a count of {count}")

    tables = [{k: residues.compiled(rate) for k, rate in field.items()} for field in model.fields]
    members = [residues.field(tables[n], by) for n, by in map(model.member, listing(proof["members"], "the members"))]
    rows = []
    for raw in listing(proof["words"], "the words"):
        word = [members[integer(n, "a word", 0, len(members) - 1)] for n in listing(raw, "a word")]
        if not 1 <= len(word) <= MAX_WORD:
            raise Rejected(RULE, f"a word has a length other than 1 to {MAX_WORD}")
        speeds = residues.bracket(word, at)
        rows.append([speeds[k] for k in coordinates])
    bound = len(coordinates) - fixed - residues.rank(rows)
    if integer(model.raw["bound"], "the bound", 0, len(coordinates)) != bound:
        raise Rejected(RULE, f"the brackets show a bound of {bound}, not {model.raw['bound']}")
    goals = (f"{count} independent conservation laws", f"at most {bound} independent conservation laws")
    return Checked(model.scope(), goals, tuple(ring.domain))


class Model:
    """The coordinates of the statement and the fields along which its flow can move."""

    def __init__(self, raw: Any, budget: Budget) -> None:
        self.raw = fields(raw, "the statement", REQUIRED, OPTIONAL)
        sizes = mapping(raw.get("sizes", {}), "sizes").items()
        self.sizes = {name(size, "a size"): integer(n, f"size {size}", 1, MAX_DIMENSION) for size, n in sizes}
        self.used: set[str] = set()
        arrays = [self._entries(array) for array in listing(raw["state"], "the state")]
        moved = arrays[: integer(raw.get("parameters", len(arrays)), "parameters", 1, len(arrays))]
        state = [entry for entries in arrays for entry in entries]
        parameters = state[: sum(map(len, moved))]
        constants = [name(c, "a constant") for c in listing(raw.get("constants", []), "constants")]
        clock = ["clock"] if raw.get("clock") is not None else []
        inputs = [entry for array in listing(raw["inputs"], "inputs") for entry in self._entries(array)]
        slopes = [f"slope.{entry}" for entry in parameters] if "velocity" in raw else []
        self.names = [*state, *constants, *clock, *inputs, *slopes]
        if self.used != self.sizes.keys():
            raise Rejected("statement", f"the size {min(self.sizes.keys() - self.used)!r} is that of no array")
        if len(self.names) > MAX_DIMENSION:
            raise Rejected("limit", f"more than {MAX_DIMENSION} letters appear")
        if len(set(self.names)) < len(self.names):
            raise Rejected("statement", "two letters have the same name")
        kappa = rational(raw["clock"], "the clock") if clock else 0
        signs = {"clock": "positive"} if kappa else {}
        letters = {entry: {"shape": [], "sign": signs.get(entry, "any")} for entry in self.names}
        self.statement = Statement({"letters": letters, "define": raw["define"], "goals": []}, budget)
        if self.statement.used_sizes:
            raise Rejected("statement", "a definition is an array: here every entry has a name of its own")
        self.ring = self.statement.ring
        numbers = self.statement.letters
        self.parameters, self.state = [numbers[n] for n in parameters], [numbers[n] for n in state]
        self.constants, self.inputs = [numbers[n] for n in constants], [numbers[n] for n in inputs]
        self.coordinates = [*self.state, *self.constants, *(numbers[n] for n in clock)]
        self.drift, self.weights = self._velocity([numbers[n] for n in slopes])
        if bool(self.drift) != bool(clock):
            raise Rejected("statement", "a clock is needed exactly where the flow has a drift")
        for n in clock:
            self.drift[numbers[n]] = self.ring.scale(self.ring.over_places(numbers[n]), kappa) if kappa else {0: 1}
        outputs = [self.statement.body(f, "an output") for f in listing(raw["outputs"], "outputs")]
        reach = self._reach({*self.state, *self.constants, *self.inputs})
        if not all(inside(self.ring, output) <= reach for output in outputs):
            raise Rejected("statement", "an output depends on the clock or on a slope")
        self.gates = {n for n, letter in enumerate(self.ring.letters) if letter.kind in GATES}
        self.outputs, self.fields = len(outputs), [self.drift]
        for values in self._patterns(len(clock)):
            self.fields += [self._field(Substitution(self.ring, values)(output)) for output in outputs]
        self.zeros = Zeros(self.statement)

    def _entries(self, raw: Any) -> list[str]:
        """The names of the entries of an array, written [name, shape]."""
        array, shape = listing(raw, "an array", 2)
        lengths = [self._size(size) for size in listing(shape, "a shape")]
        if prod(lengths) > MAX_DIMENSION:
            raise Rejected("limit", f"an array has more than {MAX_DIMENSION} entries")
        indices = product(*(range(length) for length in lengths))
        return [name(array, "an array") + (f"[{','.join(map(str, index))}]" if index else "") for index in indices]

    def _size(self, raw: Any) -> int:
        if isinstance(raw, str) and raw in self.sizes:
            self.used.add(raw)
            return self.sizes[raw]
        return integer(raw, "a size", 1, MAX_DIMENSION)

    def known(self, number: int) -> bool:
        """Whether a letter has a value at a point: coordinates, inputs, and functions of these."""
        letter = self.ring.letters[number]
        return letter.kind == "letter" or (letter.argument is not None and number not in self.gates)

    def point(self, coordinates: Sequence[Any], inputs: Sequence[Any]) -> Point:
        given = [*coordinates, *inputs, *["0"] * len(self.names)]
        return Point(self.statement, {}, dict(zip(self.names, given, strict=False)))

    def _reach(self, letters: set[int]) -> set[int]:
        """The letters and all atoms: what an expression in them may contain."""
        return letters | {n for n, letter in enumerate(self.ring.letters) if letter.argument is not None}

    def _patterns(self, clocks: int) -> list[dict[int, Expression]]:
        """The values of the gates for each input of the cell; a single empty pattern where there are none."""
        cell = self.raw.get("cell")
        if (cell is not None) != bool(self.gates):
            raise Rejected("statement", "a cell is needed exactly where there are gates")
        if cell is None:
            return [{}]
        if any(letter.argument is not None and letter.kind not in GATES for letter in self.ring.letters):
            raise Rejected("statement", "a forward map has gates beside functions or divisions")
        fields(cell, "the cell", ("at", "inputs"))
        self.at = listing(cell["at"], "the state of the cell", len(self.coordinates) - clocks)
        found = []
        for raw in listing(cell["inputs"], "the inputs of the cell"):
            point = self.point([*self.at, *["1"] * clocks], listing(raw, "an input of the cell", len(self.inputs)))
            values = {gate: point.power(gate, (), 1) for gate in self.gates}
            if point.on_kink:
                raise Rejected(RULE, "a gate is on its kink at the point of the cell")
            found.append({gate: {0: value} if value else {} for gate, value in values.items()})
        return found

    def _velocity(self, slopes: list[int]) -> tuple[Rates, dict[int, Rates]]:
        """The velocity, linear in the slopes: the drift, and for each parameter the weights of its slope."""
        ring = self.ring
        if "velocity" not in self.raw:
            return {}, {k: {k: {0: -1}} for k in self.parameters}
        drift: Rates = {}
        weights: dict[int, Rates] = {k: {} for k in self.parameters}
        for k, raw in zip(self.state, listing(self.raw["velocity"], "the velocity", len(self.state)), strict=True):
            moves = self.statement.expression(raw, {}, "the velocity")
            found = inside(ring, moves)
            if not found <= self._reach({*self.state, *self.constants, *slopes}):
                raise Rejected("statement", "the velocity depends on the clock or on an input")
            if any(ring.letters[n].kind in GATES for n in found):
                raise Rejected("statement", "the velocity contains a gate")
            for n, _, _, partial in partials(ring, moves):
                hidden = inside(ring, partial) if n in slopes else inside(ring, ring.letters[n].argument or {})
                if hidden.intersection(slopes):
                    raise Rejected("statement", "the velocity is not linear in the slopes")
                if n in slopes:
                    weights[self.parameters[slopes.index(n)]][k] = partial
            if rest := Substitution(ring, {n: {} for n in slopes})(moves):
                drift[k] = rest
        return drift, weights

    def _field(self, output: Expression) -> Rates:
        """B(z) times the gradient of an output."""
        ring, field = self.ring, dict[int, Expression]()
        for letter, slope in self._gradient(output).items():
            for k, weight in self.weights.get(letter, {}).items():
                ring.accumulate(field.setdefault(k, {}), ring.multiply(weight, slope))
        return {k: ring.bounded(rate) for k, rate in field.items()}

    def _gradient(self, expression: Expression) -> Rates:
        """The derivative by each letter, through atoms: those were made later than the letters of their arguments."""
        ring, found = self.ring, dict[int, Expression]()
        pending = {n: partial for n, _, _, partial in partials(ring, expression)}
        while pending:
            n = max(pending)
            slope, known = pending.pop(n), ring.letters[n]
            if known.argument is None:
                found[n] = slope
                continue
            outer = FUNCTIONS.get(known.kind, UNKNOWN).slope(ring, ring.over_places(n), known.argument, known)
            slope = ring.bounded(ring.multiply(slope, outer))
            for inner, _, _, partial in partials(ring, known.argument):
                ring.accumulate(pending.setdefault(inner, {}), ring.multiply(slope, partial))
        return found

    def law(self, raw: Any, what: str, zeros: dict[str, Any]) -> Rates:
        """The gradient of a law, after checking that it is constant along every field."""
        ring, law = self.ring, self.statement.expression(raw, {}, what)
        if not occurring(ring, law) <= set(self.coordinates):
            raise Rejected(RULE, f"{what} is no polynomial in the coordinates")
        slopes = {n: partial for n, _, _, partial in partials(ring, law)}
        for number, field in enumerate(self.fields):
            rate = ring.add(*(ring.multiply(slope, field[k]) for k, slope in slopes.items() if k in field))
            along = f"{what} along field {number}"
            if self.zeros.remainder(rate, {}, zeros.get(along, {}), along):
                raise Rejected(RULE, f"{what} is not constant along a field of the flow")
        return slopes

    def member(self, raw: Any) -> tuple[int, list[int]]:
        """A field, and the inputs that it is differentiated by: "drift", or [output, inputs, pattern of the gates]."""
        if raw == "drift":
            return 0, []
        output, inner, pattern = listing(raw, "a member", 3)
        inputs = [self.inputs[integer(n, "an input", 0, len(self.inputs) - 1)] for n in listing(inner, "a member")]
        if len(inputs) > MAX_WORD:
            raise Rejected("limit", f"a member has more than {MAX_WORD} derivatives")
        first = 1 + self.outputs * integer(pattern, "a pattern", 0, (len(self.fields) - 1) // max(self.outputs, 1) - 1)
        return first + integer(output, "an output", 0, self.outputs - 1), inputs

    def scope(self) -> str:
        sizes = ", ".join(f"{size}={value}" for size, value in sorted(self.sizes.items())) or "no sizes"
        return f"{sizes}, on a cell" if self.gates else sizes
