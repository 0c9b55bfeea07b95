"""One expression spelt in several ways: with the arguments of gates, and then contractions, as letters of their own.

The sign of a[n] = sum_d x[d,n] w[d] can be split only where it is a letter: such sums are found by rewriting products
with the relation that defines the letter, solved for one of its terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, count

from theorylab.derive.squares import is_nonnegative
from theorylab.readings import polynomial as po
from theorylab.readings.array import Size
from theorylab.readings.polynomial import Factor, Monomial, Polynomial, Rule, Symbol

MAX_NAMED = 4
MAX_SPELLINGS = 12


@dataclass(frozen=True)
class Spelling:
    """An expression with some of its parts named; `arguments` gives the symbol of each gate's argument."""

    expression: Polynomial
    named: Mapping[Symbol, Polynomial]
    arguments: Mapping[Symbol, Symbol]


def spellings(expression: Polynomial, split_gates: bool) -> Iterator[Spelling]:
    """The expression in the arguments of its gates; then with contractions named, one after the other."""
    fresh = (f"~part.{n}" for n in count())
    named: dict[Symbol, Polynomial] = {}
    arguments: dict[Symbol, Symbol] = {}
    rules: list[Rule] = []
    if split_gates:
        gates = [(_bare(s), s) for s in sorted(expression.symbols()) if s.function == "step"]
        for letter, gate in sorted(gates, key=lambda pair: pair[0] is None):
            arguments[gate] = letter or _argument(gate, fresh, named, rules, set(arguments.values()))
    current = po.rewrite(expression, rules)
    current = _own_arguments(current, arguments, named, rules)
    words = Spelling(current, named, arguments)
    yield words
    yield from _signed_arguments(words)
    yield from _contracted(words, fresh)


def _contracted(start: Spelling, fresh: Iterator[str]) -> Iterator[Spelling]:
    """Spellings with up to MAX_NAMED contractions named, those with fewer first."""
    level = [start]
    for _ in range(MAX_NAMED):
        below: list[Spelling] = []
        for words in level:
            for lead, sizes in _contractions(words.expression):
                letter = po.symbol(next(fresh), sizes)
                named = {**words.named, letter: _expanded(Polynomial({lead: 1}), words.named)}
                shorter = po.rewrite(words.expression, [Rule(letter.name, lead, _whole(letter))])
                if len(sizes) == 2 and Polynomial({lead: 1}).relabel({0: 1, 1: 0}) == Polynomial({lead: 1}):
                    shorter = _symmetric(shorter, letter)
                below.append(Spelling(shorter, named, words.arguments))
        level = below[:MAX_SPELLINGS]
        yield from level


def _symmetric(p: Polynomial, letter: Symbol) -> Polynomial:
    """The expression with letter[j, i] written letter[i, j], for a symmetric matrix."""
    total = po.ZERO
    for m, c in p.terms.items():
        factor, kept = po.canonical((s, tuple(sorted(idx)) if s is letter else idx, e) for s, idx, e in m)
        total = total + Polynomial({kept: po.simple(c * factor)})
    return total


def _bare(gate: Symbol) -> Symbol | None:
    """The argument of a gate where it is a letter with the gate's own axes."""
    assert gate.argument is not None
    if len(gate.argument.terms) != 1:
        return None
    ((m, c),) = gate.argument.terms.items()
    return m[0][0] if c == 1 and len(m) == 1 and m[0][1:] == (tuple(range(len(gate.sizes))), 1) else None


def _argument(
    gate: Symbol, fresh: Iterator[str], named: dict[Symbol, Polynomial], rules: list[Rule], before: set[Symbol]
) -> Symbol:
    """A name for the argument of a gate, with the rule that finds it in products."""
    assert gate.argument is not None
    letter = po.symbol(next(fresh), gate.sizes)
    named[letter] = gate.argument
    rest = po.rewrite(gate.argument, rules)
    lead = _lead(rest, len(gate.sizes), before)
    if lead is not None:
        others = Polynomial({m: c for m, c in rest.terms.items() if m != lead})
        rules.append(Rule(letter.name, lead, (_whole(letter) - others).scale(Fraction(1) / rest.terms[lead])))
    return letter


def _whole(letter: Symbol) -> Polynomial:
    """The array of a symbol, axis a being index a."""
    return Polynomial({((letter, tuple(range(len(letter.sizes))), 1),): 1})


def _lead(p: Polynomial, axes: int, before: set[Symbol]) -> Monomial | None:
    """The term that a name is solved for: with every axis, no denominators, and not in names alone."""

    def able(m: Monomial) -> bool:
        plain = all(e > 0 and s.function != "step" for s, _, e in m)
        whole = {i for _, idx, _ in m for i in idx if i >= 0} == set(range(axes))
        return plain and whole and any(not s.name.startswith("~") and s not in before for s, _, _ in m)

    return max(filter(able, p.terms), key=lambda m: (sum(e for _, _, e in m), repr(m)), default=None)


