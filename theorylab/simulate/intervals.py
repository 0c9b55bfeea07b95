"""Confidence intervals for a mean from independent samples, at a level that is stated in advance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.errors import InputError

DOMINATES = 0.1
"""A sample that carries this share of the variance makes Student's interval doubtful, if normal ones seldom do."""


@dataclass(frozen=True)
class Interval:
    """An interval [low, high] for a mean, the sample mean, the rule it comes from, and why it is doubtful if it is."""

    low: float
    high: float
    mean: float
    rule: str
    doubt: str = ""

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def interval(samples: np.ndarray, level: float, values: Any = None, within: float = 0.0) -> Interval:
    """An interval that contains the mean with probability `level`; samples (n,), those without a value being nan.

    values: "boolean" (Clopper and Pearson), a range (low, high) (Maurer and Pontil, COLT 2009, theorem 4, for both
    sides), or None (Student). Samples without a value count as either end of a range; without a range they make the
    interval doubtful. within: a distance from the mean at which a sample is not thought to dominate.
    Raises InputError for samples outside of what was stated.
    """
    known = samples[np.isfinite(samples)]
    missing = len(samples) - len(known)
    if values is None:
        return _student(known, missing, level, within)
    low, high = (0.0, 1.0) if values == "boolean" else (float(values[0]), float(values[1]))
    if values == "boolean" and not np.isin(known, (0.0, 1.0)).all():
        raise InputError(f"a quantity that was stated to be boolean has the value {known[~np.isin(known, (0, 1))][0]}")
    if known.size and not (low <= known.min() and known.max() <= high):
        outside = known[(known < low) | (known > high)][0]
        raise InputError(f"a quantity that was stated to lie in [{low:g}, {high:g}] has the value {outside}")
    rule = clopper_pearson if values == "boolean" else bernstein
    ends = [rule(np.append(known, np.full(missing, end)), level, low, high) for end in (low, high)]
    found = ends[0] if not missing else Interval(ends[0].low, ends[1].high, ends[0].mean, ends[0].rule)
    if missing > 0.5 * len(samples):
        return Interval(
            found.low, found.high, found.mean, found.rule, f"{missing} of {len(samples)} samples have no value"
        )
    return found


def clopper_pearson(samples: np.ndarray, level: float, low: float = 0.0, high: float = 1.0) -> Interval:
    """The exact interval of a probability: each end is where the count becomes too unlikely on its side."""
    from scipy.stats import beta

    n, k = len(samples), int(samples.sum())
    tail = (1 - level) / 2
    least = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    most = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return Interval(least, most, k / n, "Clopper-Pearson")


def bernstein(samples: np.ndarray, level: float, low: float, high: float) -> Interval:
    """The sample mean and sqrt(2 V log(4 / d) / n) + 7 (high - low) log(4 / d) / (3 (n - 1)) to each side.

    V is the sample variance, d = 1 - level.
    """
    n, mean = len(samples), float(samples.mean())
    log = float(np.log(4 / (1 - level)))
    width = float(np.sqrt(2 * samples.var(ddof=1) * log / n)) + 7 * (high - low) * log / (3 * (n - 1))
    return Interval(max(mean - width, low), min(mean + width, high), mean, "empirical Bernstein")


def _student(known: np.ndarray, missing: int, level: float, within: float) -> Interval:
    from scipy.stats import t

    if len(known) < 2:
        return Interval(-np.inf, np.inf, np.nan, "Student", f"{missing} samples have no value")
    mean, squares = float(known.mean()), (known - known.mean()) ** 2
    total = float(squares.sum())
    width = float(t.ppf((1 + level) / 2, len(known) - 1)) * float(known.std(ddof=1)) / np.sqrt(len(known))
    # rounding in the samples is no scatter of theirs
    width += 4 * float(np.finfo(float).eps) * float(np.abs(known).max())
    doubt = ""
    if missing:
        doubt = f"{missing} of {missing + len(known)} samples have no value"
    elif float(squares.max()) > max(DOMINATES * total, 8 * np.log(len(known)) / len(known) * total, within**2):
        doubt = (
            f"one sample carries {float(squares.max()) / total:.0%} of the variance, so the mean is not nearly normal"
        )
    return Interval(mean - width, mean + width, mean, "Student", doubt)
