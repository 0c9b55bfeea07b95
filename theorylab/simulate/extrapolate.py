"""Limits from finite runs: tails continued to infinity, with an error bar, or the statement that they cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from theorylab.simulate.integrate import integrate
from theorylab.simulate.problem import Problem
from theorylab.simulate.quantities import sampled, slope_norm
from theorylab.simulate.solution import Solution
from theorylab.simulate.typing import Field

# How far runs are followed for this, in units of their own length.
AHEAD = 4.0


@dataclass(frozen=True)
class Tail:
    """How a tail is recognised and continued, along times in units of the length of the run.

    early: five of them along which it decays by equal factors, none above `slowest`; ahead: three more, the last being
    AHEAD, with as many intervals of `early` from one to the next as `apart` says.
    """

    early: tuple[float, ...]
    slowest: float
    ahead: tuple[float, ...]
    apart: int


# A power of t decays by equal factors along a geometric sequence, an exponential along an arithmetic one. Slower
# factors are not told from those of a logarithm: powers below 0.43, exponentials above e^-0.8.
TAILS = {
    "exponential": Tail((0.5, 0.625, 0.75, 0.875, 1.0), 0.9, (1.0, 2.5, AHEAD), 12),
    "power": Tail((0.0625, 0.125, 0.25, 0.5, 1.0), 0.74, (0.25, 1.0, AHEAD), 2),
}

# Successive factors of a tail that is told apart differ by no more than this share of their distance from 1.
STEADY = 0.05
SAFETY = 3.0
# The error that absolute tolerances leave in the state, in units of them.
OWN = 10.0
# Following a part of a run takes at most so many times the steps of the longest run: a run that does not get on, say
# where kinks meet, is lost.
STEPS, FEW_STEPS, MOST_STEPS = 4, 1_000, 100_000


@dataclass(frozen=True)
class Extrapolation:
    """The limit of a quantity, (trials, *shape) each.

    value    the limit where `trusted`, else the last value
    error    its error bar; inf where the tail is none that can be continued
    trusted  bool: the tail is over, or exponential, or a power of t, steadily so up to AHEAD times the run's length
    tails    how many entries have each kind of tail: "settled", "exponential", "power", "unknown"
    """

    value: Tensor
    error: Tensor
    trusted: Tensor
    tails: Mapping[str, int]


@torch.no_grad()
def extrapolated(
    problem: Problem,
    solution: Solution,
    field: Field,
    formula: Callable[..., Any],
    start: Tensor,
    options: Mapping[str, Any],
) -> Extrapolation:
    """The limit of a formula of (p) or (p, c) along the runs of a solution from `start`, (trials,), followed once more.

    Aitken's process on values of the tail. The run is followed to AHEAD times its end, because early on a fast part
    hides slower ones: what then differs from what the run itself foretold by more than its error bar is no tail of
    that kind. The error bar is SAFETY times the change from one triple of values to the next, and the noise of the run,
    as the process amplifies it.
    """
    fractions = sorted({fraction for tail in TAILS.values() for fraction in (*tail.early, *tail.ahead)})
    y, t = problem.initial, start
    states, times, lost = [], [], ~solution.finished
    attempts = solution.stats.steps + solution.stats.rejected
    max_steps = min(FEW_STEPS + STEPS * int(attempts.max()), MOST_STEPS)
    for fraction in fractions:
        end = torch.where(lost, t, torch.maximum(t, start + fraction * (solution.t - start)))
        part = integrate(field, y, t_start=t, t_end=end, **{"max_steps": max_steps, **options})
        y, t, lost = part.y, end, lost | ~part.finished
        states.append(y)
        times.append(t)
    values = sampled(problem, formula, torch.stack(times, 1), torch.stack(states, 1))
    path = dict(zip(fractions, values.unbind(1), strict=True))
    last = sampled(problem, formula, solution.t[:, None], solution.y[:, None])[:, 0]
    rtol = float(options["rtol"])
    slope = slope_norm(problem, formula, solution.t, solution.y).reshape(last.shape)
    atol = torch.as_tensor(options["atol"], dtype=last.dtype, device=last.device).max()
    noise = torch.maximum((path[1.0] - last).abs(), rtol * values.abs().amax(1)) + OWN * atol * slope
    noise = noise + torch.finfo(last.dtype).tiny
    best = torch.full_like(last, torch.inf)
    value = last.clone()
    kind = torch.zeros(last.shape, dtype=torch.int64, device=last.device)
    for number, tail in enumerate(TAILS.values(), 1):
        limit, error = _continued(tail, path, noise)
        better = error < best
        best = torch.where(better, error, best)
        value = torch.where(better, limit, value)
        kind = torch.where(better, number, kind)
    beyond = values[:, fractions.index(1.0) :]
    settled = (beyond.amax(1) - beyond.amin(1)) <= 4 * noise
    value, best = torch.where(settled, path[AHEAD], value), torch.where(settled, 4 * noise, best)
    kind = torch.where(settled, len(TAILS) + 1, kind)
    lost = lost.reshape(-1, *[1] * (last.ndim - 1)) | ~torch.isfinite(value)
    value, best, kind = torch.where(lost, last, value), torch.where(lost, torch.inf, best), torch.where(lost, 0, kind)
    names = ("unknown", *TAILS, "settled")
    tails = {name: int((kind == i).sum()) for i, name in enumerate(names)}
    return Extrapolation(value, best, kind > 0, {name: n for name, n in tails.items() if n})


def _continued(tail: Tail, path: Mapping[float, Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Aitken's limit of the last three values, (trials, ...), and its error bar, inf where the tail is not steady."""
    early = [path[fraction] for fraction in tail.early]
    changes = [after - before for before, after in pairwise(early)]
    factors = [after / before for before, after in pairwise(changes)]
    limits = [_limit(early[i : i + 3]) for i in range(3)]
    r = factors[2]
    steady = [(q > 0) & ((q - r).abs() <= STEADY * (1 - r) * (1 + i)) for i, q in enumerate(factors[1::-1])]
    known = (r > 0) & (r < tail.slowest) & steady[0] & steady[1] & (changes[3].abs() > noise)
    error = SAFETY * (limits[2] - limits[1]).abs() + 4 * noise / (1 - r) ** 2
    intervals = tail.apart * (len(tail.ahead) - 1 - tail.ahead.index(1.0))
    foretold = limits[2] - (limits[2] - early[-1]) * r**intervals
    known &= (foretold - path[AHEAD]).abs() <= error
    late = [path[fraction] for fraction in tail.ahead]
    limit, factor = _limit(late), (late[2] - late[1]) / (late[1] - late[0])
    known &= ~((factor - r**tail.apart).abs() > STEADY * (1 - factor)) | ((late[1] - late[0]).abs() <= noise)
    error = torch.maximum(error, SAFETY * (limit - limits[2]).abs())
    known &= error < (early[-1] - early[0]).abs()
    return limit, torch.where(known, error, torch.inf)


def _limit(values: Sequence[Tensor]) -> Tensor:
    """Aitken's limit of three values; the last one where they are all equal."""
    before, after = values[1] - values[0], values[2] - values[1]
    return values[2] + torch.nan_to_num(after * after / (before - after))
