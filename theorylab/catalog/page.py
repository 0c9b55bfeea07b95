"""The page that lists every claim of the catalogue, and names what rests on something else than a proof and why."""

from __future__ import annotations

from collections.abc import Iterable

from theorylab.catalog import load, papers
from theorylab.catalog.collect import collect
from theorylab.claims import Claim
from theorylab.claims.base import Source

HEAD = """# The claims of the catalogue

Written by `python -m theorylab.catalog` from the claims themselves; a test compares it with them.

What is proved has a certificate that `proofs_check` accepts. A claim that is a formula, but not proved, names the rule
that is missing. What is left are statements about runs, limits and random draws: evidence, no proof.
"""

RESTS_ON = {
    "enclosure": "a rigorous enclosure that the checker replays",
    "limit": "runs to their limits: the checker has no rule for this one",
    "inequality": "runs to their limits: the checker integrates no law along a run",
    "scaling": "runs: slopes over a ladder",
    "mean": "random draws, at the level stated in advance",
    "theorem": "the claims that it uses, put together by hand",
}
"""By kind of claim, where it has no formula that a certificate could state."""


def page_text() -> str:
    """The contents of CLAIMS.md: one table a paper, one claim a row, controls below."""
    return "\n".join([HEAD, *map(_section, papers())])


def rests_on(claim: Claim) -> str:
    """What supports a claim of the catalogue, or what is missing for a proof of it."""
    if claim.expected == "proved":
        return RESTS_ON[claim.kind] if claim.kind == "enclosure" else "a certificate"
    if claim.goals():
        return claim.note
    return " ".join(part for part in (RESTS_ON.get(claim.kind, "runs") + ".", claim.note) if part)


def _section(paper: str) -> str:
    claims = collect(vars(load(paper)), paper)
    sources = {i: c.source or Source() for i, c in claims.items()}
    own = {i: c for i, c in claims.items() if c.control_of is None}
    controls = [i.partition("/")[2] for i, c in claims.items() if c.control_of is not None and c.expected == "refuted"]
    rows = [
        (f"`{i.partition('/')[2]}`", c.title, sources[i].place or sources[i].note, c.expected or "", rests_on(c))
        for i, c in own.items()
    ]
    return (
        f"## {paper}: {next(iter(sources.values())).title}\n\n"
        + _table(("claim", "says", "source", "expected", "rests on"), rows)
        + f"\nControls, refuted: {', '.join(f'`{name}`' for name in controls)}.\n"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
