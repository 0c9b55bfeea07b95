"""Known numbers of conservation laws, from the forward map alone, each certified by the independent checker."""

from __future__ import annotations

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.discover import Laws


@tl.model(W1="k d", W2="m k")
def linear(p, x):
    return p.W2 @ (p.W1 @ x)


@tl.model(W1="a d", W2="b a", W3="m b")
def deep(p, x):
    return p.W3 @ (p.W2 @ (p.W1 @ x))


@tl.model(W1="k d", W2="m k")
def relu(p, x):
    return p.W2 @ ops.relu(p.W1 @ x)


@tl.model(W1="a d", W2="b a", W3="m b")
def deep_relu(p, x):
    return p.W3 @ ops.relu(p.W2 @ ops.relu(p.W1 @ x))


def q(n: int, r: int, m: int) -> int:
    """The number of laws of a two-layer linear network (Marcotte, Gribonval and Peyre 2023)."""
    return r * (r + 1) // 2 if r <= n + m else (n + m) * (2 * r - n - m + 1) // 2


def discovered(flow: tl.Flow, degree: int = 2, **dims: int) -> Laws:
    laws = tl.discover(flow, dims=dims, degree=degree)
    assert laws.certified, laws._ruling
    return laws


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 3, 3), (4, 4, 4), (1, 3, 1), (1, 4, 2), (2, 5, 1), (6, 6, 6)])
def test_two_layer_linear(sizes: tuple[int, int, int]) -> None:
    n, r, m = sizes
    laws = discovered(tl.GradientFlow(linear), d=n, k=r, m=m)
    assert (laws.count, laws.bound, laws.complete) == (q(n, r, m), q(n, r, m), True)


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (3, 3, 3, 3), (1, 3, 1, 1), (2, 4, 1, 2)])
def test_deep_linear(sizes: tuple[int, int, int, int]) -> None:
    n, a, b, m = sizes
    laws = discovered(tl.GradientFlow(deep), d=n, a=a, b=b, m=m)
    assert laws.complete
    assert laws.count == q(n, a, b) + q(a, b, m)


def test_a_gap_is_reported_with_its_size() -> None:
    """One input and one output: a single field with D - 1 = 7 laws, of which 6 are quadratic."""
    laws = discovered(tl.GradientFlow(deep), d=1, a=2, b=2, m=1)
    assert (laws.count, laws.bound, laws.gap, laws.complete) == (6, 7, 1, False)
    assert "a gap of 1" in str(laws)


def test_products_and_dependent_laws_do_not_count() -> None:
    """Of 11 polynomial laws at (2, 4, 1, 2) only 10 have independent gradients."""
    laws = discovered(tl.GradientFlow(deep), d=2, a=4, b=1, m=2)
    assert (laws.result.solutions, laws.count) == (11, 10)
    products = discovered(tl.GradientFlow(linear), d=1, k=2, m=1, degree=4)
    assert products.result.solutions > products.count == q(1, 2, 1)


@pytest.mark.parametrize(("sizes", "count"), [((2, 2, 2), 1), ((3, 3, 3), 3)])
def test_undamped_momentum(sizes: tuple[int, int, int], count: int) -> None:
    n, r, m = sizes
    laws = discovered(tl.GradientFlow(linear, momentum=0), d=n, k=r, m=m)
    assert (laws.count, laws.complete) == (count, True)


def test_undamped_momentum_needs_deep_brackets() -> None:
    laws = discovered(tl.GradientFlow(deep, momentum=0), d=1, a=2, b=2, m=1)
    assert (laws.count, laws.complete, laws.result.depth) == (2, True, 7)


def test_damped_momentum() -> None:
    laws = discovered(tl.GradientFlow(linear, momentum=1), d=2, k=2, m=2, degree=2)
    assert (laws.count, laws.complete) == (1, True)
    assert laws.families[0].text == "exp(t) ((W1 velocity_W1' + W2' velocity_W2) - transpose) (2 x 2, antisymmetric)"


def test_the_friction_sets_the_unit_of_time() -> None:
    friction = tl.Setting(tau=tl.var(positive=True))
    laws = discovered(tl.GradientFlow(linear, momentum=lambda c: c.tau, setting=friction), d=2, k=2, m=2)
    assert (laws.count, laws.complete, laws.notes) == (1, True, ("time in units of 1/tau",))


