"""The verdict on a claim, and the evidence that leads to it.

A verdict is data: nothing in this module computes mathematics. `theorylab.verify` produces verdicts,
`theorylab.store` saves them and `theorylab.report` renders them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Status = Literal["proved", "supported", "refuted", "inconclusive"]
Outcome = Literal["for", "against", "open"]
Tier = Literal["kernel", "coq", "exact", "enclosure", "numeric"]


@dataclass(frozen=True)
class Step:
    """One step of a derivation: `before` becomes `after` by `rule`. Both are TeX, without delimiters."""

    rule: str
    before: str
    after: str


@dataclass(frozen=True)
class Series:
    """One curve or point cloud of a figure; `x` and `y` have equal lengths."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Literal["line", "points", "both"] = "both"


@dataclass(frozen=True)
class Figure:
    """A plot as data. Renderers draw it; nothing here knows a plotting library."""

    title: str
    xlabel: str
    ylabel: str
    series: tuple[Series, ...]
    xscale: Literal["linear", "log"] = "linear"
    yscale: Literal["linear", "log"] = "linear"
    caption: str = ""


@dataclass(frozen=True)
class Evidence:
    """One thing that was done about a claim, and what came of it.

    `outcome` says which way it points: "for", "against" or "open".
    `numbers` holds plain JSON scalars; `reproduce` is a command or a line of Python.
    """

    kind: Literal[
        "readings",
        "derivation",
        "kernel",
        "coq",
        "search",
        "simulation",
        "witness",
        "step",
        "argument",
        "illustration",
        "note",
        "suggestion",
    ]
    summary: str
    outcome: Outcome
    numbers: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    figures: tuple[Figure, ...] = ()
    reproduce: str = ""


@dataclass(frozen=True)
class Counterexample:
    """A shrunk witness against a claim.

    `case` maps each variable to nested lists of exact rationals written "p/q" (or decimal strings where
    the witness is a run); `violation` says in one sentence what fails there, `cause` is the kind of failure.
    `regression` is a test of the case, ready to be pasted into a file of tests.
    """

    case: Mapping[str, Any]
    violation: str
    cause: str
    recheck: str
    value: str = ""
    regression: str = ""


Fate = Literal["dies", "lives", "also true", "no statement", "not tried"]


@dataclass(frozen=True)
class Mutant:
    """A claim with one change, and what became of it.

    `what` names the argument that was changed, "hypothesis" where one was dropped; `to` is what stands there now. It
    "dies" if it is refuted, is "also true" if it is proved, makes "no statement" where the change is bad input, is "not
    tried" where the time for mutants was spent before, and "lives" otherwise: then the statement is not sharp there, or
    the tests have no teeth. `found` says why.
    """

    what: str
    to: str
    fate: Fate
    found: str = ""


@dataclass(frozen=True)
class Verdict:
    """Status, tier and scope of everything known about one claim after one run."""

    id: str
    status: Status
    tier: Tier | None
    scope: str
    premises: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    certificate: str | None = None
    certificate_hash: str | None = None
    counterexample: Counterexample | None = None
    reason: str = ""
    expected: Status | None = None
    control_of: str | None = None
    kind: str = ""
    title: str = ""
    statement: str = ""
    statement_tex: str = ""
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    reproduce: str = ""
    mutants: tuple[Mutant, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether the status is the one that the claim announces (any status but "refuted" if it announces none)."""
        if self.expected is None:
            return self.status in ("proved", "supported")
        if self.expected == "supported":
            return self.status in ("proved", "supported")
        return self.status == self.expected

    def replace(self, **changes: Any) -> Verdict:
        return replace(self, **changes)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from theorylab.report.notebook import verdict_html

        return verdict_html(self)

    def _repr_latex_(self) -> str:
        from theorylab.report.notebook import verdict_latex

        return verdict_latex(self)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types only; `from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Rebuild a verdict; raises TypeError or KeyError where `data` is not one."""
        evidence = tuple(
            Evidence(
                **{
                    **item,
                    "steps": tuple(Step(**step) for step in item.get("steps", ())),
                    "figures": tuple(
                        Figure(
                            **{
                                **figure,
                                "series": tuple(
                                    Series(**{**curve, "x": tuple(curve["x"]), "y": tuple(curve["y"])})
                                    for curve in figure["series"]
                                ),
                            }
                        )
                        for figure in item.get("figures", ())
                    ),
                }
            )
            for item in data.get("evidence", ())
        )
        witness = data.get("counterexample")
        return cls(
            **{
                **data,
                "evidence": evidence,
                "premises": tuple(data.get("premises", ())),
                "counterexample": None if witness is None else Counterexample(**witness),
                "mutants": tuple(Mutant(**mutant) for mutant in data.get("mutants", ())),
            }
        )
