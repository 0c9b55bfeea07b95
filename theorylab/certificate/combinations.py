"""Proofs of zeros, found and written as the checker reads them: combinations of hypotheses and identities of atoms.

The search rewrites terms by rules, on the checker's own reading of a statement, and keeps what each step takes away.
Nothing here is trusted: the checker multiplies, adds and compares, whatever was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs_check.algebra import (
    DELTA,
    ONE,
    REACH,
    Expression,
    Index,
    Indices,
    Letter,
    Power,
    dummies,
    free,
    unpack,
)
from proofs_check.calculus import Substitution, entry_of, occurring
from proofs_check.document import Rejected
from proofs_check.functions import Calculus, raised
from proofs_check.statement import Axes, Statement

Json = Any
Binding = dict[Index, Index]
GATES = ("step", "sign")


@dataclass(frozen=True)
class Rule:
    """lead -> rest for all values of the axes; lead - rest = zero, which is written in letters for what is 0."""

    lead: tuple[Power, ...]
    rest: Expression
    zero: Expression


def solved(ring: Calculus, relation: Expression, zero: Expression, lead: Expression) -> Rule | None:
    """The rule that rewrites one term of relation = zero = 0; None where the term cannot be solved for."""
    if len(lead) != 1 or next(iter(lead)) not in relation:
        return None
    (monomial,) = lead
    powers = ring.powers(monomial)
    axes = {i for m in relation for _, idx, _ in ring.powers(m) for i in idx if i[0] < 0 and not _fixed(i)}
    if not powers or min(e for _, _, e in powers) < 1 or not axes <= {i for _, idx, _ in powers for i in idx}:
        return None
    return _rule(ring, relation, zero, monomial)


def _rule(ring: Calculus, relation: Expression, zero: Expression, monomial: int) -> Rule:
    scale = Fraction(1) / relation[monomial]
    rest = {m: c for m, c in relation.items() if m != monomial}
    return Rule(tuple(ring.powers(monomial)), ring.scale(rest, -scale), ring.scale(zero, scale))


@dataclass(frozen=True)
class Equal:
    """f(u) = f(v) for an atom f(u): v, and what is taken from u - v."""

    atom: int
    simpler: Expression
    minus: Expression


class Finder:
    """Finds combinations for one statement, and gives names to the atoms that they speak of."""

    def __init__(self, statement: Statement) -> None:
        self.statement, self.ring = statement, statement.ring
        self.zeros: dict[int, Expression] = {}  # letters for what is 0, and what they stand for
        self.identities: dict[int, int] = {}  # by atom: the letter for what is 0 of it
        self.equal: dict[int, Rule | None] = {}  # by atom: the rule where hypotheses make its argument simpler
        self.sources: dict[int, int | Equal] = {}  # of letters for what is 0: an atom, or two that are equal
        self.images: dict[int, int] = {}  # by atom f(v): the letter for f(u) = f(v) that it was made for
        self.names: dict[int, str] = {}  # of atoms, and of letters for equal ones
        self.atoms: list[Json] = []  # named for the search that is going on
        self.hypotheses: list[Rule] = []

    def zero(self, name: str) -> int:
        """A new letter for the expression that the checker knows as "=name"."""
        return self._zero(f"={name}", self.statement.shapes[f"={name}"], self.statement.bodies[f"={name}"])

    def _zero(self, name: str, shape: tuple[str, ...], body: Expression) -> int:
        letter = self.ring.new(Letter(name, shape, "zero"))
        self.zeros[letter] = body
        return letter

    def find(self, expression: Expression, axes: Axes, rules: Sequence[Rule]) -> dict[str, Json] | None:
        """Atoms, factor and combination that show that the expression is 0; None where none was found."""
        search = Search(self, [*self.hypotheses, *rules], expression)
        if not search.succeeds():
            return None
        self.atoms = []
        found: dict[str, Json] = {}
        if search.minus:
            found["minus"] = self.written(search.minus, axes)
        if search.factor != ONE:
            found["times"] = self.written(search.factor, axes)
        if self.atoms:
            found["atoms"] = self.atoms
        return found

    # -- atoms -----------------------------------------------------------------------------------------------

    def identity(self, atom: int) -> int:
        """The letter for what the table of functions says is 0."""
        if atom not in self.identities:
            shape = self.ring.letters[atom].shape
            self.identities[atom] = letter = self._zero("identity", shape, self.ring.identity_of(atom))
            self.sources[letter] = atom
        return self.identities[atom]

    def simpler(self, atom: int) -> Rule | None:
        """The rule f(u) -> f(v) where the hypotheses make v of u."""
        known, ring = self.ring.letters[atom], self.ring
        if atom not in self.equal and (known.argument is None or known.kind == "held"):
            self.equal[atom] = None
        if atom not in self.equal:
            self.equal[atom] = None
            search = Search(self, self.hypotheses, known.argument or {})
            search.rewrite()
            if search.current != ring.normal(known.argument or {}) or search.minus:
                assumed, new = dict(ring.domain), len(ring.letters)
                image = ring.atom(known.kind, search.current, known.shape, known.name)
                ring.domain = assumed
                itself = ring.over_places(atom)
                letter = self._zero("equal", known.shape, ring.add(itself, ring.scale(image, -1)))
                self.sources[letter] = Equal(atom, search.current, search.minus)
                self.images |= {n: letter for n in occurring(ring, image) if n >= new}
                axes = entry_of(ring, atom, "@q")
                moved = [ring.at(e, known.shape, axes) for e in (itself, image, ring.over_places(letter))]
                self.equal[atom] = Rule(tuple(ring.powers(next(iter(moved[0])))), moved[1], moved[2])
        return self.equal[atom]

    def name(self, letter: int) -> str:
        """How the checker calls a letter; an atom, or what is 0 of one, is defined where it is first needed."""
        known, source = self.ring.letters[letter], self.sources.get(letter)
        if isinstance(source, int):
            return f"={self.name(source)}"
        if source is None and (known.argument is None or known.kind == "held"):
            return known.name
        if letter in self.images:  # the checker then knows that f(v) assumes no more than f(u)
            self.name(self.images[letter])
        if letter not in self.names:
            atom = letter if source is None else source.atom
            axes = {f"at{p}": free(f"@{p}", size) for p, size in enumerate(known.shape)}
            entry: dict[str, Json] = {
                "axes": [[label, index[2]] for label, index in axes.items()],
                "fn": self.ring.letters[atom].kind,
                "arg": self.written(self.ring.letters[atom].argument or {}, axes),
            }
            if source is not None:
                entry |= {"equal": self.written(source.simpler, axes), "minus": self.written(source.minus, axes)}
            self.names[letter] = entry["name"] = f"atom.{len(self.names) + 1}"
            self.atoms.append(entry)
        return self.names[letter] if source is None else f"={self.names[letter]}"

    def written(self, expression: Expression, axes: Axes) -> list[Json]:
        """An expression of the checker as terms."""
        labels = {index: label for label, index in axes.items()}
        return [
            [
                str(coefficient),
                [
                    [self.name(letter), [labels[i] if i[0] < 0 else f"_{i[0]}" for i in indices], exponent]
                    for letter, indices, exponent in self.ring.powers(monomial)
                ],
            ]
            for monomial, coefficient in expression.items()
        ]


class Search:
    """factor * expression = current + minus, where `minus` is written in letters for what is 0."""

    def __init__(self, finder: Finder, rules: Sequence[Rule], expression: Expression) -> None:
        self.finder, self.ring = finder, finder.ring
        self.rules: dict[int, list[Rule]] = {}  # by a letter of the lead
        for rule in rules:
            self.learn(rule)
        self.whole = self.current = expression
        self.factor: Expression = ONE
        self.minus: Expression = {}

    def learn(self, rule: Rule) -> None:
        self.rules.setdefault(rule.lead[0][0], []).append(rule)

    def succeeds(self) -> bool:
        """Whether the expression vanishes: by rewriting, by clearing denominators, by products with arguments."""
        ring = self.ring
        self.clear()
        if self.current:
            for rule in self.products():
                self.learn(rule)
            self.clear()
        if self.current:
            return False
        taken = Substitution(ring, self.finder.zeros)(self.minus)
        self.current = ring.normal(ring.add(ring.multiply(self.whole, self.factor), ring.scale(taken, -1)))
        self.rules = {}
        self.clear()
        return not self.current

    # -- rewriting -------------------------------------------------------------------------------------------

    def rewrite(self) -> None:
        """Rewrite until no rule applies (the budget ends a loop)."""
        ring = self.ring
        pending, done = dict(self.current), dict[int, int | Fraction]()
        while pending:
            monomial, coefficient = pending.popitem()
            ring.budget.spend(4)
            rewritten = self._step(monomial)
            if rewritten is None:
                ring.accumulate(done, {monomial: coefficient})
            else:
                ring.accumulate(pending, rewritten[0], coefficient)
                ring.accumulate(self.minus, rewritten[1], coefficient)
        self.current = ring.bounded(done)

    def _step(self, monomial: int) -> tuple[Expression, Expression] | None:
        """An expression equal to the term and what was taken away, or None where nothing applies."""
        powers = self.ring.powers(monomial)
        if any(abs(exponent) > REACH for _, _, exponent in powers):
            raise Rejected("limit", f"rewriting leads to an exponent beyond {REACH}")
        for letter in {power[0]: None for power in powers}:
            equal = self.finder.simpler(letter) if self.finder.hypotheses and self.rules else None
            for rule in [*self.rules.get(letter, ()), *([equal] if equal else [])]:
                replaced = self._apply(rule, powers)
                if replaced is not None:
                    return replaced
        value = self.ring.replaced(monomial)
        return None if value is None else (value, {})

    def _apply(self, rule: Rule, powers: list[Power]) -> tuple[Expression, Expression] | None:
        ring = self.ring
        for left, binding in self._matches(rule.lead, powers, {}):
            spent = {image for index, image in binding.items() if index[0] >= 0}
            if any(i in spent for _, idx, _ in left for i in idx):
                continue
            names = {i: free(f"~{i[0]}", i[2]) for i in dummies(powers) if i not in spent}
            others = ring.term(*((n, tuple(names.get(i, i) for i in idx), e) for n, idx, e in left))
            axes = {i: names.get(image, image) for i, image in binding.items() if i[0] < 0}
            rest, zero = (
                ring.closed(ring.multiply(others, ring.rename(part, axes)), tuple(names.values()))
                for part in (rule.rest, rule.zero)
            )
            return rest, zero
        return None

    def _matches(
        self, pattern: tuple[Power, ...], left: list[Power], binding: Binding
    ) -> Iterator[tuple[list[Power], Binding]]:
        """Every way to find the pattern among the factors: what is left of them, and what each index met.

        A dummy of the pattern meets a dummy that occurs nowhere else, because only the whole sum is known. Two
        factors of the pattern may share one factor of the term, if its exponent is large enough.
        """
        self.ring.budget.spend(4 * len(left))
        if not pattern:
            yield left, binding
            return
        (letter, wanted, exponent), *others = pattern
        for position, (number, indices, available) in enumerate(left):
            contained = exponent * available > 0 and abs(available) >= abs(exponent)  # and of the same sign
            if number == letter and contained and (extended := _bind(wanted, indices, binding)) is not None:
                remains = [(number, indices, available - exponent)] if available != exponent else []
                rest = [*left[:position], *remains, *left[position + 1 :]]
                yield from self._matches(tuple(others), rest, extended)

    # -- denominators ----------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Rewrite, and multiply by sqrt(u) and by u for 1/u until neither is in a denominator.

        An atom inside a sum is a different factor in each summand, and stays (see `products`).
        """
        ring = self.ring
        self.rewrite()
        before = None
        while self.current != before:  # a hypothesis may bring a denominator back
            before = self.current
            for letter in range(len(ring.letters) - 1, 0, -1):  # arguments have smaller numbers than their atoms
                if ring.letters[letter].kind in ("sqrt", "inv"):
                    for slot in {s for m in self.current for s, _ in unpack(m) if ring.factors[s][0] == letter}:
                        self._cleared(slot)

    def _cleared(self, slot: int) -> None:
        ring = self.ring
        letter, indices = ring.factors[slot]
        if any(i[0] >= 0 for i in indices):
            return
        powers = {dict(unpack(monomial)).get(slot, 0) for monomial in self.current}
        missing = -min(0, *powers) if ring.letters[letter].kind == "sqrt" else -max(0, *powers)
        if missing:
            unit = ring.term((letter, indices, missing))
            self.current, self.factor, self.minus = (
                ring.bounded(ring.multiply(part, unit)) for part in (self.current, self.factor, self.minus)
            )
            self.rewrite()

    # -- products of an atom with its argument ---------------------------------------------------------------

    def products(self) -> list[Rule]:
        """u inv(u) = 1, u / sqrt(u) = sqrt(u) and u step(u) = u - u step(-u) for the atoms of the expression."""
        ring = self.ring
        found = sorted({(ring.factors[s][0], e > 0) for m in self.current for s, e in unpack(m)})
        rules: list[Rule] = []
        for letter, above in found:
            known = ring.letters[letter]
            if known.kind == "inv":
                rules += self._product(letter, 1)
            elif known.kind == "sqrt" and not above:
                rules += self._product(letter, -1)
            elif known.kind == "step":
                opposite = ring.scale(known.argument or {}, -1)
                twins = [ring.letters[other] for other, _ in found if other > letter]
                if any((t.kind, t.shape, t.argument) == ("step", known.shape, opposite) for t in twins):
                    rules += self._product(letter, 1)
        return rules

    def _product(self, letter: int, exponent: int) -> list[Rule]:
        """u y^exponent = value, solved for the product with the greatest term of u."""
        ring, known = self.ring, self.ring.letters[letter]
        axes = entry_of(ring, letter, "@q")
        u, y = ring.at(known.argument or {}, known.shape, axes), raised(ring.term((letter, axes, 1)), exponent)
        plain = {m: ring.powers(m) for m in u}
        plain = {m: p for m, p in plain.items() if all(e > 0 and n != DELTA for n, _, e in p)}
        if not plain:
            return []
        _, _, greatest = max((sum(e for _, _, e in p), p, m) for m, p in plain.items())
        identity = self.finder.identity(letter)
        factor = ONE if known.kind == "step" else ring.scale(y, -1)
        relation, zero = (
            ring.multiply(factor, ring.at(part, known.shape, axes))
            for part in (self.finder.zeros[identity], ring.over_places(identity))
        )
        return [_rule(ring, relation, zero, next(iter(ring.multiply({greatest: 1}, y))))]


def _fixed(index: Index) -> bool:
    """Whether a free index names one entry, instead of standing for all of them."""
    return index[1].startswith("!")


def _bind(wanted: Indices, indices: Indices, binding: Binding) -> Binding | None:
    extended = dict(binding)
    for index, image in zip(wanted, indices, strict=True):
        if index[2] != image[2] or extended.setdefault(index, image) != image:
            return None
        if (index[0] >= 0 and image[0] < 0) or (_fixed(index) and index != image):
            return None
    summed = [image for index, image in extended.items() if index[0] >= 0]
    axes = {image for index, image in extended.items() if index[0] < 0}
    return None if len(set(summed)) != len(summed) or axes.intersection(summed) else extended
