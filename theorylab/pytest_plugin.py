"""The pytest plugin: claims as tests.

Files that match `*_claims.py` or `claims_*.py`, and files named on the command line, are searched for claims if they
import theorylab; each claim is one test, which passes if the verdict is the expected one. A test function marked with
`@pytest.mark.theorylab(...)` may return claims, which are judged likewise.

Nothing heavy is imported before the first claim is collected.
"""

from __future__ import annotations

import random
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from theorylab.claims import Claim
    from theorylab.verdict import Verdict

PATTERNS = ("*_claims.py", "claims_*.py")
PROFILES = {"dev": 50, "ci": 500, "nightly": 1_000_000}
"""Cases a claim, by profile. Seeds are drawn anew for each session of `dev`, and fixed for the others."""

MOST_EXAMPLES = 10_000
"""Hypothesis tries at most this many examples of a property test, whatever the profile."""

MOST_TRIALS = 256
"""Runs and cases of a simulation grow with the budget up to this."""

OPTIONS = ("budget", "seed", "dims")
MARKER = (
    "theorylab(budget=None, seed=None, dims=None): judge the claims that the test function returns, with so many cases "
    "a claim, this seed and these sizes"
)
_IMPORTS = re.compile(r"^\s*(?:import|from)\s+theorylab\b", re.MULTILINE)
_TESTS = re.compile(r"^(?:async\s+)?(?:def|class)\s+[Tt]est", re.MULTILINE)
_PROPERTY = "theorylab"


class Unexpected(Exception):
    """A verdict that is not the expected one; the message is what a reader needs."""


@dataclass(frozen=True)
class Effort:
    """How hard claims are attacked."""

    budget: int
    seed: int
    dims: dict[str, int] | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("theorylab", "claims about training dynamics")
    group.addoption("--theorylab-budget", metavar="N", type=_positive, help="cases of the search for each claim")
    group.addoption(
        "--theorylab-profile", choices=tuple(PROFILES), help="how many cases: dev 50 (default), ci 500, nightly 1000000"
    )
    group.addoption("--theorylab-seed", metavar="N", type=_seed, help="seed of the search; dev draws one by default")


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise ValueError(text)
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or not int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    option = config.option
    asked = option.theorylab_profile is not None or option.theorylab_budget is not None
    option.theorylab_profile = option.theorylab_profile or "dev"
    budget = option.theorylab_budget or PROFILES[option.theorylab_profile]
    if asked and not getattr(option, "hypothesis_profile", None):
        _configure_hypothesis(min(budget, MOST_EXAMPLES), option.theorylab_profile != "dev")
    if option.theorylab_seed is None:
        option.theorylab_seed = getattr(config, "workerinput", {}).get("theorylab_seed")
    if option.theorylab_seed is None:
        option.theorylab_seed = random.SystemRandom().getrandbits(32) if option.theorylab_profile == "dev" else 0
    option.theorylab_budget = budget


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Workers of pytest-xdist get the seed of the session."""
    node.workerinput["theorylab_seed"] = node.config.option.theorylab_seed


def _configure_hypothesis(examples: int, derandomize: bool) -> None:
    from hypothesis import settings

    database: dict[str, Any] = {"database": None} if derandomize else {}
    settings.register_profile(
        "theorylab", max_examples=examples, deadline=None, derandomize=derandomize, **database
    )  # fmt: skip
    settings.load_profile("theorylab")


# --- collecting -------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    found: Any = yield
    source = _claims_source(file_path, parent)
    if source is None:
        return found
    others = found if _TESTS.search(source) else [c for c in found if not isinstance(c, pytest.Module)]
    return [ClaimsFile.from_parent(parent, path=file_path), *others]


def _claims_source(path: Path, parent: pytest.Collector) -> str | None:
    """The source of a file that may state claims."""
    if path.suffix != ".py" or path.name in ("conftest.py", "__init__.py"):
        return None
    matches = any(fnmatch(path.name, pattern) for pattern in PATTERNS)
    tests = any(fnmatch(path.name, pattern) for pattern in parent.config.getini("python_files"))
    if tests or not (matches or parent.session.isinitpath(path)):
        return None
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return source if _IMPORTS.search(source) else None


class ClaimsFile(pytest.File):
    """A Python file that states claims."""

    def collect(self) -> Iterator[ClaimItem]:
        from theorylab.catalog.collect import collect
        from theorylab.errors import InputError
        from theorylab.targets import named_values

        try:
            claims = collect(dict(named_values(str(self.path))), self.path.stem)
        except InputError as error:
            raise self.CollectError(str(error)) from None
        for claim_id, claim in claims.items():
            yield ClaimItem.from_parent(self, name=claim_id.partition("/")[2], claim=claim)


class ClaimItem(pytest.Item):
    """One claim. It passes if the verdict is the expected one."""

    def __init__(self, *, claim: Claim, **options: Any) -> None:
        super().__init__(**options)
        self.claim = claim
        self.add_marker(pytest.mark.theorylab)

    def runtest(self) -> None:
        judge(self, [self.claim], _effort(self))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from theorylab.errors import InputError

        if isinstance(excinfo.value, (Unexpected, InputError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"claim {self.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge the claims that a marked test function returns."""
    if pyfuncitem.get_closest_marker("theorylab") is None:
        return None
    # What pytest itself calls a test function with.
    names = pyfuncitem._fixtureinfo.argnames
    returned = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    from theorylab.catalog.collect import claims_in

    claims = [claim for _, claim in claims_in(returned, pyfuncitem.name)]
    if not claims and returned is not None:
        pytest.fail(
            f"the test returned {type(returned).__name__}; expected a claim, or claims in a list", pytrace=False
        )
    try:
        judge(pyfuncitem, claims, _effort(pyfuncitem))
    except Unexpected as error:
        pytest.fail(str(error), pytrace=False)
    return True


