"""Losses: a scalar function of outputs and targets, summed over samples and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from theorylab import ops
from theorylab.draw import Draw, normal, one_of
from theorylab.readings.calculus import gradient
from theorylab.readings.namespace import Namespace


@dataclass(frozen=True)
class Loss:
    """`value(f, y)` with f, y of one shape (outputs, samples); `targets` is how y is drawn in experiments."""

    name: str
    value: Callable[[Any, Any], Any]
    targets: Draw = field(default_factory=normal)

    def residual(self, f: Any, y: Any) -> Any:
        """The derivative of the loss by the outputs, with the shape of f."""
        return gradient(lambda q: self.value(q.f, y), Namespace({"f": f}))["f"]


square = Loss("square", lambda f, y: ((f - y) ** 2).sum() / 2)
"""One half of the sum of squares over samples and outputs, no mean."""

logistic = Loss("logistic", lambda f, y: ops.log(1 + ops.exp(-(f * y))).sum(), one_of(-1, 1))
"""sum log(1 + exp(-y f)) for labels y = +-1."""

exponential = Loss("exponential", lambda f, y: ops.exp(-(f * y)).sum(), one_of(-1, 1))
"""sum exp(-y f) for labels y = +-1."""

softmax_cross_entropy = Loss(
    "softmax cross-entropy", lambda f, y: (ops.log(ops.exp(f).sum(-2)) * y.sum(-2)).sum() - (f * y).sum()
)
"""sum over samples of y . (log-sum-exp(f) - f) over the outputs (axis -2); y holds class weights."""

any = None
"""The unknown differentiable loss: its derivative by the outputs is an arbitrary array."""


def as_loss(given: Any) -> Loss | None:
    """A loss from a `Loss`, None, or a function (f, y) -> scalar."""
    from theorylab.errors import InputError

    if given is None or isinstance(given, Loss):
        return given
    if callable(given):
        return Loss(getattr(given, "__name__", "loss"), given)
    raise InputError(
        f"loss is {type(given).__name__}; expected tl.loss.square or another loss, or a function of (f, y)"
    )
