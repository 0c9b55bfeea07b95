"""Hypothesis strategies: what they draw satisfies the statement, and shrinks to small exact values at small sizes."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from importlib.metadata import entry_points

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError
from theorylab.gradient_flow import FirstOrder
from theorylab.model import Model
from theorylab.strategies import DrawnCase

few = settings(max_examples=10, deadline=None, derandomize=True, database=None)
two = settings(few, max_examples=2)


@tl.model(W1="k d", W2="m k")
def relu_network(p, x):
    return p.W2 @ ops.relu(p.W1 @ x)


flow = tl.GradientFlow(relu_network, loss=tl.loss.square)
unit = tl.assume("|z| = 1", lambda c: (c.z**2).sum() - 1, lambda c: {"z": c.z / ops.norm(c.z)})
above = tl.assume("a > b", lambda c: c.a - c.b, positive=True)
setting = tl.Setting(unit, above, z=tl.var("d", nonzero=True), a=tl.var(), b=tl.var(positive=True), M=tl.var("d 2"))


@few
@given(case=tl.strategies.cases(setting, dims={"d": 3}))
def test_hypotheses_hold_in_every_case(case: DrawnCase) -> None:
    assert case["z"].shape == (3,)
    assert np.isclose((case["z"] ** 2).sum(), 1)
    assert case["a"] > case["b"] > 0


def test_shrinking_reaches_small_exact_values() -> None:
    free = tl.Setting(M=tl.var("d 2"), a=tl.var())
    least = find(
        tl.strategies.cases(free), lambda c: abs(c["M"]).sum() > 2, settings=settings(max_examples=50, database=None)
    )
    assert least.dims == {"d": 1}
    assert abs(least["M"]).sum() <= 3
    assert all(Fraction(v).denominator <= 8 for v in least["M"].reshape(-1).tolist())
    assert repr(least).startswith("DrawnCase(d=1; M=[[")


@two
@given(data=st.data())
def test_runs_start_where_the_strategy_says(data: st.DataObject) -> None:
    dims = {"d": 2, "k": 2, "m": 1, "n": 2}
    init = data.draw(tl.strategies.inits(flow, dims=dims))
    x, y = data.draw(tl.strategies.data(flow, dims=dims))
    assert x.shape == (2, 2)
    assert y.shape == (1, 2)
    run = tl.simulate(flow.with_(data=(x, y)), init=init, dims={"k": 2}, trials=1, t_end=0.0625, rtol=1e-6)
    assert run.params["W1"].shape == init["W1"].shape == (1, 2, 2)


@settings(few, max_examples=4)
@given(model=st.from_type(Model), at=st.data())
def test_networks_of_any_depth_have_the_law_of_their_first_two_layers(model: Model, at: st.DataObject) -> None:
    """|W_1|^2 - |W_2|^2 is conserved for homogeneous activations, so it is not refuted."""
    assert isinstance(tl.GradientFlow(model), FirstOrder)
    dims = at.draw(tl.strategies.sizes(tl.GradientFlow(model), largest=2))
    assert set(dims) >= {"d", "m", "n"}
    if "W2" in model.shapes and "tanh" not in model.name:
        law = tl.Invariant(tl.GradientFlow(model), lambda p: (p.W1**2).sum() - (p.W2**2).sum(), name="norms")
        assert tl.falsify(law, dims=dims, trials=32).status == "inconclusive"


@few
@given(st.from_type(FirstOrder))
def test_flows_are_known_by_their_type(drawn: FirstOrder) -> None:
    assert drawn.model.name.startswith(("identity", "relu", "leaky_relu", "tanh"))


def test_claims_have_exact_cases() -> None:
    law = tl.Invariant(flow, lambda p: (p.W1**2).sum() - 2 * (p.W2**2).sum(), name="wrong")
    broken = find(
        tl.strategies.cases(law, largest=1),
        lambda case: tl.strategies.violation(case) is not None,
        settings=settings(database=None),
    )
    assert set(broken.dims.values()) == {1}


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="'q'"):
        tl.strategies.cases(flow, dims={"q": 1})
    with pytest.raises(InputError, match="cases got Model; expected a setting, a flow or a claim"):
        tl.strategies.cases(relu_network)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="activations has 'sine'"):
        tl.strategies.models(activations=["sine"])
    with pytest.raises(InputError, match="layers is"):
        tl.strategies.models(layers=(2, 1))


@pytest.mark.skipif(
    not any(e.name == "theorylab" for e in entry_points(group="hypothesis")),
    reason="the installation is older than the entry point; install theorylab again",
)
@pytest.mark.parametrize("first", ["hypothesis", "theorylab"])
def test_types_are_registered_in_either_order_of_imports(first: str) -> None:
    """The entry point runs when Hypothesis is imported, and imports nothing of ours that is not there yet."""
    load = {"hypothesis": "from hypothesis import strategies as st", "theorylab": "import theorylab as tl; tl.model"}
    other = {"hypothesis": "theorylab", "theorylab": "hypothesis"}[first]
    check = "assert not {'torch', 'sympy'} & set(sys.modules), 'heavy'" if first == "hypothesis" else ""
    lines = [
        "import sys", load[first], check, load[other], "from theorylab.model import Model",
        "assert 'networks without' in (tl.strategies.models.__doc__ or '').lower()", "print(st.from_type(Model))",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "from_type" in done.stdout or "builds" in done.stdout
