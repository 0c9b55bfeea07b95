"""A shrunk violation as data: for the reader, and for an exact-counterexample certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theorylab.claims.base import Conjugates, Conserved, Evolves, Goal, Test, Zero
from theorylab.falsify.cases import Code, nested
from theorylab.falsify.evaluate import shown
from theorylab.falsify.judge import Finding, Judge
from theorylab.readings.letters import Dims
from theorylab.verdict import Counterexample


@dataclass(frozen=True)
class Witness:
    """An exact case that contradicts a goal.

    values: nested lists of Fractions by letter name: setting variables, data, `init.NAME`, and the state where it is
    rational. component: the entry of the goal's array that fails (`array` names the state array of a conjugacy);
    value: what it is there, None where only a ball is known. order: how many derivatives along the flow were taken;
    1 is what `Conserved` and `Evolves` speak of, 0 what the other goals do.
    """

    goal: Goal | Test
    place: str
    order: int
    dims: Dims
    values: Mapping[str, Any]
    array: str | None
    component: tuple[int, ...]
    value: Fraction | None
    enclosure: str

    @property
    def certifiable(self) -> bool:
        """Whether the checker's rule for exact counterexamples covers it."""
        state = getattr(self.goal.subject, "state", {})
        known = all(n in self.values for n in state)
        equation = isinstance(self.goal, (Conserved, Zero)) or getattr(self.goal, "sense", "") == "=="
        reached = self.derivatives == 0 or (self.derivatives > 0 and equation)
        return isinstance(self.goal, Goal) and reached and self.value is not None and known

    @property
    def derivatives(self) -> int:
        """How many derivatives along the flow were taken beyond those that the goal itself speaks of."""
        return self.order - (1 if isinstance(self.goal, (Conserved, Evolves)) else 0)


TAKEN = ("", *(f"the {nth}derivative along the flow of " for nth in ("", "second ", "third ", "fourth ")))
CLAIMED = {"==": "0", ">=": "a number >= 0", ">": "a number > 0", "<=": "a number <= 0"}


def counterexample(judge: Judge, code: Code, finding: Finding) -> tuple[Witness, Counterexample]:
    """The violation at a case, decided already, in both forms."""
    target = judge.target
    point = judge.code.exact(code)
    letters = {b.name: nested(b.name, b.shape, point) for b in target.code.blocks}
    state = judge.state(point)
    value = shown(finding.value)
    witness = Witness(
        target.goal, target.place, target.order, dict(target.dims), {**letters, **(state or {})},
        finding.component.array, finding.component.index, finding.value if finding.rational else None, value,
    )  # fmt: skip
    text = Counterexample(
        case=judge.enforced(point),
        violation=_sentence(judge, finding, value),
        cause="law broken",
        recheck=_recheck(judge, finding),
        value=value,
    )
    return witness, text


def _sentence(judge: Judge, finding: Finding, value: str) -> str:
    target, goal = judge.target, judge.target.goal
    entry = f" at entry {list(finding.component.index)}" if finding.component.index else ""
    if isinstance(goal, Conjugates):
        what = f"the field of the image minus the image of the field of {finding.component.array!r}"
    elif isinstance(goal, Evolves):
        what = f"the derivative of {goal.name!r} along the flow minus the claimed rate"
    else:
        what = f"{TAKEN[target.order]}{goal.name!r}"
    where = " at the start of a run" if target.place == "start" else ""
    return f"{what} is {value}{entry}{where}, where {CLAIMED[target.sense]} was claimed"


def _recheck(judge: Judge, finding: Finding) -> str:
    how = (
        "evaluated anew in exact rational arithmetic"
        if finding.rational
        else f"evaluated anew in balls of {finding.bits} bits; the ball excludes zero"
    )
    if judge.open_set:
        how += ", also at rational points around the case with every continuous entry moved"
    return how
