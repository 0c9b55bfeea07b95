"""A graph of scalar sub-expressions as straight-line C for several trajectories at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from theorylab.readings import expression as ex

_CALLS = {"sqrt": "sqrt", "exp": "exp", "log": "log", "tanh": "tanh", "sin": "sin", "cos": "cos", "arcsinh": "asinh"}
_LONGEST_PRODUCT = 8
# Rows of a matrix product that are summed side by side: their sums stay in registers.
_BLOCK = 12
_SHORTEST_ROW = 4


class Term(NamedTuple):
    """C for a value, whether it differs between lanes, and whether it stays as it is while a trajectory runs."""

    text: str
    varies: bool
    held: bool = False


def function(
    name: str, roots: Sequence[ex.Expression], inputs: Mapping[str, Term], gate: float, pointers: Sequence[str] = ()
) -> str:
    """C for `void name(vec t, const vec *y, const vec *own, const double *shared, const vec *pointers..., vec *out)`.

    What all lanes share is computed once, as a double.
    """
    nodes = ex.topological(roots)
    writer = _Writer(inputs, gate)
    products = _MatrixProducts(nodes, roots, inputs)
    for node in nodes:
        if id(node) in products.rows:
            writer.rows(products.rows[id(node)], products.inside)
        elif id(node) not in products.inside:
            writer.value(node)
    lines, terms = writer.lines, writer.terms
    for i, root in enumerate(roots):
        text, varies, _ = terms[id(root)]
        lines.append(f"    out[{i}] = {text if varies else f'splat({text})'};")
    body = "\n".join(lines)
    more = "".join(f"const vec *restrict {pointer}, " for pointer in pointers)
    return (
        f"static __attribute__((noinline)) void {name}(vec t, const vec *restrict y, const vec *restrict own,\n"
        f"        const double *restrict shared, {more}vec *restrict out) {{\n{body}\n}}\n"
    )


class _MatrixProducts:
    """Sums over the same moving values with coefficients that are held: the rows of one matrix times one vector.

    rows    for a row, all rows of its matrix in their order, by id
    inside  ids of the products that only such a sum uses
    """

    def __init__(
        self, nodes: Sequence[ex.Expression], roots: Sequence[ex.Expression], inputs: Mapping[str, Term]
    ) -> None:
        held: dict[int, bool] = {}
        uses = Counter(map(id, roots))
        for node in nodes:
            parts = ex.children(node)
            uses.update(map(id, parts))
            held[id(node)] = inputs[node.args[0]].held if node.op == "var" else all(held[id(part)] for part in parts)
        matrices: dict[tuple[int, ...], list[ex.Expression]] = defaultdict(list)
        for node in nodes:
            if node.op == "add" and not held[id(node)]:
                factors = [_factors(child) for child in ex.children(node)]
                moving = [[id(x) for x in product if not held[id(x)]] for product in factors]
                if sum(map(bool, moving)) >= _SHORTEST_ROW and all(len(ids) < 2 for ids in moving):
                    matrices[tuple(i for ids in moving for i in ids)].append(node)
        found = [rows for rows in matrices.values() if len(rows) > 1]
        self.rows = {id(row): rows for rows in found for row in rows}
        self.inside = {
            id(child)
            for rows in found
            for row in rows
            for child in ex.children(row)
            if child.op == "mul" and uses[id(child)] == 1
        }


def _factors(node: ex.Expression) -> Sequence[ex.Expression]:
    return ex.children(node) if node.op == "mul" else (node,)


class _Writer:
    """Statements for values, and the terms that stand for them."""

    def __init__(self, inputs: Mapping[str, Term], gate: float) -> None:
        self.inputs, self.gate = inputs, gate
        self.lines: list[str] = []
        self.terms: dict[int, Term] = {}

    def value(self, node: ex.Expression) -> None:
        """Write one value whose parts are written."""
        if id(node) in self.terms:
            return
        if node.op == "const":
            self.terms[id(node)] = Term(f"({float(node.args[0])!r})", False)
        elif node.op == "var":
            self.terms[id(node)] = self.inputs[node.args[0]]
        else:
            self.terms[id(node)] = self._named(self._right(node))

    def rows(self, rows: Sequence[ex.Expression], inside: AbstractSet[int]) -> None:
        """Write sums side by side, term by term, each in the order of its own terms.

        The moving values of all rows are written with those of the first; what is held may still have to be.
        """
        if id(rows[0]) in self.terms:
            return
        summed = {id(row) for row in rows}
        for node in ex.topological(rows):
            if id(node) not in summed and id(node) not in inside:
                self.value(node)
        for first in range(0, len(rows), _BLOCK):
            block = rows[first : first + _BLOCK]
            sums = [self._right_of_term(row, 0, inside) for row in block]
            for position in range(1, max(len(ex.children(row)) for row in block)):
                for i, row in enumerate(block):
                    if position < len(ex.children(row)):
                        term = self._right_of_term(row, position, inside)
                        sums[i] = self._named(Term(f"{sums[i].text} + {term.text}", sums[i].varies or term.varies))
            self.terms |= {id(row): term for row, term in zip(block, sums, strict=True)}

    def _right_of_term(self, row: ex.Expression, position: int, inside: AbstractSet[int]) -> Term:
        child = ex.children(row)[position]
        return self._right(child) if id(child) in inside else self.terms[id(child)]

    def _right(self, node: ex.Expression) -> Term:
        parts = [self.terms[id(child)] for child in ex.children(node)]
        varies = any(part.varies for part in parts)
        return Term(_text(node, [part.text for part in parts], "v" if varies else "s", self.gate), varies)

    def _named(self, term: Term) -> Term:
        place = f"v{len(self.lines)}"
        self.lines.append(f"    const {'vec' if term.varies else 'double'} {place} = {term.text};")
        return Term(place, term.varies)


def _text(node: ex.Expression, parts: Sequence[str], kind: str, gate: float) -> str:
    match node.op:
        case "add":
            return " + ".join(parts)
        case "mul":
            return " * ".join(parts)
        case "pow":
            return _power(parts[0], node.args[1], kind)
    called = node.args[0]
    if called in ("step", "sign"):
        return f"{kind}_{called}({parts[0]}{f', {gate!r}' if called == 'step' else ''})"
    return f"{'v_' if kind == 'v' else ''}{_CALLS[called]}({parts[0]})"


def _power(base: str, exponent: int, kind: str) -> str:
    if abs(exponent) > _LONGEST_PRODUCT:
        return f"{kind}_pow({base}, {exponent}.0)"
    product = " * ".join([base] * abs(exponent))
    return product if exponent > 0 else f"1.0 / ({product})"
