"""Semantic damage to a certificate: one sign, coefficient, exponent, factor, term or number at a time, sealed again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tests.proofs_check.documents import Document, seal

Path = tuple[str | int, ...]


def mutants(document: Document) -> Iterator[tuple[str, Document]]:
    """Every mutant of the statement and of the proof, with a name such as 'goals.0.expr.1 sign'."""
    for part in ("statement", "proof"):
        for path, value in _walk(document[part]):
            for what, changed in _changes(path, value):
                mutant = copy.deepcopy(document)
                _put(mutant[part], path, changed)
                name = ".".join(map(str, path))
                yield f"{part}.{name} {what}", seal(mutant)


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _walk(inner, (*path, key))


def _changes(path: Path, value: Any) -> Iterator[tuple[str, Any]]:
    if _is_term(value):
        coefficient, factors = value
        yield "sign", [str(-Fraction(coefficient)), factors]
        yield "coefficient", [str(Fraction(coefficient) * 3 / 2), factors]
        for k, (name, labels, exponent) in enumerate(factors):
            rest = [*factors[:k], *factors[k + 1 :]]
            yield f"exponent of factor {k}", [coefficient, [*rest, [name, labels, exponent + 1 or 1]]]
            yield f"without factor {k}", [coefficient, rest]
    elif isinstance(value, list) and value and all(map(_is_term, value)):
        for k in range(len(value)):
            yield f"without term {k}", [*value[:k], *value[k + 1 :]]
    elif isinstance(value, str) and _is_number(value) and path[-2:-1] and not _inside_term(path):
        yield "number", str(Fraction(value) + 1)
        if Fraction(value):
            yield "negated", str(-Fraction(value))
    elif value in ("<=", ">="):
        yield "sense", "<=" if value == ">=" else ">="


def _is_term(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and _is_number(value[0])
        and isinstance(value[1], list)
        and all(isinstance(f, list) and len(f) == 3 and isinstance(f[1], list) for f in value[1])
    )


def _is_number(value: str) -> bool:
    try:
        Fraction(value)
    except ValueError:
        return False
    return True


def _inside_term(path: Path) -> bool:
    terms = ("expr", "arg", "rate", "squares", "define", "state", "relations", "times", "minus", "equal")
    return any(key in terms for key in path)


def _put(root: Any, path: Path, value: Any) -> None:
    for key in path[:-1]:
        root = root[key]
    root[path[-1]] = value
