"""Markdown, LaTeX, PDF and notebook: the same report, nothing that escapes, and the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from theorylab.report import build, latex, markdown, mathematics, pdf, report, wording
from theorylab.store import Run, save
from theorylab.verdict import Evidence, Step, Verdict

FORMATS = ("html", "pdf", "md", "tex")

CHILD = """
import sys
from theorylab.report import report
from theorylab.store import load
run = load(sys.argv[1])
for suffix in sys.argv[3:]:
    report(run.verdicts, f"{sys.argv[2]}/report.{suffix}", run=run)
"""


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_run_gives_the_same_bytes_in_every_process_and_place(run: Run, tmp_path: Path) -> None:
    record = save(replace(run, verdicts=run.verdicts[:2]), tmp_path / "run")
    for number, place in enumerate(("one", "elsewhere/two"), 1):
        (tmp_path / place).mkdir(parents=True)
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "SOURCE_DATE_EPOCH": str(number * 10**8)}
        environment |= {"TZ": ("UTC", "Asia/Tokyo")[number - 1], "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", CHILD, str(record), str(tmp_path / place), *FORMATS]
        subprocess.run(command, check=True, env=environment, cwd=tmp_path / place)
    first, second = digests(tmp_path / "one"), digests(tmp_path / "elsewhere/two")
    assert first == second
    assert {f"report.{suffix}" for suffix in (*FORMATS, "json")} <= set(first)
    assert sum(name.endswith(".svg") for name in first) == 3


@pytest.fixture(scope="module")
def written(verdicts: list[Verdict], run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for suffix in ("md", "tex"):
        report(verdicts, folder / f"report.{suffix}", run=run)
    return folder


def test_markdown_says_everything(written: Path, verdicts: list[Verdict]) -> None:
    source = (written / "report.md").read_text(encoding="utf-8")
    html = MarkdownIt("gfm-like", {"linkify": False}).render(source)
    for verdict in verdicts:
        assert f"<code>{verdict.id}</code>" in html
        assert verdict.title in html
        assert f"$$\n{verdict.statement_tex}\n$$" in source
    for image in re.findall(r'<img src="([^"]*)"', html):
        assert (written / image).read_text(encoding="utf-8").startswith("<svg")
    assert html.count("<img ") == 4
    assert html.count("<tr>") == 6


def test_latex_says_everything(written: Path, verdicts: list[Verdict]) -> None:
    source = (written / "report.tex").read_text(encoding="utf-8")
    for verdict in verdicts:
        assert latex.text(verdict.title) in source
        assert latex.code(verdict.id) in source
        assert latex.display(verdict.statement_tex) in source
    assert source.count(r"\begin{tikzpicture}") == 4
    assert "xmode=log" in source
    for name in ("align*", "axis", "center", "document", "itemize", "longtable", "quote", "tikzpicture"):
        assert source.count(rf"\begin{{{name}}}") == source.count(rf"\end{{{name}}}") > 0


def test_a_long_formula_takes_several_lines_of_latex() -> None:
    terms = " + ".join(rf"a_{{{i}}} \left(b_{{{i}}} + 1\right)" for i in range(40))
    source = latex.display(terms)
    lines = source.removeprefix("\\begin{align*}\n&").removesuffix("\n\\end{align*}").split("\\\\\n&\\quad ")
    assert len(lines) > 5
    assert re.sub(r"[\s{}]", "", "".join(lines)) == re.sub(r"[\s{}]", "", terms)


HOSTILE = (
    "</p><script>alert(1)</script> [a](javascript:x) ![b](http://c) `d` **e** $f$ # & % _ ^ ~ \\end{document} | {g}"
)


@pytest.mark.parametrize(
    "prefix",
    ["", "# ", "- ", "+ ", "1. ", "1) ", "===", "---", "> ", "| ", "    ", "~~~ ", "``` ", "<script ", "<!-- ", "<?x "],
)
def test_text_stays_text_in_markdown(prefix: str) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown.text(prefix + HOSTILE))
    words = re.fullmatch(r"<p>(.*)</p>\n", html, re.DOTALL)
    assert words is not None, html
    assert "<" not in words[1]
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character)
    assert html == f"<p>{' '.join((prefix + HOSTILE).split())}</p>\n"


@pytest.mark.parametrize(
    "source", [r"\beta*x", r"\operatorname*{arg\,min}_x f", r"a\\ b", r"5\%", r"\mathbf{1}_{\{x > 0\}}"]
)
def test_mathematics_is_mathematics(source: str) -> None:
    assert mathematics.is_mathematics(source)


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("`a b\n|<*\\"), min_size=1, max_size=12).filter(str.strip))
def test_code_stays_code_in_markdown(words: str) -> None:
    html = MarkdownIt("commonmark").render("x " + markdown.code(words.replace("|", "")) + " y")
    inner = re.fullmatch(r"<p>x <code>([^<]*)</code> y</p>\n", html)
    expected = " ".join(words.replace("|", "").split())
    assert inner is not None or not expected
    if inner and expected:
        assert inner[1].strip().replace("&lt;", "<") == expected


UNTEX = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\textquotedbl{}": '"',
    r"\textasciigrave{}": "`",
    "{'}": "'",
    "{-}": "-",
    **{"\\" + character: character for character in "{}$&#%_"},
}


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_text_stays_text_in_latex(words: str) -> None:
    """The escapes are undone by a table of what TeX prints for each, and nothing special is left between them."""
    pattern = "|".join(map(re.escape, sorted(UNTEX, key=len, reverse=True)))
    source = latex.text(words)
    assert not re.search(r"[\\{}$&#%_^~<>|\"'`-]", re.sub(pattern, "", source))
    assert re.sub(pattern, lambda match: UNTEX[match.group()], source) == " ".join(words.split())


@pytest.mark.parametrize(
    "source",
    [
        r"\input{/etc/passwd}",
        r"\write18{ls}",
        r"x \end{document} y",
        r"x} \csname input\endcsname {y",
        r"^^5cinput x",
        "x % comment",
        "x $ y",
        r"\def\x{1}",
        r"\catcode`\%=12",
        r"\text{a \input{secret}}",
        r"\color{\input{secret}} x",
        r"\begin{filecontents}{x}a\end{filecontents}",
        r"\begin {verbatim} x \end {verbatim}",
        r"\mbox{\write18{ls}}",
        r"a \# b \^^M",
        r"\begin\relax{x}",
    ],
)
def test_tex_that_does_more_than_mathematics_is_printed_not_run(source: str) -> None:
    shown = latex.display(source)
    assert shown.startswith(r"\begin{quote}")
    assert source not in shown
    commands = set(re.findall(r"\\[A-Za-z]+", shown))
    assert commands <= {r"\begin", r"\end", r"\raggedright", r"\texttt", r"\allowbreak"} | {
        re.match(r"\\[A-Za-z]+", escape)[0]  # pyright: ignore[reportOptionalSubscript]
        for escape in UNTEX
        if escape.startswith(r"\text")
    }


def test_pdf_holds_every_claim(verdicts: list[Verdict], run: Run) -> None:
    document = build(verdicts, run)
    told = repr(pdf.data(document))
    for verdict in verdicts:
        for words in (verdict.id, verdict.title, verdict.reason, *verdict.premises):
            assert words in told
    source = pdf.render(document)
    assert source.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", source)) >= 4
    assert b"CreationDate" not in source


def test_no_format_runs_what_it_is_told(tmp_path: Path) -> None:
    words = HOSTILE + ' #panic("x") "); #read("/etc/passwd") \x00'
    step = Step(words, words, r"\nosuchcommand")
    verdict = Verdict(words, "refuted", "exact", words, title=words, statement_tex=words, reason=words)
    verdict = verdict.replace(evidence=(Evidence("derivation", words, "open", {words: words}, (step,)),))
    for suffix in FORMATS:
        assert report(verdict, tmp_path / f"report.{suffix}").stat().st_size > 1000
    page = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render((tmp_path / "report.md").read_text("utf-8"))
    assert "<script" not in page
    assert "<img" not in page
    assert "<a " not in page


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(written: Path) -> None:
    words = HOSTILE + " é ü ß αβγ ‖x‖ ≤ 10⁻³ 漢字 " + " ".join(f"\\{word}" for word in ("input", "write", "def"))
    report(Verdict(words, "refuted", "exact", words, title=words, statement_tex=words), written / "hostile.tex")
    commands = sorted(mathematics.LETTERS | mathematics.SIGNS)
    formulas = " + ".join(rf"\{command} x" for command in commands if command != "hspace")
    report(Verdict("all", "proved", "kernel", "", statement_tex=formulas), written / "commands.tex")
    assert r"\hookrightarrow x" in (written / "commands.tex").read_text("utf-8")
    for name in ("report", "hostile", "commands"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        result = subprocess.run(command, cwd=written, capture_output=True, check=False)
        assert result.returncode == 0, (name, result.stdout.decode("latin-1")[-2000:])


def test_a_verdict_shows_itself_in_a_notebook(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        fragment = verdict._repr_html_()
        for words in (verdict.id, verdict.status, verdict.title, 'role="math"'):
            assert words in fragment
        ids = set(re.findall(r' id="([^"]*)"', fragment))
        assert set(re.findall(r'href="#([^"]*)"', fragment)) <= ids
        assert verdict.status in verdict._repr_latex_()
    attacked = Verdict("<script>", "refuted", None, "<b>", title="<i>", reason="<u>", statement_tex="<s>")
    assert not set(re.findall(r"<(\w+)", attacked._repr_html_())) & {"script", "b", "i", "u", "s"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (65536, "65\u202f536"),
        (-1234567, "-1\u202f234\u202f567"),
        (True, "yes"),
        (0.0, "0"),
        (-0.25, "−0.25"),
        (1e-6, "10⁻⁶"),
        (-1e-6, "−10⁻⁶"),
        (4.4408920985e-16, "4.441\u202f×\u202f10⁻¹⁶"),
        (1.5e12, "1.5\u202f×\u202f10¹²"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert wording.number(value) == text
