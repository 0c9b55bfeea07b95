"""Ensembles of small models solved whole in generated C: the adaptive loop together with the field.

It does what the class AdaptiveRun of integrate.py does, for eight trajectories side by side in each thread, and serves
the same arguments where field and observed quantities are compiled formulas. A row's result depends neither on its
company nor on the number of threads, bit for bit.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate.compiled import Formula
from theorylab.simulate.compiler import Libraries, build
from theorylab.simulate.kernel.source import LANES, OPTIONS, solve_source
from theorylab.simulate.kernel.stiff import Formulas, Stiff, StiffJob
from theorylab.simulate.kernel.stiff import library as stiff_library
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised
from theorylab.simulate.program import Program
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.stopping import Converged

# Straight-line code of more sub-expressions takes too long to compile; torch integrates it.
MAX_NODES = 12_000
# Constants of fewer numbers than these are kept with a formula for its next run.
_SMALL = 100_000
_libraries = Libraries()
GIVEN = ("initial", "own", "shared", "starts", "ends", "atol", "times")
RESULTS = ("t", "y", "field", "step", "error", "saved", "observed", "drift")
COUNTS = ("status", "accepted", "rejected", "evaluations", "slid", "grazed")


class Job(ctypes.Structure):
    """`struct job` of solve.c."""

    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "saves", "max_steps", "next", "patience")]
        + [(name, ctypes.c_double) for name in ("rtol", "gtol", "first_step", "stiff")]
        + [(name, ctypes.c_void_p) for name in (*GIVEN, *RESULTS, *COUNTS)]
    )


class Kernel:
    """A compiled solve for one method, field and set of observed quantities."""

    def __init__(
        self, library: ctypes.CDLL, method: ExplicitRungeKutta, own: np.ndarray, shared: np.ndarray, formulas: Formulas
    ):
        self.method, self.formulas = method, formulas
        self.own, self.shared = np.ascontiguousarray(own), np.ascontiguousarray(shared)
        self._own_address, self._shared_address = self.own.ctypes.data, self.shared.ctypes.data
        self.quantities = 0 if formulas.observed is None else len(formulas.observed.roots)
        self._prepare, self._solve = library.prepare, library.solve
        for entry in (self._prepare, self._solve):
            entry.argtypes = [ctypes.POINTER(Job)]
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
        (count, dim), saves = y.shape, len(times)
        given = (y, starts, ends, atol.expand(dim), times)
        initial, starts, ends, atol, times = (tensor.contiguous() for tensor in given)
        addresses = {
            "initial": initial.data_ptr(),
            "own": self._own_address,
            "shared": self._shared_address,
            "starts": starts.data_ptr(),
            "ends": ends.data_ptr(),
            "atol": atol.data_ptr(),
            "times": times.data_ptr(),
        }
        shapes = {"y": (dim,), "field": (dim,), "observed": (self.quantities,), "drift": (self.quantities,)}
        results = _block(np.float64, count, {name: shapes.get(name, ()) for name in RESULTS if name != "saved"})
        counts = _block(np.int64, count, dict.fromkeys(COUNTS, ()))
        saved = np.full((count, saves, dim), np.nan)
        arrays = {name: array for name, (array, _) in (results | counts).items()} | {"saved": saved}
        addresses |= {name: address for name, (_, address) in (results | counts).items()}
        addresses["saved"] = saved.ctypes.data
        job = Job(
            count=count,
            saves=saves,
            max_steps=max_steps,
            next=0,
            patience=0 if stiff is None else stiff.patience,
            rtol=rtol,
            gtol=0.0 if until is None else until.gtol,
            first_step=first_step or 0.0,
            stiff=0.0 if stiff is None else stiff.limit(self.method),
            **addresses,
        )
        _check(self._prepare(ctypes.byref(job)))
        number = threads or (min(processors(), -(-count // LANES)) if count > LANES else 1)

        def explicit(switching: bool) -> None:
            job.next, job.stiff = 0, job.stiff if switching else 0.0
            run(lambda: self._solve(ctypes.byref(job)), number)

        finisher: Sequence[str] = ()
        if stiff is None:
            explicit(False)
        else:
            numbers = {name: getattr(job, name) for name in ("count", "saves", "max_steps", "rtol", "gtol")}
            arrays |= {
                "own": self.own,
                "shared": self.shared,
                "ends": ends.numpy(),
                "atol": atol.numpy(),
                "times": times.numpy(),
            }

            def other(method: Stabilised | Rosenbrock, limits: Mapping[str, float]) -> bool:
                found = stiff_library(method, self.formulas)
                if found is not None:
                    turn = StiffJob.of(arrays, **limits, **numbers)
                    run(lambda: found.solve(ctypes.byref(turn)), number)
                return found is not None

            finisher = stiff.alternate(self.method, arrays["status"], explicit, other).tolist()
        tensors = {name: torch.from_numpy(arrays[name]) for name in (*RESULTS, *COUNTS)}
        return solution(tensors, self.method, stiff, rtol, finisher, observes=observes)


def solution(
    results: Mapping[str, Tensor],
    explicit: ExplicitRungeKutta,
    stiff: Stiff | None,
    rtol: float,
    finisher: Sequence[str],
    *,
    observes: bool,
) -> Solution:
    """What a run wrote down; `results` are the arrays of the job by name."""
    return Solution(
        t=results["t"],
        y=results["y"],
        field=results["field"],
        status=results["status"],
        stats=Stats(results["accepted"], results["rejected"], results["evaluations"]),
        error_estimate=results["error"],
        saved=results["saved"] if results["saved"].shape[1] else None,
        observed=results["observed"] if observes else None,
        drift=results["drift"] if observes else None,
        slid=results["slid"].bool(),
        grazed=results["grazed"].bool(),
        method=stiff.methods[0].name if stiff is not None and stiff.alone else explicit.name,
        rtol=rtol,
        finisher=tuple(finisher),
        compiled=True,
    )


def _block(kind: type, count: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[np.ndarray, int]]:
    """Arrays of zeros (count, *shape) side by side in one block, with their addresses."""
    sizes = [count * math.prod(shape) for shape in shapes.values()]
    block = np.zeros(sum(sizes), dtype=kind)
    address, found, start = block.ctypes.data, {}, 0
    for (name, shape), size in zip(shapes.items(), sizes, strict=True):
        array = block[start : start + size]
        found[name] = (array.reshape(count, *shape) if shape else array, address + 8 * start)
        start += size
    return found


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
    key = (observe, method, count)
    if key in field.kernels:
        return field.kernels[key]
    parts, own, shared = split(formulas, count)
    found = library(method, parts)
    if found is None:
        return None
    made = Kernel(found, method, own, shared, parts)
    if own.size < _SMALL:
        field.kernels[key] = made
    return made


class _Compiled(Protocol):
    program: Program
    constants: np.ndarray
    own: bool


def split(formulas: Sequence[_Compiled], count: int) -> tuple[Formulas, np.ndarray, np.ndarray]:
    """A field and perhaps observed quantities, with the constants of each of `count` trials and those of all."""
    common = [_common(f.constants[:count]) & (not f.own) for f in formulas]
    patterns = [tuple(map(bool, c)) for c in common] + [()] * (2 - len(common))
    field, *observed = formulas
    parts = Formulas(field.program, observed[0].program if observed else None, *patterns)
    own = np.concatenate([f.constants[:, ~c] for f, c in zip(formulas, common, strict=True)], 1)
    shared = np.concatenate([f.constants[0, c] for f, c in zip(formulas, common, strict=True)])
    return parts, own, shared


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
