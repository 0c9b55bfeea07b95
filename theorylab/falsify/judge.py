"""Does a case violate a target? Screened in floats by the thousand, decided exactly one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.falsify.cases import Block, CaseCode, nested
from theorylab.falsify.cause import Cause
from theorylab.falsify.draws import words
from theorylab.falsify.evaluate import (
    PRECISIONS,
    OutsideDomain,
    Undecided,
    Value,
    exact_values,
    is_rational,
    screened,
    shown,
    sign_of,
)  # fmt: skip
from theorylab.falsify.target import Component, Sense, Target
from theorylab.readings import expression as ex
from theorylab.readings.exact import Exact

Point = Mapping[str, Fraction]
"""An exact value for every free entry."""

SLACK = 4.0
"""A float violates only beyond this multiple of its rounding bound."""

_EPS = float(np.finfo(float).eps)
NEIGHBOURS = 4
NEIGHBOURHOOD = 2
"""The stream of random words that moves the entries."""


@dataclass(frozen=True)
class Screening:
    """What floats say of a batch. `excess` is the size of the violation, 0 where there is none.

    margins: (B,) how far each case is from a violation, negative where it is one and inf where it says nothing; known
    for inequalities. causes: (B,) codes of `Cause`, where more is known than `violates` and `outside` say. undecided:
    (B,) cases that floats say nothing about and an exact decision may.
    """

    violates: np.ndarray
    excess: np.ndarray
    components: np.ndarray
    outside: np.ndarray
    margins: np.ndarray | None = None
    causes: np.ndarray | None = None
    undecided: np.ndarray | None = None

    @property
    def cause(self) -> np.ndarray:
        """(B,) codes of `Cause`."""
        if self.causes is not None:
            return self.causes
        calm = np.where(self.outside, Cause.OUTSIDE_HYPOTHESES, Cause.WITHIN_TOLERANCE)
        return np.where(self.violates, Cause.LAW_BROKEN, calm)


@dataclass(frozen=True)
class Finding:
    """A violation decided exactly: the component and its value, a Fraction or a ball that excludes zero."""

    component: Component
    value: Value
    bits: int

    @property
    def rational(self) -> bool:
        return is_rational(self.value)


class Rejected(Exception):
    """The case is no violation, for the reason given."""


class Judge:
    """Decides whether cases violate one target, under the claim's quantifier."""

    def __init__(self, target: Target, quantifier: str) -> None:
        self.target, self.open_set = target, quantifier == "almost every"

    @property
    def code(self) -> CaseCode:
        return self.target.code

    def screen(self, codes: np.ndarray) -> Screening:
        """Which of the cases (B, C) seem to violate the target."""
        return self.screen_columns(self.code.columns(codes), len(codes))

    def screen_columns(self, columns: dict[str, np.ndarray], count: int) -> Screening:
        """The same for `count` cases given entry by entry, whether their values are in the tables or not."""
        target = self.target
        hypotheses = [r for h in target.hypotheses for r in h.roots]
        at_zero = None if target.step_at_zero is None else float(target.step_at_zero)
        values, errors, kink = screened([*target.roots, *hypotheses], columns, count, at_zero)
        split = len(target.roots)
        holds = self._hypotheses_hold(values[:, split:], errors[:, split:])
        values, errors = values[:, :split], errors[:, :split]
        finite = np.isfinite(values) & np.isfinite(errors)
        broken = finite & _beyond(values, SLACK * errors, target.sense)
        broken &= holds[:, None]
        if target.smooth:
            broken &= ~kink[:, None]
        excess = np.where(broken, np.abs(np.where(finite, values, 0.0)), 0.0)
        outside = ~holds | ~finite.all(axis=1) | (kink & target.smooth)
        undecided = holds & ~finite.all(axis=1)
        margins = None if target.sense == "==" else _margins(values, errors, target.sense, outside)
        violates = np.asarray(broken.any(axis=1))
        return Screening(
            violates, excess.max(axis=1, initial=0.0), broken, outside, margins, undecided=undecided & ~violates
        )

    def _hypotheses_hold(self, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        holds, at = np.ones(len(values), dtype=bool), 0
        for h in self.target.hypotheses:
            part = slice(at, at + len(h.roots))
            at = part.stop
            if h.positive:
                holds &= (values[:, part] > SLACK * errors[:, part]).all(axis=1)
            else:
                holds &= (np.abs(values[:, part]) <= SLACK * errors[:, part]).all(axis=1)
        return holds

    def decide(self, code: Sequence[int]) -> Finding:
        """The violation at a case, decided exactly; raises Rejected where there is none."""
        point = self.code.exact(code)
        finding = self.at(point)
        if self.open_set:
            for neighbour in self.neighbours(code):
                self._violated(finding.component, neighbour)
        return finding

    def at(self, point: Point) -> Finding:
        """The first component that is violated at the point, rational ones before others."""
        self._check_hypotheses(point)
        self._check_flow(point)
        found: Finding | None = None
        reason = "the target holds there"
        for component in self.target.components:
            try:
                here = self._violated(component, point, checked=True)
            except Rejected as rejected:
                reason = str(rejected)
                continue
            if here.rational:
                return here
            found = found or here
        if found is None:
            raise Rejected(reason)
        return found

    def _violated(self, component: Component, point: Point, *, checked: bool = False) -> Finding:
        if not checked:
            self._check_hypotheses(point)
            self._check_flow(point)
        for bits in PRECISIONS:
            try:
                (value,), kink = exact_values([component.root], point.__getitem__, self.target.step_at_zero, bits)
                sign = sign_of(value)
            except OutsideDomain as error:
                raise Rejected(str(error)) from error
            except Undecided:
                continue
            if kink and (self.target.smooth or self.open_set):
                raise Rejected("a gate sits on its kink")
            if _forbidden(sign, self.target.sense):
                return Finding(component, value, bits)
            raise Rejected("the target holds there")
        raise Rejected("the sign is not decided")

    def _check_hypotheses(self, point: Point) -> None:
        for h in self.target.hypotheses:
            for root in h.roots:
                self._check_hypothesis(h.name, h.positive, h.enforced, root, point)

    def _check_hypothesis(self, name: str, positive: bool, enforced: bool, root: ex.Expression, point: Point) -> None:
        for bits in PRECISIONS:
            try:
                (value,), _ = exact_values([root], point.__getitem__, self.target.step_at_zero, bits)
                sign = sign_of(value)
            except OutsideDomain as error:
                raise Rejected(f"the hypothesis {name!r} has no value there") from error
            except Undecided:
                continue
            if sign != (1 if positive else 0):
                raise Rejected(f"the hypothesis {name!r} does not hold there")
            return
        # The retraction makes the residual vanish identically; a ball around zero is all that can be seen of that.
        if positive or not enforced:
            raise Rejected(f"the hypothesis {name!r} is not decided there")

    def _check_flow(self, point: Point) -> None:
        """The field has a value at the state, so that a run starts there."""
        try:
            exact_values(self.target.velocity, point.__getitem__, self.target.step_at_zero, PRECISIONS[0])
        except (OutsideDomain, Undecided) as error:
            raise Rejected("the flow has no velocity there") from error

    def neighbours(self, code: Sequence[int]) -> Iterator[Point]:
        """Points around a case in which every continuous entry is moved, inside its range."""
        sizes = [b.size for b in self.code.blocks]
        noise = iter(words(0, NEIGHBOURHOOD, 0, NEIGHBOURS, max(sum(sizes), 1)).tolist())
        for row in noise:
            point: dict[str, Fraction] = {}
            offsets = iter(row)
            for b, span in self.code.spans():
                own = [v for i in code[span] for v in b.table[i]]
                moves = [_offset(next(offsets)) for _ in own]
                if not b.discrete:
                    low, high = min(b.table)[0], max(b.table)[0]
                    own = [v + m if low <= v + m <= high else v - m for v, m in zip(own, moves, strict=True)]
                point.update(zip(b.entry_names(), own, strict=True))
            yield point

    def state(self, point: Point) -> dict[str, Any] | None:
        """The state as nested lists of Fractions by letter name, or None where an entry is not rational."""
        found = self._arrays(self.target.state, point)
        return found if all(is_rational(v) for array in found.values() for v in _entries(array)) else None

    def enforced(self, point: Point) -> dict[str, Any]:
        """The case with its hypotheses enforced, as a reader sees it: nested lists of "p/q", or of decimals."""
        found = self._arrays(self.target.variables, point)
        return {name: _written(array) for name, array in found.items()}

    def _arrays(self, arrays: Mapping[str, Exact], point: Point) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, array in arrays.items():
            values, _ = exact_values(array.entries(), point.__getitem__, self.target.step_at_zero, PRECISIONS[0])
            names = Block(name, array.shape, ()).entry_names()
            found[name] = nested(name, array.shape, dict(zip(names, values, strict=True)))
        return found


def _entries(array: Any) -> Iterator[Value]:
    if isinstance(array, list):
        for part in array:
            yield from _entries(part)
    else:
        yield array


def _written(array: Any) -> Any:
    return [_written(part) for part in array] if isinstance(array, list) else shown(array, 15)


def _offset(word: int) -> Fraction:
    """A signed rational of size up to 1/1024, from a random word."""
    return Fraction((1 if word & 1 else -1) * ((word >> 54) + 1), 2**20)


def _beyond(values: np.ndarray, margin: np.ndarray, sense: Sense) -> np.ndarray:
    match sense:
        case "==":
            return np.abs(values) > margin
        case ">=":
            return values < -margin
        case ">":
            return values <= 0
        case "<=":
            return values > margin


def _margins(values: np.ndarray, errors: np.ndarray, sense: Sense, outside: np.ndarray) -> np.ndarray:
    """How far each case is from breaking an inequality, in units of the size of its terms, (B,)."""
    with np.errstate(all="ignore"):
        shares = np.where(sense == "<=", -1.0, 1.0) * values * _EPS / errors
    return np.where(outside, np.inf, np.nan_to_num(shares, nan=np.inf).min(axis=1, initial=np.inf))


def _forbidden(sign: int, sense: Sense) -> bool:
    return {"==": sign != 0, ">=": sign < 0, ">": sign <= 0, "<=": sign > 0}[sense]
