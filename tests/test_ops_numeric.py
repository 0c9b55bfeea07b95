"""Functions that only the numeric reading has: matrix exponentials and roots of equations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import ops
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.exact import Exact
from theorylab.readings.numeric import Numeric


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=5))
def test_square_roots_by_bisection(values: list[float]) -> None:
    """The positive zero of t^2 - a for each of a batch of a."""
    found = torch.func.vmap(lambda a: ops.root(lambda t: t * t - Numeric(a), 0, 16).data)(tensor(values))
    assert found.tolist() == pytest.approx([math.sqrt(a) for a in values], rel=1e-15)


def test_a_root_needs_a_change_of_sign() -> None:
    assert math.isnan(float(ops.root(lambda t: t * t + Numeric(tensor(1.0)), -1, 1).data))


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(-2, 2))
def test_the_exponential_of_a_rotation_and_a_shear(angle: float, shear: float) -> None:
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = ops.expm(Numeric(tensor([[0, -angle], [angle, 0]]))).data
    assert turned.reshape(-1).tolist() == pytest.approx([cosine, -sine, sine, cosine], abs=1e-14)
    sheared = ops.expm(Numeric(tensor([[0, shear], [0, 0]]))).data
    assert sheared.reshape(-1).tolist() == pytest.approx([1, shear, 0, 1], abs=1e-14)


def test_neither_is_exact() -> None:
    letter = Exact.variable("a", (2, 2))
    with pytest.raises(UnsupportedReading):
        ops.expm(letter)
    with pytest.raises(UnsupportedReading):
        ops.root(lambda t: t * letter[0, 0] - 1, 0, 1)
    with pytest.raises(InputError, match="square matrix"):
        ops.expm(Exact.variable("a", (2, 3)))
