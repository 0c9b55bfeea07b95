"""Validated steps along a flow: an a-priori box (Picard), a Taylor step, and the crossing of kinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any, Literal

import flint

from theorylab.enclosure.balls import Ball, Field, ball, between, exactly, high, low
from theorylab.enclosure.problem import NotEnclosed, OnKink, Problem, Unbounded
from theorylab.readings import polynomial as po

PICARD = 12
MAX_STEPS = 1000
SLACK = 64
"""How many times wider than here the boxes of the checker may be, which rounds in another way."""
BLURRED = Fraction(1, 2**24)
"""Boxes as wide as this no longer lead anywhere: more digits are needed."""
SHORTEST = Fraction(1, 2**28)
Box = list[Ball]
Sides = tuple[tuple[Fraction, Fraction], ...]


@dataclass(frozen=True)
class Step:
    """The signs of the gates, the length, and a box that the solution does not leave on the way."""

    signs: str
    length: Fraction
    box: Sides


@dataclass(frozen=True)
class Event:
    """The argument of a gate, given by its number, has one zero between the times `low` and `high`."""

    gate: int
    low: Fraction
    high: Fraction
    direction: Literal["rises", "falls"]


@dataclass
class Trial:
    """A step that may be taken: the box on the way, the box at the end, and the Taylor polynomials between."""

    length: Fraction
    sides: Sides
    end: Box
    series: list[flint.arb_series]

    @property
    def over(self) -> Box:
        return [between(*side) for side in self.sides]


@dataclass
class Path:
    """The steps so far, and where they lead."""

    problem: Problem
    bits: int
    box: Box = field(default_factory=list)
    signs: str = ""
    time: Fraction = Fraction(0)
    length: Fraction = Fraction(1, 64)
    steps: list[Step] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    fields: dict[str, Field] = field(default_factory=dict)
    linear: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rates = dict(zip(self.problem.state, self.problem.rates, strict=True))
        self.arguments = [gate.argument or po.ZERO for gate in self.problem.gates]
        self.slopes = [po.directional(u, rates.get) for u in self.arguments]
        self.order = max(self.bits // 5, 8)
        self.box = [ball(x) for x in self.problem.start]
        for k in range(len(self.arguments)):
            self.signs += self._first_sign(k)

    def _first_sign(self, k: int) -> str:
        """The sign of gate k at the start; gates come after those in their arguments."""
        gates = len(self.problem.gates)
        u = self.field(self.signs.ljust(gates, "0")).values([self.arguments[k]], self.box)[0]
        if u > 0 or u < 0:
            return "1" if u > 0 else "0"
        if u.is_zero() and self.problem.at_zero in (0, 1) and self.problem.gates[k].function == "step":
            return str(self.problem.at_zero)
        raise NotEnclosed(f"the flow starts on the kink of {self.problem.gates[k].name}")

    def field(self, signs: str) -> Field:
        if signs not in self.fields:
            self.fields[signs] = Field(self.problem, signs)
        return self.fields[signs]

    def values(self, signs: str, polynomials: Sequence[po.Polynomial], at: Sequence[Ball]) -> Box:
        """Values for given signs of the gates; the hull of all of them where some signs are open ("*")."""
        closed = (signs.replace("*", "{}").format(*choice) for choice in product("01", repeat=signs.count("*")))
        found = [self.field(each).values(polynomials, at) for each in closed]
        return [reduce(lambda a, b: a.union(b), values) for values in zip(*found, strict=True)]

    def rates(self, signs: str, at: Sequence[Ball]) -> Box:
        return self.values(signs, self.problem.rates, at)

    # -- one step ------------------------------------------------------------------------------------------

    def advance(self, until: Fraction | None) -> None:
        """Take one step, or two and a crossing; at most up to the time `until`."""
        if len(self.steps) > MAX_STEPS:
            raise NotEnclosed(f"{MAX_STEPS} steps reach the time {float(self.time):.3g} only")
        if max(exactly(x.rad()) for x in self.box) > BLURRED:
            raise NotEnclosed(f"the boxes have grown too wide at the time {float(self.time):.3g}")
        length = self.length if until is None else min(self.length, until - self.time)
        while length >= SHORTEST or (until is not None and length == until - self.time):
            trial = self._trial(self.signs, length)
            if trial is None:
                length /= 2
                continue
            kept = [self._keeps(k, trial) for k in range(len(self.arguments))]
            if all(kept):
                self._take(self.signs, trial)
                self.length = 2 * length if until is None or length == self.length else self.length
                return
            if (cross := self._crossing(trial, [k for k, good in enumerate(kept) if not good])) is not None:
                self._cross(*cross)
                return
            length /= 2
        raise OnKink(f"at the time {float(self.time):.6g} a gate is not seen to keep or to change its sign")

    def _take(self, signs: str, trial: Trial) -> None:
        self.steps.append(Step(signs, trial.length, trial.sides))
        self.time += trial.length
        self.box = trial.end

    def _trial(self, signs: str, length: Fraction) -> Trial | None:
        """A step of this length with these signs; None where no box is found, or the remainder is too large."""
        try:
            return self._attempt(signs, length)
        except Unbounded:
            return None

    def _attempt(self, signs: str, length: Fraction) -> Trial | None:
        h = ball(length)
        swept = flint.arb(0).union(h)
        slack = SLACK * max(exactly(x.rad()) for x in self.box) + Fraction(1, 2**self.bits)
        box = [x + swept * f for x, f in zip(self.box, self.rates(signs, self.box), strict=True)]
        for _ in range(PICARD):
            sides = tuple(_widened(x, y, slack) for x, y in zip(box, self.box, strict=True))
            wide = [between(*side) for side in sides]
            image = [x + swept * f for x, f in zip(self.box, self.rates(signs, wide), strict=True)]
            if all(_well_inside(a, *side) for a, side in zip(image, sides, strict=True)):
                break
            box = [a.union(b) for a, b in zip(image, box, strict=True)]
        else:
            return None
        if "*" in signs:
            moved = self.rates(signs, wide)
            return Trial(length, sides, [x + h * f for x, f in zip(self.box, moved, strict=True)], [])
        around = self.field(signs).series(wide, self.order)
        series = self.field(signs).series(self.box, self.order - 1)
        rest = [s[self.order] * h**self.order for s in around]
        if any(r.rad() > flint.arb(2) ** (16 - self.bits) * (1 + abs(x)) for r, x in zip(rest, wide, strict=True)):
            return None
        end = [_sum(s, h, self.order) + r for s, r in zip(series, rest, strict=True)]
        return Trial(length, sides, end, series)

    def _keeps(self, k: int, trial: Trial) -> bool:
        """Whether gate k keeps its sign during a step."""
        field, way = self.field(self.signs), 1 if self.signs[k] == "1" else -1
        u, over = self.arguments[k], trial.over
        if way * field.values([u], over)[0] > 0:
            return True
        slope = field.values([self.slopes[k]], over)[0] * way
        first, last = (way * field.values([u], at)[0] for at in (self.box, trial.end))
        starts = first > 0 or (not self.steps and first.is_zero() and slope > 0)
        return bool(starts and last > 0 and (slope >= 0 or slope <= 0))

    # -- kinks ---------------------------------------------------------------------------------------------

    def _crossing(self, trial: Trial, lost: Sequence[int]) -> tuple[Fraction, Fraction] | None:
        """When the first of some gates changes its sign, and how uncertain that is; None if one is not seen to."""
        found, blur = [], Fraction(0)
        for k in lost:
            way, signs = 1 if self.signs[k] == "1" else -1, self.field(self.signs)
            u = flint.arb_series(signs.values([self.arguments[k]], trial.series)[0])
            ends = (Fraction(0), trial.length)
            first, last = (way * _sum(u, ball(t), self.order) for t in ends)
            slope = way * signs.values([self.slopes[k]], trial.over)[0]
            if not (last < 0 and slope < 0 and (first > 0 or self.steps)):
                return None
            blur = max(blur, exactly(last.rad()) / -high(slope))
            found.append(_root(lambda t, u=u, way=way: way * _sum(u, ball(t), self.order), *ends, self.bits))
        return min(found), blur

    def _cross(self, after: Fraction, blur: Fraction) -> None:
        """Step up to the kink and over it; `after` is how long it takes to reach it, known up to about `blur`."""
        near = Fraction(1, 2 ** (3 * self.bits // 4))
        while near < 2**8 * SLACK * blur:
            near *= 2
        before = (after // near - 1) * near
        if before > 0:
            trial = self._trial(self.signs, before)
            if trial is None or not all(self._keeps(k, trial) for k in range(len(self.arguments))):
                raise OnKink(f"the kink at the time {float(self.time + after):.6g} is not reached")
            self._take(self.signs, trial)
        self._jump(3 * near)

    def _jump(self, length: Fraction) -> None:
        """One step in which some gates change their sign, all of them exactly once."""
        starred: set[int] = set()
        for _ in range(len(self.signs) + 1):
            signs = "".join("*" if k in starred else s for k, s in enumerate(self.signs))
            trial = self._trial(signs, length)
            if trial is None:
                break
            over = self.values(signs, self.arguments, trial.over)
            unsure = {k for k, u in enumerate(over) if k not in starred and not (u > 0 or u < 0)}
            if not unsure:
                self._land(signs, trial, sorted(starred))
                return
            starred |= unsure
        raise OnKink(f"the kink at the time {float(self.time):.6g} is not crossed")

    def _land(self, signs: str, trial: Trial, starred: Sequence[int]) -> None:
        after = list(self.signs)
        for k in starred:
            first, last = (self.values(signs, [self.arguments[k]], at)[0] for at in (self.box, trial.end))
            slope = self.values(signs, [self.slopes[k]], trial.over)[0]
            rises = first < 0 and last > 0 and slope > 0
            if not rises and not (first > 0 and last < 0 and slope < 0):
                raise OnKink(f"the flow does not cross the kink at the time {float(self.time):.6g} transversally")
            self.events.append(Event(k, self.time, self.time + trial.length, "rises" if rises else "falls"))
            after[k] = "1" if rises else "0"
        self._take(signs, trial)
        self.signs = "".join(after)


def _sum(s: flint.arb_series, t: Ball, order: int) -> Ball:
    """The value at t of a Taylor polynomial, by Horner's rule."""
    total = flint.arb(0)
    for k in range(min(order, s.length()) - 1, -1, -1):
        total = total * t + s[k]
    return total


def _root(u: Callable[[Fraction], Ball], start: Fraction, end: Fraction, bits: int) -> Fraction:
    """Where a falling function becomes negative, by bisection on midpoints."""
    for _ in range(bits):
        middle = (start + end) / 2
        if u(middle).mid() > 0:
            start = middle
        else:
            end = middle
    return start


def _widened(x: Ball, start: Ball, slack: Fraction) -> tuple[Fraction, Fraction]:
    """The ends of a box a little larger than x and `start`, with few digits."""
    a, b = min(low(x), low(start)), max(high(x), high(start))
    margin = (b - a) / 8 + slack
    size = margin.numerator.bit_length() - margin.denominator.bit_length() - 4
    unit = Fraction(2) ** size
    return ((a - margin) // unit) * unit, -((-(b + margin)) // unit) * unit


def _well_inside(x: Ball, low_end: Fraction, high_end: Fraction) -> bool:
    margin = (high_end - low_end) / 64
    return low_end + margin <= low(x) and high(x) <= high_end - margin