def test_weight_decay() -> None:
    rate = tl.Setting(lam=tl.var(positive=True))
    laws = discovered(tl.GradientFlow(linear, weight_decay=lambda c: c.lam, setting=rate), d=3, k=2, m=2)
    assert (laws.count, laws.complete) == (3, True)
    assert laws.families[0].text == "exp(2 t) (W1 W1' - W2' W2) (2 x 2, symmetric)"
    assert laws.notes == ("time in units of 1/lam",)


def test_rates_are_constants_of_the_laws() -> None:
    rate = tl.Setting(eta=tl.var(positive=True))
    flow = tl.GradientFlow(linear, rates={"W1": lambda c: c.eta}, setting=rate)
    laws = discovered(flow, d=2, k=2, m=2, degree=3)
    assert (laws.count, laws.bound, laws.complete) == (3, 3, True)
    assert "eta" in laws.families[0].text
    numbers = discovered(tl.GradientFlow(linear, rates={"W1": tl.Fraction(1, 3)}), d=2, k=2, m=2)
    assert numbers.families[0].text == "3 W1 W1' - W2' W2 (2 x 2, symmetric)"


@pytest.mark.parametrize(("sizes", "count"), [((2, 3, 2), 3), ((3, 2, 1), 2), ((1, 3, 2), 4)])
def test_relu(sizes: tuple[int, int, int], count: int) -> None:
    """One law a unit; with a single input, units of equal sign act linearly and have more."""
    n, r, m = sizes
    laws = discovered(tl.GradientFlow(relu), d=n, k=r, m=m)
    assert (laws.count, laws.complete, laws.dead) == (count, True, ())
    assert laws.scope.endswith(", on a cell")
    assert min(laws.cells) == count


@pytest.mark.parametrize(("sizes", "count"), [((2, 1, 2, 1), 4), ((2, 3, 2, 2), 5)])
def test_deep_relu(sizes: tuple[int, int, int, int], count: int) -> None:
    n, a, b, m = sizes
    laws = discovered(tl.GradientFlow(deep_relu), d=n, a=a, b=b, m=m)
    assert (laws.count, laws.complete) == (count, True)


def test_relu_with_momentum_has_no_laws() -> None:
    laws = discovered(tl.GradientFlow(relu, momentum=0), d=2, k=2, m=2)
    assert (laws.count, laws.complete) == (0, True)


def test_a_rate_that_depends_on_the_time_is_refused() -> None:
    """It is no constant of the flow."""
    with pytest.raises(tl.InputError, match="depends on the time"):
        tl.discover(tl.GradientFlow(linear, weight_decay=lambda c: c.t), dims={"d": 2, "k": 2, "m": 2})


def test_given_inputs_leave_more_laws() -> None:
    """On one input only two of the fields of four are left: V spans m dimensions for each independent input."""
    one = tl.GradientFlow(linear, data=([[1], [2]], [[0], [0]]))
    both = tl.GradientFlow(linear, data=([[1, 0], [2, 1]], [[0, 0], [0, 0]]))
    free = discovered(tl.GradientFlow(linear), d=2, k=2, m=2)
    assert discovered(both, k=2, m=2).count == free.count
    laws = discovered(one, k=2, m=2)
    assert laws.count > free.count
    assert laws.bound > free.bound


def test_a_hypothesis_about_the_data_is_no_free_choice() -> None:
    """Fewer data have fewer fields, so a bound for all data would be too small: refused, never called complete."""
    related = tl.Setting(tl.assume("equal inputs", lambda c: c.x[0] - c.x[1]), x=tl.var("2 n"))
    flow = tl.GradientFlow(linear, data=lambda c: (c.x, c.x * 0), setting=related)
    with pytest.raises(tl.InputError, match="'equal inputs' restricts the data"):
        tl.discover(flow, dims={"d": 2, "k": 2, "m": 2})


def test_a_hypothesis_that_defines_the_data_is_used() -> None:
    """With equal inputs the network sees one number: q(1, 2, 2) laws and one constant direction for each unit."""
    equal = tl.Setting(x=tl.var("1 n"))
    flow = tl.GradientFlow(linear, data=lambda c: (ops.concat([c.x, c.x]), c.x * 0), setting=equal)
    laws = discovered(flow, d=2, k=2, m=1)
    assert laws.complete
    assert laws.count == q(1, 2, 1) + 2
