"""Bad input to a run: one sentence that names what was given and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from theorylab.errors import InputError
from theorylab.simulate import integrate, integrate_fixed

from .zoo import decay, tensor

BAD = {
    "float32": ({"initial": torch.ones(2, 2)}, "initial has dtype torch.float32; expected torch.float64"),
    "integers": ({"initial": [[1, 2]]}, "initial has dtype torch.int64; expected torch.float64"),
    "one state": ({"initial": tensor([1.0])}, r"initial has shape \(1,\); expected \(B, D\)"),
    "no trial": ({"initial": np.zeros((0, 3))}, r"initial has shape \(0, 3\)"),
    "end before start": ({"t_end": -1.0}, "t_end=-1.0 was given; expected no time before t_start=0.0"),
    "end not a number": ({"t_end": float("nan")}, "t_end=nan was given"),
    "ends of another ensemble": (
        {"t_end": tensor([1.0, 2.0])},
        r"t_end has shape \(2,\); expected a number or shape \(6,\)",
    ),
    "infinite start": ({"t_start": float("-inf")}, "t_start=-inf was given; expected finite times"),
    "rtol": ({"rtol": 0.0}, "rtol=0.0 was given; expected a number from"),
    "rtol below round-off": ({"rtol": 1e-17}, "rtol=1e-17 was given"),
    "atol": ({"atol": 0.0}, "atol=0.0 was given; expected positive numbers"),
    "atol of another state": (
        {"atol": tensor([1.0, 1.0])},
        r"atol has shape \(2,\); expected a number or shape \(4,\)",
    ),
    "max_steps": ({"max_steps": 0}, "max_steps=0 was given; expected a positive integer"),
    "first_step": ({"first_step": -1.0}, "first_step=-1.0 was given; expected a positive number"),
    "method": ({"method": "rk4"}, "method='rk4' is unknown; expected 'auto' or one of"),
    "falling save": ({"save": [0.5, 0.1]}, "expected rising finite times"),
    "save before start": ({"save": [-0.5, 0.1]}, "none before t_start"),
    "no save times": ({"save": []}, "expected at least one time"),
    "field of one trial": ({"field": lambda t, y, rows: y[0]}, r"the field returned shape \(4,\); expected \(6, 4\)"),
    "field in float32": ({"field": lambda t, y, rows: y.float()}, "the field returned torch.float32"),
    "flat observe": ({"observe": lambda t, y, rows: y[:, 0]}, r"observe returned shape \(6,\); expected \(6, q\)"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(given: dict[str, Any], message: str) -> None:
    problem = decay()
    arguments: dict[str, Any] = {"field": problem.field, "initial": problem.initial, "t_end": 1.0} | given
    with pytest.raises(InputError, match=message) as error:
        integrate(arguments.pop("field"), arguments.pop("initial"), **arguments)
    assert "\n" not in str(error.value)


def test_bad_number_of_fixed_steps() -> None:
    problem = decay()
    with pytest.raises(InputError, match="steps=0 was given"):
        integrate_fixed(problem.field, problem.initial, t_end=1.0, steps=0)


def test_lists_and_arrays_are_states() -> None:
    for initial in ([[1.0, 2.0]], np.array([[1.0, 2.0]]), tensor([[1.0, 2.0]])):
        run = integrate(lambda t, y, rows: -y, initial, t_end=1.0)
        assert torch.allclose(run.y, tensor([[1.0, 2.0]]) * np.exp(-1.0), rtol=1e-8)
