"""Proofs of nonnegativity, written as the checker reads them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from theorylab.derive.signs import Piece
from theorylab.derive.world import Component
from theorylab.readings.polynomial import Polynomial, Symbol

if TYPE_CHECKING:
    from theorylab.certificate.writer import Writer

Json = Any


def written(piece: Piece, writer: Writer) -> dict[str, Json]:
    """A piece; its letters keep the names that they have in the statement."""
    names = {s: _name(s, piece, writer) for s in sorted(_symbols(piece))}

    def expression(p: Polynomial) -> list[Json]:
        return [
            [str(c), [[names[s], [f"i{i}" for i in idx], e] for s, idx, e in m]]
            for m, c in sorted(p.terms.items(), key=lambda item: repr(item[0]))
        ]

    order = sorted(piece.gates, key=lambda gate: names[gate])
    cases: dict[str, Json] = {"".join(bits): {"squares": []} for bits in product("01", repeat=len(order))}
    for case in piece.cases:
        pattern = "".join("1" if case.open[gate] else "0" for gate in order)
        cases[pattern] = {"squares": [[str(weight), expression(root)] for weight, root in case.squares]}
    document: dict[str, Json] = {
        "axes": [[f"i{a}", str(size)] for a, size in piece.axes],
        "letters": list(names.values()),
        "expr": expression(piece.expression),
        "cases": cases,
    }
    if order:
        document["gates"] = {names[gate]: names[piece.gates[gate]] for gate in order}
    return document


def _symbols(piece: Piece) -> set[Symbol]:
    roots = [root for case in piece.cases for _, root in case.squares]
    found = set().union(*(p.symbols() for p in [piece.expression, *roots]))
    return found | set(piece.gates) | set(piece.gates.values())


def _name(s: Symbol, piece: Piece, writer: Writer) -> str:
    """The letter or definition that a symbol of a piece stands for."""
    if s in piece.named:
        axes = tuple(enumerate(s.sizes))
        return writer.definition("part", Component(piece.named[s], axes))
    if s.name.startswith("#"):
        name = writer.fresh("size")
        writer.define.append({"name": name, "axes": [], "expr": [["1", [[s.name, [], 1]]]]})
        return name
    return writer.symbol(s)
