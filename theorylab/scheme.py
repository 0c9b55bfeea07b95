"""Discrete schemes: gradient descent and its relatives, stated and simulated like flows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from theorylab import ops
from theorylab.draw import Draw, uniform
from theorylab.draw import batch as mini_batch
from theorylab.errors import InputError
from theorylab.flow import Flow, Formula
from theorylab.gradient_flow import FirstOrder
from theorylab.model import SAMPLES
from theorylab.readings.array import is_number
from theorylab.readings.calculus import gradient
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.setting import Setting, Shape, Variable

BATCH = "batch"


@dataclass(frozen=True, init=False)
class Scheme:
    """A discrete scheme: p becomes step(p, c), over the cases of a setting; c.t is the number of steps done.

    flow: what the scheme discretises, which gives state, cases, data and objective. Without one, `state` gives shapes
    as in `tl.Flow`, and `setting` the cases. fresh: variables of the setting that are drawn anew in every step.
    """

    step: Formula
    flow: Flow
    fresh: tuple[str, ...]

    def __init__(
        self,
        step: Formula,
        *,
        flow: Flow | None = None,
        state: Mapping[str, Any] | None = None,
        setting: Setting | None = None,
        fresh: Sequence[str] = (),
    ) -> None:
        if not callable(step):
            raise InputError(f"a scheme got the step {step!r}; expected a function step(p) or step(p, c)")
        if (flow is None) == (state is None):
            raise InputError("a scheme needs either flow=... or state={...}, and got both or none")
        if flow is None:
            assert state is not None
            flow = Flow(
                lambda p, c: _moved(call(step, p, c), p) - p, state=state, setting=setting or Setting(), name="scheme"
            )
        elif setting is not None:
            flow = flow.with_(setting=setting)
        for name in fresh:
            known = flow.setting.variables
            if name not in known or known[name].defined:
                free = ", ".join(n for n, v in known.items() if not v.defined) or "none"
                raise InputError(f"fresh names {name!r}; expected free variables of the setting: {free}")
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "flow", flow)
        object.__setattr__(self, "fresh", tuple(fresh))

    @property
    def setting(self) -> Setting:
        return self.flow.setting

    @property
    def state(self) -> Mapping[str, Shape]:
        return self.flow.state

    def after(self, p: Mapping[str, Any], c: Case, steps: Any = 1) -> Namespace:
        """The state after one step from p, or after more; `steps` as a formula is for the numeric reading."""
        if is_number(steps) and steps == 1:
            return _moved(call(self.step, p, c), p)
        from theorylab.simulate.inside import repeated

        return repeated(self, p, c, steps)


def _moved(found: Any, p: Mapping[str, Any]) -> Namespace:
    if not isinstance(found, Mapping) or set(found) != set(p):
        raise InputError(f"the step of a scheme gives {found!r}; expected one array for each of {', '.join(p)}")
    return found if isinstance(found, Namespace) else Namespace(found)


@dataclass(frozen=True, kw_only=True)
class Sampled(FirstOrder):
    """The gradient on a mini-batch: each sample counts with its entry of the variable `batch`, whose mean is 1."""

    def residual(self, p: Mapping[str, Any], c: Case) -> Any:
        return super().residual(p, c) * c[BATCH]

    def gradient(self, p: Namespace, c: Case) -> Namespace:
        r = self.residual(p, c)
        return gradient(lambda q: (self.outputs(q, c) * r).sum(), p)


def euler(flow: Flow, h: Any) -> Scheme:
    """`Flow.euler`."""
    flow, step = _parameter(flow, h, "h")
    return Scheme(lambda p, c: p + flow.field(p, c) * step(c), flow=flow)


def sgd(flow: FirstOrder, h: Any, *, batch: int, replace: bool) -> Scheme:
    """`FirstOrder.sgd`."""
    flow, step = _parameter(flow, h, "h")
    flow, field, fresh = _sampled(flow, batch, replace)
    return Scheme(lambda p, c: p + field(p, c) * step(c), flow=flow, fresh=fresh)


def heavy_ball(flow: FirstOrder, h: Any, beta: Any, *, batch: int | None, replace: bool) -> Scheme:
    """`FirstOrder.heavy_ball`."""
    flow, step = _parameter(flow, h, "h")
    flow, friction = _parameter(flow, beta, "beta", uniform(0.0, 1.0))
    flow, field, fresh = _sampled(flow, batch, replace)
    extended = _extended(flow, {f"velocity_{n}": (shape, 0.0) for n, shape in flow.state.items()})

    def move(p: Namespace, c: Case) -> dict[str, Any]:
        q = _own(flow, p)
        forces = field(q, c)
        speeds = {n: p[f"velocity_{n}"] * friction(c) + forces[n] * step(c) for n in q}
        return {**{n: q[n] + v for n, v in speeds.items()}, **{f"velocity_{n}": v for n, v in speeds.items()}}

    return Scheme(move, flow=extended, fresh=fresh)


def adam(flow: FirstOrder, h: Any, *, beta1: Any, beta2: Any, eps: Any, batch: int | None, replace: bool) -> Scheme:
    """`FirstOrder.adam`."""
    flow, step = _parameter(flow, h, "h")
    flow, decay1 = _parameter(flow, beta1, "beta1", uniform(0.0, 1.0))
    flow, decay2 = _parameter(flow, beta2, "beta2", uniform(0.0, 1.0))
    flow, small = _parameter(flow, eps, "eps")
    flow, field, fresh = _sampled(flow, batch, replace)
    moments = {f"{moment}_{n}": (shape, 0.0) for moment in ("mean", "square") for n, shape in flow.state.items()}
    extended = _extended(flow, {**moments, "power1": ((), 1.0), "power2": ((), 1.0)})

    def move(p: Namespace, c: Case) -> dict[str, Any]:
        q = _own(flow, p)
        forces, b1, b2 = field(q, c), decay1(c), decay2(c)
        power1, power2 = p["power1"] * b1, p["power2"] * b2
        moved: dict[str, Any] = {}
        for n, at in q.items():
            mean = p[f"mean_{n}"] * b1 - forces[n] * (1 - b1)
            square = p[f"square_{n}"] * b2 + forces[n] ** 2 * (1 - b2)
            direction = mean / (1 - power1) / (ops.sqrt(square / (1 - power2)) + small(c))
            moved |= {n: at - direction * step(c), f"mean_{n}": mean, f"square_{n}": square}
        return {**moved, "power1": power1, "power2": power2}

    return Scheme(move, flow=extended, fresh=fresh)


def _own(flow: Flow, p: Namespace) -> Namespace:
    return Namespace({n: p[n] for n in flow.state})


def _extended(flow: FirstOrder, extra: Mapping[str, tuple[Shape, float]]) -> Flow:
    from theorylab.change import Extended

    return Extended(base=flow, extra=extra, setting=flow.setting, name=flow.name)


def _sampled(flow: FirstOrder, size: int | None, replacing: bool) -> tuple[FirstOrder, Formula, tuple[str, ...]]:
    """The flow with a mini-batch among its variables, its field on the batch, and what is drawn in every step."""
    if size is None:
        return flow, flow.field, ()
    new: dict[str, Any] = {BATCH: Variable(SAMPLES, mini_batch(size, replacing))}
    flow = replace(flow, setting=flow.setting.with_(**new))
    sampled = Sampled(**{f.name: getattr(flow, f.name) for f in fields(FirstOrder) if f.init})
    return flow, sampled.field, (BATCH,)


def _parameter(flow: Any, given: Any, name: str, draw: Draw | None = None) -> tuple[Any, Callable[[Case], Any]]:
    """A number, a function of the case, or the name of a variable, which the setting gets if it has none."""
    if isinstance(given, str):
        if given not in flow.setting.variables:
            new: dict[str, Any] = {given: Variable(draw=draw, positive=True)}
            flow = replace(flow, setting=flow.setting.with_(**new))
        return flow, lambda c: c[given]
    if is_number(given):
        if isinstance(given, float) and not math.isfinite(given):
            raise InputError(f"{name} is {given}; expected a finite number that is not negative")
        exact = Fraction(repr(float(given))) if isinstance(given, float) else Fraction(given)
        if exact < 0:
            raise InputError(f"{name} is {given}; expected a number that is not negative")
        return flow, lambda c: exact
    if callable(given):
        return flow, given
    raise InputError(f"{name} is {type(given).__name__}; expected a number, a function of the case, or a name")
