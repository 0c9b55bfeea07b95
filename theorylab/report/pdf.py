"""The report as PDF, set by Typst from the report as data: the template is fixed, the text never becomes code."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import typst

from theorylab.report import formula, plot, wording
from theorylab.report.model import (
    Badge,
    Block,
    Bullets,
    Derivation,
    Document,
    Equation,
    Equations,
    Facts,
    Listing,
    Paragraph,
    Plot,
    Section,
)


def render(document: Document) -> bytes:
    """The PDF, the same bytes for the same document: fonts of the typst package only, no date."""
    template = files("theorylab.report").joinpath("templates", "report.typ").read_bytes()
    return typst.compile(
        template,
        sys_inputs={"report": json.dumps(data(document), sort_keys=True)},
        ignore_system_fonts=True,
        format="pdf",
    )


def data(document: Document) -> dict[str, Any]:
    """What the template reads: plain JSON values, formulas and figures as SVG."""
    return {
        "title": document.title,
        "summary": document.summary,
        "symbols": wording.STATUS_SYMBOL,
        "outcomes": wording.OUTCOME_WORDS,
        "rows": [
            {
                "title": row.title,
                "claim_id": row.claim_id,
                "control_of": row.control_of,
                "badge": _badge(row.badge),
                "scope": row.scope,
                "expectation": wording.expectation(row.badge),
            }
            for group in document.groups
            for row in group.rows
        ],
        "claims": [_section(section) for section in document.claims],
        "record": _section(document.record) if document.record else None,
    }


def _badge(badge: Badge) -> dict[str, Any]:
    return {"status": badge.status, "tier": badge.tier}


def _section(section: Section) -> dict[str, Any]:
    banner = section.banner
    return {
        "title": wording.heading(section),
        "role": section.role,
        "outcome": section.outcome,
        "banner": banner
        and {
            "claim_id": banner.claim_id,
            "badge": _badge(banner.badge),
            "scope": banner.scope,
            "source": banner.source,
            "kind_of_claim": banner.kind_of_claim,
            "control_of": banner.control_of,
            "reason": banner.reason,
            "expectation": wording.expectation(banner.badge),
        },
        "blocks": [{"kind": block.kind} | _block(block) for block in section.blocks],
        "sections": [_section(child) for child in section.sections],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph():
            return {"text": block.text}
        case Equation():
            return _formula(block.tex)
        case Equations():
            return {"formulas": [_formula(tex) for tex in block.formulas]}
        case Bullets():
            return {"title": block.title, "items": block.items}
        case Facts():
            return {"rows": [{"name": fact.name, "value": fact.value, "code": fact.code} for fact in block.rows]}
        case Listing():
            return {"title": block.title, "text": block.text}
        case Plot():
            figure = block.figure
            return {"title": figure.title, "caption": figure.caption, "svg": plot.standalone(figure)}
        case Derivation():
            return {
                "rows": [
                    {
                        "rule": row.rule,
                        "before": None if row.before is None else _formula(row.before),
                        "after": _formula(row.after),
                    }
                    for row in block.rows
                ]
            }


def _formula(tex: str) -> dict[str, Any]:
    parts = formula.outlines(tex)
    if parts is None:
        return {"tex": tex, "pieces": None}
    return {"tex": tex, "pieces": [_piece(part) for part in parts]}


def _piece(part: formula.Outline) -> dict[str, Any]:
    symbols = "".join(markup for _, markup in part.symbols)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{part.view}"><defs>{symbols}</defs>{part.body}</svg>'
    return {
        "svg": svg,
        "tex": part.tex,
        "height": part.height,
        "depth": part.depth,
        "starts_line": part.starts_line,
    }
