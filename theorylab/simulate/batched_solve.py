"""An ensemble solved in batched torch: an explicit method and those for stiff problems take its trials by turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from theorylab.simulate.adaptive_run import ExplicitRun, Terms, prepared
from theorylab.simulate.compiled import Formula
from theorylab.simulate.cost import Operations
from theorylab.simulate.gates import gates_of
from theorylab.simulate.kink_run import KinkRun
from theorylab.simulate.linearised import NoDerivative
from theorylab.simulate.methods import ExplicitRungeKutta, Rosenbrock, Stabilised
from theorylab.simulate.runge_kutta import evaluate
from theorylab.simulate.solution import Solution, Stats
from theorylab.simulate.stiff_run import StiffRun
from theorylab.simulate.switching import Stiff, stiff_methods
from theorylab.simulate.typing import Field, Observe


@torch.no_grad()
def solve(
    field: Field,
    y: Tensor,
    starts: Tensor,
    ends: Tensor,
    *,
    explicit: ExplicitRungeKutta,
    stiff: Stiff | None,
    auto: bool,
    observe: Observe | None,
    first_step: float | None,
    **options: Any,
) -> Solution:
    """The arguments are those of `integrate`, checked.

    stiff, auto  methods that share the trials with the explicit one, or whether they are still to be chosen
    """
    terms = Terms(observe=observe, **options)
    rows = torch.arange(len(y), device=y.device)
    if auto:
        with Operations() as count:
            f = evaluate(field, starts, y, rows)
        operations = field.program.nodes if isinstance(field, Formula) else count.total / len(y)
        stiff = stiff_methods(y.shape[1], operations, explicit, terms.rtol)
    else:
        f = evaluate(field, starts, y, rows)
    record = prepared(field, y, f, starts, ends, explicit, terms, first_step)
    gates = gates_of(field, starts, y)
    run = (
        ExplicitRun(field, record, terms, explicit) if gates is None else KinkRun(field, gates, record, terms, explicit)
    )
    finisher: tuple[str, ...] = ()
    if stiff is None:
        run.turn()
    else:
        finisher = _alternate(stiff, run, lambda method: StiffRun(field, gates, record, terms, method))
    trials = record.trials
    return Solution(
        t=trials.t,
        y=trials.y,
        field=trials.f,
        status=record.status,
        stats=Stats(trials.accepted, trials.attempts - trials.accepted, trials.evaluations),
        error_estimate=trials.error,
        saved=record.saved if len(terms.times) else None,
        observed=None if observe is None else trials.start,
        drift=None if observe is None else trials.drift,
        slid=None if gates is None else record.slid,
        grazed=None if gates is None else record.grazed,
        method=stiff.methods[0].name if stiff is not None and stiff.alone else explicit.name,
        rtol=terms.rtol,
        finisher=finisher,
    )


def _alternate(stiff: Stiff, run: ExplicitRun, made: Callable[[Stabilised | Rosenbrock], StiffRun]) -> tuple[str, ...]:
    """Solve prepared trials by turns; returns the name of the method that finished each."""
    runs: dict[str, StiffRun] = {}
    codes = run.record.status
    status = codes.to("cpu", copy=True)

    def explicit(switching: bool) -> None:
        codes.copy_(status)
        run.limit, run.patience = stiff.limit(run.method) if switching else 0.0, stiff.patience
        run.turn()
        status.copy_(codes)

    def other(method: Stabilised | Rosenbrock, limits: Mapping[str, float]) -> bool:
        try:
            if method.name not in runs:
                runs[method.name] = made(method)
            codes.copy_(status)
            runs[method.name].limits = limits
            runs[method.name].turn()
        except NoDerivative:
            if stiff.alone:
                raise
            return False
        status.copy_(codes)
        return True

    finisher = stiff.alternate(run.method, status.numpy(), explicit, other)
    codes.copy_(status)
    return finisher
