"""TeX to SVG outlines (ziamath, STIX Two), cut into pieces that a renderer may set in several lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

import ziamath

from theorylab.report import tex as tex_source

MAX_LENGTH = 20_000
MAX_PIECE = 2_000
MAX_NESTING = 40
WIDE = 36.0
"""Widest piece, in em, that is not cut again inside its brackets."""

_UNITS_PER_EM = 24.0
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
        outline = _outline(piece.tex, piece.starts_line)
        parts = (outline,)
        if outline is None or outline.width > WIDE:
            parts = _cut_brackets(piece) or parts
        if None in parts:
            return None
        result.extend(part for part in parts if part is not None)
    return tuple(result)


def _cut_brackets(piece: tex_source.Piece) -> tuple[Outline | None, ...] | None:
    smaller = tex_source.pieces(tex_source.without_sized_delimiters(piece.tex), inside=True)
    if len(smaller) == 1:
        return None
    parts = tuple(_outline(part.tex, piece.starts_line and i == 0) for i, part in enumerate(smaller))
    return None if None in parts else parts


@lru_cache(maxsize=4096)
def _outline(tex: str, starts_line: bool) -> Outline | None:
    deepest = depth = 0
    for character in tex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    if len(tex) > MAX_PIECE or deepest > MAX_NESTING:
        return None
    try:
        with _own_settings():
            formula = ziamath.Latex(tex, size=_UNITS_PER_EM)
            drawing, below = formula.svgxml(), -formula.getyofst()
            unknown = any((node.text or "").startswith("\\") for node in formula.mathml.iter())
    except Exception:  # whatever goes wrong inside ziamath or its parser: the reader then sees the TeX itself
        return None
    if unknown:
        return None
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    symbols = tuple(
        (_identifier(symbol.attrib["id"]), _markup(symbol)) for symbol in drawing.iter("symbol") if "id" in symbol.attrib
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


@contextmanager
def _own_settings() -> Iterator[None]:
    """ziamath keeps its settings in one global object; a caller's notebook gets its own back."""
    config = ziamath.config
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
