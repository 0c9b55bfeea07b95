"""Error control: the norm of a step's error, the next step size, the first one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from theorylab.simulate.runge_kutta import Attempt, evaluate
from theorylab.simulate.typing import Field

SAFETY = 0.9
SHRINK = 0.2
GROW = 10.0

# The last ENDING_STEPS steps are of equal size, at most ENDING of the size that control asks for. A method at its
# stability limit keeps stiff components at the level of the tolerance; a little inside the limit it damps them.
ENDING, ENDING_STEPS = 0.7, 3

# Accepted steps whose estimates of the spectral radius are remembered, and the share of the field that the stiff
# components may make up.
MEMORY = 4
STIFF_SHARE = 0.1

# Stiffness: an explicit method gives way after STIFF_STEPS accepted steps at more than STIFF_LIMIT of the length of its
# stability interval, less those below it, and takes over again after EASY_STEPS in a row below EASY_LIMIT of it. A
# stabilised method gives way to a Rosenbrock method after HARD_STEPS whose stages cost more than a step of that one.
STIFF_STEPS = 15
STIFF_LIMIT = 0.8
HARD_STEPS = 10
EASY_STEPS = 10
EASY_LIMIT = 0.4

# The spectral radius by power iteration: at most FIRST_ROUNDS products with the Jacobian at the start, MORE_ROUNDS
# after a rejected step, one after others; the iteration approaches it from below, hence the factor RADIUS_SAFETY.
FIRST_ROUNDS = 40
MORE_ROUNDS = 8
RADIUS_SAFETY = 1.15

_EPS = torch.finfo(torch.float64).eps


def norm(x: Tensor) -> Tensor:
    """Euclidean norm of each row, (b, D) -> (b,)."""
    return torch.linalg.vector_norm(x, dim=1)


def rms(x: Tensor) -> Tensor:
    """Root mean square of each row, (b, D) -> (b,)."""
    return norm(x) / x.shape[1] ** 0.5


def combined(norms: Sequence[Tensor]) -> Tensor:
    """One norm of the error of each row from the norms of one or two estimates.

    Two estimates of orders 5 and 3 are combined as e5^2 / sqrt(e5^2 + e3^2 / 100): Hairer, Norsett, Wanner, Solving
    ODEs I, II.10. What is not finite becomes inf.
    """
    error = norms[0]
    if len(norms) == 2:
        # The tiny term leaves 0 / 0 = 0.
        error = error * (error / torch.sqrt(error**2 + 0.01 * norms[1] ** 2 + 1e-300))
    return torch.nan_to_num(error, nan=torch.inf, posinf=torch.inf)


def local_error(attempt: Attempt) -> Tensor:
    """Euclidean norm of the estimated local error of each row, (b,)."""
    return combined([norm(estimate) for estimate in attempt.errors])


def scaled_error(attempt: Attempt, y: Tensor, rtol: float, atol: Tensor) -> Tensor:
    """Local error in units of the tolerance atol + rtol max(|y| before, |y| after), (b,): at most 1 is accepted."""
    scale = torch.maximum(y.abs(), attempt.y.abs()).mul_(rtol).add_(atol)
    return combined([rms(estimate / scale) for estimate in attempt.errors])


def spectral_radius(attempt: Attempt, h: Tensor) -> Tensor:
    """An estimate of the spectral radius of the Jacobian from the last two stages, both at the end of the step; (b,).

    |f(u) - f(v)| / |u - v|: Hairer, Wanner, Solving ODEs II, IV.2. It approaches the spectral radius where the
    stability limit rules the step, and is lower elsewhere. 0 where it is not finite.
    """
    change = norm(attempt.stages[-1] - attempt.stages[-2])
    return torch.nan_to_num(change / (norm(attempt.y - attempt.previous) * h), nan=0.0, posinf=0.0)


def stiff_error(attempt: Attempt, radius: Tensor) -> Tensor:
    """Local error in units of what the norm of the field allows near an equilibrium, (b,).

    An explicit method at its stability limit keeps stiff components at the level of the tolerance, where they add
    (spectral radius) x (tolerance) to the field, and its norm never falls to the limit that a stopping rule sets. So
    the error may be at most STIFF_SHARE |f| / radius, or round-off if that is more. `radius` is (b, MEMORY); the least
    of the remembered estimates counts, because a single one is huge where a step crosses a kink; 0 means unknown.
    """
    least = radius.amin(dim=1)
    allowed = torch.where(least > 0, STIFF_SHARE * norm(attempt.f) / least, torch.inf)
    return local_error(attempt) / torch.maximum(allowed, 4 * _EPS * norm(attempt.y))


def step_factor(error: Tensor, previous: Tensor, accept: Tensor, after_rejection: Tensor, order: int) -> Tensor:
    """PI control: the factor by which each row's step changes, (b,).

    `error` and `previous` are the scaled errors of this and the last accepted step; `order` is the power of h in them.
    Gustafsson, Lundh, Soderlind, BIT 28 (1988); exponents 0.7 / k and 0.4 / k (Hairer, Wanner, Solving ODEs II, IV.2).
    A step does not grow right after a rejection.
    """
    drive = SAFETY * error.clamp(min=1e-10).pow(-0.7 / order)
    memory = torch.where(accept, previous.pow(0.4 / order), 1.0)
    ceiling = torch.where(accept & ~after_rejection, GROW, 1.0)
    return torch.minimum((drive * memory).clamp(min=SHRINK), ceiling)


def next_step(wanted: Tensor, taken: Tensor, factor: Tensor, accept: Tensor) -> Tensor:
    """The size to ask for after a step, (b,). One that was cut short says nothing against the size that was wanted."""
    size = taken * factor
    return torch.where(accept & (taken < wanted), torch.maximum(wanted, size), size)


def ending(wanted: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    """The size of the next step where `wanted` is asked for and `room` is left, and whether it is the last; (b,)."""
    count = torch.ceil(room / (ENDING * wanted)).clamp(min=1)
    return torch.where(count <= ENDING_STEPS, room / count, wanted), count <= 1


def smallest_step(t: Tensor) -> Tensor:
    """The least step size that still resolves time t, (b,)."""
    return (t.abs() * (16 * _EPS)).clamp(min=1e-100)


def first_step(
    field: Field, t: Tensor, y: Tensor, f: Tensor, rows: Tensor, room: Tensor, *, rtol: float, atol: Tensor, order: int
) -> Tensor:
    """A first step size for each row, (b,), at the price of one evaluation.

    Hairer, Norsett, Wanner, Solving ODEs I, II.4. `room` is the time left, (b,); `order` is the power of h in the
    local error.
    """
    scale = atol + rtol * y.abs()
    size, speed = rms(y / scale), rms(f / scale)
    guess = torch.minimum(torch.where((size < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * size / speed), room)
    ahead = evaluate(field, t + guess, y + guess[:, None] * f, rows)
    bend = rms((ahead - f) / scale) / guess
    largest = torch.maximum(speed, bend)
    step = torch.where(largest <= 1e-15, (guess * 1e-3).clamp(min=1e-6), (0.01 / largest).pow(1 / order))
    step = torch.minimum(torch.minimum(100 * guess, step), room)
    step = torch.where(torch.isfinite(step) & (step > 0), step, 1e-3 * guess)
    return torch.maximum(step, 10 * smallest_step(t))
