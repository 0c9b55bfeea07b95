"""Flows: what moves the parameters of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from theorylab.draw import Draw, normal
from theorylab.errors import InputError, UnsupportedReading
from theorylab.loss import Loss, as_loss
from theorylab.model import Model
from theorylab.readings.array import Array, is_number
from theorylab.readings.calculus import gradient, is_numeric
from theorylab.readings.letters import Dims, maker, ones
from theorylab.readings.namespace import Case, Namespace, arity, call
from theorylab.setting import Make, Setting, Shape, Variable, check_name, parse_shape

if TYPE_CHECKING:
    from theorylab.scheme import Scheme

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Free:
    """A variable of a concrete statement: its shape, the sign of its entries and how it is drawn."""

    shape: Shape
    sign: str = "any"
    draw: Draw = field(default_factory=normal)


@dataclass(frozen=True)
class Flow:
    """An ordinary differential equation p' = field(p, c) on named parameters, over the cases of a setting.

    `state` gives shapes ("d n" or a tuple of sizes); `integrals` are further states that
    start at 0: s' = integrand(p, c), read as c.integral.s.
    """

    right_side: Formula | None = None
    _: KW_ONLY
    state: Mapping[str, Any]
    setting: Setting = field(default_factory=Setting)
    integrals: Mapping[str, Formula] = field(default_factory=dict)
    gates: Any = 0
    name: str = "flow"

    def __post_init__(self) -> None:
        shapes = {n: parse_shape(s, f"state {n!r}") if isinstance(s, str) else tuple(s) for n, s in self.state.items()}
        for name in shapes:
            check_name(name, "a state")
        if not is_number(self.gates):
            raise InputError(f"gates is {type(self.gates).__name__}; expected a number, the derivative of relu at 0")
        object.__setattr__(self, "state", shapes)

    def field(self, p: Namespace, c: Case) -> Namespace:
        """The velocity of the parameters, a namespace like p."""
        assert self.right_side is not None
        value = call(self.right_side, p, c)
        if not isinstance(value, Mapping) or set(value) != set(self.state):
            raise InputError(
                f"the field of {self.name!r} gives {value!r}; expected one array for each of {', '.join(self.state)}"
            )
        return value if isinstance(value, Namespace) else Namespace(value)

    def objective(self, p: Namespace, c: Case) -> Any:
        raise InputError(f"{self.name!r} is not a gradient flow and has no objective")

    def with_(self, **changes: Any) -> Self:
        """A copy with options changed."""
        return replace(self, **changes)

    def with_integral(self, **integrands: Formula) -> Self:
        """The flow with further states s(t), the integral of a formula from 0 to t, read as c.integral.s."""
        return replace(self, integrals={**self.integrals, **integrands})

    def with_speed(self, speed: Formula) -> Flow:
        """theta' = speed(p, c) * field: the same paths in another time."""
        from theorylab.change import TimeChange

        return TimeChange(base=self, speed=speed, setting=self.setting, name=self.name)

    def chart(self, to: Formula, back: Formula, shapes: Mapping[str, str] | None = None) -> Flow:
        """The flow in new coordinates to(p), arrays by new names, with back(q) the state that they stand for.

        The field is derived by the chain rule. Where `to` forgets something, back is a section, to(back(q)) = q, and
        `Conjugate(flow, flow.chart(to, back), to)` states that the coordinates have a flow of their own. Both functions
        may read the case, but not the time. Runs start at the image of the start; `.starting_here(s=...)` changes that.
        """
        from theorylab.change import chart

        return chart(self, to, back, shapes)

    def in_log(self, *names: str, sign: int = 1) -> Flow:
        """The flow with log_u = log(sign u) for each u named, whose entries keep that sign, and same_v for the others.

        Separatrices u = 0 cannot be crossed by rounding then. Entries of u below 1e-308 are out of range.
        """
        from theorylab.change import in_log

        return in_log(self, names, sign)

    def euler(self, h: Any) -> Scheme:
        """The Euler scheme p <- p + h field: gradient descent for a gradient flow.

        h is a number, a function of the case, or the name of a positive variable, which is added to the setting.
        """
        from theorylab import scheme

        return scheme.euler(self, h)

    def after(self, p: Mapping[str, Any], c: Case, time: Any) -> Namespace:
        """The state after `time` of the run that is at p at time 0. Only in the numeric reading."""
        from theorylab.simulate.inside import after

        return after(self, p, c, time)

    def end(self, c: Case) -> Namespace:
        """Where the run from the case's initial parameters converges. Only in the numeric reading."""
        from theorylab.simulate.inside import end

        return end(self, c)

    @property
    def sizes(self) -> set[str]:
        """Every symbolic size in the statement."""
        own = {s for shape in self.state.values() for s in shape if isinstance(s, str)}
        return own | self.setting.sizes

    @property
    def fixed_sizes(self) -> Mapping[str, int]:
        """The sizes that given data leave no choice for."""
        return {}

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        """The free variables beside the initial parameters."""
        return {n: Free(v.sizes, v.sign, v.distribution) for n, v in self.setting.variables.items() if not v.defined}

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
        seen.base, seen.flow, seen.state = case, self, p
        return p, seen

    def start(self, case: Case) -> tuple[Namespace, Case]:
        """(p, c) at the start of the run."""
        state = {n: case["init"][n] for n in self.state}
        zero = next(iter(state.values())).sum() * 0
        state |= {f"integral.{n}": zero for n in self.integrals}
        for name, integrand in self.integrals.items():
            state[f"integral.{name}"] = call(integrand, *self.view(state, case, zero)) * 0 + zero
        return self.view(state, case, zero)

    def _complete(self, p: Namespace, c: Case) -> Case:
        return c

    def velocity(self, state: Mapping[str, Any], case: Case, t: Any = None) -> dict[str, Any]:
        """The derivative of the full state."""
        p, c = self.view(state, case, t)
        rates = dict(self.field(p, c))
        for name, integrand in self.integrals.items():
            rates[f"integral.{name}"] = call(integrand, p, c)
        return rates


