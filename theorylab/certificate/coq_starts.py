"""Where runs start in a Coq script: what is conserved keeps the value that it has there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from theorylab.certificate.coq_steps import Steps, added
from theorylab.certificate.terms import Rule, Term, Uncovered


class Starts(Steps):
    """The initial values as hypotheses, those of atoms as lemmas, and what follows for a conserved quantity."""

    def starts(self) -> None:
        start, add = self.statement.start, self.lines.append
        if not start.kept:
            return
        add("Hypothesis on_interval : is_interval I.")
        add("Variable t0 : R.")
        add("Hypothesis It0 : I t0.")
        for known, terms in start.letters.items():
            value = self.factor((known, self.at(known)), "t0")
            add(f"Hypothesis start_{self.name(known)} : {self.everywhere(known)}{value} = {self.sum(terms)}.")
        for known in start.atoms:
            self._atom(known)

    def kept(self, goal: str, name: str, terms: Sequence[Term], labels: str) -> None:
        """From its conservation: the quantity less its value at the start is 0."""
        images = self.statement.start.kept[goal]
        values = [image for image in images if image is not None]
        away = [replace(value, coefficient=-value.coefficient) for value in values]
        whole = [*terms, *away]
        lemma = self.name(f"{name}_kept")
        self.rules[Rule(goal, tuple(self.axes), tuple(whole), -1)] = lemma
        add, quantifier = self.lines.append, f"forall{self.binders(self.axes)}, " if self.axes else ""
        add(f"Lemma {lemma} : forall t, I t -> {quantifier}{self.sum(whole)} = 0.")
        add(f"Proof. move=> t It{labels}.")
        self._at_start("S", terms, images)
        for position, (value, minus) in enumerate(zip(values, away, strict=True)):
            self.factored(f"e{position}", minus, Term(Fraction(-1)), value)
        there, value = self.sum(terms, "t0"), " + ".join(self._value(image) for image in images)
        add(f"have C : {self.sum(terms)} = {there} := {name}_conserved on_interval{labels} t t0 It It0.")
        add(f"have D : {there} = {value} := {added([f'S{n}' for n in range(len(terms))])}.")
        same = [f"(erefl {self.flat(term)})" for term in terms]
        add(f"apply: (etrans {added([*same, *(f'e{n}' for n in range(len(values)))])}).")
        add(f"rewrite C D; {self.ring}.")
        add("Qed.")

    def _value(self, image: Term | None) -> str:
        return "0" if image is None else self.flat(image)

    def _at_start(self, prefix: str, terms: Sequence[Term], images: Sequence[Term | None]) -> None:
        """What each term is at the start, as an equation."""
        for position, (term, image) in enumerate(zip(terms, images, strict=True)):
            known = dict.fromkeys(known for known, _ in term.factors if known in self.statement.moving)
            laws = " ".join(f"?start_{self.name(letter)}" for letter in known)
            law = "big1" if image is None else "eq_bigr"
            steps = "".join(f" apply: {law} => {dummy} _;" for dummy, _ in term.sums)
            self.lines.append(f"have {prefix}{position} : {self.flat(term, 't0')} = {self._value(image)}.")
            self.lines.append(f"  by{steps}{f' rewrite {laws};' if laws else ''} {self.ring}.")

    def _atom(self, known: str) -> None:
        """A lemma with the value of an atom, which is the function of its argument there."""
        statement, add, name = self.statement, self.lines.append, self.name(known)
        argument, (value,) = statement.start.atoms[known]
        atom = statement.atoms[known]
        labels = "".join(f" {label}" for label in self.at(known))
        itself = self.factor((known, self.at(known)), "t0")
        add(f"Lemma start_{name} : {self.everywhere(known)}{itself} = {self.flat(value)}.")
        add(f"Proof. {f'move=>{labels}.' if labels else ''}")
        images = [statement.start.term(term) for term in atom.argument]
        self._at_start("S", atom.argument, images)
        laws = added([f"S{n}" for n in range(len(images))])
        there, here = self.sum(atom.argument, "t0"), " + ".join(self._value(image) for image in images)
        add(f"have D : {there} = {here} := {laws}.")
        add(f"rewrite {name}_is D.")
        if not argument:
            add(f"by rewrite ?addr0 expR0; {self.ring}.")
        elif known.startswith("1/") and len(argument) == 1:
            inverses = [f for f, _ in dict.fromkeys((*value.factors, *argument[0].factors)) if f.startswith("1/")]
            meant = " ".join(f"?{self.name(f)}_is" for f in inverses)
            add(f"rewrite {meant} ?mul1r ?invfM ?invrN ?invrK ?invr1 ?mul1r //; inverses_as_letters; {self.ring}.")
        else:
            ((constant, _),) = value.factors
            if list(statement.atoms[constant].argument) != argument:
                raise Uncovered(f"the value of {known} at the start is written in another way")
            add(f"by rewrite {self.name(constant)}_is ?addr0 ?add0r mul1r.")
        add("Qed.")
