"""Negative results, chains, and bounds of single trajectories."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import squares, taught
from tests.soundness.formulas import vectors
from tests.soundness.invariants import invariant, linear, matrix, relu, unit
from tests.soundness.limits import from_anywhere, from_zero, weights
from theorylab import ops

DEFAULT = {"trials": 6}

decay = tl.Flow(lambda p: {"u": -p.u}, state={"u": ""})
zero = tl.assume("s = 0", lambda c: c.s, lambda c: {"s": 0 * c.s})
positive = tl.assume("s > 0", lambda c: c.s, positive=True)


def last(p: Any) -> Any:
    return p.u


def at_one(low: Any, high: Any) -> tl.Enclosed:
    """From u = 1: u(1) = exp(-1) = 0.36788."""
    return tl.Enclosed(decay, last, low, high, at={"init.u": 1}, time=1)


TRUE = {
    "relu layers are not balanced as matrices": tl.Fails(invariant(relu, matrix)),
    "not every start ends at the least norm": tl.Fails(tl.Limit(from_anywhere, weights, tl.argmin(tl.bias.l2))),
    "a sum of norms is no norm of a sum": tl.Fails(
        tl.Identity(vectors, lambda c: ops.norm(c.x + c.y), lambda c: ops.norm(c.x) + ops.norm(c.y))
    ),
    "exp(-1), in a hundredth": at_one(Fraction(36, 100), Fraction(37, 100)),
    "a chain": tl.Theorem(uses=[invariant(linear, matrix)], conclusion="|W1| is bounded where |W2| is"),
}

FALSE = {
    "linear layers are not balanced": tl.Fails(invariant(linear, matrix)),
    "relu units are not balanced": tl.Fails(invariant(relu, unit)),
    "the least norm fails from 0": tl.Fails(tl.Limit(from_zero, weights, tl.argmin(tl.bias.l2))),
    "the distance to the teacher grows": tl.Fails(tl.Evolution(taught, lambda p, c: squares(p.w - c.v), 0, sense="<=")),
    # the witness is outside of the hypothesis
    "fails outside of an equation": tl.Fails(tl.Identity(vectors.with_(zero), lambda c: c.s), at={"s": 1}),
    "fails outside of an inequality": tl.Fails(tl.Inequality(vectors.with_(positive), lambda c: c.s), at={"s": -1}),
    "exp(-1), one percent": at_one(Fraction(371, 1000), Fraction(372, 1000)),
}
