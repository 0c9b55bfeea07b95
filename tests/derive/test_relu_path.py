"""Exact paths against an integrator, and the designs that have one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from tests.relu_designs import designs
from theorylab.derive.relu_path import design, minimal_interpolator, relu_path
from theorylab.errors import InputError, UnsupportedReading

PRINTED = ([[6, -6, 6], [-3, -4, 18], [2, 12, 9]], [13314, 17514, 0])


def crossing(row: np.ndarray, gate: bool) -> Callable[[float, np.ndarray], float]:
    """The event that a unit changes its state."""

    def event(_: float, w: np.ndarray) -> float:
        return float(row @ w)

    event.terminal = True  # type: ignore[attr-defined]
    event.direction = -1 if gate else 1  # type: ignore[attr-defined]
    return event


def by_integration(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The limit of the flow from 0, phase by phase: the gates change only at events."""
    w, gates = np.zeros(x.shape[1]), np.ones(len(x), dtype=bool)
    scale = np.abs(y).max()
    for _ in range(20):

        def field(_: float, w: np.ndarray, gates: np.ndarray = gates) -> np.ndarray:
            return -x.T @ (gates * (x @ w - y))

        slowest = np.linalg.eigvalsh(x[gates] @ x[gates].T).min()
        run = solve_ivp(
            field, (0, 60 / slowest), w, method="DOP853", rtol=1e-12, atol=1e-12 * scale,
            events=[crossing(row, gate) for row, gate in zip(x, gates, strict=True)],
        )  # fmt: skip
        w = run.y[:, -1]
        if run.status == 0:
            return w
        gates = gates.copy()
        for i, times in enumerate(run.t_events):
            if len(times):
                gates[i] = not gates[i]
    raise AssertionError("the flow does not settle")


def as_floats(values: Any) -> np.ndarray:
    return np.array(values, dtype=object).astype(float)


def test_printed_design() -> None:
    path = relu_path(*PRINTED)
    assert path.exit == Fraction(1, 2)
    assert path.rate == 49
    assert path.leaving == (2,)
    assert path.limit == (Fraction(55835, 112), Fraction(-191343, 224), Fraction(194043, 224))
    assert path.minimal == (558, -765, 896)
    assert sum(w * w for w in path.limit) == Fraction(6195358457, 3584)
    assert sum(w * w for w in path.minimal) == 1699405


def test_printed_first_phase() -> None:
    """w(t) = (558 (1 - z), -765 (1 - z^4), 896 (1 - z^9))."""
    path = relu_path(*PRINTED)
    for coordinate, (scale, power) in zip(path.path, ((558, 1), (-765, 4), (896, 9)), strict=True):
        assert [(k, c) for k, c in enumerate(coordinate) if c] == [(0, scale), (power, -scale)]


@pytest.mark.parametrize("number", range(6))
def test_limit_is_that_of_an_integrator(number: int) -> None:
    x, y = PRINTED if number == 0 else designs()[41 * number]
    path = relu_path(x, y)
    limit = as_floats(path.limit)
    assert by_integration(as_floats(x), as_floats(y)) == pytest.approx(limit, rel=1e-7)


def test_scaled_targets_scale_the_path() -> None:
    x, y = PRINTED
    path, scaled = relu_path(x, y), relu_path(x, [Fraction(5, 3) * target for target in y])
    assert scaled.exit == path.exit
    assert scaled.limit == tuple(Fraction(5, 3) * w for w in path.limit)


def test_rotated_data_rotate_the_path() -> None:
    x, y = PRINTED
    turn = [[Fraction(3, 5), Fraction(-4, 5), 0], [Fraction(4, 5), Fraction(3, 5), 0], [0, 0, 1]]
    turned = [[sum(row[k] * m[k] for k in range(3)) for m in turn] for row in x]
    path, moved = relu_path(x, y), relu_path(turned, y)
    assert moved.limit == tuple(sum(m[k] * path.limit[k] for k in range(3)) for m in turn)
    assert moved.exit == path.exit


def test_many_designs_exist() -> None:
    """The small search of the recipe finds hundreds, at every exit that is tried."""
    found = [relu_path(x, y) for x, y in designs()]
    assert len(found) > 200
    assert {path.exit for path in found} >= {Fraction(1, 2), Fraction(1, 3), Fraction(2, 3)}
    assert all(path.ratio > 1 for path in found)


def test_exit_of_a_design_is_the_one_asked_for() -> None:
    q = [[6, -3, 2], [-3, -2, 6], [2, 6, 3]]
    x, y = design(q, Fraction(1, 2))
    path = relu_path(x, y)
    assert path.exit == Fraction(1, 2)
    assert Fraction(y[1], y[0]) == Fraction(17514, 13314)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(-4, 4), min_size=2, max_size=2), min_size=3, max_size=3),
    st.lists(st.integers(-4, 4), min_size=2, max_size=2),
)
def test_minimal_interpolator_is_the_nearest(x: list[list[int]], teacher: list[int]) -> None:
    """It fits the data, and satisfies <w, v - w> >= 0 for every other point v that does (the data are realizable)."""
    y = [max(sum(a * b for a, b in zip(row, teacher, strict=True)), 0) for row in x]
    w = minimal_interpolator(x, y)

    def fits(v: Sequence[Any]) -> bool:
        return all(max(sum(a * b for a, b in zip(row, v, strict=True)), 0) == t for row, t in zip(x, y, strict=True))

    assert fits(w)
    others = [[Fraction(a, 2), Fraction(b, 2)] for a in range(-6, 7) for b in range(-6, 7)]
    for v in [teacher, *others]:
        if fits(v):
            assert sum(a * (b - a) for a, b in zip(w, v, strict=True)) >= 0


def test_no_interpolator() -> None:
    with pytest.raises(UnsupportedReading, match="no weight vector fits"):
        minimal_interpolator([[1], [1]], [1, 2])


UNSUPPORTED = [
    ([[1, 1], [0, 1]], [1, 1], "irrational eigenvalues"),
    ([[1, 0], [0, 2]], [1, 1], "no unit leaves"),
    ([[1, 0], [-1, 0]], [1, 0], "not active where the flow starts"),
]


@pytest.mark.parametrize(("x", "y", "sentence"), UNSUPPORTED)
def test_path_that_cannot_be_followed(x: list[list[int]], y: list[int], sentence: str) -> None:
    with pytest.raises(UnsupportedReading, match=sentence):
        relu_path(x, y)


def test_bad_data() -> None:
    with pytest.raises(InputError, match=r"contain 0\.5"):
        relu_path([[0.5]], [1])  # type: ignore[list-item]
    with pytest.raises(InputError, match="1 samples and 2 targets"):
        relu_path([[1]], [1, 2])
    with pytest.raises(InputError, match="three orthogonal rows"):
        design([[1, 0, 0], [1, 1, 0], [0, 0, 1]], Fraction(1, 2))
    with pytest.raises(InputError, match="expected squares"):
        design([[1, 0, 0], [0, 1, 0], [0, 0, 1]], Fraction(1, 2), (1, 2, 3))
