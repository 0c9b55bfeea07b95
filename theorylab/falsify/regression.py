"""Counterexamples as regression tests: the text to paste, and the functions that the text calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab.claims.base import Claim
from theorylab.errors import InputError
from theorylab.falsify.cases import CaseCode, Code, coded, nested
from theorylab.falsify.cause import LawBroken
from theorylab.falsify.evaluate import shown
from theorylab.falsify.judge import Judge, Rejected
from theorylab.falsify.strategies import ExactCase, violation
from theorylab.falsify.target import targets
from theorylab.readings.letters import Dims

EXACT = """from hypothesis import example, given

from theorylab.falsify.regression import exact_case, hold
from theorylab.falsify.strategies import cases
{claim}


@example(
    case=exact_case(
        claim,
        dims={dims},
        values={{{values}}},
    )
)
@given(case=cases(claim))
def test_{name}(case):
    hold(case)
"""
RUN = """from theorylab.falsify.regression import run_holds
{claim}


def test_{name}():
    run_holds(
        claim,
        dims={dims},
        values={{{values}}},
    )
"""
RESOLVED = """from theorylab.targets import resolve

claim = dict(resolve("{target}"))["{id}"]"""


def exact_text(claim: Claim, dims: Dims, code: CaseCode, position: Code, case: Mapping[str, Any]) -> str:
    """A property test whose explicit example is a case of a claim; `case` is what a reader sees of it."""
    return _text(EXACT, claim, dims, code, position, case)


def run_text(claim: Claim, dims: Dims, code: CaseCode, position: Code, case: Mapping[str, Any]) -> str:
    """A test of one run."""
    return _text(RUN, claim, dims, code, position, case)


def _text(template: str, claim: Claim, dims: Dims, code: CaseCode, position: Code, case: Mapping[str, Any]) -> str:
    point = code.exact(position)
    letters = {b.name: _plain(case[b.name] if b.defined else nested(b.name, b.shape, point)) for b in code.blocks}
    values = "".join(f'\n            "{n}": {v},' for n, v in letters.items()) + "\n        " if letters else ""
    paper, _, rest = claim.id.partition("/")
    found = "# claim = the claim under test"
    if rest:
        from theorylab.catalog import papers

        target = claim.id if paper in papers() else f"{paper}.py"
        found = RESOLVED.format(target=target, id=claim.id)
    name = "".join(c if c.isalnum() else "_" for c in rest or paper)
    return template.format(claim=found, dims=dict(dims), values=values, name=name)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    text = str(value)
    return text if text.lstrip("-").isdigit() else f'"{text}"'


def exact_case(claim: Claim, *, dims: Dims, values: Mapping[str, Any]) -> ExactCase:
    """The case of a claim with the values given, nested lists of integers or "p/q" by letter name.

    It is a case of what it contradicts, or of the first thing that the claim says of these letters. Raises InputError
    where the claim says nothing of such a case.
    """
    found: ExactCase | None = None
    for target in targets(claim, dims):
        if {b.name for b in target.code.blocks} != set(values):
            continue
        widened, position = _placed(target.code, values)
        case = ExactCase(Judge(replace(target, code=widened), claim.quantifier), position)
        found = found or case
        if violation(case) is not None:
            return case
    if found is None:
        raise InputError(
            f"the claim {claim.id!r} says nothing of a case of {', '.join(sorted(values)) or 'no letters'}"
        )
    return found


def hold(case: ExactCase) -> None:
    """Raise LawBroken where the case contradicts its claim, decided exactly."""
    try:
        finding = case.judge.decide(case.code)
    except Rejected:
        return
    raise LawBroken(f"the value is {shown(finding.value)} at {case!r}")


def run_holds(claim: Claim, *, dims: Dims, values: Mapping[str, Any]) -> None:
    """Raise LawBroken where the run from these values contradicts a claim, by two methods and for neighbours too."""
    from theorylab.falsify.runs import Runs

    for test in claim.tests():
        if test.premise or test.kind not in ("zero", "nonnegative") or test.where not in ("run", "end"):
            continue
        runs = Runs(claim, test, {n: dims[n] for n in dims})
        if {b.name for b in runs.code.blocks} != set(values):
            continue
        runs.code, position = _placed(runs.code, values)
        for stretch in runs.stretches:
            runs.stretch = stretch
            (found,) = runs.recheck(np.array([position]))
            if found is None:
                continue
            raise LawBroken(f"{test.name} is {found.residuals[-1]:.6g} in size")


def _placed(code: CaseCode, values: Mapping[str, Any]) -> tuple[CaseCode, Code]:
    """A code that holds the values, and where they lie in it."""
    return coded(code, {e: v for b in code.blocks for e, v in zip(b.entry_names(), _flat(values[b.name]), strict=True)})


def _flat(value: Any) -> Iterator[Fraction]:
    if isinstance(value, list):
        for part in value:
            yield from _flat(part)
    else:
        yield Fraction(value)
