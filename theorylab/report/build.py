"""From verdicts to the report as data."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from theorylab.errors import InputError
from theorylab.report import tex, wording
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
    Group,
    Listing,
    Paragraph,
    Plot,
    Row,
    Section,
    Transition,
)
from theorylab.report.wording import printable
from theorylab.store import Run, certificate_path
from theorylab.verdict import Counterexample, Evidence, Figure, Outcome, Status, Step, Verdict

FORMAT = "theorylab-report-1"

ARGUMENT = ("note", "derivation", "step", "argument")
"""Findings shown first: what the claim rests on."""
PLOTS = ("illustration",)
"""Findings shown next, after a counterexample and before the checks."""
TOGETHER = ("step", "argument")
"""Findings of one kind that make one section."""

_STATUSES: tuple[Status, ...] = get_args(Status)


def build(
    verdicts: Iterable[Verdict], run: Run | None = None, *, folder: str | Path = ".", title: str = "Verdicts"
) -> Document:
    """The report on `verdicts`, in their order, each control right after its claim.

    A certificate is linked where it lies under `folder`, the report's own, at the place that its claim's id names;
    no stored path is followed. Raises InputError where `verdicts` is not a collection of verdicts.
    """
    chosen = _verdicts(verdicts)
    tree = _Tree(chosen)
    anchors = _Names("claim")
    places = {position: anchors.new(verdict.id) for position, verdict in enumerate(chosen)}
    figures = _Names("figure")
    writer = _Writer(chosen, tree, places, figures, Path(folder))
    order = [position for root in tree.roots for position in tree.walk(root)]
    groups: dict[str, list[Row]] = {}
    for root in tree.roots:
        rows = groups.setdefault(_group(chosen[root].id), [])
        rows.extend(writer.row(position) for position in tree.walk(root))
    return Document(
        title=printable(title),
        summary=_summary(chosen, tree),
        surprises=sum(not verdict.as_expected for verdict in chosen),
        groups=tuple(Group(printable(name), tuple(rows)) for name, rows in groups.items()),
        claims=tuple(writer.claim(root) for root in tree.roots),
        record=_record(run),
        twin=_twin([chosen[position] for position in order], run),
    )


def _verdicts(verdicts: Iterable[Verdict]) -> list[Verdict]:
    if not isinstance(verdicts, Iterable):
        raise InputError(f"verdicts is {type(verdicts).__name__}, expected Verdicts from theorylab.verify")
    chosen = list(verdicts)
    for position, item in enumerate(chosen):
        if not isinstance(item, Verdict):
            raise InputError(f"verdicts[{position}] is {type(item).__name__}, expected a Verdict from theorylab.verify")
    if not chosen:
        raise InputError("a report was asked for without verdicts, expected at least one")
    return chosen


class _Tree:
    """Claims, each with the controls that name it. A control whose claim is absent, or a cycle, stands alone."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        first: dict[str, int] = {}
        for position, verdict in enumerate(verdicts):
            first.setdefault(verdict.id, position)
        self.children: dict[int, list[int]] = {position: [] for position in range(len(verdicts))}
        parents = {}
        for position, verdict in enumerate(verdicts):
            parent = first.get(verdict.control_of) if verdict.control_of else None
            if parent is not None and parent != position and not self._above(parents, parent, position):
                parents[position] = parent
                self.children[parent].append(position)
        self.roots = [position for position in range(len(verdicts)) if position not in parents]

    @staticmethod
    def _above(parents: dict[int, int], start: int, wanted: int) -> bool:
        current: int | None = start
        while current is not None:
            if current == wanted:
                return True
            current = parents.get(current)
        return False

    def walk(self, position: int) -> list[int]:
        """`position` and everything below it, in reading order."""
        order, waiting = [], [position]
        while waiting:
            current = waiting.pop()
            order.append(current)
            waiting.extend(reversed(self.children[current]))
        return order


