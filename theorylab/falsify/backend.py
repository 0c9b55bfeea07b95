"""A Hypothesis backend that serves screened cases first: Hypothesis shrinks what the screening found.

Explicit examples are never shrunk, and the database takes its entries for shrunk already; a backend of one's own is
Hypothesis's way in (https://hypothesis.readthedocs.io, "Alternative backends"). This module imports Hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from theorylab.falsify.cases import Code
from theorylab.falsify.cause import FAILURES, Attack, Cause
from theorylab.falsify.judge import Rejected
from theorylab.falsify.shrink import Examiner

_numbers = count()
UNHEALTHY = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


class ScreenedProvider(HypothesisProvider):
    """Answers the integers that a test draws with those of the next screened case, then like Hypothesis itself.

    An integer that the strategy does not allow ends the case that is served.
    """

    waiting: ClassVar[list[Code]] = []

    def __init__(self, conjecturedata: Any, /) -> None:
        super().__init__(conjecturedata)
        self.served = list(self.waiting.pop(0)) if self.waiting else []

    def draw_integer(self, min_value: int | None = None, max_value: int | None = None, **options: Any) -> int:
        if self.served:
            value = self.served.pop(0)
            if (min_value is None or min_value <= value) and (max_value is None or value <= max_value):
                return value
            self.served = []
        return super().draw_integer(min_value, max_value, **options)


@contextmanager
def serving(codes: Sequence[Code]) -> Iterator[str]:
    """The name of a backend that serves the integers of these cases, each to one test case, before any others.

    For `settings(backend=...)` around a property test that draws them in this order.
    """
    name = f"theorylab-screened-{next(_numbers)}"
    AVAILABLE_PROVIDERS[name] = type("Serving", (ScreenedProvider,), {"waiting": [tuple(c) for c in codes]})
    try:
        yield name
    finally:
        del AVAILABLE_PROVIDERS[name]


def polish(
    examiner: Examiner, code: Code, *, cause: Cause = Cause.LAW_BROKEN, examples: int = 10
) -> tuple[Code, int] | None:
    """A screened case as Hypothesis shrinks it, with its cause held fixed, and how many cases it looked at.

    None if the case does not fail with this cause. examples: how many cases Hypothesis may draw besides.
    """
    failure = FAILURES[cause]
    calls = 0
    with serving([code]) as backend:

        @settings(
            max_examples=examples, backend=backend, deadline=None, database=None, derandomize=True,
            suppress_health_check=UNHEALTHY, phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
        )  # fmt: skip
        @given(st.tuples(*(st.integers(0, int(r) - 1) for r in examiner.code.radix)))
        def attack(drawn: Code) -> None:
            nonlocal calls
            calls += 1
            if Cause(int(examiner.screen(np.array([drawn])).cause[0])) is not cause:
                return
            if cause is Cause.LAW_BROKEN:
                try:
                    examiner.decide(drawn)
                except Rejected:
                    return
            raise failure(drawn)

        try:
            attack()
        except Attack as found:
            return tuple(found.args[0]), calls
    return None
