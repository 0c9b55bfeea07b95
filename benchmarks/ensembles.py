"""Ensembles of gradient flows: theorylab beside other integrators, in one run on one machine.

    python benchmarks/ensembles.py [--only A,D] [--peers] [--out FILE.md]

Compile time is measured and kept out of the times. Errors are those of the first trajectories against DOP853 at 1e-11.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import peers
import torch
from workloads import ATOL, RTOL, Workload, workload_a, workload_bl, workload_c, workload_d

import theorylab as tl
from theorylab.simulate import compiler as compilers
from theorylab.simulate import integrate
from theorylab.simulate.compiled import Formula
from theorylab.simulate.kernel.solve import kernel, processors
from theorylab.simulate.kernel.source import LANES, rows_source
from theorylab.simulate.methods import TSIT5

CHECKED = 2
LIMIT = 40.0
WORKLOADS: dict[str, Callable[[], Workload]] = {
    "A": lambda: workload_a(64),
    "A1024": lambda: workload_a(1024),
    "A-long": lambda: workload_a(16, 1e5, "A-long"),
    "BL": lambda: workload_bl(64),
    "C": lambda: workload_c(16),
    "D": lambda: workload_d(10_000),
}
BARE = """
void bare(long n, const double *state, double *out) {
    vec y[DIM], own[OWN + 1] = {{0}}, values[ROOTS];
    for (int d = 0; d < DIM; d++) y[d] = splat(state[d]);
    for (long i = 0; i < n; i++) {
        field(splat(0.0), y, own, 0, values);
        __asm__ volatile("" : : "r"(values) : "memory");
    }
    for (int d = 0; d < DIM; d++) out[d] = values[d][0];
}
"""


def timed(work: Callable[[], object], repeats: int = 3) -> tuple[float, object]:
    """Least wall time of several, and the last result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
        if best > 3:
            break
    return best, result


def bare_gradient(field: Formula, state: np.ndarray) -> float:
    """Seconds for the generated field of one trajectory, in lanes, alone in a loop on one thread."""
    library = compilers.build(rows_source(field.program) + BARE, ("-O2", "-march=native"))
    assert library is not None
    library.bare.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    out, count = np.empty_like(state), 20_000
    seconds, _ = timed(lambda: library.bare(count, state.ctypes.data, out.ctypes.data), 5)
    return seconds / count / LANES


def first(workload: Workload, count: int) -> Workload:
    return replace(workload, initial={name: values[:count] for name, values in workload.initial.items()})


