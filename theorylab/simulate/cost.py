"""How much work one evaluation is, before anything is written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MAX_OPERATIONS = 200_000
"""Scalar operations beyond which the exact reading is not tried: it would take long to turn out too long."""


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
