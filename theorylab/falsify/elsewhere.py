"""Cases of the hypotheses that `enforce` may not give: the claim with its hypotheses stated, and never enforced.

A claim is about every case of its hypotheses, and `enforce` may reach a part of them only. Here cases are kept where
they happen to satisfy the hypotheses, and points on the hypotheses come from Newton's method, made rational.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.claims.base import Claim, with_setting
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import CaseCode, Code, coded
from theorylab.falsify.draws import random_codes
from theorylab.falsify.evaluate import PRECISIONS, OutsideDomain, Undecided, exact_values
from theorylab.falsify.judge import Finding, Judge, Point, Rejected
from theorylab.falsify.target import Target, targets
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.scheme import Scheme
from theorylab.setting import Setting

DENOMINATOR = 1024
NEAR = 1e-9
"""How far from a number a short rational may be to stand for it; exact evaluation decides what is left."""

DECIDED = 24
"""How many points are decided exactly for each question."""


def loosened(claim: Claim) -> Claim | None:
    """The claim with no hypothesis enforced that could be stated instead; None where that changes nothing."""
    if "subject" not in claim._arguments or not isinstance(claim.subject, (Setting, Flow, Scheme)):
        return None
    given = claim.setting
    if not any(a.enforce is not None and a.holds is not None for a in given.assumptions):
        return None
    kept = [replace(a, enforce=None) if a.holds is not None else a for a in given.assumptions]
    subject = with_setting(claim.subject, Setting(*kept, init=given.init, **given.variables))
    return claim._rebuilt({**claim._arguments, "subject": subject}, claim._meta).named(claim.id)


class Elsewhere(Judge):
    """Decides cases of the loosened claim, of those at which `enforce` has a value."""

    def __init__(self, target: Target, enforced: Target, quantifier: str) -> None:
        super().__init__(target, quantifier)
        self.enforced_target = enforced

    def at(self, point: Point) -> Finding:
        entries = [e for array in self.enforced_target.variables.values() for e in array.entries()]
        try:
            exact_values(entries, point.__getitem__, self.target.step_at_zero, PRECISIONS[0])
        except (KeyError, OutsideDomain, Undecided) as error:
            raise Rejected("enforce has no value there") from error
        return super().at(point)


def judges(claim: Claim, loose: Claim, dims: Dims) -> Iterator[Elsewhere]:
    """The questions of the loosened claim, of the order that they have in the statement."""
    enforced = list(targets(claim, dims))
    for target in targets(loose, dims):
        same = next((t for t in enforced if t.same_question(target)), None)
        if same is not None and target.order == target.natural_order:
            yield Elsewhere(target, same, claim.quantifier)


def solved(judge: Elsewhere, claim: Claim, seed: int) -> tuple[Judge, Code, Finding] | None:
    """A violation at a solution of the hypotheses, in a code that holds its values."""
    from theorylab.enforcement import solutions

    subject: Any = claim.subject.flow if isinstance(claim.subject, Scheme) else claim.subject
    try:
        found = solutions(subject, judge.target.dims, seed)
    except (InputError, UnsupportedReading, RuntimeError):
        return None
    for row, solution in enumerate(found[:DECIDED]):
        placed = _placed(judge.code, solution, seed, row)
        if placed is None:
            continue
        code, position = placed
        other = Elsewhere(replace(judge.target, code=code), judge.enforced_target, claim.quantifier)
        try:
            return other, position, other.decide(position)
        except Rejected:
            continue
    return None


def _placed(code: CaseCode, solution: dict[str, np.ndarray], seed: int, row: int) -> tuple[CaseCode, Code] | None:
    """A random case with the numbers of a solution put into it; None where one is outside of the range of its draw."""
    point = code.exact(random_codes(code, seed, row, 1)[0].tolist())
    for b in code.blocks:
        known = {v for values in b.table for v in values}
        for name, value in zip(b.entry_names(), solution[b.name].flat if b.name in solution else (), strict=False):
            point[name] = _short(float(value))
            if b.discrete or b.width > 1:
                outside = point[name] not in known
            else:
                outside = not min(known) <= point[name] <= max(known)
            if outside:
                return None
    return coded(code, point)


def _short(value: float) -> Fraction:
    near = Fraction(value).limit_denominator(DENOMINATOR)
    return near if abs(float(near) - value) <= NEAR else Fraction(value)
