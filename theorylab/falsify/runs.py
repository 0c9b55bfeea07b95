"""Hunting claims about runs: cases by code, simulated in one ensemble, re-run before they count.

A run is a witness only if a second method at a hundred times tighter tolerance shows the same violation, and, for a
claim about where runs end, if it shows it at the time of convergence and at ten times that, for neighbouring cases too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.claims.base import Claim, Test
from theorylab.falsify.cases import CaseCode, Code, arrays, case_blocks, written
from theorylab.falsify.cause import Cause
from theorylab.falsify.draws import move
from theorylab.falsify.judge import Finding, Screening
from theorylab.falsify.program import Program, QuickField, quick_program
from theorylab.falsify.target import Component
from theorylab.flow import Flow
from theorylab.gradient_flow import FirstOrder
from theorylab.readings import expression as ex
from theorylab.readings.letters import Dims
from theorylab.simulate.cases import variable_shapes
from theorylab.simulate.compiled import Formula
from theorylab.simulate.integrate import integrate
from theorylab.simulate.observe import own_times
from theorylab.simulate.problem import Problem
from theorylab.simulate.run import with_loss
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged

FIRST = ("tsit5", 1e-7)
SECOND = ("dop853", 1e-9)
"""Method and relative tolerance of the first run and of the one that re-checks it."""

CLEAR = 1e-5
"""Relative residuals below this are left to the error of the integrator."""

SAME = 0.02
"""The largest relative change of a violation from one run to another that leaves it "unchanged"."""

LATER = 16.0
"""Where no horizon is stated, some runs go on for so many times as long."""
LONGER = 10.0
STILL = 100.0
"""A run has to start faster than this multiple of the speed that counts as converged, and to stay slower in the end."""

RUNAWAY = 1e6
"""A run whose speed has grown by this factor is blowing up."""

HORIZON = 1e3
FUSED_FROM = 256
"""Ensembles of at least so many runs are solved in generated C, which takes a moment to compile."""
FUSED_METHOD, FUSED_STEPS = "auto", 3_000
MAX_STEPS = 300
MAX_STEPS_SECOND = 1_500
ZERO_LOSS = 1e-8
_EPS = float(torch.finfo(torch.float64).eps)
_NOWHERE = Component(None, (), ex.ZERO)


@dataclass(frozen=True)
class Rechecked:
    """A violation that both methods show: residuals of the first run, the second, and the longer one."""

    residuals: tuple[float, ...]
    time: float


@dataclass
class Causes:
    """What became of the runs of a hunt, by cause."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, causes: np.ndarray, more: str = "") -> None:
        """Count the causes (B,), those of violations left out."""
        for code, count in zip(*np.unique(causes[causes != Cause.LAW_BROKEN], return_counts=True), strict=True):
            self.counts[Cause(code).text + more] += int(count)

    def __str__(self) -> str:
        return ", ".join(f"{n} {cause}" for cause, n in sorted(self.counts.items()))


@dataclass(frozen=True)
class _Ends:
    """Where the runs of some cases ended: relative residuals (B,), their scales, times, and causes of failure."""

    relative: Tensor
    size: Tensor
    t: Tensor
    y: Tensor
    steps: Tensor
    margin: Tensor
    cause: np.ndarray

    @property
    def absolute(self) -> Tensor:
        return self.relative * self.size


