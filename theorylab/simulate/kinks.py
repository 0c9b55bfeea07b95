"""Gates of a formula taken apart from it: where a field has kinks, and what it is between them.

With every gate frozen the field is smooth, and it is affine in each gate whose argument vanishes. A trajectory that
crosses the surface z = 0 of a gate flips it; where the fields of both sides point into the surface the solution slides
along it with a fraction of the gate, in the sense of A. F. Filippov, Differential Equations with Discontinuous
Righthand Sides (1988), section 4. For several gates at once the fractions g in [0, 1] solve the complementarity problem

    rate of z_i = 0 where 0 < g_i < 1,   >= 0 where g_i = 1,   <= 0 where g_i = 0.

For a gradient flow of a loss whose gradient jumps along the normals of the gates it is the condition for the element of
least norm of the Clarke subdifferential, which is minus the velocity of every solution (D. Davis, D. Drusvyatskiy,
S. Kakade, J. D. Lee, Foundations of Computational Mathematics 20 (2020), Lemma 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from theorylab.readings import expression as ex
from theorylab.readings.letters import TIME
from theorylab.simulate.program import Program

# Gates that one trajectory may slide on at once.
SLIDES = 32
# A kink that a trajectory turns at within this many relative tolerances of the gate's size may not have been decided.
GRAZE = 10.0


@dataclass(frozen=True, eq=False)
class Kinks:
    """The gates of a program.

    roots      the roots with gate number i as the variable gate_name(i)
    arguments  z_i, over the state, the time, and the gates of earlier layers
    rates      the velocity of z_i where coordinate number d moves with the rate rate_name(d)
    blocks     gates with one number share coordinates; those of different numbers do not
    depth      layers of gates: 1 where no argument contains a gate
    """

    roots: tuple[ex.Expression, ...]
    arguments: tuple[ex.Expression, ...]
    rates: tuple[ex.Expression, ...]
    blocks: tuple[int, ...]
    depth: int


def gate_name(i: int) -> str:
    return f"gate {i}"


def rate_name(d: int) -> str:
    return f"rate {d}"


@lru_cache(maxsize=64)
def kinks(program: Program) -> Kinks | None:
    """The gates of a program whose argument moves with the state or the time; None where there are none."""
    moving = {*program.state, TIME}
    freezer = _Freezer(moving)
    roots = tuple(ex.evaluate(program.roots, ex.var, freezer))
    arguments = tuple(freezer.arguments)
    if not arguments:
        return None
    direction = {name: ex.var(rate_name(d)) for d, name in enumerate(program.state)}
    rates = tuple(ex.directional(arguments, {**direction, TIME: ex.ONE}))
    names = {gate_name(i): i for i in range(len(arguments))}
    used = [ex.variables([z]) for z in arguments]
    depth: list[int] = []
    for found in used:
        depth.append(1 + max((depth[names[n]] for n in found if n in names), default=0))
    # A gate of a later layer moves with the coordinates of the earlier ones: all of them are one block.
    state = set(program.state)
    blocks = [0] * len(arguments) if max(depth) > 1 else _components([found & state for found in used])
    return Kinks(roots, arguments, rates, tuple(blocks), max(depth))


def _components(sets: Sequence[set[str]]) -> list[int]:
    """For every set the number of its component, where sets with a common element are connected."""
    parent = list(range(len(sets)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    holder: dict[str, int] = {}
    for i, names in enumerate(sets):
        for name in names:
            parent[root(i)] = root(holder.setdefault(name, i))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(i), len(numbers)) for i in range(len(sets))]


class _Freezer:
    """The domain of expressions in which every moving gate is a variable."""

    def __init__(self, moving: set[str]) -> None:
        self.moving = moving
        self.arguments: list[ex.Expression] = []
        self._known: dict[frozenset[ex.Expression], ex.Expression] = {}
        self._gates: set[int] = set()

    def const(self, value: Fraction) -> ex.Expression:
        return ex.const(value)

    def add(self, terms: Sequence[ex.Expression]) -> ex.Expression:
        return ex.add(*terms)

    def mul(self, factors: Sequence[ex.Expression]) -> ex.Expression:
        return ex.mul(*factors)

    def power(self, base: ex.Expression, exponent: int) -> ex.Expression:
        # A gate is 0 or 1, and its own square.
        return base if exponent > 0 and id(base) in self._gates else ex.power(base, exponent)

    def call(self, function: str, argument: ex.Expression) -> ex.Expression:
        if function not in ("step", "sign") or not self._moves(argument):
            return ex.call(function, argument)
        gate = self._gate(argument)
        return gate if function == "step" else ex.add(ex.mul(ex.const(2), gate), ex.const(-1))

    def _moves(self, argument: ex.Expression) -> bool:
        return any(name in self.moving or name.startswith("gate ") for name in ex.variables([argument]))

    def _gate(self, argument: ex.Expression) -> ex.Expression:
        """The gate of z or, where -z has one, one minus that."""
        terms = _terms(argument)
        key = frozenset(terms)
        if key not in self._known:
            gate = ex.var(gate_name(len(self.arguments)))
            self.arguments.append(argument)
            self._gates.add(id(gate))
            self._known[key] = gate
            self._known.setdefault(frozenset(map(_negative, terms)), ex.add(ex.ONE, ex.mul(ex.const(-1), gate)))
        return self._known[key]


def _terms(argument: ex.Expression) -> tuple[ex.Expression, ...]:
    """The terms of a sum; a number times a sum is a sum too."""
    if argument.op == "mul" and len(argument.args) == 2 and argument.args[0].op == "const":
        number, rest = argument.args
        if rest.op == "add":
            return tuple(ex.mul(number, term) for term in rest.args)
    return argument.args if argument.op == "add" else (argument,)


def _negative(term: ex.Expression) -> ex.Expression:
    if term.op == "mul" and term.args[0].op == "const":
        return ex.mul(ex.const(-term.args[0].args[0]), *term.args[1:])
    return ex.mul(ex.const(-1), term) if term.op != "const" else ex.const(-term.args[0])
