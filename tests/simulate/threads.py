"""Code generated for a GPU, compiled for the processor: a loop calls the threads of a launch one by one."""

from __future__ import annotations

import ctypes
from functools import cache

import pytest
import torch

from theorylab.simulate.compiler import build
from theorylab.simulate.kernel.gpu import BLOCK
from theorylab.simulate.kernel.nvrtc import Unavailable

_FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-march=native")
needs_cpp = pytest.mark.skipif(
    build('extern "C" int answer() { return 42; }\n', _FLAGS) is None,
    reason="no C++ compiler: the code of GPU threads is not tested here",
)


class Host:
    """The processor in the place of a GPU."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.started: list[str] = []

    def program(self, text: str) -> HostProgram:
        return HostProgram(text, self.started)


class HostProgram:
    def __init__(self, text: str, started: list[str]) -> None:
        self.library, self.started = _built(text), started

    def run(self, entry: str, job: ctypes.Structure, count: int) -> None:
        # A GPU works on a copy of the job.
        own = type(job).from_buffer_copy(job)
        self.started.append(entry)
        self.library.launch(getattr(self.library, entry), -(-count // BLOCK), BLOCK, ctypes.byref(own))


@cache
def _built(text: str) -> ctypes.CDLL:
    found = build(text, _FLAGS)
    if found is None:
        raise Unavailable("the C++ compiler did not build the generated code")
    found.launch.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p]
    found.launch.restype = None
    return found
