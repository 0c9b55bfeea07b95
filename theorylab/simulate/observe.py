"""What a claim's tests show in an ensemble: residuals beside the integrator's own error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab import ops
from theorylab.claims.base import Test
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import call
from theorylab.simulate.averages import observe_mean
from theorylab.simulate.cases import Cases, draw_cases
from theorylab.simulate.integrate import integrate
from theorylab.simulate.observation import Observation
from theorylab.simulate.problem import Problem
from theorylab.simulate.refine import FALL, ROUND_OFF, drift_falls, refine
from theorylab.simulate.run import with_loss
from theorylab.simulate.slopes import observe_slope
from theorylab.simulate.solution import Solution
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged

EPS = float(torch.finfo(torch.float64).eps)
LADDER = (1e-6, 1e-8, 1e-10)
FURTHER_TRIES = (
    {"tolerances": (1e-5, 1e-7, 1e-9), "method": "tsit5", "max_steps": 4_000},
    {"tolerances": (1e-8, 1e-10, 1e-12), "method": "tsit5", "max_steps": 10_000},
)
"""Few large steps: the drift is mostly chance. Tsit5's error is proportional to the tolerance, where steps are many."""
RUN_TRIALS = 32
OWN_TIMES = 5.0
NO_SIZE = 1e-8
MAX_STEPS = 400
LIMIT_HORIZON = 1_000.0
LIMIT_STEPS = 40_000
SHARE_CONVERGED = 0.5
POINTWISE = 1e-9
SETTLED = 1e-11
"""Relative residuals of limits below this are not asked to fall further."""
OWN_ERRORS = 20.0
NUDGES = 3
NUDGE = 2.0**-46

Nudge = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def observe(
    test: Test,
    dims: Dims,
    *,
    trials: int,
    seed: int,
    device: str | None = None,
    settle: Mapping[str, Any] | None = None,
    premised: bool = False,
) -> Observation:
    """Run one test: at random cases or states, along runs, or where runs end.

    premised: the statement names premises of its own, so that runs which blow up may lie outside of it.
    """
    options = dict(settle or {})
    if test.kind == "slope":
        found = observe_slope(test, dims, trials=trials, seed=seed, device=device, options=options)
        return found if premised else _of_every_run(found)
    if test.kind == "mean":
        return observe_mean(test, dims, seed=seed, device=device, options=options)
    if test.where == "case":
        return _at_cases(test, dims, trials, seed, device)
    if test.where == "state":
        return _at_states(test, dims, trials, seed, device)
    if test.where == "run":
        count = min(trials, int(options.pop("trials", RUN_TRIALS)))
        found = _along_runs(test, dims, count, seed, device, options)
        for other in FURTHER_TRIES if "tolerances" not in options else ():
            if found.agrees is None:
                found = _along_runs(test, dims, count, seed, device, {**options, **other})
        return found
    found = _at_ends(test, dims, min(trials, int(options.pop("trials", RUN_TRIALS))), seed, device, options)
    return found if premised else _of_every_run(found)


def _of_every_run(found: Observation) -> Observation:
    """The observation, undecided where runs blow up: what is said of the ends of all runs takes for granted that they
    have one.
    """
    lost = sum(found.statuses.get(status.label, 0) for status in Status if status.failed)
    if not (found.agrees and lost):
        return found
    reason = (
        f"{lost} of {sum(found.statuses.values())} runs blow up ({found.statuses}), and have no limit; "
        f"a hypothesis or a premise that leaves them out would settle it; of the others: {found.reason}"
    )
    return replace(found, agrees=None, reason=reason)


# --- cases and states: no integrator, only rounding ----------------------------------------------------------------


def _at_cases(test: Test, dims: Dims, trials: int, seed: int, device: str | None) -> Observation:
    raw = draw_cases(test.subject, dims, trials, seed)

    def values(nudge: Nudge) -> Tensor:
        return Cases(test.subject, dims, nudge(raw), device).of_case(test.observe).reshape(trials, -1)

    return _pointwise(test, values)


