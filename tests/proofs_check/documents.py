"""Certificates written by hand, in a short notation, and sealed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from theorylab.certificate.completed import completed

Expr = list[list[Any]]
Document = dict[str, Any]


class Hinted(dict[str, Any]):
    """A document that remembers the proof that it was written with, before it was completed."""

    def __init__(self, document: Document, hints: Document) -> None:
        super().__init__(document)
        self.hints = hints


FACTOR = re.compile(r"((?:#|=)?[A-Za-z_][\w.']*)(?:\[([^\]]*)\])?(?:\^(-?\d+))?")
RATIONAL = re.compile(r"\d+(/\d+)?")


def expr(text: str) -> Expr:
    """'W[i,k]^2 x[k] - 3/2 y' as the terms of a certificate; factors are separated by blanks, "0" has no terms."""
    terms: Expr = []
    for token in (text if text.startswith("- ") else "+ " + text).split():
        if token in ("+", "-"):
            terms.append(["1" if token == "+" else "-1", []])
        elif RATIONAL.fullmatch(token):
            terms[-1][0] = terms[-1][0].replace("1", token)
        elif match := FACTOR.fullmatch(token):
            name, indices, exponent = match.groups()
            terms[-1][1].append([name, indices.split(",") if indices else [], int(exponent or 1)])
        else:
            raise ValueError(f"{text!r}: {token!r} is no factor")
    return [term for term in terms if term[0].strip("-") != "0"]


def axes(text: str) -> list[list[str]]:
    """'k:K n' as axes: a label with its size, which is the label itself where none is given."""
    return [part.split(":") if ":" in part else [part, part] for part in text.split()]


def letters(signs: Mapping[str, str] | None = None, /, **shapes: str) -> Document:
    """Letters by shape, as in letters(W="k d"), some of them with a sign."""
    declared: Document = {name: {"shape": shape.split()} for name, shape in shapes.items()}
    for name, sign in (signs or {}).items():
        declared.setdefault(name, {"shape": []})["sign"] = sign
    return declared


def define(name: str, ax: str, text: str, fn: str | None = None) -> Document:
    """A definition by an expression, or by a function of one."""
    if fn is None:
        return {"name": name, "axes": axes(ax), "expr": expr(text)}
    return {"name": name, "axes": axes(ax), "fn": fn, "arg": expr(text)}


def relation(name: str, ax: str, text: str) -> Document:
    return {"name": name, "axes": axes(ax), "expr": expr(text)}


def rewrite(name: str, lead: str) -> Document:
    return {"relation": name, "lead": expr(lead)[0]}


def goal(kind: str, name: str = "law", ax: str = "", **fields: Any) -> Document:
    """A goal; `expr`, `rate` and `time` are given in the short notation."""
    written = {key: expr(value) if key in ("expr", "rate", "time") else value for key, value in fields.items()}
    return {"name": name, "kind": kind, **({} if kind == "conjugate" else {"axes": axes(ax)}), **written}


def certificate(
    statement: Document,
    proof: Document | None = None,
    scope: str = "all sizes",
    rule: str = "indexed-identity",
    premises: Sequence[str] = (),
) -> Hinted:
    """A sealed document; its proof is searched for, by the hints of "rewrites", if it gives no "zero"."""
    hints, proof = proof or {}, dict(proof or {})
    if rule == "indexed-identity" and "zero" not in proof:
        proof = completed(statement, proof)
    sealed = seal(
        {
            "format": "theorylab-certificate-3",
            "rule": rule,
            "claim": "test/claim",
            "scope": scope,
            "premises": list(premises),
            "statement": statement,
            "proof": proof,
        }
    )
    return Hinted(sealed, hints)


def seal(document: Document) -> Document:
    """The document with its seal, computed here and not by the kernel."""
    body = {key: value for key, value in document.items() if key != "seal"}
    return {**body, "seal": hashlib.sha256(encode(body)).hexdigest()}


def encode(document: Document) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
