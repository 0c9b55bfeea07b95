"""What has to be added to a sum of flat terms until it vanishes: multiples of things that are 0.

A rule c lead + rest = 0 is used in a term that holds the lead: the term is replaced by what the rule makes of it, and
the difference is a multiple of the rule. So the sum of all terms is the sum of the multiples found, by the distributive
law alone, and that is what the script says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from theorylab.certificate.indexed import Statement
from theorylab.certificate.terms import Factor, Rule, Term, Uncovered, accumulate, contracted, total

MAX_STEPS = 120


@dataclass(frozen=True)
class Multiple:
    """sum over `cofactor.sums` of cofactor * (the terms of the rule, at `indices`), which is 0."""

    rule: Rule
    indices: tuple[str, ...]  # what the axes of the rule are here
    cofactor: Term
    terms: tuple[Term, ...]  # of the rule, with these indices and dummies of their own

    def flat(self) -> list[Term]:
        c = self.cofactor
        return [Term(c.coefficient * t.coefficient, (*c.factors, *t.factors), (*c.sums, *t.sums)) for t in self.terms]


def multiples(
    terms: Sequence[Term], rules: Sequence[Rule], statement: Statement, given: Sequence[Multiple] = ()
) -> list[Multiple]:
    """Multiples whose sum is the sum of the terms, `given` ones first; Uncovered if the rules do not lead to that."""
    taken = [replace(t, coefficient=-t.coefficient) for multiple in given for t in multiple.flat()]
    pending = total(map(contracted, [*terms, *taken]))
    found = list(given)
    while pending:
        used = next(
            (m for term in pending for rule in rules if rule.lead >= 0 and (m := _use(term, rule, statement))), None
        )
        if used is None:
            raise Uncovered("the identity needs more than the distributive law and the rules for the atoms in it")
        if len(found) >= MAX_STEPS:
            raise Uncovered(f"too large: the identity takes more than {MAX_STEPS} uses of a rule")
        found.append(used)
        for term in used.flat():
            accumulate(pending, contracted(replace(term, coefficient=-term.coefficient)))
    return found


def instance(rule: Rule, indices: Sequence[str], cofactor: Term, statement: Statement) -> Multiple:
    """A multiple of what a rule says at these indices."""
    names = dict(zip((label for label, _ in rule.axes), indices, strict=True))
    terms = tuple(t.renamed({**statement.fresh(t.sums), **names}) for t in rule.terms)
    return Multiple(rule, tuple(indices), cofactor, terms)


def _use(term: Term, rule: Rule, statement: Statement) -> Multiple | None:
    lead = rule.terms[rule.lead]
    axes = [label for label, _ in rule.axes]
    sizes = dict(term.sums)
    for binding, left in _matches(lead.factors, term.factors, {}):
        images = [binding[dummy] for dummy, _ in lead.sums]
        elsewhere = {i for _, indices in left for i in indices} | {binding[a] for a in axes if a in binding}
        wrong = len(set(images)) != len(images) or any(i not in sizes or i in elsewhere for i in images)
        if wrong or any(sizes[i] != size for i, (_, size) in zip(images, lead.sums, strict=True)):
            continue
        if any(axis not in binding for axis in axes):
            continue
        sums = tuple((i, z) for i, z in term.sums if i not in images)
        cofactor = Term(term.coefficient / lead.coefficient, tuple(left), sums)
        return instance(rule, [binding[axis] for axis in axes], cofactor, statement)
    return None


def _matches(
    pattern: Sequence[Factor], factors: Sequence[Factor], binding: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, str], Sequence[Factor]]]:
    """Every way to find the pattern among the factors: what each index met, and the factors that are left."""
    if not pattern:
        yield binding, factors
        return
    (letter, wanted), *others = pattern
    for position, (known, indices) in enumerate(factors):
        if known != letter:
            continue
        met = {**binding, **{w: i for w, i in zip(wanted, indices, strict=True) if w not in binding}}
        if all(met[w] == i for w, i in zip(wanted, indices, strict=True)):
            yield from _matches(others, [*factors[:position], *factors[position + 1 :]], met)
