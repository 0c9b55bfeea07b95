"""Steps of an explicit Runge-Kutta method for all rows of an ensemble at once."""

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


@dataclass(frozen=True)
class Attempt:
    """A step from (t, y) to t + h that is not yet accepted.

    y, f        (b, D) state at the end of the step and field there
    errors      (1 or 2, b, D) estimates of the local error
    previous    (b, D) state of the stage before, also at t + h
    stages      (last + 1, b, D) stages, each times h
    """

    y: Tensor
    f: Tensor
    errors: Tensor
    previous: Tensor
    stages: Tensor


class Stepper:
    """Steps of one method along one field.

    The stages carry the factor h of their row, so that the state of a stage is one call of addmv, and they live in one
    buffer, which the next attempt overwrites.
    """

    def __init__(self, method: ExplicitRungeKutta, field: Field, device: torch.device) -> None:
        self.method = method
        self.field = field
        self._table = coefficients(method, device)
        self._buffer = torch.empty(0, dtype=torch.float64, device=device)

    def attempt(self, t: Tensor, y: Tensor, f: Tensor, h: Tensor, rows: Tensor) -> Attempt:
        """Step from (t, y), where the field is f, with sizes h: `last` evaluations."""
        count = self.method.last + 1
        if self._buffer.shape != (count, *y.shape):
            self._buffer = y.new_empty((count, *y.shape))
        k = self._buffer
        torch.mul(f, h[:, None], out=k[0])
        previous, ahead, slope = self._fill(range(1, count), k, t, y, h, rows)
        errors = (self._table.errors @ k.view(count, -1)).view(-1, *y.shape)
        return Attempt(ahead, slope, errors, previous, k)

    def interpolate(
        self,
        attempt: Attempt,
        index: Tensor,
        t: Tensor,
        y: Tensor,
        h: Tensor,
        rows: Tensor,
        pairs: Tensor,
        times: Tensor,
    ) -> Tensor:
        """States inside a step at P times, (P, D), for the rows `index` of the attempt.

        t, y, h and rows are those of `index`; time number i belongs to row pairs[i] of them. Methods with extra stages
        evaluate them here.
        """
        k = attempt.stages[:, index]
        if self.method.extra_stages:
            count, done = len(self.method.c), self.method.last + 1
            full = y.new_empty((count, *y.shape))
            full[:done] = k
            self._fill(range(done, count), full, t, y, h, rows)
            k = full
        directions = torch.einsum("ni,ibd->bnd", self._table.dense, k)[pairs]
        # An end of the step that round-off has moved past the time asked for must not extrapolate.
        theta = ((times - t[pairs]) / h[pairs]).clamp(0.0, 1.0)
        return y[pairs] + torch.einsum("pn,pnd->pd", alternating_basis(theta, len(self._table.dense)), directions)

    def _fill(
        self, span: range, k: Tensor, t: Tensor, y: Tensor, h: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fill k[i] = h f(t + c_i h, y + sum_j a_ij k[j]) for i in `span`.

        Returns the states of the last two stages, and the field at the last.
        """
        flat, columns, step = y.reshape(-1), k.view(len(k), -1), h[:, None]
        times = torch.addcmul(t, self._table.nodes[:, None], h)
        previous = state = value = y
        for i in span:
            previous = state
            state = torch.addmv(flat, columns[:i].T, self._table.rows[i]).view_as(y)
            value = evaluate(self.field, times[i], state, rows)
            torch.mul(value, step, out=k[i])
        return previous, state, value


def alternating_basis(theta: Tensor, degree: int) -> Tensor:
    """theta, theta (1 - theta), theta^2 (1 - theta), ...: (P,) -> (P, degree)."""
    columns = [theta]
    for n in range(1, degree):
        columns.append(columns[-1] * ((1 - theta) if n % 2 else theta))
    return torch.stack(columns, dim=1)
