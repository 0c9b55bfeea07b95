"""The field of a gradient flow in torch for a whole batch: one backward pass of the sum of the losses.

Trials do not interact, so the gradient of the sum is the gradient of each. The forward pass is mapped over trials as
everywhere; the backward pass is plain torch on batched arrays, without the cost of mapping a derivative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from theorylab.gradient_flow import FirstOrder
from theorylab.readings.namespace import Namespace
from theorylab.readings.numeric import Numeric
from theorylab.simulate.typing import Field

if TYPE_CHECKING:
    from theorylab.simulate.problem import Problem


def batched_field(problem: Problem) -> Field | None:
    """The field as a callable of (t, y, rows); None where the flow is no plain gradient flow of a given loss."""
    flow = problem.flow
    if type(flow) is not FirstOrder or flow.loss is None or flow.integrals:
        return None

    def loss(t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        p, c = flow.view({n: Numeric(v) for n, v in problem.unflatten(y).items()}, problem.case(one), Numeric(t))
        return flow.objective(p, c).data.sum()

    def moved(t: Tensor, state: tuple[Tensor, Tensor], one: dict[str, Tensor]) -> Tensor:
        y, slope = state
        p, c = flow.view({n: Numeric(v) for n, v in problem.unflatten(y).items()}, problem.case(one), Numeric(t))
        gradient = Namespace({n: Numeric(v) for n, v in problem.unflatten(slope).items()})
        return problem.flattened(flow.velocity_from(gradient, p, c), y)

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        with torch.enable_grad():
            start = y.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(problem.mapped(loss, t, start, rows).sum(), start, materialize_grads=True)
        return -slope if flow.is_plain else problem.mapped(moved, t, (y, slope), rows)

    return field
