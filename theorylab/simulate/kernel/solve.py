"""Ensembles of small models solved whole in generated C: the adaptive loop together with the field.

It does what the class AdaptiveRun of integrate.py does, for eight trajectories side by side in each thread, and serves
the same arguments where field and observed quantities are compiled formulas. A row's result depends neither on its
company nor on the number of threads, bit for bit.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate.compiled import Formula
from theorylab.simulate.compiler import Libraries, build
from theorylab.simulate.kernel.source import LANES, OPTIONS, solve_source
from theorylab.simulate.kernel.stiff import Formulas, Stiff
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.stopping import Converged

# Straight-line code of more sub-expressions takes too long to compile; torch integrates it.
MAX_NODES = 12_000
_libraries = Libraries()
_DOUBLES = ("initial", "own", "shared", "starts", "ends", "atol", "times")
_RESULTS = ("t", "y", "field", "step", "error", "saved", "observed", "drift")
_COUNTS = ("status", "accepted", "rejected", "evaluations", "slid", "grazed")


class _Job(ctypes.Structure):
    """`struct job` of solve.c."""

    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "saves", "max_steps", "next", "patience")]
        + [(name, ctypes.c_double) for name in ("rtol", "gtol", "first_step", "stiff")]
        + [(name, ctypes.c_void_p) for name in (*_DOUBLES, *_RESULTS, *_COUNTS)]
    )


class Kernel:
    """A compiled solve for one method, field and set of observed quantities."""

    def __init__(
        self, library: ctypes.CDLL, method: ExplicitRungeKutta, own: np.ndarray, shared: np.ndarray, formulas: Formulas
    ):
        self.method, self.own, self.shared, self.formulas = method, own, shared, formulas
        self.quantities = 0 if formulas.observed is None else len(formulas.observed.roots)
        self._prepare, self._solve = library.prepare, library.solve
        for entry in (self._prepare, self._solve):
            entry.argtypes = [ctypes.POINTER(_Job)]
            entry.restype = ctypes.c_int

    def solve(
        self,
        y: Tensor,
        starts: Tensor,
        ends: Tensor,
        *,
        rtol: float,
        atol: Tensor,
        until: Converged | None,
        times: Tensor,
        observes: bool,
        first_step: float | None,
        max_steps: int,
        threads: int | None = None,
        stiff: Stiff | None = None,
    ) -> Solution:
        """The arguments are those of `integrate`, checked; `threads` is the number of processors if None.

        stiff: the method for trials that turn stiff, and for those that are stiff from the start.
        """
        count, dim = y.shape
        held = {
            "initial": y.numpy(),
            "own": self.own[:count],
            "shared": self.shared,
            "starts": starts.numpy(),
            "ends": ends.numpy(),
            "atol": atol.expand(dim).numpy(),
            "times": times.numpy(),
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in held.items()}
        shapes = {"y": (dim,), "field": (dim,), "observed": (self.quantities,), "drift": (self.quantities,)}
        arrays |= {name: np.zeros((count, *shapes.get(name, ()))) for name in _RESULTS if name != "saved"}
        arrays["saved"] = np.full((count, len(times), dim), np.nan)
        arrays |= {name: np.zeros(count, dtype=np.int64) for name in _COUNTS}
        job = _Job(
            count=count,
            saves=len(times),
            max_steps=max_steps,
            next=0,
            patience=0 if stiff is None else stiff.patience,
            rtol=rtol,
            gtol=0.0 if until is None else until.gtol,
            first_step=first_step or 0.0,
            stiff=0.0 if stiff is None else stiff.limit(self.method),
            **{name: array.ctypes.data for name, array in arrays.items()},
        )
        _check(self._prepare(ctypes.byref(job)))
        number = threads or min(processors(), -(-count // LANES))

        def explicit(switching: bool) -> None:
            job.next, job.stiff = 0, job.stiff if switching else 0.0
            run(lambda: self._solve(ctypes.byref(job)), number)

        finisher: Sequence[str] = ()
        if stiff is None:
            explicit(False)
        else:
            numbers = {name: getattr(job, name) for name in ("count", "saves", "max_steps", "rtol", "gtol")}
            finisher = stiff.alternate(
                self.formulas, self.method, arrays, numbers, explicit, lambda work: run(work, number)
            ).tolist()
        # Methods for stiff problems do not locate kinks.
        located = stiff is None or not stiff.alone
        tensors = {name: torch.from_numpy(arrays[name]) for name in (*_RESULTS, *_COUNTS)}
        return Solution(
            t=tensors["t"],
            y=tensors["y"],
            field=tensors["field"],
            status=tensors["status"],
            stats=Stats(tensors["accepted"], tensors["rejected"], tensors["evaluations"]),
            error_estimate=tensors["error"],
            saved=tensors["saved"] if len(times) else None,
            observed=tensors["observed"] if observes else None,
            drift=tensors["drift"] if observes else None,
            slid=tensors["slid"].bool() if located else None,
            grazed=tensors["grazed"].bool() if located else None,
            method=stiff.methods[0].name if stiff is not None and stiff.alone else self.method.name,
            rtol=rtol,
            finisher=tuple(finisher),
        )


def kernel(field: Any, observe: Any, until: Any, method: ExplicitRungeKutta, y: Tensor) -> Kernel | None:
    """The kernel for a call of `integrate` on states y, (B, D); None where torch has to integrate.

    It serves compiled formulas on the CPU that stop at an end time or at convergence, as long as their straight-line
    code is of a size to compile.
    """
    if type(field) is not Formula or not (observe is None or type(observe) is Formula):
        return None
    if not (until is None or type(until) is Converged) or y.device.type != "cpu":
        return None
    formulas = [field] if observe is None else [field, observe]
    count, dim = y.shape
    if len(field.program.roots) != dim or any(
        len(f.program.state) != dim or len(f.constants) < count for f in formulas
    ):
        return None
    if sum(f.program.nodes for f in formulas) > MAX_NODES:
        return None
    common = [_common(f.constants[:count]) & (not f.own) for f in formulas]
    patterns = [tuple(map(bool, c)) for c in common] + [()] * (2 - len(common))
    parts = Formulas(field.program, None if observe is None else observe.program, *patterns)
    found = library(method, parts)
    if found is None:
        return None
    own = np.concatenate([f.constants[:, ~c] for f, c in zip(formulas, common, strict=True)], 1)
    shared = np.concatenate([f.constants[0, c] for f, c in zip(formulas, common, strict=True)])
    return Kernel(found, method, own, shared, parts)


def _common(constants: np.ndarray) -> np.ndarray:
    """Which columns hold one value for all trials, bit for bit; for a single trial, none."""
    bits = constants.view(np.int64)
    return (bits == bits[:1]).all(0) & (len(bits) > 1)


def library(method: ExplicitRungeKutta, formulas: Formulas) -> ctypes.CDLL | None:
    """The compiled solve, made once a process; None where there is no compiler."""
    return _libraries.get((method, formulas), lambda: build(solve_source(method, *formulas), OPTIONS))


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[], int], threads: int) -> None:
    """Do `work` in several threads; ctypes releases the interpreter while it lasts."""
    codes: list[int] = []
    others = [threading.Thread(target=lambda: codes.append(work())) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    codes.append(work())
    for thread in others:
        thread.join()
    for code in codes:
        _check(code)


def _check(code: int) -> None:
    if code:
        raise MemoryError("no memory for the work space of an ensemble")
