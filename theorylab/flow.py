"""Flows and schemes: what moves the parameters of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np

from theorylab.draw import Draw, normal
from theorylab.errors import InputError
from theorylab.loss import Loss, as_loss
from theorylab.model import Model
from theorylab.readings.array import Array, is_number
from theorylab.readings.calculus import gradient, is_numeric
from theorylab.readings.letters import Dims, maker
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.setting import Make, Setting, Shape, Variable, parse_shape

Formula = Callable[..., Any]
UNSET: Any = object()


@dataclass(frozen=True)
class Free:
    """A variable of a concrete statement: its shape, the sign of its entries and how it is drawn."""

    shape: Shape
    sign: str = "any"
    draw: Draw = field(default_factory=normal)


@dataclass(frozen=True)
class Flow:
    """An ordinary differential equation p' = field(p, c) on named parameters, over the cases of a setting.

    `state` gives shapes ("d n" or a tuple of sizes); `integrals` are further states that start at 0: s' = integrand(p, c), read as c.integral.s.
    """

    right_side: Formula | None = None
    _: KW_ONLY
    state: Mapping[str, Any]
    setting: Setting = Setting()
    integrals: Mapping[str, Formula] = field(default_factory=dict)
    gates: Any = 0
    name: str = "flow"

    def __post_init__(self) -> None:
        shapes = {n: parse_shape(s, f"state {n!r}") if isinstance(s, str) else tuple(s) for n, s in self.state.items()}
        object.__setattr__(self, "state", shapes)

    def field(self, p: Namespace, c: Case) -> Namespace:
        """The velocity of the parameters, a namespace like p."""
        assert self.right_side is not None
        value = call(self.right_side, p, c)
        if not isinstance(value, Mapping) or set(value) != set(self.state):
            raise InputError(f"the field of {self.name!r} gives {value!r}; expected one array for each of {', '.join(self.state)}")
        return value if isinstance(value, Namespace) else Namespace(value)

    def objective(self, p: Namespace, c: Case) -> Any:
        raise InputError(f"{self.name!r} is not a gradient flow and has no objective")

    def with_(self, **changes: Any) -> Self:
        """A copy with options changed."""
        return replace(self, **changes)

    def with_integral(self, **integrands: Formula) -> Self:
        """The flow with further states s(t), the integral of a formula from 0 to t, read as c.integral.s."""
        return replace(self, integrals={**self.integrals, **integrands})

    @property
    def sizes(self) -> set[str]:
        """Every symbolic size in the statement."""
        own = {s for shape in self.state.values() for s in shape if isinstance(s, str)}
        return own | self.setting.sizes

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        """The free variables beside the initial parameters."""
        return {
            n: Free(v.sizes, v.sign, v.distribution) for n, v in self.setting.variables.items() if not v.defined
        }

    def initial(self) -> dict[str, Variable]:
        """How each initial parameter is given."""
        known = set(self.state)
        for name in self.setting.init:
            if name not in known:
                raise InputError(f"init names the unknown parameter {name!r}; expected one of: {', '.join(self.state)}")
        return {n: self.setting.initial(n, shape) for n, shape in self.state.items()}

    def view(self, state: Mapping[str, Any], case: Case, t: Any = None) -> tuple[Namespace, Case]:
        """(p, c) as formulas see them, from the full state with entries "integral.s" beside the parameters."""
        p = Namespace({n: state[n] for n in self.state})
        integral = Namespace({n: state[f"integral.{n}"] for n in self.integrals}, "integral")
        values: dict[str, Any] = {"integral": integral} if self.integrals else {}
        if t is not None:
            values["t"] = t
        seen = self._complete(p, case.updated(values))
        seen.base = case
        return p, seen

    def start(self, case: Case) -> tuple[Namespace, Case]:
        """(p, c) at the start of the run."""
        state = {n: case["init"][n] for n in self.state}
        zero = next(iter(state.values())).sum() * 0
        return self.view({**state, **{f"integral.{n}": zero for n in self.integrals}}, case, zero)

    def _complete(self, p: Namespace, c: Case) -> Case:
        return c

    def velocity(self, state: Mapping[str, Any], case: Case, t: Any = None) -> dict[str, Any]:
        """The derivative of the full state."""
        p, c = self.view(state, case, t)
        rates = dict(self.field(p, c))
        for name, integrand in self.integrals.items():
            rates[f"integral.{name}"] = call(integrand, p, c)
        return rates


def _formula_value(given: Any, p: Namespace, c: Case) -> Any:
    return given if is_number(given) else call(given, p, c) if callable(given) and _wants_two(given) else given(c)


def _wants_two(function: Formula) -> bool:
    from theorylab.readings.namespace import arity

    return arity(function) == 2


@dataclass(frozen=True, kw_only=True)
class FirstOrder(Flow):
    """theta' = -rate * grad L(theta) - lambda theta, or its second-order form with momentum."""

    model: Model
    loss: Loss | None = None
    data: Any = None
    rates: Mapping[str, Any] = field(default_factory=dict)
    weight_decay: Any = 0
    metric: Formula | None = None

    @property
    def sizes(self) -> set[str]:
        extra = {s for s in self.input_shape if isinstance(s, str)} if self.data is None else set()
        return super().sizes | extra

    @cached_property
    def input_shape(self) -> Shape:
        """The shape of x where the statement gives no data."""

        def case(make: Make) -> Case:
            return self.setting.letters(make, {n: make(n, shape, "any") for n, shape in self.state.items()})

        return self.model.input_shape(case, self.setting.sizes)

    def with_(self, **changes: Any) -> Self:
        if "loss" in changes:
            changes["loss"] = as_loss(changes["loss"])
        if "setting" in changes:
            changes["setting"] = self.setting.merged(changes["setting"])
        if "data" in changes:
            changes["data"] = _checked_data(changes["data"])
        return replace(self, **changes)

    def inputs(self, c: Case) -> tuple[Any, Any]:
        """The data (x, y) of a case; y is None for the unknown loss with arbitrary data."""
        if self.data is None:
            return c["x"], c["y"] if "y" in c else None
        pair = self.data(c) if callable(self.data) else self.data
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"data gives {type(pair).__name__}; expected a pair (x, y)")
        return pair[0], pair[1]

    def outputs(self, p: Mapping[str, Any], c: Case) -> Any:
        return self.model(p, self.inputs(c)[0], c)

    def residual(self, p: Mapping[str, Any], c: Case) -> Any:
        """The derivative of the loss by the outputs: c.r itself where the loss is unknown."""
        if self.loss is None:
            return c["r"]
        return self.loss.residual(self.outputs(p, c), self.inputs(c)[1])

    def objective(self, p: Namespace, c: Case) -> Any:
        """The loss at p, a scalar."""
        if self.loss is None:
            from theorylab import ops

            return ops.dot(c["r"], self.outputs(p, c))
        return self.loss.value(self.outputs(p, c), self.inputs(c)[1])

    def gradient(self, p: Namespace, c: Case) -> Namespace:
        """The gradient of the loss by the parameters."""
        if is_numeric(p):
            return gradient(lambda q: self.objective(q, c), p)
        r = self.residual(p, c)
        return gradient(lambda q: (self.outputs(q, c) * r).sum(), p)

    def rate(self, name: str, p: Namespace, c: Case) -> Any:
        return _formula_value(self.rates.get(name, 1), p, c)

    def field(self, p: Namespace, c: Case) -> Namespace:
        g = self.gradient(p, c)
        scaled = {n: -(v * self.rate(n, p, c)) for n, v in g.items()}
        if self.metric is not None:
            weights = call(self.metric, p, c)
            scaled = {n: weights[n] @ v if weights[n].ndim > v.ndim else weights[n] * v for n, v in scaled.items()}
        if is_number(self.weight_decay) and not self.weight_decay:
            return Namespace(scaled)
        decay = _formula_value(self.weight_decay, p, c)
        return Namespace({n: v - decay * p[n] for n, v in scaled.items()})

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        found = super().variables(dims)
        make = maker(dims)
        if self.data is None and "x" not in self.setting.variables:
            found["x"] = Free(self.input_shape)
        values = {n: make(n, v.shape, v.sign) for n, v in found.items()}
        initial = {n: make(n, shape, "any") for n, shape in self.state.items()}
        case = self.setting.case(values, initial)
        shape = tuple(self.outputs(Namespace(initial), case).shape)
        if self.loss is None:
            found["r"] = Free(shape)
        elif self.data is None and "y" not in self.setting.variables:
            found["y"] = Free(shape, "any", self.loss.targets)
        elif (target := tuple(getattr(self.inputs(case)[1], "shape", shape))) != shape:
            raise InputError(f"data has targets of shape {target}; expected the shape of the outputs, {shape}")
        return found

    def _complete(self, p: Namespace, c: Case) -> Case:
        lazy: dict[str, Callable[[], Any]] = {
            "x": lambda: self.inputs(c)[0],
            "y": lambda: self.inputs(c)[1],
            "f": lambda: self.outputs(p, c),
            "r": lambda: self.residual(p, c),
        }
        return c.updated({}, **{n: v for n, v in lazy.items() if n not in c})

    def euler(self, h: str) -> Scheme:
        """Gradient descent with the step named h, a positive variable of the setting."""
        setting = self.setting if h in self.setting.variables else self.setting.with_(**{h: Variable(positive=True)})
        flow = replace(self, setting=setting)
        return Scheme(step=lambda p, c: p + flow.field(p, c) * c[h], flow=flow)


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A discrete scheme: step(p, c) -> p."""

    step: Formula
    flow: Flow

    @property
    def setting(self) -> Setting:
        return self.flow.setting

    @property
    def state(self) -> Mapping[str, Shape]:
        return self.flow.state


def GradientFlow(
    model: Model,
    *,
    loss: Any = None,
    data: Any = None,
    setting: Setting | None = None,
    rates: Mapping[str, Any] | None = None,
    weight_decay: Any = 0,
    momentum: Any = None,
    metric: Formula | None = None,
    gates: Any = 0,
    name: str | None = None,
) -> FirstOrder:
    """The gradient flow of a model; without `loss`, of any differentiable loss, and without `data`, on any data.

    data: a pair of arrays (x, y) or a function of the case that gives one. rates: factors of single gradients, by
    parameter. weight_decay: adds -lambda theta. momentum=tau: theta'' + tau theta' = -grad L - lambda theta from rest.
    gates: the derivative of relu at 0. All options may be functions of the case.
    """
    if not isinstance(model, Model):
        raise InputError(f"a gradient flow got {type(model).__name__}; expected a model declared with @tl.model(...)")
    for parameter in rates or {}:
        if parameter not in model.shapes:
            raise InputError(f"rates names the unknown parameter {parameter!r}; expected one of: {', '.join(model.shapes)}")
    if setting is not None and not isinstance(setting, Setting):
        raise InputError(f"setting is {type(setting).__name__}; expected tl.Setting(...)")
    flow = FirstOrder(
        model=model, loss=as_loss(loss), data=_checked_data(data), setting=setting or Setting(), rates=dict(rates or {}),
        weight_decay=weight_decay, metric=metric, gates=gates, state=dict(model.shapes), name=name or model.name,
    )  # fmt: skip
    _ = flow.initial()
    if momentum is not None:
        return _second_order(flow, momentum)
    return flow


def _second_order(flow: FirstOrder, momentum: Any) -> Any:
    """theta' = v, v' = field - tau v, with v(0) = 0; the parameters of the velocity are named velocity_NAME."""
    velocities = {f"velocity_{n}": shape for n, shape in flow.state.items()}

    def field(p: Namespace, c: Case) -> Namespace:
        own = Namespace({n: p[n] for n in flow.state})
        force = flow.field(own, flow._complete(own, c))
        tau = _formula_value(momentum, p, c)
        rates = {n: p[f"velocity_{n}"] for n in flow.state}
        return Namespace({**rates, **{f"velocity_{n}": force[n] - tau * p[f"velocity_{n}"] for n in flow.state}})

    setting = Setting(
        *flow.setting.assumptions, init={**flow.setting.init, **dict.fromkeys(velocities, 0)}, **flow.setting.variables
    )
    return SecondOrder(right_side=field, state={**flow.state, **velocities}, setting=setting, gates=flow.gates, base=flow, name=flow.name)


@dataclass(frozen=True, kw_only=True)
class SecondOrder(Flow):
    base: FirstOrder

    @property
    def sizes(self) -> set[str]:
        return super().sizes | self.base.sizes

    @property
    def loss(self) -> Loss | None:
        return self.base.loss

    def with_(self, **changes: Any) -> Any:
        raise InputError("a flow with momentum cannot be changed; expected the options in GradientFlow(...)")

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        return self.base.variables(dims)

    def objective(self, p: Namespace, c: Case) -> Any:
        return self.base.objective(p, c)


def _checked_data(data: Any) -> Any:
    """None, a function of the case, or a pair of finite arrays made exact."""
    if data is None or callable(data):
        return data
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise InputError(f"data is {type(data).__name__}; expected a pair (x, y) or a function of the case")
    return tuple(_exact_array(part, name) for part, name in zip(data, "xy", strict=True))


def _exact_array(values: Any, name: str) -> Array:
    from theorylab.readings.exact import Exact

    if isinstance(values, Array):
        return values
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    raw = np.array(values, dtype=object)
    if not raw.size:
        raise InputError(f"data {name} is empty; expected an array with one sample a column")
    for entry in raw.reshape(-1):
        if not isinstance(entry, Fraction) and not (is_number(entry) or isinstance(entry, np.number)):
            raise InputError(f"data {name} contains {type(entry).__name__} {entry!r}; expected a rectangular array of numbers")
        if isinstance(entry, (float, np.floating)) and not np.isfinite(entry):
            raise InputError(f"data {name} contains {entry}; expected finite numbers")
    return Exact.constant(raw)