def _option(given: Any, p: Namespace, c: Case) -> Any:
    """The value of an option: a number, an array, or a function of (c) or (p, c)."""
    if not callable(given):
        return given
    return given(p, c) if arity(given) == 2 else given(c)


def _check_option(given: Any, what: str) -> None:
    if not (is_number(given) or isinstance(given, Array) or callable(given)):
        raise InputError(
            f"{what} is {type(given).__name__}; expected a number or a function of the case, (c) or (p, c)"
        )


@dataclass(frozen=True, kw_only=True)
class FirstOrder(Flow):
    """theta' = -rate * grad L(theta) - lambda theta, or its second-order form with momentum."""

    model: Model
    loss: Loss | None = None
    data: Any = None
    rates: Mapping[str, Any] = field(default_factory=dict)
    weight_decay: Any = 0
    metric: Formula | None = None

    def __post_init__(self) -> None:
        for parameter, rate in self.rates.items():
            if parameter not in self.model.shapes:
                known = ", ".join(self.model.shapes)
                raise InputError(f"rates names the unknown parameter {parameter!r}; expected one of: {known}")
            _check_option(rate, f"the rate of {parameter!r}")
        _check_option(self.weight_decay, "weight_decay")
        if self.metric is not None and not callable(self.metric):
            raise InputError(f"metric is {type(self.metric).__name__}; expected a function of (p) or (p, c)")
        super().__post_init__()

    @property
    def sizes(self) -> set[str]:
        extra = {s for s in self.input_shape if isinstance(s, str)} if self.data is None else set()
        return super().sizes | extra

    @cached_property
    def input_shape(self) -> Shape:
        """The shape of x where the statement gives no data."""
        return self.model.input_shape(self._letters, self.setting.sizes)

    def _letters(self, make: Make) -> Case:
        return self.setting.letters(make, {n: make(n, shape, "any") for n, shape in self.state.items()})

    @property
    def fixed_sizes(self) -> Mapping[str, int]:
        return self._fixed_sizes

    @cached_property
    def _fixed_sizes(self) -> dict[str, int]:
        if self.data is None or callable(self.data):
            return {}
        expected = {"inputs": self.input_shape}
        with suppress(UnsupportedReading):
            expected["targets"] = self.model.output_shape(self.input_shape, self._letters)
        fixed: dict[str, int] = {}
        for (name, shape), part in zip(expected.items(), self.data, strict=False):
            lengths = [s if isinstance(s, int) else fixed.get(s, n) for s, n in zip(shape, part.shape, strict=False)]
            if len(shape) != part.ndim or lengths != list(part.shape):
                known = {s: fixed[s] for s in shape if s in fixed}
                given = f" with {', '.join(f'{s}={n}' for s, n in known.items())}" if known else ""
                named = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
                raise InputError(f"data has {name} of shape {part.shape}; expected {named}{given}, one sample a column")
            fixed |= {s: n for s, n in zip(shape, part.shape, strict=True) if isinstance(s, str)}
        return fixed

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
            return c["x"], c["y"] if "y" in c else None  # noqa: SIM401 -- a case is no Mapping with defaults
        pair = self.data(c) if callable(self.data) else self.data
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"data gives {type(pair).__name__}; expected a pair (x, y)")
        return pair[0], pair[1]

    def outputs(self, p: Mapping[str, Any], c: Case) -> Any:
        return self.model(p, self.inputs(c)[0], c)

    def residual(self, p: Mapping[str, Any], c: Case) -> Any:
        """The derivative of the loss by the outputs: c.r itself where the loss is unknown."""
        if self.loss is None:
            return self._unknown_slope(p, c)
        return self.loss.residual(self.outputs(p, c), self.inputs(c)[1])

    def _unknown_slope(self, p: Mapping[str, Any], c: Case) -> Any:
        """The slope of an unknown loss at p: c.r at the state that c is the view from, and where the outputs agree.

        Elsewhere the slope is unknown: c.r + s + s^2 + s^3 with s = f(p) - c.f belongs to one loss, a convex one, that
        a claim about every loss has to stand too.
        """
        if c.state is None or all(p[n] is c.state[n] for n in self.state if n in c.state):
            return c["r"]
        change = self.outputs(p, c) - c["f"]
        if is_numeric(p) or c.one_loss:
            return c["r"] + change + change**2 + change**3
        if not change.is_zero():
            raise UnsupportedReading("the slope of an unknown loss at another state is not known")
        return c["r"]

    def objective(self, p: Namespace, c: Case) -> Any:
        """The loss at p, a scalar; where it is unknown, its linear part <c.r, f>."""
        if self.loss is None:
            from theorylab import ops

            return ops.dot(self.residual(p, c), self.outputs(p, c))
        return self.loss.value(self.outputs(p, c), self.inputs(c)[1])

    def gradient(self, p: Namespace, c: Case) -> Namespace:
        """The gradient of the loss by the parameters."""
        if is_numeric(p) and self.loss is not None:
            return gradient(lambda q: self.objective(q, c), p)
        r = self.residual(p, c)
        return gradient(lambda q: (self.outputs(q, c) * r).sum(), p)

    def rate(self, name: str, p: Namespace, c: Case) -> Any:
        return _option(self.rates.get(name, 1), p, c)

    def decay(self, p: Namespace, c: Case) -> Any:
        """The coefficient of weight decay; the number 0 where there is none."""
        return _option(self.weight_decay, p, c)

    @property
    def is_plain(self) -> bool:
        """Whether the field is minus the gradient of the loss and nothing else."""
        decays = not is_number(self.weight_decay) or bool(self.weight_decay)
        return not self.rates and self.metric is None and not decays

    def field(self, p: Namespace, c: Case) -> Namespace:
        return self.velocity_from(self.gradient(p, c), p, c)

    def velocity_from(self, g: Namespace, p: Namespace, c: Case) -> Namespace:
        """The field at p, where the gradient of the loss is g."""
        scaled = {n: -(v * self.rate(n, p, c)) for n, v in g.items()}
        if self.metric is not None:
            weights = call(self.metric, p, c)
            if not isinstance(weights, Mapping) or set(weights) != set(scaled):
                raise InputError(f"metric gives {weights!r}; expected one matrix for each of {', '.join(scaled)}")
            scaled = {n: _weighted(weights[n], v) for n, v in scaled.items()}
        decay = self.decay(p, c)
        if is_number(decay) and not decay:
            return Namespace(scaled)
        return Namespace({n: v - decay * p[n] for n, v in scaled.items()})

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        found = super().variables(dims)
        make = maker(None) if dims is None else ones(dims)
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

    def normalised(self) -> FirstOrder:
        """theta' = -grad L / L, the gradient flow of log L: the same paths in the time s with ds = L dt."""
        if self.loss is None or not is_number(self.weight_decay) or self.weight_decay:
            raise InputError(
                "a normalised flow needs a given loss and no weight decay, such as loss=tl.loss.exponential"
            )
        return self.with_(loss=self.loss.logarithm())

    def sgd(self, h: Any, *, batch: int, replace: bool = False) -> Scheme:
        """Stochastic gradient descent: a step h along the field on a random mini-batch of `batch` samples.

        The gradient on a batch is the sum over its samples times n / batch, so that its mean is the gradient. Batches
        are drawn with replacement, or without: then each epoch is a random order, cut into batches (the last holds the
        rest). h is a number, a function of the case, or the name of a variable.
        """
        from theorylab import scheme

        return scheme.sgd(self, h, batch=batch, replace=replace)

    def heavy_ball(self, h: Any, beta: Any, *, batch: int | None = None, replace: bool = False) -> Scheme:
        """v <- beta v + h field, p <- p + v, from v = 0 (Polyak, 1964); velocity_W is v. Batches as in `sgd`."""
        from theorylab import scheme

        return scheme.heavy_ball(self, h, beta, batch=batch, replace=replace)

    def adam(
        self,
        h: Any,
        *,
        beta1: Any = Fraction(9, 10),
        beta2: Any = Fraction(999, 1000),
        eps: Any = Fraction(1, 10**8),
        batch: int | None = None,
        replace: bool = False,
    ) -> Scheme:
        """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1), with g = -field; batches as in `sgd`.

        m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, both from 0; then p <- p - h m^ / (sqrt(v^) + eps)
        with m^ = m / (1 - beta1^n), v^ = v / (1 - beta2^n) after n steps: eps stands outside the root. The state has
        mean_W, square_W, and the powers power1 = beta1^n and power2 = beta2^n.
        """
        from theorylab import scheme

        return scheme.adam(self, h, beta1=beta1, beta2=beta2, eps=eps, batch=batch, replace=replace)


