"""A certificate as a Coq script: its flow, its quantities, and a proof without any search.

Covered are identities, inequalities, conserved quantities and derivatives along one flow, for all sizes, in letters,
their reciprocals, exp, log and square roots and Kronecker's delta: the script says that along every solution of the
flow on every interval of time the quantity is constant (or has the stated derivative, or a derivative that is at most
that). Gates and the gradient dLoss/df are arbitrary functions of time there, so the theorem holds for each choice of
them, unless the proof needs what they are. What the functions need of their arguments (not 0, positive), signs, initial
values and the hypotheses of the statement are hypotheses of the script, where they are used. The proof is a list of
explicit steps (distribute, exchange two sums, add a multiple of what is 0, `ring`); if one fails, so does the script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from theorylab.certificate.coq_inequalities import Inequalities
from theorylab.certificate.coq_starts import Starts
from theorylab.certificate.coq_steps import added, comment
from theorylab.certificate.indexed import Atom, Statement
from theorylab.certificate.terms import Rule, Term, Uncovered, contracted

MAX_TERMS = 160  # of a derivative
MAX_SUMS = 10  # over indices in one term
MAX_BYTES = 200_000
HEADER = """\
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.
Ltac inverses_as_letters := repeat match goal with |- context [@GRing.inv ?K ?x] =>
  lazymatch x with GRing.natmul _ _ => fail | _ => generalize (@GRing.inv K x); intro end end.
