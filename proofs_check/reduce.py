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

from .algebra import DELTA, REACH, WIDTH, Expression, Factor, Frame, Index, dummies, free, renamed, unpack
from .atoms import ONE, Calculus
from .document import Rejected

VALUED = ("step", "sign", "sqrt", "inv", "cos")  # atoms with a known relation between powers
Binding = dict[Index, Index]


@dataclass(frozen=True)
class Rule:
    """lead -> rest, for all values of the axes (free indices of both)."""

    frame: Frame
    scalars: tuple[tuple[int, int], ...]  # (slot, exponent)
    rest: Expression


def rule_from(ring: Calculus, relation: Expression, lead: Expression, name: str) -> Rule:
    """Solve `relation` = 0 for the term `lead`, which it must contain."""
    if len(lead) != 1 or len(next(iter(lead.values()))) != 1:
        raise Rejected("relation", f"the lead chosen for {name!r} is not one term")
    ((frame, poly),) = lead.items()
    ((monomial, _),) = poly.items()
    coefficient = relation.get(frame, {}).get(monomial)
    scalars = tuple(unpack(monomial))
    if coefficient is None or not (frame or scalars):
        raise Rejected("relation", f"the lead chosen for {name!r} is not a term of it")
    if any(e < 1 for _, _, e in frame) or any(e < 1 for _, e in scalars):
        raise Rejected("relation", f"the lead chosen for {name!r} has a negative exponent")
    axes = {i for f in relation for _, idx, _ in f for i in idx if i[0] < 0 and not _fixed(i)}
    if not axes <= {i for _, idx, _ in frame for i in idx}:
        raise Rejected("relation", f"the lead chosen for {name!r} does not carry every axis")
    rest = ring.add(relation, ring.scale({frame: {monomial: 1}}, -coefficient))
    return Rule(frame, scalars, ring.scale(rest, Fraction(-1) / coefficient))


