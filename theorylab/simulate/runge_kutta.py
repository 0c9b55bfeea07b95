"""One step of an explicit Runge-Kutta method for every row of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.typing import Field


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The coefficients of a method on a device: `rows[i]` is a_i0 .. a_i,i-1."""

    rows: tuple[Tensor, ...]
    nodes: Tensor
    errors: Tensor
    dense: Tensor


@lru_cache(maxsize=32)
def coefficients(method: ExplicitRungeKutta, device: torch.device) -> Coefficients:
    """Tensors of a method, made once a device."""

    def tensor(array: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=device)

    return Coefficients(
        rows=tuple(tensor(method.a[i, :i]) for i in range(len(method.c))),
        nodes=tensor(method.c),
        errors=tensor(method.e[:, : method.last + 1]),
        dense=tensor(method.g),
    )


def evaluate(field: Field, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """field(t, y, rows), with its shape checked."""
    value = field(t, y, rows)
    if value.shape != y.shape:
        raise InputError(f"the field returned shape {tuple(value.shape)}; expected {tuple(y.shape)}, the shape of y")
    return value


def stages(
    field: Field,
    table: Coefficients,
    span: range,
    t: Tensor,
    y: Tensor,
    h: Tensor,
    k: Tensor,
    rows: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Fill k[i] = h f(t + c_i h, y + sum_j a_ij k[j]) for i in `span`.

    k is (stages, b, D) and contiguous; the stages before `span` are filled already. Returns the states of the last two
    stages of `span` and the field at the last. The stages carry the factor h, so that a stage is one call of addmv.
    """
    width = y.numel()
    flat = y.reshape(width)
    columns = k.view(len(k), width)
    step = h[:, None]
    times = torch.addcmul(t, table.nodes[:, None], h)
    before = state = value = y
    for i in span:
        before = state
        state = torch.addmv(flat, columns[:i].T, table.rows[i]).view_as(y)
        value = evaluate(field, times[i], state, rows)
        torch.mul(value, step, out=k[i])
    return before, state, value
