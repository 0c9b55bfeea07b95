"""Claims about every case (or every state): identities and inequalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Formula, Goal, NonNegative, Subject, Test, Zero, checked_quantity, of_case
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import arity, call
from theorylab.scheme import Scheme
from theorylab.setting import Setting


def _difference(lhs: Any, rhs: Any, moving: bool) -> Formula:
    if moving:
        return lambda p, c: call(lhs, p, c) - call(rhs, p, c)
    left, right = (of_case(side, f"the {name} side") for side, name in ((lhs, "left"), (rhs, "right")))
    return lambda c: left(c) - right(c)


def _at_ends(formula: Formula) -> Formula:
    """A formula of (c) alone; whoever meant the parameters is told."""

    def observe(p: Any, c: Any) -> Any:
        try:
            return formula(c)
        except InputError as error:
            if str(error).startswith("unknown case variable"):
                hint = (
                    "about a flow, a side of one argument sees the case (c), with c.end; for every state write (p, c)"
                )
                raise InputError(f"{error}; {hint}") from error
            raise

    return observe


class Identity(Claim):
    """lhs = rhs for every case; for a flow, at every state."""

    kind: ClassVar[str] = "identity"

    def __init__(self, subject: Subject, lhs: Formula, rhs: Any = 0, **meta: Any) -> None:
        super().__init__({"subject": subject, "lhs": checked_quantity(lhs, "left side"), "rhs": rhs}, meta)
        self.formula = _difference(lhs, rhs, moving=not isinstance(subject, Setting))
        self.sides = (lhs, rhs)

    def goals(self) -> Sequence[Goal]:
        return [Zero(name="identity", subject=self.subject, formula=self.formula, sides=self.sides)]

    def tests(self) -> Sequence[Test]:
        where = "case" if isinstance(self.subject, Setting) else "state"
        return [Test(name="identity", kind="zero", where=where, subject=self.subject, observe=self.formula)]


class Inequality(Claim):
    """lhs >= rhs (lhs > rhs if strict).

    For a setting: for every case. For a flow: at every state where the sides are functions of (p, c); where they are
    functions of (c) alone, for every run, with `c.init` and `c.end`, the state it converges to.
    """

    kind: ClassVar[str] = "inequality"

    def __init__(self, subject: Subject, lhs: Formula, rhs: Any = 0, *, strict: bool = False, **meta: Any) -> None:
        if isinstance(subject, Scheme):
            raise InputError("Inequality got a scheme; expected a setting or a flow")
        super().__init__(
            {"subject": subject, "lhs": checked_quantity(lhs, "left side"), "rhs": rhs, "strict": strict}, meta
        )
        self.about_runs = isinstance(subject, Flow) and arity(lhs) == 1
        self.strict = strict
        self.formula = _difference(lhs, rhs, moving=isinstance(subject, Flow) and not self.about_runs)

    def goals(self) -> Sequence[Goal]:
        if self.about_runs:
            return []
        return [NonNegative(name="inequality", subject=self.subject, formula=self.formula, strict=self.strict)]

    def tests(self) -> Sequence[Test]:
        where = "end" if self.about_runs else "case" if isinstance(self.subject, Setting) else "state"
        observe: Formula = _at_ends(self.formula) if self.about_runs else self.formula
        sides: Formula | None = _at_ends(self._sides) if self.about_runs else None
        return [
            Test(
                name="margin",
                kind="nonnegative",
                where=where,
                subject=self.subject,
                observe=observe,
                sides=sides,
                strict=self.strict,
                horizon=self.horizon,
            )
        ]

    def _sides(self, c: Any) -> Any:
        left, right = (of_case(self._arguments[side], side)(c) for side in ("lhs", "rhs"))
        return abs(left) + abs(right)
