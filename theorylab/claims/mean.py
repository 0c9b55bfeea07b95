"""Statistical claims: means and probabilities over initializations and data, at a level stated in advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from theorylab.claims.base import (
    Average,
    Claim,
    Formula,
    Goal,
    Sense,
    Subject,
    Test,
    observed,
    of_case,
)  # fmt: skip
from theorylab.claims.scaling import checked_subject
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import is_number

SENSES = {"==": "is", ">=": "is at least", "<=": "is at most"}


class Mean(Claim):
    """The mean of quantity(c) over the draws of a setting is (or is >=, <=) `value`.

    subject: a setting, or a flow whose runs end in c.end; `flow.end(c)` is where another flow ends from the same case.
    value: a number or a function of the case; its mean counts where it depends on what is random.

    The protocol belongs to the statement and is fixed before anything is drawn: `samples` cases, and one interval for
    the mean at the level `confidence`. values="boolean", for a quantity that is 0 or 1: the exact interval of Clopper
    and Pearson for a probability. values=(low, high), for a quantity in that range: the empirical Bernstein interval of
    Maurer and Pontil (COLT 2009), which holds for every number of samples. values=None: Student's interval, which
    assumes that the mean of so many samples is nearly normal; it is not used where one sample dominates the others.

    The claim is refuted where the interval excludes it, in two independent samples. An inequality is supported where
    the interval lies on its side, and an equality where the interval contains the value and lies within `margin` of it
    (two one-sided tests), by default a hundredth of the value: what is supported is the equality up to the margin.

    seed: added to the seed of the verification, so that a protocol has draws of its own: runs made while a claim was
    worked out, with other seeds, tell nothing about them.

    over: the names of the random variables ("w", "init.v", ...), where the mean is claimed for every value of the
    others; they are held at `groups` random values, each with its interval, at a level that holds for all at once.
    """

    kind: ClassVar[str] = "mean"

    def __init__(
        self,
        subject: Subject,
        quantity: Formula,
        value: Any,
        *,
        sense: Sense = "==",
        confidence: float = 0.999,
        margin: float | None = None,
        values: str | tuple[float, float] | None = None,
        samples: int = 4096,
        over: Sequence[str] | None = None,
        groups: int = 4,
        seed: int = 0,
        **meta: Any,
    ) -> None:
        arguments = {
            "subject": checked_subject(subject, "Mean"), "quantity": quantity, "value": value, "sense": sense,
            "confidence": confidence, "margin": margin, "values": values, "samples": samples, "over": over,
            "groups": groups, "seed": seed,
        }  # fmt: skip
        super().__init__(arguments, meta)
        self.quantity = of_case(quantity, "the quantity of a mean", "c.end is where the run ends")
        self.value = of_case(value, "the value of a mean")
        if sense not in SENSES:
            raise InputError(f"sense is {sense!r}; expected '==', '<=' or '>='")
        if not (isinstance(confidence, (int, float)) and 0.5 <= confidence < 1):
            raise InputError(f"confidence is {confidence!r}; expected a level from 0.5 to below 1, such as 0.999")
        if margin is not None and not (is_number(margin) and margin > 0):
            raise InputError(f"margin is {margin!r}; expected a positive number")
        if values not in (None, "boolean") and not (
            isinstance(values, tuple)
            and len(values) == 2
            and all(is_number(v) for v in values)
            and values[0] < values[1]
        ):
            raise InputError(f"values is {values!r}; expected 'boolean', a range (low, high) or None")
        for name, count, least in (("samples", samples, 16), ("groups", groups, 1), ("seed", seed, 0)):
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise InputError(f"{name} is {count!r}; expected an integer of at least {least}")
        self.average = Average(
            claimed=self.value, sense=sense, confidence=float(confidence),
            margin=None if margin is None else float(margin), values=values, samples=samples,
            over=None if over is None else tuple(over), groups=groups, seed=seed,
        )  # fmt: skip

    @property
    def premises(self) -> tuple[str, ...]:
        own = super().premises
        if own:
            return own
        found = ["every run converges"] if isinstance(self.subject, Flow) else []
        if self.average.values is None:
            found.append(f"the mean of {self.average.samples} samples is nearly normal")
        if self.average.sense == "==":
            margin = self.average.margin
            found.append(f"equality is meant up to {'a hundredth' if margin is None else f'{margin:g}'}")
        return tuple(found)

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        if isinstance(self.subject, Flow):
            where, quantity = "end", lambda p, c: observed(self.quantity(c))
        else:
            where, quantity = "case", lambda c: observed(self.quantity(c))
        return [
            Test(name="mean", kind="mean", where=where, subject=self.subject, observe=quantity, mean=self.average,
                 horizon=self.horizon)
        ]  # fmt: skip

    def then(self) -> str:
        if self._meta.get("title") or self.name:
            return self.title
        value = self._arguments["value"]
        return f"the mean {SENSES[self.average.sense]} {value if is_number(value) else 'the value'}"
