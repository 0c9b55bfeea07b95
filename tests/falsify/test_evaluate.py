"""Exact values, balls and screened floats of one expression."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.falsify.evaluate import OutsideDomain, exact_values, screened, shown, sign_of
from theorylab.readings import expression as ex

X, Y = ex.var("x"), ex.var("y")
FUNCTIONS = ("step", "sign", "sqrt", "exp", "log", "tanh", "sin", "cos", "arcsinh")
ROUGH = st.floats(-4, 4, allow_subnormal=False).filter(lambda v: abs(v) > 1e-3).map(Fraction)
VALUES = st.integers(-32, 32).map(lambda i: Fraction(i, 8))


def value(root: ex.Expression, x: Fraction, y: Fraction = Fraction(0), gate: Fraction | None = Fraction(0)):
    (found,), _ = exact_values([root], {"x": x, "y": y}.__getitem__, gate, 212)
    return found


def expressions() -> st.SearchStrategy[ex.Expression]:
    leaves = st.sampled_from([X, Y, ex.ONE, ex.const(Fraction(-3, 8))])

    def grow(inner: st.SearchStrategy[ex.Expression]) -> st.SearchStrategy[ex.Expression]:
        pairs = st.tuples(inner, inner)
        return (
            pairs.map(lambda p: ex.add(*p))
            | pairs.map(lambda p: ex.mul(*p))
            | inner.map(lambda e: ex.power(e, 2))
            | st.tuples(st.sampled_from(FUNCTIONS), inner).map(lambda p: ex.call(*p))
        )

    return st.recursive(leaves, grow, max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(expressions(), VALUES | ROUGH, VALUES | ROUGH)
def test_floats_stay_within_their_bound_of_the_exact_value(root: ex.Expression, x: Fraction, y: Fraction) -> None:
    columns = {"x": np.array([float(x)]), "y": np.array([float(y)])}
    values, errors, kink = screened([root], columns, 1, 0.0)
    try:
        exact = value(root, x, y)
    except OutsideDomain:
        return
    if kink[0] or not np.isfinite(values[0, 0]) or not np.isfinite(errors[0, 0]):
        return
    midpoint = float(exact) if isinstance(exact, Fraction) else float(exact.mid())
    assert abs(values[0, 0] - midpoint) <= errors[0, 0] * 1.01 + 2.3e-16 * abs(midpoint)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROUGH, min_size=2, max_size=6))
def test_the_bound_covers_the_rounding_of_sums_products_and_powers(factors: list[Fraction]) -> None:
    """The exact rationals are known, so no rounding hides in the comparison."""
    names = [f"f[{i}]" for i in range(len(factors))]
    entries = [ex.var(n) for n in names]
    total, product = sum(factors, Fraction(0)), math.prod(factors, start=Fraction(1))
    roots = [ex.add(*entries), ex.mul(*entries), ex.power(entries[0], 3), ex.power(entries[0], -2)]
    columns = {n: np.array([float(f)]) for n, f in zip(names, factors, strict=True)}
    values, errors, _ = screened(roots, columns, 1, 0.0)
    for i, exact in enumerate([total, product, factors[0] ** 3, factors[0] ** -2]):
        assert abs(Fraction(float(values[0, i])) - exact) <= Fraction(float(errors[0, i]))


@pytest.mark.parametrize("function", ["exp", "log", "tanh", "sin", "cos", "arcsinh", "sqrt"])
def test_balls_enclose_the_function(function: str) -> None:
    found = value(ex.call(function, X), Fraction(3, 8))
    truth = {"arcsinh": math.asinh}.get(function, getattr(math, function, None))(0.375)
    assert abs(found - truth) < 1e-15
    assert shown(found)[:10] == repr(truth)[:10]


def test_rational_values_stay_rational() -> None:
    assert value(ex.call("sqrt", X), Fraction(9, 16)) == Fraction(3, 4)
    assert value(ex.call("exp", ex.mul(X, Y)), Fraction(3), Fraction(0)) == 1
    assert value(ex.mul(Y, ex.call("exp", X)), Fraction(3), Fraction(0)) == 0
    norm = ex.call("sqrt", ex.add(ex.power(X, 2), ex.power(Y, 2)))
    assert value(norm, Fraction(3, 5), Fraction(-4, 5)) == 1


def test_a_difference_too_small_for_floats_is_seen_by_balls() -> None:
    tiny = ex.const(Fraction(1, 2**120))
    gap = ex.add(ex.call("exp", ex.add(X, tiny)), ex.mul(ex.const(-1), ex.call("exp", X)))
    assert sign_of(value(gap, Fraction(1))) == 1
    values, errors, _ = screened([gap], {"x": np.array([1.0])}, 1, 0.0)
    assert abs(values[0, 0]) <= errors[0, 0]


@pytest.mark.parametrize(
    ("root", "x"),
    [
        (ex.power(X, -1), 0),
        (ex.call("log", X), 0),
        (ex.call("log", X), -1),
        (ex.call("sqrt", X), -1),
        (ex.call("sqrt", X), 0),
        (ex.call("sign", X), 0),
    ],
)
def test_outside_the_domain_there_is_no_value(root: ex.Expression, x: int) -> None:
    with pytest.raises(OutsideDomain):
        value(root, Fraction(x))
    values, _, _ = screened([root], {"x": np.array([float(x), 1.0])}, 2, 0.0)
    assert not np.isfinite(values[0, 0])
    assert np.isfinite(values[1, 0])


@pytest.mark.parametrize("gate", [Fraction(0), Fraction(1), Fraction(1, 2)])
def test_a_gate_has_its_stated_value_on_the_kink(gate: Fraction) -> None:
    (found,), kink = exact_values([ex.call("step", X)], {"x": Fraction(0)}.__getitem__, gate, 212)
    assert (found, kink) == (gate, True)
    values, _, kinks = screened([ex.call("step", X)], {"x": np.array([0.0, 2.0])}, 2, float(gate))
    assert values[:, 0].tolist() == [float(gate), 1.0]
    assert kinks.tolist() == [True, False]


def test_a_long_batch_is_cut_into_parts_without_changing_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from theorylab.falsify import evaluate

    root, columns = ex.add(ex.mul(X, X), ex.call("step", X)), {"x": np.linspace(-1, 1, 101)}
    whole = screened([root], columns, 101, 0.0)
    monkeypatch.setattr(evaluate, "NODES_AT_ONCE", 1)
    for a, b in zip(whole, screened([root], columns, 101, 0.0), strict=True):
        assert (a == b).all()
