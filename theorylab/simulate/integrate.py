"""Adaptive integration of an ensemble: every trajectory has its own step, error control, status and stopping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import arguments, chatter, control
from theorylab.simulate.gates import gates_of
from theorylab.simulate.kernel.ensemble import Task
from theorylab.simulate.kernel.nvrtc import Unavailable
from theorylab.simulate.kernel.solve import kernel
from theorylab.simulate.kernel.stiff import Stiff
from theorylab.simulate.kernel.threads import ThreadedFormula, thread_kernel
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised, any_by_name, by_name
from theorylab.simulate.runge_kutta import Attempt, Stepper, evaluate
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.switching import stiff_methods
from theorylab.simulate.trajectories import Active, Record
from theorylab.simulate.typing import Field, Observe, Until

_RUNNING = -1
MOST_STEPS = 2**62


def integrate(
    field: Field,
    initial: Tensor | ArrayLike,
    *,
    t_end: float | Tensor,
    rtol: float = 1e-9,
    atol: float | Tensor = 1e-12,
    method: str | ExplicitRungeKutta | Stabilised | Rosenbrock = "auto",
    until: Until | None = None,
    save: Sequence[float] | Tensor | None = None,
    observe: Observe | None = None,
    t_start: float | Tensor = 0.0,
    max_steps: int = 100_000,
    first_step: float | None = None,
    device: torch.device | str | None = None,
) -> Solution:
    """Integrate y' = field(t, y) from `initial`, (B, D), for every row on its own.

    field       field(t: (b,), y: (b, D), rows: (b,)) -> (b, D) in float64: rows[i] is the trial of row i. Trajectories
                that have stopped are dropped from the calls, so b falls from B to 1. Autograd is off around `field`;
                torch.func works in it as usual
    t_end       end time, a number or (B,); may be inf with `until`
    rtol, atol  the error of a step is at most atol + rtol |y| in the root mean square over the coordinates; atol may be
                (D,), and 1e-30 asks for relative accuracy alone
    method      a name or a method, or "auto": an explicit method for the tolerance, and in generated C, for trials that
                turn out stiff, as long as they are, ROCK4 or Rodas5P; `finisher` of the solution names the last one of
                each. Kinks and slides are left to the explicit method, beside "rock4" and "rodas5p" as well. In batched
                torch "auto" is the explicit method, and "rock4" and "rodas5p" step over kinks
    until       stopping rule, for instance `converged(1e-8)`, asked at the start and after every accepted step
    save        rising times, shared by all rows, at which dense output is kept
    observe     observe(t, y, rows) -> (b, q): its largest change from the start is kept, at no cost in storage
    t_start     start time, a number or (B,)
    max_steps   limit on accepted and rejected steps together
    first_step  size of the first step; chosen if None

    Raises InputError for wrong shapes, types and ranges. A row that goes wrong gets a status and never raises.

    Where field and observe are compiled formulas and until is `converged`, the whole run is generated C; its steps are
    those of the batched torch path up to round-off, as long as the field has no kinks. Of compiled formulas, and of
    gradients in torch, the gates are known: an explicit method locates kinks and slides along them (`kinks.py`,
    `kink_run.py`), and the solution says which trajectories did. Where they are not known, as for a field that is just
    a function, kinks are stepped over, and a trajectory that would have to slide ends as `chattering`.
    """
    arguments.check_numbers(rtol, max_steps, first_step)
    y = arguments.states(initial, device)
    starts, ends = arguments.time_span(t_start, t_end, y)
    if until is None and not arguments.are_finite(t_end, ends):
        raise InputError(f"t_end={t_end!r} was given without a stopping rule; expected finite times or until=...")
    chosen = any_by_name(method, rtol=rtol) if isinstance(method, str) else method
    if not isinstance(chosen, ExplicitRungeKutta | Stabilised | Rosenbrock):
        raise InputError(f"method is {method!r}; expected a name such as 'auto' or 'tsit5', or a method")
    options: dict[str, Any] = {
        "rtol": float(rtol),
        "atol": arguments.absolute_tolerance(atol, y),
        "until": until,
        "times": arguments.save_times(save, starts),
        "first_step": first_step,
        "max_steps": min(int(max_steps), MOST_STEPS),
    }
    explicit = chosen if isinstance(chosen, ExplicitRungeKutta) else by_name("auto", rtol=rtol)
    fused = kernel(field, observe, until, explicit, y) or thread_kernel(field, observe, until, explicit, y)
    if fused is not None:
        stiff = None if isinstance(chosen, ExplicitRungeKutta) else Stiff((chosen,), alone=True)
        if method == "auto":
            stiff = stiff_methods(fused.formulas.field, explicit, rtol)
        with suppress(Unavailable):
            return fused.solve(Task(y, starts, ends, observes=observe is not None, **options), stiff)
    field = field.plain if isinstance(field, ThreadedFormula) else field
    observe = observe.plain if isinstance(observe, ThreadedFormula) else observe
    return _in_torch(field, y, starts, ends, chosen, observe, options)


@torch.no_grad()
def _in_torch(
    field: Field,
    y: Tensor,
    starts: Tensor,
    ends: Tensor,
    chosen: ExplicitRungeKutta | Stabilised | Rosenbrock,
    observe: Observe | None,
    options: Mapping[str, Any],
) -> Solution:
    if isinstance(chosen, ExplicitRungeKutta):
        from theorylab.simulate.kink_run import KinkRun

        gates = gates_of(field, starts, y)
        if gates is None:
            run = AdaptiveRun(field, y, starts, ends, method=chosen, observe=observe, **options)
        else:
            run = KinkRun(field, gates, y, starts, ends, method=chosen, observe=observe, **options)
    else:
        from theorylab.simulate.stiff_run import StiffRun

        run = StiffRun(field, y, starts, ends, method=chosen, observe=observe, **options)
    while len(run.active) and run.attempts < options["max_steps"]:
        run.step()
    run.stop(torch.full_like(run.active.rows, Status.MAX_STEPS))
    return run.solution()


class AdaptiveRun:
    """The state of one call of `integrate`."""

    def __init__(
        self,
        field: Field,
        y: Tensor,
        starts: Tensor,
        ends: Tensor,
        *,
        method: ExplicitRungeKutta,
        rtol: float,
        atol: Tensor,
        until: Until | None,
        times: Tensor,
        observe: Observe | None,
        first_step: float | None,
        max_steps: int,
    ) -> None:
        self.method, self.name = method, method.name
        self.stepper = Stepper(method, field, y.device)
        self.rtol, self.atol, self.until, self.times, self.observe = rtol, atol, until, times, observe
        # The local error of a method whose estimate has order q is proportional to h^(q+1).
        self.order = method.embedded_order + 1
        self.attempts = 0
        self.max_steps = max_steps

        rows = torch.arange(len(y), device=y.device)
        f = evaluate(field, starts, y, rows)
        if f.dtype != y.dtype or f.device != y.device:
            raise InputError(f"the field returned {f.dtype} on {f.device}; expected {y.dtype} on {y.device}")
        self.evaluations = 1
        if first_step is None:
            room = ends - starts
            h = control.first_step(field, starts, y, f, rows, room, rtol=rtol, atol=atol, order=self.order)
            self.evaluations += 1
        else:
            h = torch.full_like(starts, first_step)
        self.quantities = y.new_zeros(len(y), 0) if observe is None else _observed(observe, starts, y, rows)
        self.active = Active(
            rows=rows,
            t=starts,
            y=y,
            f=f,
            h=h,
            t_end=ends,
            accepted=torch.zeros_like(rows),
            rejected=torch.zeros_like(rows, dtype=torch.bool),
            scaled=torch.full_like(starts, 1e-4),
            rough=torch.zeros_like(rows),
            mark=starts,
            radius=y.new_zeros((len(y), control.MEMORY)),
            error=torch.zeros_like(starts),
            extra=torch.zeros_like(rows),
            cursor=torch.zeros_like(rows),
            start=self.quantities,
            drift=torch.zeros_like(self.quantities),
        )
        self.record = Record(self.active, len(times))
        if len(times):
            at_start = starts == times[0]
            self.record.saved[at_start, 0] = y[at_start]
            self.active.cursor += at_start
        finite = torch.isfinite(y).all(1) & torch.isfinite(f).all(1)
        code = torch.where(ends == starts, Status.T_END, _RUNNING)
        if until is not None:
            code = torch.where(arguments.stops(until, starts, y, f, rows), Status.CONVERGED, code)
        self.stop(torch.where(finite, code, Status.NON_FINITE))

    def step(self) -> None:
        """One attempt for every active row; rows that are done stop."""
        active = self.active
        h, final = control.ending(active.h, active.t_end - active.t)
        attempt = self.stepper.attempt(active.t, active.y, active.f, h, active.rows)
        self.attempts += 1
        self.evaluations += self.method.last

        scaled = control.scaled_error(attempt, active.y, self.rtol, self.atol)
        if self.until is not None:
            scaled = torch.maximum(scaled, control.stiff_error(attempt, active.radius))
        finite = torch.isfinite(scaled) & torch.isfinite(attempt.f).all(1)
        accept = finite & (scaled <= 1)
        arrived = torch.where(final, active.t_end, active.t + h)
        code = torch.full_like(active.rows, _RUNNING)
        if chatter.is_watched(self.attempts):
            active.rough = active.rough + chatter.is_rough(attempt)
        if self.attempts % chatter.WINDOW == 0:
            code[self._chattering(attempt)] = Status.CHATTERING
            active.rough, active.mark = torch.zeros_like(active.rough), active.t
        if len(self.times):
            self._save(attempt, h, torch.where(accept, arrived, active.t))
        factor = control.step_factor(scaled, active.scaled, accept, active.rejected, self.order)
        self._advance(attempt, h, arrived, accept, scaled)
        active.h = control.next_step(active.h, h, torch.where(finite, factor, control.SHRINK), accept)
        self._observe()

        failure = torch.where(finite, Status.STEP_TOO_SMALL, Status.NON_FINITE)
        code = torch.where(active.h < control.smallest_step(active.t), failure, code)
        code = torch.where(accept & final, Status.T_END, code)
        if self.until is not None:
            met = arguments.stops(self.until, active.t, active.y, active.f, active.rows)
            code = torch.where(accept & met, Status.CONVERGED, code)
        self.stop(code)

    def stop(self, code: Tensor) -> None:
        """Record and drop the rows with a status; `code` is (b,), _RUNNING for the others."""
        stopped = code != _RUNNING
        if bool(stopped.any()):
            gone = stopped.nonzero()[:, 0]
            self.record.stop(self.active.select(gone), code[gone], self.attempts, self.evaluations)
            self.active = self.active.select((~stopped).nonzero()[:, 0])

    def solution(self) -> Solution:
        record = self.record
        return Solution(
            t=record.t,
            y=record.y,
            field=record.f,
            status=record.status,
            stats=Stats(record.accepted, record.rejected, record.evaluations),
            error_estimate=record.error,
            saved=record.saved if len(self.times) else None,
            observed=None if self.observe is None else self.quantities,
            drift=None if self.observe is None else record.drift,
            method=self.name,
            rtol=self.rtol,
        )

    def _advance(self, attempt: Attempt, h: Tensor, arrived: Tensor, accept: Tensor, scaled: Tensor) -> None:
        """Move the rows whose attempt was accepted to the end of their step."""
        active, column = self.active, accept[:, None]
        if self.until is not None:
            radius = torch.cat([active.radius[:, 1:], control.spectral_radius(attempt, h)[:, None]], dim=1)
            active.radius = torch.where(column, radius, active.radius)
        active.t = torch.where(accept, arrived, active.t)
        active.y = torch.where(column, attempt.y, active.y)
        active.f = torch.where(column, attempt.f, active.f)
        active.error = active.error + torch.where(accept, control.local_error(attempt), 0.0)
        active.scaled = torch.where(accept, scaled.clamp(min=1e-4), active.scaled)
        active.accepted = active.accepted + accept
        active.rejected = ~accept

    def _observe(self) -> None:
        """Keep the largest changes of the observed quantities."""
        active = self.active
        if self.observe is not None:
            # The state of a row whose attempt was rejected is unchanged, so it adds nothing to the maximum.
            change = _observed(self.observe, active.t, active.y, active.rows) - active.start
            active.drift = torch.maximum(active.drift, change.abs())

    def _chattering(self, attempt: Attempt) -> Tensor:
        """Rows that chatter and whose end is out of reach at the pace of the last window."""
        active = self.active
        reach = (active.t - active.mark) * ((self.max_steps - self.attempts) / chatter.WINDOW)
        suspects = ((active.rough > chatter.WATCHED // 2) & (active.t + reach < active.t_end)).nonzero()[:, 0]
        if not len(suspects):
            return suspects
        active.extra[suspects] += chatter.EVALUATIONS
        some = active.select(suspects)
        a = torch.as_tensor(self.method.a, device=active.y.device)[: self.method.last + 1, : self.method.last + 1]
        k = attempt.stages[:, suspects]
        return suspects[chatter.field_jumps(self.stepper.field, a, k, some.t, some.y, some.f, some.rows)]

    def _save(self, attempt: Attempt, h: Tensor, arrived: Tensor) -> None:
        """Keep the states at the save times that the rows pass on their way from t to `arrived`."""
        active = self.active
        cursor = torch.searchsorted(self.times, arrived, right=True)
        passed = cursor - active.cursor
        if not bool(passed.any()):
            return
        index = passed.nonzero()[:, 0]
        number = passed[index]
        pairs = torch.repeat_interleave(torch.arange(len(index), device=h.device), number)
        # Rank of each pair among those of its own row.
        rank = torch.arange(len(pairs), device=h.device) - (number.cumsum(0) - number)[pairs]
        which = active.cursor[index][pairs] + rank
        rows = active.rows[index]
        self.record.saved[rows[pairs], which] = self.stepper.interpolate(
            attempt, index, active.t[index], active.y[index], h[index], rows, pairs, self.times[which]
        )
        active.extra[index] += self.method.extra_stages
        active.cursor = cursor


def _observed(observe: Observe, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    value = observe(t, y, rows)
    if value.ndim != 2 or len(value) != len(y):
        raise InputError(f"observe returned shape {tuple(value.shape)}; expected ({len(y)}, q)")
    return value
