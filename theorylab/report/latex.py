"""The report as a LaTeX article: amsmath formulas in lines that fit, pgfplots figures, no file beside it."""

from __future__ import annotations

import re

from theorylab.report import formula, plot, wording
from theorylab.report.mathematics import is_mathematics
from theorylab.report.model import (
    Badge,
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
from theorylab.verdict import Figure

LINE = 33.0
"""Length of a displayed line in em; the page of the preamble holds 36."""

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=26mm]{geometry}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
  \newcommand{\othercharacter}[2]{[U+#1]}
\else
  \usepackage{fontspec}
  \newcommand{\othercharacter}[2]{#2}
\fi
\usepackage{amsmath,amssymb,mathtools}
\providecommand{\lt}{<}
\providecommand{\gt}{>}
\usepackage{array,longtable,booktabs,xcolor}
\usepackage{pgfplots}
\pgfplotsset{compat=1.16,every axis/.append style={width=0.72\textwidth,height=0.48\textwidth,grid=major,
  legend pos=outer north east,legend style={draw=none,font=\footnotesize},label style={font=\small},
  tick label style={font=\footnotesize}}}
\definecolor{proved}{HTML}{17603F}
\definecolor{supported}{HTML}{1F5288}
\definecolor{refuted}{HTML}{94311F}
\definecolor{inconclusive}{HTML}{75560A}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5\baselineskip}
\allowdisplaybreaks
\raggedbottom
"""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"{'}",
    "`": r"\textasciigrave{}",
    "-": r"{-}",
    "\u202f": r"\,",
    "\u00a0": "~",
    "\ufffd": "?",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "·": r"\textperiodcentered{}",
    **{digit: rf"\textsuperscript{{{i}}}" for i, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{digit: rf"\textsubscript{{{i}}}" for i, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    "⁻": r"\textsuperscript{--}",
}
_MATH = {
    "×": r"\times", "−": "-", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "∞": r"\infty",
    "∎": r"\blacksquare", "→": r"\to", "↦": r"\mapsto", "∈": r"\in", "∀": r"\forall", "∃": r"\exists", "∑": r"\sum",
    "∏": r"\prod",
    "∂": r"\partial", "∇": r"\nabla", "√": r"\surd", "‖": r"\|", "⊙": r"\odot",
    "±": r"\pm", "ℓ": r"\ell",
    "⊤": r"\top", "⟨": r"\langle", "⟩": r"\rangle", "○": r"\circ", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma",
    "δ": r"\delta", "ε": r"\varepsilon", "ζ": r"\zeta", "η": r"\eta", "θ": r"\theta", "κ": r"\kappa", "λ": r"\lambda",
    "μ": r"\mu", "ν": r"\nu", "ξ": r"\xi", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "φ": r"\varphi",
    "χ": r"\chi", "ψ": r"\psi", "ω": r"\omega", "Γ": r"\Gamma", "Δ": r"\Delta", "Θ": r"\Theta", "Λ": r"\Lambda",
    "Π": r"\Pi", "Σ": r"\Sigma", "Φ": r"\Phi", "Ψ": r"\Psi", "Ω": r"\Omega",
}  # fmt: skip
_ESCAPES |= {character: rf"\ensuremath{{{tex}}}" for character, tex in _MATH.items()}
_BREAKABLE = re.compile(r"(?<=[/.,=_:-])|(?<=[0-9a-f]{8})(?=[0-9a-f]{8})")


def render(document: Document) -> str:
    """The article, ready for pdflatex, lualatex or xelatex."""
    lines = [
        _PREAMBLE + r"\begin{document}",
        rf"\section*{{{text(document.title)}}}",
        text(document.summary),
        "",
        *_table(document),
    ]
    for section in document.claims:
        lines += _section(section, 0)
    if document.record:
        lines += _section(document.record, 0)
    return "\n".join([*lines, r"\end{document}", ""])


def text(words: str) -> str:
    """`words` as running text in which no character has a meaning of its own."""
    return "".join(map(_character, " ".join(words.split())))


def code(words: str) -> str:
    """`words` in a fixed pitch, with places to break."""
    parts = _BREAKABLE.split(" ".join(words.split()))
    return r"\texttt{" + r"\allowbreak{}".join(text(part) if part.strip() else "~" * len(part) for part in parts) + "}"


def display(tex: str) -> str:
    """A displayed formula in as many lines as it needs; the TeX itself in a fixed pitch where it is not safe to set.

    Only balanced formulas of known commands are passed on, so that TeX from a stored run can neither read files nor
    leave its display.
    """
    parts = formula.outlines(tex)
    if parts is None or not _is_safe(tex):
        return rf"\begin{{quote}}\raggedright {code(tex)}\end{{quote}}"
    lines: list[str] = []
    room = 0.0
    for part in parts:
        if not lines or part.starts_line or part.width > room:
            lines.append(part.tex)
            room = LINE - part.width
        else:
            lines[-1] += " " + part.tex
            room -= part.width
    if len(lines) == 1:
        return f"\\[\n{lines[0]}\n\\]"
    body = "\\\\\n&\\quad ".join(lines)
    return f"\\begin{{align*}}\n&{body}\n\\end{{align*}}"


def _inline(tex: str) -> str:
    return rf"\(\displaystyle {' '.join(tex.split())}\)" if _is_safe(tex) else code(tex)


def _is_safe(tex: str) -> bool:
    return is_mathematics(tex) and formula.outlines(tex) is not None


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character < "\x7f" or "\xa1" <= character <= "\xff":
        return character
    return rf"\othercharacter{{{ord(character):04X}}}{{{character}}}"


def _status(status: str) -> str:
    return rf"\textcolor{{{status}}}{{\textbf{{{status}}}}}"


def _table(document: Document) -> list[str]:
    columns = r"@{}>{\raggedright}p{0.43\textwidth}>{\raggedright}p{0.2\textwidth}>{\raggedright}p{0.15\textwidth}"
    lines = [
        rf"\begin{{longtable}}{{{columns}>{{\raggedright\arraybackslash}}p{{0.13\textwidth}}@{{}}}}",
        r"\toprule claim & verdict, tier & scope & expected \\ \midrule \endhead",
    ]
    for group in document.groups:
        for row in group.rows:
            control = rf"\par{{\footnotesize control of {code(row.control_of)}}}" if row.control_of else ""
            lines.append(
                rf"{text(row.title)}\par{{\footnotesize {code(row.claim_id)}}}{control} & {_verdict(row.badge)} & "
                rf"{text(row.scope)} & {text(wording.expectation(row.badge))} \\ \addlinespace"
            )
    return [*lines, r"\bottomrule", r"\end{longtable}", ""]


def _verdict(badge: Badge) -> str:
    return _status(badge.status) + (f", {badge.tier}" if badge.tier else "")


def _section(section: Section, depth: int) -> list[str]:
    command = ("section", "subsection", "subsubsection", "paragraph", "subparagraph")[min(depth, 4)]
    title = text(wording.heading(section))
    if section.outcome:
        title += f" ({wording.OUTCOME_WORDS[section.outcome]})"
    end = r"\mbox{}\par" if command.endswith("paragraph") else ""
    lines = [rf"\{command}*{{{title}}}{end}", ""]
    if section.banner:
        lines += _banner(section.banner)
    for block in section.blocks:
        lines += [*_block(block), ""]
    for child in section.sections:
        if child.blocks or child.banner:
            lines += _section(child, depth + 1)
    return lines


def _banner(banner: Banner) -> list[str]:
    facts = [f"{_verdict(banner.badge)}", f"scope: {text(banner.scope or 'not stated')}"]
    facts.append(f"expected: {text(wording.expectation(banner.badge))}")
    if banner.control_of:
        facts.append(f"control of {code(banner.control_of)}")
    about = [text(part) for part in (banner.kind_of_claim, banner.source) if part] + [code(banner.claim_id)]
    lines = [
        r"{\raggedright " + r" \quad ".join(facts) + r"\par}",
        r"{\raggedright\small " + "; ".join(about) + r"\par}",
    ]
    return [*lines, "", *([text(banner.reason), ""] if banner.reason else [])]


def _block(block: Block) -> list[str]:
    match block:
        case Paragraph():
            return [text(block.text)]
        case Equation():
            return [display(block.tex)]
        case Equations():
            return [r"{\raggedright " + r" \qquad ".join(map(_inline, block.formulas)) + r"\par}"]
        case Bullets():
            items = [rf"\item {{}}{text(item)}" for item in block.items]
            return [f"{text(block.title)}:", r"\begin{itemize}", *items, r"\end{itemize}"]
        case Facts():
            return [r"\begin{itemize}\raggedright", *map(_fact, block.rows), r"\end{itemize}"]
        case Listing():
            lines = r" \\ ".join(code(line) or "~" for line in block.text.splitlines() or [""])
            return [f"{text(block.title)}:", rf"\begin{{quote}}\raggedright\small {lines}\end{{quote}}"]
        case Plot():
            return _plot(block)
        case Derivation():
            lines = []
            for number, row in enumerate(block.rows, 1):
                lines.append(rf"\textbf{{{number}.}} {text(row.rule)}")
                lines += [] if row.before is None else [display(row.before)]
                lines.append(display(row.after))
            return lines


def _fact(fact: Fact) -> str:
    value = code(fact.value) if fact.code else text(fact.value)
    return rf"\item {{}}{text(fact.name)}: {value}"


def _plot(block: Plot) -> list[str]:
    figure = block.figure
    options = [
        f"title={{{text(figure.title)}}}",
        f"xlabel={{{text(figure.xlabel)}}}",
        f"ylabel={{{text(figure.ylabel)}}}",
        f"xmode={_mode(figure.xscale)}",
        f"ymode={_mode(figure.yscale)}",
    ]
    caption = [rf"\par{{\small {text(figure.caption)}\par}}"] if figure.caption else []
    return [
        r"\begin{center}",
        r"\begin{tikzpicture}",
        rf"\begin{{axis}}[{','.join(options)}]",
        *_curves(figure),
        r"\end{axis}",
        r"\end{tikzpicture}",
        *caption,
        r"\end{center}",
    ]


def _mode(scale: str) -> str:
    return "log" if scale == "log" else "linear"


def _curves(figure: Figure) -> list[str]:
    marks = ("*", "square*", "triangle*", "diamond*", "x", "+")
    dashes = ("solid", "dashed", "dotted", "dash dot", "densely dashed", "densely dotted")
    lines = []
    for number, curve in enumerate(figure.series):
        colour = plot.PRINT_PALETTE[f"series-{number % plot.COLOURS}"].removeprefix("#").upper()
        style = [
            f"color=series{number % plot.COLOURS}",
            f"mark={marks[number % 6] if curve.style != 'line' else 'none'}",
        ]
        style.append("only marks" if curve.style == "points" else dashes[number % 6])
        points = " ".join(f"({x!r},{y!r})" for x, y in zip(curve.x, curve.y, strict=True))
        lines.append(rf"\definecolor{{series{number % plot.COLOURS}}}{{HTML}}{{{colour}}}")
        lines.append(rf"\addplot[{','.join(style)}] coordinates {{{points}}};")
        if len(figure.series) > 1:
            lines.append(rf"\addlegendentry{{{text(curve.label)}}}")
    return lines