def measure(workload: Workload, with_peers: bool) -> list[tuple[str, str, str, str]]:
    """Rows of the table: method, seconds, ratio to the fused solve, error."""
    few = first(workload, CHECKED)
    reference = None if workload.t_end > 1e4 else peers.dop853(few)()
    rows: list[tuple[str, str, str, str]] = []

    def error(states: np.ndarray) -> str:
        return "" if reference is None else f"{np.abs(states[:CHECKED] - reference).max():.0e}"

    options = {"t_end": workload.t_end, "rtol": RTOL, "atol": ATOL, "method": "tsit5", "max_steps": 1_000_000}
    spent, start = compilers.seconds_spent, time.perf_counter()
    run = tl.simulate(workload.flow, init=dict(workload.initial), dims=dict(workload.dims), **options)
    whole, spent = time.perf_counter() - start, compilers.seconds_spent - spent
    again, _ = timed(
        lambda: tl.simulate(workload.flow, init=dict(workload.initial), dims=dict(workload.dims), **options), 1
    )
    field, initial = run.problem.compiled(), run.problem.initial
    fused, solution = timed(lambda: integrate(field, initial, **options))
    assert (solution.y == run.solution.y).all(), "two runs differ"
    rows.append(("theorylab, fused", f"{fused:.3g}", "1", error(solution.y.numpy())))
    rows.append(
        ("theorylab, `tl.simulate`, first call", f"{whole:.3g} (compiler {spent:.2g})", f"{whole / fused:.1f}", "")
    )
    rows.append(("theorylab, `tl.simulate`, again", f"{again:.3g}", f"{again / fused:.1f}", ""))
    found = kernel(field, None, None, TSIT5, initial)
    if found is not None:
        zero = torch.zeros(len(initial), dtype=torch.float64)
        ends = torch.full_like(zero, workload.t_end)
        numbers = {"rtol": RTOL, "atol": torch.tensor(ATOL).double(), "until": None, "times": zero[:0]}
        one, _ = timed(
            lambda: found.solve(
                initial, zero, ends, observes=False, first_step=None, max_steps=1_000_000, threads=1, **numbers
            )
        )
        gradients = bare_gradient(field, initial[0].numpy()) * int(solution.stats.evaluations.sum())
        rows.append(("theorylab, fused, one thread", f"{one:.3g}", f"{one / fused:.1f}", ""))
        rows.append(
            (
                "its gradients alone, one thread",
                f"{gradients:.3g}",
                f"{one / gradients:.2f} times less than the solve",
                "",
            )
        )
    if len(initial) * float(solution.stats.evaluations.double().mean()) < 2e7 and workload.t_end < 1e4:
        plain, other = timed(lambda: integrate(lambda t, y, rows: field(t, y, rows), initial, **options), 1)
        rows.append(
            ("theorylab, torch loop, generated field", f"{plain:.3g}", f"{plain / fused:.0f}", error(other.y.numpy()))
        )
    seconds, states = timed(peers.lsoda(few), 1)
    seconds *= len(initial) / CHECKED
    rows.append(
        (
            f"scipy LSODA in a loop (from {CHECKED} trajectories)",
            f"{seconds:.3g}",
            f"{seconds / fused:.0f}",
            error(states),
        )
    )
    for name, peer in peers.PEERS.items() if with_peers else ():
        solve = peer(first(workload, 2))
        if solve is None:
            rows.append((name, "skipped: not installed", "", ""))
            continue
        if workload.t_end > 1e4:
            rows.append((name, "not run: minutes", "", ""))
            continue
        try:
            solve()
            small, _ = timed(solve, 1)
            if small > LIMIT / 2:
                rows.append((name, f"more than {small:.0f} for two trajectories", "", ""))
                continue
            solve = peer(workload)
            compile_time, _ = timed(solve, 1)
            seconds, states = timed(solve, 1) if compile_time < LIMIT else (compile_time, solve())
            rows.append((name, f"{seconds:.3g}", f"{seconds / fused:.0f}", error(states)))
        except Exception as problem:
            rows.append((name, f"failed: {type(problem).__name__}", "", ""))
    return rows


def machine() -> str:
    model = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    vectors = (
        "AVX-512" if "avx512f" in compilers.cpu_features() else "AVX2" if "avx2" in compilers.cpu_features() else ""
    )
    return f"{model}, {processors()} cores, {vectors}; python {platform.python_version()}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(WORKLOADS), help=f"some of {', '.join(WORKLOADS)}")
    parser.add_argument("--peers", action="store_true", help="also diffrax, torchode and torchdiffeq")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Ensembles of gradient flows",
        "",
        f"Machine: {machine()}.",
        "Repeat with `make bench-ensembles` (peers: `pip install -e .[bench]`).",
        f"Tolerances {RTOL:g} and {ATOL:g}. Wall seconds without compile time; ratios are to the fused solve of",
        "the same workload. The error is the largest of the first trajectories against DOP853 at 1e-11.",
    ]
    print("\n".join(lines), flush=True)
    for name in given.only.split(","):
        workload = WORKLOADS[name]()
        table = [
            f"\n## {workload.name} trajectories to t = {workload.t_end:g}\n",
            "| method | seconds | ratio | error |",
            "|---|---|---|---|",
        ]
        table += [f"| {' | '.join(row)} |" for row in measure(workload, given.peers)]
        print("\n".join(table), flush=True)
        lines += table
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
