"""Inequalities in a Coq script: a sum of pieces, each of which is >= 0 by squares, by known signs, and by cases.

A piece becomes a lemma about real numbers, one variable for each letter in it. The values of a gate, and of what it
looks at, are a hypothesis: it is 1 where its argument is >= 0, or 0 (a sign: -1) where that is <= 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any

from theorylab.certificate.coq_steps import Steps, added, number
from theorylab.certificate.terms import Factor, Term, Uncovered

MAX_GATES = 4
FIELD = "(field; rewrite ?pnatr_eq0 //)"
Monomial = tuple[str, ...]  # variables, sorted; a power is a repeated variable
Polynomial = dict[Monomial, Fraction]


@dataclass
class Variable:
    """A number in a piece: what it stands for, as factors of flat terms, and the proof that this is positive."""

    text: str
    terms: list[Term]
    sign: str = ""  # "<" or "<=": 0 < it, or 0 <= it
    proof: str = ""


@dataclass
class Piece:
    """The parts of the proof that a sum of flat terms is >= 0."""

    strict: bool
    terms: list[Term]  # of the whole piece
    steps: list[str]  # that end a proof of it


@dataclass
class Reading:
    """What the expressions of a piece stand for."""

    arguments: Mapping[str, list[Term]]  # of gates, over i0, i1, ...
    variables: dict[str, Variable] = field(default_factory=dict)
    names: dict[tuple[str, tuple[str, ...], bool], str] = field(default_factory=dict)


class Inequalities(Steps):
    """The steps that show that a sum of flat terms is >= 0."""

    def nonnegative(self, known: str, terms: Sequence[Term], strict: bool, labels: str) -> tuple[list[str], list[str]]:
        """Definitions, and the lines of a proof of 0 <= terms (or 0 < terms)."""
        specs = self.statement.pieces.get(known)
        if not specs:
            raise Uncovered("an inequality has no pieces")
        found = [self._piece(f"piece_{known}_{n + 1}", spec, strict) for n, spec in enumerate(specs)]
        found.sort(key=lambda piece: not piece.strict)
        if strict and not found[0].strict:
            raise Uncovered("no piece is seen to be positive")
        flat = [term for piece in found for term in piece.terms]
        definitions, proof = self.identity(f"{known} bound", [terms], flat, labels)
        lines = [f"have Q0 : {self.sum(terms)} = {self.sum(flat)}.", *(f"  {line}" for line in proof)]
        for position, piece in enumerate(found):
            relation = "<" if strict and not position else "<="
            lines += [f"have H{position} : 0 {relation} {self.sum(piece.terms)}.", *(f"  {s}" for s in piece.steps)]
        rule = "(ltr_spaddl {} {})" if strict else "(addr_ge0 {} {})"
        proof_of = "H0" if len(found) == 1 else rule.format("H0", _all([f"H{n}" for n in range(1, len(found))]))
        whole = self.sum(found[0].terms)
        if len(found) > 1:
            whole = f"({whole}) + ({' + '.join(f'({self.sum(p.terms)})' for p in found[1:])})"
        law = "positive_is" if strict else "nonnegative_is"
        lines += [f"apply: ({law} Q0); apply: ({law} (a := {whole})); last exact: {proof_of}.", "by rewrite ?addrA."]
        return definitions, lines

    # -- signs and gates --------------------------------------------------------------------------------------

    def sign_of(self, known: str) -> str:
        """The sign "<" or "<=" if a letter or an atom is known to be positive or nonnegative, with a lemma."""
        name, statement = f"{self.name(known)}_sign", self.statement
        atom = statement.atoms.get(known)
        sign = {"positive": "<", "nonnegative": "<="}.get(statement.signs.get(known, ""), "")
        if atom is not None:
            sign = "<" if atom.function in ("exp", "sqrt") else ""
            if known.startswith("1/") and not known.startswith("1/#"):
                sign = "<" if self.sign_of(known[2:]) == "<" else ""
        if not sign or name in self.signed:
            return sign
        self.signed.add(name)
        meant = f"{self.time(known)}{self.everywhere(known)}0 {sign} {self.factor((known, self.at(known)))}"
        if atom is None:
            self.lines.append(f"Hypothesis {name} : {meant}.")
            return sign
        moves, itself = self.arguments(known), self.name(known)
        proof = {
            "exp": "expR_gt0",
            "sqrt": f"sqrtr_gt0; exact: ({itself}_domain {moves})",
            "inv": f"mul1r invr_gt0; exact: ({self.name(known[2:])}_sign {moves})",
        }[atom.function]
        self.lines.append(f"Lemma {name} : {meant}.")
        self.lines.append(f"Proof. {f'move=> {moves}. ' if moves else ''}by rewrite {itself}_is {proof}. Qed.")
        return sign

    def cases_of(self, known: str) -> tuple[str, list[Term]]:
        """The hypothesis about the values of a gate, and its argument."""
        function, terms = self.statement.argument_of(known)
        name = f"{self.name(known)}_cases"
        if name not in self.signed:
            self.signed.add(name)
            gate, argument = self.factor((known, self.at(known))), self.sum(terms)
            shut = "0" if function == "step" else "-1"
            cases = f"({gate} = 1 /\\ 0 <= {argument}) \\/ ({gate} = {shut} /\\ {argument} <= 0)"
            self.lines.append(f"Hypothesis {name} : {self.time(known)}{self.everywhere(known)}{cases}.")
        return name, terms

    # -- pieces ------------------------------------------------------------------------------------------------

    def _piece(self, name: str, spec: Mapping[str, Any], seek: bool) -> Piece:
        """A lemma about numbers; seek: whether it is to say that the piece is positive, where that is seen."""
        gates = dict(sorted(spec.get("gates", {}).items()))
        if len(gates) > MAX_GATES:
            raise Uncovered(f"too large: a piece has {len(gates)} gates, at most {MAX_GATES} are split")
        hypotheses = {gate: self.cases_of(gate) for gate in gates}
        reading = Reading({gates[gate]: terms for gate, (_, terms) in hypotheses.items()})
        body = self._read(spec["expr"], reading)
        pairs = [self._pair(gate, argument, reading) for gate, argument in gates.items()]
        forms = {
            bits: self._squares(spec["cases"]["".join(bits)], reading) for bits in product("10", repeat=len(gates))
        }
        signs = {v: f"S{n}" for n, (v, x) in enumerate(reading.variables.items()) if x.sign}
        shut = {
            h: 0 if self.statement.argument_of(gate)[0] == "step" else -1
            for (h, _), gate in zip(pairs, gates, strict=True)
        }
        split = [
            ({h: (bit, a, shut[h]) for (h, a), bit in zip(pairs, bits, strict=True)}, squares)
            for bits, squares in forms.items()
        ]
        cases = [self._case(values, body, squares, signs, reading, seek) for values, squares in split]
        strict = all(found for _, found in cases)
        if not strict:
            cases = [self._case(values, body, squares, signs, reading, False) for values, squares in split]
        add, relation = self.lines.append, "<" if strict else "<="
        lemma = self.name(name)
        add(f"Lemma {lemma} ({' '.join(reading.variables) or '_'} : R) :")
        known = [f"0 {reading.variables[v].sign} {v}" for v in signs]
        known += [f"({h} = 1 /\\ 0 <= {a}) \\/ ({h} = {shut[h]} /\\ {a} <= 0)" for h, a in pairs]
        add(f"  {''.join(f'{law} -> ' for law in known)}0 {relation} {_text(body)}.")
        splits = " ".join(f"[[-> A{n}]|[-> A{n}]]" for n in range(len(pairs)))
        add(f"Proof. move=> {' '.join([*signs.values(), splits])}." if known else "Proof.")
        self.lines += [line for lines, _ in cases for line in lines]
        add("Qed.")
        own = [(label, size) for label, size in self.statement.axes(spec["axes"]) if label not in dict(self.axes)]
        at = [f"({reading.variables[v].text})" for v in reading.variables]
        at += [reading.variables[v].proof for v in signs]
        for (h, _), (law, _) in zip(pairs, hypotheses.values(), strict=True):
            (factor,) = reading.variables[h].terms[0].factors
            moving = [] if factor[0] in self.statement.constants else ["t", "It"]
            at.append(f"({' '.join([law, *moving, *factor[1]])})")
        proof = f"({' '.join([lemma, *at])})"
        return self._summed(body, own, f"(ltW {proof})" if strict and own else proof, strict and not own, reading)

    def _summed(
        self, body: Polynomial, own: Sequence[tuple[str, str]], proof: str, strict: bool, reading: Reading
    ) -> Piece:
        """The piece as a sum of flat terms, and the steps from the lemma about numbers to that sum."""
        terms: list[Term] = []
        before, self.lines = self.lines, []
        for monomial, coefficient in body.items():
            for choice in product(*(reading.variables[v].terms for v in monomial)):
                parts = [term.renamed(self.statement.fresh(term.sums)) for term in choice]
                self._multiplied(f"e{len(terms)}", coefficient, parts)
                terms.append(_product(coefficient, parts))
        multiplied, self.lines = self.lines, before
        lines, law = [], "positive_is" if strict else "nonnegative_is"
        for depth, (dummy, size) in enumerate(own):
            below = self.sum([replace(t, sums=(*own[depth + 1 :], *t.sums)) for t in terms])
            whole = f"\\sum_({dummy} < {self.size(size)}) ({below})"
            lines.append(f"apply: ({law} (a := {whole})); first by rewrite ?big_split.")
            lines.append(f"apply: sumr_ge0 => {dummy} _.")
        instance = _text(body, {v: f"({x.text})" for v, x in reading.variables.items()})
        lines += [*multiplied, f"apply: ({law} (a := {instance})); last exact: {proof}."]
        ring = _ring(
            [c for x in reading.variables.values() for term in x.terms for c in (term.coefficient, *body.values())]
        )
        lines.append(f"by apply: (etrans {added([f'e{n}' for n in range(len(terms))])}); {ring}.")
        return Piece(strict, [replace(t, sums=(*own, *t.sums)) for t in terms], lines)

    def _multiplied(self, name: str, coefficient: Fraction, parts: Sequence[Term]) -> None:
        """name : the flat product of these terms = their product."""
        add, whole = self.lines.append, " * ".join([number(coefficient), *(self.flat(part) for part in parts)])
        add(f"have {name} : {self.flat(_product(coefficient, parts))} = {whole}.")
        add("  apply: esym.")
        ring = _ring([coefficient, *(part.coefficient for part in parts)])
        summed = [part for part in parts if part.sums]
        opened = [number(coefficient), *(self.flat(part) for part in parts if not part.sums)]
        for position, part in enumerate(summed):
            rest = " * ".join([*opened, *(self.flat(later) for later in summed[position + 1 :])])
            add(f"  transitivity ({self.flat(part)} * ({rest})); first by {ring}.")
            for dummy, _ in part.sums:
                add(f"  rewrite mulr_suml; apply: eq_bigr => {dummy} _.")
            opened.append(f"({self.product(part)})")
        add(f"  by {ring}.")

    def _pair(self, gate: str, argument: str, reading: Reading) -> tuple[str, str]:
        """The variables of a gate and of its argument."""
        places = [labels for known, labels, _ in reading.names if known in (gate, argument)]
        if not places or set(places) != {places[0]}:
            raise Uncovered("a gate and its argument occur at two places")
        return self._variable(gate, places[0], False, reading), self._variable(argument, places[0], False, reading)

    def _variable(self, known: str, labels: tuple[str, ...], below: bool, reading: Reading) -> str:
        key, statement = (known, labels, below), self.statement
        if key not in reading.names:
            places = {f"i{n}": label for n, label in enumerate(labels)}
            if known in reading.arguments:
                terms = [term.renamed(places) for term in reading.arguments[known]]
            elif known in statement.bodies:
                axes, body = statement.bodies[known]
                places = dict(zip((label for label, _ in axes), labels, strict=True))
                terms = [term.renamed(places) for term in body]
            else:
                factor: Factor = (known, labels)
                terms = [Term(Fraction(1), (statement.reciprocal(factor) if below else factor,))]
            single = terms[0].factors[0] if len(terms) == 1 and len(terms[0].factors) == 1 else None
            variable = Variable(self.sum(terms), terms)
            if known not in reading.arguments and single and terms[0].coefficient == 1 and not terms[0].sums:
                variable.text = self.factor(single)
                variable.sign = self.sign_of(single[0])
                moving = [] if single[0] in statement.constants else ["t", "It"]
                variable.proof = f"({' '.join([f'{self.name(single[0])}_sign', *moving, *single[1]])})"
            elif below:
                raise Uncovered("a negative power of a formula has no script")
            reading.names[key] = name = f"y{len(reading.names) + 1}"
            reading.variables[name] = variable
        return reading.names[key]

    def _read(self, raw: Sequence[Any], reading: Reading) -> Polynomial:
        found: Polynomial = {}
        for coefficient, factors in raw:
            variables: list[str] = []
            for known, labels, exponent in factors:
                variables += [self._variable(known, tuple(labels), exponent < 0, reading)] * abs(exponent)
            _accumulate(found, tuple(sorted(variables)), Fraction(coefficient))
        return found

    def _squares(self, raw: Mapping[str, Any], reading: Reading) -> list[tuple[Fraction, Polynomial]]:
        """weight, root of each square of a case; a Gram form by elimination."""
        found = [(Fraction(weight), self._read(root, reading)) for weight, root in raw.get("squares", ())]
        if "gram" in raw:
            vector = [self._read(entry, reading) for entry in raw["gram"]["vector"]]
            rows = [[Fraction(entry) for entry in row] for row in raw["gram"]["matrix"]]
            for n, row in enumerate(rows):
                if row[n]:
                    root: Polynomial = {}
                    for entry, part in zip(row, vector, strict=True):
                        for monomial, coefficient in part.items():
                            _accumulate(root, monomial, coefficient * entry / row[n])
                    found.append((row[n], root))
                    pivot = list(row)
                    rows = [[x - r[n] * y / pivot[n] for x, y in zip(r, pivot, strict=True)] for r in rows]
        return found

    def _case(
        self,
        values: Mapping[str, tuple[str, str, int]],
        body: Polynomial,
        squares: Sequence[tuple[Fraction, Polynomial]],
        signs: Mapping[str, str],
        reading: Reading,
        seek: bool,
    ) -> tuple[list[str], bool]:
        """The lines that prove a piece for these values of its gates, and whether it is positive there.

        seek: whether the proof is to be that it is positive, where that is seen.
        """
        lines: list[str] = []
        positive = {v: s for v, s in signs.items() if reading.variables[v].sign == "<"}
        known = {v: f"(ltW {s})" if v in positive else s for v, s in signs.items()}
        text: dict[str, str] = {}
        for n, (bit, argument, _) in enumerate(values.values()):
            known[argument] = f"A{n}"
            if bit == "0":
                lines.append(f"have P{n} : 0 <= - {argument} by rewrite oppr_ge0.")
                known[argument], text[argument] = f"P{n}", f"(- {argument})"

        def at(polynomial: Polynomial) -> Polynomial:
            found: Polynomial = {}
            for monomial, coefficient in polynomial.items():
                left = []
                for variable in monomial:
                    if variable in values:
                        coefficient *= 1 if values[variable][0] == "1" else values[variable][2]
                    else:
                        coefficient *= -1 if variable in text else 1
                        left.append(variable)
                _accumulate(found, tuple(left), coefficient)
            return found

        rest = at(body)
        parts: list[tuple[str, str]] = []
        for weight, root in squares:
            root = at(root)
            for (left, a), (right, b) in product(root.items(), repeat=2):
                _accumulate(rest, tuple(sorted((*left, *right))), -weight * a * b)
            written = f"({_text(root, text)})"
            square = f"(mulr_ge0 {_least(weight)} (square_ge0 {written}))"
            parts.append((f"{number(weight)} * ({written} * {written})", square))
        strict = ""
        for monomial, coefficient in rest.items():
            if coefficient < 0:
                raise Uncovered("a monomial of a piece may be negative")
            words, proofs = [number(coefficient)], [_least(coefficient)]
            for variable, power in sorted(Counter(monomial).items()):
                name = text.get(variable, variable)
                words += [f"({name} * {name})"] * (power // 2) + [name] * (power % 2)
                if power % 2 and variable not in known:
                    raise Uncovered("a monomial of a piece may be negative")
                proofs += [f"(square_ge0 {name})"] * (power // 2) + [known.get(variable, "")] * (power % 2)
            if seek and not strict and all(variable in positive for variable in monomial):
                over = [_least(coefficient, True), *(positive[v] for v in sorted(monomial))]
                strict = reduce(lambda p, q: f"(mulr_gt0 {p} {q})", over)
                words = [number(coefficient), *sorted(monomial)]
                parts.insert(0, (" * ".join(words), reduce(lambda p, q: f"(mulr_ge0 {p} {q})", proofs)))
            else:
                parts.append((" * ".join(words), reduce(lambda p, q: f"(mulr_ge0 {p} {q})", proofs)))
        fractions = [*body.values(), *rest.values(), *(c for w, root in squares for c in (w, *root.values()))]
        ring = _ring(fractions)
        if not parts:
            lines.append(f"by apply: (nonnegative_is (a := 0)); [{ring}|exact: lexx].")
        elif strict:
            whole = parts[0][0] if len(parts) == 1 else f"{parts[0][0]} + ({' + '.join(p for p, _ in parts[1:])})"
            proof = strict if len(parts) == 1 else f"(ltr_spaddl {strict} {_all([p for _, p in parts[1:]])})"
            lines.append(f"apply: (positive_is (a := {whole})); last exact: {proof}.")
            lines.append(f"{ring}.")
        else:
            lines.append(f"apply: (nonnegative_is (a := {' + '.join(p for p, _ in parts)})).")
            lines.append(f"  {ring}.")
            lines.append(f"exact: {_all([p for _, p in parts])}.")
        return lines, bool(strict)


def _accumulate(polynomial: Polynomial, monomial: Monomial, coefficient: Fraction) -> None:
    total = polynomial.pop(monomial, Fraction(0)) + coefficient
    if total:
        polynomial[monomial] = total


def _product(coefficient: Fraction, parts: Sequence[Term]) -> Term:
    factors = tuple(factor for part in parts for factor in part.factors)
    whole = reduce(lambda c, part: c * part.coefficient, parts, coefficient)
    return Term(whole, factors, tuple(pair for part in parts for pair in part.sums))


def _text(polynomial: Polynomial, names: Mapping[str, str] | None = None) -> str:
    terms = [" * ".join([number(c), *((names or {}).get(v, v) for v in m)]) for m, c in polynomial.items()]
    return " + ".join(terms) or "0"


def _ring(coefficients: Sequence[Fraction]) -> str:
    return "ring" if all(c.denominator == 1 for c in coefficients) else FIELD


def _least(coefficient: Fraction, positive: bool = False) -> str:
    """The proof that a positive number is >= 0, or > 0."""
    law, over = ("ltr0Sn R {}", "divr_gt0") if positive else ("ler0n R {}", "divr_ge0")
    above, below = (f"({law.format(n - positive)})" for n in (coefficient.numerator, coefficient.denominator))
    return above if coefficient.denominator == 1 else f"({over} {above} {below})"


def _all(proofs: Sequence[str]) -> str:
    return reduce(lambda left, right: f"(addr_ge0 {left} {right})", proofs)
