"""A flow at given sizes as an ensemble: cases drawn and enforced, parameters flattened, formulas mapped over trials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from theorylab.draw import Draw, normal
from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.flow import Flow
from theorylab.readings.array import Array
from theorylab.readings.exact import entry_name
from theorylab.readings.letters import Dims, resolve
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.readings.numeric import Numeric, step_at_zero
from theorylab.readings.numeric import device as device_variable
from theorylab.setting import Assumption, Setting, Variable
from theorylab.simulate.batched import batched_field
from theorylab.simulate.compiled import compile_formula, obstacle
from theorylab.simulate.cost import MAX_OPERATIONS, Operations, check_memory
from theorylab.simulate.kernel.threads import Machine, ThreadedFormula
from theorylab.simulate.program import Program
from theorylab.simulate.random import generator

AGREEMENT = 1e-9
HELD = 1e-8
"""The residual of a hypothesis that counts as rounding, in units of 1 + the largest entry of the case."""
REMEMBERED = 32
_ROOTS: dict[Any, tuple[Any, list[Any]]] = {}
_AGREED: WeakSet[Any] = WeakSet()
COMPARED = 64
"""Trials at whose initial states generated code is compared with torch."""
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
def _reading(gates: float, where: str) -> Iterator[None]:
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
        with _reading(self.gates, self.device):
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
        with _reading(self.gates, self.device):
            return torch.func.vmap(lambda one: as_tensor(formula(self.case(one))))(self.values)


class Problem(Cases):
    """The ensemble of a flow: `field` and `initial` are what `integrate` takes."""

    def __init__(self, flow: Flow, dims: Dims, raw: Mapping[str, Any], device: str | None = None) -> None:
        super().__init__(flow, dims, raw, device)
        self.flow = flow
        self.shapes = {n: tuple(self.values[f"init.{n}"].shape[1:]) for n in flow.state}
        for name in flow.integrals:
            self.shapes[f"integral.{name}"] = self._integral_shape(name)
        self.dimension = sum(int(np.prod(s)) for s in self.shapes.values())
        self._selected: tuple[Tensor, dict[str, Tensor]] | None = None
        self.obstacle = ""
        self.initial = self.flatten(
            {
                n: self.values[f"init.{n}"]
                if n in flow.state
                else torch.zeros(self.trials, *s, dtype=torch.float64, device=self.device)
                for n, s in self.shapes.items()
            }
        )

    def _integral_shape(self, name: str) -> tuple[int, ...]:
        def value(one: dict[str, Tensor]) -> Tensor:
            p, c = self.flow.start(self.case(one))
            return as_tensor(call(self.flow.integrals[name], p, c))

        with _reading(self.gates, self.device):
            return tuple(torch.func.vmap(value)({n: t[:1] for n, t in self.values.items()}).shape[1:])

    def flatten(self, state: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([state[n].reshape(len(state[n]), -1) for n in self.shapes], 1)

    def unflatten(self, y: Tensor) -> dict[str, Tensor]:
        """The state arrays of rows (b, D), or of one row (D,)."""
        parts, at = {}, 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            parts[name] = y[..., at : at + size].reshape((*y.shape[:-1], *shape))
            at += size
        return parts

    def select(self, rows: Tensor) -> dict[str, Tensor]:
        """The case tensors of some trials."""
        if self._selected is None or self._selected[0] is not rows:
            whole = len(rows) == self.trials
            self._selected = (
                rows,
                dict(self.values)
                if whole and bool((rows == torch.arange(self.trials, device=rows.device)).all())
                else {n: t[rows] for n, t in self.values.items()},
            )
        return self._selected[1]

    def field(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The velocity of rows, (b, D)."""
        return self.mapped(self._velocity, t, y, rows)

    def mapped(self, one_trial: Callable[..., Tensor], t: Tensor, y: Any, rows: Tensor) -> Tensor:
        """one_trial(t, y, values of the case) for every row; y may be a tuple of tensors."""
        with _reading(self.gates, self.device):
            return torch.func.vmap(one_trial)(t, y, self.select(rows))

    def _velocity(self, t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        state = {n: Numeric(v) for n, v in self.unflatten(y).items()}
        return self.flattened(self.flow.velocity(state, self.case(one), Numeric(t)), y)

    def flattened(self, arrays: Mapping[str, Any], like: Tensor) -> Tensor:
        """The arrays of a state of one trial as one row, (D,)."""
        parts = [(as_tensor(arrays[n]) + like.new_zeros(s)).reshape(-1) for n, s in self.shapes.items()]
        return torch.cat(parts)

    def observe(self, formula: Any, t: Tensor, y: Tensor, rows: Tensor | None = None, ended: bool = False) -> Tensor:
        """A formula of (p, c) at states (b, D), as (b, q); with `ended`, the states are also c.end."""
        rows = torch.arange(self.trials, device=y.device) if rows is None else rows

        def one_trial(t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
            arrays = self.unflatten(y)
            end = {f"end.{n}": arrays[n] for n in self.flow.state} if ended else {}
            state = {n: Numeric(v) for n, v in arrays.items()}
            p, c = self.flow.view(state, self.case({**one, **end}), Numeric(t))
            return as_tensor(call(formula, p, c)).reshape(-1)

        with _reading(self.gates, self.device):
            return torch.func.vmap(one_trial)(t, y, self.select(rows))

    def compiled(self, formula: Any = None) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """The field, or formulas of (p, c), as a callable of (t, y, rows): generated C where that is possible.

        Where it is not, `obstacle` says why. Raises InternalError where the generated code and torch disagree at the
        initial states of the first trials, which is looked at once a process for the same formulas.
        """
        formulas = formula if isinstance(formula, (list, tuple)) else [formula]
        plain = self.field if formula is None else partial(self._observed, formulas)
        self.obstacle = f"the device is {self.device}" if self.device != "cpu" else ""
        found = None if self.obstacle else self._written(formulas)
        if found is None:
            return self.batched() if formula is None else plain
        roots, world_state = found
        fast = compile_formula(roots, world_state, self.constants, self.gates)
        if fast is None:
            self.obstacle = obstacle(roots, world_state, self.gates)
            return self.batched() if formula is None else plain
        if fast.program in _AGREED:
            return fast
        rows = torch.arange(min(self.trials, COMPARED))
        zero, start = torch.zeros(len(rows), dtype=torch.float64), self.initial[: len(rows)]
        expected, got = plain(zero, start, rows), fast(zero, start, rows)
        gap = (expected - got).abs() / (1 + expected.abs())
        worst = float(gap[torch.isfinite(expected)].max()) if bool(torch.isfinite(expected).any()) else 0.0
        if not worst <= AGREEMENT:
            raise InternalError(
                f"generated code and torch differ by {worst:.1e} at the initial states; "
                f"expected at most {AGREEMENT:.0e}"
            )
        _AGREED.add(fast.program)
        return fast

    def threaded(self, machine: Machine, formula: Any = None) -> ThreadedFormula | None:
        """The field, or formulas of (p, c), for code generated for `machine`; None where `obstacle` says why."""
        formulas = formula if isinstance(formula, (list, tuple)) else [formula]
        found = self._written(formulas)
        if found is None:
            return None
        program = Program.of(*found, self.gates)
        columns = [self.constants[name] for name in program.held]
        held = torch.stack(columns, 1).cpu().numpy() if columns else np.zeros((self.trials, 0))
        plain = self.batched() if formula is None else partial(self._observed, formulas)
        return ThreadedFormula(program, np.ascontiguousarray(held), plain, machine)

    def _written(self, formulas: Sequence[Any]) -> tuple[list[Any], list[str]] | None:
        """Formulas, or the field for None, in the exact reading; None where `obstacle` says why not."""
        self.obstacle = ""
        if self._key(formulas) not in _ROOTS:
            self.obstacle = self.too_large([f for f in formulas if f is not None])
        try:
            return None if self.obstacle else self.roots(formulas)
        except UnsupportedReading as error:
            self.obstacle = f"a formula has no exact reading at these sizes ({error})"
        return None

    def batched(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """The field in torch, by one backward pass for all trials where that is possible.

        Raises InternalError where it differs from `field` at the initial states.
        """
        made = batched_field(self)
        if made is None:
            return self.field
        rows = torch.arange(min(self.trials, COMPARED), device=self.initial.device)
        zero, start = self.initial.new_zeros(len(rows)), self.initial[: len(rows)]
        expected, got = self.field(zero, start, rows), made(zero, start, rows)
        gap = ((expected - got).abs() / (1 + expected.abs()))[torch.isfinite(expected)]
        if gap.numel() and not float(gap.max()) <= AGREEMENT:
            raise InternalError(
                f"one backward pass and one for each trial differ by {float(gap.max()):.1e} at the initial states; "
                f"expected at most {AGREEMENT:.0e}"
            )
        return made

    def _key(self, formulas: Sequence[Any]) -> tuple[Any, ...]:
        """What the roots of formulas depend on; objects of users are named by identity."""
        parts = [getattr(self.flow, item.name) for item in fields(self.flow) if item.name != "setting"]
        shapes = sorted((n, tuple(v.shape[1:])) for n, v in self.values.items())
        given = sorted(set(self.setting.variables) & set(self.values))
        sizes = sorted(self.dims.items())
        return (MAX_OPERATIONS, type(self.flow), *map(id, parts), *map(id, formulas), *shapes, *given, *sizes)

    def _observed(self, formulas: Sequence[Any], t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.cat([self.observe(f, t, y, rows) for f in formulas], 1)

    def too_large(self, formulas: Sequence[Any] = (), most: int | None = None) -> str:
        """Why field and formulas are too large for code that is written out, found from one evaluation; or ""."""
        with Operations() as count, torch.no_grad():
            one = torch.zeros(1, dtype=torch.long, device=self.device)
            self.field(self.initial.new_zeros(1), self.initial[:1], one)
            for formula in formulas:
                self.observe(formula, self.initial.new_zeros(1), self.initial[:1], one)
        most = MAX_OPERATIONS if most is None else most
        if count.total <= most:
            return ""
        what = "the field takes" if not formulas else "field and formulas take"
        return f"{what} about {count.total:.0e} operations, and at most {most:.0e} are written out"

    def roots(self, formulas: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Formulas, or the field for None, in the exact reading; every case variable and initial value is a letter."""
        key = self._key(formulas)
        found = _ROOTS.get(key)
        if found is None:
            world = self.world()
            arrays = [a for f in formulas for a in self._arrays(world, f)]
            if len(_ROOTS) >= REMEMBERED:
                _ROOTS.clear()
            # What the key names by identity stays alive with it.
            found = _ROOTS[key] = ((self.flow, formulas), [e for a in arrays for e in a.entries()])
        return found[1], self.state_names

    @property
    def state_names(self) -> list[str]:
        """The letters of the coordinates of a state."""
        return [entry_name(n, index) for n, shape in self.shapes.items() for index in np.ndindex(shape)]

    @property
    def constants(self) -> dict[str, Tensor]:
        """The scalars of the cases, (trials,) each, by letter."""
        return {
            entry_name(n, index): t[(slice(None), *index)]
            for n, t in self.values.items()
            for index in np.ndindex(tuple(t.shape[1:]))
        }

    def _arrays(self, world: Any, formula: Any) -> list[Any]:
        if formula is None:
            return [world.lift(v, world.state[n]) for n, v in world.velocity.items()]
        return [world.evaluate(formula)]

    def world(self) -> Any:
        from theorylab.derive.world import World

        opened = {
            n: Variable(" ".join(map(str, t.shape[1:]))) for n, t in self.values.items() if not n.startswith("init.")
        }
        free = {n: v for n, v in opened.items() if n in self.setting.variables}
        start = dict.fromkeys(self.flow.state, normal())
        return World(replace(self.flow, setting=Setting(init=start, **free)), self.dims)

    def size_of(self, formula: Any, t: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        """The size of the terms of a formula at y, or at the start: |q| + sum of |p dq/dp| over p, (trials, q)."""
        t = torch.zeros(self.trials, dtype=torch.float64, device=self.device) if t is None else t
        y = self.initial if y is None else y
        value = self.observe(formula, t, y)

        def one_trial(t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
            def at(y: Tensor) -> Tensor:
                state = {n: Numeric(v) for n, v in self.unflatten(y).items()}
                return as_tensor(call(formula, *self.flow.view(state, self.case(one), Numeric(t)))).reshape(-1)

            return (torch.func.jacrev(at)(y) * y).abs().sum(1)  # type: ignore[operator]

        with _reading(self.gates, self.device):
            terms = torch.func.vmap(one_trial)(t, y, self.select(torch.arange(self.trials)))
        return value.abs() + torch.nan_to_num(terms)


def as_tensor(value: Any) -> Tensor:
    if isinstance(value, Numeric):
        return value.data
    return (value.into(Numeric) if isinstance(value, Array) else Numeric.constant(value)).data
