"""The field of a gradient flow in torch for a whole batch: one backward pass of the sum of the losses.

Trials do not interact, so the gradient of the sum is the gradient of each. The forward pass is mapped over trials as
everywhere; the backward pass is plain torch on batched arrays, without the cost of mapping a derivative.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.readings.namespace import Namespace
from theorylab.readings.numeric import GateTape, Numeric, tape

if TYPE_CHECKING:
    from theorylab.simulate.problem import Problem


# Entries of the columns of Jacobians that are found in one pass.
AT_ONCE = 1 << 22


class BatchedField:
    """The field of a gradient flow of a given loss, perhaps with momentum, as a callable of (t, y, rows)."""

    def __init__(self, problem: Problem, flow: FirstOrder | SecondOrder) -> None:
        self.problem, self.flow = problem, flow

    def __call__(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        with torch.enable_grad():
            start = y.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self._total(t, start, rows), start, materialize_grads=True)
        return self._velocity(t, y, slope, rows)

    def taken_down(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor | None) -> tuple[Tensor, Tensor]:
        """Arguments and values of the gates of the loss, (b, G) each, in the order of the evaluation.

        gates: (b, G), the values that they take; None for those of the arguments.
        """
        state = y if gates is None else (y, gates)
        return self.problem.mapped(self._arguments, t, state, rows)  # type: ignore[return-value]

    def frozen(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor) -> Tensor:
        """The field where the gates of the loss have given values, (b, G)."""
        with torch.enable_grad():
            start = y.detach().requires_grad_(True)
            total = self.problem.mapped(self._frozen_loss, t, (start, gates), rows).sum()
            (slope,) = torch.autograd.grad(total, start, materialize_grads=True)
        return self._velocity(t, y, slope, rows)

    def product(self, t: Tensor, y: Tensor, rows: Tensor, v: Tensor) -> Tensor:
        """The Jacobian of the field times v, (b, D), gates frozen: a second backward pass gives that of the slope."""
        return self._images(t, y, rows, v[None])[0]

    def jacobian(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The Jacobian of the field, (b, D, D), gates frozen; some columns at once."""
        unit = torch.eye(y.shape[1], dtype=y.dtype, device=y.device)[:, None, :].expand(-1, len(y), -1)
        images = [self._images(t, y, rows, some) for some in unit.split(max(1, AT_ONCE // y.numel()))]
        return torch.cat(images).permute(1, 2, 0)

    def _images(self, t: Tensor, y: Tensor, rows: Tensor, v: Tensor) -> Tensor:
        """The Jacobian times each of v, (n, b, D)."""
        with torch.enable_grad():
            start = y.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(
                self._total(t, start, rows), start, create_graph=True, materialize_grads=True
            )
            bends = torch.zeros_like(v)
            if slope.requires_grad:
                (bends,) = torch.autograd.grad(slope, start, v, is_grads_batched=True, materialize_grads=True)
        if self.flow.is_plain:
            return -bends
        along = partial(self._velocity, t, rows=rows)
        at = (y, slope.detach())
        return torch.func.vmap(lambda *moves: torch.func.jvp(along, at, moves)[1])(v, bends)

    def change(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The derivative of the field by time, (b, D)."""
        one = torch.ones_like(t)
        return torch.func.jvp(lambda x: self.problem.field(x, y, rows), (t,), (one,))[1]  # type: ignore[return-value]

    def _velocity(self, t: Tensor, y: Tensor, slope: Tensor, rows: Tensor) -> Tensor:
        """The field where the gradient of the loss is `slope`, (b, D)."""
        return -slope if self.flow.is_plain else self.problem.mapped(self._moved, t, (y, slope), rows)

    def _total(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return self.problem.mapped(self._loss, t, y, rows).sum()

    def _loss(self, t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        p, c = self.flow.view(_numeric(self.problem, y), self.problem.case(one), Numeric(t))
        return self.flow.objective(p, c).data.sum()

    def _frozen_loss(self, t: Tensor, state: tuple[Tensor, Tensor], one: dict[str, Tensor]) -> Tensor:
        with _taped(GateTape(state[1])):
            return self._loss(t, state[0], one)

    def _arguments(self, t: Tensor, state: Any, one: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        y, given = state if isinstance(state, tuple) else (state, None)
        kept = GateTape(given)
        with _taped(kept):
            self._loss(t, y, one)
        none = y.new_zeros(0)
        return torch.cat([none, *kept.arguments]), torch.cat([none, *kept.values])

    def _moved(self, t: Tensor, state: tuple[Tensor, Tensor], one: dict[str, Tensor]) -> Tensor:
        y, slope = state
        p, c = self.flow.view(_numeric(self.problem, y), self.problem.case(one), Numeric(t))
        gradient = Namespace(_numeric(self.problem, slope))
        return self.problem.flattened(self.flow.velocity_from(gradient, p, c), y)


def batched_field(problem: Problem) -> BatchedField | None:
    """The field in one backward pass; None where the flow is no gradient flow of a given loss, or moves more."""
    flow = problem.flow
    if not isinstance(flow, FirstOrder | SecondOrder):
        return None
    first = flow.base if isinstance(flow, SecondOrder) else flow
    if type(first) is not FirstOrder or first.loss is None or flow.integrals:
        return None
    return BatchedField(problem, flow)


@contextmanager
def _taped(kept: GateTape) -> Iterator[None]:
    token = tape.set(kept)
    try:
        yield
    finally:
        tape.reset(token)


def _numeric(problem: Problem, y: Tensor) -> dict[str, Numeric]:
    return {n: Numeric(v) for n, v in problem.unflatten(y).items()}
