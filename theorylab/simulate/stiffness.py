"""What methods for stiff problems need of a field: its derivatives, as graphs of shared scalar sub-expressions.

The derivative of a gate is 0, so gates are frozen in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from theorylab.readings import expression as ex
from theorylab.readings.letters import TIME
from theorylab.simulate.program import Program
from theorylab.simulate.shares import difference, exponentials

# A Jacobian of more sub-expressions is not written out; its columns come from products with unit vectors.
MAX_WRITTEN = 6_000
_POINTS = 3


def direction_name(d: int) -> str:
    return f"direction {d}"


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives of a field f(t, y), D roots; each is made when it is asked for."""

    program: Program

    @cached_property
    def tangent(self) -> tuple[ex.Expression, ...]:
        """J v, with v as the variables direction_name(d)."""
        direction = {n: ex.var(direction_name(d)) for d, n in enumerate(self.program.state)}
        return tuple(ex.directional(self.program.roots, direction, _partials))

    @cached_property
    def symmetric(self) -> bool:
        """Whether J = J' at random points, as for every gradient flow."""
        return _is_symmetric(self.program, self.tangent)

    @cached_property
    def clock(self) -> tuple[ex.Expression, ...] | None:
        """df/dt, None where the field does not depend on time."""
        roots = self.program.roots
        return tuple(ex.directional(roots, {TIME: ex.ONE}, _partials)) if TIME in ex.variables(roots) else None

    @cached_property
    def jacobian(self) -> tuple[ex.Expression, ...] | None:
        """The entries of J by rows, the lower triangle where it is symmetric; None where they are too many to write."""
        program, size = self.program, len(self.program.state)
        if size * program.nodes > 20 * MAX_WRITTEN:
            return None
        columns = [ex.directional(program.roots, {name: ex.ONE}, _partials) for name in program.state]
        entries = tuple(columns[j][i] for i in range(size) for j in range(i + 1 if self.symmetric else size))
        return entries if len(ex.topological(entries)) <= MAX_WRITTEN else None


@lru_cache(maxsize=64)
def derivatives(program: Program) -> Derivatives:
    """The derivatives of a program, made once."""
    return Derivatives(program)


def _partials(node: ex.Expression) -> list[tuple[ex.Expression, ex.Expression]]:
    """The derivatives of a node; powers of a sum of exponentials go by the exponents.

    The derivative of (sum_j c_j e^(a_j))^k by a_i is k times the power times the share of the i-th term, which is
    1 / sum_j (c_j / c_i) e^(a_j - a_i): where exponents are far apart it becomes 0, and e^(a_i) times another power of
    the sum would become infinity times 0.
    """
    parts = exponentials(node.args[0]) if node.op == "pow" and node.args[1] < 0 else []
    if not parts:
        return ex.partials(node)
    found = []
    for c, a in parts:
        rest = [ex.mul(ex.const(other / c), ex.call("exp", difference(b, a))) for other, b in parts]
        found.append((a, ex.mul(ex.const(node.args[1]), node, ex.power(ex.add(*rest), -1))))
    return [(a, partial) for a, partial in found if a.op != "const"]


def _is_symmetric(program: Program, tangent: Sequence[ex.Expression]) -> bool:
    """Whether w' J v = v' J w for random y, v, w and constants: where it is no identity, it fails at almost all."""
    noise = np.random.default_rng(0)
    size = len(program.state)
    names = sorted(ex.variables(program.roots))
    for _ in range(_POINTS):
        values = dict(zip(names, noise.uniform(0.2, 1.2, len(names)), strict=True))
        v, w = noise.standard_normal((2, size))
        images = [
            _values(tangent, {**values, **{direction_name(d): float(x) for d, x in enumerate(u)}}) for u in (v, w)
        ]
        forth, back = w * images[0], v * images[1]
        if not abs(forth.sum() - back.sum()) <= 1e-10 * (abs(forth).sum() + abs(back).sum()):
            return False
    return True


def _values(roots: Sequence[ex.Expression], values: dict[str, float]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.array(ex.evaluate(roots, lambda name: np.float64(values[name]), _Floats()))


class _Floats:
    """The domain of float64 numbers."""

    @staticmethod
    def const(value: object) -> np.float64:
        return np.float64(float(value))  # type: ignore[arg-type]

    @staticmethod
    def add(terms: Sequence[np.float64]) -> np.float64:
        return np.float64(sum(terms))

    @staticmethod
    def mul(factors: Sequence[np.float64]) -> np.float64:
        return np.float64(np.prod(factors))

    @staticmethod
    def power(base: np.float64, exponent: int) -> np.float64:
        return base ** float(exponent)

    @staticmethod
    def call(function: str, argument: np.float64) -> np.float64:
        if function == "step":
            return np.float64(argument > 0)
        return getattr(np, function)(argument)
