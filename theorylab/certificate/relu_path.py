"""Certificates of exact ReLU paths (the checker's rule "relu-path")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theorylab.certificate.document import seal
from theorylab.derive.relu_path import ReluPath

RULE = "relu-path"


def body(path: ReluPath) -> dict[str, Any]:
    """Rule, scope, statement and proof: the flow ends at `path.limit`, and `path.minimal` fits with a smaller norm."""
    scope = f"d={len(path.limit)}, n={len(path.y)}"
    return {"rule": RULE, "scope": scope, "statement": path.statement, "proof": path.proof}


def relu_path_document(claim: str, path: ReluPath, premises: Sequence[str] = ()) -> dict[str, Any]:
    """The sealed document for the claim with the id `claim`."""
    return seal(claim=claim, premises=premises, **body(path))
