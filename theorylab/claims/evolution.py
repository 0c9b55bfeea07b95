"""Claims about quantities along a flow: invariants, evolution laws, trajectories, conjugacies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from theorylab.change import Beside, image_view
from theorylab.claims.base import (
    Claim,
    Conjugates,
    Conserved,
    Evolves,
    Formula,
    Goal,
    Sense,
    Test,
    Zero,
    checked_flow,
    checked_quantity,
    observed,
    of_case,
    slopes,
    starting,
)
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import is_number
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.scheme import Scheme

UNSET = object()


def checked_invariants(on: Any) -> tuple[Invariant, ...]:
    for claim in on:
        if not isinstance(claim, Invariant):
            raise InputError(f"on lists {type(claim).__name__} {claim!r}; expected invariants")
    return tuple(on)


def carried(on: Sequence[Invariant]) -> list[Goal]:
    """The conserved goals of the invariants that carry an initial hypothesis to every state."""
    goals: list[Goal] = []
    for claim in on:
        goals += [g for g in claim.goals() if g.name not in {h.name for h in goals}]
    return goals


class Invariant(Claim):
    """quantity(p, c) keeps its initial value along the flow.

    `on` lists invariants whose conservation may be used: they carry what is assumed of c.init to every state.
    """

    kind: ClassVar[str] = "invariant"

    def __init__(self, subject: Flow, quantity: Formula, *, on: Sequence[Invariant] = (), **meta: Any) -> None:
        arguments = {"subject": checked_flow(subject, "Invariant"), "quantity": checked_quantity(quantity)}
        super().__init__({**arguments, "on": checked_invariants(on)}, meta)
        self.quantity, self.on = quantity, tuple(on)

    def goals(self) -> Sequence[Goal]:
        flow = self.subject
        before = [type(g)(**{**vars(g), "subject": flow}) for g in carried(self.on)]
        return [*before, Conserved(name=self.name or "invariant", subject=flow, formula=self.quantity)]

    def tests(self) -> Sequence[Test]:
        def drift(p: Any, c: Any) -> Any:
            return observed(call(self.quantity, p, c)) - starting(self.quantity, self.subject, c)

        return [
            Test(
                name="drift",
                kind="zero",
                where="run",
                subject=self.subject,
                observe=drift,
                scale=self.quantity,
                horizon=self.horizon,
            )
        ]


class Evolution(Claim):
    """d quantity / dt = rate (or <=, >=); on a scheme, the change of the quantity in one step."""

    kind: ClassVar[str] = "evolution"

    def __init__(
        self, subject: Flow | Scheme, quantity: Formula, rate: Any, *, sense: Sense = "==", **meta: Any
    ) -> None:
        if not isinstance(subject, (Flow, Scheme)):
            raise InputError(f"Evolution got {type(subject).__name__}; expected a flow or a scheme")
        if sense not in ("==", "<=", ">="):
            raise InputError(f"sense is {sense!r}; expected '==', '<=' or '>='")
        super().__init__(
            {"subject": subject, "quantity": checked_quantity(quantity), "rate": rate, "sense": sense}, meta
        )
        if not is_number(rate):
            checked_quantity(rate, "rate")
        self.quantity, self.rate = quantity, rate
        self.sense: Sense = sense

    def _step(self, p: Any, c: Any) -> Any:
        change = call(self.quantity, self.subject.after(p, c), c) - call(self.quantity, p, c)
        return change - call(self.rate, p, c)

    def goals(self) -> Sequence[Goal]:
        if isinstance(self.subject, Scheme):
            return [Zero(name="step", subject=self.subject.flow, formula=self._step)] if self.sense == "==" else []
        return [
            Evolves(
                name=self.name or "evolution",
                subject=self.subject,
                formula=self.quantity,
                rate=self.rate,
                sense=self.sense,
            )
        ]

    def tests(self) -> Sequence[Test]:
        if isinstance(self.subject, Scheme):
            kind = "zero" if self.sense == "==" else "nonnegative"
            sign = -1 if self.sense == "<=" else 1
            return [
                Test(
                    name="step",
                    kind=kind,
                    where="state",
                    subject=self.subject.flow,
                    observe=lambda p, c: self._step(p, c) * sign,
                )
            ]
        if is_number(self.rate) and not self.rate:
            flow, accumulated = self.subject, lambda p, c: 0
        else:
            flow = self.subject.with_integral(
                accumulated_rate=self.rate if callable(self.rate) else lambda p: self.rate
            )
            accumulated = lambda p, c: c.integral.accumulated_rate  # noqa: E731

        def change(p: Any, c: Any) -> Any:
            return call(self.quantity, p, c) - starting(self.quantity, flow, c) - accumulated(p, c)

        sign = -1 if self.sense == "<=" else 1
        kind = "zero" if self.sense == "==" else "nonnegative"
        drift = Test(
            name="drift",
            kind=kind,
            where="run",
            subject=flow,
            observe=lambda p, c: change(p, c) * sign,
            scale=self.quantity,
            horizon=self.horizon,
        )
        return [drift] if self.sense == "==" else [drift, self._slope(sign)]

    def _slope(self, sign: int) -> Test:
        """The inequality at every state of a run: from the start alone it may hold where later it is broken."""

        def excess(p: Any, c: Any) -> Any:
            return (sum(slopes(self.quantity, p, c)) - call(self.rate, p, c)) * sign

        def size(p: Any, c: Any) -> Any:
            return sum(map(abs, slopes(self.quantity, p, c))) + abs(call(self.rate, p, c))

        return Test(
            name="slope",
            kind="nonnegative",
            where="run",
            subject=self.subject,
            observe=excess,
            scale=size,
            horizon=self.horizon,
        )


class Trajectory(Claim):
    """quantity(p(t), c) = formula(c) at all times, a number or with c.t, c.init and c.integral in the formula."""

    kind: ClassVar[str] = "trajectory"

    def __init__(
        self, subject: Flow, quantity: Formula, formula: Formula, *, on: Sequence[Invariant] = (), **meta: Any
    ) -> None:
        arguments = {"subject": checked_flow(subject, "Trajectory"), "quantity": checked_quantity(quantity)}
        super().__init__({**arguments, "formula": formula, "on": checked_invariants(on)}, meta)
        self.quantity, self.on = quantity, tuple(on)
        self.formula = of_case(formula, "the formula of a trajectory", "c.t is the time")

    def _gap(self, p: Any, c: Any) -> Any:
        return call(self.quantity, p, c) - self.formula(c)

    def goals(self) -> Sequence[Goal]:
        flow = self.subject
        before = [type(g)(**{**vars(g), "subject": flow}) for g in carried(self.on)]
        if self.on:
            return [*before, Zero(name=self.name or "trajectory", subject=flow, formula=self._gap)]
        name = self._whole_state()
        return [] if name is None else self._solves(name)

    def _whole_state(self) -> str | None:
        """The name of the state array, if the quantity is that array and there is no other."""
        if len(self.subject.state) != 1 or self.subject.integrals:
            return None
        (name,) = self.subject.state
        array = object()
        try:
            return name if call(self.quantity, Namespace({name: array}), Case({})) is array else None
        except (AttributeError, TypeError, InputError):
            return None

    def _solves(self, name: str) -> list[Goal]:
        """The formula is the initial value at time 0 and moves with the field: it is the solution.

        Said as a conjugacy: from the flow that stands still, while time passes, to this one.
        """
        flow = self.subject
        still = flow.with_speed(lambda p: 0).with_(name="nothing moves")

        def difference(p: Any, c: Any) -> Any:
            return self.formula(still.start(c.base)[1]) - c.init[name]

        def solution(p: Any, c: Any) -> Any:
            return Namespace({name: p[name] * 0 + self.formula(c)})

        return [
            Zero(name="start", subject=still, formula=difference, derived=True),
            Conjugates(name=self.name or "trajectory", subject=still, to=flow, map=solution, unique=True, derived=True),
        ]

    def tests(self) -> Sequence[Test]:
        return [
            Test(
                name="gap",
                kind="zero",
                where="run",
                subject=self.subject,
                observe=self._gap,
                scale=self.quantity,
                horizon=self.horizon,
            )
        ]


def check_one_case(a: Flow, b: Flow) -> None:
    """Raise InputError where two flows cannot be read in one case: a variable or relu's slope at 0 would differ."""
    for name, variable in b.setting.variables.items():
        known = a.setting.variables.get(name)
        if variable.defined and (known is None or known.definition is not variable.definition):
            raise InputError(f"{name!r} is defined in the setting of {b.name!r} alone; expected one definition in both")
    if a.gates != b.gates:
        raise InputError(f"the flows have gates={a.gates} and gates={b.gates}; expected one value in both")


