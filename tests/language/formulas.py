"""Random formulas for tests: Python source in the parameters p, with its shape, that every reading can evaluate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from theorylab import ops
from theorylab.readings import expression as ex
from theorylab.readings.exact import Exact, entry_name
from theorylab.readings.indexed import Indexed
from theorylab.readings.instantiate import instantiate
from theorylab.readings.namespace import Namespace
from theorylab.readings.numeric import Numeric

Shape = tuple[str, ...]

LETTERS: dict[str, Shape] = {
    "A": ("k", "d"), "B": ("m", "k"), "S": ("d", "d"), "u": ("d",), "v": ("k",), "w": ("m",), "a": (),
}  # fmt: skip
VECTOR = {"d": "p.u", "k": "p.v", "m": "p.w"}
MATRIX = {("k", "d"): "p.A", ("m", "k"): "p.B", ("d", "d"): "p.S"}
DIMS = {"k": 3, "d": 2, "m": 2}
SIZES = st.sampled_from(sorted(DIMS))

SMOOTH = ("ops.tanh({})", "ops.arcsinh({})", "ops.sin({})", "ops.exp(ops.tanh({}))", "1 / (1 + ({}) ** 2)",
          "ops.sqrt(1 + ({}) ** 2)", "ops.log(2 + ops.sin({}))")  # fmt: skip
KINKED = ("ops.relu({})", "abs({})", "ops.leaky_relu({}, ops.Fraction(1, 4))")


@dataclass(frozen=True)
class Formula:
    """`source` in p; called with a namespace of arrays it gives an array of shape `shape`."""

    source: str
    shape: Shape

    def __call__(self, p: Any) -> Any:
        return eval(self.source, {"ops": ops, "p": p})


def shapes(largest: int = 2) -> st.SearchStrategy[Shape]:
    return st.lists(SIZES, max_size=largest).map(tuple)


@st.composite
def formulas(
    draw: st.DrawFn, shape: Shape | None = None, functions: tuple[str, ...] = SMOOTH, depth: int = 2
) -> Formula:
    """A formula of the given shape (any, if None); polynomial where `functions` is empty."""
    wanted = draw(shapes()) if shape is None else shape
    return Formula(draw(_sources(wanted, functions, depth)), wanted)


def _sources(shape: Shape, functions: tuple[str, ...], depth: int) -> st.SearchStrategy[str]:
    leaf = _leaves(shape)
    if depth == 0:
        return leaf
    same, scalar = _sources(shape, functions, depth - 1), _sources((), (), 0)
    options = [
        leaf,
        st.builds("({} + {})".format, same, same),
        st.builds("({} - {})".format, same, same),
        st.builds("{} * {}".format, same, leaf),
        st.builds("{} * {}".format, scalar, same),
        st.builds("({}) ** 2".format, same),
    ]
    if len(shape) < 2:
        options.append(SIZES.flatmap(lambda size: _sums((*shape, size), functions, depth - 1)))
    if functions:
        options.append(st.builds(str.format, st.sampled_from(functions), same))
    if len(shape) == 2:
        options.append(st.builds("({}).mT".format, _sources(shape[::-1], functions, depth - 1)))
    if shape:
        options.append(SIZES.flatmap(lambda inner: _products(shape, inner, functions, depth - 1)))
    return st.one_of(options)


def _sums(shape: Shape, functions: tuple[str, ...], depth: int) -> st.SearchStrategy[str]:
    return st.builds("({}).sum(-1)".format, _sources(shape, functions, depth))


def _products(shape: Shape, inner: str, functions: tuple[str, ...], depth: int) -> st.SearchStrategy[str]:
    left = _sources((shape[0], inner), functions, depth)
    return st.builds("({}) @ ({})".format, left, _sources((inner, *shape[1:]), functions, depth))


def _leaves(shape: Shape) -> st.SearchStrategy[str]:
    if not shape:
        return st.sampled_from(["p.a", "(2 + 0 * p.a)", "p.a / 2", "(p.u * p.u).sum()"])
    if len(shape) == 1:
        return st.just(VECTOR[shape[0]])
    if shape in MATRIX:
        return st.just(MATRIX[shape])
    if shape[::-1] in MATRIX:
        return st.just(f"{MATRIX[shape[::-1]]}.mT")
    return st.just(f"ops.outer({VECTOR[shape[0]]}, {VECTOR[shape[1]]})")


# --- one formula in each reading --------------------------------------------------------------------------------------


def values(seed: int, trials: int = 3) -> dict[str, np.ndarray]:
    """Letters with entries of size about 1, (trials, *shape)."""
    generator = np.random.default_rng(seed)
    return {n: generator.uniform(-1.5, 1.5, (trials, *(DIMS[s] for s in shape))) for n, shape in LETTERS.items()}


def indexed_letters(prefix: str = "") -> Namespace:
    return Namespace({n: Indexed.letter(prefix + n, shape) for n, shape in LETTERS.items()})


def exact_letters(prefix: str = "") -> Namespace:
    return Namespace({n: Exact.variable(prefix + n, [DIMS[s] for s in shape]) for n, shape in LETTERS.items()})


def at(array: Indexed, point: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """An all-sizes array at given sizes and values, and the size of its terms."""
    return instantiate(array, point, DIMS, 0.0)


def exact_at(array: Exact, point: dict[str, np.ndarray]) -> np.ndarray:
    """An array at given sizes, its entries evaluated in floats."""
    trials = len(next(iter(point.values())))
    columns = {entry_name(n, i): v[(slice(None), *i)] for n, v in point.items() for i in np.ndindex(v.shape[1:])}
    found = ex.evaluate(array.entries(), columns.__getitem__, _Floats())
    return np.stack([np.broadcast_to(v, trials) for v in found], 1).reshape(trials, *array.shape)


class _Floats:
    def const(self, value: Fraction) -> Any:
        return float(value)

    def add(self, terms: Sequence[Any]) -> Any:
        return sum(terms)

    def mul(self, factors: Sequence[Any]) -> Any:
        return math.prod(factors)

    def power(self, base: Any, exponent: int) -> Any:
        return base ** float(exponent)

    def call(self, function: str, argument: Any) -> Any:
        return (np.asarray(argument) > 0) * 1.0 if function == "step" else getattr(np, function)(argument)


def numeric_at(formula: Any, point: dict[str, np.ndarray]) -> np.ndarray:
    """formula(p) for each trial, with p a namespace of torch tensors."""

    def one(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        found = formula(Namespace({n: Numeric(t) for n, t in tensors.items()}))
        return (found if isinstance(found, Numeric) else Numeric.constant(found.constants())).data

    return torch.func.vmap(one)({n: torch.from_numpy(v) for n, v in point.items()}).numpy()
