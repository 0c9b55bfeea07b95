"""Tests of kind "slope": an observation along a ladder of values, with its own error at each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.claims.base import Slope, Test
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.simulate.asymptotics import Outcome, Trend, exponent_outcome, trend, vanishing_outcome
from theorylab.simulate.cases import Cases, draw_cases
from theorylab.simulate.integrate import integrate
from theorylab.simulate.observation import Observation
from theorylab.simulate.problem import Problem
from theorylab.simulate.run import with_loss
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged

TRIALS = 16
ROUND_OFF = 4 * float(np.finfo(float).eps)
NUDGE = 2.0**-46
NUDGES = 3
TOLERANCES = (1e-8, 1e-10)
TIGHTER = (1e-10, 1e-12)
ERROR = 3.0
"""What the difference of two runs is multiplied with to bound the error of the better one."""

HORIZON = 1_000.0
MAX_STEPS = 40_000
SMALL_AT_THE_END, SMALL_ALONG_RUNS = 1e-6, 1e-2
"""The share of its value at the start below which something counts as vanishing."""

DECIDED = 0.8
"""The share of the cases that has to support a claim; one clear case is enough against it."""


@dataclass(frozen=True)
class Measured:
    """|observation| and its error along a ladder, (J, B, K) each, for B cases and K entries."""

    values: np.ndarray
    sizes: np.ndarray
    errors: np.ndarray
    exponents: np.ndarray
    statuses: Mapping[str, int]


@dataclass(frozen=True)
class Decided:
    """What the ladders of B cases say: an outcome for each, and the most telling trend of each."""

    outcomes: list[Outcome]
    trends: list[Trend | None]
    entries: list[int]
    exponents: np.ndarray


def measure(
    test: Test, dims: Dims, raw: Mapping[str, np.ndarray], *, device: str | None = None,
    options: Mapping[str, Any] | None = None, ladder: Sequence[float] | None = None, tighter: bool = False,
) -> Measured:  # fmt: skip
    """Observe a test of kind "slope" at the cases `raw` along its ladder, or another one."""
    asked = _asked(test)
    values = np.array(ladder if ladder is not None else asked.ladder, float)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    counts: Counter[str] = Counter()
    if test.where == "run":
        found = _along_runs(test, dims, raw, values, device, dict(options or {}), tighter, counts)
        exponents = _exponents(test, dims, raw, device)
    else:
        for v in values:
            at = {**raw, asked.variable: np.full_like(np.asarray(raw[asked.variable], float), v)}
            if test.where == "end":
                found.append(_at_end(test, dims, at, device, dict(options or {}), tighter, counts))
            else:
                found.append(_pointwise(test, dims, at, device))
        exponents = _exponents(
            test, dims, {**raw, asked.variable: np.full_like(raw[asked.variable], values[-1])}, device
        )
    sizes, errors = (np.stack(part) for part in zip(*found, strict=True))
    return Measured(values, sizes, errors, exponents, dict(counts))


def decide(test: Test, measured: Measured) -> Decided:
    """An outcome for each case: against where one entry is, for where all entries are that are not zero throughout."""
    asked = _asked(test)
    rising = bool(measured.values[-1] > measured.values[0])
    outcomes: list[Outcome] = []
    trends: list[Trend | None] = []
    entries: list[int] = []
    for b in range(measured.sizes.shape[1]):
        said: list[tuple[Outcome, Trend | None, int]] = []
        for k in range(measured.sizes.shape[2]):
            size, error = measured.sizes[:, b, k], measured.errors[:, b, k]
            if not np.isfinite(size).any():
                said.append(("open", None, k))
                continue
            if bool((size <= np.maximum(100 * error, ROUND_OFF)).all()):
                said.append(("zero", None, k))
                continue
            found = trend(measured.values, size, error)
            if asked.exponent is None:
                known = np.isfinite(size[-1]) and size[-1] <= 100 * error[-1] and size[-1] < 1e-6 * np.nanmax(size)
                said.append(("for" if known and found is None else vanishing_outcome(found, rising), found, k))
            else:
                said.append((exponent_outcome(found, float(measured.exponents[b]), asked.sense), found, k))
        outcome, shown, entry = _worst(said, asked)
        outcomes.append(outcome)
        trends.append(shown)
        entries.append(entry)
    return Decided(outcomes, trends, entries, measured.exponents)


def _worst(said: list[tuple[Outcome, Trend | None, int]], asked: Slope) -> tuple[Outcome, Trend | None, int]:
    for wanted in ("against", "open", "for"):
        for item in said:
            if item[0] == wanted:
                return item
    vanishes = asked.exponent is None or asked.sense == (">=" if asked.variable != "t" else "<=")
    return ("for" if vanishes else "zero"), None, 0


def summary(test: Test, decided: Decided, measured: Measured) -> tuple[bool | None, str, int]:
    """Whether the cases agree with the claim, in words, and the case that says most."""
    asked = _asked(test)
    counts = Counter(decided.outcomes)
    cases = len(decided.outcomes)
    telling = cases - counts["zero"]
    claimed = "a limit of zero" if asked.exponent is None else f"{asked.sense.replace('==', 'an exponent of')} "
    if asked.exponent is not None:
        claimed += f"{measured.exponents[0]:.4g}" if np.ptp(measured.exponents) == 0 else "the exponent of the case"
    if counts["against"]:
        at = decided.outcomes.index("against")
        return False, f"{counts['against']} of {cases} cases contradict {claimed}: {described(decided.trends[at])}", at
    if not telling:
        return None, "the observation is zero up to its error in every case, which has no exponent", 0
    if counts["for"] >= DECIDED * telling:
        at = decided.outcomes.index("for")
        shown = f": {described(decided.trends[at])}" if decided.trends[at] is not None else ""
        return True, f"{counts['for']} of {telling} cases show {claimed}{shown}", at
    at = decided.outcomes.index("open") if counts["open"] else 0
    why = described(decided.trends[at]) if decided.trends[at] is not None else "too few values exceed their error"
    text = f"{counts['open']} of {telling} cases do not decide about {claimed} ({why}); "
    return None, text + "a longer ladder, or smaller values of the variable, would settle it", at


def described(found: Trend | None) -> str:
    if found is None:
        return "too few values exceed their error"
    slopes = ", ".join(f"{s:.4f}" for s in found.slopes[-3:])
    return f"local slopes {slopes}, whose limit lies between {found.low:.4f} and {found.high:.4f}"


def observe_slope(
    test: Test, dims: Dims, *, trials: int, seed: int, device: str | None, options: Mapping[str, Any]
) -> Observation:
    """The observation of a test of kind "slope"."""
    asked = _asked(test)
    count = min(trials, int(options.get("trials", TRIALS if test.where in ("run", "end") else 4 * TRIALS)))
    subject = with_loss(test.subject) if isinstance(test.subject, Flow) else test.subject
    raw = draw_cases(subject, dims, count, seed)
    measured = measure(test, dims, raw, device=device, options=options)
    decided = decide(test, measured)
    agrees, reason, at = summary(test, decided, measured)
    size = np.nan_to_num(measured.sizes[:, at, decided.entries[at]])
    return Observation(
        test, agrees, reason, count, statuses=measured.statuses, worst_trial=at,
        ladder=tuple(measured.values.tolist()), sizes=tuple(size.tolist()), variable=asked.variable,
    )  # fmt: skip


def _asked(test: Test) -> Slope:
    assert test.slope is not None
    return test.slope


def _exponents(test: Test, dims: Dims, raw: Mapping[str, np.ndarray], device: str | None) -> np.ndarray:
    count = len(next(iter(raw.values())))
    exponent = _asked(test).exponent
    if exponent is None:
        return np.zeros(count)
    found = Cases(_runnable(test), dims, raw, device).of_case(exponent)
    return np.broadcast_to(found.cpu().numpy().reshape(count, -1)[:, 0], count)


def _runnable(test: Test) -> Any:
    return with_loss(test.subject) if isinstance(test.subject, Flow) else test.subject


def _pointwise(
    test: Test, dims: Dims, raw: Mapping[str, np.ndarray], device: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """At cases, or at the initial states: the error is what the last bits of all numbers change."""

    def at(raw: Mapping[str, np.ndarray]) -> np.ndarray:
        count = len(next(iter(raw.values())))
        if test.where == "case":
            return Cases(test.subject, dims, raw, device).of_case(test.observe).reshape(count, -1).cpu().numpy()
        problem = Problem(_runnable(test), dims, raw, device)
        zero = torch.zeros(count, dtype=torch.float64, device=problem.device)
        return problem.observe(test.observe, zero, problem.initial).cpu().numpy()

    def moved(name: str, v: np.ndarray, n: int) -> np.ndarray:
        return v if name == _asked(test).variable else v * (1 + NUDGE * np.cos(np.arange(v.size) + n).reshape(v.shape))

    together = {k: np.concatenate([v, *(moved(k, v, n) for n in range(NUDGES))]) for k, v in raw.items()}
    value, *others = np.split(at(together), NUDGES + 1)
    noise = np.max([np.abs(other - value) for other in others], axis=0)
    return np.abs(value), noise / 16 + ROUND_OFF * np.abs(value)


def _tolerances(tighter: bool, options: Mapping[str, Any]) -> tuple[float, float]:
    given = options.get("tolerances")
    if given is not None:
        loose, tight = float(given[-2]), float(given[-1])
        return (tight, max(tight / 100, 1e-13)) if tighter else (loose, tight)
    return TIGHTER if tighter else TOLERANCES


def _at_end(
    test: Test,
    dims: Dims,
    raw: Mapping[str, np.ndarray],
    device: str | None,
    options: dict[str, Any],
    tighter: bool,
    counts: Counter[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Where runs converge, or at the horizon of the test.

    The error is what a hundred times tighter tolerance changes and, for a run that has not converged by the end, what
    the last nine tenths of its time have changed.
    """
    problem = Problem(_runnable(test), dims, raw, device)
    velocity = problem.compiled()
    last = float(test.horizon or options.get("t_end", HORIZON))
    seen: list[np.ndarray] = []
    moved = np.zeros(0)
    for tolerance in _tolerances(tighter, options):
        gtol = float(options.get("gtol", 1e-9)) * tolerance / TOLERANCES[1]
        solution = integrate(
            velocity,
            problem.initial,
            t_end=last,
            rtol=tolerance,
            atol=float(options.get("atol", 1e-30)),
            until=None if test.horizon else Converged(gtol),
            save=[last / 10],
            max_steps=int(options.get("max_steps", MAX_STEPS)),
            device=device,
        )
        counts.update(solution.counts())
        shown = _observed(problem, test, solution.t, solution.y)
        shown[(~solution.finished).cpu().numpy()] = np.nan
        running = (solution.status == Status.T_END).cpu().numpy()[:, None]
        assert solution.saved is not None
        at = torch.full_like(solution.t, last / 10)
        states = torch.where(torch.isfinite(solution.saved[:, 0]), solution.saved[:, 0], solution.y)
        moved = np.where(running & (test.horizon is None), np.abs(shown - _observed(problem, test, at, states)), 0.0)
        shown[_outside(problem, test, solution.t, solution.y)] = np.nan
        seen.append(shown)
    size = np.abs(seen[-1])
    return size, ERROR * (np.abs(seen[-1] - seen[-2]) + moved) + ROUND_OFF * size


