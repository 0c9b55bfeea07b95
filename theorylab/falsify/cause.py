"""What became of a case under attack: one cause, one exception class, so that a shrinker can hold the cause fixed."""

from __future__ import annotations

from enum import IntEnum


class Cause(IntEnum):
    """Why a case counts as a violation, or why it does not; the order is that in which causes are asked."""

    LAW_BROKEN = 0
    WITHIN_TOLERANCE = 1
    OUTSIDE_HYPOTHESES = 2
    CRITICAL_POINT = 3
    BLOW_UP = 4
    NOT_CONVERGED = 5
    OUTSIDE_DOMAIN = 6

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    Cause.LAW_BROKEN: "law broken",
    Cause.WITHIN_TOLERANCE: "within tolerance",
    Cause.OUTSIDE_HYPOTHESES: "outside the hypotheses",
    Cause.CRITICAL_POINT: "at a critical point",
    Cause.BLOW_UP: "blow-up",
    Cause.NOT_CONVERGED: "not converged",
    Cause.OUTSIDE_DOMAIN: "outside the domain",
}


class Attack(AssertionError):
    """What an attack on a claim shows at one case; each cause has its own class, which Hypothesis holds fixed."""

    cause: Cause


class LawBroken(Attack):
    """A case contradicts a claim."""

    cause = Cause.LAW_BROKEN


class WithinTolerance(Attack):
    """The claim holds, as far as the error of the integrator lets one see."""

    cause = Cause.WITHIN_TOLERANCE


class OutsideHypotheses(Attack):
    """A hypothesis does not hold in the case."""

    cause = Cause.OUTSIDE_HYPOTHESES


class AtCriticalPoint(Attack):
    """The run starts where the flow rests."""

    cause = Cause.CRITICAL_POINT


class BlowUp(Attack):
    """The run leaves every bound, or the integrator lost it."""

    cause = Cause.BLOW_UP


class NotConverged(Attack):
    """The run did not converge within the horizon."""

    cause = Cause.NOT_CONVERGED


class OutsideDomain(Attack):
    """A formula has no value in the case."""

    cause = Cause.OUTSIDE_DOMAIN


FAILURES: dict[Cause, type[Attack]] = {kind.cause: kind for kind in Attack.__subclasses__()}
