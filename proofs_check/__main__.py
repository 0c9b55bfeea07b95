"""`python -S -m proofs_check [--json] FILE...`: one line a certificate.

Exit code 0 if every certificate is accepted, 1 if one is rejected, 2 for a usage error or an unreadable file.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from .document import MAX_BYTES
from .kernel import Outcome, check

MEMORY = 500 * 2**20
USAGE = "usage: python -S -m proofs_check [--json] FILE..."


def main(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    paths = [argument for argument in arguments if argument != "--json"]
    if not paths or any(path.startswith("-") for path in paths):
        print(USAGE, file=sys.stderr)
        return 2
    answers: list[tuple[str, Outcome]] = []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            print(f"cannot read {path}: {error.strerror}", file=sys.stderr)
            continue
        answers.append((path, check(data)))
        if not as_json:
            print(line(*answers[-1]))
    if as_json:
        print(json.dumps([{"path": path, **asdict(outcome)} for path, outcome in answers], indent=1))
    if len(answers) < len(paths):
        return 2
    return 0 if all(outcome.accepted for _, outcome in answers) else 1


def line(path: str, outcome: Outcome) -> str:
    """ACCEPTED or REJECTED, in one line."""
    if not outcome.accepted:
        return f"REJECTED  {path}: {outcome.reason}"
    assumed = f"  where {'; '.join(outcome.domain)}" if outcome.domain else ""
    given = f"  if {'; '.join(outcome.given)}" if outcome.given else ""
    return f"ACCEPTED  {path}  {outcome.claim}  [{outcome.scope}]{given}{assumed}"


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on this platform: the budget of steps is the only limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


if __name__ == "__main__":
    _limit_memory()
    sys.exit(main(sys.argv[1:]))
