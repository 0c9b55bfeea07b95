"""The chain rule: derivatives along given rates, gradients, and substitution. Atoms are passed by their slopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .algebra import DELTA, ONE, WIDTH, Expression, Indices, Power, free, places, unpack
from .document import require
from .functions import FUNCTIONS, UNKNOWN, Calculus

Part = tuple[int, Indices, Indices, Expression]


def partials(ring: Calculus, expression: Expression) -> list[Part]:
    """(letter, indices, labels, partial): the derivative in one factor, where `labels` are still to be summed."""
    found: dict[tuple[int, Indices], Expression] = {}
    for monomial, coefficient in expression.items():
        opened, labels = ring.opened(monomial)
        for slot, exponent in unpack(opened):
            found.setdefault((slot, labels), {})[opened - (1 << (WIDTH * slot))] = coefficient * exponent
    ring.budget.spend(sum(map(len, found.values())))
    return [(*ring.factors[slot], labels, partial) for (slot, labels), partial in found.items()]


class Derivation:
    """A derivation of the ring, given by the rates of some letters; it passes through atoms by the chain rule.

    Other letters are constants, except the `unknown` ones, whose rate nobody gave: to meet one is a rejection.
    """

    def __init__(self, ring: Calculus, rates: Mapping[int, Expression], unknown: Iterable[int] = ()) -> None:
        self.ring = ring
        self.rates = dict(rates)
        self.unknown = frozenset(unknown)

    def rate(self, letter: int) -> Expression:
        """The derivative of a letter, over its places."""
        if letter not in self.rates:
            ring, known = self.ring, self.ring.letters[letter]
            given = letter not in self.unknown
            require(given, "statement", f"{known.name} stands for dLoss/df: its own derivative is not known")
            inner = self(known.argument) if known.argument is not None else {}
            if inner:
                y, u = ring.over_places(letter), known.argument or {}
                inner = ring.multiply(FUNCTIONS.get(known.kind, UNKNOWN).slope(ring, y, u, known), inner)
            self.rates[letter] = ring.bounded(inner)
        return self.rates[letter]

    def __call__(self, expression: Expression) -> Expression:
        return self.of(partials(self.ring, expression))

    def of(self, parts: list[Part]) -> Expression:
        """The derivative of an expression whose partial derivatives are known."""
        ring = self.ring
        total: Expression = {}
        for letter, indices, labels, partial in parts:
            if rate := self.rate(letter):
                moved = ring.at(rate, ring.letters[letter].shape, indices)
                ring.accumulate(total, ring.closed(ring.multiply(partial, moved), labels))
        return total


def gradients(ring: Calculus, expression: Expression, letters: Iterable[int]) -> dict[int, Expression]:
    """The derivative of a scalar expression in each entry of some letters, over the places of each letter."""
    parts = partials(ring, expression)
    found: dict[int, Expression] = {}
    for letter in letters:
        entry = entry_of(ring, letter, "^")
        derived = Derivation(ring, {letter: one_entry(ring, entry)}).of(parts)
        found[letter] = ring.rename(derived, dict(zip(entry, places(ring.letters[letter].shape), strict=True)))
    return found


def entry_of(ring: Calculus, letter: int, mark: str) -> Indices:
    """Labels for one entry of a letter, which no document can name."""
    return tuple(free(f"{mark}{position}", size) for position, size in enumerate(ring.letters[letter].shape))


def one_entry(ring: Calculus, entry: Indices) -> Expression:
    """The array over places that is 1 at one entry and 0 elsewhere: the rate of a letter that moves there only."""
    pairs = zip(places(size for _, _, size in entry), entry, strict=True)
    powers: list[Power] = [(DELTA, pair, 1) for pair in pairs]
    return ring.term(*powers) if powers else ONE


class Substitution:
    """Replace letters by expressions over places, inside the arguments of atoms as well."""

    def __init__(self, ring: Calculus, images: Mapping[int, Expression]) -> None:
        self.ring = ring
        self.images: dict[int, Expression | None] = dict(images)

    def image(self, letter: int) -> Expression | None:
        """What replaces a letter, or None where it stays."""
        if letter not in self.images:
            known, u, replaced = self.ring.letters[letter], self.ring.letters[letter].argument or {}, None
            if any(self.image(inner) is not None for inner in occurring(self.ring, u)):
                replaced = self.ring.atom(known.kind, self(u), known.shape, known.name)
            self.images[letter] = replaced
        return self.images[letter]

    def __call__(self, expression: Expression) -> Expression:
        ring = self.ring
        total: Expression = {}
        groups: dict[tuple[tuple[tuple[int, int], ...], Indices], Expression] = {}
        for monomial, coefficient in expression.items():
            opened, labels = ring.opened(monomial)
            gone = tuple((s, e) for s, e in unpack(opened) if self.image(ring.factors[s][0]) is not None)
            kept = opened - sum(e << (WIDTH * s) for s, e in gone)
            groups.setdefault((gone, labels), {})[kept] = coefficient
        for (gone, labels), product in groups.items():
            for slot, exponent in gone:
                letter, indices = ring.factors[slot]
                image, known = self.image(letter) or {}, ring.letters[letter]
                raised = ring.instance(image, known.shape, indices, exponent, known.name)
                product = ring.bounded(ring.multiply(product, raised))
            ring.accumulate(total, ring.closed(product, labels))
        return ring.bounded(total)


def occurring(ring: Calculus, expression: Expression) -> set[int]:
    """The letters of an expression (an atom counts as itself)."""
    return {ring.factors[slot][0] for monomial in expression for slot, _ in unpack(monomial)}


def inside(ring: Calculus, expression: Expression) -> set[int]:
    """The letters of an expression and of the arguments of its atoms, all the way down."""
    found: set[int] = set()
    queue = list(occurring(ring, expression))
    while queue:
        letter = queue.pop()
        if letter not in found:
            found.add(letter)
            queue += occurring(ring, ring.letters[letter].argument or {})
    return found
