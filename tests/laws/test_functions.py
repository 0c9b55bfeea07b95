"""Models with functions, roots and divisions: laws exact, counts certified through Taylor coefficients in the input."""

from __future__ import annotations

from typing import Any

import pytest

import theorylab as tl
from tests.laws.test_counts import discovered
from theorylab import ops
from theorylab.catalog.conservation_laws import direction, softmax_weights, weight_norm


def unit(activation: Any) -> tl.Flow:
    @tl.model(U="k d", V="m k")
    def net(p, x):
        return p.V @ activation(p.U @ x)

    return tl.GradientFlow(net)


def biased(activation: Any) -> tl.Flow:
    @tl.model(U="k d", b="k", V="m k")
    def net(p, x):
        return p.V @ activation(p.U @ x + p.b[:, None])

    return tl.GradientFlow(net)


def silu(z: Any) -> Any:
    return z / (1 + ops.exp(-z))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + ops.exp(-z))


@tl.model(up="k d", gate="k d", down="m k")
def swiglu(p, x):
    return p.down @ (silu(p.gate @ x) * (p.up @ x))


@tl.model(Q="h d", K="h d", V="h d", O="d h", x="d T")
def attention(p, x):
    return p.O @ p.V @ x @ ops.softmax(x.mT @ p.Q.mT @ p.K @ x, -1).mT


@pytest.mark.parametrize(
    ("model", "dims", "family"),
    [(weight_norm, {"N": 3}, "|v|^2"), (direction, {"N": 4}, "|w|^2"), (softmax_weights, {"N": 3}, "sum w")],
    ids=["weight norm", "direction", "softmax_weights"],
)
def test_one_law(model: Any, dims: dict[str, int], family: str) -> None:
    laws = discovered(tl.GradientFlow(model), **dims)
    assert (laws.count, laws.complete) == (1, True)
    assert [f.text for f in laws.families] == [family]


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 3, 1), (3, 3, 3)])
@pytest.mark.parametrize("activation", [ops.tanh, ops.sin, silu], ids=["tanh", "sin", "silu"])
def test_no_laws(activation: Any, sizes: tuple[int, int, int]) -> None:
    n, r, m = sizes
    laws = discovered(unit(activation), d=n, k=r, m=m)
    assert (laws.count, laws.complete) == (0, True)


@pytest.mark.parametrize("activation", [ops.tanh, sigmoid, ops.sin], ids=["tanh", "sigmoid", "sin"])
def test_no_laws_with_biases(activation: Any) -> None:
    """sin with phase has r symmetries and no law: a symmetry alone is not a law."""
    laws = discovered(biased(activation), d=2, k=2, m=2)
    assert (laws.count, laws.complete) == (0, True)


def test_exponential_units() -> None:
    laws = discovered(biased(ops.exp), d=2, k=2, m=2)
    assert (laws.count, laws.complete) == (2, True)
    assert [f.text for f in laws.families] == ["2 b[j] - |V[:,j]|^2, j = 1..2"]


def test_swiglu() -> None:
    laws = discovered(tl.GradientFlow(swiglu), d=2, k=2, m=2)
    assert [f.text for f in laws.families] == ["|up[j,:]|^2 - |down[:,j]|^2, j = 1..2"]
    assert laws.complete


def test_softmax_attention() -> None:
    """Q'Q - K'K and V'V - O O' with one index a head, on three tokens."""
    laws = discovered(tl.GradientFlow(attention), d=2, h=1, T=3)
    assert [f.text for f in laws.families] == ["|Q|^2 - |K|^2", "|V|^2 - |O|^2"]
    assert (laws.complete, laws.scope) == (True, "T=3, d=2, h=1")
