"""Certificates that count conservation laws, rule "rank": the forward map, the laws, and brackets of the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from theorylab.certificate.document import seal
from theorylab.derive.laws.brackets import PRIME
from theorylab.derive.laws.sparse import INPUT
from theorylab.derive.laws.system import slope_name
from theorylab.errors import UnsupportedReading
from theorylab.readings import expression as ex
from theorylab.setting import Shape

if TYPE_CHECKING:
    from theorylab.derive.laws.count import Count

Json = Any
KNOWN = ("step", "exp", "tanh", "sin", "cos", "sqrt")
"""The functions that the checker knows in a forward map."""


def certificate(
    claim: str, count: Count, shapes: Mapping[str, Shape], sizes: Mapping[str, int], premises: Sequence[str] = ()
) -> dict[str, Json]:
    """The sealed document that `count` has so many laws; shapes: of the arrays of the state, in sizes by name."""
    system = count.system
    formulas = system.formulas
    letters = {n: ["z", i] for i, n in enumerate(formulas.coordinates)}
    letters |= {n: ["x", i] for i, n in enumerate(formulas.inputs)}
    arrays = {**shapes, **formulas.input_shapes}
    used = {s for shape in arrays.values() for s in shape if isinstance(s, str)}
    sizes = {s: v for s, v in sizes.items() if s in used}
    nodes, outputs = _graph(formulas.outputs, letters)
    statement: dict[str, Json] = {
        "sizes": dict(sizes),
        "state": [[name, list(shape)] for name, shape in shapes.items()],
        "inputs": [[name, list(shape)] for name, shape in formulas.input_shapes.items()],
        "nodes": nodes,
        "outputs": outputs,
        "laws": [_polynomial(law) for law in count.laws],
        "count": count.count,
        "bound": count.bound,
    }
    if formulas.moved_arrays != len(shapes):
        statement["parameters"] = formulas.moved_arrays
    if formulas.constants:
        statement["constants"] = list(formulas.constants)
    if not formulas.plain:
        slopes = {slope_name(n): ["slope", i] for i, n in enumerate(formulas.coordinates[: formulas.parameters])}
        moves, roots = _graph(formulas.velocity, letters | slopes)
        statement["velocity"] = {"nodes": moves, "roots": roots}
    if system.clock is not None:
        statement["clock"] = str(system.clock)
    if count.cell is not None:
        statement["cell"] = {
            "at": [str(v) for v in count.cell.at],
            "inputs": [[str(v) for v in x] for x in count.cell.inputs],
        }
    first = int(bool(system.drift))
    used_fields = sorted({n for word in count.words for n in word})
    numbers = {n: i for i, n in enumerate(used_fields)}
    members: list[Json] = []
    for n in used_fields:
        if n < first:
            members.append("drift")
        else:
            m = system.members[n - first]
            members.append([m.output, [k - INPUT for k in m.monomial], m.pattern])
    proof: dict[str, Json] = {
        "prime": PRIME,
        "point": [str(v) for v in count.point],
        "members": members,
        "words": [[numbers[n] for n in word] for word in count.words],
    }
    if system.functions is not None:
        proof["order"] = system.functions.order
    scope = ", ".join(f"{s}={sizes[s]}" for s in sorted(sizes)) or "no sizes"
    if count.cell is not None:
        scope += ", on a cell"
    return seal(rule="rank", claim=claim, scope=scope, statement=statement, proof=proof, premises=premises)


def _polynomial(p: Mapping[tuple[int, ...], Any]) -> list[Json]:
    return [[str(c), list(m)] for m, c in sorted(p.items())]


def _graph(roots: Sequence[ex.Expression], letters: Mapping[str, list[Json]]) -> tuple[list[Json], list[int]]:
    """Expressions as a list of nodes, each after its parts, and the numbers of the roots."""
    numbers: dict[int, int] = {}
    nodes: list[Json] = []
    for node in ex.topological(roots):
        parts = [numbers[id(child)] for child in ex.children(node)]
        match node.op:
            case "const":
                written: Json = ["const", str(Fraction(node.args[0]))]
            case "var":
                written = letters[node.args[0]]
            case "add" | "mul":
                written = [node.op, parts]
            case "pow":
                written = ["pow", parts[0], node.args[1]]
            case "fn" if node.args[0] == "sign":  # off its kink
                first = len(nodes)
                nodes += [["step", parts[0]], ["const", "2"], ["mul", [first, first + 1]], ["const", "-1"]]
                written = ["add", [first + 2, first + 3]]
            case "fn" if node.args[0] in KNOWN:
                written = [node.args[0], parts[0]]
            case _:
                raise UnsupportedReading(f"the checker does not know {node.args[0]} in a forward map")
        numbers[id(node)] = len(nodes)
        nodes.append(written)
    return nodes, [numbers[id(root)] for root in roots]
