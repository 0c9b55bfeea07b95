"""A claim's certificate: what exact algebra derives is written down and counts once the checker accepts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theorylab import enforcement
from theorylab.certificate import document
from theorylab.certificate.counterexample import COUNTEREXAMPLE, counterexample_document
from theorylab.certificate.domain import along, conditions, demanded, without_weaker
from theorylab.certificate.identity import statement
from theorylab.certificate.kernel import Ruling, check
from theorylab.claims.base import Claim, Goal
from theorylab.derive.mirror import behind
from theorylab.derive.prove import Attempt, prove
from theorylab.derive.steps import derivation
from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.falsify.search import Hunt
from theorylab.store import certificate_path
from theorylab.verdict import Evidence, Step


@dataclass(frozen=True)
class Proof:
    """What became of the attempt to prove a claim. Only `accepted`, the checker's word, leads to "proved"."""

    accepted: bool
    evidence: tuple[Evidence, ...]
    reason: str
    scope: str = ""
    premises: tuple[str, ...] = ()
    """What the proof takes for granted; without a proof, what the formulas do."""
    path: Path | None = None
    hash: str = ""
    along: tuple[str, ...] = ()
    """Premises about whole runs that come from the formulas, such as that what they divide by is never 0."""


def subjects_of(claim: Claim) -> list[Any]:
    subjects = (
        [t.subject for t in claim.tests()]
        + [g.subject for g in claim.goals()]
        + [getattr(g, "to", g.subject) for g in claim.goals()]
    )
    return list({id(s): s for s in subjects}.values())


def proof_of(claim: Claim, sizes: Mapping[str, int], folder: Path) -> Proof:
    """For all sizes first, then at the given ones; a proof counts when the checker accepts its certificate."""
    goals = claim.goals()
    if not goals:
        return _limit_proof(claim, sizes, folder)
    reason = ""
    failed: list[Attempt] = []
    for dims in (None, sizes):
        try:
            attempts = prove(goals, dims)
        except UnsupportedReading as error:
            reason = f"no exact form {'for all sizes' if dims is None else 'at these sizes'}: {error}"
            continue
        if all(a.holds for a in attempts):
            reason = missed(claim, sizes, dims)
            if not reason:
                return _certified(claim, attempts, folder)
            continue
        failed = failed or attempts
        reason = "the formula does not reduce to zero"
        if dims is None:
            break
    steps = derivation(failed) if failed else ()
    text = f"No proof: {reason}."
    evidence = Evidence("derivation", text, "open", steps=steps)
    return Proof(False, (evidence,), reason, premises=without_weaker(demanded(failed)))


def missed(claim: Claim, sizes: Mapping[str, int], reading: Mapping[str, int] | None) -> str:
    """What `enforce` leaves out of the hypotheses in a reading, or nothing."""
    try:
        gaps = [enforcement.missed(s, sizes, reading) for s in subjects_of(claim)]
    except UnsupportedReading:
        return ""
    return next((gap for gap in gaps if gap is not None), "")


def _limit_proof(claim: Claim, sizes: Mapping[str, int], folder: Path) -> Proof:
    """A limit by the identities behind it, where there are such."""
    for dims in (None, sizes):
        try:
            for goals, premises in behind(claim, dims):
                attempts = prove(goals, dims)
                if all(a.holds for a in attempts):
                    return _certified(claim, attempts, folder, premises)
            break
        except (InputError, UnsupportedReading):  # such as a potential that has no value at a start of zero
            continue
    return Proof(False, (), "no rule of the checker covers this kind of claim")


def _certified(claim: Claim, attempts: Sequence[Attempt], folder: Path, more: Sequence[str] = ()) -> Proof:
    body, proof, scope = statement(attempts)
    premises = [*_hypotheses(claim), *claim.premises, *more, *demanded(attempts)]
    sealed = document.seal(
        rule="indexed-identity", claim=claim.id, scope=scope, statement=body, proof=proof, premises=premises
    )
    path = document.write(sealed, folder / certificate_path(claim.id))
    return ruled(sealed, path, derivation(attempts), "Exact algebra reduces the statement to an identity.")


def proof_of_failure(claim: Claim, found: Hunt, folder: Path) -> Proof | None:
    """A certificate that the claim fails, where the witness is an exact case that the checker has a rule for."""
    witness = found.witness
    if witness is None or not witness.certifiable or witness.value is None or not isinstance(witness.goal, Goal):
        return None
    try:
        sealed = counterexample_document(
            claim,
            witness.goal,
            witness.dims,
            witness.values,
            witness.component,
            witness.value,
            array=witness.array,
            derivatives=witness.derivatives,
            at_start=witness.place == "start",
        )
    except UnsupportedReading:
        return None
    path = document.write(sealed, folder / certificate_path(claim.id))
    return ruled(sealed, path)


def ruled(sealed: Mapping[str, Any], path: Path, steps: Sequence[Step] = (), summary: str = "") -> Proof:
    """Have the checker rule on a certificate. A rejection of what we derived is an error of ours, and is shown."""
    (ruling,) = check([path])
    what = "certificate of falsity" if sealed["rule"] == COUNTEREXAMPLE else "certificate"
    evidence = [_kernel_evidence(ruling, what, path)]
    if summary:
        evidence.insert(0, Evidence("derivation", summary, "for", steps=tuple(steps)))
    if ruling.accepted and ruling.statement_hash != document.statement_hash(sealed):
        raise InternalError(f"the checker accepted another statement than the one of {sealed['claim']}")
    if not ruling.accepted:
        path.unlink()
        return Proof(False, tuple(evidence), f"the checker rejected the certificate: {ruling.reason}")
    found = conditions(ruling.domain, sealed["statement"])
    premises = without_weaker([*sealed["premises"], *found])
    return Proof(True, tuple(evidence), "", ruling.scope, premises, path, str(sealed["seal"]), along(found))


def _kernel_evidence(ruling: Ruling, what: str, path: Path) -> Evidence:
    said = "accepted" if ruling.accepted else "rejected"
    reason = "" if ruling.accepted else f": {ruling.reason}"
    return Evidence(
        "kernel",
        f"The independent checker {said} the {what}{reason}.",
        "for" if ruling.accepted else "open",
        {"statement": ruling.statement_hash, "scope": ruling.scope},
        reproduce=f"python -S -m proofs_check {'/'.join(path.parts[-3:])}",
    )


def _hypotheses(claim: Claim) -> list[str]:
    return [a.stated for a in claim.setting.assumptions]
