"""Proofs of goals: bring the formula to a normal form; zero is a proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from theorylab.claims.base import Conjugates, Conserved, Evolves, Goal, NonNegative, Zero
from theorylab.derive.inequality import is_inequality, show_nonnegative, signed
from theorylab.derive.relations import hypotheses, solve
from theorylab.derive.signs import Piece
from theorylab.derive.squares import is_nonnegative, is_positive
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, is_number
from theorylab.readings.domain import ASSUMED, Demand, demands
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import call
from theorylab.readings.polynomial import Rule


@dataclass(frozen=True)
class Demanded:
    """What a formula takes for granted: an entry is "≠ 0" or "> 0"."""

    assumed: str
    entry: po.Polynomial


@dataclass
class Attempt:
    """A goal in one reading: its formula, what is left of it in normal form, and the rules that were used.

    For an inequality the residue is what has to be nonnegative, and `pieces` holds a proof for each part by its name.
    `demands` is what the formulas take for granted, where their letters do not show it.
    """

    goal: Goal
    world: World
    value: Array
    residue: list[Component]
    rules: list[Rule] = field(default_factory=list)
    demands: list[Demanded] = field(default_factory=list)
    pieces: dict[str, tuple[Piece, ...]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        if is_inequality(self.goal):
            return len(self.pieces) == len(self.residue)
        return not any(c.entry for c in self.residue)


def formula_of(goal: Goal, world: World) -> Array:
    """The array that the goal compares with zero."""
    match goal:
        case Conserved():
            return world.lie(world.evaluate(goal.formula))
        case Evolves():
            return world.lie(world.evaluate(goal.formula)) - world.evaluate(goal.rate)
        case Zero() | NonNegative():
            return world.evaluate(goal.formula)
    raise UnsupportedReading(f"a goal of kind {type(goal).__name__} is not an identity")


def conjugacy_gaps(goal: Conjugates, world: World) -> dict[str, Array]:
    """field_b(map(p)) * time - D map(p) . field_a(p), for each state array of the flow b."""
    p, c = world.view
    if not goal.unique and World(goal.to, world.dims).reads_start:
        raise UnsupportedReading(
            f"the field of {goal.to.name!r} depends on its own start, which is the image of this one"
        )
    image = call(goal.map, p, c)
    clock = world.time if is_number(goal.time) and goal.time == 1 else None
    there = goal.to.field(*goal.to.view(image, world.case, clock))
    if goal.unique and not all(world.is_smooth(value) for value in there.values()):
        raise UnsupportedReading("where a field is not smooth, a solution need not be the only one")
    speed = world.array(goal.time(c) if callable(goal.time) else goal.time)
    return {n: there[n] * speed - world.lie(world.lift(image[n], there[n])) for n in goal.to.state}


PRODUCTS = 600_000


def part_name(number: int, component: Component) -> str:
    """The name of one component of goal `number`, in rules and in certificates."""
    return f"goal_{number}" + "".join(f"_{i}" for i in component.index or ())


def prove(goals: Sequence[Goal], dims: Dims | None) -> list[Attempt]:
    """Try every goal in order, for all sizes (dims=None) or at given ones; conserved goals become rules for later ones.

    Raises UnsupportedReading where a formula has no form in this reading or is too large to expand.
    """
    token = po.budget.set(po.Budget(PRODUCTS))
    try:
        return _prove(goals, dims)
    finally:
        po.budget.reset(token)


def _prove(goals: Sequence[Goal], dims: Dims | None) -> list[Attempt]:
    world_of: dict[int, World] = {}
    attempts: list[Attempt] = []
    conserved: list[Rule] = []
    for goal in goals:
        with demands() as found:
            attempt = _attempt(goal, dims, world_of, len(attempts), conserved)
        attempt.demands = list(_unseen(found, attempt.world))
        attempts.append(attempt)
    return attempts


def _unseen(found: Sequence[Demand], world: World) -> Iterator[Demanded]:
    """What formulas demand of entries whose signs the letters do not show, each once."""
    known: set[tuple[str, str]] = set()
    for function, argument in found:
        for component in world.components(argument):
            assumed = ASSUMED[function]
            if not component.entry and function in ("sqrt", "sign"):  # which have a value at 0
                continue
            if not component.entry or (assumed == "> 0" and _seen(-component.entry, assumed)):
                raise UnsupportedReading(f"a formula takes {function} of an expression that is never {assumed}")
            if _seen(component.entry, assumed):
                continue
            entry = _argument(function, component.entry)
            if (assumed, entry.key) not in known:
                known.add((assumed, entry.key))
                yield Demanded(assumed, entry)


def _argument(function: str, entry: po.Polynomial) -> po.Polynomial:
    """The argument as its atom has it, without factors of known sign, so that equal demands are one."""
    atoms = [s for s in po.atom(function, entry).symbols() if s.function == function and s.argument is not None]
    return atoms[0].argument if len(atoms) == 1 and atoms[0].argument is not None else entry


def _seen(p: po.Polynomial, assumed: str) -> bool:
    """Whether the signs of its letters show that a polynomial is positive, or not 0."""
    if all(c > 0 and is_nonnegative(m) for m, c in p.terms.items()):
        return any(map(is_positive, p.terms))
    (m, *others) = p.terms
    return assumed != "> 0" and not others and not po.dummy_count(m) and all(s.nonzero or e < 0 for s, _, e in m)


def _attempt(goal: Goal, dims: Dims | None, world_of: dict[int, World], number: int, conserved: list[Rule]) -> Attempt:
    """One goal after others; what they conserve is in `conserved`, and so is then what this one does."""
    if id(goal.subject) not in world_of:
        world_of[id(goal.subject)] = World(goal.subject, dims)
    world = world_of[id(goal.subject)]
    rules = [*hypotheses(world), *conserved]
    if isinstance(goal, Conjugates):
        gaps = conjugacy_gaps(goal, world)
        parts = [c for gap in gaps.values() for c in world.components(gap)]
        value = next(iter(gaps.values()))
    else:
        value = formula_of(goal, world)
        parts = world.components(value)
    if is_inequality(goal):
        return _inequality(goal, world, value, parts, rules, number)
    binary = world.binary_gates
    residue = [Component(po.normal_form(c.entry, rules, binary_gates=binary), c.axes, c.index) for c in parts]
    attempt = Attempt(goal, world, value, residue, rules)
    if isinstance(goal, Conserved) and attempt.holds:
        with demands():  # at the start it demands what it does at every state
            change = world.evaluate(goal.formula) - world.at_start(goal.formula)
        for component in world.components(change):
            if component.entry:
                name = part_name(number, component)
                conserved.append(solve(name, component.entry, set(world.state), conserved))
    return attempt


def _inequality(
    goal: Goal, world: World, value: Array, parts: Sequence[Component], rules: list[Rule], number: int
) -> Attempt:
    attempt = Attempt(goal, world, value, [], rules)
    for part in parts:
        reduced = po.normal_form(part.entry, rules, cleared=False, binary_gates=world.binary_gates)
        component = Component(signed(goal, reduced), part.axes, part.index)
        attempt.residue.append(component)
        pieces = show_nonnegative(goal, world, component, rules)
        if pieces is not None:
            attempt.pieces[part_name(number, component)] = pieces
    return attempt
