"""How a batch is shown while it runs (on standard error) and what is printed of it at the end."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TextIO

from theorylab.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from theorylab.batch import Failure, Monitor

_COLOURS = {"proved": "green", "supported": "cyan", "refuted": "red", "inconclusive": "yellow"}
_COLUMNS = ("id", "status", "tier", "scope", "expected")


class PlainMonitor:
    """One line a claim, when it is decided."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.stream, self.done = total, stream, 0

    def started(self, claim_id: str) -> None:
        pass

    def stage(self, text: str) -> None:
        pass

    def decided(self, verdict: Verdict) -> None:
        self._line(sentence(verdict))

    def failed(self, failure: Failure) -> None:
        self.done += 1
        print(f"theorylab: {failure.message}", file=self.stream, flush=True)

    def _line(self, text: str) -> None:
        self.done += 1
        width = len(str(self.total))
        print(f"[{self.done:{width}}/{self.total}] {text}", file=self.stream, flush=True)


class RichMonitor(PlainMonitor):
    """A bar with the claim and the stage under way, below one coloured line for each decided claim."""

    def __init__(self, total: int, progress: Progress, task: TaskID) -> None:
        super().__init__(total, sys.stderr)
        self.progress, self.task, self.claim_id = progress, task, ""

    def started(self, claim_id: str) -> None:
        self.claim_id = claim_id
        self._show(claim_id)

    def stage(self, text: str) -> None:
        self._show(f"{self.claim_id}: {text}")

    def decided(self, verdict: Verdict) -> None:
        self._finish(sentence(verdict), _COLOURS[verdict.status] if verdict.as_expected else "bold red")

    def failed(self, failure: Failure) -> None:
        self._finish(f"theorylab: {failure.message}", "bold red")

    def _show(self, text: str) -> None:
        self.progress.update(self.task, description=text)

    def _finish(self, text: str, style: str) -> None:
        from rich.text import Text

        self.progress.console.print(Text(text, style=style))
        self.progress.advance(self.task)


def monitor(total: int) -> AbstractContextManager[Monitor]:
    """The monitor that suits standard error: a rich display on a terminal, plain lines otherwise."""
    return _rich_monitor(total) if sys.stderr.isatty() else _plain_monitor(total)


@contextmanager
def _plain_monitor(total: int) -> Iterator[Monitor]:
    yield PlainMonitor(total, sys.stderr)


@contextmanager
def _rich_monitor(total: int) -> Iterator[Monitor]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
    from rich.text import Text

    class Description(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.description, overflow="ellipsis", no_wrap=True)

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), Description())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield RichMonitor(total, progress, progress.add_task("", total=total))


def sentence(verdict: Verdict) -> str:
    """`ID: STATUS (TIER), SCOPE`, and what was expected where it is something else, with the reason."""
    tier = f" ({verdict.tier})" if verdict.tier else ""
    text = f"{verdict.id}: {verdict.status}{tier}, {verdict.scope}"
    if not verdict.as_expected:
        text += f"; expected {verdict.expected or 'proved or supported'}"
        text += f": {' '.join(verdict.reason.split())}" if verdict.reason else ""
    return text


def verdict_table(verdicts: Sequence[Verdict], *, colour: bool = False) -> str:
    """The verdicts as aligned columns, never cut; a star marks a verdict that is not the expected one."""
    rows = [
        (v.id, v.status, v.tier or "-", v.scope, (v.expected or "-") + ("" if v.as_expected else "  *"))
        for v in verdicts
    ]
    styles = [_COLOURS[v.status] if v.as_expected else "bold red" for v in verdicts]
    return table(_COLUMNS, rows, styles if colour else None)


def mutant_table(verdicts: Sequence[Verdict], *, colour: bool = False) -> str:
    """The mutants of the claims, what became of each, and what was found of those that did not die."""
    listed = [(v, m) for v in verdicts for m in v.mutants]
    rows = [(v.id, m.what, m.to, m.fate, "" if m.fate == "dies" else " ".join(m.found.split())[:72]) for v, m in listed]
    colours = {"dies": "green", "also true": "cyan", "lives": "yellow", "no statement": "dim", "not tried": "dim"}
    styles = [colours[m.fate] for _, m in listed]
    return table(("mutant of", "changed", "to", "fate", "found"), rows, styles if colour else None)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> str:
    """Aligned columns under a header and a rule; `styles` are rich styles of the rows."""
    widths = [max(_width(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [_row(row, widths) for row in (header, ["-" * width for width in widths], *rows)]
    if styles is None:
        return "\n".join(lines)
    from rich.style import Style

    return "\n".join(lines[:2] + [Style.parse(s).render(line) for s, line in zip(styles, lines[2:], strict=True)])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
