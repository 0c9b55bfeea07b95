"""From the bytes of a certificate to the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import identity
from .document import Budget, Rejected, parse, show, statement_hash
from .outcome import Checked, Outcome

RULES: dict[str, Callable[[dict[str, Any], Budget], Checked]] = {
    "indexed-identity": identity.check,
}


def check(data: bytes) -> Outcome:
    """Check one certificate. Never raises: whatever is wrong with the bytes is a rejection with a reason."""
    document: dict[str, Any] = {}
    try:
        document = parse(data)
        rule = RULES.get(document["rule"])
        if rule is None:
            raise Rejected("parser", f"the rule is {show(document['rule'])}, expected one of {', '.join(RULES)}")
        checked = rule(document, Budget())
        if document["scope"] != checked.scope:
            raise Rejected("scope", f"the document says {show(document['scope'])}, proved is {checked.scope!r}")
    except Rejected as rejection:
        return Outcome(False, str(rejection), str(document.get("claim", "")))
    except (RecursionError, MemoryError):
        return Outcome(False, "limit: the document needs more memory than a certificate may", str(document.get("claim", "")))
    except Exception as error:  # a rule that stumbles has proved nothing
        return Outcome(False, f"internal: {type(error).__name__}: {str(error)[:200]}", str(document.get("claim", "")))
    return Outcome(
        True, "", document["claim"], checked.scope, statement_hash(document), checked.goals, checked.domain
    )
