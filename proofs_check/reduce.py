"""When is an expression zero: rewriting by what is known of atoms and by the hypotheses.

A hypothesis R = 0 with a term c * lead becomes the rule lead -> -(R - c lead)/c. A rule may be used in a term when
the lead is a factor of the term: an axis of R may take any index, but a dummy of the lead must meet a dummy that
occurs nowhere else in the term, because only the whole sum is known. Every step replaces equals by equals, so the
order of the rules, and whether they are complete, cannot make a false identity true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .algebra import DELTA, ONE, REACH, WIDTH, Expression, Index, Indices, Power, dummies, free, unpack
from .calculus import entry_of
from .document import Rejected
from .functions import Calculus, raised

Binding = dict[Index, Index]


@dataclass(frozen=True)
class Rule:
    """lead -> rest, for all values of the axes (free indices of both)."""

    lead: tuple[Power, ...]
    rest: Expression


def rule_from(ring: Calculus, relation: Expression, lead: Expression, name: str) -> Rule:
    """Solve `relation` = 0 for the term `lead`, which it must contain."""
    if len(lead) != 1:
        raise Rejected("relation", f"the lead chosen for {name!r} is not one term")
    (monomial,) = lead
    powers = ring.powers(monomial)
    if monomial not in relation or not powers:
        raise Rejected("relation", f"the lead chosen for {name!r} is not a term of it")
    if any(exponent < 1 for _, _, exponent in powers):
        raise Rejected("relation", f"the lead chosen for {name!r} has a negative exponent")
    axes = {i for m in relation for _, idx, _ in ring.powers(m) for i in idx if i[0] < 0 and not _fixed(i)}
    if not axes <= {i for _, idx, _ in powers for i in idx}:
        raise Rejected("relation", f"the lead chosen for {name!r} does not carry every axis")
    return _solved(ring, relation, monomial)


def _solved(ring: Calculus, relation: Expression, monomial: int) -> Rule:
    rest = {m: c for m, c in relation.items() if m != monomial}
    return Rule(tuple(ring.powers(monomial)), ring.scale(rest, Fraction(-1) / relation[monomial]))


class Reducer:
    """Normal forms modulo a list of rules, and modulo what is known of powers of atoms."""

    def __init__(self, ring: Calculus, rules: list[Rule]) -> None:
        self.ring = ring
        self.rules: dict[int, list[Rule]] = {}  # by a letter of the lead
        self.seen = 1  # the letters (after delta) whose powers are among the rules
        for rule in rules:
            self._learn(rule)

    def _learn(self, rule: Rule) -> None:
        self.rules.setdefault(rule.lead[0][0], []).append(rule)

    def _learn_powers(self) -> None:
        ring = self.ring
        while self.seen < len(ring.letters):
            letter, self.seen = self.seen, self.seen + 1
            for exponent, value in ring.powers_of(letter):
                (power,) = ring.powers(next(iter(ring.over_places(letter))))
                self._learn(Rule(((*power[:2], exponent),), value))

    def normal(self, expression: Expression) -> Expression:
        """Rewrite until no rule applies (the budget ends a loop)."""
        ring = self.ring
        self._learn_powers()
        if not self.rules:
            return expression
        pending, done = dict(expression), dict[int, int | Fraction]()
        while pending:
            monomial, coefficient = pending.popitem()
            ring.budget.spend(4)
            rewritten = self._step(monomial)
            if rewritten is None:
                ring.accumulate(done, {monomial: coefficient})
            else:
                ring.accumulate(pending, rewritten, coefficient)
        return ring.bounded(done)

    def is_zero(self, expression: Expression) -> bool:
        return not self.remainder(expression)

    def remainder(self, expression: Expression) -> Expression:
        """The normal form after clearing denominators; empty exactly when zero was shown.

        An atom sqrt(u) or 1/u is never 0 where the statement speaks, so the whole expression may be multiplied
        by it (when its indices are free: inside a sum it is a different factor in each summand, and u (1/u) = 1 is
        used as a rule, and u step(u) = u - u step(-u) where both gates are left).
        """
        left = self._without_denominators(expression)
        further = Reducer(self.ring, [rule for rules in self.rules.values() for rule in rules])
        further.seen = self.seen
        products = self._products(left)
        try:
            for rule in products:
                further._learn(rule)
            return further._without_denominators(left) if products else left
        except Rejected:  # the rules make it longer: the statement stays unproved
            return left

    def _without_denominators(self, expression: Expression) -> Expression:
        ring = self.ring
        current, before = self.normal(expression), None
        while current != before:  # a hypothesis may bring a denominator back
            before = current
            for letter in range(len(ring.letters) - 1, 0, -1):  # arguments have smaller numbers than their atoms
                if ring.letters[letter].kind in ("sqrt", "inv"):
                    slots = {s for m in current for s, _ in unpack(m) if ring.factors[s][0] == letter}
                    for slot in slots:
                        current = self._cleared(current, slot)
        return current

    def _cleared(self, expression: Expression, slot: int) -> Expression:
        """The expression times a power of sqrt(u), or of u for 1/u, such that the factor is in no denominator."""
        ring = self.ring
        letter, indices = ring.factors[slot]
        known, parts = ring.letters[letter], dict[int, Expression]()
        if any(i[0] >= 0 for i in indices):
            return expression
        for monomial, coefficient in expression.items():
            power = dict(unpack(monomial)).get(slot, 0)
            parts.setdefault(power, {})[monomial - (power << (WIDTH * slot))] = coefficient
        root = known.kind == "sqrt"
        base = ring.term((letter, indices, 1)) if root else ring.at(known.argument or {}, known.shape, indices)
        most = -min(0, *parts) if root else max(0, *parts)
        if not most:
            return expression
        total: Expression = {}
        for power, part in parts.items():
            ring.accumulate(total, ring.multiply(part, ring.power(base, most + power if root else most - power)))
        return self.normal(total)

    # -- products of an atom with its argument ---------------------------------------------------------------

    def _products(self, expression: Expression) -> list[Rule]:
        """u inv(u) = 1, u / sqrt(u) = sqrt(u) and u step(u) = u - u step(-u) for the atoms of an expression."""
        ring = self.ring
        found = sorted({(ring.factors[s][0], e > 0) for m in expression for s, e in unpack(m)})
        rules: list[Rule] = []
        for letter, above in found:
            known = ring.letters[letter]
            if known.kind == "inv":
                rules += self._product(letter, 1, ONE)
            elif known.kind == "sqrt" and not above:
                rules += self._product(letter, -1, ring.over_places(letter))
            elif known.kind == "step":
                opposite = ring.scale(known.argument or {}, -1)
                for other, _ in found:
                    twin = ring.letters[other]
                    if other > letter and (twin.kind, twin.shape, twin.argument) == ("step", known.shape, opposite):
                        shut = ring.add(ONE, ring.scale(ring.over_places(other), -1))
                        rules += self._product(letter, 1, ring.multiply(known.argument or {}, shut))
        return rules

    def _product(self, letter: int, exponent: int, over_places: Expression) -> list[Rule]:
        """u y^exponent = value (over places), solved for the product with the greatest term of u."""
        ring, known = self.ring, self.ring.letters[letter]
        axes = entry_of(ring, letter, "@q")
        u, y = ring.at(known.argument or {}, known.shape, axes), raised(ring.term((letter, axes, 1)), exponent)
        plain = {m: ring.powers(m) for m in u}
        plain = {m: p for m, p in plain.items() if all(e > 0 and n != DELTA for n, _, e in p)}
        if not plain:
            return []
        _, _, greatest = max((sum(e for _, _, e in p), p, m) for m, p in plain.items())
        product = ring.multiply(u, y)
        relation = ring.add(product, ring.scale(ring.at(over_places, known.shape, axes), -1))
        return [_solved(ring, relation, next(iter(ring.multiply({greatest: 1}, y))))]

    # -- one step ------------------------------------------------------------------------------------------

    def _step(self, monomial: int) -> Expression | None:
        """An expression equal to the term, or None where nothing applies."""
        powers = self.ring.powers(monomial)
        if any(abs(exponent) > REACH for _, _, exponent in powers):
            raise Rejected("limit", f"rewriting leads to an exponent beyond {REACH}")
        for letter in {power[0]: None for power in powers}:
            for rule in self.rules.get(letter, ()):
                replaced = self._apply(rule, powers)
                if replaced is not None:
                    return replaced
        return None

    def _apply(self, rule: Rule, powers: list[Power]) -> Expression | None:
        ring = self.ring
        for left, binding in self._matches(rule.lead, powers, {}):
            spent = {image for index, image in binding.items() if index[0] >= 0}
            if any(i in spent for _, idx, _ in left for i in idx):
                continue
            names = {i: free(f"~{i[0]}", i[2]) for i in dummies(powers) if i not in spent}
            others = ring.term(*((n, tuple(names.get(i, i) for i in idx), e) for n, idx, e in left))
            axes = {i: names.get(image, image) for i, image in binding.items() if i[0] < 0}
            return ring.closed(ring.multiply(others, ring.rename(rule.rest, axes)), tuple(names.values()))
        return None

    def _matches(
        self, pattern: tuple[Power, ...], left: list[Power], binding: Binding
    ) -> Iterator[tuple[list[Power], Binding]]:
        """Every way to find the pattern among the factors: what is left of them, and what each index met.

        Two factors of the pattern may share one factor of the term, if its exponent is large enough.
        """
        self.ring.budget.spend(4 * len(left))
        if not pattern:
            yield left, binding
            return
        (letter, wanted, exponent), *others = pattern
        for position, (number, indices, available) in enumerate(left):
            contained = exponent * available > 0 and abs(available) >= abs(exponent)  # and of the same sign
            if number == letter and contained and (extended := _bind(wanted, indices, binding)) is not None:
                remains = [(number, indices, available - exponent)] if available != exponent else []
                rest = [*left[:position], *remains, *left[position + 1 :]]
                yield from self._matches(tuple(others), rest, extended)


def _fixed(index: Index) -> bool:
    """Whether a free index names one entry, instead of standing for all of them."""
    return index[1].startswith("!")


def _bind(wanted: Indices, indices: Indices, binding: Binding) -> Binding | None:
    extended = dict(binding)
    for index, image in zip(wanted, indices, strict=True):
        if index[2] != image[2] or extended.setdefault(index, image) != image:
            return None
        if (index[0] >= 0 and image[0] < 0) or (_fixed(index) and index != image):
            return None
    summed = [image for index, image in extended.items() if index[0] >= 0]
    axes = {image for index, image in extended.items() if index[0] < 0}
    return None if len(set(summed)) != len(summed) or axes.intersection(summed) else extended
