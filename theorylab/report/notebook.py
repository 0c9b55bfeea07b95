"""How a verdict shows itself in a notebook."""

from __future__ import annotations

from markupsafe import Markup

from theorylab.report import latex, wording
from theorylab.report.html import formula_markup
from theorylab.verdict import Verdict

_TONES = {"proved": "#17603f", "supported": "#1f5288", "refuted": "#94311f", "inconclusive": "#75560a"}


def verdict_html(verdict: Verdict) -> str:
    """Title, status, tier, scope and statement as a fragment of HTML that needs nothing around it."""
    symbols: dict[str, str] = {}
    title = wording.printable(verdict.title or verdict.id)
    statement = formula_markup(wording.printable(verdict.statement_tex), symbols) if verdict.statement_tex else ""
    shapes = Markup("".join(symbols[key] for key in sorted(symbols)))
    return Markup(
        '<div><strong>{}</strong> <code>{}</code><br><span style="color:{}">{} <strong>{}</strong></span>{}, scope: {}'
        '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>{}</defs></svg>{}{}</div>'
    ).format(
        title,
        wording.printable(verdict.id),
        _TONES[verdict.status],
        wording.STATUS_SYMBOL[verdict.status],
        verdict.status,
        f", tier {verdict.tier}" if verdict.tier else "",
        wording.printable(verdict.scope) or "not stated",
        shapes,
        statement,
        Markup("<p>{}</p>").format(wording.printable(verdict.reason)) if verdict.reason else "",
    )


def verdict_latex(verdict: Verdict) -> str:
    """The same as LaTeX text with a displayed formula."""
    tier = f", {verdict.tier}" if verdict.tier else ""
    head = rf"\textbf{{{latex.text(verdict.title or verdict.id)}}}: {verdict.status}{tier}"
    head += rf" (scope: {latex.text(verdict.scope or 'not stated')})"
    return f"{head}\n{latex.display(verdict.statement_tex)}" if verdict.statement_tex else head