def _along_runs(
    test: Test,
    dims: Dims,
    raw: Mapping[str, np.ndarray],
    times: np.ndarray,
    device: str | None,
    options: dict[str, Any],
    tighter: bool,
    counts: Counter[str],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """At the times of the ladder, along one run."""
    problem = Problem(_runnable(test), dims, raw, device)
    velocity = problem.compiled()
    rows = np.argsort(times)
    seen: list[list[np.ndarray]] = []
    for tolerance in _tolerances(tighter, options):
        solution = integrate(
            velocity,
            problem.initial,
            t_end=float(times.max()),
            rtol=tolerance,
            atol=float(options.get("atol", tolerance * 1e-6)),
            save=torch.from_numpy(times[rows]).to(problem.device),
            max_steps=int(options.get("max_steps", MAX_STEPS)),
            device=device,
        )
        counts.update(solution.counts())
        assert solution.saved is not None
        outside = _outside(problem, test, solution.t, solution.y)
        by_time: list[np.ndarray] = [np.zeros(0)] * len(times)
        for place, k in enumerate(rows):
            t = torch.full((problem.trials,), float(times[k]), dtype=torch.float64, device=problem.device)
            by_time[k] = _observed(problem, test, t, solution.saved[:, place])
            by_time[k][outside] = np.nan
        seen.append(by_time)
    return [
        (np.abs(tight), ERROR * np.abs(tight - loose) + ROUND_OFF * np.abs(tight))
        for loose, tight in zip(*seen, strict=True)
    ]


def _outside(problem: Problem, test: Test, t: Tensor, y: Tensor) -> np.ndarray:
    """The runs that say nothing: they rest where they start, or what is presupposed to vanish has not, (B,) bool."""
    rows = torch.arange(problem.trials, device=problem.device)
    zero = torch.zeros(problem.trials, dtype=torch.float64, device=problem.device)
    rests = torch.linalg.vector_norm(problem.field(zero, problem.initial, rows), dim=1) <= ROUND_OFF
    vanishing = _asked(test).vanishing
    if vanishing is not None:
        before = problem.observe(vanishing, zero, problem.initial).abs().amax(1)
        after = problem.observe(vanishing, t, y, ended=True).abs().amax(1)
        share = SMALL_AT_THE_END if test.where == "end" else SMALL_ALONG_RUNS
        rests |= ~(after <= share * before)
    return rests.cpu().numpy()


def _observed(problem: Problem, test: Test, t: Tensor, y: Tensor) -> np.ndarray:
    return problem.observe(test.observe, t, y, ended=True).cpu().numpy().copy()