def _weighted(weight: Any, gradient: Any) -> Any:
    """A metric's matrix (or its diagonal, or a number) times a gradient."""
    return weight @ gradient if getattr(weight, "ndim", 0) > gradient.ndim else weight * gradient


@overload
def GradientFlow(model: Model, *, momentum: None = None, **options: Any) -> FirstOrder: ...
@overload
def GradientFlow(model: Model, *, momentum: Any, **options: Any) -> SecondOrder: ...
def GradientFlow(  # pyright: ignore[reportInconsistentOverload]
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
) -> FirstOrder | SecondOrder:
    """The gradient flow of a model; without `loss`, of any differentiable loss, and without `data`, on any data.

    data: a pair of arrays (x, y) or a function of the case that gives one. rates: factors of single gradients, by
    parameter. weight_decay: adds -lambda theta. momentum=tau: theta'' + tau theta' = -grad L - lambda theta from rest.
    gates: the derivative of relu at 0. All options may be functions of the case.
    """
    if not isinstance(model, Model):
        raise InputError(f"a gradient flow got {type(model).__name__}; expected a model declared with @tl.model(...)")
    if setting is not None and not isinstance(setting, Setting):
        raise InputError(f"setting is {type(setting).__name__}; expected tl.Setting(...)")
    flow = FirstOrder(
        model=model,
        loss=as_loss(loss),
        data=_checked_data(data),
        setting=setting or Setting(),
        rates=dict(rates or {}),
        weight_decay=weight_decay,
        metric=metric,
        gates=gates,
        state=dict(model.shapes),
        name=name or model.name,
    )
    made = flow if momentum is None else SecondOrder(base=flow, momentum=momentum, setting=flow.setting, name=flow.name)
    _ = made.initial()
    return made


