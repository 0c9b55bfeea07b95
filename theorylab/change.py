"""Flows made of other flows: in other coordinates, at another speed, with further state, beside an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from theorylab import ops
from theorylab.errors import InputError, UnsupportedReading
from theorylab.flow import Flow, Formula
from theorylab.model import PRIMES
from theorylab.readings.array import Array, is_number
from theorylab.readings.letters import Dims, maker
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.setting import Setting, Shape, Variable, assume

IMAGE = "the start in these coordinates"


@dataclass(frozen=True, kw_only=True)
class Derived(Flow):
    """A flow over the cases, data and objective of another, its `base`; `below` gives the state of the base."""

    base: Flow
    state: Mapping[str, Any] = field(init=False)
    gates: Any = field(init=False)

    def _adopt(self, state: Mapping[str, Any], base_setting: Setting) -> None:
        """Take over the base with its setting exchanged for ours; its integrals become our own."""
        carried = {n: self._lifted(f) for n, f in self.base.integrals.items()}
        object.__setattr__(self, "base", replace(self.base, setting=base_setting, integrals={}))
        object.__setattr__(self, "state", dict(state))
        object.__setattr__(self, "gates", self.base.gates)
        object.__setattr__(self, "integrals", {**carried, **self.integrals})
        super().__post_init__()

    def below(self, p: Namespace, c: Case) -> Namespace:
        """The state of the base at p."""
        raise NotImplementedError

    def _lifted(self, formula: Formula) -> Formula:
        """A formula of the state of the base as one of ours."""
        return lambda p, c: call(formula, self.below(p, c), c)

    @property
    def sizes(self) -> set[str]:
        return super().sizes | self.base.sizes

    @property
    def loss(self) -> Any:
        return getattr(self.base, "loss", ops)

    @property
    def fixed_sizes(self) -> Mapping[str, int]:
        return self.base.fixed_sizes

    def variables(self, dims: Dims | None) -> dict[str, Any]:
        return self.base.variables(dims)

    def outputs(self, p: Namespace, c: Case) -> Any:
        return self.base.outputs(self.below(p, c), c)  # type: ignore[attr-defined]

    def objective(self, p: Namespace, c: Case) -> Any:
        return self.base.objective(self.below(p, c), c)

    def _complete(self, p: Namespace, c: Case) -> Case:
        return self.base._complete(self.below(p, c), c)

    def with_(self, **changes: Any) -> Self:
        """A copy with options of the base changed."""
        base = self.base.with_(**changes)
        own = {n: v for n, v in self.setting.init.items() if n not in self.base.state}
        return replace(self, base=base, setting=base.setting.with_(init={**base.setting.init, **own}), name=base.name)


@dataclass(frozen=True, kw_only=True)
class TimeChange(Derived):
    """theta' = speed(p, c) * field: the same paths in another time."""

    speed: Formula

    def __post_init__(self) -> None:
        self._adopt(self.base.state, self.setting)

    def below(self, p: Namespace, c: Case) -> Namespace:
        return p

    def _lifted(self, formula: Formula) -> Formula:
        return lambda p, c: call(formula, p, c) * call(self.speed, p, c)

    def initial(self) -> dict[str, Variable]:
        return self.base.initial()

    def field(self, p: Namespace, c: Case) -> Namespace:
        return self.base.field(p, c) * call(self.speed, p, c)


@dataclass(frozen=True, kw_only=True)
class Extended(Derived):
    """A flow beside arrays that stand still: the state that a discrete scheme with memory moves."""

    extra: Mapping[str, tuple[Shape, float]]

    def __post_init__(self) -> None:
        rest = {n: start for n, (_, start) in self.extra.items()}
        given = self.setting
        own = {n: v for n, v in given.init.items() if n not in rest}
        object.__setattr__(self, "setting", given.with_(init={**rest, **given.init}))
        shapes = {**self.base.state, **{n: shape for n, (shape, _) in self.extra.items()}}
        self._adopt(shapes, Setting(*given.assumptions, init=own, **given.variables))

    def below(self, p: Namespace, c: Case) -> Namespace:
        return Namespace({n: p[n] for n in self.base.state})

    def initial(self) -> dict[str, Variable]:
        own = {n: self.setting.initial(n, shape) for n, (shape, _) in self.extra.items()}
        return {**self.base.initial(), **own}

    def field(self, p: Namespace, c: Case) -> Namespace:
        still = {n: p[n] * 0 for n in self.extra}
        return Namespace({**self.base.field(self.below(p, c), c), **still})


