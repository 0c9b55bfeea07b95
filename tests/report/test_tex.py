"""Where formulas break, and how exact values are written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.report import formula, tex


def cut(source: str, **options: bool) -> list[str]:
    return [piece.tex for piece in tex.pieces(source, **options)]


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("a = b + c", ["a", "{}= b", "{}+ c"]),
        ("-a - b", ["-a", "{}- b"]),
        ("a = -b", ["a", "{}= -b"]),
        (r"x \cdot -y", [r"x \cdot -y"]),
        ("(a + b) c", ["(a + b) c"]),
        (r"\left[0, 1\right) + x", [r"\left[0, 1\right)", "{}+ x"]),
        (r"\sum_{i=1}^{n+1} x_i \le 3", [r"\sum_{i=1}^{n+1} x_i", r"{}\le 3"]),
        (r"\begin{pmatrix} a + b \\ c \end{pmatrix} + d", [r"\begin{pmatrix} a + b \\ c \end{pmatrix}", "{}+ d"]),
        ("= 0", ["{}= 0"]),
        (r"x^- + y^+", ["x^-", "{}+ y^+"]),
        (r"a := b", [r"a := b"]),
        (r"a \quad\text{for } t = 1", [r"a \quad", r"\text{for } t", "{}= 1"]),
        ("", [""]),
    ],
)
def test_a_formula_breaks_before_relations_and_sums_outside_groups(source: str, pieces: list[str]) -> None:
    assert cut(source) == pieces


def test_rows_start_lines_and_alignment_marks_go() -> None:
    first, second, third = tex.pieces(r"a &= b \\ &= c")
    assert (first.tex, second.tex, third.tex) == ("a", "{}= b", "{}= c")
    assert [piece.starts_line for piece in (first, second, third)] == [False, False, True]


def test_brackets_and_products_break_only_when_asked() -> None:
    assert cut("2(a + b)x_1 y") == ["2(a + b)x_1 y"]
    assert cut("2(a + b)x_1 y", inside=True) == ["2(a", "{}+ b)x_1 y"]
    assert cut(r"W_1^\top\frac12 W_{2}a^2 b", inside=True, factors=True) == [r"W_1^\top\frac12", "W_{2}", "a^2", "b"]


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from(r"\abx{}()[]+-=<_^& ,12"), max_size=30), st.booleans(), st.booleans())
def test_no_symbol_is_lost_or_moved(source: str, inside: bool, factors: bool) -> None:
    def symbols(words: str) -> str:
        return re.sub(r"\\\\|[\s&{}]", "", words)

    joined = "".join(piece.tex for piece in tex.pieces(source, inside=inside, factors=factors))
    assert symbols(joined) == symbols(source)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("1/2", r"\tfrac{1}{2}"),
        ("-3/4", r"-\tfrac{3}{4}"),
        ("7", "7"),
        ("-2.5e-07", r"-2.5\cdot 10^{-7}"),
        (["1", "2"], r"\begin{pmatrix}1 & 2\end{pmatrix}"),
        ([["1"], ["-1/2"]], r"\begin{pmatrix}1 \\ -\tfrac{1}{2}\end{pmatrix}"),
        ([["1", "2"], ["3"]], None),
        ([], None),
        ([[]], None),
        ([[["1"]]], None),
        ([["1"], "2"], None),
        (["0"] * 9, None),
        (r"\input{/etc/passwd}", None),
        ("1}", None),
        (None, None),
        (True, None),
    ],
)
def test_exact_values(data: object, expected: str | None) -> None:
    assert tex.value(data) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W1", "W_{1}"),
        ("x", "x"),
        ("eta", r"\eta"),
        ("gamma_2", r"\gamma_{2}"),
        ("init.w", "w(0)"),
        ("gates", r"\mathrm{gates}"),
        (r"}\input{x", r"\mathrm{~~input~x}"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert tex.name(name) == expected
    assert formula.outlines(tex.name(name)) is not None


LAW = r"-2\sum_{k,d} W_{2,mk}\,h_{kn}\left(\sum_{i} a_i + b_i\right) x_{dn}"


@pytest.mark.parametrize(
    "source",
    [
        LAW,
        r"\operatorname*{arg\,min}_{X^\top\beta = y} \left\|\frac{\beta}{k}\right\|_2^2",
        r"\begin{pmatrix}1 & \tfrac12 \\ -3 & 4\end{pmatrix}",
        r"\left.\frac{d}{dt}\right|_{t=0} \sqrt{1 + \beta_i^2} \operatorname{arcsinh}(\beta)",
    ],
)
def test_formulas_of_theorems_can_be_set_in_a_few_lines_height(source: str) -> None:
    parts = formula.outlines(source)
    assert parts is not None
    assert all(0 < part.height < 5 and 0 < part.width < 40 for part in parts)


@pytest.mark.parametrize(
    "source",
    [
        *("", "{", "x_", r"\frac{1}", r"\left( x", r"\begin{pmatrix} 1", r"\text{a & b}"),
        *(r"\nosuchcommand x", r"\input{secret}", "x" * 30_000, "{" * 3000 + "}" * 3000),
    ],
)
def test_what_cannot_be_set_is_said_so(source: str) -> None:
    assert formula.outlines(source) is None


def test_a_long_sum_is_cut_to_pieces_that_fit() -> None:
    bracket = "2\\left(" + " + ".join(f"a_{{{i}}} b_{{{i}}}" for i in range(60)) + "\\right) r"
    product = "".join(f"W_{{{i}}}^{{\\top}}" for i in range(80))
    for source in (bracket, product):
        parts = formula.outlines(source)
        assert parts is not None
        assert max(part.width for part in parts) <= formula.WIDE


def test_the_settings_of_a_notebook_survive() -> None:
    from ziamath.config import config

    before = config.math.color, config.precision, config.svg2
    formula.outlines("a + b + c + d")
    assert (config.math.color, config.precision, config.svg2) == before


@pytest.mark.parametrize(
    ("source", "tight"),
    [
        ("(5, -1)", "(5,{-}1)"),
        (r"(-1, s)", r"({-}1, s)"),
        (r"x \le -1", r"x \le{-}1"),
        (r"\dot u = -\|u\|", r"\dot u ={-}\|u\|"),
    ],
)
def test_a_sign_is_no_difference(source: str, tight: str) -> None:
    """Nothing stands on its left, so it gets no space; a difference keeps its own."""
    found, expected, apart = (
        sum(part.width for part in formula.outlines(text) or ()) for text in (source, tight, source.replace("-", "a -"))
    )
    assert found == pytest.approx(expected)
    assert found < apart - 0.5
