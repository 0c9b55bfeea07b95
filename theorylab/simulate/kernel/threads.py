"""Ensembles of small models solved whole by generated code on a GPU, one thread a trajectory.

The counterpart of solve.py for another machine: the same templates, the same jobs, arrays on the machine's device.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from theorylab.errors import InternalError
from theorylab.simulate.kernel.ensemble import Ensemble, Task
from theorylab.simulate.kernel.nvrtc import Unavailable
from theorylab.simulate.kernel.solve import split
from theorylab.simulate.kernel.source import MOST_BYTES, THREAD, solve_source
from theorylab.simulate.kernel.stiff import stiff_source
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised
from theorylab.simulate.program import Program
from theorylab.simulate.solution import Solution
from theorylab.simulate.stopping import Converged
from theorylab.simulate.switching import Stiff
from theorylab.simulate.typing import Field

# Compilers for GPUs take longer over straight-line code than those for processors.
MAX_NODES = 4_000
AGREEMENT = 1e-9
COMPARED = 64


class MachineProgram(Protocol):
    """Built code."""

    def run(self, entry: str, job: ctypes.Structure, count: int) -> None:
        """Run an entry with a thread for each of `count` trials."""
        ...


class Machine(Protocol):
    """What runs the threads of generated code."""

    device: torch.device

    def program(self, text: str) -> MachineProgram:
        """Build code; raises Unavailable."""
        ...


@dataclass(eq=False)
class ThreadedFormula:
    """A formula as a function of (t: (b,), y: (b, D), rows: (b,)) in batched torch, and what code is generated from.

    program    the formula
    constants  (trials, len(program.held)) values of the case constants, on the CPU
    plain      the formula in batched torch
    machine    what the generated code is for
    fault      why the last run was not one of generated code
    """

    program: Program
    constants: np.ndarray
    plain: Field
    machine: Machine
    own: bool = False
    fault: str = ""
    built: dict[Any, MachineProgram] = field(default_factory=dict)

    def __call__(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return self.plain(t, y, rows)


class ThreadKernel:
    """A solve for one method, field and set of observed quantities."""

    def __init__(self, field: ThreadedFormula, observe: ThreadedFormula | None, method: ExplicitRungeKutta, count: int):
        self.field, self.method = field, method
        self.formulas, own, shared = split([field] if observe is None else [field, observe], count)
        self.own, self.shared = (torch.from_numpy(x).to(field.machine.device) for x in (own, shared))
        self.quantities = 0 if observe is None else len(observe.program.roots)

    def solve(self, task: Task, stiff: Stiff | None = None) -> Solution:
        """Run a task, as `Kernel.solve` does. Raises Unavailable, and leaves the reason with the field."""
        stiff = _fitting(stiff, task.y.shape[1])
        ensemble = Ensemble(task, self.own, self.shared, self.quantities)
        job, finisher = ensemble.job, ()
        try:
            explicit = self._program(self.method)
            explicit.run("prepare", job, job.count)
            self._compare(task, ensemble.arrays["field"])
            if stiff is None:
                explicit.run("solve", job, job.count)
            else:
                finisher = self._alternate(stiff, ensemble)
        except Unavailable as error:
            self.field.fault = str(error)
            raise
        return ensemble.solution(self.method, stiff, finisher)

    def _alternate(self, stiff: Stiff, ensemble: Ensemble) -> tuple[str, ...]:
        """Solve prepared trials by turns; between them their codes are on the CPU."""
        job, codes = ensemble.job, ensemble.arrays["status"]
        job.patience = stiff.patience
        status = codes.to("cpu", copy=True)

        def explicit(switching: bool) -> None:
            job.stiff = stiff.limit(self.method) if switching else 0.0
            codes.copy_(status)
            self._program(self.method).run("solve", job, job.count)
            status.copy_(codes)

        def other(method: Stabilised | Rosenbrock, limits: Mapping[str, float]) -> bool:
            try:
                program = self._program(method)
            except Unavailable:
                if stiff.alone:
                    raise
                return False
            codes.copy_(status)
            program.run("solve", ensemble.stiff_job(limits), job.count)
            status.copy_(codes)
            return True

        finisher = stiff.alternate(self.method, status.numpy(), explicit, other)
        codes.copy_(status)
        return finisher

    def _program(self, method: ExplicitRungeKutta | Stabilised | Rosenbrock) -> MachineProgram:
        key = (method, *self.formulas)
        built = self.field.built
        if key not in built:
            explicit = isinstance(method, ExplicitRungeKutta)
            text = (
                solve_source(method, *self.formulas, target=THREAD)
                if explicit
                else stiff_source(method, self.formulas, THREAD)
            )
            built[key] = self.field.machine.program(text)
        return built[key]

    def _compare(self, task: Task, found: Tensor) -> None:
        """Raise InternalError where generated code and torch differ at the start of the first trials."""
        rows = torch.arange(min(len(task.y), COMPARED), device=task.y.device)
        expected = self.field.plain(task.starts[rows], task.y[rows], rows)
        gap = ((expected - found[rows]).abs() / (1 + expected.abs()))[torch.isfinite(expected)]
        if gap.numel() and not float(gap.max()) <= AGREEMENT:
            raise InternalError(
                f"generated code and torch differ by {float(gap.max()):.1e} at the initial states; "
                f"expected at most {AGREEMENT:.0e}"
            )


def _fitting(stiff: Stiff | None, dim: int) -> Stiff | None:
    """Without the methods whose factors of the Jacobian, a matrix and a triangle, leave no room in a work space."""
    if stiff is None or stiff.alone or 12 * dim * dim + 256 * dim <= MOST_BYTES:
        return stiff
    methods = tuple(method for method in stiff.methods if not isinstance(method, Rosenbrock))
    return replace(stiff, methods=methods) if methods else None


def thread_kernel(field: Any, observe: Any, until: Any, method: ExplicitRungeKutta, y: Tensor) -> ThreadKernel | None:
    """The kernel for a call of `integrate` on states y, (B, D); None where torch has to integrate."""
    if type(field) is not ThreadedFormula or not (observe is None or type(observe) is ThreadedFormula):
        return None
    if not (until is None or type(until) is Converged):
        field.fault = "the stopping rule is no tl.converged"
        return None
    formulas = [field] if observe is None else [field, observe]
    nodes = sum(f.program.nodes for f in formulas)
    if nodes > MAX_NODES:
        field.fault = f"the formulas have {nodes} sub-expressions, and at most {MAX_NODES} are compiled for a GPU"
        return None
    return ThreadKernel(field, observe, method, len(y))
