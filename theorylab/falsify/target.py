"""What a claim says at a case, as scalar expressions in free letters: goals, read where a run starts.

The state is replaced by the enforced initial parameters, so a violation is one at the start of a run of the flow. For
goals about every state, which need not be a start, arbitrary states come second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from theorylab.claims.base import Claim, Conjugates, Conserved, Evolves, Goal, NonNegative, Test, Zero
from theorylab.claims.evolution import carried
from theorylab.derive.prove import conjugacy_gaps, formula_of
from theorylab.derive.world import World
from theorylab.errors import Undefined, UnsupportedReading
from theorylab.falsify.cases import CaseCode, case_blocks, state_blocks, thresholds
from theorylab.falsify.draws import random_codes
from theorylab.falsify.evaluate import screened
from theorylab.readings import exact
from theorylab.readings import expression as ex
from theorylab.readings.array import Array, is_number
from theorylab.readings.exact import Exact
from theorylab.readings.letters import TIME, Dims
from theorylab.readings.namespace import call
from theorylab.scheme import Scheme

Sense = Literal["==", ">=", ">", "<="]
Place = Literal["case", "start", "state"]

TAYLOR_ORDERS = 4
TAYLOR_NODES = 20_000
PROBES = 128
"""Higher derivatives along the flow are taken while the expressions stay below this size."""


@dataclass(frozen=True)
class Component:
    """One entry of what a goal says: `array` names the state array of a conjugacy, `index` the entry."""

    array: str | None
    index: tuple[int, ...]
    root: ex.Expression


@dataclass(frozen=True)
class Hypothesis:
    """Residuals that vanish, or margins that are positive, where the hypothesis holds."""

    name: str
    positive: bool
    enforced: bool
    roots: tuple[ex.Expression, ...]


@dataclass(frozen=True)
class Target:
    """A goal at given sizes: components that compare with zero as `sense` says, at every case of `code`.

    `order` derivatives along the flow were taken; with one or more, no gate may sit on its kink. `state` and
    `velocity` are the state and its derivative there, `variables` the case with its hypotheses enforced, all in the
    letters of the code.
    """

    goal: Goal | Test
    place: Place
    sense: Sense
    order: int
    dims: Dims
    code: CaseCode
    components: tuple[Component, ...]
    hypotheses: tuple[Hypothesis, ...]
    state: dict[str, Exact] = field(repr=False, default_factory=dict)
    velocity: tuple[ex.Expression, ...] = field(repr=False, default=())
    variables: dict[str, Exact] = field(repr=False, default_factory=dict)
    step_at_zero: Fraction | None = None

    @property
    def smooth(self) -> bool:
        return self.order > 0 or isinstance(self.goal, Conjugates)

    @property
    def roots(self) -> list[ex.Expression]:
        return [c.root for c in self.components]

    @property
    def natural_order(self) -> int:
        """How many derivatives the goal itself speaks of."""
        return 1 if isinstance(self.goal, (Conserved, Evolves)) else 0

    def same_question(self, other: Target) -> bool:
        """Whether the other target asks the same at other sizes."""
        mine, its = ((t.goal.name, t.place, t.sense, t.order) for t in (self, other))
        return mine == its


def questions(claim: Claim) -> list[Goal | Test]:
    """What the claim itself says, without the invariants that only carry hypotheses: its goals, else its tests."""
    goals = list(claim.goals())
    own = [g for g in goals[len(carried(getattr(claim, "on", ()))) :] if not g.derived]
    if own:
        return list(own)
    pointwise = [t for t in claim.tests() if t.kind in ("zero", "nonnegative")]
    return [t for t in pointwise if t.where in ("case", "state") or (t.where == "run" and t.kind == "zero")]


def targets(claim: Claim, dims: Dims) -> Iterator[Target]:
    """The targets of a claim at given sizes, the most telling first.

    Raises UnsupportedReading where a formula has no exact form, InputError where it has none at these sizes.
    """
    carries = bool(getattr(claim, "on", ()))
    for question in questions(claim):
        yield from _Reader(question, dims, carries).targets()


class _Reader:
    """One goal or test in its world."""

    def __init__(self, question: Goal | Test, dims: Dims, carries: bool) -> None:
        self.question, self.carries = question, carries
        self.world = World(question.subject, dims, one_loss=True)
        self.dims = {n: dims[n] for n in sorted(dims)}
        self.flow = self.world.flow
        gates = self.flow.gates if self.flow is not None else 0
        self.step_at_zero = Fraction(gates) if is_number(gates) else None
        self.hypotheses = tuple(self._hypotheses())
        named = ex.variables(r for h in self.hypotheses if not h.enforced for r in h.roots)
        self.blocks = tuple(case_blocks(self.world.subject, dims, {n.split("[")[0] for n in named}))

    def _hypotheses(self) -> Iterator[Hypothesis]:
        for a in self.world.setting.assumptions:
            if a.holds is None:
                continue
            residual = self.world.array(a.holds(self.world.case))
            assert isinstance(residual, Exact)
            enforced = a.enforce is not None
            if a.enforce is not None:
                try:
                    a.enforce(self.world.case)
                except UnsupportedReading:
                    enforced = False
            yield Hypothesis(a.name, a.positive, enforced, tuple(residual.entries()))

    def targets(self) -> Iterator[Target]:
        arrays, sense, order = self._read()
        if self.flow is None:
            yield self._target("case", sense, order, arrays)
            return
        yield self._target("start", sense, order, self._at_start(arrays))
        if (order == 0 and not self._along_runs) or isinstance(self.question, Conjugates):
            yield self._target("state", sense, order, arrays)
        elif sense == "==":
            yield from self._higher(arrays, order)

    @property
    def _along_runs(self) -> bool:
        """Whether only states of runs count, by test or because conserved quantities carry hypotheses to them."""
        if isinstance(self.question, Test):
            return self.question.where == "run"
        return isinstance(self.question, Zero) and self.carries

    def _read(self) -> tuple[dict[str | None, Array], Sense, int]:
        question, world = self.question, self.world
        match question:
            case Conserved():
                return {None: formula_of(question, world)}, "==", 1
            case Evolves():
                return {None: formula_of(question, world)}, question.sense, 1
            case Zero():
                return {None: self._observed(question.formula)}, "==", 0
            case NonNegative():
                return {None: self._observed(question.formula)}, ">" if question.strict else ">=", 0
            case Conjugates():
                return {**conjugacy_gaps(question, world)}, "==", 0
            case Test():
                sense: Sense = "==" if question.kind == "zero" else ">" if question.strict else ">="
                return {None: self._observed(question.observe)}, sense, 0
        raise UnsupportedReading(f"a goal of kind {type(question).__name__} has no exact form")

    def _observed(self, formula: Any) -> Array:
        """A formula at an arbitrary state and time."""
        if self.flow is None:
            return self.world.evaluate(formula)
        return self.world.array(call(formula, *self.flow.view(self.world.state, self.world.case, self.world.time)))

    def _start(self) -> dict[str, Exact]:
        assert self.flow is not None
        found: dict[str, Exact] = {}
        for name, array in self.world.state.items():
            value = self.world.case["init"][name] if name in self.flow.state else 0
            start = self.world.lift(value, array)
            assert isinstance(start, Exact)
            found[name] = start
        return found

    def _at_start(self, arrays: dict[str | None, Array]) -> dict[str | None, Array]:
        values = exact.substitute(list(arrays.values()), {**self._start(), TIME: Exact.constant(0)})  # type: ignore[arg-type]
        return dict(zip(arrays, values, strict=True))

    def _higher(self, arrays: dict[str | None, Array], order: int) -> Iterator[Target]:
        """Further Taylor coefficients at the start: a law that holds has none."""
        for more in range(order + 1, TAYLOR_ORDERS + 1):
            if not self._somewhere_nonzero(arrays):
                return
            velocity = {**self.world.velocity, TIME: Exact.constant(1)}
            slopes = exact.directional(list(arrays.values()), velocity)  # type: ignore[arg-type]
            arrays = dict(zip(arrays, slopes, strict=True))
            try:
                started = self._at_start(arrays)
            except Undefined:  # such as the slope of a root at 0
                return
            if len(ex.topological([e for a in started.values() for e in a.entries()])) > TAYLOR_NODES:  # type: ignore[attr-defined]
                return
            yield self._target("start", "==", more, started)

    def _somewhere_nonzero(self, arrays: dict[str | None, Array]) -> bool:
        """Whether an entry differs from zero at some arbitrary state; if none does, no derivative does."""
        roots = [e for a in arrays.values() if isinstance(a, Exact) for e in a.entries()]
        code = self._code("state", roots)
        columns = {**code.columns(random_codes(code, 0, 0, PROBES)), TIME: np.linspace(0, 1, PROBES)}
        gate = None if self.step_at_zero is None else float(self.step_at_zero)
        values, errors, _ = screened(roots, columns, PROBES, gate)
        return bool((np.abs(values) > 4 * errors).any())

    def _code(self, place: Place, roots: Sequence[ex.Expression]) -> CaseCode:
        """The letters of the case, and of the state where it is arbitrary, with the thresholds of what is asked."""
        blocks = self.blocks
        if place == "state" and self.flow is not None:
            shapes = {n: a.shape for n, a in self.world.state.items() if isinstance(a, Exact)}
            blocks = (*blocks, *state_blocks(self.flow, shapes))
        values = thresholds(ex.constants([*roots, *(r for h in self.hypotheses for r in h.roots)]))
        return CaseCode(tuple(b.holding(values) for b in blocks) if values else blocks)

    def _target(self, place: Place, sense: Sense, order: int, arrays: dict[str | None, Array]) -> Target:
        state: dict[str, Exact] = {}
        if self.flow is not None:
            letters = {n: a for n, a in self.world.state.items() if isinstance(a, Exact)}
            state = self._start() if place == "start" else letters
        components: list[Component] = []
        for name, array in arrays.items():
            assert isinstance(array, Exact)
            components += [Component(name, i, e) for i, e in zip(np.ndindex(array.shape), array.entries(), strict=True)]
        used = ex.variables(c.root for c in components)
        if place == "state" and TIME in used:
            raise UnsupportedReading("a formula of the time says nothing of an arbitrary state")
        code = self._code(place, [c.root for c in components])
        return Target(
            self.question, place, sense, order, self.dims, code, tuple(components), self.hypotheses, state,
            self._velocity(place), self._variables(place), self.step_at_zero,
        )  # fmt: skip

    def _variables(self, place: Place) -> dict[str, Exact]:
        """Setting variables, data and initial parameters as the hypotheses leave them, in the order of the code."""
        case, found = self.world.case, {}
        for b in self.blocks:
            head, _, tail = b.name.partition(".")
            value = self.world.array(case[head][tail] if tail else case[head])
            assert isinstance(value, Exact)
            found[b.name] = value
        return found | ({n: a for n, a in self.world.state.items() if isinstance(a, Exact)} if place == "state" else {})

    def _velocity(self, place: Place) -> tuple[ex.Expression, ...]:
        if self.flow is None:
            return ()
        arrays = dict(self.world.velocity)
        if place == "start":
            arrays = self._at_start(arrays)  # type: ignore[arg-type, assignment]
        return tuple(e for a in arrays.values() if isinstance(a, Exact) for e in a.entries())


def sizes_of(claim: Claim) -> set[str]:
    """Every symbolic size of what the claim speaks of."""
    asked = questions(claim)
    found = _sizes(claim.subject)
    for question in asked:
        found |= _sizes(question.subject) | (_sizes(question.to) if isinstance(question, Conjugates) else set())
    return found


def _sizes(subject: Any) -> set[str]:
    return set(subject.flow.sizes if isinstance(subject, Scheme) else subject.sizes)


def smaller(dims: Dims, limit: int) -> dict[str, int]:
    return {name: min(size, limit) for name, size in dims.items()}


def size_order(dims: Dims) -> Sequence[str]:
    """Sizes in the order in which they are shrunk: samples and outputs first."""
    first = [n for n in ("n", "m") if n in dims]
    return [*first, *(n for n in sorted(dims) if n not in first)]
