"""A proof by sign cases as steps that a reader can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from theorylab.derive.signs import Axes, Piece, at_signs
from theorylab.derive.squares import Square
from theorylab.derive.tex import Names, polynomial_tex
from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import Polynomial, Symbol
from theorylab.verdict import Step

SHOWN = 3
MAX_GATES = 3

Renaming = Mapping[Symbol, Symbol]


def sign_steps(pieces: Sequence[Piece]) -> tuple[Step, ...]:
    """For each piece what its letters stand for, and in each case of its gates the squares that it is."""
    return tuple(step for piece in pieces[:SHOWN] for step in _piece_steps(piece))


def _piece_steps(piece: Piece) -> list[Step]:
    names: Renaming = {s: po.symbol(f"a{n + 1}", s.sizes) for n, s in enumerate(piece.named)}
    names = {**names, **{g: po.symbol(f"h{n + 1}", g.sizes) for n, g in enumerate(piece.gates)}}
    steps = [Step("a letter for a sum", _whole(s, names), polynomial_tex(p, _own(s))) for s, p in piece.named.items()]
    for gate, letter in piece.gates.items():
        steps.append(Step("a gate", _whole(gate, names), rf"\mathbf 1[{_whole(letter, names)} > 0]"))
    if len(piece.gates) > MAX_GATES:
        return steps
    squares = {tuple(case.open[gate] for gate in piece.gates): case.squares for case in piece.cases}
    total = _sums(piece.axes)
    for bits in product((True, False), repeat=len(piece.gates)):
        chosen = dict(zip(piece.gates, bits, strict=True))
        value = at_signs(piece.expression, chosen, piece.gates)
        if value:
            roots = [(weight, at_signs(root, chosen, piece.gates)) for weight, root in squares.get(bits, ())]
            after = f"{total}{_as_squares(value, roots, names, piece.axes)} " if roots else ""
            before = f"{total}{_shown(value, names, piece.axes)}"
            steps.append(Step(_case(chosen, piece.gates, names), before, rf"{after}\ge 0"))
    return steps


def _own(s: Symbol) -> Axes:
    return tuple(enumerate(s.sizes))


def _whole(s: Symbol, names: Renaming) -> str:
    """The array of a symbol under its new name."""
    named = names.get(s, s)
    return polynomial_tex(Polynomial({((named, tuple(range(len(s.sizes))), 1),): 1}), _own(s))


def _sums(axes: Axes) -> str:
    labels = Names(axes).free.values()
    return rf"\sum_{{{','.join(labels)}}} " if labels else ""


def _case(chosen: Mapping[Symbol, bool], gates: Mapping[Symbol, Symbol], names: Renaming) -> str:
    """Which gates are open, in words; every argument then stands for its absolute value."""
    if not chosen:
        return "squares and nonnegative terms"
    said = [f"{names[gate].name} = {int(is_open)}" for gate, is_open in chosen.items()]
    letters = [names.get(gates[gate], gates[gate]).name for gate in chosen]
    return f"the case {', '.join(said)}, in the absolute values of {', '.join(letters)}"


def _shown(p: Polynomial, names: Renaming, axes: Axes) -> str:
    total = po.ZERO
    for m, c in p.terms.items():
        _, renamed = po.canonical((names.get(s, s), idx, e) for s, idx, e in m)
        total = total + Polynomial({renamed: c})
    text = polynomial_tex(total, axes)
    return text if len(total.terms) < 2 else rf"\left({text}\right)"


def _as_squares(value: Polynomial, squares: Sequence[Square], names: Renaming, axes: Axes) -> str:
    """The squares, and what is left."""
    rest, parts = value, []
    for weight, root in squares:
        rest = rest - (root * root).scale(weight)
        factor = "" if weight == 1 else polynomial_tex(po.constant(weight))
        parts.append(f"{factor} {_shown(root, names, axes)}^2".strip())
    if rest:
        parts.append(_shown(rest, names, axes))
    return " + ".join(parts)
