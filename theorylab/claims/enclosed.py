"""Bounds of one trajectory: claims about one exact case, decided by rigorous enclosures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Formula, Goal, Test, checked_flow, checked_quantity
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import number
from theorylab.readings.namespace import call
from theorylab.setting import Variable


class Enclosed(Claim):
    """low <= quantity(p, c) <= high in the limit of the flow, or at a time, at one exact case.

    at: exact numbers, or nested lists of them, for the letters of the case. zeros: a scalar formula that is also
    claimed to change its sign after the start, exactly `count` times. The limit is not assumed: that it exists is part
    of what an enclosure shows.
    """

    kind: ClassVar[str] = "enclosure"

    def __init__(
        self,
        subject: Flow,
        quantity: Formula,
        low: Any,
        high: Any,
        *,
        at: Mapping[str, Any] | None = None,
        time: Any = None,
        zeros: Formula | None = None,
        count: int = 1,
        **meta: Any,
    ) -> None:
        super().__init__(
            {
                "subject": checked_flow(subject, "Enclosed"),
                "quantity": checked_quantity(quantity),
                "low": low,
                "high": high,
                "at": at,
                "time": time,
                "zeros": zeros,
                "count": count,
            },
            meta,
        )
        self.quantity, self.at, self.zeros, self.count = quantity, dict(at or {}), zeros, count
        self.low, self.high = number(low), number(high)
        self.time: Fraction | None = None if time is None else number(time)
        if self.low >= self.high:
            raise InputError(f"the bounds are {low} and {high}; expected the lower one first")
        if self.time is not None and self.time <= 0:
            raise InputError(f"the time is {time}; expected a positive rational, or none for the limit")
        if zeros is not None:
            checked_quantity(zeros, "formula whose zeros are counted")

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        """Where the flow ends at the case, by simulation; a value at a time is left to the enclosure."""
        if self.time is not None or any(n not in self.setting.variables for n in self.at):
            return []

        def margin(p: Any, c: Any) -> Any:
            value = call(self.quantity, p, c)
            return (value - self.low) * (self.high - value)

        return [
            Test(name="distance from the bounds", kind="nonnegative", where="end", subject=self._here(), observe=margin)
        ]

    def _here(self) -> Flow:
        """The flow at the case alone."""
        fixed = {}
        for name, value in self.at.items():
            known: Variable = self.setting.variables[name]
            fixed[name] = Variable(known.shape, lambda c, value=value: value, positive=known.positive)
        return self.subject.with_(setting=self.setting.with_(**fixed)) if fixed else self.subject
