"""The report as one HTML page that loads nothing: formulas and plots are SVG, the style is inline, without scripts."""

from __future__ import annotations

from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from theorylab.report import formula, plot, wording
from theorylab.report.model import Document, Plot

SHOWN_POINTS = 60
"""Points of a curve listed under its figure; the JSON twin has all of them."""

SCROLLS = 24.0
"""A piece wider than this, in em, may have to scroll on a small screen, so a keyboard must reach it."""

_PAGE_COLOURS = {name: f"var(--{name})" for name in plot.PRINT_PALETTE}


def render(document: Document) -> str:
    """The page, the same text for the same document."""
    symbols: dict[str, str] = {}

    def show_plot(block: Plot) -> Markup:
        drawing = plot.draw(block.figure, block.name, _PAGE_COLOURS)
        symbols.update(drawing.symbols)
        figure = block.figure
        words = f"{figure.title}. {figure.ylabel} against {figure.xlabel}: {', '.join(s.label for s in figure.series)}."
        return Markup('<svg viewBox="{}" role="img" aria-label="{}">{}</svg>').format(
            drawing.view, words, Markup(drawing.body)
        )

    def show_formula(tex: str) -> Markup:
        return formula_markup(tex, symbols)

    def definitions() -> Markup:
        shapes = "".join(symbols[key] for key in sorted(symbols))
        return Markup(f'<svg class="symbols" aria-hidden="true"><defs>{shapes}</defs></svg>')

    environment = Environment(
        loader=PackageLoader("theorylab.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["path"] = lambda text: quote(text, safe="/")
    source = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    return environment.get_template("report.html.j2").render(
        document=document,
        css=Markup(source),
        formula=show_formula,
        plot=show_plot,
        symbols=definitions,
        number=wording.number,
        symbol=wording.STATUS_SYMBOL,
        status_meaning=wording.STATUS_MEANING,
        tier_meaning=wording.TIER_MEANING,
        tier_trust=wording.TIER_TRUST,
        outcome_symbol=wording.OUTCOME_SYMBOL,
        outcome_words=wording.OUTCOME_WORDS,
        expectation_words=wording.expectation,
        shown_points=SHOWN_POINTS,
        zip=lambda left, right: zip(left, right, strict=True),
    )


def formula_markup(tex: str, symbols: dict[str, str]) -> Markup:
    """One displayed formula; its shapes are added to `symbols`. The TeX itself, as code, where it cannot be set."""
    parts = formula.outlines(tex)
    if parts is None:
        return Markup('<div class="formula source"><code>{}</code></div>').format(tex)
    markup = ""
    for number, part in enumerate(parts):
        symbols.update(part.symbols)
        if number:
            markup += "<br>" if part.starts_line else "<wbr>"
        markup += (
            f'<svg width="{part.width}em" height="{part.height}em" viewBox="{part.view}" '
            f'style="vertical-align:{-part.depth}em" aria-hidden="true">{part.body}</svg>'
        )
    reach = ' tabindex="0"' if max(part.width for part in parts) > SCROLLS else ""
    return Markup(f'<div class="formula" role="math" aria-label="{escape(tex)}"{reach}>{markup}</div>')
