"""Figures as SVG, drawn by matplotlib and reduced to shapes whose colours the renderer chooses."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from theorylab.verdict import Figure, Series

WIDTH, HEIGHT = 4.8, 3.2
"""Size in inches."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.4)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (3, 1, 1, 1, 1, 1)),
)
COLOURS = 6
FEW = 4
"""Curves whose legend fits inside the axes."""
LINE = 70
"""Characters in a line of a legend below the axes."""

# Drawn in stand-in colours, which `draw` exchanges for names that a style sheet, or a palette, gives a value.
_INK, _RULE, _PAPER = "#010203", "#040506", "#070809"
_STAND_INS = {_INK: "ink", _RULE: "rule", _PAPER: "paper"} | {f"#0a0b0{i}": f"series-{i}" for i in range(COLOURS)}

PRINT_PALETTE = {
    "ink": "#1c2024",
    "rule": "#d9d9d6",
    "paper": "#ffffff",
    "series-0": "#1f5fa8",
    "series-1": "#c2571a",
    "series-2": "#1d7a5a",
    "series-3": "#8c3f8f",
    "series-4": "#7a6a12",
    "series-5": "#5a6570",
}

_STYLE = {
    "svg.hashsalt": "theorylab",
    "svg.fonttype": "path",
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "mathtext.fontset": "stix",
    "font.size": 11,
    "axes.titlesize": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "path.simplify": True,
}

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_SHAPES = frozenset(("svg", "g", "path", "use", "defs", "clipPath", "rect", "line", "circle", "polygon", "polyline"))
_SHARED = re.compile(r"(?:STIX|DejaVu)[A-Za-z]*-[\w-]+")
_QUOTES = {'"': "&quot;"}
_REFERENCE = re.compile(r"url\(#([^)]*)\)")


@dataclass(frozen=True)
class Drawing:
    """An SVG without its outer element: `symbols` may be shared by many drawings, `body` is this one's alone."""

    view: str
    body: str
    symbols: tuple[tuple[str, str], ...]


def draw(figure: Figure, name: str, palette: Mapping[str, str]) -> Drawing:
    """Draw `figure` with the colours of `palette` (CSS colours, `var(--x)` included); `name` is unique in the page."""
    source = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a missing glyph is drawn as a box, which the reader sees
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # pyright: ignore[reportCallIssue, reportArgumentType]
        canvas = Canvas(figsize=(WIDTH, HEIGHT), layout="constrained")
        FigureCanvasSVG(canvas)
        canvas.patch.set_alpha(0)
        _fill(canvas.add_subplot(), figure)
        canvas.savefig(source, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(source.getvalue())
    cleaner = _Cleaner(name, palette)
    body = "".join(cleaner.markup(child) for child in root)
    return Drawing(view=root.attrib["viewBox"], body=body, symbols=tuple(cleaner.symbols.items()))


def standalone(figure: Figure) -> str:
    """The figure as an SVG file in print colours."""
    drawing = draw(figure, "plot", PRINT_PALETTE)
    symbols = "".join(markup for _, markup in drawing.symbols)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{drawing.view}" width="{WIDTH}in" height="{HEIGHT}in" '
        f'stroke-linejoin="round"><rect width="100%" height="100%" fill="{PRINT_PALETTE["paper"]}"/>'
        f"<defs>{symbols}</defs>{drawing.body}</svg>\n"
    )


def _fill(axes: Axes, figure: Figure) -> None:
    axes.patch.set_alpha(0)
    axes.set_xscale(figure.xscale)
    axes.set_yscale(figure.yscale)
    axes.set_xlabel(figure.xlabel, parse_math=False)
    axes.set_ylabel(figure.ylabel, parse_math=False)
    handles = [_curve(axes, curve, i) for i, curve in enumerate(figure.series)]
    for axis, scale in ((axes.xaxis, figure.xscale), (axes.yaxis, figure.yscale)):
        if scale == "log":
            axis.set_major_locator(LogLocator(base=10, numticks=8))
    if not any(curve.x for curve in figure.series):
        axes.text(0.5, 0.5, "no points to show", transform=axes.transAxes, ha="center", va="center")
    elif len(handles) > 1:
        for text in _legend(axes, handles, [curve.label or " " for curve in figure.series]).get_texts():
            text.set_parse_math(False)


def _legend(axes: Axes, handles: list[Line2D], labels: list[str]) -> Legend:
    """Inside the axes for few curves, below them where it would cover the curves."""
    if len(handles) <= FEW:
        return axes.legend(handles, labels, loc="best", handlelength=2.6)
    columns = max(1, min(3, LINE // (max(map(len, labels)) + 8)))
    return axes.figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.6)


def _curve(axes: Axes, curve: Series, position: int) -> Line2D:
    points = curve.style in ("points", "both")
    (line,) = axes.plot(
        curve.x,
        curve.y,
        color=f"#0a0b0{position % COLOURS}",
        linestyle=DASHES[position % len(DASHES)] if curve.style != "points" else "",
        marker=MARKERS[position % len(MARKERS)] if points and len(curve.x) <= 400 else "." if points else "",
        markeredgewidth=0,
    )
    return line


class _Cleaner:
    """Rewrites matplotlib's SVG for a place inside a page: no namespaces, no metadata, no rules for all elements."""

    def __init__(self, name: str, palette: Mapping[str, str]) -> None:
        self.name = name
        self.palette = palette
        self.symbols: dict[str, str] = {}

    def markup(self, element: ElementTree.Element) -> str:
        tag = element.tag.removeprefix(_SVG)
        if tag not in _SHAPES:
            return ""
        identifier = element.attrib.get("id", "")
        shared = tag == "path" and bool(_SHARED.fullmatch(identifier))
        keep_id = shared or (tag in ("path", "clipPath") and bool(identifier))
        attributes = "".join(self._attribute(key, text, keep_id) for key, text in element.attrib.items())
        inner = "".join(self.markup(child) for child in element)
        text = f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"
        if shared:
            self.symbols[identifier] = text
            return ""
        return "" if tag in ("g", "defs") and not inner else text

    def _attribute(self, key: str, text: str, keep_id: bool) -> str:
        key = key.removeprefix(_XLINK)
        if key == "id":
            return f' id="{self._local(text)}"' if keep_id else ""
        if key == "href":
            return f' href="#{self._local(text.removeprefix("#"))}"'
        if key in ("type", "class", "version"):
            return ""
        text = _REFERENCE.sub(lambda match: f"url(#{self._local(match[1])})", text)
        for stand_in, name in _STAND_INS.items():
            text = text.replace(stand_in, self.palette[name])
        return f' {key}="{escape(text, _QUOTES)}"'

    def _local(self, identifier: str) -> str:
        return identifier if _SHARED.fullmatch(identifier) else f"{self.name}-{identifier}"
