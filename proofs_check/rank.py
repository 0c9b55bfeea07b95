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
from .calculus import Derivation, Substitution, gradients, inside, occurring, partials
from .document import Budget, fields, integer, listing, mapping, name, rational, require
from .kernel import Checked
from .point import Point
from .statement import Statement
from .zeros import Part, Zeros

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
    in_cell = not model.gates or model.raw["cell"]["at"] == proof["point"][: len(coordinates) - len(model.clock)]
    require(in_cell, RULE, "the point is not the state of the cell")
    zeros = mapping(proof.get("zero", {}), "the proofs of zeros")
    laws = [model.law(raw, f"law {n}", zeros) for n, raw in enumerate(listing(model.raw["laws"], "the laws"))]
    residues = Residues(integer(proof["prime"], "the prime", 2**20, 2**53), ring, budget)
    residues.learn_atoms()
    at = [residues.number(point.power(n, (), 1)) if model.known(n) else 0 for n in range(len(ring.letters))]

    slopes = [[residues.value(residues.compiled(law.get(k, {})), at) for k in coordinates] for law in laws]
    fixed = len(model.constants)
    count = integer(model.raw["count"], "the count", 0, len(coordinates))
    independent = residues.rank(slopes) == len(laws) == count + fixed
    require(independent, RULE, f"the laws do not show a count of {count}")

    tables = [{k: residues.compiled(rate) for k, rate in field.items()} for field in model.fields]
    members = []
    for raw in listing(proof["members"], "the members"):
        field, inner = listing(raw, "a member", 2)
        inputs = [model.inputs[integer(n, "an input", 0, len(model.inputs) - 1)] for n in listing(inner, "a member")]
        require(len(inputs) <= MAX_WORD, "limit", f"a member has more than {MAX_WORD} derivatives")
        members.append(residues.field(tables[integer(field, "the number of a field", 0, len(tables) - 1)], inputs))
    rows = []
    for raw in listing(proof["words"], "the words"):
        word = [members[integer(n, "a word", 0, len(members) - 1)] for n in listing(raw, "a word")]
        require(1 <= len(word) <= MAX_WORD, RULE, f"a word has a length other than 1 to {MAX_WORD}")
        speeds = residues.bracket(word, at)
        rows.append([speeds[k] for k in coordinates])
    bound = len(coordinates) - fixed - residues.rank(rows)
    shown = integer(model.raw["bound"], "the bound", 0, len(coordinates)) == bound
    require(shown, RULE, f"the brackets show a bound of {bound}, not {model.raw['bound']}")
    goals = (f"{count} independent conservation laws", f"at most {bound} independent conservation laws")
    return Checked(model.scope(), goals, tuple(ring.domain))