# --- judging ----------------------------------------------------------------------------------------------------------


def _effort(item: pytest.Item) -> Effort:
    """The options of the command line, or of the marker that is closest to the test."""
    given: dict[str, Any] = {}
    for marker in item.iter_markers("theorylab"):
        unknown = [*marker.args, *(name for name in marker.kwargs if name not in OPTIONS)]
        if unknown:
            pytest.fail(
                f"the marker theorylab got {unknown[0]!r}; expected one of: {', '.join(OPTIONS)}", pytrace=False
            )
        given = {**marker.kwargs, **given}
    option = item.config.option
    seed = given.get("seed")
    return Effort(
        given.get("budget") or option.theorylab_budget,
        option.theorylab_seed if seed is None else seed,
        given.get("dims"),
    )


def judge(item: pytest.Item, claims: list[Claim], effort: Effort) -> None:
    """Judge claims one after the other; raises Unexpected for the first verdict that is not the expected one."""
    import tempfile

    from theorylab.verify import verify

    for claim in claims:
        with tempfile.TemporaryDirectory(prefix="theorylab-") as folder:
            verdict = verify(
                claim, dims=effort.dims, trials=min(effort.budget, MOST_TRIALS), seed=effort.seed, out=folder,
                budget=effort.budget,
            )  # fmt: skip
        row = [verdict.id, verdict.status, verdict.tier or "-", verdict.scope, verdict.expected or "-"]
        item.user_properties.append((_PROPERTY, [*row, verdict.as_expected]))
        if not verdict.as_expected:
            raise Unexpected(explained(verdict, _command(item, effort)))


def _command(item: pytest.Item, effort: Effort) -> str:
    words = ["pytest", item.nodeid, "--theorylab-budget", str(effort.budget), "--theorylab-seed", str(effort.seed)]
    return shlex.join(words)


def explained(verdict: Verdict, command: str) -> str:
    """Statement, verdict, witness, and the command that repeats it."""
    tier = f" ({verdict.tier})" if verdict.tier else ""
    lines = [
        f"{verdict.id} ({verdict.kind}): {verdict.statement or verdict.title}",
        f"verdict: {verdict.status}{tier}, {verdict.scope}; expected {verdict.expected or 'proved or supported'}",
    ]
    if verdict.premises:
        lines.append(f"under: {'; '.join(verdict.premises)}")
    if verdict.reason:
        lines.append(f"reason: {verdict.reason}")
    if (witness := verdict.counterexample) is not None:
        lines.append(f"witness: {witness.violation}")
        lines += [f"    {name} = {_plain(value)}" for name, value in witness.case.items()]
        lines.append(f"re-checked: {witness.recheck}")
    return "\n".join([*lines, f"reproduce: {command}"])


def _plain(value: Any) -> str:
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, (list, tuple)) else str(value)


# --- the summary ------------------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = [r for group in terminalreporter.stats.values() for r in group if getattr(r, "when", "") == "call"]
    found = {tuple(row) for r in reports for name, row in r.user_properties if name == _PROPERTY}
    if not found:
        return
    from theorylab.progress import table

    option = config.option
    terminalreporter.section("theorylab")
    terminalreporter.write_line(
        f"profile {option.theorylab_profile}: {option.theorylab_budget} cases a claim, seed {option.theorylab_seed}"
    )
    rows = [(*row[:-1], "" if row[-1] else "*") for row in sorted(found)]
    terminalreporter.write_line(table(("id", "status", "tier", "scope", "expected", ""), rows))
