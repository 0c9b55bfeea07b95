"""The claims that a module states, each under its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theorylab.catalog import Entry, load, papers
from theorylab.claims import Claim
from theorylab.claims.base import slug
from theorylab.errors import InputError


def collect(namespace: Mapping[str, Any], prefix: str) -> dict[str, Claim]:
    """All claims reachable from the public names of a module, in the order of definition: id to claim.

    Lists, tuples and dictionaries are searched too. A claim without a name of its own takes the name of its
    variable, with its key where it lies in a container. Names that start with an underscore are private.
    Raises InputError where two claims have one id.
    """
    found: dict[str, Claim] = {}
    places: dict[str, str] = {}
    for variable, value in namespace.items():
        if variable.startswith("_"):
            continue
        for place, claim in claims_in(value, variable):
            if any(claim is other for other in found.values()):
                continue
            claim_id = f"{prefix}/{slug(claim.name or place)}"
            if claim_id in found:
                raise InputError(
                    f"the claims {places[claim_id]} and {place} both have the id {claim_id!r}, "
                    "expected a name of its own for each claim"
                )
            found[claim_id], places[claim_id] = claim, place
    for claim_id, claim in found.items():
        claim.named(claim_id)
        if claim.control_of is not None and (control_of := f"{prefix}/{slug(claim.control_of)}") in found:
            claim.control_of = control_of
    return found


def build_index() -> list[Entry]:
    """The index of the catalogue, from the claims themselves."""
    return [
        {
            "id": claim_id,
            "paper": paper,
            "kind": claim.kind,
            "title": claim.title,
            "expected": claim.expected,
            "control_of": claim.control_of,
        }
        for paper in papers()
        for claim_id, claim in collect(vars(load(paper)), paper).items()
    ]


def claims_in(value: Any, place: str, above: tuple[int, ...] = ()) -> Iterator[tuple[str, Claim]]:
    """The claims in a value, each with its place in it: `controls[0]`; `above` are the containers around it."""
    if isinstance(value, Claim):
        yield place, value
    elif isinstance(value, list | tuple | dict) and id(value) not in above:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from claims_in(item, f"{place}[{key}]", (*above, id(value)))
