"""Quantities of a run: values at the saved times, and drifts beside the integrator's own error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from theorylab import ops
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.readings.numeric import Numeric
from theorylab.simulate.cases import as_tensor
from theorylab.simulate.problem import Problem

BUILT_IN = ("loss", "gradient_norm")


@dataclass(frozen=True)
class Drift:
    """How far a quantity went from its start, at any step, and how much of that the integrator explains.

    value      (trials, *shape) largest |q - q at the start|
    own_error  (trials, *shape) the sum of the estimated local errors, carried to q by the larger of its slopes at the
               start and at the end; 0 for discrete schemes, which make no error
    """

    value: Tensor
    own_error: Tensor


def named(observe: Any, flow: Flow) -> dict[str, Callable[..., Any]]:
    """Formulas of (p) or (p, c) by name, from a mapping, or a list of the names "loss" and "gradient_norm"."""
    if observe is None:
        return {}
    given = observe if isinstance(observe, Mapping) else None
    if given is None and isinstance(observe, (list, tuple)) and all(isinstance(n, str) for n in observe):
        given = {n: n for n in observe}
    if given is None:
        raise InputError(
            f"observe is {type(observe).__name__}; expected formulas by name, or names among {', '.join(BUILT_IN)}"
        )
    return {name: _formula(name, formula, flow) for name, formula in given.items()}


def _formula(name: str, formula: Any, flow: Flow) -> Callable[..., Any]:
    if formula == "loss":
        return lambda p, c: flow.objective(p, c)
    if formula == "gradient_norm":
        return lambda p, c: ops.sqrt(_square(flow, p, c))
    if not callable(formula):
        known = " or ".join(map(repr, BUILT_IN))
        raise InputError(f"observe has {formula!r} for {name!r}; expected a function of (p) or (p, c), or {known}")
    return formula


def _square(flow: Flow, p: Namespace, c: Case) -> Any:
    """|grad L|^2, or the square of the norm of the field where the flow is no gradient flow."""
    slope = getattr(flow, "gradient", flow.field)(p, c)
    return sum((v**2).sum() for v in slope.values())


def shape_of(problem: Problem, formula: Any) -> tuple[int, ...]:
    """The shape of a quantity for one trial."""
    zero, row = problem.initial.new_zeros(1), torch.zeros(1, dtype=torch.int64, device=problem.initial.device)
    return tuple(values(problem, formula, zero, problem.initial[:1], row).shape[1:])


def values(problem: Problem, formula: Any, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """A formula at states (b, D) of the trials `rows`, (b, *shape)."""

    def one_trial(t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        state = {n: Numeric(v) for n, v in problem.unflatten(y).items()}
        return as_tensor(call(formula, *problem.flow.view(state, problem.case(one), Numeric(t))))

    return problem.mapped(one_trial, t, y, rows)


def sampled(problem: Problem, formula: Any, t: Tensor, y: Tensor) -> Tensor:
    """A formula at states (trials, S, D) and times (trials, S), as (trials, S, *shape)."""
    count, times, dim = y.shape
    rows = torch.arange(count, device=y.device).repeat_interleave(times)
    found = values(problem, formula, t.reshape(-1), y.reshape(-1, dim), rows)
    return found.reshape(count, times, *found.shape[1:])


def slope_norm(problem: Problem, formula: Any, t: Tensor, y: Tensor) -> Tensor:
    """The Euclidean norm of the derivative of each entry of a formula by the state, (b, entries)."""

    def one_trial(t: Tensor, y: Tensor, one: dict[str, Tensor]) -> Tensor:
        def at(y: Tensor) -> Tensor:
            state = {n: Numeric(v) for n, v in problem.unflatten(y).items()}
            return as_tensor(call(formula, *problem.flow.view(state, problem.case(one), Numeric(t)))).reshape(-1)

        return torch.linalg.vector_norm(torch.func.jacrev(at)(y), dim=1)

    return problem.mapped(one_trial, t, y, torch.arange(len(y), device=y.device))


def drifts(problem: Problem, formulas: Mapping[str, Any], solution: Any, start: Tensor) -> dict[str, Drift]:
    """The drift of every formula, from the observed ones of a solution in the same order; start: (trials,) times."""
    found, at = {}, 0
    exact = not bool(solution.error_estimate.any())
    for name, formula in formulas.items():
        shape = shape_of(problem, formula)
        size = math.prod(shape)
        drift = solution.drift[:, at : at + size]
        own = torch.zeros_like(drift)
        if not exact:
            places = ((start, problem.initial), (solution.t, solution.y))
            slopes = [slope_norm(problem, formula, *where) for where in places]
            own = torch.nan_to_num(torch.maximum(*slopes)) * solution.error_estimate[:, None]
        found[name] = Drift(drift.reshape(-1, *shape), own.reshape(-1, *shape))
        at += size
    return found
