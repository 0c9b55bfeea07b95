"""Rigorous bounds of trajectories: known closed forms, kinks, limits, and damaged certificates."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath as mp
import pytest

import theorylab as tl
from proofs_check import check
from theorylab import ops
from theorylab.catalog.vardi_2020 import family
from theorylab.certificate.document import canonical, seal

GAMMAS = ["1/2", "3/4", "13/7", "7/3", "2", "355/113", "19/2", "101/10", "11", "50/3", "20"]


def third_coordinate(gamma: Fraction) -> tuple[Any, Any]:
    """(t1, s) of the family, from the closed form of the first phase (2012.05156, Theorem 3), to 30 digits."""
    mp.mp.dps = 40
    g = mp.mpf(gamma.numerator) / gamma.denominator
    x = mp.matrix([[3, -1, 0], [4, 2, 0], [0, g, g]])
    values, vectors = mp.eigsy(x.T * x)
    start = vectors.T * mp.matrix([5, -1, 1])

    def w(t: Any) -> Any:
        return vectors * mp.matrix([c * (1 - mp.exp(-t * v)) for c, v in zip(start, values, strict=True)])

    grid = [mp.mpf(k) / 400 for k in range(1, 100)]
    last = next(t for t in grid if w(t)[1] + w(t)[2] < 0)
    t1 = mp.findroot(lambda t: w(t)[1] + w(t)[2], (last - mp.mpf(1) / 400, last), solver="anderson")
    return t1, w(t1)[2]


def enclosed(gamma: str) -> Any:
    return tl.enclose(
        family, lambda p: p.w, case={"gamma": Fraction(gamma), "alpha": 1}, zeros=lambda p: p.w[1] + p.w[2]
    )


def inside(bounds: Any, value: Any) -> bool:
    low, high = (mp.mpf(x.numerator) / x.denominator for x in (bounds.low, bounds.high))
    return bool(low <= value <= high)


@pytest.mark.parametrize("gamma", ["1", "5", *(pytest.param(g, marks=pytest.mark.slow) for g in GAMMAS)])
def test_the_third_coordinate_of_the_family_is_enclosed(gamma: str) -> None:
    found = enclosed(gamma)
    assert found.enclosed, found.reason
    assert all(b.at is None and b.width <= Fraction(1, 10**6) for b in found.final)
    t1, s = third_coordinate(Fraction(gamma))
    for bounds, value in zip(found.final, [5, -1, s], strict=True):
        assert inside(bounds, value)
    (zero,) = found.zeros
    assert zero.direction == "falls"
    assert inside(zero, t1)
    assert len(found.crossings) == 1
    assert found.scope == f"alpha=1, gamma={Fraction(gamma)}"


def test_known_digits() -> None:
    for gamma, s in (("1", -0.0407729197666735), ("5", -0.209048812305405)):
        third = enclosed(gamma).final[2]
        assert abs(float(third.low) - s) < 1e-6
        assert third.low <= Fraction(s) <= third.high


# --- other flows ------------------------------------------------------------------------------------------------------


@tl.model(w="")
def square(p, x):
    return p.w**2 * x


@tl.model(w="")
def line(p, x):
    return p.w * x


def smooth(function: Callable[[Any], Any]) -> Any:
    @tl.model(w="")
    def network(p, x):
        return function(p.w) * x

    return tl.GradientFlow(network, loss=tl.loss.square, data=([[1]], [[1]]))


def test_a_logistic_curve() -> None:
    """w' = -2 w (w^2 - 1): u = w^2 solves u' = 4 u (1 - u)."""
    flow = tl.GradientFlow(square, loss=tl.loss.square, data=([[1]], [[1]]))
    found = tl.enclose(
        flow, lambda p: p.w**2, case={"init.w": Fraction(1, 2)}, times=[Fraction(1, 4)], t_end=Fraction(1, 2)
    )
    assert found.enclosed, found.reason
    assert [b.at for b in found.bounds] == [Fraction(1, 4), Fraction(1, 2)]
    for bounds in found.bounds:
        assert bounds.at is not None
        value = 1 / (1 + 3 * math.exp(-4 * float(bounds.at)))
        assert float(bounds.low) - 1e-15 <= value <= float(bounds.high) + 1e-15
        assert bounds.width <= Fraction(1, 10**6)


@pytest.mark.parametrize("name", ["tanh", "exp"])
def test_functions_in_the_field(name: str) -> None:
    from scipy.integrate import solve_ivp

    function, slope = {"tanh": (math.tanh, lambda w: 1 - math.tanh(w) ** 2), "exp": (math.exp, math.exp)}[name]
    found = tl.enclose(smooth(getattr(ops, name)), lambda p: p.w, case={"init.w": Fraction(1, 3)}, t_end=Fraction(1, 2))
    assert found.enclosed, found.reason
    reference = solve_ivp(lambda t, w: -slope(w[0]) * (function(w[0]) - 1), (0, 0.5), [1 / 3], rtol=1e-12, atol=1e-13)
    (bounds,) = found.final
    assert float(bounds.low) - 1e-10 <= reference.y[0, -1] <= float(bounds.high) + 1e-10


falling = tl.Flow(lambda p: {"w": -p.w}, state={"w": ""})
DIVIDED: dict[str, tuple[tl.Flow, Callable[..., Any], int, float]] = {
    "log": (falling, lambda p: ops.log(p.w), 2, math.log(2) - 1),
    "inverse": (falling, lambda p: 1 / p.w, 2, math.e / 2),
    "inverse of a negative number": (falling, lambda p: 1 / p.w, -2, -math.e / 2),
    "square of the inverse": (falling, lambda p: p.w**-2, 2, math.e**2 / 4),
    "ratio": (falling, lambda p: (p.w + 1) / p.w, 2, 1 + math.e / 2),
    "velocity": (tl.Flow(lambda p: {"w": 1 / p.w}, state={"w": ""}), lambda p: p.w, 2, math.sqrt(6)),
    "logarithmic velocity": (
        tl.Flow(lambda p: {"w": -p.w * ops.log(p.w)}, state={"w": ""}), lambda p: p.w, 2, 2 ** math.exp(-1)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("flow", "quantity", "start", "value"), DIVIDED.values(), ids=DIVIDED)
def test_logarithms_and_quotients_of_what_keeps_its_sign(flow: Any, quantity: Any, start: int, value: float) -> None:
    found = tl.enclose(flow, quantity, case={"init.w": start}, t_end=1)
    assert found.enclosed, found.reason
    (bounds,) = found.final
    assert float(bounds.low) - 1e-14 <= value <= float(bounds.high) + 1e-14
    assert bounds.width <= Fraction(1, 10**6)
    assert found.premises in (("w ≠ 0",), ("w > 0",))


sinking = tl.Flow(lambda p: {"w": p.w * 0 - 1}, state={"w": ""})
collapsing = tl.Flow(lambda p: {"w": -1 / p.w}, state={"w": ""})


@pytest.mark.parametrize(
    ("flow", "quantity"),
    [(sinking, lambda p: 1 / p.w), (sinking, lambda p: ops.log(p.w)), (collapsing, lambda p: p.w)],
    ids=["inverse", "log", "velocity"],
)
def test_a_quotient_by_what_vanishes_is_not_enclosed(flow: Any, quantity: Any) -> None:
    """1 - t, and (1 - 2 t)^(1/2)."""
    assert tl.enclose(flow, quantity, case={"init.w": 1}, t_end=Fraction(3, 8)).enclosed
    found = tl.enclose(flow, quantity, case={"init.w": 1}, t_end=1)
    assert found.reason.startswith("not enclosed")
    assert found.certificate is None


def test_the_limit_of_an_underdetermined_linear_model_keeps_the_start_outside_of_the_samples() -> None:
    @tl.model(w="3")
    def linear(p, x):
        return p.w[None, :] @ x

    flow = tl.GradientFlow(linear, loss=tl.loss.square, data=([[1], [2], [2]], [[9]]))
    found = tl.enclose(flow, lambda p: p.w, case={"init.w": [0, 1, -1]})
    assert found.enclosed, found.reason
    for bounds, value in zip(found.final, [1, 3, 1], strict=True):  # w(0) + x (9 - <x, w(0)>) / |x|^2
        assert bounds.low <= value <= bounds.high
        assert bounds.width <= Fraction(1, 10**6)


def test_no_bounds_where_the_flow_grows_or_is_not_linear_in_the_end() -> None:
    growing = tl.GradientFlow(line, loss=tl.loss.square, data=([[1]], [[0]]), weight_decay=-2)
    curved = tl.GradientFlow(square, loss=tl.loss.square, data=([[1]], [[1]]))
    for flow in (growing, curved):
        found = tl.enclose(flow, lambda p: p.w, case={"init.w": 1})
        assert not found.enclosed
        assert found.reason.startswith("not enclosed")
        assert found.bounds == ()
        assert found.certificate is None


def test_bad_input_is_named() -> None:
    flow = tl.GradientFlow(square, loss=tl.loss.square, data=([[1]], [[1]]))
    for arguments, said in [
        ({"case": {}}, "init.w"),
        ({"case": {"init.w": 1, "nu": 2}}, "nu"),
        ({"case": {"init.w": [1, 2]}}, "shape"),
        ({"case": {"init.w": 1}, "t_end": -1}, "t_end"),
        ({"case": {"init.w": 1}, "t_end": 1, "times": [2]}, "at most t_end"),
    ]:
        with pytest.raises(tl.InputError, match=said):
            tl.enclose(flow, lambda p: p.w, **arguments)
    with pytest.raises(tl.InputError, match="loss"):
        tl.enclose(tl.GradientFlow(square), lambda p: p.w, case={"init.w": 1, "x": 1}, t_end=1)


# --- teeth ------------------------------------------------------------------------------------------------------------


def resealed(document: dict[str, Any]) -> bytes:
    parts = {k: v for k, v in document.items() if k not in ("seal", "format")}
    return canonical(seal(**parts))


def damages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Changes that make the certificate false, by name."""
    found: dict[str, dict[str, Any]] = {}

    def damaged(name: str) -> dict[str, Any]:
        found[name] = copy.deepcopy(document)
        return found[name]

    steps = document["proof"]["steps"]
    kink = next(n for n, s in enumerate(steps) if "*" in s["signs"])
    damaged("the limit is lower")["statement"]["goals"][2]["high"] = "-3/10"
    damaged("no zero")["statement"]["goals"][-1]["times"] = []
    damaged("the zero rises")["statement"]["goals"][-1]["times"][0][2] = "rises"
    damaged("another zero")["statement"]["goals"][-1]["times"][0][0] = "1/2"
    damaged("another case")["statement"]["case"]["gamma"] = "1"
    damaged("another start")["statement"]["case"]["w[2]"] = "1/8"
    damaged("another sample")["statement"]["step_at_zero"] = "0"
    damaged("a step is missing")["proof"]["steps"].pop(kink - 2)
    damaged("the kink is missing")["proof"]["steps"].pop(kink)
    damaged("the kink is passed")["proof"]["steps"][kink]["signs"] = "111"
    damaged("another gate")["proof"]["steps"][kink - 2]["signs"] = "011"
    damaged("a longer step")["proof"]["steps"][0]["length"] = "1/2"
    damaged("a negative step")["proof"]["steps"][0]["length"] = "-1/64"
    damaged("a small box")["proof"]["steps"][0]["box"][0] = ["0", "1/1024"]
    damaged("low order")["proof"]["order"] = 1
    damaged("few digits")["proof"]["bits"] = 16
    damaged("no tail")["proof"].pop("tail")
    damaged("too fast a tail")["proof"]["tail"]["rate"] = "4"
    damaged("a negative metric")["proof"]["tail"]["metric"][0] = "-1"
    damaged("another inverse")["proof"]["tail"]["inverse"][0][0] = "1"
    damaged("no gates")["proof"]["gates"] = []
    output = next(d for d in damaged("another output")["statement"]["define"] if d["name"] == "output.1")
    output["expr"][0][0] = "7"
    return found


def test_a_damaged_certificate_is_rejected() -> None:
    found = enclosed("5")
    document = json.loads(found.certificate.read_bytes())
    assert check(resealed(document)).accepted
    for name, changed in damages(document).items():
        outcome = check(resealed(changed))
        assert not outcome.accepted, name
        assert not outcome.reason.startswith("internal"), (name, outcome.reason)
