"""Stopping rules."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from theorylab.errors import InputError


@dataclass(frozen=True)
class Converged:
    """Stop a trajectory once the Euclidean norm of its field is at most `gtol`."""

    gtol: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gtol) and self.gtol > 0):
            raise InputError(f"gtol={self.gtol!r} was given; expected a positive number")

    def __call__(self, t: Tensor, y: Tensor, f: Tensor, rows: Tensor) -> Tensor:
        return torch.linalg.vector_norm(f, dim=1) <= self.gtol


def converged(gtol: float = 1e-8) -> Converged:
    """Stop a trajectory once the Euclidean norm of its field is at most `gtol`; the run reports the time."""
    if isinstance(gtol, bool) or not isinstance(gtol, int | float):
        raise InputError(f"gtol={gtol!r} was given; expected a positive number")
    return Converged(float(gtol))
