"""Claims about where a flow ends: limits in closed form, minimisers of a functional, limits of other flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Formula, Goal, Test, checked_flow, checked_quantity, observed, of_case
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import call


@dataclass(frozen=True)
class Minimiser:
    """The minimiser of a separable or smooth functional over the zero-loss set, described by its optimality residual.

    residual(b, c): an array that vanishes exactly at the minimiser among the zero-loss points; scale(b, c): its size.
    """

    potential: Any
    residual: Callable[[Any, Any], Any]
    scale: Callable[[Any, Any], Any]
    name: str = "functional"


def argmin(potential: Any) -> Minimiser:
    """The prediction "a minimiser of this functional among the zero-loss points", tested by its dual certificate.

    potential: one of `tl.bias`, such as `tl.bias.hypentropy(k)` or `tl.bias.l2`.
    """
    if not hasattr(potential, "dual_residual"):
        raise InputError(f"argmin got {type(potential).__name__}; expected a potential of tl.bias, such as tl.bias.l2")
    return Minimiser(potential, potential.dual_residual, potential.dual_scale, potential.name)


class Limit(Claim):
    """quantity(p(t)) tends to `value`: a number, a function of the case, or a minimiser. Premise: the limit exists.

    With a minimiser, the loss also has to tend to zero.
    """

    kind: ClassVar[str] = "limit"

    def __init__(self, subject: Flow, quantity: Formula, value: Any, **meta: Any) -> None:
        super().__init__(
            {"subject": checked_flow(subject, "Limit"), "quantity": checked_quantity(quantity), "value": value}, meta
        )
        self.quantity = quantity
        self.value = (
            value if isinstance(value, Minimiser) else of_case(value, "the value of a limit", "c.init is the start")
        )

    @property
    def premises(self) -> tuple[str, ...]:
        own = super().premises
        return own or ("the limit exists" + (" and has zero loss" if isinstance(self.value, Minimiser) else ""),)

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        value = self.value
        if isinstance(value, Minimiser):

            def residual(p: Any, c: Any) -> Any:
                return value.residual(observed(call(self.quantity, p, c)), c)

            def size(p: Any, c: Any) -> Any:
                return value.scale(call(self.quantity, p, c), c)

            name = f"dual residual of {value.name}"
        else:

            def residual(p: Any, c: Any) -> Any:
                return observed(call(self.quantity, p, c)) - value(c)

            def size(p: Any, c: Any) -> Any:
                return call(self.quantity, p, c)

            name = "distance to the predicted limit"
        premise = (
            [
                Test(
                    name="loss, which is to vanish",
                    kind="zero",
                    where="end",
                    subject=self.subject,
                    observe=lambda p, c: self.subject.objective(p, c),
                    horizon=self.horizon,
                    premise=True,
                )
            ]
            if isinstance(self.value, Minimiser)
            else []
        )
        return [
            *premise,
            Test(
                name=name,
                kind="zero",
                where="end",
                subject=self.subject,
                observe=residual,
                scale=size,
                horizon=self.horizon,
                tolerance=self.settle.get("tolerance"),
            ),
        ]
