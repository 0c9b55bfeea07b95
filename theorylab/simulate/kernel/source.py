"""C source of one ensemble solve: the numbers of a method and of the controls, the formulas, the fixed parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from theorylab.readings.letters import TIME
from theorylab.simulate import control
from theorylab.simulate.kernel.program import Term, function
from theorylab.simulate.kinks import GRAZE, SLIDES, gate_name, kinks, rate_name
from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.methods.tableau import Row
from theorylab.simulate.program import Program
from theorylab.simulate.status import Status


class Target(NamedTuple):
    """What code is generated for: how many trajectories run side by side, and the file that says what a lane is."""

    lanes: int
    prologue: str


LANES = 8
PROCESSOR = Target(LANES, "lanes.h")
# C++ for one trajectory a thread: CUDA, and without it a plain program with the same results.
THREAD = Target(1, "thread.h")
# The work space of a thread: a GPU sets aside as much for every thread that it can hold at once.
MOST_BYTES = 1 << 17
# Without tree-ter sums that are written side by side stay so.
OPTIONS = ("-O2", "-fno-tree-ter", "-march=native")
_CONSTANTS = {
    control: ("SAFETY", "SHRINK", "GROW", "ENDING", "ENDING_STEPS", "MEMORY", "STIFF_SHARE"),
}


@lru_cache(maxsize=16)
def fixed(name: str) -> str:
    """A file of this folder."""
    return (Path(__file__).parent / name).read_text()


def solve_source(
    method: ExplicitRungeKutta,
    field: Program,
    observed: Program | None,
    shared: Sequence[bool],
    observed_shared: Sequence[bool],
    target: Target = PROCESSOR,
) -> str:
    """Code with the entries `prepare` and `solve`; `shared` tells which case constants all trials have in common."""
    functions, gates = _field(field, shared)
    functions.append(observer(observed, observed_shared))
    sizes = {
        "DIM": len(field.state),
        "OWN": shared.count(False) + observed_shared.count(False),
        "OBSERVED_OWN": shared.count(False),
        "OBSERVED_SHARED": shared.count(True),
        "QUANTITIES": 0 if observed is None else len(observed.roots),
        "ROOT_DIM": math.sqrt(len(field.state)),
        "GATES": gates,
    }
    return "\n".join(
        [
            opening(target), defines(sizes), _numbers(method), *functions, _sums(method), fixed("kinks.h"),
            fixed("solve.c"), *([fixed("slides.c"), fixed("held.c"), fixed("kinks.c")] if gates else []),
        ]
    )  # fmt: skip


def opening(target: Target) -> str:
    """What a lane is, and what can be done with it."""
    numbers = {"LANES": target.lanes, "MOST_BYTES": MOST_BYTES}
    return "\n".join([defines(numbers), fixed(target.prologue), fixed("arithmetic.h")])


def _field(field: Program, shared: Sequence[bool]) -> tuple[list[str], int]:
    """The field, or where it has gates the field with frozen gates, their arguments and rates; the number of gates."""
    terms, found = inputs(field, shared), kinks(field)
    if found is None:
        return [function("field", field.roots, terms, field.gate)], 0
    count = len(found.arguments)
    terms |= {gate_name(i): Term(f"gate[{i}]", True) for i in range(count)}
    terms |= {rate_name(d): Term(f"rate[{d}]", True) for d in range(len(field.state))}
    numbers = {"SLIDES": SLIDES, "GRAZE": GRAZE, "DEPTH": found.depth, "GATE_AT_ZERO": field.gate}
    functions = [
        defines(numbers),
        f"static const int BLOCK[GATES] = {{{', '.join(map(str, found.blocks))}}};",
        function("frozen", found.roots, terms, field.gate, ("gate",)),
        function("arguments", found.arguments, terms, field.gate, ("gate",)),
        function("rates", found.rates, terms, field.gate, ("gate", "rate")),
    ]
    return functions, count


def observer(observed: Program | None, shared: Sequence[bool]) -> str:
    """C for the observed quantities, which may be none."""
    if observed is None:
        return "#define observe(t, y, own, shared, out) ((void)0)"
    return function("observe", observed.roots, inputs(observed, shared), observed.gate)


def rows_source(program: Program) -> str:
    """C with the entry `rows`: the values of one formula, row by row."""
    held = [False] * len(program.held)
    sizes = {"DIM": len(program.state), "OWN": len(held), "ROOTS": len(program.roots)}
    field = function("field", program.roots, inputs(program, held), program.gate)
    return "\n".join([opening(PROCESSOR), defines(sizes), field, fixed("rows.c")])


def inputs(program: Program, shared: Sequence[bool]) -> dict[str, Term]:
    """C for the letters of a program; `shared` tells which of its constants all trials have in common."""
    terms = {TIME: Term("t", True)} | {name: Term(f"y[{i}]", True) for i, name in enumerate(program.state)}
    counts = {True: 0, False: 0}
    for name, common in zip(program.held, shared, strict=True):
        terms[name] = Term(f"{'shared' if common else 'own'}[{counts[common]}]", not common, True)
        counts[common] += 1
    return terms


def defines(values: Mapping[str, float]) -> str:
    """Numbers as macros."""
    return "\n".join(f"#define {name} {value!r}" for name, value in values.items())


def _numbers(method: ExplicitRungeKutta) -> str:
    values = {name: getattr(module, name) for module, names in _CONSTANTS.items() for name in names}
    values |= {status.name: status.value for status in Status}
    values |= {
        "EPS": torch.finfo(torch.float64).eps,
        "STAGES": len(method.nodes),
        "LAST": method.last,
        "DEGREE": len(method.dense),
        "ESTIMATES": len(method.errors),
        "ORDER": float(method.embedded_order + 1),
    }
    tables = {"NODES": method.c, "DENSE": method.g}
    return "\n".join([defines(values), *(table(name, values) for name, values in tables.items())])


def table(name: str, values: NDArray[np.float64]) -> str:
    """An array of numbers as a constant."""
    sizes = "".join(f"[{size}]" for size in values.shape)
    return f"static const double {name}{sizes} = {_braces(values)};"


def _braces(values: NDArray[np.float64]) -> str:
    parts = (_braces(v) if v.ndim else repr(float(v)) for v in values)
    return f"{{{', '.join(parts)}}}"


def _sums(method: ExplicitRungeKutta) -> str:
    """The sums over stages, written out: coefficients that vanish are left out."""
    cases = [
        f"    case {i}: for (int d = 0; d < DIM; d++) state[d] = v_fma(h, {_sum(row)}, y[d]); break;"
        for i, row in sorted(method.rows.items())
        if row
    ]
    errors = [f"    out[{n}] = h * ({_sum(row)});" for n, row in enumerate(method.errors)]
    return "\n".join(
        [
            "static inline void combine(int i, vec h, const vec *restrict y, vec (*k)[DIM], vec *restrict state) {",
            "    switch (i) {",
            *cases,
            "    }\n}\n",
            "static inline void estimates(int d, vec h, vec (*k)[DIM], vec *restrict out) {",
            *errors,
            "}\n",
        ]
    )


def _sum(row: Row) -> str:
    text = ""
    for j, value in sorted(row.items()):
        if value:
            text = f"v_fma(splat({value!r}), k[{j}][d], {text})" if text else f"({value!r}) * k[{j}][d]"
    return text
