"""Ensembles of small models solved whole in generated C by a method for stiff problems.

The counterpart of solve.py: it takes up trials where they stand, whether at their start or where an explicit method
left them, and leaves them finished or, once they are no longer stiff, to an explicit method.
"""

from __future__ import annotations

import ctypes
import math
from typing import NamedTuple

import numpy as np
import torch

from theorylab.simulate import control
from theorylab.simulate.compiler import Libraries, build
from theorylab.simulate.kernel import source
from theorylab.simulate.kernel.program import Term, function
from theorylab.simulate.kinks import GRAZE, gate_name, kinks, rate_name
from theorylab.simulate.methods.rosenbrock import Rosenbrock
from theorylab.simulate.methods.stabilised import Stabilised
from theorylab.simulate.program import Program
from theorylab.simulate.status import Status
from theorylab.simulate.stiffness import Derivatives, derivatives, direction_name

_DOUBLES = ("own", "shared", "ends", "atol", "times", "observed", "t", "y", "field", "step", "error", "saved", "drift")
_COUNTS = ("status", "accepted", "rejected", "evaluations")
_libraries = Libraries()
_CONTROL = ("SAFETY", "SHRINK", "GROW", "STIFF_SHARE")


class StiffJob(ctypes.Structure):
    """`struct job` of stiff.h."""

    ARRAYS = (*_DOUBLES, *_COUNTS)
    _fields_ = (
        [(name, ctypes.c_long) for name in ("count", "saves", "max_steps", "next")]
        + [(name, ctypes.c_double) for name in ("rtol", "gtol", "easy", "hard", "near")]
        + [(name, ctypes.c_void_p) for name in ARRAYS]
    )


class Formulas(NamedTuple):
    """What an ensemble is made of: a field, perhaps observed quantities, and which case constants all trials share."""

    field: Program
    observed: Program | None
    shared: tuple[bool, ...]
    observed_shared: tuple[bool, ...]


def library(method: Stabilised | Rosenbrock, formulas: Formulas) -> ctypes.CDLL | None:
    """The compiled solve, made once a process; None where there is no compiler."""
    found = _libraries.get((method, formulas), lambda: build(stiff_source(method, formulas), source.OPTIONS))
    if found is not None:
        found.solve.argtypes = [ctypes.POINTER(StiffJob)]
        found.solve.restype = ctypes.c_int
    return found


def stiff_source(method: Stabilised | Rosenbrock, formulas: Formulas, target: source.Target = source.PROCESSOR) -> str:
    """Code with the entry `solve`."""
    field, observed, shared, observed_shared = formulas
    found, size = derivatives(field), len(field.state)
    inputs = source.inputs(field, shared)
    moved = inputs | {direction_name(d): Term(f"v[{d}]", True) for d in range(size)}
    functions, gates = [source.observer(observed, observed_shared)], kinks(field)
    smooth = gates is None
    written = isinstance(method, Rosenbrock) and found.jacobian is not None
    if not (smooth and (written or isinstance(method, Stabilised))):
        functions.append(function("tangent", found.tangent, moved, field.gate, ("v",)))
    if gates is None:
        functions.append(function("field", field.roots, inputs, field.gate))
    else:
        named = inputs | {gate_name(i): Term(f"gate[{i}]", True) for i in range(len(gates.arguments))}
        named |= {rate_name(d): Term(f"rate[{d}]", True) for d in range(size)}
        functions.append(function("frozen", gates.roots, named, field.gate, ("gate",)))
        functions.append(function("arguments", gates.arguments, named, field.gate, ("gate",)))
        functions.append(function("rates", gates.rates, named, field.gate, ("gate", "rate")))
    sizes = {
        "GATES": 0 if gates is None else len(gates.arguments),
        "DEPTH": 0 if gates is None else gates.depth,
        "GATE_AT_ZERO": field.gate,
        "GRAZE": GRAZE,
        "DIM": size,
        "OWN": shared.count(False) + observed_shared.count(False),
        "OBSERVED_OWN": shared.count(False),
        "OBSERVED_SHARED": shared.count(True),
        "QUANTITIES": 0 if observed is None else len(observed.roots),
        "ROOT_DIM": math.sqrt(size),
    }
    values = {name: getattr(control, name) for name in _CONTROL} | {status.name: status.value for status in Status}
    values |= {
        "EPS": torch.finfo(torch.float64).eps,
        "ORDER": float(method.embedded_order + 1),
        "SMOOTH": int(smooth),
        "EASY_STEPS": control.EASY_STEPS,
        "HARD_STEPS": control.HARD_STEPS,
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
        entries = found.jacobian
        if entries is not None:
            functions.append(function("jacobian", entries, inputs, field.gate))
        clock = "#define change(t, y, own, shared, out) ((void)0)"
        functions.append(clock if found.clock is None else function("change", found.clock, inputs, field.gate))
    defines = source.defines(values | sizes)
    fixed = [source.fixed(name) for name in parts]
    return "\n".join([f"/* {kind} */", source.opening(target), defines, *numbers, *functions, *fixed])


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
        "WRITTEN": int(found.jacobian is not None),
        "AUTONOMOUS": int(found.clock is None),
    }
    return [
        source.defines(numbers),
        source.table("NODES", np.array(method.nodes)),
        source.table("SHIFTS", np.array(method.shifts)),
        source.table("MATRIX", method.a),
        source.table("COUPLING", method.c),
    ]
