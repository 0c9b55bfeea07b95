"""How much work one evaluation is, before anything is written out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from theorylab.errors import InputError

_REFUSED = ("can't allocate memory", "out of memory")
MAX_OPERATIONS = 200_000
"""Scalar operations beyond which the exact reading is not tried: it would take long to turn out too long."""


def check_memory(shapes: Mapping[str, tuple[int, ...]], trials: int) -> None:
    """Raise InputError where the values of an ensemble alone would not fit into the memory of the machine."""
    size = 8.0 * trials * sum(math.prod(shape) for shape in shapes.values())
    there = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if hasattr(os, "sysconf") else math.inf
    if size > there:
        largest = max(shapes, key=lambda name: math.prod(shapes[name]))
        raise InputError(
            f"{trials} trials with {largest!r} of shape {shapes[largest]} take {size / 2**30:.0f} GiB; expected sizes "
            f"that fit into {there / 2**30:.0f} GiB of memory"
        )


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn a refused allocation into an InputError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _REFUSED):
            raise
        raise InputError("the ensemble does not fit into memory; expected smaller sizes or fewer trials") from error


class Operations(TorchDispatchMode):
    """Counts scalar operations: the entries of every result, times the inner size for products of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            inner = args[-2].shape[-1] if func.overloadpacket.__name__ in ("mm", "bmm", "addmm", "baddbmm") else 1
            self.total += result.numel() * inner
        return result
