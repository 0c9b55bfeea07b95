"""Conservation laws of several flows at several sizes: what `theorylab discover` prints and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theorylab.catalog.rows import Row
from theorylab.claims import Claim
from theorylab.claims.base import slug
from theorylab.discover import Laws, discover
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.targets import named_values
from theorylab.verdict import Verdict

COMPLETE, UNEXPECTED, GAP = 0, 1, 3
"""Exit codes: every list is complete, or as its row says; a count differs from the one of its row; a list has a gap."""

Told = Callable[[str], None]
Runs = Mapping[str, Any]
"""Trials and device of the simulations beside proofs for all sizes; None where those are not asked for."""


@dataclass(frozen=True)
class Line:
    """The laws of one flow at some sizes; `expected` are the counts and the gap of a row of the table, if it is one."""

    name: str
    found: tuple[Laws, ...]
    expected: tuple[int, ...] | None = None
    gap: int = 0
    remark: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def for_all_sizes(self) -> tuple[str, ...]:
        """What `tl.verify` said of each family for symbolic sizes, where that was asked for."""
        return tuple(f"{v.title}: {v.status}, {v.scope}" for v in self.verdicts)

    @property
    def as_expected(self) -> bool:
        if self.expected is None:
            return all(laws.complete for laws in self.found)
        counts = tuple(laws.count for laws in self.found)
        return counts == self.expected and all(laws.gap == self.gap and laws.certified for laws in self.found)

    @property
    def counts(self) -> str:
        return ", ".join(str(laws.count) for laws in self.found)

    @property
    def sizes(self) -> str:
        return "; ".join(_sizes(laws.dims) for laws in self.found)

    @property
    def laws(self) -> tuple[str, ...]:
        """The laws at the first sizes, families first."""
        first = self.found[0]
        return (*(f.text for f in first.families), *first.unnamed)

    @property
    def status(self) -> str:
        """certified or numeric, and whether the list is complete."""
        tier = "certified" if all(laws.certified for laws in self.found) else "numeric"
        if self.found[0].result.cell is not None:
            tier += ", on a cell"
        gaps = sorted({laws.gap for laws in self.found})
        return f"{tier}, complete" if gaps == [0] else f"{tier}, gap {gaps[-1]}"


def _sizes(dims: Mapping[str, int]) -> str:
    return ", ".join(f"{n}={v}" for n, v in sorted(dims.items())) or "no sizes"


def flows_of(targets: Iterable[str]) -> list[tuple[str, Flow]]:
    """The flows of models that targets name, directly or in claims, each once with its name."""
    found: dict[int, tuple[str, Flow]] = {}
    for target in targets:
        before = len(found)
        for name, value in named_values(target):
            for flow in _flows_in(value):
                found.setdefault(id(flow), (name, flow))
        if len(found) == before and not any(_flows_in(v) for _, v in named_values(target)):
            raise InputError(f"{target!r} has no flow of a model; expected one such as tl.GradientFlow(model)")
    names = [name for name, _ in found.values()]
    return [(name, flow.with_(name=slug(name)) if names.count(name) == 1 else flow) for name, flow in found.values()]


def _flows_in(value: Any) -> list[Flow]:
    if isinstance(value, (FirstOrder, SecondOrder)):
        return [value]
    if isinstance(value, Claim):
        subjects = [t.subject for t in value.tests()] + [g.subject for g in value.goals()]
        return [s for s in subjects if isinstance(s, (FirstOrder, SecondOrder))]
    if isinstance(value, (list, tuple)):
        return [flow for item in value for flow in _flows_in(item)]
    if isinstance(value, dict):
        return [flow for item in value.values() for flow in _flows_in(item)]
    return []


def survey(
    flows: Iterable[tuple[str, Flow]],
    dims: Mapping[str, int] | None,
    degree: int,
    seed: int,
    folder: Path,
    tell: Told,
    runs: Runs | None = None,
) -> Iterator[Line]:
    """The laws of each flow, at those of the sizes that it has. A flow that cannot be read is told of and left out."""
    given = list(flows)
    known = set().union(*(flow.sizes for _, flow in given))
    for size in dims or {}:
        if size not in known:
            raise InputError(
                f"dims gives a value to the unknown size {size!r}; expected one of: {', '.join(sorted(known))}"
            )
    for name, flow in given:
        own = {n: v for n, v in (dims or {}).items() if n in flow.sizes}

        def progress(text: str, name: str = name) -> None:
            tell(f"{name}: {text}")

        try:
            laws = discover(flow, dims=own, degree=degree, seed=seed, out=folder, progress=progress)
        except InputError as error:
            if len(given) == 1:
                raise
            progress(str(error))
            continue
        progress("asking the checker")
        _ = laws.complete
        yield Line(name, (laws,), verdicts=_for_all_sizes(laws, progress, runs))
        if laws.interrupted:
            break


def _for_all_sizes(laws: Laws, tell: Told, runs: Runs | None) -> tuple[Verdict, ...]:
    if runs is None or laws.interrupted:
        return ()
    tell("proving the families for all sizes")
    return laws.for_all_sizes(**runs)


def table(rows: Iterable[Row], seed: int, folder: Path, tell: Told, runs: Runs | None = None) -> Iterator[Line]:
    """The table of known models, counted anew."""
    for row in rows:
        tell(row.name)
        found = []
        for dims in row.sizes:
            named = row.flow.with_(name=slug(row.name))
            found.append(discover(named, dims=dims, degree=row.degree, seed=seed, out=folder))
            _ = found[-1].complete
        expected = tuple(row.count(**dims) for dims in row.sizes)
        verdicts = _for_all_sizes(found[0], tell, runs)
        yield Line(row.name, tuple(found), expected, row.gap, row.remark, verdicts)
        if any(laws.interrupted for laws in found):
            break


def collected(lines: Iterable[Line]) -> tuple[list[Line], bool]:
    """The lines as far as they come, and whether an interrupt ended them."""
    found: list[Line] = []
    try:
        for line in lines:
            found.append(line)
    except KeyboardInterrupt:
        if not found:
            raise
        return found, True
    return found, any(laws.interrupted for line in found for laws in line.found)


def exit_code(lines: Iterable[Line]) -> int:
    """0 where every line is as expected; otherwise 1 for a row of the table, 3 for a list with a gap."""
    wrong = [line for line in lines if not line.as_expected]
    if any(line.expected is not None for line in wrong):
        return UNEXPECTED
    return GAP if wrong else COMPLETE


def to_json(line: Line) -> list[dict[str, Any]]:
    """One verdict for each size."""
    expected = line.expected or (None,) * len(line.found)
    return [
        {
            **laws.to_json(),
            "id": laws.id,
            "name": line.name,
            "status": "proved" if laws.complete else "inconclusive",
            "expected": None if count is None else {"count": count, "gap": line.gap},
            "all_sizes": [{"title": v.title, "status": v.status, "scope": v.scope} for v in line.verdicts],
        }
        for laws, count in zip(line.found, expected, strict=True)
    ]


def shown(line: Line) -> str:
    """A line of the table, or all that is known of one flow."""
    if line.expected is None:
        return "\n".join([str(line.found[0]), *(f"  {text}" for text in line.for_all_sizes)])
    mark = "" if line.as_expected else f"  * expected {', '.join(map(str, line.expected))}, gap {line.gap}"
    return f"{line.name} [{line.sizes}]: {line.counts} ({line.status}){mark}"
