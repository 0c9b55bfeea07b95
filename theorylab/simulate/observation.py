"""What a test of a claim showed: the answer, the errors beside it, and the intervals of means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from theorylab.claims.base import Test
from theorylab.simulate.intervals import Interval


@dataclass(frozen=True)
class Group:
    """One interval for the mean of (quantity - claimed value) over cases with the same fixed variables."""

    fixed: Mapping[str, np.ndarray]
    interval: Interval
    margin: float
    claimed: float
    entry: int

    def agrees(self, sense: str) -> bool | None:
        """True, False, or None where the interval does not decide."""
        found = self.interval
        if found.doubt or not np.isfinite([found.low, found.high]).all():
            return None
        if sense == "==":
            if found.low > 0 or found.high < 0:
                return False
            return True if -self.margin <= found.low and found.high <= self.margin else None
        low, high = (found.low, found.high) if sense == ">=" else (-found.high, -found.low)
        return True if low >= 0 else False if high < 0 else None

    def described(self) -> str:
        value, found = self.claimed, self.interval
        return (
            f"mean {value + found.mean:.6g} in [{value + found.low:.6g}, {value + found.high:.6g}] ({found.rule}), "
            f"{value:.6g} claimed"
        )


@dataclass(frozen=True)
class Observation:
    """What one test showed.

    agrees: True, False, or None where the runs do not decide (`reason` says why). tolerances and worst: the ladder and
    the worst relative residual at each. own_error: the integrator's own error at the tightest, relative likewise.
    """

    test: Test
    agrees: bool | None
    reason: str
    trials: int
    tolerances: tuple[float, ...] = ()
    worst: tuple[float, ...] = ()
    own_error: float = 0.0
    statuses: Mapping[str, int] = field(default_factory=dict)
    worst_trial: int = -1
    variable: str = ""
    ladder: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    """For slopes: the sizes of the observation in one case along the ladder of values of `variable`."""
    groups: tuple[Group, ...] = ()
    """For means: the intervals."""
