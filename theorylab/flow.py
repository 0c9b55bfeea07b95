"""Flows: what moves the parameters of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from theorylab.draw import Draw, normal
from theorylab.errors import InputError, ShapeError
from theorylab.readings.array import is_number
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.setting import Setting, Shape, Variable, check_name, parse_shape

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
        for name, rate in value.items():
            if (shape := tuple(getattr(rate, "shape", ()))) != tuple(p[name].shape):
                raise ShapeError(
                    f"the field of {self.name!r} gives {name!r} the shape {shape}; expected {tuple(p[name].shape)}"
                )
        return value if isinstance(value, Namespace) else Namespace(value)

    def objective(self, p: Namespace, c: Case) -> Any:
        raise InputError(f"{self.name!r} is not a gradient flow and has no objective")

    def with_(self, **changes: Any) -> Self:
        """A copy with options changed; a setting is added to this one, see `Setting.merged`."""
        known = [f.name for f in fields(self) if f.init]
        for name in changes:
            if name not in known:
                raise InputError(f"with_ got {name!r} for {self.name!r}; expected one of: {', '.join(known)}")
        if "setting" in changes:
            changes["setting"] = self.setting.merged(changes["setting"])
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
