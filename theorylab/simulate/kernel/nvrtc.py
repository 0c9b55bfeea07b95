"""CUDA C++ to machine code by NVRTC, the compiler library of CUDA, which needs neither a GPU nor a CUDA toolkit."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import torch

from theorylab.simulate import compiler

# Doubles as on the processor: no product is fused with a sum that the source does not fuse, and nothing is approximate.
OPTIONS = ("--std=c++17", "--fmad=false")


class Unavailable(Exception):
    """Code for a GPU that cannot be built or started, with the reason in one sentence."""


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """NVRTC: the one that torch brings, or one that the system finds; None where there is none."""
    wanted = (torch.version.cuda or "").split(".")[0]
    names = [f"libnvrtc.so.{major}" for major in dict.fromkeys([wanted, "13", "12"]) if major]
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for name in names:
        for place in (name, *(str(path) for folder in folders for path in sorted(folder.glob(f"*/lib/{name}")))):
            try:
                return ctypes.CDLL(place)
            except OSError:
                continue
    return None


@lru_cache(maxsize=1)
def version() -> str:
    """Version of NVRTC, as 13.0."""
    found = library()
    assert found is not None
    major, minor = ctypes.c_int(), ctypes.c_int()
    found.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def machine_code(text: str, architecture: str) -> bytes:
    """Machine code of CUDA C++ for an architecture such as "sm_90", found in the cache of compiled code or compiled.

    Raises Unavailable with what NVRTC says.
    """
    if library() is None:
        raise Unavailable("NVRTC was not found")
    parts = [text, version(), architecture, *OPTIONS]
    kept = compiler.cache_folder() / f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}.cubin"
    if compiler.is_ours(kept):
        return kept.read_bytes()
    started = time.perf_counter()
    try:
        code = _compiled(text, [f"--gpu-architecture={architecture}", *OPTIONS])
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            built = Path(folder) / "built.cubin"
            built.write_bytes(code)
            built.chmod(0o600)
            built.replace(kept)
    except OSError as error:
        raise Unavailable(f"compiled code cannot be kept: {error.strerror}") from error
    finally:
        compiler.seconds_spent += time.perf_counter() - started
    return code


def _compiled(text: str, options: list[str]) -> bytes:
    found = library()
    assert found is not None
    program = ctypes.c_void_p()
    if found.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"ensemble.cu", 0, None, None):
        raise Unavailable("NVRTC did not take the generated code")
    try:
        words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if found.nvrtcCompileProgram(program, len(options), words):
            log = _read(program, "nvrtcGetProgramLog").decode(errors="replace")
            fault = next((line for line in log.splitlines() if "error" in line), "no reason was given")
            raise Unavailable(f"NVRTC did not build the generated code ({fault.strip()})")
        return _read(program, "nvrtcGetCUBIN")
    finally:
        found.nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, what: str) -> bytes:
    """What a compiled program holds: NVRTC tells the size of everything before it copies it."""
    size = ctypes.c_size_t()
    getattr(library(), f"{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(library(), what)(program, buffer)
    return buffer.raw
