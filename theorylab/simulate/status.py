"""How a trajectory ended."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Why a trajectory stopped; `advice` is one sentence on what to make of it."""

    CONVERGED = 0
    T_END = 1
    MAX_STEPS = 2
    STEP_TOO_SMALL = 3
    NON_FINITE = 4
    CHATTERING = 5
    UNRESOLVED_SLIDE = 6
    EVENT = 7

    @property
    def label(self) -> str:
        """The name as users see it: "t_end", "non_finite", ..."""
        return self.name.lower()

    @property
    def advice(self) -> str:
        return _ADVICE[self]

    @property
    def finished(self) -> bool:
        """Whether the trajectory did what was asked: it met the stopping rule, an event or the end time."""
        return self in (Status.CONVERGED, Status.T_END, Status.EVENT)

    @property
    def failed(self) -> bool:
        """Whether the solution itself got lost, so that the last state means little."""
        return self in (Status.STEP_TOO_SMALL, Status.NON_FINITE)


_ADVICE = {
    Status.CONVERGED: "The stopping rule was met at the time given.",
    Status.T_END: "The end time was reached; if a limit was wanted, the stopping rule was not met by then.",
    Status.MAX_STEPS: "The step limit came first: raise max_steps, loosen rtol, or suspect stiffness.",
    Status.STEP_TOO_SMALL: "No step above the resolution of time met the tolerance: the solution blows up, or the "
    "field jumps against itself, or rtol is below what float64 can do.",
    Status.NON_FINITE: "The field was not finite however small the step: check the domain of the formulas and the "
    "size of the initial values.",
    Status.CHATTERING: "The field jumped in most steps, and at their pace the end is more than max_steps away, as "
    "where the true solution slides along a kink: what was computed up to the time given holds.",
    Status.UNRESOLVED_SLIDE: "The solution meets more kinks at once than can be told apart, or kinks of several "
    "layers whose fractions were not found: what was computed up to the time given holds.",
    Status.EVENT: "An event given in until= happened at the time given.",
}
