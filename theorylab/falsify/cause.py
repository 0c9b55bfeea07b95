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
