"""Kinks of ReLU models: sliding modes and located crossings, beside the same method without them, in one run.

    python benchmarks/kinks.py [--peers] [--out FILE.md]

"plain" is Tsit5 on the field as a black box, whose gates nobody knows. Peers are timed on workload D alone, without
compile time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import peers
import torch
from ensembles import machine, timed
from torch import Tensor
from workloads import ATOL, RTOL, Workload, workload_d, workload_noisy

import theorylab as tl
from theorylab.simulate import Solution, integrate
from theorylab.simulate.typing import Field

ATTEMPTS = 20_000
"""Steps after which plain Tsit5 is stopped on the noisy net."""


def fields(workload: Workload) -> tuple[Field, Field, Tensor]:
    """The generated field, the same as a black box, and the initial states."""
    run = tl.simulate(workload.flow, init=dict(workload.initial), dims=dict(workload.dims), t_end=1e-3, method="tsit5")
    field = run.problem.compiled()
    return field, lambda t, y, rows: field(t, y, rows), run.problem.initial


def solve(
    field: Field, start: Tensor, workload: Workload, repeats: int = 1, **options: object
) -> tuple[float, Solution]:
    chosen = {"t_end": workload.t_end, "rtol": RTOL, "atol": ATOL, "method": "tsit5", "max_steps": 1_000_000, **options}
    seconds, run = timed(lambda: integrate(field, start, **chosen), repeats)  # type: ignore[arg-type]
    assert isinstance(run, Solution)
    return seconds, run


def distance(run: Solution, reference: Solution) -> np.ndarray:
    return (run.y - reference.y).norm(dim=1).numpy()


def ends(run: Solution) -> str:
    return ", ".join(f"{count} {name}" for name, count in run.counts().items())


def row(name: str, seconds: float, run: Solution, *more: str) -> str:
    evaluations = f"{float(run.stats.evaluations.double().mean()):.0f}"
    return f"| {' | '.join([name, f'{seconds:.3g}', evaluations, *more])} |"


def verdict(what: str, met: bool) -> str:
    return f"{what}: {'met' if met else 'NOT met'}."


def noisy(trials: int = 64) -> list[str]:
    workload = workload_noisy(trials)
    field, plain, start = fields(workload)
    seconds, run = solve(field, start, workload, 3)
    tight_seconds, tight = solve(field, start, workload, 3, rtol=RTOL / 100, atol=ATOL / 100)
    _, other = solve(field, start, workload, 1, rtol=1e-11, atol=1e-14, method="dop853")
    plain_seconds, crawl = solve(plain, start, workload, 1, max_steps=ATTEMPTS)
    assert run.grazed is not None
    decided = ~run.grazed.numpy()
    worst = [distance(s, r)[decided].max() for s, r in ((run, tight), (tight, other))]

    def located(name: str, spent: float, found: Solution, error: float) -> str:
        assert found.slid is not None
        assert found.grazed is not None
        return row(
            name, spent, found, ends(found), *map(str, map(int, (found.slid.sum(), found.grazed.sum()))), f"{error:.0e}"
        )

    lines = [
        f"\n## {workload.name} trajectories to t = {workload.t_end:g}\n",
        "| method | seconds | evaluations a trajectory | ends | slid | grazed | worst distance to a tighter run |",
        "|---|---|---|---|---|---|---|",
        located("theorylab at 1e-6", seconds, run, worst[0]),
        located("theorylab at 1e-8", tight_seconds, tight, worst[1]),
        row(f"plain Tsit5 at 1e-6, at most {ATTEMPTS} steps", plain_seconds, crawl, ends(crawl), "", "", ""),
        "",
        verdict("All finish", bool(run.finished.all())),
        verdict("Each one not marked `grazed` agrees with a 100 times tighter run to 1e-4", bool(worst[0] < 1e-4)),
        verdict("At most 3 are marked", int(run.grazed.sum()) <= 3),
    ]
    return lines


def crossings(trials: int = 10_000, with_peers: bool = False) -> list[str]:
    workload = workload_d(trials)
    field, plain, start = fields(workload)
    seconds, run = solve(field, start, workload, 5)
    plain_seconds, blind = solve(plain, start, workload)
    _, reference = solve(plain, start, workload, rtol=1e-11, atol=1e-13, method="dop853")
    medians = [float(np.median(distance(s, reference))) for s in (run, blind)]

    def times(other: float) -> str:
        return f"{other / seconds:.0f}"

    lines = [
        f"\n## {workload.name} trajectories to t = {workload.t_end:g}\n",
        "The reference is plain DOP853 at 1e-11.\n",
        "| method | seconds | evaluations a trajectory | median error | times |",
        "|---|---|---|---|---|",
        row("theorylab at 1e-6", seconds, run, f"{medians[0]:.1e}", "1"),
        row("plain Tsit5 at 1e-6, batched torch", plain_seconds, blind, f"{medians[1]:.1e}", times(plain_seconds)),
    ]
    # One step for all 10 000 trajectories takes torchdiffeq minutes.
    fast = {name: peer for name, peer in peers.PEERS.items() if "torchdiffeq" not in name}
    best = float("inf")
    for name, peer in fast.items() if with_peers else ():
        work = peer(workload)
        if work is None:
            lines.append(f"| {name} | not installed | | | |")
            continue
        work()
        spent, states = timed(work, 1)
        assert isinstance(states, np.ndarray)
        error = float(np.median(np.linalg.norm(states - reference.y.numpy(), axis=1)))
        best = min(best, spent)
        lines.append(f"| {name} | {spent:.3g} | | {error:.1e} | {times(spent)} |")
    lines += [
        "",
        verdict("Median error at least 20 times smaller than that of plain Tsit5", 20 * medians[0] <= medians[1]),
    ]
    if best < float("inf"):
        lines.append(verdict("At least 15 times faster than the best peer", best >= 15 * seconds))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="also diffrax and torchode")
    parser.add_argument("--out", type=Path, help="write the tables there as well")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Kinks of ReLU models",
        "",
        f"Machine: {machine()}.",
        "Repeat with `make bench-kinks` (peers: `pip install -e .[bench]`).",
        f"Tolerances {RTOL:g} and {ATOL:g} unless said; wall seconds without compile time.",
        *noisy(),
        *crossings(with_peers=given.peers),
    ]
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
