"""Screening beside the bare ensemble and beside Hypothesis, on the same cases, in one run.

    python benchmarks/falsify.py [--out FILE.md]

A false conjecture on a flow of five parameters: that no run ends farther from its start than the start is from 0. The
bare ensemble is `integrate` of the generated field from the initial states of the same cases, and nothing else.
Compile time is kept out of the times.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ensembles import machine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab.falsify.draws import random_codes
from theorylab.falsify.run_search import REACH, Around
from theorylab.falsify.runs import FIRST, FUSED_METHOD, FUSED_STEPS, HORIZON, Runs
from theorylab.falsify.shrink import shrink
from theorylab.simulate import integrate
from theorylab.simulate.stopping import Converged

BATCH = 4096
ROUNDS = 7
ONE_BY_ONE, EAGER = 100, 2
WITNESSES = 15
DIMS = {"d": 2, "n": 2}
GTOL = 1e-12


@tl.model(u="d", v="d", b="")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u**3 - p.v**3)[None, :] @ x + p.b


flow = tl.GradientFlow(
    diagonal, loss=tl.loss.square, setting=tl.Setting(x=tl.var("d n"), y=tl.var("1 n")), data=lambda c: (c.x, c.y)
)


def size(q: Any) -> Any:
    return (q.u**2).sum() + (q.v**2).sum() + q.b**2


near = tl.Inequality(
    flow,
    lambda c: size(c.init),
    lambda c: size(c.end - c.init),
    name="no farther than the start",
    settle={"gtol": GTOL},
)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_by_one(runs: Runs, examine: Callable[[np.ndarray], object], examples: int) -> float:
    """Examples a second of Hypothesis, one case each."""

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=(Phase.generate,),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )  # fmt: skip
    @given(st.tuples(*(st.integers(0, int(min(r, REACH.max())) - 1) for r in runs.code.radix)))
    def attack(code: tuple[int, ...]) -> None:
        nonlocal count
        count += 1
        examine(np.array([code]))

    count = 0
    spent = seconds(attack)
    return count / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    given_arguments = parser.parse_args()
    torch.set_num_threads(1)
    test = next(iter(near.tests()))
    runs = Runs(near, test, DIMS, fused=True)
    codes = random_codes(runs.code, 0, 0, BATCH, REACH)
    problem = runs.problem(runs.code.columns(codes), BATCH)
    field = problem.compiled()
    options: dict[str, Any] = {
        "t_end": HORIZON, "rtol": FIRST[1], "atol": FIRST[1] * 1e-3, "until": Converged(GTOL), "max_steps": FUSED_STEPS,
    }  # fmt: skip

    def bare() -> Any:
        return integrate(field, problem.initial, method=FUSED_METHOD, **options)

    def eager(code: np.ndarray) -> None:
        one = runs.problem(runs.code.columns(code), 1)
        integrate(one.field, one.initial, method=FIRST[0], **options)

    solution, screening = bare(), runs.screen(codes)
    pairs = [(seconds(bare), seconds(lambda: runs.screen(codes))) for _ in range(ROUNDS)]
    ensemble, screened = (BATCH / statistics.median(times) for times in zip(*pairs, strict=True))
    share = statistics.median(b / s for b, s in pairs)
    single = one_by_one(runs, runs.screen, ONE_BY_ONE)
    slow = one_by_one(runs, eager, EAGER)

    witnesses = [tuple(int(i) for i in row) for row in codes[screening.violates][:WITNESSES]]
    shrunk = []
    for code in witnesses:
        start = time.perf_counter()
        found = shrink(Around(runs), code, runs.decide(code))
        shrunk.append((time.perf_counter() - start, found.batches, found.examined))
    times = sorted(s for s, _, _ in shrunk)

    def verdict(what: str, met: bool) -> str:
        return f"{what}: {'met' if met else 'NOT met'}."

    steps = solution.stats.steps.double()
    lines = [
        "# Screening and shrinking",
        "",
        f"Machine: {machine()}.",
        "Repeat with `make bench-falsify`. Five parameters, two samples; "
        f"{float(steps.mean()):.0f} steps a run in the mean, {float(steps.max()):.0f} at most; "
        f"{int(screening.violates.sum())} of {BATCH} cases violate the conjecture.",
        "",
        "| how | cases a second | screening is faster |",
        "|---|---|---|",
        f"| bare ensemble, {BATCH} at once | {ensemble:.0f} | {share:.2f} of its rate |",
        f"| screening, {BATCH} at once | {screened:.0f} | 1 |",
        f"| Hypothesis, one case an example, the same path | {single:.0f} | {screened / single:.0f} times |",
        f"| Hypothesis, one eager simulation an example | {slow:.2g} | {screened / slow:.0f} times |",
        "",
        f"Shrinking {len(shrunk)} screened witnesses: median {times[len(times) // 2]:.2f} s, worst {times[-1]:.2f} s, "
        f"{statistics.mean(b for _, b, _ in shrunk):.0f} batches of {statistics.mean(e for *_, e in shrunk):.0f} cases "
        "together in the mean.",
        "",
        verdict("Screening reaches 70 % of the bare ensemble's throughput", share >= 0.7),
        verdict("At least 20 times Hypothesis one by one through the same path", screened >= 20 * single),
        verdict("At least 500 times Hypothesis with one eager simulation an example", screened >= 500 * slow),
        verdict("Every witness is shrunk in less than 0.5 s", times[-1] < 0.5),
        "",
        "That shrunk witnesses are the smallest is no timing but a test: tests/falsify/test_shrink_quality.py.",
    ]
    print("\n".join(lines))
    if given_arguments.out:
        given_arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
