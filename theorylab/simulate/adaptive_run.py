"""Adaptive steps of all rows of an ensemble at once in batched torch, by an explicit method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import arguments, chatter, control
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.runge_kutta import Attempt, Stepper
from theorylab.simulate.status import Status
from theorylab.simulate.switching import RUNNING, STIFF
from theorylab.simulate.trajectories import Active, Record
from theorylab.simulate.typing import Field, Observe, Until


@dataclass(frozen=True)
class Terms:
    """What `integrate` was asked for, the same for all trials; the arguments are checked, `atol` is () or (D,)."""

    rtol: float
    atol: Tensor
    until: Until | None
    times: Tensor
    observe: Observe | None
    max_steps: int


def prepared(
    field: Field,
    y: Tensor,
    f: Tensor,
    starts: Tensor,
    ends: Tensor,
    method: ExplicitRungeKutta,
    terms: Terms,
    first_step: float | None,
) -> Record:
    """All trials at their start, where the field is f: first step, observed quantities; those that stop at once have
    their status.
    """
    rows = torch.arange(len(y), device=y.device)
    if f.dtype != y.dtype or f.device != y.device:
        raise InputError(f"the field returned {f.dtype} on {f.device}; expected {y.dtype} on {y.device}")
    if first_step is None:
        room, order = ends - starts, method.embedded_order + 1
        h = control.first_step(field, starts, y, f, rows, room, rtol=terms.rtol, atol=terms.atol, order=order)
    else:
        h = torch.full_like(starts, first_step)
    quantities = y.new_zeros(len(y), 0) if terms.observe is None else _observed(terms.observe, starts, y, rows)
    counts = {name: torch.zeros_like(rows) for name in ("attempts", "accepted", "rough", "stiff", "cursor")}
    record = Record(
        Active(
            rows=rows,
            t=starts,
            y=y,
            f=f,
            h=h,
            t_end=ends,
            rejected=torch.zeros_like(rows, dtype=torch.bool),
            scaled=torch.full_like(starts, 1e-4),
            mark=starts.clone(),
            radius=y.new_zeros((len(y), control.MEMORY)),
            error=torch.zeros_like(starts),
            evaluations=torch.full_like(rows, 1 + (first_step is None)),
            start=quantities,
            drift=torch.zeros_like(quantities),
            **counts,
        ),
        len(terms.times),
    )
    if len(terms.times):
        at_start = starts == terms.times[0]
        record.saved[at_start, 0] = y[at_start]
        record.trials.cursor += at_start
    finite = torch.isfinite(y).all(1) & torch.isfinite(f).all(1)
    code = torch.where(ends == starts, Status.T_END, RUNNING)
    if terms.until is not None:
        code = torch.where(arguments.stops(terms.until, starts, y, f, rows), Status.CONVERGED, code)
    record.status[:] = torch.where(finite, code, Status.NON_FINITE)
    return record


class AdaptiveRun:
    """A run that takes trials up where they stand, and leaves them finished or to another one."""

    def __init__(self, record: Record, terms: Terms) -> None:
        self.record, self.terms = record, terms
        self.rtol, self.atol, self.until, self.times = terms.rtol, terms.atol, terms.until, terms.times

    def turn(self) -> None:
        """Move the trials that are running until this run is done with all of them."""
        self.active = self.record.taken_up()
        if len(self.active):
            self.begin()
        while len(self.active):
            self.step()

    def begin(self) -> None:
        """Make ready for the trials taken up."""

    def step(self) -> None:
        """One attempt for every active row; rows that are done stop."""
        raise NotImplementedError

    def stop(self, code: Tensor) -> None:
        """Write down and drop the rows with a code; it is (b,), RUNNING for the others."""
        spent = (code < 0) & (self.active.attempts >= self.terms.max_steps)
        code = torch.where(spent, Status.MAX_STEPS, code)
        stopped = code != RUNNING
        if bool(stopped.any()):
            gone = stopped.nonzero()[:, 0]
            self.leave(self.active.select(gone), code[gone])
            self.active = self.active.select((~stopped).nonzero()[:, 0])

    def leave(self, gone: Active, code: Tensor) -> None:
        """Write down rows that are dropped."""
        self.record.leave(gone, code)

    def _ended(self, code: Tensor, finite: Tensor, accept: Tensor, final: Tensor, moved: Tensor) -> Tensor:
        """The codes after an attempt, (b,): where it is the last one, or cannot be followed by another.

        final: rows whose step ends at their end time; moved: rows whose state or field is another one than before.
        """
        active = self.active
        failure = torch.where(finite, Status.STEP_TOO_SMALL, Status.NON_FINITE)
        code = torch.where(active.h < control.smallest_step(active.t), failure, code)
        code = torch.where(accept & final, Status.T_END, code)
        if self.until is not None:
            met = arguments.stops(self.until, active.t, active.y, active.f, active.rows)
            code = torch.where(moved & met, Status.CONVERGED, code)
        return code

    def _observe(self) -> None:
        """Keep the largest changes of the observed quantities."""
        active, observe = self.active, self.terms.observe
        if observe is not None:
            # The state of a row whose attempt was rejected is unchanged, so it adds nothing to the maximum.
            change = _observed(observe, active.t, active.y, active.rows) - active.start
            active.drift = torch.maximum(active.drift, change.abs())


class ExplicitRun(AdaptiveRun):
    """A run of an explicit method.

    limit     step times spectral radius beyond which a step is stiff; 0 where no other method takes over
    patience  stiff steps before another method takes over
    """

    def __init__(self, field: Field, record: Record, terms: Terms, method: ExplicitRungeKutta) -> None:
        super().__init__(record, terms)
        self.method = method
        self.stepper = Stepper(method, field, record.trials.y.device)
        # The local error of a method whose estimate has order q is proportional to h^(q+1).
        self.order = method.embedded_order + 1
        self.limit, self.patience = 0.0, 0

    def begin(self) -> None:
        self.attempts = 0

    def step(self) -> None:
        active = self.active
        h, final = control.ending(active.h, active.t_end - active.t)
        attempt = self._attempt(h)

        scaled, finite = self._errors(attempt)
        accept = finite & (scaled <= 1)
        arrived = torch.where(final, active.t_end, active.t + h)
        radius, stiff = self._stiffness(attempt, h, accept)
        code = torch.where(stiff, STIFF, RUNNING)
        if chatter.is_watched(self.attempts):
            active.rough = active.rough + chatter.is_rough(attempt)
        if self.attempts % chatter.WINDOW == 0:
            code[self._chattering(attempt)] = Status.CHATTERING
            active.rough, active.mark = torch.zeros_like(active.rough), active.t
        if len(self.times):
            self._save(attempt, h, torch.where(accept, arrived, active.t))
        factor = control.step_factor(scaled, active.scaled, accept, active.rejected, self.order)
        self._advance(attempt, arrived, accept, scaled, radius)
        active.h = control.next_step(active.h, h, torch.where(finite, factor, control.SHRINK), accept)
        self._observe()
        self.stop(self._ended(code, finite, accept, final, accept))

    def _attempt(self, h: Tensor) -> Attempt:
        active = self.active
        attempt = self.stepper.attempt(active.t, active.y, active.f, h, active.rows)
        self.attempts += 1
        active.attempts = active.attempts + 1
        active.evaluations = active.evaluations + self.method.last
        return attempt

    def _errors(self, attempt: Attempt) -> tuple[Tensor, Tensor]:
        """The error of an attempt in units of the tolerance, and whether it and the field at the end are finite."""
        scaled = control.scaled_error(attempt, self.active.y, self.rtol, self.atol)
        if self.until is not None:
            scaled = torch.maximum(scaled, control.stiff_error(attempt, self.active.radius))
        return scaled, torch.isfinite(scaled) & torch.isfinite(attempt.f).all(1)

    def _stiffness(
        self, attempt: Attempt, h: Tensor, accept: Tensor, free: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Estimates of the spectral radius, and the rows that are to be left to a method for stiff problems, (b,) each.

        free: rows of which a method for stiff problems knows the field; all of them if None.
        """
        active = self.active
        if self.until is None and not self.limit:
            return torch.zeros_like(h), torch.zeros_like(accept)
        radius = control.spectral_radius(attempt, h)
        if not self.limit:
            return radius, torch.zeros_like(accept)
        more = accept & (h * radius > self.limit)
        more = more if free is None else more & free
        less = accept & ~more & (active.stiff > 0)
        active.stiff = active.stiff + more.long() - less.long()
        return radius, more & (active.stiff >= self.patience)

    def _advance(self, attempt: Attempt, arrived: Tensor, accept: Tensor, scaled: Tensor, radius: Tensor) -> None:
        """Move the rows whose attempt was accepted to the end of their step."""
        active, column = self.active, accept[:, None]
        if self.until is not None:
            remembered = torch.cat([active.radius[:, 1:], radius[:, None]], dim=1)
            active.radius = torch.where(column, remembered, active.radius)
        active.t = torch.where(accept, arrived, active.t)
        active.y = torch.where(column, attempt.y, active.y)
        active.f = torch.where(column, attempt.f, active.f)
        active.error = active.error + torch.where(accept, control.local_error(attempt), 0.0)
        active.scaled = torch.where(accept, scaled.clamp(min=1e-4), active.scaled)
        active.accepted = active.accepted + accept
        active.rejected = ~accept

    def _chattering(self, attempt: Attempt) -> Tensor:
        """Rows that chatter and whose end is out of reach at the pace of the last window."""
        active = self.active
        reach = (active.t - active.mark) * ((self.terms.max_steps - active.attempts) / chatter.WINDOW)
        suspects = ((active.rough > chatter.WATCHED // 2) & (active.t + reach < active.t_end)).nonzero()[:, 0]
        if not len(suspects):
            return suspects
        active.evaluations[suspects] += chatter.EVALUATIONS
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
        active.evaluations[index] += self.method.extra_stages
        active.cursor = cursor


def _observed(observe: Observe, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    value = observe(t, y, rows)
    if value.ndim != 2 or len(value) != len(y):
        raise InputError(f"observe returned shape {tuple(value.shape)}; expected ({len(y)}, q)")
    return value
