"""A graph of scalar sub-expressions as straight-line C for several trajectories at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from theorylab.readings import expression as ex
from theorylab.simulate.kernel.sums import LONGEST_POWER, Product, is_fused, matrix_blocks, product, terms

# Named in arithmetic.h for numbers too; of the others numbers take the functions of C.
_OWN = ("step", "sign", "exp", "tanh")
_CALLS = {"sqrt": "sqrt", "log": "log", "sin": "sin", "cos": "cos", "arcsinh": "asinh"}


class Term(NamedTuple):
    """C for a value, whether it differs between lanes, and whether it stays as it is while a trajectory runs."""

    text: str
    varies: bool
    held: bool = False

    @property
    def vector(self) -> str:
        """C for the value in all lanes."""
        return self.text if self.varies else f"splat({self.text})"


def function(
    name: str, roots: Sequence[ex.Expression], inputs: Mapping[str, Term], gate: float, pointers: Sequence[str] = ()
) -> str:
    """C for `void name(vec t, const vec *y, const vec *own, const double *shared, const vec *pointers..., vec *out)`.

    What all lanes share is computed once, as a double. A sub-expression has the same bits wherever it stands, whether
    its lanes share it or not: which products are fused with an addition is told by the expression alone.
    """
    body = "\n".join(_Writer(roots, inputs, gate).statements())
    more = "".join(f"const vec *restrict {pointer}, " for pointer in pointers)
    return (
        f"static __attribute__((noinline)) void {name}(vec t, const vec *restrict y, const vec *restrict own,\n"
        f"        const double *restrict shared, {more}vec *restrict out) {{\n{body}\n}}\n"
    )


class _Writer:
    """Statements for roots, each value shortly before its first use."""

    def __init__(self, roots: Sequence[ex.Expression], inputs: Mapping[str, Term], gate: float) -> None:
        self.roots, self.gate = roots, gate
        self.nodes = ex.topological(roots)
        self.lines: list[str] = []
        self.terms: dict[int, Term] = {}
        self.held: dict[int, bool] = {}
        self._prefixes: dict[tuple[object, ...], Term] = {}
        for node in self.nodes:
            if node.op == "const":
                self.terms[id(node)] = Term(f"({float(node.args[0])!r})", False, True)
            elif node.op == "var":
                self.terms[id(node)] = inputs[node.args[0]]
            known = self.terms.get(id(node))
            self.held[id(node)] = known.held if known else all(self.held[id(part)] for part in ex.children(node))
        self.blocks = matrix_blocks(self.nodes, self.held)

    def statements(self) -> list[str]:
        """All of them. A root is written as soon as the matrix products that it needs are."""
        needed = self._needed()
        pending, written = self._write_roots(range(len(self.roots)), needed, 0), 0
        for node in self.nodes:
            # What a row depends on comes before it, so that no block waits for another one.
            if id(node) in self.blocks and id(node) not in self.terms:
                self._block(self.blocks[id(node)])
                written |= needed[id(node)]
                pending = self._write_roots(pending, needed, written)
        return self.lines

    def _needed(self) -> dict[int, int]:
        """For every node, by id, the blocks that it needs, as bits."""
        numbers: dict[int, int] = {}
        needed: dict[int, int] = {}
        for node in self.nodes:
            bits = 0
            for part in ex.children(node):
                bits |= needed[id(part)]
            if id(node) in self.blocks:
                bits |= 1 << numbers.setdefault(id(self.blocks[id(node)]), len(numbers))
            needed[id(node)] = bits
        return needed

    def _write_roots(self, numbers: Sequence[int], needed: Mapping[int, int], written: int) -> list[int]:
        """Write the roots whose blocks are written; returns the numbers of the others."""
        later: list[int] = []
        for i in numbers:
            root = self.roots[i]
            if needed[id(root)] & ~written:
                later.append(i)
            else:
                self._need(root)
                self.lines.append(f"    out[{i}] = {self.terms[id(root)].vector};")
        return later

    def _need(self, root: ex.Expression) -> None:
        """Write a value and all that it depends on; matrix products are written already."""
        waiting = [root]
        while waiting:
            node = waiting[-1]
            missing = () if id(node) in self.terms else [x for x in self._parts(node) if id(x) not in self.terms]
            if missing:
                waiting.extend(reversed(missing))
                continue
            waiting.pop()
            if id(node) not in self.terms:
                self.terms[id(node)] = self._value(node)

    def _parts(self, node: ex.Expression) -> list[ex.Expression]:
        """The values that the statements of a node name."""
        match node.op:
            case "add":
                return [x for term in terms(node, self.held) for x in term.factors]
            case "mul":
                return list(product(node, self.held).factors)
        return [_beyond_one(node) or ex.children(node)[0]]

    def _value(self, node: ex.Expression) -> Term:
        match node.op:
            case "add":
                total = None
                for term in terms(node, self.held):
                    total = self._plus(total, term)
                assert total is not None
                return self._named(total)
            case "mul":
                return self._named(self._times(product(node, self.held)))
        beyond = _beyond_one(node)
        part = self.terms[id(beyond or ex.children(node)[0])]
        kind = "v" if part.varies else "s"
        if node.op == "pow":
            return self._named(Term(_power(part.text, node.args[1], kind), part.varies))
        called = node.args[0]
        if called in _OWN:
            text = f"{kind}_{called}({part.text}{f', {self.gate!r}' if called == 'step' else ''})"
        else:
            text = f"{'v_' if part.varies else ''}{'log1p' if beyond else _CALLS[called]}({part.text})"
        return self._named(Term(text, part.varies))

    def _block(self, rows: Sequence[ex.Expression]) -> None:
        """Write sums side by side, term by term, each in the order of its own terms."""
        sums: list[Term | None] = [None] * len(rows)
        parts = [terms(row, self.held) for row in rows]
        for position in range(max(map(len, parts))):
            for i, row in enumerate(parts):
                if position < len(row):
                    for factor in row[position].factors:
                        self._need(factor)
                    total = self._plus(sums[i], row[position])
                    sums[i] = total if position == 0 else self._named(total)
        for row, total in zip(rows, sums, strict=True):
            assert total is not None
            self.terms[id(row)] = total

    def _plus(self, total: Term | None, term: Product) -> Term:
        """C for a sum so far and one more term."""
        if total is None:
            return self._times(term)
        if not is_fused(term):
            sign = "-" if term.factors and term.coefficient < 0 else "+"
            value = self.terms[id(term.factors[0])] if term.factors else self._times(term)
            return Term(f"{total.text} {sign} {value.text}", total.varies or value.varies)
        first, last = self._prefix(term), self.terms[id(term.factors[-1])]
        varies = total.varies or first.varies or last.varies
        texts = [x.vector if varies else x.text for x in (first, last, total)]
        return Term(f"{'v' if varies else 's'}_fma({', '.join(texts)})", varies)

    def _times(self, term: Product) -> Term:
        """C for a product."""
        if not term.factors:
            return Term(f"({float(term.coefficient)!r})", False)
        last = self.terms[id(term.factors[-1])]
        if len(term.factors) == 1 and term.coefficient == 1:
            return last
        if len(term.factors) == 1 and term.coefficient == -1:
            return Term(f"-({last.text})", last.varies)
        if abs(term.coefficient) == 2:
            # Additions have units of their own on some processors.
            half = self._named(self._times(Product(Fraction(1), term.factors)))
            return Term(
                f"{half.text} + {half.text}" if term.coefficient > 0 else f"-{half.text} - {half.text}", half.varies
            )
        first = self._prefix(term)
        return Term(f"{first.text} * {last.text}", first.varies or last.varies)

    def _prefix(self, term: Product) -> Term:
        """All of a product but the last factor, written once."""
        key = (term.coefficient, *map(id, term.factors[:-1]))
        if key not in self._prefixes:
            parts = [self.terms[id(factor)] for factor in term.factors[:-1]]
            if abs(term.coefficient) != 1 or not parts:
                parts.insert(0, Term(f"({float(term.coefficient)!r})", False))
            text = " * ".join(part.text for part in parts)
            found = Term(f"-({text})" if term.coefficient == -1 else text, any(part.varies for part in parts))
            self._prefixes[key] = found if len(parts) == 1 else self._named(found)
        return self._prefixes[key]

    def _named(self, term: Term) -> Term:
        if term.text.isidentifier():
            return term
        place = f"v{len(self.lines)}"
        self.lines.append(f"    const {'vec' if term.varies else 'double'} {place} = {term.text};")
        return Term(place, term.varies)


def _beyond_one(node: ex.Expression) -> ex.Expression | None:
    """x of log(1 + x) where x is an exponential: 1 + x is 1 long before the logarithm is 0."""
    argument = node.args[1] if node.op == "fn" and node.args[0] == "log" else None
    if argument is None or argument.op != "add" or len(argument.args) != 2 or ex.ONE not in argument.args:
        return None
    (other,) = (x for x in argument.args if x is not ex.ONE)
    return other if other.op == "fn" and other.args[0] == "exp" else None


def _power(base: str, exponent: int, kind: str) -> str:
    if abs(exponent) > LONGEST_POWER:
        return f"{kind}_pow({base}, {exponent}.0)"
    power = " * ".join([base] * abs(exponent))
    return power if exponent > 0 else f"1.0 / ({power})"
