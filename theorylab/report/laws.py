"""The table of conservation laws as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from theorylab.report.markdown import code, text
from theorylab.store import write_atomic

if TYPE_CHECKING:
    from theorylab.survey import Line

HEADER = ("Model", "Laws", "Sizes tested", "Independent laws", "Evidence")
TITLE = "Conservation laws"
SUMMARY = (
    "Every law is constant along the flow for every differentiable loss. Certified: the independent checker verified "
    "the laws, that they are independent, and by the Lie closure how many there are at most; complete: no others. "
    "A gap is the number of laws that may be missing from the polynomial ones."
)


def html(lines: Sequence[Line]) -> str:
    """One page that loads nothing."""
    environment = Environment(
        loader=PackageLoader("theorylab.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    style = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    template = environment.get_template("laws.html.j2")
    return template.render(title=TITLE, summary=SUMMARY, header=HEADER, lines=lines, css=Markup(style))


def markdown(lines: Sequence[Line]) -> str:
    rows = [f"# {TITLE}", "", text(SUMMARY), "", "| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for line in lines:
        laws = "<br>".join(code(law) for law in line.laws) or "none"
        laws += "".join(f"<br>{text(proved)}" for proved in line.for_all_sizes)
        remark = f"<br>{text(line.remark)}" if line.remark else ""
        surprise = (
            "" if line.as_expected or line.expected is None else f", expected {', '.join(map(str, line.expected))}"
        )
        cells = (text(line.name) + remark, laws, text(line.sizes), line.counts + surprise, text(line.status))
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def write(lines: Sequence[Line], folder: Path) -> list[Path]:
    """laws.html and laws.md in a folder."""
    paths = [folder / "laws.html", folder / "laws.md"]
    for path, content in zip(paths, (html(lines), markdown(lines)), strict=True):
        write_atomic(path, content.encode())
    return paths
