"""A statement in one exact reading: its letters, its case, its state and its field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from theorylab.errors import InputError, UnsupportedReading
from theorylab.flow import Flow
from theorylab.readings import exact, indexed
from theorylab.readings import expression as ex
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, Size, is_number
from theorylab.readings.exact import Exact
from theorylab.readings.indexed import Indexed
from theorylab.readings.letters import TIME, Dims, maker
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.readings.polynomial import Polynomial
from theorylab.setting import Setting, Variable


@dataclass(frozen=True)
class Component:
    """One polynomial of an array: the whole array with its axes as indices, or one entry at given sizes."""

    entry: Polynomial
    axes: tuple[tuple[int, Size], ...]
    index: tuple[int, ...] | None = None


class World:
    """The letters and arrays of a statement: for all sizes (dims=None), or at given sizes.

    `p` are the parameters as letters (the full state is `state`), `time` is a letter whose derivative is 1, `case`
    holds the other letters with hypotheses enforced; `relations` are the hypotheses that could not be enforced.
    `one_loss`: an unknown loss may be read as one particular loss where its slope is needed at another state. What is
    found then can refute a claim and not prove it.
    """

    def __init__(self, subject: Setting | Flow, dims: Dims | None, *, one_loss: bool = False) -> None:
        self.subject, self.dims = subject, dims
        self.flow = subject if isinstance(subject, Flow) else None
        self.setting = subject if isinstance(subject, Setting) else subject.setting
        self.engine: Any = indexed if dims is None else exact
        make = maker(dims)
        self.signs: dict[str, str] = {}
        if self.flow is not None:
            free = self.flow.variables(dims)
            shapes = {n: (v.shape, v.sign) for n, v in free.items()}
        else:
            shapes = {n: (v.sizes, v.sign) for n, v in self.setting.variables.items() if not v.defined}
        values: dict[str, Array] = {}
        for name, (shape, sign) in shapes.items():
            self.signs[name] = sign
            values[name] = make(name, shape, sign)
        initial: dict[str, Array] = {}
        for name, variable in (self.flow.initial() if self.flow is not None else {}).items():
            initial[name] = self._initial(make, name, variable)
        self._given = values, initial
        self.case: Case = self.setting.case(values, initial)
        self.case.one_loss = one_loss
        self.relations: list[tuple[Any, Array]] = self.setting.relations(self.case)
        self.time = make(TIME, (), "any")
        state: dict[str, Array] = {}
        if self.flow is not None:
            state = {n: make(n, shape, "any") for n, shape in self.flow.state.items()}
            for name in self.flow.integrals:
                state[f"integral.{name}"] = make(f"integral.{name}", self._integral_shape(name, state), "any")
        self._check_names({*values, *state})
        for name in state:
            if name in values:
                raise InputError(f"the parameter {name!r} is also a variable or data; expected another name")
        self.state = state
        self.letters = {**values, **{f"init.{n}": a for n, a in initial.items()}, **state}

    @staticmethod
    def _check_names(names: Collection[str]) -> None:
        taken = {po.delta(1).name} & set(names)
        if taken:
            raise InputError(
                f"{taken.pop()!r} stands for Kronecker's symbol in the exact readings; expected another name"
            )

    def _initial(self, make: Any, name: str, variable: Variable) -> Array:
        draw = variable.draw
        if draw is not None and getattr(draw, "kind", "") == "constant":
            value = Fraction(draw.a)  # type: ignore[union-attr]
            if self.dims is None:
                return Indexed(po.constant(value), variable.sizes)
            return make(f"init.{name}", variable.sizes, "any") * 0 + value
        self.signs[f"init.{name}"] = variable.sign
        return make(f"init.{name}", variable.sizes, variable.sign)

    def _integral_shape(self, name: str, state: Mapping[str, Array]) -> tuple[Size, ...]:
        assert self.flow is not None
        integrand = self.flow.integrals[name]
        zero = {f"integral.{n}": next(iter(state.values())).sum() * 0 for n in self.flow.integrals}
        value = call(integrand, *self.flow.view({**zero, **state}, self.case, self.time))
        return tuple(value.shape) if isinstance(value, Array) else ()

    @cached_property
    def unenforced(self) -> Case:
        """The case in plain letters: no hypothesis is enforced."""
        return Setting(init=self.setting.init, **self.setting.variables).case(*self._given)

    @property
    def binary_gates(self) -> bool:
        """Whether every gate is 0 or 1, also where its argument is 0."""
        return self.flow is None or self.flow.gates in (0, 1)

    @cached_property
    def view(self) -> tuple[Namespace, Case]:
        """(p, c) at an arbitrary state."""
        assert self.flow is not None
        return self.flow.view(self.state, self.case, self.time)

    @cached_property
    def velocity(self) -> dict[str, Array]:
        """The derivative of every state array along the flow."""
        assert self.flow is not None
        return {n: self.lift(v, self.state[n]) for n, v in self.flow.velocity(self.state, self.case, self.time).items()}

    def lift(self, value: Any, like: Array) -> Array:
        """A value as an array of this reading with the shape of `like`."""
        array = like * 0 + value
        if array.shape != like.shape:
            raise InputError(f"an array of shape {getattr(value, 'shape', ())} stands where {like.shape} was expected")
        return array

    def evaluate(self, formula: Any) -> Array:
        """A formula of (p), (p, c) at an arbitrary state, or of (c) for a setting."""
        if self.flow is None:
            value = formula(self.case) if callable(formula) else formula
        else:
            value = call(formula, *self.view)
        return self.array(value)

    def array(self, value: Any) -> Array:
        kind = Indexed if self.dims is None else Exact
        if isinstance(value, Array) and (array := value.into(kind)) is not None:
            return array
        if is_number(value):
            return kind.constant(value)
        raise InputError(f"a quantity is {type(value).__name__}; expected a scalar or an array of the parameters")

    def at_start(self, formula: Any) -> Array:
        """A formula at the start of the run."""
        assert self.flow is not None
        return self.array(call(formula, *self.flow.start(self.case)))

    def lie(self, value: Array) -> Array:
        """The derivative of an array along the flow.

        Raises UnsupportedReading for one that contains the slope of the unknown loss: how that moves nobody knows.
        """
        if getattr(self.flow, "loss", self) is None and "r" in self._letters(value):
            raise UnsupportedReading("the slope c.r of an unknown loss has no known derivative")
        return self.engine.directional([value], {**self.velocity, TIME: self.time * 0 + 1})[0]

    def _letters(self, value: Array) -> set[str]:
        """The names of the arrays that a value depends on."""
        if isinstance(value, Indexed):
            return {s.name for s in value.entry.letters()}
        assert isinstance(value, Exact)
        return {name.split("[")[0] for name in ex.variables(value.entries())}

    @property
    def reads_start(self) -> bool:
        """Whether the field depends on where the run started."""
        return any(name.startswith("init.") for v in self.velocity.values() for name in self._letters(v))

    def is_smooth(self, value: Any) -> bool:
        """Whether a value contains no gate, which jumps, and no root, which is vertical at 0."""
        atoms = [s for c in self.components(self.array(value)) for s in c.entry.atoms()]
        return not any(s.function in ("step", "sign", "sqrt") for s in atoms)

    def components(self, value: Array) -> list[Component]:
        """The array as polynomials: one with indices for all sizes, one an entry at given sizes."""
        if isinstance(value, Indexed):
            return [Component(value.entry, tuple(value.axes()))]
        assert isinstance(value, Exact)
        import numpy as np

        from theorylab.derive.flatten import polynomials

        indices = list(np.ndindex(value.shape))
        return [Component(p, (), i) for p, i in zip(polynomials(value.entries(), self.signs), indices, strict=True)]
