"""The checker as a separate process without site-packages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from theorylab.errors import InternalError

TIME_LIMIT = 300


@dataclass(frozen=True)
class Ruling:
    """What the checker said of one file."""

    accepted: bool
    reason: str
    scope: str
    statement_hash: str
    domain: tuple[str, ...] = ()


def check(paths: Sequence[Path]) -> list[Ruling]:
    """Run `python -S -m proofs_check` on certificates, from a folder that holds nothing else."""
    spec = find_spec("proofs_check")
    if spec is None or spec.origin is None:
        raise InternalError("the package proofs_check is not installed beside theorylab")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "proofs_check").symlink_to(Path(spec.origin).parent, target_is_directory=True)
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-m", "proofs_check", "--json", *(str(p.resolve()) for p in paths)],
            cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT, check=False,
        )  # fmt: skip
    if done.returncode not in (0, 1):
        raise InternalError(f"proofs_check ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    return [
        Ruling(
            r["accepted"],
            r.get("reason", ""),
            r.get("scope", ""),
            r.get("statement_hash", ""),
            tuple(r.get("domain", ())),
        )
        for r in json.loads(done.stdout)
    ]
