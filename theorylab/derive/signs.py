"""Proofs of E >= 0 by cases on the signs of gate arguments: a search, whose result the checker reads anew.

E is written in the arguments of its gates, a[n] = sum_d x[d,n] w[d], as letters of their own; sums become axes, so that
E is a sum of pieces, each an expression at one value of its axes. In each case h = 1 (a >= 0) or h = 0 (a <= 0) a piece
is to be a sum of squares and of nonnegative monomials (see `squares`). Where that fails, contractions such as
sum_j W[i,j] x[j] become letters too, and the search starts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations, product

from theorylab.derive.spelling import Spelling, spellings
from theorylab.derive.squares import Square, sum_of_squares
from theorylab.readings import polynomial as po
from theorylab.readings.array import Size
from theorylab.readings.polynomial import Monomial, Polynomial, Symbol

MAX_GATES = 6
MAX_AXES = 4

FIRST_AXIS = 100
"""Axes of a piece that are no axes of the goal are numbered from here."""

Axes = tuple[tuple[int, Size], ...]
Key = tuple[Size, ...]


@dataclass(frozen=True)
class SignCase:
    """Which gates are open, and the squares that are taken away in that case."""

    open: Mapping[Symbol, bool]
    squares: tuple[Square, ...]


@dataclass(frozen=True)
class Piece:
    """A summand of the expression at one value of each of its axes, and why it is nonnegative.

    expression: without sums, in letters, atoms and the symbols of `named`. named: symbols that stand for an expression
    over their own axes. gates: each step atom that is split by cases, with the symbol of its argument. cases: those
    that need squares.
    """

    expression: Polynomial
    axes: Axes
    named: Mapping[Symbol, Polynomial] = field(default_factory=dict)
    gates: Mapping[Symbol, Symbol] = field(default_factory=dict)
    cases: tuple[SignCase, ...] = ()


def nonnegative(
    expression: Polynomial, axes: Axes, *, strict: bool = False, split_gates: bool = True
) -> tuple[Piece, ...] | None:
    """Pieces that add up to `expression`, each shown to be nonnegative; None if the search finds none.

    axes: the free indices with their sizes. strict: one piece is to be positive in every case. split_gates: whether
    every gate is 0 or 1.
    """
    if not expression:
        return None if strict else ()
    for words in spellings(expression, split_gates):
        pieces = _pieces(words, axes, strict)
        if pieces is not None:
            return pieces
    return None


def squares_of(parts: Sequence[tuple[Polynomial, Axes, Polynomial]]) -> tuple[Piece, ...]:
    """The pieces weight * q^2 for arrays q, given as (q, axes, weight)."""
    pieces = []
    for n, (entry, axes, weight) in enumerate(parts):
        if not entry:
            continue
        shift = {a: FIRST_AXIS + i for i, (a, _) in enumerate(axes)}
        root = po.symbol(f"~square.{n}", [size for _, size in axes])
        own = entry.relabel({a: i for i, (a, _) in enumerate(axes)})
        here = Polynomial({((root, tuple(shift.values()), 2),): 1})
        pieces.append(Piece(weight.relabel(shift) * here, tuple((shift[a], size) for a, size in axes), {root: own}))
    return tuple(pieces)


def _pieces(words: Spelling, axes: Axes, strict: bool) -> tuple[Piece, ...] | None:
    """The sums of an expression opened, and every piece shown to be nonnegative, or None."""
    groups: dict[Key, Polynomial] = {}
    opened_axes: dict[Key, Axes] = {}
    for m, c in words.expression.terms.items():
        opened = _opened(m, c, words.arguments)
        if opened is None:
            return None
        key, summand, own = opened
        groups[key] = groups.get(key, po.ZERO) + summand
        opened_axes[key] = own
    groups = _with_sizes(groups, opened_axes)
    found: list[Piece] = []
    for key, group in groups.items():
        own = axes + opened_axes[key]
        parts = _all_shown(_components(group), words, own) or _all_shown([group], words, own)
        if parts is None:
            return None
        found += parts
    if not strict:
        return tuple(found)
    for n, piece in enumerate(found):
        named = {**words.named, **piece.named}
        positive = _split(piece.expression, named, words.arguments, piece.axes, strict=True)
        if positive is not None:
            return (*found[:n], positive, *found[n + 1 :])
    return None


def _all_shown(parts: Sequence[Polynomial], words: Spelling, axes: Axes) -> list[Piece] | None:
    """A piece for each of the parts, or None."""
    pieces: list[Piece] = []
    for part in parts:
        piece = _piece(part, words, axes)
        if piece is None:
            return None
        pieces.append(piece)
    return pieces


def _opened(m: Monomial, c: po.Coefficient, arguments: Mapping[Symbol, Symbol]) -> tuple[Key, Polynomial, Axes] | None:
    """A term with its sums as axes, averaged over the ways to name axes of one size; those of gates come first."""
    sizes: dict[int, Size] = {}
    for s, idx, _ in m:
        if s.name == "delta":
            return None
        sizes.update({i: size for i, size in zip(idx, s.sizes, strict=True) if i < 0})
    if len(sizes) > MAX_AXES:
        return None
    gated = list(dict.fromkeys(i for s, idx, _ in m if s in arguments for i in idx if i < 0))
    ordered = sorted(sizes, key=lambda i: (str(sizes[i]), gated.index(i) if i in gated else len(gated), -i))
    total, ways = po.ZERO, 0
    for order in permutations(ordered):
        kept = all(a == b or not {a, b} & set(gated) for a, b in zip(order, ordered, strict=True))
        if kept and [sizes[i] for i in order] == [sizes[i] for i in ordered]:
            names = {i: FIRST_AXIS + n for n, i in enumerate(order)}
            factor, named = po.canonical((s, tuple(names.get(i, i) for i in idx), e) for s, idx, e in m)
            total = total + Polynomial({named: po.simple(c * factor)})
            ways += 1
    key = tuple(sizes[i] for i in ordered)
    return key, total.scale(Fraction(1, ways)), tuple((FIRST_AXIS + n, size) for n, size in enumerate(key))


def _with_sizes(groups: Mapping[Key, Polynomial], axes: Mapping[Key, Axes]) -> dict[Key, Polynomial]:
    """Terms with a factor n are sums over n of a constant: they join a group that has such an axis."""
    result = dict(groups)
    for key, wide in product(groups, groups):
        missing = [size for size in wide if size not in key]
        if not missing or len(set(wide)) != len(wide) or len(wide) != len(key) + len(missing):
            continue
        counts = {f"#{size}" for size in missing}
        place = {a: next(b for b, other in axes[wide] if other == size) for a, size in axes[key]}
        for m, c in result.get(key, po.ZERO).terms.items():
            if counts <= {s.name for s, _, e in m if e == 1}:
                rest = Polynomial({tuple(f for f in m if f[0].name not in counts): c})
                result[wide] = result[wide] + rest.relabel(place)
                result[key] = result[key] - Polynomial({m: c})
    return {key: group for key, group in result.items() if group}


def _gates_of(p: Polynomial) -> set[Symbol]:
    return {s for s in p.symbols() if s.function == "step"}


def _components(p: Polynomial) -> list[Polynomial]:
    """Parts that share no gate and nothing of unknown sign."""
    parts: list[tuple[set[tuple[Symbol, tuple[int, ...]]], dict[Monomial, po.Coefficient]]] = []
    for m, c in p.terms.items():
        own = {(s, idx) for s, idx, _ in m if s.sign != "positive"}
        touched = [part for part in parts if part[0] & own]
        parts = [part for part in parts if not part[0] & own]
        terms = {m: c}
        for _, other in touched:
            terms.update(other)
        parts.append((own.union(*(seen for seen, _ in touched)), terms))
    return [Polynomial(terms) for _, terms in parts]


def _piece(p: Polynomial, words: Spelling, axes: Axes) -> Piece | None:
    """The piece with a proof for every pattern of its gates, or None."""
    found = _split(p, words.named, words.arguments, axes)
    if found is not None:
        return found
    rooted, roots = _in_roots(p)
    return _split(rooted, {**words.named, **roots}, words.arguments, axes) if roots else None


def _in_roots(p: Polynomial) -> tuple[Polynomial, dict[Symbol, Polynomial]]:
    """The expression in q = sqrt(c) for each positive letter c with an odd power, so that c (a - b)^2 is a square."""
    plain = {s for s in p.symbols() if s.sign == "positive" and s.argument is None and not s.name.startswith("#")}
    odd = sorted({s for m in p.terms for s, _, e in m if s in plain and e % 2})
    roots = {s: po.symbol(f"~root of {s.name}", s.sizes, "positive") for s in odd}
    total = po.ZERO
    for m, c in p.terms.items():
        _, renamed = po.canonical((roots[s], idx, 2 * e) if s in roots else (s, idx, e) for s, idx, e in m)
        total = total + Polynomial({renamed: c})
    return total, {root: po.atom("sqrt", po.letter(s.name, s.sizes, s.sign)) for s, root in roots.items()}


def _split(
    p: Polynomial,
    known_sums: Mapping[Symbol, Polynomial],
    letters: Mapping[Symbol, Symbol],
    axes: Axes,
    strict: bool = False,
) -> Piece | None:
    """The piece by cases on its gates, whose arguments have the given letters, or None."""
    gates = {gate: letters.get(gate) for gate in sorted(_gates_of(p))}
    if any(letter is None for letter in gates.values()) or len(gates) > MAX_GATES:
        return None
    arguments = {gate: letter for gate, letter in gates.items() if letter is not None}
    if len(set(arguments.values())) < len(arguments):
        return None
    for gate, letter in arguments.items():
        if len({idx for m in p.terms for s, idx, _ in m if s is gate or s is letter}) > 1:
            return None
    known = frozenset(arguments.values())
    cases: list[SignCase] = []
    for bits in product((False, True), repeat=len(arguments)):
        chosen = dict(zip(arguments, bits, strict=True))
        squares = sum_of_squares(at_signs(p, chosen, arguments), known, strict=strict)
        if squares is None:
            return None
        if squares:
            # The roots are in |a|; the checker turns a into -|a| where the gate is shut.
            turned = tuple((weight, at_signs(root, chosen, arguments)) for weight, root in squares)
            cases.append(SignCase(chosen, turned))
    used = {i for m in p.terms for _, idx, _ in m for i in idx}
    named = {s: known_sums[s] for s in sorted(p.symbols() | set(arguments.values())) if s in known_sums}
    kept = tuple((a, size) for a, size in axes if a >= FIRST_AXIS or a in used)
    return Piece(p, kept, named, arguments, tuple(cases))


def at_signs(p: Polynomial, chosen: Mapping[Symbol, bool], arguments: Mapping[Symbol, Symbol]) -> Polynomial:
    """The polynomial in one case: gates are 0 or 1, and a letter a stands for |a|, so that a is a or -a."""
    turned = {arguments[gate] for gate, is_open in chosen.items() if not is_open}
    terms: dict[Monomial, po.Coefficient] = {}
    for m, c in p.terms.items():
        if any(chosen.get(s) is False for s, _, _ in m):
            continue
        flips = sum(e for s, _, e in m if s in turned)
        kept = tuple(f for f in m if f[0] not in chosen)
        total = po.simple(terms.get(kept, 0) + (-c if flips % 2 else c))
        if total:
            terms[kept] = total
        else:
            terms.pop(kept, None)
    return Polynomial(terms)
