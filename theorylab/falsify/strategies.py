"""Hypothesis strategies over sizes, data and initializations, for property tests of claims.

Hypothesis is imported when a strategy is asked for, not with this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.claims.base import Claim
from theorylab.errors import InputError, UnsupportedReading
from theorylab.falsify.cases import Code, nested
from theorylab.falsify.cause import LawBroken
from theorylab.falsify.draws import random_codes
from theorylab.falsify.evaluate import shown
from theorylab.falsify.judge import Finding, Judge, Rejected
from theorylab.falsify.target import sizes_of, targets
from theorylab.readings.letters import Dims

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


SCREENED, SUSPECTS = 1024, 4
"""How many cases are screened for each question before Hypothesis starts, and how many of them it is served."""


@dataclass(frozen=True)
class ExactCase:
    """A code at given sizes, and the target that it is a case of."""

    judge: Judge
    code: Code

    @property
    def dims(self) -> Dims:
        return self.judge.target.dims

    @property
    def values(self) -> dict[str, Any]:
        """Nested lists of Fractions by letter name."""
        point: dict[str, Fraction] = self.judge.code.exact(self.code)
        return {b.name: nested(b.name, b.shape, point) for b in self.judge.code.blocks}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n}={s}" for n, s in self.dims.items())
        return f"ExactCase({sizes}; {', '.join(f'{n}={_plain(v)}' for n, v in self.values.items())})"


def _plain(value: Any) -> str:
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, list) else str(value)


def violation(case: ExactCase) -> Finding | None:
    """What the case violates, decided exactly, or None."""
    try:
        return case.judge.decide(case.code)
    except Rejected:
        return None


def cases(claim: Claim, *, dims: Dims | None = None, largest: int = 2) -> SearchStrategy[ExactCase]:
    """Exact cases of a claim: sizes from 1 to `largest` where `dims` gives none, and codes that shrink to simple ones.

    Raises InputError if the claim speaks of no formula at a case or at the start of a run at any of these sizes.
    """
    from hypothesis import strategies as st

    judges: dict[tuple[tuple[str, int], ...], list[Judge]] = {}
    names = sorted(sizes_of(claim))
    given = dict(dims or {})
    for name in given:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"dims gives a value to the unknown size {name!r}; expected one of: {known}")

    def at(sizes: dict[str, int]) -> list[Judge]:
        key = tuple(sorted(sizes.items()))
        if key not in judges:
            judges[key] = _judges(claim, sizes)
        return judges[key]

    if not any(at({n: given.get(n, size) for n in names}) for size in range(1, largest + 1)):
        raise InputError(f"the claim {claim.id!r} has no formula at a case that could be examined at these sizes")

    @st.composite
    def draw_case(draw: Any) -> ExactCase:
        sizes = {n: given[n] if n in given else draw(st.integers(1, largest), label=n) for n in names}
        known = at(sizes)
        if not known:
            draw(st.nothing())
        judge = known[draw(st.integers(0, len(known) - 1))]
        code = draw(st.tuples(*(st.integers(0, int(r) - 1) for r in judge.code.radix)))
        return ExactCase(judge, code)

    return draw_case()


def _judges(claim: Claim, sizes: Dims) -> list[Judge]:
    """The targets of the claim's own order at given sizes; none where the statement makes no sense there."""
    try:
        return [Judge(t, claim.quantifier) for t in targets(claim, sizes) if t.order == t.natural_order]
    except (InputError, UnsupportedReading):
        return []


def check(claim: Claim, *, dims: Dims | None = None, largest: int = 2, examples: int = 100) -> None:
    """A property test of the claim: raises LawBroken with a shrunk case if Hypothesis finds one that contradicts it.

    What a screening of many cases at the largest sizes suspects is served to Hypothesis first. Deterministic: examples
    do not depend on earlier runs. Raises InputError as `cases` does.
    """
    from hypothesis import Phase, given, settings

    from theorylab.falsify.backend import UNHEALTHY, serving

    drawn = cases(claim, dims=dims, largest=largest)
    with serving(_suspects(claim, dict(dims or {}), largest)) as backend:

        @settings(
            max_examples=examples, backend=backend, deadline=None, derandomize=True, database=None,
            suppress_health_check=UNHEALTHY, phases=(Phase.generate, Phase.shrink),
        )  # fmt: skip
        @given(case=drawn)
        def holds(case: ExactCase) -> None:
            found = violation(case)
            if found is not None:
                raise LawBroken(f"{claim.id}: the value is {shown(found.value)} at {case!r}")

        holds()


def _suspects(claim: Claim, given: Dims, largest: int) -> list[Code]:
    """The simplest cases that seem to violate the claim at the largest sizes, as the integers that `cases` draws."""
    names = sorted(sizes_of(claim))
    sizes = {n: given.get(n, largest) for n in names}
    before = [sizes[n] for n in names if n not in given]
    found: list[Code] = []
    for number, judge in enumerate(_judges(claim, sizes)):
        codes = random_codes(judge.code, 0, 0, SCREENED)
        codes = codes[judge.screen(codes).violates]
        simple = codes[np.argsort(judge.code.complexity(codes), kind="stable")[:SUSPECTS]]
        found += [(*before, number, *(int(i) for i in row)) for row in simple]
    return found
