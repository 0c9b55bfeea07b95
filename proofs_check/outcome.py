"""What the kernel answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """What a rule verified: the scope, the names of the goals, and what the statement assumes.

    `domain` lists what the functions and declared signs assume, for example "the argument of log in u is positive":
    the statement speaks only of the points where this holds.
    """

    scope: str
    goals: tuple[str, ...]
    domain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The answer about one certificate; `reason` is empty if it is accepted, otherwise "rule: sentence"."""

    accepted: bool
    reason: str = ""
    claim: str = ""
    scope: str = ""
    statement_hash: str = ""
    goals: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
