"""Certificates of rigorous bounds along one trajectory (the checker's rule "enclosure")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theorylab.certificate.identity import scope
from theorylab.certificate.writer import Writer, plain
from theorylab.enclosure.problem import Problem
from theorylab.enclosure.steps import Event, Step
from theorylab.enclosure.tail import Tail
from theorylab.readings.polynomial import Polynomial, Symbol

RULE = "enclosure"
MAX_SCOPE = 150


@dataclass(frozen=True)
class Bounded:
    """The formula lies between `low` and `high`, at a time or (None) in the limit."""

    name: str
    formula: Polynomial
    at: Fraction | None
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class Switches:
    """The formula, the argument of a gate, has exactly these zeros up to a time (None: for ever)."""

    name: str
    formula: Polynomial
    at: Fraction | None
    zeros: tuple[Event, ...]


class TrajectoryWriter(Writer):
    """A writer for one trajectory: the letters that move have no sign.

    Each step shows anew that what is divided by does not vanish, so that 1/w is written as a function of w.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.world)
        self.moving = frozenset(problem.state)
        self.inverses: dict[Symbol, str] = {}

    def power(self, s: Symbol, e: int) -> tuple[str, int]:
        if e > 0 or s not in self.moving:
            return super().power(s, e)
        if s not in self.inverses:
            argument = self.expression(Polynomial({((s, (), 1),): 1}))
            self.inverses[s] = self.fresh("inv")
            self.define.append({"name": self.inverses[s], "axes": [], "fn": "inv", "arg": argument})
        return self.inverses[s], -e

    def divisible(self, p: Polynomial) -> None:
        if not p.symbols() & self.moving:
            super().divisible(p)


def body(
    problem: Problem,
    goals: Sequence[Bounded | Switches],
    steps: Sequence[Step],
    tail: Tail | None,
    bits: int,
    order: int,
) -> dict[str, Any]:
    """Rule, scope, statement and proof. The statement holds the flow and its exact case; nothing of the field."""
    world = problem.world
    assert world.flow is not None
    writer = TrajectoryWriter(problem)
    writer.hypotheses([])
    flows = [writer.flow(world.flow, world.state, world.case, with_start=True)]
    specs = [_goal(writer, goal) for goal in goals]
    gates = [writer.symbol(gate) for gate in problem.gates]
    state = [writer.symbol(s) for s in problem.state]
    writer.clock(flows)
    values = {plain(s): x for s, x in problem.constants.items()}
    values |= dict(zip(state, problem.start, strict=True))
    case = {letter: str(values[letter]) for letter in sorted(writer.letters)}
    statement: dict[str, Any] = {
        "letters": writer.letters, "define": writer.define, "flows": flows, "goals": specs, "case": case,
        "gates": "binary" if world.binary_gates else "any", "step_at_zero": str(problem.at_zero),
    }  # fmt: skip
    if world.dims:
        statement["sizes"] = dict(world.dims)
    if writer.relations:
        statement["relations"] = writer.relations
    proof: dict[str, Any] = {
        "bits": bits,
        "order": order,
        "state": state,
        "gates": gates,
        "steps": [
            {"signs": s.signs, "length": str(s.length), "box": [[str(a), str(b)] for a, b in s.box]} for s in steps
        ],
    }
    if tail is not None:
        proof["tail"] = {
            "inverse": [[str(c) for c in row] for row in tail.inverse],
            "metric": [str(c) for c in tail.metric],
            "rate": str(tail.rate),
        }
    fixed = {n: v for n, v in case.items() if n not in state}
    return {"rule": RULE, "scope": _scope(statement, fixed), "statement": statement, "proof": proof}


def _goal(writer: Writer, goal: Bounded | Switches) -> dict[str, Any]:
    at = "limit" if goal.at is None else str(goal.at)
    spec: dict[str, Any] = {"name": goal.name, "flow": 0, "at": at, "expr": writer.expression(goal.formula)}
    if isinstance(goal, Bounded):
        return {**spec, "kind": "enclosed", "low": str(goal.low), "high": str(goal.high)}
    return {**spec, "kind": "switches", "times": [[str(e.low), str(e.high), e.direction] for e in goal.zeros]}


def _scope(statement: Mapping[str, Any], fixed: Mapping[str, str]) -> str:
    """The sizes and the values of the constants, as the checker writes them."""
    sizes = scope(statement)
    parts = [part for part in (sizes,) if part != "no sizes"] + [f"{n}={v}" for n, v in fixed.items()]
    text = ", ".join(parts)
    return text if 0 < len(text) <= MAX_SCOPE else "one exact case"
