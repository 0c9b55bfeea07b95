"""Polynomials in indexed symbols, with canonical names for summed indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from fractions import Fraction

from theorylab.errors import UnsupportedReading
from theorylab.readings.array import Size
from theorylab.readings.polynomial.canonical import canonical
from theorylab.readings.polynomial.symbols import Coefficient, Factor, Monomial, Symbol, size_factor, symbol

_OPENED = 10_000
"""Dummies that are made free for a while are named above this."""
_CLOSED = -1_000_000
"""Free indices that become dummies are named below this."""
_SHIFT = 10_000_000


class Budget:
    """How many products of terms may still be formed; a formula that needs more is too large to expand."""

    def __init__(self, products: int) -> None:
        self.left = products

    def spend(self, products: int) -> None:
        self.left -= products
        if self.left < 0:
            raise UnsupportedReading("the formula is too large to expand")


budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


class Polynomial:
    """An immutable map from canonical monomials to nonzero coefficients."""

    __slots__ = ("_key", "terms")
    terms: dict[Monomial, Coefficient]
    _key: str | None

    def __init__(self, terms: dict[Monomial, Coefficient]) -> None:
        self.terms = terms
        self._key = None

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> str:
        """A canonical text, equal exactly for equal polynomials; the same in every process."""
        if self._key is None:
            self._key = " + ".join(sorted(f"{c}*{_monomial_text(m)}" for m, c in self.terms.items())) or "0"
        return self._key

    def __repr__(self) -> str:
        return self.key

    def __add__(self, other: Polynomial) -> Polynomial:
        if not other.terms:
            return self
        terms = dict(self.terms)
        for m, c in other.terms.items():
            accumulate(terms, m, c)
        return Polynomial(terms)

    def scale(self, factor: Coefficient) -> Polynomial:
        return Polynomial({m: simple(c * factor) for m, c in self.terms.items()} if factor else {})

    def __neg__(self) -> Polynomial:
        return self.scale(-1)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        if (limit := budget.get()) is not None:
            limit.spend(len(self.terms) * len(other.terms))
        terms: dict[Monomial, Coefficient] = {}
        for m1, c1 in self.terms.items():
            shift = dummy_count(m1)
            for m2, c2 in other.terms.items():
                coefficient, monomial = canonical(m1 + _shift(m2, shift))
                accumulate(terms, monomial, c1 * c2 * coefficient)
        return Polynomial(terms)

    def __pow__(self, exponent: int) -> Polynomial:
        result, base = ONE, self
        while exponent:
            if exponent & 1:
                result = result * base
            exponent >>= 1
            if exponent:
                base = base * base
        return result

    def relabel(self, labels: Mapping[int, int] | Callable[[int], int]) -> Polynomial:
        """Rename free indices; a negative new name makes a dummy (a sum), equal new names identify indices."""
        rename = labels if callable(labels) else (lambda i: labels.get(i, i))
        terms: dict[Monomial, Coefficient] = {}
        for m, c in self.terms.items():
            factors = [(s, tuple(i - _SHIFT if i < 0 else rename(i) for i in idx), e) for s, idx, e in m]
            coefficient, monomial = canonical(factors)
            accumulate(terms, monomial, c * coefficient)
        return Polynomial(terms)

    def sum_over(self, axis: int, size: Size) -> Polynomial:
        """The sum over one free index; a term without it is multiplied by the size."""
        return closed(self, {axis: size})

    def free(self) -> list[int]:
        return sorted({i for m in self.terms for _, idx, _ in m for i in idx if i >= 0})

    def symbols(self) -> set[Symbol]:
        return {s for m in self.terms for s, _, _ in m}

    def atoms(self) -> list[Symbol]:
        """All atoms, also inside arguments of atoms, innermost first."""
        found: dict[Symbol, None] = {}

        def visit(p: Polynomial) -> None:
            for s in sorted(p.symbols()):
                if s.argument is not None and s not in found:
                    visit(s.argument)
                    found[s] = None

        visit(self)
        return list(found)

    def letters(self) -> set[Symbol]:
        """All letters (not atoms, sizes or delta), also inside arguments of atoms."""
        inside = [self, *(a.argument for a in self.atoms() if a.argument is not None)]
        return {s for p in inside for s in p.symbols() if s.argument is None and s.name[0] != "#" and s.name != "delta"}


def simple(c: Coefficient) -> Coefficient:
    return c.numerator if isinstance(c, Fraction) and c.denominator == 1 else c


def accumulate(terms: dict[Monomial, Coefficient], monomial: Monomial, coefficient: Coefficient) -> None:
    total = simple(terms.get(monomial, 0) + coefficient)
    if total:
        terms[monomial] = total
    else:
        terms.pop(monomial, None)


def _monomial_text(m: Monomial) -> str:
    return "*".join(f"{s.name}[{','.join(map(str, idx))}]^{e}" for s, idx, e in m) or "1"


def dummy_count(m: Monomial) -> int:
    return -min((i for _, idx, _ in m for i in idx if i < 0), default=0)


def _shift(m: Monomial, count: int) -> Monomial:
    if not count:
        return m
    return tuple((s, tuple(i - count if i < 0 else i for i in idx), e) for s, idx, e in m)


def opened(m: Monomial) -> tuple[list[Factor], dict[int, Size]]:
    """The factors with every dummy made free, so that more factors can join the sum, and the sizes to `closed` it."""
    sizes: dict[int, Size] = {}
    factors: list[Factor] = []
    for s, idx, e in m:
        sizes.update({_OPENED - i: size for i, size in zip(idx, s.sizes, strict=True) if i < 0})
        factors.append((s, tuple(_OPENED - i if i < 0 else i for i in idx), e))
    return factors, sizes


def closed(p: Polynomial, sizes: Mapping[int, Size]) -> Polynomial:
    """The sum over the given free indices; a term without one of them is multiplied by its size."""
    if not sizes:
        return p
    terms: dict[Monomial, Coefficient] = {}
    for m, c in p.terms.items():
        present = {i for _, idx, _ in m for i in idx}
        factors = [(s, tuple(_CLOSED - i if i in sizes else i for i in idx), e) for s, idx, e in m]
        for i, size in sizes.items():
            if i not in present:
                value, extra = size_factor(size)
                c, factors = c * value, [*factors, *extra]
        coefficient, monomial = canonical(factors)
        accumulate(terms, monomial, c * coefficient)
    return Polynomial(terms)


def constant(value: Coefficient) -> Polynomial:
    value = simple(value)
    return Polynomial({(): value} if value else {})


ONE = constant(1)
ZERO = constant(0)


def letter(name: str, sizes: Sequence[Size], sign: str = "any") -> Polynomial:
    """The array of a letter: axis a is index a. Axes of concrete size 1 keep their index."""
    return Polynomial({((symbol(name, sizes, sign), tuple(range(len(sizes))), 1),): 1})
