"""Gradient flows of models: first order, and with momentum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

from theorylab.data import checked_data
from theorylab.errors import InputError, UnsupportedReading
from theorylab.flow import Flow, Formula, Free
from theorylab.loss import Loss, as_loss
from theorylab.model import Model
from theorylab.readings.array import Array, is_number
from theorylab.readings.calculus import gradient, is_numeric
from theorylab.readings.letters import Dims, maker, ones
from theorylab.readings.namespace import Case, Namespace, arity, call
from theorylab.setting import Make, Setting, Shape

if TYPE_CHECKING:
    from theorylab.scheme import Scheme


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
        """The shape of x where the statement gives no data: that of the setting's own x, if it declares one."""
        declared = self.setting.variables.get("x")
        if declared is not None and declared.shape and self.data is None:
            return declared.sizes
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
        if "data" in changes:
            changes["data"] = checked_data(changes["data"])
        return super().with_(**changes)

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
        """The loss at p, a scalar. Raises InputError where the loss is unknown: only its slope c.r has a name."""
        if self.loss is None:
            raise InputError(
                f"the objective of {self.name!r} is an unknown loss, which has no value; "
                "expected a given loss such as loss=tl.loss.square, or formulas of c.f and its slope c.r"
            )
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
        if 0 in shape:
            raise InputError(
                f"the outputs of {self.model.name!r} have the shape {shape}; expected an output and a sample, "
                "perhaps by a declared sample shape such as x='7'"
            )
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
        """theta' = -grad L / L, the gradient flow of log L: the same paths in the time s with ds = L dt.

        In generated code the exponential loss may fall to e^(-1e7) and further, the logistic loss to 1e-300.
        """
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
        data=checked_data(data),
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

    @property
    def is_plain(self) -> bool:
        """Whether the field is minus the gradient of the loss and nothing else: never with a velocity."""
        return False

    def field(self, p: Namespace, c: Case) -> Namespace:
        return self.velocity_from(self.base.gradient(self.parameters(p), c), p, c)

    def velocity_from(self, g: Mapping[str, Any], p: Namespace, c: Case) -> Namespace:
        """The field at p, where the gradient of the loss by the parameters is g."""
        force = self.base.velocity_from(self.parameters(g), self.parameters(p), c)
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
