"""Data of one ReLU neuron with an exact path, of the recipe of `theorylab.derive.relu_path.design`."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import permutations, product

from theorylab.derive.relu_path import Matrix, Vector, design, relu_path
from theorylab.errors import UnsupportedReading

FRAMES = (
    ((1, 2, 2), (2, 1, -2), (2, -2, 1)),
    ((2, 3, 6), (3, -6, 2), (6, 2, -3)),
    ((1, 4, 8), (4, 7, -4), (8, -4, 1)),
)
EXITS = (Fraction(1, 2), Fraction(1, 3), Fraction(2, 3))


@cache
def designs() -> list[tuple[Matrix, Vector]]:
    """Every design from signed and permuted frames whose path can be followed exactly."""
    found: list[tuple[Matrix, Vector]] = []
    for frame, exit_ in product(FRAMES, EXITS):
        for rows, signs, columns in product(permutations(frame), product((1, -1), repeat=2), permutations(range(3))):
            turned = [[row[k] for k in columns] for row in rows]
            for row, sign in zip((1, 2), signs, strict=True):
                turned[row] = [sign * entry for entry in turned[row]]
            try:
                data = design(turned, exit_)
                relu_path(*data)
            except UnsupportedReading:
                continue
            found.append(data)
    return found
