"""Ensembles of gradient flows: theorylab beside other integrators, in one run on one machine.

    python benchmarks/ensembles.py [--only A,D] [--peers] [--device cuda] [--out FILE.md]

Compile time is measured and kept out of the times. Errors are those of the first trajectories against DOP853 at 1e-11
(A-long: LSODA at 1e-11). The acceptance lines at the end compare what was measured in this run.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from workloads import ATOL, RTOL, Workload, workload_a, workload_bl, workload_c, workload_d, workload_relu

import theorylab as tl
from theorylab.simulate import compiler as compilers
from theorylab.simulate import integrate
from theorylab.simulate.compiled import Formula
from theorylab.simulate.kernel import solve as kernels
from theorylab.simulate.kernel import source
from theorylab.simulate.kernel.ensemble import Task
from theorylab.simulate.kernel.program import function
from theorylab.simulate.kernel.solve import kernel, processors
from theorylab.simulate.methods import TSIT5

AUTO = "theorylab, fused, method auto"
AGAIN = "theorylab, `tl.simulate`, again"
ONE = "theorylab, Tsit5, one thread, processor time"
GRADIENTS = "its gradients alone, generated, processor time"
FLOOR = "as many fused multiply-adds, processor time"
TORCH = "its gradients alone, batched torch at 1024, processor time"
CHECKED = 2
TORCH_STEPS = 20_000
LIMIT = 40.0
WORKLOADS: dict[str, Callable[[], Workload]] = {
    "A": lambda: workload_a(64),
    "A1024": lambda: workload_a(1024),
    "A-long": lambda: workload_a(16, 1e5, "A-long"),
    "BL": lambda: workload_bl(64),
    "C": lambda: workload_c(16),
    "D": lambda: workload_d(10_000),
}
SINGLES: dict[str, Callable[[], Workload]] = {
    "A": lambda: workload_a(1),
    "A-long": lambda: workload_a(1, 1e5, "A-long"),
    "BL": lambda: workload_bl(1),
    "C": lambda: workload_c(1),
    "D": lambda: workload_d(1),
}
OPTIONS = {"rtol": RTOL, "atol": ATOL, "max_steps": 2_000_000}
BARE = """
void bare(long n, const double *state, const double *shared, double *out) {
    vec y[DIM], own[1] = {{0}}, values[DIM];
    for (int d = 0; d < DIM; d++) y[d] = splat(state[d]);
    for (long i = 0; i < n; i++) {
        field(splat(0.0), y, own, shared, values);
        __asm__ volatile("" : : "r"(values) : "memory");
    }
    for (int d = 0; d < DIM; d++) out[d] = values[d][0];
}

