"""What the checker says of proofs, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theorylab.certificate.document import seal, write
from theorylab.certificate.identity import statement
from theorylab.certificate.kernel import Ruling, check
from theorylab.claims.base import Claim
from theorylab.derive.prove import Attempt


def identity_document(claim: Claim, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """The certificate of some attempts at a claim, whether they hold or not."""
    body, proof, scope = statement(attempts)
    return seal(rule="indexed-identity", claim=claim.id, scope=scope, statement=body, proof=proof)


def rulings(documents: Sequence[dict[str, Any]], folder: Path) -> list[Ruling]:
    """What the checker says of each document, in one process."""
    return check([write(document, folder / f"{n}.json") for n, document in enumerate(documents)])
