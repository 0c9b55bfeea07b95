"""The page: whole, self-contained, readable without eyes or network, and always the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

import theorylab as tl
from theorylab.errors import InputError
from theorylab.report import build, report
from theorylab.report.html import render
from theorylab.report.wording import TIER_MEANING, TIER_TRUST
from theorylab.store import Run
from theorylab.verdict import Counterexample, Evidence, Figure, Series, Step, Tier, Verdict

VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements in order with their attributes, the visible text, and a check that tags nest."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="module")
def source(verdicts: list[Verdict], run: Run) -> str:
    return render(build(verdicts, run))


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_every_claim_is_there_with_its_verdict(page: Page, verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        for words in (verdict.id, verdict.title, verdict.reason, verdict.scope, verdict.reproduce, *verdict.premises):
            assert words in page.text
        for item in verdict.evidence:
            assert item.summary in page.text
            assert all(step.rule in page.text for step in item.steps)
            assert all(figure.caption in page.text for figure in item.figures)
        if verdict.certificate_hash:
            assert verdict.certificate_hash in page.text


def test_every_formula_carries_its_tex(page: Page, verdicts: list[Verdict]) -> None:
    labels = [attributes.get("aria-label") for attributes in page.all("div") if attributes.get("role") == "math"]
    for verdict in verdicts:
        assert verdict.statement_tex in labels
        for item in verdict.evidence:
            for step in item.steps:
                assert step.after in labels
    assert page.all("code")
    assert all(attributes.get("class") != "formula source" for attributes in page.all("div"))


def test_nothing_is_loaded(page: Page, source: str) -> None:
    assert not page.all("script", "link", "iframe", "object", "embed", "img", "form", "base", "audio", "video")
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"):
            target = attributes.get(name)
            allowed = ("#", "certificates/") if tag == "a" else ("#",)
            assert target is None or target.startswith(allowed), (tag, target)
    assert "http:" not in source
    assert "https:" not in source
    assert "@import" not in source
    assert re.findall(r"url\((?!#)", source) == []


def test_every_anchor_and_shape_that_is_used_exists_once(page: Page, source: str) -> None:
    names = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(names) == len(set(names))
    links = [str(attributes["href"]) for _, attributes in page.elements if "href" in attributes]
    used = {link[1:] for link in links if link.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", source))
    used |= {str(attributes["aria-labelledby"]) for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert used <= set(names)


def test_headings_do_not_skip_levels(page: Page) -> None:
    main = next(position for position, (tag, _) in enumerate(page.elements) if tag == "main")
    levels = [int(tag[1]) for tag, _ in page.elements[main:] if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_plots_have_words_and_numbers(page: Page, verdicts: list[Verdict]) -> None:
    plots = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    figures = [figure for verdict in verdicts for item in verdict.evidence for figure in item.figures]
    assert len(plots) == len(figures)
    for figure in figures:
        assert any(
            figure.title in str(plot["aria-label"]) and figure.xlabel in str(plot["aria-label"]) for plot in plots
        )
    assert "2.9 × 10⁻⁶" in page.text


def test_a_control_stands_right_after_its_claim_in_table_and_text(verdicts: list[Verdict]) -> None:
    document = build(verdicts)
    order = [row.claim_id for group in document.groups for row in group.rows]
    assert order.index("du-2018/balancedness-relu.matrix-law") == order.index("du-2018/balancedness-relu") + 1
    claim = next(section for section in document.claims if section.anchor == "claim-du-2018-balancedness-relu")
    assert [child.title for child in claim.sections if child.banner] == ["The full matrix law, claimed for ReLU"]
    assert [item["id"] for item in document.twin["verdicts"]] == order


def test_status_is_a_word_and_a_sign_besides_a_colour(page: Page, source: str) -> None:
    badges = re.findall(
        r'<span class="badge (\w+)"><span class="sign" aria-hidden="true">(.)</span><span>(\w+)</span>', source
    )
    assert len(badges) == 2 * 5
    assert all(colour == word for colour, _, word in badges)
    assert len({sign for _, sign, _ in badges}) == len({word for _, _, word in badges}) == 4


def test_what_was_not_expected_is_said_first(page: Page, verdicts: list[Verdict]) -> None:
    assert "Not as the claims announce" in page.text
    assert page.text.index("inconclusive, expected supported") < page.text.index("All verdicts")
    calm = Page(render(build([verdict for verdict in verdicts if verdict.as_expected])))
    assert "Not as the claims announce" not in calm.text
    assert "Every verdict is the expected one." in calm.text


def test_seconds_and_hardware_stay_out(source: str, run: Run) -> None:
    assert run.hardware["processor"] not in source
    assert "81.25" not in source
    for words in (str(run.seed), run.command, "float64", "2.13.0"):
        assert words in source


HOSTILE = (
    "</title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'`"
    "{{ 7*7 }}{% raw %}\\end{document}$x$%#_^~\x00\x1b"
)


@pytest.fixture(scope="module")
def hostile() -> Verdict:
    figure = Figure(
        HOSTILE, HOSTILE, HOSTILE, (Series(HOSTILE, (1.0, 2.0), (1.0, 2.0)), Series("_", (), ())), caption=HOSTILE
    )
    return Verdict(
        id=f"paper/{HOSTILE}",
        status="refuted",
        tier="exact",
        scope=HOSTILE,
        premises=(HOSTILE,),
        evidence=(
            Evidence(
                "search", HOSTILE, "open", {HOSTILE: HOSTILE}, (Step(HOSTILE, HOSTILE, HOSTILE),), (figure,), HOSTILE
            ),
        ),
        certificate=f"certificates/{HOSTILE}",
        certificate_hash=HOSTILE,
        counterexample=Counterexample({HOSTILE: HOSTILE, "W": [[HOSTILE]]}, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        reason=HOSTILE,
        kind=HOSTILE,
        title=HOSTILE,
        statement=HOSTILE,
        statement_tex=HOSTILE,
        source=HOSTILE,
        settings={HOSTILE: [HOSTILE]},
        reproduce=HOSTILE,
    )


def test_hostile_text_stays_text(hostile: Verdict, page: Page) -> None:
    run = Run(command=HOSTILE, settings={HOSTILE: HOSTILE}, versions={HOSTILE: HOSTILE})
    attacked = render(build([hostile, hostile.replace(id="x", control_of=hostile.id)], run, title=HOSTILE))
    parsed = Page(attacked)
    assert {tag for tag, _ in parsed.elements} <= {tag for tag, _ in page.elements} | {"clippath"}
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    visible = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert parsed.text.count(visible) >= 20
    assert "49" not in re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", attacked, flags=re.DOTALL)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", attacked)


def test_the_same_verdict_twice_keeps_anchors_apart(verdicts: list[Verdict]) -> None:
    twice = Page(render(build([verdicts[1], verdicts[1]])))
    names = [attributes["id"] for _, attributes in twice.elements if attributes.get("id")]
    assert len(names) == len(set(names))


def test_controls_without_a_claim_and_cycles_are_shown_once() -> None:
    def control(name: str, of: str) -> Verdict:
        return Verdict(id=name, status="refuted", tier="exact", scope="", control_of=of, expected="refuted")

    circle = [control("a", "b"), control("b", "a"), control("c", "c"), control("d", "absent"), control("e", "d")]
    document = build(circle)
    assert sorted(row.claim_id for group in document.groups for row in group.rows) == ["a", "b", "c", "d", "e"]
    rendered = Page(render(document))
    assert sum(attributes.get("class") in ("claim", "control") for attributes in rendered.all("section")) == 5


def test_a_certificate_is_linked_only_where_its_id_puts_it(tmp_path: Path) -> None:
    inside = tmp_path / "certificates" / "paper" / "law a.json"
    verdict = Verdict(id="paper/law a", status="proved", tier="kernel", scope="all sizes", certificate=str(inside))
    links = Page(render(build([verdict], folder=tmp_path))).all("a")
    assert "certificates/paper/law%20a.json" in [link.get("href") for link in links]
    for elsewhere in ("/etc/passwd", "../secret", "javascript:alert(1)", str(tmp_path / "certificates" / "other.json")):
        page = Page(render(build([verdict.replace(certificate=elsewhere)], folder=tmp_path)))
        assert all(str(link["href"]).startswith("#") for link in page.all("a"))
        assert elsewhere not in page.text
        assert "certificates/paper/law a.json" in page.text


def test_points_that_no_axis_can_show_are_left_out_and_counted() -> None:
    nan, inf = float("nan"), float("inf")
    figure = Figure(
        "t", "x", "y", (Series("s", (1.0, 2.0, 3.0, 4.0, 5.0), (nan, 0.0, -1.0, inf, 1e-300)),), yscale="log"
    )
    verdict = Verdict("v", "inconclusive", None, "", evidence=(Evidence("simulation", "s", "open", figures=(figure,)),))
    words = Page(render(build([verdict]))).text
    assert "Left out: 4 points, zero or not finite." in words
    assert "10⁻³⁰⁰" in words
    empty = replace(figure, series=(Series("s", (), ()),))
    assert "<svg" in render(build([verdict.replace(evidence=(Evidence("simulation", "s", "open", figures=(empty,)),))]))


def test_the_page_says_for_each_tier_what_is_trusted(page: Page) -> None:
    assert set(TIER_TRUST) == set(TIER_MEANING) == set(get_args(Tier))
    for words in TIER_TRUST.values():
        assert f"Trusted: {words}." in page.text


def test_formulas_that_cannot_be_set_are_shown_as_tex() -> None:
    verdict = Verdict("v", "inconclusive", None, "", statement_tex=r"\nosuchcommand{a < b}")
    assert r"\nosuchcommand{a < b}" in Page(render(build([verdict]))).text


def test_the_twin_holds_the_verdicts(verdicts: list[Verdict], run: Run, tmp_path: Path) -> None:
    path = report(verdicts, tmp_path / "report.html", run=run)
    twin = json.loads((tmp_path / "report.json").read_bytes())
    assert [Verdict.from_json(item) for item in twin["verdicts"]] == [verdicts[i] for i in (1, 2, 0, 3, 4)]
    assert twin["run"] == {
        "seed": run.seed,
        "command": run.command,
        "settings": run.settings,
        "versions": run.versions,
    }
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("verdicts", "name", "message"),
    [
        ("one", "report.doc", "has the suffix '.doc', expected one of .html, .pdf, .md, .tex"),
        ("one", "report", "has the suffix ''"),
        ("one", "run.html", "the name of a run record"),
        ("none", "report.html", "without verdicts"),
        ("text", "report.html", r"verdicts\[0\] is str, expected a Verdict"),
        ("number", "report.html", "verdicts is int, expected Verdicts"),
        ("one", "taken/report.html", "cannot write"),
    ],
)
def test_bad_requests_are_named_and_write_nothing(verdicts: str, name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    given = {"one": [Verdict("v", "inconclusive", None, "")], "none": [], "text": ["proved"], "number": 3}[verdicts]
    with pytest.raises(InputError, match=message):
        report(given, tmp_path / name)  # pyright: ignore[reportArgumentType]
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_a_chain_is_one_list_of_claims_and_one_argument(tmp_path: Path) -> None:
    flow = tl.GradientFlow(tl.model(a="", b="")(lambda p, x: p.a * p.b * x))
    claims = [
        tl.Invariant(flow, lambda p: p.a**2 - p.b**2, name="first", title="balanced", statement="a^2 - b^2 = c"),
        tl.Identity(flow, lambda p: p.a - p.a, name="second", title="nothing", statement="a - a = 0"),
    ]
    chain = tl.Theorem(
        uses=claims, conclusion="So it is.", argument=[("by hand", "both are read together."), ("Coq", "the rest.")]
    )
    verdict = tl.verify(chain, out=tmp_path)
    page = Page(render(build([verdict])))
    assert page.text.count("Claims that are used") == page.text.count("Step 1") == 1
    said = ("balanced: proved", "nothing: proved", "Step 1 (by hand): both", "Step 2 (Coq): the rest.")
    places = [page.text.index(words) for words in said]
    assert places == sorted(places)
    labels = [attributes.get("aria-label") for attributes in page.all("div") if attributes.get("role") == "math"]
    assert labels == ["a^2 - b^2 = c", "a - a = 0"]


def test_a_title_is_not_said_twice_and_settings_without_a_value_are_left_out() -> None:
    verdict = Verdict("v", "inconclusive", None, "", title="Only once", statement="Only once", settings={"dims": ""})
    (section,) = build([verdict]).claims
    assert section.blocks == ()
    assert section.sections[-1].blocks == ()
