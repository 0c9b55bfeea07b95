"""Batched torch for the methods for stiff problems; stiff.c says the same for compiled formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate import arguments, control
from theorylab.simulate.integrate import AdaptiveRun
from theorylab.simulate.linearised import Linearised
from theorylab.simulate.methods import TSIT5, Rosenbrock, Stabilised
from theorylab.simulate.methods.stabilised import Member
from theorylab.simulate.runge_kutta import evaluate
from theorylab.simulate.status import Status

_RUNNING = -1


@dataclass(frozen=True, eq=False)
class Step:
    """A step that is not yet accepted: state, field there and error estimate, (b, D) each; evaluations, (b,)."""

    y: Tensor
    f: Tensor
    error: Tensor
    evaluations: Tensor


class StiffRun(AdaptiveRun):
    """A run whose steps end at save times, since the methods have no interpolant in common."""

    def __init__(self, field: Any, y: Tensor, *spans: Tensor, method: Stabilised | Rosenbrock, **options: Any) -> None:
        super().__init__(field, y, *spans, method=TSIT5, **options)
        self.name = method.name
        self.order = method.embedded_order + 1
        self.linear = Linearised(field)
        self.stabilised = _Tables(method, y.device) if isinstance(method, Stabilised) else None
        self.rosenbrock = method if isinstance(method, Rosenbrock) else None
        noise = torch.arange(y.shape[1], dtype=y.dtype, device=y.device)
        # A direction with a part along every eigenvector, for each trial of the whole ensemble.
        self.direction = torch.cos(1 + noise * 2.3).repeat(len(y), 1)
        self.radius = y.new_zeros(len(y))
        self.fresh = torch.ones(len(y), dtype=torch.bool, device=y.device)

    def step(self) -> None:
        """One attempt for every active row; rows that are done stop."""
        active = self.active
        radius = self._radius()
        goal = active.t_end
        if len(self.times):
            after = torch.cat([self.times, self.times.new_full((1,), torch.inf)])
            goal = torch.minimum(goal, after[active.cursor])
        wanted = active.h
        if self.stabilised is not None:
            wanted = torch.minimum(wanted, self.stabilised.longest / (control.RADIUS_SAFETY * radius))
        room = goal - active.t
        lands = 1.01 * wanted >= room
        h = torch.where(lands, room, wanted)
        attempt = self._stabilised(h, radius) if self.stabilised is not None else self._rosenbrock(h)
        self.attempts += 1
        active.extra = active.extra + attempt.evaluations

        scale = torch.maximum(active.y.abs(), attempt.y.abs()) * self.rtol + self.atol
        scaled = torch.nan_to_num(control.rms(attempt.error / scale), nan=torch.inf)
        own = torch.nan_to_num(control.norm(attempt.error), nan=torch.inf)
        if self.until is not None and self.stabilised is not None:
            eps = torch.finfo(torch.float64).eps
            allowed = control.STIFF_SHARE * control.norm(attempt.f) / radius
            scaled = torch.maximum(scaled, own / torch.maximum(allowed, 4 * eps * control.norm(attempt.y)))
        finite = torch.isfinite(scaled) & torch.isfinite(attempt.f).all(1)
        accept = finite & (scaled <= 1)
        factor = control.step_factor(scaled, active.scaled, accept, active.rejected, self.order)
        size = h * torch.where(finite, factor, control.SHRINK)
        active.h = torch.where(accept & lands, torch.maximum(wanted, size), size)
        column = accept[:, None]
        active.t = torch.where(accept, torch.where(lands, goal, active.t + h), active.t)
        active.y = torch.where(column, attempt.y, active.y)
        active.f = torch.where(column, attempt.f, active.f)
        active.error = active.error + torch.where(accept, own, 0.0)
        active.scaled = torch.where(accept, scaled.clamp(min=1e-4), active.scaled)
        active.accepted = active.accepted + accept
        active.rejected = ~accept
        self._keep(accept & lands)
        self._observe()
        code = torch.full_like(active.rows, _RUNNING)
        failure = torch.where(finite, Status.STEP_TOO_SMALL, Status.NON_FINITE)
        code = torch.where(active.h < control.smallest_step(active.t), failure, code)
        code = torch.where(accept & (active.t >= active.t_end), Status.T_END, code)
        if self.until is not None:
            met = arguments.stops(self.until, active.t, active.y, active.f, active.rows)
            code = torch.where(accept & met, Status.CONVERGED, code)
        self.stop(code)

    def _keep(self, landed: Tensor) -> None:
        """Keep the states of the rows that stand at a save time."""
        active = self.active
        if not len(self.times):
            return
        at = landed & (active.cursor < len(self.times))
        at[at.clone()] &= self.times[active.cursor[at]] <= active.t[at]
        self.record.saved[active.rows[at], active.cursor[at]] = active.y[at]
        active.cursor = active.cursor + at

    def _radius(self) -> Tensor:
        """The spectral radius at the active rows, floored; products are counted as evaluations."""
        active = self.active
        rows, v = active.rows, self.direction[active.rows]
        fresh = self.fresh[rows]
        rounds = torch.where(fresh, control.FIRST_ROUNDS, torch.where(active.rejected, control.MORE_ROUNDS, 1))
        v = torch.where(fresh[:, None], v / control.norm(v)[:, None], v)
        radius = self.radius[rows]
        while bool((rounds > 0).any()):
            at = rounds > 0
            image = self.linear.product(active.t, active.y, rows, v)
            length = control.norm(image)
            moves = at & (length > 0) & torch.isfinite(length)
            v = torch.where(moves[:, None], image / length[:, None], v)
            settled = (length - radius).abs() <= 0.01 * length
            radius = torch.where(at & torch.isfinite(length), length, radius)
            active.extra = active.extra + at
            rounds = torch.where(at, torch.where(settled | ~moves, 0, rounds - 1), rounds)
        self.direction[rows], self.radius[rows], self.fresh[rows] = v, radius, False
        return radius.clamp(min=1e-100)

    def _stabilised(self, h: Tensor, radius: Tensor) -> Step:
        active, tables = self.active, self.stabilised
        assert tables is not None
        member = torch.searchsorted(tables.intervals, control.RADIUS_SAFETY * radius * h).clamp(max=tables.last)
        length, step = tables.lengths[member], h[:, None]
        before = now = active.y
        for j in range(int(length.max())):
            slope = active.f
            if j:
                slope = evaluate(self.stepper.field, active.t + tables.nodes[member, j] * h, now, active.rows)
            mu, nu = tables.mu[member, j, None], tables.nu[member, j, None]
            ahead = mu * step * slope + nu * now + (1 - nu) * before
            ahead = torch.where((j < length)[:, None], ahead, now)
            before, now = now, ahead
        slopes: list[Tensor] = []
        for i in range(4):
            state = now + step * sum(
                (tables.a[member, i, j, None] * k for j, k in enumerate(slopes)), torch.zeros_like(now)
            )
            slopes.append(evaluate(self.stepper.field, active.t + tables.ends[member, i] * h, state, active.rows))
        y = now + step * sum((tables.b[member, i, None] * k for i, k in enumerate(slopes)), torch.zeros_like(now))
        f = evaluate(self.stepper.field, active.t + h, y, active.rows)
        error = step * sum((tables.e[member, i, None] * k for i, k in enumerate([*slopes, f])), torch.zeros_like(now))
        return Step(y, f, error, length + 4)

    def _rosenbrock(self, h: Tensor) -> Step:
        active, method = self.active, self.rosenbrock
        assert method is not None
        jacobian = self.linear.jacobian(active.t, active.y, active.rows)
        clock = self.linear.change(active.t, active.y, active.rows)
        unit = torch.eye(active.y.shape[1], dtype=active.y.dtype, device=active.y.device)
        step = h[:, None]
        matrix = unit / (method.gamma * step[:, :, None]) - jacobian
        known = torch.isfinite(matrix).flatten(1).all(1)[:, None]
        factors, pivots, _ = torch.linalg.lu_factor_ex(torch.nan_to_num(matrix))
        k: list[Tensor] = []
        state = active.y
        for i in range(method.stages):
            slope = active.f
            if i:
                state = active.y + sum(
                    (value * k[j] for j, value in method.rows[i].items()), torch.zeros_like(active.y)
                )
                slope = evaluate(self.stepper.field, active.t + method.nodes[i] * h, state, active.rows)
            coupled = sum((value * k[j] for j, value in method.coupling.get(i, {}).items()), torch.zeros_like(slope))
            right = slope + coupled / step + step * method.shifts[i] * clock
            k.append(torch.linalg.lu_solve(factors, pivots, right[:, :, None])[:, :, 0])
        y = state + k[-1]
        f = evaluate(self.stepper.field, active.t + h, y, active.rows)
        error = torch.where(known, k[-1], torch.nan)
        return Step(y, f, error, torch.full_like(active.rows, method.stages))


class _Tables:
    """The coefficients of all members of a family on a device, one row each."""

    def __init__(self, method: Stabilised, device: torch.device) -> None:
        members = method.members

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.array(values), dtype=torch.float64, device=device)

        def padded(name: str) -> Tensor:
            width = len(members[-1].mu)
            rows = [getattr(m, name)[: len(m.mu)] for m in members]
            return tensor([np.pad(row, (0, width - len(row))) for row in rows])

        def stacked(name: str) -> Tensor:
            return tensor([getattr(m, name) for m in members])

        self.last = len(members) - 1
        self.longest = float(members[-1].interval)
        self.intervals = stacked("interval")
        self.lengths = torch.tensor([len(m.mu) for m in members], device=device)
        self.mu, self.nu, self.nodes = padded("mu"), padded("nu"), padded("nodes")
        self.a, self.b, self.e = stacked("a"), stacked("b"), stacked("e")
        self.ends = tensor([_ends(m) for m in members])


def _ends(member: Member) -> np.ndarray:
    return member.nodes[-4:]
