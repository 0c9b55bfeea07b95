"""One ensemble at a ladder of tolerances, so that the error of the integrator itself is known.

A conserved quantity drifts along a numerical trajectory by the integrator's error alone, so its drift falls with the
tolerance; the drift of a quantity that is not conserved stays. Convergence in the tolerance is the evidence, and a
single small number is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theorylab.errors import InputError
from theorylab.simulate.integrate import integrate
from theorylab.simulate.methods import by_name
from theorylab.simulate.solution import Solution
from theorylab.simulate.typing import Field, Observe

# A tolerance ten times tighter must divide a drift by FALL, until the drift meets ROUND_OFF of the scale.
FALL = 5.0
ROUND_OFF = 1e3 * torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Refinement:
    """Runs of one ensemble at falling tolerances, loosest first.

    tolerances  (T,) relative tolerances
    runs        the T solutions
    drift       (T, B, q) drifts of the observed quantities, None if none were observed
    """

    tolerances: tuple[float, ...]
    runs: tuple[Solution, ...]
    drift: Tensor | None

    @property
    def finished(self) -> Tensor:
        """(B,) bool: every run met its stopping rule or its end time, all in the same way."""
        statuses = torch.stack([run.status for run in self.runs])
        done = torch.stack([run.finished for run in self.runs])
        return done.all(0) & (statuses == statuses[0]).all(0)

    @property
    def followed(self) -> Tensor:
        """(B,) bool: no run failed. How far a run went does not matter to a drift."""
        return ~torch.stack([run.failed for run in self.runs]).any(0)

    @property
    def differences(self) -> Tensor:
        """(T - 1, B) Euclidean distances of the end states of successive runs."""
        states = torch.stack([run.y for run in self.runs])
        return torch.linalg.vector_norm(states[1:] - states[:-1], dim=2)

    @property
    def own_error(self) -> Tensor:
        """(T, B) estimated Euclidean errors of the end states.

        Every run is compared with the tightest. The error of that one is its difference from the one before, reduced by
        the factor that the last two differences have shown, if any: Richardson's argument, without trust in the nominal
        order.
        """
        states = torch.stack([run.y for run in self.runs])
        distances = torch.linalg.vector_norm(states[:-1] - states[-1], dim=2)
        steps = self.differences
        shown = torch.ones_like(steps[-1])
        if len(steps) > 1:
            shown = (steps[-1] / steps[-2].clamp(min=torch.finfo(steps.dtype).tiny)).clamp(max=1.0)
        return torch.cat([distances, (steps[-1] * shown)[None]])

    def worst(self, scale: Tensor | float = 1.0, rows: Tensor | None = None) -> Tensor:
        """(T,) largest drift / scale over the quantities and the trials `rows`, those that were followed if None.

        `scale`, a number, (B, 1) or (B, q), is the size of the terms that make up the quantity.
        """
        if self.drift is None:
            raise InputError("worst() was asked of a refinement without observe=; expected an observed quantity")
        chosen = self.followed if rows is None else rows
        relative = (self.drift / torch.as_tensor(scale, dtype=self.drift.dtype, device=self.drift.device))[:, chosen]
        if not relative.numel():
            raise InputError("worst() was asked of no trial and quantity; expected at least one that was followed")
        return relative.flatten(1).amax(1)

    def curve(self, scale: Tensor | float = 1.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """x (tolerances) and y (worst drift) of the figure drift against tolerance."""
        return self.tolerances, tuple(self.worst(scale).tolist())


def refine(
    field: Field,
    initial: Tensor | ArrayLike,
    tolerances: Sequence[float] = (1e-6, 1e-8, 1e-10),
    *,
    observe: Observe | None = None,
    atol_ratio: float = 1e-3,
    atol: float | Tensor | None = None,
    **options: Any,
) -> Refinement:
    """Integrate one ensemble at each of the falling `tolerances`; `options` go to `integrate`.

    Absolute tolerances are `atol_ratio` times the relative ones, or `atol` in all runs. One method serves all runs: the
    one that `method`, "auto" by default, chooses for the tightest tolerance.
    """
    ladder = tuple(float(tolerance) for tolerance in tolerances)
    _check_ladder(ladder)
    if options.get("method", "auto") == "auto":
        options["method"] = by_name("auto", rtol=ladder[-1])
    runs = tuple(
        integrate(
            field,
            initial,
            rtol=tolerance,
            atol=atol_ratio * tolerance if atol is None else atol,
            observe=observe,
            **options,
        )
        for tolerance in ladder
    )
    drifts = [run.drift for run in runs if run.drift is not None]
    return Refinement(ladder, runs, torch.stack(drifts) if drifts else None)


def drift_falls(
    drift: Tensor | ArrayLike, tolerances: Sequence[float], scale: Tensor | float = 1.0, *, fall: float = FALL
) -> Tensor:
    """Whether the drift falls with the tolerance as an identity demands, (...) bool for `drift`, (T, ...).

    From each tolerance to the next, the drift is divided by at least `fall` per factor of ten, or meets 1e3 machine
    epsilons of `scale`; once there it stays there. A drift that is not finite does not fall.
    """
    ladder = tuple(float(tolerance) for tolerance in tolerances)
    _check_ladder(ladder)
    values = torch.as_tensor(drift, dtype=torch.float64)
    if len(values) != len(ladder):
        raise InputError(f"drift has {len(values)} rows; expected one for each of the {len(ladder)} tolerances")
    at_round_off = values <= ROUND_OFF * torch.as_tensor(scale, dtype=values.dtype, device=values.device)
    return ((fall_factors(values, ladder) >= fall) & torch.isfinite(values[1:]) | at_round_off[1:]).all(0)


def fall_factors(drift: Tensor, tolerances: Sequence[float]) -> Tensor:
    """(T - 1, ...) by how much the drift is divided for a tolerance ten times tighter; `drift` is (T, ...)."""
    decades = drift.new_tensor([math.log10(loose / tight) for loose, tight in pairwise(tolerances)])
    ratio = drift[:-1] / drift[1:]
    return ratio ** (1 / decades).reshape(-1, *[1] * (drift.ndim - 1))


def _check_ladder(tolerances: Sequence[float]) -> None:
    if len(tolerances) < 2 or not all(loose > tight > 0 for loose, tight in pairwise(tolerances)):
        raise InputError(f"tolerances={tuple(tolerances)!r} was given; expected at least two, positive and falling")
