"""From the bytes of a certificate to the answer: the table of rules, and what every rule has to obey.

A rule is one function of a parsed document and a budget, in a file of its own. It reads `document["statement"]` and
`document["proof"]`, raises `Rejected(rule, sentence)` unless the proof shows the statement, and otherwise returns what
it verified. It counts its work with `budget.spend(steps)`. A new rule is a new file and one line in RULES.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .document import Budget, Rejected, choice, parse, require, show, statement_hash

RULES = {  # by the file with its function `check(document, budget) -> Checked`, loaded when it is first needed
    "indexed-identity": "goals",
    "exact-counterexample": "counterexample",
    "relu-path": "relu_path",
    "enclosure": "enclosure",
    "rank": "rank",
}


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
    """The answer about one certificate; `reason` is empty if it is accepted, otherwise "rule: sentence".

    `given` is what was taken for granted: the names of the hypotheses of the statement, and the document's premises.
    """

    accepted: bool
    reason: str = ""
    claim: str = ""
    scope: str = ""
    statement_hash: str = ""
    goals: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def check(data: bytes, budget: Budget | None = None) -> Outcome:
    """Check one certificate. Never raises: whatever is wrong with the bytes is a rejection with a reason."""
    document: dict[str, Any] = {}
    try:
        document = parse(data)
        known = choice(document["rule"], "the rule", RULES)
        rule = import_module(f".{RULES[known]}", __package__)
        checked: Checked = rule.check(document, budget or Budget())
        proved = document["scope"] == checked.scope
        require(proved, "scope", f"the document says {show(document['scope'])}, proved is {checked.scope!r}")
    except Rejected as rejection:
        reason = str(rejection)
    except (RecursionError, MemoryError):
        reason = "limit: the document needs more memory than a certificate may"
    except Exception as error:  # a rule that stumbles has proved nothing
        reason = f"internal: {type(error).__name__}: {str(error)[:200]}"
    else:
        claim, hashed = document["claim"], statement_hash(document)
        names = [spec["name"].lstrip("_") for spec in document["statement"].get("relations", ())]
        given = tuple(dict.fromkeys([*names, *document["premises"]]))
        return Outcome(True, "", claim, checked.scope, hashed, checked.goals, checked.domain, given)
    return Outcome(False, reason, str(document.get("claim", "")))
