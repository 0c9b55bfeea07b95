"""Named arrays in an exact reading: at given sizes, or for all sizes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

from theorylab.errors import InputError
from theorylab.readings.array import Array, Size

Dims = Mapping[str, int]
TIME = "c.t"
"""The letter of the time in exact readings; no parameter can have this name."""

PREFERRED = {"d": 3, "k": 4, "m": 2, "n": 5, "N": 4, "M": 2}


def resolve(shape: Sequence[Size], dims: Dims) -> tuple[int, ...]:
    """A shape with sizes replaced by numbers."""
    missing = [s for s in shape if isinstance(s, str) and s not in dims]
    if missing:
        raise InputError(f"the size {missing[0]!r} has no value; expected it in dims, e.g. dims=dict({missing[0]}=3)")
    return tuple(s if isinstance(s, int) else dims[s] for s in shape)


def complete_dims(sizes: Sequence[str], given: Dims | None, fixed: Dims | None = None) -> dict[str, int]:
    """Given sizes checked, those that data fix, and small default values for the others."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"dims is {type(given).__name__} {given!r}; expected sizes by name, e.g. dims=dict(d=3)")
    given = dict(given or {})
    for name, value in given.items():
        if name not in sizes:
            known = ", ".join(sorted(sizes)) or "none"
            raise InputError(f"dims gives a value to the unknown size {name!r}; expected one of: {known}")
        try:
            given[name] = 0 if isinstance(value, bool) else operator.index(value)
        except TypeError:
            given[name] = 0
        if given[name] < 1:
            raise InputError(f"dims gives {name}={value!r}; expected a positive integer")
    known = {s: n for s, n in (fixed or {}).items() if s in sizes}
    for name, value in known.items():
        if given.setdefault(name, value) != value:
            raise InputError(f"dims gives {name}={given[name]}; expected {name}={value}, which the data have")
    return {s: given.get(s, PREFERRED.get(s, 3)) for s in sorted(sizes)}


def maker(dims: Dims | None) -> Callable[[str, Sequence[Size], str], Array]:
    """A function (name, shape, sign) -> array: `Exact` at the given sizes, `Indexed` for dims=None."""
    if dims is None:
        from theorylab.readings.indexed import Indexed

        return lambda name, shape, sign="any": Indexed.letter(name, shape, sign)
    from theorylab.readings.exact import Exact

    return lambda name, shape, sign="any": Exact.variable(name, resolve(shape, dims))


def ones(dims: Dims) -> Callable[[str, Sequence[Size], str], Array]:
    """A function (name, shape, sign) -> array of ones in the numeric reading, for shapes at sizes of any magnitude."""
    import torch

    from theorylab.readings.numeric import Numeric

    return lambda name, shape, sign="any": Numeric(torch.ones(resolve(shape, dims), dtype=torch.float64, device="cpu"))