def _own_arguments(
    p: Polynomial, arguments: Mapping[Symbol, Symbol], named: Mapping[Symbol, Polynomial], rules: Sequence[Rule]
) -> Polynomial:
    """Where the argument a' of a gate is a multiple c a of another one, as in step(-a): a = a'/c beside that gate."""
    for gate, letter in arguments.items():
        twin = _multiple(po.rewrite(named[letter], rules), letter, arguments) if letter in named else None
        if twin is None:
            continue
        other, order, factor = twin
        total = po.ZERO
        for m, c in p.terms.items():
            at = next((idx for s, idx, _ in m if s is gate), None)
            if at is None or any(arguments.get(s) is other for s, _, _ in m):
                total = total + Polynomial({m: c})
                continue
            term: list[Factor] = []
            for s, idx, e in m:
                mine = s is other and e > 0 and tuple(at[i] for i in order) == idx
                term.append((letter, at, e) if mine else (s, idx, e))
                c = c / Fraction(factor) ** e if mine else c
            times, kept = po.canonical(term)
            total = total + Polynomial({kept: po.simple(c * times)})
        p = total
    return p


def _multiple(
    p: Polynomial, letter: Symbol, arguments: Mapping[Symbol, Symbol]
) -> tuple[Symbol, tuple[int, ...], po.Coefficient] | None:
    """(a, order of its axes, c) where p is c a for the argument a of another gate than that of `letter`."""
    if len(p.terms) != 1:
        return None
    ((m, c),) = p.terms.items()
    if len(m) != 1 or m[0][2] != 1 or m[0][0] is letter or m[0][0] not in arguments.values():
        return None
    return m[0][0], m[0][1], c


def _signed_arguments(words: Spelling) -> Iterator[Spelling]:
    """Where the sign of an argument shows, one power of its name written out: an open gate then contradicts it."""
    shown = {s: words.named[s] for s in words.arguments.values() if s in words.named and _shows_sign(words.named[s])}
    total = po.ZERO
    for m, c in words.expression.terms.items():
        at = next((k for k, (s, _, e) in enumerate(m) if s in shown and e > 0), None)
        if at is None or po.dummy_count(m):
            total = total + Polynomial({m: c})
            continue
        s, idx, e = m[at]
        _, rest = po.canonical([*m[:at], *([(s, idx, e - 1)] if e > 1 else []), *m[at + 1 :]])
        total = total + Polynomial({rest: c}) * shown[s].relabel(dict(enumerate(idx)))
    if shown:
        yield Spelling(total, words.named, words.arguments)


def _shows_sign(p: Polynomial) -> bool:
    """Whether p, or -p, has positive coefficients only, on nonnegative monomials without sums."""
    plain = all(is_nonnegative(m) and not po.dummy_count(m) for m in p.terms)
    return plain and (min(p.terms.values()) > 0 or max(p.terms.values()) < 0)


def _contractions(p: Polynomial) -> list[tuple[Monomial, tuple[Size, ...]]]:
    """Products of two factors that are summed over what they share, with the sizes left, frequent ones first."""
    seen: dict[Monomial, int] = {}
    shapes: dict[Monomial, tuple[Size, ...]] = {}
    for m in p.terms:
        for (s, sdx, e), (t, tdx, f) in combinations(m, 2):
            others = {k for u, udx, _ in m for k in udx if (u, udx) not in ((s, sdx), (t, tdx))}
            shared = {k for k in sdx if k < 0 and k in tdx and k not in others}
            if e != 1 or f != 1 or not shared or "delta" in (s.name, t.name):
                continue
            kept = [k for k in dict.fromkeys((*sdx, *tdx)) if k not in shared]
            sizes = {**dict(zip(sdx, s.sizes, strict=True)), **dict(zip(tdx, t.sizes, strict=True))}
            names = {k: n for n, k in enumerate(kept)} | {k: -1_000 - n for n, k in enumerate(sorted(shared))}
            _, lead = po.canonical([(s, tuple(names[k] for k in sdx), 1), (t, tuple(names[k] for k in tdx), 1)])
            seen[lead] = seen.get(lead, 0) + 1
            shapes[lead] = tuple(sizes[k] for k in kept)
    return [(lead, shapes[lead]) for lead in sorted(seen, key=lambda lead: (-seen[lead], repr(lead)))]


def _expanded(p: Polynomial, named: Mapping[Symbol, Polynomial]) -> Polynomial:
    return po.substitute(p, lambda s: named.get(s) if s.name.startswith("~") else None)