"""
COQ = {"exp": "expR ({})", "log": "ln ({})", "sqrt": "Num.sqrt ({})", "inv": "({})^-1"}
SLOPE = {"exp": "expR ({})", "log": "({})^-1", "sqrt": "2%:R^-1 * (Num.sqrt ({}))^-1", "inv": "- (({})^-1 * ({})^-1)"}
MINUS_ONE = Term(Fraction(-1))


def script(document: Mapping[str, Any]) -> str:
    """The script of a certificate; raises Uncovered with the reason where there is none.

    Each theorem is followed by `Print Assumptions`.
    """
    title = f"{document['claim']}, certificate {document['seal']}"
    try:
        text = Script(Statement(document)).text(title)
    except Uncovered:
        statement = Statement(document, defined=True)
        if not statement.slopes:
            raise
        text = Script(statement).text(title)
    if len(text) > MAX_BYTES:
        raise Uncovered(f"too large: the script would have {len(text)} bytes, at most {MAX_BYTES} are compiled")
    return text


class Script(Inequalities, Starts):
    """The text of a script: variables, hypotheses, the field, and one theorem for each goal."""

    def text(self, title: str) -> str:
        statement = self.statement
        sizes = " ".join(self.size(size) for size in statement.sizes)
        add = self.lines.append
        add(f"(* {comment(title)} *)")
        add(HEADER)
        add("Section Certificate.")
        add(f"Variables (R : realType) (I : set R){f' ({sizes} : nat)' if sizes else ''}.")
        for known in [*statement.letters, *statement.atoms]:
            add(f"Variable {self.typed(known)}.")
        for known, atom in statement.atoms.items():
            self.meaning(known, atom)
        for known, atom in statement.atoms.items():
            self.laws(known, atom)
        for rule in statement.rules:
            self.hypothesis(rule)
        if statement.binary:
            for gate in statement.gates:
                self.gate(gate)
        for known, terms in statement.slopes.items():
            self.slope(known, terms)
        for known, terms in statement.field.items():
            quantifier, law = self.flow(known, terms)
            add(f"Hypothesis flow_{self.name(known)} : {quantifier}{law}.")
        self.starts()
        theorems = [theorem for goal in statement.goals for theorem in self.goal(goal)]
        add("End Certificate.")
        self.lines += [f"Print Assumptions {theorem}." for theorem in theorems]
        return "\n".join(self.lines) + "\n"

    def flow(self, known: str, terms: list[Term]) -> tuple[str, str]:
        """Define the parts of the field of a letter or an atom; what its derivative is, in words of Coq."""
        axes = self.statement.axes_of(known)
        labels = " ".join(label for label, _ in axes)
        self.parts[known] = []
        for number_, term in enumerate(terms):
            part = self.name(f"d_{known}_{number_ + 1}")
            self.parts[known].append((part, term))
            self.lines.append(f"Definition {part} (t : R){self.binders(axes)} : R := {self.flat(term)}.")
        rate = " + ".join(f"{part} t {labels}".strip() for part, _ in self.parts[known]) or "0"
        function = self.factor((known, tuple(label for label, _ in axes)))
        quantifier = f"forall{self.binders(axes)}, " if axes else ""
        return quantifier, f"derives I (fun t => {function}) (fun t => {rate})"

    # -- what is known of atoms -----------------------------------------------------------------------------

    def meaning(self, known: str, atom: Atom) -> None:
        """Hypotheses: an atom is the function of its argument, and the argument is in the domain."""
        name, argument = self.name(known), self.sum(atom.argument)
        value = COQ[atom.function].format(argument)
        quantifier = f"{self.time(known, inside=False)}{self.everywhere(known)}"
        self.lines.append(f"Hypothesis {name}_is : {quantifier}{self.factor((known, self.at(known)))} = {value}.")
        quantifier = f"{self.time(known)}{self.everywhere(known)}"
        if atom.function in ("log", "sqrt"):
            self.lines.append(f"Hypothesis {name}_domain : {quantifier}0 < {argument}.")
        elif atom.function == "inv":
            base = self.statement.atoms.get(known[2:]) if known.startswith("1/") else None
            if base is None or base.function not in ("exp", "sqrt", "inv"):
                self.lines.append(f"Hypothesis {name}_domain : {quantifier}{argument} != 0.")
                return
            inner, moves = self.name(known[2:]), self.arguments(known)
            proof = {
                "exp": "gt_eqF // expR_gt0",
                "sqrt": f"gt_eqF // sqrtr_gt0; exact: ({inner}_domain {moves})",
                "inv": f"invr_neq0 //; exact: ({inner}_domain {moves})",
            }[base.function]
            later = f"Lemma {name}_domain : {quantifier}{argument} != 0."
            self.pending.append(
                f"{later}\nProof. {f'move=> {moves}. ' if moves else ''}by rewrite mul1r {inner}_is {proof}. Qed."
            )

    def laws(self, known: str, atom: Atom) -> None:
        """Lemmas from these, and the rules that they are: x (1/x) = 1, sqrt(u)^2 = u, u / u = 1."""
        self.lines += self.pending
        self.pending = []
        statement, places = self.statement, self.at(known)
        itself, name, argument = (known, places), self.name(known), self.sum(atom.argument)
        domain = f"exact: ({' '.join([f'{name}_domain', self.arguments(known)]).strip()})"
        s = f"({self.factor(itself)})"
        if known.startswith("1/"):
            terms = (Term(Fraction(1), ((known[2:], places), itself)), MINUS_ONE)
            self.law(known, "cancels", terms, [f"by rewrite {name}_is mulfV ?subrr //; {domain}."])
        elif atom.function == "inv":
            terms = self.times(Term(Fraction(1), (itself,)), atom)
            proof = self.out(Term(Fraction(1), (itself,)), terms, atom, f"{s} * ({argument}) - 1")
            proof.append(f"by rewrite {name}_is mulVf ?subrr //; {domain}.")
            self.law(known, "cancels", (*terms, MINUS_ONE), proof)
        elif atom.function == "sqrt":
            square = f"have S : {s} * {s} = {argument} by rewrite {name}_is -expr2 sqr_sqrtr // ltW //; {domain}."
            terms = self.times(MINUS_ONE, atom)
            proof = [square, *self.out(MINUS_ONE, terms, atom, f"{s} * {s} - ({argument})"), "by rewrite S subrr."]
            self.law(known, "square", (Term(Fraction(1), (itself, itself)), *terms), proof)
            inverse = statement.reciprocal(itself)
            r, cofactor = f"({self.factor(inverse)})", Term(Fraction(1), (inverse, inverse))
            terms = self.times(cofactor, atom)
            proof = [
                square,
                f"have C : {s} * {r} = 1.",
                f"  by rewrite {self.name(inverse[0])}_is mul1r mulfV // {name}_is gt_eqF // sqrtr_gt0; {domain}.",
                *self.out(cofactor, terms, atom, f"({r} * {r}) * ({argument}) - 1"),
                f"rewrite -S; transitivity (({s} * {r}) * ({s} * {r}) - 1); first by {self.ring}.",
                "by rewrite C mul1r subrr.",
            ]
            self.law(known, "inverse_square", (*terms, MINUS_ONE), proof)

    def times(self, cofactor: Term, atom: Atom) -> tuple[Term, ...]:
        """cofactor * (the argument of an atom), term by term."""
        fresh = [term.renamed(self.statement.fresh(term.sums)) for term in atom.argument]
        c = cofactor
        return tuple(Term(c.coefficient * t.coefficient, (*c.factors, *t.factors), t.sums) for t in fresh)

    def out(self, cofactor: Term, terms: tuple[Term, ...], atom: Atom, whole: str) -> list[str]:
        """Steps that take the cofactor out of these terms, so that `whole` is left."""
        before, self.lines = self.lines, []
        for position, (term, part) in enumerate(zip(terms, atom.argument, strict=True)):
            self.factored(f"e{position}", term, cofactor, part)
        found, self.lines = self.lines, before
        equations = " ".join(f"?e{position}" for position, t in enumerate(terms) if t.factors or t.sums)
        return [*found, f"transitivity ({whole}); first by rewrite {equations}; {self.ring}."]

    def law(self, known: str, word: str, terms: tuple[Term, ...], proof: list[str]) -> None:
        lemma, moves = self.name(f"{self.name(known)}_{word}"), self.arguments(known)
        rule = Rule(lemma, self.statement.axes_of(known), terms, 0)
        self.rules[rule] = lemma
        add = self.lines.append
        add(f"Lemma {lemma} : {self.time(known)}{self.everywhere(known)}{self.sum(terms)} = 0.")
        add(f"Proof. {f'move=> {moves}.' if moves else ''}")
        self.lines += proof
        add("Qed.")

    def hypothesis(self, rule: Rule) -> None:
        lemma = self.name(f"hypothesis_{rule.name}")
        quantifier = f"forall{self.binders(rule.axes)}, " if rule.axes else ""
        self.lines.append(f"Hypothesis {lemma} : {quantifier}{self.sum(rule.terms)} = 0.")
        self.rules[rule] = lemma

    def gate(self, known: str) -> None:
        """A gate is 0 or 1 where the statement says so."""
        itself = (known, self.at(known))
        terms = (Term(Fraction(1), (itself, itself)), Term(Fraction(-1), (itself,)))
        lemma = self.name(f"{self.name(known)}_binary")
        self.rules[Rule(lemma, self.statement.axes_of(known), terms, 0)] = lemma
        self.lines.append(f"Hypothesis {lemma} : {self.time(known)}{self.everywhere(known)}{self.sum(terms)} = 0.")

    def slope(self, known: str, terms: Sequence[Term]) -> None:
        """dLoss/df is what the statement defines it as."""
        itself = Term(Fraction(1), ((known, self.at(known)),))
        zero = (itself, *(replace(term, coefficient=-term.coefficient) for term in terms))
        lemma = self.name(f"{self.name(known)}_defined")
        self.rules[Rule(lemma, self.statement.axes_of(known), zero, 0)] = lemma
        self.lines.append(f"Hypothesis {lemma} : {self.time(known)}{self.everywhere(known)}{self.sum(zero)} = 0.")

    # -- the derivatives of atoms ----------------------------------------------------------------------------

    def moving_atom(self, known: str) -> None:
        """A lemma with the derivative of an atom, after those of the atoms in its argument."""
        statement = self.statement
        if known not in statement.atoms or known in self.parts or known in statement.constants:
            return
        atom = statement.atoms[known]
        for term in atom.argument:
            for part, _ in term.factors:
                self.moving_atom(part)
        groups = [list(self.summands(term)) for term in atom.argument]
        slope = atom.slope
        parts = [
            Term(slope.coefficient * s.term.coefficient, (*slope.factors, *s.term.factors), s.term.sums)
            for group in groups
            for s in group
        ]
        quantifier, law = self.flow(known, parts)
        add, name, argument = self.lines.append, self.name(known), self.sum(atom.argument)
        labels = "".join(f" {label}" for label in self.at(known))
        add(f"Lemma flow_{name} : {quantifier}{law}.")
        add(f"Proof. {f'move=>{labels}.' if labels else ''}")
        value = COQ[atom.function].format(argument)
        add(f"apply: (@derives_ext R I (fun t => {value})) => [t|]; first exact: {name}_is.")
        witness = "@derives_cst R I 0"
        for position, term in enumerate(atom.argument):
            witness = self.witness(term) if position == 0 else f"(derivesD {witness} {self.witness(term)})"
        raw = " + ".join(self.raw(term) for term in atom.argument) or "0"
        add(f"have D : derives I (fun t => {argument}) (fun t => {raw}) := {witness}.")
        rule = {"exp": "derives_exp", "log": "derives_ln", "sqrt": "derives_sqrt", "inv": "derives_inv"}[atom.function]
        inside = "" if atom.function == "exp" else f" (fun t It => {name}_domain t It{labels})"
        add(f"apply: (derives_eq ({rule} D{inside})) => t It; cbv beta.")
        given, stated = SLOPE[atom.function].format(argument, argument), self.product(slope)
        used = {f for f, _ in slope.factors} | {f for term in atom.argument for f, _ in term.factors}
        meant = sorted(self.name(f) for f in used & statement.atoms.keys() if f.startswith("1/"))
        add(f"have L : {given} = {stated}.")
        names = " ".join(f"?{x}_is" for x in dict.fromkeys([*meant, name]))
        add(f"  rewrite {names} ?mul1r ?invfM ?invrN ?invrK ?invr1 ?mul1r //; inverses_as_letters; {self.ring}.")
        add("rewrite L.")
        for position, (term, group) in enumerate(zip(atom.argument, groups, strict=True)):
            self.distribute(f"E{position}", term, group)
        equations = " ".join(f"?E{position}" for position in range(len(groups)))
        flat = [s.term for group in groups for s in group]
        for position, ((part, _), term) in enumerate(zip(self.parts[known], flat, strict=True)):
            moves = "".join(f" rewrite mulr_sumr; apply: eq_bigr => {dummy} _;" for dummy, _ in term.sums)
            add(f"have P{position} : {part} t{labels} = ({stated}) * {self.flat(term)}.")
            add(f"  rewrite /{part};{moves} {self.ring}.")
        steps = " ".join(f"?P{position}" for position in range(len(flat)))
        add(f"rewrite {equations} {steps}; {self.ring}.")
        add("Qed.")

    # -- goals -----------------------------------------------------------------------------------------------

    def goal(self, goal: Mapping[str, Any]) -> Iterator[str]:
        self.axes, terms, target = self.statement.goal(goal)
        name = self.name(goal["name"])
        labels = "".join(f" {label}" for label, _ in self.axes)
        if goal["kind"] in ("zero", "nonnegative"):
            yield self.pointwise(goal, name, terms, labels)
            return
        for term in terms:
            for known, _ in term.factors:
                self.moving_atom(known)
        summands = [list(self.summands(term)) for term in terms]
        flat = [s.term for group in summands for s in group]
        self.limit(flat)
        bound, sense = target, goal.get("sense", "==")
        if sense != "==":
            target = [end for term in flat if (end := contracted(term)).coefficient]
        definitions, proof = self.identity(
            goal["name"], [[s.term for s in group] for group in summands], target, labels
        )
        self.lines += definitions
        add, binders = self.lines.append, self.binders(self.axes)
        add(f"Definition {name} (t : R){binders} : R := {self.sum(terms)}.")
        add(f"Lemma {name}_derivative{binders} :")
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
        add(f"apply: (etrans {added([f'E{position}' for position in range(len(terms))])}).")
        self.lines += [*proof, "Qed."]
        if goal["kind"] == "conserved":
            quantifier = f"forall{binders}, " if self.axes else ""
            add(f"Theorem {name}_conserved : is_interval I -> {quantifier}")
            add(f"  forall s t, I s -> I t -> {name} s{labels} = {name} t{labels}.")
            add("Proof.")
            add(f"move=> interval{labels}.")
            add(f"exact: zero_derivative_constant interval (@{name}_derivative{labels}).")
            add("Qed.")
            yield f"{name}_conserved"
            if goal["name"] in self.statement.start.kept:
                self.kept(goal["name"], name, terms, labels)
        elif sense == "==":
            yield f"{name}_derivative"
        else:
            yield self.bounded(goal, name, target, bound, labels)
            if not bound:
                yield self.monotone(goal, name, labels)

    def pointwise(self, goal: Mapping[str, Any], name: str, terms: list[Term], labels: str) -> str:
        """An identity or an inequality: at every time, where the letters move."""
        self.limit(terms)
        if goal["kind"] == "zero":
            theorem, relation = f"{name}_vanishes", f"{self.sum(terms)} = 0"
            definitions, proof = self.identity(goal["name"], [terms], [], labels)
        else:
            theorem, relation = f"{name}_bound", f"0 {'<' if goal['strict'] else '<='} {self.sum(terms)}"
            definitions, proof = self.nonnegative(goal["name"], terms, goal["strict"], labels)
        self.lines += definitions
        moving = any(self.moves(term) for term in terms)
        add = self.lines.append
        quantifier = f"forall{self.binders(self.axes)}, " if self.axes else ""
        add(f"Theorem {theorem} : {'forall t, I t -> ' if moving else ''}{quantifier}{relation}.")
        add(f"Proof.{f' move=> t It{labels}.' if moving else f' move=>{labels}.' if labels else ''}")
        if not moving:
            add("pose t : R := 0.")
        self.lines += [*proof, "Qed."]
        return theorem

    def bounded(self, goal: Mapping[str, Any], name: str, rate: list[Term], bound: list[Term], labels: str) -> str:
        """The derivative is at most, or at least, what is stated."""
        low, high = (rate, bound) if goal["sense"] == "<=" else (bound, rate)
        excess = [*high, *(replace(term, coefficient=-term.coefficient) for term in low)]
        definitions, proof = self.nonnegative(goal["name"], excess, False, labels)
        self.lines += definitions
        add = self.lines.append
        quantifier = f"forall{self.binders(self.axes)}, " if self.axes else ""
        add(f"Theorem {name}_bound : forall t, I t -> {quantifier}{self.sum(low)} <= {self.sum(high)}.")
        add(f"Proof. move=> t It{labels}; rewrite -subr_ge0.")
        for position, term in enumerate(low):
            self.factored(f"e{position}", excess[len(high) + position], Term(Fraction(-1)), term)
        equal = added([*(f"(erefl {self.flat(t)})" for t in high), *(f"e{n}" for n in range(len(low)))])
        add(f"apply: (nonnegative_is (a := {self.sum(excess)})).")
        add(f"  by apply: esym; apply: (etrans {equal}); {self.ring}.")
        add(f"clear {' '.join(f'e{n}' for n in range(len(low)))}.")
        self.lines += [*proof, "Qed."]
        return f"{name}_bound"

    def monotone(self, goal: Mapping[str, Any], name: str, labels: str) -> str:
        """A quantity whose derivative has a sign does not increase, or does not decrease."""
        falls = goal["sense"] == "<="
        word = "nonpositive_derivative_nonincreasing" if falls else "nonnegative_derivative_nondecreasing"
        theorem, sides = f"{name}_{word.rpartition('_')[2]}", (f"{name} t{labels}", f"{name} s{labels}")
        add, low = self.lines.append, " <= ".join(sides if falls else sides[::-1])
        quantifier = f"forall{self.binders(self.axes)}, " if self.axes else ""
        add(f"Theorem {theorem} : is_interval I -> {quantifier}")
        add(f"  forall s t, I s -> I t -> s <= t -> {low}.")
        add(f"Proof. move=> interval{labels}.")
        add(f"apply: ({word} interval (@{name}_derivative{labels})) => t It.")
        add(f"exact: ({name}_bound t It{labels}).")
        add("Qed.")
        return theorem

    def limit(self, terms: list[Term]) -> None:
        if len(terms) > MAX_TERMS:
            raise Uncovered(f"too large: the identity has {len(terms)} terms, at most {MAX_TERMS} are compiled")
        if max((len(term.sums) for term in terms), default=0) > MAX_SUMS:
            raise Uncovered(f"too large: a term sums over more than {MAX_SUMS} indices")
