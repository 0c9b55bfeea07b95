"""What a checked statement takes for granted about its formulas, in words a reader of the paper knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SIGNS = {"is not 0": "≠ 0", "is positive": "> 0"}
ALONG = " all along"


def conditions(domain: Sequence[str], statement: Mapping[str, Any]) -> tuple[str, ...]:
    """The checker's conditions with the names of definitions replaced by what they stand for."""
    arguments = {d["name"]: d["arg"] for d in statement.get("define", ()) if "arg" in d}
    found: dict[str, None] = {}
    for text in domain:
        match = re.fullmatch(r"the argument of (\w+) in ([\w.]+) (is not 0|is positive)", text)
        if match and match[2] in arguments:
            text = f"{_expression(arguments[match[2]], statement)} {SIGNS[match[3]]}"
        elif match := re.fullmatch(r"(.+) is (nonzero|positive|nonnegative) throughout", text):
            sign = {"nonzero": "≠ 0", "positive": "> 0", "nonnegative": "≥ 0"}[match[2]]
            text = f"{match[1]} {sign}{ALONG}"
        found[text] = None
    return tuple(found)


def along(found: Sequence[str]) -> tuple[str, ...]:
    """Those conditions that are about whole runs, and not about a case alone."""
    return tuple(text for text in found if text.endswith(ALONG))


def _expression(expression: Sequence[Any], statement: Mapping[str, Any]) -> str:
    return " + ".join(_term(c, factors, statement) for c, factors in expression) or "0"


def _term(coefficient: str, factors: Sequence[Any], statement: Mapping[str, Any]) -> str:
    shapes = {n: spec["shape"] for n, spec in statement["letters"].items()}
    shapes |= {d["name"]: [size for _, size in d["axes"]] for d in statement.get("define", ())}
    arguments = {d["name"]: d for d in statement.get("define", ()) if "arg" in d}
    parts, summed = [], set()
    for name, labels, exponent in factors:
        sizes = shapes.get(name, [])
        text = (
            f"{arguments[name]['fn']}({_expression(arguments[name]['arg'], statement)})" if name in arguments else name
        )
        if sizes and name not in arguments:
            text += f"[{','.join(sizes)}]"
        parts.append(text if exponent == 1 else f"{text}^{exponent}")
        summed |= {label for label in labels if label.startswith("s")}
    number = "" if coefficient == "1" and parts else coefficient
    body = " ".join(([number] if number else []) + parts)
    return f"sum({body})" if summed else body
