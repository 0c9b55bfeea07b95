"""TeX to SVG outlines (ziamath, STIX Two), cut into pieces that a renderer may set in several lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

from ziamath.config import config
from ziamath.zmath import Latex

from theorylab.report import tex as tex_source

MAX_LENGTH = 20_000
MAX_PIECE = 2_000
MAX_NESTING = 40
WIDE = 36.0
"""Widest piece, in em, that is not cut again inside its brackets."""

TALLEST = 60.0
"""No formula is higher than this, in em; a higher drawing is a fault of the drawing."""

_UNITS_PER_EM = 24.0
_BIG_OPERATOR = r"(\\(?:sum|prod|coprod|big(?:cup|cap|sqcup|vee|wedge|odot|oplus|otimes|uplus)))(?![A-Za-z])"
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # a big operator with a script at its side is measured wrongly inside \left ... \right; one with limits is not
        (_BIG_OPERATOR + r"(?:\s*\\(?:no)?limits)?(?=\s*[_^])", r"\1\\limits"),
        # the star is drawn as a star, and \mathop swallows its argument
        (r"\\operatorname\*?\s*\{arg(?:\\[,:; !])?\s*(min|max)\}|\\arg(min|max)(?![A-Za-z])", r"\\arg\\\1\2 "),
        (r"\\operatorname\*", r"\\operatorname"),
        (r"\\mathop(?![A-Za-z])", ""),
        # a named operator gets no space on its left, and on its right only before some symbols
        (r"(?<=[\w})\]])\s*\\operatorname", r"\\,\\operatorname"),
        (r"(\\operatorname\{[^{}]*\})\s*(?=[A-Za-z0-9]|\\(?!left|[bB]ig)[A-Za-z])", r"\1\\,"),
        # and turns italic if it holds a space
        (r"\\operatorname(?=\{[^{}]*\\)", r"\\mathrm"),
        # a sign after a bracket, a comma or a relation is set like a difference
        (
            r"((?:(?<!\\)[,(\[=<>]|\\(?:[lg]eq?|in|to|cdot|times|approx|sim|equiv|mapsto|Rightarrow)(?![A-Za-z]))"
            r"(?:\s|\\[,;:! ]|\\q?quad(?![A-Za-z]))*)-",
            r"\1{-}",
        ),
        # this relation gets no space
        (r"\\perp(?![A-Za-z])", r"\\;\\perp\\;"),
        # a font command takes only an argument in braces
        (r"\\(math(?:bf|bb|cal|sf|rm|it|tt|frak|scr)|boldsymbol)\s+([A-Za-z0-9])(?![A-Za-z0-9])", r"\\\1{\2}"),
    )
)
_DEFINES = re.compile(r"\\(?:def|newcommand|newenvironment|DeclareMathOperator)(?![A-Za-z])")
_KEPT = {
    "symbol": ("id", "viewBox"),
    "use": ("href", "x", "y", "width", "height"),
    "path": ("d", "fill", "stroke", "stroke-width", "stroke-linecap", "transform"),
    "rect": ("x", "y", "width", "height", "fill", "stroke"),
    "line": ("x1", "y1", "x2", "y2", "stroke", "stroke-width"),
    "g": ("transform",),
}
_SAFE = re.compile(r"[#\w\s.,()+-]*")


@dataclass(frozen=True)
class Outline:
    """One unbreakable piece: lengths in em, `depth` below the baseline; `body` is SVG in `view` coordinates."""

    tex: str
    width: float
    height: float
    depth: float
    view: str
    body: str
    symbols: tuple[tuple[str, str], ...]
    starts_line: bool = False


def outlines(tex: str) -> tuple[Outline, ...] | None:
    """The pieces of a formula in reading order; None where ziamath cannot set one of them."""
    if not tex.strip() or len(tex) > MAX_LENGTH:
        return None
    result: list[Outline] = []
    for piece in tex_source.pieces(tex):
        parts = _parts(piece)
        if parts is None:
            return None
        result.extend(parts)
    return tuple(result)


def _parts(piece: tex_source.Piece) -> tuple[Outline, ...] | None:
    """The piece as it is or, too wide, cut inside its brackets and then between its factors, if that can be set."""
    whole = _outline(piece.tex, piece.starts_line)
    if whole is None and len(piece.tex) <= MAX_PIECE:
        return None
    best = None if whole is None else (whole,)
    if whole is not None and whole.width <= WIDE:
        return best
    plain = tex_source.without_sized_delimiters(piece.tex)
    for factors in (False, True):
        cut = tex_source.pieces(plain, inside=True, factors=factors)
        parts = [_outline(part.tex, piece.starts_line and i == 0) for i, part in enumerate(cut)]
        drawn = tuple(part for part in parts if part is not None)
        if len(drawn) == len(parts):
            best = drawn
            if max(part.width for part in drawn) <= WIDE:
                break
    return best


@lru_cache(maxsize=4096)
def _outline(tex: str, starts_line: bool) -> Outline | None:
    deepest = depth = 0
    for character in tex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    if len(tex) > MAX_PIECE or deepest > MAX_NESTING or _DEFINES.search(tex):
        return None
    try:
        with _own_settings():
            formula = Latex(_drawable(tex), size=_UNITS_PER_EM)
            drawing, below = formula.svgxml(), -formula.getyofst()
            unknown = any(re.search(r"\\.", node.text or "") for node in formula.mathml.iter())
    except Exception:  # whatever goes wrong inside ziamath or its parser: the reader then sees the TeX itself
        return None
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    if unknown or height > TALLEST * _UNITS_PER_EM:
        return None
    symbols = tuple(
        (_identifier(symbol.attrib["id"]), _markup(symbol))
        for symbol in drawing.iter("symbol")
        if "id" in symbol.attrib
    )
    body = "".join(_markup(child) for child in drawing if child.tag != "symbol")
    margin = formula.margin
    return Outline(
        tex=tex,
        width=round(width / _UNITS_PER_EM, 3),
        height=round(height / _UNITS_PER_EM, 3),
        depth=round((below + margin) / _UNITS_PER_EM, 3),
        view=drawing.attrib["viewBox"],
        body=body,
        symbols=symbols,
        starts_line=starts_line,
    )


def _drawable(tex: str) -> str:
    """The formula in the words that ziamath draws as TeX would."""
    for pattern, replacement in _REWRITES:
        tex = pattern.sub(replacement, tex)
    return tex


@contextmanager
def _own_settings() -> Iterator[None]:
    """ziamath keeps its settings in one global object; a caller's notebook gets its own back."""
    before = config.svg2, config.precision, config.math.color
    config.svg2, config.precision, config.math.color = True, 2, "currentColor"
    try:
        yield
    finally:
        config.svg2, config.precision, config.math.color = before


def _identifier(text: str) -> str:
    return re.sub(r"[^\w-]", "-", text.replace("STIXTwoMathRegular_", "stix-"))


def _markup(element: ElementTree.Element) -> str:
    """The element as SVG, reduced to known shapes and attributes: a formula draws, and does nothing else."""
    if element.tag not in _KEPT:
        return ""
    attributes = ""
    for key in _KEPT[element.tag]:
        text = element.attrib.get(key)
        if text is None or text == "currentColor" or not _SAFE.fullmatch(text):
            continue
        if key in ("id", "href"):
            text = "#" * (key == "href") + _identifier(text.removeprefix("#"))
        attributes += f' {key}="{text.strip()}"'
    extra = ' overflow="visible"' if element.tag == "symbol" else ""
    inner = "".join(_markup(child) for child in element)
    return f"<{element.tag}{attributes}{extra}>{inner}</{element.tag}>" if inner else f"<{element.tag}{attributes}/>"
