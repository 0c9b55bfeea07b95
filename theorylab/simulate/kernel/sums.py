"""Sums of products as chains of fused multiply-adds, and which of them are the rows of one matrix product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from theorylab.readings import expression as ex

LONGEST_POWER = 8
# Rows of a matrix product that are summed side by side: their sums stay in registers.
_BLOCK = 12
_SHORTEST_ROW = 4


class Product(NamedTuple):
    """coefficient times the product of the factors; none of them is a number."""

    coefficient: Fraction
    factors: tuple[ex.Expression, ...]


def product(node: ex.Expression, held: Mapping[int, bool]) -> Product:
    """A node as a product whose held factors come first; numbers times one factor, and x + x, are taken together.

    held: by id, whether a value stays as it is while a trajectory runs.
    """
    coefficient, factors = Fraction(1), [node]
    while len(factors) == 1 and factors[0].op in ("add", "mul"):
        number, rest = _number(factors[0])
        if not rest or (abs(coefficient) not in (1, 2) and len(rest) > 1):
            break
        coefficient, factors = coefficient * number, rest
    spread = [base for factor in factors for base in _powers(factor)]
    return Product(coefficient, tuple(sorted(spread, key=lambda factor: not held[id(factor)])))


def _number(node: ex.Expression) -> tuple[Fraction, list[ex.Expression]]:
    """A product as a number and the other factors; a sum of equal terms as their number and the term."""
    first, *rest = ex.children(node)
    if node.op == "add":
        return Fraction(1 + len(rest)), [first] if all(term is first for term in rest) else []
    return (first.args[0], rest) if first.op == "const" else (Fraction(1), [first, *rest])


def _powers(node: ex.Expression) -> list[ex.Expression]:
    if node.op == "pow" and 2 <= node.args[1] <= LONGEST_POWER:
        return [node.args[0]] * node.args[1]
    return [node]


def terms(node: ex.Expression, held: Mapping[int, bool]) -> list[Product]:
    """The terms of a sum: single values first, then what is multiplied and added in one operation."""
    merged = product(node, held)
    if merged.factors != (node,):
        return [merged]
    found = [Product(child.args[0], ()) if child.op == "const" else product(child, held) for child in ex.children(node)]
    return sorted(found, key=is_fused)


def is_fused(term: Product) -> bool:
    """Whether a term is added as the product of two values."""
    return len(term.factors) > 1 or (len(term.factors) == 1 and abs(term.coefficient) != 1)


def matrix_blocks(nodes: Sequence[ex.Expression], held: Mapping[int, bool]) -> dict[int, tuple[ex.Expression, ...]]:
    """Sums over the same moving values with held coefficients are rows of one matrix: the rows to sum together, by id.

    No row depends on another of its block, since they share what moves.
    """
    matrices: dict[tuple[int, ...], list[ex.Expression]] = defaultdict(list)
    for node in nodes:
        if node.op == "add" and not held[id(node)]:
            moving = [[id(x) for x in term.factors if not held[id(x)]] for term in terms(node, held)]
            if sum(map(bool, moving)) >= _SHORTEST_ROW and all(len(ids) < 2 for ids in moving):
                matrices[tuple(i for ids in moving for i in ids)].append(node)
    blocks: dict[int, tuple[ex.Expression, ...]] = {}
    for rows in matrices.values():
        count = -(-len(rows) // _BLOCK)
        for i in range(count if len(rows) > 1 else 0):
            block = tuple(rows[len(rows) * i // count : len(rows) * (i + 1) // count])
            blocks |= {id(row): block for row in block}
    return blocks
