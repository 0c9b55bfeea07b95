"""What a checked statement takes for granted about its formulas, in words a reader of the paper knows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from theorylab.certificate.writer import Writer
from theorylab.derive.prove import Attempt

ALONG = " all along"
SIGNS = {"is not 0": "≠ 0", "is positive": "> 0", "is not 0 throughout": f"≠ 0{ALONG}"}


def conditions(domain: Sequence[str], statement: Mapping[str, Any]) -> tuple[str, ...]:
    """The checker's conditions with the names of definitions replaced by what they stand for."""
    arguments = {d["name"]: d["arg"] for d in statement.get("define", ()) if "arg" in d}
    found: dict[str, None] = {}
    for text in domain:
        match = re.fullmatch(r"the argument of (\w+) in ([\w.]+) (is not 0|is positive|is not 0 throughout)", text)
        if match and match[2] in arguments:
            text = f"{_expression(arguments[match[2]], statement)} {SIGNS[match[3]]}"
        elif match := re.fullmatch(r"(.+) is (nonzero|positive|nonnegative) throughout", text):
            sign = {"nonzero": "≠ 0", "positive": "> 0", "nonnegative": "≥ 0"}[match[2]]
            text = f"{match[1]} {sign}{ALONG}"
        found[text] = None
    return tuple(found)


def demanded(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """What the formulas of a proof take for granted where they were read, also where it cancels in the certificate."""
    found: dict[str, None] = {}
    for attempt in attempts:
        for demand in attempt.demands:
            writer = Writer(attempt.world)
            written = writer.expression(demand.entry)
            statement = {"letters": writer.letters, "define": writer.define}
            found[f"{_expression(written, statement)} {demand.assumed}"] = None
    return tuple(found)


def without_weaker(premises: Sequence[str]) -> tuple[str, ...]:
    """Premises without repetitions, and without u ≠ 0 where u > 0 is one."""
    weaker = {text[: -len("> 0")] + "≠ 0" for text in premises if text.endswith("> 0")}
    return tuple(text for text in dict.fromkeys(premises) if text not in weaker)


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
    indices: dict[str, str] = {}
    for name, labels, exponent in factors:
        sizes = shapes.get(name, [])
        text = (
            f"{arguments[name]['fn']}({_expression(arguments[name]['arg'], statement)})" if name in arguments else name
        )
        for label, size in zip(labels, sizes, strict=False):
            indices.setdefault(label, _index(size, indices.values()))
        if sizes and name not in arguments:
            text += f"[{','.join(indices[label] for label in labels)}]"
        parts.append(text if exponent == 1 else f"{text}^{exponent}")
        summed |= {label for label in labels if label.startswith("s")}
    number = "" if coefficient == "1" and parts else coefficient
    body = " ".join(([number] if number else []) + parts)
    return f"sum({body})" if summed else body


def _index(size: str, taken: Collection[str]) -> str:
    """A name for one more index of a size: d, then d', then d''."""
    while size in taken:
        size += "'"
    return size
