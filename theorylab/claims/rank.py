"""Claims about the rank of a limit, and about how many of its entries are not zero."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Formula, Goal, Sense, Slope, Test, checked_flow, checked_quantity, observed
from theorylab.claims.scaling import ladder, walked
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import call


class Rank(Claim):
    """The limit of a matrix quantity(p, c) along the flow has rank at most (or exactly, at least) `rank`.

    Ranks jump, so what is observed is continuous: sigma_{r+1} / sigma_1, the relative distance to the matrices of rank
    r, tends to 0; for a rank of at least r, sigma_r / sigma_1 stays above `threshold`. Where the setting has a variable
    with to=..., the limit of the flow has that rank as the variable tends there. Premise: the limit exists.
    """

    kind: ClassVar[str] = "rank"
    sizes: ClassVar[str] = "singular values"

    def __init__(
        self,
        subject: Flow,
        quantity: Formula,
        rank: int,
        *,
        sense: Sense = "<=",
        threshold: float = 1e-2,
        **meta: Any,
    ) -> None:
        name = type(self).__name__
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < (1 if sense == ">=" else 0):
            raise InputError(f"{name} got {rank!r}; expected a number of {self.sizes}, an integer")
        if sense not in ("==", "<=", ">="):
            raise InputError(f"sense is {sense!r}; expected '==', '<=' or '>='")
        if not 0 < threshold < 1:
            raise InputError(f"threshold is {threshold!r}; expected a share between 0 and 1")
        super().__init__(
            {"subject": checked_flow(subject, name), "quantity": checked_quantity(quantity), "rank": rank,
             "sense": sense, "threshold": threshold},
            meta,
        )  # fmt: skip
        self.quantity, self.rank, self.sense = quantity, rank, sense
        self.threshold = Fraction(repr(float(threshold)))

    @property
    def premises(self) -> tuple[str, ...]:
        return super().premises or ("the limit exists",)

    def goals(self) -> Sequence[Goal]:
        return []

    def _values(self, value: Any) -> Any:
        """The singular values, largest first."""
        from theorylab import ops

        return ops.singular_values(value)

    def _share(self, p: Any, c: Any, place: int) -> Any:
        """The value at a place (1 is the largest) as a share of the largest; 0 where there is none.

        Rank 0 leaves nothing to compare the largest with.
        """
        values = self._values(observed(call(self.quantity, p, c)))
        if self.rank == 0:
            return values[0]
        return values[place - 1] / values[0] if place <= values.shape[0] else values[0] * 0

    def tests(self) -> Sequence[Test]:
        found: list[Test] = []
        variable = walked(self.setting)
        common: dict[str, Any] = {"where": "end", "subject": self.subject, "horizon": self.horizon}
        if self.sense != ">=":
            above = f"number {self.rank + 1} of the {self.sizes}" + (", as a share of the largest" if self.rank else "")

            def rest(p: Any, c: Any) -> Any:
                return self._share(p, c, self.rank + 1)

            if variable is None:
                found.append(
                    Test(name=above, kind="zero", observe=rest, tolerance=self.settle.get("tolerance"), **common)
                )
            else:
                values = ladder(self.setting, variable, self.settle.get("ladder"))
                asked = Slope(variable=variable, ladder=values)
                found.append(Test(name=above, kind="slope", observe=rest, slope=asked, **common))
        if self.sense != "<=" and self.rank > 0:
            threshold = float(self.threshold)
            found.append(
                Test(
                    name=f"number {self.rank} of the {self.sizes}, as a share of the largest, less {threshold:g}",
                    kind="nonnegative", observe=lambda p, c: self._share(p, c, self.rank) - self.threshold, **common,
                )
            )  # fmt: skip
        return found


class Sparsity(Rank):
    """The limit of a vector or matrix quantity(p, c) has at most (exactly, at least) `rank` entries that are not zero.

    As `Rank`, with the sizes of the entries in the place of singular values.
    """

    kind: ClassVar[str] = "sparsity"
    sizes: ClassVar[str] = "entries by size"

    def _values(self, value: Any) -> Any:
        from theorylab.readings.host import per_ensemble

        return per_ensemble(lambda v: v.flatten(1).abs().sort(1, descending=True)[0], value, what="an order by size")
