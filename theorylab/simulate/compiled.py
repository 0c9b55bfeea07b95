"""Formulas of a flow as generated C, for ensembles of small models.

The exact reading gives a graph of shared scalar sub-expressions; it is written as straight-line C, one row after the
other, compiled once and cached by content. Generated source holds nothing from a user but numbers and generated
names. Where there is no compiler, no exact reading, or the graph is too large, callers keep to torch.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.readings import expression as ex

MAX_NODES = 20_000
FLAGS = ("-O2", "-fPIC", "-shared", "-ffp-contract=off")
HEADER = """#include <math.h>
#define STEP(x) ((x) > 0.0 ? 1.0 : (x) == 0.0 ? GATE : 0.0)
#define SIGN(x) ((x) > 0.0 ? 1.0 : (x) == 0.0 ? 0.0 : -1.0)
"""
CALLS = {
    "step": "STEP", "sign": "SIGN", "sqrt": "sqrt", "exp": "exp", "log": "log", "tanh": "tanh", "sin": "sin", "cos": "cos",
    "arcsinh": "asinh",
}  # fmt: skip


@lru_cache(maxsize=1)
def compiler() -> tuple[str, ...] | None:
    """The system's C compiler as setuptools would find it, or None."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc"):
        words = shlex.split(command or "")
        found = shutil.which(words[0]) if words else None
        if found:
            return (found, *words[1:])
    return None


def source(roots: Sequence[ex.Expression], inputs: Sequence[str], gate: float) -> str:
    """C for `void rows(long n, const double *in, double *out)`: n rows of inputs to n rows of root values."""
    place = {name: f"x[{i}]" for i, name in enumerate(inputs)}
    lines: list[str] = []
    value: dict[int, str] = {}
    for node in ex.topological(roots):
        match node.op:
            case "const":
                value[id(node)] = f"({float(node.args[0])!r})"
                continue
            case "var":
                value[id(node)] = place[node.args[0]]
                continue
            case "add":
                text = " + ".join(value[id(a)] for a in node.args)
            case "mul":
                text = " * ".join(value[id(a)] for a in node.args)
            case "pow":
                text = _power(value[id(node.args[0])], node.args[1])
            case _:
                text = f"{CALLS[node.args[0]]}({value[id(node.args[1])]})"
        name = f"v{len(lines)}"
        lines.append(f"    const double {name} = {text};")
        value[id(node)] = name
    lines += [f"    y[{i}] = {value[id(root)]};" for i, root in enumerate(roots)]
    body = "\n".join(lines)
    return (
        f"#define GATE {gate!r}\n{HEADER}void rows(long n, const double *in, double *out) {{\n  for (long b = 0; b < n; b++) {{\n"
        f"    const double *x = in + b * {len(inputs)};\n    double *y = out + b * {len(roots)};\n{body}\n  }}\n}}\n"
    )


def _power(base: str, exponent: int) -> str:
    if exponent == -1:
        return f"1.0 / {base}"
    if 0 < exponent <= 4:
        return " * ".join([base] * exponent)
    return f"pow({base}, {exponent}.0)"


def cache_folder() -> Path:
    """Where compiled code is kept: owned by the user and closed to others, or else a private temporary folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theorylab" / "compiled"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = base.stat()
        if (
            not base.is_symlink()
            and state.st_uid == os.getuid()
            and not state.st_mode & 0o077
            and os.access(base, os.W_OK)
        ):
            return base
    except OSError:
        pass
    return _private_folder()


@lru_cache(maxsize=1)
def _private_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="theorylab-"))


@lru_cache(maxsize=1)
def _compiler_version() -> str:
    found = compiler()
    assert found is not None
    done = subprocess.run([*found, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else found[0]


def _is_ours(library: Path) -> bool:
    """Whether a cached library is a plain file that only this user can have written."""
    try:
        state = library.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o022


def load(text: str) -> Callable[[np.ndarray, int], np.ndarray] | None:
    """Compile (or find) a source and return rows -> values; None where that fails."""
    found = compiler()
    if found is None:
        return None
    key = hashlib.sha256("\0".join([text, _compiler_version(), *FLAGS]).encode()).hexdigest()
    library = cache_folder() / f"{key}.so"
    if not _is_ours(library):
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            code, built = Path(folder) / "rows.c", Path(folder) / "rows.so"
            code.write_text(text)
            done = subprocess.run(
                [*found, *FLAGS, str(code), "-o", str(built), "-lm"], capture_output=True, timeout=120, check=False
            )
            if done.returncode:
                return None
            built.chmod(0o700)
            built.replace(library)
    rows = ctypes.CDLL(str(library)).rows
    rows.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    rows.restype = None

    def run(inputs: np.ndarray, width: int) -> np.ndarray:
        out = np.empty((len(inputs), width))
        rows(len(inputs), inputs.ctypes.data, out.ctypes.data)
        return out

    return run


class Formula:
    """Compiled roots as a function of (t, y, rows), with the case values of each trial held."""

    def __init__(self, run: Any, width: int, constants: Tensor, with_time: bool) -> None:
        self.run, self.width, self.with_time = run, width, with_time
        self.constants = np.ascontiguousarray(constants.numpy())
        self._selected: tuple[Tensor, np.ndarray] | None = None

    def __call__(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        if self._selected is None or self._selected[0] is not rows:
            self._selected = (rows, self.constants[rows.numpy()])
        parts = [y.detach().numpy(), self._selected[1]]
        if self.with_time:
            parts.append(t.detach().numpy()[:, None])
        return torch.from_numpy(self.run(np.ascontiguousarray(np.concatenate(parts, 1)), self.width))


def compile_formula(
    roots: Sequence[ex.Expression], state: Sequence[str], constants: dict[str, Tensor], gate: float
) -> Formula | None:
    """Roots over state names and constants (each (trials,)) as a `Formula`; None where compiling is not possible."""
    names = ex.variables(roots)
    if len(ex.topological(roots)) > MAX_NODES:
        return None
    held = sorted(names - set(state) - {"t"})
    missing = [n for n in held if n not in constants]
    if missing:
        return None
    with_time = "t" in names
    inputs = [*state, *held, *(["t"] if with_time else [])]
    run = load(source(roots, inputs, gate))
    if run is None:
        return None
    trials = len(next(iter(constants.values()))) if constants else 1
    stacked = torch.stack([constants[n] for n in held], 1) if held else torch.zeros(trials, 0, dtype=torch.float64)
    return Formula(run, len(roots), stacked, with_time)
