"""What a run of an ensemble returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import Tensor

from theorylab.simulate.status import Status


@dataclass(frozen=True)
class Stats:
    """Work per trajectory, each (B,) int64: accepted and rejected steps, evaluations of the field."""

    steps: Tensor
    rejected: Tensor
    evaluations: Tensor


@dataclass(frozen=True)
class Solution:
    """End states of an ensemble of B trajectories in D dimensions; tensors lie on the device of the run.

    t               (B,) time at which each trajectory stopped
    y               (B, D) state there
    field           (B, D) field there
    status          (B,) int64 codes of `Status`
    stats           work per trajectory
    error_estimate  (B,) sum over the steps of the Euclidean norms of the estimated local errors: a bound in spirit for
                    flows that contract; errors that the flow amplifies need `refine`
    saved           (B, S, D) states at the times asked for, NaN where a trajectory stopped earlier; None if none were
    observed        (B, q) the observed quantities at the start; None without `observe`
    drift           (B, q) largest |observed - observed at the start| over the accepted steps; None without `observe`
    method          name of the method that ran
    rtol            tolerance of the run
    finisher        name of the method that finished each trajectory; empty where `method` could not but finish all
    compiled        whether generated C ran the whole ensemble
    slid            (B,) bool: the trajectory slid along a kink for a while; None where kinks are not located
    grazed          (B,) bool: it turned so close to a kink that the run does not tell the side, and from beyond would
                    not come back, or met several at once from where more than one solution goes on; None likewise
    """

    t: Tensor
    y: Tensor
    field: Tensor
    status: Tensor
    stats: Stats
    error_estimate: Tensor
    saved: Tensor | None
    observed: Tensor | None
    drift: Tensor | None
    method: str
    rtol: float
    finisher: tuple[str, ...] = ()
    compiled: bool = False
    slid: Tensor | None = None
    grazed: Tensor | None = None

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The status of each trajectory."""
        return tuple(Status(code) for code in self.status.tolist())

    @property
    def finished(self) -> Tensor:
        """(B,) bool: the trajectory met the stopping rule, an event or the end time."""
        return (self.status == Status.CONVERGED) | (self.status == Status.T_END) | (self.status == Status.EVENT)

    @property
    def failed(self) -> Tensor:
        """(B,) bool: the solution got lost, and the last state means little."""
        return (self.status == Status.STEP_TOO_SMALL) | (self.status == Status.NON_FINITE)

    def counts(self) -> dict[str, int]:
        """How many trajectories have each status, by name."""
        return {status.label: count for status, count in sorted(Counter(self.statuses).items())}
