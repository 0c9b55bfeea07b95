"""The words and numbers of a report: one spelling for every output format."""

from __future__ import annotations

import math
import re

from theorylab.report.model import Badge, Section
from theorylab.verdict import Status, Tier

STATUS_SYMBOL: dict[Status, str] = {"proved": "∎", "supported": "≈", "refuted": "×", "inconclusive": "?"}

STATUS_MEANING: dict[Status, str] = {
    "proved": "a certificate was accepted by the independent checker; the scope is what the certificate says",
    "supported": "simulation and search agree with the claim; this is evidence, not a proof",
    "refuted": "a counterexample survived its re-check",
    "inconclusive": "neither; the reason says what would settle it",
}

TIER_MEANING: dict[Tier, str] = {
    "kernel": "certificate checked by proofs_check, a separate program of the standard library alone",
    "coq": "certificate checked by proofs_check and exported to Coq, which compiled it",
    "exact": "exact rational arithmetic",
    "enclosure": "rigorous interval enclosure",
    "numeric": "float64 with the integrator's own error measured",
}

TIER_TRUST: dict[Tier, str] = {
    "kernel": "the files of proofs_check, the Python that runs them, and that the statement in the certificate is the "
    "one that was meant; what it takes for granted is among the premises",
    "coq": "Coq's kernel with the axioms that it printed, and that the script states what was meant; the script lies "
    "beside the certificate and its hypotheses are in it, and proofs_check has accepted the certificate too",
    "exact": "with a certificate no more than for kernel; without one, theorylab's evaluation of the claim at the "
    "witness",
    "enclosure": "with a certificate no more than for kernel; without one, python-flint's balls and theorylab's "
    "evaluation",
    "numeric": "two integrations in float64, with torch or a C compiler, and for statistics the interval that was "
    "stated in advance; nothing is proved",
}

FINDING_TITLE = {
    "readings": "Readings compared",
    "derivation": "Derivation",
    "kernel": "Independent check",
    "coq": "Coq",
    "search": "How it was attacked",
    "simulation": "Simulation",
    "witness": "Witness",
    "step": "Claims that are used",
    "argument": "Argument",
    "illustration": "Plots",
    "note": "Remark",
    "suggestion": "A hypothesis to try",
}

FATE_TITLE = {
    "lives": "Not refuted: the statement is not sharp there, or the tests have no teeth",
    "also true": "Also true, by an accepted proof: the statement is not sharp there",
    "dies": "Refuted",
    "no statement": "No statement",
    "not tried": "Not tried",
}
FATE_WORDS = {
    "lives": "live",
    "also true": "also true",
    "dies": "refuted",
    "no statement": "no statement",
    "not tried": "not tried",
}

OUTCOME_WORDS = {"for": "for the claim", "against": "against the claim", "open": "settles nothing"}
OUTCOME_SYMBOL = {"for": "+", "against": "−", "open": "○"}

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """`text` with every character that no output format may hold replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def number(value: float | int | str | bool, *, grouped: bool = True) -> str:
    """A number for a reader: four significant digits, powers of ten written out, long integers in groups of three."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f") if grouped and abs(value) >= 10_000 else str(value)
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}".replace("-", "−") if abs(value) < 1e4 else f"{value:.6g}".replace("-", "−")
    mantissa, exponent = f"{value:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "−")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return {"1": power, "−1": "−" + power}.get(mantissa, f"{mantissa}\u202f×\u202f{power}")


def heading(section: Section) -> str:
    """The title of a section, with the word control where it is one: the title alone could pass for a claim."""
    return f"Control: {section.title}" if section.role == "control" else section.title


def expectation(badge: Badge) -> str:
    """What the claim announced, and whether it came."""
    if badge.expected is None:
        return "–" if badge.as_expected else "not met"
    return badge.expected if badge.as_expected else f"{badge.expected}, not met"


def label(name: str) -> str:
    """An identifier as words: `max_drift` is "max drift"."""
    return name.replace("_", " ").strip() or name


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """`3 claims`, `1 claim`."""
    return f"{amount} {singular if amount == 1 else plural or singular + 's'}"
