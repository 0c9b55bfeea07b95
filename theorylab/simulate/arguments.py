"""Arguments of a run, checked and brought to tensors. Every function raises InputError with what was expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate.typing import Until

_EPS = torch.finfo(torch.float64).eps


def states(initial: Tensor | ArrayLike, device: torch.device | str | None = None) -> Tensor:
    """`initial` as a contiguous float64 tensor (B, D) of its own."""
    given = initial if isinstance(initial, Tensor) else torch.from_numpy(np.array(initial))
    if given.dtype != torch.float64:
        raise InputError(f"initial has dtype {given.dtype}; expected torch.float64")
    if given.ndim != 2 or 0 in given.shape:
        raise InputError(f"initial has shape {tuple(given.shape)}; expected (B, D) with at least one row and column")
    own = given.detach().clone(memory_format=torch.contiguous_format)
    return own if device is None else own.to(device)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a plain number that float64 holds."""
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def are_finite(value: float | Tensor, tensor: Tensor) -> bool:
    """Whether all entries of a tensor made of `value` are finite."""
    return math.isfinite(value) if is_number(value) else bool(torch.isfinite(tensor).all())


def _tensor(name: str, value: object, like: Tensor, expected: str) -> Tensor:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return torch.as_tensor(value, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"{name} is {value!r}; expected {expected}") from error


def per_row(name: str, value: float | Tensor, y: Tensor) -> Tensor:
    """A number or (B,) as (B,)."""
    if is_number(value):
        return y.new_full((len(y),), value)
    tensor = _tensor(name, value, y, "a number, or one for each trial")
    if tensor.shape not in ((), (len(y),)):
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; expected a number or shape ({len(y)},)")
    return tensor.expand(len(y)).clone()


def time_span(t_start: float | Tensor, t_end: float | Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Start and end times, (B,) each."""
    starts, ends = per_row("t_start", t_start, y), per_row("t_end", t_end, y)
    if is_number(t_start) and is_number(t_end) and -math.inf < t_start < math.inf and t_start <= t_end:
        return starts, ends
    if not are_finite(t_start, starts):
        raise InputError(f"t_start={t_start!r} was given; expected finite times")
    if not bool((ends >= starts).all()):
        raise InputError(f"t_end={t_end!r} was given; expected no time before t_start={t_start!r}")
    return starts, ends


def absolute_tolerance(atol: float | Tensor, y: Tensor) -> Tensor:
    """(D,)."""
    if is_number(atol) and 0 < atol < math.inf:
        return y.new_full(y.shape[1:], atol)
    tensor = _tensor("atol", atol, y, "a positive number, or one for each coordinate")
    if tensor.shape not in ((), (y.shape[1],)):
        raise InputError(f"atol has shape {tuple(tensor.shape)}; expected a number or shape ({y.shape[1]},)")
    if not bool(((tensor > 0) & torch.isfinite(tensor)).all()):
        raise InputError(f"atol={atol!r} was given; expected positive numbers (1e-30 for relative accuracy alone)")
    return tensor.expand(y.shape[1])


def save_times(save: Sequence[float] | Tensor | None, starts: Tensor) -> Tensor:
    """(S,); S is 0 for None."""
    if save is None:
        return starts.new_empty(0)
    times = _tensor("save", save, starts, "rising finite times")
    if times.ndim != 1 or not len(times):
        raise InputError(f"save has shape {tuple(times.shape)}; expected at least one time in a flat list")
    if not bool(torch.isfinite(times).all() & (times[1:] > times[:-1]).all() & (times[0] >= starts.max())):
        raise InputError(f"save={save!r} was given; expected rising finite times, none before t_start")
    return times


def stops(until: Until, t: Tensor, y: Tensor, f: Tensor, rows: Tensor) -> Tensor:
    """What a stopping rule says of each row, (b,) bool."""
    met = until(t, y, f, rows)
    if not (isinstance(met, Tensor) and met.shape == t.shape and met.dtype == torch.bool):
        given = f"{met.dtype} of shape {tuple(met.shape)}" if isinstance(met, Tensor) else type(met).__name__
        raise InputError(f"the stopping rule returned {given}; expected torch.bool of shape ({len(t)},)")
    return met


def check_numbers(rtol: float, max_steps: int, first_step: float | None) -> None:
    """Ranges of the plain numbers."""
    if isinstance(rtol, bool) or not (isinstance(rtol, float | int) and _EPS <= rtol < 1):
        raise InputError(f"rtol={rtol!r} was given; expected a number from {_EPS:.1e} to below 1")
    if isinstance(max_steps, bool) or not (isinstance(max_steps, int | np.integer) and max_steps >= 1):
        raise InputError(f"max_steps={max_steps!r} was given; expected a positive integer")
    if first_step is not None and not (_is_number(first_step) and math.isfinite(first_step) and first_step > 0):
        raise InputError(f"first_step={first_step!r} was given; expected a positive number")


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)
