"""Suggested hypotheses: after a refutation, the weakest of a family of predicates under which nothing was found.

A suggestion decides nothing. Every predicate is imposed on random cases at a few small sizes, which are screened in
float64; it falls with the first violation. The work is bounded by counts, so that the same seed gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from theorylab.claims.base import Claim, Test
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import CaseCode, arrays
from theorylab.falsify.draws import random_codes
from theorylab.falsify.judge import Judge, Screening
from theorylab.falsify.outcome import Hunt
from theorylab.falsify.predicates import PREDICATES, Letters, Predicate, SizePredicate, size_predicates
from theorylab.falsify.run_search import EASY, REACH
from theorylab.falsify.target import sizes_of, smaller, targets
from theorylab.flow import Flow
from theorylab.readings import expression as ex
from theorylab.readings.letters import Dims
from theorylab.simulate.run import with_loss
from theorylab.verdict import Evidence

CASES, RUNS = 256, 32
"""How many cases, or runs, are screened for each predicate, question and size."""

ENOUGH = 0.25
"""The share of them that has to say something."""

NODES = 4_000
"""Questions whose expressions are larger than this are left alone."""

STREAM = 1 << 40
"""Suggestions look at other cases than the hunt."""

SHOWN = 3


@dataclass
class Candidate:
    """A predicate under attack: how many cases said something, and whether one contradicted the claim."""

    predicate: Predicate | SizePredicate
    tried: int = 0
    outside: int = 0
    fallen: bool = False
    inside: set[str] = field(default_factory=set)
    """The predicates that held in every case that was screened for this one."""

    @property
    def survives(self) -> bool:
        return not self.fallen and self.tried >= max(ENOUGH * (self.tried + self.outside), 1)


def suggestion(claim: Claim, found: Hunt, dims: Dims, seed: int = 0) -> Evidence | None:
    """The weakest predicates under which a refuted claim was not contradicted again, or None if there are none."""
    if found.counterexample is None:
        return None
    if found.witness is not None:
        candidates = _among_cases(claim, found, dims, seed)
    else:
        candidates = _among_runs(claim, found, seed)
    alive = [c for c in candidates if c.survives]
    weakest = [c for c in alive if not any(_weaker(other, c) for other in alive)]
    tried = sum(c.tried for c in candidates)
    numbers = {"predicates": len(candidates), "cases": tried}
    if not candidates:
        return None
    if not weakest:
        text = f"No hypothesis is suggested: each of {len(candidates)} predicates has counterexamples of its own."
        return Evidence("suggestion", text, "open", numbers)
    first, *others = weakest[:SHOWN]
    text = (
        f"Suggestion, not a result: no counterexample was found if {first.predicate.text} ({first.tried} cases tried)"
    )
    if others:
        text += "; nor if " + ", nor if ".join(f"{c.predicate.text} ({c.tried})" for c in others)
    return Evidence("suggestion", text + ".", "open", numbers)


def _weaker(a: Candidate, b: Candidate) -> bool:
    """Whether a held wherever b was imposed, and not the other way round."""
    return a is not b and a.predicate.text in b.inside and b.predicate.text not in a.inside


# --- cases ----------------------------------------------------------------------------------------------------------


def _among_cases(claim: Claim, found: Hunt, dims: Dims, seed: int) -> list[Candidate]:
    sizes = {n: s for n, s in dims.items() if n in sizes_of(claim)}
    at = list({tuple(sorted(d.items())): d for d in (dict(found.dims), smaller(sizes, 3))}.values())
    values = {p.text: Candidate(p) for p in PREDICATES}
    relations = {p.text: Candidate(p) for p in size_predicates(sorted(sizes))}
    order = 0 if found.witness is None else found.witness.order
    for here in at:
        for judge in _judges(claim, here, order):
            _attack_values(judge, values, seed)
    for candidate in relations.values():
        assert isinstance(candidate.predicate, SizePredicate)
        for here in _imposed(candidate.predicate, at):
            for judge in _judges(claim, here, order):
                codes = random_codes(judge.code, seed, STREAM, CASES)
                _count(candidate, judge.screen(codes), slice(None))
        candidate.inside = {p.text for p in size_predicates(sorted(sizes)) if _implied(candidate.predicate, p, at)}
    return [c for c in (*relations.values(), *values.values()) if c.tried + c.outside]


def _imposed(predicate: SizePredicate, at: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    made = (predicate.impose(here) for here in at)
    return list({tuple(sorted(d.items())): d for d in made if d is not None and predicate.holds(d)}.values())


def _implied(strong: SizePredicate, weak: SizePredicate, at: Sequence[Mapping[str, int]]) -> bool:
    return all(weak.holds(here) for here in _imposed(strong, at))


def _judges(claim: Claim, dims: Dims, order: int) -> Iterator[Judge]:
    """Every question of the claim up to the order of the witness, at sizes where the statement makes sense."""
    try:
        for target in targets(claim, dims):
            if target.order > max(order, target.natural_order):
                break
            if len(ex.topological(target.roots)) <= NODES:
                yield Judge(target, claim.quantifier)
    except (InputError, UnsupportedReading):
        return


def _attack_values(judge: Judge, candidates: Mapping[str, Candidate], seed: int) -> None:
    code = judge.code
    free = {n for n, a in judge.target.variables.items() if ex.variables(a.entries()) == _own(code, n)}
    letters = _letters(judge.target.state, code, free)
    raw = arrays(code, code.columns(random_codes(code, seed, STREAM, CASES)), CASES)
    for candidate in candidates.values():
        assert isinstance(candidate.predicate, Predicate)
        changed = candidate.predicate.impose(raw, letters)
        if changed is None:
            continue
        _note_inside(candidate, changed, letters)
        screening = judge.screen_columns(_columns(code, changed), CASES)
        _count(candidate, screening, slice(None))


def _own(code: CaseCode, name: str) -> set[str]:
    return {e for b in code.blocks if b.name == name for e in b.entry_names()}


def _letters(state: Mapping[str, object], code: CaseCode, free: set[str]) -> Letters:
    names = [b.name for b in code.blocks if b.width == 1 and not b.discrete and b.name in free]
    parameters = tuple(n for n in names if n.startswith("init.") or n in state)
    return Letters(parameters, tuple(n for n in names if n not in parameters))


def _columns(code: CaseCode, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for b in code.blocks:
        flat = values[b.name].reshape(len(values[b.name]), -1)
        found.update(zip(b.entry_names(), np.ascontiguousarray(flat.T), strict=True))
    return found


def _note_inside(candidate: Candidate, values: Mapping[str, np.ndarray], letters: Letters) -> None:
    held = {p.text for p in PREDICATES if (mask := p.holds(values, letters)) is not None and bool(mask.all())}
    candidate.inside = held if not candidate.tried + candidate.outside else candidate.inside & held


def _count(candidate: Candidate, screening: Screening, rows: slice) -> None:
    outside = int(screening.outside[rows].sum())
    candidate.outside += outside
    candidate.tried += len(screening.outside[rows]) - outside
    candidate.fallen |= bool(screening.violates[rows].any())


# --- runs -----------------------------------------------------------------------------------------------------------


def _among_runs(claim: Claim, found: Hunt, seed: int) -> list[Candidate]:
    """One ensemble of all predicates together, for each test about runs, at the sizes of the counterexample."""
    from theorylab.falsify.runs import Runs

    candidates = {p.text: Candidate(p) for p in PREDICATES}
    for test in (t for t in claim.tests() if _about_runs(t)):
        try:
            runs = Runs(claim, test, {n: found.dims[n] for n in with_loss(test.subject).sizes})
        except (InputError, UnsupportedReading, KeyError):
            continue
        runs.max_steps = EASY
        raw = arrays(runs.code, runs.code.columns(random_codes(runs.code, seed, STREAM, RUNS, REACH)), RUNS)
        plain = runs.problem(runs.code.columns(random_codes(runs.code, seed, STREAM, RUNS, REACH)), RUNS)
        free = {n for n in raw if np.array_equal(plain.values[n].cpu().numpy(), raw[n])}
        letters = _letters(runs.flow.state, runs.code, free)
        imposed = [(c, c.predicate.impose(raw, letters)) for c in candidates.values()]  # type: ignore[union-attr]
        chosen = [(c, changed) for c, changed in imposed if changed is not None]
        if not chosen:
            continue
        parts = [_columns(runs.code, changed) for _, changed in chosen]
        columns = {e: np.concatenate([p[e] for p in parts]) for e in parts[0]}
        screening = runs.screen_columns(columns, RUNS * len(chosen))
        for i, (candidate, changed) in enumerate(chosen):
            _note_inside(candidate, changed, letters)
            _count(candidate, screening, slice(i * RUNS, (i + 1) * RUNS))
    return [c for c in candidates.values() if c.tried + c.outside]


def _about_runs(test: Test) -> bool:
    return (
        not test.premise and test.kind in ("zero", "nonnegative") and test.where in ("run", "end")
        and isinstance(test.subject, Flow)
    )  # fmt: skip
