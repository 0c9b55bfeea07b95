"""Derivatives and substitution in indexed polynomials, through atoms by the chain rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from theorylab.readings.polynomial.atoms import atom, reciprocal, slope
from theorylab.readings.polynomial.canonical import canonical
from theorylab.readings.polynomial.symbols import Symbol, delta
from theorylab.readings.polynomial.terms import ONE, ZERO, Polynomial, closed, constant, opened


def at(p: Polynomial, indices: Sequence[int]) -> Polynomial:
    """p with its axes 0, 1, ... renamed to the given indices, which are all kept free (>= 0)."""
    return p.relabel(dict(enumerate(indices)))


def _derivation(p: Polynomial, rate: Callable[[Symbol], Polynomial]) -> Polynomial:
    """The derivative of p, where `rate` gives that of each letter, with the letter's axes first."""
    cache: dict[Symbol, Polynomial] = {}

    def of_symbol(s: Symbol) -> Polynomial:
        if s not in cache:
            if s.argument is None:
                cache[s] = rate(s)
            else:
                inner = of(s.argument)
                cache[s] = slope(s) * inner if inner else ZERO
        return cache[s]

    def of(q: Polynomial) -> Polynomial:
        total = ZERO
        for m, c in q.terms.items():
            if not any(of_symbol(s) for s, _, _ in m):
                continue
            factors, sizes = opened(m)
            for k, (s, idx, e) in enumerate(factors):
                if d := of_symbol(s):
                    rest = [*factors[:k], *([(s, idx, e - 1)] if e != 1 else []), *factors[k + 1 :]]
                    coefficient, monomial = canonical(rest)
                    product = Polynomial({monomial: c * e * coefficient}) * at(d, idx)
                    total = total + closed(product, sizes)
        return total

    return of(p)


def directional(p: Polynomial, direction: Callable[[Symbol], Polynomial | None]) -> Polynomial:
    """The derivative of p along a direction: for each letter a polynomial with the letter's axes, or None for 0."""
    return _derivation(p, lambda s: direction(s) or ZERO)


def partial(p: Polynomial, by: Symbol, labels: Sequence[int]) -> Polynomial:
    """The partial derivative of p by the entry of the letter `by` whose indices get the names `labels`."""
    here = ONE
    for axis, label in enumerate(labels):
        here = here * Polynomial({((delta(by.sizes[axis]), tuple(sorted((axis, label))), 1),): 1})
    return _derivation(p, lambda s: here if s is by else ZERO)


def substitute(p: Polynomial, value: Callable[[Symbol], Polynomial | None]) -> Polynomial:
    """Replace symbols by polynomials with their axes, letters also inside arguments of atoms."""
    cache: dict[Symbol, Polynomial] = {}

    def of_symbol(s: Symbol) -> Polynomial:
        if s not in cache:
            given = value(s)
            if given is not None:
                cache[s] = given
            elif s.argument is None or s.function is None:
                cache[s] = Polynomial({((s, tuple(range(len(s.sizes))), 1),): 1})
            elif s.function == "inv":
                cache[s] = reciprocal(of(s.argument))
            else:
                cache[s] = atom(s.function, of(s.argument))
        return cache[s]

    def of(q: Polynomial) -> Polynomial:
        total = ZERO
        for m, c in q.terms.items():
            factors, sizes = opened(m)
            result = constant(c)
            for s, idx, e in factors:
                base = of_symbol(s)
                result = result * at((reciprocal(base) if e < 0 else base) ** abs(e), idx)
            total = total + closed(result, sizes)
        return total

    return of(p)