def _at_states(test: Test, dims: Dims, trials: int, seed: int, device: str | None) -> Observation:
    """States drawn like initial values; the case of the statement keeps its own c.init."""
    flow: Flow = test.subject
    raw, start = draw_cases(flow, dims, trials, seed), draw_cases(flow, dims, trials, seed + 1)

    def values(nudge: Nudge) -> Tensor:
        problem = Problem(flow, dims, nudge(raw), device)
        state = Problem(flow, dims, nudge(start), device).initial
        return problem.observe(test.observe, torch.zeros(trials, dtype=torch.float64, device=problem.device), state)

    return _pointwise(test, values)


def _pointwise(test: Test, values_at: Callable[[Nudge], Tensor]) -> Observation:
    """Residuals beyond what rounding explains: how much they change when every number changes in its last bits."""
    values = values_at(dict)
    noise = torch.stack([(values_at(partial(_nudged, n)) - values).abs() for n in range(NUDGES)]).amax(0)
    known = torch.isfinite(values).all(1) & torch.isfinite(noise).all(1)
    if not bool(known.any()):
        return Observation(test, None, "the formula is not finite at any of the cases drawn", len(values))
    residual = values[known].abs() if test.kind == "zero" else torch.clamp(-values[known], min=0.0)
    allowed = POINTWISE + 100 * noise[known]
    at = int(torch.argmax((residual / allowed).amax(1)))
    worst, bound = float(residual[at].max()), float(allowed[at].max())
    agrees = bool((residual <= allowed).all())
    reason = f"the worst of {len(residual)} cases is {worst:.2e}, with {bound:.0e} allowed for rounding"
    return Observation(test, agrees, reason, len(residual), worst=(worst,), worst_trial=int(torch.nonzero(known)[at]))


