"""The field of a gradient flow in batched torch: a mapped derivative, one backward pass for all trials, and by hand.

    python benchmarks/gradients.py [--device cuda]

Prints a table; one thread, the least of several times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

import theorylab as tl
from theorylab import ops
from theorylab.simulate.batched import batched_field
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.problem import Problem

REPEATS = 9
SIZES = (
    ({"d": 5, "k": 16, "m": 1, "n": 20}, 64),
    ({"d": 20, "k": 50, "m": 5, "n": 50}, 64),
    ({"d": 20, "k": 50, "m": 5, "n": 50}, 512),
)


@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W2 @ ops.relu(p.W1 @ x)


def by_hand(problem: Problem) -> Callable[[torch.Tensor], torch.Tensor]:
    x, y = problem.values["x"], problem.values["y"]

    def field(state: torch.Tensor) -> torch.Tensor:
        p = problem.unflatten(state)
        z = p["W1"] @ x
        hidden = torch.relu(z)
        residual = p["W2"] @ hidden - y
        back = (p["W2"].mT @ residual) * (z > 0)
        return -torch.cat([(back @ x.mT).flatten(1), (residual @ hidden.mT).flatten(1)], 1)

    return field


def least(work: Callable[[], torch.Tensor]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        float(work()[0, 0])
        best = min(best, time.perf_counter() - start)
    return best


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    flow = tl.GradientFlow(two_layer, loss=tl.loss.square)
    print("| sizes | trials | mapped derivative, ms | one backward pass | by hand |\n|---|---|---|---|---|")
    for dims, trials in SIZES:
        problem = Problem(flow, dims, draw_cases(flow, dims, trials, 0), device)
        rows = torch.arange(trials, device=device)
        t, y = problem.initial.new_zeros(trials), problem.initial
        batched, hand = batched_field(problem), by_hand(problem)
        assert batched is not None
        assert torch.allclose(hand(y), problem.field(t, y, rows), rtol=1e-9, atol=1e-12)
        times = [least(lambda: problem.field(t, y, rows)), least(lambda: batched(t, y, rows)), least(lambda: hand(y))]  # noqa: B023
        sizes = ", ".join(f"{n}={v}" for n, v in dims.items())
        print(
            f"| {sizes} | {trials} | {times[0] * 1e3:.2f} | {times[0] / times[1]:.1f}x | {times[0] / times[2]:.1f}x |"
        )


if __name__ == "__main__":
    main()
