"""The steps of a Coq proof: products and derivatives of flat terms, and sums that are exchanged, without any search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce

from theorylab.certificate.coq_rewriting import Multiple, instance, multiples
from theorylab.certificate.indexed import Statement
from theorylab.certificate.terms import (
    DELTA,
    Contraction,
    Factor,
    Rule,
    Term,
    Uncovered,
    contracted,
    contraction,
    matching,
)

KEYWORDS = "as|at|by|cofix|else|end|exists|exists2|fix|for|forall|fun|if|IF|in|is|let|match|mod|of|return|then|using"
USED = "where|with|Prop|Set|Type|R|I|s|t|t0|It|It0|D|C|L|S|interval|on_interval|derives|delta|expR|ln|set|realType|nat"
TACTICS = "is_interval|field|ring"
RESERVED = re.compile(rf"({KEYWORDS}|{USED}|{TACTICS}|[ijyAEeHKMNPQS]\d+)\Z")


@dataclass(frozen=True)
class Summand:
    """One flat term of a derivative: `outer` sums of the quantity, then `inner` sums of the field."""

    name: str  # of the part of the field that it contains, with its indices
    cofactor: Term  # what multiplies that part, without sums
    outer: tuple[tuple[str, str], ...]
    inner: tuple[tuple[str, str], ...]
    term: Term  # all of it


class Steps:
    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.names: dict[str, str] = {}
        self.lines: list[str] = []
        self.parts: dict[str, list[tuple[str, Term]]] = {}  # the field of each state letter, as named flat terms
        self.rules: dict[Rule, str] = {}  # and the name of the lemma that each one is
        self.pending: list[str] = []
        self.signed: set[str] = set()  # the names of laws about signs and gates
        self.axes: Sequence[tuple[str, str]] = ()  # of the goal at hand
        fractions = any(not float(c).is_integer() for c in statement.coefficients())
        self.ring = "(field; rewrite ?pnatr_eq0 //)" if fractions else "ring"

    # -- text ----------------------------------------------------------------------------------------------

    def name(self, known: str) -> str:
        if known not in self.names:
            stem = "".join(c if c.isalnum() and c.isascii() else "_" for c in known).strip("_") or "letter"
            stem = f"v{stem}" if stem[0].isdigit() else stem
            taken = self.names.values()
            choices = (stem, *(f"{stem}_{i}" for i in range(2, len(taken) + 4)))
            self.names[known] = next(n for n in choices if n not in taken and not RESERVED.match(n))
        return self.names[known]

    def size(self, size: str) -> str:
        return size if size.isdigit() else self.name(f"#{size}")

    def factor(self, factor: Factor, time: str = "t") -> str:
        known, indices = factor
        if known.startswith("#"):
            return f"({self.size(known[1:])})%:R : R"
        if known == DELTA:
            return f"delta R {' '.join(indices)}"
        moves = [] if known in self.statement.constants else [time]
        return " ".join([self.name(known), *moves, *indices]) if moves or indices else self.name(known)

    def product(self, term: Term, time: str = "t") -> str:
        if not term.factors:
            return f"({number(term.coefficient)} : R)"
        return " * ".join([number(term.coefficient), *(f"({self.factor(f, time)})" for f in term.factors)])

    def nest(self, sums: Sequence[tuple[str, str]], body: str) -> str:
        for dummy, size in reversed(sums):
            body = f"\\sum_({dummy} < {self.size(size)}) ({body})"
        return body

    def flat(self, term: Term, time: str = "t") -> str:
        return f"({self.nest(term.sums, self.product(term, time))})"

    def sum(self, terms: Sequence[Term], time: str = "t") -> str:
        return " + ".join(self.flat(term, time) for term in terms) or "0"

    def typed(self, known: str) -> str:
        shape = self.statement.shapes[known]
        moves = [] if known in self.statement.constants else ["R"]
        return f"({self.name(known)} : {' -> '.join([*moves, *(self.ordinal(z) for z in shape), 'R'])})"

    def ordinal(self, size: str) -> str:
        return f"'I_({self.size(size)})"

    def binders(self, axes: Sequence[tuple[str, str]]) -> str:
        return "".join(f" ({label} : {self.ordinal(size)})" for label, size in axes)

    def time(self, known: str, inside: bool = True) -> str:
        """The quantifier over time of a statement about a letter or atom, if it moves."""
        if known in self.statement.constants:
            return ""
        return "forall t, I t -> " if inside else "forall t, "

    def everywhere(self, known: str) -> str:
        axes = self.statement.axes_of(known)
        return f"forall{self.binders(axes)}, " if axes else ""

    def at(self, known: str) -> tuple[str, ...]:
        return tuple(label for label, _ in self.statement.axes_of(known))

    def arguments(self, known: str, inside: bool = True) -> str:
        """The variables of a statement about a letter or atom, to introduce or to apply it to."""
        time = [] if known in self.statement.constants else ["t", "It"] if inside else ["t"]
        return " ".join([*time, *self.at(known)])

    # -- the derivative ------------------------------------------------------------------------------------

    def summands(self, term: Term) -> Iterator[Summand]:
        """The flat terms of the derivative of a term, in the order of its factors and of the parts of the field."""
        for position, factor in enumerate(term.factors):
            others = (*term.factors[:position], *term.factors[position + 1 :])
            cofactor = Term(term.coefficient, others)
            for part, inner in self.rates(factor):
                coefficient = term.coefficient * inner.coefficient
                whole = Term(coefficient, (*others, *inner.factors), (*term.sums, *inner.sums))
                yield Summand(part, cofactor, term.sums, inner.sums, whole)

    def rates(self, factor: Factor) -> Iterator[tuple[str, Term]]:
        """The derivative of a factor: the parts of its field, applied to its indices, and written out."""
        known, indices = factor
        for part, term in self.parts.get(known, ()):
            renaming = dict(zip((label for label, _ in self.statement.axes_of(known)), indices, strict=True))
            fresh = term.renamed({**renaming, **self.statement.fresh(term.sums)})
            yield " ".join([part, "t", *indices]), fresh

    def derivative(self, factor: Factor) -> str:
        known, indices = factor
        if known not in self.parts:
            return "0"
        return f"({' + '.join(' '.join([part, 't', *indices]) for part, _ in self.parts[known]) or '0'})"

    def raw(self, term: Term) -> str:
        """The derivative of a term as the rules of the calculus give it."""
        product = number(term.coefficient)
        derived = "0"
        for factor in term.factors:
            written = f"({self.factor(factor)})"
            derived = f"({derived}) * {written} + {product} * {self.derivative(factor)}"
            product = f"{product} * {written}"
        return f"({self.nest(term.sums, derived)})"

    def witness(self, term: Term) -> str:
        """The proof that `raw` is the derivative."""
        proof = f"(@derives_cst R I ({number(term.coefficient)}))"
        for factor in term.factors:
            proof = f"(derivesM {proof} {self.proof_of(factor)})"
        for dummy, _ in reversed(term.sums):
            proof = f"(derives_sum (fun {dummy} => {proof}))"
        return proof

    def proof_of(self, factor: Factor) -> str:
        known, indices = factor
        if known in self.parts:
            return f"({' '.join([f'flow_{self.name(known)}', *indices])})"
        return f"(@derives_cst R I ({self.factor(factor)}))"

    # -- the steps of the proof ----------------------------------------------------------------------------

    def distribute(self, name: str, term: Term, group: Sequence[Summand]) -> None:
        """name : the derivative of a term = the sum of its flat terms."""
        add = self.lines.append
        flat = " + ".join(self.nest_of(s, 0) for s in group) or "0"
        add(f"have {name} : {self.raw(term)} = {flat}.")
        if not group:
            for dummy, _ in term.sums:
                add(f"  apply: big1 => {dummy} _.")
            add(f"  {self.ring}.")
            return
        for depth, (dummy, size) in enumerate(term.sums):
            inside = " + ".join(self.nest_of(s, depth + 1) for s in group)
            add(f"  transitivity (\\sum_({dummy} < {self.size(size)}) ({inside})); last by rewrite ?big_split.")
            add(f"  apply: eq_bigr => {dummy} _.")
        products = []
        for number_, s in enumerate(group):
            products.append(f"({self.product(s.cofactor)}) * {s.name}")
            steps = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in s.inner)
            add(f"  have e{number_} : {self.nest_of(s, len(s.outer))} = {products[-1]}.")
            add(f"    rewrite /{s.name.split()[0]};{steps} {self.ring}.")
        add(f"  transitivity ({' + '.join(products)}); first by {self.ring}.")
        add(f"  exact: esym {added([f'e{number_}' for number_ in range(len(group))])}.")

    def nest_of(self, summand: Summand, depth: int) -> str:
        return self.flat(replace(summand.term, sums=(*summand.outer[depth:], *summand.inner)))

    def classes(self, terms: Sequence[Term]) -> list[Term]:
        """One term, with coefficient 1, for each class of terms that are equal up to a number."""
        found: list[Term] = []
        for term in terms:
            if all(matching(term, total) is None for total in found):
                found.append(replace(term, coefficient=Fraction(1)))
        return found

    def collect(self, name: str, term: Term, totals: Sequence[tuple[str, Term]], labels: str) -> None:
        """name : a flat term = a number times the total of its class, by exchanging sums."""
        add = self.lines.append
        add(f"have {name} : {self.flat(term)} = {self.collected(term, totals, labels)}.")
        while (step := contraction(term)) is not None:
            self.contract(term, step)
            term = step.after
        if not term.factors:
            add(f"  by {self.ring}.")
            return
        known, order = next((k, found) for k, total in totals if (found := matching(term, total)) is not None)
        for place, wanted in enumerate(order):
            term = self.exchange(term, wanted, place)
        steps = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in term.sums)
        add(f"  rewrite /{known};{steps} {self.ring}.")

    def exchange(self, term: Term, index: str, place: int) -> Term:
        """Steps that bring the sum over an index to this place."""
        sums = list(term.sums)
        at = next(i for i, (dummy, _) in enumerate(sums) if dummy == index)
        for left in range(at - 1, place - 1, -1) if place < at else range(at, place):
            sums[left], sums[left + 1] = sums[left + 1], sums[left]
            steps = inside(sums[:left])
            exchanged = self.flat(replace(term, sums=tuple(sums)))
            self.lines.append(f"  transitivity {exchanged}; first by{steps} rewrite exchange_big.")
        return replace(term, sums=tuple(sums))

    def contract(self, term: Term, step: Contraction) -> None:
        """A step to the term without a delta or a sum."""
        add, after = self.lines.append, self.flat(step.after)
        if step.kind in ("self", "turn"):
            law = (
                "!delta_self"
                if step.kind == "self"
                else "".join(f"?(deltaC {' '.join(i)}) " for k, i in term.factors if k == DELTA and i[1] < i[0])
            )
            add(f"  transitivity {after}; first by{inside(term.sums)} rewrite {law}; {self.ring}.")
            return
        term = self.exchange(term, step.index, len(term.sums) - 1)
        *outer, (index, size) = term.sums
        if step.kind == "count":
            add(f"  transitivity {after}; first by{inside(outer)} rewrite sum_constant; {self.ring}.")
            return
        place = next(n for n, f in enumerate(term.factors) if f[0] == DELTA and set(f[1]) == {index, step.kept})
        rest = replace(term, factors=(*term.factors[:place], *term.factors[place + 1 :]), sums=())
        turn = f"rewrite (deltaC {index} {step.kept}); " if term.factors[place][1][0] == index else ""
        whole = f"\\sum_({index} < {self.size(size)}) (delta R {step.kept} {index} * ({self.product(rest)}))"
        taken = f"(etrans (sum_delta {step.kept} (fun {index} => {self.product(rest)})))"
        add(f"  transitivity {after}; first ({inside(outer)} transitivity ({whole});")
        add(f"    [by apply: eq_bigr => {index} _; {turn}{self.ring}|by apply: {taken}; cbv beta; {self.ring}]).")

    def factored(self, name: str, whole: Term, cofactor: Term, part: Term) -> None:
        """name : a flat term = (cofactor) * (another one)."""
        moves = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in part.sums)
        self.lines.append(f"  have {name} : {self.flat(whole)} = ({self.product(cofactor)}) * {self.flat(part)}.")
        self.lines.append(f"    {moves}{self.ring}.".replace("     ", "    "))

    def vanishing(self, name: str, multiple: Multiple) -> None:
        """name : a multiple of what is 0, as the sum of its flat terms, is 0."""
        add, flat = self.lines.append, multiple.flat()
        cofactor = replace(multiple.cofactor, sums=())
        add(f"have {name} : {self.sum(flat)} = 0.")
        for depth, (dummy, size) in enumerate(multiple.cofactor.sums):
            inside = self.sum([replace(term, sums=term.sums[depth + 1 :]) for term in flat])
            add(f"  transitivity (\\sum_({dummy} < {self.size(size)}) ({inside})); first by rewrite ?big_split.")
            add(f"  apply: big1 => {dummy} _.")
        left = [replace(term, sums=term.sums[len(multiple.cofactor.sums) :]) for term in flat]
        for number_, (whole, part) in enumerate(zip(left, multiple.terms, strict=True)):
            self.factored(f"e{number_}", whole, cofactor, part)
        products = " + ".join(f"({self.product(cofactor)}) * {self.flat(part)}" for part in multiple.terms)
        add(f"  transitivity ({products}); first exact: {added([f'e{number_}' for number_ in range(len(left))])}.")
        add(f"  transitivity (({self.product(cofactor)}) * ({self.sum(multiple.terms)})); first by {self.ring}.")
        add(f"  by rewrite {self.instance(multiple)} mulr0.")

    def instance(self, multiple: Multiple) -> str:
        lemma = self.rules[multiple.rule]
        moving = any(self.moves(term) for term in multiple.rule.terms)
        return f"({' '.join([lemma, *(['t', 'It'] if moving else []), *multiple.indices])})"

    def moves(self, term: Term) -> bool:
        return any(known in self.statement.moving for known, _ in term.factors)

    def identity(
        self, name: str, left: Sequence[Sequence[Term]], right: Sequence[Term], labels: str
    ) -> tuple[list[str], list[str]]:
        """The steps that show that two sums of flat terms are equal, as definitions and as lines of a proof.

        The left side is a sum of sums.
        """
        whole = [term for group in left for term in group]
        sides = [*whole, *(replace(t, coefficient=-t.coefficient) for t in right)]
        uses = self.uses(name, sides)
        rows = [use.flat() for use in uses]
        flat = [*whole, *right, *(t for row in rows for t in row)]
        classes = self.classes([end for term in flat if (end := contracted(term)).factors])
        totals = [(self.name(f"total_{name}_{n + 1}"), total) for n, total in enumerate(classes)]
        definitions = [
            f"Definition {known} (t : R){self.binders(self.axes)} : R := {self.flat(total)}." for known, total in totals
        ]
        before, self.lines = self.lines, []
        known = [f"K{position}" for position in range(len(flat))]
        for position, use in enumerate(uses):
            self.vanishing(f"M{position}", use)
        for position, term in enumerate(flat):
            self.collect(known[position], term, totals, labels)
        add, used = self.lines.append, iter(known)
        equal = [added([added([next(used) for _ in group]) for group in left]), added([next(used) for _ in right])]
        add(f"apply: (etrans {equal[0]}); apply: (etrans _ (esym {equal[1]})).")
        if uses:
            sums = [" + ".join(self.collected(t, totals, labels) for t in row) for row in rows]
            for position, (row, text) in enumerate(zip(rows, sums, strict=True)):
                collected = added([next(used) for _ in row])
                add(f"have N{position} : {text} = 0 := etrans (esym {collected}) M{position}.")
            add(f"apply/eqP; rewrite -subr_eq0; apply/eqP; transitivity ({' + '.join(f'({text})' for text in sums)}).")
            add(f"  {self.ring}.")
            add(f"by apply: (etrans {added([f'N{position}' for position in range(len(rows))])}); rewrite ?addr0.")
        else:
            add(f"{self.ring}.")
        lines, self.lines = self.lines, before
        return definitions, lines

    def uses(self, goal: str, sides: Sequence[Term]) -> list[Multiple]:
        """Multiples of what is 0 that add up to these terms, if need be those that the certificate gives."""
        rules = list(self.rules)
        try:
            return multiples(sides, rules, self.statement)
        except Uncovered:
            named = {rule.name: rule for rule in rules}
            combination = self.statement.combinations.get(goal, ())
            if not combination or any(part.name not in named for part in combination):
                raise
            given = [instance(named[p.name], p.indices, p.cofactor, self.statement) for p in combination]
            return multiples(sides, rules, self.statement, given)

    def collected(self, term: Term, totals: Sequence[tuple[str, Term]], labels: str) -> str:
        """A flat term as a number times the total of its class."""
        term = contracted(term)
        if not term.factors:
            return f"({self.product(term)})"
        known = next(known for known, total in totals if matching(term, total) is not None)
        return f"({number(term.coefficient)}) * {known} t{labels}"


def number(value: Fraction) -> str:
    text = f"{abs(value.numerator)}%:R"
    if value.denominator != 1:
        text = f"({text} / {value.denominator}%:R)"
    return f"(- {text})" if value < 0 else text


def added(equations: Sequence[str]) -> str:
    """The proof that two sums are equal term by term."""
    return reduce(lambda left, right: f"(f_equal2 +%R {left} {right})", equations) if equations else "(erefl (0 : R))"


def inside(sums: Sequence[tuple[str, str]]) -> str:
    """Tactics that go below these sums, on both sides of an equation."""
    return "".join(f" apply: eq_bigr => {dummy} _;" for dummy, _ in sums)


def comment(text: str) -> str:
    return text.replace("(*", "( *").replace("*)", "* )").replace('"', "'")
