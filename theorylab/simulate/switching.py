"""How an explicit method and methods for stiff problems share the trials of an ensemble, in all back-ends.

Which methods "auto" may turn to depends on the size of the field and the tolerance. Costs are counted in scalar
operations, with the evaluation of the field as the unit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from theorylab.simulate import control
from theorylab.simulate.methods import ROCK4, RODAS5P, ExplicitRungeKutta, Rosenbrock, Stabilised

# Codes of trials that go on, as in solve.c and stiff.h.
RUNNING, STIFF, EASED, STIFFER = -1, -2, -3, -4
# A kink this near, in steps below which the explicit method takes over again, is left to it.
REACH = 10.0

# The order 4 of the stabilised method pays down to this tolerance.
LOOSE = 1e-7
# Beyond this many coordinates, factors of the Jacobian cost more than stages.
MAX_FACTORED = 150
# A Rosenbrock step that costs less than this many evaluations is the better one from the start; where it costs more, it
# is from this share of its cost that a stabilised step gives way, since Rosenbrock steps are that much longer.
CHEAP = 40.0
SHARE = 1 / 8
FEWEST = 20.0
# How many Rosenbrock steps a stiff phase takes, about: before an explicit method turns to expensive ones, it has spent
# as much on stiff steps, so that the choice costs at most twice what the better one would have.
PHASE = 100


@dataclass(frozen=True)
class Stiff:
    """Methods for stiff problems that share the trials of an ensemble with an explicit one.

    methods    the one that takes over from the explicit method, and perhaps one that takes over from it
    alone      all trials start with the first of `methods`; the explicit one does no more than take them across kinks
    stages     number of stages from which a stabilised method gives way to the second
    patience   stiff steps before the explicit method gives way
    """

    methods: tuple[Stabilised | Rosenbrock, ...]
    alone: bool = False
    stages: float = math.inf
    patience: int = control.STIFF_STEPS

    def limit(self, explicit: ExplicitRungeKutta) -> float:
        """Step times spectral radius beyond which steps of the explicit method count as stiff."""
        return sys.float_info.min if self.alone else control.STIFF_LIMIT * explicit.interval

    def alternate(
        self,
        explicit: ExplicitRungeKutta,
        status: np.ndarray,
        solve_explicit: Callable[[bool], None],
        solve_stiff: Callable[[Stabilised | Rosenbrock, Mapping[str, float]], bool],
    ) -> tuple[str, ...]:
        """Solve prepared trials in turns; returns the name of the method that finished each.

        status: (trials,) codes, read and set between turns. `solve_explicit(switching)` and `solve_stiff(method,
        limits)` run the trials that are RUNNING; the second returns False where there is no code for the method, and
        `limits` are numbers of its job. Each turn takes a trial some steps further, so the turns end.
        """
        names = (explicit.name, *(method.name for method in self.methods))
        last = np.zeros(len(status), dtype=np.int8)
        if self.alone:
            status[status == RUNNING] = STIFF
        calm = control.EASY_LIMIT * explicit.interval
        limits = {"easy": 0.0 if self.alone else calm, "near": REACH * calm}
        while True:
            going = status == RUNNING
            if going.any():
                solve_explicit(True)
                last[going] = 0
            if status.min() >= 0:
                return tuple(names[number] for number in last.tolist())
            for number, (method, code) in enumerate(zip(self.methods, (STIFF, STIFFER), strict=False), 1):
                mine = status == code
                if not mine.any():
                    continue
                status[mine] = RUNNING
                last[mine] = number
                if not solve_stiff(method, {**limits, "hard": self._hard(method)}):
                    status[status < 0] = RUNNING
                    last[mine] = 0
                    solve_explicit(False)
                    break
                status[status == EASED] = RUNNING

    def _hard(self, method: Stabilised | Rosenbrock) -> float:
        """Step times spectral radius from which the second method takes over."""
        if len(self.methods) == 1 or isinstance(method, Rosenbrock):
            return math.inf
        # The largest interval is an upper limit of the steps themselves, which keep a distance to it.
        within = [m.interval for m in method.members if m.stages <= self.stages]
        return 0.9 * max(within, default=0.0) / control.RADIUS_SAFETY


def rosenbrock_cost(size: int, operations: float) -> float:
    """Operations of one Rosenbrock step in evaluations of the field: Jacobian, factors, solutions and stages."""
    return RODAS5P.stages + 1.2 * size + (size**3 / 3 + 2 * RODAS5P.stages * size**2) / max(1, operations)


def stiff_methods(size: int, operations: float, explicit: ExplicitRungeKutta, rtol: float) -> Stiff | None:
    """The methods that take over where the explicit one is held back by stability; None where it keeps all trials.

    size, operations: coordinates of a state, and scalar operations of one evaluation of the field.

    Kinks are located by the explicit method: the others stop short of them, and trials that slide stay with it.
    """
    cost, factored = rosenbrock_cost(size, operations), size <= MAX_FACTORED
    if factored and cost < CHEAP:
        return Stiff((RODAS5P,))
    if rtol < LOOSE:
        patience = int(PHASE * cost / explicit.last)
        return Stiff((RODAS5P,), patience=max(control.STIFF_STEPS, patience)) if factored else None
    return Stiff((ROCK4, RODAS5P), stages=max(FEWEST, SHARE * cost)) if factored else Stiff((ROCK4,))
