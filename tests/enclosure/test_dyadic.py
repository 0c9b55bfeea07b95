"""The checker's interval arithmetic against balls of twice the precision."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import pytest

from proofs_check.document import Rejected
from proofs_check.dyadic import FUNCTIONS, Dyadic

BITS = 96
TRUE: dict[str, Callable[[Any], Any]] = {
    "exp": lambda u: u.exp(),
    "log": lambda u: u.log(),
    "sqrt": lambda u: u.sqrt(),
    "inv": lambda u: 1 / u,
    "tanh": lambda u: u.tanh(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_enclose_their_values_tightly(name: str) -> None:
    arithmetic, source, saved = Dyadic(BITS), random.Random(7), flint.ctx.prec
    flint.ctx.prec = 4 * BITS
    try:
        for _ in range(120):
            u = Fraction(source.randint(1, 10**6), source.randint(10**3, 10**6))
            u = -u if name in ("exp", "tanh", "inv") and source.random() < 0.5 else u
            u = min(u, Fraction(40))
            low, high = arithmetic.function(name, arithmetic.of(u))
            value = TRUE[name](flint.arb(flint.fmpq(u.numerator, u.denominator))) * flint.arb(2) ** BITS
            assert flint.arb(low) <= value <= flint.arb(high), (name, u)
            slope = max(1, abs(low) >> BITS) ** 2  # the largest derivative of these functions, about
            assert high - low <= 2**12 * slope, (name, u)
    finally:
        flint.ctx.prec = saved


def test_products_round_outward() -> None:
    arithmetic, source = Dyadic(16), random.Random(11)
    for _ in range(300):
        pairs = [[Fraction(source.randint(-999, 999), source.randint(1, 99)) for _ in "ab"] for _ in range(3)]
        low, high = arithmetic.product([(arithmetic.of(a), arithmetic.of(b)) for a, b in pairs])
        exact = sum(a * b for a, b in pairs) * 2**16
        assert low <= exact <= high


@pytest.mark.parametrize(
    ("name", "u"),
    [("log", (0, 5)), ("sqrt", (-1, 5)), ("inv", (-1, 1)), ("exp", (1 << 200, 1 << 200)), ("sin", (0, 1))],
)
def test_outside_of_the_domain_is_rejected(name: str, u: tuple[int, int]) -> None:
    with pytest.raises(Rejected):
        Dyadic(32).function(name, u)
