"""Verdicts on claims about one exact case: proved, or refuted, by an enclosure that the checker accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from theorylab.agreement import POINTS, compare
from theorylab.claims.enclosed import Enclosed
from theorylab.enclosure.enclose import Crossing, Enclosure, enclose_claim
from theorylab.errors import InternalError
from theorylab.judge import verdict_on
from theorylab.simulate.observe import observe
from theorylab.store import certificate_path
from theorylab.verdict import Counterexample, Evidence, Verdict


def verify_enclosed(claim: Enclosed, options: Mapping[str, Any]) -> Verdict:
    """Proved where the enclosure lies within the bounds, refuted (tier "enclosure") where it lies outside."""
    options["progress"]("enclosing the trajectory")
    file = options["out"] / certificate_path(claim.id)
    found, sizes = enclose_claim(claim, options["dims"], file)
    evidence = [*_readings(claim, sizes, options["seed"]), _evidence(claim, found)]
    parts: dict[str, Any] = {"scope": found.scope or "one exact case", "premises": (*claim.premises, *found.premises)}
    if not found.enclosed:
        return verdict_on(
            claim,
            options,
            status="inconclusive",
            tier=None,
            reason=found.reason,
            evidence=tuple(evidence),
            **parts,
        )
    wrong = _violation(claim, found)
    if not wrong and not _confirmed(claim, found):
        reason = "the value is so near to one of the bounds that its enclosure does not tell on which side it is"
        return verdict_on(
            claim,
            options,
            status="inconclusive",
            tier=None,
            reason=reason,
            evidence=tuple(evidence),
            **parts,
        )
    parts |= {"certificate": str(found.certificate), "certificate_hash": found.hash}
    if wrong:
        witness = Counterexample(
            {n: _texts(v) for n, v in claim.at.items()}, wrong, "outside of the bounds", "a rigorous enclosure"
        )
        return verdict_on(
            claim,
            options,
            status="refuted",
            tier="enclosure",
            evidence=tuple(evidence),
            counterexample=witness,
            **parts,
        )
    options["progress"]("simulating")
    for test in claim.tests():
        o = observe(test, sizes, trials=1, seed=options["seed"], device=options["device"], settle=claim.settle)
        if o.agrees is False:
            raise InternalError(f"{claim.id} is proved, and yet the runs contradict it: {o.reason}")
        text = f"{test.name[:1].upper() + test.name[1:]}, by simulation: {o.reason}."
        evidence.append(Evidence("simulation", text, "for" if o.agrees else "open", {"trials": o.trials}))
    return verdict_on(claim, options, status="proved", tier="kernel", evidence=tuple(evidence), **parts)


def _confirmed(claim: Enclosed, found: Enclosure) -> bool:
    """Whether the enclosure, and with it the certificate, says all that is claimed."""
    (bounds,) = found.final
    return claim.low <= bounds.low and bounds.high <= claim.high and not _violation(claim, found)


def _violation(claim: Enclosed, found: Enclosure) -> str:
    """How the enclosure contradicts the claim; "" where it does not."""
    (bounds,) = found.final
    if bounds.high < claim.low or bounds.low > claim.high:
        return f"the value is in [{_decimal(bounds.low)}, {_decimal(bounds.high)}], outside of the bounds"
    if claim.zeros is not None and len(found.zeros) != claim.count:
        return f"the sign changes {len(found.zeros)} times, not {claim.count}"
    return ""


def _readings(claim: Enclosed, sizes: Mapping[str, int], seed: int) -> list[Evidence]:
    gap = compare(claim.subject, [claim.quantity], sizes, seed)
    if gap is None:
        return []
    text = f"The readings agree at {POINTS} random points, values and gradients, to {gap:.1e}."
    return [Evidence("readings", text, "for", {"points": POINTS, "difference": gap})]


def _evidence(claim: Enclosed, found: Enclosure) -> Evidence:
    if not found.enclosed:
        return Evidence("kernel", f"No enclosure: {found.reason}.", "open")
    (bounds,) = found.final
    where = "The limit" if claim.time is None else f"The value at the time {claim.time}"
    text = (
        f"{where} is in [{_decimal(bounds.low)}, {_decimal(bounds.high)}]: the independent checker replayed the "
        f"enclosure, {found.steps} steps in dyadic intervals."
    )
    if claim.zeros is not None:
        text += f" Sign changes: {', '.join(map(_when, found.zeros)) or 'none'}."
    numbers: dict[str, float | int | str | bool] = {
        "low": float(bounds.low), "high": float(bounds.high), "steps": found.steps, "kinks": len(found.crossings),
    }  # fmt: skip
    outcome = "against" if _violation(claim, found) else "for" if _confirmed(claim, found) else "open"
    reproduce = f"python -S -m proofs_check {'/'.join(found.certificate.parts[-3:])}" if found.certificate else ""
    return Evidence("kernel", text, outcome, numbers, reproduce=reproduce)


def _when(zero: Crossing) -> str:
    return f"it {zero.direction} through 0 at t = {_decimal(zero.low)}"


def _decimal(value: Fraction) -> str:
    return f"{float(value):.10g}"


def _texts(value: Any) -> Any:
    return [_texts(v) for v in value] if isinstance(value, Sequence) else str(value)
