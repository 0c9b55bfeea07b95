"""When is an expression zero: it is a combination of what is known to be 0, and the proof says which.

Known to be 0 are the hypotheses, what earlier goals conserved, what the table of functions says of an atom, and
f(u) - f(v) where u - v was shown to be 0. In a combination "=name" stands for such an expression, as a factor with
indices like any other, so that an instance, a multiple or a sum of instances is written as it is read. Each term has
to have such a factor; then the whole is 0, and may be taken away. What is left has to cancel term by term, after
powers of atoms were replaced by their values. The kernel searches for nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from .algebra import Expression
from .calculus import occurring
from .document import fields, listing, mapping, require
from .statement import Axes, Statement, place_axes


@dataclass(frozen=True)
class Part:
    """One thing that a goal says: the expression is "==" 0, or ">=", or ">", or "<=", for all values of the axes."""

    name: str
    axes: Axes
    expression: Expression
    sense: str = "=="


class Zeros:
    """What is 0, by the names "=hypothesis", "=goal" or "=atom", which no letter or definition can have."""

    def __init__(self, statement: Statement) -> None:
        self.statement, self.ring = statement, statement.ring
        self.always = {self.learn(known, *relation) for known, relation in statement.relations.items()}

    def learn(self, known: str, axes: Axes, zero: Expression) -> str:
        """Give a name to what is 0 for all values of the axes."""
        name, statement = f"={known}", self.statement
        require(name not in statement.bodies, "relation", f"the name {known!r} is given twice to what is 0")
        statement.shapes[name], statement.bodies[name] = statement.array(axes, zero)
        return name

    def remainder(self, part: Part, raw: Any, what: str, also: Collection[str] = ()) -> Expression:
        """The expression times a factor that cannot vanish, less a combination of what is 0, in normal form."""
        spec, ring = fields(raw, f"the proof of {what}", (), ("atoms", "times", "minus")), self.ring
        assumed = dict(ring.domain)
        for atom in listing(spec.get("atoms", []), "atoms"):
            self._atom(atom)
        factor = self.statement.expression(spec.get("times", [["1", []]]), part.axes, f"the factor of {what}")
        cannot_vanish = factor and ring.has_sign(factor, "nonzero")
        require(cannot_vanish, "relation", f"the factor of {what} is not seen to be other than 0")
        minus = self.statement.expression(spec.get("minus", []), part.axes, f"the combination for {what}")
        usable = {*self.always, *also}
        for _, factors in spec.get("minus", []):
            zero = any(known in usable and exponent > 0 for known, _, exponent in factors)
            require(zero, "relation", f"a term of the combination for {what} has no factor that is known to be 0")
        new = [condition for condition in ring.domain if condition not in assumed]
        require(not new, "relation", f"the proof of {what} assumes {', '.join(new)}")
        return ring.normal(ring.minus(ring.multiply(part.expression, factor), minus))

    def _atom(self, raw: Any) -> None:
        """A name for an atom f(u), and what is 0 then: its identity, or f(u) - f(v) where u - v is 0."""
        spec, statement, ring = dict(mapping(raw, "an atom")), self.statement, self.ring
        twin = {key: spec.pop(key) for key in ("equal", "minus") if key in spec}
        fields(spec, "an atom", ("name", "axes", "fn", "arg"))
        known, axes = statement.define(spec)
        body, shape = statement.bodies[known], statement.shapes[known]
        if twin:
            u = statement.expression(spec["arg"], axes, known)
            v = statement.expression(fields(twin, known, ("equal", "minus"))["equal"], axes, known)
            gap = Part("", axes, ring.minus(u, v))
            equal = not self.remainder(gap, {"minus": twin["minus"]}, f"u = v in {known!r}")
            require(equal, "relation", f"the two arguments of {known!r} are not seen to be equal")
            assumed = dict(ring.domain)
            zero = ring.minus(body, ring.atom(spec["fn"], statement.array(axes, v)[1], shape, known))
            ring.domain = assumed  # what f(v) assumes, f(u) assumes already
        else:
            letters = occurring(ring, body)
            atom = len(letters) == 1 and body == ring.over_places(min(letters))
            require(atom, "relation", f"{known!r} is not one atom")
            zero = ring.identity_of(min(letters))
        self.always.add(self.learn(known, place_axes(shape), zero))
