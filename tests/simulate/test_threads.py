"""The templates with one trajectory a thread, as a GPU runs them, agree with the lanes of a processor."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
import torch

import theorylab as tl
from theorylab import ops
from theorylab.flow import Flow
from theorylab.simulate.kernel import gpu, source, threads
from theorylab.simulate.kernel.nvrtc import Unavailable
from theorylab.simulate.run import Run

from .backends import needs_compiler
from .networks import bent, smooth
from .threads import Host, needs_cpp

pytestmark = [needs_compiler, needs_cpp]
RTOL = 1e-7
# Elsewhere the compiler decides whether vectors fuse products with sums as numbers do.
SAME_BITS = platform.machine() == "x86_64"


@tl.model(u="d", v="d")
def diagonal(p, x):
    return ((p.u**2 - p.v**2) * x.mT).sum(-1)[None, :]


@tl.model(W="k d", V="k k", a="k")
def deep(p, x):
    return p.a[None, :] @ ops.relu(p.V @ ops.relu(p.W @ x))


def flow(model: Any) -> Flow:
    return tl.GradientFlow(model, loss=tl.loss.square)


DIMS = {"d": 2, "k": 3, "n": 4}
# More trials than the 32 of a block, and than the 8 lanes of a vector.
OPTIONS: dict[str, Any] = {
    "trials": 40, "seed": 1, "rtol": RTOL, "atol": 1e-9, "observe": ["loss"], "times": [0.5, 2.0],
}  # fmt: skip


def on_both(monkeypatch: pytest.MonkeyPatch, subject: Any, **options: Any) -> tuple[Run, Run, Host]:
    host = Host()
    lanes = tl.simulate(subject, **options)
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "find", lambda device: host)
        one_each = tl.simulate(subject, **options)
    assert lanes.backend == "generated C"
    assert one_each.backend == "generated CUDA"
    return lanes, one_each, host


def assert_same(lanes: Run, threads: Run) -> None:
    a, b = lanes.solution, threads.solution
    assert lanes.status == threads.status
    assert a.finisher == b.finisher
    # Where no slide was found the last field is one of several that were tried.
    resolved = torch.tensor([status.label != "unresolved_slide" for status in lanes.status])
    assert resolved.sum() >= len(resolved) - 2
    for name in ("y", "field", "saved", "drift", "error_estimate"):
        one, other = (getattr(s, name)[resolved] if name == "field" else getattr(s, name) for s in (a, b))
        torch.testing.assert_close(one, other, rtol=10 * RTOL, atol=10 * RTOL, equal_nan=True)
        assert not SAME_BITS or np.array_equal(one.numpy(), other.numpy(), equal_nan=True)
    if SAME_BITS:
        assert torch.equal(lanes.stats.evaluations, threads.stats.evaluations)
        assert torch.equal(lanes.stats.rejected, threads.stats.rejected)
    for name in ("slid", "grazed"):
        one, other = getattr(a, name), getattr(b, name)
        assert one is other or torch.equal(one, other)


@pytest.mark.parametrize("method", ["tsit5", "dop853", "rock4", "rodas5p"])
def test_smooth_fields(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes, one_each, _ = on_both(monkeypatch, flow(smooth), dims=DIMS, method=method, t_end=5.0, **OPTIONS)
    assert_same(lanes, one_each)


def test_slides_on_kinks(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes, one_each, _ = on_both(monkeypatch, flow(bent), dims=DIMS, t_end=20.0, **OPTIONS)
    assert lanes.slid is not None
    assert int(lanes.slid.sum()) > 5
    assert_same(lanes, one_each)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tsit5", "rock4", "rodas5p"])
def test_kinks_of_two_layers(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes, one_each, _ = on_both(monkeypatch, flow(deep), dims=DIMS, method=method, t_end=5.0, **OPTIONS)
    assert_same(lanes, one_each)


def test_turns_of_methods_and_convergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials turn stiff as they converge, and change to another method and back in launches of their own."""
    lanes, one_each, host = on_both(
        monkeypatch, flow(diagonal), dims={"d": 3, "n": 2}, t_end=1e5, until=tl.converged(1e-9), **OPTIONS
    )
    assert len(set(one_each.solution.finisher)) > 1
    assert host.started[0] == "prepare"
    assert host.started.count("solve") > 1
    assert {status.label for status in one_each.status} == {"converged"}
    assert_same(lanes, one_each)


class Faulty(Host):
    def program(self, text: str) -> Any:
        raise Unavailable("it has no memory")


def test_without_generated_code_torch_runs_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"dims": DIMS, "t_end": 2.0, **OPTIONS, "method": "tsit5"}
    lanes = tl.simulate(flow(smooth), **options)
    monkeypatch.setattr(gpu, "find", lambda device: Faulty())
    run = tl.simulate(flow(smooth), **options)
    assert run.backend == "batched torch: it has no memory"
    assert torch.allclose(run.solution.y, lanes.solution.y, rtol=10 * RTOL, atol=10 * RTOL)
    monkeypatch.setattr(gpu, "find", lambda device: Host())
    monkeypatch.setattr(threads, "MAX_NODES", 10)
    run = tl.simulate(flow(smooth), **options)
    assert run.backend.startswith("batched torch: the formulas have ")
    run = tl.simulate(flow(smooth), events={"half": tl.event(lambda p: (p.a**2).sum() - 2)}, **options)
    assert run.backend == "batched torch: events are looked for after every step"


def test_a_work_space_too_large_for_a_thread_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_BYTES", 1 << 10)
    monkeypatch.setattr(gpu, "find", lambda device: Host())
    run = tl.simulate(flow(smooth), dims=DIMS, t_end=1.0, method="tsit5", **OPTIONS)
    assert run.backend == "batched torch: the C++ compiler did not build the generated code"


def test_generated_code_that_differs_from_torch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Host):
        def program(self, text: str) -> Any:
            return super().program(text.replace("grown / (grown + 2.0)", "grown / (grown + 3.0)"))

    monkeypatch.setattr(gpu, "find", lambda device: Wrong())
    with pytest.raises(tl.errors.InternalError, match="differ by"):
        tl.simulate(flow(smooth), dims=DIMS, t_end=1.0, method="tsit5", **OPTIONS)
