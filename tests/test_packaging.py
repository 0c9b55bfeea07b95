"""The package as users get it: the wheel, its one version, the public names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import theorylab as tl
from theorylab.catalog import index

ROOT = Path(__file__).parents[1]
PACKAGES = ("theorylab", "proofs_check")


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", "out", "."]
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (folder / "out").glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == sources
    assert {"theorylab/py.typed", "theorylab/catalog/index.json", "theorylab/templates/conjecture.py"} <= packed


def test_the_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", *install], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    theorylab = str(site / "bin" / "theorylab")
    assert run(theorylab, "--version") == f"theorylab {tl.__version__}\n"
    assert json.loads(run(theorylab, "list", "--json"))["claims"] == index()
    assert run(theorylab, "new", "mine.py").startswith("wrote mine.py")
    where = "import theorylab, proofs_check; print(theorylab.__file__, *proofs_check.__path__, sep='\\n')"
    assert all(Path(line).is_relative_to(site) for line in run(sys.executable, "-c", where).splitlines())
    claims = "from theorylab.targets import resolve; print(len(resolve('mine.py')))"
    assert run(sys.executable, "-c", claims) == "2\n"


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == tl.__version__  # type: ignore[index]
    assert f"## {tl.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_pin_every_dependency() -> None:
    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=\[; ]", line)[0].lower().replace("_", "-") for line in lines}

    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert names([*project["dependencies"], *extras["test"], *extras["lint"]]) <= names(lines)
    assert all(">=" in item and "==" not in item for item in project["dependencies"])


# --- the public names -----------------------------------------------------------------------------------------------

# A verb has the name of the module that it lives in.
VERBS = ("falsify", "model", "report", "simulate", "verify")


@pytest.mark.parametrize("name", tl.__all__)
def test_public_name(name: str) -> None:
    value = getattr(tl, name)
    assert value is getattr(tl, name)
    assert name in dir(tl)


def test_a_verb_stays_a_function_whatever_is_imported_first() -> None:
    program = """
import sys, types
from itertools import permutations

for verb in VERBS:
    steps = [
        f"import theorylab.{verb}",
        "import theorylab as tl",
        f"from theorylab import {verb} as direct",
        f"from theorylab.{verb} import {verb} as inner",
        f"from importlib import import_module; import_module('theorylab.{verb}')",
    ]
    for first in permutations(steps, 2):
        order = [*first, *(step for step in steps if step not in first)]
        for name in [name for name in sys.modules if name.partition(".")[0] == "theorylab"]:
            del sys.modules[name]
        names = {}
        for step in order:
            exec(step, names)
        function = getattr(names["tl"], verb)
        assert isinstance(function, types.FunctionType), (order, function)
        assert function is names["direct"] is names["inner"], order
"""
    python(f"VERBS = {VERBS!r}\n{program}")


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, theorylab; print(sorted(n for n in sys.modules if n.startswith('theorylab')))"
    assert python(program) == "['theorylab', 'theorylab._version']\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conjecture'"):
        _ = tl.conjecture  # type: ignore[attr-defined]
