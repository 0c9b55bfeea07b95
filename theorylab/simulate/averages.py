"""Tests of kind "mean": samples drawn by the protocol of the claim, and their interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from theorylab.claims.base import Average, Test
from theorylab.errors import InputError, MissingExtra
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.simulate.cases import Cases, draw_cases
from theorylab.simulate.integrate import integrate
from theorylab.simulate.intervals import Interval, interval
from theorylab.simulate.observation import Group, Observation
from theorylab.simulate.problem import Problem
from theorylab.simulate.run import with_loss
from theorylab.simulate.status import Status
from theorylab.simulate.stopping import Converged

TOLERANCE = 1e-9
HORIZON = 1_000.0
MAX_STEPS = 40_000


def sample(
    test: Test,
    dims: Dims,
    *,
    seed: int,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    fixed: Mapping[str, np.ndarray] | None = None,
) -> list[Group]:
    """The intervals of all groups and entries, at a level that holds for all at once.

    fixed: the values of what is not random, for one group alone.
    """
    asked = _asked(test)
    groups = _draw(test, dims, asked, (seed + asked.seed) % 2**64, fixed or {})
    values = [_values(test, dims, raw, device, dict(options or {})) for _, raw in groups]
    entries = values[0][0].shape[1]
    level = 1 - (1 - asked.confidence) / (len(groups) * entries)
    found: list[Group] = []
    for (fixed, _), (quantity, claimed) in zip(groups, values, strict=True):
        for k in range(entries):
            # a claimed value that depends on what is random is part of the samples
            centre = claimed[:, k]
            constant = bool((centre == centre[0]).all())
            share = float(centre[0]) if constant else float(np.nanmean(centre))
            margin = abs(share) / 100 if asked.margin is None else asked.margin
            offset, samples = (share, quantity[:, k]) if constant else (0.0, quantity[:, k] - centre)
            shown = interval(samples, level, asked.values if constant else None, margin)
            moved = Interval(shown.low - offset, shown.high - offset, shown.mean - offset, shown.rule, shown.doubt)
            found.append(Group(fixed, moved, margin, share, k))
    return found


def observe_mean(test: Test, dims: Dims, *, seed: int, device: str | None, options: Mapping[str, Any]) -> Observation:
    """The observation of a test of kind "mean"."""
    asked = _asked(test)
    try:
        found = sample(test, dims, seed=seed, device=device, options=options)
    except MissingExtra as error:
        return Observation(test, None, f"skipped: {error}", 0)
    verdicts = [g.agrees(asked.sense) for g in found]
    agrees = False if False in verdicts else None if None in verdicts else True
    shown = found[verdicts.index(agrees)]
    count = asked.samples * (1 if asked.over is None else asked.groups)
    if agrees is None and shown.interval.doubt:
        why = f"{shown.interval.doubt}; "
    elif agrees is None and asked.sense == "==" and not shown.margin:
        why = "no margin is stated within which a value of 0 is meant: margin=... would settle it; "
    elif agrees is None:
        room = shown.margin if asked.sense == "==" else abs(shown.interval.mean)
        more = asked.samples * max(4.0, 4 * (shown.interval.half_width / room) ** 2) if room else np.inf
        why = f"about {more:.0e} samples would settle it; " if np.isfinite(more) else ""
    else:
        why = ""
    margin = f", margin {shown.margin:.2g}" if asked.sense == "==" else ""
    reason = f"{why}{shown.described()} at level {asked.confidence:g}{margin}"
    return Observation(test, agrees, reason, count, groups=tuple(found))


def _asked(test: Test) -> Average:
    assert test.mean is not None
    return test.mean


def _subject(test: Test) -> Any:
    return with_loss(test.subject) if isinstance(test.subject, Flow) else test.subject


def _draw(
    test: Test, dims: Dims, asked: Average, seed: int, given: Mapping[str, np.ndarray]
) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """(fixed values, cases) of each group."""
    subject = _subject(test)
    if asked.over is None:
        return [({}, draw_cases(subject, dims, asked.samples, seed))]
    groups = 1 if given else asked.groups
    raw = draw_cases(subject, dims, asked.samples * groups, seed)
    for name in asked.over:
        if name not in raw:
            raise InputError(f"over names the unknown variable {name!r}; expected some of: {', '.join(raw)}")
    found = []
    for g in range(groups):
        part = {n: v[g * asked.samples : (g + 1) * asked.samples].copy() for n, v in raw.items()}
        fixed = {n: given.get(n, v[0])[None].copy() for n, v in part.items() if n not in asked.over}
        for n, value in fixed.items():
            part[n][:] = value
        found.append(({n: v[0] for n, v in fixed.items()}, part))
    return found


def _values(
    test: Test, dims: Dims, raw: Mapping[str, np.ndarray], device: str | None, options: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The quantity and the claimed value at every case, (n, K) each; nan for runs that do not converge."""
    asked = _asked(test)
    if test.where == "case":
        cases = Cases(test.subject, dims, raw, device)
        found = cases.of_case(test.observe).reshape(cases.trials, -1).cpu().numpy()
        claimed = cases.of_case(asked.claimed).reshape(cases.trials, -1).cpu().numpy()
        return found, np.broadcast_to(claimed, found.shape)
    problem = Problem(_subject(test), dims, raw, device)
    until = None if test.horizon else Converged(float(options.get("gtol", 1e-9)))
    solution = integrate(
        problem.compiled(), problem.initial, t_end=float(test.horizon or options.get("t_end", HORIZON)), rtol=TOLERANCE,
        atol=float(options.get("atol", TOLERANCE * 1e-3)), until=until,
        max_steps=int(options.get("max_steps", MAX_STEPS)), device=device,
    )  # fmt: skip
    found = problem.observe(test.observe, solution.t, solution.y, ended=True).cpu().numpy().copy()
    found[(solution.status != (Status.T_END if test.horizon else Status.CONVERGED)).cpu().numpy()] = np.nan
    claimed = problem.observe(lambda p, c: asked.claimed(c), torch.zeros_like(solution.t), problem.initial)
    return found, np.broadcast_to(claimed.cpu().numpy(), found.shape)
