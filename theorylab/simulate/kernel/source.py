"""C source of one ensemble solve: the numbers of a method and of the controls, the formulas, the fixed parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from theorylab.readings.letters import TIME
from theorylab.simulate import chatter, control
from theorylab.simulate.kernel.program import Term, function
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.methods.tableau import Row
from theorylab.simulate.program import Program
from theorylab.simulate.status import Status

LANES = 8
_CONSTANTS = {
    control: ("SAFETY", "SHRINK", "GROW", "MEMORY", "STIFF_SHARE"),
    chatter: ("WINDOW", "WATCHED", "ROUGH", "HALVINGS", "JUMP_SHARE"),
}


@lru_cache(maxsize=3)
def _fixed(name: str) -> str:
    return (Path(__file__).parent / name).read_text()


def solve_source(
    method: ExplicitRungeKutta,
    field: Program,
    observed: Program | None,
    shared: Sequence[bool],
    observed_shared: Sequence[bool],
) -> str:
    """C with the entries `prepare` and `solve`; `shared` tells which case constants all trials have in common."""
    functions = [function("field", field.roots, _inputs(field, shared), field.gate)]
    if observed is not None:
        functions.append(function("observe", observed.roots, _inputs(observed, observed_shared), observed.gate))
    else:
        functions.append("#define observe(t, y, own, shared, out) ((void)0)")
    sizes = {
        "LANES": LANES,
        "DIM": len(field.state),
        "OWN": shared.count(False) + observed_shared.count(False),
        "OBSERVED_OWN": shared.count(False),
        "OBSERVED_SHARED": shared.count(True),
        "QUANTITIES": 0 if observed is None else len(observed.roots),
        "ROOT_DIM": math.sqrt(len(field.state)),
    }
    head = "#include <math.h>\n#include <stdlib.h>\n#include <string.h>\n"
    return "\n".join(
        [head, _defines(sizes), _numbers(method), _fixed("lanes.h"), *functions, _sums(method), _fixed("solve.c")]
    )


def rows_source(program: Program) -> str:
    """C with the entry `rows`: the values of one formula, row by row."""
    held = [False] * len(program.held)
    sizes = {"LANES": LANES, "DIM": len(program.state), "OWN": len(held), "ROOTS": len(program.roots)}
    field = function("field", program.roots, _inputs(program, held), program.gate)
    return "\n".join(["#include <math.h>", _defines(sizes), _fixed("lanes.h"), field, _fixed("rows.c")])


def _inputs(program: Program, shared: Sequence[bool]) -> dict[str, Term]:
    inputs = {TIME: Term("t", True)} | {name: Term(f"y[{i}]", True) for i, name in enumerate(program.state)}
    counts = {True: 0, False: 0}
    for name, common in zip(program.held, shared, strict=True):
        inputs[name] = Term(f"{'shared' if common else 'own'}[{counts[common]}]", not common)
        counts[common] += 1
    return inputs


def _defines(values: Mapping[str, float]) -> str:
    return "\n".join(f"#define {name} {value!r}" for name, value in values.items())


def _numbers(method: ExplicitRungeKutta) -> str:
    values = {name: getattr(module, name) for module, names in _CONSTANTS.items() for name in names}
    values |= {status.name: status.value for status in Status}
    values |= {
        "JUMP_EVALUATIONS": chatter.EVALUATIONS,
        "EPS": torch.finfo(torch.float64).eps,
        "STAGES": len(method.nodes),
        "LAST": method.last,
        "DEGREE": len(method.dense),
        "ESTIMATES": len(method.errors),
        "ORDER": float(method.embedded_order + 1),
    }
    last = method.last + 1
    tables = {"NODES": method.c, "MATRIX": method.a[:last, :last], "DENSE": method.g}
    return "\n".join([_defines(values), *(_table(name, table) for name, table in tables.items())])


def _table(name: str, values: NDArray[np.float64]) -> str:
    sizes = "".join(f"[{size}]" for size in values.shape)
    return f"static const double {name}{sizes} = {_braces(values)};"


def _braces(values: NDArray[np.float64]) -> str:
    parts = (_braces(v) if v.ndim else repr(float(v)) for v in values)
    return f"{{{', '.join(parts)}}}"


def _sums(method: ExplicitRungeKutta) -> str:
    """The sums over stages, written out: coefficients that vanish are left out."""
    cases = [
        f"    case {i}: for (int d = 0; d < DIM; d++) state[d] = {_sum('y[d]', row)}; break;"
        for i, row in sorted(method.rows.items())
        if row
    ]
    errors = [f"    out[{n}] = {_sum('', row)};" for n, row in enumerate(method.errors)]
    return "\n".join(
        [
            "static inline void combine(int i, const vec *restrict y, vec (*restrict k)[DIM], vec *restrict state) {",
            "    switch (i) {",
            *cases,
            "    }\n}\n",
            "static inline void estimates(int d, vec (*restrict k)[DIM], vec *restrict out) {",
            *errors,
            "}\n",
        ]
    )


def _sum(first: str, row: Row) -> str:
    terms = [f"({value!r}) * k[{j}][d]" for j, value in sorted(row.items()) if value]
    return " + ".join([first, *terms] if first else terms)
