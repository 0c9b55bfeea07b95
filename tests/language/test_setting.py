"""Settings: what is drawn, what is defined, and hypotheses that hold, or are dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab import ops
from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.letters import maker
from theorylab.setting import Setting
from theorylab.simulate.cases import Cases, check_enforced, draw_cases

DIMS = {"M": 2, "N": 4, "d": 3}

kernel = tl.assume(
    "A z = 0",
    lambda c: c.A @ c.z,
    lambda c: {"A": c.A - ops.outer(c.A @ c.z, c.z) / (c.z**2).sum()},
)
unit = tl.assume("|z| = 1", lambda c: ops.norm(c.z) - 1, lambda c: {"z": c.z / ops.norm(c.z)})
rotation = tl.assume("R R' = I", lambda c: c.R @ c.R.mT - ops.eye(c.R), lambda c: {"R": ops.cayley(c.R)})
ordered = tl.assume("z is increasing", lambda c: c.z[1:] - c.z[:-1], positive=True)
LINEAR = Setting(kernel, unit, rotation, A=tl.var("M N"), z=tl.var("N"), R=tl.var("d d"))


def cases(setting: Setting | Flow, trials: int = 16, seed: int = 1) -> Cases:
    dims = {s: DIMS[s] for s in setting.sizes}
    return Cases(setting, dims, draw_cases(setting, dims, trials, seed))


# --- hypotheses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("assumption", [kernel, unit, rotation])
def test_enforced_hypotheses_hold(assumption: Any) -> None:
    residual = cases(LINEAR).of_case(assumption.holds)
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-12)


@pytest.mark.parametrize("assumption", [kernel, unit, rotation])
def test_dropped_hypotheses_do_not_hold(assumption: Any) -> None:
    dropped = LINEAR.without(assumption.name)
    assert [a.name for a in dropped.assumptions] == [a.name for a in LINEAR.assumptions if a is not assumption]
    residual = cases(dropped).of_case(assumption.holds).reshape(16, -1)
    assert bool((residual.abs().amax(1) > 1e-3).all())


def test_a_retraction_keeps_cases_where_the_hypothesis_holds() -> None:
    once = cases(LINEAR)
    again = Cases(LINEAR.without("R R' = I"), DIMS, {n: v.numpy() for n, v in once.values.items()})
    for name in ("A", "z"):
        torch.testing.assert_close(once.values[name], again.values[name])


def test_inequalities_are_met_by_drawing_again() -> None:
    setting = Setting(ordered, z=tl.var("N"))
    assert bool((cases(setting).of_case(ordered.holds) > 0).all())  # type: ignore[arg-type]
    first = draw_cases(setting, DIMS, 4, 1)["z"]
    np.testing.assert_array_equal(first, draw_cases(setting, DIMS, 9, 1)["z"][:4])


def test_hypotheses_that_cannot_be_met_are_refused() -> None:
    impossible = tl.assume("z > 0 > z", lambda c: -(c.z**2), positive=True)
    with pytest.raises(InputError, match="no case satisfies 'z > 0 > z' in 129 attempts; expected an enforce"):
        cases(Setting(impossible, z=tl.var("N")))
    thin = tl.assume("A z = 0", kernel.holds)
    with pytest.raises(InputError, match="no case satisfies 'A z = 0'"):
        cases(Setting(thin, A=tl.var("M N"), z=tl.var("N")))


def test_equations_that_the_distribution_satisfies_need_no_retraction() -> None:
    drawn = tl.assume("R R' = I", rotation.holds)
    residual = cases(Setting(drawn, R=tl.var("d d", tl.draw.orthogonal()))).of_case(rotation.holds)  # type: ignore[arg-type]
    assert float(residual.abs().max()) < 1e-12


def test_an_enforce_that_misses_is_refused() -> None:
    wrong = tl.assume("x = y", lambda c: c.x - c.y, lambda c: {"x": 2 * c.y})
    setting = Setting(wrong, x=tl.var(), y=tl.var())
    with pytest.raises(InputError, match="'x = y' does not hold in the cases that its enforce gives"):
        check_enforced(setting, {}, draw_cases(setting, {}, 8, 0))
    undone = Setting(unit, tl.assume("z is 2", None, lambda c: {"z": 2 + 0 * c.z}), z=tl.var("N"))
    with pytest.raises(InputError, match="does not hold"):
        check_enforced(undone, DIMS, draw_cases(undone, DIMS, 8, 0))
    check_enforced(LINEAR, DIMS, draw_cases(LINEAR, DIMS, 8, 0))


def test_enforced_letters_satisfy_the_hypothesis_for_all_sizes() -> None:
    make = maker(None)
    values = {n: make(n, v.sizes, "any") for n, v in LINEAR.without("R R' = I").variables.items() if n != "R"}
    case = Setting(kernel, unit, A=tl.var("M N"), z=tl.var("N")).case(values, {})
    from theorylab.readings import polynomial as po

    for a in (kernel, unit):
        assert a.holds is not None
        assert not po.normal_form(a.holds(case).entry)


# --- variables --------------------------------------------------------------------------------------------------------


def test_defined_variables_follow_the_others() -> None:
    setting = Setting(x=tl.var("N"), y=tl.var("N", lambda c: 2 * c.x), s=tl.var("", lambda c: c.y.sum()))
    found = cases(setting).values
    assert set(draw_cases(setting, DIMS, 2, 0)) == {"x"}
    torch.testing.assert_close(found["y"], 2 * found["x"])
    torch.testing.assert_close(found["s"], found["y"].sum(1))


INITS: dict[str, tuple[Any, Callable[[dict[str, torch.Tensor]], bool]]] = {
    "a number": (3, lambda v: bool((v["init.w"] == 3).all())),
    "a fraction": (tl.Fraction(1, 4), lambda v: bool((v["init.w"] == 0.25).all())),
    "a distribution": (tl.draw.uniform(2, 3), lambda v: bool(((v["init.w"] >= 2) & (v["init.w"] <= 3)).all())),
    "a variable": (tl.var("d", positive=True), lambda v: bool((v["init.w"] > 0).all())),
    "a function": (lambda c: c.q, lambda v: torch.equal(v["init.w"], v["q"])),
    "a defined variable": (tl.var("d", lambda c: c.q + 1), lambda v: torch.equal(v["init.w"], v["q"] + 1)),
    "a scalar for each entry": (lambda c: c.q.sum(), lambda v: torch.equal(v["init.w"][:, 0], v["q"].sum(1))),
}


@pytest.mark.parametrize("name", INITS)
def test_initial_values(name: str) -> None:
    given, holds = INITS[name]
    flow = Flow(lambda p: {"w": -p.w}, state={"w": "d"}, setting=Setting(q=tl.var("d"), init={"w": given}))
    values = cases(flow).values
    assert values["init.w"].shape == (16, 3)
    assert holds(values)


def test_settings_are_extended_and_merged() -> None:
    one = Setting(unit, z=tl.var("N"), init={"w": 1})
    two = one.with_(kernel, A=tl.var("M N"), init={"v": 2})
    assert [a.name for a in two.assumptions] == ["|z| = 1", "A z = 0"]
    assert (set(two.variables), dict(two.init), two.sizes) == ({"z", "A"}, {"w": 1, "v": 2}, {"M", "N"})
    merged = one.merged(Setting(unit, kernel, z=tl.var("N", positive=True), A="M N"))
    assert [a.name for a in merged.assumptions] == ["|z| = 1", "A z = 0"]
    assert merged.variables["z"].positive


# --- draws ------------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**64 - 1), few=st.integers(1, 6), more=st.integers(1, 6))
@settings(deadline=None, max_examples=20)
def test_a_trial_depends_on_the_seed_and_its_number_alone(seed: int, few: int, more: int) -> None:
    small, large = (draw_cases(LINEAR, DIMS, trials, seed) for trials in (few, few + more))
    for name, values in small.items():
        np.testing.assert_array_equal(values, large[name][:few])


def test_other_seeds_and_trials_give_other_cases() -> None:
    a, b = (draw_cases(LINEAR, DIMS, 8, seed)["A"] for seed in (0, 1))
    assert len({row.tobytes() for row in np.concatenate([a, b])}) == 16


@pytest.mark.parametrize(
    ("law", "holds"),
    [
        (tl.draw.normal(2, 5), lambda x: abs(x.mean() - 5) < 0.1 and abs(x.std() - 2) < 0.1),
        (tl.draw.normal(0), lambda x: not x.any()),
        (tl.draw.uniform(-1, 3), lambda x: x.min() >= -1 and x.max() <= 3 and abs(x.mean() - 1) < 0.1),
        (tl.draw.loguniform(0.01, 100), lambda x: x.min() > 0 and abs(np.log(x).mean()) < 0.2),
        (tl.draw.integer(-2, 2), lambda x: set(x.flat) == {-2, -1, 0, 1, 2}),
        (tl.draw.one_of(-1, 1), lambda x: set(x.flat) == {-1, 1} and abs(x.mean()) < 0.1),
        (tl.draw.constant(7), lambda x: (x == 7).all()),
        (tl.draw.orthogonal(), lambda x: np.allclose(x @ x.T, np.eye(64)) and abs(np.trace(x)) < 8),
    ],
)
def test_distributions(law: Draw, holds: Callable[[np.ndarray], bool]) -> None:
    sample = law.sample(np.random.default_rng(0), (64, 64))
    assert sample.shape == (64, 64)
    assert sample.dtype == np.float64
    assert holds(sample)


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: tl.draw.normal(-1), "needs a finite scale >= 0"),
        (lambda: tl.draw.uniform(2, 1), r"uniform\(2, 1\) is not a range"),
        (lambda: tl.draw.loguniform(0, 1), "needs 0 < a <= b"),
        (lambda: tl.draw.one_of(), "at least one value"),
        (lambda: tl.draw.orthogonal().sample(np.random.default_rng(0), (2, 3)), r"square matrix, got shape \(2, 3\)"),
        (lambda: tl.assume("", lambda c: c.x), "empty name"),
        (lambda: Setting(3), "a setting got int"),  # type: ignore[arg-type]
        (lambda: Setting(unit, unit, z="N"), "two assumptions of one name"),
        (lambda: Setting(z=3), "setting variable 'z' is int"),
        (lambda: Setting(z="N-1"), "contains 'N-1'"),
        (lambda: Setting(t=tl.var()), "named 't'"),
        (lambda: Setting(init_=tl.var(), base=tl.var()), "named 'base'"),
        (lambda: LINEAR.without("A z = 1"), "there is no assumption 'A z = 1' to drop; expected one of: 'A z = 0'"),
        (
            lambda: cases(Setting(tl.assume("q", None, lambda c: {"q": 1}), z=tl.var("N"))),
            "enforces the unknown variable 'q'",
        ),
        (lambda: cases(Setting(tl.assume("q", None, lambda c: 3), z=tl.var("N"))), "gives int; expected a mapping"),
        (
            lambda: cases(Setting(tl.assume("q", None, lambda c: {"z": c.z[None]}), z=tl.var("N"))),
            "'z' from assumption 'q' has shape",
        ),
        (lambda: cases(Flow(lambda p: p, state={"w": "d"}, setting=Setting(init={"w": "big"}))), "init of 'w' is str"),
        (
            lambda: cases(Flow(lambda p: p, state={"w": "d"}, setting=Setting(init={"w": tl.var("N")}))),
            "init of 'w' has shape 'N'",
        ),
        (lambda: cases(Flow(lambda p: p, state={"w": "d"}, setting=Setting(init={"v": 1}))), "unknown parameter 'v'"),
        (lambda: cases(Setting()), "no variable to draw"),
        (lambda: draw_cases(LINEAR, {"M": 2, "N": 3}, 1, 0), "the size 'd' has no value; expected it in dims"),
    ],
)
def test_misuse_is_one_sentence(misuse: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)
