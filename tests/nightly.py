"""`python tests/nightly.py [pytest options]`: every test, slow ones too; a summary of the run in tests/nightly.md."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

SUMMARY = Path(__file__).with_name("nightly.md")
SLOWEST = 25


class Summary:
    """Outcomes and times of all tests, as pytest reports them."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.seconds: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        known = self.outcomes.get(report.nodeid)
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            self.reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
        if known in (None, "passed"):
            self.outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else report.outcome

    def written(self, seconds: float) -> str:
        counts = Counter(self.outcomes.values())
        packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "sympy", "hypothesis"))
        lines = [
            "# The last nightly run",
            "",
            f"{', '.join(f'{n} {what}' for what, n in sorted(counts.items()))} in {seconds / 60:.1f} minutes.",
            "",
            f"Python {platform.python_version()}, {packages}; {platform.system()} {platform.machine()}, "
            f"{os.cpu_count()} processors. Repeat with `make nightly`.",
            "",
        ]
        bad = [name for name, outcome in self.outcomes.items() if outcome not in ("passed", "skipped")]
        if bad:
            lines += ["## Not passed", "", *(f"- {self.outcomes[name]}: `{name}`" for name in sorted(bad)), ""]
        if self.reasons:
            lines += ["## Skipped", "", *(f"- {n}: {reason}" for reason, n in self.reasons.most_common()), ""]
        slowest = "\n".join(f"| `{name}` | {spent:.1f} |" for name, spent in self.seconds.most_common(SLOWEST))
        return "\n".join([*lines, "## Slowest", "", "| test | seconds |", "|---|---|", slowest, ""])


def main(options: list[str]) -> int:
    summary, start = Summary(), time.monotonic()
    code = pytest.main(["-q", "--disable-warnings", *options], plugins=[summary])
    if summary.outcomes:
        SUMMARY.write_text(summary.written(time.monotonic() - start), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
