"""Which gates open, close or slide where a trajectory meets kinks, in batched torch; slides.c says the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from theorylab.simulate.gates import Gates
from theorylab.simulate.kinks import SLIDES

# Round-off, as a share of a gate's size or of its change in a step.
TINY = 1e-12
# Of what a gate or a rate is made of: two solutions.
APART = 1e-6
PASSES = 4
NEWTON = 10
CROSSINGS = 8
# Events that follow each other soon, so many in a row, have no end; and steps: what moves an argument by less than the
# tolerance in so many does not count.
ENOUGH = 100
# Numbers in one evaluation: more are split.
AT_ONCE = 1 << 24
CLOSED, SLIDING, OPEN = -1, 0, 1

Array = NDArray[np.float64]


def decide(
    matrix: Array, base: Array, now: Array, side: NDArray[np.int64], released: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Array] | None:
    """The complementarity problem of kinks.py by principal pivots, least index first.

    K. G. Murty, Linear Algebra and its Applications 7 (1973). matrix[i, j]: how the rate of gate i grows with gate j;
    base: the rates at the gates `now`; side: where the search starts; released: gates whose fraction has reached its
    bound. A gate that repels does not slide. Returns sides and values of the gates; None without a solution.
    """
    side, count = side.copy(), len(base)
    jumps = np.abs(matrix).sum(1)
    for _ in range(20 + 10 * count):
        inner = side == SLIDING
        step = np.where(inner, 0.0, (side == OPEN) - now)
        if inner.any():
            right = -(base + matrix @ step)[inner]
            step[inner] = np.linalg.lstsq(matrix[np.ix_(inner, inner)], right, rcond=TINY)[0]
        value, rate = now + step, base + matrix @ step
        # Near a place of rest rates are small, however large the jumps. Where a fraction reaches its bound, the rate of
        # the whole gate is 0 but for the error of the fraction.
        size, slack = np.abs(base) + np.abs(matrix) @ np.abs(step), TINY * (np.abs(step).max() + now)
        allowed = np.where(released, 1e-6 * (size + jumps), 1e-9 * size + 1e-13 * jumps)
        wrong = np.where(inner, (value < -slack) | (value > 1 + slack), side * rate < -allowed)
        if not wrong.any():
            return side, np.where(inner, value, side == OPEN)
        i = int(np.argmax(wrong))
        if inner[i]:
            side[i] = CLOSED if value[i] < 0 else OPEN
        else:
            side[i] = SLIDING if matrix[i, i] < 0 else -side[i]
    return None


def ambiguous(
    matrix: Array,
    base: Array,
    now: Array,
    found: tuple[NDArray[np.int64], Array],
    released: NDArray[np.bool_],
) -> bool:
    """Whether the search ends elsewhere than in `found` from other sides, so that round-off chose among the solutions.

    Elsewhere means with other rates or, where a gate leaves its kink, with other values of gates that move any of the
    arguments, since with those it may have stayed.
    """
    if len(base) < 2:
        return False
    side, value = found
    acts, size = np.abs(matrix).max(0), np.abs(base) + np.abs(matrix).sum(1)
    opposite, leaves = np.where(side == OPEN, CLOSED, OPEN), bool(released.any())
    for start in (np.full_like(side, OPEN), np.full_like(side, CLOSED), opposite):
        other = decide(matrix, base, now, start, released)
        if other is None:
            continue
        change = other[1] - value
        if leaves and bool(((acts > APART * acts.max()) & (np.abs(change) > APART)).any()):
            return True
        if bool((np.abs(matrix @ change) > APART * size).any()):
            return True
    return False


def chosen(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The gates that a mask (n, G) marks: numbers (n, k) and which of them count (n, k), k the most of any row."""
    most = max(1, int(mask.sum(1).max()))
    found, index = mask.to(torch.int8).sort(dim=1, descending=True, stable=True)
    return index[:, :most], found[:, :most] > 0


