"""Counterexamples to claims about exponents and means: found in codes or samples, and confirmed by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theorylab.claims.base import Claim, Test
from theorylab.errors import InputError
from theorylab.falsify.cases import CaseCode, Code, case_blocks, nested
from theorylab.falsify.draws import random_codes, structured_codes, words
from theorylab.falsify.judge import Finding, Screening
from theorylab.falsify.outcome import Hunt
from theorylab.falsify.shrink import shrink
from theorylab.falsify.target import Component
from theorylab.flow import Flow
from theorylab.readings import expression as ex
from theorylab.readings.letters import Dims
from theorylab.simulate import averages, slopes
from theorylab.simulate.asymptotics import Trend
from theorylab.simulate.cases import variable_shapes
from theorylab.simulate.observation import Observation
from theorylab.simulate.run import with_loss
from theorylab.verdict import Counterexample

CODES = 24
CONFIRMED = 4
ROUNDS, BATCH = 2, 12
REACH = np.array([3, 9, 9, 23])
SECOND_SEED = 1 << 32
"""A second sample is drawn with another seed, and is four times as large."""
MORE = 4
SAME = 0.05
"""A slope that a tighter run and a longer ladder move by less than this is confirmed."""

_NOWHERE = Component(None, (), ex.ZERO)
_BITS = 2**53


def confirm(
    claim: Claim, observations: Sequence[Observation], *, dims: Dims, seed: int = 0, device: str | None = None
) -> Hunt | None:
    """A confirmed counterexample to a claim about an exponent or a mean, or None.

    Exponents are looked for among simple cases, whatever random ones have shown; a mean is drawn again where the first
    sample excludes it.
    """
    for o in observations:
        found: Hunt | None = None
        if o.test.kind == "slope" and not o.test.premise:
            found = _slopes(claim, o.test, dims, seed, device)
        elif o.test.kind == "mean" and o.agrees is False:
            found = _mean(claim, o, dims, seed, device)
        if found is not None:
            return found
    return None


# --- exponents ------------------------------------------------------------------------------------------------------


@dataclass
class Ladders:
    """A test of kind "slope" over integer codes of all variables but the one that is walked."""

    claim: Claim
    test: Test
    dims: Dims
    device: str | None

    def __post_init__(self) -> None:
        self.subject = with_loss(self.test.subject) if isinstance(self.test.subject, Flow) else self.test.subject
        asked = self.test.slope
        assert asked is not None
        self.variable = asked.variable
        letters = variable_shapes(self.subject, self.dims)
        blocks = [b for b in case_blocks(self.subject, self.dims, letters) if b.name != self.variable]
        self.code = CaseCode(tuple(blocks))
        known = {b.name for b in blocks}
        self.constants = {n: (shape, draw.a) for n, (shape, draw) in letters.items() if n not in known}
        self.examined = self.violations = 0

    def raw(self, columns: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        found = {
            b.name: np.stack([columns[e] for e in b.entry_names()], axis=1).reshape(count, *b.shape)
            for b in self.code.blocks
        }
        return found | {n: np.full((count, *shape), float(value)) for n, (shape, value) in self.constants.items()}

    def _decided(self, columns: dict[str, np.ndarray], count: int, **options: Any) -> slopes.Decided:
        measured = slopes.measure(
            self.test, self.dims, self.raw(columns, count), device=self.device, options=self.claim.settle, **options
        )
        return slopes.decide(self.test, measured)

    def screen(self, codes: np.ndarray) -> Screening:
        decided = self._decided(self.code.columns(codes), len(codes))
        violates = np.array([o == "against" for o in decided.outcomes])
        outside = np.array([o in ("open", "zero") for o in decided.outcomes])
        size = np.where(violates, 1.0, 0.0)
        self.examined, self.violations = self.examined + len(codes), self.violations + int(violates.sum())
        return Screening(violates, size, violates[:, None], outside)

    def decide(self, code: Sequence[int]) -> Finding:
        return Finding(_NOWHERE, 0.0, 0)

    def recheck(self, code: Code) -> tuple[Trend, float] | None:
        """The trend at a hundred times tighter tolerance, between the values of the ladder and beyond its end.

        For neighbouring cases too, where the claim is about almost every one.
        """
        asked = self.test.slope
        assert asked is not None
        copies = 3 if self.claim.quantifier == "almost every" else 1
        columns = self.code.columns(np.repeat(np.array([code]), copies, axis=0))
        if copies > 1:
            self._move(columns, copies)
        first = self._decided(columns, copies)
        second = self._decided(columns, copies, ladder=self._other_ladder(), tighter=True)
        for a, b in zip(first.trends, second.trends, strict=True):
            if a is None or b is None or abs(a.last - b.last) > SAME + abs(a.high - a.low):
                return None
        if any(o != "against" for o in (*first.outcomes, *second.outcomes)):
            return None
        return (second.trends[0], float(second.exponents[0])) if second.trends[0] is not None else None

    def _other_ladder(self) -> tuple[float, ...]:
        """Values between those of the ladder and beyond its end; thirds where all are 1 / n, which may count steps."""
        asked = self.test.slope
        assert asked is not None
        values = np.array(asked.ladder)
        ratio = float(values[-1] / values[-2])
        counts = 1 / values
        if self.test.where == "state" and ratio < 1 and bool(np.all(np.abs(counts - counts.round()) <= 1e-9 * counts)):
            return tuple((values[:-1] / 3).tolist())
        between = tuple((values * ratio**0.5).tolist())
        return (*between, between[-1] * ratio) if self.test.where in ("case", "state") else between

    def _move(self, columns: dict[str, np.ndarray], copies: int) -> None:
        names = [(b, e) for b in self.code.blocks for e in b.entry_names() if not b.discrete]
        noise = words(1, 3, 0, copies, max(len(names), 1))
        for (b, name), column in zip(names, noise.T, strict=False):
            low, high = float(b.floats.min()), float(b.floats.max())
            offset = ((column >> np.uint64(11)).astype(np.float64) / _BITS * 2 - 1) * 1e-2 * (np.arange(copies) > 0)
            near = columns[name] + offset
            columns[name] = np.where((low <= near) & (near <= high), near, columns[name] - offset)

    def written(self, code: Code) -> dict[str, Any]:
        """The free variables of the case, without those that others define."""
        point = self.code.exact(code)
        initial = self.subject.initial() if isinstance(self.subject, Flow) else {}
        defined = {f"init.{n}" for n, v in initial.items() if v.defined}
        return {
            b.name: nested(b.name, b.shape, {n: str(point[n]) for n in b.entry_names()})
            for b in self.code.blocks
            if b.name not in defined
        }


def _slopes(claim: Claim, test: Test, dims: Dims, seed: int, device: str | None) -> Hunt | None:
    ladders = Ladders(claim, test, dims, device)
    near = structured_codes(ladders.code, seed, 0, CODES // 3) % np.minimum(ladders.code.radix, REACH.max())
    codes = np.concatenate([near, random_codes(ladders.code, seed, 0, CODES - CODES // 3, REACH)])
    codes = np.unique(codes, axis=0)
    try:
        screening = ladders.screen(codes)
    except InputError:
        return None
    weight = ladders.code.complexity(codes)
    chosen = [i for i in np.argsort(weight, kind="stable") if screening.violates[i]][:CONFIRMED]
    for i in chosen:
        code: Code = tuple(int(v) for v in codes[i])
        found = ladders.recheck(code)
        if found is None:
            continue
        simpler = shrink(ladders, code, ladders.decide(code), rounds=ROUNDS, most=BATCH)
        if simpler.code != code and (again := ladders.recheck(simpler.code)) is not None:
            code, found = simpler.code, again
        return _shown(ladders, code, *found)
    return None


def _shown(ladders: Ladders, code: Code, found: Trend, exponent: float) -> Hunt:
    asked = ladders.test.slope
    assert asked is not None
    if asked.exponent is None:
        last = f"{found.q[-1]:.6g} at {asked.variable} = {found.v[-1]:.3g}"
        what = f"it is {last}, with {slopes.described(found)}, where a limit of zero was claimed"
    else:
        word = {"==": "an exponent of", ">=": "an exponent of at least", "<=": "an exponent of at most"}[asked.sense]
        what = f"it has {slopes.described(found)}, where {word} {exponent:.4g} was claimed"
    shown = Counterexample(
        case=ladders.written(code), violation=f"{ladders.test.name} in {asked.variable}: {what}",
        cause="law broken",
        recheck=f"at a hundred times tighter tolerance, at {asked.variable} between the first values and beyond",
        value=f"{found.last:.12g}",
    )  # fmt: skip
    text = (
        f"{ladders.examined} ladders examined, {ladders.violations} contradict the claim; one was confirmed and shrunk"
    )
    return Hunt(
        shown, None, "numeric", ladders.examined, ladders.violations, 0, text, "", dict(ladders.dims), batches=1
    )


# --- means ----------------------------------------------------------------------------------------------------------


def _mean(claim: Claim, observation: Observation, dims: Dims, seed: int, device: str | None) -> Hunt | None:
    """The same protocol again with four times the samples and another seed, which has to exclude the claim likewise."""
    test = observation.test
    asked = test.mean
    assert asked is not None
    bad = [g for g in observation.groups if g.agrees(asked.sense) is False]
    more = replace(test, mean=replace(asked, samples=MORE * asked.samples))
    for g in bad[:CONFIRMED]:
        second = averages.sample(
            more, dims, seed=(seed + SECOND_SEED) % 2**64, device=device, options=claim.settle, fixed=g.fixed
        )
        h = second[g.entry]
        if h.agrees(asked.sense) is False and np.sign(h.interval.mean) == np.sign(g.interval.mean):
            return _excluded(asked, g, h, dims)
    return None


def _excluded(asked: Any, first: averages.Group, second: averages.Group, dims: Dims) -> Hunt:
    word = {"==": "", ">=": "at least ", "<=": "at most "}[asked.sense]
    found = second.interval
    low, high = (second.claimed + end for end in (found.low, found.high))
    shown = Counterexample(
        case={n: _listed(v) for n, v in second.fixed.items()},
        violation=f"the mean lies between {low:.6g} and {high:.6g} at level {asked.confidence:g}, "
        f"where {word}{second.claimed:.6g} was claimed",
        cause="law broken",
        recheck=f"{found.rule}, two independent samples of {asked.samples} and {MORE * asked.samples} cases: "
        f"{first.described()}; {second.described()}",
        value=f"{second.claimed + found.mean:.12g}",
    )
    samples = (MORE + 1) * asked.samples
    text = f"two independent samples, {samples} cases together, exclude the claimed mean"
    return Hunt(shown, None, "numeric", samples, 0, 0, text, "", dict(dims), batches=2)


def _listed(value: np.ndarray) -> Any:
    return np.vectorize(lambda v: f"{v:.15g}", otypes=[object])(np.asarray(value)).tolist()
