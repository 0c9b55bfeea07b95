"""Float64 ensembles of trajectories."""

from __future__ import annotations

from theorylab.simulate.integrate import integrate
from theorylab.simulate.random import ensemble, generator
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged, converged

__all__ = ["Converged", "Solution", "Stats", "Status", "converged", "ensemble", "generator", "integrate"]
