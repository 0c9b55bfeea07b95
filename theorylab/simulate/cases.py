"""Cases of a statement at given sizes: drawn, their hypotheses enforced, and formulas mapped over them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import Array
from theorylab.readings.letters import Dims, resolve
from theorylab.readings.namespace import Case, Namespace
from theorylab.readings.numeric import Numeric, step_at_zero
from theorylab.readings.numeric import device as device_variable
from theorylab.setting import Assumption, Setting
from theorylab.simulate.cost import check_memory
from theorylab.simulate.random import generator

HELD = 1e-8
"""The residual of a hypothesis that counts as rounding, in units of 1 + the largest entry of the case."""
ATTEMPTS = 1024
AT_ONCE = 16
PATIENCE = 128
"""After so many attempts in which not one of the cases was met, none is expected to be."""
ATTEMPT_STRIDE = 1 << 40


def variable_shapes(subject: Setting | Flow, dims: Dims) -> dict[str, tuple[tuple[int, ...], Draw]]:
    """Shape and distribution of every free variable: the setting's, data, and initial parameters as "init.W"."""
    if isinstance(subject, Setting):
        free = {n: (v.sizes, v.distribution) for n, v in subject.variables.items() if not v.defined}
        return {n: (resolve(shape, dims), draw) for n, (shape, draw) in free.items()}
    found = {n: (resolve(v.shape, dims), v.draw) for n, v in subject.variables(dims).items()}
    for name, variable in subject.initial().items():
        found[f"init.{name}"] = (resolve(variable.sizes, dims), variable.distribution)
    return found


