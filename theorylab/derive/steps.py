"""A derivation as steps that a reader can follow."""

from __future__ import annotations

from collections.abc import Sequence

from theorylab.claims.base import Conjugates, Conserved, Evolves, NonNegative, Zero
from theorylab.derive.prove import Attempt
from theorylab.derive.sign_steps import sign_steps
from theorylab.derive.tex import name_tex, polynomial_tex
from theorylab.derive.world import Component, World
from theorylab.gradient_flow import FirstOrder
from theorylab.readings.array import Array
from theorylab.verdict import Step

SHOWN = 3


def array_tex(world: World, value: Array) -> str:
    """The array, or its first entries at given sizes."""
    components = world.components(value)
    text = r",\quad ".join(component_tex(c) for c in components[:SHOWN])
    return text + (r",\quad \ldots" if len(components) > SHOWN else "")


def component_tex(c: Component) -> str:
    return polynomial_tex(c.entry, c.axes)


def derivation(attempts: Sequence[Attempt]) -> tuple[Step, ...]:
    """Flow, derivative, and what it reduces to, for each goal."""
    steps: list[Step] = []
    world = attempts[0].world
    if world.flow is not None and not any(isinstance(a.goal, Conjugates) for a in attempts):
        steps += _flow_steps(world)
    for attempt in attempts:
        steps += _goal_steps(attempt)
    return tuple(steps)


def _flow_steps(world: World) -> list[Step]:
    steps = []
    flow = world.flow
    assert flow is not None
    if isinstance(flow, FirstOrder):
        p, c = world.view
        steps.append(Step("the model", "f", array_tex(world, world.array(flow.outputs(p, c)))))
    for name, value in world.velocity.items():
        symbol, own = name_tex(name)
        subscript = f"_{{{','.join(own)}}}" if own else ""
        steps.append(Step("the flow, by the chain rule", rf"\dot {symbol}{subscript}", array_tex(world, value)))
    return steps


def _goal_steps(attempt: Attempt) -> list[Step]:
    goal, world = attempt.goal, attempt.world
    left = " ,\\quad ".join(component_tex(c) for c in attempt.residue[:SHOWN])
    used = sorted({r.name for r in attempt.rules})
    by = "collecting equal terms" + (
        f", with {', '.join(u for u in used if not u.startswith('goal_'))}"
        if any(not u.startswith("goal_") for u in used)
        else ""
    )
    by += ", and with what is conserved" if any(u.startswith("goal_") for u in used) else ""
    match goal:
        case Conserved() | Evolves():
            quantity = array_tex(world, world.evaluate(goal.formula))
            before = rf"\frac{{d}}{{dt}}\left[{quantity}\right]" + (
                "" if isinstance(goal, Conserved) else r" - \text{rate}"
            )
            raw = array_tex(world, attempt.value)
            steps = [Step(f"the derivative of {goal.name} along the flow", before, raw)] if raw != left else []
            if isinstance(goal, Evolves) and goal.sense != "==":
                return [*steps, *_signs(attempt)]
            return [*steps, Step(by, before if not steps else raw, left)]
        case Zero():
            return [Step(by, array_tex(world, attempt.value), left)]
        case Conjugates():
            return [Step("both fields, carried by the map: " + by, r"F_b(\phi(p)) - D\phi(p)\,F_a(p)", left)]
        case NonNegative():
            return _signs(attempt)
    return []


def _signs(attempt: Attempt) -> list[Step]:
    """What has to be nonnegative, and why it is."""
    shown = [s for pieces in list(attempt.pieces.values())[:SHOWN] for s in sign_steps(pieces)]
    left = " ,\\quad ".join(component_tex(c) for c in attempt.residue[:SHOWN])
    strict = isinstance(attempt.goal, NonNegative) and attempt.goal.strict
    claimed = "> 0" if strict else r"\ge 0"
    return [Step("what has to be shown", left, claimed if attempt.holds else rf"{claimed}\,?"), *shown]
