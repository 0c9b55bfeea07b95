"""Float64 ensembles of trajectories."""

from __future__ import annotations

from theorylab.simulate.events import Event, Occurrences, event
from theorylab.simulate.extrapolate import Extrapolation
from theorylab.simulate.fixed import integrate_fixed
from theorylab.simulate.integrate import integrate
from theorylab.simulate.quantities import Drift
from theorylab.simulate.random import ensemble, generator
from theorylab.simulate.refine import Refinement, drift_falls, fall_factors, refine
from theorylab.simulate.run import Run, simulate
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged, converged

__all__ = [
    "Converged",
    "Drift",
    "Event",
    "Extrapolation",
    "Occurrences",
    "Refinement",
    "Run",
    "Solution",
    "Stats",
    "Status",
    "converged",
    "drift_falls",
    "ensemble",
    "event",
    "fall_factors",
    "generator",
    "integrate",
    "integrate_fixed",
    "refine",
    "simulate",
]