@dataclass(frozen=True, kw_only=True)
class SecondOrder(Flow):
    """theta' = v, v' = field - momentum * v from rest; the velocity of a parameter W is the state velocity_W.

    `base` is the flow without momentum, over the same setting.
    """

    base: FirstOrder
    momentum: Any
    state: Mapping[str, Any] = field(init=False)
    gates: Any = field(init=False)

    def __post_init__(self) -> None:
        _check_option(self.momentum, "momentum")
        velocities = {f"velocity_{n}": shape for n, shape in self.base.state.items()}
        for name in velocities:
            if name in self.base.state:
                raise InputError(f"a parameter is named {name!r}, which is a velocity here; expected another name")
        given = self.setting
        of_base = Setting(
            *given.assumptions, init={n: v for n, v in given.init.items() if n not in velocities}, **given.variables
        )
        object.__setattr__(self, "base", replace(self.base, setting=of_base))
        object.__setattr__(self, "state", {**self.base.state, **velocities})
        object.__setattr__(self, "setting", given.with_(init={**dict.fromkeys(velocities, 0), **given.init}))
        object.__setattr__(self, "gates", self.base.gates)
        super().__post_init__()

    @property
    def sizes(self) -> set[str]:
        return super().sizes | self.base.sizes

    @property
    def loss(self) -> Loss | None:
        return self.base.loss

    @property
    def fixed_sizes(self) -> Mapping[str, int]:
        return self.base.fixed_sizes

    def parameters(self, p: Mapping[str, Any]) -> Namespace:
        """The state without the velocities."""
        return Namespace({n: p[n] for n in self.base.state})

    def friction(self, p: Namespace, c: Case) -> Any:
        """The coefficient of the velocity."""
        return _option(self.momentum, self.parameters(p), c)

    def field(self, p: Namespace, c: Case) -> Namespace:
        force = self.base.field(self.parameters(p), c)
        velocities = {n: p[f"velocity_{n}"] for n in self.base.state}
        friction = self.friction(p, c)
        return Namespace({**velocities, **{f"velocity_{n}": force[n] - friction * v for n, v in velocities.items()}})

    def with_(self, **changes: Any) -> Self:
        """A copy with options of the flow without momentum changed."""
        base = self.base.with_(**changes)
        velocities = {n: v for n, v in self.setting.init.items() if n not in base.state}
        return replace(
            self, base=base, setting=base.setting.with_(init={**velocities, **base.setting.init}), name=base.name
        )

    def variables(self, dims: Dims | None) -> dict[str, Free]:
        return self.base.variables(dims)

    def outputs(self, p: Mapping[str, Any], c: Case) -> Any:
        return self.base.outputs(self.parameters(p), c)

    def objective(self, p: Namespace, c: Case) -> Any:
        return self.base.objective(self.parameters(p), c)

    def _complete(self, p: Namespace, c: Case) -> Case:
        return self.base._complete(self.parameters(p), c)


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
            raise InputError(
                f"data {name} contains {type(entry).__name__} {entry!r}; expected a rectangular array of numbers"
            )
        if isinstance(entry, (float, np.floating)) and not np.isfinite(entry):
            raise InputError(f"data {name} contains {entry}; expected finite numbers")
    return Exact.constant(raw)
