"""The system's C compiler, and a cache of what it built."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from theorylab.scratch import scratch_folder

# No multiplication is fused with an addition that the source does not fuse, so that vectors and scalars round alike.
FLAGS = ("-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno")
TIME_LIMIT = 120
KEPT = 64

# Seconds spent in the compiler by this process: the price of first calls.
seconds_spent = 0.0


@lru_cache(maxsize=1)
def compiler() -> tuple[str, ...] | None:
    """The system's C compiler as setuptools would find it, or None."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc"):
        try:
            words = shlex.split(command or "")
        except ValueError:  # a quotation that is not closed
            continue
        found = shutil.which(words[0]) if words else None
        if found:
            return (found, *words[1:])
    return None


@dataclass(frozen=True)
class CacheState:
    """The folder of compiled code; `fault` says why it is not used, "" where it is. libraries: how many it holds."""

    folder: Path
    fault: str
    libraries: int

    @property
    def text(self) -> str:
        return (
            f"{self.folder} is not used: {self.fault}" if self.fault else f"{self.folder}, {self.libraries} libraries"
        )


def cache_state() -> CacheState:
    """Look at the folder of compiled code, making it where it is missing."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = (given if given.is_absolute() else Path.home() / ".cache") / "theorylab" / "compiled"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        fault = _fault(base, 0o077) or _fault(base.parent, 0o022)
        count = 0 if fault else sum(path.suffix == ".so" for path in base.iterdir())
    except OSError as error:
        return CacheState(base, error.strerror or "it cannot be read", 0)
    return CacheState(base, fault, count)


def _fault(folder: Path, closed: int) -> str:
    """Why a folder is not trusted: `closed` are the permission bits that it must not have."""
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode):
        return f"{folder.name} is no folder"
    if state.st_uid != os.getuid():
        return f"{folder.name} belongs to another user"
    if state.st_mode & closed:
        return f"others may {'write to' if state.st_mode & 0o022 else 'read'} {folder.name}"
    return "" if os.access(folder, os.W_OK) else f"{folder.name} is read-only"


def cache_folder() -> Path:
    """Where compiled code is kept: owned by the user and closed to others, or else a private temporary folder."""
    state = cache_state()
    return _private_folder() if state.fault else state.folder


@lru_cache(maxsize=1)
def _private_folder() -> Path:
    return scratch_folder()


@lru_cache(maxsize=1)
def _compiler_version() -> str:
    found = compiler()
    assert found is not None
    done = subprocess.run([*found, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else found[0]


@lru_cache(maxsize=1)
def cpu_features() -> str:
    """What the processor can do, as the system lists it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    wanted = ("flags", "Features", "cpu family", "model", "CPU part")
    return "\n".join([platform.machine(), *sorted({line for line in lines if line.split("\t")[0] in wanted})])


def is_ours(library: Path) -> bool:
    """Whether a cached library is a plain file that only this user can have written."""
    try:
        state = library.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o022


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _is_whole(library: Path) -> bool:
    """Whether a library is the file that was built, by the digest in its name; one that is not is removed."""
    whole = library.stem.endswith(_digest(library))
    if not whole:
        library.unlink(missing_ok=True)
    return whole


class Libraries:
    """Libraries that this process has built or found, by what they were made from; a failure is tried again."""

    def __init__(self) -> None:
        self._found: dict[Any, ctypes.CDLL] = {}

    def get(self, key: Any, make: Callable[[], ctypes.CDLL | None]) -> ctypes.CDLL | None:
        """The library for `key`, or what `make` returns."""
        found = self._found.get(key)
        if found is None and (found := make()) is not None:
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[key] = found
        return found


def build(text: str, flags: Sequence[str]) -> ctypes.CDLL | None:
    """The shared library of a C source: found in the cache or compiled; None where that fails.

    The cache's key holds source, compiler, flags and CPU features, and the name of a library also what the file holds:
    one that was cut short or changed is built again. Several processes may build the same library at the same time:
    each compiles in a folder of its own and moves the result to its place in one operation.
    """
    global seconds_spent
    found = compiler()
    if found is None:
        return None
    options = [*FLAGS, *flags]
    parts = [text, *found, _compiler_version(), *options, cpu_features()]
    folder, key = cache_folder(), hashlib.sha256(chr(0).join(parts).encode()).hexdigest()
    library = next((path for path in folder.glob(f"{key}-*.so") if is_ours(path) and _is_whole(path)), None)
    if library is None:
        started = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                code, built = Path(own) / "source.c", Path(own) / "built.so"
                code.write_text(text)
                command = [*found, *options, str(code), "-o", str(built), "-lm"]
                done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT, check=False)
                if done.returncode:
                    return None
                built.chmod(0o700)
                library = folder / f"{key}-{_digest(built)}.so"
                built.replace(library)
        except (OSError, subprocess.TimeoutExpired):
            return None
        finally:
            seconds_spent += time.perf_counter() - started
    try:
        return ctypes.CDLL(str(library))
    except OSError:
        return None
