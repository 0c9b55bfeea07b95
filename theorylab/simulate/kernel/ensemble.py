"""What one run of generated code reads and writes: the arrays of an ensemble, and the structures that point to them.

A processor and a GPU serve the same tasks with the same arrays; solve.py and threads.py say how each runs them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from theorylab.simulate.kernel.stiff import StiffJob
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.stopping import Converged
from theorylab.simulate.switching import Stiff

_GIVEN = ("initial", "own", "shared", "starts", "ends", "atol", "times")
_RESULTS = ("t", "y", "field", "step", "error", "saved", "observed", "drift")
_COUNTS = ("status", "accepted", "rejected", "evaluations", "slid", "grazed")


class Task(NamedTuple):
    """The checked arguments of `integrate` for B trajectories in D dimensions.

    y, starts, ends  (B, D), (B,) and (B,)
    atol             (D,)
    times            (S,) at which states are saved; S may be 0
    observes         whether the kernel has observed quantities
    The others are as there.
    """

    y: Tensor
    starts: Tensor
    ends: Tensor
    rtol: float
    atol: Tensor
    until: Converged | None
    times: Tensor
    observes: bool
    first_step: float | None
    max_steps: int


class Job(ctypes.Structure):
    """`struct job` of solve.c."""

    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "saves", "max_steps", "next", "patience")]
        + [(name, ctypes.c_double) for name in ("rtol", "gtol", "first_step", "stiff")]
        + [(name, ctypes.c_void_p) for name in (*_GIVEN, *_RESULTS, *_COUNTS)]
    )


class Ensemble:
    """The arrays of one run by name, on the device of the states, and the job that points to them."""

    def __init__(self, task: Task, own: Tensor, shared: Tensor, quantities: int) -> None:
        """own, shared: case constants, (B, .) of each trial and (.) of all; quantities: how many are observed."""
        self.task = task
        (count, dim), saves = task.y.shape, len(task.times)
        given = (task.y, own, shared, task.starts, task.ends, task.atol, task.times)
        self.arrays = {name: tensor.contiguous() for name, tensor in zip(_GIVEN, given, strict=True)}
        # One block for all of a shape: allocations of their own would cost as much as a short run.
        shapes = [(("t", "step", "error"), ()), (("y", "field"), (dim,))]
        if task.observes:
            shapes.append((("observed", "drift"), (quantities,)))
        for names, shape in shapes:
            self.arrays |= zip(names, task.y.new_zeros((len(names), count, *shape)).unbind(), strict=True)
        counts = torch.zeros((len(_COUNTS), count), dtype=torch.int64, device=task.y.device)
        self.arrays |= zip(_COUNTS, counts.unbind(), strict=True)
        if saves:
            self.arrays["saved"] = task.y.new_full((count, saves, dim), torch.nan)
        self._addresses = {name: array.data_ptr() for name, array in self.arrays.items()}
        self._numbers = {
            "count": count,
            "saves": saves,
            "max_steps": task.max_steps,
            "rtol": task.rtol,
            "gtol": 0.0 if task.until is None else task.until.gtol,
        }
        self.job = Job(first_step=task.first_step or 0.0, **self._numbers, **self._addresses)

    def stiff_job(self, limits: Mapping[str, float]) -> StiffJob:
        """The job of a method for stiff problems on the same arrays."""
        return StiffJob(**limits, **self._numbers, **{name: self._addresses.get(name) for name in StiffJob.ARRAYS})

    def solution(self, explicit: ExplicitRungeKutta, stiff: Stiff | None, finisher: tuple[str, ...]) -> Solution:
        """What the run wrote down."""
        found, task = self.arrays, self.task
        return Solution(
            t=found["t"],
            y=found["y"],
            field=found["field"],
            status=found["status"],
            stats=Stats(found["accepted"], found["rejected"], found["evaluations"]),
            error_estimate=found["error"],
            saved=found.get("saved"),
            observed=found.get("observed"),
            drift=found.get("drift"),
            slid=found["slid"].bool(),
            grazed=found["grazed"].bool(),
            method=stiff.methods[0].name if stiff is not None and stiff.alone else explicit.name,
            rtol=task.rtol,
            finisher=finisher,
            compiled=True,
        )
