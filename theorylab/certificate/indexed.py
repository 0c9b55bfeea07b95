"""Certificates read back as flat sums of products of indexed letters, with the field of their flow.

This is a second derivation of the field: the checker's is its own, and what is made of this one is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

Factor = tuple[str, tuple[str, ...]]  # a letter or atom, and its indices
Axes = tuple[tuple[str, str], ...]  # (index, size)

MAX_DEGREE = 24
MAX_EXPANSION = 400


class Uncovered(Exception):
    """The statement has no such form; the message is the reason."""


@dataclass(frozen=True)
class Term:
    """coefficient * sum over `sums` of the product of `factors` (a power is a repeated factor)."""

    coefficient: Fraction
    factors: tuple[Factor, ...] = ()
    sums: Axes = ()

    def renamed(self, names: Mapping[str, str]) -> Term:
        return Term(
            self.coefficient,
            tuple((known, tuple(names.get(i, i) for i in indices)) for known, indices in self.factors),
            tuple((names.get(i, i), size) for i, size in self.sums),
        )


class Statement:
    """The letters, the field and the goals of one certificate; raises Uncovered where they are not polynomial."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        if document["rule"] != "indexed-identity":
            raise Uncovered(f"the rule {document['rule']} has no script")
        if document["proof"]:
            raise Uncovered("the proof uses hypotheses or sums of squares")
        raw = document["statement"]
        if raw.get("relations") or len(raw.get("flows", ())) != 1:
            raise Uncovered("the statement has hypotheses, or not exactly one flow")
        self.numbers = {size: str(value) for size, value in raw.get("sizes", {}).items()}
        self.shapes = {known: self._shape(spec["shape"]) for known, spec in raw["letters"].items()}
        self.bodies: dict[str, tuple[Axes, list[Term]]] = {}
        self.exponentials: dict[str, list[Term]] = {}
        self.gates: list[str] = []
        self.count = 0
        flow = raw["flows"][0]
        slopes = [r for _, r in flow.get("outputs", ())]
        for spec in raw.get("define", ()):
            self._define(spec, spec["name"] in slopes)
        self.field = self._field(flow, slopes)
        for known in self.exponentials:
            self.field[known] = [self._chained(known, *step) for step in self.chain(known)]
        moving = {*self.field, *slopes, *self.gates}
        self.constants = {known for known in self.shapes if known not in moving}
        self.letters = [*self.field, *sorted(moving - self.field.keys()), *sorted(self.constants)]
        self.goals = raw["goals"]
        sizes = {size for shape in self.shapes.values() for size in shape}
        self.sizes = sorted(size for size in sizes if not size.isdigit())
        for goal in self.goals:
            self._check(goal, moving)

    # -- reading -------------------------------------------------------------------------------------------

    def _shape(self, raw: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.numbers.get(size, size) for size in raw)

    def _axes(self, raw: Sequence[Sequence[str]]) -> Axes:
        return tuple((label, self.numbers.get(size, size)) for label, size in raw)

    def _define(self, spec: Mapping[str, Any], free: bool) -> None:
        known, axes = spec["name"], self._axes(spec["axes"])
        shape = tuple(size for _, size in axes)
        function = spec.get("fn")
        if free or function in ("step", "sign"):  # an arbitrary function of time
            self.shapes[known] = shape
            if function:
                self.gates.append(known)
        elif function == "exp":
            terms = self.expression(spec["arg"], axes)
            names = {label: f"i{n}" for n, (label, _) in enumerate(axes)}
            self.exponentials[known] = [term.renamed(names) for term in terms]
            self.shapes[known] = shape
        elif function is None:
            self.bodies[known] = (axes, self.expression(spec["expr"], axes))
        else:
            raise Uncovered(f"the function {function} has no script")

    def axes_of(self, known: str) -> Axes:
        return tuple((f"i{n}", size) for n, size in enumerate(self.shapes[known]))

    def fresh(self, sums: Axes) -> dict[str, str]:
        """New names for summed indices."""
        names = {}
        for dummy, _ in sums:
            self.count += 1
            names[dummy] = f"j{self.count}"
        return names

    def expression(self, raw: Sequence[Any], axes: Axes) -> list[Term]:
        """A certificate's expression as flat terms, definitions expanded."""
        total = [term for coefficient, factors in raw for term in self._term(Fraction(coefficient), factors, axes)]
        if len(total) > MAX_EXPANSION:
            raise Uncovered(f"too large: an expression has {len(total)} terms, at most {MAX_EXPANSION} are written out")
        return total

    def _term(self, coefficient: Fraction, factors: Sequence[Any], axes: Axes) -> list[Term]:
        if coefficient.denominator != 1:
            raise Uncovered(f"the coefficient {coefficient} is no integer, and has no script")
        sizes = dict(axes)
        parts: list[list[Term]] = []
        for known, labels, exponent in factors:
            if known == "delta" or exponent < 1:
                raise Uncovered("Kronecker's delta and negative exponents have no script")
            if known.startswith("#"):
                size = self.numbers.get(known[1:], known[1:])
                parts += [[Term(Fraction(1), ((f"#{size}", ()),))]] * exponent
                continue
            shape = self.shapes[known] if known in self.shapes else tuple(z for _, z in self.bodies[known][0])
            for label, size in zip(labels, shape, strict=True):
                sizes.setdefault(label, size)
            for _ in range(exponent):
                if known in self.shapes:
                    parts.append([Term(Fraction(1), ((known, tuple(labels)),))])
                else:
                    inner, body = self.bodies[known]
                    renaming = dict(zip((label for label, _ in inner), labels, strict=True))
                    parts.append([t.renamed({**renaming, **self.fresh(t.sums)}) for t in body])
        summed = tuple((label, size) for label, size in sizes.items() if label not in dict(axes))
        names = self.fresh(summed)
        found = []
        for choice in product(*parts):
            multiplied = Term(coefficient, (), summed)
            for term in choice:
                multiplied = Term(
                    multiplied.coefficient * term.coefficient,
                    (*multiplied.factors, *term.factors),
                    (*multiplied.sums, *term.sums),
                )
            if len(multiplied.factors) > MAX_DEGREE:
                raise Uncovered(f"too large: a term has a degree beyond {MAX_DEGREE}")
            found.append(multiplied.renamed(names))
        return found

    # -- the field -----------------------------------------------------------------------------------------

    def _field(self, flow: Mapping[str, Any], slopes: Sequence[str]) -> dict[str, list[Term]]:
        if flow.get("objective") is not None:
            loss = list(self.bodies[flow["objective"]][1])
        else:
            loss = [term for f, r in flow.get("outputs", ()) for term in self._paired(f, r)]
        decay = self.expression(flow.get("decay", ()), ())
        friction = self.expression(flow.get("friction", ()), ())
        velocities = flow.get("velocity", {})
        field: dict[str, list[Term]] = {}
        for known, raw in flow["state"].items():
            axes = self.axes_of(known)
            itself = Term(Fraction(1), ((known, tuple(label for label, _ in axes)),))
            slope = self._gradient(loss, known)
            force = [_negative(self._times(rate, term)) for rate in self.expression(raw, ()) for term in slope]
            force += [_negative(self._times(d, itself)) for d in decay]
            if known in velocities:
                moved = replace(itself, factors=((velocities[known], itself.factors[0][1]),))
                field[velocities[known]] = [*force, *(_negative(self._times(f, moved)) for f in friction)]
                force = [moved]
            field[known] = force
        for known, body in flow.get("explicit", {}).items():
            axes = self.axes_of(known)
            if body in self.bodies:
                inner, terms = self.bodies[body]
                names = dict(zip((label for label, _ in inner), (label for label, _ in axes), strict=True))
                field[known] = [t.renamed({**self.fresh(t.sums), **names}) for t in terms]
            else:
                field[known] = [Term(Fraction(1), ((body, tuple(label for label, _ in axes)),))]
        return field

    def _paired(self, output: str, slope: str) -> list[Term]:
        """The terms of sum r f."""
        if output in self.bodies:
            axes, terms = self.bodies[output]
        else:
            axes = self.axes_of(output)
            terms = [Term(Fraction(1), ((output, tuple(label for label, _ in axes)),))]
        paired = []
        for term in terms:
            names = self.fresh(axes)
            weight = (slope, tuple(label for label, _ in axes))
            paired.append(Term(term.coefficient, (*term.factors, weight), (*axes, *term.sums)).renamed(names))
        return paired

    def _times(self, scalar: Term, term: Term) -> Term:
        if scalar.sums:
            raise Uncovered("a rate or a decay that is a sum has no script")
        return replace(
            term, coefficient=scalar.coefficient * term.coefficient, factors=(*scalar.factors, *term.factors)
        )

    def _gradient(self, loss: Sequence[Term], known: str) -> list[Term]:
        """The derivative of the loss in one entry of a letter."""
        axes = self.axes_of(known)
        found = []
        for term in loss:
            for position, (letter, indices) in enumerate(term.factors):
                if letter != known:
                    continue
                if len(set(indices)) != len(indices):
                    raise Uncovered("a diagonal of a parameter has no script")
                others = (*term.factors[:position], *term.factors[position + 1 :])
                left = tuple((dummy, size) for dummy, size in term.sums if dummy not in indices)
                names = dict(zip(indices, (label for label, _ in axes), strict=True))
                rest = Term(term.coefficient, others, left)
                found.append(rest.renamed({**names, **self.fresh(left)}))
        return found

    def chain(self, known: str) -> list[tuple[Factor, Term, int, Term]]:
        """The steps of the derivative of exp(u): a factor of u, what multiplies it, and a part of its field."""
        itself = (known, tuple(label for label, _ in self.axes_of(known)))
        steps = []
        for term in self.exponentials[known]:
            if term.sums:
                raise Uncovered("the exponential of a sum has no script")
            for position, factor in enumerate(term.factors):
                others = (itself, *term.factors[:position], *term.factors[position + 1 :])
                for number, part in enumerate(self.field.get(factor[0], ())):
                    steps.append((factor, Term(term.coefficient, others), number, part))
        return steps

    def _chained(self, known: str, factor: Factor, cofactor: Term, number: int, part: Term) -> Term:
        names = dict(zip((label for label, _ in self.axes_of(factor[0])), factor[1], strict=True))
        inner = part.renamed({**self.fresh(part.sums), **names})
        return Term(cofactor.coefficient * inner.coefficient, (*cofactor.factors, *inner.factors), inner.sums)

    # -- goals ---------------------------------------------------------------------------------------------

    def _check(self, goal: Mapping[str, Any], moving: set[str]) -> None:
        if goal["kind"] not in ("conserved", "evolves") or goal.get("sense", "==") != "==":
            raise Uncovered(f"goals of the kind {goal['kind']} have no script")
        _, terms, _ = self.goal(goal)
        for term in terms:
            for known, _ in term.factors:
                if known in moving and known not in self.field:
                    raise Uncovered(f"the quantity contains {known}, whose derivative is not given")

    def goal(self, goal: Mapping[str, Any]) -> tuple[Axes, list[Term], list[Term]]:
        """The axes of a goal, its quantity and its rate (none if it is conserved)."""
        axes = self._axes(goal["axes"])
        return axes, self.expression(goal["expr"], axes), self.expression(goal.get("rate", ()), axes)


def _negative(term: Term) -> Term:
    return replace(term, coefficient=-term.coefficient)
