"""What a certificate speaks about: letters, definitions, hypotheses and flows.

The field of a gradient flow is computed here, by the kernel's own chain rule, from the outputs (or the objective)
that the statement names. Nothing that a derivation engine found is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .algebra import DELTA, Expression, Factor, Index, Letter, free, place
from .atoms import FUNCTIONS, Calculus, Derivation, Substitution, gradients, inside
from .document import (
    MAX_EXPONENT,
    Budget,
    Rejected,
    fields,
    integer,
    listing,
    mapping,
    name,
    rational,
    show,
    text,
)
from .reduce import Reducer, Rule, orthogonality, rule_from

Axes = dict[str, Index]
REQUIRED = ("letters", "goals")
SIGNS = ("any", "nonzero", "positive", "nonnegative")
OPTIONAL = ("sizes", "define", "gates", "step_at_zero", "flows", "relations")


@dataclass
class Flow:
    """An ordinary differential equation: `rates[letter]` is the derivative of a state letter, over its places."""

    rates: dict[int, Expression]
    unknown: frozenset[int]  # letters r that stand for dLoss/df of an arbitrary loss
    held: dict[int, Expression]  # letters that stand for a *defined* dLoss/df, and their definitions
    outputs: list[tuple[Expression, int]]  # (f over its places, its r)
    initial: dict[int, Expression] = field(default_factory=dict)


class Statement:
    """The parsed statement. Raises Rejected where it makes no sense."""

    def __init__(self, raw: Any, rewrites: Any, budget: Budget) -> None:
        self.raw = fields(raw, "the statement", REQUIRED, OPTIONAL)
        self.ring = Calculus(budget)
        self.ring.binary_gates = _choice(raw.get("gates", "any"), "gates", ("any", "binary")) == "binary"
        self.numbers = {
            name(size, "a size"): str(integer(value, f"size {size}", 1, 10**6))
            for size, value in mapping(raw.get("sizes", {}), "sizes").items()
        }
        self.letters: dict[str, int] = {}
        self.shapes: dict[str, tuple[str, ...]] = {}  # of letters and definitions
        self.bodies: dict[str, Expression] = {}  # of definitions, over their places
        self.used_sizes: dict[str, None] = {}
        for letter, spec in mapping(raw["letters"], "letters").items():
            self._declare(letter, spec)
        definitions = listing(raw.get("define", []), "define")
        for spec in definitions:
            self._define(spec)
        self.state = self._state_letters()
        self.hypotheses = self._relations(listing(rewrites, "rewrites"))
        self.reducer = Reducer(self.ring, self.hypotheses)
        if self.hypotheses:
            # Equal modulo the hypotheses is equal: read the definitions again, so that atoms are keyed accordingly.
            self.ring.simplify = self.reducer.normal
            self.bodies.clear()
            for spec in definitions:
                self._define(spec)
        self.held: dict[str, int] = {}
        self.flows = [self._flow(spec, n) for n, spec in enumerate(listing(raw.get("flows", []), "flows"))]
        for letter in self.state | {r for flow in self.flows for r in flow.unknown}:
            sign = self.ring.letters[letter].sign
            if sign != "any":
                self.ring.domain[f"{self.ring.letters[letter].name} is {sign} throughout"] = None

    def scope(self, chosen: Mapping[str, int] | None = None) -> str:
        """The sizes that are numbers, or "all sizes"; "no sizes" for a statement about scalars only.

        `chosen` are the sizes at which a counterexample lives.
        """
        numbers = {**self.numbers, **{size: str(number) for size, number in (chosen or {}).items()}}
        fixed = [f"{size}={number}" for size, number in sorted(numbers.items())]
        bare = {size for size in self.used_sizes if size.isdigit()} - set(self.numbers.values())
        fixed += sorted(bare, key=int)
        if fixed:
            return ", ".join(fixed)
        return "all sizes" if self.used_sizes else "no sizes"

    # -- letters and definitions ---------------------------------------------------------------------------

    def size(self, raw: Any) -> str:
        """A size: a declared or symbolic name, or a decimal number."""
        if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) <= 6 and raw[0] != "0":
            size = raw
        else:
            size = self.numbers.get(name(raw, "a size"), raw)
        self.used_sizes[size] = None
        return size

    def axes(self, raw: Any, index: Callable[[int, str, str], Index]) -> Axes:
        """The axes [[label, size], ...] of an array, as free indices."""
        axes: Axes = {}
        for position, pair in enumerate(listing(raw, "axes")):
            label, size = listing(pair, "an axis", 2)
            if name(label, "an index") in axes:
                raise Rejected("statement", f"the axis {label!r} appears twice")
            axes[label] = index(position, label, self.size(size))
        return axes

    def _declare(self, letter: str, raw: Any) -> None:
        name(letter, "a letter")
        spec = fields(raw, f"letter {letter!r}", ("shape",), ("sign",))
        sign = _choice(spec.get("sign", "any"), f"the sign of {letter!r}", SIGNS)
        shape = tuple(self.size(size) for size in listing(spec["shape"], f"the shape of {letter!r}"))
        if letter == "delta":
            raise Rejected("statement", "'delta' is Kronecker's delta and no letter")
        self.letters[letter] = self.ring.new(Letter(letter, shape, "letter", sign))
        self.shapes[letter] = shape

    def _define(self, raw: Any) -> None:
        spec = mapping(raw, "a definition")
        known = name(spec.get("name"), "the name of a definition")
        what = f"definition {known!r}"
        if known in self.letters or known in self.bodies or known == "delta":
            raise Rejected("statement", f"the name {known!r} is given twice")
        function = spec.get("fn")
        if function is None:
            fields(spec, what, ("name", "axes", "expr"))
        else:
            fields(spec, what, ("name", "axes", "fn", "arg"))
        axes = self.axes(spec["axes"], lambda position, label, size: place(position, size))
        shape = tuple(index[2] for index in axes.values())
        body = self.expression(spec["expr" if function is None else "arg"], axes, what)
        if function is not None:
            body = self.ring.atom(_choice(function, f"the function of {what}", FUNCTIONS), body, shape, known)
        self.shapes[known] = shape
        self.bodies[known] = body

    def body(self, raw: Any, what: str) -> Expression:
        """A letter or a definition, over its places."""
        known = text(raw, what)
        if known in self.bodies:
            return self.bodies[known]
        if known in self.letters:
            return self.ring.at_places(self.letters[known])
        raise Rejected("statement", f"{what} is {show(known)}, expected a letter or a definition")

    # -- expressions ---------------------------------------------------------------------------------------

    def expression(self, raw: Any, axes: Axes, what: str) -> Expression:
        """A list of terms [coefficient, [[name, [index, ...], exponent], ...]], with its definitions expanded."""
        total: Expression = {}
        for term in listing(raw, what):
            self.ring.accumulate(total, self._term(term, axes, what))
        return self.ring.bounded(total)

    def _term(self, raw: Any, axes: Axes, what: str) -> Expression:
        ring = self.ring
        coefficient, factors = listing(raw, f"a term of {what}", 2)
        number = rational(coefficient, f"a coefficient of {what}")
        if not number:
            return {}
        parts: list[tuple[str, list[str], int]] = []
        for factor in listing(factors, f"the factors of a term of {what}"):
            known, labels, exponent = listing(factor, f"a factor of {what}", 3)
            labels = [name(label, f"an index of {what}") for label in listing(labels, f"the indices in {what}")]
            integer(exponent, f"an exponent of {what}", -MAX_EXPONENT, MAX_EXPONENT)
            if exponent == 0:
                raise Rejected("statement", f"{what} has a factor with exponent 0")
            parts.append((text(known, f"a factor of {what}"), labels, exponent))
        if sum(abs(exponent) for _, _, exponent in parts) > 4 * MAX_EXPONENT:
            raise Rejected("limit", f"a term of {what} has a degree beyond {4 * MAX_EXPONENT}")
        indices = self._indices(parts, axes, what)
        plain: list[Factor] = []
        product: Expression = {(): {0: number}}
        for known, labels, exponent in parts:
            at = tuple(indices[label] for label in labels)
            if known == "delta":
                if exponent < 1:
                    raise Rejected("statement", f"delta has a negative exponent in {what}")
                plain.append((DELTA, at, 1))
            elif known.startswith("#"):
                product = ring.multiply(product, self._count(known, exponent))
            elif known in self.letters:
                letter = self.letters[known]
                if exponent < 0 and not ring.nonzero(letter):
                    raise Rejected("statement", f"{what} divides by {known!r}, which is not declared nonzero")
                if at:
                    plain.append((letter, at, exponent))
                else:
                    product = ring.multiply(product, ring.factor(letter, (), exponent))
            else:
                shape, body = self.shapes[known], self.bodies[known]
                if exponent < 0:
                    body = ring.reciprocal(body, shape, known)
                product = ring.multiply(product, ring.power(ring.at(body, shape, at), abs(exponent)))
        summed = [index for label, index in indices.items() if label not in axes]
        return ring.closed(ring.multiply(product, ring.term(plain, (), {0: 1})), summed)

    def _indices(self, parts: list[tuple[str, list[str], int]], axes: Axes, what: str) -> Axes:
        """The index of each label of a term: an axis, or a private one that is to be summed over its range."""
        sizes = {label: index[2] for label, index in axes.items()}
        deltas: list[list[str]] = []
        for known, labels, _ in parts:
            if known == "delta":
                deltas.append(listing(labels, f"the indices of delta in {what}", 2))
                continue
            shape = () if known.startswith("#") else self.shapes.get(known)
            if shape is None:
                raise Rejected("statement", f"{what} uses {show(known)}, which is no letter and no earlier definition")
            if len(labels) != len(shape):
                raise Rejected("statement", f"{what} gives {known!r} {len(labels)} indices, expected {len(shape)}")
            for label, size in zip(labels, shape, strict=True):
                if sizes.setdefault(label, size) != size:
                    raise Rejected("statement", f"in {what} the index {label!r} runs over {sizes[label]} and {size}")
        for _ in deltas:  # a delta passes a size on, at most once through each
            for first, second in deltas:
                size = sizes.get(first, sizes.get(second))
                if size is not None and (sizes.setdefault(first, size), sizes.setdefault(second, size)) != (size, size):
                    raise Rejected("statement", f"in {what} delta joins the ranges {sizes[first]} and {sizes[second]}")
        for pair in deltas:
            for label in pair:
                if label not in sizes:
                    raise Rejected("statement", f"in {what} nothing gives the range of the index {label!r}")
        return {label: axes.get(label) or self.ring.fresh(size) for label, size in sizes.items()}

    def _count(self, known: str, exponent: int) -> Expression:
        size = self.size(known[1:])
        if size.isdigit():
            whole: Expression = {(): {0: int(size)}}
            return self.ring.power(whole if exponent > 0 else self.ring.reciprocal(whole, (), known), abs(exponent))
        return self.ring.factor(self.ring.size(size), (), exponent)

    # -- hypotheses ----------------------------------------------------------------------------------------

    def _state_letters(self) -> frozenset[int]:
        """The letters that move in some flow."""
        found = set()
        for spec in listing(self.raw.get("flows", []), "flows"):
            for key in ("state", "explicit"):
                for letter in mapping(mapping(spec, "a flow").get(key, {}), key):
                    found.add(self._letter(letter, f"a letter of {key}"))
            for letter in mapping(spec.get("velocity", {}), "velocity").values():
                found.add(self._letter(letter, "a velocity"))
        return frozenset(found)

    def _letter(self, raw: Any, what: str) -> int:
        if not isinstance(raw, str) or raw not in self.letters:
            raise Rejected("statement", f"{what} is {show(raw)}, expected a letter")
        return self.letters[raw]

    def _relations(self, rewrites: list[Any]) -> list[Rule]:
        """The rules for the hypotheses. They speak of constants: no letter that moves may occur in them."""
        self.relation_axes: dict[str, Axes] = {}
        self.relations: dict[str, Expression] = {}
        relations = self.relations
        self.orthogonal: list[int] = []
        rules: list[Rule] = []
        for spec in listing(self.raw.get("relations", []), "relations"):
            known = name(mapping(spec, "a relation").get("name"), "the name of a relation")
            what = f"relation {known!r}"
            if known in self.relation_axes:
                raise Rejected("statement", f"the relation {known!r} is given twice")
            self.relation_axes[known] = {}
            if "orthogonal" in spec:
                fields(spec, what, ("name", "orthogonal"))
                letter = self._letter(spec["orthogonal"], what)
                shape = self.ring.letters[letter].shape
                if len(shape) != 2 or shape[0] != shape[1]:
                    raise Rejected("statement", f"{what} calls a letter orthogonal that is not square")
                moving = {letter} & self.state
                self.orthogonal.append(letter)
                rules += orthogonality(self.ring, letter)
            else:
                fields(spec, what, ("name", "axes", "expr"))
                axes = self.axes(spec["axes"], lambda position, label, size: free(label, size))
                self.relation_axes[known] = axes
                relations[known] = self.expression(spec["expr"], axes, what)
                letters = inside(self.ring, relations[known])
                moving = letters & self.state
                if all(self.ring.letters[letter].kind == "size" for letter in letters):
                    raise Rejected("relation", f"{what} is about sizes only")
            if moving:
                shown = sorted(self.ring.letters[letter].name for letter in moving)
                raise Rejected("relation", f"{what} contains {shown[0]!r}, which moves: hypotheses are about constants")
        self.later_rewrites: list[tuple[tuple[str, ...], list[Any], Any]] = []  # of relations between goals
        for raw in rewrites:
            rewrite = fields(raw, "a rewrite", ("lead",), ("relation", "combination"))
            if "combination" in rewrite:
                parts = [
                    listing(part, "a part of a combination", 2) for part in listing(rewrite["combination"], "parts")
                ]
                names = tuple(text(part[1], "the relation of a part") for part in parts)
                self.later_rewrites.append((names, [part[0] for part in parts], rewrite["lead"]))
                continue
            known = text(rewrite.get("relation"), "the relation of a rewrite")
            if known in relations:
                rules.append(self.rule(known, relations[known], self.relation_axes[known], rewrite["lead"]))
            else:
                self.later_rewrites.append(((known,), [[["1", []]]], rewrite["lead"]))
        return rules

    def rule(self, known: str, relation: Expression, axes: Axes, lead: Any) -> Rule:
        """The rule that rewrites the term `lead` of a relation."""
        return rule_from(self.ring, relation, self.expression([lead], axes, f"the lead of {known!r}"), known)

    # -- flows ---------------------------------------------------------------------------------------------

    def _flow(self, raw: Any, number: int) -> Flow:
        what = f"flow {number}"
        optional = ("outputs", "objective", "decay", "explicit", "initial", "velocity", "friction")
        spec = fields(raw, what, ("state",), optional)
        ring = self.ring
        loss: Expression = {}
        outputs: list[tuple[Expression, int]] = []
        held: dict[int, Expression] = {}
        unknown: set[int] = set()
        for pair in listing(spec.get("outputs", []), f"the outputs of {what}"):
            f, r = listing(pair, f"an output of {what}", 2)
            body = self.body(f, f"an output of {what}")
            weight = self.body(r, f"dLoss/df of {what}")
            shape = self.shapes[f]
            if self.shapes[r] != shape:
                raise Rejected("statement", f"in {what} the shapes of {f!r} and {r!r} differ")
            if r in self.letters:
                letter = self.letters[r]
                unknown.add(letter)
            else:
                if r not in self.held:
                    self.held[r] = ring.new(Letter(r, shape, "definition"))
                letter = self.held[r]
                held[letter] = weight
            outputs.append((body, letter))
            paired = ring.multiply(ring.at_places(letter), body)
            places = [place(position, size) for position, size in enumerate(shape)]
            ring.accumulate(loss, ring.closed(paired, places))
        if spec.get("objective") is not None:
            if outputs:
                raise Rejected("statement", f"{what} has outputs and an objective")
            loss = self.body(spec["objective"], f"the objective of {what}")
            if self.shapes[spec["objective"]]:
                raise Rejected("statement", f"the objective of {what} is not a scalar")
        if unknown & self.state:
            raise Rejected("statement", f"in {what} a letter that moves stands for dLoss/df")
        decay = self.expression(spec.get("decay", []), {}, f"the decay of {what}")
        friction = self.expression(spec.get("friction", []), {}, f"the friction of {what}")
        velocities = mapping(spec.get("velocity", {}), f"the velocities of {what}")
        if not velocities.keys() <= mapping(spec["state"], f"the state of {what}").keys():
            raise Rejected("statement", f"{what} gives a velocity to a letter that is not in its state")
        rates: dict[int, Expression] = {}
        descents = gradients(ring, loss, [self._letter(known, f"a state letter of {what}") for known in spec["state"]])
        for (known, rate), (letter, descent) in zip(spec["state"].items(), descents.items(), strict=True):
            speed = self.expression(rate, {}, f"the rate of {known!r}")
            shrink = ring.multiply(decay, ring.at_places(letter))
            force = ring.bounded(ring.scale(ring.add(ring.multiply(speed, descent), shrink), -1))
            if known in velocities:
                # Second order: W' = V and V' = -friction V + force.
                velocity = self._letter(velocities[known], f"the velocity of {known!r}")
                if velocity in rates or self.ring.letters[velocity].shape != self.ring.letters[letter].shape:
                    raise Rejected("statement", f"in {what} the velocity of {known!r} is not a letter of its own shape")
                drag = ring.multiply(friction, ring.at_places(velocity))
                rates[velocity] = ring.bounded(ring.add(force, ring.scale(drag, -1)))
                force = ring.at_places(velocity)
            if letter in rates:
                raise Rejected("statement", f"in {what} the letter {known!r} has two equations")
            rates[letter] = force
        for known, value in mapping(spec.get("explicit", {}), f"the explicit part of {what}").items():
            letter = self._letter(known, f"an explicit letter of {what}")
            if letter in rates:
                raise Rejected("statement", f"in {what} the letter {known!r} has two equations")
            rates[letter] = self.body(value, f"the right-hand side of {known!r}")
            if self.shapes[value] != self.shapes[known]:
                raise Rejected("statement", f"in {what} the shapes of {known!r} and {value!r} differ")
        flow = Flow(rates, frozenset(unknown), held, outputs)
        for known, value in mapping(spec.get("initial", {}), f"the initial values of {what}").items():
            letter = self._letter(known, f"an initial value of {what}")
            if letter not in rates:
                raise Rejected("statement", f"{what} gives an initial value of {known!r}, which it does not move")
            flow.initial[letter] = self._initial(letter, value, flow, what)
        return flow

    def _initial(self, letter: int, raw: Any, flow: Flow, what: str) -> Expression:
        known = self.ring.letters[letter]
        body = self.body(raw, f"the initial value of {known.name!r}")
        if self.shapes[raw] != known.shape:
            raise Rejected("statement", f"in {what} the shapes of {known.name!r} and {raw!r} differ")
        if inside(self.ring, body) & (self.state | flow.unknown):
            raise Rejected("statement", f"in {what} the initial value of {known.name!r} is not a constant")
        self.check_sign(letter, body, f"the initial value of {known.name!r}")
        return body

    def check_sign(self, letter: int, body: Expression, what: str) -> None:
        """A letter with a declared sign may be replaced only by a monomial that is known to have it."""
        sign = self.ring.letters[letter].sign
        if sign == "any":
            return
        single = self.ring.monomial_of(body)
        if single is not None:
            frame, monomial, coefficient = single
            powers = self.ring.letters_of(frame, monomial)
            if sign == "nonzero" and all(self.ring.nonzero(number) for number, _ in powers):
                return
            if coefficient > 0 and all(self.ring.positive(number) for number, _ in powers):
                return
            same = all(e > 0 and self.ring.letters[number].sign == sign for number, e in powers)
            if coefficient > 0 and same:
                return
        raise Rejected("statement", f"{what} is not seen to be {sign}")

    # -- derivatives ---------------------------------------------------------------------------------------

    def expanded(self, flow: Flow, expression: Expression) -> Expression:
        """`expression` with every dLoss/df that has a definition replaced by it."""
        return Substitution(self.ring, dict(flow.held))(expression) if flow.held else expression

    def along(self, flow: Flow, expression: Expression) -> Expression:
        """The derivative of `expression` along a flow; a defined dLoss/df stays a letter (see `expanded`)."""
        unknown = set().union(*(other.unknown for other in self.flows))
        return Derivation(self.ring, flow.rates, unknown)(expression)


def _choice(value: Any, what: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise Rejected("statement", f"{what} is {show(value)}, expected one of {', '.join(allowed)}")
    return value
