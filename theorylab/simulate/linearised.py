"""Derivatives of a field for batched torch: products with its Jacobian, the Jacobian, the change with time.

Compiled formulas are differentiated as graphs and compiled, gradients by a second backward pass, other fields by
forward mode. Gates are frozen in all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate.batched import BatchedField
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.stiffness import derivatives, direction_name
from theorylab.simulate.typing import Field


class NoDerivative(InputError):
    """A method needs derivatives that the field does not have."""


class Linearised:
    """The derivatives of field(t, y, rows) at states (b, D)."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self._tangent: Formula | None = None
        self._clock: Formula | None = None
        self._is_formula = isinstance(field, Formula)
        if isinstance(field, Formula):
            found, program = derivatives(field.program), field.program
            held = {name: torch.from_numpy(field.constants[:, i].copy()) for i, name in enumerate(program.held)}
            held = held or {"none": torch.zeros(len(field.constants), dtype=torch.float64)}
            names = [direction_name(d) for d in range(len(program.state))]
            self._tangent = compile_formula(found.tangent, [*program.state, *names], held, program.gate)
            if found.clock is not None:
                self._clock = compile_formula(found.clock, program.state, held, program.gate)
            if self._tangent is None or (found.clock is not None and self._clock is None):
                raise NoDerivative(
                    "the field is too large for its derivatives to be compiled; expected a method that needs none"
                )

    def product(self, t: Tensor, y: Tensor, rows: Tensor, v: Tensor) -> Tensor:
        """J v, (b, D)."""
        if self._tangent is not None:
            return self._tangent(t, torch.cat([y, v], 1), rows)
        if isinstance(self.field, BatchedField):
            return self.field.product(t, y, rows, v)
        return _forward(lambda x: self.field(t, x, rows), y, v)

    def jacobian(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """J, (b, D, D), one product a column."""
        if isinstance(self.field, BatchedField):
            return self.field.jacobian(t, y, rows)
        unit = torch.eye(y.shape[1], dtype=y.dtype, device=y.device)
        return torch.stack([self.product(t, y, rows, e.expand_as(y)) for e in unit], dim=2)

    def change(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """df/dt, (b, D)."""
        if self._is_formula:
            return torch.zeros_like(y) if self._clock is None else self._clock(t, y, rows)
        if isinstance(self.field, BatchedField):
            return self.field.change(t, y, rows)
        return _forward(lambda x: self.field(x, y, rows), t, torch.ones_like(t))


def _forward(function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    try:
        return torch.func.jvp(function, (at,), (along,))[1]  # type: ignore[return-value]
    except (RuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise NoDerivative(
            f"the field has no forward derivative ({reason}); expected a method that needs none"
        ) from error
