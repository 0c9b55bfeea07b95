"""A certificate as a Coq script: its flow, its quantities, and a proof without any search.

Covered are the goals "conserved" and "evolves ==" of polynomial statements, for all sizes: the script says that along
every solution of the flow on every interval of time the quantity is constant (or has the stated derivative). Gates
and the gradient dLoss/df are arbitrary functions of time there, so the theorem holds for each choice of them. The proof
is a list of explicit steps (distribute, exchange two sums, `ring`); where one fails, so does the script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations
from typing import Any

from theorylab.certificate.indexed import Factor, Statement, Term, Uncovered

MAX_TERMS = 48  # of a derivative
MAX_SUMS = 6  # over indices in one term
MAX_BYTES = 200_000
KEYWORDS = "as|at|by|cofix|else|end|exists|exists2|fix|for|forall|fun|if|IF|in|is|let|match|mod|of|return|then|using"
USED = "where|with|Prop|Set|Type|R|I|s|t|It|D|interval|derives|expR|set|realType|nat|is_interval|field|ring"
RESERVED = re.compile(rf"({KEYWORDS}|{USED}|[ijEeK]\d+)\Z")
HEADER = """\
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Import GRing.Theory.
Local Open Scope ring_scope.
"""


def script(document: Mapping[str, Any]) -> str:
    """The script of a certificate; raises Uncovered with the reason where there is none.

    Each theorem is followed by `Print Assumptions`.
    """
    text = Script(Statement(document)).text(f"{document['claim']}, certificate {document['seal']}")
    if len(text) > MAX_BYTES:
        raise Uncovered(f"too large: the script would have {len(text)} bytes, at most {MAX_BYTES} are compiled")
    return text


@dataclass(frozen=True)
class Summand:
    """One flat term of a derivative: `outer` sums of the quantity, then `inner` sums of the field."""

    name: str  # of the part of the field that it contains, with its indices
    cofactor: Term  # what multiplies that part, without sums
    outer: tuple[tuple[str, str], ...]
    inner: tuple[tuple[str, str], ...]
    term: Term  # all of it


class Script:
    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.names: dict[str, str] = {}
        self.lines: list[str] = []
        self.parts: dict[str, list[tuple[str, Term]]] = {}  # the field of each state letter, as named flat terms
        self.totals: list[tuple[str, Term]] = []

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
            return f"({self.size(known[1:])})%:R"
        moves = [] if known in self.statement.constants else [time]
        return " ".join([self.name(known), *moves, *indices]) if moves or indices else self.name(known)

    def product(self, term: Term, time: str = "t") -> str:
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

    # -- the statement -------------------------------------------------------------------------------------

    def text(self, title: str) -> str:
        statement = self.statement
        sizes = " ".join(self.size(size) for size in statement.sizes)
        add = self.lines.append
        add(f"(* {comment(title)} *)")
        add(HEADER)
        add("Section Certificate.")
        add(f"Variables (R : realType) (I : set R){f' ({sizes} : nat)' if sizes else ''}.")
        for known in statement.letters:
            add(f"Variable {self.typed(known)}.")
        for known, terms in statement.field.items():
            axes = statement.axes_of(known)
            labels = " ".join(label for label, _ in axes)
            self.parts[known] = []
            for number_, term in enumerate(terms):
                part = self.name(f"d_{known}_{number_ + 1}")
                self.parts[known].append((part, term))
                add(f"Definition {part} (t : R){self.binders(axes)} : R := {self.flat(term)}.")
            rate = " + ".join(f"{part} t {labels}".strip() for part, _ in self.parts[known]) or "0"
            function = self.factor((known, tuple(label for label, _ in axes)))
            quantifier = f"forall{self.binders(axes)}, " if axes else ""
            law = f"derives I (fun t => {function}) (fun t => {rate})"
            if known in statement.exponentials:
                self.exponential(known, quantifier, function, law)
            else:
                add(f"Hypothesis flow_{self.name(known)} : {quantifier}{law}.")
        theorems = [theorem for goal in statement.goals for theorem in self.goal(goal)]
        add("End Certificate.")
        self.lines += [f"Print Assumptions {theorem}." for theorem in theorems]
        return "\n".join(self.lines) + "\n"

    def exponential(self, known: str, quantifier: str, function: str, law: str) -> None:
        """A letter that is the exponential of an expression, and its derivative."""
        add = self.lines.append
        axes = self.statement.axes_of(known)
        labels = "".join(f" {label}" for label, _ in axes)
        name, terms = self.name(known), self.statement.exponentials[known]
        forall = f"forall t{self.binders(axes)}, " if axes else "forall t, "
        add(f"Hypothesis {name}_is : {forall}{function} = expR ({self.sum(terms)}).")
        add(f"Lemma flow_{name} : {quantifier}{law}.")
        add(f"Proof. {f'move=>{labels}.' if labels else ''}")
        witness = "(@derives_cst R I 0)"
        for position, term in enumerate(terms):
            witness = self.witness(term) if position == 0 else f"(derivesD {witness} {self.witness(term)})"
        add(f"apply: (@derives_ext R I (fun t => expR ({self.sum(terms)}))) => [t|]; first exact: {name}_is.")
        raw = " + ".join(self.raw(term) for term in terms) or "0"
        add(f"have D : derives I (fun t => {self.sum(terms)}) (fun t => {raw}) := {witness}.")
        add(f"apply: (derives_eq (derives_exp D)) => t It; cbv beta; rewrite -{name}_is.")
        steps = zip(self.parts[known], self.statement.chain(known), strict=True)
        for (mine, whole), (factor, cofactor, position, _) in steps:
            part = self.parts[factor[0]][position][0]
            moves = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in whole.sums)
            inner = " ".join([part, "t", *factor[1]])
            add(f"have {mine}_step : {mine} t{labels} = ({self.product(cofactor)}) * {inner}.")
            add(f"  rewrite /{mine} /{part};{moves} ring.")
        equations = "".join(f" ?{mine}_step" for mine, _ in self.parts[known])
        add(f"{f'rewrite{equations}; ' if equations else ''}ring.")
        add("Qed.")

    def goal(self, goal: Mapping[str, Any]) -> Iterator[str]:
        axes, terms, target = self.statement.goal(goal)
        name = self.name(goal["name"])
        labels = "".join(f" {label}" for label, _ in axes)
        summands = [list(self.summands(term)) for term in terms]
        count = sum(map(len, summands))
        if count > MAX_TERMS:
            raise Uncovered(f"too large: the derivative has {count} terms, at most {MAX_TERMS} are compiled")
        flat = [s.term for group in summands for s in group]
        if max((len(term.sums) for term in flat), default=0) > MAX_SUMS:
            raise Uncovered(f"too large: a term sums over more than {MAX_SUMS} indices")
        totals = self.cancelling([*((t, 1) for t in flat), *((t, -1) for t in target)])
        add = self.lines.append
        defined = []
        for number_, total in enumerate(totals):
            known = self.name(f"total_{name}_{number_ + 1}")
            defined.append((known, total))
            add(f"Definition {known} (t : R){self.binders(axes)} : R := {self.flat(total)}.")
        add(f"Definition {name} (t : R){self.binders(axes)} : R := {self.sum(terms)}.")
        add(f"Lemma {name}_derivative{self.binders(axes)} :")
        add(f"  derives I (fun t => {name} t{labels}) (fun t => {self.sum(target)}).")
        add("Proof.")
        raw = " + ".join(self.raw(term) for term in terms) or "0"
        witness = "@derives_cst R I 0"
        for position, term in enumerate(terms):
            witness = self.witness(term) if position == 0 else f"(derivesD {witness} {self.witness(term)})"
        add(f"have D : derives I (fun t => {self.sum(terms)}) (fun t => {raw}) := {witness}.")
        add("apply: (derives_eq D) => t It; cbv beta; clear D.")
        for position, (term, group) in enumerate(zip(terms, summands, strict=True)):
            self.distribute(f"E{position}", term, group)
        names = []
        for position, term in enumerate([*flat, *target]):
            names.append(f"K{position}")
            self.collect(names[-1], term, defined, labels)
        equations = " ".join(f"?E{position}" for position in range(len(terms)))
        add(f"rewrite {equations or '?addr0'}.")
        if names:
            add(f"rewrite {' '.join(f'?{known}' for known in names)}.")
        add("ring.")
        add("Qed.")
        if goal["kind"] == "conserved":
            quantifier = f"forall{self.binders(axes)}, " if axes else ""
            add(f"Theorem {name}_conserved : is_interval I -> {quantifier}")
            add(f"  forall s t, I s -> I t -> {name} s{labels} = {name} t{labels}.")
            add("Proof.")
            add(f"move=> interval{labels}.")
            add(f"exact: zero_derivative_constant interval (@{name}_derivative{labels}).")
            add("Qed.")
            yield f"{name}_conserved"
        else:
            yield f"{name}_derivative"

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
            add("  ring.")
            return
        for depth, (dummy, size) in enumerate(term.sums):
            inside = " + ".join(self.nest_of(s, depth + 1) for s in group)
            add(f"  transitivity (\\sum_({dummy} < {self.size(size)}) ({inside})); last by rewrite ?big_split.")
            add(f"  apply: eq_bigr => {dummy} _.")
        products, proof = [], ""
        for number_, s in enumerate(group):
            products.append(f"({self.product(s.cofactor)}) * {s.name}")
            steps = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in s.inner)
            add(f"  have e{number_} : {self.nest_of(s, len(s.outer))} = {products[-1]}.")
            add(f"    rewrite /{s.name.split()[0]};{steps} ring.")
            proof = f"(f_equal2 +%R {proof} e{number_})" if proof else f"e{number_}"
        add(f"  transitivity ({' + '.join(products)}); first by ring.")
        add(f"  exact: esym {proof}.")

    def nest_of(self, summand: Summand, depth: int) -> str:
        return self.flat(replace(summand.term, sums=(*summand.outer[depth:], *summand.inner)))

    def cancelling(self, terms: Sequence[tuple[Term, int]]) -> list[Term]:
        """One term, with coefficient 1, for each class of equal terms; raises Uncovered unless each class cancels."""
        classes: list[tuple[Term, Fraction]] = []
        for term, sign in terms:
            for position, (total, coefficient) in enumerate(classes):
                if matching(term, total) is not None:
                    classes[position] = (total, coefficient + sign * term.coefficient)
                    break
            else:
                classes.append((replace(term, coefficient=Fraction(1)), sign * term.coefficient))
        if any(coefficient for _, coefficient in classes):
            raise Uncovered("the identity needs more than the distributive law: what is known of atoms, or the loss")
        return [total for total, _ in classes]

    def collect(self, name: str, term: Term, totals: Sequence[tuple[str, Term]], labels: str) -> None:
        """name : a flat term = a number times the total of its class, by exchanging sums."""
        add = self.lines.append
        known, order = next((k, found) for k, total in totals if (found := matching(term, total)) is not None)
        add(f"have {name} : {self.flat(term)} = ({number(term.coefficient)}) * {known} t{labels}.")
        sums = list(term.sums)
        for place, wanted in enumerate(order):
            at = next(i for i, (dummy, _) in enumerate(sums) if dummy == wanted)
            for left in range(at - 1, place - 1, -1):
                sums[left], sums[left + 1] = sums[left + 1], sums[left]
                steps = "".join(f" apply: eq_bigr => {dummy} _;" for dummy, _ in sums[:left])
                exchanged = self.flat(replace(term, sums=tuple(sums)))
                add(f"  transitivity {exchanged}; first by{steps} rewrite exchange_big.")
        steps = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in sums)
        add(f"  rewrite /{known};{steps} ring.")


def matching(term: Term, total: Term) -> tuple[str, ...] | None:
    """The sums of `term` in the order in which they are the sums of `total`, if the terms are equal up to a number."""
    if len(term.factors) != len(total.factors) or sorted(z for _, z in term.sums) != sorted(z for _, z in total.sums):
        return None
    if sorted(known for known, _ in term.factors) != sorted(known for known, _ in total.factors):
        return None
    wanted = sorted(total.factors)
    for order in permutations(term.sums):
        if [size for _, size in order] != [size for _, size in total.sums]:
            continue
        renaming = {mine: theirs for (mine, _), (theirs, _) in zip(order, total.sums, strict=True)}
        if sorted(term.renamed(renaming).factors) == wanted:
            return tuple(dummy for dummy, _ in order)
    return None


def number(value: Fraction) -> str:
    text = f"{abs(value.numerator)}%:R"
    return f"(- {text})" if value < 0 else text


def comment(text: str) -> str:
    return text.replace("(*", "( *").replace("*)", "* )").replace('"', "'")
