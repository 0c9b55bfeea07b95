"""Fixed steps: to measure orders, and to compare devices without the feedback of step control."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import arguments
from theorylab.simulate.methods import ExplicitRungeKutta, by_name
from theorylab.simulate.runge_kutta import Stepper, evaluate
from theorylab.simulate.typing import Field


@torch.no_grad()
def integrate_fixed(
    field: Field,
    initial: Tensor | ArrayLike,
    *,
    t_end: float | Tensor,
    steps: int,
    method: str | ExplicitRungeKutta = "tsit5",
    t_start: float | Tensor = 0.0,
    device: torch.device | str | None = None,
) -> Tensor:
    """End states, (B, D), after `steps` equal steps from `initial`, (B, D); the arguments are those of `integrate`."""
    if not (isinstance(steps, int) and steps >= 1):
        raise InputError(f"steps={steps!r} was given; expected a positive integer")
    y = arguments.states(initial, device)
    t, ends = arguments.time_span(t_start, t_end, y)
    h = (ends - t) / steps
    stepper = Stepper(by_name(method, rtol=1e-6) if isinstance(method, str) else method, field, y.device)
    rows = torch.arange(len(y), device=y.device)
    f = evaluate(field, t, y, rows)
    starts = t
    for n in range(steps):
        attempt = stepper.attempt(t, y, f, h, rows)
        t, y, f = starts + (n + 1) * h, attempt.y, attempt.f
    return y
