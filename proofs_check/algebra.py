"""Indexed polynomials: sums of products of letters such as W[i,k], for all sizes at once.

An index is either free (it has a label) or a dummy (it has a number, and stands for the sum over its whole range).
A letter with its indices is a *factor*; every factor that occurs gets a slot, and a monomial is one integer: the
factor in slot s with exponent e adds e * 2^(WIDTH s). Multiplying monomials is adding integers, after the dummies
of the two were told apart.

    Expression = {monomial: coefficient}

Monomials are kept in a canonical form, so that two expressions are the same polynomial exactly when the dictionaries
are equal (up to the search bound on symmetric dummies, beyond which the kernel gives up).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .document import Budget, Coefficient, Rejected, require, whole

WIDTH = 20
MASK = (1 << WIDTH) - 1
DEGREE = 1000  # of a stored expression in any one factor
REACH = 100_000  # of an expression on the way; the sum of a few of these stays below 2^(WIDTH-1), so slots never mix
MAX_BITS = 50_000  # of a coefficient

Index = tuple[int, str, str]  # (-1, label, size) is free; (number, "", size) is a dummy
Indices = tuple[Index, ...]
Power = tuple[int, Indices, int]  # letter, indices, exponent
Expression = dict[int, Coefficient]

DELTA = 0  # the letter number of Kronecker's delta
ONE: Expression = {0: 1}


def free(label: str, size: str) -> Index:
    return (-1, label, size)


def places(shape: Iterable[str]) -> Indices:
    """The free indices that stand for the axes of a definition, an atom or a rate."""
    return tuple(free(f"@{position}", size) for position, size in enumerate(shape))


def unpack(monomial: int) -> list[tuple[int, int]]:
    """The (slot, exponent) pairs of a monomial, by rising slot; exponents are balanced digits."""
    pairs = []
    slot = 0
    while monomial:
        skip = ((monomial & -monomial).bit_length() - 1) // WIDTH
        monomial >>= skip * WIDTH
        slot += skip
        exponent = monomial & MASK
        if exponent > MASK // 2:
            exponent -= MASK + 1
        pairs.append((slot, exponent))
        monomial = (monomial - exponent) >> WIDTH
        slot += 1
    return pairs


@dataclass
class Letter:
    """A letter, a size, a held definition (`kind`), or an atom (`kind` is then its function)."""

    name: str
    shape: tuple[str, ...]
    kind: str = "letter"
    sign: str = "any"  # any, nonzero, positive, nonnegative
    argument: Expression | None = None  # of an atom, over its places


class Ring:
    """The letters of one statement, and the arithmetic of expressions in them."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.letters: list[Letter] = [Letter("delta", ("", ""), "delta", "nonnegative")]
        self.factors: list[tuple[int, Indices]] = []  # by slot
        self.slots: dict[tuple[int, Indices], int] = {}
        self.plain = True  # no factor has indices, so far
        self._sizes: dict[str, int] = {}
        self._known: dict[object, tuple[int, int]] = {}

    def new(self, letter: Letter) -> int:
        self.letters.append(letter)
        return len(self.letters) - 1

    def size(self, size: str) -> Expression:
        """How many indices are in a range: a number, or a positive letter."""
        if size.isdigit():
            return {0: int(size)}
        if size not in self._sizes:
            self._sizes[size] = self.new(Letter(f"#{size}", (), "size", "positive"))
        return self.term((self._sizes[size], (), 1))

    # -- monomials -----------------------------------------------------------------------------------------

    def monomial(self, powers: Iterable[Power]) -> int:
        """The packed product of some factors, which are in canonical form already."""
        total = 0
        for letter, indices, exponent in powers:
            slot = self.slots.setdefault((letter, indices), len(self.factors))
            if slot == len(self.factors):
                self.factors.append((letter, indices))
                self.plain = self.plain and not indices
            total += exponent << (WIDTH * slot)
        return total

    def powers(self, monomial: int) -> list[Power]:
        return [(*self.factors[slot], exponent) for slot, exponent in unpack(monomial)]

    def shown(self, expression: Expression) -> str:
        """One term of an expression, for a message."""
        monomial, coefficient = min(expression.items())
        words = [str(coefficient)] if bits_of(coefficient) < 120 else ["(...)"]
        for number, _, exponent in self.powers(monomial):
            words.append(self.letters[number].name + (f"^{exponent}" if exponent != 1 else ""))
        return " ".join(words)[:200]

    def term(self, *powers: Power) -> Expression:
        monomial, number = self._canonical(list(powers), ())
        return {monomial: number}

    def over_places(self, letter: int) -> Expression:
        """The letter with the places as its indices."""
        return self.term((letter, places(self.letters[letter].shape), 1))

    def _canonical(self, powers: list[Power], summed: Iterable[Index]) -> tuple[int, int]:
        """The canonical monomial of the sum over `summed`, with the integer that splits off.

        Deltas are contracted, equal factors merged, and a summed index that has gone from every factor contributes
        the size of its range: sum_i 1 = n.
        """
        self.budget.spend(8 * len(powers))
        powers, left = _contract(powers, set(summed))
        merged: dict[tuple[int, Indices], int] = {}
        for letter, indices, exponent in powers:
            merged[letter, indices] = merged.get((letter, indices), 0) + exponent
        powers = [(*factor, exponent) for factor, exponent in merged.items() if exponent]
        number = 1
        for index in left - {i for _, indices, _ in powers for i in indices}:
            if index[2].isdigit():
                number *= int(index[2])
            else:
                powers += self.powers(next(iter(self.size(index[2]))))
        frame: list[Power] = []
        for part in sorted(map(self._numbered, _components(powers))):
            frame += _shifted(part, len({i for power in frame for i in power[1] if i[0] >= 0}))
        return self.monomial(frame), number

    def _numbered(self, part: list[Power]) -> list[Power]:
        """A product with its dummies numbered in the one canonical way; their first colours are their sizes."""
        found = dummies(part)
        order = sorted({i[2] for i in found})
        return self._least(part, {i: order.index(i[2]) for i in found})

    def _least(self, part: list[Power], colours: dict[Index, int]) -> list[Power]:
        """The least renaming of a product over all numberings of its dummies that a colour refinement allows."""
        while True:  # refine by where each dummy occurs and next to what, until nothing splits any more
            self.budget.spend(16 * len(part) * (1 + len(colours)))
            seen: dict[Index, list[object]] = {i: [] for i in colours}
            for letter, indices, exponent in part:
                around = tuple((colours[i], "") if i[0] >= 0 else (-1, i[1]) for i in indices)
                for position, index in enumerate(indices):
                    if index[0] >= 0:
                        seen[index].append((letter, exponent, position, around))
            signatures = {i: (colours[i], tuple(sorted(seen[i]))) for i in colours}  # type: ignore[type-var]
            ranks = {signature: n for n, signature in enumerate(sorted(set(signatures.values())))}
            count, colours = len(set(colours.values())), {i: ranks[signatures[i]] for i in colours}
            if len(ranks) == count:
                break
        if len(ranks) == len(colours):
            return sorted(_renamed(part, {i: (colour, "", i[2]) for i, colour in colours.items()}))
        # Individualise each member of the first tied class in turn, and keep the least outcome.
        tied = min(c for c in ranks.values() if list(colours.values()).count(c) > 1)
        finer = {i: 2 * colour + 1 for i, colour in colours.items()}
        return min(self._least(part, {**finer, i: 2 * tied}) for i, colour in colours.items() if colour == tied)

    # -- sums and products ---------------------------------------------------------------------------------

    def accumulate(self, total: Expression, summand: Expression, factor: Coefficient = 1) -> None:
        """total += factor * summand, in place."""
        self.budget.spend(len(summand))
        for monomial, coefficient in summand.items():
            value = total.get(monomial, 0) + factor * coefficient
            if value.__class__ is not int and value.denominator.bit_length() > MAX_BITS:
                raise Rejected("limit", "a coefficient is too large")
            if value:
                total[monomial] = value
            else:
                total.pop(monomial, None)

    def add(self, *summands: Expression) -> Expression:
        total: Expression = {}
        for summand in summands:
            self.accumulate(total, summand)
        return total

    def minus(self, left: Expression, right: Expression) -> Expression:
        return self.add(left, self.scale(right, -1))

    def scale(self, expression: Expression, factor: Coefficient) -> Expression:
        return {m: whole(c * factor) for m, c in expression.items()} if factor else {}

    def multiply(self, left: Expression, right: Expression) -> Expression:
        if len(left) > len(right):
            left, right = right, left
        bits = sum(max((bits_of(c) for c in side.values()), default=0) for side in (left, right))
        require(bits <= MAX_BITS, "limit", "a coefficient is too large")
        self.budget.spend(len(left) * len(right) * (1 + bits // 256))
        total: Expression = {}
        get = total.get
        items = list(right.items())
        for m, a in left.items():
            if self.plain:
                for n, b in items:
                    total[m + n] = get(m + n, 0) + a * b
                continue
            for n, b in items:
                monomial, number = self._joined(m, n)
                total[monomial] = get(monomial, 0) + a * b * number
        return {monomial: whole(c) for monomial, c in total.items() if c}

    def _joined(self, left: int, right: int) -> tuple[int, int]:
        """The product of two monomials: the dummies of the two are different sums, so they are told apart."""
        found = self._known.get((left, right))
        if found is None:
            a, b = self.powers(left), self.powers(right)
            if any(idx for _, idx, _ in a) and any(idx for _, idx, _ in b):
                both = [*a, *_shifted(b, 1 + max(i[0] for _, idx, _ in a for i in idx or [free("", "")]))]
                found = self._canonical(both, dummies(both))
            else:
                found = left + right, 1
            self._known[left, right] = found
        return found

    def power(self, base: Expression, exponent: int) -> Expression:
        """base^exponent, for an exponent that is not negative."""
        require(self.degree(base) * exponent <= REACH, "limit", "a power is too large")
        result = ONE
        for _ in range(exponent):
            result = self.multiply(result, base)
        return result

    def degree(self, expression: Expression) -> int:
        """The largest absolute exponent (at least one, so that a power of a constant counts)."""
        return max((abs(e) for m in expression for _, e in unpack(m)), default=1)

    def bounded(self, expression: Expression) -> Expression:
        """`expression` itself, after checking that its exponents leave room for products."""
        self.budget.spend(len(expression))
        require(self.degree(expression) <= DEGREE, "limit", f"an exponent beyond {DEGREE} appears")
        return expression

    # -- indices -------------------------------------------------------------------------------------------

    def rename(self, expression: Expression, names: Mapping[Index, Index], summed: Indices = ()) -> Expression:
        """Replace indices by indices; those of `summed` are then dummies, besides those that were."""
        if self.plain and not summed:
            return expression
        total: Expression = {}
        marked = (*names.items(), *summed)
        for monomial, coefficient in expression.items():
            found = self._known.get((monomial, marked))
            if found is None:
                old = self.powers(monomial)
                start = 1 + max((i[0] for i in dummies(old)), default=-1)
                new = {i: (start + k, "", i[2]) for k, i in enumerate(summed)}
                powers = _renamed(old, {**names, **new})
                found = self._known[monomial, marked] = self._canonical(powers, (*dummies(old), *new.values()))
            self.accumulate(total, {found[0]: coefficient * found[1]})
        return total

    def at(self, body: Expression, shape: Iterable[str], indices: Indices) -> Expression:
        """A body over places, with these free indices put in their stead."""
        return self.rename(body, dict(zip(places(shape), indices, strict=True))) if indices else body

    def closed(self, expression: Expression, labels: Indices) -> Expression:
        """The sum of `expression` over free indices (an index that does not occur contributes its size)."""
        return self.rename(expression, {}, labels) if labels else expression

    def opened(self, monomial: int) -> tuple[int, Indices]:
        """The monomial with its dummies made free under labels of their own, to be summed again by `closed`."""
        if self.plain:
            return monomial, ()
        powers = self.powers(monomial)
        names = {i: free(f"~{i[0]}", i[2]) for i in dummies(powers)}
        return (self.monomial(_renamed(powers, names)), tuple(names.values())) if names else (monomial, ())


def bits_of(number: Coefficient) -> int:
    return number.numerator.bit_length() + number.denominator.bit_length()


def dummies(powers: Iterable[Power]) -> Indices:
    return tuple(dict.fromkeys(i for _, indices, _ in powers for i in indices if i[0] >= 0))


def _renamed(powers: Iterable[Power], names: Mapping[Index, Index]) -> list[Power]:
    return [(letter, tuple(names.get(i, i) for i in indices), e) for letter, indices, e in powers]


def _shifted(powers: Iterable[Power], shift: int) -> list[Power]:
    return [(n, tuple((i[0] + shift, "", i[2]) if i[0] >= 0 else i for i in idx), e) for n, idx, e in powers]


def _contract(powers: list[Power], summed: set[Index]) -> tuple[list[Power], set[Index]]:
    """Remove every delta with a summed index; make those between two free indices name the lesser one."""
    deltas = [sorted(indices) for letter, indices, _ in powers if letter == DELTA]
    powers = [power for power in powers if power[0] != DELTA]
    kept: list[list[Index]] = []
    while deltas:
        deltas.sort(key=max)  # those with a dummy last: they go first, the rest then only renames free indices
        low, high = sorted(deltas.pop())
        if low == high:
            continue
        summed = summed - {high} if high[0] >= 0 else summed
        powers = _renamed(powers, {high: low})
        deltas, kept = ([[low if i == high else i for i in pair] for pair in group] for group in (deltas, kept))
        if high[0] < 0:
            kept.append([low, high])
    return powers + [(DELTA, tuple(sorted(pair)), 1) for pair in kept], summed


def _components(powers: list[Power]) -> list[list[Power]]:
    """Split a product into parts that share no dummy; the sum over dummies is then a product of sums."""
    parts: list[tuple[set[Index], list[Power]]] = []
    for power in powers:
        own = {i for i in power[1] if i[0] >= 0}
        touched = [part for part in parts if part[0] & own]
        parts = [part for part in parts if not part[0] & own]
        parts.append((own.union(*(part[0] for part in touched)), [power, *(p for part in touched for p in part[1])]))
    return [part for _, part in parts]
