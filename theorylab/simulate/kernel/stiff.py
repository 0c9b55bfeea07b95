"""Ensembles of small models solved whole in generated C by a method for stiff problems.

The counterpart of solve.py: it takes up trials where they stand, whether at their start or where an explicit method
left them, and leaves them finished or, once they are no longer stiff, to an explicit method.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from theorylab.simulate import control
from theorylab.simulate.compiler import build
from theorylab.simulate.kernel import source
from theorylab.simulate.kernel.program import Term, function
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.methods.rosenbrock import Rosenbrock
from theorylab.simulate.methods.stabilised import Stabilised
from theorylab.simulate.program import Program
from theorylab.simulate.status import Status
from theorylab.simulate.stiffness import Derivatives, derivatives, direction_name

# Codes of trials that go on, as in solve.c and stiff.h.
RUNNING, STIFF, EASED = -1, -2, -3

_DOUBLES = ("own", "shared", "ends", "atol", "times", "observed", "t", "y", "field", "step", "error", "saved", "drift")
_COUNTS = ("status", "accepted", "rejected", "evaluations")
_CONTROL = ("SAFETY", "SHRINK", "GROW", "STIFF_SHARE")


class StiffJob(ctypes.Structure):
    """`struct job` of stiff.h."""

    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "saves", "max_steps", "next")]
        + [(name, ctypes.c_double) for name in ("rtol", "gtol", "easy")]
        + [(name, ctypes.c_void_p) for name in (*_DOUBLES, *_COUNTS)]
    )

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], **numbers: float) -> StiffJob:
        """A job on arrays that the caller keeps."""
        return cls(next=0, **numbers, **{name: arrays[name].ctypes.data for name in (*_DOUBLES, *_COUNTS)})


class Formulas(NamedTuple):
    """What an ensemble is made of: a field, perhaps observed quantities, and which case constants all trials share."""

    field: Program
    observed: Program | None
    shared: tuple[bool, ...]
    observed_shared: tuple[bool, ...]


@lru_cache(maxsize=64)
def library(method: Stabilised | Rosenbrock, formulas: Formulas) -> ctypes.CDLL | None:
    """The compiled solve, made once a process; None where there is no compiler."""
    found = build(stiff_source(method, formulas), ("-O2", "-march=native"))
    if found is not None:
        found.solve.argtypes = [ctypes.POINTER(StiffJob)]
        found.solve.restype = ctypes.c_int
    return found


def stiff_source(method: Stabilised | Rosenbrock, formulas: Formulas) -> str:
    """C with the entry `solve`."""
    field, observed, shared, observed_shared = formulas
    found, size = derivatives(field), len(field.state)
    inputs = source.inputs(field, shared)
    moved = inputs | {direction_name(d): Term(f"v[{d}]", True) for d in range(size)}
    functions = [
        function("field", field.roots, inputs, field.gate),
        function("tangent", found.tangent, moved, field.gate, ("v",)),
        source.observer(observed, observed_shared),
    ]
    sizes = {
        "DIM": size,
        "OWN": shared.count(False) + observed_shared.count(False),
        "OBSERVED_OWN": shared.count(False),
        "OBSERVED_SHARED": shared.count(True),
        "QUANTITIES": 0 if observed is None else len(observed.roots),
        "ROOT_DIM": math.sqrt(size),
    }
    values = {name: getattr(control, name) for name in _CONTROL} | {status.name: status.value for status in Status}
    values |= {
        "LANES": source.LANES,
        "EPS": torch.finfo(torch.float64).eps,
        "ORDER": float(method.embedded_order + 1),
        "EASY_STEPS": control.EASY_STEPS,
        "FIRST_ROUNDS": control.FIRST_ROUNDS,
        "MORE_ROUNDS": control.MORE_ROUNDS,
        "RADIUS_SAFETY": control.RADIUS_SAFETY,
    }
    if isinstance(method, Stabilised):
        kind, numbers = "stabilised", _stabilised(method)
        parts = ["stabilised.h", "stiff.h", "stabilised.c", "stiff.c"]
    else:
        kind, numbers = "rosenbrock", _rosenbrock(method, found)
        parts = ["rosenbrock.h", "stiff.h", "linear.h", "rosenbrock.c", "stiff.c"]
        entries = found.jacobian()
        if entries is not None:
            functions.append(function("jacobian", entries, inputs, field.gate))
        clock = "#define change(t, y, own, shared, out) ((void)0)"
        functions.append(clock if found.clock is None else function("change", found.clock, inputs, field.gate))
    head = f"/* {kind} */\n#include <math.h>\n#include <stdlib.h>\n#include <string.h>\n"
    defines = source.defines(values | sizes)
    fixed = [source.fixed(name) for name in parts]
    return "\n".join([head, defines, *numbers, source.fixed("lanes.h"), *functions, *fixed])


def _stabilised(method: Stabilised) -> list[str]:
    """The coefficients of all members, one after the other."""
    members = method.members
    firsts = np.cumsum([0, *(len(m.mu) for m in members)])
    below = np.tril_indices(4, -1)
    finish = [np.concatenate([m.nodes[-4:], m.a[below], m.b, m.e, [0.0]]) for m in members]
    return [
        source.defines({"MEMBERS": len(members)}),
        f"static const long FIRSTS[] = {{{', '.join(map(str, firsts))}}};",
        source.table("INTERVALS", np.array([m.interval for m in members])),
        source.table("MU", np.concatenate([m.mu for m in members])),
        source.table("NU", np.concatenate([m.nu for m in members])),
        source.table("NODES", np.concatenate([m.nodes[:-4] for m in members])),
        source.table("FINISH", np.stack(finish)),
    ]


def _rosenbrock(method: Rosenbrock, found: Derivatives) -> list[str]:
    size = len(found.program.state)
    numbers = {
        "STAGES": method.stages,
        "GAMMA": method.gamma,
        "PACKED": size * (size + 1) // 2,
        "SYMMETRIC": int(found.symmetric),
        "WRITTEN": int(found.jacobian() is not None),
        "AUTONOMOUS": int(found.clock is None),
    }
    return [
        source.defines(numbers),
        source.table("NODES", np.array(method.nodes)),
        source.table("SHIFTS", np.array(method.shifts)),
        source.table("MATRIX", method.a),
        source.table("COUPLING", method.c),
    ]


@dataclass(frozen=True)
class Stiff:
    """A method for stiff problems that shares the trials of an ensemble with an explicit one.

    alone: no explicit method takes part, all trials start here and stay.
    """

    method: Stabilised | Rosenbrock
    alone: bool

    def limit(self, explicit: ExplicitRungeKutta) -> float:
        """Step times spectral radius beyond which steps of the explicit method count as stiff; 0 for no switching."""
        return 0.0 if self.alone else control.STIFF_LIMIT * explicit.interval

    def alternate(
        self,
        formulas: Formulas,
        explicit: ExplicitRungeKutta,
        arrays: Mapping[str, np.ndarray],
        numbers: Mapping[str, float],
        solve_explicit: Callable[[bool], None],
        run: Callable[[Callable[[], int]], None],
    ) -> np.ndarray:
        """Solve prepared trials in turns; returns the name of the method that finished each.

        arrays and numbers are those of the job; `solve_explicit(switching)` runs the trials that are RUNNING, `run`
        calls a function in all threads. Each turn takes a trial some steps further, so the turns end.
        """
        status = arrays["status"]
        finisher = np.full(len(status), self.method.name if self.alone else explicit.name, dtype=object)
        if not self.alone:
            solve_explicit(True)
        while True:
            mine = status == (RUNNING if self.alone else STIFF)
            if not mine.any():
                return finisher
            status[mine] = RUNNING
            found = library(self.method, formulas)
            if found is None:
                finisher[:] = explicit.name
                solve_explicit(False)
                return finisher
            easy = 0.0 if self.alone else control.EASY_LIMIT * explicit.interval
            job = StiffJob.of(arrays, easy=easy, **numbers)
            run(lambda job=job, found=found: found.solve(ctypes.byref(job)))
            eased = status == EASED
            finisher[mine] = self.method.name
            finisher[eased] = explicit.name
            if not eased.any():
                return finisher
            status[eased] = RUNNING
            solve_explicit(True)
