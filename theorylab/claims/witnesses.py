"""Negative results about all functionals at once, by a pair of limits that no single one explains."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Formula, Goal, Test, checked_flow, checked_quantity, observed
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import call


class NoFunctional(Claim):
    """No functional of `quantity` has the limits of two flows for its only minimisers among their zero-loss points.

    `subject` and `other` differ in their data alone and start from the same cases. What is observed: the limit of each
    has zero loss for both, and the two limits are apart. So each would have to be better than the other (the generic
    form of Zhang et al., 2201.12198). `apart`: the least distance of the limits, relative to their size.
    """

    kind: ClassVar[str] = "no functional"

    def __init__(self, subject: Flow, other: Flow, quantity: Formula, *, apart: float = 1e-3, **meta: Any) -> None:
        first, second = checked_flow(subject, "NoFunctional"), checked_flow(other, "NoFunctional")
        if set(first.state) != set(second.state):
            raise InputError(
                f"NoFunctional got flows of {', '.join(first.state)} and {', '.join(second.state)}; "
                f"expected the same parameters"
            )
        if not apart > 0:
            raise InputError(f"apart is {apart!r}; expected a positive number")
        super().__init__(
            {"subject": first, "other": second, "quantity": checked_quantity(quantity), "apart": apart}, meta
        )
        self.other, self.quantity = second, quantity
        self.apart = Fraction(repr(float(apart)))

    @property
    def premises(self) -> tuple[str, ...]:
        return super().premises or ("both limits exist",)

    def goals(self) -> Sequence[Goal]:
        return []

    def _loss(self, flow: Flow, p: Any, c: Any) -> Any:
        base = c if c.base is None else c.base
        return flow.objective(*flow.view(p, base))

    def _distance(self, p: Any, c: Any) -> Any:
        from theorylab import ops

        here = observed(call(self.quantity, p, c))
        there = observed(call(self.quantity, self.other.end(c), c))
        return ops.norm(here - there) - (ops.norm(here) + ops.norm(there)) * self.apart

    def tests(self) -> Sequence[Test]:
        def of_other(p: Any, c: Any) -> Any:
            return self._loss(self.other, p, c)

        def of_subject(p: Any, c: Any) -> Any:
            return self._loss(self.subject, self.other.end(c), c)

        own = {"where": "end", "subject": self.subject, "horizon": self.horizon}
        tolerance = self.settle.get("tolerance", 1e-9)
        return [
            Test(name="loss of each flow at its own limit", kind="zero", premise=True, tolerance=tolerance,
                 observe=lambda p, c: self._loss(self.subject, p, c), **own),
            Test(name="loss of the other flow at the limit", kind="zero", observe=of_other, tolerance=tolerance, **own),
            Test(name="loss at the other's limit", kind="zero", observe=of_subject, tolerance=tolerance, **own),
            Test(name="distance of the limits", kind="nonnegative", observe=self._distance, strict=True, **own),
        ]  # fmt: skip
