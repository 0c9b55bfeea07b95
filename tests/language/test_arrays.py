"""The array interface against numpy, in the exact and the numeric reading, and the sentences on misuse."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from tests.language.formulas import exact_at
from theorylab import ops
from theorylab.errors import InputError, ShapeError, UnsupportedReading
from theorylab.readings import expression as ex
from theorylab.readings.exact import Exact
from theorylab.readings.indexed import Indexed
from theorylab.readings.namespace import Case, Namespace, arity
from theorylab.readings.numeric import Numeric

GENERATOR = np.random.default_rng(5)
T, M, N = GENERATOR.uniform(-2, 2, (2, 3, 4)), GENERATOR.uniform(-2, 2, (3, 4)), GENERATOR.uniform(-2, 2, (4, 3))
V, SQUARE = GENERATOR.uniform(0.5, 2, 4), GENERATOR.uniform(-1, 1, (3, 3))


def exact(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """function of exact variables, evaluated at the arrays."""
    names = [f"x{n}" for n in range(len(arrays))]
    result = function(*(Exact.variable(n, a.shape) for n, a in zip(names, arrays, strict=True)))
    point = {n: a[None] for n, a in zip(names, arrays, strict=True)}
    return exact_at(result, point)[0]


def numeric(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    return function(*(Numeric(torch.from_numpy(a)) for a in arrays)).data.numpy()


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "index": (lambda x: x[1, 2, 0], lambda x: x[1, 2, 0], (T,)),
    "negative index": (lambda x: x[-1], lambda x: x[-1], (T,)),
    "slice": (lambda x: x[:, 1:3], lambda x: x[:, 1:3], (T,)),
    "ellipsis": (lambda x: x[..., 0], lambda x: x[..., 0], (T,)),
    "new axes": (lambda x: x[None, :, None], lambda x: x[None, :, None], (M,)),
    "transpose": (lambda x: x.mT, lambda x: np.swapaxes(x, -1, -2), (T,)),
    "T": (lambda x: x.T, lambda x: x.T, (M,)),
    "sum": (lambda x: x.sum(), np.sum, (T,)),
    "sum over axes": (lambda x: x.sum((0, -1)), lambda x: x.sum((0, -1)), (T,)),
    "keepdims": (lambda x: x.sum(1, keepdims=True), lambda x: x.sum(1, keepdims=True), (T,)),
    "mean": (lambda x: x.mean(-1), lambda x: x.mean(-1), (T,)),
    "broadcasting": (lambda x, v: x * v - v / x, lambda x, v: x * v - v / x, (M, V)),
    "scalars on the left": (lambda x: 2 - 3 / x, lambda x: 2 - 3 / x, (M,)),
    "numpy on the left": (lambda x: np.ones((3, 1)) + x, lambda x: 1 + x, (M,)),
    "matrix times matrix": (lambda x, y: x @ y, lambda x, y: x @ y, (M, N)),
    "batched product": (lambda x, y: x @ y, lambda x, y: x @ y, (T, N)),
    "vector times matrix": (lambda v, y: v @ y, lambda v, y: v @ y, (V, N)),
    "matrix times vector": (lambda x, v: x @ v, lambda x, v: x @ v, (M, V)),
    "inner product": (lambda v: v @ v, lambda v: v @ v, (V,)),
    "powers": (lambda v: v**3 + v**-2 + v**0, lambda v: v**3 + v**-2.0 + 1, (V,)),
    "half powers": (lambda v: v ** Fraction(3, 2) + v**0.5, lambda v: v**1.5 + v**0.5, (V,)),
    "real powers": (lambda v: v ** Fraction(1, 3), lambda v: v ** (1 / 3), (V,)),
    "variable exponents": (lambda v: 2**v + v**v, lambda v: 2**v + v**v, (V,)),
    "absolute value": (lambda x: abs(-x), np.abs, (M,)),
    "relu": (ops.relu, lambda x: np.maximum(x, 0), (M,)),
    "leaky relu": (lambda x: ops.leaky_relu(x, Fraction(1, 8)), lambda x: np.where(x > 0, x, x / 8), (M,)),
    "maximum": (lambda x, v: ops.maximum(x, v), np.maximum, (M, V)),
    "minimum": (lambda x, v: ops.minimum(v, x), np.minimum, (M, V)),
    "where": (lambda x: ops.where(ops.step(x), x, 0), lambda x: np.where(x > 0, x, 0), (M,)),
    "sign": (ops.sign, np.sign, (M,)),
    "exp": (ops.exp, np.exp, (M,)),
    "log": (ops.log, np.log, (V,)),
    "sqrt": (ops.sqrt, np.sqrt, (V,)),
    "tanh": (ops.tanh, np.tanh, (M,)),
    "sin": (ops.sin, np.sin, (M,)),
    "cos": (ops.cos, np.cos, (M,)),
    "sinh": (ops.sinh, np.sinh, (M,)),
    "cosh": (ops.cosh, np.cosh, (M,)),
    "arcsinh": (ops.arcsinh, np.arcsinh, (M,)),
    "norm": (lambda x: ops.norm(x, axis=-1), lambda x: np.linalg.norm(x, axis=-1), (M,)),
    "softmax": (ops.softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True), (M,)),
    "dot": (ops.dot, lambda x, y: (x * y).sum(), (M, M)),
    "outer": (ops.outer, np.outer, (V, M[:, 0])),
    "stack": (lambda v: ops.stack([v, 2 * v, 1], 1), lambda v: np.stack([v, 2 * v, np.ones(4)], 1), (V,)),
    "concat": (lambda x: ops.concat([x, x * x], 1), lambda x: np.concatenate([x, x * x], 1), (M,)),
    "vec": (lambda v: ops.vec(v[0], 2, v[1]), lambda v: np.array([v[0], 2, v[1]]), (V,)),
    "eye": (lambda x: ops.eye(x) + x, lambda x: np.eye(3) + x, (SQUARE,)),
    "diag": (ops.diag, np.diag, (SQUARE,)),
    "trace": (ops.trace, np.trace, (SQUARE,)),
    "basis": (lambda v: ops.basis(v, 2), lambda v: np.eye(4)[2], (V,)),
    "constants": (lambda v: ops.array([[1], [Fraction(1, 2)]]) * v, lambda v: np.array([[1], [0.5]]) * v, (V,)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reading", [exact, numeric])
def test_like_numpy(reading: Callable[..., np.ndarray], name: str) -> None:
    function, reference, arrays = CASES[name]
    expected = reference(*arrays)
    found = reading(function, *arrays)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_cayley_gives_rotations() -> None:
    """M M' = I exactly, for rational entries."""
    entries = Exact.constant([[Fraction(i + 2 * j, 7) for j in range(3)] for i in range(3)])
    rotation = ops.cayley(entries)
    assert (rotation @ rotation.mT).constants() == np.eye(3, dtype=int).tolist()


