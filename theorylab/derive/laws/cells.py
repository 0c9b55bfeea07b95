"""Cells of a network with gates: near a rational state each input has a fixed pattern, and outputs are polynomials.

The number of laws differs from cell to cell: units that are active for no input have more laws, and units that are
always active together act linearly. A cell with many patterns separates all units.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from theorylab.derive.laws import sparse
from theorylab.derive.laws.count import Cell, Count
from theorylab.derive.laws.sparse import INPUT, Coefficient, Poly
from theorylab.derive.laws.system import Formulas, array_of
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings import expression as ex

INPUTS = 400
PATTERNS = 32
ATTEMPTS = 5
IDLE = 48
"""Inputs without a new pattern after which no more are tried."""


class Kink(Exception):
    """A gate has the argument 0."""


class Pattern(sparse.Polynomials):
    """Polynomials near a point, where each gate has a fixed value; `gates` records them with their arguments."""

    def __init__(self, at: Mapping[int, Coefficient]) -> None:
        super().__init__(self._gate)
        self.at = at
        self.gates: list[tuple[Poly, bool]] = []

    def _gate(self, function: str, argument: Poly) -> Poly:
        if function not in ("step", "sign"):
            raise UnsupportedReading(f"{function} beside gates")
        value = sparse.value(argument, self.at)
        if value == 0:
            raise Kink
        self.gates.append((argument, value > 0))
        if function == "sign":
            return sparse.constant(1 if value > 0 else -1)
        return sparse.constant(int(value > 0))


class _Numbers:
    """The domain of rationals, which records the values of gates."""

    def __init__(self) -> None:
        self.gates: list[bool] = []

    def const(self, value: Fraction) -> Fraction:
        return value

    def add(self, terms: Sequence[Fraction]) -> Fraction:
        return sum(terms, Fraction(0))

    def mul(self, factors: Sequence[Fraction]) -> Fraction:
        result = Fraction(1)
        for factor in factors:
            result *= factor
        return result

    def power(self, base: Fraction, exponent: int) -> Fraction:
        return base**exponent

    def call(self, function: str, argument: Fraction) -> Fraction:
        if function not in ("step", "sign"):
            raise UnsupportedReading(f"{function} beside gates")
        if argument == 0:
            raise Kink
        self.gates.append(argument > 0)
        return Fraction(int(argument > 0) if function == "step" else 1 if argument > 0 else -1)


def cells(given: Formulas, rng: random.Random, number: int) -> Iterator[tuple[Cell, list[Pattern]]]:
    """Cells of random states, with the patterns of many random inputs."""
    for _ in range(number):
        for _ in range(ATTEMPTS):
            found = _cell(given, rng)
            if found is not None:
                yield found
                break
        else:
            raise InputError(
                "every input that was tried lies on a kink; expected a network that inputs can move off its kinks"
            )


def _cell(given: Formulas, rng: random.Random) -> tuple[Cell, list[Pattern]] | None:
    at = tuple(Fraction(rng.choice((-1, 1)) * rng.randint(11, 99), 10) for _ in given.coordinates)
    by_name = dict(zip(given.coordinates, at, strict=True))
    chosen: dict[tuple[bool, ...], tuple[Fraction, ...]] = {}
    idle = 0
    for _ in range(INPUTS if given.inputs else 1):
        scale = rng.choice((1, 10, 100))
        x = tuple(Fraction(rng.choice((-1, 1)) * rng.randint(1, 999), 100) * scale for _ in given.inputs)
        numbers = _Numbers()
        values = by_name | dict(zip(given.inputs, x, strict=True))
        try:
            ex.evaluate(given.outputs, values.__getitem__, numbers)
        except Kink:
            continue
        idle = idle + 1 if tuple(numbers.gates) in chosen else 0
        chosen.setdefault(tuple(numbers.gates), x)
        if len(chosen) >= PATTERNS or idle >= IDLE:
            break
    if not chosen:
        return None
    start = dict(enumerate(at))
    patterns = [Pattern(start | dict(enumerate(x, INPUT))) for x in chosen.values()]
    return Cell(at, tuple(chosen.values())), patterns


def dead_units(count: Count, patterns: Sequence[Pattern] = ()) -> tuple[str, ...]:
    """The units that are off for every input of the cell, by the parameters that lead into them, which never move."""
    if not patterns:
        return ()
    moved = {count.system.names[k] for f in count.system.fields for k in f}
    names = count.system.names
    found: dict[str, None] = {}
    for position in range(len(patterns[0].gates)):
        seen = [p.gates[position] for p in patterns if position < len(p.gates)]
        if not any(active for _, active in seen):
            letters = {n for argument, _ in seen for n in sparse.letters(argument) if n < len(names)}
            own = [names[n] for n in sorted(letters) if array_of(names[n]) == array_of(names[max(letters)])]
            if own and not moved & {*own}:
                found[_spelled(own)] = None
    return tuple(found)


def _spelled(names: Sequence[str]) -> str:
    """Entries of an array by their common indices: W2[1,0], W2[1,1] become W2[1,:]."""
    array = array_of(names[0])
    indices = [n.partition("[")[2].rstrip("]").split(",") for n in names]
    common = [column[0] if len(set(column)) == 1 else ":" for column in zip(*indices, strict=True)]
    return f"{array}[{','.join(common)}]" if common != [""] else array
