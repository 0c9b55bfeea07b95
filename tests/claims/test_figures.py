"""Plots that a claim brings along: for the reader, without weight in the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

import theorylab as tl
from theorylab.verdict import Verdict


def parabola(seed: int) -> tl.Figure:
    x = (0.0, 1.0, 2.0)
    return tl.Figure("a parabola", "x", f"y, seed {seed}", (tl.Series("square", x, tuple(v * v for v in x)),))


plane = tl.Setting(a=tl.var(""), b=tl.var(""))
claim = tl.Identity(plane, lambda c: (c.a + c.b) ** 2, lambda c: c.a**2 + 2 * c.a * c.b + c.b**2, figures=[parabola])


def test_the_plots_are_evidence_that_decides_nothing(tmp_path: Path) -> None:
    verdict = tl.verify(claim, seed=5, out=tmp_path)
    last = verdict.evidence[-1]
    assert verdict.status == "proved"
    assert (last.kind, last.outcome) == ("illustration", "open")
    assert last.figures == (parabola(5),)
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize("format", ["report.html", "report.md", "report.tex"])
def test_a_report_shows_them(tmp_path: Path, format: str) -> None:
    tl.report([tl.verify(claim, out=tmp_path)], tmp_path / format)
    page = (tmp_path / format).read_text(encoding="utf-8")
    assert "a parabola" in page
    assert "y, seed 0" in page or format != "report.html"


def test_a_control_has_none_of_the_plots_of_its_claim(tmp_path: Path) -> None:
    assert claim.but(rhs=lambda c: c.a**2 + c.b**2).figures == ()


def test_what_is_no_plot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tl.InputError, match="expected functions of the seed"):
        tl.Identity(plane, lambda c: c.a - c.a, figures=["plot.png"])
    with pytest.raises(tl.InputError, match=r"expected a tl\.Figure"):
        tl.verify(tl.Identity(plane, lambda c: c.a - c.a, figures=[lambda seed: None]), out=tmp_path)


def test_points_that_cannot_be_drawn_leave_a_gap(tmp_path: Path) -> None:
    def plot(seed: int) -> tl.Figure:
        return tl.Figure("f", "x", "y", (tl.Series("s", (0.0, 1.0, 2.0), (1.0, float("nan"), 3.0)),))

    square = tl.Identity(tl.Setting(x=tl.var()), lambda c: c.x * c.x, lambda c: c.x**2, name="square", figures=[plot])
    [item] = [e for e in tl.verify(square, trials=4, out=tmp_path).evidence if e.kind == "illustration"]
    assert item.figures[0].series[0].y == (1.0, 3.0)


def test_a_remark_is_on_the_page_of_its_claim_and_not_of_its_controls(tmp_path: Path) -> None:
    noted = tl.Identity(plane, lambda c: c.a - c.a, name="noted", note="Found by hand in 12 minutes.")
    verdict = tl.verify(noted, out=tmp_path)
    assert (verdict.evidence[-1].kind, verdict.evidence[-1].summary) == ("note", "Found by hand in 12 minutes.")
    tl.report([verdict], tmp_path / "report.html")
    assert "Found by hand in 12 minutes." in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert noted.but(lhs=lambda c: c.a).note == ""
