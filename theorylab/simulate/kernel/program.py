"""A graph of scalar sub-expressions as straight-line C for several trajectories at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from theorylab.readings import expression as ex

_CALLS = {"sqrt": "sqrt", "exp": "exp", "log": "log", "tanh": "tanh", "sin": "sin", "cos": "cos", "arcsinh": "asinh"}
_LONGEST_PRODUCT = 8


class Term(NamedTuple):
    """C for a value, and whether it differs between lanes."""

    text: str
    varies: bool


def function(
    name: str, roots: Sequence[ex.Expression], inputs: Mapping[str, Term], gate: float, pointers: Sequence[str] = ()
) -> str:
    """C for `void name(vec t, const vec *y, const vec *own, const double *shared, const vec *pointers..., vec *out)`.

    What all lanes share is computed once, as a double.
    """
    lines: list[str] = []
    terms: dict[int, Term] = {}
    for node in ex.topological(roots):
        if node.op == "const":
            terms[id(node)] = Term(f"({float(node.args[0])!r})", False)
        elif node.op == "var":
            terms[id(node)] = inputs[node.args[0]]
        else:
            parts = [terms[id(child)] for child in ex.children(node)]
            varies = any(part.varies for part in parts)
            text = _text(node, [part.text for part in parts], "v" if varies else "s", gate)
            place = f"v{len(lines)}"
            lines.append(f"    const {'vec' if varies else 'double'} {place} = {text};")
            terms[id(node)] = Term(place, varies)
    for i, root in enumerate(roots):
        text, varies = terms[id(root)]
        lines.append(f"    out[{i}] = {text if varies else f'splat({text})'};")
    body = "\n".join(lines)
    more = "".join(f"const vec *restrict {pointer}, " for pointer in pointers)
    return (
        f"static __attribute__((noinline)) void {name}(vec t, const vec *restrict y, const vec *restrict own,\n"
        f"        const double *restrict shared, {more}vec *restrict out) {{\n{body}\n}}\n"
    )


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
