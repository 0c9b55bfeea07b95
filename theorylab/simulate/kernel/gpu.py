"""Generated code on an NVIDIA GPU: loaded by torch, and started with one thread a trajectory."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from theorylab.simulate.kernel import nvrtc
from theorylab.simulate.kernel.nvrtc import Unavailable

# A block is one warp: threads of a small ensemble spread over all multiprocessors.
BLOCK = 32


class Gpu:
    """One CUDA device of torch."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.architecture = "sm_{}{}".format(*torch.cuda.get_device_capability(device))

    def program(self, text: str) -> GpuProgram:
        """Build and load CUDA C++. Raises Unavailable."""
        return GpuProgram(self.device, nvrtc.machine_code(text, self.architecture))


class GpuProgram:
    """Loaded code whose entries take a pointer to a job."""

    def __init__(self, device: torch.device, code: bytes) -> None:
        self.device = device
        with torch.cuda.device(device):
            torch.cuda.current_stream().synchronize()
            self._module: Any = torch.cuda._utils._cuda_load_module(code)

    def run(self, entry: str, job: ctypes.Structure, count: int) -> None:
        """Start an entry with a thread for each of `count` trials; pointers in the job are those of the device."""
        held = torch.frombuffer(bytearray(job), dtype=torch.uint8).to(self.device)
        with torch.cuda.device(self.device):
            try:
                getattr(self._module, entry)(grid=(-(-count // BLOCK), 1, 1), block=(BLOCK, 1, 1), args=[held])
            except RuntimeError as error:
                raise Unavailable(f"the GPU did not start the generated code ({error})") from error


def obstacle() -> str:
    """Why no generated code runs on a CUDA device of this process, or ""."""
    if torch.version.hip:
        return "generated code is for NVIDIA GPUs"
    if not hasattr(torch.cuda._utils, "_cuda_load_module"):
        return f"torch {torch.__version__} loads no generated code"
    return "" if nvrtc.library() is not None else "NVRTC was not found"


def find(device: str) -> Gpu | str:
    """The GPU for generated code on a device of torch, or why there is none."""
    if torch.device(device).type != "cuda":
        return f"the device is {device}"
    return obstacle() or Gpu(torch.device(device))
