"""A formula of a flow as a graph of scalar sub-expressions: what code is generated from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from theorylab.readings import expression as ex
from theorylab.readings.letters import TIME
from theorylab.simulate.shares import with_shares


@dataclass(frozen=True, eq=False)
class Program:
    """Values `roots` over the coordinates of a state, the constants of a case, and perhaps the time.

    state  names of the coordinates
    held   names of the case constants that the roots use
    gate   value of the step function at 0
    """

    roots: tuple[ex.Expression, ...]
    state: tuple[str, ...]
    held: tuple[str, ...]
    gate: float

    @classmethod
    def of(cls, roots: Sequence[ex.Expression], state: Sequence[str], gate: float) -> Program:
        """The program, the same object for the same formulas, so that what was made of it is found again."""
        return _program(tuple(roots), tuple(state), gate)

    @cached_property
    def nodes(self) -> int:
        """Number of sub-expressions, each computed once."""
        return len(ex.topological(self.roots))


@lru_cache(maxsize=64)
def _program(roots: tuple[ex.Expression, ...], state: tuple[str, ...], gate: float) -> Program:
    written = tuple(with_shares(roots))
    return Program(written, state, tuple(sorted(ex.variables(written) - set(state) - {TIME})), gate)