class Reducer:
    """Normal forms modulo a list of rules."""

    def __init__(self, ring: Calculus, rules: list[Rule]) -> None:
        self.ring = ring
        self.rules = rules

    def normal(self, expression: Expression) -> Expression:
        """Rewrite until no rule applies (the budget ends a loop)."""
        ring = self.ring
        if not self.rules and not any(letter.kind in VALUED for letter in ring.letters):
            return expression
        pending = {frame: dict(poly) for frame, poly in expression.items()}
        done: Expression = {}
        while pending:
            frame, poly = pending.popitem()
            for monomial, coefficient in poly.items():
                ring.budget.spend(4)
                rewritten = self._step(frame, monomial)
                if rewritten is None:
                    ring.accumulate(done, {frame: {monomial: coefficient}})
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
        products = self._products(left)
        if not products:
            return left
        try:
            return Reducer(self.ring, [*self.rules, *products])._without_denominators(left)
        except Rejected:  # the rules make it longer: the statement stays unproved
            return left

    def _without_denominators(self, expression: Expression) -> Expression:
        ring = self.ring
        current, before = self.normal(expression), None
        while current != before:  # a hypothesis may bring a denominator back
            before = current
            for letter in range(len(ring.letters) - 1, 0, -1):  # arguments have smaller numbers than their atoms
                if ring.letters[letter].kind in ("sqrt", "inv"):
                    for indices in self._instances(current, letter):
                        current = self._cleared(current, letter, indices)
        return current

    # -- products of an atom with its argument ---------------------------------------------------------------

    def _products(self, expression: Expression) -> list[Rule]:
        """u inv(u) = 1, u / sqrt(u) = sqrt(u) and u step(u) = u - u step(-u) for the atoms of an expression."""
        ring = self.ring
        found = {(number, e > 0) for frame in expression for number, _, e in frame}
        for poly in expression.values():
            found |= {(ring.scalars[slot], e > 0) for monomial in poly for slot, e in unpack(monomial)}
        rules: list[Rule] = []
        for letter, above in sorted(found):
            known = ring.letters[letter]
            if known.kind == "inv":
                rules += self._product(letter, 1, ONE)
            elif known.kind == "sqrt" and not above:
                rules += self._product(letter, -1, ring.at_places(letter))
            elif known.kind == "step" and known.argument is not None:
                opposite = ring.scale(known.argument, -1)
                for other, _ in found:
                    twin = ring.letters[other]
                    if other > letter and (twin.kind, twin.shape, twin.argument) == ("step", known.shape, opposite):
                        shut = ring.add(ONE, ring.scale(ring.at_places(other), -1))
                        rules += self._product(letter, 1, ring.multiply(known.argument, shut))
        return rules

    def _product(self, letter: int, exponent: int, over_places: Expression) -> list[Rule]:
        """u y^exponent = value (over places), solved for the product with the greatest term of u."""
        ring, known = self.ring, self.ring.letters[letter]
        assert known.argument is not None
        axes = tuple(free(f"@q{position}", size) for position, size in enumerate(known.shape))
        u, y = ring.at(known.argument, known.shape, axes), ring.factor(letter, axes, exponent)
        value = ring.at(over_places, known.shape, axes)
        plain = [
            (sum(e for _, _, e in frame) + sum(e for _, e in unpack(monomial)), frame, monomial)
            for frame, poly in u.items()
            for monomial in poly
            if all(e > 0 and number != DELTA for number, _, e in frame) and all(e > 0 for _, e in unpack(monomial))
        ]
        if not plain:
            return []
        _, frame, monomial = max(plain)
        lead = ring.multiply({frame: {monomial: 1}}, y)
        ((product, packed),) = ((f, next(iter(poly))) for f, poly in lead.items())
        rest = ring.add(value, ring.scale(ring.multiply(u, y), -1), ring.scale(lead, u[frame][monomial]))
        return [Rule(product, tuple(unpack(packed)), ring.scale(rest, Fraction(1) / u[frame][monomial]))]

    # -- denominators --------------------------------------------------------------------------------------

    def _instances(self, expression: Expression, letter: int) -> set[tuple[Index, ...]]:
        if letter in self.ring.slots:
            return {()}
        return {
            idx for frame in expression for number, idx, _ in frame if number == letter and all(i[0] < 0 for i in idx)
        }

    def _cleared(self, expression: Expression, letter: int, indices: tuple[Index, ...]) -> Expression:
        ring, known = self.ring, self.ring.letters[letter]
        assert known.argument is not None
        powers = self._by_power(expression, letter, indices)
        u = ring.at(known.argument, known.shape, indices)
        total: Expression = {}
        if known.kind == "sqrt":
            low = min(0, min(powers, default=0))
            if low == 0:
                return expression
            for power, part in powers.items():
                raised = ring.factor(letter, indices, power - low) if power > low else ONE
                ring.accumulate(total, ring.multiply(part, raised))
        else:
            high = max(0, max(powers, default=0))
            if high == 0:
                return expression
            for power, part in powers.items():
                ring.accumulate(total, ring.multiply(part, ring.power(u, high - power)))
        return self.normal(total)

    def _by_power(self, expression: Expression, letter: int, indices: tuple[Index, ...]) -> dict[int, Expression]:
        """expression = sum over e of parts[e] * letter[indices]^e."""
        ring = self.ring
        parts: dict[int, Expression] = {}
        for frame, poly in expression.items():
            if indices:
                power = sum(e for number, idx, e in frame if (number, idx) == (letter, indices))
                rest = tuple(f for f in frame if f[:2] != (letter, indices))
                ring.accumulate(parts.setdefault(power, {}), {rest: poly})
            else:
                slot = ring.slots[letter]
                for monomial, coefficient in poly.items():
                    power = dict(unpack(monomial)).get(slot, 0)
                    lowered = {monomial - ring.packed(letter, power): coefficient}
                    ring.accumulate(parts.setdefault(power, {}), {frame: lowered})
        return parts

    # -- one step ------------------------------------------------------------------------------------------

    def _step(self, frame: Frame, monomial: int) -> Expression | None:
        """An expression equal to the term, or None where nothing applies."""
        ring = self.ring
        pairs = unpack(monomial)
        if any(abs(e) > REACH for _, e in pairs):
            raise Rejected("limit", f"rewriting leads to an exponent beyond {REACH}")
        for letter, indices, exponent in [*frame, *((ring.scalars[slot], (), e) for slot, e in pairs)]:
            known = ring.letters[letter]
            if known.kind in VALUED:
                value = self._value(letter, exponent)
                if value is not None:
                    opened, labels = ring.opened(frame)
                    names = dict(zip(dummies(frame), labels, strict=True))
                    ((_, here, _),) = renamed([(letter, indices, exponent)], names)
                    others = [f for f in opened if f[:2] != (letter, here)]
                    kept = monomial - (0 if indices else ring.packed(letter, exponent))
                    product = ring.multiply(ring.term(others, (), {kept: 1}), ring.at(value, known.shape, here))
                    return ring.closed(product, labels)
        for rule in self.rules:
            replaced = self._apply(rule, frame, monomial, dict(pairs))
            if replaced is not None:
                return replaced
        return None

    def _value(self, letter: int, exponent: int) -> Expression | None:
        """A power of an atom in lower powers, over its places; None where nothing is known."""
        ring, known = self.ring, self.ring.letters[letter]
        u = known.argument
        assert u is not None
        half, odd = divmod(exponent, 2)
        y = ring.at_places(letter)
        if known.kind == "step" and ring.binary_gates and exponent > 1:
            return y
        if known.kind == "sign" and exponent not in (0, 1):
            return y if odd else ONE
        if known.kind == "sqrt" and exponent > 1:
            return ring.multiply(ring.power(u, half), y if odd else ONE)
        if known.kind == "inv" and exponent < 0:
            return ring.power(u, -exponent)
        if known.kind == "cos" and exponent > 1:
            sine = ring.atom("sin", u, known.shape, known.name)
            square = ring.add(ONE, ring.scale(ring.multiply(sine, sine), -1))
            return ring.multiply(ring.power(square, half), y if odd else ONE)
        return None

    def _apply(self, rule: Rule, frame: Frame, monomial: int, scalars: dict[int, int]) -> Expression | None:
        if not all(_fits(e, scalars.get(slot, 0)) for slot, e in rule.scalars):
            return None
        for left, binding in self._matches(rule.frame, list(frame), {}):
            spent = {binding[i] for _, idx, _ in rule.frame for i in idx if i[0] >= 0}
            if any(i in spent for _, idx, _ in left for i in idx):
                continue
            ring = self.ring
            names = {}
            for dummy in dummies(frame):
                if dummy not in spent:
                    names[dummy] = ring.fresh(dummy[2])
            others = renamed(left, names)
            kept = monomial - sum(e << (WIDTH * slot) for slot, e in rule.scalars)
            axes = {i: names.get(image, image) for i, image in binding.items() if i[0] < 0}
            product = ring.multiply(ring.term(others, (), {kept: 1}), ring.rename(rule.rest, axes))
            return ring.closed(product, names.values())
        return None

    def _matches(self, pattern: Frame, left: list[Factor], binding: Binding) -> Iterator[tuple[list[Factor], Binding]]:
        """Every way to find the pattern among the factors: what is left of them, and what each index met.

        Two factors of the pattern may share one factor of the term, if its exponent is large enough.
        """
        self.ring.budget.spend(4 * len(left))
        if not pattern:
            yield left, binding
            return
        (letter, wanted, exponent), *others = pattern
        for position, (number, indices, available) in enumerate(left):
            if number == letter and _fits(exponent, available):
                extended = _bind(wanted, indices, binding)
                if extended is not None:
                    remains = [(number, indices, available - exponent)] if available != exponent else []
                    yield from self._matches(
                        tuple(others), [*left[:position], *remains, *left[position + 1 :]], extended
                    )


