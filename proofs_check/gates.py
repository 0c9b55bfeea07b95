"""Quantities with gates: step(u) and sign(u) are constant but for the jump where u = 0, which must not be seen.

A derivative along a flow says nothing of jumps. A quantity may contain a gate only so that it does not jump where
u = 0: its jump is governed by the derivative in one entry of the gate, which has to vanish modulo that entry's u. In
normal form no gate that is 0 or 1, or a sign, has a power: the jump of h^3 - 3/2 h^2 is that of -1/2 h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algebra import Expression
from .calculus import Derivation, entry_of, inside, occurring, one_entry
from .zeros import Part

if TYPE_CHECKING:
    from .goals import Goal, Prover


def check_jumps(prover: Prover, goal: Goal, expression: Expression) -> None:
    """Show that an expression does not jump, nor what stands inside its atoms."""
    statement, ring = prover.statement, prover.statement.ring
    letters = sorted(inside(ring, expression))
    gates = [letter for letter in letters if ring.letters[letter].kind in ("step", "sign")]
    if not gates:
        return
    wholes = [ring.normal(e) for e in (expression, *(ring.letters[letter].argument or {} for letter in letters))]
    fields = [inside(ring, rate) for rate in goal.moves.rates.values()]
    for gate in gates:
        known, entry = ring.letters[gate], entry_of(ring, gate, "!")
        if any(ring.letters[n].kind == "step" for field in fields for n in field):
            ring.domain[f"the argument of {known.name.replace(':', ' in ')} is not 0 throughout"] = None
        axes = {**goal.axes, **{f"gate{n}": index for n, index in enumerate(entry)}}
        for whole in wholes:
            rates: dict[int, Expression] = {letter: {} for letter in occurring(ring, whole)}
            if jump := Derivation(ring, {**rates, gate: one_entry(ring, entry)})(whole):
                places = {i for m in jump for _, idx, _ in ring.powers(m) for i in idx if i[1].startswith("@")}
                axes |= {f"at{index[1][1:]}": index for index in places}
                u = ring.at(known.argument or {}, known.shape, entry)
                statement.shapes["=!"], statement.bodies["=!"] = (), u
                prover.jumps += 1
                part = Part(f"jump {prover.jumps}", axes, jump)
                prover.vanishes(goal, part, {"=!"}, "conserved", f": the quantity jumps at the gate {known.name!r}")
