"""The readings of one statement compared at random points, before anything is proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.falsify.evaluate import screened
from theorylab.flow import Flow
from theorylab.readings.array import Array
from theorylab.readings.exact import Exact, entry_name
from theorylab.readings.instantiate import instantiate
from theorylab.readings.letters import TIME, Dims
from theorylab.setting import Setting
from theorylab.simulate.cases import Cases, check_enforced, draw_cases
from theorylab.simulate.problem import Problem

if TYPE_CHECKING:
    from theorylab.derive.world import World

POINTS = 8
ALLOWED = 1e-9
ROUNDINGS = 8.0
"""How many bounds of the rounding error two readings may be apart: they sum in different orders."""
EXPANDED = 1e-12
"""The rounding error of an expanded sum, in units of the size of its terms."""


def compare(subject: Setting | Flow, formulas: Sequence[Any], dims: Dims, seed: int) -> float | None:
    """The largest relative difference between the readings of the field and of the formulas.

    None where the statement has no exact reading at these sizes. Raises InternalError where they differ, and InputError
    where a hypothesis does not hold in the cases that its `enforce` gives.
    """
    from theorylab.derive.world import World

    raw = draw_cases(subject, dims, POINTS, seed)
    check_enforced(subject, dims, raw)
    try:
        world = World(subject, dims, one_loss=True)
        arrays, labels = _read(world, formulas)
    except UnsupportedReading:
        return None
    state: dict[str, np.ndarray] = {}
    if isinstance(subject, Flow):
        cases = problem = Problem(subject, dims, raw)
        y = Problem(subject, dims, draw_cases(subject, dims, POINTS, seed + 1)).initial
        integrals = [n for n in problem.shapes if n.startswith("integral.")]
        if integrals:
            parts = problem.unflatten(y)
            y = problem.flatten({n: v + 0.25 if n in integrals else v for n, v in parts.items()})
        time = torch.linspace(0.25, 1, POINTS, dtype=torch.float64)
        state = {name: values.numpy() for name, values in problem.unflatten(y).items()} | {TIME: time.numpy()}
        field = problem.field(time, y, torch.arange(POINTS))
        numeric = [v.reshape(POINTS, -1) for v in problem.unflatten(field).values()]
        numeric += [problem.observe(f, time, y) for f in formulas]
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
    try:
        for n, (label, array, values) in enumerate(zip(labels, arrays, numeric, strict=True)):
            assert isinstance(array, Exact)
            exact, bound, _ = screened(array.entries(), columns, POINTS, gates)
            worst = max(worst, _gap("exact", label, exact, values.numpy(), bound))
            if general is not None:
                value, size = (part.reshape(POINTS, -1) for part in general[n])
                worst = max(worst, _gap("all-sizes", label, value, exact, bound + EXPANDED * size))
    except InternalError:
        again, _ = _read(World(subject, dims, one_loss=True), formulas)
        for label, one, other in zip(labels, arrays, again, strict=True):
            if one.entries() != other.entries():  # type: ignore[attr-defined]
                raise InputError(
                    f"{label} is another formula each time it is read; expected a function of its arguments alone"
                ) from None
        raise
    return worst


def _read(world: World, formulas: Sequence[Any]) -> tuple[list[Array], list[str]]:
    """The field and the formulas, with what they are called."""
    arrays, labels = [], []
    if world.flow is not None:
        arrays = [world.lift(v, world.state[n]) for n, v in world.velocity.items()]
        labels = [f"the velocity of {n}" for n in world.state]
    return arrays + [world.evaluate(f) for f in formulas], labels + ["the quantity"] * len(formulas)


def _general(
    subject: Setting | Flow,
    formulas: Sequence[Any],
    raw: Mapping[str, np.ndarray],
    held: Mapping[str, np.ndarray],
    state: Mapping[str, np.ndarray],
    dims: Dims,
    gate: float,
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """The same arrays in the all-sizes reading, instantiated, with the sizes of their terms; None if there is none.

    held: the values with the hypotheses enforced, for a reading that leaves some of them as relations.
    """
    from theorylab.derive.world import World

    try:
        world = World(subject, None)
        arrays, _ = _read(world, formulas)
    except UnsupportedReading:
        return None
    letters = {**(held if world.relations else raw), **state}
    with np.errstate(all="ignore"):
        return [instantiate(a, letters, dims, gate) for a in arrays]  # type: ignore[arg-type]


def _gap(reading: str, label: str, one: np.ndarray, other: np.ndarray, bound: np.ndarray) -> float:
    """The largest difference in units of 1 + size beyond what rounding explains; both readings round within `bound`."""
    both = np.isfinite(one) & np.isfinite(other)
    rounding = np.where(both, ROUNDINGS * np.nan_to_num(bound), 0.0)
    with np.errstate(invalid="ignore"):
        gap = np.where(both, np.abs(one - other), 0.0)
    size = 1.0 + np.where(both, np.abs(one), 0.0)
    if bool((gap > ALLOWED * size + rounding).any()):
        worst = float((np.maximum(gap - rounding, 0.0) / size).max(initial=0.0))
        raise InternalError(
            f"the {reading} reading of {label} differs from the others by {worst:.1e}; expected at most {ALLOWED:.0e}"
        )
    return float((gap / (size + rounding / ALLOWED)).max(initial=0.0))


def _columns(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    flat = values.reshape(len(values), -1)
    return {entry_name(name, index): flat[:, n] for n, index in enumerate(np.ndindex(values.shape[1:]))}
