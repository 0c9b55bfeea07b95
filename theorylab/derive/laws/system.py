"""The vector fields of a flow at given sizes, from its forward map alone.

A flow moves its state by z' = drift(z) + B(z) grad_theta <r, f(theta, x)> with an arbitrary r, the derivative of the
loss by the outputs. It can therefore move along the drift and along B(z) grad c(theta), one *member* for each
coefficient c of an output f_i(theta, x) as a polynomial in x. A conservation law is constant along each of them
(Marcotte, Gribonval and Peyre 2023, arXiv 2307.00144).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.derive.laws import sparse
from theorylab.derive.laws.functions import Functions
from theorylab.derive.laws.sparse import INPUT, Monomial, Poly
from theorylab.errors import InputError, UnsupportedReading
from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.loss import softmax_cross_entropy
from theorylab.model import SAMPLES
from theorylab.readings import expression as ex
from theorylab.readings.exact import Exact, entry_name
from theorylab.readings.letters import TIME, Dims, maker, resolve
from theorylab.readings.namespace import Case, Namespace
from theorylab.setting import Shape

GATES = ("step", "sign")
Field = dict[int, Poly]
"""The components of a vector field that are not 0, by coordinate."""


@dataclass(frozen=True)
class Member:
    """The gradient, weighted by the flow, of the coefficient of an output at a monomial in the input letters."""

    output: int
    monomial: Monomial
    pattern: int
    field: Field


@dataclass(frozen=True)
class Formulas:
    """The forward map and the velocity of a flow as expressions.

    coordinates: names of the entries of the state, then of variables that the velocity depends on. parameters: how many
    of them, from the first, the outputs are differentiated by. inputs: the names of the entries of `input_shapes`, the
    arrays of inputs and of other variables that the statement quantifies over.
    velocity: one expression a coordinate, in the coordinates and the letters "slope.NAME" of the gradient.
    """

    coordinates: tuple[str, ...]
    parameters: int
    constants: tuple[str, ...]
    inputs: tuple[str, ...]
    input_shapes: Mapping[str, Shape]
    outputs: tuple[ex.Expression, ...]
    velocity: tuple[ex.Expression, ...]
    shapes: Mapping[str, tuple[int, ...]]
    moved_arrays: int
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the velocity is minus the gradient."""
        slopes = [ex.mul(ex.const(-1), ex.var(slope_name(n))) for n in self.coordinates[: self.parameters]]
        rest = [ex.ZERO for _ in self.coordinates[self.parameters :]]
        return all(a is b for a, b in zip(self.velocity, [*slopes, *rest], strict=True))


@dataclass(frozen=True)
class System:
    """The fields of a flow on its coordinates; `clock` is the last of them where the flow has a drift.

    clock: the rate kappa of the coordinate exp(kappa t), 0 for the coordinate t itself, None without a drift.
    """

    formulas: Formulas
    names: tuple[str, ...]
    members: tuple[Member, ...]
    drift: Field = field(default_factory=dict)
    clock: Fraction | None = None
    functions: Functions | None = None

    @property
    def dimension(self) -> int:
        return len(self.names)

    @property
    def fields(self) -> list[Field]:
        """The drift first, where there is one."""
        return [*([self.drift] if self.drift else []), *(m.field for m in self.members)]

    @property
    def polynomial_fields(self) -> list[Field]:
        """Fields with integer coefficients that the same polynomials are constant along."""
        cleared = self.fields if self.functions is None else [g for f in self.fields for g in self.functions.cleared(f)]
        return [sparse.primitive(f) for f in cleared]

    @property
    def extended_fields(self) -> list[Field]:
        """The fields with the velocities of the letters that stand for functions, with integer coefficients."""
        if self.functions is None:
            return [sparse.primitive(f) for f in self.fields]
        found = []
        for f in self.fields:
            moves = dict(f)
            for i in range(len(self.functions.letters)):
                slopes = self.functions.gradient(self.functions.first + i)
                velocity = sparse.add({}, *(sparse.multiply(slopes[k], p) for k, p in f.items() if k in slopes))
                if velocity:
                    moves[self.functions.first + i] = velocity
            found.append(sparse.primitive(moves))
        return found


@dataclass(frozen=True, kw_only=True)
class _Probe(FirstOrder):
    """The flow with letters in the place of the gradient of the loss."""

    slopes: Any = None

    def gradient(self, p: Namespace, c: Case) -> Namespace:
        return Namespace({n: self.slopes[n] for n in self.state})


