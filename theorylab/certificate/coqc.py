"""Coq as a process: compile a script beside the library of `proofs_check/coq`, and read the assumptions it prints.

Compiled files never lie beside the sources: whoever compiles names a folder.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from theorylab.errors import InternalError

TIME_LIMIT = 180  # seconds of a processor
IDLE = 10  # so many times longer it may take where others use the processor too
LIBRARY = "theorylab"
NEEDED = ("algebra", "algebra_tactics", "analysis", "classical", "ssreflect")
CLOSED = "Closed under the global context"


@dataclass(frozen=True)
class Compiled:
    """What the compiler said of one file: `reason` is empty if it compiled.

    `assumptions` has one entry for each `Print Assumptions`, in order: the names of the axioms, none if it is closed.
    """

    reason: str
    assumptions: tuple[tuple[str, ...], ...] = ()


@cache
def missing() -> str:
    """Why nothing can be compiled here, or an empty string."""
    if shutil.which("coqc") is None:
        return "coqc is not on the PATH"
    asked = subprocess.run(["coqc", "-where"], capture_output=True, text=True, timeout=20, check=False)
    folder = Path(asked.stdout.strip(), "user-contrib", "mathcomp")
    absent = [part for part in NEEDED if not (folder / part).is_dir()]
    return f"Coq lacks mathcomp's {', '.join(absent)}" if absent else ""


@cache
def version() -> str:
    """The compiler's own name and version."""
    asked = subprocess.run(["coqc", "--version"], capture_output=True, text=True, timeout=20, check=True)
    return asked.stdout.splitlines()[0].strip()


def library() -> Path:
    """The folder with the sources of the library."""
    spec = find_spec("proofs_check")
    if spec is None or spec.origin is None:
        raise InternalError("the package proofs_check is not installed beside theorylab")
    return Path(spec.origin).parent / "coq"


def copy_library(folder: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """Copy the library (or some of its files) to `folder`; the copies in an order in which they compile."""
    for source in library().glob("*.v"):
        if not names or source.stem in names:
            shutil.copy(source, folder)
    files = sorted(path.name for path in folder.glob("*.v"))
    done = subprocess.run(
        ["coqdep", "-sort", "-Q", ".", LIBRARY, *files],
        cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [folder / word for word in done.stdout.split()]


def compile_file(path: Path, limit: int = TIME_LIMIT) -> Compiled:
    """Compile a script in its own folder, the library's name for Coq; at most `limit` seconds of a processor."""
    command = ["coqc", "-q", "-w", "none", "-Q", ".", LIBRARY, path.name]
    limited = ["sh", "-c", f'ulimit -t {limit} && exec "$@"', "sh", *command]
    too_long = Compiled(f"compiling {path.name} takes more than {limit} s")
    try:
        done = subprocess.run(
            limited, cwd=path.parent, capture_output=True, text=True, timeout=IDLE * limit, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return too_long
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return too_long
    if done.returncode:
        return Compiled(" ".join(done.stderr.split())[-400:] or f"coqc ended with code {done.returncode}")
    return Compiled("", assumptions(done.stdout))


def assumptions(output: str) -> tuple[tuple[str, ...], ...]:
    """The answers to `Print Assumptions` in what the compiler printed, without the names of modules."""
    found: list[tuple[str, ...]] = []
    for block in re.split(rf"^(?=Axioms:|{CLOSED})", output, flags=re.MULTILINE)[1:]:
        names = re.findall(r"^([A-Za-z_][\w.']*)\s*(?::|$)", block.partition("\n")[2], flags=re.MULTILINE)
        found.append(tuple(sorted(name.rpartition(".")[2] for name in names)))
    return tuple(found)
