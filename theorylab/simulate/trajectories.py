"""The trajectories of a run: those still active, and the record of all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass
class Active:
    """The trajectories still running, one row each; every tensor has b rows.

    rows        trial of each row
    t, y, f     time, state, field there
    h           size of the next attempt
    t_end       end time
    accepted    number of accepted steps
    rejected    whether the last attempt was rejected
    scaled      scaled error of the last accepted step
    rough       number of rough steps among the attempts watched
    mark        time at the start of the window of attempts
    radius      (b, n) the last estimates of the spectral radius
    error       sum of the local errors so far
    extra       evaluations for dense output
    cursor      number of save times already passed
    start       (b, q) observed quantities at the start
    drift       (b, q) their largest change so far
    """

    rows: Tensor
    t: Tensor
    y: Tensor
    f: Tensor
    h: Tensor
    t_end: Tensor
    accepted: Tensor
    rejected: Tensor
    scaled: Tensor
    rough: Tensor
    mark: Tensor
    radius: Tensor
    error: Tensor
    extra: Tensor
    cursor: Tensor
    start: Tensor
    drift: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, index: Tensor) -> Self:
        """The rows `index` alone."""
        return type(self)(*(getattr(self, item.name)[index] for item in fields(self)))


class Record:
    """The results of all trials, one row each, filled in when a trajectory stops."""

    def __init__(self, active: Active, saves: int) -> None:
        y = active.y
        self.t = torch.zeros_like(active.t)
        self.y = torch.zeros_like(y)
        self.f = torch.zeros_like(y)
        self.status = torch.zeros_like(active.rows)
        self.accepted = torch.zeros_like(active.rows)
        self.rejected = torch.zeros_like(active.rows)
        self.evaluations = torch.zeros_like(active.rows)
        self.error = torch.zeros_like(active.t)
        self.drift = torch.zeros_like(active.drift)
        self.saved = y.new_full((len(y), saves, y.shape[1]), torch.nan)

    def stop(self, active: Active, code: Tensor, attempts: int, evaluations: int) -> None:
        """Fill in the rows of `active`, all of which stop with the status `code`, (b,)."""
        rows = active.rows
        self.t[rows] = active.t
        self.y[rows] = active.y
        self.f[rows] = active.f
        self.status[rows] = code
        self.accepted[rows] = active.accepted
        self.rejected[rows] = attempts - active.accepted
        self.evaluations[rows] = evaluations + active.extra
        self.error[rows] = active.error
        self.drift[rows] = active.drift
