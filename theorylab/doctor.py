"""What is installed, what is skipped without it, and why."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One part: `found` says what is there, `purpose` what it is for, which is what is skipped without it."""

    part: str
    status: Literal["ok", "skipped", "missing"]
    found: str
    purpose: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# Distribution: what theorylab does with it.
_REQUIRED = {
    "numpy": "arrays",
    "scipy": "reference integrators, linear programs",
    "sympy": "formulas and their printing",
    "python-flint": "exact arithmetic, enclosures",
    "torch": "ensembles of trajectories",
    "hypothesis": "search for counterexamples",
    "cvxpy": "convex predictions",
    "clarabel": "convex predictions",
    "typer": "the command line",
    "rich": "the command line",
    "Jinja2": "reports in html",
    "ziamath": "mathematics in reports",
    "matplotlib": "plots in reports",
    "typst": "reports in pdf",
}
_OPTIONAL = {
    "z3-solver": ("z3", "counter-models"),
    "scikit-learn": ("sklearn", "small real data sets for experiments"),
    "dask": ("dask", "ensembles over several machines"),
    "pytest": ("test", "the test suite"),
    "pytest-xdist": ("test", "the test suite in parallel"),
    "ruff": ("lint", "code style"),
    "pyright": ("lint", "type checking"),
}
_PROGRAMS = {
    "Coq": (("coqc", "rocq"), "--version", "tier coq of verdicts; skipped: proved verdicts stay at tier kernel"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "--version", "tests that look at html reports"),
}


def examine() -> list[Finding]:
    """Look at the interpreter, the packages, the programs and the GPU; starts programs, imports torch."""
    return [
        _python(),
        *_packages(),
        *_extras(),
        *_compiler(),
        *(_program(part) for part in _PROGRAMS),
        _mathcomp(),
        _gpu(),
        _nvrtc(),
    ]


def _python() -> Finding:
    system = "" if sys.platform == "linux" else "; theorylab is tested on Linux only"
    ok = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} on {platform.system()}{system}"
    return Finding("python", "ok" if ok else "missing", found, "3.11 or newer")


def _packages() -> list[Finding]:
    return [
        Finding(name, "ok", version, purpose)
        if (version := _version(name))
        else Finding(name, "missing", f"not installed: pip install {name}", purpose)
        for name, purpose in _REQUIRED.items()
    ]


def _extras() -> list[Finding]:
    return [
        Finding(name, "ok", version, purpose)
        if (version := _version(name))
        else Finding(name, "skipped", f"not installed: pip install 'theorylab[{extra}]'", purpose)
        for name, (extra, purpose) in _OPTIONAL.items()
    ]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _compiler() -> list[Finding]:
    """The compiler that simulate uses, and the state of the folder with what it built."""
    from theorylab.simulate import compiler

    purpose = "fused ensemble kernels; skipped: torch integrates alone"
    command = compiler.compiler()
    if command is None:
        return [
            Finding("C compiler", "skipped", "neither $CC nor the compiler of python nor cc nor gcc is found", purpose)
        ]
    answer = _ask(*command, "--version")
    builds = compiler.build("int answer(void) { return 42; }\n", ()) is not None
    found = f"{answer or command[0]}{'' if builds else ': builds nothing that loads'}"
    state, kept = (
        compiler.cache_state(),
        "compiled kernels are kept between processes; skipped: compiled again each time",
    )
    return [
        Finding("C compiler", "ok" if builds else "skipped", found, purpose),
        Finding("kernel cache", "ok" if not state.fault else "skipped", state.text, kept),
    ]


def _program(part: str) -> Finding:
    names, flag, purpose = _PROGRAMS[part]
    path = next((path for name in names if (path := shutil.which(name))), None)
    if path is None:
        return Finding(part, "skipped", f"none of {', '.join(names)} is on the PATH", purpose)
    answer = _ask(path, flag)
    return Finding(part, "ok", answer, purpose) if answer else Finding(part, "skipped", f"{path} does not run", purpose)


def _ask(*command: str) -> str | None:
    """The first line that a program prints, or None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter((done.stdout or done.stderr).splitlines()), "").strip() or None


def _mathcomp() -> Finding:
    from theorylab.certificate.coqc import NEEDED

    purpose = "tier coq of verdicts (verify --coq), make coq; skipped: proved verdicts stay at tier kernel"
    coqc = shutil.which("coqc")
    where = _ask(coqc, "-where") if coqc else None
    if where is None:
        return Finding("mathcomp", "skipped", "needs Coq", purpose)
    folder = Path(where, "user-contrib", "mathcomp")
    absent = [part for part in NEEDED if not (folder / part).is_dir()]
    if absent:
        return Finding("mathcomp", "skipped", f"not installed beside Coq: {', '.join(absent)}", purpose)
    return Finding("mathcomp", "ok", os.fspath(folder), purpose)


def _gpu() -> Finding:
    purpose = "larger ensembles (--device cuda); skipped: they run on the CPU"
    try:
        import torch
    except ImportError as error:
        return Finding("GPU", "skipped", f"torch cannot be imported: {error}", purpose)
    if not torch.cuda.is_available():
        reason = "no CUDA device is visible" if torch.version.cuda else "this build of torch has no CUDA"
        return Finding("GPU", "skipped", reason, purpose)
    return Finding("GPU", "ok", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}", purpose)


def _nvrtc() -> Finding:
    purpose = "generated code on a GPU for small ensembles; skipped: batched torch runs there"
    try:
        from theorylab.simulate.kernel import gpu, nvrtc
    except ImportError as error:
        return Finding("NVRTC", "skipped", f"torch cannot be imported: {error}", purpose)
    reason = gpu.obstacle()
    return Finding("NVRTC", "skipped" if reason else "ok", reason or nvrtc.version(), purpose)
