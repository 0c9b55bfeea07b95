"""Ensembles of discrete schemes: every trajectory with its own status, its mini-batches and its stopping."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.draw import Draw
from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.readings.exact import entry_name
from theorylab.readings.letters import Dims
from theorylab.readings.numeric import Numeric
from theorylab.scheme import Scheme
from theorylab.simulate.compiled import MAX_NODES
from theorylab.simulate.kernel.iterate import StepKernel, step_kernel
from theorylab.simulate.problem import AGREEMENT, Problem
from theorylab.simulate.random import stream
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged
from theorylab.simulate.typing import Until

_RUNNING = -1
CHUNK = 1 << 22
"""Random numbers that are held at a time."""
MOST = 4 * MAX_NODES
"""Scalar operations beyond which a step has too many sub-expressions, and the exact reading is not tried."""


class Steps(Problem):
    """The ensemble of a scheme: `advance` is one step of rows, with what that step draws in `drawn`."""

    def __init__(self, scheme: Scheme, dims: Dims, raw: Mapping[str, Any], device: str | None = None) -> None:
        super().__init__(scheme.flow, dims, raw, device)
        self.scheme = scheme
        self.drawn: dict[str, Tensor] = {}

    def select(self, rows: Tensor) -> dict[str, Tensor]:
        return {**super().select(rows), **{n: t[rows] for n, t in self.drawn.items()}}

    def advance(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The states after one step from rows (b, D); t is the number of the step."""
        return self.mapped(self._step, t, y, rows)

    def _step(self, t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        state = {n: Numeric(v) for n, v in self.unflatten(y).items()}
        p, c = self.flow.view(state, self.case(one), Numeric(t))
        return self.flattened(self.scheme.after(p, c), y)

    def kernel(self, formulas: Sequence[Any], waits: bool) -> StepKernel | None:
        """Generated C for the scheme and the observed formulas; None where there is none, and `obstacle` says why."""
        self.obstacle = self.too_large(formulas, MOST) if self.device == "cpu" else f"the device is {self.device}"
        if self.obstacle:
            return None
        try:
            world = self.world()
            moved = self.scheme.after(*world.view)
            arrays = [world.lift(moved[n], world.state[n]) for n in self.shapes]
            if waits:
                arrays.append(sum((a**2).sum() for a in world.velocity.values()))
            arrays += [world.evaluate(f) for f in formulas]
            roots = [e for a in arrays for e in a.entries()]
        except UnsupportedReading as error:
            self.obstacle = f"a formula has no exact reading at these sizes ({error})"
            return None
        names = self.state_names
        made = step_kernel(
            roots, names, self.constants, self._fresh_names, gate=self.gates, waits=waits, max_nodes=MAX_NODES
        )
        if isinstance(made, str):
            self.obstacle = made
            return None
        return made

    @property
    def _fresh_names(self) -> list[str]:
        return [
            entry_name(n, index) for n in self.scheme.fresh for index in np.ndindex(tuple(self.values[n].shape[1:]))
        ]


class Draws:
    """What every step draws anew: one stream a trial and variable, keyed by (seed, trial), beside that of the case."""

    def __init__(self, problem: Steps, seed: int) -> None:
        setting = problem.setting
        self.problem = problem
        self.names = problem.scheme.fresh
        self.draws: list[Draw] = [setting.variables[n].distribution for n in self.names]
        self.shapes = [tuple(problem.values[n].shape[1:]) for n in self.names]
        self.streams = [[stream(seed, trial, k + 1) for k in range(len(self.names))] for trial in range(problem.trials)]

    def chunks(self, steps: int) -> Iterator[tuple[int, np.ndarray]]:
        """(first step, values (trials, steps of the chunk, scalars)) until all steps are covered."""
        width = sum(math.prod(s) for s in self.shapes)
        epoch = math.lcm(*(d.epoch(s) for d, s in zip(self.draws, self.shapes, strict=True)))
        size = max(1, CHUNK // max(1, width * self.problem.trials * epoch)) * epoch if width else steps
        for first in range(0, steps, size):
            count = min(size, -(-(steps - first) // epoch) * epoch)
            taken = min(count, steps - first)
            yield first, self._values(count)[:, :taken]

    def _values(self, count: int) -> np.ndarray:
        if not self.names:
            return np.zeros((self.problem.trials, count, 0))
        rows = []
        for streams in self.streams:
            drawn = zip(self.draws, streams, self.shapes, strict=True)
            rows.append(np.concatenate([d.sequence(s, shape, count).reshape(count, -1) for d, s, shape in drawn], 1))
        return np.stack(rows)

    def of_step(self, values: np.ndarray) -> dict[str, Tensor]:
        """The values of one step, (trials, scalars), by name."""
        found, at = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            part = values[:, at : at + math.prod(shape)].reshape(len(values), *shape)
            found[name] = torch.as_tensor(part, device=self.problem.device)
            at += math.prod(shape)
        return found


@dataclass
class _Table:
    """Where the trajectories stand, one row each."""

    y: Tensor
    saved: Tensor
    start: Tensor
    drift: Tensor
    status: Tensor
    done: Tensor


@torch.no_grad()
def iterate(
    problem: Steps, *, steps: int, times: Sequence[int], until: Until | None, observe: Sequence[Any], seed: int
) -> tuple[Solution, str]:
    """`steps` steps for every trial, and why generated C did not run ("" where it did).

    times: rising step numbers at which the states are kept. until: asked at every state, with the field of the flow
    that the scheme discretises. observe: formulas whose largest change is kept. c.t and the time are the step number.
    """
    y = problem.initial.clone()
    count, dim = y.shape
    wanted = sum(problem.observe(f, y.new_zeros(count), y).shape[1] for f in observe)
    table = _Table(
        y=y,
        saved=y.new_full((count, len(times), dim), torch.nan),
        start=y.new_zeros(count, wanted),
        drift=y.new_zeros(count, wanted),
        status=torch.full((count,), _RUNNING, dtype=torch.int64, device=y.device),
        done=torch.zeros(count, dtype=torch.int64, device=y.device),
    )
    if not bool(torch.isfinite(y).all(1).all()):
        table.status[~torch.isfinite(y).all(1)] = Status.NON_FINITE
    draws = Draws(problem, seed)
    kernel = None
    if until is None or type(until) is Converged:
        kernel = problem.kernel(observe, until is not None)
    else:
        problem.obstacle = "the stopping rule is no tl.converged"
    if kernel is not None:
        _check(problem, kernel, draws)
        _in_c(kernel, table, draws, steps, times, until.gtol if isinstance(until, Converged) else 0.0)
    else:
        _in_torch(problem, table, draws, steps, times, until, observe)
    return _finished(problem, table, steps, times, until, observe), "" if kernel is not None else problem.obstacle


def _in_c(kernel: StepKernel, table: _Table, draws: Draws, steps: int, times: Sequence[int], gtol: float) -> None:
    moments = np.asarray(times, dtype=np.int64)
    arrays = {name: value.numpy() for name, value in vars(table).items()}
    saved = arrays.pop("saved")
    for first, fresh in draws.chunks(steps):
        inside = (moments >= first) & (moments < first + fresh.shape[1])
        kept = np.ascontiguousarray(saved[:, inside])
        held = {**arrays, "saved": kept, "times": moments[inside]}
        kernel.advance(held, fresh, first=first, steps=fresh.shape[1], gtol=gtol)
        saved[:, inside] = kept


def _in_torch(
    problem: Steps,
    table: _Table,
    draws: Draws,
    steps: int,
    times: Sequence[int],
    until: Until | None,
    observe: Sequence[Any],
) -> None:
    rows = (table.status == _RUNNING).nonzero()[:, 0]
    at = {n: i for i, n in enumerate(times)}
    for first, fresh in draws.chunks(steps):
        for n in range(first, first + fresh.shape[1]):
            if not len(rows):
                return
            y, t = table.y[rows], table.y.new_full((len(rows),), float(n))
            if n in at:
                table.saved[rows, at[n]] = y
            problem.drawn = draws.of_step(fresh[:, n - first])
            moved = problem.advance(t, y, rows)
            code = torch.full_like(rows, _RUNNING)
            code[~torch.isfinite(moved).all(1)] = Status.NON_FINITE
            if until is not None:
                code[until(t, y, problem.field(t, y, rows), rows)] = Status.CONVERGED
            _watch(problem, table, observe, n, y, rows)
            going = code == _RUNNING
            table.status[rows] = code
            rows = rows[going]
            table.y[rows] = moved[going]
            table.done[rows] += 1


def _watch(problem: Steps, table: _Table, observe: Sequence[Any], n: int, y: Tensor, rows: Tensor) -> None:
    if not table.start.shape[1]:
        return
    t = y.new_full((len(rows),), float(n))
    values = torch.cat([problem.observe(f, t, y, rows) for f in observe], 1)
    if n == 0:
        table.start[rows] = values
    table.drift[rows] = torch.maximum(table.drift[rows], (values - table.start[rows]).abs())


def _finished(
    problem: Steps, table: _Table, steps: int, times: Sequence[int], until: Until | None, observe: Sequence[Any]
) -> Solution:
    """The record of all trials; those that made every step end there, perhaps converged."""
    problem.drawn = {}
    rows = torch.arange(problem.trials, device=table.y.device)
    last = rows[table.status == _RUNNING]
    _watch(problem, table, observe, steps, table.y[last], last)
    if steps in times:
        table.saved[last, list(times).index(steps)] = table.y[last]
    t = table.done.to(table.y.dtype)
    field = problem.field(t, table.y, rows)
    met = (
        torch.zeros_like(last, dtype=torch.bool) if until is None else until(t[last], table.y[last], field[last], last)
    )
    table.status[last] = torch.where(met, int(Status.CONVERGED), int(Status.T_END))
    return Solution(
        t=t,
        y=table.y,
        field=field,
        status=table.status,
        stats=Stats(table.done, torch.zeros_like(table.done), table.done + 1),
        error_estimate=torch.zeros_like(t),
        saved=table.saved if len(times) else None,
        observed=table.start if observe else None,
        drift=table.drift if observe else None,
        method="scheme",
        rtol=0.0,
    )


def _check(problem: Steps, kernel: StepKernel, draws: Draws) -> None:
    """Raise InternalError where one step of the generated code differs from torch."""
    zero = problem.initial.new_zeros(problem.trials)
    rows = torch.arange(problem.trials)
    width = sum(math.prod(s) for s in draws.shapes)
    fresh = np.ones((problem.trials, 1, width))
    problem.drawn = draws.of_step(fresh[:, 0])
    expected = problem.advance(zero, problem.initial, rows)
    problem.drawn = {}
    y = problem.initial.clone()
    got = kernel.once(y.numpy(), fresh)
    gap = ((expected - got).abs() / (1 + expected.abs()))[torch.isfinite(expected)]
    if gap.numel() and not float(gap.max()) <= AGREEMENT:
        raise InternalError(
            f"the generated step and torch differ by {float(gap.max()):.1e} at the start; "
            f"expected at most {AGREEMENT:.0e}"
        )


def step_numbers(times: Any, steps: int) -> list[int]:
    """Times of a scheme, which are numbers of steps."""
    if times is None:
        return []
    try:
        given = [float(n) for n in times]
    except (TypeError, ValueError) as error:
        raise InputError(f"times is {times!r}; expected rising numbers of steps") from error
    if any(n != int(n) or not 0 <= n <= steps for n in given if math.isfinite(n)) or not all(map(math.isfinite, given)):
        raise InputError(f"times is {times!r}; expected whole numbers of steps from 0 to {steps}")
    if not given or any(a >= b for a, b in pairwise(given)):
        raise InputError(f"times is {times!r}; expected at least one number of steps, rising")
    return [int(n) for n in given]
