"""Adaptive integration of an ensemble, every trajectory with its own step, error control, status and stopping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import control
from theorylab.simulate.dense import interpolate
from theorylab.simulate.methods import ExplicitRungeKutta, by_name
from theorylab.simulate.runge_kutta import coefficients, evaluate, stages
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.typing import Field, Observe, Until

_RUNNING = -1
_EPS = torch.finfo(torch.float64).eps


@dataclass
class _Active:
    """The trajectories still running, one row each; every tensor has b rows."""

    rows: Tensor
    t: Tensor
    y: Tensor
    f: Tensor
    h: Tensor
    t_end: Tensor
    previous: Tensor
    radius: Tensor
    rejected: Tensor
    accepted: Tensor
    extra: Tensor
    error: Tensor
    cursor: Tensor
    start: Tensor
    drift: Tensor

    def select(self, index: Tensor) -> _Active:
        return _Active(*(getattr(self, item.name)[index] for item in fields(self)))


class _Record:
    """The results, one row a trial, filled when a trajectory stops."""

    def __init__(self, y: Tensor, start: Tensor, saves: int) -> None:
        size, dim = y.shape
        self.t = torch.zeros(size, dtype=y.dtype, device=y.device)
        self.y = y.clone()
        self.f = torch.zeros_like(y)
        self.error = torch.zeros_like(self.t)
        self.drift = torch.zeros_like(start)
        self.saved = torch.full((size, saves, dim), torch.nan, dtype=y.dtype, device=y.device)
        self.status = torch.full((size,), _RUNNING, dtype=torch.int64, device=y.device)
        self.accepted, self.rejected, self.evaluations = (torch.zeros_like(self.status) for _ in range(3))

    def finish(self, active: _Active, code: Tensor, attempts: int, evaluations: int) -> None:
        rows = active.rows
        self.t[rows], self.y[rows], self.f[rows] = active.t, active.y, active.f
        self.error[rows], self.drift[rows], self.status[rows] = active.error, active.drift, code
        self.accepted[rows] = active.accepted
        self.rejected[rows] = attempts - active.accepted
        self.evaluations[rows] = evaluations + active.extra


@torch.no_grad()
def integrate(
    field: Field,
    initial: Tensor | ArrayLike,
    *,
    t_end: float | Tensor,
    rtol: float = 1e-9,
    atol: float | Tensor = 1e-12,
    method: str | ExplicitRungeKutta = "auto",
    until: Until | None = None,
    save: Sequence[float] | Tensor | None = None,
    observe: Observe | None = None,
    t_start: float = 0.0,
    max_steps: int = 100_000,
    first_step: float | None = None,
    device: torch.device | str | None = None,
) -> Solution:
    """Integrate y' = field(t, y) from `initial`, (B, D), for every row on its own.

    field       field(t: (b,), y: (b, D), rows: (b,)) -> (b, D) in float64: rows[i] is the trial of row i. Trajectories
                that have stopped are dropped from the calls, so b falls from B to 0. Autograd is off outside `field`;
                torch.func works as it is
    t_end       end time, a number or (B,); may be inf with `until`
    rtol, atol  the step's error estimate is at most atol + rtol |y| in the root mean square over the coordinates;
                atol may be (D,), and 1e-30 asks for relative accuracy alone
    method      "auto", a name, or a method
    until       stopping rule, for instance `converged(1e-8)`
    save        sorted times, shared by all rows, at which dense output is kept
    observe     observe(t, y, rows) -> (b, q): its largest change from the start is kept, at no cost in storage
    max_steps   accepted and rejected steps together
    first_step  size of the first step; chosen if None

    Raises InputError for wrong shapes, types and ranges. A row that goes wrong gets a status and never raises.
    """
    y = as_states(initial, device)
    table_method = by_name(method, rtol=rtol) if isinstance(method, str) else method
    _check_controls(rtol, max_steps, first_step)
    size, dim = y.shape
    ends = _end_times(t_end, t_start, y)
    absolute = _absolute(atol, dim, y)
    times = _save_times(save, t_start, y)
    table = coefficients(table_method, y.device)
    last = table_method.last
    order = table_method.embedded_order + 1

    rows = torch.arange(size, device=y.device)
    t = torch.full((size,), float(t_start), dtype=y.dtype, device=y.device)
    f = evaluate(field, t, y, rows)
    if f.dtype != torch.float64 or f.device != y.device:
        raise InputError(f"the field returned {f.dtype} on {f.device}; expected {y.dtype} on {y.device}")
    start = y.new_zeros(size, 0) if observe is None else _observed(observe, t, y, rows)

    room = ends - t
    if first_step is None:
        h = control.first_step(field, table_method, t, y, f, rows, rtol=rtol, atol=absolute, room=room)
        evaluations = 2
    else:
        h = torch.full_like(t, first_step)
        evaluations = 1
    zero = torch.zeros_like(t)
    counts = torch.zeros_like(rows)
    active = _Active(
        rows=rows,
        t=t,
        y=y,
        f=f,
        h=h,
        t_end=ends,
        previous=torch.full_like(t, 1e-4),
        radius=torch.zeros((size, control.MEMORY), dtype=y.dtype, device=y.device),
        rejected=torch.zeros_like(rows, dtype=torch.bool),
        accepted=counts,
        extra=counts.clone(),
        error=zero,
        cursor=counts.clone(),
        start=start,
        drift=torch.zeros_like(start),
    )
    record = _Record(y, start, len(times))
    code = torch.full_like(rows, _RUNNING)
    code[room <= 0] = Status.T_END
    if until is not None:
        code[until(t, y, f, rows)] = Status.CONVERGED
    code[~(torch.isfinite(y).all(1) & torch.isfinite(f).all(1))] = Status.NON_FINITE
    if len(times) and bool(times[0] == t_start):
        record.saved[:, 0] = y
        active.cursor += 1

    k = y.new_empty(0)
    attempts = 0
    while True:
        stopped = code != _RUNNING
        if bool(stopped.any()):
            gone = stopped.nonzero()[:, 0]
            record.finish(active.select(gone), code[gone], attempts, evaluations)
            active = active.select((~stopped).nonzero()[:, 0])
            k = y.new_empty(0)
        if not len(active.rows):
            break
        if attempts == max_steps:
            code = torch.full_like(active.rows, Status.MAX_STEPS)
            continue
        if not k.numel():
            k = y.new_empty((last + 1, *active.y.shape))

        # A remainder below one per cent of a step is stepped over at once.
        remaining = active.t_end - active.t
        final = 1.01 * active.h >= remaining
        h = torch.where(final, remaining, active.h)
        torch.mul(active.f, h[:, None], out=k[0])
        before, ahead, slope = stages(field, table, range(1, last + 1), active.t, active.y, h, k, active.rows)
        attempts += 1
        evaluations += last

        estimates = (table.errors @ k.view(last + 1, -1)).view(-1, *ahead.shape)
        scale = torch.maximum(active.y.abs(), ahead.abs()).mul_(rtol).add_(absolute)
        error = control.combined_error([control.rms(estimate / scale) for estimate in estimates])
        if until is not None:
            error = torch.maximum(error, control.stiff_error(estimates, active.radius, ahead, slope))
        finite = torch.isfinite(error) & torch.isfinite(slope).all(1)
        accept = finite & (error <= 1)
        arrived = torch.where(final, active.t_end, active.t + h)

        if len(times):
            _save(field, table_method, active, h, k, arrived, accept, times, record.saved)
        factor = control.step_factor(error, active.previous, accept, active.rejected, order)
        factor = torch.where(finite, factor, control.SHRINK)
        column = accept[:, None]
        local = control.combined_error([torch.linalg.vector_norm(estimate, dim=1) for estimate in estimates])
        active.error = active.error + torch.where(accept, local, 0.0)
        active.t = torch.where(accept, arrived, active.t)
        active.y = torch.where(column, ahead, active.y)
        active.f = torch.where(column, slope, active.f)
        active.h = h * factor
        active.previous = torch.where(accept, error.clamp(min=1e-4), active.previous)
        if until is not None:
            radius = control.spectral_radius(before, ahead, k[last - 1], k[last], h)
            active.radius = torch.where(column, torch.cat([active.radius[:, 1:], radius[:, None]], dim=1), active.radius)
        active.rejected = ~accept
        active.accepted = active.accepted + accept
        if observe is not None:
            change = (_observed(observe, active.t, active.y, active.rows) - active.start).abs()
            active.drift = torch.maximum(active.drift, change)

        smallest = (active.t.abs() * (16 * _EPS)).clamp(min=1e-100)
        code = torch.where(active.rejected & (active.h < smallest), Status.STEP_TOO_SMALL, _RUNNING)
        code = torch.where((code != _RUNNING) & ~finite, Status.NON_FINITE, code)
        code = torch.where(accept & final, Status.T_END, code)
        if until is not None:
            met = until(active.t, active.y, active.f, active.rows)
            code = torch.where(accept & met, Status.CONVERGED, code)

    return Solution(
        t=record.t,
        y=record.y,
        field=record.f,
        status=record.status,
        stats=Stats(record.accepted, record.rejected, record.evaluations),
        error_estimate=record.error,
        saved=record.saved if len(times) else None,
        observed=None if observe is None else start,
        drift=None if observe is None else record.drift,
        method=table_method.name,
        rtol=rtol,
    )


def _save(
    field: Field,
    method: ExplicitRungeKutta,
    active: _Active,
    h: Tensor,
    k: Tensor,
    arrived: Tensor,
    accept: Tensor,
    times: Tensor,
    saved: Tensor,
) -> None:
    """Keep the states at the save times that the accepted steps pass."""
    upto = torch.where(accept, torch.searchsorted(times, arrived, right=True), active.cursor)
    passed = upto - active.cursor
    if not bool(passed.any()):
        return
    index = passed.nonzero()[:, 0]
    number = passed[index]
    pairs = torch.repeat_interleave(torch.arange(len(index), device=h.device), number)
    # Position of each pair among those of its own row.
    within = torch.arange(len(pairs), device=h.device) - (number.cumsum(0) - number)[pairs]
    which = active.cursor[index][pairs] + within
    t, y, step = active.t[index], active.y[index], h[index]
    rows = active.rows[index]
    values = interpolate(field, method, t, y, step, k[:, index], rows, pairs, times[which])
    saved[rows[pairs], which] = values
    active.cursor = upto
    active.extra[index] += method.extra_stages


def _observed(observe: Observe, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    value = observe(t, y, rows)
    if value.ndim != 2 or len(value) != len(y):
        raise InputError(f"observe returned shape {tuple(value.shape)}; expected ({len(y)}, q)")
    return value


def as_states(initial: Tensor | ArrayLike, device: torch.device | str | None = None) -> Tensor:
    """`initial` as a contiguous float64 tensor (B, D) of its own; InputError if it is not one."""
    y = torch.as_tensor(initial, device=device).detach()
    if y.dtype != torch.float64:
        raise InputError(f"initial has dtype {y.dtype}; expected torch.float64")
    if y.ndim != 2 or 0 in y.shape:
        raise InputError(f"initial has shape {tuple(y.shape)}; expected (B, D) with at least one row and one column")
    return y.clone(memory_format=torch.contiguous_format)


def _check_controls(rtol: float, max_steps: int, first_step: float | None) -> None:
    if not (isinstance(rtol, float | int) and _EPS <= rtol < 1):
        raise InputError(f"rtol={rtol!r} was given; expected a number from {_EPS:.1e} to below 1")
    if not (isinstance(max_steps, int) and max_steps >= 1):
        raise InputError(f"max_steps={max_steps!r} was given; expected a positive integer")
    if first_step is not None and not (math.isfinite(first_step) and first_step > 0):
        raise InputError(f"first_step={first_step!r} was given; expected a positive number")


def _end_times(t_end: float | Tensor, t_start: float, y: Tensor) -> Tensor:
    ends = torch.as_tensor(t_end, dtype=y.dtype, device=y.device)
    if ends.shape not in ((), (len(y),)):
        raise InputError(f"t_end has shape {tuple(ends.shape)}; expected a number or shape ({len(y)},)")
    if not math.isfinite(t_start):
        raise InputError(f"t_start={t_start!r} was given; expected a finite number")
    if not bool((ends >= t_start).all()):
        raise InputError(f"t_end={t_end!r} was given; expected a time no earlier than t_start={t_start!r}")
    return ends.expand(len(y)).clone()


def _absolute(atol: float | Tensor, dim: int, y: Tensor) -> Tensor:
    absolute = torch.as_tensor(atol, dtype=y.dtype, device=y.device)
    if absolute.shape not in ((), (dim,)):
        raise InputError(f"atol has shape {tuple(absolute.shape)}; expected a number or shape ({dim},)")
    if not bool(((absolute > 0) & torch.isfinite(absolute)).all()):
        raise InputError(f"atol={atol!r} was given; expected positive numbers (1e-30 for relative accuracy alone)")
    return absolute


def _save_times(save: Sequence[float] | Tensor | None, t_start: float, y: Tensor) -> Tensor:
    if save is None:
        return y.new_empty(0)
    times = torch.as_tensor(save, dtype=y.dtype, device=y.device)
    if times.ndim != 1 or not len(times):
        raise InputError(f"save has shape {tuple(times.shape)}; expected at least one time in a flat list")
    if not bool(torch.isfinite(times).all() & (times[1:] > times[:-1]).all() & (times[0] >= t_start)):
        raise InputError(f"save={save!r} was given; expected rising finite times no earlier than t_start={t_start!r}")
    return times
