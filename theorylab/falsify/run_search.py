"""The search for a run that contradicts a claim: drawn by code, confirmed, shrunk."""

from __future__ import annotations

import numpy as np

from theorylab.claims.base import Claim, Test
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import CaseCode, Code
from theorylab.falsify.draws import random_codes, structured_codes, words
from theorylab.falsify.judge import Screening
from theorylab.falsify.outcome import Hunt, scope_of
from theorylab.falsify.runs import FIRST, LONGER, MAX_STEPS, SECOND, Rechecked, Runs
from theorylab.falsify.shrink import shrink
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
RECHECKED = 3
GENERATIONS, OFFSPRING = 8, 8
"""How often the runs nearest to breaking an inequality are varied, and in how many ways."""
VARIANTS = 4
"""The stream of random words that varies them."""
EASY = 100
"""Runs of at most this many steps are re-run first: nothing in them is stiff."""

REACH = np.array([3, 9, 9, 23])
"""Runs start from small values: wide ones are stiff and say no more."""


def hunt_runs(claim: Claim, *, dims: Dims, trials: int = TRIALS, seed: int = 0, device: str | None = None) -> Hunt:
    """Look for a run that contradicts the claim, at small sizes first, then at the given ones.

    trials: how many runs are examined for each test and size. Raises InputError for flows that cannot be run.
    """
    examined = violations = outside = batches = 0
    causes: list[str] = []
    for test in (t for t in claim.tests() if not t.premise and t.kind in ("zero", "nonnegative")):
        if test.where not in ("run", "end") or not isinstance(test.subject, Flow):
            continue
        own = {n: dims[n] for n in with_loss(test.subject).sizes}
        small = smaller(own, SMALL) | {n: 1 for n in own if n == SAMPLES}
        for at in [small, own] if small != own else [own]:
            try:
                runs = Runs(claim, test, at, device)
            except (InputError, UnsupportedReading):
                if at == own:
                    raise
                continue
            codes = _codes(runs.code, seed, trials)
            screening = runs.screen(codes)
            examined, batches = examined + len(codes), batches + 1
            violations, outside = violations + int(screening.violates.sum()), outside + int(screening.outside.sum())
            found = _confirm(runs, codes, screening)
            for generation in range(GENERATIONS if test.sides is not None else 0):
                if found is not None or not np.isfinite(runs.near).any():
                    break
                codes = _nearer(runs, codes, seed, generation)
                screening = runs.screen(codes)
                examined, batches = examined + len(codes), batches + 1
                violations, outside = violations + int(screening.violates.sum()), outside + int(screening.outside.sum())
                found = _confirm(runs, codes, screening)
            if found is None:
                causes.append(f"at {scope_of(runs.dims)}: {runs.causes}")
                continue
            runs, code, checked = _shrunk(claim, test, runs, *found, seed, device)
            text = f"{examined} runs examined, {violations} violate the claim at first; one was confirmed and shrunk"
            shown = _counterexample(runs, code, checked)
            return Hunt(shown, None, "numeric", examined, violations, outside, text, "", runs.dims, batches)
    reason = "no run violates the claim beyond doubt"
    text = f"{examined} runs examined, {reason}" + (f" ({'; '.join(causes)})" if causes else "")
    return Hunt(None, None, None, examined, violations, outside, text, reason, batches=batches)


def _codes(code: CaseCode, seed: int, trials: int) -> np.ndarray:
    structured = trials // 4
    near = structured_codes(code, seed, 0, structured) % np.minimum(code.radix, REACH.max())
    return np.concatenate([near, random_codes(code, seed, 0, trials - structured, REACH)])


def _nearer(runs: Runs, codes: np.ndarray, seed: int, generation: int) -> np.ndarray:
    """The runs nearest to breaking an inequality, and as many variants of each with an entry or two moved, (B, C)."""
    _, first = np.unique(codes, axis=0, return_index=True)
    nearest = first[np.argsort(runs.near[first], kind="stable")][: max(len(codes) // OFFSPRING, 1)]
    parents = codes[nearest]
    children = np.repeat(parents, OFFSPRING, axis=0)
    raw = words(seed, VARIANTS, generation * len(children), len(children), 4).astype(np.uint64)
    rows = np.arange(len(children))
    for k in range(2):
        at = (raw[:, 2 * k] % np.uint64(codes.shape[1])).astype(np.int64)
        reach = np.minimum(runs.code.radix[at], REACH.max()).astype(np.uint64)
        moved = (raw[:, 2 * k + 1] % reach).astype(np.int64)
        kept = (rows % OFFSPRING == 0) | ((k == 1) & (rows % 2 == 0))
        children[rows, at] = np.where(kept, children[rows, at], moved)
    return children


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


def _shrunk(
    claim: Claim, test: Test, runs: Runs, code: Code, checked: Rechecked, seed: int, device: str | None
) -> tuple[Runs, Code, Rechecked]:
    """The same violation at smaller sizes and with simpler values, re-run at the end."""
    for name in size_order(runs.dims):
        for size in range(1, runs.dims[name]):
            try:
                other = Runs(claim, test, {**runs.dims, name: size}, device)
                codes = _codes(other.code, seed, SHRINK_TRIALS // 2)
                found = _confirm(other, codes, other.screen(codes))
            except (InputError, UnsupportedReading):
                continue
            if found is not None:
                runs, (code, checked) = other, found
                break
    runs.max_steps = EASY
    simpler = shrink(runs, code, runs.decide(code), rounds=SHRINK_ROUNDS, most=SHRINK_TRIALS)
    runs.max_steps = MAX_STEPS
    if simpler.code != code:
        (again,) = runs.recheck(np.array([simpler.code]))
        if again is not None:
            return runs, simpler.code, again
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
    return Counterexample(
        case=case,
        violation=f"{runs.test.name} is {value:.6g} in size {where}, where {claimed} was claimed",
        cause="law broken",
        recheck=f"run by {first} and again by {second}{times}; residuals {shown}",
        value=f"{value:.12g}",
    )