def draw_cases(
    subject: Setting | Flow, dims: Dims, trials: int, seed: int, replaced: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Raw values of the free variables, float64 (trials, ...), before hypotheses are enforced.

    Trial i depends on (seed, i) alone. Cases that break a hypothesis which has no `enforce` are drawn again. Names in
    `replaced` get other values afterwards, so they may be left zero. Raises InputError where no case is found.
    """
    shapes = variable_shapes(subject, dims)
    check_memory({name: shape for name, (shape, _) in shapes.items()}, trials)
    setting = subject if isinstance(subject, Setting) else subject.setting
    rejecting = [a for a in setting.assumptions if a.enforce is None and a.holds is not None]
    if not rejecting and set(shapes) <= set(replaced):
        return {name: np.zeros((trials, *shape)) for name, (shape, _) in shapes.items()}
    raw = _draw(shapes, seed, range(trials))
    pending = _violated(subject, dims, raw, rejecting)
    attempt = 1
    while len(pending):
        if attempt > ATTEMPTS or (attempt > PATIENCE and len(pending) == trials):
            names = ", ".join(repr(a.name) for a in rejecting)
            raise InputError(
                f"no case satisfies {names} in {attempt} attempts; expected an enforce=... or a draw that does"
            )
        numbers = [int(i) + (attempt + k) * ATTEMPT_STRIDE for i in pending for k in range(AT_ONCE)]
        again = _draw(shapes, seed, numbers)
        kept = np.ones(len(numbers), bool)
        kept[_violated(subject, dims, again, rejecting)] = False
        kept = kept.reshape(len(pending), AT_ONCE)
        found, first = kept.any(1), kept.argmax(1)
        for name, values in raw.items():
            candidates = again[name].reshape(*kept.shape, *values.shape[1:])
            values[pending[found]] = candidates[found, first[found]]
        pending = pending[~found]
        attempt += AT_ONCE
    return raw


def _draw(
    shapes: Mapping[str, tuple[tuple[int, ...], Draw]], seed: int, trials: Sequence[int]
) -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {name: [] for name in shapes}
    for trial in trials:
        stream = generator(seed, trial)
        for name, (shape, draw) in shapes.items():
            rows[name].append(draw.sample(stream, shape))
    return {name: np.stack(values) for name, values in rows.items()}


def _violated(
    subject: Setting | Flow, dims: Dims, raw: Mapping[str, np.ndarray], assumptions: Sequence[Assumption]
) -> np.ndarray:
    """The trials whose case breaks one of the hypotheses."""
    if not assumptions:
        return np.zeros(0, int)
    cases = Cases(subject, dims, raw)
    size = 1 + torch.stack([v.abs().reshape(cases.trials, -1).amax(1) for v in cases.values.values()]).amax(0)
    bad = np.zeros(cases.trials, bool)
    for a in assumptions:
        assert a.holds is not None
        shown = cases.of_case(a.holds).reshape(cases.trials, -1)
        kept = shown > 0 if a.positive else shown.abs() <= HELD * size[:, None]
        bad |= ~kept.all(1).cpu().numpy()
    return np.flatnonzero(bad)


def check_enforced(subject: Setting | Flow, dims: Dims, raw: Mapping[str, np.ndarray]) -> None:
    """Raise InputError where the `enforce` of a hypothesis leaves it broken in most of the cases given."""
    setting = subject if isinstance(subject, Setting) else subject.setting
    for a in setting.assumptions:
        if a.enforce is not None and a.holds is not None:
            broken = _violated(subject, dims, raw, [a])
            if 2 * len(broken) > len(next(iter(raw.values()))):
                raise InputError(
                    f"the hypothesis {a.name!r} does not hold in the cases that its enforce gives; "
                    f"expected holds(c) {'> 0' if a.positive else '= 0'} there"
                )


@contextmanager
def reading(gates: float, where: str) -> Iterator[None]:
    tokens = step_at_zero.set(gates), device_variable.set(where)
    try:
        yield
    finally:
        step_at_zero.reset(tokens[0])
        device_variable.reset(tokens[1])


class Cases:
    """Values of all variables for every trial, with the hypotheses enforced."""

    def __init__(self, subject: Setting | Flow, dims: Dims, raw: Mapping[str, Any], device: str | None = None) -> None:
        self.subject, self.dims = subject, dims
        self.device = device or "cpu"
        self.setting = subject if isinstance(subject, Setting) else subject.setting
        self.gates = 0.0 if isinstance(subject, Setting) else float(subject.gates)
        tensors = {n: torch.as_tensor(v, dtype=torch.float64, device=self.device) for n, v in raw.items()}
        if not tensors:
            raise InputError("the statement has no variable to draw; expected parameters or a setting with variables")
        self.trials = len(next(iter(tensors.values())))
        with reading(self.gates, self.device):
            self.values: dict[str, Tensor] = torch.func.vmap(self._enforced)(tensors)

    def _enforced(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        values = {n: Numeric(t) for n, t in raw.items() if not n.startswith("init.")}
        initial = {n[5:]: Numeric(t) for n, t in raw.items() if n.startswith("init.")}
        case = self.setting.case(values, initial)
        flat = {n: as_tensor(case[n]) for n in case if n != "init"}
        return flat | {f"init.{n}": as_tensor(v) + torch.zeros_like(raw[f"init.{n}"]) for n, v in case["init"].items()}

    def case(self, one: Mapping[str, Tensor]) -> Case:
        """The case of one trial, from its tensors."""
        values: dict[str, Any] = {n: Numeric(t) for n, t in one.items() if not n.startswith(("init.", "end."))}
        values["init"] = Namespace(
            {n[5:]: Numeric(t) for n, t in one.items() if n.startswith("init.")}, "init parameter"
        )
        end = {n[4:]: Numeric(t) for n, t in one.items() if n.startswith("end.")}
        if end:
            values["end"] = Namespace(end, "end parameter")
        return Case(values)

    def of_case(self, formula: Callable[[Case], Any]) -> Tensor:
        """A formula of (c), (trials, ...)."""
        with reading(self.gates, self.device):
            return torch.func.vmap(lambda one: as_tensor(formula(self.case(one))))(self.values)


def as_tensor(value: Any) -> Tensor:
    if isinstance(value, Numeric):
        return value.data
    return (value.into(Numeric) if isinstance(value, Array) else Numeric.constant(value)).data
