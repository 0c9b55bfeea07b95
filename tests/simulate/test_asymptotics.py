"""What local slopes decide: powers are told, and logarithms, crossings of powers and noise decide nothing wrongly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from theorylab.simulate.asymptotics import exponent_outcome, trend, vanishing_outcome

HALVED = 2.0 ** -np.arange(3, 12)
TENTHS = 10.0 ** -np.arange(1, 8)
TIMES = 10.0 ** np.linspace(1, 5, 9)


def said(law: Callable[[np.ndarray], np.ndarray], exponent: float, sense: str = "==", v: np.ndarray = HALVED) -> str:
    q = law(v)
    return exponent_outcome(trend(v, q, 1e-15 * np.abs(q)), exponent, sense)


POWERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "a power": (lambda h: 3 * h**2, 2),
    "with a correction of order h": (lambda h: h**3 * (1 + 2 * h), 3),
    "of the other sign": (lambda h: -(h**3) * (1 - 0.5 * h), 3),
    "with a correction of order h^2": (lambda h: h * (1 + 5 * h**2), 1),
    "a fractional power": (lambda h: h**0.4373 * (1 + h), 0.4373),
    "a constant": (lambda h: 2 + h, 0),
    "a negative power": (lambda h: 1 / h + 1, -1),
}


@pytest.mark.parametrize("name", POWERS)
def test_powers_are_told_from_those_a_tenth_away(name: str) -> None:
    law, exponent = POWERS[name]
    assert said(law, exponent) == "for"
    for wrong in (exponent - 0.1, exponent + 0.1, exponent + 1):
        assert said(law, wrong) == "against"
    assert said(law, exponent - 0.1, ">=") == "for"
    assert said(law, exponent + 0.1, ">=") == "against"
    assert said(law, exponent + 0.1, "<=") == "for"
    assert said(law, exponent - 0.1, "<=") == "against"


@pytest.mark.parametrize("v", [HALVED, TENTHS], ids=["halved", "tenths"])
@pytest.mark.parametrize("power", [-2, -1, -0.5, 0.5, 1, 2])
def test_logarithms_never_lead_to_a_wrong_answer(v: np.ndarray, power: float) -> None:
    def law(h: np.ndarray) -> np.ndarray:
        return h * np.abs(np.log(h)) ** power

    assert said(law, 1, v=v) in ("for", "open"), "h log(h)^k has the exponent 1"
    for wrong in (0.9, 1.1):
        assert said(law, wrong, v=v) in ("against", "open")


@pytest.mark.parametrize("small", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("slower", [0.5, 1.5, 1.9])
def test_two_powers_that_cross_within_the_ladder_decide_nothing_wrongly(small: float, slower: float) -> None:
    """A faster power with a larger constant leads at first; the exponent is that of the slower one."""

    def law(h: np.ndarray) -> np.ndarray:
        return h**2 + small * h**slower

    crossing = small ** (1 / (2 - slower))
    if crossing > HALVED[-1] / 2:
        assert said(law, slower) != "against"
        assert said(law, 2) != "for"


def test_values_below_their_error_are_left_out() -> None:
    q = HALVED**2 + 1e-5
    found = trend(HALVED, q - 1e-5, np.full(len(q), 1e-7))
    assert found is not None
    assert found.v[-1] > np.sqrt(300 * 1e-7)
    assert exponent_outcome(found, 2, "==") == "for"
    assert trend(HALVED, q, np.full(len(q), 1.0)) is None
    assert exponent_outcome(None, 2, "==") == "open"


def test_three_scales_are_too_few() -> None:
    assert trend(HALVED[:3], HALVED[:3] ** 2, np.zeros(3)) is None
    assert trend(HALVED[:4], HALVED[:4] ** 2, np.zeros(4)) is not None


def vanishes(law: Callable[[np.ndarray], np.ndarray], v: np.ndarray = TENTHS) -> str:
    q = law(v)
    return vanishing_outcome(trend(v, q, 1e-15 * np.abs(q)), rising=bool(v[-1] > v[0]))


@pytest.mark.parametrize("exponent", [0.1, 0.44, 1.0, 2.0])
def test_powers_vanish(exponent: float) -> None:
    assert vanishes(lambda v: v**exponent) == "for"
    assert vanishes(lambda t: t**-exponent, TIMES) == "for"


def test_constants_stay_and_slow_decays_decide_nothing() -> None:
    assert vanishes(lambda v: 0.1 + v) == "against"
    assert vanishes(lambda v: 0.1 - v / 10) == "against", "what grows does not vanish"
    assert vanishes(lambda t: 0.1 + 1 / t, TIMES) == "against"
    for law in (
        lambda v: 1 / np.abs(np.log(v)),
        lambda v: 1 / np.log(np.abs(np.log(v)) + 3),
        lambda v: v**0.02,
        lambda v: 0.1 + 1 / np.abs(np.log(v)) ** 2,
    ):
        assert vanishes(law) == "open"
