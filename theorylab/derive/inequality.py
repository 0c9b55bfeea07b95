"""Goals that compare with zero by sign: what has to be nonnegative, and the ways to show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from theorylab.claims.base import Evolves, Goal, NonNegative
from theorylab.derive.signs import Axes, Piece, nonnegative, squares_of
from theorylab.derive.squares import is_nonnegative
from theorylab.derive.world import Component, World
from theorylab.gradient_flow import FirstOrder
from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import ONE, Polynomial, Rule

Weighted = tuple[Polynomial, Axes, Polynomial]
"""An array q with its axes and a weight, which may have them too: the sum of weight * q^2 over the axes."""


def is_inequality(goal: Goal) -> bool:
    return isinstance(goal, NonNegative) or (isinstance(goal, Evolves) and goal.sense != "==")


def signed(goal: Goal, difference: Polynomial) -> Polynomial:
    """What has to be nonnegative, from what the goal compares with zero."""
    return -difference if isinstance(goal, Evolves) and goal.sense == "<=" else difference


def show_nonnegative(goal: Goal, world: World, part: Component, rules: Sequence[Rule]) -> tuple[Piece, ...] | None:
    """Pieces that prove one part of an inequality, or None.

    Along a gradient flow the loss falls at the rate sum rate * gradient^2; where the part is such a sum of squares, it
    is written so. Otherwise the signs of gate arguments are split.
    """
    if isinstance(goal, Evolves) and not part.axes:
        for weighted in _energies(world):
            pieces = _as_energy(part.entry, weighted, rules, world.binary_gates)
            if pieces is not None:
                return pieces
    strict = isinstance(goal, NonNegative) and goal.strict
    return nonnegative(part.entry, part.axes, strict=strict, split_gates=world.binary_gates)


def _energies(world: World) -> Iterator[list[Weighted]]:
    """The squares of the gradient, weighted by the rates, and those of the velocity."""
    flow = world.flow
    if isinstance(flow, FirstOrder) and flow.loss is not None:
        p, c = world.view
        found: list[Weighted] = []
        for name, array in flow.gradient(p, c).items():
            rates = world.components(world.lift(flow.rate(name, p, c), world.state[name]))
            parts = world.components(world.lift(array, world.state[name]))
            found += [(g.entry, g.axes, rate.entry) for g, rate in zip(parts, rates, strict=True)]
        yield found
    if flow is not None:
        yield [(v.entry, v.axes, ONE) for n in flow.state for v in world.components(world.velocity[n])]


def _as_energy(
    entry: Polynomial, weighted: Sequence[Weighted], rules: Sequence[Rule], binary_gates: bool
) -> tuple[Piece, ...] | None:
    """`entry` as a positive multiple of the weighted sum of squares, or None."""
    if any(c < 0 or not is_nonnegative(m) for _, _, weight in weighted for m, c in weight.terms.items()):
        return None
    total = po.ZERO
    for array, axes, weight in weighted:
        square = weight * array * array
        for axis, size in axes:
            square = square.sum_over(axis, size)
        total = total + square
    total = po.normal_form(total, rules, cleared=False, binary_gates=binary_gates)
    shared = next((m for m in entry.terms if m in total.terms), None)
    if shared is None:
        return None
    factor = po.simple(Fraction(entry.terms[shared]) / total.terms[shared])
    if factor <= 0 or po.normal_form(entry - total.scale(factor), rules, binary_gates=binary_gates):
        return None
    return squares_of([(array, axes, weight.scale(factor)) for array, axes, weight in weighted])
