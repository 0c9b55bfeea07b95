"""Proofs of goals: bring the formula to a normal form; zero is a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from theorylab.claims.base import Conjugates, Conserved, Evolves, Goal, Zero
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import call
from theorylab.readings.polynomial import Polynomial, Rule


@dataclass
class Attempt:
    """A goal in one reading: its formula, what is left of it in normal form, and the rules that were used."""

    goal: Goal
    world: World
    value: Array
    residue: list[Component]
    rules: list[Rule] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(c.entry for c in self.residue)


def lead_of(p: Polynomial, prefer: set[str]) -> po.Monomial:
    """The term of a relation that it is solved for: the one with most preferred letters, then of highest degree."""

    def rank(m: po.Monomial) -> tuple[int, int, int, str]:
        plain = all(e > 0 and s.argument is None and s.name[0] != "#" for s, _, e in m)
        preferred = sum(e for s, _, e in m if s.name.split("[")[0] in prefer)
        return (plain, preferred, sum(e for _, _, e in m if e > 0), repr(m))

    return max(p.terms, key=rank)


def rule_from(name: str, p: Polynomial, prefer: set[str]) -> Rule:
    """The rewrite rule lead -> rest, from p = 0."""
    lead = lead_of(p, prefer)
    rest = Polynomial({m: c for m, c in p.terms.items() if m != lead})
    return Rule(name, lead, rest.scale(Fraction(-1) / p.terms[lead]))


def relation_rules(world: World) -> list[Rule]:
    """Rules from the hypotheses that the reading could not enforce."""
    rules: list[Rule] = []
    for assumption, residual in world.relations:
        for component in world.components(world.array(residual)):
            if not component.entry:
                continue
            rules.append(rule_from(assumption.name, component.entry, set()))
            transposed = orthogonal_letter(component.entry)
            if transposed is not None:
                rules.append(_column_rule(assumption.name, transposed))
    return rules


def orthogonal_letter(p: Polynomial) -> po.Symbol | None:
    """The letter M if p is M M' - I for a square M, else None."""
    square = [s for s in p.symbols() if s.argument is None and len(s.sizes) == 2 and s.sizes[0] == s.sizes[1] and s.name != "delta"]
    for s in square:
        product = Polynomial({po.canonical([(s, (0, -1), 1), (s, (1, -1), 1)])[1]: 1})
        if p == product - Polynomial({((po.delta(s.sizes[0]), (0, 1), 1),): 1}):
            return s
    return None


def _column_rule(name: str, s: po.Symbol) -> Rule:
    """M' M = I follows from M M' = I for a square matrix."""
    lead = po.canonical([(s, (-1, 0), 1), (s, (-1, 1), 1)])[1]
    return Rule(name, lead, Polynomial({((po.delta(s.sizes[0]), (0, 1), 1),): 1}))


def formula_of(goal: Goal, world: World) -> Array:
    """The array that is zero exactly if the goal holds."""
    match goal:
        case Conserved():
            return world.lie(world.evaluate(goal.formula))
        case Evolves():
            return world.lie(world.evaluate(goal.formula)) - world.evaluate(goal.rate)
        case Zero():
            return world.evaluate(goal.formula)
    raise UnsupportedReading(f"a goal of kind {type(goal).__name__} is not an identity")


def conjugacy_gaps(goal: Conjugates, world: World) -> dict[str, Array]:
    """field_b(map(p)) * time - D map(p) . field_a(p), for each state array of the flow b."""
    p, c = world.view
    image = call(goal.map, p, c)
    there = goal.to.field(*goal.to.view(image, world.case))
    speed = world.array(goal.time(c) if callable(goal.time) else goal.time)
    return {n: there[n] * speed - world.lie(world.lift(image[n], there[n])) for n in goal.to.state}


PRODUCTS = 600_000


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
        rules = [*relation_rules(world), *conserved]
        if isinstance(goal, Conjugates):
            gaps = conjugacy_gaps(goal, world)
            parts = [c for gap in gaps.values() for c in world.components(gap)]
            value = next(iter(gaps.values()))
        else:
            value = formula_of(goal, world)
            parts = world.components(value)
        residue = [Component(po.normal_form(c.entry, rules), c.axes, c.index) for c in parts]
        attempts.append(Attempt(goal, world, value, residue, rules))
        if isinstance(goal, Conserved) and attempts[-1].holds:
            change = world.evaluate(goal.formula) - world.at_start(goal.formula)
            state = set(world.state)
            conserved += [rule_from(goal.name, c.entry, state) for c in world.components(change) if c.entry]
    return attempts
