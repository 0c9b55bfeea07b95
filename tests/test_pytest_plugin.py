"""The pytest plugin: claims of files and of marked functions as tests."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import theorylab as tl
from theorylab.catalog.collect import collect

pytest_plugins = "pytester"

# An installation that is older than the entry point needs to be told.
GIVEN = () if any(e.name == "theorylab" for e in entry_points(group="pytest11")) else ("-p", "theorylab.pytest_plugin")
LOADED = (tl.verify, tl.Invariant, collect)
"""Loaded once: pytester drops what a run inside of a test imports, and two copies of a class are two classes."""

CLAIMS = """
import theorylab as tl

@tl.model(w="d", v="")
def product(p, x):
    return p.v * (p.w @ x)

flow = tl.GradientFlow(product)
law = tl.Invariant(flow, lambda p: (p.w**2).sum() - p.v**2, name="balance")
control = law.but(quantity=lambda p: (p.w**2).sum() + p.v**2, name="plus")
"""
FALSE = CLAIMS + 'false = tl.Invariant(flow, lambda p: (p.w**2).sum(), name="too much")\n'


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest("-p", "no:cacheprovider", *GIVEN, *arguments)


def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> pytest.RunResult:
    """In a process without other plugins, some of which import torch."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester.runpytest_subprocess("-p", "theorylab.pytest_plugin", *arguments)


def outcome(result: pytest.RunResult, **counts: int) -> str:
    result.assert_outcomes(**counts)
    return result.stdout.str()


def test_files_by_name_and_files_that_are_given(pytester: pytest.Pytester) -> None:
    """A claim passes if it is proved, a control if it is refuted."""
    pytester.makepyfile(my_claims=CLAIMS, claims_more=CLAIMS, conjecture=CLAIMS)
    text = outcome(run(pytester, "--theorylab-seed", "7"), passed=4)
    assert "profile dev: 50 cases a claim, seed 7" in text
    assert re.search(r"my_claims/balance +proved +kernel +all sizes", text)
    assert re.search(r"claims_more/plus +refuted +exact +.* +refuted", text)
    outcome(run(pytester, "conjecture.py"), passed=2)
    outcome(run(pytester, "conjecture.py::plus"), passed=1)
    outcome(run(pytester, "-m", "not theorylab"), deselected=4)


def test_a_failure_shows_statement_verdict_witness_and_how_to_repeat_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(my_claims=FALSE)
    text = outcome(run(pytester, "my_claims.py", "--theorylab-budget", "200"), passed=2, failed=1)
    assert "my_claims/too-much (invariant): too much" in text
    assert "verdict: refuted (exact), d=1, n=1; expected proved or supported" in text
    assert "init.w = [1]" in text
    assert "Traceback" not in text
    # Where the variable CI is set, pytest shows the message in its last summary once more.
    (command,) = set(re.findall(r"reproduce: pytest (.*)", text))
    assert re.fullmatch(r"my_claims.py::too-much --theorylab-budget 200 --theorylab-seed \d+", command)
    again = outcome(run(pytester, *command.split()), failed=1)
    assert f"reproduce: pytest {command}" in again


@pytest.mark.parametrize(("profile", "cases"), [("dev", 50), pytest.param("ci", 500, marks=pytest.mark.slow)])
def test_profiles(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, profile: str, cases: int) -> None:
    """The profile is that of property tests too; ci does not depend on chance."""
    pytester.makepyfile(
        test_profile=f"""
        from hypothesis import given, settings, strategies as st
        seen = []

        @given(st.integers())
        def test_examples(n):
            seen.append(n)

        def test_count():
            assert len(seen) == {cases}
            assert settings.default.derandomize is {profile == "ci"}
            assert settings.default.deadline is None
        """
    )
    outcome(alone(pytester, monkeypatch, "--theorylab-profile", profile), passed=2)


def test_marked_functions_return_claims(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_marked=CLAIMS
        + """
import pytest

@pytest.fixture
def factor():
    return 2

@pytest.mark.theorylab(budget=64, dims={"d": 2}, seed=3)
def test_both():
    return [law, control]

@pytest.mark.theorylab
def test_wrong_factor(factor):
    return tl.Invariant(flow, lambda p: (p.w**2).sum() - factor * p.v**2, name="factor")

@pytest.mark.theorylab(cases=3)
def test_unknown_option():
    return law

@pytest.mark.theorylab
def test_no_claim():
    return 3

def test_ordinary():
    assert law.name == "balance"
"""
    )
    text = outcome(run(pytester, "test_marked.py"), passed=2, failed=3)
    assert "the marker theorylab got 'cases'; expected one of: budget, seed, dims" in text
    assert "the test returned int; expected a claim" in text
    assert re.search(r"verdict: refuted \(exact\).*\n.*", text)


def test_a_file_that_cannot_be_read_is_an_error_in_one_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(bad_claims="import theorylab as tl\nraise ValueError('no')\n")
    text = outcome(run(pytester), errors=1)
    assert "bad_claims.py, line 2: ValueError: no" in text
    assert "Traceback" not in text


def test_foreign_suites_import_nothing_of_ours(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that does not use theorylab pays nothing, not even with files whose names match."""
    pytester.makepyfile(
        insurance_claims="raise RuntimeError('imported')",
        test_foreign="""
        import sys

        def test_light():
            ours = {name for name in sys.modules if name.partition(".")[0] == "theorylab"}
            assert ours <= {"theorylab", "theorylab._version", "theorylab.pytest_plugin"}
            assert not {"torch", "sympy", "flint", "cvxpy"} & set(sys.modules)
        """,
    )
    text = outcome(alone(pytester, monkeypatch), passed=1)
    assert "theorylab: claims" not in text


@pytest.mark.slow
def test_any_folder_and_several_workers(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "my_claims.py").write_text(FALSE)
    command = [sys.executable, "-m", "pytest", *GIVEN, "--theorylab-budget", "200", "deep/my_claims.py", "-n", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 failed, 2 passed" in done.stdout
    assert re.search(r"my_claims/too-much +refuted +exact", done.stdout), "verdicts come back from the workers"
    seeds = re.findall(r"seed (\d+)", done.stdout)
    assert len(set(seeds)) == 1
