"""The hunt for counterexamples: structured cases, random cases, exact decision, shrinking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theorylab.claims.base import Claim
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.ascent import GENERATIONS, next_generation
from theorylab.falsify.cases import Code
from theorylab.falsify.draws import random_codes, structured_codes
from theorylab.falsify.elsewhere import judges, loosened, solved
from theorylab.falsify.judge import Finding, Judge
from theorylab.falsify.models import countermodel
from theorylab.falsify.outcome import Hunt, scope_of
from theorylab.falsify.regression import exact_text
from theorylab.falsify.shrink import Shrunk, shrink, simplest
from theorylab.falsify.target import Target, questions, size_order, sizes_of, smaller, targets
from theorylab.falsify.witness import counterexample
from theorylab.readings.letters import Dims, complete_dims
from theorylab.verdict import Evidence, Tier, Verdict

BATCH = 1024
VARIED = 256
"""How many cases a generation of the ascent has."""
STRUCTURED_SHARE = 8
ELSEWHERE_SHARE = 8
HIGHER_SHARE = 8
SMALL = 2
"""Sizes that are tried before the given ones: most false laws fail there already."""

NO_EXACT_FORM = "no exact form"
SHRINK_BUDGET = 512
TRIES = 32
RUNS, MANY = 64, 4096
"""A hunt that asks for many cases gets as many runs."""
MODELS_FROM = 1024
"""How many cases a hunt has to examine before it asks a solver for one (see `models`)."""


@dataclass
class _Tally:
    examined: int = 0
    violations: int = 0
    outside: int = 0
    batches: int = 0
    models: int = 0


def hunt(
    claim: Claim, *, dims: Dims, budget: int = 4096, seed: int = 0, runs: int = 0, device: str | None = None
) -> Hunt:
    """Look for a case that contradicts the claim, at small sizes first, then at the given ones; then for such a run.

    dims: a number for every size of the claim's subject. budget: how many cases are screened for each goal. runs: how
    many runs are simulated for each test, 0 for none. The same arguments give the same hunt.
    """
    found = _hunt_cases(claim, dims, budget, seed)
    if found.counterexample is None and not found.reason.startswith(NO_EXACT_FORM):
        found = _hunt_elsewhere(claim, found, dims, budget // ELSEWHERE_SHARE, seed)
    if found.counterexample is None and found.reason.startswith(NO_EXACT_FORM):
        from theorylab.falsify.float_search import hunt_floats

        in_floats = hunt_floats(claim, dims=dims, budget=budget, seed=seed, device=device)
        if in_floats.examined:
            found = in_floats.after(found) if found.examined else in_floats
    if found.counterexample is not None or not runs:
        return found
    from theorylab.falsify.run_search import hunt_runs

    later = hunt_runs(claim, dims=dims, trials=runs, seed=seed, device=device)
    if not later.examined:
        return found
    return later.after(found) if found.examined else later


def _hunt_cases(claim: Claim, dims: Dims, budget: int, seed: int) -> Hunt:
    quantifier, tally, reason = claim.quantifier, _Tally(), ""
    if not questions(claim):
        return _nothing(tally, "the claim speaks of no formula at a case or at the start of a run")
    sizes = {n: s for n, s in dims.items() if n in sizes_of(claim)}
    small = smaller(sizes, SMALL)
    for at in [small, sizes] if small != sizes else [sizes]:
        try:
            for target in targets(claim, at):
                share = budget if target.order == target.natural_order else max(budget // HIGHER_SHARE, 16)
                found = _search(Judge(target, quantifier), share, seed, tally)
                if found is not None:
                    return _report(claim, *_shrink_sizes(claim, target, *found, seed, tally), tally)
                if at == small and budget >= MODELS_FROM and target.order == target.natural_order:
                    proposed = countermodel(target, quantifier)
                    if proposed is not None:
                        judge, code, finding = proposed
                        tally.models += 1
                        return _report(claim, *_shrink_sizes(claim, judge.target, code, finding, seed, tally), tally)
        except UnsupportedReading as error:
            reason = f"{NO_EXACT_FORM}: {error}"
        except InputError:
            if at == sizes:
                raise
    return _nothing(tally, reason or f"no case violates the claim at {scope_of(sizes)}")


def _hunt_elsewhere(claim: Claim, before: Hunt, dims: Dims, budget: int, seed: int) -> Hunt:
    """The hunt among cases that satisfy the hypotheses without `enforce`, which need not give all of them."""
    loose = loosened(claim)
    if loose is None or budget < 1:
        return before
    tally = _Tally()
    sizes = {n: s for n, s in dims.items() if n in sizes_of(claim)}
    small = smaller(sizes, SMALL)
    try:
        for at in [small, sizes] if small != sizes else [sizes]:
            for judge in judges(claim, loose, at):
                found = _search(judge, budget, seed, tally)
                placed = (judge, *found) if found is not None else solved(judge, claim, seed)
                if placed is not None:
                    shrunk = shrink(*placed)
                    tally.batches += shrunk.batches
                    return _report(loose, placed[0], shrunk, tally, "enforce was left out; ").after(before)
    except (InputError, UnsupportedReading):
        pass
    return before


def _nothing(tally: _Tally, reason: str) -> Hunt:
    summary = f"{tally.examined} cases examined, {tally.outside} of them outside the statement; {reason}"
    return Hunt(None, None, None, tally.examined, tally.violations, tally.outside, summary, reason)


def _search(judge: Judge, budget: int, seed: int, tally: _Tally) -> tuple[Code, Finding] | None:
    """The first batch with a violation that survives the exact decision: the simplest one in it.

    Inequalities that survive all batches are attacked from the cases nearest to breaking them.
    """
    nearest: list[tuple[np.ndarray, np.ndarray]] = []
    for draw, start, count in _batches(budget):
        codes = draw(judge.code, seed, start, count)
        margins, found = _examined(judge, codes, tally)
        if found is not None:
            return found
        if margins is not None:
            kept = np.argsort(margins, kind="stable")[:VARIED]
            nearest.append((codes[kept], margins[kept]))
    for generation in range(GENERATIONS if nearest and judge.code.length and budget >= MODELS_FROM else 0):
        codes, margins = (np.concatenate(parts) for parts in zip(*nearest, strict=True))
        codes = next_generation(judge.code, codes, margins, seed, generation, VARIED)
        margins, found = _examined(judge, codes, tally)
        if found is not None or margins is None:
            return found
        nearest = [(codes, margins)]
    return None


def _examined(judge: Judge, codes: np.ndarray, tally: _Tally) -> tuple[np.ndarray | None, tuple[Code, Finding] | None]:
    """The margins of a batch, and the simplest violation in it that survives the exact decision."""
    screening = judge.screen(codes)
    tally.examined += len(codes)
    tally.outside += int(screening.outside.sum())
    tally.violations += int(screening.violates.sum())
    tally.batches += 1
    if not screening.violates.any():
        return screening.margins, None
    violating = codes[screening.violates], screening.excess[screening.violates]
    return screening.margins, simplest(judge, *violating, TRIES)


def _batches(budget: int) -> list[tuple[Callable[..., np.ndarray], int, int]]:
    structured = min(256, max(budget // STRUCTURED_SHARE, 16), budget)
    parts: list[tuple[Callable[..., np.ndarray], int, int]] = [(structured_codes, 0, structured)]
    at = 0
    while at < budget - structured:
        count = min(BATCH, budget - structured - at)
        parts.append((random_codes, at, count))
        at += count
    return parts


def _shrink_sizes(
    claim: Claim, target: Target, code: Code, finding: Finding, seed: int, tally: _Tally
) -> tuple[Judge, Shrunk]:
    """The violation at the smallest sizes where the same goal still fails, shrunk there."""
    judge = Judge(target, claim.quantifier)
    for name in size_order(target.dims):
        for size in range(1, judge.target.dims[name]):
            smaller_judge = _same_at(claim, judge.target, {**judge.target.dims, name: size})
            found = None if smaller_judge is None else _search(smaller_judge, SHRINK_BUDGET, seed, tally)
            if smaller_judge is not None and found is not None and (found[1].rational or not finding.rational):
                judge, (code, finding) = smaller_judge, found
                break
    shrunk = shrink(judge, code, finding)
    tally.batches += shrunk.batches
    return judge, shrunk


def _same_at(claim: Claim, target: Target, dims: Dims) -> Judge | None:
    """The same question at other sizes, or None where the statement makes no sense there."""
    try:
        for other in targets(claim, dims):
            if other.same_question(target):
                return Judge(other, claim.quantifier)
    except (InputError, UnsupportedReading):
        return None
    return None


def _report(claim: Claim, judge: Judge, shrunk: Shrunk, tally: _Tally, remark: str = "") -> Hunt:
    witness, shown = counterexample(judge, shrunk.code, shrunk.finding)
    if not remark:  # a test of the claim draws what enforce gives
        shown = replace(shown, regression=exact_text(claim, judge.target.dims, judge.code, shrunk.code, shown.case))
    proposed = "z3 proposed one that does; " if tally.models else remark
    summary = (
        f"{tally.examined} cases examined, {tally.violations} of them violate the claim, {tally.outside} say nothing; "
        f"{proposed}the simplest violation was shrunk in {shrunk.batches} batches of {shrunk.examined} cases"
    )
    tier: Tier = "exact" if shrunk.finding.rational else "enclosure"
    return Hunt(
        shown, witness, tier, tally.examined, tally.violations, tally.outside, summary,
        dims=judge.target.dims, batches=tally.batches,
    )  # fmt: skip


def falsify(
    claim: Claim, *, dims: Dims | None = None, trials: int = 4096, seed: int = 0,
    device: str | None = None, out: Any = None,
) -> Verdict:  # fmt: skip
    """Only hunt: the verdict is "refuted" with a shrunk counterexample, or "inconclusive".

    A refutation comes with a suggested hypothesis, as in `verify`. dims: sizes to hunt at (and below); defaults are
    small. trials: cases screened for each goal; of runs 64, or as many where more than 4096 are asked for.
    Raises InputError for unknown sizes and for statements that make no sense at the given ones.
    """
    from theorylab.falsify.suggest import suggestion

    verdict, found = hunted_verdict(claim, dims=dims, trials=trials, seed=seed, device=device)
    suggested = suggestion(claim, found, verdict.settings["dims"], seed)
    return verdict if suggested is None else verdict.replace(evidence=(*verdict.evidence, suggested))


def hunted_verdict(
    claim: Claim, *, dims: Dims | None, trials: int, seed: int, device: str | None
) -> tuple[Verdict, Hunt]:
    """The verdict of `falsify` without a suggestion, and what was found."""
    if not isinstance(claim, Claim):
        raise InputError(f"falsify got {type(claim).__name__}; expected a claim")
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise InputError(f"trials={trials!r} was given; expected a positive integer")
    complete = complete_dims(sorted(sizes_of(claim)), dims, getattr(claim.subject, "fixed_sizes", None))
    runs = trials if trials > MANY else min(trials, RUNS)
    found = hunt(claim, dims=complete, budget=trials, seed=seed, runs=runs, device=device)
    if found.counterexample is None:
        found = _hunt_trends(claim, found, complete, trials, seed, device)
    refuted = found.counterexample is not None
    numbers = {n: getattr(found, n) for n in ("examined", "violations", "outside", "batches")}
    evidence = Evidence("search", found.summary, "against" if refuted else "open", numbers)
    verdict = Verdict(
        id=claim.id, status="refuted" if refuted else "inconclusive", tier=found.tier,
        scope=found.scope if refuted else scope_of(complete), premises=claim.premises, evidence=(evidence,),
        counterexample=found.counterexample, reason="" if refuted else f"only hunted: {found.reason}",
        expected=claim.expected, control_of=claim.control_of, kind=claim.kind, title=claim.title,
        statement=claim.then(), statement_tex=claim.tex, source=str(claim.source or ""),
        settings={"dims": dict(complete), "trials": trials, "seed": seed},
    )  # fmt: skip
    return verdict, found


def _hunt_trends(claim: Claim, before: Hunt, dims: Dims, trials: int, seed: int, device: str | None) -> Hunt:
    """The hunt for an exponent or a mean that is not the claimed one."""
    from theorylab.falsify.statistics import confirm
    from theorylab.simulate.observe import observe

    asked = [t for t in claim.tests() if t.kind in ("slope", "mean") and not t.premise]
    seen = [observe(t, dims, trials=trials, seed=seed, device=device, settle=claim.settle) for t in asked]
    if not seen:
        return before
    found = confirm(claim, seen, dims=dims, seed=seed, device=device)
    if found is not None:
        return found.after(before) if before.examined else found
    reason = "; ".join(o.reason for o in seen)
    text = f"exponents and means over {sum(o.trials for o in seen)} cases: {reason}"
    return replace(
        before, examined=before.examined + sum(o.trials for o in seen), reason=reason,
        summary=f"{before.summary}; {text}" if before.examined else text,
    )  # fmt: skip