def image_view(subject: Flow, to: Flow, map: Formula, c: Case, state: Mapping[str, Any], time: Any) -> Case:
    """The case as `to` sees it at `state`, on its run from the image of the start of the run of `subject` through c.

    time: the factor of its clock against that of `subject`. Where the loss is unknown, it has the slope c.r that it has
    for `subject`.
    """
    base = c if c.base is None else c.base
    values: dict[str, Any] = {}
    if "init" in base and all(n in base["init"] for n in subject.state):
        image = call(map, *subject.start(base))
        values["init"] = Namespace({**base["init"], **{n: image[n] for n in to.state}}, "init parameter")
    if getattr(to, "loss", to) is None and "r" in c:
        values["r"] = c["r"]
    clock = c["t"] if "t" in c and is_number(time) and time == 1 else None
    return to.view(state, base.updated(values), clock)[1]


@dataclass(frozen=True, kw_only=True)
class Beside(Derived):
    """A flow, its base, beside the run of another one, `to`, from the image of its start: image_W is W of `to`."""

    to: Flow
    map: Formula
    time: Any = 1

    def __post_init__(self) -> None:
        given = self.setting
        kept = [a for a in given.assumptions if a.name != IMAGE]
        own = {n: v for n, v in given.init.items() if n in self.base.state}
        of_base = Setting(*kept, init=own, **given.variables)
        image = assume(IMAGE, None, self._image)
        object.__setattr__(self, "setting", Setting(*kept, image, init=own, **given.variables))
        self._adopt({**self.base.state, **{f"image_{n}": shape for n, shape in self.to.state.items()}}, of_base)

    def _image(self, c: Case) -> dict[str, Any]:
        found = call(self.map, *self.base.start(c))
        return {f"init.image_{n}": found[n] for n in self.to.state}

    def initial(self) -> dict[str, Variable]:
        own = {f"image_{n}": self.setting.initial(f"image_{n}", shape) for n, shape in self.to.state.items()}
        return {**self.base.initial(), **own}

    def below(self, p: Namespace, c: Case) -> Namespace:
        return Namespace({n: p[n] for n in self.base.state})

    def image(self, p: Namespace) -> Namespace:
        """The state of `to`."""
        return Namespace({n: p[f"image_{n}"] for n in self.to.state})

    def field(self, p: Namespace, c: Case) -> Namespace:
        q = self.image(p)
        there = self.to.field(q, image_view(self.base, self.to, self.map, c, q, self.time))
        speed = self.time(c) if callable(self.time) else self.time
        return Namespace(
            {**self.base.field(self.below(p, c), c), **{f"image_{n}": v * speed for n, v in there.items()}}
        )


@dataclass(frozen=True, kw_only=True)
class Chart(Derived):
    """A flow in the coordinates q = to(p), with p = back(q): q' is the derivative of `to` along the field at back(q).

    Runs start at the image of the base's start, whose parameters stay free and are read as c.init too, or, where
    `starts_here`, from coordinates of their own.
    """

    to: Formula
    back: Formula
    shapes: Mapping[str, Shape]
    starts_here: bool = False

    def __post_init__(self) -> None:
        given = self.setting
        kept = [a for a in given.assumptions if a.name != IMAGE]
        own = {n: v for n, v in given.init.items() if (n in self.base.state) != self.starts_here}
        image = [] if self.starts_here else [assume(IMAGE, None, self._image)]
        object.__setattr__(self, "setting", Setting(*kept, *image, init=own, **given.variables))
        of_base = {n: v for n, v in own.items() if n in self.base.state}
        self._adopt(self.shapes, Setting(*kept, init=of_base, **given.variables))

    def _image(self, c: Case) -> dict[str, Any]:
        at = call(self.to, Namespace({n: c["init"][n] for n in self.base.state}), c)
        return {f"init.{n}": at[n] for n in self.shapes}

    def initial(self) -> dict[str, Variable]:
        if self.starts_here:
            return super().initial()
        return {
            **self.base.initial(),
            **{n: self.setting.initial(n, shape) for n, shape in self.shapes.items() if n not in self.base.state},
        }

    def below(self, p: Namespace, c: Case) -> Namespace:
        found = call(self.back, p, c)
        if not isinstance(found, Mapping) or set(found) != set(self.base.state):
            raise InputError(
                f"back of a chart gives {found!r}; expected one array for each of {', '.join(self.base.state)}"
            )
        return found if isinstance(found, Namespace) else Namespace(found)

    def field(self, p: Namespace, c: Case) -> Namespace:
        at = self.below(p, c)
        along = self.base.field(at, c)

        def coordinate(name: str) -> Any:
            return lambda s: _coordinates(call(self.to, s, c), self.shapes)[name]

        return Namespace({n: ops.derivative(coordinate(n), at, along) for n in self.shapes})

    def starting_here(self, **init: Any) -> Chart:
        """The chart with runs that start at coordinates of their own: `init` as in a setting."""
        kept = {n: v for n, v in self.setting.init.items() if n not in self.base.state}
        return replace(self, setting=self.setting.with_(init={**kept, **init}), starts_here=True)


