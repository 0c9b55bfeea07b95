"""What a certificate speaks about: letters, definitions, hypotheses and flows.

The field of a gradient flow is computed here, by the kernel's own chain rule, from the outputs that the
statement names. Nothing that a derivation engine found is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .algebra import DELTA, ONE, Expression, Index, Letter, Power, free, places
from .calculus import Derivation, Substitution, gradients, inside
from .document import (
    MAX_EXPONENT,
    Budget,
    Coefficient,
    Rejected,
    choice,
    fields,
    integer,
    listing,
    mapping,
    name,
    rational,
    require,
    show,
    text,
)
from .functions import FUNCTIONS, Calculus

Axes = dict[str, Index]


def place_axes(shape: tuple[str, ...]) -> Axes:
    """The places of an array as axes, for a statement about each of its entries."""
    return {f"at{position}": index for position, index in enumerate(places(shape))}


SIGNS = ("any", "nonzero", "positive", "nonnegative")
OPTIONAL = ("sizes", "define", "gates", "step_at_zero", "flows", "relations")
FLOW = ("outputs", "decay", "explicit", "initial", "velocity", "friction")


@dataclass
class Flow:
    """An ordinary differential equation: `rates[letter]` is the derivative of a state letter, over its places."""

    rates: dict[int, Expression]
    unknown: set[int]  # letters r that stand for dLoss/df of an arbitrary loss
    held: dict[int, Expression]  # letters that stand for a *defined* dLoss/df, and their definitions
    outputs: list[tuple[Expression, int]]  # (f over its places, its r)
    initial: dict[int, Expression] = field(default_factory=dict)


class Statement:
    """The parsed statement. Raises Rejected where it makes no sense."""

    def __init__(self, raw: Any, budget: Budget) -> None:
        self.raw = fields(raw, "the statement", ("letters", "goals"), OPTIONAL)
        self.ring = Calculus(budget)
        self.ring.binary_gates = choice(raw.get("gates", "any"), "gates", ("any", "binary")) == "binary"
        self.numbers = {
            name(size, "a size"): str(integer(value, f"size {size}", 1, 10**6))
            for size, value in mapping(raw.get("sizes", {}), "sizes").items()
        }
        self.used_sizes: dict[str, None] = {}
        self.letters: dict[str, int] = {}
        self.shapes: dict[str, tuple[str, ...]] = {}  # of letters and definitions
        self.bodies: dict[str, Expression] = {}  # of definitions, over their places
        for letter, spec in mapping(raw["letters"], "letters").items():
            self._declare(letter, spec)
        for spec in listing(raw.get("define", []), "define"):
            self.define(spec)
        self.held: dict[str, int] = {}
        self.flows = [self._flow(spec, f"flow {n}") for n, spec in enumerate(listing(raw.get("flows", []), "flows"))]
        self.state = frozenset(letter for flow in self.flows for letter in flow.rates)
        for n, flow in enumerate(self.flows):
            self._start(flow, raw["flows"][n].get("initial", {}), f"flow {n}")
        for r, number in self.held.items():  # from now on its derivative is that of its definition
            self.ring.letters[number].argument = self.bodies[r]
            self.shapes[f"~{r}"], self.bodies[f"~{r}"] = self.shapes[r], self.ring.over_places(number)
        self.relations: dict[str, tuple[Axes, Expression]] = {}  # what is 0, by assumption
        for spec in listing(raw.get("relations", []), "relations"):
            self._relate(spec)
        for number in sorted(self.state.union(*(flow.unknown for flow in self.flows))):
            letter = self.ring.letters[number]
            if letter.sign != "any":
                self.ring.domain[f"{letter.name} is {letter.sign} throughout"] = None

    def scope(self, chosen: Mapping[str, int] | None = None) -> str:
        """The sizes that are numbers, or "all sizes"; "no sizes" for a statement about scalars only.

        `chosen` are the sizes at which a counterexample lives.
        """
        numbers = {**self.numbers, **{size: str(number) for size, number in (chosen or {}).items()}}
        fixed = [f"{size}={number}" for size, number in sorted(numbers.items())]
        bare = {size for size in self.used_sizes if size.isdigit()} - set(self.numbers.values())
        return ", ".join(fixed + sorted(bare, key=int)) or ("all sizes" if self.used_sizes else "no sizes")

    # -- letters and definitions ---------------------------------------------------------------------------

    def size(self, raw: Any) -> str:
        """A size: a declared or symbolic name, or a decimal number."""
        if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) <= 6 and raw[0] != "0":
            size = raw
        else:
            size = self.numbers.get(name(raw, "a size"), raw)
        self.used_sizes[size] = None
        return size

    def axes(self, raw: Any) -> Axes:
        """The axes [[label, size], ...] of an array, as free indices."""
        axes: Axes = {}
        for pair in listing(raw, "axes"):
            label, size = listing(pair, "an axis", 2)
            require(name(label, "an index") not in axes, "statement", f"the axis {label!r} appears twice")
            axes[label] = free(label, self.size(size))
        return axes

    def _declare(self, letter: str, raw: Any) -> None:
        spec = fields(raw, f"letter {name(letter, 'a letter')!r}", ("shape",), ("sign",))
        sign = choice(spec.get("sign", "any"), f"the sign of {letter!r}", SIGNS)
        require(letter != "delta", "statement", "'delta' is Kronecker's delta and no letter")
        self.shapes[letter] = tuple(self.size(size) for size in listing(spec["shape"], f"the shape of {letter!r}"))
        self.letters[letter] = self.ring.new(Letter(letter, self.shapes[letter], "letter", sign))

    def define(self, raw: Any) -> tuple[str, Axes]:
        """Read a definition, by an expression or as a function of one; returns its name and axes."""
        spec = mapping(raw, "a definition")
        known = name(spec.get("name"), "the name of a definition")
        what, inner = f"definition {known!r}", "arg" if "fn" in spec else "expr"
        require(known not in self.shapes and known != "delta", "statement", f"the name {known!r} is given twice")
        fields(spec, what, ("name", "axes", inner), ("fn",))
        axes = self.axes(spec["axes"])
        shape, body = self.array(axes, self.expression(spec[inner], axes, what))
        if "fn" in spec:
            body = self.ring.atom(choice(spec["fn"], f"the function of {what}", FUNCTIONS), body, shape, known)
        self.shapes[known], self.bodies[known] = shape, body
        return known, axes

    def array(self, axes: Axes, expression: Expression) -> tuple[tuple[str, ...], Expression]:
        """The shape of an array with these axes, and an expression in them over the places of that shape."""
        shape = tuple(index[2] for index in axes.values())
        return shape, self.ring.rename(expression, dict(zip(axes.values(), places(shape), strict=True)))

    def letter(self, raw: Any, what: str) -> int:
        known = isinstance(raw, str) and raw in self.letters
        require(known, "statement", f"{what} is {show(raw)}, expected a letter")
        return self.letters[raw]

    def body(self, raw: Any, what: str, like: str | None = None) -> Expression:
        """A letter or a definition, over its places; of the shape of `like`, if that is given."""
        known = text(raw, what) in self.shapes
        require(known, "statement", f"{what} is {show(raw)}, expected a letter or a definition")
        fits = like is None or self.shapes[raw] == self.shapes[like]
        require(fits, "statement", f"{what}: the shapes of {like!r} and {raw!r} differ")
        return self.bodies[raw] if raw in self.bodies else self.ring.over_places(self.letters[raw])

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
        product = ring.scale(ONE, rational(coefficient, f"a coefficient of {what}"))
        parts = [self._factor(factor, what) for factor in listing(factors, f"the factors of a term of {what}")]
        degree = sum(abs(exponent) for _, _, exponent in parts)
        require(degree <= 4 * MAX_EXPONENT, "limit", f"a term of {what} has a degree beyond {4 * MAX_EXPONENT}")
        indices = self._indices(parts, axes, what)
        plain: list[Power] = []
        for known, labels, exponent in parts:
            at = tuple(indices[label] for label in labels)
            if known == "delta" or known in self.letters:
                letter = self.letters.get(known, DELTA)
                divides = exponent > 0 or ring.nonzero(letter)
                require(divides, "statement", f"{what} divides by {known!r}, which is not declared nonzero")
                plain.append((letter, at, exponent))
            else:
                shape = self.shapes.get(known, ())
                body = self.bodies[known] if known in self.bodies else ring.size(self.size(known[1:]))
                product = ring.multiply(product, ring.instance(body, shape, at, exponent, known))
        summed = tuple(index for label, index in indices.items() if label not in axes)
        return ring.closed(ring.multiply(product, ring.term(*plain)), summed)

    def _factor(self, raw: Any, what: str) -> tuple[str, list[str], int]:
        """The name, the labels of the indices, and the exponent."""
        known, labels, exponent = listing(raw, f"a factor of {what}", 3)
        labels = [name(label, f"an index of {what}") for label in listing(labels, f"the indices in {what}")]
        integer(exponent, f"an exponent of {what}", -MAX_EXPONENT, MAX_EXPONENT)
        require(exponent, "statement", f"{what} has a factor with exponent 0")
        require(known != "delta" or exponent > 0, "statement", f"delta has a negative exponent in {what}")
        return text(known, f"a factor of {what}"), labels, exponent

    def _indices(self, parts: list[tuple[str, list[str], int]], axes: Axes, what: str) -> Axes:
        """The index of each label of a term: an axis, or one that is to be summed over its range."""
        sizes = {label: index[2] for label, index in axes.items()}

        def joined(label: str, size: str) -> None:
            fits = sizes.setdefault(label, size) == size
            require(fits, "statement", f"in {what} the index {label!r} runs over {sizes[label]} and {size}")

        pairs = [labels for known, labels, _ in parts if known == "delta"]
        deltas = [listing(pair, f"the indices of delta in {what}", 2) for pair in pairs]
        for known, labels, _ in parts:
            if known != "delta":
                fine = known.startswith("#") or known in self.shapes
                require(fine, "statement", f"{what} uses {show(known)}, which is no letter and no earlier definition")
                shape = self.shapes.get(known, ())
                fits, given = len(labels) == len(shape), f"{what} gives {known!r} {len(labels)} indices"
                require(fits, "statement", f"{given}, expected {len(shape)}")
                for label, size in zip(labels, shape, strict=True):
                    joined(label, size)
        for pair in deltas * len(deltas):  # a delta passes a size on, at most once through each
            for size in [sizes[label] for label in pair if label in sizes]:
                joined(pair[0], size)
                joined(pair[1], size)
        for label in {label for pair in deltas for label in pair} - sizes.keys():
            raise Rejected("statement", f"in {what} nothing gives the range of the index {label!r}")
        return {label: axes.get(label, free(label, size)) for label, size in sizes.items()}

    # -- hypotheses ----------------------------------------------------------------------------------------

    def _relate(self, raw: Any) -> None:
        """A hypothesis speaks of constants: no letter that moves may occur in it."""
        spec = fields(raw, "a relation", ("name", "axes", "expr"))
        known, axes = name(spec["name"], "the name of a relation"), self.axes(spec["axes"])
        require(known not in self.relations, "statement", f"the relation {known!r} is given twice")
        relation = self.expression(spec["expr"], axes, f"relation {known!r}")
        letters = inside(self.ring, relation)
        sizes = all(self.ring.letters[letter].kind == "size" for letter in letters)
        require(not sizes, "relation", f"relation {known!r} is about sizes only")
        for letter in letters & self.state:
            moving = self.ring.letters[letter].name
            raise Rejected("relation", f"relation {known!r} contains {moving!r}, which moves: it has to be constant")
        self.relations[known] = axes, relation

    # -- flows ---------------------------------------------------------------------------------------------

    def _flow(self, raw: Any, what: str) -> Flow:
        """W' = -(rate * dLoss/dW + decay * W), W' = V with V' = that - friction * V, or W' = what is stated."""
        ring, spec = self.ring, fields(raw, "a flow", ("state",), FLOW)
        flow = Flow({}, set(), {}, [])
        speeds, explicit = mapping(spec["state"], "state"), mapping(spec.get("explicit", {}), "explicit")
        velocities = mapping(spec.get("velocity", {}), "velocity")
        fits = velocities.keys() <= speeds.keys()
        require(fits, "statement", f"{what} gives a velocity to a letter that is not in its state")
        decay = self.expression(spec.get("decay", []), {}, f"the decay of {what}")
        friction = self.expression(spec.get("friction", []), {}, f"the friction of {what}")
        moved = [self.letter(known, "a letter that moves") for known in (*speeds, *explicit, *velocities.values())]
        require(len(set(moved)) == len(moved), "statement", f"in {what} a letter has two equations")
        descents = gradients(ring, self._loss(spec, flow, what), moved[: len(speeds)])
        for known, rate in speeds.items():
            letter, speed = self.letters[known], self.expression(rate, {}, f"the rate of {known!r}")
            shrink = ring.multiply(decay, ring.over_places(letter))
            force = ring.scale(ring.add(ring.multiply(speed, descents[letter]), shrink), -1)
            if known in velocities:
                velocity = self.body(velocities[known], f"in {what} the velocity of {known!r}", known)
                accelerated = ring.minus(force, ring.multiply(friction, velocity))
                flow.rates[self.letters[velocities[known]]] = ring.bounded(accelerated)
                force = velocity
            flow.rates[letter] = ring.bounded(force)
        for known, value in explicit.items():
            flow.rates[self.letters[known]] = self.body(value, f"in {what} the right-hand side of {known!r}", known)
        return flow

    def _loss(self, spec: dict[str, Any], flow: Flow, what: str) -> Expression:
        """An expression with the gradient of the loss: sum of r f over the outputs f, with r = dLoss/df held fixed.

        A loss that is given by a formula is an output itself, with r = 1.
        """
        ring, loss = self.ring, dict[int, Coefficient]()
        for pair in listing(spec.get("outputs", []), f"the outputs of {what}"):
            f, r = listing(pair, f"an output of {what}", 2)
            output, weight = self.body(f, f"an output of {what}"), self.body(r, f"dLoss/df of {what}", f)
            if r in self.letters:
                letter = self.letters[r]
                flow.unknown.add(letter)
            else:
                if r not in self.held:
                    self.held[r] = ring.new(Letter(f"~{r}", self.shapes[f], "held"))
                letter = self.held[r]
                flow.held[letter] = weight
            flow.outputs.append((output, letter))
            ring.accumulate(loss, ring.closed(ring.multiply(ring.over_places(letter), output), places(self.shapes[f])))
        return loss

    def _start(self, flow: Flow, raw: Any, what: str) -> None:
        """Where the runs of a flow start."""
        moving = flow.unknown & self.state
        require(not moving, "statement", f"in {what} a letter that moves stands for dLoss/df")
        for known, value in mapping(raw, f"the initial values of {what}").items():
            letter = self.letter(known, f"an initial value of {what}")
            moves = letter in flow.rates
            require(moves, "statement", f"{what} gives an initial value of {known!r}, which it does not move")
            flow.initial[letter] = body = self.body(value, f"in {what} the initial value of {known!r}", known)
            fixed = not inside(self.ring, body) & (self.state | flow.unknown)
            require(fixed, "statement", f"in {what} the initial value of {known!r} is not a constant")
            self.check_sign(letter, body, f"the initial value of {known!r}")

    def check_sign(self, letter: int, body: Expression, what: str) -> None:
        """A letter with a declared sign may be replaced only by what is seen to have it."""
        sign = self.ring.letters[letter].sign
        require(self.ring.has_sign(body, sign), "statement", f"{what} is not seen to be {sign}")

    # -- derivatives ---------------------------------------------------------------------------------------

    def expanded(self, flow: Flow, expression: Expression) -> Expression:
        """`expression` with every dLoss/df that has a definition replaced by it."""
        return Substitution(self.ring, flow.held)(expression) if flow.held else expression

    def along(self, flow: Flow, expression: Expression) -> Expression:
        """The derivative of `expression` along a flow; a defined dLoss/df stays a letter (see `expanded`)."""
        unknown: Iterable[int] = set().union(*(other.unknown for other in self.flows))
        return Derivation(self.ring, flow.rates, unknown)(expression)
