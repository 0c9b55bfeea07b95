"""Losses: a scalar function of outputs and targets, summed over samples and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from theorylab import ops
from theorylab.draw import Draw, normal, one_of
from theorylab.readings.calculus import gradient
from theorylab.readings.namespace import Namespace, arity


@dataclass(frozen=True)
class Loss:
    """`value(f, y)` with f, y of one shape (outputs, samples); `targets` is how y is drawn in experiments.

    log: the logarithm of the loss, where it has a form that does not underflow with the loss, and its derivative.
    """

    name: str
    value: Callable[[Any, Any], Any]
    targets: Draw = field(default_factory=normal)
    log: tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]] | None = None
    slope: Callable[[Any, Any], Any] | None = None

    def logarithm(self) -> Loss:
        """The loss log(value): its gradient is that of the loss divided by the loss."""
        value, slope = self.log or (lambda f, y: ops.log(self.value(f, y)), None)
        return Loss(f"log of the {self.name} loss", value, self.targets, slope=slope)

    def residual(self, f: Any, y: Any) -> Any:
        """The derivative of the loss by the outputs, with the shape of f."""
        if self.slope is not None:
            return self.slope(f, y)
        return gradient(lambda q: self.value(q.f, y), Namespace({"f": f}))["f"]


square = Loss("square", lambda f, y: ((f - y) ** 2).sum() / 2)
"""One half of the sum of squares over samples and outputs, no mean."""

logistic = Loss("logistic", lambda f, y: ops.log(1 + ops.exp(-(f * y))).sum(), one_of(-1, 1))
"""sum log(1 + exp(-y f)) for labels y = +-1."""


def _softmin(f: Any, y: Any) -> Any:
    """The derivative of log sum exp(-y f): -y_i / sum_j exp(y_i f_i - y_j f_j), which does not underflow as a whole."""
    margins = f * y
    return -y / ops.exp(margins[..., None, None] - margins[None, None]).sum((-1, -2))


exponential = Loss(
    "exponential",
    lambda f, y: ops.exp(-(f * y)).sum(),
    one_of(-1, 1),
    (lambda f, y: ops.logsumexp(-(f * y)), _softmin),
)
"""sum exp(-y f) for labels y = +-1."""

softmax_cross_entropy = Loss(
    "softmax cross-entropy", lambda f, y: (ops.log(ops.exp(f).sum(-2)) * y.sum(-2)).sum() - (f * y).sum()
)
"""sum over samples of y . (log-sum-exp(f) - f) over the outputs (axis -2); y holds class weights."""

bent = Loss("square plus sin^2", lambda f, y: ((f - y) ** 2 / 2 + ops.sin(f - y) ** 2).sum())
"""sum (e^2 / 2 + sin^2 e) over the residuals e = f - y: its only critical point is e = 0, and it is not convex."""

any = None
"""The unknown differentiable loss: its derivative by the outputs is an arbitrary array."""


def as_loss(given: Any) -> Loss | None:
    """A loss from a `Loss`, None, or a function (f, y) -> scalar."""
    from theorylab.errors import InputError

    if given is None or isinstance(given, Loss):
        return given
    if callable(given):
        if arity(given) != 2:
            raise InputError("a loss takes one argument; expected a function of the outputs and the targets, (f, y)")
        return Loss(getattr(given, "__name__", "loss"), given)
    raise InputError(
        f"loss is {type(given).__name__}; expected tl.loss.square or another loss, or a function of (f, y)"
    )
