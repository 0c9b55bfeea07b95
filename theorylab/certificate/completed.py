"""Certificates completed: what the checker wants to see of each zero is found by running it with a search instead."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from proofs_check import goals
from proofs_check.algebra import Expression
from proofs_check.document import MAX_SECONDS, MAX_WORK, Budget, Rejected
from proofs_check.goals import Goal, Prover
from proofs_check.rank import Model
from proofs_check.statement import Axes, Statement
from proofs_check.zeros import Part, Zeros
from theorylab.certificate.combinations import Finder, Rule, solved
from theorylab.certificate.document import canonical

Json = Any
WORK, SECONDS = 2 * MAX_WORK, 2 * MAX_SECONDS


def completed(statement: Mapping[str, Json], proof: Mapping[str, Json]) -> dict[str, Json]:
    """A proof whose "rewrites" are replaced by the combinations that they lead to.

    A rewrite says which term a relation, or a combination of conserved goals, is solved for, and perhaps for which
    goal. What cannot be shown is left out: the checker will say so.
    """
    rest = {key: value for key, value in proof.items() if key != "rewrites"}
    try:
        searching = Searching(_read(statement), rest, proof.get("rewrites", []))
        for raw in searching.statement.raw["goals"]:
            searching.attempt(raw)
    except Rejected:
        return rest
    if searching.found:
        rest["zero"] = searching.found
    if searching.later:
        rest["later"] = searching.later
    return rest


def accepted(statement: Mapping[str, Json], proof: Mapping[str, Json]) -> bool:
    """Whether the checker's code accepts it, asked here; what counts is what it says in a process of its own."""
    try:
        goals.check(json.loads(canonical({"statement": statement, "proof": proof})), Budget(WORK, SECONDS))
    except Rejected:
        return False
    return True


def _read(statement: Mapping[str, Json]) -> Statement:
    """The statement in the order in which the checker will read it."""
    return Statement(json.loads(canonical(statement)), Budget(WORK, SECONDS))


class Searching(Prover):
    """A prover that finds what it would be given."""

    def __init__(self, statement: Statement, proof: Mapping[str, Json], rewrites: list[Json]) -> None:
        self.rewrites = [
            (rewrite.get("combination") or [[[["1", []]], rewrite["relation"]]], rewrite["lead"], rewrite.get("for"))
            for rewrite in rewrites
        ]
        goals = {goal["name"] for goal in statement.raw["goals"]}
        later = sorted({known for parts, _, _ in self.rewrites for _, known in parts} & goals)
        super().__init__(statement, {**proof, "later": later})
        self.found: dict[str, dict[str, Json]] = {}
        self.finder = Finder(statement)
        self.letters = {known[1:]: self.finder.zero(known[1:]) for known in sorted(self.zeros.always)}
        self.reserved: list[tuple[str, Rule]] = []
        self.rules: dict[int | None, list[Rule]] = {}
        for parts, lead, only in self.rewrites:
            if parts[0][1] in statement.relations:
                rule = self._rule(parts, statement.relations[parts[0][1]][0], lead)
                if rule is not None and only is None:
                    self.finder.hypotheses.append(rule)
                elif rule is not None:
                    self.reserved.append((only, rule))

    def attempt(self, raw: Json) -> None:
        try:
            self.prove(Goal(self.statement, raw))
        except Rejected:
            return

    def remainder(self, goal: Goal, part: Part, also: Collection[str]) -> Expression:
        ring, axes = self.statement.ring, part.axes
        rules = [rule for only, rule in self.reserved if only == goal.name]
        rules += [] if goal.kind == "conjugate" else self.rules.get(goal.flow, [])
        choices: list[dict[str, Json]] = []
        if "=!" in also:
            u = self.statement.bodies["=!"]
            zero = ring.over_places(self.finder.zero("!"))
            gates = [rule for lead in u if (rule := solved(ring, u, zero, {lead: 1})) is not None]
            choices = [{"rules": [*rules, gate]} for gate in gates] or [{"rules": rules}]
        else:
            choices = [{"rules": rules}]
            if goal.flow is not None and goal.moves.held:
                choices.append({"rules": rules, "expanded": True})
        for choice in choices:
            expression = part.expression
            if "expanded" in choice:
                expression = self.statement.expanded(goal.moves, expression)
            try:
                found = self.finder.find(expression, axes, choice["rules"])
            except Rejected:
                continue
            if found is not None:
                if "expanded" in choice:
                    found["expanded"] = True
                if found:
                    self.found.setdefault(goal.name, {})[part.name] = found
                return {}
        return {0: 1}

    def _assume(self, goal: Goal) -> None:
        super()._assume(goal)
        self.letters[goal.name] = self.finder.zero(goal.name)
        for parts, lead, _ in self.rewrites:
            names = {known for _, known in parts}
            if goal.name in names and names <= self.letters.keys():
                rule = self._rule(parts, goal.axes, lead)
                if rule is not None:
                    self.rules.setdefault(goal.flow, []).append(rule)

    def _rule(self, parts: list[Json], axes: Axes, lead: Json) -> Rule | None:
        statement, ring = self.statement, self.statement.ring
        relation: Expression = {}
        zero: Expression = {}
        for multiplier, known in parts:
            factor = statement.expression(multiplier, axes, "a multiplier")
            at = [["1", [[f"={known}", list(axes), 1]]]]
            ring.accumulate(relation, ring.multiply(factor, statement.expression(at, axes, "a relation")))
            letter = ring.term((self.letters[known], tuple(axes.values()), 1))
            ring.accumulate(zero, ring.multiply(factor, letter))
        return solved(ring, relation, zero, statement.expression([lead], axes, "a lead"))


def zeros_of_parts(statement: Mapping[str, Json], name: str) -> dict[str, Json]:
    """What has to vanish before the goal of this name says anything: that two flows have the same outputs."""
    try:
        searching = Searching(_read(statement), {}, [])
        for raw in searching.statement.raw["goals"]:
            if raw["name"] == name:
                Goal(searching.statement, raw).parts(searching)
    except Rejected:
        return {}
    return searching.found


class SearchingZeros(Zeros):
    """What is 0, finding the combinations that it would be given."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.found: dict[str, Json] = {}
        self.finder = Finder(statement)

    def remainder(self, part: Part, raw: Any, what: str, also: Collection[str] = ()) -> Expression:
        if part.expression and (found := self.finder.find(part.expression, part.axes, [])):
            self.found[what] = found
        return {}


def zeros_of_laws(statement: Mapping[str, Json]) -> dict[str, Json]:
    """Why the laws of a rank certificate are constant, where the fields contain roots or divisions."""
    if not any(spec.get("fn") in ("sqrt", "inv") for spec in statement["define"]):
        return {}
    try:
        model = Model(json.loads(canonical(statement)), Budget(WORK, SECONDS))
        model.zeros = zeros = SearchingZeros(model.statement)
        for n, law in enumerate(statement["laws"]):
            model.law(law, f"law {n}", {})
    except Rejected:
        return {}
    return zeros.found
