"""From evidence to status, tier and scope: the rules, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theorylab.claims.base import Claim
from theorylab.errors import InternalError
from theorylab.falsify.search import Hunt
from theorylab.proof import Proof
from theorylab.simulate.observation import Observation
from theorylab.verdict import Status, Tier, Verdict


@dataclass(frozen=True)
class Decision:
    status: Status
    tier: Tier | None
    scope: str
    premises: tuple[str, ...]
    reason: str = ""


def sizes_text(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{n}={v}" for n, v in sorted(sizes.items())) or "no sizes"


def judge(
    claim: Claim, proof: Proof, found: Hunt, observations: Sequence[Observation], sizes: Mapping[str, int]
) -> Decision:
    """Decide. A proof that a witness or a run contradicts is an internal error."""
    stated = tuple(dict.fromkeys([*(a.stated for a in claim.setting.assumptions), *claim.premises]))
    against = [o for o in observations if o.agrees is False and not o.test.premise]
    if proof.accepted:
        if found.counterexample is not None and proof.scope in ("all sizes", "no sizes", found.scope):
            raise InternalError(
                f"{claim.id} is proved, and yet a counterexample was found: {found.counterexample.violation}"
            )
        if found.counterexample is not None:  # true at the sizes of the proof, and false at others
            return Decision("refuted", found.tier, found.scope, stated, f"it is proved at {proof.scope} only")
        if against and proof.along:
            reason = f"it is proved where {', '.join(proof.along)}, and runs that leave this contradict it"
            return Decision("inconclusive", None, proof.scope, stated, f"{reason}: {against[0].reason}")
        if against:
            raise InternalError(f"{claim.id} is proved, and yet the runs contradict it: {against[0].reason}")
        return Decision("proved", "kernel", proof.scope, proof.premises)
    if found.counterexample is not None:
        return Decision("refuted", found.tier, found.scope, stated)
    scope = sizes_text(sizes)
    if against:
        reason = f"the simulation contradicts the claim ({against[0].reason}), but no witness survived re-checking"
        return Decision("inconclusive", None, scope, stated, reason)
    undecided = [o for o in observations if o.agrees is not True]
    if undecided:
        premise = f"a premise does not hold ({undecided[0].test.name}): " if undecided[0].test.premise else ""
        return Decision("inconclusive", None, scope, stated, premise + undecided[0].reason)
    if not observations:
        return Decision(
            "inconclusive", None, scope, stated, f"nothing could be observed, and there is no proof: {proof.reason}"
        )
    return Decision("supported", "numeric", scope, tuple(dict.fromkeys([*stated, *proof.premises])), proof.reason)


def command(claim_id: str, dims: Mapping[str, int], trials: int, seed: int) -> str:
    """The command that judges a claim once more."""
    sizes = ",".join(f"{n}={v}" for n, v in sorted(dims.items()))
    return f"theorylab verify {claim_id}{f' --dims {sizes}' if sizes else ''} --trials {trials} --seed {seed}"


def verdict_on(claim: Claim, options: Mapping[str, Any], **found: Any) -> Verdict:
    """What was found about a claim, with what it says of itself. options: `dims` (or None), `trials` and `seed`."""
    settings = {"dims": dict(options["dims"] or {}), "trials": options["trials"], "seed": options["seed"]}
    return Verdict(
        id=claim.id,
        expected=claim.expected,
        control_of=claim.control_of,
        kind=claim.kind,
        title=claim.title,
        statement=claim.then(),
        statement_tex=claim.tex,
        source=str(claim.source or ""),
        settings=settings,
        reproduce=command(claim.id, **settings),
        **found,
    )