def slope_name(name: str) -> str:
    return f"slope.{name}"


def formulas(flow: FirstOrder | SecondOrder, dims: Dims) -> Formulas:
    """The flow as expressions at the sizes `dims`, on one arbitrary input or on the data that it has."""
    make = maker(dims)
    flow = replace(flow, integrals={})
    base = flow.base if isinstance(flow, SecondOrder) else flow
    one = maker({**dims, "n": 1})
    free = flow.variables({**dims, "n": 1})
    values = {n: one(n, v.shape, v.sign) for n, v in free.items()}
    initial = {n: make(f"init.{n}", shape, "any") for n, shape in flow.state.items()}
    case = flow.setting.case(values, initial)
    state = {n: make(n, shape, "any") for n, shape in flow.state.items()}
    p, c = flow.view(state, case, make(TIME, (), "any"))
    output: Exact = base.outputs(p if base is flow else flow.parameters(p), c)  # type: ignore[union-attr]
    premises: tuple[str, ...] = ()
    if base.loss is softmax_cross_entropy:
        output = output[..., :-1, :] - output[..., -1:, :]
        premises = ("the derivative of the loss by the outputs sums to 0: outputs are relative to the last one",)
    slopes = {n: make(slope_name(n), shape, "any") for n, shape in base.state.items()}
    probe = _Probe(**{f.name: getattr(base, f.name) for f in fields(base)}, slopes=slopes)
    moved = replace(flow, base=probe) if isinstance(flow, SecondOrder) else probe
    speed = moved.field(p, c)
    shapes = {n: resolve(shape, dims) for n, shape in flow.state.items()}
    names = [entry_name(n, i) for n, shape in shapes.items() for i in np.ndindex(shape)]
    velocity = [e for n, a in state.items() for e in (speed[n] + a * 0).entries()]
    outputs = output.entries()
    slope_names = {slope_name(n) for n in names}
    _refuse(ex.variables([*velocity, *outputs]), "init.", "an initial value")
    _refuse(ex.variables([*velocity, *outputs]), "r", "the loss")
    if TIME in ex.variables([*velocity, *outputs]):
        raise UnsupportedReading("a rate depends on the time")
    extra = sorted(ex.variables(velocity) - slope_names - set(names))
    notes: tuple[str, ...] = ()
    velocity, extra, notes = _unit_of_time(velocity, extra, slope_names, base is not flow)
    seen = ex.variables(outputs) - set(names) - set(extra)
    read = {n: resolve(v.shape, {**dims, "n": 1}) for n, v in free.items() if any(array_of(s) == n for s in seen)}
    for name in read:
        if name in flow.setting.variables and flow.setting.variables[name].integer:
            raise UnsupportedReading(f"the variable {name!r} has integer values")
    for assumption, _ in flow.setting.relations(case):
        raise UnsupportedReading(f"the hypothesis {assumption.name!r} restricts the data")
    if base.data is not None:
        premises = (*premises, "for the inputs of its data set")
    return Formulas(
        coordinates=(*names, *extra),
        parameters=sum(int(np.prod(shapes[n])) for n in base.state),
        constants=tuple(extra),
        inputs=tuple(entry_name(n, i) for n, shape in read.items() for i in np.ndindex(shape)),
        input_shapes={n: tuple(1 if s == SAMPLES else s for s in free[n].shape) for n in read},
        outputs=tuple(outputs),
        velocity=(*velocity, *(ex.ZERO for _ in extra)),
        shapes=shapes,
        moved_arrays=len(base.state),
        notes=(*premises, *notes),
    )


def array_of(name: str) -> str:
    """The array of which a name is an entry."""
    return name.partition("[")[0]


def _refuse(names: set[str], start: str, what: str) -> None:
    for name in sorted(names):
        if array_of(name) == start or (start.endswith(".") and name.startswith(start)):
            raise InputError(
                f"the model depends on {what}, {name!r}; expected a function of parameters and inputs alone"
            )


