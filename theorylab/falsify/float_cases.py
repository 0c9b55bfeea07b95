"""Cases of claims whose formulas have only the numeric reading, such as singular values: decided in float64.

A violation counts if rounding cannot explain it. All numbers that go into a formula, and all that come up inside it,
are moved by some 1e-12 of their size, ten thousand times what rounding does to them, in several random directions, and
the violation must stay as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from theorylab.claims.base import Claim, Test
from theorylab.errors import UnsupportedReading
from theorylab.falsify.cases import CaseCode, Code, arrays, case_blocks, state_blocks, written
from theorylab.falsify.draws import move, words
from theorylab.falsify.judge import Finding, Rejected, Screening
from theorylab.falsify.target import Component
from theorylab.flow import Flow
from theorylab.readings import expression as ex
from theorylab.readings.host import noting_solvers
from theorylab.readings.letters import Dims
from theorylab.setting import Setting
from theorylab.simulate.cases import HELD, Cases, variable_shapes
from theorylab.simulate.problem import Problem

CLEAR = 1e-9
"""Violations below this are left alone, as random cases leave them."""

SAME = 0.02
"""The largest relative change of a violation that leaves it "unchanged"."""

MOVED_BY = 1e-12
DIRECTIONS = 4
NEIGHBOURS = 4
NUMBERS = 4
"""The stream of random words that moves numbers."""


class Shaken(TorchDispatchMode):
    """Every number that an operation gives is moved by up to `MOVED_BY` of its size, in random directions."""

    def __init__(self, direction: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(direction)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        new = not any(given.alias_info for given in func._schema.returns)
        if new and isinstance(result, Tensor) and result.dtype == torch.float64 and result.numel():
            noise = torch.rand(result.shape, generator=self.generator, dtype=torch.float64).to(result.device)
            return result * (1 + MOVED_BY * (2 * noise - 1))
        return result


@dataclass(frozen=True)
class _Seen:
    """Violations (B, q) of some cases, 0 where there is none, and which cases the claim speaks of (B,)."""

    violation: np.ndarray
    inside: np.ndarray
    values: Mapping[str, Tensor]


class FloatCases:
    """One test about cases, or states of a flow, at given sizes."""

    def __init__(self, claim: Claim, test: Test, dims: Dims, device: str | None = None) -> None:
        assert isinstance(test.subject, (Setting, Flow))
        self.claim, self.test, self.device, self.subject = claim, test, device, test.subject
        self.dims = {n: dims[n] for n in sorted(self.subject.sizes)}
        letters = variable_shapes(self.subject, self.dims)
        blocks = case_blocks(self.subject, self.dims, letters)
        known = {b.name for b in blocks}
        self.constants = {n: (shape, draw.a) for n, (shape, draw) in letters.items() if n not in known}
        states = {}
        if isinstance(self.subject, Flow):
            states = {n: letters[f"init.{n}"][0] for n in self.subject.state}
            blocks += state_blocks(self.subject, states)
        self.states, self.code = list(states), CaseCode(tuple(blocks))

    def _seen(self, columns: Mapping[str, np.ndarray], count: int, shaken: Sequence[TorchDispatchMode] = ()) -> _Seen:
        raw = arrays(self.code, columns, count)
        state = {n: torch.as_tensor(raw.pop(n), device=self.device) for n in self.states}
        raw |= {n: np.full((count, *shape), value) for n, (shape, value) in self.constants.items()}
        with ExitStack() as stack, torch.no_grad():
            called = stack.enter_context(noting_solvers())
            for mode in shaken:
                stack.enter_context(mode)
            if isinstance(self.subject, Flow):
                problem = cases = Problem(self.subject, self.dims, raw, self.device)
                rows = torch.zeros(count, dtype=torch.float64, device=problem.device)
                zeros = {n: rows[(..., *[None] * len(s))].expand(count, *s) for n, s in problem.shapes.items()}
                values = problem.observe(self.test.observe, rows, problem.flatten({**zeros, **state}))
            else:
                cases = Cases(self.subject, self.dims, raw, self.device)
                values = cases.of_case(self.test.observe).reshape(count, -1)
            inside = self._hypotheses_hold(cases)
        if called:
            raise UnsupportedReading(f"{called[0]} has an error of its own")
        violation = values.abs() if self.test.kind == "zero" else torch.clamp(-values, min=0.0)
        inside &= torch.isfinite(violation).all(1)
        enforced = {**cases.values, **state}
        return _Seen(torch.nan_to_num(violation, nan=0.0, posinf=0.0).cpu().numpy(), inside.cpu().numpy(), enforced)

    def _hypotheses_hold(self, cases: Cases) -> Tensor:
        size = 1 + torch.stack([v.abs().reshape(cases.trials, -1).amax(1) for v in cases.values.values()]).amax(0)
        holds = torch.ones(cases.trials, dtype=torch.bool, device=cases.device)
        for a in cases.setting.assumptions:
            if a.holds is not None:
                shown = cases.of_case(a.holds).reshape(cases.trials, -1)
                holds &= (shown > 0 if a.positive else shown.abs() <= HELD * size[:, None]).all(1)
        return holds

    # -- deciding -------------------------------------------------------------------------------------------

    def screen(self, codes: np.ndarray) -> Screening:
        """Which of the cases (B, C) seem to violate the claim."""
        seen = self._seen(self.code.columns(codes), len(codes))
        broken = (seen.violation > CLEAR) & seen.inside[:, None]
        excess = np.where(broken, seen.violation, 0.0).max(axis=1, initial=0.0)
        return Screening(np.asarray(broken.any(axis=1)), excess, broken, ~seen.inside)

    def recheck(self, codes: np.ndarray) -> list[tuple[int, float] | None]:
        """For each of the cases (K, C) the entry that is violated beyond rounding, and by how much; None if none is."""
        columns, count = self.code.columns(codes), len(codes)
        plain = self._seen(columns, count)
        at = plain.violation.argmax(axis=1)
        rows = np.arange(count)
        here = plain.violation[rows, at]
        good = plain.inside & (here > CLEAR)
        noise = words(0, NUMBERS, 0, DIRECTIONS * count, max(len(columns), 1)).reshape(DIRECTIONS, count, -1)
        for direction in range(DIRECTIONS):
            signs = (noise[direction] >> np.uint64(11)).astype(np.float64) / 2**52 - 1
            near = {n: v * (1 + MOVED_BY * signs[:, i]) for i, (n, v) in enumerate(columns.items())}
            seen = self._seen(near, count, [Shaken(direction)])
            good &= seen.inside & (np.abs(seen.violation[rows, at] - here) <= SAME * here)
        if self.claim.quantifier == "almost every":
            around = {n: np.repeat(v, NEIGHBOURS) for n, v in columns.items()}
            move(self.code, around, np.ones(count * NEIGHBOURS, dtype=bool))
            seen = self._seen(around, count * NEIGHBOURS)
            broken = seen.inside & (seen.violation[np.arange(count * NEIGHBOURS), np.repeat(at, NEIGHBOURS)] > CLEAR)
            good &= broken.reshape(count, NEIGHBOURS).all(axis=1)
        return [(int(a), float(v)) if g else None for g, a, v in zip(good, at, here, strict=True)]

    def decide(self, code: Code) -> Finding:
        """The violation at a case; raises Rejected where rounding may explain it."""
        (found,) = self.recheck(np.array([code]))
        if found is None:
            raise Rejected("rounding may explain the violation")
        entry, violation = found
        return Finding(Component(None, (entry,), ex.ZERO), violation, 0)

    def written(self, code: Code) -> dict[str, Any]:
        """The case with its hypotheses enforced."""
        seen = self._seen(self.code.columns(np.array([code])), 1)
        return written(self.code, code, {b.name: seen.values[b.name][0] for b in self.code.blocks})
