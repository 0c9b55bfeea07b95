"""A given data set (x, y), checked and made exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.errors import InputError
from theorylab.readings.array import Array, is_number


def checked_data(data: Any) -> Any:
    """None, a function of the case, or a pair of finite arrays made exact."""
    if data is None or callable(data):
        return data
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise InputError(f"data is {type(data).__name__}; expected a pair (x, y) or a function of the case")
    return tuple(_exact_array(part, name) for part, name in zip(data, "xy", strict=True))


def _exact_array(values: Any, name: str) -> Array:
    from theorylab.readings.exact import Exact

    if isinstance(values, Array):
        return values
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    raw = np.array(values, dtype=object)
    if not raw.size:
        raise InputError(f"data {name} is empty; expected an array with one sample a column")
    for entry in raw.reshape(-1):
        if not isinstance(entry, Fraction) and not (is_number(entry) or isinstance(entry, np.number)):
            raise InputError(
                f"data {name} contains {type(entry).__name__} {entry!r}; expected a rectangular array of numbers"
            )
        if isinstance(entry, (float, np.floating)) and not np.isfinite(entry):
            raise InputError(f"data {name} contains {entry}; expected finite numbers")
    return Exact.constant(raw)
