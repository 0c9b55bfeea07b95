"""Certificates read back as flat sums of products of indexed letters, with the field of their flow.

This is a second derivation of the field: the checker's is its own, and what is made of this one is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from theorylab.certificate.indexed_proof import Combinations, Start
from theorylab.certificate.terms import DELTA, Axes, Factor, Rule, Term, Uncovered, contracted, counted, total

MAX_DEGREE = 40
MAX_EXPANSION = 400


FUNCTIONS = ("exp", "log", "sqrt", "inv")


@dataclass(frozen=True)
class Atom:
    """function(argument), entry by entry; the argument is over the axes i0, i1, ... of the atom."""

    function: str  # of FUNCTIONS
    argument: tuple[Term, ...]
    slope: Term  # the derivative of the function, without sums


class Statement:
    """The letters, the field and the goals of one certificate; raises Uncovered where they have no such form."""

    def __init__(self, document: Mapping[str, Any], defined: bool = False) -> None:
        """defined: whether what dLoss/df is defined as is read too; it is an arbitrary function of time otherwise."""
        if document["rule"] != "indexed-identity":
            raise Uncovered(f"the rule {document['rule']} has no script")
        raw = document["statement"]
        if len(raw.get("flows", ())) > 1:
            raise Uncovered("the statement has more than one flow")
        self.pieces = {known: proof["pieces"] for known, proof in document["proof"].get("nonnegative", {}).items()}
        self.signs = {known: spec.get("sign", "any") for known, spec in raw["letters"].items()}
        self.numbers = {size: str(value) for size, value in raw.get("sizes", {}).items()}
        self.shapes = {known: self._shape(spec["shape"]) for known, spec in raw["letters"].items()}
        self.bodies: dict[str, tuple[Axes, list[Term]]] = {}
        self.atoms: dict[str, Atom] = {}
        self.slopes: dict[str, list[Term]] = {}  # what dLoss/df is defined as, over i0, i1, ...
        self.gates: dict[str, Mapping[str, Any]] = {}  # and how each one is defined
        self.count = 0
        flow = (raw.get("flows") or ({"state": {}},))[0]
        slopes = [r for _, r in flow.get("outputs", ())]
        for spec in raw.get("define", ()):
            self.define(spec, spec["name"] in slopes)
            if defined and spec["name"] in slopes and "expr" in spec:
                self.slopes[spec["name"]] = self.over_places(spec["axes"], spec["expr"])
        self.field = self._field(flow, slopes)
        self.binary = raw.get("gates", "any") == "binary"
        self.rules = self._relations(raw.get("relations", ()), _strings(document["proof"]))
        self.goals = [goal for goal in raw["goals"] if goal["kind"] != "zero" or not self._trivial(goal)]
        if not self.goals:
            raise Uncovered("the certificate states an identity with both sides written out, and they are the same")
        parsed = [self.goal(goal) for goal in self.goals]
        self.combinations = Combinations(self, document["proof"]).found
        self.moving = {*self.field, *slopes, *(self.gates if self.field else ())}
        for known, atom in [pair for _ in self.atoms for pair in self.atoms.items()]:  # atoms within atoms
            if any(part in self.moving for term in atom.argument for part, _ in term.factors):
                self.moving.add(known)
        self.start = Start(self, flow.get("initial", {}), document["proof"].get("later", ()))
        free = [*self.field, *sorted(self.moving - self.field.keys() - self.atoms.keys())]
        self.constants = {known for known in self.shapes if known not in self.moving}
        self.letters = [*free, *sorted(self.constants - self.atoms.keys())]
        sizes = {size for shape in self.shapes.values() for size in shape}
        self.sizes = sorted(size for size in sizes if not size.isdigit())
        for goal, (_, terms, _) in zip(self.goals, parsed, strict=True):
            self._check(goal, terms)

    # -- reading -------------------------------------------------------------------------------------------

    def _shape(self, raw: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.numbers.get(size, size) for size in raw)

    def axes(self, raw: Sequence[Sequence[str]]) -> Axes:
        return tuple((label, self.numbers.get(size, size)) for label, size in raw)

    def define(self, spec: Mapping[str, Any], free: bool) -> None:
        known, axes = spec["name"], self.axes(spec["axes"])
        shape = tuple(size for _, size in axes)
        function = spec.get("fn")
        if free or function in ("step", "sign"):  # an arbitrary function of time
            self.shapes[known] = shape
            if function:
                self.gates[known] = spec
        elif function in FUNCTIONS:
            self.atom(known, function, self.over_places(spec["axes"], spec["arg"]), axes)
        elif function is None:
            self.bodies[known] = (axes, self.expression(spec["expr"], axes))
        else:
            raise Uncovered(f"the function {function} has no script")

    def atom(self, known: str, function: str, terms: list[Term], axes: Axes) -> None:
        places = tuple(f"i{n}" for n in range(len(axes)))
        shape = tuple(size for _, size in axes)
        if function == "inv" and len(terms) == 1 and not terms[0].sums:
            self.bodies[known] = (
                tuple((i, z) for i, (_, z) in zip(places, axes, strict=True)),
                [self.inverse(terms[0])],
            )
            return
        for other, atom in self.atoms.items():  # the same again
            if atom.function == function and self.same(atom.argument, terms) and self.shapes[other] == shape:
                self.bodies[known] = (tuple(zip(places, shape, strict=True)), [Term(Fraction(1), ((other, places),))])
                return
        for other, atom in self.atoms.items():  # 1/u = (1/sqrt(u))^2
            if (function, atom.function) == ("inv", "sqrt") and self.same(atom.argument, terms) and not axes:
                root = self.reciprocal((other, ()))
                self.bodies[known] = ((), [Term(Fraction(1), (root, root))])
                return
        self.shapes[known] = shape
        itself = (known, places)
        if function == "exp":
            slope = Term(Fraction(1), (itself,))
        elif function == "sqrt":
            slope = Term(Fraction(1, 2), (self.reciprocal(itself),))
        elif function == "inv":
            slope = Term(Fraction(-1), (itself, itself))
        elif len(terms) == 1 and not terms[0].sums:
            slope = self.inverse(terms[0])
        else:
            self.atom(f"slope of {known}", "inv", terms, axes)
            slope = Term(Fraction(1), ((f"slope of {known}", places),))
        self.atoms[known] = Atom(function, tuple(terms), slope)

    @staticmethod
    def same(left: Sequence[Term], right: Sequence[Term]) -> bool:
        """Whether two sums of flat terms are the same, term by term."""
        return not total([*left, *(_negative(term) for term in right)])

    def inverse(self, term: Term) -> Term:
        return Term(1 / term.coefficient, tuple(self.reciprocal(factor) for factor in term.factors))

    def reciprocal(self, factor: Factor) -> Factor:
        """1 / factor, as an atom; 1 / (1 / x) is x."""
        known, indices = factor
        if known.startswith("1/"):
            return known[2:], indices
        name = f"1/{known}"
        if name not in self.shapes:
            self.shapes[name] = () if known.startswith("#") else self.shapes[known]
            places = tuple(f"i{n}" for n in range(len(self.shapes[name])))
            argument, itself = Term(Fraction(1), ((known, places),)), (name, places)
            self.atoms[name] = Atom("inv", (argument,), Term(Fraction(-1), (itself, itself)))
        return name, indices

    def _relations(self, raw: Sequence[Any], used: set[str]) -> list[Rule]:
        """The hypotheses that the proof uses, each solved for a longest term with all of its axes, if it has one."""
        rules = []
        for spec in raw:
            if f"={spec['name']}" not in used:
                continue
            axes = self.axes(spec["axes"])
            terms = self.expression(spec["expr"], axes)
            labels = {label for label, _ in axes}
            whole = [n for n, t in enumerate(terms) if labels <= {i for _, indices in t.factors for i in indices}]
            lead = max(whole, key=lambda n: (len(terms[n].factors), -n), default=-1)
            rules.append(Rule(spec["name"], axes, tuple(terms), lead))
        return rules

    def argument_of(self, gate: str) -> tuple[str, list[Term]]:
        """The function that a gate is, and its argument over the axes i0, i1, ... of the gate."""
        spec = self.gates[gate]
        return spec["fn"], self.over_places(spec["axes"], spec["arg"])

    def over_places(self, raw: Sequence[Sequence[str]], expression: Sequence[Any]) -> list[Term]:
        """An expression over the axes i0, i1, ..."""
        axes = self.axes(raw)
        names = {label: f"i{n}" for n, (label, _) in enumerate(axes)}
        return [term.renamed(names) for term in self.expression(expression, axes)]

    def coefficients(self) -> Iterator[Fraction]:
        """Every number of the statement."""
        terms = [t for part in self.field.values() for t in part] + [t for rule in self.rules for t in rule.terms]
        terms += [t for atom in self.atoms.values() for t in (*atom.argument, atom.slope)]
        terms += [t for goal in self.goals for part in self.goal(goal)[1:] for t in part]
        yield from (term.coefficient for term in terms)

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
        sizes = dict(axes)
        parts: list[list[Term]] = []
        for known, labels, exponent in factors:
            if known == DELTA:
                parts += [[Term(Fraction(1), ((DELTA, tuple(labels)),))]]
                continue
            if known.startswith("#"):
                (size,) = self._shape([known[1:]])
                if exponent > 0 or size.isdigit():
                    parts.append([counted(Term(Fraction(1)), size, exponent)])
                else:
                    parts += [[Term(Fraction(1), (self.reciprocal((f"#{size}", ())),))]] * -exponent
                continue
            shape = self.shapes[known] if known in self.shapes else tuple(z for _, z in self.bodies[known][0])
            for label, size in zip(labels, shape, strict=True):
                sizes.setdefault(label, size)
            for _ in range(abs(exponent)):
                if known in self.shapes:
                    factor: Factor = (known, tuple(labels))
                    parts.append([Term(Fraction(1), (factor if exponent > 0 else self.reciprocal(factor),))])
                else:
                    inner, body = self.bodies[known]
                    if exponent < 0:
                        if len(body) != 1 or body[0].sums:
                            raise Uncovered("a negative power of a formula has no script")
                        body = [self.inverse(body[0])]
                    renaming = dict(zip((label for label, _ in inner), labels, strict=True))
                    parts.append([t.renamed({**renaming, **self.fresh(t.sums)}) for t in body])
        for _, (i, j), _ in [f for f in factors if f[0] == DELTA] * len(factors):  # a delta passes a size on
            sizes |= {label: sizes[k] for label, k in ((i, j), (j, i)) if k in sizes}
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
            found.append(contracted(multiplied.renamed(names)))
        return found

    # -- the field -----------------------------------------------------------------------------------------

    def _field(self, flow: Mapping[str, Any], slopes: Sequence[str]) -> dict[str, list[Term]]:
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
            field[known] = self.body(body)
        return field

    def body(self, known: str) -> list[Term]:
        """What a name stands for, over the axes i0, i1, ..."""
        if known not in self.bodies:
            return [Term(Fraction(1), ((known, tuple(label for label, _ in self.axes_of(known))),))]
        axes, terms = self.bodies[known]
        names = {label: f"i{n}" for n, (label, _) in enumerate(axes)}
        return [term.renamed({**self.fresh(term.sums), **names}) for term in terms]

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
        """The derivative of the loss in one entry of a letter, through the atoms."""
        axes = self.axes_of(known)
        found = []
        for term, position in self._paths(loss, known):
            _, indices = term.factors[position]
            names: dict[str, str] = {}
            others = (*term.factors[:position], *term.factors[position + 1 :])
            for index, (label, _) in zip(indices, axes, strict=True):
                if names.setdefault(index, label) != label:  # a diagonal
                    others = (*others, (DELTA, (names[index], label)))
            left = tuple((dummy, size) for dummy, size in term.sums if dummy not in indices)
            rest = Term(term.coefficient, others, left)
            found.append(contracted(rest.renamed({**self.fresh(left), **names})))
        return found

    def _paths(self, terms: Sequence[Term], known: str) -> Iterator[tuple[Term, int]]:
        """The terms of the derivative, each with the place of the factor `known` that is to be taken away."""
        pending = [(term, position) for term in terms for position in range(len(term.factors))]
        while pending:
            term, position = pending.pop(0)
            letter, indices = term.factors[position]
            if letter == known:
                yield term, position
            elif letter in self.atoms:
                others = (*term.factors[:position], *term.factors[position + 1 :])
                for rate in self.chain(letter, indices):
                    whole = Term(
                        term.coefficient * rate.coefficient, (*others, *rate.factors), (*term.sums, *rate.sums)
                    )
                    first = len(whole.factors) - len(rate.factors) + len(self.atoms[letter].slope.factors)
                    pending += [(whole, place) for place in range(first, len(whole.factors))]

    def chain(self, known: str, indices: Sequence[str]) -> list[Term]:
        """slope * term for each term of the argument of an atom, in this order of the factors."""
        atom = self.atoms[known]
        names = {f"i{n}": index for n, index in enumerate(indices)}
        slope = atom.slope.renamed(names)
        found = []
        for term in atom.argument:
            inner = term.renamed({**self.fresh(term.sums), **names})
            found.append(Term(slope.coefficient * inner.coefficient, (*slope.factors, *inner.factors), inner.sums))
        return found

    # -- goals ---------------------------------------------------------------------------------------------

    def _check(self, goal: Mapping[str, Any], terms: Sequence[Term]) -> None:
        if goal["kind"] not in ("conserved", "evolves", "zero", "nonnegative"):
            raise Uncovered(f"goals of the kind {goal['kind']} have no script")
        pending = (
            [known for term in terms for known, _ in term.factors] if goal["kind"] in ("conserved", "evolves") else []
        )
        while pending:
            known = pending.pop()
            if known in self.atoms:
                pending += [part for term in self.atoms[known].argument for part, _ in term.factors]
            elif known in self.moving and known not in self.field:
                raise Uncovered(f"the quantity contains {known}, whose derivative is not given")

    def _trivial(self, goal: Mapping[str, Any]) -> bool:
        """Whether the expression of a goal vanishes as it is written, without what any name in it means."""
        left: list[Term] = []
        axes = {label for label, _ in goal["axes"]}
        for coefficient, factors in goal["expr"]:
            indexed = tuple((f"{known}^{exponent}", tuple(labels)) for known, labels, exponent in factors)
            sums = tuple((i, "") for i in sorted({i for _, indices in indexed for i in indices} - axes))
            left.append(Term(Fraction(coefficient), indexed, sums))
        return not total(left)

    def goal(self, goal: Mapping[str, Any]) -> tuple[Axes, list[Term], list[Term]]:
        """The axes of a goal, its quantity and its rate (none if it is conserved)."""
        axes = self.axes(goal["axes"])
        return axes, self.expression(goal["expr"], axes), self.expression(goal.get("rate", ()), axes)


def _negative(term: Term) -> Term:
    return replace(term, coefficient=-term.coefficient)


def _strings(value: Any) -> set[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(_strings, inner))
