"""Values of expressions at a case: exact rationals, rigorous balls where functions are not rational, screened floats.

All three are domains of `theorylab.readings.expression.evaluate`, so they see the very expressions that proofs see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from theorylab.readings import expression as ex

PRECISIONS = (212, 848)
"""Bits of the balls; the second is for values that the first cannot tell from zero."""


class OutsideDomain(Exception):
    """A formula has no value at the case: a division by zero, a root or logarithm of no positive number."""


class Undecided(Exception):
    """A ball holds zero where a sign was needed."""


Value = Any
"""A Fraction, or a `flint.arb` ball."""


class Exactly:
    """Rationals as long as they last, balls from the first irrational value on.

    `on_kink` tells whether the argument of a gate was exactly zero, where a gate has the stated value `step_at_zero`.
    """

    def __init__(self, step_at_zero: Fraction | None) -> None:
        self.step_at_zero = step_at_zero
        self.on_kink = False

    def const(self, value: Fraction) -> Value:
        return value

    def add(self, terms: Sequence[Value]) -> Value:
        rational = sum((t for t in terms if isinstance(t, Fraction)), Fraction(0))
        balls = [t for t in terms if not isinstance(t, Fraction)]
        if not balls:
            return rational
        total = balls[0]
        for t in balls[1:]:
            total = total + t
        return total + ball(rational) if rational else total

    def mul(self, factors: Sequence[Value]) -> Value:
        rational = Fraction(1)
        total = None
        for f in factors:
            if isinstance(f, Fraction):
                rational *= f
            else:
                total = f if total is None else total * f
        if total is None or not rational:
            return rational
        return total * ball(rational)

    def power(self, base: Value, exponent: int) -> Value:
        if exponent < 0 and sign_of(base) == 0:
            raise OutsideDomain("a division by zero")
        return base**exponent

    def call(self, function: str, argument: Value) -> Value:
        if function in ("step", "sign"):
            return self._gate(function, sign_of(argument))
        if function in ("sqrt", "log") and sign_of(argument) <= 0:
            raise OutsideDomain(f"{function} of a number that is not positive")
        if isinstance(argument, Fraction):
            known = ex.EXACT_VALUES.get((function, argument))
            if known is None and function == "sqrt":
                known = _rational_root(argument)
            if known is not None:
                return known
            argument = ball(argument)
        return getattr(argument, {"arcsinh": "asinh"}.get(function, function))()

    def _gate(self, function: str, sign: int) -> Fraction:
        if sign == 0:
            self.on_kink = True
            if function == "sign" or self.step_at_zero is None:
                raise OutsideDomain(f"{function} at its kink")
            return self.step_at_zero
        return Fraction(sign if function == "sign" else int(sign > 0))


def _rational_root(value: Fraction) -> Fraction | None:
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root * root == value else None


def ball(value: Fraction) -> Any:
    """The smallest ball around a rational at the working precision."""
    import flint

    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def sign_of(value: Value) -> int:
    """-1, 0 or 1; raises Undecided where a ball holds zero."""
    if isinstance(value, Fraction):
        return (value > 0) - (value < 0)
    if value > 0:
        return 1
    if value < 0:
        return -1
    raise Undecided


def is_rational(value: Value) -> bool:
    return isinstance(value, Fraction)


def shown(value: Value, digits: int = 12) -> str:
    """ "p/q" for a rational, the midpoint in decimal for a ball."""
    return str(value) if isinstance(value, Fraction) else value.str(digits, radius=False)


def exact_values(
    roots: Sequence[ex.Expression], at: Callable[[str], Fraction], step_at_zero: Fraction | None, bits: int
) -> tuple[list[Value], bool]:
    """The values of the roots, and whether a gate sits on its kink. Raises OutsideDomain or Undecided."""
    import flint

    domain = Exactly(step_at_zero)
    with flint.ctx.workprec(bits):
        return ex.evaluate(roots, at, domain), domain.on_kink


Pair = tuple[Any, Any]
"""A float64 column and a bound of its rounding error."""

_EPS = float(np.finfo(np.float64).eps)


class Floats:
    """Columns of float64 over many cases, each with a running bound of its rounding error.

    nan stands for "outside the domain, or not to be told by these floats"; `kink` marks cases with a gate at its kink.
    """

    def __init__(self, count: int, step_at_zero: float | None) -> None:
        self.step_at_zero = np.nan if step_at_zero is None else step_at_zero
        self.kink = np.zeros(count, dtype=bool)

    def const(self, value: Fraction) -> Pair:
        near = float(value)
        return near, 0.0 if Fraction(near) == value else abs(near) * _EPS

    def add(self, terms: Sequence[Pair]) -> Pair:
        total, error = terms[0]
        size = abs(total)
        for value, own in terms[1:]:
            total, error, size = total + value, error + own, size + abs(value)
        return total, error + (len(terms) - 1) * _EPS * size

    def mul(self, factors: Sequence[Pair]) -> Pair:
        total, error = factors[0]
        for value, own in factors[1:]:
            error = abs(total) * own + abs(value) * error + error * own
            total = total * value
            error = error + _EPS * abs(total)
        return total, error

    def power(self, base: Pair, exponent: int) -> Pair:
        value, error = base
        n = abs(exponent)
        if exponent > 0:
            return value**n, n * (abs(value) + error) ** (n - 1) * error + n * _EPS * abs(value) ** n
        size = abs(value)
        room = np.where(size > 2 * error, size - error, np.nan)
        result = np.where(size > 2 * error, value, np.nan) ** float(exponent)
        return result, abs(result) * (n * error / room * 2 + 2 * n * _EPS)

    def call(self, function: str, argument: Pair) -> Pair:
        value, error = argument
        match function:
            case "step" | "sign":
                flat = abs(value) <= error
                self.kink |= flat
                if function == "sign":
                    return np.where(flat, np.nan, np.sign(value)), 0.0
                return np.where(flat, self.step_at_zero, value > 0), 0.0
            case "sqrt":
                root = np.sqrt(np.where(value > error, value, np.nan))
                return root, error / root + _EPS * root
            case "log":
                known = np.where(value > 2 * error, value, np.nan)
                result = np.log(known)
                return result, 2 * error / known + 2 * _EPS * abs(result)
            case "exp":
                result = np.exp(value)
                return result, result * (np.expm1(error) + 4 * _EPS)
        result = {"tanh": np.tanh, "sin": np.sin, "cos": np.cos, "arcsinh": np.arcsinh}[function](value)
        return result, error + 4 * _EPS * (1 + abs(result))


NODES_AT_ONCE = 3_000_000


def screened(
    roots: Sequence[ex.Expression], columns: dict[str, np.ndarray], count: int, step_at_zero: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (B, R) and error bounds (B, R) of the roots, and which cases sit on a kink (B,)."""
    nodes = len(ex.topological(roots))
    step = max(32, NODES_AT_ONCE // max(nodes, 1))
    values, errors, kinks = np.empty((count, len(roots))), np.empty((count, len(roots))), np.empty(count, dtype=bool)
    with np.errstate(all="ignore"):
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            domain = Floats(part.stop - part.start, step_at_zero)
            for i, (value, error) in enumerate(ex.evaluate(roots, lambda n, p=part: (columns[n][p], 0.0), domain)):
                values[part, i], errors[part, i] = value, error
            kinks[part] = domain.kink
    return values, errors, kinks
