"""Proofs of goals: bring the formula to a normal form; zero is a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from theorylab.claims.base import Conjugates, Conserved, Evolves, Goal, NonNegative, Zero
from theorylab.derive.inequality import is_inequality, show_nonnegative, signed
from theorylab.derive.relations import hypotheses, solve
from theorylab.derive.signs import Piece
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, is_number
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import call
from theorylab.readings.polynomial import Rule


@dataclass
class Attempt:
    """A goal in one reading: its formula, what is left of it in normal form, and the rules that were used.

    For an inequality the residue is what has to be nonnegative, and `pieces` holds a proof for each part by its name.
    """

    goal: Goal
    world: World
    value: Array
    residue: list[Component]
    rules: list[Rule] = field(default_factory=list)
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
            attempts.append(_inequality(goal, world, value, parts, rules, len(attempts)))
            continue
        binary = world.binary_gates
        residue = [Component(po.normal_form(c.entry, rules, binary_gates=binary), c.axes, c.index) for c in parts]
        attempts.append(Attempt(goal, world, value, residue, rules))
        if isinstance(goal, Conserved) and attempts[-1].holds:
            change = world.evaluate(goal.formula) - world.at_start(goal.formula)
            for component in world.components(change):
                if component.entry:
                    name = part_name(len(attempts) - 1, component)
                    conserved.append(solve(name, component.entry, set(world.state), conserved))
    return attempts


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
