"""Claims about where a flow ends: limits in closed form, minimisers of a functional, limits of other flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from theorylab.claims.base import (
    Claim,
    Formula,
    Goal,
    Slope,
    Test,
    checked_flow,
    checked_quantity,
    loss_along,
    observed,
    of_case,
)
from theorylab.claims.scaling import ladder, walked
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import Case, call


@dataclass(frozen=True)
class Minimiser:
    """A minimiser of a functional over the predictors that fit the data, described by its optimality residual.

    residual(b, c): an array that vanishes exactly at minimisers; scale(b, c): its size. resolution: how far the
    relative residual may stay above 0 because of the solver of the dual. margins: over the predictors of margin 1.
    """

    potential: Any
    residual: Callable[[Any, Any], Any]
    scale: Callable[[Any, Any], Any]
    name: str = "functional"
    resolution: float = 0.0
    margins: bool = False


def argmin(potential: Any, subject_to: Any = None) -> Minimiser:
    """The prediction "a minimiser of this functional among the zero-loss points", tested by its dual certificate.

    potential: one of `tl.bias`, such as `tl.bias.hypentropy(k)` or `tl.bias.l1`, or one of your own. subject_to:
    over which predictors, `tl.bias.interpolators(inputs)` or `tl.bias.margins(inputs, labels)`; by default those that
    fit the flow's own data. A minimiser need not be the only one: what is tested is that the limit is one.
    """
    if not hasattr(potential, "dual_residual"):
        raise InputError(f"argmin got {type(potential).__name__}; expected a potential of tl.bias, such as tl.bias.l2")
    if subject_to is not None:
        if not hasattr(subject_to, "margins"):
            raise InputError(
                f"subject_to is {type(subject_to).__name__}; expected tl.bias.interpolators() or tl.bias.margins()"
            )
        potential = potential.subject_to(subject_to)
    return Minimiser(
        potential,
        potential.dual_residual,
        potential.dual_scale,
        potential.name,
        float(getattr(potential, "resolution", 0.0)),
        bool(getattr(getattr(potential, "constraint", None), "margins", False)),
    )


COARSE = 1e-10
"""A resolution from here on is a tolerance: the residual of a minimiser falls with the integrator's only to there."""

LAST_TIME = 1e4


class Limit(Claim):
    """quantity(p(t)) tends to `value`: a number, a function of the case, or a minimiser. Premise: the limit exists.

    With a minimiser, the loss also has to tend to zero. Where the setting has a variable with to=..., walked along a
    `tl.draw.ladder`, the statement is about the limits of the runs as that variable tends there: what is judged is
    how the residual scales. With a minimiser over margins it is about the direction of quantity(p(t)) as t grows to
    the `horizon`.
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
        if own:
            return own
        if isinstance(self.value, Minimiser):
            return (
                ("the direction converges and separates the labels",)
                if self.value.margins
                else ("the limit exists and has zero loss",)
            )
        return ("the limit exists",)

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        variable = walked(self.setting)
        if isinstance(self.value, Minimiser) and self.value.margins:
            return [self._asymptotic("t", "run")]
        tests = [self._zero_loss()] if isinstance(self.value, Minimiser) else []
        return [*tests, self._exact() if variable is None else self._asymptotic(variable, "end")]

    @property
    def _loss(self) -> Formula | None:
        """The loss, where it is presupposed to vanish and the flow has one."""
        known = type(self.subject).objective is not Flow.objective
        presupposed = isinstance(self.value, Minimiser) and not self.value.margins
        return loss_along if known and presupposed else None

    def _zero_loss(self) -> Test:
        return Test(
            name="loss, which is to vanish",
            kind="zero",
            where="end",
            subject=self.subject,
            observe=loss_along,
            horizon=self.horizon,
            premise=True,
        )

    @property
    def _name(self) -> str:
        value = self.value
        return f"dual residual of {value.name}" if isinstance(value, Minimiser) else "distance to the predicted limit"

    def _residual(self, p: Any, c: Any) -> Any:
        shown = observed(call(self.quantity, p, c))
        if isinstance(self.value, Minimiser):
            return self.value.residual(shown, self._with_data(c))
        return shown - self.value(c)

    def _with_data(self, c: Case) -> Case:
        """The case with the flow's own data as c.x and c.y, whatever variables have these names."""
        if not hasattr(self.subject, "inputs"):
            return c
        x, y = self.subject.inputs(c)
        seen = c.updated({"x": x, **({} if y is None else {"y": y})})
        seen.base, seen.flow = c.base, c.flow
        return seen

    def _size(self, p: Any, c: Any) -> Any:
        shown = call(self.quantity, p, c)
        return self.value.scale(shown, self._with_data(c)) if isinstance(self.value, Minimiser) else shown

    def _exact(self) -> Test:
        tolerance = self.settle.get("tolerance")
        if isinstance(self.value, Minimiser) and self.value.resolution >= COARSE:
            tolerance = max(self.value.resolution, tolerance or 0.0)
        return Test(
            name=self._name,
            kind="zero",
            where="end",
            subject=self.subject,
            observe=self._residual,
            scale=self._size,
            horizon=self.horizon,
            tolerance=tolerance,
        )

    def _asymptotic(self, variable: str, where: Literal["run", "end"]) -> Test:
        values = ladder(self.setting, variable, self.settle.get("ladder"), self.horizon or LAST_TIME)

        def relative(p: Any, c: Any) -> Any:
            from theorylab import ops

            residual = self._residual(p, c)
            return ops.norm(residual) / self._size(p, c) if isinstance(self.value, Minimiser) else residual

        return Test(
            name=self._name,
            kind="slope",
            where=where,
            subject=self.subject,
            observe=relative,
            slope=Slope(variable=variable, ladder=values, vanishing=self._loss),
            horizon=self.horizon if variable != "t" else None,
        )
