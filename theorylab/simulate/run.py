"""`tl.simulate`: an ensemble of runs of a flow, or of a discrete scheme."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.claims.base import with_setting
from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.letters import complete_dims
from theorylab.scheme import Scheme
from theorylab.simulate import arguments, given
from theorylab.simulate import events as happenings
from theorylab.simulate import quantities as observed
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.compiled import Formula
from theorylab.simulate.cost import enough_memory
from theorylab.simulate.events import Event, Occurrences
from theorylab.simulate.extrapolate import Extrapolation, extrapolated
from theorylab.simulate.integrate import integrate
from theorylab.simulate.iterate import Steps, iterate, step_numbers
from theorylab.simulate.kernel import gpu, solve
from theorylab.simulate.kernel.threads import ThreadedFormula
from theorylab.simulate.kinks import kinks
from theorylab.simulate.problem import Problem
from theorylab.simulate.quantities import Drift
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged
from theorylab.simulate.typing import Field

T_END = 10.0
TRIALS = 256
COMPILED = "generated C"
THREADED = "generated CUDA"


@dataclass(frozen=True)
class Run:
    """An ensemble of runs.

    t           (trials,) end times; for a scheme the number of steps
    params      end parameters by name, (trials, *shape)
    status      one `Status` a trajectory
    stats       work per trajectory
    case        values of all variables by name, (trials, *shape)
    times       (S,) the times asked for, None if none were
    saved       parameters at these times by name, (trials, S, *shape); NaN after the end of a run
    quantities  what `observe` names, (trials, S, *shape) at `times`, or at start and end (S = 2) where none were given
    drift       the largest change of each of them along the run, beside the integrator's own error
    events      what `events` and `until` name, see `Occurrences`
    backend     "generated C", "generated CUDA", or "batched torch: " and the reason
    solution    end states, fields and errors as vectors
    start       (trials,) start times
    """

    t: Tensor
    params: Mapping[str, Tensor]
    status: tuple[Status, ...]
    stats: Stats
    case: Mapping[str, Tensor]
    solution: Solution
    problem: Problem
    times: Tensor | None
    saved: Mapping[str, Tensor]
    quantities: Mapping[str, Tensor]
    drift: Mapping[str, Drift]
    events: Mapping[str, Occurrences]
    backend: str
    field: Field | None
    start: Tensor
    options: Mapping[str, Any]

    @property
    def slid(self) -> Tensor | None:
        """(trials,) bool: the run slid along a kink for a while; None where kinks are not located.

        A flow with momentum does not slide: it swings across a kink that attracts it, ever faster, and where in its
        swing it is, the velocities above all, is known far less well than to the tolerance.
        """
        return self.solution.slid

    @property
    def grazed(self) -> Tensor | None:
        """(trials,) bool: the run turned so close to a kink that it does not tell the side, and from beyond would not
        come back, or met several at once from where more than one solution goes on; None likewise.
        """
        return self.solution.grazed

    def limit(self, quantity: Callable[..., Any]) -> Extrapolation:
        """The limit of a quantity of (p) or (p, c) beyond the end of the runs, with an error bar.

        The runs are followed a second time, and on to four times their length. Exponential tails and powers of t are
        continued to infinity; anything else, such as the logarithms of a loss without a minimum, is reported as not
        trusted, with the last value.
        """
        if self.field is None:
            raise InputError("limit() was asked of a discrete scheme; expected a run of a flow")
        if not callable(quantity):
            raise InputError(f"limit() got {type(quantity).__name__}; expected a function of (p) or (p, c)")
        return extrapolated(self.problem, self.solution, self.field, quantity, self.start, self.options)


@enough_memory()
def simulate(
    flow: Flow | Scheme,
    *,
    init: Draw | Mapping[str, Any] | None = None,
    dims: Mapping[str, int] | None = None,
    trials: int | None = None,
    seed: int = 0,
    t_end: Any = None,
    steps: int | None = None,
    until: Any = None,
    events: Mapping[str, Event] | None = None,
    times: Sequence[float] | None = None,
    observe: Any = None,
    rtol: float = 1e-9,
    atol: Any = 1e-12,
    method: Any = "auto",
    device: str | None = None,
    **options: Any,
) -> Run:
    """Run an ensemble of trajectories in float64, each with its own step, status and stopping.

    init: a distribution for all parameters, or by name distributions and float64 arrays with a leading trial axis.
    trials: how many, 256 by default, or as many as the arrays of init have rows. dims: sizes.
    t_end: the end time of a flow, 10 by default; steps: how many steps of a scheme. until: `tl.converged(1e-8)`,
    `tl.event(...)`, or a list of them. events: `tl.event(...)` by name, whose times are kept. times: rising times (step
    numbers) at which parameters and quantities are kept. observe: formulas of (p) or (p, c) by name; "loss" and
    "gradient_norm" stand for themselves, as in observe=["loss"]. rtol, atol, method, and the remaining options
    (max_steps, first_step, t_start) go to `integrate`; a scheme has none of them. device: "cpu", or "cuda": on a
    GPU, small models of flows run in generated code, one thread a trajectory, the rest in batched torch.

    A fixed number of steps in generated C gives the same bits whatever the number of trials.
    Raises InputError for unknown parameters, wrong shapes and non-finite values.
    """
    scheme = flow if isinstance(flow, Scheme) else None
    if not isinstance(flow, (Flow, Scheme)):
        raise InputError(
            f"simulate got {type(flow).__name__}; expected a flow, such as tl.GradientFlow(model), or a scheme"
        )
    base = flow.flow if isinstance(flow, Scheme) else flow
    trials = None if trials is None else given.count("trials", trials)
    given.check_device(device)
    rule, ending = given.stopping(until)
    noted = given.named_events(events, ending)
    sizes = complete_dims(sorted(base.sizes), dims, base.fixed_sizes)
    base, raw = _cases(with_loss(base), init, sizes, trials, seed)
    if scheme is not None:
        named = {"t_end": t_end, "events": events, **options} | ({"until": ending[0]} if ending else {})
        named |= {n: v for n, v in {"rtol": rtol, "atol": atol, "method": method}.items() if not _is_default(n, v)}
        for name, value in named.items():
            if value is not None:
                raise InputError(
                    f"a scheme was given {name}; expected steps, times, until=tl.converged(...) and observe"
                )
        return _run_scheme(replace(scheme, flow=base), sizes, raw, device, steps, times, rule, observe, seed)
    if steps is not None:
        raise InputError(f"a flow was given steps={steps!r}; expected t_end, or a scheme such as flow.euler('h')")
    given.check_options(options, t_end, rtol, times)
    problem = Problem(base, sizes, raw, device)
    return _run_flow(problem, T_END if t_end is None else t_end, rule, ending, noted, times, observe, {
        "rtol": rtol, "atol": atol, "method": method, **options}, device)  # fmt: skip


def _run_flow(
    problem: Problem,
    t_end: Any,
    rule: Any,
    ending: Sequence[Event],
    noted: Mapping[str, Event],
    times: Sequence[float] | None,
    observe: Any,
    options: Mapping[str, Any],
    device: str | None,
) -> Run:
    times = None if times is None else [float(t) for t in times]  # also of an array, which has no truth value
    formulas = observed.named(observe, problem.flow)
    field, watched, obstacle = _written(problem, list(formulas.values()), bool(noted))
    if isinstance(t_end, Tensor):
        t_end = t_end.to(problem.initial.device)
    watch = None
    until = rule
    if noted:
        watch = happenings.Watch(problem, list(noted.values()), len(ending), rule)
        until = watch
    shown = times
    if watch is not None and _has_gates(field) and _is_time(t_end) and "t_start" not in options:
        until, shown = rule, happenings.grid(float(t_end), times or [])
    solution = integrate(
        field, problem.initial, t_end=t_end, until=until, save=shown, observe=watched, device=device, **options
    )
    if watch is not None and until is not watch:
        assert shown is not None
        happenings.follow(watch, field, shown, solution)
        asked = [list(shown).index(float(t)) for t in times or []]
        solution = replace(solution, saved=solution.saved[:, asked] if solution.saved is not None and times else None)
    kept = torch.as_tensor(() if times is None else times, dtype=torch.float64, device=solution.t.device)
    found: Mapping[str, Occurrences] = {}
    plain = {n: options[n] for n in ("rtol", "atol", "method")}
    if watch is not None:
        located = watch.located(field, **plain)
        solution = happenings.ended(watch, located, solution, field, kept)
        found = happenings.occurrences(problem, list(noted), located, solution.t)
    reason = obstacle or ("events are looked for after every step" if noted else "")
    reason = getattr(field, "fault", "") or reason
    if not solution.compiled and not reason:
        custom = until is not None and type(until) is not Converged
        reason = "the stopping rule is no tl.converged" if custom else solve.obstacle([field, watched])
    generated = THREADED if isinstance(field, ThreadedFormula) else COMPILED
    backend = generated if solution.compiled else f"batched torch: {reason}"
    start = arguments.per_row("t_start", options.get("t_start", 0.0), problem.initial)
    repeated = plain | ({"max_steps": options["max_steps"]} if "max_steps" in options else {})
    return _made(problem, solution, formulas, times, found, backend, field, start, repeated)


def _written(problem: Problem, formulas: Sequence[Any], events: bool) -> tuple[Field, Field | None, str]:
    """The field, the observed quantities if any, and why no code is generated of them, or ""."""
    machine = gpu.find(problem.device)
    if not isinstance(machine, str) and not events:
        field = problem.threaded(machine)
        watched = problem.threaded(machine, formulas) if formulas and field is not None else None
        if field is not None and not problem.obstacle:
            return field, watched, ""
        machine = problem.obstacle
    field = problem.compiled()
    reasons = [problem.obstacle]
    watched = problem.compiled(formulas) if formulas else None
    reasons.append(problem.obstacle)
    if problem.device != "cpu":
        reasons.insert(0, machine if isinstance(machine, str) else "")
    return field, watched, next(filter(None, reasons), "")


def _is_time(t_end: Any) -> bool:
    return isinstance(t_end, int | float) and math.isfinite(t_end)


def _has_gates(field: Field) -> bool:
    return isinstance(field, Formula) and kinks(field.program) is not None


def _run_scheme(
    scheme: Scheme,
    sizes: Mapping[str, int],
    raw: Mapping[str, np.ndarray],
    device: str | None,
    steps: int | None,
    times: Sequence[float] | None,
    rule: Any,
    observe: Any,
    seed: int,
) -> Run:
    steps = given.count("steps", steps, "a positive integer, the number of steps of the scheme")
    if scheme.flow.integrals:
        raise InputError("a scheme was made of a flow with integrals, which it does not move; expected a flow without")
    problem = Steps(scheme, sizes, raw, device)
    formulas = observed.named(observe, problem.flow)
    kept = step_numbers(times, steps)
    solution, obstacle = iterate(
        problem, steps=steps, times=kept, until=rule, observe=list(formulas.values()), seed=seed
    )
    backend = f"batched torch: {obstacle}" if obstacle else COMPILED
    start = torch.zeros_like(solution.t)
    return _made(problem, solution, formulas, kept or None, {}, backend, None, start, {})


def _made(
    problem: Problem,
    solution: Solution,
    formulas: Mapping[str, Any],
    times: Sequence[float] | None,
    found: Mapping[str, Occurrences],
    backend: str,
    field: Field | None,
    start: Tensor,
    options: Mapping[str, Any],
) -> Run:
    names = problem.flow.state
    moments = None if times is None else torch.as_tensor(times, dtype=torch.float64, device=solution.t.device)
    saved: dict[str, Tensor] = {}
    if moments is None or solution.saved is None:
        states = torch.stack([problem.initial, solution.y], 1)
        at = torch.stack([start, solution.t], 1)
    else:
        states, at = solution.saved, moments.expand(len(solution.t), -1)
        saved = {n: v for n, v in problem.unflatten(states).items() if n in names}
    return Run(
        t=solution.t,
        params={n: v for n, v in problem.unflatten(solution.y).items() if n in names},
        status=solution.statuses,
        stats=solution.stats,
        case=problem.values,
        solution=solution,
        problem=problem,
        times=moments,
        saved=saved,
        quantities={n: observed.sampled(problem, f, at, states) for n, f in formulas.items()},
        drift=observed.drifts(problem, formulas, solution, start) if formulas else {},
        events=found,
        backend=backend,
        field=field,
        start=start,
        options=options,
    )


def with_loss(flow: Flow, *, bent: bool = False) -> Flow:
    """A flow of the unknown loss has to be run with some loss: the square loss on its data, or one that is not convex.

    What is claimed along runs for every loss has to stand the second; both have their only minimum where f = y.
    """
    from theorylab import loss

    return flow.with_(loss=loss.bent if bent else loss.square) if getattr(flow, "loss", 0) is None else flow


def _cases(
    flow: Flow, init: Any, sizes: Mapping[str, int], trials: int | None, seed: int
) -> tuple[Flow, dict[str, np.ndarray]]:
    """The flow and the values of its variables, with `init` taken into account."""
    draws, arrays = given.initial_values(flow, init)
    if draws:
        flow = with_setting(flow, flow.setting.with_(init=draws))
    rows = len(next(iter(arrays.values()))) if arrays else None
    raw = draw_cases(flow, sizes, rows or trials or TRIALS, seed, [f"init.{name}" for name in arrays])
    for name, values in arrays.items():
        expected = raw[f"init.{name}"].shape
        if values.shape != expected:
            raise InputError(f"init of {name!r} has shape {values.shape}; expected {expected}, one row a trial")
        raw[f"init.{name}"] = values
    if None not in (rows, trials) and rows != trials:
        raise InputError(f"init gives {rows} trials and trials is {trials}; expected the same number")
    return flow, raw


def _is_default(name: str, value: Any) -> bool:
    return isinstance(value, float | str) and value == inspect.signature(simulate).parameters[name].default
