"""Polynomials with atoms evaluated in balls, and the Taylor series of a flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint

from theorylab.enclosure.problem import KINKS, NotEnclosed, Problem, Unbounded
from theorylab.readings.polynomial import Polynomial, Symbol

Ball = Any  # flint.arb
Series = Any  # flint.arb_series
SIGN = {"step": {"0": 0, "1": 1}, "sign": {"0": -1, "1": 1}}


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with this many bits."""
    before, cap = flint.ctx.prec, flint.ctx.cap
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec, flint.ctx.cap = before, cap


def ball(value: Fraction | int) -> Ball:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def between(low: Fraction, high: Fraction) -> Ball:
    return ball(low).union(ball(high))


def low(x: Ball) -> Fraction:
    """The lower end, exactly."""
    return exactly(x.lower())


def high(x: Ball) -> Fraction:
    return exactly(x.upper())


def exactly(x: Ball) -> Fraction:
    """A ball of radius 0 as a rational."""
    if not x.is_finite():
        raise Unbounded("the enclosure became unbounded")
    mantissa, exponent = x.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


class Field:
    """The field of a problem where its gates have the given signs, "0" or "1"."""

    def __init__(self, problem: Problem, signs: str) -> None:
        self.problem = problem
        self.signs = {
            gate: flint.arb(SIGN[gate.function or ""][sign]) for gate, sign in zip(problem.gates, signs, strict=True)
        }

    def values(self, polynomials: Sequence[Polynomial], at: Sequence[Any]) -> list[Any]:
        """Values at a point, a box or a series of states."""
        known: dict[Symbol, Any] = dict(zip(self.problem.state, at, strict=True))
        return [self._value(p, known) for p in polynomials]

    def _value(self, p: Polynomial, known: dict[Symbol, Any]) -> Any:
        total: Any = flint.arb(0)
        for monomial, coefficient in p.terms.items():
            term: Any = ball(Fraction(coefficient))
            for s, _, e in monomial:
                value = self._symbol(s, known)
                for _ in range(abs(e)):  # a power of a ball with both signs is not a number
                    term = term * value if e > 0 else term / value
            total = total + term
        return total

    def _symbol(self, s: Symbol, known: dict[Symbol, Any]) -> Any:
        if s in known:
            return known[s]
        if s in self.signs:
            return self.signs[s]
        if s.argument is None:
            return ball(self.problem.constants[s.name])
        if s.function in KINKS:
            raise NotEnclosed(f"{s.name} is no gate of the flow")
        value = known[s] = _apply(s.function or "", self._value(s.argument, known))
        return value

    def series(self, start: Sequence[Ball], order: int) -> list[Series]:
        """The Taylor polynomials of the solution from a box of starts, up to t^order."""
        state = [flint.arb_series([x]) for x in start]
        for n in range(1, order + 1):
            flint.ctx.cap = n
            rates = self.values(self.problem.rates, state)
            flint.ctx.cap = n + 1
            state = [x + flint.arb_series(r).integral() for x, r in zip(start, rates, strict=True)]
        return state


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": lambda u: u.exp(),
    "log": lambda u: u.log(),
    "sqrt": lambda u: u.sqrt(),
    "inv": lambda u: 1 / u,
    "tanh": lambda u: 1 - 2 / ((2 * u).exp() + 1),
}


def _apply(function: str, u: Any) -> Any:
    if function not in FUNCTIONS:
        raise NotEnclosed(f"the flow contains {function}, of which the checker knows no enclosure")
    return FUNCTIONS[function](u)
