"""The report as data: what is said, in which order. Renderers decide only how it looks.

Text is plain text and formulas are TeX without delimiters; nothing here is markup of any output format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from theorylab.verdict import Figure, Status, Tier

Outcome = Literal["for", "against", "open"]


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Equation:
    """One displayed formula."""

    kind: ClassVar[str] = "equation"
    tex: str


@dataclass(frozen=True)
class Equations:
    """Several short formulas, side by side where there is room."""

    kind: ClassVar[str] = "equations"
    formulas: tuple[str, ...]


@dataclass(frozen=True)
class Transition:
    """One row of a derivation. `before` is None where it is the `after` of the row above."""

    rule: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Derivation:
    """Formulas, each made from the one before it by a named rule."""

    kind: ClassVar[str] = "derivation"
    rows: tuple[Transition, ...]


@dataclass(frozen=True)
class Bullets:
    """A list of short texts under a heading."""

    kind: ClassVar[str] = "bullets"
    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A name and its value; code is set in a fixed pitch, `link` is a path relative to the report's folder."""

    name: str
    value: str
    code: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Facts:
    """Names and values, one a line."""

    kind: ClassVar[str] = "facts"
    rows: tuple[Fact, ...]


@dataclass(frozen=True)
class Listing:
    """A command, or text to be shown character by character."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


@dataclass(frozen=True)
class Plot:
    """A figure; `name` is unique in the document and safe as a file name."""

    kind: ClassVar[str] = "plot"
    name: str
    figure: Figure


Block = Paragraph | Equation | Equations | Derivation | Bullets | Facts | Listing | Plot


@dataclass(frozen=True)
class Badge:
    """A verdict at a glance."""

    status: Status
    tier: Tier | None
    expected: Status | None
    as_expected: bool


@dataclass(frozen=True)
class Banner:
    """What stands under the title of a claim."""

    claim_id: str
    badge: Badge
    scope: str
    source: str
    kind_of_claim: str
    control_of: str | None
    reason: str


@dataclass(frozen=True)
class Section:
    """A titled part. `anchor` is unique in the document and safe in a URL fragment.

    Claims and controls carry a banner, findings an outcome.
    """

    title: str
    anchor: str
    role: Literal["claim", "control", "finding", "counterexample", "record"]
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    banner: Banner | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Row:
    """One line of the verdict table."""

    claim_id: str
    anchor: str
    title: str
    badge: Badge
    scope: str
    control_of: str | None


@dataclass(frozen=True)
class Group:
    """Claims that belong together (one paper, one file) in the table and in the contents list."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Document:
    """A whole report. `twin` is the same report as plain JSON."""

    title: str
    summary: str
    surprises: int
    groups: tuple[Group, ...]
    claims: tuple[Section, ...]
    record: Section | None
    twin: Mapping[str, Any] = field(repr=False)
