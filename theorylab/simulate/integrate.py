"""Adaptive integration of an ensemble: every trajectory has its own step, error control, status and stopping."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate import arguments
from theorylab.simulate.batched_solve import solve
from theorylab.simulate.kernel.ensemble import Task
from theorylab.simulate.kernel.nvrtc import Unavailable
from theorylab.simulate.kernel.solve import kernel
from theorylab.simulate.kernel.threads import ThreadedFormula, thread_kernel
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised, any_by_name, by_name
from theorylab.simulate.solution import Solution
from theorylab.simulate.switching import Stiff, stiff_methods
from theorylab.simulate.typing import Field, Observe, Until

MOST_STEPS = 2**62


def integrate(
    field: Field,
    initial: Tensor | ArrayLike,
    *,
    t_end: float | Tensor,
    rtol: float = 1e-9,
    atol: float | Tensor = 1e-12,
    method: str | ExplicitRungeKutta | Stabilised | Rosenbrock = "auto",
    until: Until | None = None,
    save: Sequence[float] | Tensor | None = None,
    observe: Observe | None = None,
    t_start: float | Tensor = 0.0,
    max_steps: int = 100_000,
    first_step: float | None = None,
    device: torch.device | str | None = None,
) -> Solution:
    """Integrate y' = field(t, y) from `initial`, (B, D), for every row on its own.

    field       field(t: (b,), y: (b, D), rows: (b,)) -> (b, D) in float64: rows[i] is the trial of row i. Trajectories
                that have stopped are dropped from the calls, so b falls from B to 1. Autograd is off around `field`;
                torch.func works in it as usual
    t_end       end time, a number or (B,); may be inf with `until`
    rtol, atol  the error of a step is at most atol + rtol |y| in the root mean square over the coordinates; atol may be
                (D,), and 1e-30 asks for relative accuracy alone
    method      a name or a method, or "auto": an explicit method for the tolerance and, for trials that turn out stiff,
                as long as they are, ROCK4 or Rodas5P; `finisher` of the solution names the last one of each. Kinks and
                slides are left to the explicit method, beside "rock4" and "rodas5p" as well. A field without forward
                derivatives keeps the explicit method
    until       stopping rule, for instance `converged(1e-8)`, asked at the start and after every accepted step
    save        rising times, shared by all rows, at which dense output is kept
    observe     observe(t, y, rows) -> (b, q): its largest change from the start is kept, at no cost in storage
    t_start     start time, a number or (B,)
    max_steps   limit on accepted and rejected steps together
    first_step  size of the first step; chosen if None

    Raises InputError for wrong shapes, types and ranges. A row that goes wrong gets a status and never raises.

    Where field and observe are compiled formulas and until is `converged`, the whole run is generated C; its steps are
    those of an explicit method in batched torch up to round-off, as long as the field has no kinks. Of compiled
    formulas, and of gradient flows in torch, with momentum or without, the gates are known: an explicit method locates
    kinks and slides along them (`kinks.py`, `kink_run.py`), and the solution says which trajectories did. Where they
    are not known, as for a field that is just a function, kinks are stepped over, and a trajectory that would have to
    slide ends as `chattering`.
    """
    arguments.check_numbers(rtol, max_steps, first_step)
    y = arguments.states(initial, device)
    starts, ends = arguments.time_span(t_start, t_end, y)
    if until is None and not arguments.are_finite(t_end, ends):
        raise InputError(f"t_end={t_end!r} was given without a stopping rule; expected finite times or until=...")
    chosen = any_by_name(method, rtol=rtol) if isinstance(method, str) else method
    if not isinstance(chosen, ExplicitRungeKutta | Stabilised | Rosenbrock):
        raise InputError(f"method is {method!r}; expected a name such as 'auto' or 'tsit5', or a method")
    options: dict[str, Any] = {
        "rtol": float(rtol),
        "atol": arguments.absolute_tolerance(atol, y),
        "until": until,
        "times": arguments.save_times(save, starts),
        "first_step": first_step,
        "max_steps": min(int(max_steps), MOST_STEPS),
    }
    explicit = chosen if isinstance(chosen, ExplicitRungeKutta) else by_name("auto", rtol=rtol)
    stiff = None if isinstance(chosen, ExplicitRungeKutta) else Stiff((chosen,), alone=True)
    fused = kernel(field, observe, until, explicit, y) or thread_kernel(field, observe, until, explicit, y)
    if fused is not None:
        shared, program = stiff, fused.formulas.field
        if method == "auto":
            shared = stiff_methods(len(program.state), program.nodes, explicit, rtol)
        with suppress(Unavailable):
            return fused.solve(Task(y, starts, ends, observes=observe is not None, **options), shared)
    field = field.plain if isinstance(field, ThreadedFormula) else field
    observe = observe.plain if isinstance(observe, ThreadedFormula) else observe
    return solve(
        field, y, starts, ends, explicit=explicit, stiff=stiff, auto=method == "auto", observe=observe, **options
    )
