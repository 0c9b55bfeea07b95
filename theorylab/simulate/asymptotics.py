"""What local slopes say of an exponent: a band in which their limit lies, unless they have not settled.

Where |q| = C v^e (1 + a v^delta + ...) the slopes of log |q| against log v approach e geometrically along a geometric
ladder; with powers of log v they approach it like 1 / log v. A band that allows for logarithms unless the slopes
clearly settle faster decides nothing wrongly: it is wide where the ladder is too short to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

Outcome = Literal["for", "against", "open", "zero"]

RESOLVED = 300.0
"""A value counts if it is so many times its error."""

POINTS = 4
NEAR = 0.05
"""A claimed exponent is supported if the whole band lies within this of it, and refuted if it stays away."""

AWAY = 0.01
UNSETTLED = 2e-3
"""Slopes that change by more than this, and by more each time or back and forth, have not settled."""

SAFETY = 1.5
FASTER = 0.8
"""Differences of slopes that shrink by this factor more than logarithms allow are taken to shrink geometrically."""

STAYS = 0.9
"""A quantity that keeps this share of its value, whatever logarithm it hides, does not tend to zero."""


@dataclass(frozen=True)
class Trend:
    """Local slopes of log |q| against log v towards the limit, and the band [low, high] in which they end."""

    v: np.ndarray
    q: np.ndarray
    slopes: np.ndarray
    low: float
    high: float

    @property
    def last(self) -> float:
        return float(self.slopes[-1])


def trend(v: Sequence[float] | np.ndarray, q: np.ndarray, error: np.ndarray) -> Trend | None:
    """The trend of |q|, (J,), with errors (J,), at v, (J,), ordered towards the limit; None with too few values.

    Values that are lost in their errors are left out, and so is all that lies beyond them.
    """
    v, q = np.asarray(v, float), np.abs(np.asarray(q, float))
    known = np.isfinite(q) & np.isfinite(error) & (q > RESOLVED * error) & (q > 0)
    first, last = _block(known)
    if last - first < POINTS:
        return None
    v, q, error = v[first:last], q[first:last], np.asarray(error, float)[first:last]
    step = np.diff(np.log(v))
    slopes = np.diff(np.log(q)) / step
    noise = (error[1:] / q[1:] + error[:-1] / q[:-1]) / np.abs(step)
    low, high = _band(v, slopes, noise)
    return Trend(v, q, slopes, low, high)


def _block(known: np.ndarray) -> tuple[int, int]:
    """The longest block of known values; the last of several."""
    best, start = (0, 0), 0
    for i in range(len(known) + 1):
        if i == len(known) or not known[i]:
            if i > start and i - start >= best[1] - best[0]:
                best = (start, i)
            start = i + 1
    return best


def _scales(v: np.ndarray) -> np.ndarray:
    """How many steps of the ladder lie behind each value, counted from 1 or from the first, whichever is more."""
    logs = np.abs(np.log(v))
    behind = np.maximum(logs, np.abs(np.log(v / v[0])))
    return behind / np.abs(np.log(v[-1] / v[-2]))


def _band(v: np.ndarray, slopes: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    changes = np.diff(slopes)
    scales = _scales(v)
    blur = float(noise[-2:].max())
    last, before = float(changes[-1]), float(changes[-2]) if len(changes) > 1 else float(changes[-1])
    quiet = 5 * float((noise[1:] + noise[:-1]).max()) + 1e-9
    if abs(last) > max(quiet, UNSETTLED) and (last * before < 0 or abs(last) > 1.02 * abs(before)):
        reach = abs(last) * scales[-1] + float(np.ptp(slopes))
        return float(slopes[-1]) - reach, float(slopes[-1]) + reach
    rest = last * SAFETY * float(scales[-1])
    if len(changes) >= 3 and _geometric(changes, scales):
        ratio = max(
            changes[-1] / changes[-2] if changes[-2] else 0.0, changes[-2] / changes[-3] if changes[-3] else 0.0, 0.0
        )
        rest = 2 * last * ratio / (1 - ratio)
    pad = 3 * blur + 0.1 * abs(rest)
    return float(slopes[-1]) + min(rest, 0.0) - pad, float(slopes[-1]) + max(rest, 0.0) + pad


def _geometric(changes: np.ndarray, scales: np.ndarray) -> bool:
    """Whether slopes settle clearly faster than those of a power of a logarithm, whose changes fall like 1 / L^2."""
    for k in (1, 2):
        ratio = changes[-k] / changes[-k - 1] if changes[-k - 1] else 0.0
        if not -0.5 < ratio <= FASTER * (scales[-k - 1] / scales[-k]) ** 2:
            return False
    return True


def exponent_outcome(found: Trend | None, exponent: float, sense: str) -> Outcome:
    """What a trend says of a claimed exponent."""
    if found is None or not np.isfinite(exponent):
        return "open"
    above, below = found.low > exponent + AWAY, found.high < exponent - AWAY
    if sense == "==":
        if above or below:
            return "against"
        return "for" if exponent - NEAR <= found.low and found.high <= exponent + NEAR else "open"
    if sense == ">=":
        return "against" if below else "for" if found.low >= exponent - NEAR else "open"
    return "against" if above else "for" if found.high <= exponent + NEAR else "open"


def vanishing_outcome(found: Trend | None, rising: bool) -> Outcome:
    """Whether |q| tends to zero: for where it falls like a power, against where it stays, logarithms allowed."""
    if found is None:
        return "open"
    towards_zero = -found.high if rising else found.low
    if towards_zero >= NEAR:
        return "for"
    q = found.q
    falls = np.array([a - b for a, b in pairwise(q[-4:])])
    if (falls <= 0).all():
        return "against"
    rest = SAFETY * float(max(falls[-1], 0.0)) * float(_scales(found.v)[-1])
    settled = bool((np.abs(falls) <= 0.05 * q[-1]).all())
    return "against" if settled and q[-1] - rest > STAYS * q[-1] else "open"
