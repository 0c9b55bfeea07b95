"""Ensembles of small models solved whole in generated C: the adaptive loop together with the field.

It does what the class ExplicitRun of adaptive_run.py does, for eight trajectories side by side in each thread, and
serves the same arguments where field and observed quantities are compiled formulas. A row's result depends neither on
its company nor on the number of threads, bit for bit.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate.compiled import MAX_NODES, Formula
from theorylab.simulate.compiler import Libraries, build
from theorylab.simulate.kernel.ensemble import Ensemble, Job, Task
from theorylab.simulate.kernel.source import LANES, OPTIONS, solve_source
from theorylab.simulate.kernel.stiff import Formulas
from theorylab.simulate.kernel.stiff import library as stiff_library
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised
from theorylab.simulate.program import Program
from theorylab.simulate.solution import Solution
from theorylab.simulate.stopping import Converged
from theorylab.simulate.switching import Stiff

# Constants of fewer numbers than these are kept with a formula for its next run.
_SMALL = 100_000
_libraries = Libraries()


class Kernel:
    """A compiled solve for one method, field and set of observed quantities."""

    def __init__(
        self, library: ctypes.CDLL, method: ExplicitRungeKutta, own: np.ndarray, shared: np.ndarray, formulas: Formulas
    ):
        self.method, self.formulas = method, formulas
        self.own, self.shared = (torch.from_numpy(np.ascontiguousarray(x)) for x in (own, shared))
        self.quantities = 0 if formulas.observed is None else len(formulas.observed.roots)
        self._prepare, self._solve = library.prepare, library.solve
        for entry in (self._prepare, self._solve):
            entry.argtypes = [ctypes.POINTER(Job)]
            entry.restype = ctypes.c_int

    def solve(self, task: Task, stiff: Stiff | None = None, threads: int | None = None) -> Solution:
        """Run a task.

        stiff    methods for trials that turn stiff, or for all
        threads  number of processors if None
        """
        ensemble = Ensemble(task, self.own, self.shared, self.quantities)
        job, count = ensemble.job, len(task.y)
        _check(self._prepare(ctypes.byref(job)))
        number = threads or (min(processors(), -(-count // LANES)) if count > LANES else 1)

        def explicit(switching: bool) -> None:
            job.next, job.stiff = 0, stiff.limit(self.method) if switching and stiff is not None else 0.0
            run(lambda: self._solve(ctypes.byref(job)), number)

        def other(method: Stabilised | Rosenbrock, limits: Mapping[str, float]) -> bool:
            found = stiff_library(method, self.formulas)
            if found is not None:
                turn = ensemble.stiff_job(limits)
                run(lambda: found.solve(ctypes.byref(turn)), number)
            return found is not None

        finisher: tuple[str, ...] = ()
        if stiff is None:
            explicit(False)
        else:
            job.patience = stiff.patience
            finisher = stiff.alternate(self.method, ensemble.arrays["status"].numpy(), explicit, other)
        return ensemble.solution(self.method, stiff, finisher)


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


def obstacle(formulas: Sequence[Any]) -> str:
    """Why there is no kernel for some compiled formulas."""
    nodes = sum(f.program.nodes for f in formulas if isinstance(f, Formula))
    if nodes > MAX_NODES:
        return f"the formulas have {nodes} sub-expressions, more than the {MAX_NODES} that a whole run is compiled of"
    return "no kernel was built for this field and method"


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