def _unit_of_time(
    velocity: list[ex.Expression], extra: list[str], slopes: set[str], second_order: bool
) -> tuple[list[ex.Expression], list[str], tuple[str, ...]]:
    """A rate of the whole drift, or the friction of a flow with momentum, is put to 1 by the choice of a unit of time.

    Gradients are arbitrary, so only the drift sets a scale of time; velocities then have that unit too.
    """
    drift = ex.substitute(velocity, dict.fromkeys(slopes, ex.ZERO))
    numbers = {n: i for i, n in enumerate(sorted(ex.variables(drift)))}
    parts = ex.evaluate(drift, lambda n: sparse.letter(numbers[n]), sparse.Polynomials())
    moved = parts[len(parts) // 2 :] if second_order else parts
    for name in extra:
        gradient = ex.substitute(velocity, {name: ex.ZERO})
        if name in numbers and name not in ex.variables(gradient):
            counts = {m.count(numbers[name]) for p in moved for m in p}
            if counts == {1}:
                changed = ex.substitute(velocity, {name: ex.ONE})
                return changed, [n for n in extra if n != name], (f"time in units of 1/{name}",)
    return velocity, extra, ()


def system(given: Formulas, patterns: Sequence[sparse.Polynomials] | None = None, order: int | None = None) -> System:
    """The fields on the coordinates.

    patterns: domains that know the values of gates, one for each activation pattern. order: the degree in the inputs up
    to which functions of inputs are expanded; with 0 they are kept, and there is one member for each output.
    """
    count = len(given.coordinates)
    numbers = {n: i for i, n in enumerate(given.coordinates)}
    numbers |= {n: INPUT + i for i, n in enumerate(given.inputs)}
    drift, control = _velocity(given, numbers)
    names, clock = list(given.coordinates), None
    if drift:
        clock = _clock_rate(drift, given)
        drift[count] = sparse.constant(1) if clock == 0 else {(count,): clock}
        names.append("t" if clock == 0 else f"exp({'' if clock == 1 else f'{clock} '}t)")
    functions = None if order is None else Functions(len(names), order or None)
    members = []
    for pattern, domain in enumerate(patterns or [functions or sparse.Polynomials()]):
        outputs = ex.evaluate(given.outputs, lambda n: sparse.letter(numbers[n]), domain)
        for index, p in enumerate(outputs):
            coefficients = {(): p} if order == 0 else sparse.by_inputs(p)
            for monomial, coefficient in sorted(coefficients.items()):
                slopes = functions.partials(coefficient) if functions else sparse.partials(coefficient)
                weighted = _weighted(slopes, control)
                if weighted:
                    members.append(Member(index, monomial, pattern, weighted))
    return System(given, tuple(names), tuple(members), drift, clock, functions)


def _velocity(given: Formulas, numbers: Mapping[str, int]) -> tuple[Field, dict[int, Field]]:
    """The drift, and for each parameter the field that moves along with its slope."""
    slopes = {slope_name(n): INPUT + i for i, n in enumerate(given.coordinates[: given.parameters])}
    speed = ex.evaluate(
        given.velocity, lambda n: sparse.letter(numbers[n] if n in numbers else slopes[n]), sparse.Polynomials()
    )
    control: dict[int, Field] = {}
    drift: Field = {}
    for k, p in enumerate(speed):
        for monomial, coefficient in sparse.by_inputs(p).items():
            if not monomial:
                drift[k] = coefficient
            elif len(monomial) == 1:
                control.setdefault(monomial[0] - INPUT, {})[k] = coefficient
            else:
                raise UnsupportedReading("the velocity is not linear in the gradient")
    return drift, control


def _weighted(gradient: dict[int, Poly], control: dict[int, Field]) -> Field:
    """B(z) times a gradient."""
    found: Field = {}
    for number, slope in gradient.items():
        for k, weight in control.get(number, {}).items():
            term = sparse.scale(slope, weight[()]) if weight.keys() == {()} else sparse.multiply(slope, weight)
            found[k] = sparse.add(found[k], term) if k in found else term
    return {k: p for k, p in found.items() if p}


def _clock_rate(drift: Field, given: Formulas) -> Fraction:
    """The number kappa for which laws contain the time as exp(kappa t); 0 where they contain t itself.

    A friction tau gives kappa = tau; a linear drift -lambda theta alone gives kappa = lambda.
    """
    diagonal = {drift[k].get((k,), 0) for k in drift}
    rates = {-Fraction(c) for c in diagonal if c}
    return min(rates, key=lambda q: (abs(q), -q)) if rates else Fraction(0)


def has_functions(given: Formulas) -> bool:
    """Whether the outputs contain functions, roots or divisions."""
    nodes = ex.topological(given.outputs)
    return any((n.op == "fn" and n.args[0] not in GATES) or (n.op == "pow" and n.args[1] < 0) for n in nodes)


def is_gated(given: Formulas) -> bool:
    """Whether the outputs contain gates, relu and its like."""
    return any(n.op == "fn" and n.args[0] in GATES for n in ex.topological(given.outputs))
