"""Certificates that a goal fails at one exact rational point (the checker's rule "exact-counterexample")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from theorylab.certificate.completed import zeros_of_parts
from theorylab.certificate.document import seal
from theorylab.certificate.identity import outlined
from theorylab.certificate.writer import plain
from theorylab.claims.base import Claim, Conjugates, Goal
from theorylab.derive.prove import Attempt, formula_of, part_name
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array
from theorylab.readings.exact import Exact
from theorylab.readings.letters import TIME, Dims

COUNTEREXAMPLE = "exact-counterexample"
ENTRY = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<index>[0-9,]+)\])?")


def counterexample_document(
    claim: Claim,
    goal: Goal,
    dims: Dims,
    values: Mapping[str, Any],
    component: Sequence[int],
    value: Fraction,
    *,
    array: str | None = None,
    derivatives: int = 0,
    at_start: bool = True,
) -> dict[str, Any]:
    """A sealed document: `goal`, one of the claim's, has the value `value` at its entry `component`.

    dims: a number for every size of the goal's subject. values: nested lists of rationals for every letter: variables
    and data, initial parameters as "init.W", and the state. array: the state array that a conjugacy fails in.
    derivatives: how many derivatives along the flow were taken of what should be zero.
    at_start: the state is the initial one, as it has to be where the claim speaks of runs and not of every state.
    """
    world = World(goal.subject, dims)
    attempt = Attempt(goal, world, _formula(goal, world), [])
    body, _, scope = outlined([attempt], with_start=at_start, with_enforced=False)
    gates = 0 if world.flow is None else world.flow.gates
    if gates:
        body["step_at_zero"] = str(Fraction(gates))
    index = tuple(component)
    entry = part_name(0, Component(po.ZERO, (), index)) if array is None else part_name(0, Component(po.ZERO, ()))
    proof: dict[str, Any] = {
        "goal": entry,
        "sizes": {},
        "at": {letter: str(_entry(letter, values)) for letter in body["letters"]},
        "value": str(value),
    }
    if derivatives:
        proof["derivatives"] = derivatives
    if array is not None:
        proof["letter"] = plain(f"{array}[{','.join(map(str, index))}]" if index else array)
        if zeros := zeros_of_parts(body, entry):
            proof["zero"] = zeros
    premises = [*(a.stated for a in claim.setting.assumptions), *claim.premises]
    return seal(rule=COUNTEREXAMPLE, claim=claim.id, scope=scope, statement=body, proof=proof, premises=premises)


def _formula(goal: Goal, world: World) -> Array:
    """The goal's own formula; a conjugacy has one for each state array and is written from its map."""
    return Exact.constant(0) if isinstance(goal, Conjugates) else formula_of(goal, world)


def _entry(letter: str, values: Mapping[str, Any]) -> Fraction:
    """The value of a scalar letter such as "W1[0,1]" in nested lists by array name; integrals and time start at 0."""
    found = ENTRY.fullmatch(letter)
    assert found is not None
    name = found["name"]
    if (name.startswith("integral.") or name == TIME) and name not in values:
        return Fraction(0)
    if name not in values:
        raise UnsupportedReading(f"the witness gives no value of {name}")
    here = values[name]
    for i in found["index"].split(",") if found["index"] else ():
        here = here[int(i)]
    return Fraction(here)
