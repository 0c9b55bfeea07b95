"""Limits from finite runs: tails continued to infinity, with an error bar, or the statement that they cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from theorylab.simulate.integrate import integrate
from theorylab.simulate.problem import Problem
from theorylab.simulate.quantities import sampled, slope_norm
from theorylab.simulate.solution import Solution
from theorylab.simulate.typing import Field

# Fractions of the end time. A power of t decays by equal factors along a geometric sequence, an exponential along an
# arithmetic one. Slower factors are not told from those of a logarithm: powers below 0.43, exponentials above e^-0.8.
GEOMETRIC = (0.0625, 0.125, 0.25, 0.5, 1.0)
ARITHMETIC = (0.5, 0.625, 0.75, 0.875, 1.0)
TAILS = {"exponential": (ARITHMETIC, 0.9), "power": (GEOMETRIC, 0.74)}

# Successive factors of a tail that is told apart differ by no more than this share of their distance from 1.
STEADY = 0.05
SAFETY = 2.0
# The error that absolute tolerances leave in the state, in units of them.
OWN = 10.0


@dataclass(frozen=True)
class Extrapolation:
    """The limit of a quantity, (trials, *shape) each.

    value    the limit where `trusted`, else the last value
    error    its error bar; inf where the tail is none that can be continued
    trusted  bool: the tail is over, or exponential, or a power of t, steadily so over the last half of the run
    tails    how many entries have each kind of tail: "settled", "exponential", "power", "unknown"
    """

    value: Tensor
    error: Tensor
    trusted: Tensor
    tails: Mapping[str, int]


@torch.no_grad()
def extrapolated(
    problem: Problem, solution: Solution, field: Field, formula: Callable[..., Any], options: Mapping[str, Any]
) -> Extrapolation:
    """The limit of a formula of (p) or (p, c) along the runs of a solution, which are followed once more.

    Aitken's process on five values of the tail; the error bar is twice the change from one triple to the next, and the
    noise of the run, as the process amplifies it.
    """
    fractions = sorted({*GEOMETRIC, *ARITHMETIC})
    y, t = problem.initial, torch.zeros_like(solution.t)
    states, times = [], []
    for fraction in fractions:
        end = torch.maximum(t, fraction * solution.t)
        y = integrate(field, y, t_start=t, t_end=end, **options).y
        t = end
        states.append(y)
        times.append(t)
    path = sampled(problem, formula, torch.stack(times, 1), torch.stack(states, 1))
    last = sampled(problem, formula, solution.t[:, None], solution.y[:, None])[:, 0]
    rtol = float(options["rtol"])
    slope = slope_norm(problem, formula, solution.t, solution.y).reshape(last.shape)
    atol = torch.as_tensor(options["atol"], dtype=last.dtype, device=last.device).max()
    noise = torch.maximum((path[:, -1] - last).abs(), rtol * path.abs().amax(1)) + OWN * atol * slope
    noise = noise + torch.finfo(last.dtype).tiny
    best = torch.full_like(last, torch.inf)
    value = last.clone()
    kind = torch.zeros(last.shape, dtype=torch.int64, device=last.device)
    for number, (sequence, slowest) in enumerate(TAILS.values(), 1):
        limit, error = _continued(path[:, [fractions.index(f) for f in sequence]], noise, slowest)
        better = error < best
        best = torch.where(better, error, best)
        value = torch.where(better, limit, value)
        kind = torch.where(better, number, kind)
    half = path[:, fractions.index(0.5) :]
    settled = (half.amax(1) - half.amin(1)) <= 4 * noise
    value, best = torch.where(settled, last, value), torch.where(settled, 4 * noise, best)
    kind = torch.where(settled, len(TAILS) + 1, kind)
    lost = (~solution.finished).reshape(-1, *[1] * (last.ndim - 1)) | ~torch.isfinite(value)
    value, best, kind = torch.where(lost, last, value), torch.where(lost, torch.inf, best), torch.where(lost, 0, kind)
    names = ("unknown", *TAILS, "settled")
    tails = {name: int((kind == i).sum()) for i, name in enumerate(names)}
    return Extrapolation(value, best, kind > 0, {name: n for name, n in tails.items() if n})


def _continued(path: Tensor, noise: Tensor, slowest: float) -> tuple[Tensor, Tensor]:
    """Aitken's limit of five values (trials, 5, ...), and its error bar, inf where the tail is not steady."""
    first, second, third, fourth = (path[:, i + 1] - path[:, i] for i in range(4))
    factors = [second / first, third / second, fourth / third]
    limits = [
        path[:, i + 2] + d * r / (1 - r) for i, (d, r) in enumerate(zip((second, third, fourth), factors, strict=True))
    ]
    r = factors[2]
    steady = [(q > 0) & ((q - r).abs() <= STEADY * (1 - r) * (1 + i)) for i, q in enumerate(factors[1::-1])]
    known = (r > 0) & (r < slowest) & steady[0] & steady[1] & (fourth.abs() > noise)
    error = SAFETY * (limits[2] - limits[1]).abs() + 4 * noise / (1 - r) ** 2
    known &= error < (path[:, 4] - path[:, 0]).abs()
    return limits[2], torch.where(known, error, torch.inf)
