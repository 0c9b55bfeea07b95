"""Counter-models: a solver for real polynomials is asked for a case that breaks a goal, where one is installed.

The solver (z3, an optional extra) only proposes. Its model is put among the values of the case code and decided like
any other case, in exact rational arithmetic; that it finds none is no evidence for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

from theorylab.falsify.cases import Block, Code, coded
from theorylab.falsify.judge import Finding, Judge, Rejected
from theorylab.falsify.target import Target
from theorylab.readings import expression as ex

SECONDS = 2.0
EFFORT = 4_000_000
"""The solver's own count of its work, which ends a search at the same place on every machine."""
MAX_NODES = 3000
MAX_LETTERS = 48
DIGITS = 30


class NoPolynomial(Exception):
    """The goal holds something that is no polynomial, quotient or gate."""


def available() -> bool:
    """Whether the solver is installed."""
    return find_spec("z3") is not None


def countermodel(target: Target, quantifier: str) -> tuple[Judge, Code, Finding] | None:
    """A case that breaks the target, proposed by the solver and decided exactly; None if there is no such case."""
    if not available() or any(b.width > 1 for b in target.code.blocks):
        return None
    names = [n for b in target.code.blocks for n in b.entry_names()]
    roots = [*target.roots, *(r for h in target.hypotheses for r in h.roots)]
    if len(names) > MAX_LETTERS or len(ex.topological(roots)) > MAX_NODES:
        return None
    try:
        values = _model(target, names)
    except NoPolynomial:
        return None
    if values is None:
        return None
    code, position = coded(target.code, values)
    judge = Judge(replace(target, code=code), quantifier)
    try:
        return judge, position, judge.decide(position)
    except Rejected:
        return None


def _model(target: Target, names: Sequence[str]) -> dict[str, Fraction] | None:
    """Values of all letters at which the target fails, as far as the solver can tell."""
    import z3

    context = z3.Context()
    letters = {name: z3.Real(name, context) for name in names}
    reals = _Reals(context, target)
    split = len(target.components)
    roots = [*target.roots, *(r for h in target.hypotheses for r in h.roots)]
    values = ex.evaluate(roots, letters.__getitem__, reals)
    solver = z3.SolverFor("QF_NRA", ctx=context)
    solver.set("timeout", int(1000 * SECONDS))
    solver.set("rlimit", EFFORT)
    for block in target.code.blocks:
        for name in block.entry_names():
            solver.add(*_range(block, letters[name], context))
    at = split
    for h in target.hypotheses:
        for value in values[at : at + len(h.roots)]:
            solver.add(value > 0 if h.positive else value == 0)
        at += len(h.roots)
    broken = {"==": lambda v: v != 0, "<=": lambda v: v > 0, ">=": lambda v: v < 0, ">": lambda v: v <= 0}[target.sense]
    solver.add(z3.Or([broken(v) for v in values[:split]]), *reals.conditions)
    if solver.check() != z3.sat:
        return None
    model = solver.model()
    return {name: _rational(model.eval(letter, model_completion=True)) for name, letter in letters.items()}


def _rational(value: Any) -> Fraction:
    """A value of a model; one that is no rational is rounded, and the exact decision sees what is left of it."""
    if not value.is_int_value() and hasattr(value, "approx"):
        value = value.approx(DIGITS)
    return Fraction(value.numerator_as_long(), value.denominator_as_long())


def _range(block: Block, letter: Any, context: Any) -> list[Any]:
    """What the values of a letter may be: between those of its table, and 0 only if the table has it."""
    import z3

    table = [row[0] for row in block.table]
    if block.discrete:
        return [z3.Or([letter == _number(v, context) for v in table])]
    bounds = [letter >= _number(min(table), context), letter <= _number(max(table), context)]
    return bounds if Fraction(0) in table else [*bounds, letter != 0]


def _number(value: Fraction, context: Any) -> Any:
    import z3

    return z3.RealVal(str(value), context)


class _Reals:
    """Terms of the solver; gates are new letters with conditions."""

    def __init__(self, context: Any, target: Target) -> None:
        self.context, self.target = context, target
        self.conditions: list[Any] = []
        self.gates = 0

    def const(self, value: Fraction) -> Any:
        return _number(value, self.context)

    def add(self, terms: Sequence[Any]) -> Any:
        return sum(terms[1:], terms[0])

    def mul(self, factors: Sequence[Any]) -> Any:
        product = factors[0]
        for factor in factors[1:]:
            product = product * factor
        return product

    def power(self, base: Any, exponent: int) -> Any:
        product = self.mul([base] * abs(exponent)) if exponent else self.const(Fraction(1))
        if exponent >= 0:
            return product
        self.conditions.append(base != 0)
        return self.const(Fraction(1)) / product

    def call(self, function: str, argument: Any) -> Any:
        import z3

        if function not in ("step", "sign"):
            raise NoPolynomial(function)
        self.gates += 1
        gate = z3.Real(f"gate {self.gates}", self.context)
        self.conditions.append(argument != 0)  # off the kink
        low = self.const(Fraction(0 if function == "step" else -1))
        self.conditions.append(gate == z3.If(argument > 0, self.const(Fraction(1)), low))
        return gate
