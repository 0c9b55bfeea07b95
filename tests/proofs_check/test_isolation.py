"""The checker is alone: standard library only, in a folder of its own, without site-packages."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import proofs_check
from tests.proofs_check import laws
from tests.proofs_check.documents import encode

PACKAGE = Path(proofs_check.__file__).parent
FORBIDDEN = {"eval", "exec", "compile", "__import__", "open"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-E", "-s", "-B", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the checker and one certificate of each rule, and nothing else."""
    shutil.copytree(PACKAGE, tmp_path / "proofs_check", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("linear", "off_diagonal", "printed_path"):
        (tmp_path / f"{name}.json").write_bytes(encode(laws.ALL[name]()))
    return tmp_path


def test_accepts_in_an_empty_folder(folder: Path) -> None:
    done = run(folder, "-m", "proofs_check", "linear.json", "off_diagonal.json", "printed_path.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "ACCEPTED  linear.json  test/claim  [all sizes]"
    assert lines[1].startswith("ACCEPTED  off_diagonal.json  test/claim  [d=1, k=2, m=1, n=1]")
    assert lines[2].startswith("ACCEPTED  printed_path.json  test/claim  [d=3, n=3]")


def test_rejects_with_exit_code_one(folder: Path) -> None:
    (folder / "bad.json").write_bytes(b"\xff" * 100)
    done = run(folder, "-m", "proofs_check", "linear.json", "bad.json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "REJECTED  bad.json: parser: not ASCII text"


def test_loads_nothing_from_outside(folder: Path) -> None:
    """After a check every loaded module is proofs_check or of the standard library."""
    code = (
        "import sys; sys.path.insert(0, '.'); import proofs_check, proofs_check.__main__\n"
        "assert proofs_check.check(open('linear.json', 'rb').read()).accepted\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = run(folder, "-I", "-c", code)
    assert done.stderr == ""
    loaded = set(done.stdout.split()) - {"proofs_check", "__main__"}
    assert loaded <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_imports_only_the_standard_library(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= set(sys.stdlib_module_names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            assert node.module.partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN
