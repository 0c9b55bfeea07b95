"""TeX formulas: where a long one may break, and how exact values are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}]|\s+|[^\\{}\s]|\\", re.DOTALL)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RELATIONS = _words(
    r"= < > \le \leq \ge \geq \ne \neq \equiv \approx \sim \simeq \cong \propto \to \rightarrow \longrightarrow "
    r"\Rightarrow \Longrightarrow \Leftrightarrow \iff \implies \mapsto \longmapsto \in \subset \subseteq \ll \gg "
    r"\prec \preceq \succ \succeq \coloneqq \mid \leadsto \rightsquigarrow"
)
_OPERATORS = _words(r"+ - \pm \mp \cup \cap \oplus \wedge \vee \land \lor")
_SPACES = _words(r"\quad \qquad")
_PRODUCTS = _words(r"\cdot \times \circ \otimes \odot *")
_OPENING = _words(r"( [ \lbrace \{ \lVert \langle \lfloor \lceil")
_CLOSING = _words(r") ] \rbrace \} \rVert \rangle \rfloor \rceil")
_NO_OPERAND = _RELATIONS | _OPERATORS | _PRODUCTS | _SPACES | _OPENING | {"", ",", ":", ";", "^", "_", "/", "{}"}
_INSEPARABLE = _words(r"\limits \nolimits \right \end")
_TAKES_ARGUMENT = _words(r"\frac \tfrac \dfrac \binom \overset \underset \stackrel")
_GREEK = _words(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)


@dataclass(frozen=True)
class Piece:
    """A part of a formula that stays in one line; `starts_line` asks for a new line before it."""

    tex: str
    starts_line: bool = False


def pieces(tex: str, *, inside: bool = False, factors: bool = False) -> tuple[Piece, ...]:
    """Cut a formula before each relation, sum sign and wide space that stands outside all groups.

    Joined with no space the pieces are the formula again, up to `{}` (which keeps the spacing of a sign
    that starts a piece), row marks and alignment marks. With `inside`, round and square brackets count as ordinary
    symbols, so that a long bracket may break as well; with `factors`, so may a long product.
    """
    result: list[Piece] = []
    current: list[str] = []
    starts_line = False

    def close(next_starts_line: bool = False) -> None:
        nonlocal starts_line
        text = "".join(current).strip()
        if text.replace("{}", ""):
            result.append(Piece(text, starts_line))
            starts_line = False
        current.clear()
        starts_line = starts_line or next_starts_line

    previous = before_previous = ""
    for token, depth, brackets in _tokens(tex):
        outside = depth == 0 and (inside or brackets == 0)
        if outside and token == r"\\":
            close(next_starts_line=True)
            previous = before_previous = ""
            continue
        if outside and token == "&":
            continue
        binary = token in _OPERATORS and (previous not in _NO_OPERAND or before_previous in ("^", "_"))
        relation = token in _RELATIONS and previous not in _RELATIONS | {r"\not", ":", "^", "_"}
        if outside and (binary or relation):
            close()
            current.append("{}")
        elif outside and factors and _starts_factor(token, previous, before_previous):
            close()
        current.append(token)
        if outside and token in _SPACES:
            close()
        if token != " ":
            before_previous, previous = previous, token
    close()
    return tuple(result) or (Piece(tex.strip()),)


def _starts_factor(token: str, previous: str, before_previous: str) -> bool:
    if not (token.isalpha() or (token.startswith("\\") and token[1:].isalpha() and token not in _INSEPARABLE)):
        return False
    closed = previous in ("}", ")", "]", "'") or previous.isalnum()
    return closed and before_previous not in _TAKES_ARGUMENT


def without_sized_delimiters(tex: str) -> str:
    r"""`tex` with `\left( ... \right)` written as plain brackets, which a line break may cut."""
    plain = re.sub(r"\\(?:left|right)(?![A-Za-z])\s*\.?", "", tex)
    return re.sub(r"\\(?:[bB]igg?[lrm]?)(?![A-Za-z])\s*", "", plain)


def name(text: str) -> str:
    r"""The TeX of an identifier: `W1` is `W_{1}`, `eta` is `\eta`, `init.w` is `w(0)`."""
    if text.startswith("init."):
        return name(text.removeprefix("init.")) + "(0)"
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", text)
    if match and (len(match[1]) == 1 or match[1] in _GREEK):
        base = match[1] if len(match[1]) == 1 else "\\" + match[1]
        return base + (f"_{{{match[2]}}}" if match[2] else "")
    words = re.sub(r"[^A-Za-z0-9 .,'()+*/=-]", " ", text)
    return rf"\mathrm{{{words.replace(' ', '~')}}}"


def value(data: Any, *, limit: int = 8) -> str | None:
    """The TeX of a number, vector or matrix given as text; None for anything else, or where an axis is longer."""
    if not isinstance(data, list):
        return _scalar(data)
    if not data or len(data) > limit:
        return None
    rows = data if all(isinstance(row, list) for row in data) else [data]
    cells = [[_scalar(cell) for cell in row] for row in rows]
    if any(len(row) != len(cells[0]) or not 0 < len(row) <= limit or None in row for row in cells):
        return None
    body = r" \\ ".join(" & ".join(str(cell) for cell in row) for row in cells)
    return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"


def _scalar(data: Any) -> str | None:
    if isinstance(data, bool) or not isinstance(data, (str, int, float)):
        return None
    text = str(data).strip()
    if match := re.fullmatch(r"([+-]?)(\d{1,40})/(\d{1,40})", text):
        sign = "-" if match[1] == "-" else ""
        return rf"{sign}\tfrac{{{match[2]}}}{{{match[3]}}}"
    if match := re.fullmatch(r"([+-]?\d{1,40}(?:\.\d{1,40})?)[eE]([+-]?\d{1,5})", text):
        return rf"{match[1]}\cdot 10^{{{int(match[2])}}}"
    return text if re.fullmatch(r"[+-]?\d{1,40}(\.\d{1,40})?", text) else None


def _tokens(tex: str) -> Iterator[tuple[str, int, int]]:
    """Each token with the group depth and the bracket depth at which it stands."""
    depth = brackets = 0
    sized = False
    for match in _TOKEN.finditer(tex):
        token = match.group()
        if token.isspace():
            token = " "
        if token in ("}", r"\right", r"\end") and depth:
            depth -= 1
        if token in _CLOSING and not sized and depth == 0:
            brackets = max(brackets - 1, 0)
        yield token, depth, brackets
        if token in _OPENING and not sized and depth == 0:
            brackets += 1
        if token in ("{", r"\left", r"\begin"):
            depth += 1
        if token != " ":
            sized = token in (r"\left", r"\right")
