"""Claims as certificates: what exact algebra derives, and what the independent checker says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from theorylab.catalog import load
from theorylab.catalog.collect import collect
from theorylab.certificate.document import seal, write
from theorylab.certificate.identity import statement
from theorylab.certificate.kernel import Ruling, check
from theorylab.claims import Claim
from theorylab.derive.prove import Attempt, prove
from theorylab.errors import UnsupportedReading


def claims_of(paper: str) -> dict[str, Claim]:
    """All claims of a module of the catalogue, by id."""
    return collect(vars(load(paper)), paper)


def is_derived(claim: Claim, dims: Mapping[str, int] | None = None) -> bool:
    """Whether every goal reduces to an identity, for all sizes or at the given ones."""
    return all(attempt.holds for attempt in prove(claim.goals(), dims))


def is_provable(claim: Claim, dims: Mapping[str, int]) -> bool:
    """Whether the claim is derived in any reading: for all sizes, or at the given ones."""
    sizes = {n: d for n, d in dims.items() if n in claim.goals()[0].subject.sizes}
    for reading in (None, sizes):
        try:
            if is_derived(claim, reading):
                return True
        except UnsupportedReading:
            continue
    return False


def rulings(claims: Mapping[str, Claim], folder: Path) -> dict[str, Ruling]:
    """The checker's word on each claim for all sizes, whether or not exact algebra could derive it."""
    paths = {
        name: write(_document(prove(claim.goals(), None)), folder / f"{n}.json")
        for n, (name, claim) in enumerate(claims.items())
    }
    return dict(zip(paths, check(list(paths.values())), strict=True))


def _document(attempts: Sequence[Attempt]) -> dict[str, object]:
    body, proof, scope = statement(attempts)
    return seal(rule="indexed-identity", claim="claim", scope=scope, statement=body, proof=proof)