def orthogonality(ring: Calculus, letter: int) -> list[Rule]:
    """M M' = I and M' M = I (the second follows, M being square)."""
    size = ring.letters[letter].shape[0]
    a, c, b = free("@a", size), free("@c", size), (0, "", size)
    identity = ring.factor(DELTA, (a, c))
    return [
        Rule(((letter, (a, b), 1), (letter, (c, b), 1)), (), identity),
        Rule(((letter, (b, a), 1), (letter, (b, c), 1)), (), identity),
    ]


def _fits(wanted: int, available: int) -> bool:
    """Whether a factor with the exponent `available` contains one with the exponent `wanted`, of the same sign."""
    return wanted * available > 0 and abs(available) >= abs(wanted)


def _fixed(index: Index) -> bool:
    """Whether a free index names one entry, instead of standing for all of them."""
    return index[1].startswith("!")


def _bind(wanted: tuple[Index, ...], indices: tuple[Index, ...], binding: Binding) -> Binding | None:
    extended = dict(binding)
    for index, image in zip(wanted, indices, strict=True):
        if index[2] != image[2] or extended.setdefault(index, image) != image:
            return None
        if (index[0] >= 0 and image[0] < 0) or (_fixed(index) and index != image):
            return None
    summed = [image for index, image in extended.items() if index[0] >= 0]
    axes = {image for index, image in extended.items() if index[0] < 0}
    if len(set(summed)) != len(summed) or axes.intersection(summed):
        return None
    return extended
