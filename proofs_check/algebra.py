"""Indexed polynomials: sums of products of letters such as W[i,j], for all sizes at once.

A monomial has two parts. The *frame* is the product of the letters that carry indices, for example
W[i,k] x[k,n]; an index of a frame is either free (it has a label) or a dummy (it has a number, and stands for
the sum over its whole range). The letters without indices commute with everything and need no bookkeeping, so
their part of the monomial is one integer: letter number s with exponent e adds e * 2^(WIDTH s). Multiplying
two such monomials is adding two integers.

    Expression = {frame: {packed monomial: coefficient}}

Frames are kept in a canonical form, so that two expressions are the same polynomial exactly when the
dictionaries are equal (up to the search bound on symmetric dummies, beyond which the kernel gives up).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .document import Budget, Coefficient, Rejected, whole

WIDTH = 20
MASK = (1 << WIDTH) - 1
DEGREE = 1000  # of a stored expression in any one letter
REACH = 100_000  # of an expression on the way; the sum of a few of these stays below 2^(WIDTH-1), so fields never mix
MAX_BITS = 50_000  # of a coefficient

Index = tuple[int, str, str]  # (-1, label, size) is free; (number, "", size) is a dummy
Factor = tuple[int, tuple[Index, ...], int]  # letter, indices, exponent
Frame = tuple[Factor, ...]
Poly = dict[int, Coefficient]
Expression = dict[Frame, Poly]

DELTA = 0  # the letter number of Kronecker's delta


def free(label: str, size: str) -> Index:
    return (-1, label, size)


def place(position: int, size: str) -> Index:
    """The free index that stands for one axis of a definition, an atom or a rate."""
    return (-1, f"@{position}", size)


def unpack(monomial: int) -> list[tuple[int, int]]:
    """The (slot, exponent) pairs of a packed monomial, by rising slot; exponents are balanced digits."""
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
        self.letters: list[Letter] = [Letter("delta", ("", ""), "delta")]
        self.slots: dict[int, int] = {}
        self.scalars: list[int] = []
        self.sizes: dict[str, int] = {}
        self.private = 0
        self._canonical: dict[object, tuple[Frame, int, int]] = {}

    # -- letters -------------------------------------------------------------------------------------------

    def new(self, letter: Letter) -> int:
        number = len(self.letters)
        self.letters.append(letter)
        if not letter.shape:
            self.slots[number] = len(self.scalars)
            self.scalars.append(number)
        return number

    def size(self, size: str) -> int:
        """The number of indices in a range, as a positive letter."""
        if size not in self.sizes:
            self.sizes[size] = self.new(Letter(f"#{size}", (), "size", "positive"))
        return self.sizes[size]

    def packed(self, letter: int, exponent: int = 1) -> int:
        return exponent << (WIDTH * self.slots[letter])

    def factor(self, letter: int, indices: tuple[Index, ...] = (), exponent: int = 1) -> Expression:
        if not indices:
            return {(): {self.packed(letter, exponent): 1}}
        return self.term([(letter, indices, exponent)], (), {0: 1})

    def at_places(self, letter: int) -> Expression:
        """The letter with the places as its indices."""
        shape = self.letters[letter].shape
        return self.factor(letter, tuple(place(position, size) for position, size in enumerate(shape)))

    # -- sums and products ---------------------------------------------------------------------------------

    def term(self, factors: Iterable[Factor], dummies: Iterable[Index], poly: Poly) -> Expression:
        """The sum over `dummies` of the product of `factors`, times `poly`."""
        frame, monomial, number = self.canonical(tuple(factors), tuple(dummies))
        return {frame: {m + monomial: c * number for m, c in poly.items()}} if poly else {}

    def accumulate(self, total: Expression, summand: Expression, factor: Coefficient = 1) -> None:
        """total += factor * summand, in place."""
        for frame, poly in summand.items():
            self.budget.spend(len(poly))
            kept = total.setdefault(frame, {})
            for monomial, coefficient in poly.items():
                value = kept.get(monomial, 0) + factor * coefficient
                if value.__class__ is not int and value.denominator.bit_length() > MAX_BITS:
                    raise Rejected("limit", "a coefficient is too large")
                if value:
                    kept[monomial] = value
                else:
                    kept.pop(monomial, None)
            if not kept:
                del total[frame]

    def add(self, *summands: Expression) -> Expression:
        total: Expression = {}
        for summand in summands:
            self.accumulate(total, summand)
        return total

    def scale(self, expression: Expression, factor: Coefficient) -> Expression:
        total: Expression = {}
        if factor:
            self.accumulate(total, expression, factor)
        return total

    def multiply(self, left: Expression, right: Expression) -> Expression:
        total: Expression = {}
        for frame_l, poly_l in left.items():
            for frame_r, poly_r in right.items():
                product = self._multiply_polys(poly_l, poly_r)
                if frame_l and frame_r:
                    # The dummies of the two factors are different sums: rename them apart.
                    shift = 1 + max((i[0] for _, idx, _ in frame_l for i in idx), default=-1)
                    moved = tuple(
                        (letter, tuple((i[0] + shift, "", i[2]) if i[0] >= 0 else i for i in idx), exponent)
                        for letter, idx, exponent in frame_r
                    )
                    both = frame_l + moved
                    self.accumulate(total, self.term(both, dummies(both), product))
                else:
                    self.accumulate(total, {frame_l or frame_r: product})
        return total

    def _multiply_polys(self, left: Poly, right: Poly) -> Poly:
        self.budget.spend(len(left) * len(right))
        if _bits(left) + _bits(right) > MAX_BITS:
            raise Rejected("limit", "a coefficient is too large")
        if len(left) > len(right):
            left, right = right, left
        product: Poly = {}
        get = product.get
        items = list(right.items())
        for monomial_l, coefficient_l in left.items():
            for monomial_r, coefficient_r in items:
                monomial = monomial_l + monomial_r
                product[monomial] = get(monomial, 0) + coefficient_l * coefficient_r
        return {monomial: whole(c) for monomial, c in product.items() if c}

    def power(self, base: Expression, exponent: int) -> Expression:
        """base^exponent, for an exponent that is not negative."""
        if exponent == 1:
            return base
        if _degree(base) * exponent > REACH:
            raise Rejected("limit", "a power is too large")
        result: Expression = {(): {0: 1}}
        for _ in range(exponent):
            result = self.multiply(result, base)
        return result

    def bounded(self, expression: Expression) -> Expression:
        """`expression` itself, after checking that its exponents leave room for products."""
        self.budget.spend(sum(map(len, expression.values())))
        if _degree(expression) > DEGREE:
            raise Rejected("limit", f"an exponent beyond {DEGREE} appears")
        return expression

    # -- indices -------------------------------------------------------------------------------------------

    def rename(self, expression: Expression, names: Mapping[Index, Index]) -> Expression:
        """Replace free indices by free indices."""
        if not names:
            return expression
        total: Expression = {}
        for frame, poly in expression.items():
            moved = renamed(frame, names)
            self.accumulate(total, self.term(moved, dummies(moved), poly))
        return total

    def at(self, body: Expression, shape: tuple[str, ...], indices: tuple[Index, ...]) -> Expression:
        """A body over places, with these free indices put in their stead."""
        return self.rename(body, {place(p, size): i for p, (size, i) in enumerate(zip(shape, indices, strict=True))})

    def fresh(self, size: str) -> Index:
        """A free index that no document can name."""
        self.private += 1
        return free(f"~{self.private}", size)

    def opened(self, frame: Frame) -> tuple[Frame, tuple[Index, ...]]:
        """The frame with its dummies made free under private labels, to be summed again by `closed`."""
        names = {dummy: self.fresh(dummy[2]) for dummy in dummies(frame)}
        moved = renamed(frame, names)
        return moved, tuple(names.values())

    def closed(self, expression: Expression, labels: Iterable[Index]) -> Expression:
        """The sum of `expression` over free indices (an index that does not occur contributes its size)."""
        labels = tuple(labels)
        if not labels:
            return expression
        total: Expression = {}
        for frame, poly in expression.items():
            old = dummies(frame)
            start = len(old) and 1 + max(i[0] for i in old)
            names = {label: (start + k, "", label[2]) for k, label in enumerate(labels)}
            moved = renamed(frame, names)
            self.accumulate(total, self.term(moved, (*old, *names.values()), poly))
        return total

    # -- the canonical form of a frame ---------------------------------------------------------------------

    def canonical(self, factors: Frame, summed: tuple[Index, ...]) -> tuple[Frame, int, int]:
        """Canonical frame of the sum over `summed`, with the monomial and the integer that split off.

        Deltas are contracted, equal factors merged, and a summed index that has gone from every factor
        contributes the size of its range: sum_i 1 = n.
        """
        key = (factors, summed)
        found = self._canonical.get(key)
        if found is None:
            found = self._canonical[key] = self._canonicalise(list(factors), list(summed))
        return found

    def _canonicalise(self, factors: list[Factor], summed: list[Index]) -> tuple[Frame, int, int]:
        self.budget.spend(8 * len(factors))
        factors, summed = _contract(factors, summed)
        merged: dict[tuple[int, tuple[Index, ...]], int] = {}
        for letter, indices, exponent in factors:
            merged[letter, indices] = merged.get((letter, indices), 0) + exponent
        factors = [(letter, indices, e) for (letter, indices), e in merged.items() if e]
        present = {i for _, indices, _ in factors for i in indices}
        monomial, number = 0, 1
        for index in summed:
            if index not in present:
                if index[2].isdigit():
                    number *= int(index[2])
                else:
                    monomial += self.packed(self.size(index[2]))
        parts = sorted(self._labelled(part) for part in _components(factors))
        frame: list[Factor] = []
        shift = 0
        for part in parts:
            count = len(dummies(part))
            frame += [
                (letter, tuple((i[0] + shift, "", i[2]) if i[0] >= 0 else i for i in idx), e) for letter, idx, e in part
            ]
            shift += count
        return tuple(frame), monomial, number

    def _labelled(self, factors: list[Factor]) -> Frame:
        """The least frame over all numberings of the dummies that a colour refinement does not tell apart."""
        found = sorted({i for _, idx, _ in factors for i in idx if i[0] >= 0})
        return self._least(factors, {i: first_colour(i) for i in found})

    def _least(self, factors: list[Factor], colours: dict[Index, tuple[int, str]]) -> Frame:
        self.budget.spend(16 * len(factors) * (1 + len(colours)))
        colours = _refined(factors, colours)
        classes: dict[tuple[int, str], list[Index]] = {}
        for index, colour in colours.items():
            classes.setdefault(colour, []).append(index)
        tied = min((colour for colour, members in classes.items() if len(members) > 1), default=None)
        if tied is None:
            names = {i: (n, "", i[2]) for n, i in enumerate(sorted(colours, key=colours.__getitem__))}
            return tuple(sorted(renamed(factors, names)))
        # Individualise each member of the first tied class in turn, and keep the least outcome.
        return min(self._least(factors, {**colours, member: (tied[0], tied[1] + "!")}) for member in classes[tied])


def _degree(expression: Expression) -> int:
    """The largest absolute exponent (at least one, so that a power of a constant counts)."""
    of_frames = max((abs(e) for frame in expression for _, _, e in frame), default=1)
    of_scalars = max((abs(e) for poly in expression.values() for m in poly for _, e in unpack(m)), default=1)
    return max(of_frames, of_scalars, 1)


def _bits(poly: Poly) -> int:
    return max(c.numerator.bit_length() + c.denominator.bit_length() for c in poly.values())


def dummies(frame: Iterable[Factor]) -> tuple[Index, ...]:
    return tuple(dict.fromkeys(i for _, idx, _ in frame for i in idx if i[0] >= 0))


def renamed(factors: Iterable[Factor], names: Mapping[Index, Index]) -> Frame:
    return tuple((letter, tuple(names.get(i, i) for i in indices), e) for letter, indices, e in factors)


def first_colour(index: Index) -> tuple[int, str]:
    """The first colour of an index: its size for a dummy, its label for a free one."""
    return (0, index[2]) if index[0] >= 0 else (-1, index[1])


def _refined(factors: list[Factor], colours: dict[Index, tuple[int, str]]) -> dict[Index, tuple[int, str]]:
    """Refine colours by where each dummy occurs and next to what, until nothing splits any more."""
    count = len(set(colours.values()))
    while True:
        seen: dict[Index, list[object]] = {i: [] for i in colours}
        for letter, idx, exponent in factors:
            around = tuple(colours.get(i) or first_colour(i) for i in idx)
            for position, index in enumerate(idx):
                if index[0] >= 0:
                    seen[index].append((letter, exponent, position, around))
        signatures = {i: (colours[i], sorted(seen[i])) for i in colours}  # type: ignore[type-var]
        ranks = sorted({repr(s): s for s in signatures.values()}.values())  # type: ignore[type-var]
        position = {repr(s): n for n, s in enumerate(ranks)}
        colours = {i: (position[repr(signatures[i])], "") for i in colours}
        if len(ranks) == count:
            return colours
        count = len(ranks)


def _contract(factors: list[Factor], summed: list[Index]) -> tuple[list[Factor], list[Index]]:
    """Remove every delta with a summed index; make those between two free indices name the lesser one."""
    kept: list[Factor] = []
    while True:
        found = [f for f in factors if f[0] == DELTA]
        if not found:
            return factors + kept, summed
        # Those with a summed index first: the rest then only renames free indices.
        chosen = max(found, key=lambda f: max(f[1])[0])
        if chosen[2] < 1:
            raise Rejected("statement", "delta has a negative exponent")
        factors = [f for f in factors if f is not chosen]
        low, high = sorted(chosen[1])
        if low == high:
            continue
        if high[0] < 0:
            kept.append((DELTA, (low, high), 1))
        else:
            summed = [i for i in summed if i != high]
        factors = _replaced(factors, high, low)
        # A kept delta joins two free indices; a later one may rename its larger end.
        kept = [
            f if f[1] == (low, high) else (DELTA, tuple(sorted(low if i == high else i for i in f[1])), 1) for f in kept
        ]


def _replaced(factors: list[Factor], old: Index, new: Index) -> list[Factor]:
    return list(renamed(factors, {old: new}))


def _components(factors: list[Factor]) -> list[list[Factor]]:
    """Split a product into parts that share no dummy; the sum over dummies is then a product of sums."""
    parts: list[tuple[set[Index], list[Factor]]] = []
    for factor in factors:
        own = {i for i in factor[1] if i[0] >= 0}
        touched = [part for part in parts if part[0] & own]
        members = [f for part in touched for f in part[1]]
        parts = [part for part in parts if not part[0] & own]
        parts.append((own.union(*(part[0] for part in touched)), [*members, factor]))
    return [part[1] for part in parts]
