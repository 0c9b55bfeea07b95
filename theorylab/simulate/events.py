"""Events: times at which a quantity passes through zero, found between steps and located to the tolerance of the run.

After every step the quantity is known at both ends and, from the cubic Hermite interpolant, at points between, so that
a passage and its return inside one step are seen too. A passage is then located by integrating from the start of the
step once more, up to the time at which the quantity vanishes. Compiled fields with gates, whose runs are left whole to
generated C, are looked at on a fixed grid of times instead of after every step. A passage in a step that RETRACED
attempts do not repeat is given the end of the step as its time; a passage of the interpolant that the run does not make
is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from theorylab.errors import InputError
from theorylab.readings.namespace import arity
from theorylab.simulate.compiled import Formula
from theorylab.simulate.integrate import integrate
from theorylab.simulate.problem import Problem
from theorylab.simulate.solution import Solution
from theorylab.simulate.status import Status
from theorylab.simulate.typing import Field, Until

INSIDE = 4
ITERATIONS = 60
KEPT = 64
RETRACED = 1000
EVEN = 256
EARLY = 81
ALIKE = 1e-6
"""Passages of one direction that are closer than this share of their step are one."""
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Event:
    """A quantity of (p) or (p, c), a scalar, that passes through zero: rising (1), falling (-1), or either way (0)."""

    quantity: Callable[..., Any]
    direction: int = 0

    def __post_init__(self) -> None:
        if not callable(self.quantity):
            raise InputError(f"an event got {type(self.quantity).__name__}; expected a function of (p) or (p, c)")
        arity(self.quantity)
        if self.direction not in (-1, 0, 1):
            raise InputError(f"direction is {self.direction!r}; expected 1 (rising), -1 (falling) or 0")


def event(quantity: Callable[..., Any], direction: int = 0) -> Event:
    """The event that a scalar quantity(p) or quantity(p, c) passes through zero, c.t being the time.

    direction: 1 if only rising, -1 if only falling. In `until=` it ends a run; in `events=` its times are kept. A
    quantity that is 0 at the start does not pass there; several passages are seen in one step of the run, but not
    those of a formula of the time that swings many times within one.
    """
    return Event(quantity, direction)


@dataclass(frozen=True)
class Occurrences:
    """When an event happened: times (trials, k) and params by name (trials, k, *shape), in order, NaN beyond the last.

    count: (trials,) how often. At most KEPT are kept for each trial.
    """

    times: Tensor
    params: dict[str, Tensor]
    count: Tensor


@dataclass
class _Bracket:
    """Parts of steps in which an event happens, one row each: from `low` to `high` in the step from (t, y) to `end`.

    changes: whether the quantity has another sign at the end of the step than at its start.
    """

    rows: Tensor
    t: Tensor
    y: Tensor
    end: Tensor
    changes: Tensor
    low: Tensor
    high: Tensor
    rising: Tensor


class Watch:
    """A stopping rule that also notes the events of a run; `last` events of the list end the run."""

    def __init__(self, problem: Problem, events: Sequence[Event], ending: int, rule: Until | None) -> None:
        self.problem, self.events, self.rule = problem, events, rule
        self.ending = set(range(len(events) - ending, len(events)))
        like = problem.initial
        count = len(like)
        self.t = like.new_full((count,), torch.nan)
        self.y, self.f = torch.zeros_like(like), torch.zeros_like(like)
        self.value = like.new_zeros(count, len(events))
        self.found: list[list[_Bracket]] = [[] for _ in events]
        self.stops = True
        self.quantities = [problem.compiled(e.quantity) for e in events]

    def __call__(self, t: Tensor, y: Tensor, f: Tensor, rows: Tensor) -> Tensor:
        before = self.t[rows]
        fresh = torch.isnan(before)
        moved = ~fresh & (t > before)
        stops = torch.zeros_like(moved)
        index = moved.nonzero()[:, 0]
        if len(index):
            stops[index] = self._passed(t[index], y[index], f[index], rows[index])
        first = fresh.nonzero()[:, 0]
        if len(first):
            self.value[rows[first]] = self._values(t[first], y[first], rows[first])
        self.t[rows], self.y[rows], self.f[rows] = t, y, f
        return stops if self.rule is None else stops | self.rule(t, y, f, rows)

    def _values(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        values = [q(t, y, rows) for q in self.quantities]
        for value in values:
            if value.shape[1] != 1:
                raise InputError(f"the quantity of an event has {value.shape[1]} entries; expected a scalar")
        return torch.cat(values, 1)

    def _passed(self, t: Tensor, y: Tensor, f: Tensor, rows: Tensor) -> Tensor:
        """Note the passages on the way to (t, y); whether one of them ends the run, (b,)."""
        start, base, slope = self.t[rows], self.y[rows], self.f[rows]
        h = t - start
        stops = torch.zeros(len(rows), dtype=torch.bool, device=t.device)
        old = first = self.value[rows]
        last = self._values(t, y, rows)
        low = start
        for k in range(1, INSIDE + 1):
            theta = k / INSIDE
            high = t if k == INSIDE else start + theta * h
            now = last if k == INSIDE else self._values(high, _hermite(base, slope, y, f, h, theta), rows)
            for number, wanted in enumerate(self.events):
                passes = (old[:, number] * now[:, number] < 0) | ((now[:, number] == 0) & (old[:, number] != 0))
                rising = old[:, number] < 0
                if wanted.direction:
                    passes &= rising == (wanted.direction > 0)
                index = passes.nonzero()[:, 0]
                if len(index):
                    changes = (first[index, number] * last[index, number] < 0) | (last[index, number] == 0)
                    steps = (rows[index], start[index], base[index], t[index], changes)
                    self.found[number].append(_Bracket(*steps, low[index], high[index], rising[index]))
                    if number in self.ending:
                        stops[index] = True
            # A value of 0 keeps the sign that came before, so that leaving it is not a second passage.
            old = torch.where(now == 0, old, now)
            low = high
        self.value[rows] = old
        return stops

    def located(self, field: Field, rtol: float, atol: Tensor | float, method: Any) -> list[tuple[Tensor, ...]]:
        """(rows, times, states) of each event of the list, unordered."""
        found: list[tuple[Tensor, ...]] = []
        like = self.problem.initial
        for number, quantity in enumerate(self.quantities):
            own = self.found[number]
            if not own:
                empty = torch.zeros(0, dtype=torch.int64, device=like.device)
                found.append((empty, like.new_zeros(0), like.new_zeros(0, like.shape[1])))
                continue
            steps = _Bracket(*(torch.cat([getattr(b, item.name) for b in own]) for item in fields(_Bracket)))
            when, states, passes = _locate(_Arrival(field, steps, rtol, atol, method), quantity, steps)
            if number in self.ending and self.stops:  # the run has ended there
                passes = torch.ones_like(passes)
            index = passes.nonzero()[:, 0]
            index = index[_first_of_alike(steps, index, when)]
            found.append((steps.rows[index], when[index], states[index]))
        return found


def _first_of_alike(steps: _Bracket, index: Tensor, when: Tensor) -> Tensor:
    """(k,) bool: which of the passages `index` were not found from an earlier bracket too."""
    seen: dict[tuple[int, bool], list[float]] = {}
    first = torch.ones_like(index, dtype=torch.bool)
    for n, i in enumerate(index.tolist()):
        known = seen.setdefault((int(steps.rows[i]), bool(steps.rising[i])), [])
        room = ALIKE * float(steps.end[i] - steps.t[i])
        first[n] = all(abs(float(when[i]) - other) > room for other in known)
        known.append(float(when[i]))
    return first


class _Arrival:
    """The states at given times of trajectories from the starts of steps."""

    def __init__(self, field: Field, steps: _Bracket, rtol: float, atol: Any, method: Any) -> None:
        self.field, self.steps = field, steps
        self.options: dict[str, Any] = {"rtol": rtol, "atol": atol, "method": method, "max_steps": RETRACED}

    def __call__(self, when: Tensor, index: Tensor) -> Tensor:
        """The states at `when`, (k,), of the rows `index`; NaN where a trajectory does not get there."""
        field, rows = self.field, self.steps.rows[index]
        own: Field = field.of(rows) if isinstance(field, Formula) else lambda t, y, i: field(t, y, rows[i])
        run = integrate(own, self.steps.y[index], t_start=self.steps.t[index], t_end=when, **self.options)
        return torch.where(run.finished[:, None], run.y, torch.nan)


def _locate(arrive: _Arrival, quantity: Field, steps: _Bracket) -> tuple[Tensor, Tensor, Tensor]:
    """Times and states at which the quantity vanishes, and whether it does.

    By the Illinois method: a bracket, always halved or better.
    """
    sign = torch.where(steps.rising, 1.0, -1.0)

    def signed(when: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        y = arrive(when, index)
        return quantity(when, y, steps.rows[index])[:, 0] * sign[index], y

    every = torch.arange(len(steps.rows), device=steps.t.device)
    a, b = steps.low.clone(), steps.high.clone()
    (at_a, _), (at_b, y) = signed(a, every), signed(b, every)
    # The interpolant placed the bracket: where the run itself disagrees, the whole step is the bracket.
    wrong = (~((at_a < 0) & (at_b >= 0))).nonzero()[:, 0]
    if len(wrong):
        a[wrong], b[wrong] = steps.t[wrong], steps.end[wrong]
        at_a[wrong] = signed(a[wrong], wrong)[0]
        at_b[wrong], y[wrong] = signed(b[wrong], wrong)
    unknown = torch.isnan(at_a) | torch.isnan(at_b)
    passes = ((at_a < 0) & (at_b >= 0)) | (unknown & steps.changes)
    side = torch.zeros_like(steps.rows)
    when, done = b.clone(), (at_b == 0) | unknown | ~passes
    for n in range(ITERATIONS):
        index = (~done).nonzero()[:, 0]
        if not len(index):
            break
        low, high, below, above = a[index], b[index], at_a[index], at_b[index]
        middle = high - above * (high - low) / (above - below)
        inside = torch.isfinite(middle) & (middle > low) & (middle < high) & (n % 4 < 3)
        middle = torch.where(inside, middle, low + (high - low) / 2)
        value, state = signed(middle, index)
        when[index], y[index] = middle, state
        done[index] = (value == 0) | (high - low <= 8 * _EPS * high.abs()) | torch.isnan(value)
        left = value < 0
        at_b[index] = torch.where(left, torch.where(side[index] == -1, above / 2, above), value)
        at_a[index] = torch.where(left, value, torch.where(side[index] == 1, below / 2, below))
        a[index], b[index] = torch.where(left, middle, low), torch.where(left, high, middle)
        side[index] = torch.where(left, -1, 1)
    lost = torch.isnan(y).any(1)
    return torch.where(lost, steps.end, when), torch.where(lost[:, None], steps.y, y), passes


def grid(t_end: float, times: Sequence[float]) -> list[float]:
    """Times at which a run that is not watched step by step is looked at, those asked for among them."""
    even = [t_end * i / EVEN for i in range(EVEN + 1)]
    early = [t_end * 2.0 ** (-i / 4) for i in range(1, EARLY)]
    return sorted({*even, *early, *map(float, times)})


def follow(watch: Watch, field: Field, moments: Sequence[float], solution: Solution) -> None:
    """Show the states of a solution at the times `moments`, which it has saved, to a watch, and its end."""
    assert solution.saved is not None
    watch.stops = False
    for i, moment in enumerate(moments):
        y = solution.saved[:, i]
        rows = (torch.isfinite(y).all(1) & (solution.t >= moment)).nonzero()[:, 0]
        if len(rows):
            t = torch.full_like(solution.t[rows], moment)
            watch(t, y[rows], field(t, y[rows], rows), rows)
    watch(solution.t, solution.y, solution.field, torch.arange(len(solution.t), device=solution.t.device))


def _hermite(y0: Tensor, f0: Tensor, y1: Tensor, f1: Tensor, h: Tensor, theta: float) -> Tensor:
    """The cubic through both ends of a step with the field as slopes."""
    step, jump = h[:, None], y1 - y0
    bend = (1 - 2 * theta) * jump + (theta - 1) * step * f0 + theta * step * f1
    return (1 - theta) * y0 + theta * y1 + theta * (theta - 1) * bend


def ended(
    watch: Watch, found: Sequence[tuple[Tensor, ...]], solution: Solution, field: Field, times: Tensor
) -> Solution:
    """The solution with runs that an event ended cut at that time."""
    t, y, status = solution.t.clone(), solution.y.clone(), solution.status.clone()
    for number in watch.ending:
        rows, when, states = found[number]
        for i in torch.argsort(when, descending=True).tolist():
            if when[i] <= t[rows[i]]:
                t[rows[i]], y[rows[i]], status[rows[i]] = when[i], states[i], Status.EVENT
    trials = torch.arange(len(t), device=t.device)
    saved = solution.saved
    if saved is not None:
        saved = torch.where((times[None, :] > t[:, None])[:, :, None], torch.nan, saved)
    return replace(solution, t=t, y=y, status=status, field=field(t, y, trials), saved=saved)


def occurrences(
    problem: Problem, names: Sequence[str], found: Sequence[tuple[Tensor, ...]], end: Tensor
) -> dict[str, Occurrences]:
    """The events by name, up to the end of each run."""
    result = {}
    count, dim = problem.initial.shape
    for name, (rows, when, states) in zip(names, found, strict=False):
        times = problem.initial.new_full((count, KEPT), torch.nan)
        at = problem.initial.new_full((count, KEPT, dim), torch.nan)
        number = torch.zeros(count, dtype=torch.int64, device=end.device)
        for i in torch.argsort(when).tolist():
            row = rows[i]
            if when[i] > end[row]:
                continue
            if number[row] < KEPT:
                times[row, number[row]], at[row, number[row]] = when[i], states[i]
            number[row] += 1
        most = max(1, min(KEPT, int(number.max())))
        params = {n: v for n, v in problem.unflatten(at[:, :most]).items() if n in problem.flow.state}
        result[name] = Occurrences(times[:, :most], params, number)
    return result
