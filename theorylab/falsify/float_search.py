"""The search for a case that contradicts a claim without an exact form: screened, confirmed, shrunk in float64."""

from __future__ import annotations

import numpy as np

from theorylab.claims.base import Claim, Test
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import Code
from theorylab.falsify.draws import random_codes, structured_codes
from theorylab.falsify.float_cases import DIRECTIONS, MOVED_BY, FloatCases
from theorylab.falsify.judge import Finding, Screening
from theorylab.falsify.outcome import Hunt
from theorylab.falsify.shrink import shrink
from theorylab.falsify.target import size_order, smaller
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.setting import Setting
from theorylab.verdict import Counterexample

BATCH = 1024
SMALL = 2
SHRINK_BUDGET = 256
TRIES = 32


def hunt_floats(claim: Claim, *, dims: Dims, budget: int, seed: int = 0, device: str | None = None) -> Hunt:
    """Look for a case that contradicts the claim beyond rounding, at small sizes first, then at the given ones.

    budget: how many cases are screened for each test and size. Only tests of cases and states are looked at; formulas
    that hold a solver or a run are left alone, as rounding does not bound the error of those.
    """
    examined = violations = outside = 0
    reason = ""
    for test in (t for t in claim.tests() if not t.premise and t.kind in ("zero", "nonnegative")):
        if test.where not in ("case", "state") or not isinstance(test.subject, (Setting, Flow)):
            continue
        own = {n: dims[n] for n in test.subject.sizes}
        for at in _ladder(own):
            try:
                cases = FloatCases(claim, test, at, device)
                found = None
                for start in range(0, budget, BATCH):
                    codes = _codes(cases, seed, start, min(BATCH, budget - start))
                    screening = cases.screen(codes)
                    examined += len(codes)
                    violations += int(screening.violates.sum())
                    outside += int(screening.outside.sum())
                    if (found := _confirm(cases, codes, screening)) is not None:
                        break
            except (InputError, UnsupportedReading) as error:
                if isinstance(error, InputError) and at == own:
                    raise
                reason = f"no exact form, and {error}"
                continue
            if found is None:
                continue
            cases, code, finding = _shrunk(claim, test, cases, *found, seed, device)
            text = f"{examined} cases examined, {violations} violate the claim at first; one was confirmed and shrunk"
            shown = _counterexample(cases, code, finding)
            return Hunt(shown, None, "numeric", examined, violations, outside, text, "", cases.dims)
    reason = reason or "no case violates the claim beyond rounding"
    text = f"{examined} cases examined in float64, {outside} of them outside the statement; {reason}"
    return Hunt(None, None, None, examined, violations, outside, text, reason)


def _ladder(own: Dims) -> list[dict[str, int]]:
    """Sizes to look at: all 1, all at most 2, the given ones."""
    found: list[dict[str, int]] = []
    for at in (smaller(own, 1), smaller(own, SMALL), dict(own)):
        if at not in found:
            found.append(at)
    return found


def _codes(cases: FloatCases, seed: int, start: int, count: int) -> np.ndarray:
    structured = 0 if start else count // 8
    near = structured_codes(cases.code, seed, 0, structured)
    return np.concatenate([near, random_codes(cases.code, seed, start, count - structured)])


def _confirm(cases: FloatCases, codes: np.ndarray, screening: Screening) -> tuple[Code, Finding] | None:
    """The simplest violation of a batch that rounding cannot explain."""
    if not screening.violates.any():
        return None
    rows = np.unique(codes[screening.violates], axis=0)
    rows = rows[np.argsort(cases.code.complexity(rows), kind="stable")]
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(TRIES, len(rows))).astype(int))]
    for row, found in zip(chosen, cases.recheck(chosen), strict=True):
        if found is not None:
            code = tuple(int(i) for i in row)
            return code, cases.decide(code)
    return None


def _shrunk(
    claim: Claim, test: Test, cases: FloatCases, code: Code, finding: Finding, seed: int, device: str | None
) -> tuple[FloatCases, Code, Finding]:
    """The same violation at smaller sizes and with simpler values."""
    for name in size_order(cases.dims):
        for size in range(1, cases.dims[name]):
            try:
                other = FloatCases(claim, test, {**cases.dims, name: size}, device)
                codes = _codes(other, seed, 0, SHRINK_BUDGET)
                found = _confirm(other, codes, other.screen(codes))
            except (InputError, UnsupportedReading):
                continue
            if found is not None:
                cases, (code, finding) = other, found
                break
    simplest = shrink(cases, code, finding)
    return cases, simplest.code, simplest.finding


def _counterexample(cases: FloatCases, code: Code, finding: Finding) -> Counterexample:
    equation = cases.test.kind == "zero"
    value = float(finding.value) * (1 if equation else -1)
    where = " in size" if equation else ""
    how = (
        f"evaluated in float64 and {DIRECTIONS} times more with every number moved by {MOVED_BY:g} of its size at "
        "random, which is far more than rounding does"
    )
    if cases.claim.quantifier == "almost every":
        how += "; also for neighbouring cases"
    return Counterexample(
        case=cases.written(code),
        violation=f"{cases.test.name} is {value:.6g}{where}, where {'0' if equation else 'a number >= 0'} was claimed",
        cause="law broken",
        recheck=how,
        value=f"{value:.12g}",
    )
