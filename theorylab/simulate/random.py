"""Counter-based random numbers: a trial draws the same whatever the batch, the shard or the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.random import Generator, Philox
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError

_WORD = 1 << 64


def generator(seed: int, trial: int) -> Generator:
    """The generator of one trial: Philox-4x64 keyed by (seed, trial).

    Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011). Raises InputError unless both
    are integers in [0, 2^64).
    """
    for name, value in (("seed", seed), ("trial", trial)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < _WORD:
            raise InputError(f"{name}={value!r} was given; expected an integer from 0 to 2^64 - 1")
    return stream(seed, trial, 0)


def stream(seed: int, trial: int, number: int) -> Generator:
    """One of several streams of a trial that do not overlap; number 0 is that of `generator`."""
    return Generator(Philox(key=np.array([seed, trial], dtype=np.uint64), counter=[0, 0, 0, number]))


def ensemble(seed: int, trials: int | Iterable[int], draw: Callable[[Generator], ArrayLike]) -> Tensor:
    """One draw a trial, stacked: float64 (B, ...). `trials` is a number of trials or the indices of a shard."""
    indices = range(trials) if isinstance(trials, int | np.integer) else trials
    rows = [np.asarray(draw(generator(seed, trial)), dtype=np.float64) for trial in indices]
    if not rows:
        raise InputError("trials names no trial; expected at least one")
    return torch.from_numpy(np.stack(rows))
