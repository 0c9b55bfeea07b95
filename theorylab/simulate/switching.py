"""Which methods for stiff problems "auto" may turn to, from the size of the field and the tolerance.

Costs are counted in scalar operations, with the evaluation of the field as the unit.
"""

from __future__ import annotations

from theorylab.simulate import control
from theorylab.simulate.kernel.stiff import Stiff
from theorylab.simulate.methods import ROCK4, RODAS5P, ExplicitRungeKutta
from theorylab.simulate.program import Program

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


def rosenbrock_cost(program: Program) -> float:
    """Operations of one Rosenbrock step in evaluations of the field: Jacobian, factors, solutions and stages."""
    size, nodes = len(program.state), max(1, program.nodes)
    return RODAS5P.stages + 1.2 * size + (size**3 / 3 + 2 * RODAS5P.stages * size**2) / nodes


def stiff_methods(program: Program, explicit: ExplicitRungeKutta, rtol: float) -> Stiff | None:
    """The methods that take over where the explicit one is held back by stability; None where it keeps all trials.

    Kinks are located by the explicit method: the others stop short of them, and trials that slide stay with it.
    """
    cost, factored = rosenbrock_cost(program), len(program.state) <= MAX_FACTORED
    if factored and cost < CHEAP:
        return Stiff((RODAS5P,))
    if rtol < LOOSE:
        patience = int(PHASE * cost / explicit.last)
        return Stiff((RODAS5P,), patience=max(control.STIFF_STEPS, patience)) if factored else None
    return Stiff((ROCK4, RODAS5P), stages=max(FEWEST, SHARE * cost)) if factored else Stiff((ROCK4,))