class Conjugate(Claim):
    """map(p, c) carries the solutions of flow `subject` to solutions of flow `to`, at `time` times the speed.

    Both are read in one case, of the setting of `subject`; a variable that `to` defines is to be defined so there too.
    """

    kind: ClassVar[str] = "equivariance"

    def __init__(self, subject: Flow, to: Flow, map: Formula, *, time: Any = 1, **meta: Any) -> None:
        super().__init__(
            {
                "subject": checked_flow(subject, "Conjugate"),
                "to": checked_flow(to, "Conjugate"),
                "map": checked_quantity(map, "map"),
                "time": time,
            },
            meta,
        )
        check_one_case(subject, to)
        self.to, self.map, self.time = to, map, time

    def _gap(self, p: Any, c: Any) -> Any:
        from theorylab import ops

        image = Namespace(dict(call(self.map, p, c)))
        there = self.to.field(image, image_view(self.subject, self.to, self.map, c, image, self.time))
        velocity = self.subject.field(p, c)
        total: Any = 0
        for name in self.to.state:
            pushed = ops.derivative(lambda q, n=name: call(self.map, q, c)[n], Namespace(dict(p)), velocity)
            gap = there[name] * (self.time(c) if callable(self.time) else self.time) - pushed
            total = (gap**2).sum() + total
        return total

    def _along_runs(self) -> Test:
        """Whether the image of a run is a run: a map that jumps is seen here alone."""
        from theorylab import ops

        flow = self.subject
        both = Beside(base=flow, to=self.to, map=self.map, time=self.time, setting=flow.setting, name=flow.name)

        def pairs(p: Any, c: Any) -> list[tuple[Any, Any]]:
            run, mapped = both.image(p), call(self.map, both.below(p, c), c)
            return [(run[n], mapped[n]) for n in self.to.state]

        def length(array: Any) -> Any:
            return ops.sqrt((array**2).sum())

        return Test(
            name="the image of a run less the run of the image",
            kind="zero",
            where="run",
            subject=both,
            observe=lambda p, c: sum(length(run - mapped) for run, mapped in pairs(p, c)),
            scale=lambda p, c: sum(length(run) + length(mapped) for run, mapped in pairs(p, c)),
            horizon=self.horizon,
        )

    @property
    def _same_slopes(self) -> bool:
        """Whether both flows have the unknown loss: its slope is the same at both points only where the outputs are."""
        return getattr(self.subject, "loss", UNSET) is None and getattr(self.to, "loss", UNSET) is None

    def _outputs(self, p: Any, c: Any) -> Any:
        base = c if c.base is None else c.base
        return self.to.view(call(self.map, p, c), base)[1].f - c.f

    def goals(self) -> Sequence[Goal]:
        fields = Conjugates(
            name=self.name or "conjugate", subject=self.subject, to=self.to, map=self.map, time=self.time
        )
        return (
            [Zero(name="outputs", subject=self.subject, formula=self._outputs), fields]
            if self._same_slopes
            else [fields]
        )

    def tests(self) -> Sequence[Test]:
        formulas = {"outputs": self._outputs} if self._same_slopes else {}
        return [
            Test(name=name, kind="zero", where="state", subject=self.subject, observe=formula)
            for name, formula in {**formulas, "fields": self._gap}.items()
        ] + [self._along_runs()]
