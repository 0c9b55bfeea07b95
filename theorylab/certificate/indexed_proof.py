"""What a certificate's proof says of its statement: combinations of what is 0, and values at the start of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from theorylab.certificate.terms import Term, Uncovered, contracted

if TYPE_CHECKING:
    from theorylab.certificate.indexed import Statement


@dataclass(frozen=True)
class Instance:
    """sum over `cofactor.sums` of cofactor * (what is 0 and has this name, at `indices`)."""

    name: str
    indices: tuple[str, ...]
    cofactor: Term


class Combinations:
    """For each goal the multiples of hypotheses and of conserved quantities whose sum it is, up to laws of atoms."""

    def __init__(self, statement: Statement, proof: Mapping[str, Any]) -> None:
        self.statement = statement
        self.found: dict[str, list[Instance]] = {}
        self.zeros = {rule.name: tuple(size for _, size in rule.axes) for rule in statement.rules}
        parts = {name: spec.get("", {}) for name, spec in proof.get("zero", {}).items()}
        combined = {
            name for name, spec in parts.items() if spec.get("minus") and not spec.get("expanded")
        }  # an atom is defined where it is first needed, and used later
        for goal in statement.goals:
            spec = parts.get(goal["name"], {})
            for atom in spec.get("atoms", ()) if combined else ():
                if "equal" not in atom and atom["fn"] not in ("step", "sign"):
                    statement.define(atom, False)
            axes = statement.axes(goal.get("axes", ()))
            if goal["name"] in combined:
                self.found[goal["name"]] = self._read(spec, axes)
            if goal["kind"] == "conserved" and goal["name"] in proof.get("later", ()):
                self.zeros[goal["name"]] = tuple(size for _, size in axes)

    def _read(self, spec: Mapping[str, Any], axes: tuple[tuple[str, str], ...]) -> list[Instance]:
        """The combination, divided by the factor of the goal; what is said of atoms is left out."""
        statement = self.statement
        times = statement.expression(spec.get("times", [["1", []]]), axes)
        if len(times) != 1 or times[0].sums:
            return []
        inverse = statement.inverse(times[0])
        known = {f"={name}": shape for name, shape in self.zeros.items()}
        statement.shapes |= known
        found = []
        for coefficient, factors in spec["minus"]:
            names = [name for name, _, _ in factors if name.startswith("=")]
            if len(names) != 1 or names[0] not in known:
                continue
            plain = [[name.removeprefix("~"), labels, exponent] for name, labels, exponent in factors]
            for term in statement.expression([[coefficient, plain]], axes):
                ((_, indices),) = [factor for factor in term.factors if factor[0] == names[0]]
                others = tuple(factor for factor in term.factors if factor[0] != names[0])
                cofactor = Term(term.coefficient * inverse.coefficient, (*others, *inverse.factors), term.sums)
                found.append(Instance(names[0][1:], indices, _cancelled(cofactor)))
        for name in known:
            del statement.shapes[name]
        return found


def _cancelled(term: Term) -> Term:
    """The term without factors x (1/x)."""
    factors = list(term.factors)
    for known, indices in term.factors:
        pair = ((known, indices), (f"1/{known}", indices))
        if all(factor in factors for factor in pair):
            for factor in pair:
                factors.remove(factor)
    return replace(term, factors=tuple(factors))


class Start:
    """The values of letters and atoms at the start of a run, as single terms without sums, or none where they are 0."""

    def __init__(self, statement: Statement, initial: Mapping[str, str], later: Collection[str]) -> None:
        self.statement = statement
        self.letters = {known: statement.body(name) for known, name in initial.items()} if later else {}
        self.atoms: dict[str, tuple[list[Term], list[Term]]] = {}  # the argument there, and the value
        self.kept: dict[str, list[Term | None]] = {}  # by goal: what each term of the quantity is there
        for goal in statement.goals:
            if goal["name"] in later:
                self.kept[goal["name"]] = [self.term(term) for term in statement.goal(goal)[1]]

    def term(self, term: Term) -> Term | None:
        found = Term(term.coefficient, (), term.sums)
        for known, indices in term.factors:
            image = self.value(known) if known in self.statement.moving else self.statement.body(known)
            if not image:
                return None
            if len(image) > 1 or image[0].sums:
                raise Uncovered(f"the initial value of {known} is a sum")
            value = image[0].renamed({f"i{n}": index for n, index in enumerate(indices)})
            found = replace(
                found, coefficient=found.coefficient * value.coefficient, factors=(*found.factors, *value.factors)
            )
        if contracted(found) != found:
            raise Uncovered("an initial value contains Kronecker's delta")
        return found

    def value(self, known: str) -> list[Term]:
        """The value of what moves."""
        statement = self.statement
        if known in self.letters:
            return self.letters[known]
        if known not in statement.atoms:
            raise Uncovered(f"the proof uses the initial value of {known}, which is not given")
        if known not in self.atoms:
            atom = statement.atoms[known]
            argument = [found for term in atom.argument if (found := self.term(term)) is not None]
            if not argument and atom.function == "exp":
                value = [Term(Fraction(1))]
            elif not argument:
                raise Uncovered(f"the argument of {known} is 0 at the start")
            elif known.startswith("1/") and len(argument) == 1:
                value = [statement.inverse(argument[0])]
            else:
                name = f"{known} at the start"
                statement.atom(name, atom.function, argument, statement.axes_of(known))
                value = statement.body(name)
            self.atoms[known] = (argument, value)
        return self.atoms[known][1]
