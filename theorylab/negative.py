"""Verdicts on negative results and on chains of claims: they rest on the verdicts of the claims they speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from theorylab.certificate import document
from theorylab.claims.negative import Fails, Theorem
from theorylab.derive.negative import refutation
from theorylab.judge import verdict_on
from theorylab.proof import ruled
from theorylab.store import certificate_path
from theorylab.verdict import Evidence, Step, Verdict

Verify = Callable[..., Verdict]


def verify_failure(claim: Fails, verify: Verify, options: Mapping[str, Any]) -> Verdict:
    """`Fails(inner)`: proved by an accepted certificate of falsity, supported where `inner` is refuted otherwise."""
    folder: Path = options["out"]
    options["progress"]("looking for a certificate of falsity")
    found = refutation(claim)
    if found is not None:
        sealed = document.seal(
            rule=found["rule"],
            claim=claim.id,
            scope=found["scope"],
            statement=found["statement"],
            proof=found["proof"],
            premises=claim.premises,
        )
        path = document.write(sealed, folder / certificate_path(claim.id))
        proof = ruled(sealed, path, found.get("steps", ()), "An exact counterexample was computed.")
        if proof.accepted:
            return verdict_on(
                claim,
                options,
                status="proved",
                tier="kernel",
                scope=proof.scope,
                premises=proof.premises,
                evidence=proof.evidence,
                certificate=str(proof.path),
                certificate_hash=proof.hash,
            )
    inner = verify(claim.claim, **{k: v for k, v in options.items() if k != "out"}, out=folder / "inner")
    evidence = Evidence(
        "argument",
        f"The claim that is said to fail was judged: {inner.status}, {inner.scope}.",
        "for" if inner.status == "refuted" else "open",
    )
    parts = {"evidence": (*inner.evidence, evidence), "scope": inner.scope, "premises": inner.premises}
    if inner.status == "refuted":
        return verdict_on(
            claim,
            options,
            status="supported",
            tier=inner.tier,
            counterexample=inner.counterexample,
            **parts,
        )
    if inner.status == "proved":
        return verdict_on(
            claim,
            options,
            status="refuted",
            tier=inner.tier,
            reason="the claim that is said to fail is proved",
            **parts,
        )
    return verdict_on(
        claim,
        options,
        status="inconclusive",
        tier=None,
        reason=f"the claim that is said to fail is {inner.status}",
        **parts,
    )


def verify_chain(claim: Theorem, verify: Verify, options: Mapping[str, Any]) -> Verdict:
    """A theorem from claims. Its last step has no rule in the checker, so it stays an argument by hand."""
    evidence: list[Evidence] = []
    statuses: list[str] = []
    premises: dict[str, None] = dict.fromkeys(claim.premises)
    for used in claim.uses:
        verdict = verify(used, **{k: v for k, v in options.items() if k != "out"}, out=options["out"] / "uses")
        statuses.append(verdict.status)
        premises |= dict.fromkeys(verdict.premises)
        outcome = (
            "for" if verdict.status in ("proved", "supported") else "against" if verdict.status == "refuted" else "open"
        )
        tier = f"{verdict.tier}, " if verdict.tier else ""
        stated = (Step("statement", "", verdict.statement_tex),) if verdict.statement_tex else ()
        evidence.append(
            Evidence("step", f"{used.title}: {verdict.status} ({tier}{verdict.scope}).", outcome, steps=stated)
        )
    argument = claim.argument or ((claim.rule, f"from these to the conclusion: {claim.conclusion}"),)
    evidence += [
        Evidence("argument", f"Step {n} ({ground}): {text}", "open") for n, (ground, text) in enumerate(argument, 1)
    ]
    good = all(s in ("proved", "supported") for s in statuses)
    reason = "the last step is an argument by hand" if good else f"the steps are {', '.join(statuses)}"
    return verdict_on(
        claim,
        options,
        status="inconclusive",
        tier=None,
        scope="as the steps",
        premises=tuple(premises),
        evidence=tuple(evidence),
        reason=reason,
    )