class Model:
    """The coordinates of the statement and the fields along which its flow can move.

    Field 0 is the drift; then follow those of the outputs, where there are gates for each input of the cell in turn.
    """

    def __init__(self, raw: Any, budget: Budget) -> None:
        self.raw = fields(raw, "the statement", REQUIRED, OPTIONAL)
        sizes = mapping(raw.get("sizes", {}), "sizes").items()
        self.sizes = {name(size, "a size"): integer(n, f"size {size}", 1, MAX_DIMENSION) for size, n in sizes}
        self.used: set[str] = set()
        arrays = [self._entries(array) for array in listing(raw["state"], "the state")]
        moved = arrays[: integer(raw.get("parameters", len(arrays)), "parameters", 1, len(arrays))]
        groups = {
            "state": [entry for entries in arrays for entry in entries],
            "constants": [name(c, "a constant") for c in listing(raw.get("constants", []), "constants")],
            "clock": ["clock"] if raw.get("clock") is not None else [],
            "inputs": [entry for array in listing(raw["inputs"], "inputs") for entry in self._entries(array)],
            "slopes": [f"slope.{entry}" for entries in moved for entry in entries],
        }
        self.names = [entry for group in groups.values() for entry in group]
        unused = sorted(self.sizes.keys() - self.used)
        require(not unused, "statement", f"the sizes {unused} are those of no array")
        require(len(self.names) <= MAX_DIMENSION, "limit", f"more than {MAX_DIMENSION} letters appear")
        require(len(set(self.names)) == len(self.names), "statement", "two letters have the same name")
        kappa = rational(raw["clock"], "the clock") if groups["clock"] else 0
        letters = {n: {"shape": [], "sign": "positive" if n == "clock" and kappa else "any"} for n in self.names}
        self.statement = Statement({"letters": letters, "define": raw["define"], "goals": []}, budget)
        single = not self.statement.used_sizes
        require(single, "statement", "a definition is an array: here every entry has a name of its own")
        self.ring = ring = self.statement.ring
        numbers = {group: [self.statement.letters[n] for n in names] for group, names in groups.items()}
        self.state, self.constants, self.clock, self.inputs, self.slopes = numbers.values()
        self.parameters = self.state[: len(self.slopes)]
        self.coordinates = [*self.state, *self.constants, *self.clock]
        outputs = [self.statement.body(f, "an output") for f in listing(raw["outputs"], "outputs")]
        reach = self._reach(*self.state, *self.constants, *self.inputs)
        free = all(inside(ring, output) <= reach for output in outputs)
        require(free, "statement", "an output depends on the clock or on a slope")
        self.velocity = self._velocity()
        still = Substitution(ring, {slope: {} for slope in self.slopes})
        self.drift = {k: rate for k, moves in self.velocity.items() if (rate := still(moves))}
        has_clock = bool(self.drift) == bool(self.clock)
        require(has_clock, "statement", "a clock is needed exactly where the flow has a drift")
        ticks: Rates = {n: ring.scale(ring.over_places(n), kappa) if kappa else {0: 1} for n in self.clock}
        self.gates = {n for n, letter in enumerate(ring.letters) if letter.kind in GATES}
        self.fields = [self.drift | ticks]
        for values in self._patterns():
            self.fields += [self._field(Substitution(ring, values)(output)) for output in outputs]
        self.zeros = Zeros(self.statement)

    def _entries(self, raw: Any) -> list[str]:
        """The names of the entries of an array, written [name, shape]."""
        array, shape = listing(raw, "an array", 2)
        lengths = [self._size(size) for size in listing(shape, "a shape")]
        require(prod(lengths) <= MAX_DIMENSION, "limit", f"an array has more than {MAX_DIMENSION} entries")
        indices = product(*(range(length) for length in lengths))
        return [name(array, "an array") + (f"[{','.join(map(str, index))}]" if index else "") for index in indices]

    def _size(self, raw: Any) -> int:
        if isinstance(raw, str) and raw in self.sizes:
            self.used.add(raw)
            return self.sizes[raw]
        return integer(raw, "a size", 1, MAX_DIMENSION)

    def _reach(self, *letters: int) -> set[int]:
        """The letters and all atoms: what an expression in them may contain."""
        return {*letters, *(n for n, letter in enumerate(self.ring.letters) if letter.argument is not None)}

    def known(self, number: int) -> bool:
        """Whether a letter has a value at a point: coordinates, inputs, and functions of these."""
        letter = self.ring.letters[number]
        return letter.kind == "letter" or (letter.argument is not None and number not in self.gates)

    def point(self, coordinates: Sequence[Any], inputs: Sequence[Any]) -> Point:
        given = [*coordinates, *inputs, *["0"] * len(self.slopes)]
        return Point(self.statement, {}, dict(zip(self.names, given, strict=True)))

    def _velocity(self) -> Rates:
        """The velocity of the state: affine in the slopes, which stand for the gradient of the loss."""
        ring, slopes = self.ring, set(self.slopes)
        if "velocity" not in self.raw:
            pairs = zip(self.parameters, self.slopes, strict=True)
            return {k: ring.scale(ring.over_places(slope), -1) for k, slope in pairs}
        raw = listing(self.raw["velocity"], "the velocity", len(self.state))
        velocity = {k: self.statement.expression(e, {}, "the velocity") for k, e in zip(self.state, raw, strict=True)}
        reach = self._reach(*self.state, *self.constants, *self.slopes)
        for moves in velocity.values():
            found, factors = inside(ring, moves), occurring(ring, moves)
            require(found <= reach, "statement", "the velocity depends on the clock or on an input")
            require(all(ring.letters[n].kind not in GATES for n in found), "statement", "the velocity contains a gate")
            hidden = {n for factor in factors for n in inside(ring, ring.letters[factor].argument or {})}
            degrees = [[e for n, _, e in ring.powers(m) if n in slopes] for m in moves]
            linear = not hidden & slopes and all(degree in ([], [1]) for degree in degrees)
            require(linear, "statement", "the velocity is not linear in the slopes")
        return velocity

    def _patterns(self) -> list[Rates]:
        """The values of the gates for each input of the cell; a single empty pattern where there are none."""
        cell = self.raw.get("cell")
        require((cell is not None) == bool(self.gates), "statement", "a cell is needed exactly where there are gates")
        if cell is None:
            return [{}]
        kinds = {letter.kind for letter in self.ring.letters if letter.argument is not None}
        require(kinds <= {*GATES}, "statement", "a forward map has gates beside functions or divisions")
        fields(cell, "the cell", ("at", "inputs"))
        at = listing(cell["at"], "the state of the cell", len(self.state) + len(self.constants))
        found = []
        for raw in listing(cell["inputs"], "the inputs of the cell"):
            inputs = listing(raw, "an input of the cell", len(self.inputs))
            point = self.point([*at, *["1"] * len(self.clock)], inputs)
            values = {gate: point.power(gate, (), 1) for gate in self.gates}
            require(not point.on_kink, RULE, "a gate is on its kink at the point of the cell")
            found.append({gate: {0: value} if value else {} for gate, value in values.items()})
        return found

    def _field(self, output: Expression) -> Rates:
        """What the gradient of an output adds to the velocity."""
        ring, descent = self.ring, gradients(self.ring, output, self.parameters)
        put = Substitution(ring, dict(zip(self.slopes, descent.values(), strict=True)))
        field = {k: ring.minus(put(moves), self.drift.get(k, {})) for k, moves in self.velocity.items()}
        return {k: rate for k, rate in field.items() if rate}

    def law(self, raw: Any, what: str, zeros: dict[str, Any]) -> Rates:
        """The gradient of a law, after checking that it is constant along every field."""
        ring, law = self.ring, self.statement.expression(raw, {}, what)
        polynomial = occurring(ring, law) <= set(self.coordinates)
        require(polynomial, RULE, f"{what} is no polynomial in the coordinates")
        for number, field in enumerate(self.fields):
            along = f"{what} along field {number}"
            rate = Part("", {}, Derivation(ring, field)(law))
            constant = not self.zeros.remainder(rate, zeros.get(along, {}), along)
            require(constant, RULE, f"{what} is not constant along a field of the flow")
        return {n: partial for n, _, _, partial in partials(ring, law)}

    def scope(self) -> str:
        sizes = ", ".join(f"{size}={value}" for size, value in sorted(self.sizes.items())) or "no sizes"
        return f"{sizes}, on a cell" if self.gates else sizes
