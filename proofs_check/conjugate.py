"""Goal "conjugate": a map carries the solutions of a flow a to those of a flow b, run at `time` times the speed.

The field of b at the image, times `time`, has to be the derivative of the map along a. With "unique", the field of b
has to be smooth besides, so that its solution from each start is the only one: whatever a is carried to is *the* run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algebra import Expression
from .calculus import Derivation, Substitution, inside
from .document import boolean, mapping, require, show
from .gates import check_jumps
from .statement import Flow, Statement, place_axes
from .zeros import Part

if TYPE_CHECKING:
    from .goals import Goal, Prover


def parts(goal: Goal, prover: Prover) -> list[Part]:
    """field_b(map(p)) * time - D map(p) . field_a(p), for every state letter of b."""
    statement, ring = goal.statement, goal.statement.ring
    a, b = goal.moves, statement.flows[goal.flow_number("to")]
    elsewhere = statement.state - a.rates.keys()
    images = _images(goal, b)
    for letter, image in images.items():
        here, moved = not inside(ring, image) & elsewhere, ring.letters[letter].name
        require(here, "statement", f"in {goal.what} the image of {moved!r} moves with another flow")
        check_jumps(prover, goal, image)
    time = statement.expression(goal.spec.get("time", [["1", []]]), {}, f"the time of {goal.what}")
    require(not inside(ring, time) & elsewhere, "statement", f"the time of {goal.what} moves with another flow")
    require(ring.has_sign(time, "positive"), "conjugate", f"the time of {goal.what} is not seen to be positive")
    carry, derive = Substitution(ring, images), Derivation(ring, a.rates, a.unknown | b.unknown)
    _same_loss(goal, prover, a, b, carry)
    if boolean(goal.spec.get("unique", False), "unique"):
        _smooth(goal, b)
    found = []
    for letter, rate in b.rates.items():
        target = statement.expanded(b, rate)
        own = not inside(ring, target) & (a.rates.keys() - b.rates.keys())
        require(own, "statement", f"in {goal.what} flow b contains a letter that moves in flow a only")
        gap = ring.minus(ring.multiply(carry(target), time), statement.expanded(a, derive(images[letter])))
        found.append(Part(ring.letters[letter].name, place_axes(ring.letters[letter].shape), gap))
    return found


def _images(goal: Goal, b: Flow) -> dict[int, Expression]:
    statement: Statement = goal.statement
    images: dict[int, Expression] = {}
    for letter, body in mapping(goal.spec["map"], f"the map of {goal.what}").items():
        number = statement.letters.get(letter, -1)
        require(number in b.rates, "statement", f"{goal.what} maps {show(letter)}, which flow b does not move")
        images[number] = statement.body(body, f"in {goal.what} the image of {letter!r}", letter)
        statement.check_sign(number, images[number], f"the image of {letter!r} in {goal.what}")
    whole = images.keys() == b.rates.keys()
    require(whole, "statement", f"the map of {goal.what} does not give every state letter of flow b")
    return images


def _same_loss(goal: Goal, prover: Prover, a: Flow, b: Flow, carry: Substitution) -> None:
    """An arbitrary loss has the same gradient r in both flows only where the outputs are the same."""
    ring = goal.statement.ring
    require(a.unknown == b.unknown, "conjugate", f"in {goal.what} the two flows have different losses")
    for output, r in b.outputs:
        if r in b.unknown:
            twins = [f for f, weight in a.outputs if weight == r]
            single = len(twins) == 1 == sum(weight == r for _, weight in b.outputs)
            require(single, "conjugate", f"in {goal.what} one dLoss/df stands for several outputs")
            known, gap = ring.letters[r], ring.minus(carry(output), twins[0])
            prover.vanishes(goal, Part(f"output of {known.name}", place_axes(known.shape), gap))


def _smooth(goal: Goal, b: Flow) -> None:
    """The field of b is continuously differentiable: no gate, and what is divided by or rooted has a declared sign."""
    ring = goal.statement.ring
    require(not b.unknown, "smooth", f"{goal.what}: nothing is known of dLoss/df of an arbitrary loss")
    for rate in b.rates.values():
        for letter in sorted(inside(ring, goal.statement.expanded(b, rate))):
            known, u = ring.letters[letter], ring.letters[letter].argument or {}
            jumps = known.kind in ("step", "sign")
            require(not jumps, "smooth", f"{goal.what}: the field contains the gate {known.name!r}, which jumps")
            wanted = {"sqrt": "positive", "log": "positive", "inv": "nonzero"}.get(known.kind, "any")
            seen = ring.has_sign(u, wanted)
            require(seen, "smooth", f"{goal.what}: the argument of {known.name!r} is not seen to be {wanted}")
