"""Several pieces of work on all processors, with results in order.

Claims hold functions and cannot be sent to another process, so workers are forked when everything is loaded. Where
there is no fork, or only one processor or one piece, the work is done here. Results do not depend on which.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_work: tuple[Callable[[Any], Any], Sequence[Any]] | None = None


class Listener(Protocol):
    def started(self, claim_id: str) -> None: ...


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[Any], T], items: Sequence[tuple[str, Any]], listener: Listener, workers: int | None = None
) -> Iterator[T]:
    """work(item) for every (name, ...) item, in order; the first exception ends it."""
    global _work
    workers = min(workers or processors(), len(items))
    prepare()
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        for item in items:
            listener.started(item[0])
            yield work(item)
        return
    _work = (work, items)
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))
    try:
        pending = [pool.submit(_nth, n) for n in range(len(items))]
        for item, future in zip(items, pending, strict=True):
            listener.started(item[0])
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _work = None


def prepare() -> None:
    """Before forking: small tensors gain nothing from threads, and torch loads its differentiation once (3 s)."""
    import torch

    torch.set_num_threads(1)
    torch.func.grad(lambda x: x * x)(torch.ones(()))


def _nth(number: int) -> Any:
    assert _work is not None
    work, items = _work
    return work(items[number])