def test_null_component_is_orthogonal_to_dependent_columns() -> None:
    columns = np.stack([M[:, 0], 2 * M[:, 0], M[:, 1]], 1)
    found = numeric(lambda x, v: ops.null_component(x, v), columns, N)
    np.testing.assert_allclose(found @ columns, 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.matrix_rank(N - found), 2)


def test_exact_arithmetic_is_rational() -> None:
    value = (Exact.constant([1, 2]) / 3 + Fraction(1, 7)) ** 2
    assert value.constants() == [Fraction(100, 441), Fraction(289, 441)]
    assert (
        ops.sqrt(ops.array([0, Fraction(4, 9)])) + ops.exp(ops.array(0)) + ops.sign(ops.array([0, -5]))
    ).constants() == [1, Fraction(2, 3)]


def test_shared_sub_terms_are_one_object() -> None:
    x = Exact.variable("x", ())
    assert ops.tanh(x + 1).data[()] is ops.tanh(x + 1).data[()]
    tower = x
    for _ in range(60):
        tower = tower * tower + 1
    assert len(ex.topological(tower.entries())) < 200


# --- misuse -----------------------------------------------------------------------------------------------------------

X, G = Exact.variable("X", (2, 3)), Indexed.letter("X", ("k", "d"))


@pytest.mark.parametrize(
    ("misuse", "error", "sentence"),
    [
        (
            lambda: X + 0.1,
            InputError,
            r"float 0\.1, which would poison exact algebra; expected an exact one: write Fraction\(1, 10\)",
        ),
        (lambda: X * float("nan"), InputError, "float nan"),
        (lambda: X * 1j, InputError, "combines an array with complex"),
        (lambda: X * None, InputError, "combines an array with NoneType"),
        (lambda: X @ X, ShapeError, r"\(2, 3\) and \(2, 3\); expected equal inner sizes"),
        (lambda: X @ X.sum(), ShapeError, "use \\*"),
        (lambda: X + Exact.variable("y", (2,)), ShapeError, r"\(2, 3\) and \(2,\) do not match"),
        (lambda: G + Indexed.letter("y", ("k",)), ShapeError, "do not match"),
        (lambda: X.sum(2), ShapeError, "axis 2 is out of range for shape"),
        (lambda: X.sum().mT, ShapeError, "at least two axes"),
        (lambda: X[0].T, ShapeError, r"exactly two axes, got shape \(3,\); use .mT"),
        (lambda: X[0, 0, 0], ShapeError, "more entries than the shape"),
        (lambda: X[2], InputError, "index 2 is out of range for axis 0"),
        (lambda: X[[0, 1]], InputError, "not an int, a slice, None or"),
        (lambda: bool(X[0, 0]), InputError, "branches on the value of an array"),
        (lambda: X[0, 0] > 0, InputError, "a comparison"),
        (lambda: X == X, InputError, "a comparison"),
        (lambda: float(X[0, 0]), InputError, r"float\(...\) of an array"),
        (lambda: list(X.sum()), InputError, "iterates over it"),
        (lambda: np.exp(X), InputError, "numpy.exp"),
        (lambda: np.asarray(X), InputError, "array conversion"),
        (lambda: X.reshape(3, 2), InputError, r"array attribute \.reshape"),
        (lambda: X + G, InputError, "mixes Exact and Indexed arrays"),
        (lambda: ops.exp("x"), InputError, "an operation got str"),
        (lambda: ops.eye(X), InputError, "square matrix"),
        (lambda: ops.stack([1, 2]), InputError, "only numbers"),
        (lambda: G[0], UnsupportedReading, "an integer index needs a given size"),
        (lambda: G[:, :2], UnsupportedReading, "a partial slice needs a given size"),
        (lambda: G + np.ones((2, 3)), UnsupportedReading, "array of given numbers has a fixed size"),
        (lambda: ops.stack([G, G]), UnsupportedReading, "stacking needs given sizes"),
        (lambda: 1 / (0 * X), InputError, "divides by an expression that is exactly zero"),
    ],
)
def test_misuse_is_one_sentence(misuse: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)


