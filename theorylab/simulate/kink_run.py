"""Batched torch that locates kinks and slides along them; solve.c with kinks.c does the same for compiled formulas.

Between events every gate is held, so that the field is smooth. A step over which the argument of a gate leaves its side
is taken again up to the crossing, which is a root of the cubic through both ends; what is left to the kink then is
covered by another step, or by the Taylor polynomial where it is next to nothing. There the gates whose arguments vanish
are decided anew (`sliding.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from theorylab.simulate import control, sliding
from theorylab.simulate.adaptive_run import ExplicitRun, Terms
from theorylab.simulate.crossings import leaves
from theorylab.simulate.gates import Gates
from theorylab.simulate.kinks import GRAZE
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.runge_kutta import Attempt
from theorylab.simulate.status import Status
from theorylab.simulate.switching import RUNNING, STIFF
from theorylab.simulate.trajectories import Active, Record
from theorylab.simulate.typing import Field

# Of a step: what is left to a kink is covered by the Taylor polynomial.
NEAR = 1e-7
# Fractions of sliding gates.
SETTLED = 1e-7
# Of a fraction: how well an inner stage tells it.
TOUCH = 1e-3
# Tolerances that two ways may lie apart and be one.
FARTHEST = 100.0
# Of what a stage shows of a turn: how much further it may go. And what remains after a step of the doubt in stages.
TURN, FADES = 4.0, 0.95
# Tolerances that a held gate may be from its kink at the end of a step.
AWAY = 4.0
# Of the time: events that follow each other this soon, sliding.ENOUGH of them in a row, have no end.
HASTE = 1e-6


@dataclass
class Located(Active):
    """What is known of the gates of each trajectory besides.

    gate, z, w  (b, G) values, arguments and rates of the gates at the start of the step
    side        (b, G) 1 where a gate is open, -1 where it is closed, 0 where the trajectory slides on its kink or the
                gate is held
    held        (b, G) what the gate does moves its argument by less than the tolerance: its value stays
    left        (b, G) when the fraction of each gate reached its bound last
    size        (b, G) the largest |z| so far
    target      the gate whose kink the attempt is shortened to
    landing     whether it is; `waited`, whether for more than one attempt
    resume      size of the step after the kink
    probing     the attempt ends at an inner stage at which a fraction had left [0, 1]
    doubt       how much further it was there than this step said, which had `seen` it, the longer ago the less
    hasty       how many events in a row came soon after the one before, at the time `last`
    """

    gate: Tensor
    z: Tensor
    w: Tensor
    side: Tensor
    held: Tensor
    left: Tensor
    size: Tensor
    target: Tensor
    landing: Tensor
    waited: Tensor
    resume: Tensor
    probing: Tensor
    seen: Tensor
    doubt: Tensor
    hasty: Tensor
    last: Tensor
    slid: Tensor
    grazed: Tensor
    unresolved: Tensor

    @property
    def sliding(self) -> Tensor:
        return (self.side == 0) & ~self.held

    def of(self, values: Tensor) -> Tensor:
        """The entries of (b, G) that belong to the targets, (b,)."""
        return values.gather(1, self.target[:, None])[:, 0]


@dataclass(frozen=True)
class _End:
    """The end of an attempt: its time (b,), and there values, arguments and rates of the gates, (b, G)."""

    t: Tensor
    attempt: Attempt
    gate: Tensor
    z: Tensor
    w: Tensor


class KinkRun(ExplicitRun):
    """A run of an explicit method along a field whose gates are known."""

    active: Located

    def __init__(self, field: Field, gates: Gates, record: Record, terms: Terms, method: ExplicitRungeKutta) -> None:
        super().__init__(field, record, terms, method)
        self.gates = gates
        self.stepper.field = self._field
        self.position = torch.zeros_like(record.trials.rows)

    # --- the field ---------------------------------------------------------------------------------------------------

    def _field(self, t: Tensor, state: Tensor, rows: Tensor) -> Tensor:
        """The field with gates held; those that a trajectory slides on take their fractions."""
        active = self.active
        at = self.position[rows]
        now, still = active.gate[at], active.sliding[at]
        self.jumps = torch.zeros_like(now)
        slides = still.any(1)
        index, others = slides.nonzero()[:, 0], (~slides).nonzero()[:, 0]
        if not len(index):
            f = self.gates.frozen(t, state, rows, now)
        else:
            f = torch.empty_like(state)
            if len(others):
                f[others] = self.gates.frozen(t[others], state[others], rows[others], now[others])
            now[index], f[index], self.jumps[index] = sliding.slide(
                self.gates, t[index], state[index], rows[index], now[index], still[index]
            )
            self.active.evaluations[at[index]] += 1 + still[index].sum(1)
            self._note(at[index], now[index], still[index])
        self.now, self.stage = now, self.stage + 1
        return f

    def _note(self, at: Tensor, now: Tensor, still: Tensor) -> None:
        """Keep the largest excess of a fraction among the inner stages of a step."""
        if self.stage > self.method.last or self.method.nodes[self.stage] >= 1:
            return
        over, which = torch.where(still, torch.maximum(-now, now - 1), -torch.inf).max(1)
        more = over > self.over[at]
        self.over[at] = torch.where(more, over, self.over[at])
        self.inner[at] = torch.where(more, float(self.method.nodes[self.stage]), self.inner[at])
        self.beyond[at] = torch.where(more, which, self.beyond[at])

    # --- steps -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Set the gates of the trials taken up; those on a kink are decided."""
        super().begin()
        plain = self.active
        t, y, rows = plain.t, plain.y, plain.rows
        gate = self.gates.opened(t, y, rows)
        f = self.gates.frozen(t, y, rows, gate)
        z, w = self.gates.moves(t, y, rows, gate, f)
        # On a kink the convention says where the trajectory comes from.
        zero = z == 0
        start = torch.where(zero, torch.where(w == 0, 2 * gate - 1, torch.sign(w)), z)
        plainly = {item.name: getattr(plain, item.name) for item in fields(Active)}
        flags = ("landing", "waited", "probing", "slid", "grazed", "unresolved")
        counts = ("target", "hasty")
        self.active = Located(
            **plainly, **{name: torch.zeros_like(plain.rejected) for name in flags},
            **{name: torch.zeros_like(rows) for name in counts}, gate=gate, z=z, w=w, size=z.abs(), resume=plain.h,
            side=torch.where(start >= 0, 1.0, -torch.ones_like(z)), last=torch.full_like(t, -1.0),
            held=torch.zeros_like(zero), left=torch.full_like(z, -torch.inf),
            seen=torch.zeros_like(t), doubt=torch.zeros_like(t),
        )  # fmt: skip
        met = zero.any(1)
        if bool(met.any()):
            self._decide(met, torch.zeros_like(zero))
            self.stop(torch.where(self.active.unresolved, Status.UNRESOLVED_SLIDE, RUNNING))

    def step(self) -> None:
        active = self.active
        self.position[active.rows] = torch.arange(len(active), device=active.rows.device)
        room = active.t_end - active.t
        h, final = control.ending(active.h, room)
        # A step to a kink ends there.
        final = torch.where(active.landing, active.h >= room, final)
        h = torch.where(active.landing, torch.minimum(active.h, room), h)
        self.stage = 1
        self.over, self.inner = torch.full_like(h, -1.0), torch.zeros_like(h)
        self.beyond = torch.zeros_like(active.rows)
        attempt = self._attempt(h)

        scaled, finite = self._errors(attempt)
        good = finite & (scaled <= 1)
        arrived = torch.where(final, active.t_end, active.t + h)
        next_gate = self.now
        z, w = self.gates.moves(arrived, attempt.y, active.rows, next_gate, attempt.f)
        end = _End(arrived, attempt, next_gate, z, w)
        early, cut, met = self._shorten(good, h, end)
        accept = good & ~early
        radius, stiff = self._stiffness(attempt, h, accept, (active.side != 0).all(1))
        if len(self.times):
            self._save(attempt, h, torch.where(accept, arrived, active.t))
        factor = control.step_factor(scaled, active.scaled, good, active.rejected, self.order)
        moved, rest, reached = self._land(accept, h, end)
        # Other gates may vanish there as well.
        arrived, met, z = arrived + rest, met | reached, z + rest[:, None] * w
        self._advance(replace(attempt, y=moved), arrived, accept, scaled, radius)
        active.rejected = ~good
        active.h = control.next_step(active.h, h, torch.where(finite, factor, control.SHRINK), accept)
        again = early & active.landing
        active.resume = torch.where(again & ~active.waited, active.h, active.resume)
        active.waited = (active.waited | again) & active.landing
        active.h = torch.where(again, cut * h, active.h)

        column = accept[:, None]
        active.gate = torch.where(column, next_gate, active.gate)
        active.z, active.w = torch.where(column, z, active.z), torch.where(column, w, active.w)
        active.size = torch.where(column, torch.maximum(active.size, z.abs()), active.size)
        active.h = torch.where(accept & active.landing, active.resume, active.h)
        active.landing = active.landing & ~accept
        active.waited = active.waited & active.landing
        active.doubt *= FADES
        self._hold(accept, met)
        if bool(met.any()):
            self._arrive(met, z)
        self._observe()
        code = self._ended(torch.where(stiff, STIFF, RUNNING), finite, accept, final, accept | met)
        self.stop(torch.where(active.unresolved, Status.UNRESOLVED_SLIDE, code))

    def _shorten(self, good: Tensor, h: Tensor, end: _End) -> tuple[Tensor, Tensor, Tensor]:
        """Rows whose step meets a kink too early, the share of the step up to it, and rows that stand on it."""
        active, gate, z, w = self.active, end.gate, end.z, end.w
        side, graze = active.side, GRAZE * self.rtol
        u0, u1, a, b = side * active.z, side * z, side * active.w * h[:, None], side * w * h[:, None]
        low = torch.minimum(3 * u0 + a, 3 * u1 - b)
        dips = (a < 0) & (b > 0)
        # A fraction is known to the tolerance: beyond its bound by less, as near a place of rest, it ends no slide.
        small = self.rtol * active.size
        self.idle = sliding.negligible(self.jumps, torch.zeros_like(z), small, active.h[:, None]) & active.sliding
        away = active.held & (z.abs() > AWAY * small) & good[:, None]
        slides, outside = side == 0, (_excess(gate) > self.rtol) & ~self.idle
        aimed = torch.zeros_like(slides)
        aimed[torch.arange(len(h), device=h.device), active.target] = active.landing
        near = aimed & (u1.abs() <= torch.maximum(NEAR * b.abs(), sliding.TINY * active.size))
        crossing = ~slides & ((u1 < 0) | (low < 0) | dips) & ~near & good[:, None]
        share = torch.full_like(z, 2.0)
        at = crossing.nonzero(as_tuple=True)
        if len(at[0]):
            found, turn = leaves(u0[at], u1[at], a[at], b[at], active.size[at])
            share[at] = found
            touched = (turn.abs() <= graze * active.size[at]) & (u0[at] > sliding.TINY * active.size[at])
            row, g = at[0][touched], at[1][touched]
            self._touch(row, g, side[row, g], turn[touched].abs(), end)
        bound = (gate > 0.5).to(z.dtype)
        turns = slides & outside & good[:, None] & ~(aimed & ((gate - bound).abs() <= SETTLED))
        fraction = ((bound - active.gate) / (gate - active.gate)).clamp(0, 1)
        share = torch.where(turns, fraction, share)
        # Too far beside its kink for a whole step: a held gate is given up where the step starts.
        share = torch.where(away, 0.0, share)
        cut, target = share.min(1)
        # A fraction that turns inside the step, perhaps beyond its bound: first up to there.
        beyond = self.beyond[:, None]
        ends = torch.maximum(_excess(active.gate.gather(1, beyond)), _excess(gate.gather(1, beyond)))[:, 0]
        turn = self.over - ends
        known = torch.minimum(self.over + TOUCH, self.over + TURN * turn + graze)
        probe = good & (turn > 1e-3 * self.rtol) & (known > active.doubt) & (self.inner < cut) & ~active.landing
        probe &= ~self.idle.gather(1, beyond)[:, 0]
        active.seen = torch.where(probe, self.over, active.seen)
        cut, target = torch.where(probe, self.inner, cut), torch.where(probe, self.beyond, target)
        early = cut < 2
        active.target = torch.where(early, target, active.target)
        # A kink closer than time can resolve is met where the trajectory stands.
        here = early & (cut * h <= 8 * control.smallest_step(active.t))
        active.landing = (active.landing | early) & ~here
        active.probing = (active.probing & ~early) | probe
        return early, cut, here

    def _touch(self, at: Tensor, g: Tensor, home: Tensor, depth: Tensor, end: _End) -> None:
        """Rows `at` that came within `depth` of the kink of gate g on the side `home`, or with a fraction of that side.

        They end in the same place whether or not they cross it where the field beyond sends them back, or moves them as
        before. The other gates that they slide on keep sliding. All are of one shape, (n,).
        """
        active = self.active
        open_question = ~active.grazed[at]
        at, g, home, depth = at[open_question], g[open_question], home[open_question], depth[open_question]
        if not len(at):
            return
        now, still = end.gate[at], active.sliding[at]
        each = torch.arange(len(at), device=at.device)
        now[each, g], still[each, g] = (home < 0).to(now.dtype), False
        some = (end.t[at], end.attempt.y[at], active.rows[at])
        now, f, _ = sliding.slide(self.gates, *some, now, still)
        w = self.gates.moves(*some, now, f)[1]
        active.evaluations.index_add_(0, at, 1 + still.sum(1))
        speed = home * (w[each, g] - end.w[at, g])
        apart = torch.linalg.vector_norm(f - end.attempt.f[at], dim=1)
        allowed = torch.linalg.vector_norm(some[1].abs() * self.rtol + self.atol, dim=1)
        # The way back takes depth / speed.
        returns = (speed > 0) & (apart * depth <= FARTHEST * allowed * speed)
        stays = apart * (active.t_end[at] - some[0]) <= allowed
        active.grazed[at[~(returns | stays)]] = True

    def _land(self, accept: Tensor, h: Tensor, end: _End) -> tuple[Tensor, Tensor, Tensor]:
        """Ends of steps that were shortened to a kink, moved onto it; the time it takes; the rows that stand there."""
        active, attempt = self.active, end.attempt
        lands = accept & active.landing
        if not bool(lands.any()):
            return attempt.y, torch.zeros_like(h), lands
        z_at, w_at, now, old = active.of(end.z), active.of(end.w), active.of(end.gate), active.of(active.gate)
        slides = active.of(active.side) == 0
        inside = torch.minimum(now, 1 - now)
        probing = lands & slides & active.probing
        active.doubt = torch.where(probing, torch.maximum(active.doubt, active.seen + inside), active.doubt)
        whole = (now > 0.5).to(now.dtype)
        turned = (probing & (inside <= GRAZE * self.rtol)).nonzero()[:, 0]
        self._touch(turned, active.target[turned], 2 * whole[turned] - 1, torch.zeros_like(h[turned]), end)
        speed = (now - old) / h
        settled = (now - whole).abs() <= SETTLED
        close = z_at.abs() <= torch.maximum(NEAR * h * w_at.abs(), sliding.TINY * active.of(active.size))
        here = lands & torch.where(slides, settled & ~probing, close)
        left = torch.where(slides, ((speed > 0).to(now.dtype) - now) / speed, -z_at / w_at)
        hastens = lands & ~here & ~probing & (left > 0) & (2 * left < active.resume)
        active.resume = torch.where(hastens, 2 * left, active.resume)
        rest = torch.where(here & ~slides & (w_at != 0), torch.minimum(left, active.t_end - end.t), 0.0)
        step = torch.where(lands, h, 1.0)[:, None]
        bend = 6 * (active.y - attempt.y) / step**2 + (2 * active.f + 4 * attempt.f) / step
        moved = rest[:, None] * (attempt.f + 0.5 * rest[:, None] * bend)
        return attempt.y + moved, rest, here

    def _hold(self, accept: Tensor, met: Tensor) -> None:
        """Hold the gates of accepted rows that are idle; those that have strayed from their kinks take their sides."""
        active = self.active
        target = torch.zeros_like(self.idle).scatter_(1, active.target[:, None], met[:, None])
        holds = self.idle & accept[:, None] & ~target
        active.held = active.held | holds
        active.gate = torch.where(holds, active.gate.clamp(0, 1), active.gate)
        stray = active.held & accept[:, None] & (active.z.abs() > self.rtol * active.size)
        at = stray.any(1).nonzero()[:, 0]
        if not len(at):
            return
        active.held = active.held & ~stray
        active.side = torch.where(stray, torch.sign(active.z), active.side)
        active.gate = torch.where(stray, (active.z > 0).to(active.z.dtype), active.gate)
        some = (active.t[at], active.y[at], active.rows[at])
        gate, f, _ = sliding.slide(self.gates, *some, active.gate[at], active.sliding[at])
        active.gate[at], active.f[at] = gate, f
        active.w[at] = self.gates.moves(*some, gate, f)[1]
        active.evaluations[at] += 1 + active.sliding[at].sum(1)

    def _arrive(self, met: Tensor, ahead: Tensor) -> None:
        """Decide the gates of rows that stand on the kink of their target; `ahead`, (b, G): the arguments after it."""
        active = self.active
        at = met.nonzero()[:, 0]
        target = active.target[at]
        soon = active.t[at] - active.last[at] <= HASTE * active.t[at].abs()
        active.hasty[at] = torch.where(soon, active.hasty[at] + 1, 0)
        active.unresolved = active.unresolved | (met & (active.hasty > sliding.ENOUGH))
        active.last[at] = active.t[at]
        slides, held = active.side[at, target] == 0, active.held[at, target]
        # It crosses unless the rate behind the kink sends it back; one that slid leaves the kink with a whole gate.
        whole = torch.where(held, ahead[at, target] > 0, active.gate[at, target] > 0.5).to(active.gate.dtype)
        active.z[at, target] = torch.where(slides, active.z[at, target], 0.0)
        active.side[at, target] = torch.where(slides, 2 * whole - 1, -active.side[at, target])
        active.gate[at, target] = torch.where(slides, whole, active.gate[at, target])
        active.held[at, target] = False
        active.left[at, target] = torch.where(slides & ~held, active.t[at], active.left[at, target])
        self._decide(met, active.left == active.t[:, None])

    def _decide(self, met: Tensor, released: Tensor) -> None:
        """Decide the gates of the rows `met`; the fractions of the gates `released`, (b, G), are at their bounds."""
        active = self.active
        at = met.nonzero()[:, 0]
        t, y, rows, side, held = active.t[at], active.y[at], active.rows[at], active.side[at], active.held[at]
        gate = sliding.slide(self.gates, t, y, rows, active.gate[at], active.sliding[at])[0]
        zero = ~held & ((side == 0) | (active.z[at].abs() <= sliding.TINY * active.size[at]))
        # Those that stand still, such as the gates of a sample of zeros, may be left out.
        still = (active.z[at] == 0) & (active.w[at] == 0) & (side != 0)
        zero &= ~(still & (zero.sum(1) > sliding.SLIDES)[:, None])
        small, h = self.rtol * active.size[at], active.h[at, None]
        found = sliding.resolve(self.gates, t, y, rows, gate, side, zero, released[at], held, small, h)
        active.gate[at], active.side[at], active.held[at] = found.gate, found.side, found.held
        active.f[at], active.w[at] = found.f, found.w
        active.grazed = active.grazed.index_put((at,), active.grazed[at] | found.several)
        active.unresolved = active.unresolved.index_put((at,), active.unresolved[at] | found.lost)
        active.slid = active.slid.index_put((at,), active.slid[at] | active.sliding[at].any(1))
        active.evaluations[at] += zero.sum(1) + 2

    def leave(self, gone: Active, code: Tensor) -> None:
        super().leave(gone, code)
        if isinstance(gone, Located):
            self.record.slid[gone.rows] |= gone.slid
            self.record.grazed[gone.rows] |= gone.grazed


def _excess(gate: Tensor) -> Tensor:
    return torch.maximum(-gate, gate - 1)
