"""What a hunt found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from theorylab.falsify.witness import Witness
from theorylab.verdict import Counterexample, Tier


@dataclass(frozen=True)
class Hunt:
    """What a hunt found. `examined` cases or runs were screened, `violations` of them seemed to violate the claim.

    `outside` counts those that say nothing: a hypothesis fails, a formula has no value, a gate sits on its kink, a run
    does not converge. `tier` tells how the counterexample was decided; `witness` holds it as exact data where it is a
    case and not a run.
    """

    counterexample: Counterexample | None
    witness: Witness | None
    tier: Tier | None
    examined: int
    violations: int
    outside: int
    summary: str
    reason: str = ""
    dims: Mapping[str, int] = field(default_factory=dict)
    """The sizes of the counterexample."""
    batches: int = 0

    @property
    def scope(self) -> str:
        """The sizes of the counterexample."""
        return scope_of(self.dims)

    def after(self, earlier: Hunt) -> Hunt:
        """This hunt with the numbers of an earlier one that found nothing added."""
        return replace(
            self, examined=self.examined + earlier.examined, violations=self.violations + earlier.violations,
            outside=self.outside + earlier.outside, batches=self.batches + earlier.batches,
            summary=f"{earlier.summary}; {self.summary}",
        )  # fmt: skip


def scope_of(dims: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sorted(dims.items())) or "no sizes"
