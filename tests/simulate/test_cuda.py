"""Generated CUDA compiles without a GPU, by nvcc and by NVRTC as `tl.simulate` calls it; and how it is started."""

from __future__ import annotations

import ctypes
import inspect
import re
import shutil
import subprocess
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import theorylab as tl
from theorylab import ops
from theorylab.simulate import compiler
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.kernel import gpu, nvrtc
from theorylab.simulate.kernel.nvrtc import Unavailable, machine_code
from theorylab.simulate.kernel.source import THREAD, solve_source
from theorylab.simulate.kernel.stiff import Formulas, stiff_source
from theorylab.simulate.methods import ROCK4, RODAS5P, TSIT5
from theorylab.simulate.problem import Problem

from .networks import smooth

needs_nvcc = pytest.mark.skipif(
    shutil.which("nvcc") is None, reason="no nvcc: the generated CUDA is not compiled by it here"
)
needs_nvrtc = pytest.mark.skipif(
    nvrtc.library() is None,
    reason="no NVRTC (pip install nvidia-cuda-nvrtc): the generated CUDA is not compiled by it here",
)


@tl.model(w="d")
def neuron(p, x):
    return ops.relu(p.w[None, :] @ x)


@cache
def text(name: str) -> str:
    """A program with its exact constants shared by no trials."""
    model = neuron if name == "kinks" else smooth
    flow, dims = tl.GradientFlow(model, loss=tl.loss.square), {"d": 2, "n": 2}
    dims |= {"k": 2} if model is smooth else {}
    problem = Problem(flow, dims, draw_cases(flow, dims, 2, 0))
    field = problem.threaded(SimpleNamespace(device=torch.device("cpu")))  # type: ignore[arg-type]
    assert field is not None
    formulas = Formulas(field.program, field.program, *(2 * [(False,) * len(field.program.held)]))
    if name in ("kinks", "tsit5"):
        return solve_source(TSIT5, *formulas, target=THREAD)
    return stiff_source(ROCK4 if name == "rock4" else RODAS5P, formulas, THREAD)


@needs_nvcc
@pytest.mark.parametrize("name", ["kinks", "tsit5", "rock4", "rodas5p"])
def test_nvcc_compiles_every_template_in_doubles(name: str, tmp_path: Path) -> None:
    """Only doubles are kept, no division or root is approximate, and products are fused where the text says so."""
    source, built = tmp_path / "ensemble.cu", tmp_path / "ensemble.ptx"
    source.write_text(text(name))
    command = ["nvcc", "-ptx", "-arch=compute_90", "-Werror=all-warnings", "-diag-suppress=177", *nvrtc.OPTIONS]
    done = subprocess.run([*command, source, "-o", built], capture_output=True, text=True, timeout=200, check=False)
    assert not done.returncode, done.stderr
    code = built.read_text()
    assert ".visible .entry solve" in code
    assert (".visible .entry prepare" in code) == (name in ("kinks", "tsit5"))
    assert "fma.rn.f64" in code
    assert "mul.rn.f64" in code
    assert not re.search(r"\b(ld|st)\.(\w+\.)*f32|\b(div|sqrt)\.(\w+\.)*approx", code)


@needs_nvrtc
@pytest.mark.parametrize("name", ["kinks", "tsit5", "rock4", "rodas5p"])
def test_nvrtc_compiles_every_template(name: str) -> None:
    code = machine_code(text(name), "sm_90")
    assert code.startswith(b"\x7fELF")
    assert b".text.solve" in code
    spent = compiler.seconds_spent
    assert machine_code(text(name), "sm_90") == code
    assert compiler.seconds_spent == spent


@needs_nvrtc
def test_what_nvrtc_cannot_build_is_said() -> None:
    with pytest.raises(Unavailable, match=r"NVRTC did not build the generated code .*nothing_known"):
        machine_code("nothing_known x;", "sm_90")
    crowded = text("tsit5").replace("#define MOST_BYTES", "#define MOST_BYTES 100 //")
    with pytest.raises(Unavailable, match="the work space of a trajectory is too large for a thread"):
        machine_code(crowded, "sm_90")


def test_without_nvrtc_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "library", lambda: None)
    assert gpu.obstacle() == "NVRTC was not found"
    assert gpu.find("cpu") == "the device is cpu"
    with pytest.raises(Unavailable, match="NVRTC was not found"):
        machine_code("", "sm_90")


class _Job(ctypes.Structure):
    _fields_ = (("count", ctypes.c_long), ("rtol", ctypes.c_double))


def test_a_launch_covers_all_trials_and_passes_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a loader in the place of torch's, which takes the same arguments."""
    calls: list[dict[str, Any]] = []
    module = SimpleNamespace(solve=lambda **options: calls.append(options))
    real = torch.cuda._utils._CudaKernel.__call__
    monkeypatch.setattr(torch.cuda._utils, "_cuda_load_module", lambda code: module)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(synchronize=lambda: None))
    job = _Job(count=65, rtol=0.5)
    gpu.GpuProgram(torch.device("cpu"), b"").run("solve", job, 65)
    (options,) = calls
    inspect.signature(real).bind(module, **options)
    assert options["block"] == (32, 1, 1)
    assert options["grid"] == (3, 1, 1)
    (held,) = options["args"]
    assert bytes(held.numpy()) == bytes(job)

    def fails(**options: Any) -> None:
        raise RuntimeError("CUDA error: out of memory")

    module.solve = fails
    with pytest.raises(Unavailable, match="out of memory"):
        gpu.GpuProgram(torch.device("cpu"), b"").run("solve", job, 65)
