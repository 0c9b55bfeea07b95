"""When is an expression zero: it is a combination of what is known to be 0, and the proof says which.

Known to be 0 are the hypotheses, what earlier goals conserved, what the table of functions says of an atom, and
f(u) - f(v) where u - v was shown to be 0. In a combination "=name" stands for such an expression, as a factor with
indices like any other, so that an instance, a multiple or a sum of instances is written as it is read. Each term has
to have such a factor; then the whole is 0, and may be taken away. What is left has to cancel term by term, after
powers of atoms were replaced by their values. The kernel searches for nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .algebra import Expression
from .document import Rejected, fields, listing, mapping
from .statement import Axes, Statement


class Zeros:
    """What is 0, by the names "=hypothesis", "=goal" or "=atom", which no letter or definition can have."""

    def __init__(self, statement: Statement) -> None:
        self.statement, self.ring = statement, statement.ring
        self.always: set[str] = set()
        for known, (axes, relation) in statement.relations.items():
            shape = tuple(index[2] for index in axes.values())
            self.always.add(self.learn(known, shape, statement.over_places(relation, axes)))

    def learn(self, known: str, shape: tuple[str, ...], zero: Expression) -> str:
        """Give a name to what is 0 at every place."""
        if f"={known}" in self.statement.bodies:
            raise Rejected("relation", f"the name {known!r} is given twice to what is 0")
        self.statement.shapes[f"={known}"], self.statement.bodies[f"={known}"] = shape, zero
        return f"={known}"

    def remainder(
        self, expression: Expression, axes: Axes, raw: Any, what: str, also: Collection[str] = ()
    ) -> Expression:
        """The expression times a factor that cannot vanish, less a combination of what is 0, in normal form."""
        spec = fields(raw, f"the proof of {what}", (), ("atoms", "times", "minus"))
        assumed = dict(self.ring.domain)
        for atom in listing(spec.get("atoms", []), "atoms"):
            self._atom(atom)
        factor = self.statement.expression(spec.get("times", [["1", []]]), axes, f"the factor of {what}")
        if not self.ring.has_sign(factor, "nonzero") or not factor:
            raise Rejected("relation", f"the factor of {what} is not seen to be other than 0")
        minus = self.statement.expression(spec.get("minus", []), axes, f"the combination for {what}")
        usable = {*self.always, *also}
        for _, factors in spec.get("minus", []):
            if not any(known in usable and exponent > 0 for known, _, exponent in factors):
                raise Rejected("relation", f"a term of the combination for {what} has no factor that is known to be 0")
        if self.ring.domain != assumed:
            raise Rejected("relation", f"the proof of {what} assumes {min(self.ring.domain.keys() - assumed)}")
        return self.ring.normal(self.ring.add(self.ring.multiply(expression, factor), self.ring.scale(minus, -1)))

    def _atom(self, raw: Any) -> None:
        """A name for an atom f(u), and what is 0 then: its identity, or f(u) - f(v) where u - v is 0."""
        spec, ring = dict(mapping(raw, "an atom")), self.ring
        twin = {key: spec.pop(key) for key in ("equal", "minus") if key in spec}
        fields(spec, "an atom", ("name", "axes", "fn", "arg"))
        known, axes = self.statement.define(spec)
        body, shape = self.statement.bodies[known], self.statement.shapes[known]
        if twin:
            u = self.statement.expression(spec["arg"], axes, known)
            v = self.statement.expression(fields(twin, known, ("equal", "minus"))["equal"], axes, known)
            if self.remainder(ring.add(u, ring.scale(v, -1)), axes, {"minus": twin["minus"]}, f"u = v in {known!r}"):
                raise Rejected("relation", f"the two arguments of {known!r} are not seen to be equal")
            assumed = dict(ring.domain)
            zero = ring.add(
                body, ring.scale(ring.atom(spec["fn"], self.statement.over_places(v, axes), shape, known), -1)
            )
            ring.domain = assumed  # what f(v) assumes, f(u) assumes already
        else:
            letters = ring.powers(next(iter(body))) if ring.single(body) else []
            if len(letters) != 1 or body != ring.over_places(letters[0][0]):
                raise Rejected("relation", f"{known!r} is not one atom")
            zero = ring.identity_of(letters[0][0])
        self.always.add(self.learn(known, shape, zero))
