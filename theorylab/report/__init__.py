"""Reports: one model of what is said, and a renderer for each format (html, md, tex, pdf)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from theorylab.errors import InputError
from theorylab.report.build import build
from theorylab.report.model import Document
from theorylab.store import FILE_NAME, Run, canonical_json, write_atomic
from theorylab.verdict import Verdict

__all__ = ["Document", "build", "report"]


def report(
    verdicts: Verdict | Iterable[Verdict], path: str | Path, *, run: Run | None = None, title: str = "Verdicts"
) -> Path:
    """Write a report on `verdicts` to `path` and return it; the suffix chooses the format: .html .pdf .md .tex.

    Beside an HTML report lies its JSON twin, the same stem with the suffix .json. `run` adds seed, settings, versions
    and the command that repeats it. The same verdicts give the same bytes. Raises InputError for an unknown suffix, for
    anything but verdicts, and where the file cannot be written.
    """
    path = Path(path)
    write = _writers().get(path.suffix.lower())
    if write is None:
        expected = ", ".join(_writers())
        raise InputError(f"the report {str(path)!r} has the suffix {path.suffix!r}, expected one of {expected}")
    write(build(verdicts, run, folder=path.parent, title=title), path)
    return path


def _writers() -> dict[str, Callable[[Document, Path], None]]:
    return {".html": _html}


def _html(document: Document, path: Path) -> None:
    twin = path.with_suffix(".json")
    if twin.name == FILE_NAME:
        raise InputError(
            f"the report {str(path)!r} has the JSON twin {FILE_NAME!r}, the name of a run record, expected another name"
        )
    from theorylab.report import html

    page = html.render(document).encode("utf-8")
    write_atomic(twin, canonical_json(document.twin))
    write_atomic(path, page)
