"""Cases as flat tuples of small integers, the one code that screening, Hypothesis and exact checks share.

Every free letter of a statement has a table of exact values, simplest first: dyadic grid values, inside the range of
its distribution where that is bounded and of its declared sign. A code gives a position in the table for each entry, so
code 0 is the simplest value and shrinking a code simplifies the case.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import permutations, product
from math import isqrt, prod
from typing import Any

import numpy as np

from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.exact import entry_name
from theorylab.readings.letters import Dims, resolve
from theorylab.setting import Setting, Variable

Code = tuple[int, ...]
Table = tuple[tuple[Fraction, ...], ...]

GRID = 8
"""Grid values are multiples of 1/8 unless a range asks for a finer step."""

LARGEST_TABLE = 160


def complexity(value: Fraction) -> int:
    """How much there is to read in a rational: numerator and denominator; 0 is the simplest."""
    return abs(value.numerator) + value.denominator - 1


def _simplest_first(values: set[Fraction]) -> list[Fraction]:
    return sorted(values, key=lambda v: (complexity(v), v.denominator, v < 0))[:LARGEST_TABLE]


@lru_cache
def real_values() -> tuple[Fraction, ...]:
    """The grid of an unbounded real: multiples of 1/8 up to 4, and a few values of other sizes."""
    near = {Fraction(i, GRID) for i in range(-4 * GRID, 4 * GRID + 1)}
    far = {Fraction(s * v) for s in (1, -1) for v in (5, 6, 7, 8, 12, 16, 64, Fraction(1, 64))}
    return tuple(_simplest_first(near | far))


def _range_values(draw: Draw) -> list[Fraction]:
    low, high = Fraction(draw.a), Fraction(draw.b)
    if low == high:
        return [low]
    step = Fraction(1, GRID)
    while (high - low) / step < 2 * GRID:
        step /= 2
    first, last = -(-low // step), high // step
    values = {step * i for i in range(first, min(last, first + 64 * GRID) + 1)}
    values |= {Fraction(i) for i in range(-(-low // 1), min(high // 1, -(-low // 1) + 64) + 1)}
    if draw.kind == "loguniform":
        values |= {v for e in range(-64, 65) if low <= (v := Fraction(2) ** e) <= high}
    return _simplest_first(values)


def _around(draw: Draw | None) -> list[Fraction]:
    """The grid of reals, moved to the mean of a normal draw and in its scale where that is far from 1."""
    if draw is None or draw.kind != "normal" or draw.b <= 0:
        return list(real_values())
    octaves = round(math.log2(draw.b))
    scale = Fraction(2) ** octaves if abs(octaves) > 1 else Fraction(1)
    return [Fraction(round(draw.a * GRID), GRID) + scale * v for v in real_values()]


def values_of(draw: Draw | None, sign: str, integer: bool = False) -> tuple[Fraction, ...]:
    """The table of one entry: within the draw where its support is bounded, of the declared sign, simplest first."""
    match draw.kind if draw is not None else "normal":
        case "uniform" | "loguniform":
            assert draw is not None
            found = _range_values(draw)
        case "integer":
            assert draw is not None
            found = _simplest_first({Fraction(i) for i in range(int(draw.a), min(int(draw.b), int(draw.a) + 256) + 1)})
        case "one_of" | "ladder":
            assert draw is not None
            found = _simplest_first({Fraction(v) for v in draw.values})
        case "constant":
            assert draw is not None
            found = [Fraction(draw.a)]
        case _:
            found = _around(draw)
    kept = [v for v in found if _fits(v, sign) and not (integer and v.denominator > 1)]
    if not kept:
        raise InputError(f"the distribution {draw} has no value of sign {sign!r}; expected a range that has some")
    return tuple(kept)


def _fits(value: Fraction, sign: str) -> bool:
    return {"positive": value > 0, "nonzero": value != 0}.get(sign, True)


@lru_cache
def rotations(size: int) -> Table:
    """Rational orthogonal matrices, flattened: signed permutations, rotations of two axes."""
    found: dict[tuple[Fraction, ...], None] = {}
    identity = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    found[tuple(v for row in identity for v in row)] = None
    for order in list(permutations(range(size)))[:24]:
        for signs in list(product((1, -1), repeat=size))[:16]:
            m = [[Fraction(signs[i] * int(order[i] == j)) for j in range(size)] for i in range(size)]
            found[tuple(v for row in m for v in row)] = None
    if size > 1:
        for a, b in ((3, 4), (5, 12), (-3, 4), (8, 15)):
            c = isqrt(a * a + b * b)
            for i, j in permutations(range(size), 2):
                m = [row[:] for row in identity]
                m[i][i] = m[j][j] = Fraction(a, c)
                m[i][j], m[j][i] = Fraction(b, c), Fraction(-b, c)
                found[tuple(v for row in m for v in row)] = None
    return tuple(found)


@dataclass(frozen=True)
class Block:
    """A free letter with its table. One integer of the code stands for `width` entries: one, or the whole array."""

    name: str
    shape: tuple[int, ...]
    table: Table
    discrete: bool = False
    """Whether the values have no neighbours in the statement: integers, labels, whole orthogonal matrices."""
    sign: str = "any"
    range: tuple[Fraction, Fraction] | None = None
    """What bounds the values; None where nothing does."""
    defined: bool = False
    """Whether the statement gives the value of an initial parameter, whatever the code says."""

    def holding(self, values: Collection[Fraction]) -> Block:
        """The block with these values at the end of its table, those that it may have."""
        if self.discrete:
            return self
        low, high = self.range or (None, None)
        new = [v for v in values if _fits(v, self.sign) and (low is None or high is None or low <= v <= high)]
        return replace(self, table=(*self.table, *((v,) for v in new if v not in self.position)))

    @property
    def width(self) -> int:
        return len(self.table[0])

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def length(self) -> int:
        """How many integers of the code belong to this letter."""
        return self.size // self.width

    @cached_property
    def floats(self) -> np.ndarray:
        return np.array([[float(v) for v in row] for row in self.table])

    @cached_property
    def position(self) -> dict[Fraction, int]:
        """Where a value of one entry lies in the table."""
        return {row[0]: i for i, row in enumerate(self.table)} if self.width == 1 else {}

    def entry_names(self) -> list[str]:
        return [entry_name(self.name, index) for index in np.ndindex(self.shape)]


def block(name: str, shape: tuple[int, ...], sign: str, draw: Draw | None, integer: bool = False) -> Block:
    if draw is not None and draw.kind == "orthogonal":
        return Block(name, shape, rotations(shape[0]), discrete=True)
    table = tuple((v,) for v in values_of(draw, sign, integer))
    discrete = integer or len(table) == 1 or (draw is not None and draw.kind in ("integer", "one_of", "ladder"))
    bounds = (Fraction(draw.a), Fraction(draw.b)) if draw and draw.kind in ("uniform", "loguniform") else None
    return Block(name, shape, table, discrete, sign, bounds)


THRESHOLDS = 32
"""How many values around the constants of a statement a table gets."""


def thresholds(constants: Iterable[Fraction]) -> tuple[Fraction, ...]:
    """Values at which formulas with these constants may change: both sides of each, of its inverse and its root."""
    found: set[Fraction] = set()
    for c in constants:
        size = abs(c)
        near = {size, 1 / size, Fraction(isqrt(size.numerator), isqrt(size.denominator))} if size else set()
        found |= {sign * (v + shift) for v in near for sign in (1, -1) for shift in (0, 1, -1)}
    known = set(real_values())
    return tuple(_simplest_first(found - known)[:THRESHOLDS])


@dataclass(frozen=True)
class CaseCode:
    """The code of the cases of a statement at given sizes: its letters in order."""

    blocks: tuple[Block, ...]

    @cached_property
    def radix(self) -> np.ndarray:
        """The number of values of each integer of the code, (C,)."""
        return np.array([len(b.table) for b in self.blocks for _ in range(b.length)], dtype=np.int64)

    @property
    def length(self) -> int:
        return len(self.radix)

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """For each integer of the code, how complex each of its values is: nonzero entries, their size, their sign."""
        tables = [
            np.array([sum(128 * (v != 0) + 2 * complexity(v) + (v < 0) for v in row) for row in b.table])
            for b in self.blocks
        ]
        return [t for b, t in zip(self.blocks, tables, strict=True) for _ in range(b.length)]

    def complexity(self, codes: np.ndarray) -> np.ndarray:
        """(B, C) -> (B,): first how many entries are nonzero, then how much there is to read."""
        return sum((w[codes[:, i]] for i, w in enumerate(self.weights)), np.zeros(len(codes), dtype=np.int64))

    def spans(self) -> list[tuple[Block, slice]]:
        result, at = [], 0
        for b in self.blocks:
            result.append((b, slice(at, at + b.length)))
            at += b.length
        return result

    def columns(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """(B, C) codes as one float64 column (B,) for each entry, by entry name."""
        found: dict[str, np.ndarray] = {}
        for b, span in self.spans():
            values = b.floats[codes[:, span]].reshape(len(codes), -1)
            found.update(zip(b.entry_names(), np.ascontiguousarray(values.T), strict=True))
        return found

    def exact(self, code: Sequence[int]) -> dict[str, Fraction]:
        """One code as exact rationals, by entry name."""
        found: dict[str, Fraction] = {}
        for b, span in self.spans():
            values = [v for i in code[span] for v in b.table[i]]
            found.update(zip(b.entry_names(), values, strict=True))
        return found


def nested(name: str, shape: tuple[int, ...], values: Mapping[str, Any]) -> Any:
    """The entries of one letter as nested lists."""
    out = np.empty(shape, object)
    for index in np.ndindex(shape):
        out[index] = values[entry_name(name, index)]
    return out.tolist()


def arrays(code: CaseCode, columns: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """The letters of `count` cases from their entries: name to (count, *shape)."""
    return {
        b.name: np.stack([columns[e] for e in b.entry_names()], axis=1).reshape(count, *b.shape) for b in code.blocks
    }


def written(code: CaseCode, one: Code, enforced: Mapping[str, Any]) -> dict[str, Any]:
    """A case with its hypotheses enforced, for a reader: rationals where a value is one of the code, else decimals."""
    point = code.exact(one)
    shown: dict[str, Any] = {}
    for b in code.blocks:
        values = enforced[b.name].reshape(-1).tolist()
        entries = {
            n: str(point[n]) if float(point[n]) == v else f"{v:.15g}"
            for n, v in zip(b.entry_names(), values, strict=True)
        }
        shown[b.name] = nested(b.name, b.shape, entries)
    return shown


def _declared(variable: Variable) -> Draw | None:
    return variable.draw if isinstance(variable.draw, Draw) else None


def case_blocks(subject: Setting | Flow, dims: Dims, constrained: Collection[str] = ()) -> list[Block]:
    """The free letters of a statement: setting variables, data, initial parameters.

    Initial parameters that are constants are no letters; a default distribution bounds nothing. A matrix that is drawn
    orthogonal is an arbitrary one unless it is `constrained`: named in a hypothesis that could not be enforced.
    """
    setting = subject if isinstance(subject, Setting) else subject.setting
    letters = {name: (v, _declared(v)) for name, v in setting.variables.items() if not v.defined}
    if isinstance(subject, Flow):
        for name, free in subject.variables(dims).items():
            if name not in letters:
                letters[name] = Variable(" ".join(map(str, free.shape))), free.draw
        for name, variable in subject.initial().items():
            draw = _declared(variable)
            if draw is None or draw.kind != "constant":
                letters[f"init.{name}"] = variable, draw
    found: list[Block] = []
    for name, (variable, draw) in letters.items():
        if draw is not None and draw.kind == "orthogonal" and name not in constrained:
            draw = None
        made = block(name, resolve(variable.sizes, dims), variable.sign, draw, variable.integer)
        found.append(replace(made, defined=variable.defined))
    return found


def state_blocks(flow: Flow, shapes: Mapping[str, tuple[int, ...]]) -> list[Block]:
    """The entries of an arbitrary state, of the sign that the initial parameters were given."""
    signs = {name: variable.sign for name, variable in flow.initial().items()}
    return [block(name, shape, signs.get(name, "any"), None) for name, shape in shapes.items()]


def coded(code: CaseCode, values: Mapping[str, Fraction]) -> tuple[CaseCode, Code]:
    """A code whose tables hold the values given by entry name as well, and the case of these values in it."""
    blocks: list[Block] = []
    position: list[int] = []
    for b in code.blocks:
        own = [Fraction(values[name]) for name in b.entry_names()]
        rows = [tuple(own[i : i + b.width]) for i in range(0, b.size, b.width)]
        at = {row: i for i, row in enumerate(b.table)}
        table = (*b.table, *(row for row in dict.fromkeys(rows) if row not in at))
        at = {row: i for i, row in enumerate(table)}
        blocks.append(replace(b, table=table))
        position += [at[row] for row in rows]
    return CaseCode(tuple(blocks)), tuple(position)
