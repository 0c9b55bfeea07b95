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

    Beside an HTML report lies its JSON twin, the same stem with the suffix .json; beside a Markdown report its figures,
    in a folder of the same stem. `run` adds seed, settings, versions
    and the command that repeats it. The same verdicts give the same bytes. Raises InputError for an unknown suffix, for
    anything but verdicts, and where the file cannot be written.
    """
    path = Path(path)
    write = _writers().get(path.suffix.lower())
    if write is None:
        expected = ", ".join(_writers())
        raise InputError(f"the report {str(path)!r} has the suffix {path.suffix!r}, expected one of {expected}")
    chosen = [verdicts] if isinstance(verdicts, Verdict) else verdicts
    write(build(chosen, run, folder=path.parent, title=title), path)
    return path


def _writers() -> dict[str, Callable[[Document, Path], None]]:
    return {".html": _html, ".pdf": _pdf, ".md": _markdown, ".tex": _latex}


def _html(document: Document, path: Path) -> None:
    twin = path.with_suffix(".json")
    if twin.name == FILE_NAME:
        raise InputError(
            f"the report {str(path)!r} has the JSON twin {FILE_NAME!r}, the name of a run record, expected another name"
        )
    from theorylab.report import html

    data = canonical_json(document.twin)
    page = html.render(document).encode("utf-8")
    write_atomic(twin, data)
    write_atomic(path, page)


def _pdf(document: Document, path: Path) -> None:
    from theorylab.report import pdf

    write_atomic(path, pdf.render(document))


def _markdown(document: Document, path: Path) -> None:
    from theorylab.report import markdown

    folder = path.parent / f"{path.stem}-figures"
    text, figures = markdown.render(document, folder.name)
    for name, drawing in figures.items():
        write_atomic(folder / name, drawing.encode("utf-8"))
    write_atomic(path, text.encode("utf-8"))


def _latex(document: Document, path: Path) -> None:
    from theorylab.report import latex

    write_atomic(path, latex.render(document).encode("utf-8"))
