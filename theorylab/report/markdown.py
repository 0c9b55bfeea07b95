"""The report as Markdown with TeX between double dollars (GitHub, Jupyter, pandoc); figures are SVG files beside it."""

from __future__ import annotations

import re
from urllib.parse import quote

from theorylab.report import plot, wording
from theorylab.report.model import (
    Banner,
    Block,
    Bullets,
    Derivation,
    Document,
    Equation,
    Equations,
    Fact,
    Facts,
    Listing,
    Paragraph,
    Plot,
    Section,
)

_SPECIAL = re.compile(r"([\\`*_\[\]|~$<>&])")
_STARTS_BLOCK = re.compile(r"^(\d*)([#+=-]|(?<=\d)[.)](?=\s|$))")


def render(document: Document, figures: str) -> tuple[str, dict[str, str]]:
    """The text, and the figures it shows: file name to SVG. `figures` is the folder, relative to the text."""
    drawings: dict[str, str] = {}
    writer = _Writer(figures, drawings)
    lines = [f"# {text(document.title)}", "", text(document.summary), "", *_table(document)]
    for section in document.claims:
        lines += writer.section(section, 2)
    if document.record:
        lines += writer.section(document.record, 2)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n", drawings


def text(words: str) -> str:
    """`words` as one line of Markdown in which no character has a meaning of its own."""
    return _STARTS_BLOCK.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", " ".join(words.split())))


def code(words: str) -> str:
    """`words` as a code span."""
    words = " ".join(words.split()).replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall("`+", words)), default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") or not words else ""
    return f"{fence}{pad}{words}{pad}{fence}"


def _fenced(words: str) -> list[str]:
    fence = "`" * max(3, max(map(len, re.findall("`+", words)), default=0) + 1)
    return [f"{fence}text", *words.splitlines(), fence, ""]


def _display(tex: str) -> list[str]:
    line = " ".join(tex.split())
    if "$" in line or "`" in line or not line:
        return _fenced(tex)
    return ["$$", line.replace("<", r"\lt ").replace(">", r"\gt "), "$$", ""]


def _table(document: Document) -> list[str]:
    lines = ["| claim | verdict | tier | scope | expected | control of |", "|---|---|---|---|---|---|"]
    for group in document.groups:
        for row in group.rows:
            mark = f"{wording.STATUS_SYMBOL[row.badge.status]} {row.badge.status}"
            cells = (
                f"{text(row.title)} {code(row.claim_id)}",
                mark,
                row.badge.tier or "",
                text(row.scope),
                wording.expectation(row.badge),
                code(row.control_of) if row.control_of else "",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


class _Writer:
    def __init__(self, figures: str, drawings: dict[str, str]) -> None:
        self.figures = figures
        self.drawings = drawings

    def section(self, section: Section, level: int) -> list[str]:
        heading = f"{'#' * min(level, 6)} {text(wording.heading(section))}"
        if section.outcome:
            heading += f" ({wording.OUTCOME_WORDS[section.outcome]})"
        lines = ["", heading, ""]
        if section.banner:
            lines += _banner(section.banner)
        for block in section.blocks:
            lines += [*self.block(block), ""]
        for child in section.sections:
            if child.blocks or child.banner:
                lines += self.section(child, level + 1)
        return lines

    def block(self, block: Block) -> list[str]:
        match block:
            case Paragraph():
                return [text(block.text)]
            case Equation():
                return _display(block.tex)
            case Equations():
                return [line for tex in block.formulas for line in _display(tex)]
            case Bullets():
                return [f"{text(block.title)}:", "", *(f"- {text(item)}" for item in block.items)]
            case Facts():
                return [_fact(fact) for fact in block.rows]
            case Listing():
                return [f"{text(block.title)}:", "", *_fenced(block.text)]
            case Plot():
                return self.plot(block)
            case Derivation():
                lines: list[str] = []
                for number, row in enumerate(block.rows, 1):
                    lines += [f"{number}\\. {text(row.rule)}:", ""]
                    lines += [] if row.before is None else _display(row.before)
                    lines += _display(row.after)
                return lines

    def plot(self, block: Plot) -> list[str]:
        name = f"{block.name}.svg"
        self.drawings[name] = plot.standalone(block.figure)
        lines = [f"![{text(block.figure.title)}]({quote(self.figures)}/{quote(name)})"]
        return [*lines, "", text(block.figure.caption)] if block.figure.caption else lines


def _banner(banner: Banner) -> list[str]:
    badge = banner.badge
    tier = f", tier {badge.tier}" if badge.tier else ""
    lines = [
        f"- verdict: **{wording.STATUS_SYMBOL[badge.status]} {badge.status}**{tier}",
        f"- scope: {text(banner.scope or 'not stated')}",
        f"- expected: {wording.expectation(badge)}",
        f"- id: {code(banner.claim_id)}",
    ]
    if banner.control_of:
        lines.append(f"- control of: {code(banner.control_of)}")
    about = " · ".join(text(part) for part in (banner.kind_of_claim, banner.source) if part)
    if about:
        lines.append(f"- claim: {about}")
    return [*lines, "", *([text(banner.reason), ""] if banner.reason else [])]


def _fact(fact: Fact) -> str:
    value = code(fact.value) if fact.code else text(fact.value)
    return f"- {text(fact.name)}: [{value}]({quote(fact.link)})" if fact.link else f"- {text(fact.name)}: {value}"
