"""Certificates as sealed canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theorylab.store import write_atomic

FORMAT = "theorylab-certificate-3"


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def seal(
    *,
    rule: str,
    claim: str,
    scope: str,
    statement: Mapping[str, Any],
    proof: Mapping[str, Any],
    premises: Sequence[str] = (),
) -> dict[str, Any]:
    """A certificate document with the hash of its own canonical bytes."""
    document = {
        "format": FORMAT, "rule": rule, "claim": claim, "scope": scope,
        "premises": list(premises), "statement": dict(statement), "proof": dict(proof),
    }  # fmt: skip
    document["seal"] = hashlib.sha256(canonical(document)).hexdigest()
    return document


def statement_hash(document: Mapping[str, Any]) -> str:
    """The hash that binds a certificate to what it states."""
    bound = {key: document[key] for key in ("statement", "premises", "rule")}
    return hashlib.sha256(canonical(bound)).hexdigest()


def write(document: Mapping[str, Any], path: Path) -> Path:
    """Write a certificate; it appears complete or not at all. Raises InputError where it cannot be written."""
    write_atomic(path, canonical(document))
    return path
