"""Certificates of the catalogue, damaged and sealed again: what is still accepted, a second arithmetic confirms.

A mutant of the proof may well be accepted, since the statement is still the same; one of the statement only if it is
true. No mutant crashes the checker, takes it ten seconds or more memory than it allows itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.derive.second_arithmetic import OutOfScope, disagreements
from tests.derive.test_second_arithmetic import PROVED, document
from tests.proofs_check.mutations import mutants
from theorylab.certificate.document import seal, write
from theorylab.errors import UnsupportedReading

ROOT = Path(__file__).parents[2]
AT_ONCE = 64
EACH = 400
"""Mutants of one certificate at most, spread over it."""


def certificates() -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that the second arithmetic reads."""
    for name, claim in PROVED.items():
        try:
            made = document(claim)
            if made is None:
                continue
            disagreements(*made)
        except (OutOfScope, UnsupportedReading):
            continue
        body, proof = made
        scope = (
            "all sizes" if not body.get("sizes") else ", ".join(f"{n}={v}" for n, v in sorted(body["sizes"].items()))
        )
        yield name, seal(rule="indexed-identity", claim=name, scope=scope, statement=body, proof=proof)


def spread(sealed: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    every = list(mutants(sealed))
    return every[:: max(1, -(-len(every) // EACH))]


def ruled(paths: list[Path]) -> list[dict[str, Any]]:
    """What the checker says of some files, in a process of its own without site-packages."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "proofs_check", "--json", *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10 * len(paths),
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_what_is_accepted_is_true(tmp_path: Path) -> None:
    pool = ((name, what, mutant) for name, sealed in certificates() for what, mutant in spread(sealed))
    counts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    while batch := list(islice(pool, AT_ONCE)):
        paths = [write(mutant, tmp_path / f"{n}.json") for n, (_, _, mutant) in enumerate(batch)]
        for (name, what, mutant), ruling in zip(batch, ruled(paths), strict=True):
            counts["all"] += 1
            if not ruling["accepted"]:
                rules[ruling["reason"].split(":")[0]] += 1
                continue
            counts["still true"] += 1
            try:
                assert disagreements(mutant["statement"], mutant["proof"]) == [], f"{name}: {what}"
            except OutOfScope:
                counts["not read again"] += 1
    print(dict(counts), dict(rules))
    assert counts["all"] >= 2000
    assert counts["not read again"] <= counts["all"] // 50
    assert counts["still true"] <= counts["all"] // 2
