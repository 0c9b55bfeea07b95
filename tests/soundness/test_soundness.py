"""True and false claims over all kinds: no false one is proved or supported, no true one is refuted.

The claims are in the other files of this folder, as users write them, with a line of mathematics where one is needed.
A tenth of them is run by every test run, all of them every night.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl

HERE = Path(__file__).parent
THEMES = {p.stem: import_module(f"tests.soundness.{p.stem}") for p in HERE.glob("[a-z]*.py") if "test_" not in p.stem}
TABLES = {True: "TRUE", False: "FALSE"}
CASES = [
    (theme, truth, name)
    for theme in sorted(THEMES)
    for truth, table in TABLES.items()
    for name in getattr(THEMES[theme], table)
]
EVERY = 10

ALONG = "it is proved where u ≠ 0 all along"
OPEN = {
    "a chain": "the last step is an argument by hand",
    "fails outside of an inequality": "the claim that is said to fail is supported",
    "no product vanishes almost surely": "the claim that is said to fail is supported",
    "a sign from a root": ALONG,
    "a pole that is passed": ALONG,
    "a tangent rises": ALONG,
    "norms grow to infinity": "do not decide about an exponent of 0.3333",
    "a slow limit": "0 of 6 runs converged",
    "a slow limit, not 0": "0 of 6 runs converged",
    "a logarithm": "do not decide about an exponent of 0",
    "a logarithm as a power": "do not decide about an exponent of 1.9",
    "a tiny number is 0": "0 of 6 runs converged",
    "the root of s, true to nine digits": "for a hundred times tighter tolerance",
}
"""Claims that are left open, each with the reason that the verdict has to give."""


def parameters() -> Any:
    for number, (theme, truth, name) in enumerate(CASES):
        marks = [] if number % EVERY == 0 else [pytest.mark.slow]
        label = f"{theme}: {name}, {'true' if truth else 'false'}"
        yield pytest.param(theme, truth, name, marks=marks, id=label)


@pytest.mark.parametrize(("theme", "truth", "name"), list(parameters()))
def test_no_verdict_is_wrong(theme: str, truth: bool, name: str, tmp_path: Path) -> None:
    module = THEMES[theme]
    claim = getattr(module, TABLES[truth])[name].but(name=name)
    options = {"trials": 8, **getattr(module, "DEFAULT", {}), **getattr(module, "OPTIONS", {}).get(name, {})}
    verdict = tl.verify(claim, **options, out=tmp_path)
    assert verdict.status not in (("refuted",) if truth else ("proved", "supported")), verdict.reason
    if verdict.status == "inconclusive":
        assert OPEN.get(name, "not listed as open") in verdict.reason


def test_the_suite_is_large_and_little_is_left_open() -> None:
    for truth in TABLES:
        assert sum(t is truth for _, t, _ in CASES) >= 60
    names = [name for _, _, name in CASES]
    assert len(set(names)) == len(names)
    assert set(OPEN) <= set(names)
    assert 10 * len(OPEN) <= len(names)


def test_every_kind_of_claim_is_there() -> None:
    kinds = {type(getattr(THEMES[theme], TABLES[truth])[name]) for theme, truth, name in CASES}
    assert kinds == {
        tl.Conjugate, tl.Enclosed, tl.Evolution, tl.Fails, tl.Identity, tl.Inequality, tl.Invariant, tl.Limit, tl.Mean,
        tl.NoFunctional, tl.Rank, tl.Scaling, tl.Sparsity, tl.Theorem, tl.Trajectory,
    }  # fmt: skip
