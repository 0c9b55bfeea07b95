"""The readings of one statement compared at random points, before anything is proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from theorylab.errors import InternalError, UnsupportedReading
from theorylab.falsify.evaluate import screened
from theorylab.flow import Flow
from theorylab.readings.exact import Exact, entry_name
from theorylab.readings.instantiate import instantiate
from theorylab.readings.letters import Dims
from theorylab.setting import Setting
from theorylab.simulate.problem import Cases, Problem, draw_cases

POINTS = 8
ALLOWED = 1e-9


def compare(subject: Setting | Flow, formulas: Sequence[Any], dims: Dims, seed: int) -> float | None:
    """The largest relative difference between the readings of the field and of the formulas.

    None where the statement has no exact reading at these sizes. Raises InternalError where they differ.
    """
    from theorylab.derive.world import World

    try:
        world = World(subject, dims)
        arrays = [world.lift(v, world.state[n]) for n, v in world.velocity.items()] if isinstance(subject, Flow) else []
        labels = [f"the velocity of {n}" for n in world.state] if isinstance(subject, Flow) else []
        for formula in formulas:
            arrays.append(world.evaluate(formula))
            labels.append("the quantity")
    except UnsupportedReading:
        return None
    raw = draw_cases(subject, dims, POINTS, seed)
    state: dict[str, np.ndarray] = {}
    if isinstance(subject, Flow):
        cases = problem = Problem(subject, dims, raw)
        y = Problem(subject, dims, draw_cases(subject, dims, POINTS, seed + 1)).initial
        integrals = [n for n in problem.shapes if n.startswith("integral.")]
        if integrals:
            parts = problem.unflatten(y)
            y = problem.flatten({n: v + 0.25 if n in integrals else v for n, v in parts.items()})
        state = {name: values.numpy() for name, values in problem.unflatten(y).items()}
        zero = torch.zeros(POINTS, dtype=torch.float64)
        field = problem.field(zero, y, torch.arange(POINTS))
        numeric = [v.reshape(POINTS, -1) for v in problem.unflatten(field).values()]
        numeric += [problem.observe(f, zero, y) for f in formulas]
        gates = problem.gates
    else:
        cases = Cases(subject, dims, raw)
        numeric = [cases.of_case(f).reshape(POINTS, -1) for f in formulas]
        gates = 0.0
    held = {name: cases.values[name].numpy() for name in raw}
    letters = {**(held if world.relations else raw), **state}
    columns = {k: v for name, values in letters.items() for k, v in _columns(name, values).items()}
    general = _general(subject, formulas, raw, held, state, dims, gates)
    worst = 0.0
    for n, (label, array, values) in enumerate(zip(labels, arrays, numeric, strict=True)):
        assert isinstance(array, Exact)
        exact, bound, _ = screened(array.entries(), columns, POINTS, gates)
        worst = max(worst, _gap("exact", label, exact, values.numpy(), bound))
        if general is not None:
            worst = max(worst, _gap("all-sizes", label, general[n].reshape(POINTS, -1), exact, bound))
    return worst


def _general(
    subject: Setting | Flow,
    formulas: Sequence[Any],
    raw: Mapping[str, np.ndarray],
    held: Mapping[str, np.ndarray],
    state: Mapping[str, np.ndarray],
    dims: Dims,
    gate: float,
) -> list[np.ndarray] | None:
    """The same arrays in the all-sizes reading, instantiated; None where there is none.

    held: the values with the hypotheses enforced, for a reading that leaves some of them as relations.
    """
    from theorylab.derive.world import World

    try:
        world = World(subject, None)
        arrays = [world.lift(v, world.state[n]) for n, v in world.velocity.items()] if isinstance(subject, Flow) else []
        arrays += [world.evaluate(formula) for formula in formulas]
    except UnsupportedReading:
        return None
    letters = {**(held if world.relations else raw), **state}
    with np.errstate(all="ignore"):
        return [instantiate(a, letters, dims, gate) for a in arrays]  # type: ignore[arg-type]


def _gap(reading: str, label: str, one: np.ndarray, other: np.ndarray, bound: np.ndarray) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    gap = np.where(both, np.abs(one - other), 0.0)
    size = np.where(both, 1.0 + np.abs(one) + 1e6 * np.nan_to_num(bound), 1.0)
    relative = float((gap / size).max(initial=0.0))
    if relative > ALLOWED:
        raise InternalError(
            f"the {reading} reading of {label} differs from the others by {relative:.1e}; expected at most {ALLOWED:.0e}"
        )
    return relative


def _columns(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    flat = values.reshape(len(values), -1)
    return {entry_name(name, index): flat[:, n] for n, index in enumerate(np.ndindex(values.shape[1:]))}
