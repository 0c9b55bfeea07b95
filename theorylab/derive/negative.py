"""Exact refutations of claims about limits, recognised from what a claim says and nothing else.

One situation is covered: one ReLU neuron with the square loss on exact data, started at 0 with relu'(0) = 1, and the
claim that it ends at the zero-loss point of least l2 norm. Where the path can be followed exactly (see `relu_path`) and
ends elsewhere, the checker can be shown that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.certificate.relu_path import body
from theorylab.claims.limit import Limit, Minimiser
from theorylab.claims.negative import Fails
from theorylab.derive.flatten import polynomials
from theorylab.derive.relu_path import ReluPath, relu_path
from theorylab.derive.world import World
from theorylab.errors import InputError, UnsupportedReading
from theorylab.gradient_flow import FirstOrder
from theorylab.loss import square
from theorylab.readings import exact
from theorylab.readings import polynomial as po
from theorylab.readings.exact import Exact
from theorylab.readings.namespace import call
from theorylab.readings.polynomial import Polynomial
from theorylab.verdict import Step

Row = tuple[Fraction, ...]


def refutation(claim: Fails) -> dict[str, Any] | None:
    """Rule, scope, statement and proof of a certificate that the claim inside fails, with `steps` to read; or None."""
    inner = claim.claim
    path = _least_norm_path(inner, claim.at or {}) if isinstance(inner, Limit) else None
    return None if path is None else {**body(path), "steps": path_steps(path)}


def _least_norm_path(limit: Limit, at: Mapping[str, Any]) -> ReluPath | None:
    """The exact path, where the claim is that one ReLU neuron ends at the zero-loss point of least norm."""
    flow = limit.subject
    plain = (
        isinstance(flow, FirstOrder)
        and flow.loss is square
        and not (flow.rates or flow.metric or flow.integrals or flow.setting.assumptions)
        and flow.weight_decay == 0
        and flow.gates == 1
        and len(flow.state) == 1
    )
    if not plain or not isinstance(limit.value, Minimiser):
        return None
    try:
        world = World(flow, _sizes(flow, at))
        (weights,) = world.state.values()
        p, c = world.view
        predictor = call(limit.quantity, p, c)
        stays_itself = _same(predictor, weights) and _same(limit.value.potential.gradient(predictor, c), predictor)
        if not stays_itself or any(e is not exact.ex.ZERO for e in _start(world)):
            return None
        rows, targets = _data(world, at)
        return relu_path(rows, targets)
    except (InputError, UnsupportedReading):
        return None


def _sizes(flow: FirstOrder, at: Mapping[str, Any]) -> dict[str, int]:
    """The sizes that the exact data have."""
    known = {n: v.sizes for n, v in flow.setting.variables.items()}
    if flow.data is None:
        known = {"x": flow.input_shape, **known}
    pairs = [(known[n], np.shape(np.array(v, dtype=object))) for n, v in at.items() if n in known]
    if isinstance(flow.data, tuple):
        pairs.append((flow.model.input_shape(), flow.data[0].shape))
    found: dict[str, int] = {}
    for shape, numbers in pairs:
        for size, number in zip(shape, numbers, strict=False):
            if isinstance(size, str):
                found[size] = number
    return found


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, Exact) and isinstance(b, Exact) and a.shape == b.shape and a.entries() == b.entries()


def _start(world: World) -> list[Any]:
    assert world.flow is not None
    return [e for n in world.flow.state for e in world.array(world.case["init"][n]).entries()]  # type: ignore[attr-defined]


def _data(world: World, at: Mapping[str, Any]) -> tuple[list[Row], list[Fraction]]:
    """Samples and targets, where every output is relu(<x_i, w>) of the state w; raises UnsupportedReading if not."""
    flow = world.flow
    assert isinstance(flow, FirstOrder)
    given = {n: Exact.constant(np.array(v, dtype=object)) for n, v in at.items()}
    outputs = world.array(flow.outputs(*world.view))
    targets = world.array(flow.inputs(world.view[1])[1])
    outputs, targets = exact.substitute([outputs, targets], given)  # type: ignore[list-item]
    values = targets.constants()
    if values is None or outputs.shape != targets.shape:
        raise UnsupportedReading("the targets are no exact numbers")
    letters = [po.letter(e.args[0], ()) for a in world.state.values() for e in a.entries()]  # type: ignore[attr-defined]
    rows = [_row(f, letters) for f in polynomials(outputs.entries())]
    return rows, [Fraction(y) for y in np.array(values, dtype=object).reshape(-1)]


def _row(f: Polynomial, letters: Sequence[Polynomial]) -> Row:
    """x with f = relu(<x, w>), written step(u) u for a positive multiple u of <x, w>."""
    gates = [s for s in f.symbols() if s.function == "step"]
    if len(gates) == 1:
        (gate,) = gates
        row = tuple(Fraction(f.terms.get((letter * _power(gate)).terms.popitem()[0], 0)) for letter in letters)
        linear = po.ZERO
        for letter, weight in zip(letters, row, strict=True):
            linear = linear + letter.scale(po.simple(weight))
        if linear and f == linear * _power(gate) and po.atom("step", linear) == _power(gate):
            return row
    raise UnsupportedReading("an output is no relu of a linear form in the state")


def _power(gate: po.Symbol) -> Polynomial:
    return Polynomial({((gate, (), 1),): 1})


# --- for the reader -------------------------------------------------------------------------------------------------


def path_steps(path: ReluPath) -> tuple[Step, ...]:
    """The path, where it leaves the first phase, and where it ends."""
    rate = _number(path.rate)
    leaving = ", ".join(str(j + 1) for j in path.leaving)
    return (
        Step(
            "all units active, z = exp(-rate t)",
            rf"\dot w = -X^\top(Xw - y),\quad z = e^{{-{rate} t}}",
            f"w = {_tuple(map(_in_z, path.path))}",
        ),
        Step(
            f"unit {leaving} reaches 0 and switches off", rf"z = {_number(path.exit)}", rf"w = {_vector(path.at_exit)}"
        ),
        Step(
            "the others stay active and are fitted, the unit that left falls for ever",
            rf"w(\infty) = {_vector(path.limit)}",
            rf"\|w(\infty)\|^2 = {_number(sum(v * v for v in path.limit))}",
        ),
        Step(
            "a zero-loss point of smaller norm",
            rf"w^* = {_vector(path.minimal)}",
            rf"\|w^*\|^2 = {_number(sum(v * v for v in path.minimal))}",
        ),
    )


def _number(value: Fraction | int) -> str:
    whole = Fraction(value)
    if whole.denominator == 1:
        return str(whole)
    sign = "-" if whole < 0 else ""
    return rf"{sign}\tfrac{{{abs(whole.numerator)}}}{{{whole.denominator}}}"


def _vector(values: Sequence[Fraction]) -> str:
    return _tuple(map(_number, values))


def _tuple(entries: Iterable[str]) -> str:
    return r"\left(" + r",\; ".join(entries) + r"\right)"


def _in_z(coefficients: Sequence[Fraction]) -> str:
    text = ""
    for k, c in enumerate(coefficients):
        if c:
            power = "" if k == 0 else "z" if k == 1 else f"z^{{{k}}}"
            size = "" if k and abs(c) == 1 else _number(abs(c))
            joint = (" - " if text else "-") if c < 0 else (" + " if text else "")
            text += joint + size + power
    return text or "0"