def _coordinates(found: Any, names: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping) or not all(isinstance(v, Array) for v in found.values()):
        raise InputError(f"a chart maps the state to {found!r}; expected arrays by name, such as dict(s=ops.log(p.u))")
    if names is not None and set(found) != set(names):
        raise InputError(f"a chart gives {', '.join(found)}; expected {', '.join(names)}")
    return found


def chart(flow: Flow, to: Formula, back: Formula, shapes: Mapping[str, str] | None = None) -> Chart:
    """`Flow.chart`."""
    if not callable(to) or not callable(back):
        raise InputError("a chart got no function; expected to(p) or to(p, c), and back(q) or back(q, c)")
    from theorylab.setting import parse_shape

    given = {n: parse_shape(s, f"coordinate {n!r}") for n, s in (shapes or {}).items()}
    found = given or _shapes(flow, to)
    clash = set(found) & set(flow.state)
    if clash:
        raise InputError(
            f"a chart reuses the name {sorted(clash)[0]!r} of the state; expected new names of coordinates"
        )
    return Chart(base=flow, to=to, back=back, shapes=found, setting=flow.setting, name=flow.name)


def _shapes(flow: Flow, to: Formula) -> dict[str, Shape]:
    """The shapes of the coordinates, with sizes by name."""
    taken = {s for shape in flow.state.values() for s in shape if isinstance(s, int)}
    free = (q for q in PRIMES if q not in taken)
    primes = dict(zip(sorted(flow.sizes), free, strict=False))
    for dims in (None, primes):
        make = maker(dims)
        arrays = {n: make(n, shape, "any") for n, shape in flow.state.items()}
        case = flow.setting.letters(make, arrays)
        try:
            found = _coordinates(call(to, Namespace(arrays), case), None)
        except UnsupportedReading:
            continue
        named = {q: n for n, q in primes.items()} if dims is not None else {}
        return {n: tuple(named.get(s, s) if isinstance(s, int) else s for s in a.shape) for n, a in found.items()}
    raise InputError("the shapes of the coordinates are not known; expected shapes={'s': 'd', ...}")


def in_log(flow: Flow, names: tuple[str, ...], sign: int) -> Chart:
    """`Flow.in_log`."""
    for name in names:
        if name not in flow.state:
            raise InputError(f"in_log got the unknown state {name!r}; expected some of: {', '.join(flow.state)}")
    if not names or sign not in (1, -1):
        raise InputError(f"in_log got {names!r} and sign={sign!r}; expected names of states, and sign 1 or -1")

    def label(name: str) -> str:
        return f"log_{name}" if name in names else f"same_{name}"

    def to(p: Namespace) -> dict[str, Any]:
        return {label(n): ops.log(a * sign) if n in names else a for n, a in p.items()}

    def back(q: Namespace) -> dict[str, Any]:
        return {n: ops.exp(q[label(n)]) * sign if n in names else q[label(n)] for n in flow.state}

    made = {label(n): " ".join(map(str, shape)) for n, shape in flow.state.items()}
    return chart(flow, to, back, made)
