"""`tl.simulate`: an ensemble of runs of a flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.claims.base import with_setting
from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow, SecondOrder
from theorylab.readings.letters import complete_dims
from theorylab.simulate.integrate import integrate
from theorylab.simulate.problem import Problem, draw_cases
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status


@dataclass(frozen=True)
class Run:
    """An ensemble of runs.

    t (trials,): end times. params: end parameters by name, (trials, *shape). status: one `Status` a trajectory.
    stats: work per trajectory. case: the values of all variables by name, (trials, *shape). solution: all of it.
    """

    t: Tensor
    params: Mapping[str, Tensor]
    status: tuple[Status, ...]
    stats: Stats
    case: Mapping[str, Tensor]
    solution: Solution
    problem: Problem


def simulate(
    flow: Flow,
    *,
    init: Draw | Mapping[str, Any] | None = None,
    dims: Mapping[str, int] | None = None,
    trials: int = 256,
    seed: int = 0,
    t_end: float = 10.0,
    until: Any = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    method: Any = "auto",
    device: str | None = None,
    **options: Any,
) -> Run:
    """Integrate an ensemble of trajectories in float64, each with its own step, status and stopping.

    init: a distribution for all parameters, or float64 arrays by name with a leading trial axis. dims: sizes.
    until: a stopping rule such as `tl.converged(1e-8)`. The remaining options go to `integrate`.
    Raises InputError for unknown parameters, wrong shapes and non-finite values.
    """
    if not isinstance(flow, Flow):
        raise InputError(f"simulate got {type(flow).__name__}; expected a flow, such as tl.GradientFlow(model)")
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
        raise InputError(f"trials is {trials!r}; expected a positive integer")
    if until is not None and not callable(until):
        raise InputError(f"until is {type(until).__name__}; expected a stopping rule such as tl.converged(1e-8)")
    sizes = complete_dims(sorted(flow.sizes), dims, flow.fixed_sizes)
    flow = with_loss(flow)
    given = _given(flow, init)
    if isinstance(init, Draw):
        moved = flow.base.state if isinstance(flow, SecondOrder) else flow.state
        flow = with_setting(flow, flow.setting.with_(init=dict.fromkeys(moved, init)))
    if given:
        trials = len(next(iter(given.values())))
    raw = draw_cases(flow, sizes, trials, seed)
    for name, values in given.items():
        expected = raw[f"init.{name}"].shape
        if values.shape != expected:
            raise InputError(f"init of {name!r} has shape {values.shape}; expected {expected}")
        raw[f"init.{name}"] = values
    problem = Problem(flow, sizes, raw, device)
    solution = integrate(
        problem.compiled(),
        problem.initial,
        t_end=t_end,
        until=until,
        rtol=rtol,
        atol=atol,
        method=method,
        device=device,
        **options,
    )
    params = {n: v for n, v in problem.unflatten(solution.y).items() if n in flow.state}
    return Run(solution.t, params, solution.statuses, solution.stats, problem.values, solution, problem)


def with_loss(flow: Flow) -> Flow:
    """A flow of the unknown loss has to be run with some loss: the square loss on its data."""
    from theorylab.loss import square

    return flow.with_(loss=square) if getattr(flow, "loss", 0) is None else flow


def _given(flow: Flow, init: Any) -> dict[str, np.ndarray]:
    if init is None or isinstance(init, Draw):
        return {}
    if not isinstance(init, Mapping):
        raise InputError(f"init is {type(init).__name__}; expected a distribution or arrays by parameter name")
    given: dict[str, np.ndarray] = {}
    for name, values in init.items():
        if name not in flow.state:
            raise InputError(f"init names the unknown parameter {name!r}; expected one of: {', '.join(flow.state)}")
        try:
            array = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"init of {name!r} is {type(values).__name__}; expected an array of float64 numbers"
            ) from error
        if array.ndim == 0:
            raise InputError(f"init of {name!r} is the number {array}; expected an array with a leading trial axis")
        if not np.isfinite(array).all():
            raise InputError(f"init of {name!r} contains non-finite values; expected finite numbers")
        given[name] = array
    if len({len(v) for v in given.values()}) > 1:
        raise InputError(
            f"init gives {sorted({len(v) for v in given.values()})} trials; expected one leading axis of one length"
        )
    return given
