"""A GPU in name only: tensors that say they lie on another device, "meta", and are computed on the CPU.

What a GPU refuses they refuse: arithmetic with tensors of the CPU, and numpy. What is made without a device is on the
CPU. Forward derivatives of matrix products are beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only

DEVICE = torch.device("meta")


class Pretended(Tensor):
    """A tensor of the CPU, `held`, that says it is on the GPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Pretended:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Pretended({self.held!r})"

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a tensor on a GPU has no numpy array")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a tensor on a GPU has no numpy array")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


# Indices may be on the CPU, and a copy goes from one device to the other.
_MIXED = ("index", "index_put", "index_put_", "_index_put_impl_", "copy_")


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.name().split("::")[1].split(".")[0]
    flat, _ = tree_flatten((args, kwargs))
    tensors = [x for x in flat if isinstance(x, Tensor)]
    ours = any(isinstance(x, Pretended) for x in tensors)
    given = kwargs.get("device")
    if given is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
        ours = torch.device(given).type == DEVICE.type
    elif ours and name not in _MIXED:
        strangers = [x for x in tensors if not isinstance(x, Pretended) and x.ndim]
        if strangers:
            raise RuntimeError(f"{name} was given tensors of shape {tuple(strangers[0].shape)} on the CPU")
    if name == "copy_":
        ours = isinstance(args[0], Pretended)
    plain_args, plain_kwargs = tree_map_only(Pretended, lambda x: x.held, (args, kwargs))
    result = func(*plain_args, **plain_kwargs)
    if not ours:
        return result
    if func._schema.name.endswith("_") and args and isinstance(args[0], Pretended) and result is args[0].held:
        return args[0]
    return tree_map(lambda x: Pretended(x) if isinstance(x, Tensor) and not isinstance(x, Pretended) else x, result)


class _Moves(TorchFunctionMode):
    """Data become tensors of the CPU, which are then moved, so that dispatch sees it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            return func(*args, **{**kwargs, "device": None}).to(kwargs["device"])
        return func(*args, **kwargs)


class _Computes(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Within it tensors can be made on, and moved to, `DEVICE`."""
    with _Moves(), _Computes():
        yield