@dataclass(frozen=True)
class Tried:
    """The field where each of some gates takes another value as well.

    index, counts  (n, k) the gates, and which of them count
    fields         (n, 1 + k, D) the field at the gates as they are, and with one of them changed
    base           (n, k) rates of the gates as they are; `matrix`, (n, k, k): how that of i grows with gate j
    change         (n, k) by how much each gate was changed
    """

    index: Tensor
    counts: Tensor
    fields: Tensor
    base: Tensor
    matrix: Tensor
    change: Tensor

    @classmethod
    def of(cls, gates: Gates, t: Tensor, y: Tensor, rows: Tensor, now: Tensor, marked: Tensor) -> Tried:
        """For the gates that `marked`, (n, G), marks, at the gates `now`: one evaluation for all of them together."""
        index, counts = chosen(marked)
        n, k = index.shape
        old = now.gather(1, index)
        other = torch.where(old < 0.5, old + 1, old - 1)
        tried = now[:, None].repeat(1, k + 1, 1)
        places = torch.arange(n, device=y.device)
        tried[places[:, None], torch.arange(1, k + 1, device=y.device), index] = other
        parts = [places.repeat_interleave(k + 1), tried.reshape(n * (k + 1), -1)]
        size = max(1, AT_ONCE // max(y.shape[1], now.shape[1]))
        fields, rates = [], []
        for which, values in zip(*(part.split(size) for part in parts), strict=True):
            some = (t[which], y[which], rows[which])
            fields.append(gates.frozen(*some, values))
            rate = gates.moves(*some, values, fields[-1])[1]
            rates.append(rate.gather(1, index[which]))
        rate = torch.cat(rates).reshape(n, k + 1, k)
        base, change = rate[:, 0] * counts, other - old
        matrix = ((rate[:, 1:] - rate[:, :1]) / change[:, :, None]).mT * (counts[:, :, None] & counts[:, None])
        return cls(index, counts, torch.cat(fields).reshape(n, k + 1, -1), base, matrix, change)


def slide(
    gates: Gates, t: Tensor, y: Tensor, rows: Tensor, now: Tensor, marked: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gates and the field where the marked gates, (n, G), take the fractions that keep their arguments.

    Returns as well by how much each of these changes the rate of its argument, (n, G), 0 for the others.
    """
    now, n = now.clone(), 0
    while True:
        found = Tried.of(gates, t, y, rows, now, marked)
        f, n = found.fields[:, 0], n + 1
        jumps = torch.zeros_like(now).scatter_add_(1, found.index, found.matrix.diagonal(dim1=1, dim2=2) * found.counts)
        small = found.base.abs().amax(1) <= TINY * found.matrix.abs().amax((1, 2))
        # Gates of several layers multiply each other, so that one step of Newton's method is not enough.
        if n > 1 and (n == NEWTON or bool(small.all())):
            return now, f, jumps
        finite = torch.isfinite(found.matrix).all((1, 2)) & torch.isfinite(found.base).all(1)
        inverse = torch.linalg.pinv(torch.where(finite[:, None, None], found.matrix, 0.0), rtol=TINY)
        step = -(inverse @ torch.where(finite[:, None], found.base, 0.0)[:, :, None])[:, :, 0] * found.counts
        now.scatter_add_(1, found.index, step)
        if not gates.deep:
            return now, f + ((found.fields[:, 1:] - f[:, None]) * (step / found.change)[:, :, None]).sum(1), jumps


def cross_together(
    gates: Gates, t: Tensor, y: Tensor, rows: Tensor, now: Tensor, rate: Tensor, zero: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gates of several layers that vanish together and are all crossed: gates, field, rates; where that has an end.

    A gate that closes holds the arguments of later layers at 0, so that the field is not affine in them, and each takes
    the side that its rate says until none changes.
    """
    f = gates.frozen(t, y, rows, now)
    for _ in range(CROSSINGS):
        after = torch.where(zero & (rate != 0), (rate > 0).to(now.dtype), now)
        changed, now = (after != now).any(1), after
        f = gates.frozen(t, y, rows, now)
        rate = gates.moves(t, y, rows, now, f)[1]
        if not bool(changed.any()):
            break
    settled = (torch.where(zero & (rate != 0), (rate > 0).to(now.dtype), now) == now).all(1)
    return now, f, rate, settled


def negligible(jump: Tensor, rate: Tensor, small: Tensor, h: Tensor) -> Tensor:
    """Gates that move their arguments, which stay as near, by less than `small` in ENOUGH steps of size h, (n, 1).

    jump: by how much a gate changes the rate of its argument; all of one shape, (n, G).
    """
    return (jump != 0) & (jump.abs() * ENOUGH * h <= small) & (rate.abs() * h <= small)


@dataclass(frozen=True)
class Decided:
    """Gates, sides, field and rates behind kinks; the gates that are held; rows without a solution, or with several."""

    gate: Tensor
    side: Tensor
    f: Tensor
    w: Tensor
    held: Tensor
    lost: Tensor
    several: Tensor


def resolve(
    gates: Gates,
    t: Tensor,
    y: Tensor,
    rows: Tensor,
    now: Tensor,
    side: Tensor,
    zero: Tensor,
    released: Tensor,
    held: Tensor,
    small: Tensor,
    h: Tensor,
) -> Decided:
    """Decide the gates marked in `zero`, (n, G), whose arguments vanish, from the values `now` and sides `side`.

    released: the gates, (n, G), whose fraction has reached its bound; held: those that are held before. Negligible
    ones, for arguments of size `small` and steps h, (n, 1), are held as well: what slides there is round-off.
    """
    now, side, held = now.clone(), side.clone(), held.clone()
    lost = zero.sum(1) > SLIDES
    several = torch.zeros_like(lost)
    f = gates.frozen(t, y, rows, now)
    rate = gates.moves(t, y, rows, now, f)[1]
    at = (~lost & zero.any(1)).nonzero()[:, 0]
    if gates.deep:
        at = ((zero.sum(1) > 1) & ~lost & ~((side == 0) & zero).any(1)).nonzero()[:, 0]
        gone = torch.zeros_like(lost)
        if len(at):
            values, field, rates, settled = cross_together(gates, t[at], y[at], rows[at], now[at], rate[at], zero[at])
            done = at[settled]
            now[done], f[done], rate[done], gone[done] = values[settled], field[settled], rates[settled], True
            side[done] = torch.where(zero[done] & (rate[done] != 0), 2 * now[done] - 1, side[done])
        at = (~lost & ~gone & zero.any(1)).nonzero()[:, 0]
    for turn in range(PASSES):
        if not len(at):
            return Decided(now, side, f, rate, held, lost, several)
        some = (t[at], y[at], rows[at])
        tried = Tried.of(gates, *some, now[at], zero[at] & ~held[at])
        index = tried.index
        near = small[at].gather(1, index)
        holds = negligible(tried.matrix.diagonal(dim1=1, dim2=2), tried.base, near, h[at]) & tried.counts
        counts = tried.counts & ~holds
        old = now[at].gather(1, index)
        held[at] = held[at].scatter(1, index, held[at].gather(1, index) | holds)
        side[at] = side[at].scatter(1, index, torch.where(holds, 0.0, side[at].gather(1, index)))
        now[at] = now[at].scatter(1, index, torch.where(holds, old.clamp(0, 1), old))
        matrix, base, start = (x.cpu().numpy() for x in (tried.matrix, tried.base, old))
        sides, present = side[at].gather(1, index).long().cpu().numpy(), counts.cpu().numpy()
        out = released[at].gather(1, index).cpu().numpy()
        for i, row in enumerate(at.tolist()):
            some_of = present[i].nonzero()[0]
            problem = matrix[i][np.ix_(some_of, some_of)], base[i, some_of], start[i, some_of]
            found = decide(*problem, sides[i, some_of], out[i, some_of]) if len(some_of) else None
            if found is None:
                lost[row] = bool(len(some_of))
                continue
            several[row] |= ambiguous(*problem, found, out[i, some_of] & (turn == 0))
            chosen_gates = index[i, torch.from_numpy(some_of).to(index.device)]
            side[row, chosen_gates] = torch.from_numpy(found[0]).to(side)
            now[row, chosen_gates] = torch.from_numpy(found[1]).to(now)
        slides = (side[at] == SLIDING) & ~held[at]
        now[at], f[at], _ = slide(gates, *some, now[at], slides)
        rate[at] = gates.moves(*some, now[at], f[at])[1]
        # The field need not be affine in the gates: then once more from here.
        w, s = rate[at].gather(1, index), side[at].gather(1, index)
        rest = torch.where(s == SLIDING, w.abs(), -1e-3 * s * w) * counts
        again = rest.amax(1) > 1e-6 * tried.matrix.abs().amax((1, 2))
        again &= slides.any(1) & ~lost[at]
        at = at[again]
    lost[at] = True
    return Decided(now, side, f, rate, held, lost, several)
