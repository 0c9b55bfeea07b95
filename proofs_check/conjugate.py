"""Goal "conjugate": a map carries the solutions of a flow a to those of a flow b, run at `time` times the speed.

The field of b at the image, times `time`, has to be the derivative of the map along a. With "unique", the field of b
has to be smooth besides, so that its solution from each start is the only one: whatever a is carried to is *the* run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algebra import Expression, free
from .calculus import Derivation, Substitution, inside
from .document import Rejected, boolean, mapping, show
from .statement import Flow, Statement

if TYPE_CHECKING:
    from .goals import Goal, Part, Prover


def parts(goal: Goal, prover: Prover) -> list[Part]:
    """field_b(map(p)) * time - D map(p) . field_a(p), for every state letter of b."""
    from .goals import Part

    statement, ring = goal.statement, goal.statement.ring
    a, b = goal.moves, statement.flows[goal.flow_number("to")]
    elsewhere = statement.state - a.rates.keys()
    images = _images(goal, b)
    for letter, image in images.items():
        if inside(ring, image) & elsewhere:
            moved = ring.letters[letter].name
            raise Rejected("statement", f"in {goal.what} the image of {moved!r} moves with another flow")
        prover.check_jumps(goal, image)
    time = statement.expression(goal.spec.get("time", [["1", []]]), {}, f"the time of {goal.what}")
    if inside(ring, time) & elsewhere:
        raise Rejected("statement", f"the time of {goal.what} moves with another flow")
    if not ring.has_sign(time, "positive"):
        raise Rejected("conjugate", f"the time of {goal.what} is not seen to be positive")
    carry, derive = Substitution(ring, images), Derivation(ring, a.rates, a.unknown | b.unknown)
    _same_loss(goal, prover, a, b, carry)
    if boolean(goal.spec.get("unique", False), "unique"):
        _smooth(goal, b)
    found = []
    for letter, rate in b.rates.items():
        target = statement.expanded(b, rate)
        if inside(ring, target) & (a.rates.keys() - b.rates.keys()):
            raise Rejected("statement", f"in {goal.what} flow b contains a letter that moves in flow a only")
        pushed = statement.expanded(a, derive(images[letter]))
        gap = ring.add(ring.multiply(carry(target), time), ring.scale(pushed, -1))
        axes = {f"at{p}": free(f"@{p}", size) for p, size in enumerate(ring.letters[letter].shape)}
        found.append(Part(ring.letters[letter].name, axes, gap))
    return found


def _images(goal: Goal, b: Flow) -> dict[int, Expression]:
    statement: Statement = goal.statement
    images: dict[int, Expression] = {}
    for letter, body in mapping(goal.spec["map"], f"the map of {goal.what}").items():
        number = statement.letters.get(letter)
        if number is None or number not in b.rates:
            raise Rejected("statement", f"{goal.what} maps {show(letter)}, which flow b does not move")
        images[number] = statement.body(body, f"in {goal.what} the image of {letter!r}", letter)
        statement.check_sign(number, images[number], f"the image of {letter!r} in {goal.what}")
    if images.keys() != b.rates.keys():
        raise Rejected("statement", f"the map of {goal.what} does not give every state letter of flow b")
    return images


def _same_loss(goal: Goal, prover: Prover, a: Flow, b: Flow, carry: Substitution) -> None:
    """An arbitrary loss has the same gradient r in both flows only where the outputs are the same."""
    from .goals import Part

    if a.unknown != b.unknown:
        raise Rejected("conjugate", f"in {goal.what} the two flows have different losses")
    for output, r in b.outputs:
        if r in b.unknown:
            twins = [f for f, weight in a.outputs if weight == r]
            if len(twins) != 1 or sum(weight == r for _, weight in b.outputs) != 1:
                raise Rejected("conjugate", f"in {goal.what} one dLoss/df stands for several outputs")
            ring = goal.statement.ring
            axes = {f"at{p}": free(f"@{p}", size) for p, size in enumerate(ring.letters[r].shape)}
            gap = ring.add(carry(output), ring.scale(twins[0], -1))
            prover.vanishes(goal, Part(f"output of {ring.letters[r].name}", axes, gap))


def _smooth(goal: Goal, b: Flow) -> None:
    """The field of b is continuously differentiable: no gate, and what is divided by or rooted has a declared sign."""
    ring = goal.statement.ring
    if b.unknown:
        raise Rejected("smooth", f"{goal.what}: nothing is known of dLoss/df of an arbitrary loss")
    for rate in b.rates.values():
        for letter in sorted(inside(ring, goal.statement.expanded(b, rate))):
            known, u = ring.letters[letter], ring.letters[letter].argument or {}
            if known.kind in ("step", "sign"):
                raise Rejected("smooth", f"{goal.what}: the field contains the gate {known.name!r}, which jumps")
            wanted = {"sqrt": "positive", "log": "positive", "inv": "nonzero"}.get(known.kind, "any")
            if not ring.has_sign(u, wanted):
                raise Rejected("smooth", f"{goal.what}: the argument of {known.name!r} is not seen to be {wanted}")