# --- namespaces and cases ---------------------------------------------------------------------------------------------


def test_namespaces_are_vectors() -> None:
    p = Namespace({"a": Exact.constant([1, 2]), "b": Exact.constant(3)})
    q = (p + p * 2 - p / 2) * Namespace({"a": Exact.constant(2), "b": Exact.constant(-1)})
    assert q.a.constants() == [5, 10]
    assert (-q)["b"].constants() == Fraction(15, 2)
    assert p.replace(b=Exact.constant(0)).b.constants() == 0
    assert (list(p), len(p), "a" in p, "c" in p) == (["a", "b"], 2, True, False)


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda: Namespace({"a": 1}).b, "unknown parameter 'b'; expected one of: a"),
        (lambda: Namespace({"a": 1}).replace(b=1), "unknown parameter 'b'"),
        (lambda: Namespace({"a": 1}) + Namespace({"b": 1}), r"\['a'\] and \['b'\] do not match"),
        (lambda: Case({"x": 1}).z, "unknown case variable 'z'; expected one of: x"),
        (lambda: arity(lambda: 0), "takes 0 arguments"),
        (lambda: arity(lambda a, b, c: 0), "takes 3 arguments"),
    ],
)
def test_unknown_names(misuse: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        misuse()


def test_lazy_values_of_a_case_are_computed_once() -> None:
    count: list[int] = []
    case = Case({"x": 1}, {"f": lambda: count.append(1) or len(count)})
    assert not count
    assert "f" in case
    assert (case.f, case.f) == (1, 1)
    later = case.updated({"x": 2, "f": 5})
    assert (later.f, later.x, case.x) == (5, 2, 1)
