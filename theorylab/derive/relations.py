"""Relations that are zero, solved for one of their terms, so that they can be used as rewrite rules."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from theorylab.derive.world import World
from theorylab.readings import polynomial as po
from theorylab.readings.polynomial import ONE, Polynomial, Rule, Symbol


def lead_of(p: Polynomial, prefer: set[str]) -> po.Monomial:
    """The term of a relation that it is solved for: the one with most preferred letters, then of highest degree."""

    def rank(m: po.Monomial) -> tuple[int, int, int, str]:
        plain = all(e > 0 and s.argument is None and s.name[0] != "#" for s, _, e in m)
        preferred = sum(e for s, _, e in m if s.name.split("[")[0] in prefer)
        return (plain, preferred, sum(e for _, _, e in m if e > 0), repr(m))

    return max(p.terms, key=rank)


def rule_from(name: str, p: Polynomial, prefer: set[str]) -> Rule:
    """The rewrite rule lead -> rest, from p = 0."""
    return _solved(name, p, lead_of(p, prefer), {name: ONE})


def _solved(name: str, p: Polynomial, lead: po.Monomial, parts: dict[str, Polynomial]) -> Rule:
    rest = Polynomial({m: c for m, c in p.terms.items() if m != lead})
    return Rule(name, lead, rest.scale(Fraction(-1) / p.terms[lead]), parts)


def solve(name: str, p: Polynomial, state: set[str], earlier: Sequence[Rule]) -> Rule:
    """A rule from the conserved relation p = 0: where p is linear in a state letter with a coefficient that never
    vanishes, it is solved for that letter, after those that earlier rules are solved for were eliminated.
    """
    parts = {name: ONE}
    for rule in earlier:
        if len(rule.lead) == 1 and rule.lead[0][2] == 1:
            s, idx, _ = rule.lead[0]
            factor = _linear_coefficient(p, s, idx)
            if factor:
                relation = Polynomial({rule.lead: 1}) - rule.replacement
                p = p - factor * relation
                for other, multiplier in rule.parts.items():
                    parts[other] = parts.get(other, po.ZERO) - factor * multiplier
    free = p.free()
    for s in sorted(p.symbols()):
        if s.name.split("[")[0] in state and s.argument is None:
            for idx in sorted({i for m in p.terms for t, i, _ in m if t is s}):
                factor = _linear_coefficient(p, s, idx)
                if factor and set(idx) == set(free) and _is_unit(factor):
                    inverse = po.reciprocal(factor)
                    solved = {k: v * inverse for k, v in parts.items()}
                    return _solved(name, p * inverse, ((s, idx, 1),), solved)
    return _solved(name, p, lead_of(p, state), parts)


def _linear_coefficient(p: Polynomial, s: Symbol, idx: tuple[int, ...]) -> Polynomial | None:
    """q if p = q s[idx] + (terms without s), else None."""
    terms: dict[po.Monomial, po.Coefficient] = {}
    for m, c in p.terms.items():
        mine = [(i, e) for t, i, e in m if t is s]
        if mine and mine != [(idx, 1)]:
            return None
        if mine:
            terms[tuple(f for f in m if f[0] is not s)] = c
    return Polynomial(terms) if terms else None


def _is_unit(p: Polynomial) -> bool:
    """Whether p is a single product that never vanishes, without sums."""
    return len(p.terms) == 1 and all(s.nonzero and all(i >= 0 for i in idx) for m in p.terms for s, idx, _ in m)


def hypotheses(world: World) -> list[Rule]:
    """Rules from the hypotheses that the reading could not enforce."""
    rules: list[Rule] = []
    for assumption, residual in world.relations:
        for component in world.components(world.array(residual)):
            if not component.entry:
                continue
            rules.append(rule_from(assumption.name, component.entry, set()))
            letter = orthogonal_letter(component.entry)
            if letter is not None:  # M' M = I follows from M M' = I for a square matrix
                rules.append(rule_from(assumption.name, gram(letter, transposed=True), {letter.name}))
    return rules


def orthogonal_letter(p: Polynomial) -> Symbol | None:
    """The letter M if p is M M' - I for a square M, else None."""
    square = [
        s
        for s in p.symbols()
        if s.argument is None and len(s.sizes) == 2 and s.sizes[0] == s.sizes[1] and s.name != "delta"
    ]
    return next((s for s in square if p == gram(s)), None)


def gram(letter: Symbol, transposed: bool = False) -> Polynomial:
    """M M' - I, or M' M - I, for a square M."""
    pairs = ((-1, 0), (-1, 1)) if transposed else ((0, -1), (1, -1))
    product = Polynomial({po.canonical([(letter, pair, 1) for pair in pairs])[1]: 1})
    return product - Polynomial({((po.delta(letter.sizes[0]), (0, 1), 1),): 1})
