"""Functions of whole ensembles inside formulas of one trial: solvers and adaptive runs have no rule of `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.array import Array, is_number
from theorylab.readings.numeric import Numeric

Tensor = torch.Tensor
OfEnsemble = Callable[..., Tensor]

_called: ContextVar[list[str] | None] = ContextVar("_called", default=None)


@contextmanager
def noting_solvers() -> Iterator[list[str]]:
    """A list that collects what the formulas evaluated meanwhile call by `per_ensemble` or note, in words."""
    called: list[str] = []
    token = _called.set(called)
    try:
        yield called
    finally:
        _called.reset(token)


def note(what: str) -> None:
    """Tell whoever collects it that a formula calls what the rounding of single operations does not bound."""
    if (called := _called.get()) is not None:
        called.append(what)


class _Host(torch.autograd.Function):
    """function(*arrays) with a leading trial axis on every array, which `vmap` hands over as it is."""

    @staticmethod
    def forward(function: OfEnsemble, *arrays: Tensor) -> Tensor:  # type: ignore[override]
        return function(*(a.detach()[None] for a in arrays))[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], function: OfEnsemble, *arrays: Tensor) -> tuple[Tensor, int]:  # type: ignore[override]
        rows = [
            a.expand(info.batch_size, *a.shape) if d is None else a.movedim(d, 0)
            for a, d in zip(arrays, in_dims[1:], strict=True)
        ]
        return function(*(r.detach() for r in rows)), 0


def per_ensemble(function: OfEnsemble, *arrays: Any, what: str = "a solver") -> Numeric:
    """function(*tensors) as an array of one trial. Only in the numeric reading, and without derivatives.

    function: takes float64 tensors with a leading trial axis, (B, *shape), and returns one, (B, ...). arrays: arrays of
    one trial or numbers. Raises UnsupportedReading where an array is symbolic.
    """
    tensors = [_tensor(a, what) for a in arrays]
    if not any(isinstance(a, Numeric) for a in arrays):
        raise UnsupportedReading(f"{what} has no symbolic form")
    note(what)
    return Numeric(_Host.apply(function, *tensors))  # type: ignore[arg-type]


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Array):
        array = value.into(Numeric)
        if array is None:
            raise UnsupportedReading(f"{what} has no symbolic form")
        return array.data
    if is_number(value):
        return Numeric.constant(value).data
    raise InputError(f"{what} got {type(value).__name__}; expected an array of the formula or a number")