/* Fused multiply-adds that wait for nothing: sixteen side by side hide how long each takes. */
double peak(long n) {
    vec sums[16], factor = splat(0.999), term = splat(1e-3), all = splat(0.0);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) sums[i] = splat(i);
    for (long done = 0; done < n; done += 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) sums[i] = v_fma(sums[i], factor, term);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) all += sums[i];
    return all[0];
}
"""


def timed(
    work: Callable[[], Any], repeats: int = 3, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Least time of several, wall time unless told, and the last result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = clock()
        result = work()
        best = min(best, clock() - start)
        if best > 3:
            break
    return best, result


def bare_gradient(generated: Formula, state: np.ndarray, operations: int) -> tuple[Callable[[], float], ...]:
    """Clocks: seconds for the generated field of one trajectory, in lanes, alone in a loop on one thread; and for as
    many fused multiply-adds as it has operations, at the rate of this core for independent ones.

    The field is that of the fused solve: case constants that all trials share are kept once.
    """
    program = generated.program
    terms = source.inputs(program, [True] * len(program.held))
    code, sizes = function("field", program.roots, terms, program.gate), {"DIM": len(program.state)}
    text = "\n".join([source.opening(source.PROCESSOR), source.defines(sizes), code, BARE])
    library = compilers.build(text, kernels.OPTIONS)
    assert library is not None
    library.bare.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 3]
    library.peak.argtypes, library.peak.restype = [ctypes.c_long], ctypes.c_double
    out, count, shared = np.empty_like(state), 20_000, np.ascontiguousarray(generated.constants[0])

    def seconds(work: Callable[[], Any]) -> float:
        start = time.thread_time()
        work()
        return (time.thread_time() - start) / count / source.LANES

    return (
        lambda: seconds(lambda: library.bare(count, state.ctypes.data, shared.ctypes.data, out.ctypes.data)),
        lambda: seconds(lambda: library.peak(count * operations)),
    )


def medians(*clocks: Callable[[], float]) -> list[float]:
    """The median of what each clock says, asked in turns: the first answer, while caches are cold, does not count."""
    answers = [[clock() for clock in clocks] for _ in range(16)]
    return np.median(answers[1:], axis=0).tolist()


def first(workload: Workload, count: int) -> Workload:
    return replace(workload, initial={name: values[:count] for name, values in workload.initial.items()})


def torch_gradient(workload: Workload, states: np.ndarray) -> Callable[[], float]:
    """A clock: seconds for the rates of one trajectory, written by hand for a batch of torch rows.

    A result is dropped before the next, so that its memory serves again, as that of the generated field does.
    """
    rates, batch = peers.torch_rates(workload), torch.from_numpy(np.ascontiguousarray(states))

    def clock() -> float:
        start = time.thread_time()
        for _ in range(50):
            rates(None, batch)
        return (time.thread_time() - start) / 50 / len(batch)

    return clock


def simulate(workload: Workload, **options: Any) -> Any:
    sizes = dict(workload.dims)
    return tl.simulate(workload.flow, init=dict(workload.initial), dims=sizes, t_end=workload.t_end, **options)


@dataclass
class Measured:
    """Seconds and errors by row of one workload; `notes` are cells of the table that are no times."""

    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def table(self) -> list[str]:
        """Rows in the order in which they were measured."""
        ours = self.seconds[AUTO]
        lines = ["| method | seconds | ratio | error |", "|---|---|---|---|"]
        for name, seconds in self.seconds.items():
            error = f"{self.errors[name]:.0e}" if name in self.errors else ""
            lines.append(f"| {name} | {seconds:.3g} | {seconds / ours:.3g} | {error} |")
        return lines + [f"| {name} | {note} | | |" for name, note in self.notes.items()]

    def best(self, *names: str) -> float:
        """Least time of the peers named that ran, infinity if none did."""
        return min((s for n, s in self.seconds.items() if n.startswith(names)), default=float("inf"))


def measure(workload: Workload, with_peers: bool) -> Measured:
    """The rows of one workload."""
    found, checked = Measured(), min(CHECKED, len(workload.states))
    few = first(workload, checked)
    reference = (peers.dop853 if workload.t_end < 1e4 else peers.tight_lsoda)(few)()

    def keep(name: str, seconds: float, states: np.ndarray | None = None) -> None:
        found.seconds[name] = seconds
        if states is not None and np.isfinite(states[:checked]).all():
            found.errors[name] = float(np.abs(states[:checked] - reference).max())

    spent, start = compilers.seconds_spent, time.perf_counter()
    run = simulate(workload, method="auto", **OPTIONS)
    whole, spent = time.perf_counter() - start, compilers.seconds_spent - spent
    again, _ = timed(lambda: simulate(workload, method="auto", **OPTIONS))
    vector_field, initial = run.problem.compiled(), run.problem.initial
    options = {"t_end": workload.t_end, **OPTIONS}
    fused, solution = timed(lambda: integrate(vector_field, initial, method="auto", **options), 5)
    assert (solution.y == run.solution.y).all(), "two runs differ"
    keep(AUTO, fused, solution.y.numpy())
    used = Counter(solution.finisher) if solution.finisher else {solution.method: len(initial)}
    found.notes["ended with"] = ", ".join(f"{name} {count}" for name, count in sorted(used.items()))
    keep(AGAIN, again)
    keep("theorylab, `tl.simulate`, first call", whole)
    found.notes["of the first call: the compiler"] = f"{spent:.3g}"
    plain, other = timed(lambda: integrate(vector_field, initial, method="tsit5", **options))
    keep("theorylab, Tsit5", plain, other.y.numpy())
    one = one_thread(vector_field, initial, workload.t_end)
    if one is not None:
        keep(ONE, one)
        generated, floor = bare_gradient(vector_field, initial[0].numpy(), workload.operations)
        by_hand = torch_gradient(workload, np.resize(workload.states, (1024, workload.states.shape[1])))
        evaluations = int(other.stats.evaluations.sum())
        for name, each in zip((GRADIENTS, FLOOR, TORCH), medians(generated, floor, by_hand), strict=True):
            if name != FLOOR or workload.operations:
                keep(name, each * evaluations)
    if len(initial) * float(other.stats.evaluations.double().mean()) < 1e6:
        slow, end = timed(
            lambda: integrate(lambda t, y, rows: vector_field(t, y, rows), initial, method="tsit5", **options), 1
        )
        keep("theorylab, Tsit5 in torch with the generated field", slow, end.y.numpy())
    seconds, states = timed(peers.lsoda(few), 2)
    keep(f"scipy LSODA in a loop (from {checked})", seconds * len(initial) / checked, states)
    for name, peer in peers.PEERS.items() if with_peers else ():
        measure_peer(name, peer, workload, found, keep)
    return found


def measure_peer(name: str, peer: Any, workload: Workload, found: Measured, keep: Callable[..., None]) -> None:
    """One optional peer; where two trajectories already take long, theirs is the time: a lower bound."""
    count = len(workload.states)
    small = first(workload, min(2, count))
    solve = peer(small)
    if solve is None:
        found.notes[name] = "skipped: not installed"
        return
    if workload.t_end > 1e4 and name != "diffrax Tsit5":
        found.notes[name] = "not run: minutes"
        return
    try:
        solve()
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(round(4 * LIMIT))
        short, states = timed(solve, 2)
        if workload.t_end > 1e4 or short > LIMIT / 2:
            keep(f"{name} ({len(small.states)} of {count} only)", short, states)
            return
        solve = peer(workload)
        whole, states = timed(solve, 1)
        seconds, states = timed(solve, 2) if whole < LIMIT else (whole, states)
        keep(name, seconds, states)
    except TimeoutError:
        found.notes[name] = f"not within {4 * LIMIT:.0f} s"
    except Exception as problem:
        found.notes[name] = f"failed: {type(problem).__name__}"
    finally:
        signal.alarm(0)


def measure_device(workload: Workload, device: str) -> Measured:
    """A GPU beside the processor: generated code on both, and batched torch on the GPU where it ends in time."""
    found, checked = Measured(), min(CHECKED, len(workload.states))
    reference = (peers.dop853 if workload.t_end < 1e4 else peers.tight_lsoda)(first(workload, checked))()

    def keep(name: str, seconds: float, run: Any) -> None:
        found.seconds[name] = seconds
        found.errors[name] = float(np.abs(run.solution.y[:checked].cpu().numpy() - reference).max())

    def on(where: str, **options: Any) -> Callable[[], Any]:
        def work() -> Any:
            run = simulate(workload, device=where, **{"method": "auto", **OPTIONS, **options})
            run.solution.y.cpu()
            return run

        return work

    on("cpu")()
    keep(AUTO, *timed(on("cpu")))
    spent, start = compilers.seconds_spent, time.perf_counter()
    run = on(device)()
    found.seconds[f"theorylab on {device}, first call"] = time.perf_counter() - start
    found.notes[f"of the first call on {device}: the compiler"] = f"{compilers.seconds_spent - spent:.3g}"
    keep(f"theorylab on {device}, {run.backend}", *timed(on(device)))
    finished = run.solution.finished.cpu()
    found.notes["finished"] = f"{int(finished.sum())} of {len(finished)}"
    plain, initial = run.problem.batched(), run.problem.initial
    options = {"t_end": workload.t_end, "method": "tsit5", **OPTIONS, "max_steps": TORCH_STEPS}
    seconds, end = timed(lambda: integrate(plain, initial, **options), 1)
    done = int(end.finished.sum())
    if done == len(initial):
        found.seconds[f"theorylab on {device}, Tsit5 in batched torch"] = seconds
    else:
        text = f"{seconds:.3g} s for the first {TORCH_STEPS} steps, {done} of {len(initial)} finished"
        found.notes[f"Tsit5 in batched torch on {device}"] = text
    return found


def _too_long(*_: object) -> None:
    raise TimeoutError


def one_thread(vector_field: Formula, initial: torch.Tensor, t_end: float) -> float | None:
    """Processor seconds of the fused Tsit5 solve on one thread."""
    found = kernel(vector_field, None, None, TSIT5, initial)
    if found is None:
        return None
    zero = torch.zeros(len(initial), dtype=torch.float64)
    task = Task(
        initial, zero, torch.full_like(zero, t_end), rtol=RTOL, atol=torch.full_like(initial[0], ATOL), until=None,
        times=zero[:0], observes=False, first_step=None, max_steps=2_000_000,
    )  # fmt: skip
    seconds, _ = timed(lambda: found.solve(task, threads=1), 5, time.thread_time)
    return seconds


def measure_single(workload: Workload, with_peers: bool) -> Measured:
    """One trajectory: theorylab and the peers, each in its best form for one."""
    found = Measured()
    run = simulate(workload, method="auto", **OPTIONS)
    vector_field, initial = run.problem.compiled(), run.problem.initial
    found.seconds[AUTO], _ = timed(
        lambda: integrate(vector_field, initial, method="auto", t_end=workload.t_end, **OPTIONS), 7
    )
    found.seconds["scipy LSODA"], _ = timed(peers.lsoda(workload), 3)
    for name, peer in peers.PEERS.items() if with_peers else ():
        solve = peer(workload)
        if solve is None or (workload.t_end > 1e4 and name != "diffrax Tsit5"):
            continue
        solve()
        found.seconds[name], _ = timed(solve, 3)
    return found


def kinks() -> list[str]:
    """The two acceptance lines on ReLU networks."""
    run = simulate(workload_relu(64), method="auto", **OPTIONS)
    tight = simulate(workload_relu(64), method="auto", **{**OPTIONS, "rtol": RTOL / 100, "atol": ATOL / 100})
    finished = int(run.solution.finished.sum())
    grazed = torch.zeros(64, dtype=torch.bool) if run.solution.grazed is None else run.solution.grazed
    kept = ~grazed & run.solution.finished & tight.solution.finished
    gap = float((run.solution.y - tight.solution.y).abs().amax(1)[kept].max())
    met = finished == 64 and gap <= 1e-4 and int(grazed.sum()) <= 3
    few = first(workload_d(10_000), 200)
    reference = peers.dop853(few)()
    ours = integrate((problem := simulate(few, method="auto", **OPTIONS).problem).compiled(), problem.initial,
                     t_end=few.t_end, method="auto", **OPTIONS)  # fmt: skip
    generated = problem.compiled()
    options = {"t_end": few.t_end, "method": "tsit5", **OPTIONS}
    plain = integrate(lambda t, y, rows: generated(t, y, rows), problem.initial, **options)
    medians = [float(np.median(np.abs(x.y.numpy() - reference).max(1))) for x in (ours, plain)]
    return [
        f"| noisy 5-16-1 ReLU, 64 to t = 100 | all finish, at most 3 grazed, others within 1e-4 of a tighter run | "
        f"{finished} finish, {int(grazed.sum())} grazed, {gap:.0e} | {'met' if met else 'not met'} |",
        f"| D against plain Tsit5, first 200 | median error at least 20 times smaller | {medians[1] / medians[0]:.3g} "
        f"({medians[0]:.0e}, {medians[1]:.0e}) | {'met' if medians[1] >= 20 * medians[0] else 'not met'} |",
    ]


def acceptance(results: Mapping[str, Measured], singles: Mapping[str, Measured]) -> list[str]:
    """The lines that can be told from what was measured."""
    lines: list[str] = []

    def line(name: str, wanted: str, ratio: float, least: float) -> None:
        if np.isfinite(ratio):
            lines.append(f"| {name} | {wanted} | {ratio:.3g} | {'met' if ratio >= least else 'not met'} |")

    for key, name, least, who in (
        ("A", "A, 64", 8, ("diffrax",)),
        ("A1024", "A, 1024", 15, ("diffrax", "torchode")),
        ("D", "D, 10 000", 15, ("scipy", "diffrax", "torchode", "torchdiffeq")),
        ("C", "C", 2.5, ("scipy", "diffrax", "torchode", "torchdiffeq")),
        ("A-long", "A-long against LSODA", 2, ("scipy",)),
        ("A-long", "A-long against diffrax", 40, ("diffrax",)),
    ):
        if key in results:
            ratio = results[key].best(*who) / results[key].seconds[AUTO]
            line(name, f"at least {least} times faster than the best of {', '.join(who)}", ratio, least)
    if "A" in results and ONE in results["A"].seconds:
        seconds = results["A"].seconds
        ratio = seconds[ONE] / seconds[GRADIENTS]
        met = "met" if ratio <= 2.5 else "not met"
        name = "whole solve against bare gradients, A, Tsit5, one thread"
        lines.append(f"| {name} | at most 2.5 | {ratio:.3g} | {met} |")
    gradients = results.get("A1024", results.get("A"))
    if gradients is not None and ONE in gradients.seconds:
        ratio = gradients.seconds[TORCH] / gradients.seconds[GRADIENTS]
        line("gradient of A alone in a loop, generated against torch by hand on 1024 rows", "at least 8", ratio, 8)
        floor = gradients.seconds[TORCH] / gradients.seconds[FLOOR]
        lines.append(f"| the same if its operations ran at the full rate of this core | | {floor:.3g} | |")
    for name, found in singles.items():
        best = found.best("scipy", "diffrax", "torchode", "torchdiffeq")
        line(f"single trajectory, {name}", "no slower than the best peer", best / found.seconds[AUTO], 1)
    return lines


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
    parser.add_argument("--device", default="cpu", help="cuda: a GPU beside the processor, without peers")
    given = parser.parse_args()
    torch.set_num_threads(1)
    busy = os.getloadavg()[0]
    lines = [
        "# Ensembles of gradient flows",
        "",
        f"Machine: {machine()}.",
        f"At the start {busy:.1f} other processes wanted a core." if busy > 0.3 else "Nothing else ran on it.",
        "Repeat with `make bench-ensembles` (peers: `pip install -e .[bench]`).",
        f"Tolerances {RTOL:g} and {ATOL:g}. Wall seconds without compile time, the least of several; ratios are to the",
        "fused solve of the same workload. The error is the largest of the first trajectories against DOP853 at 1e-11",
        "(A-long: LSODA at 1e-11). `(from 2)`: the time of two trajectories, one after the other, in",
        "proportion; `(2 of 16 only)`: that of two alone, which is less than what all would take. Gradients alone are",
        "medians of 15 measurements in turns, times the evaluations of the run with Tsit5.",
    ]
    print("\n".join(lines), flush=True)

    def show(*more: str) -> None:
        lines.extend(more)
        print("\n".join(more), flush=True)

    results: dict[str, Measured] = {}
    names = given.only.split(",")
    on_gpu = torch.device(given.device).type == "cuda"
    if on_gpu:
        show(f"GPU: {torch.cuda.get_device_name(given.device)}, CUDA {torch.version.cuda}; repeat with `DEVICE=cuda`.")
    for name in names:
        workload = WORKLOADS[name]()
        results[name] = measure_device(workload, given.device) if on_gpu else measure(workload, given.peers)
        show(f"\n## {workload.name} trajectories to t = {workload.t_end:g}\n", *results[name].table())
    singles = {n: measure_single(SINGLES[n](), given.peers) for n in SINGLES if n in names and not on_gpu}
    if singles:
        columns = list(dict.fromkeys(column for found in singles.values() for column in found.seconds))
        rule = "|---" * (len(columns) + 1) + "|"
        show("\n## Single trajectory, milliseconds\n", f"| | {' | '.join(columns)} |", rule)
        for name, found in singles.items():
            cells = [f"{1e3 * found.seconds[c]:.3g}" if c in found.seconds else "" for c in columns]
            show(f"| {name} | {' | '.join(cells)} |")
    if not on_gpu:
        asked = acceptance(results, singles)
        show("\n## What is asked for\n", "| | at least | measured | |", "|---|---|---|---|", *asked)
        if "D" in names:
            show(*kinks())
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
