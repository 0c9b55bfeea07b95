"""Identity certificates: goals in a world with their statement, hints at the proof, and the scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from theorylab.certificate.completed import accepted, completed
from theorylab.certificate.pieces import written
from theorylab.certificate.writer import Json, Writer, plain
from theorylab.claims.base import Conjugates, Conserved, Evolves, NonNegative, Zero
from theorylab.derive.prove import Attempt, part_name
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, is_number
from theorylab.readings.indexed import as_written, spelled_out
from theorylab.readings.letters import TIME, maker
from theorylab.readings.namespace import call


def statement(attempts: Sequence[Attempt]) -> tuple[dict[str, Json], dict[str, Json], str]:
    """Statement, proof and scope of a list of goals about one subject; the proof as the checker reads it."""
    body, hints, known = outlined(attempts)
    proof = completed(body, hints)
    if any(spec["name"].startswith("part.") for spec in body["define"]) and not accepted(body, proof):
        body, hints, known = outlined(attempts, keep=False)
        proof = completed(body, hints)
    return body, proof, known


def outlined(
    attempts: Sequence[Attempt], *, with_start: bool | None = None, with_enforced: bool = True, keep: bool = True
) -> tuple[dict[str, Json], dict[str, Json], str]:
    """Statement, hints at the proof (see `completed`) and scope of a list of goals about one subject.

    with_start: whether the statement speaks of runs from the initial values only; by default where later goals use
    what earlier ones conserve. with_enforced: whether hypotheses are stated that the reading enforces. keep: see
    `_as_written`.
    """
    world = attempts[0].world
    writer = Writer(world, keep)
    rules = attempts[-1].rules
    writer.hypotheses(rules)
    flows: list[dict[str, Json]] = []
    if world.flow is not None:
        used = any(isinstance(a.goal, Conserved) for a in attempts[:-1])
        started = used if with_start is None else with_start
        flows.append(writer.flow(world.flow, world.state, world.case, with_start=started))
    goals: list[dict[str, Json]] = writer.enforced() if with_enforced else []
    nonnegative: dict[str, Json] = {}
    for number, attempt in enumerate(attempts):
        for spec in _goals(writer, attempt, number, flows, rules):
            goals.append(spec)
            if spec["name"] in attempt.pieces:
                nonnegative[spec["name"]] = {
                    "pieces": [written(piece, writer) for piece in attempt.pieces[spec["name"]]]
                }
    writer.clock(flows)
    if not writer.letters and world.dims is None:  # all cancelled: the statement is still about these
        for array in world.letters.values():
            writer.expression(array.entry)  # type: ignore[attr-defined]
    body: dict[str, Json] = {"letters": writer.letters, "define": writer.define, "goals": goals}
    if flows:
        body["flows"] = flows
    body["gates"] = "binary" if world.binary_gates else "any"
    if world.dims is not None:
        body["sizes"] = dict(world.dims)
    if writer.relations:
        body["relations"] = writer.relations
    proof: dict[str, Json] = {}
    if writer.rewrites:
        proof["rewrites"] = writer.rewrites
    if nonnegative:
        proof["nonnegative"] = nonnegative
    return body, proof, scope(body)


def _goals(
    writer: Writer, attempt: Attempt, number: int, flows: list[dict[str, Json]], rules: Sequence[po.Rule]
) -> list[dict[str, Json]]:
    goal, world = attempt.goal, attempt.world
    if isinstance(goal, Conjugates):
        return [_conjugate(writer, goal, world, flows, f"goal_{number}")]
    value = world.evaluate(goal.formula)  # type: ignore[attr-defined]
    rate = world.array(world.evaluate(goal.rate)) if isinstance(goal, Evolves) else None
    if rate is not None:
        rate = world.lift(rate, value)
    rates: Sequence[Component | None] = world.components(rate) if rate is not None else [None] * _count(world, value)
    result = []
    parts = world.components(value)
    expressions = [writer.expression(component.entry) for component in parts]
    if isinstance(goal, Zero):
        expressions = _as_written(writer, goal, value) or expressions
    for component, expression, pace in zip(parts, expressions, rates, strict=True):
        name = part_name(number, component)
        spec: dict[str, Json] = {"name": name, "expr": expression, "axes": writer.axes(component)}
        match goal:
            case Conserved():
                spec |= {"kind": "conserved", "flow": 0}
                writer.conserved(name, rules)
            case Evolves():
                assert pace is not None
                spec |= {"kind": "evolves", "flow": 0, "rate": writer.expression(pace.entry), "sense": goal.sense}
            case NonNegative():
                spec |= {"kind": "nonnegative", "strict": goal.strict}
            case Zero():
                spec |= {"kind": "zero"}
                if flows:
                    spec["flow"] = 0
        result.append(spec)
    return result


def _as_written(writer: Writer, goal: Zero, value: Array) -> list[list[Json]] | None:
    """A zero component by component as it is written, where the engine's own form has cancelled.

    Factors get names and nothing cancels between the sides, so that the checker multiplies out and compares. None
    where that is not what the engine evaluated.
    """
    world = writer.world
    formulas = goal.sides or (goal.formula, 0)
    sides: list[Array] = []
    if world.dims is None and writer.keep:
        with suppress(UnsupportedReading), as_written(writer.named):
            kept = [world.lift(world.evaluate(side), value) for side in formulas]
            left, right = ([spelled_out(c.entry, writer.named) for c in world.components(side)] for side in kept)
            if not any(a - b - c.entry for a, b, c in zip(left, right, world.components(value), strict=True)):
                sides = kept
    if not sides:
        if goal.sides is None:
            return None
        sides = [world.lift(world.evaluate(side), value) for side in formulas]
    writer.parts |= {name: meaning for meaning, name in writer.named.items()}
    left, right = (world.components(side) for side in sides)
    return [[*writer.expression(a.entry), *writer.expression(-b.entry)] for a, b in zip(left, right, strict=True)]


def _count(world: World, value: Array) -> int:
    return len(world.components(value))


def _conjugate(
    writer: Writer, goal: Conjugates, world: World, flows: list[dict[str, Json]], name: str
) -> dict[str, Json]:
    p, c = world.view
    make = maker(world.dims)
    there = {n: world.state[n] if n in world.state else make(n, shape, "any") for n, shape in goal.to.state.items()}
    flows.append(writer.flow(goal.to, there, world.case, with_start=False))
    image = call(goal.map, p, c)
    mapping: dict[str, str] = {}
    for n in goal.to.state:
        for letter, part in zip(
            world.components(there[n]), world.components(world.lift(image[n], there[n])), strict=True
        ):
            mapping[writer.definition("state", letter)] = writer.definition(
                "image", Component(part.entry, letter.axes, part.index)
            )
    if plain(TIME) in writer.letters:
        mapping[plain(TIME)] = plain(TIME)
    time = goal.time(c) if callable(goal.time) else goal.time
    spec: dict[str, Json] = {"name": name, "kind": "conjugate", "flow": 0, "to": 1, "map": mapping}
    if not (is_number(time) and time == 1):
        spec["time"] = writer.scalar(time)
    if goal.unique:
        spec["unique"] = True
    return spec


def scope(body: Mapping[str, Json]) -> str:
    """The sizes that are numbers, as the checker computes them."""
    fixed = [f"{name}={value}" for name, value in sorted(body.get("sizes", {}).items())]
    axes = [axis for spec in (*body["define"], *body["goals"]) for axis in spec.get("axes", ())]
    used = {size for spec in body["letters"].values() for size in spec["shape"]} | {size for _, size in axes}
    bare = {s for s in used if s.isdigit()} - {str(v) for v in body.get("sizes", {}).values()}
    fixed += sorted(bare, key=int)
    if fixed:
        return ", ".join(fixed)
    return "all sizes" if used else "no sizes"
