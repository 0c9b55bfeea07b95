"""A flow at given sizes as an ensemble: parameters flattened, formulas mapped over trials, code generated of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from theorylab.draw import normal
from theorylab.errors import InternalError, UnsupportedReading
from theorylab.flow import Flow
from theorylab.readings.exact import entry_name
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import call
from theorylab.readings.numeric import Numeric
from theorylab.setting import Setting, Variable
from theorylab.simulate.batched import batched_field
from theorylab.simulate.cases import Cases, as_tensor, reading
from theorylab.simulate.compiled import compile_formula, obstacle
from theorylab.simulate.cost import MAX_OPERATIONS, Operations
from theorylab.simulate.kernel.threads import Machine, ThreadedFormula
from theorylab.simulate.program import Program

AGREEMENT = 1e-9
REMEMBERED = 32
_ROOTS: dict[Any, tuple[Any, list[Any]]] = {}
_AGREED: WeakSet[Any] = WeakSet()
COMPARED = 64
"""Trials at whose initial states generated code is compared with torch."""


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

        with reading(self.gates, self.device):
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
        with reading(self.gates, self.device):
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

        with reading(self.gates, self.device):
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
        from theorylab.simulate.linear_models import by_unit_vectors

        opened = {
            n: Variable(" ".join(map(str, t.shape[1:]))) for n, t in self.values.items() if not n.startswith("init.")
        }
        free = {n: v for n, v in opened.items() if n in self.setting.variables}
        start = dict.fromkeys(self.flow.state, normal())
        return World(by_unit_vectors(replace(self.flow, setting=Setting(init=start, **free)), self.dims), self.dims)

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

        with reading(self.gates, self.device):
            terms = torch.func.vmap(one_trial)(t, y, self.select(torch.arange(self.trials)))
        return value.abs() + torch.nan_to_num(terms)
