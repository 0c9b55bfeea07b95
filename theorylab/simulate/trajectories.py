"""The trajectories of a run: those that it moves, and the record of all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from theorylab.simulate.switching import RUNNING


@dataclass
class Active:
    """The trajectories that a run moves, one row each; every tensor has b rows.

    rows         trial of each row
    t, y, f      time, state, field there
    h            size of the next attempt
    t_end        end time
    attempts     number of attempts so far
    accepted     number of accepted steps
    rejected     whether the last attempt was rejected
    scaled       scaled error of the last accepted step
    rough        number of rough steps among the attempts watched
    mark         time at the start of the window of attempts
    radius       (b, n) the last estimates of the spectral radius
    stiff        number of stiff steps, less those that were not
    error        sum of the local errors so far
    evaluations  number of evaluations so far
    cursor       number of save times already passed
    start        (b, q) observed quantities at the start
    drift        (b, q) their largest change so far
    """

    rows: Tensor
    t: Tensor
    y: Tensor
    f: Tensor
    h: Tensor
    t_end: Tensor
    attempts: Tensor
    accepted: Tensor
    rejected: Tensor
    scaled: Tensor
    rough: Tensor
    mark: Tensor
    radius: Tensor
    stiff: Tensor
    error: Tensor
    evaluations: Tensor
    cursor: Tensor
    start: Tensor
    drift: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, index: Tensor) -> Self:
        """The rows `index` alone."""
        return type(self)(*(getattr(self, item.name)[index] for item in fields(self)))


class Record:
    """All trials, one row each: where they stand, and what they left behind on the way.

    trials        every trial as the last run left it
    status        (B,) codes: those of `Status`, or of switching.py where a trial goes on
    saved         (B, S, D) states at the save times
    slid, grazed  (B,) bool, see `Solution`
    """

    def __init__(self, trials: Active, saves: int) -> None:
        self.trials = trials
        self.status = torch.full_like(trials.rows, RUNNING)
        self.saved = trials.y.new_full((len(trials), saves, trials.y.shape[1]), torch.nan)
        self.slid, self.grazed = (torch.zeros_like(trials.rejected) for _ in range(2))

    def taken_up(self) -> Active:
        """The trials that are running, where they stand; what a run knows of their last steps is forgotten."""
        active = self.trials.select((self.status == RUNNING).nonzero()[:, 0])
        for name in ("rejected", "rough", "radius", "stiff"):
            setattr(active, name, torch.zeros_like(getattr(active, name)))
        active.scaled, active.mark = torch.full_like(active.t, 1e-4), active.t
        return active

    def leave(self, active: Active, code: Tensor) -> None:
        """Write down the rows of `active`, which a run leaves with the codes (b,)."""
        self.status[active.rows] = code
        for item in fields(Active):
            getattr(self.trials, item.name)[active.rows] = getattr(active, item.name)
