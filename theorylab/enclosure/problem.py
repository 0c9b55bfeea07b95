"""A flow at one exact case: its field and its gates as polynomials, its start as rationals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.derive.world import World
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import Array, number
from theorylab.readings.exact import entry_name
from theorylab.readings.letters import TIME, Dims
from theorylab.readings.polynomial import Polynomial, Symbol

KINKS = ("step", "sign")


class NotEnclosed(Exception):
    """Why no enclosure was found, in one sentence."""


class OnKink(NotEnclosed):
    """A gate neither keeps nor changes its sign for certain; more digits seldom help."""


class Unbounded(NotEnclosed):
    """A ball without bounds: a step was too long."""


@dataclass(frozen=True)
class Problem:
    """The equation w' = rates(w), w(0) = start, in the scalar letters `state`.

    constants: the values of all other letters. gates: the steps and signs in the field and in the formulas, each
    after those in its own argument. at_zero: the value of a step at 0.
    """

    world: World
    state: tuple[Symbol, ...]
    rates: tuple[Polynomial, ...]
    start: tuple[Fraction, ...]
    constants: Mapping[str, Fraction]
    gates: tuple[Symbol, ...]
    at_zero: Fraction

    def value(self, p: Polynomial) -> Fraction:
        """An exact value at the case; InputError where it is not rational."""
        total = Fraction(0)
        for monomial, coefficient in p.terms.items():
            term = Fraction(coefficient)
            for s, _, e in monomial:
                if s.name not in self.constants:
                    raise InputError(f"the start of the flow contains {s.name}; expected a rational number at the case")
                term *= self.constants[s.name] ** e
            total += term
        return total


def problem(flow: Flow, dims: Dims, case: Mapping[str, Any], watched: Sequence[Polynomial], world: World) -> Problem:
    """The flow at the case, with the gates of the watched formulas among its own."""
    constants = _constants(world, case)
    state = [s for array in world.state.values() for c in world.components(array) for s in c.entry.symbols()]
    velocity = [c.entry for n in world.state for c in world.components(world.velocity[n])]
    found = Problem(world, tuple(state), tuple(velocity), (), constants, (), Fraction(flow.gates))
    moving = [*velocity, *watched]
    start = [found.value(c.entry) for n, a in world.state.items() for c in world.components(_start(world, n, a))]
    if any(s.name == TIME for p in moving for s in p.letters()):
        state.append(next(s for p in moving for s in p.letters() if s.name == TIME))
        velocity.append(Polynomial({(): 1}))
        start.append(Fraction(0))
    return Problem(
        world, tuple(state), tuple(velocity), tuple(start), constants, tuple(_gates(moving)), Fraction(flow.gates)
    )


def _start(world: World, name: str, array: Array) -> Array:
    assert world.flow is not None
    return world.lift(world.case["init"][name] if name in world.flow.state else array * 0, array)


def _gates(polynomials: Iterable[Polynomial]) -> list[Symbol]:
    found: dict[Symbol, None] = {}

    def visit(p: Polynomial) -> None:
        for s in sorted(p.symbols()):
            if s.argument is not None:
                visit(s.argument)
                if s.function in KINKS:
                    found[s] = None

    for p in polynomials:
        visit(p)
    return list(found)


def _constants(world: World, case: Mapping[str, Any]) -> dict[str, Fraction]:
    """The value of every scalar letter that does not move."""
    needed = {n: a for n, a in world.letters.items() if n not in world.state}
    for name in case:
        if name not in needed:
            known = ", ".join(needed) or "none"
            raise InputError(f"the case gives the unknown letter {name!r}; expected one of: {known}")
    values: dict[str, Fraction] = {}
    for name, array in needed.items():
        if not any(c.entry.symbols() for c in world.components(array)):
            continue  # an initial value that is a given number
        if name not in case:
            raise InputError(f"the case gives no value of {name!r}; expected one of shape {array.shape}")
        raw = np.array(case[name], dtype=object)
        if raw.shape != array.shape:
            raise InputError(f"the case gives {name!r} the shape {raw.shape}; expected {array.shape}")
        for index in np.ndindex(raw.shape):
            value = number(raw[index])
            sign = world.signs.get(name, "any")
            if (sign == "positive" and value <= 0) or (sign == "nonzero" and not value):
                raise InputError(f"the case gives {name} = {value}; expected a {sign} number")
            values[entry_name(name, index)] = value
    return values
