"""Claims about exponents: how a quantity scales with a time, a step or the scale of an initialization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from theorylab.claims.base import (
    Claim,
    Formula,
    Goal,
    Sense,
    Slope,
    Subject,
    Test,
    checked_quantity,
    observed,
    of_case,
)  # fmt: skip
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import is_number
from theorylab.readings.namespace import call
from theorylab.setting import Setting, Variable

HALVINGS = tuple(2.0**-k for k in range(3, 11))
"""The ladder of a variable that has none of its own: from 1/8 to 1/1024."""

TIMES = tuple(2.0**-k for k in range(7, -1, -1))
"""The times at which a run is looked at, as shares of its horizon."""


class Scaling(Claim):
    """|quantity| behaves like variable^exponent: the local slope of its logarithm tends to `exponent` (or is >=, <=).

    subject: a setting, with quantity(c); a flow or a scheme, with quantity(p, c). variable: a variable of the setting
    that is walked to its limit, along its own `tl.draw.ladder` or from 1/8 to 1/1024, or "t", the time of a run. With a
    variable of the setting, a flow is observed where it ends, or at the `horizon`; a scheme at any state (its defect),
    or, with a horizon, after the steps that `steps`(c) counts. exponent: a number or a function of the case.

    The quantity is judged entry by entry, at no fewer than four values of the variable: slopes that have not settled,
    because of logarithms or small exponents, decide nothing.
    """

    kind: ClassVar[str] = "scaling"

    def __init__(
        self,
        subject: Any,
        quantity: Formula,
        exponent: Any,
        variable: str,
        *,
        sense: Sense = "==",
        steps: Callable[..., Any] | None = None,
        **meta: Any,
    ) -> None:
        checked_quantity(quantity)
        if sense not in ("==", "<=", ">="):
            raise InputError(f"sense is {sense!r}; expected '==', '<=' or '>='")
        super().__init__(
            {"subject": subject, "quantity": quantity, "exponent": exponent, "variable": variable, "sense": sense,
             "steps": steps},
            meta,
        )  # fmt: skip
        self.quantity, self.variable = quantity, variable
        self.sense: Sense = sense
        self.exponent = of_case(exponent, "an exponent", "c.init is the start")
        if variable == "t":
            if not isinstance(subject, Flow):
                raise InputError(f"a scaling in t got {type(subject).__name__}; expected a flow")
            if not self.horizon:
                raise InputError("a scaling in t has no horizon; expected horizon=..., the last time to look at")
        elif variable not in self.setting.variables:
            known = ", ".join(["t", *self.setting.variables])
            raise InputError(f"a scaling is in the unknown variable {variable!r}; expected one of: {known}")
        self.steps = steps

    @property
    def premises(self) -> tuple[str, ...]:
        own = super().premises
        ends = isinstance(self.subject, Flow) and self.variable != "t" and not self.horizon
        return own or (("the limit exists",) if ends else ())

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        subject, quantity = self.subject, self.quantity
        if isinstance(subject, Setting):
            where, observe = "case", lambda c: observed(quantity(c))
        else:
            where, observe = "end", lambda p, c: observed(call(quantity, p, c))
            if self.variable == "t":
                where = "run"
            elif not isinstance(subject, Flow):
                where, observe, subject = self._of_scheme(observe)
        values = ladder(self.setting, self.variable, self.settle.get("ladder"), self.horizon)
        asked = Slope(variable=self.variable, ladder=values, exponent=self.exponent, sense=self.sense)
        return [
            Test(name="local slope", kind="slope", where=where, subject=subject, observe=observe, slope=asked,
                 horizon=self.horizon)
        ]  # fmt: skip

    def _of_scheme(self, observe: Formula) -> tuple[Any, Formula, Flow]:
        scheme, steps = self.subject, self.steps
        if steps is None:
            return "state", observe, scheme.flow

        def after(p: Any, c: Any) -> Any:
            from theorylab.simulate.inside import repeated

            return observe(repeated(scheme, p, c, call(steps, c, c)), c)

        return "state", after, scheme.flow

    def then(self) -> str:
        if self._meta.get("title") or self.name:
            return self.title
        exponent = self._arguments["exponent"]
        power = exponent if is_number(exponent) else "the exponent"
        return f"the quantity scales like {self.variable}^{power}"


def walked(setting: Setting) -> str | None:
    """The variable of a setting that is walked to a limit."""
    found = [n for n, v in setting.variables.items() if v.to is not None]
    if len(found) > 1:
        raise InputError(f"the variables {', '.join(found)} all have to=...; expected one limit at a time")
    return found[0] if found else None


def ladder(
    setting: Setting, variable: str, given: Sequence[float] | None = None, horizon: float | None = None
) -> tuple[float, ...]:
    """The values of a variable on its way to the limit: given ones, its own, or the usual ones."""
    declared: Variable | None = setting.variables.get(variable)
    if given is not None:
        values = tuple(float(v) for v in given)
    elif variable == "t":
        values = tuple(float(horizon or 1.0) * share for share in TIMES)
    elif declared is not None and getattr(declared.draw, "kind", "") == "ladder":
        values = declared.draw.values  # type: ignore[union-attr]
    else:
        values = HALVINGS
    rises = [b > a for a, b in pairwise(values)]
    if len(values) < 4 or not all(v > 0 for v in values) or (any(rises) and not all(rises)) or len(set(values)) < 4:
        raise InputError(f"the ladder {values} was given; expected at least four positive numbers, rising or falling")
    return values


def checked_subject(subject: Any, kind: str) -> Subject:
    if not isinstance(subject, (Setting, Flow)):
        raise InputError(f"{kind} got {type(subject).__name__}; expected a setting or a flow")
    return subject
