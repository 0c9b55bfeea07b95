"""Batched torch for the methods for stiff problems; stiff.c says the same for compiled formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate import control
from theorylab.simulate.adaptive_run import AdaptiveRun, Terms
from theorylab.simulate.gates import Gates
from theorylab.simulate.kinks import GRAZE
from theorylab.simulate.linearised import Linearised
from theorylab.simulate.methods import Rosenbrock, Stabilised
from theorylab.simulate.methods.stabilised import Member
from theorylab.simulate.runge_kutta import evaluate
from theorylab.simulate.status import Status
from theorylab.simulate.switching import EASED, RUNNING, STIFFER
from theorylab.simulate.trajectories import Active, Record
from theorylab.simulate.typing import Field

# Of the way to a kink is gone at once.
APPROACH = 0.9


@dataclass(frozen=True, eq=False)
class Step:
    """A step that is not yet accepted: state, field there and error estimate, (b, D) each; evaluations, (b,)."""

    y: Tensor
    f: Tensor
    error: Tensor
    evaluations: Tensor


@dataclass
class Held(Active):
    """What is known besides of each trajectory.

    gate, z, w  (b, G) values, arguments and rates of the gates at the start of the step, for all of which they hold
    easy        steps in a row that an explicit method could take
    hard        steps that another method for stiff problems should take
    """

    gate: Tensor
    z: Tensor
    w: Tensor
    easy: Tensor
    hard: Tensor


class StiffRun(AdaptiveRun):
    """A run whose steps end at save times, since the methods have no interpolant in common.

    gates         None where the field has none, or where they are not known: kinks are stepped over then
    easy, hard    steps whose size times the spectral radius is below or above these belong to another method
    near          a kink that is nearer than this over the spectral radius is left to the explicit method
    """

    active: Held

    def __init__(
        self, field: Field, gates: Gates | None, record: Record, terms: Terms, method: Stabilised | Rosenbrock
    ) -> None:
        super().__init__(record, terms)
        self.field, self.gates = field, gates
        self.order = method.embedded_order + 1
        self.linear = Linearised(field)
        y = record.trials.y
        self.stabilised = _Tables(method, y.device) if isinstance(method, Stabilised) else None
        self.rosenbrock = method if isinstance(method, Rosenbrock) else None
        noise = torch.arange(y.shape[1], dtype=y.dtype, device=y.device)
        # A direction with a part along every eigenvector, for each trial of the whole ensemble.
        self.direction = torch.cos(1 + noise * 2.3).repeat(len(y), 1)
        self.radius = y.new_zeros(len(y))
        self.fresh = torch.ones(len(y), dtype=torch.bool, device=y.device)
        self.limits: Mapping[str, float] = {"easy": 0.0, "hard": math.inf, "near": 0.0}

    def begin(self) -> None:
        plain = self.active
        rows = plain.rows
        gate = z = w = plain.y.new_zeros(len(plain), 0)
        if self.gates is not None:
            gate = self.gates.opened(plain.t, plain.y, rows)
            z, w = self.gates.moves(plain.t, plain.y, rows, gate, plain.f)
        self.fresh[rows] = True
        self.radius[rows] = 0.0
        plainly = {item.name: getattr(plain, item.name) for item in fields(Active)}
        counts = {name: torch.zeros_like(rows) for name in ("easy", "hard")}
        self.active = Held(**plainly, gate=gate, z=z, w=w, **counts)

    def step(self) -> None:
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
        active.attempts = active.attempts + 1
        active.evaluations = active.evaluations + attempt.evaluations

        scale = torch.maximum(active.y.abs(), attempt.y.abs()) * self.rtol + self.atol
        scaled = torch.nan_to_num(control.rms(attempt.error / scale), nan=torch.inf)
        own = torch.nan_to_num(control.norm(attempt.error), nan=torch.inf)
        if self.until is not None and self.stabilised is not None:
            eps = torch.finfo(torch.float64).eps
            allowed = control.STIFF_SHARE * control.norm(attempt.f) / radius
            scaled = torch.maximum(scaled, own / torch.maximum(allowed, 4 * eps * control.norm(attempt.y)))
        finite = torch.isfinite(scaled) & torch.isfinite(attempt.f).all(1)
        accept, share = self._up_to_kinks(h, attempt, finite & (scaled <= 1))
        met = share < math.inf
        factor = control.step_factor(scaled, active.scaled, accept, active.rejected, self.order)
        size = h * torch.where(finite, factor, control.SHRINK)
        near = met & (share * h * radius <= self.limits["near"])
        shorter = torch.where(near, torch.minimum(h, self.limits["near"] / radius), APPROACH * share * h)
        size = torch.where(met, shorter, size)
        active.h = torch.where(accept & lands, torch.maximum(wanted, size), size)
        code = self._left(accept, accept & ~lands, h * radius, near)
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
        ended = self._ended(code, finite, accept, active.t >= active.t_end, accept)
        failed = (ended == Status.STEP_TOO_SMALL) | (ended == Status.NON_FINITE)
        self.stop(torch.where(failed & (code == EASED), code, ended))

    def _up_to_kinks(self, h: Tensor, attempt: Step, good: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of `good` whose step leads across no kink, and the share of the others' up to there; inf elsewhere.

        The explicit method beside this one finds and decides kinks; a step ends short of one. The share is that of the
        chord; where an argument may turn at its kink, by the corners of its cubic, that of the line through them.
        """
        active, gates = self.active, self.gates
        share = torch.full_like(h, torch.inf)
        if gates is None or not bool(good.any()):
            return good, share
        ahead = (active.t + h, torch.where(good[:, None], attempt.y, active.y), active.rows)
        slope = torch.where(good[:, None], attempt.f, active.f)
        gate = gates.opened(*ahead)
        z, w = gates.moves(*ahead, gate, slope)
        a, step = active.z, h[:, None]
        crosses = (a * z < 0) | ((a == 0) != (z == 0))
        shares = torch.where(crosses, a / (a - z), torch.inf)
        side = torch.sign(a)
        u0, u1 = side * a, side * z
        graze = GRAZE * self.rtol * torch.maximum(u0, u1)
        first, last = side * active.w * step / 3, side * w * step / 3
        c, d = u0 + first, u1 - last
        turns = (u0 > 0) & (u1 > 0) & (first < 0) & (last > 0) & (torch.minimum(c, d) < graze)
        corner = torch.where(c < graze, (graze - u0) / first, 1 + (c - graze) / (c - d)) / 3
        shares = torch.where(turns, torch.minimum(shares, corner.clamp(min=0)), shares)
        share = torch.where(good, shares.amin(1), torch.inf)
        accept = good & torch.isinf(share)
        column = accept[:, None]
        active.gate = torch.where(column, gate, active.gate)
        active.z, active.w = torch.where(column, z, active.z), torch.where(column, w, active.w)
        return accept, share

    def _left(self, accept: Tensor, whole: Tensor, length: Tensor, near: Tensor) -> Tensor:
        """Codes of the rows that are left to another method; `length` is step times spectral radius, (b,) each."""
        active = self.active
        calm = whole & (length < self.limits["easy"])
        active.easy = torch.where(whole, torch.where(calm, active.easy + 1, 0), active.easy)
        active.hard = active.hard + (accept & (length > self.limits["hard"]))
        code = torch.where(near, EASED, RUNNING)
        code = torch.where(active.hard >= control.HARD_STEPS, STIFFER, code)
        return torch.where(active.easy >= control.EASY_STEPS, EASED, code)

    def _evaluate(self, t: Tensor, y: Tensor, rows: Tensor, gate: Tensor) -> Tensor:
        """The field with the gates that hold for the step."""
        return evaluate(self.field, t, y, rows) if self.gates is None else self.gates.frozen(t, y, rows, gate)

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
        at = torch.arange(len(rows), device=rows.device)
        states = active.t, active.y, rows
        while len(at):
            image = self.linear.product(*states, v[at])
            length = control.norm(image)
            known = torch.isfinite(length)
            moves = known & (length > 0)
            v[at] = torch.where(moves[:, None], image / length[:, None], v[at])
            settled = (length - radius[at]).abs() <= 0.01 * length
            radius[at] = torch.where(known, length, radius[at])
            active.evaluations[at] += 1
            rounds[at] = torch.where(settled | ~moves, 0, rounds[at] - 1)
            more = rounds[at] > 0
            if not bool(more.all()):
                at = at[more]
                states = active.t[at], active.y[at], rows[at]
        self.direction[rows], self.radius[rows], self.fresh[rows] = v, radius, False
        return radius.clamp(min=1e-100)

    def _stabilised(self, h: Tensor, radius: Tensor) -> Step:
        active, tables = self.active, self.stabilised
        assert tables is not None
        member = torch.searchsorted(tables.intervals, control.RADIUS_SAFETY * radius * h).clamp(max=tables.last)
        length, step = tables.lengths[member], h[:, None]
        held = active.rows, active.gate
        now = self._recurrence(h, member, length)
        slopes: list[Tensor] = []
        for i in range(4):
            state = now + step * sum(
                (tables.a[member, i, j, None] * k for j, k in enumerate(slopes)), torch.zeros_like(now)
            )
            slopes.append(self._evaluate(active.t + tables.ends[member, i] * h, state, *held))
        y = now + step * sum((tables.b[member, i, None] * k for i, k in enumerate(slopes)), torch.zeros_like(now))
        f = self._evaluate(active.t + h, y, *held)
        error = step * sum((tables.e[member, i, None] * k for i, k in enumerate([*slopes, f])), torch.zeros_like(now))
        return Step(y, f, error, length + 4)

    def _recurrence(self, h: Tensor, member: Tensor, length: Tensor) -> Tensor:
        """The states after the stages of the three-term recurrence, (b, D); rows whose stages are done drop out."""
        active, tables = self.active, self.stabilised
        assert tables is not None
        ends = set(torch.unique(length).tolist())
        at = torch.arange(len(h), device=h.device)
        t, start, rows, gate, step = active.t, active.f, active.rows, active.gate, h
        done = torch.empty_like(active.y)
        before = now = active.y
        for j in range(max(ends)):
            if j in ends:
                stay = length[at] > j
                done[at[~stay]] = now[~stay]
                parts = (at, member, t, rows, gate, step, before, now)
                at, member, t, rows, gate, step, before, now = (x[stay] for x in parts)
            slope = self._evaluate(t + tables.nodes[member, j] * step, now, rows, gate) if j else start
            mu, nu = tables.mu[member, j, None], tables.nu[member, j, None]
            before, now = now, mu * step[:, None] * slope + nu * now + (1 - nu) * before
        done[at] = now
        return done

    def _rosenbrock(self, h: Tensor) -> Step:
        active, method = self.active, self.rosenbrock
        assert method is not None
        jacobian = self.linear.jacobian(active.t, active.y, active.rows)
        clock = self.linear.change(active.t, active.y, active.rows)
        unit = torch.eye(active.y.shape[1], dtype=active.y.dtype, device=active.y.device)
        step, held = h[:, None], (active.rows, active.gate)
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
                slope = self._evaluate(active.t + method.nodes[i] * h, state, *held)
            coupled = sum((value * k[j] for j, value in method.coupling.get(i, {}).items()), torch.zeros_like(slope))
            right = slope + coupled / step + step * method.shifts[i] * clock
            k.append(torch.linalg.lu_solve(factors, pivots, right[:, :, None])[:, :, 0])
        y = state + k[-1]
        f = self._evaluate(active.t + h, y, *held)
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
