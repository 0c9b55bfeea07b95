"""`tl.verify`: one claim, all the evidence, one verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from theorylab import agreement
from theorylab.claims.base import Claim, Test
from theorylab.claims.enclosed import Enclosed
from theorylab.claims.negative import Fails, Theorem
from theorylab.coq_tier import compiled, require_coq
from theorylab.errors import InputError, MissingExtra
from theorylab.falsify.run_search import hunt_runs
from theorylab.falsify.search import Hunt, hunt
from theorylab.falsify.statistics import confirm
from theorylab.falsify.suggest import suggestion
from theorylab.judge import command, judge, verdict_on
from theorylab.proof import missed, proof_of, proof_of_failure, subjects_of
from theorylab.readings.letters import complete_dims
from theorylab.scratch import scratch_folder
from theorylab.simulate.cost import enough_memory
from theorylab.simulate.observation import Observation
from theorylab.simulate.observe import observe
from theorylab.verdict import Evidence, Figure, Outcome, Series, Verdict

Progress = Callable[[str], None]
HUNT_BUDGET = 4096
PROVED_BUDGET = 512
RUNS_FOR, RUNS_AGAINST = 48, 128


def verify(
    claim: Claim,
    *,
    dims: Mapping[str, int] | None = None,
    trials: int = 256,
    seed: int = 0,
    device: str | None = None,
    out: str | Path | None = None,
    coq: bool = False,
    mutate: bool = False,
    budget: int = HUNT_BUDGET,
    progress: Progress | None = None,
) -> Verdict:
    """Prove, simulate and attack a claim, and judge the evidence.

    dims: sizes for the runs and the search (small defaults). trials: cases for the tests. out: folder under which the
    certificate is written; a temporary one otherwise, removed when Python ends. coq: compile proofs in Coq too, seconds
    each. mutate: judge the claim too with one sign, constant, exponent or hypothesis changed at a time, see
    `Verdict.mutants`. budget: how many cases the search for counterexamples screens for each goal. Raises InputError
    for bad input and InternalError where two engines disagree.
    """
    if not isinstance(claim, Claim):
        raise InputError(f"verify got {type(claim).__name__}; expected a claim, such as tl.Invariant(flow, quantity)")
    for name, count in (("trials", trials), ("budget", budget)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"{name} is {count!r}; expected a positive integer")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed!r}; expected an integer from 0 to 2^64 - 1")
    if coq:
        require_coq()
    folder = Path(out) if out is not None else scratch_folder()
    tell: Progress = progress or (lambda text: None)
    options: dict[str, Any] = {
        "dims": dims,
        "trials": trials,
        "seed": seed,
        "device": device,
        "out": folder,
        "coq": coq,
        "budget": budget,
        "progress": tell,
    }
    with enough_memory():
        verdict = _illustrated(_verdict(claim, options), claim, seed)
    if mutate and verdict.status != "refuted":
        from theorylab.sharpness import attacked

        verdict = verdict.replace(mutants=attacked(claim, _verdict, options))
    return verdict


def _verdict(claim: Claim, options: Mapping[str, Any]) -> Verdict:
    """The verdict of this kind of claim."""
    if isinstance(claim, Fails):
        from theorylab.negative import verify_failure

        return verify_failure(claim, verify, options)
    if isinstance(claim, Theorem):
        from theorylab.negative import verify_chain

        return verify_chain(claim, verify, options)
    if isinstance(claim, Enclosed):
        from theorylab.enclosed import verify_enclosed

        return verify_enclosed(claim, options)
    tell = options["progress"]
    verdict = _verify(claim, tell, **{n: options[n] for n in ("dims", "trials", "seed", "device", "out", "budget")})
    if options["coq"]:
        tell("compiling in Coq")
        verdict = compiled(verdict)
    return verdict


def _illustrated(verdict: Verdict, claim: Claim, seed: int) -> Verdict:
    """The verdict with the remark and the plots that the claim brings along, which decide nothing."""
    if claim.note:
        verdict = verdict.replace(evidence=(*verdict.evidence, Evidence("note", claim.note, "open")))
    try:
        drawn = tuple(figure(seed) for figure in claim.figures)
    except MissingExtra as error:
        skipped = Evidence("illustration", f"skipped: {error}", "open")
        return verdict.replace(evidence=(*verdict.evidence, skipped))
    for figure in drawn:
        if not isinstance(figure, Figure):
            raise InputError(f"a figure of {claim.id} is {type(figure).__name__}; expected a tl.Figure")
    if not drawn:
        return verdict
    shown = tuple(replace(f, series=tuple(map(_finite, f.series))) for f in drawn)
    return verdict.replace(evidence=(*verdict.evidence, Evidence("illustration", "", "open", figures=shown)))


def _finite(series: Series) -> Series:
    """The points of a series that can be drawn: a run that did not settle leaves a gap."""
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    return replace(series, x=tuple(x for x, _ in points), y=tuple(y for _, y in points))


def _verify(
    claim: Claim,
    tell: Progress,
    *,
    dims: Mapping[str, int] | None,
    trials: int,
    seed: int,
    device: str | None,
    out: Path,
    budget: int,
) -> Verdict:
    subjects = subjects_of(claim)
    fixed = {n: v for s in subjects for n, v in getattr(s, "fixed_sizes", {}).items()}
    sizes = complete_dims(sorted(set().union(*(s.sizes for s in subjects))), dims, fixed)
    evidence: list[Evidence] = []
    tests = list(claim.tests())
    tell("comparing the readings")
    evidence += _agreement(claim, tests, sizes, seed)
    tell("deriving")
    proof = proof_of(claim, sizes, out)
    evidence += proof.evidence
    tell("searching for counterexamples")
    found = hunt(claim, dims=sizes, budget=min(budget, PROVED_BUDGET) if proof.accepted else budget, seed=seed)
    evidence.append(_search_evidence(claim, found, sizes, seed))
    observations: list[Observation] = []
    if found.counterexample is None or proof.accepted:
        tell("simulating")
        options = {"seed": seed, "device": device, "settle": claim.settle, "premised": claim.premised}
        observations = [observe(t, sizes, trials=trials, **options) for t in tests]
        evidence += [_simulation_evidence(claim, o, sizes, seed) for o in observations]
    if not proof.accepted and found.counterexample is None and any(t.where in ("run", "end") for t in tests):
        tell("searching for runs that contradict the claim")
        found = _hunt_runs(claim, found, observations, sizes, seed, device)
        evidence.append(_search_evidence(claim, found, sizes, seed))
    if not proof.accepted and found.counterexample is None:
        confirmed = confirm(claim, observations, dims=sizes, seed=seed, device=device)
        if confirmed is not None:
            found = confirmed
            evidence.append(_search_evidence(claim, found, sizes, seed))
    decision = judge(claim, proof, found, observations, sizes)
    if decision.status == "supported" and (gap := missed(claim, sizes, sizes)):
        raise InputError(f"{gap}; expected a map onto them, best one that changes nothing where the hypothesis holds")
    if decision.status == "refuted" and (refutation := proof_of_failure(claim, found, out)) is not None:
        evidence += refutation.evidence
        proof = refutation
    if decision.status == "refuted" and (suggested := suggestion(claim, found, sizes, seed)) is not None:
        evidence.append(suggested)
    settled = proof.accepted and decision.status in ("proved", "refuted")
    return verdict_on(
        claim,
        {"dims": dict(sizes), "trials": trials, "seed": seed},
        status=decision.status,
        tier=decision.tier,
        scope=decision.scope,
        premises=decision.premises,
        evidence=tuple(evidence),
        certificate=str(proof.path) if settled else None,
        certificate_hash=proof.hash if settled else None,
        counterexample=found.counterexample if decision.status == "refuted" else None,
        reason=decision.reason,
    )


def _hunt_runs(
    claim: Claim,
    before: Hunt,
    observations: Sequence[Observation],
    sizes: Mapping[str, int],
    seed: int,
    device: str | None,
) -> Hunt:
    """Search among runs: wider where the simulation already speaks against the claim."""
    runs = RUNS_AGAINST if any(o.agrees is not True for o in observations) else RUNS_FOR
    found = hunt_runs(claim, dims=sizes, trials=runs, seed=seed, device=device)
    if not found.examined:
        return before
    return found.after(before) if before.examined else found


# --- the readings ---------------------------------------------------------------------------------------------------


def _agreement(claim: Claim, tests: Sequence[Test], sizes: Mapping[str, int], seed: int) -> list[Evidence]:
    """Compare the readings of every flow and of the quantities of the goals."""
    worst, compared = 0.0, 0
    by_subject: dict[int, tuple[Any, list[Any]]] = {}
    for goal in claim.goals():
        subject, formulas = by_subject.setdefault(id(goal.subject), (goal.subject, []))
        if (formula := getattr(goal, "formula", None)) is not None:
            formulas.append(formula)
    for test in tests:
        by_subject.setdefault(id(test.subject), (test.subject, []))
    for subject, formulas in by_subject.values():
        try:
            gap = agreement.compare(subject, formulas, {n: sizes[n] for n in subject.sizes}, seed)
        except MissingExtra:
            continue
        if gap is not None:
            compared += 1
            worst = max(worst, gap)
    if not compared:
        return [
            Evidence(
                "readings", "The statement has no exact reading at these sizes; only the numeric one was used.", "open"
            )
        ]
    text = f"The readings agree at {agreement.POINTS} random points, values and gradients, to {worst:.1e}."
    return [Evidence("readings", text, "for", {"points": agreement.POINTS, "difference": worst})]


# --- search and simulation -------------------------------------------------------------------------------------------


def _search_evidence(claim: Claim, found: Hunt, sizes: Mapping[str, int], seed: int) -> Evidence:
    against = found.counterexample is not None
    numbers = {"examined": found.examined, "violations": found.violations, "outside": found.outside}
    text = found.summary[:1].upper() + found.summary[1:] + "."
    outcome = "against" if against else "for" if found.examined else "open"
    return Evidence("search", text, outcome, numbers, reproduce=f"theorylab falsify {claim.id} --seed {seed}")


def _simulation_evidence(claim: Claim, o: Observation, sizes: Mapping[str, int], seed: int) -> Evidence:
    outcome: Outcome = "open" if o.agrees is None else "for" if o.agrees else "against"
    numbers: dict[str, Any] = {"trials": o.trials, **{f"runs {k}": v for k, v in o.statuses.items()}}
    if o.worst:
        numbers["worst"] = o.worst[-1]
    if o.own_error:
        numbers["own_error"] = o.own_error
    figures = ()
    if len(o.tolerances) > 1 and any(o.worst):
        floor = 1e-17
        points = tuple(max(w, floor) for w in o.worst)
        figures = (
            Figure(
                f"{o.test.name} against tolerance",
                "relative tolerance of the integrator",
                f"worst relative {o.test.name}",
                (
                    Series(o.test.name, o.tolerances, points),
                    Series(
                        "proportional to the tolerance",
                        o.tolerances,
                        tuple(points[0] * t / o.tolerances[0] for t in o.tolerances),
                        "line",
                    ),
                ),
                "log",
                "log",
                "A true law is broken by the integrator alone, so its residual falls with the tolerance.",
            ),
        )
    if o.ladder:
        figures = (_ladder_figure(o),)
    where = {"case": "cases", "state": "states", "run": "runs", "end": "limits"}[o.test.where]
    text = f"{o.test.name[:1].upper() + o.test.name[1:]} over {o.trials} {where}: {o.reason}."
    return Evidence("simulation", text, outcome, numbers, (), figures, command(claim.id, sizes, o.trials, seed))


def _ladder_figure(o: Observation) -> Figure:
    seen = [(v, q) for v, q in zip(o.ladder, o.sizes, strict=True) if q > 0]
    points = Series(o.test.name, tuple(v for v, _ in seen), tuple(q for _, q in seen))
    caption = "One case; on these axes a power law is a straight line, and its slope is the exponent."
    return Figure(f"the observation against {o.variable}", o.variable, "size", (points,), "log", "log", caption)