class _Names:
    """Names that are unique, safe in a URL fragment and in a file name, and depend on order and text alone."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.used: set[str] = set()

    def new(self, text: str) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80]
        base = candidate = f"{self.prefix}-{slug}" if slug else self.prefix
        serial = 1
        while candidate in self.used:
            serial += 1
            candidate = f"{base}-{serial}"
        self.used.add(candidate)
        return candidate


class _Writer:
    def __init__(
        self, verdicts: Sequence[Verdict], tree: _Tree, anchors: dict[int, str], figures: _Names, folder: Path
    ) -> None:
        self.verdicts = verdicts
        self.tree = tree
        self.anchors = anchors
        self.figures = figures
        self.folder = folder

    def row(self, position: int) -> Row:
        verdict = self.verdicts[position]
        return Row(
            claim_id=printable(verdict.id),
            anchor=self.anchors[position],
            title=_title(verdict),
            badge=_badge(verdict),
            scope=printable(verdict.scope),
            control_of=printable(verdict.control_of) if verdict.control_of else None,
        )

    def claim(self, position: int) -> Section:
        verdict = self.verdicts[position]
        anchor = self.anchors[position]
        argument = self._findings(verdict, anchor, lambda kind: kind in ARGUMENT)
        plots = self._findings(verdict, anchor, lambda kind: kind in PLOTS)
        others = self._findings(verdict, anchor, lambda kind: kind not in ARGUMENT + PLOTS)
        witness = [] if verdict.counterexample is None else [_counterexample(verdict.counterexample, anchor)]
        controls = [self.claim(child) for child in self.tree.children[position]]
        return Section(
            title=_title(verdict),
            anchor=anchor,
            role="control" if verdict.control_of else "claim",
            banner=Banner(
                claim_id=printable(verdict.id),
                badge=_badge(verdict),
                scope=printable(verdict.scope),
                source=printable(verdict.source),
                kind_of_claim=printable(verdict.kind),
                control_of=printable(verdict.control_of) if verdict.control_of else None,
                reason=printable(verdict.reason),
            ),
            blocks=tuple(_statement(verdict)),
            sections=(
                *argument,
                *witness,
                *plots,
                *others,
                *_sharpness(verdict, anchor),
                self._provenance(verdict, anchor),
                *controls,
            ),
        )

    def _findings(self, verdict: Verdict, anchor: str, wanted: Callable[[str], bool]) -> list[Section]:
        """The findings of some kinds in their order, neighbours of one kind of `TOGETHER` in one section."""
        numbered = [(n, item) for n, item in enumerate(verdict.evidence, 1) if wanted(item.kind)]
        sections = []
        for kind, run in groupby(numbered, lambda pair: pair[1].kind):
            found = list(run)
            parts = [found] if kind in TOGETHER else [[pair] for pair in found]
            sections += [self._finding(verdict, [i for _, i in part], f"{anchor}--{part[0][0]}") for part in parts]
        return sections

    def _finding(self, verdict: Verdict, items: Sequence[Evidence], anchor: str) -> Section:
        kind, outcomes = items[0].kind, {item.outcome for item in items}
        settled: Outcome = "against" if "against" in outcomes else "for" if outcomes == {"for"} else "open"
        return Section(
            title=wording.FINDING_TITLE.get(kind, printable(str(kind))),
            anchor=anchor,
            role="finding",
            blocks=tuple(block for item in items for block in self._blocks(verdict, item)),
            outcome=None if kind in ("illustration", "note") else settled,
        )

    def _blocks(self, verdict: Verdict, item: Evidence) -> list[Block]:
        blocks: list[Block] = [Paragraph(printable(item.summary))] if item.summary else []
        if item.numbers:
            blocks.append(Facts(tuple(_number(name, value) for name, value in sorted(item.numbers.items()))))
        if item.kind == "step":
            blocks.extend(Equation(printable(step.after)) for step in item.steps)
        elif item.steps:
            blocks.append(Derivation(tuple(_transitions(item.steps))))
        for figure in item.figures:
            blocks.append(Plot(self.figures.new(f"{verdict.id} {figure.title}"), _finite(figure)))
        if item.reproduce:
            blocks.append(Listing("Reproduce", printable(item.reproduce)))
        return blocks

    def _provenance(self, verdict: Verdict, anchor: str) -> Section:
        rows: list[Fact] = []
        if verdict.certificate is not None:
            place = str(certificate_path(verdict.id))
            here = os.path.abspath(self.folder / place) == os.path.abspath(verdict.certificate)
            rows.append(Fact("certificate", place, code=True, link=place if here else None))
            if verdict.certificate_hash:
                rows.append(Fact("certificate hash", printable(verdict.certificate_hash), code=True))
            rows.append(Fact("check it again", f"python -m proofs_check {shlex.quote(place)}", code=True))
        rows.extend(_settings(verdict.settings))
        blocks: list[Block] = [Facts(tuple(rows))] if rows else []
        if verdict.reproduce:
            blocks.append(Listing("Reproduce", printable(verdict.reproduce)))
        return Section("Certificate and settings", f"{anchor}--record", "record", tuple(blocks))


def _statement(verdict: Verdict) -> list[Block]:
    blocks: list[Block] = []
    if verdict.statement_tex:
        blocks.append(Equation(printable(verdict.statement_tex)))
    if verdict.statement and verdict.statement != verdict.title:
        blocks.append(Paragraph(printable(verdict.statement)))
    if verdict.premises:
        blocks.append(Bullets("Premises", tuple(map(printable, verdict.premises))))
    return blocks


def _transitions(steps: Sequence[Step]) -> list[Transition]:
    """The rows of a derivation, with a formula that merely repeats the one above it left out."""
    rows: list[Transition] = []
    shown: str | None = None
    for step in steps:
        before, after = printable(step.before).strip(), printable(step.after).strip()
        rows.append(Transition(printable(step.rule), None if before in ("", shown) else before, after))
        shown = after
    return rows


def _counterexample(witness: Counterexample, anchor: str) -> Section:
    blocks: list[Block] = [Paragraph(printable(witness.violation))]
    formulas = {variable: tex.value(data) for variable, data in sorted(witness.case.items())}
    short = tuple(f"{tex.name(variable)} = {formula}" for variable, formula in formulas.items() if formula)
    if short:
        blocks.append(Equations(short))
    for variable, formula in formulas.items():
        if formula is None:
            blocks.append(Listing(printable(variable), printable(_plain_text(witness.case[variable]))))
    rows = [
        Fact(name, printable(text))
        for name, text in (("value there", witness.value), ("cause", witness.cause), ("re-checked by", witness.recheck))
        if text
    ]
    if rows:
        blocks.append(Facts(tuple(rows)))
    if witness.regression:
        blocks.append(Listing("Regression test", printable(witness.regression)))
    return Section("Counterexample", f"{anchor}--counterexample", "counterexample", tuple(blocks))


def _sharpness(verdict: Verdict, anchor: str) -> list[Section]:
    """What became of the claim with one change at a time."""
    if not verdict.mutants:
        return []
    groups: dict[str, list[str]] = {fate: [] for fate in wording.FATE_TITLE}
    for mutant in verdict.mutants:
        found = f": {mutant.found}" if mutant.fate != "dies" and mutant.found else ""
        groups[mutant.fate].append(printable(f"{mutant.what}: {mutant.to}{found}"))
    counted = ", ".join(f"{len(items)} {wording.FATE_WORDS[fate]}" for fate, items in groups.items() if items)
    summary = f"{wording.count(len(verdict.mutants), 'change')} of the claim, one at a time: {counted}."
    lists = [Bullets(wording.FATE_TITLE[fate], tuple(items)) for fate, items in groups.items() if items]
    return [Section("Sharpness", f"{anchor}--sharpness", "finding", (Paragraph(summary), *lists))]


def _finite(figure: Figure) -> Figure:
    """The figure with the points that its axes can show, and a caption that says how many were left out."""

    def shown(value: float, scale: str) -> bool:
        return math.isfinite(value) and (scale == "linear" or value > 0)

    left_out = 0
    series = []
    for curve in figure.series:
        points = [
            (x, y)
            for x, y in zip(curve.x, curve.y, strict=False)
            if shown(x, figure.xscale) and shown(y, figure.yscale)
        ]
        left_out += len(curve.x) - len(points)
        series.append(
            replace(curve, label=printable(curve.label), x=tuple(x for x, _ in points), y=tuple(y for _, y in points))
        )
    caption = printable(figure.caption)
    if left_out:
        axes = "zero or not finite" if "log" in (figure.xscale, figure.yscale) else "not finite"
        caption = f"{caption} Left out: {wording.count(left_out, 'point')}, {axes}.".strip()
    return replace(
        figure,
        title=printable(figure.title),
        xlabel=printable(figure.xlabel),
        ylabel=printable(figure.ylabel),
        series=tuple(series),
        caption=caption,
    )


def _summary(verdicts: Sequence[Verdict], tree: _Tree) -> str:
    controls = [verdict for verdict in verdicts if verdict.control_of]
    claims = [verdict for verdict in verdicts if not verdict.control_of]
    parts = []
    if claims:
        statuses = Counter(verdict.status for verdict in claims)
        named = ", ".join(f"{statuses[status]} {status}" for status in _STATUSES if statuses[status])
        parts.append(f"{wording.count(len(claims), 'claim')}: {named}.")
    if controls:
        refuted = sum(verdict.status == "refuted" for verdict in controls)
        parts.append(f"{wording.count(len(controls), 'control')}: {refuted} refuted.")
    surprises = sum(not verdict.as_expected for verdict in verdicts)
    parts.append("Every verdict is the expected one." if not surprises else f"{surprises} not as expected.")
    return " ".join(parts)


def _record(run: Run | None) -> Section | None:
    if run is None:
        return None
    rows = [Fact("seed", str(run.seed)), *_settings(run.settings)]
    rows.extend(Fact(printable(name), printable(version)) for name, version in sorted(run.versions.items()))
    blocks: list[Block] = [Facts(tuple(rows))]
    if run.command:
        blocks.append(Listing("Reproduce", printable(run.command)))
    return Section("This run", "run", "record", tuple(blocks))


def _twin(verdicts: Sequence[Verdict], run: Run | None) -> dict[str, Any]:
    plain = []
    for verdict in verdicts:
        if verdict.certificate is not None:
            verdict = verdict.replace(certificate=str(certificate_path(verdict.id)))
        plain.append(verdict.to_json())
    record = None
    if run is not None:
        record = {
            "seed": run.seed,
            "command": run.command,
            "settings": dict(run.settings),
            "versions": dict(run.versions),
        }
    return {"format": FORMAT, "verdicts": plain, "run": record}


def _settings(settings: Any) -> list[Fact]:
    return [
        Fact(printable(wording.label(name)), printable(value if isinstance(value, str) else _plain_text(value)))
        for name, value in sorted(settings.items())
        if value not in ("", {}, [], None)
    ]


def _number(name: str, value: float | int | str | bool) -> Fact:
    text = wording.number(value, grouped="seed" not in name)
    return Fact(printable(wording.label(name)), printable(text))


def _plain_text(data: Any) -> str:
    if isinstance(data, dict) and all(not isinstance(value, (dict, list, tuple)) for value in data.values()):
        return ", ".join(f"{name}={value}" for name, value in data.items())
    return json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)


def _badge(verdict: Verdict) -> Badge:
    return Badge(verdict.status, verdict.tier, verdict.expected, verdict.as_expected)


def _title(verdict: Verdict) -> str:
    return printable(verdict.title or verdict.id)


def _group(claim_id: str) -> str:
    head, slash, _ = claim_id.partition("/")
    return head if slash else "claims"
