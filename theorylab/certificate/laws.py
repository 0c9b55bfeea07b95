"""Certificates that count conservation laws, rule "rank": the forward map, the laws, and brackets of the fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from theorylab.certificate.completed import zeros_of_laws
from theorylab.certificate.document import seal
from theorylab.certificate.writer import plain
from theorylab.derive.laws.brackets import PRIME
from theorylab.derive.laws.sparse import INPUT
from theorylab.errors import UnsupportedReading
from theorylab.readings import expression as ex
from theorylab.setting import Shape

if TYPE_CHECKING:
    from theorylab.derive.laws.count import Count

Json = Any
Terms = list[Json]
CLOCK = "clock"
KNOWN = ("step", "sign", "exp", "tanh", "sin", "cos", "sqrt")
"""The functions that the checker knows in a forward map."""


def certificate(
    claim: str, count: Count, shapes: Mapping[str, Shape], sizes: Mapping[str, int], premises: Sequence[str] = ()
) -> dict[str, Json]:
    """The sealed document that `count` has so many laws; shapes: of the arrays of the state, in sizes by name."""
    system = count.system
    formulas = system.formulas
    names = [plain(n) for n in formulas.coordinates]
    arrays = {**shapes, **formulas.input_shapes}
    used = {s for shape in arrays.values() for s in shape if isinstance(s, str)}
    sizes = {s: v for s, v in sizes.items() if s in used}
    definitions = _Definitions()
    moved = [] if formulas.plain else formulas.velocity[: len(formulas.coordinates) - len(formulas.constants)]
    written = ex.evaluate([*formulas.outputs, *moved], lambda n: _letter(plain(n)), definitions)
    outputs, velocity = written[: len(formulas.outputs)], written[len(formulas.outputs) :]
    statement: dict[str, Json] = {
        "sizes": dict(sizes),
        "state": [[plain(name), list(shape)] for name, shape in shapes.items()],
        "inputs": [[plain(name), list(shape)] for name, shape in formulas.input_shapes.items()],
        "outputs": [definitions.defined(expr=output)[0][1][0][0] for output in outputs],
        "define": definitions.define,
        "laws": [_polynomial(law, [*names, CLOCK]) for law in count.laws],
        "count": count.count,
        "bound": count.bound,
    }
    if formulas.moved_arrays != len(shapes):
        statement["parameters"] = formulas.moved_arrays
    if formulas.constants:
        statement["constants"] = [plain(n) for n in formulas.constants]
    if velocity:
        statement["velocity"] = velocity
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
    members: list[Json] = []  # the number of a field, and the inputs that it is differentiated by
    for n in used_fields:
        if n < first:
            members.append([0, []])
        else:
            m = system.members[n - first]
            members.append([1 + m.pattern * len(outputs) + m.output, [k - INPUT for k in m.monomial]])
    proof: dict[str, Json] = {
        "prime": PRIME,
        "point": [str(v) for v in count.point],
        "members": members,
        "words": [[numbers[n] for n in word] for word in count.words],
    }
    if zeros := zeros_of_laws(statement):
        proof["zero"] = zeros
    scope = ", ".join(f"{s}={sizes[s]}" for s in sorted(sizes)) or "no sizes"
    if count.cell is not None:
        scope += ", on a cell"
    return seal(rule="rank", claim=claim, scope=scope, statement=statement, proof=proof, premises=premises)


def _polynomial(p: Mapping[tuple[int, ...], Any], names: Sequence[str]) -> Terms:
    return [[str(c), [[names[n], [], e] for n, e in Counter(m).items()]] for m, c in sorted(p.items())]


class _Definitions:
    """The domain of a certificate's expressions: sums inside other formulas, and functions, are definitions."""

    def __init__(self) -> None:
        self.define: list[Json] = []

    def const(self, value: Fraction) -> Terms:
        return [[str(value), []]] if value else []

    def add(self, terms: Sequence[Terms]) -> Terms:
        return [term for part in terms for term in (part if len(part) < 2 else self.defined(expr=part))]

    def mul(self, factors: Sequence[Terms]) -> Terms:
        if not all(factors):
            return []
        single = [(part if len(part) == 1 else self.defined(expr=part))[0] for part in factors]
        number = prod((Fraction(c) for c, _ in single), start=Fraction(1))
        return [[str(number), [factor for _, letters in single for factor in letters]]]

    def power(self, base: Terms, exponent: int) -> Terms:
        ((_, ((known, _, _),)),) = self.defined(fn="inv", arg=base) if exponent < 0 else self.defined(expr=base)
        return [["1", [[known, [], abs(exponent)]]]] if exponent else [["1", []]]

    def call(self, function: str, argument: Terms) -> Terms:
        if function not in KNOWN:
            raise UnsupportedReading(f"the checker does not know {function} in a forward map")
        return self.defined(fn=function, arg=argument)

    def defined(self, **body: Json) -> Terms:
        """A new definition, as an expression."""
        self.define.append({"name": f"d.{len(self.define)}", "axes": [], **body})
        return _letter(self.define[-1]["name"])


def _letter(name: str) -> Terms:
    return [["1", [[name, [], 1]]]]