def _nudged(n: int, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same values with other last bits."""
    return {k: v * (1 + NUDGE * np.cos(np.arange(v.size) + n).reshape(v.shape)) for k, v in raw.items()}


# --- runs ----------------------------------------------------------------------------------------------------------


def own_times(problem: Problem, times: float = OWN_TIMES) -> Tensor:
    """A horizon for each trial: how long it takes its parameters to move by about their own size (by 1 from 0)."""
    rows = torch.arange(problem.trials, device=problem.device)
    zero = torch.zeros(problem.trials, dtype=torch.float64, device=problem.device)
    speed = torch.linalg.vector_norm(problem.field(zero, problem.initial, rows), dim=1)
    size = torch.linalg.vector_norm(problem.initial, dim=1)
    starts_at_zero = (size <= NO_SIZE) & (speed > NO_SIZE)
    horizon = times * torch.where(starts_at_zero, 1.0, size + EPS) / (speed + EPS)
    typical = horizon[torch.isfinite(horizon)].median() if bool(torch.isfinite(horizon).any()) else torch.tensor(1.0)
    return torch.where(torch.isfinite(horizon), horizon, typical).clamp(max=100 * float(typical))


def _residual(test: Test, problem: Problem) -> Any:
    """What vanishes along a run that agrees: the observed formula, or what it lacks to be nonnegative."""
    if test.kind == "zero":
        return problem.compiled(test.observe)
    return problem.compiled(lambda p, c: ops.relu(-call(test.observe, p, c)))


def _scale(test: Test, problem: Problem, t: Tensor, y: Tensor) -> Tensor:
    """(trials, 1) the size of the observed terms, at the start or at the states given, at least a machine epsilon."""
    if test.scale is None:
        return torch.ones(problem.trials, 1, dtype=torch.float64, device=problem.device)
    sizes = [problem.size_of(test.scale, *at) for at in ((torch.zeros_like(t), problem.initial), (t, y))]
    return torch.nan_to_num(torch.cat(sizes, 1)).amax(1, keepdim=True).clamp(min=EPS)


def _along_runs(
    test: Test, dims: Dims, trials: int, seed: int, device: str | None, options: dict[str, Any]
) -> Observation:
    flow = with_loss(test.subject, bent=True)
    problem = Problem(flow, dims, draw_cases(flow, dims, trials, seed), device)
    horizon = test.horizon or options.get("horizon")
    t_end: Any = float(horizon) if horizon else own_times(problem)
    residual = _residual(test, problem)
    zero = torch.zeros(trials, dtype=torch.float64, device=problem.device)
    rows = torch.arange(trials, device=problem.device)
    at_start = residual(zero, problem.initial, rows).abs()
    ladder = tuple(options.get("tolerances", LADDER))
    runs = refine(
        problem.compiled(),
        problem.initial,
        ladder,
        observe=residual,
        t_end=t_end,
        device=device,
        max_steps=int(options.get("max_steps", MAX_STEPS)),
        atol=options.get("atol"),
        method=options.get("method", "auto"),
    )
    assert runs.drift is not None
    scale = _scale(test, problem, runs.runs[-1].t, runs.runs[-1].y)
    followed = runs.followed & torch.isfinite(runs.drift).all(0).all(1)
    statuses = runs.runs[-1].counts()
    if not bool(followed.any()):
        return Observation(test, None, f"no run could be followed ({statuses})", trials, statuses=statuses)
    drift = (runs.drift + at_start)[:, followed] / scale[followed]
    worst = drift.flatten(1).amax(1)
    own = float((runs.own_error[-1] / torch.linalg.vector_norm(problem.initial, dim=1).clamp(min=EPS))[followed].max())
    falls = bool(drift_falls(worst, ladder))
    steady = drift[-1] >= drift[0] / 5
    broken = bool((steady & (drift[-1] > 1e4 * max(ladder[-1], ROUND_OFF))).any())
    agrees = True if falls else False if broken else None
    at = int(torch.nonzero(followed)[int(torch.argmax(drift[-1].amax(1)))])
    figures = ", ".join(f"{w:.1e} at {t:.0e}" for w, t in zip(worst.tolist(), ladder, strict=True))
    verb = {True: "falls", False: "stays", None: "neither falls nor stays"}[agrees]
    reason = f"the worst relative residual {verb} with the tolerance: {figures}"
    return Observation(test, agrees, reason, int(followed.sum()), ladder, tuple(worst.tolist()), own, statuses, at)


# --- limits --------------------------------------------------------------------------------------------------------


def _at_ends(
    test: Test, dims: Dims, trials: int, seed: int, device: str | None, options: dict[str, Any]
) -> Observation:
    flow = with_loss(test.subject)
    problem = Problem(flow, dims, draw_cases(flow, dims, trials, seed), device)
    given = options.get("tolerances")
    ladder = tuple(given or LADDER)
    velocity = problem.compiled()

    def ended(tolerance: float) -> Solution:
        atol = options.get("atol")
        return integrate(
            velocity,
            problem.initial,
            t_end=float(test.horizon or options.get("t_end", LIMIT_HORIZON)),
            rtol=tolerance,
            atol=tolerance * 1e-3 if atol is None else atol,
            until=Converged(float(options.get("gtol", ladder[-1])) * tolerance / ladder[-1]),
            max_steps=int(options.get("max_steps", LIMIT_STEPS)),
            device=device,
        )

    runs = [ended(tolerance) for tolerance in ladder]
    found = _judged_ends(test, problem, ladder, runs)
    if not found.worst or given or test.kind != "zero" or test.tolerance is not None:
        return found
    if found.agrees is False or (found.agrees and found.worst[-1] <= SETTLED):
        return found
    tighter = [*runs, ended(ladder[-1] / 100)]
    if found.agrees is None:  # the errors of few large steps are partly chance
        found = _judged_ends(test, problem, (*ladder, ladder[-1] / 100), tighter, _falls_on_average)
    return _still_falling(found, problem, tighter) if found.agrees else found


def _falls_on_average(worst: Tensor, ladder: tuple[float, ...]) -> bool:
    """Whether residuals fall FALL times a decade over the whole ladder, and at least FALL times from run to run."""
    met = worst <= ROUND_OFF
    decades = math.log10(ladder[0] / ladder[-1])
    on_average = met[-1] | (worst[0] >= FALL**decades * worst[-1])
    return bool(on_average & (met[1:] | (worst[:-1] >= FALL * worst[1:])).all())


def _still_falling(found: Observation, problem: Problem, runs: Sequence[Solution]) -> Observation:
    """The observation, undecided where the residual of a tighter run stays, beyond what its own error explains."""
    values = [problem.observe(found.test.observe, run.t, run.y, ended=True) for run in runs[-3:]]
    second, last = (value.abs().amax(1) for value in values[1:])
    before, now = ((b - a).abs().amax(1) for a, b in pairwise(values))
    own = now * (now / before.clamp(min=torch.finfo(now.dtype).tiny)).clamp(max=1.0)
    size = _limit_size(found.test, problem, runs[-1])
    done = torch.stack([run.status == 0 for run in runs]).all(0)
    stays = done & (last > second / FALL) & (last > OWN_ERRORS * own) & (last > SETTLED * size)
    if not bool(stays.any()):
        return found
    worst = float((last / size)[stays].max())
    return replace(found, agrees=None, reason=f"{found.reason}, and {worst:.1e} for a hundred times tighter tolerance")


def _limit_size(test: Test, problem: Problem, run: Solution) -> Tensor:
    """(trials,) what the residuals of limits are compared with."""
    if test.scale is None:
        return torch.ones(problem.trials, dtype=torch.float64, device=problem.device)
    return problem.observe(test.scale, run.t, run.y, ended=True).abs().amax(1).clamp(min=EPS)


def _judged_ends(
    test: Test,
    problem: Problem,
    ladder: tuple[float, ...],
    runs: Sequence[Solution],
    falls: Callable[[Tensor, tuple[float, ...]], bool | Tensor] = drift_falls,
) -> Observation:
    trials, statuses = problem.trials, runs[-1].counts()
    done = torch.stack([run.status == 0 for run in runs]).all(0)
    count = int(done.sum())
    if count < SHARE_CONVERGED * trials:
        end = float(runs[-1].t.max())
        reason = f"{count} of {trials} runs converged by t = {end:g} ({statuses}); a longer horizon would settle it"
        return Observation(test, None, reason, count, statuses=statuses)
    residuals = []
    for run in runs:
        value = problem.observe(test.observe, run.t, run.y, ended=True)
        residuals.append(value.abs().amax(1) if test.kind == "zero" else torch.clamp(-value, min=0.0).amax(1))
    relative = torch.stack(residuals)[:, done] / _limit_size(test, problem, runs[-1])[done]
    worst = relative.amax(1)
    ends = [run.y for run in runs]
    distance = torch.linalg.vector_norm(ends[-1] - ends[-2], dim=1)
    moved = distance / torch.linalg.vector_norm(ends[-1], dim=1).clamp(min=EPS)
    own = float(moved[done].max())
    bound = test.tolerance
    agrees: bool | None
    if test.kind == "nonnegative":
        agrees = not bool((residuals[-1] > (10 * distance).clamp(min=1e-9))[done].any())
    else:
        agrees = True if bool(falls(worst, ladder)) or (bound is not None and float(worst[-1]) <= bound) else None
        if (
            agrees is None
            and bool((relative[-1] > 1e3 * (own + ROUND_OFF)).any())
            and float(worst[-1]) > float(worst[0]) / 5
        ):
            agrees = False
        if bound is not None and float(worst[-1]) > bound and agrees:
            agrees = None
    at = int(torch.nonzero(done)[int(torch.argmax(relative[-1]))])
    figures = ", ".join(f"{w:.1e} at {t:.0e}" for w, t in zip(worst.tolist(), ladder, strict=True))
    reason = f"{count} of {trials} runs converged; worst relative residual {figures}"
    return Observation(test, agrees, reason, count, ladder, tuple(worst.tolist()), own, statuses, at)
