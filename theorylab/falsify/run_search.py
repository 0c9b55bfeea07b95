"""The search for a run that contradicts a claim: drawn by code, confirmed, shrunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from theorylab.claims.base import Claim, Test
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.ascent import GENERATIONS, OFFSPRING, next_generation
from theorylab.falsify.cases import CaseCode, Code
from theorylab.falsify.draws import random_codes, structured_codes
from theorylab.falsify.judge import Finding, Screening
from theorylab.falsify.outcome import Hunt, scope_of
from theorylab.falsify.regression import run_text
from theorylab.falsify.runs import FIRST, FUSED_FROM, LONGER, MAX_STEPS, SECOND, Rechecked, Runs
from theorylab.falsify.shrink import projections, shrink
from theorylab.falsify.target import size_order, smaller
from theorylab.flow import Flow
from theorylab.model import SAMPLES
from theorylab.readings.letters import Dims
from theorylab.simulate.run import with_loss
from theorylab.verdict import Counterexample

SMALL = 2
TRIALS = 64
SHRINK_TRIALS = 32
SHRINK_ROUNDS = 3
FUSED_TRIALS = 1024
RECHECKED = 3
BUCKET = 4096
"""How many runs are solved at once."""
STRUCTURED = 1024
LATER_SHARE = 4
"""The share of the runs that goes on for longer, where no horizon is stated."""
CONFIRMATIONS = 4
"""How many batches may have their clearest violations run again in vain."""
EASY = 100
"""Runs of at most this many steps are re-run first: nothing in them is stiff."""

REACH = np.array([3, 9, 9, 23])
"""Runs start from small values: wide ones are stiff and say no more."""


@dataclass
class _Tally:
    examined: int = 0
    violations: int = 0
    outside: int = 0
    batches: int = 0

    def screened(self, runs: Runs, codes: np.ndarray) -> Screening:
        screening = runs.screen(codes)
        self.examined, self.batches = self.examined + len(codes), self.batches + 1
        self.violations += int(screening.violates.sum())
        self.outside += int(screening.outside.sum())
        return screening


def hunt_runs(claim: Claim, *, dims: Dims, trials: int = TRIALS, seed: int = 0, device: str | None = None) -> Hunt:
    """Look for a run that contradicts the claim, at small sizes first, then at the given ones.

    trials: how many runs are examined for each test and size. Raises InputError for flows that cannot be run.
    """
    tally = _Tally()
    causes: list[str] = []
    for test in (t for t in claim.tests() if not t.premise and t.kind in ("zero", "nonnegative")):
        if test.where not in ("run", "end") or not isinstance(test.subject, Flow):
            continue
        own = {n: dims[n] for n in with_loss(test.subject).sizes}
        small = smaller(own, SMALL) | {n: 1 for n in own if n == SAMPLES}
        for at in [small, own] if small != own else [own]:
            try:
                runs = Runs(claim, test, at, device, fused=trials >= FUSED_FROM)
            except (InputError, UnsupportedReading):
                if at == own:
                    raise
                continue
            found = None
            for stretch in runs.stretches:
                runs.stretch = stretch
                share = trials if stretch == 1 else max(trials // LATER_SHARE, 1)
                found = _search(runs, share, seed, tally)
                if found is not None:
                    break
            if found is None:
                causes.append(f"at {scope_of(runs.dims)}: {runs.causes}")
                continue
            runs, code, checked = _shrunk(claim, test, runs, *found, seed, device)
            text = f"{tally.examined} runs examined, {tally.violations} violate the claim at first"
            shown = _counterexample(runs, code, checked)
            return Hunt(
                shown, None, "numeric", tally.examined, tally.violations, tally.outside,
                f"{text}; one was confirmed and shrunk", "", runs.dims, tally.batches,
            )  # fmt: skip
    reason = "no run violates the claim beyond doubt"
    text = f"{tally.examined} runs examined, {reason}" + (f" ({'; '.join(causes)})" if causes else "")
    return Hunt(
        None, None, None, tally.examined, tally.violations, tally.outside, text, reason, batches=tally.batches
    )  # fmt: skip


def _search(runs: Runs, trials: int, seed: int, tally: _Tally) -> tuple[Code, Rechecked] | None:
    """A confirmed violation among so many runs, or among the variants of those nearest to breaking an inequality."""
    worst, vain, size = 0.0, 0, min(trials, BUCKET)
    nearest: list[tuple[np.ndarray, np.ndarray]] = []
    for codes in _batches(runs.code, seed, trials):
        screening = tally.screened(runs, codes)
        clearest = float(screening.excess.max(initial=0.0))
        if vain < CONFIRMATIONS or clearest > 2 * worst:
            found = _confirm(runs, codes, screening)
            if found is not None:
                return found
            vain, worst = vain + bool(screening.violates.any()), max(worst, clearest)
        if runs.test.sides is not None and screening.margins is not None:
            kept = np.argsort(screening.margins, kind="stable")[: max(size // OFFSPRING, 1)]
            nearest.append((codes[kept], screening.margins[kept]))
    for generation in range(GENERATIONS if nearest else 0):
        codes, margins = (np.concatenate(parts) for parts in zip(*nearest, strict=True))
        if not np.isfinite(margins).any():
            break
        codes = next_generation(runs.code, codes, margins, seed, generation, size, int(REACH.max()))
        screening = tally.screened(runs, codes)
        assert screening.margins is not None
        found = _confirm(runs, codes, screening)
        if found is not None:
            return found
        nearest = [(codes, screening.margins)]
    return None


def _batches(code: CaseCode, seed: int, trials: int) -> Iterator[np.ndarray]:
    structured = min(trials // 4, STRUCTURED)
    near = structured_codes(code, seed, 0, structured) % np.minimum(code.radix, REACH.max())
    at, count = 0, min(trials, BUCKET) - structured
    yield np.concatenate([near, random_codes(code, seed, at, count, REACH)])
    at += count
    while at < trials - structured:
        count = min(BUCKET, trials - structured - at)
        yield random_codes(code, seed, at, count, REACH)
        at += count


def _codes(code: CaseCode, seed: int, trials: int) -> np.ndarray:
    return np.concatenate([*_batches(code, seed, trials)])


def _confirm(runs: Runs, codes: np.ndarray, screening: Screening) -> tuple[Code, Rechecked] | None:
    """The clearest violations of a batch, run again: easy runs first, runs that rest where they start last."""
    weight = runs.code.complexity(codes)
    _, first = np.unique(codes, axis=0, return_index=True)
    worst = [i for i in first[np.argsort(-screening.excess[first], kind="stable")] if screening.violates[i]]
    moving = sorted(
        [i for i in worst if runs.steps[i]][: 4 * RECHECKED], key=lambda i: (runs.steps[i] > EASY, weight[i], i)
    )
    resting = sorted([i for i in worst if not runs.steps[i]], key=lambda i: (weight[i], i))
    chosen = [*moving[: 2 * RECHECKED], *resting[:RECHECKED]]
    for start in range(0, len(chosen), RECHECKED):
        batch = codes[chosen[start : start + RECHECKED]]
        for row, checked in zip(batch, runs.recheck(batch), strict=True):
            if checked is not None:
                return tuple(int(v) for v in row), checked
    return None


@dataclass
class Around:
    """Runs as the shrinker sees them: with their neighbours, lest it land where only a null set violates."""

    runs: Runs

    @property
    def code(self) -> CaseCode:
        return self.runs.code

    def screen(self, codes: np.ndarray) -> Screening:
        return self.runs.screen_around(codes)

    def decide(self, code: Code) -> Finding:
        return self.runs.decide(code)


def _shrunk(
    claim: Claim, test: Test, runs: Runs, code: Code, checked: Rechecked, seed: int, device: str | None
) -> tuple[Runs, Code, Rechecked]:
    """The same violation at smaller sizes and with simpler values, re-run at the end."""
    for name in size_order(runs.dims):
        for size in range(1, runs.dims[name]):
            try:
                other = Runs(claim, test, {**runs.dims, name: size}, device, fused=runs.fused)
                other.stretch = runs.stretch
                random = _codes(other.code, seed, FUSED_FROM if other.fused else SHRINK_TRIALS)
                codes = np.concatenate([projections(runs.code, code, other.code), random])
                found = _confirm(other, codes, other.screen(codes))
            except (InputError, UnsupportedReading):
                continue
            if found is not None:
                runs, (code, checked) = other, found
                break
    around = Around(runs)
    if runs.fused:
        simpler = shrink(around, code, runs.decide(code), most=FUSED_TRIALS)
    else:
        runs.max_steps = EASY
        simpler = shrink(around, code, runs.decide(code), rounds=SHRINK_ROUNDS, most=SHRINK_TRIALS)
        runs.max_steps = MAX_STEPS
    steps = np.array(simpler.path[:0:-1]).reshape(-1, runs.code.length)[:RECHECKED]
    for row, again in zip(steps, runs.recheck(steps) if len(steps) else (), strict=True):
        if again is not None:
            return runs, tuple(int(v) for v in row), again
    return runs, code, checked


def _counterexample(runs: Runs, code: Code, checked: Rechecked) -> Counterexample:
    case = runs.written(code)
    claimed = "0" if runs.test.kind == "zero" else "a number >= 0"
    value = checked.residuals[-1] * (1 if runs.test.kind == "zero" else -1)
    where = "where the run converges" if runs.limit else f"at t = {checked.time:.6g}"
    first, second = (f"{method} at rtol {rtol:.0e}" for method, rtol in (FIRST, SECOND))
    times = (
        f", to t = {checked.time:.6g} and to {LONGER:g} times that, and for neighbouring cases" if runs.limit else ""
    )
    shown = ", ".join(f"{r:.6e}" for r in checked.residuals)
    how = f"run by {first} and again by {second}{times}"
    if runs.limit and checked.time == 0:
        how = "the run rests where it starts"
    loss = f" with the {runs.flow.loss.name} loss" if runs.flow is not runs.test.subject else ""  # type: ignore[attr-defined]
    return Counterexample(
        case=case,
        violation=f"{runs.test.name} is {value:.6g} in size {where}{loss}, where {claimed} was claimed",
        cause="law broken",
        recheck=f"{how}; residuals {shown}",
        value=f"{value:.12g}",
        regression=run_text(runs.claim, runs.dims, runs.code, code, case),
    )
