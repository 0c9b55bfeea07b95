"""Error control: the norm of a step's error, the next step size, the first one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.runge_kutta import evaluate
from theorylab.simulate.typing import Field

SAFETY = 0.9
SHRINK = 0.2
GROW = 10.0

# Accepted steps whose estimates of the spectral radius are remembered, and the share of the field that the stiff
# components may make up.
MEMORY = 4
STIFF_SHARE = 0.1


def rms(x: Tensor) -> Tensor:
    """Root mean square of each row, (b, D) -> (b,)."""
    return torch.linalg.vector_norm(x, dim=1) / x.shape[1] ** 0.5


def combined_error(norms: Sequence[Tensor]) -> Tensor:
    """One norm of the error of each row from the norms of one or two estimates.

    Two estimates of orders 5 and 3 are combined as e5^2 / sqrt(e5^2 + e3^2 / 100): Hairer, Norsett, Wanner, Solving
    ODEs I, II.10. What is not finite becomes inf.
    """
    error = norms[0]
    if len(norms) == 2:
        # The tiny term leaves 0 / 0 = 0.
        error = error * (error / torch.sqrt(error**2 + 0.01 * norms[1] ** 2 + 1e-300))
    return torch.nan_to_num(error, nan=torch.inf, posinf=torch.inf)


def spectral_radius(before: Tensor, ahead: Tensor, k_before: Tensor, k_ahead: Tensor, h: Tensor) -> Tensor:
    """An estimate of the spectral radius of the Jacobian from the last two stages, both at the end of the step; (b,).

    |f(ahead) - f(before)| / |ahead - before|, where the stages carry the factor h: Hairer, Wanner, Solving ODEs II,
    IV.2. It approaches the spectral radius where the stability limit rules the step, and is lower elsewhere.
    """
    change = torch.linalg.vector_norm(k_ahead - k_before, dim=1)
    distance = torch.linalg.vector_norm(ahead - before, dim=1)
    return torch.nan_to_num(change / (distance * h), nan=0.0, posinf=0.0)


def stiff_error(estimates: Tensor, radius: Tensor, y: Tensor, f: Tensor) -> Tensor:
    """The error of a step in units of what the field's norm allows near an equilibrium, (b,).

    An explicit method at its stability limit keeps stiff components at the level of the tolerance, where they add
    (spectral radius) x (tolerance) to the field, and its norm never falls to the limit that a stopping rule sets. So the
    error may be at most STIFF_SHARE |f| / radius, or round-off if that is more. `radius` is (b, MEMORY); the least of
    the remembered estimates counts, because a single one is huge where a step crosses a kink.
    """
    allowed = STIFF_SHARE * torch.linalg.vector_norm(f, dim=1) / radius.amin(dim=1)
    round_off = 4 * torch.finfo(y.dtype).eps * torch.linalg.vector_norm(y, dim=1)
    error = combined_error([torch.linalg.vector_norm(estimate, dim=1) for estimate in estimates])
    return error / torch.maximum(allowed, round_off)


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


def first_step(
    field: Field,
    method: ExplicitRungeKutta,
    t: Tensor,
    y: Tensor,
    f: Tensor,
    rows: Tensor,
    *,
    rtol: float,
    atol: Tensor,
    room: Tensor,
) -> Tensor:
    """A first step size for each row, (b,), at the price of one evaluation.

    Hairer, Norsett, Wanner, Solving ODEs I, II.4. `room` is the time left, (b,).
    """
    scale = atol + rtol * y.abs()
    size, speed = rms(y / scale), rms(f / scale)
    guess = torch.where((size < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * size / speed)
    guess = torch.minimum(guess, room)
    ahead = evaluate(field, t + guess, y + guess[:, None] * f, rows)
    bend = rms((ahead - f) / scale) / guess
    largest = torch.maximum(speed, bend)
    step = torch.where(largest <= 1e-15, (guess * 1e-3).clamp(min=1e-6), (0.01 / largest).pow(1 / method.order))
    step = torch.minimum(torch.minimum(100 * guess, step), room)
    return torch.where(torch.isfinite(step) & (step > 0), step, guess * 1e-3)