class Runs:
    """One test about runs at given sizes. fused: screen in generated C, where that is possible."""

    def __init__(self, claim: Claim, test: Test, dims: Dims, device: str | None = None, *, fused: bool = False) -> None:
        self.claim, self.test, self.device, self.fused = claim, test, device, fused
        self.flow: Flow = with_loss(test.subject, bent=test.where == "run")
        self.dims = {n: dims[n] for n in sorted(self.flow.sizes)}
        letters = variable_shapes(self.flow, self.dims)
        self.code = CaseCode(tuple(case_blocks(self.flow, self.dims, letters)))
        known = {b.name for b in self.code.blocks}
        self.constants = {n: (shape, draw.a) for n, (shape, draw) in letters.items() if n not in known}
        self.limit = test.where == "end"
        self.gtol = float(claim.settle.get("gtol", 1e-8))
        self.max_steps = MAX_STEPS
        self.stretch = 1.0
        self.steps = np.zeros(0)
        self.causes = Causes()

    @property
    def stretches(self) -> tuple[float, ...]:
        """By what horizons are multiplied, one search after the other."""
        return (1.0,) if self.limit or self.test.horizon else (1.0, LATER)

    @cached_property
    def quick(self) -> tuple[Program, list[str]] | None:
        return quick_program(self.flow, self.dims, self.code) if self.device in (None, "cpu") else None

    # -- runs -----------------------------------------------------------------------------------------------

    def problem(self, columns: Mapping[str, np.ndarray], count: int) -> Problem:
        """The ensemble of cases that are given entry by entry."""
        raw = arrays(self.code, columns, count)
        for name, (shape, value) in self.constants.items():
            raw[name] = np.full((count, *shape), value)
        return Problem(self.flow, self.dims, raw, self.device)

    def _field(self, problem: Problem, columns: Mapping[str, np.ndarray]) -> Any:
        """The field from the exact reading where that is small enough, else from the numeric one."""
        if self.quick is None:
            return problem.field
        program, names = self.quick
        return QuickField(program, names, columns)

    def _first(self, problem: Problem, field: Any, method: str, max_steps: int) -> _Ends:
        options = self.claim.settle
        if self.limit:
            horizon: Any = float(self.test.horizon or options.get("t_end", HORIZON))
        else:
            horizon = float(self.test.horizon) if self.test.horizon else own_times(problem) * self.stretch
        rtol = FIRST[1]
        until = Converged(self.gtol) if self.limit else None
        solution = integrate(
            field, problem.initial, t_end=horizon, rtol=rtol, atol=options.get("atol", rtol * 1e-3), method=method,
            until=until, max_steps=max_steps, device=self.device,
        )  # fmt: skip
        return self._ends(problem, solution, Status.CONVERGED if self.limit else Status.T_END, field)

    def _ends(self, problem: Problem, solution: Any, wanted: Status, field: Any = None) -> _Ends:
        values = problem.observe(self.test.observe, solution.t, solution.y, ended=True)
        own = values.abs() if self.test.kind == "zero" else torch.clamp(-values, min=0.0)
        size = self._size(problem, solution)
        relative = own.amax(1) / size
        start = torch.linalg.vector_norm(self._velocity(problem, field), dim=1)
        speed = torch.linalg.vector_norm(solution.field, dim=1)
        # A run that rests for ever has a limit; it says something unless the claim is about zero loss or most cases.
        rests = self.limit and self.claim.quantifier == "every" and not self._about_zero_loss
        critical = start <= (STILL * self.gtol if self.limit else 1e3 * _EPS)
        if rests:
            critical &= start != 0
        found = [
            (~self._hypotheses(problem), Cause.OUTSIDE_HYPOTHESES),
            (critical, Cause.CRITICAL_POINT),
            (solution.failed | (speed > RUNAWAY * (1 + start)), Cause.BLOW_UP),
            (solution.status != wanted, Cause.NOT_CONVERGED),
            (~torch.isfinite(relative), Cause.OUTSIDE_DOMAIN),
            (relative > CLEAR, Cause.LAW_BROKEN),
        ]
        conditions = [c.cpu().numpy() for c, _ in found]
        cause = np.select(conditions, [int(c) for _, c in found], Cause.WITHIN_TOLERANCE)
        margin = self._margin(problem, values, solution)
        return _Ends(relative, size, solution.t, solution.y, solution.stats.steps, margin, cause)

    def _margin(self, problem: Problem, values: Tensor, solution: Any) -> Tensor:
        """How far each run is from breaking an inequality, in units of what is compared, (B,); negative if it does."""
        if self.test.sides is None:
            return torch.zeros(problem.trials, dtype=torch.float64, device=problem.device)
        compared = problem.observe(self.test.sides, solution.t, solution.y, ended=True)
        return torch.where(compared > 0, values / compared, torch.inf).amin(1)

    def _velocity(self, problem: Problem, field: Any = None) -> Tensor:
        zero = torch.zeros(problem.trials, dtype=torch.float64, device=problem.device)
        rows = torch.arange(problem.trials, device=problem.device)
        return (field or problem.field)(zero, problem.initial, rows)

    def _size(self, problem: Problem, solution: Any) -> Tensor:
        """What the residual is compared with: the larger of the sizes of the quantity at both ends.

        For laws along runs the size is that of the quantity's terms, which may cancel.
        """
        if self.test.scale is None:
            return torch.ones(problem.trials, dtype=torch.float64, device=problem.device)
        end = problem.observe(self.test.scale, solution.t, solution.y, ended=True).abs().amax(1)
        if self.limit:
            zero = torch.zeros_like(solution.t)
            start = problem.observe(self.test.scale, zero, problem.initial, ended=True).abs().amax(1)
        else:
            terms = [problem.size_of(self.test.scale), problem.size_of(self.test.scale, solution.t, solution.y)]
            start = torch.nan_to_num(torch.stack(terms), nan=0.0, posinf=0.0).amax((0, 2))
        return torch.maximum(end, torch.nan_to_num(start, nan=0.0, posinf=0.0)).clamp(min=_EPS)

    def _hypotheses(self, problem: Problem) -> Tensor:
        holds = torch.ones(problem.trials, dtype=torch.bool, device=problem.device)
        for a in problem.setting.assumptions:
            if a.holds is None:
                continue
            value = problem.of_case(a.holds).reshape(problem.trials, -1)
            holds &= (value > 0).all(1) if a.positive else (value.abs() <= 1e-9).all(1)
        return holds

    def written(self, code: Code) -> dict[str, Any]:
        """The case with its hypotheses enforced."""
        problem = self.problem(self.code.columns(np.array([code])), 1)
        return written(self.code, code, {b.name: problem.values[b.name][0] for b in self.code.blocks})

    # -- deciding -------------------------------------------------------------------------------------------

    def screen(self, codes: np.ndarray) -> Screening:
        """Which of the cases (B, C) violate the claim in the first run."""
        return self.screen_columns(self.code.columns(codes), len(codes))

    def screen_columns(self, columns: dict[str, np.ndarray], count: int) -> Screening:
        """The same for `count` cases given entry by entry, whether their values are in the tables or not."""
        problem = self.problem(columns, count)
        if self.fused:
            fast = problem.compiled()
            if isinstance(fast, Formula):
                fast.own = True
            ends = self._first(problem, fast, FUSED_METHOD, FUSED_STEPS)
        else:
            ends = self._first(problem, self._field(problem, columns), FIRST[0], self.max_steps)
        self.steps = ends.steps.cpu().numpy()
        self.causes.add(ends.cause)
        violates, calm = ends.cause == Cause.LAW_BROKEN, ends.cause == Cause.WITHIN_TOLERANCE
        excess = np.where(violates, np.nan_to_num(ends.relative.cpu().numpy()), 0.0)
        margins = np.where(violates | calm, ends.margin.nan_to_num(nan=np.inf).cpu().numpy(), np.inf)
        return Screening(violates, excess, violates[:, None], ~(violates | calm), margins, ends.cause)

    def screen_around(self, codes: np.ndarray) -> Screening:
        """Which of the cases (B, C) violate the claim in the first run, together with the cases around them."""
        copies = self._copies
        columns = self._around(codes, copies)
        screening = self.screen_columns(columns, len(codes) * copies)
        violates = np.asarray(screening.violates.reshape(-1, copies).all(1))
        own = slice(None, None, copies)
        outside, excess = screening.outside[own], np.where(violates, screening.excess[own], 0.0)
        return Screening(violates, excess, violates[:, None], outside)

    def decide(self, code: Sequence[int]) -> Finding:
        """The violation as the first run shows it; `recheck` decides."""
        return Finding(_NOWHERE, 0.0, 0)

    def recheck(self, codes: np.ndarray) -> list[Rechecked | None]:
        """Run cases (K, C) again by the second method, each with its neighbours.

        The first run takes the field from the numeric reading, the second from the exact one.
        """
        copies, count = self._copies, len(codes) * self._copies
        columns = self._around(codes, copies)
        problem = self.problem(columns, count)
        field = self._field(problem, columns)
        first = self._first(problem, problem.batched(), FIRST[0], self.max_steps * (2 if self.fused else 1))
        second = self._again(problem, field, problem.initial, 0.0, first.t)
        longer = self._again(problem, field, second.y, second.t, LONGER * first.t) if self.limit else second
        good = self._confirmed(problem, first, second, longer)
        rests = self._rests(problem, field)
        result: list[Rechecked | None] = []
        for k in range(len(codes)):
            i = k * copies
            if all(good[i : i + (1 if rests[i] else copies)]):
                runs = [first, second, longer] if self.limit else [first, second]
                shown = tuple(float(r.absolute[i]) for r in runs)
                result.append(Rechecked(shown, float(first.t[i])))
            else:
                result.append(None)
        return result

    def _rests(self, problem: Problem, field: Any) -> list[bool]:
        """Which runs stay where they start, exactly: a claim about every case speaks of them, whatever is near."""
        if self.claim.quantifier != "every" or not self.limit:
            return [False] * problem.trials
        still = (self._velocity(problem) == 0) & (self._velocity(problem, field) == 0)
        return still.all(1).tolist()

    @property
    def _copies(self) -> int:
        """A case and its neighbours, where a claim about limits or about almost every case needs an open set."""
        return 3 if self.limit or self.claim.quantifier == "almost every" else 1

    def _around(self, codes: np.ndarray, copies: int) -> dict[str, np.ndarray]:
        columns = self.code.columns(np.repeat(codes, copies, axis=0))
        move(self.code, columns, np.arange(len(codes) * copies) % copies > 0)
        return columns

    def _again(self, problem: Problem, field: Any, y: Tensor, t_start: Any, t_end: Tensor) -> _Ends:
        """The second method from one time to another."""
        method, rtol = SECOND
        solution = integrate(
            field, y, t_start=t_start, t_end=t_end, rtol=rtol, atol=self.claim.settle.get("atol", rtol * 1e-3),
            method=method, max_steps=MAX_STEPS_SECOND, device=self.device,
        )  # fmt: skip
        return self._ends(problem, solution, Status.T_END)

    def _confirmed(self, problem: Problem, first: _Ends, second: _Ends, longer: _Ends) -> list[bool]:
        known = np.ones(problem.trials, dtype=bool)
        for runs in (first, second, longer):
            unknown = (runs.cause != Cause.LAW_BROKEN) & (runs.cause != Cause.WITHIN_TOLERANCE)
            self.causes.add(runs.cause[unknown], " when re-run")
            known &= ~unknown
        truth = longer.absolute
        same = torch.maximum((first.absolute - truth).abs(), (second.absolute - truth).abs()) <= SAME * truth
        good = (
            same & (truth > CLEAR * first.size) & self._signs_kept(problem, first) & self._signs_kept(problem, longer)
        )
        if self.limit:
            rows = torch.arange(problem.trials, device=problem.device)
            speed = torch.linalg.vector_norm(problem.field(longer.t, longer.y, rows), dim=1)
            # an explicit method keeps the speed at its own tolerance, relative to where the run came from
            at_rest = (SECOND[1] * torch.linalg.vector_norm(self._velocity(problem), dim=1)).clamp(min=self.gtol)
            good &= (speed <= STILL * at_rest) & self._loss_vanishes(problem, longer)
        confirmed = good.cpu().numpy()
        self.causes.counts["changed by tolerance or time"] += int((known & ~confirmed).sum())
        return (known & confirmed).tolist()

    def _signs_kept(self, problem: Problem, ends: _Ends) -> Tensor:
        """No coordinate has crossed zero where the exact flow cannot cross it: where its velocity vanishes with it."""
        kept = torch.ones(problem.trials, dtype=torch.bool, device=problem.device)
        rows = torch.arange(problem.trials, device=problem.device)
        crossed = problem.initial * ends.y < 0
        for i in crossed.any(0).nonzero()[:, 0].tolist():
            there = ends.y.clone()
            there[:, i] = 0
            speed = problem.field(ends.t, there, rows)
            stuck = speed[:, i].abs() <= 1e3 * _EPS * torch.linalg.vector_norm(there, dim=1)
            kept &= ~(crossed[:, i] & stuck)
        return kept

    @property
    def _about_zero_loss(self) -> bool:
        return any("loss" in p for p in self.claim.premises)

    def _loss_vanishes(self, problem: Problem, ends: _Ends) -> Tensor:
        """Whether the loss tends to zero, where the claim has that for a premise."""
        if not isinstance(self.flow, FirstOrder) or not self._about_zero_loss:
            return torch.ones(problem.trials, dtype=torch.bool, device=problem.device)
        zero = torch.zeros_like(ends.t)
        before = problem.observe(self.flow.objective, zero, problem.initial)[:, 0]
        after = problem.observe(self.flow.objective, ends.t, ends.y)[:, 0]
        return after <= ZERO_LOSS * before
