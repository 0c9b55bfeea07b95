"""Rooted trees and the order conditions of Butcher: a test tool."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from math import prod

import numpy as np
from numpy.typing import NDArray

Tree = tuple["Tree", ...]


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with `order` vertices; a tree is the sorted tuple of its branches."""
    return forests(order - 1, order - 1)


@cache
def forests(vertices: int, largest: int) -> tuple[Tree, ...]:
    """All multisets of rooted trees with `vertices` vertices in all, none with more than `largest`."""
    if vertices == 0:
        return ((),)
    found = []
    for size in range(min(vertices, largest), 0, -1):
        for copies in range(1, vertices // size + 1):
            for head in combinations_with_replacement(trees(size), copies):
                found += [(*head, *tail) for tail in forests(vertices - copies * size, size - 1)]
    return tuple(found)


@cache
def size(tree: Tree) -> int:
    return 1 + sum(size(branch) for branch in tree)


@cache
def density(tree: Tree) -> int:
    """gamma(tree): the product over the vertices of the sizes of the subtrees below."""
    return size(tree) * prod(density(branch) for branch in tree)


def stage_weights(a: NDArray[np.float64], tree: Tree) -> NDArray[np.float64]:
    """Phi_i(tree): sums over the stages below i, so that b . Phi(tree) is the elementary weight."""
    result = np.ones(len(a))
    for branch in tree:
        result = result * (a @ stage_weights(a, branch))
    return result


def condition(a: NDArray[np.float64], b: NDArray[np.float64], tree: Tree) -> float:
    """The elementary weight b . Phi(tree), which is 1 / gamma(tree) up to the order of the method."""
    return float(b @ stage_weights(a, tree))
