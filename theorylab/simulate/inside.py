"""Runs inside formulas: where a flow is after a time, or ends, from a case that a formula sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import Array
from theorylab.readings.host import per_ensemble
from theorylab.readings.namespace import Case, Namespace
from theorylab.readings.numeric import Numeric
from theorylab.setting import Setting, Variable

Tensor = torch.Tensor

TOLERANCE = 1e-12
END_TOLERANCE = 1e-10
GTOL = 1e-11
HORIZON = 1e4
MAX_STEPS = 40_000
MOST_STEPS = 1_000_000
TRACED_FROM = 32
"""From so many steps on it pays to find the operations of a step once."""


def after(flow: Flow, p: Mapping[str, Any], c: Case, time: Any) -> Namespace:
    """The state of a run of the flow that is at p at time 0, after `time`: at tolerance 1e-12; nan where it is lost."""

    def run(problem: Any, times: Tensor) -> Tensor:
        from theorylab.simulate.integrate import integrate

        found = integrate(
            problem.compiled(), problem.initial, t_end=times.double(), rtol=TOLERANCE, atol=TOLERANCE * 1e-3,
            max_steps=MAX_STEPS,
        )  # fmt: skip
        return torch.where((found.status == 1)[:, None], found.y, torch.nan)

    return _inside(flow, p, c, run, time)


def end(flow: Flow, c: Case) -> Namespace:
    """Where the run of the flow from the initial parameters of the case converges; nan where it does not by t = 1e4.

    A parameter that the case has no initial value for is started as the flow's setting defines it: a number or a
    function of the case.
    """
    base = c if c.base is None else c.base
    start: dict[str, Any] = {}
    for name, variable in flow.initial().items():
        draw, known = variable.draw, base["init"][name] if "init" in base and name in base["init"] else None
        if variable.definition is not None:
            start[name] = variable.definition(base)
        elif getattr(draw, "kind", "") == "constant":
            value = Fraction(draw.a)  # type: ignore[union-attr]
            start[name] = value if known is None else known * 0 + value
        elif known is not None:
            start[name] = known
        else:
            raise InputError(
                f"the case has no initial value of {name!r} for {flow.name!r}; expected it in the case, or as a "
                f"function of the case in the setting of the flow"
            )

    def run(problem: Any) -> Tensor:
        from theorylab.simulate.integrate import integrate
        from theorylab.simulate.stopping import Converged

        found = integrate(
            problem.compiled(), problem.initial, t_end=HORIZON, rtol=END_TOLERANCE, atol=1e-30, until=Converged(GTOL),
            max_steps=MAX_STEPS,
        )  # fmt: skip
        return torch.where((found.status == 0)[:, None], found.y, torch.nan)

    return _inside(flow, start, c, run)


def repeated(scheme: Any, p: Mapping[str, Any], c: Case, steps: Any) -> Namespace:
    """The state after a number of steps of a scheme, rounded to an integer."""
    base = c if c.base is None else c.base
    names, arrays = _arrays(base)
    shapes, start = _state(scheme.flow, p, base)

    def run(count: Tensor, y: Tensor, *values: Tensor) -> Tensor:
        number = count.round().reshape(len(y), -1)[:, 0]
        if not bool(((number >= 0) & (number <= MOST_STEPS)).all()):
            raise InputError(f"a scheme was to make {float(number.max()):g} steps; expected at most {MOST_STEPS}")

        def step(k: Tensor, y: Tensor, one: tuple[Tensor, ...]) -> Tensor:
            case = _case(names, one)
            q, view = scheme.flow.view(_split(shapes, y), case, Numeric(k))
            moved = scheme.after(q, view)
            return torch.cat([(moved[n] + q[n] * 0).data.reshape(-1) for n in shapes])

        def masked(k: Tensor, y: Tensor, *values: Tensor) -> Tensor:
            return torch.where((k < number)[:, None], torch.func.vmap(step, in_dims=(None, 0, 0))(k, y, values), y)

        steps = int(number.max())
        clock = torch.arange(steps, dtype=torch.float64, device=y.device)
        advance = masked if steps < TRACED_FROM else _traced(masked, clock[0], y, *values)
        for k in clock:
            y = advance(k, y, *values)
        return y

    flat = per_ensemble(run, steps + start[:1].sum() * 0, start, *arrays, what="a scheme of many steps")
    return Namespace(_split(shapes, flat.data))


def _traced(function: Callable[..., Tensor], *arguments: Tensor) -> Callable[..., Tensor]:
    """A function of tensors as its list of operations, found once; the function itself where that fails."""
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        return make_fx(function)(*arguments)
    except (RuntimeError, NotImplementedError):
        return function


def _inside(flow: Flow, p: Mapping[str, Any], c: Case, run: Any, *extra: Any) -> Namespace:
    from theorylab.simulate.problem import Problem
    from theorylab.simulate.run import with_loss

    base = c if c.base is None else c.base
    flow = with_loss(flow)
    names, arrays = _arrays(base)
    shapes, start = _state(flow, p, base)

    def batched(y: Tensor, *rest: Tensor) -> Tensor:
        given, values = rest[: len(extra)], rest[len(extra) :]
        raw = dict(zip(names, values, strict=True))
        kept = {n: t for n, t in raw.items() if not n.startswith("init.") and n in _free(flow, raw)}
        state: dict[str, Tensor] = {}
        at = 0
        for n, shape in shapes.items():
            size = int(np.prod(shape))
            state[f"init.{n}"] = y[:, at : at + size].reshape(len(y), *shape)
            at += size
        variables: dict[str, Any] = {n: Variable(" ".join(map(str, t.shape[1:]))) for n, t in kept.items()}
        concrete = replace(flow, setting=Setting(**variables))
        problem = Problem(concrete, _dims(flow, shapes, kept), {**kept, **state}, str(y.device))
        found = run(problem, *given)
        return found[:, : y.shape[1]]

    flat = per_ensemble(batched, start, *extra, *arrays, what="a run inside a formula")
    return Namespace(_split(shapes, flat.data))


def _free(flow: Flow, raw: Mapping[str, Tensor]) -> set[str]:
    """The case values that the flow may read: its variables, and data that are free."""
    return {n for n in raw if not n.startswith(("init.", "end.", "integral."))}


def _arrays(c: Case) -> tuple[list[str], list[Any]]:
    """The numeric values of a case by name, initial parameters as "init.W"."""
    found: dict[str, Any] = {}
    for name in c:
        value = c[name]
        if name == "init":
            found |= {f"init.{n}": v for n, v in value.items()}
        elif isinstance(value, Array):
            found[name] = value
    return list(found), list(found.values())


def _state(flow: Flow, p: Mapping[str, Any], c: Case) -> tuple[dict[str, tuple[int, ...]], Any]:
    """The shapes of the state, and the state as one vector."""
    shapes: dict[str, tuple[int, ...]] = {}
    parts: list[Any] = []
    sizes: dict[str, int] = dict(flow.fixed_sizes)
    for name, shape in flow.state.items():
        value = p[name]
        array = value if isinstance(value, Array) else None
        if array is not None:
            array = array.into(Numeric)
            if array is None:
                from theorylab.errors import UnsupportedReading

                raise UnsupportedReading("a run inside a formula has no symbolic form")
            sizes |= {s: n for s, n in zip(shape, array.shape, strict=False) if isinstance(s, str)}
        parts.append(array if array is not None else value)
    for name, variable in flow.setting.variables.items():
        if name in c and isinstance(c[name], Array):
            sizes |= {s: n for s, n in zip(variable.sizes, c[name].shape, strict=False) if isinstance(s, str)}
    flat: list[Tensor] = []
    for (name, shape), part in zip(flow.state.items(), parts, strict=True):
        missing = [s for s in shape if isinstance(s, str) and s not in sizes]
        if missing:
            raise InputError(f"no array of the case tells the size {missing[0]!r} of {name!r}; expected one that does")
        shapes[name] = tuple(s if isinstance(s, int) else sizes[s] for s in shape)
        tensor = part.data if isinstance(part, Numeric) else Numeric.constant(part).data
        flat.append(tensor.expand(shapes[name]).reshape(-1))
    return shapes, Numeric(torch.cat(flat))


def _dims(flow: Flow, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Tensor]) -> dict[str, int]:
    """The sizes of the statement, from the shapes of the arrays that are there."""
    sizes: dict[str, int] = {}
    known = [(flow.state[n], s) for n, s in shapes.items()]
    known += [(v.sizes, tuple(values[n].shape[1:])) for n, v in flow.setting.variables.items() if n in values]
    if "x" in values and hasattr(flow, "input_shape"):
        known.append((flow.input_shape, tuple(values["x"].shape[1:])))  # type: ignore[attr-defined]
    for symbolic, actual in known:
        sizes |= {s: int(n) for s, n in zip(symbolic, actual, strict=False) if isinstance(s, str)}
    return sizes


def _split(shapes: Mapping[str, tuple[int, ...]], y: Tensor) -> dict[str, Numeric]:
    found, at = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name] = Numeric(y[at : at + size].reshape(shape))
        at += size
    return found


def _case(names: list[str], values: tuple[Tensor, ...]) -> Case:
    """A case from its arrays."""
    known = {n: Numeric(v) for n, v in zip(names, values, strict=True)}
    initial = Namespace({n[5:]: v for n, v in known.items() if n.startswith("init.")}, "init parameter")
    return Case({**{n: v for n, v in known.items() if not n.startswith("init.")}, "init": initial})
