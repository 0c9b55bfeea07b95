"""Interval arithmetic in dyadic integers: (low, high) stands for [low, high] / 2^bits, and rounding is outward."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from .document import Rejected, require

Interval = tuple[int, int]
FUNCTIONS = ("exp", "log", "sqrt", "inv", "tanh")


def add(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1]


def total(*parts: Interval) -> Interval:
    return sum(low for low, _ in parts), sum(high for _, high in parts)


def hull(*parts: Interval) -> Interval:
    return min(low for low, _ in parts), max(high for _, high in parts)


def inside(a: Interval, b: Interval) -> bool:
    return b[0] <= a[0] and a[1] <= b[1]


def divided(a: Interval, number: int) -> Interval:
    """[low, high] / number, for a positive integer."""
    return a[0] // number, -(-a[1] // number)


class Dyadic:
    """The arithmetic with `bits` binary places."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.one: Interval = (1 << bits, 1 << bits)

    def of(self, value: int | Fraction) -> Interval:
        scaled = value.numerator << self.bits
        return divided((scaled, scaled), value.denominator)

    def product(self, pairs: list[tuple[Interval, Interval]]) -> Interval:
        """The sum of the products of some pairs, rounded once."""
        low = high = 0
        for (a, b), (c, d) in pairs:
            if a >= 0 and c >= 0:
                low, high = low + a * c, high + b * d
            else:
                corners = (a * c, a * d, b * c, b * d)
                low, high = low + min(corners), high + max(corners)
        return low >> self.bits, -(-high >> self.bits)

    def times(self, a: Interval, b: Interval) -> Interval:
        return self.product([(a, b)])

    def square(self, a: Interval) -> Interval:
        low, high = sorted(map(abs, a))
        return (0 if a[0] < 0 < a[1] else low * low >> self.bits), -(-high * high >> self.bits)

    def reciprocal(self, a: Interval) -> Interval:
        require(a[0] > 0 or a[1] < 0, "enclosure", "a divisor is not seen to differ from 0")
        return (1 << 2 * self.bits) // a[1], -(-(1 << 2 * self.bits) // a[0])

    def function(self, name: str, u: Interval) -> Interval:
        """A function of every point of u; Rejected where it is not defined on all of u, or too large."""
        known = name in FUNCTIONS
        require(known, "enclosure", f"no enclosure of {name} is known, only of {', '.join(FUNCTIONS)}")
        if name == "tanh":  # it rises, and is 1 - 2 / (exp(2 u) + 1)
            low, high = (self.reciprocal(add(self._exp(2 * end), self.one)) for end in u)
            return self.one[0] - 2 * low[1], self.one[0] - 2 * high[0]
        if name == "exp":
            return self._exp(u[0])[0], self._exp(u[1])[1]
        if name == "inv":
            return self.reciprocal(u)
        require(u[0] > 0, "enclosure", f"the argument of {name} is not seen to be positive")
        if name == "sqrt":
            return isqrt(u[0] << self.bits), isqrt((u[1] << self.bits) - 1) + 1
        return self._log(u[0])[0], self._log(u[1])[1]

    def _exp(self, x: int) -> Interval:
        """exp(x / 2^bits) = exp(x / 2^(bits + halved))^(2^halved), by its Taylor series with |argument| < 2^-8."""
        halved = max(abs(x).bit_length() - self.bits + 8, 0)
        require(halved <= 24, "enclosure", "an exponential is too large")
        fine = Dyadic(self.bits + 2 * halved + 16)
        u = fine.of(Fraction(x, 1 << (self.bits + halved)))
        total = term = fine.one
        count = 0
        while max(-term[0], term[1]) > 1:
            count += 1
            term = divided(fine.times(term, u), count)
            total = add(total, term)
        total = (total[0] - 2, total[1] + 2)  # the rest of the series is less than the last term, which is tiny
        for _ in range(halved):
            total = fine.times(total, total)
        shift = fine.bits - self.bits
        return total[0] >> shift, -(-total[1] >> shift)

    def _log(self, x: int) -> Interval:
        """A bracket of log(x / 2^bits), found by Newton's method and confirmed by exp at its ends."""
        y = (x.bit_length() - self.bits) * self.one[0] * 9 // 13
        for _ in range(self.bits.bit_length() + 8):
            y += ((x << self.bits) // max(self._exp(y)[0], 1)) - self.one[0]
        for slack in range(4, self.bits, 4):
            low, high = y - (1 << slack), y + (1 << slack)
            if self._exp(low)[1] <= x <= self._exp(high)[0]:
                return low, high
        raise Rejected("enclosure", "no bracket of a logarithm was found")
