"""`tl.discover`: every conservation law of a flow up to a degree, and whether the list is complete."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from theorylab import ops
from theorylab.certificate import document
from theorylab.certificate.kernel import Ruling, check
from theorylab.certificate.laws import certificate
from theorylab.claims import Invariant
from theorylab.derive.laws.ansatz import Ansatz, Checker, check_degree, cost
from theorylab.derive.laws.cells import cells, dead_units
from theorylab.derive.laws.closure import MAX_DEPTH
from theorylab.derive.laws.count import Cell, Count, count_laws
from theorylab.derive.laws.recognise import Family, Reader, quantity
from theorylab.derive.laws.system import Formulas, System, formulas, has_functions, is_gated, system
from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.flow import Flow
from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.readings.letters import complete_dims
from theorylab.scratch import scratch_folder
from theorylab.verdict import Verdict

Progress = Callable[[str], None]
LONG = 5.0
"""Seconds from which a search announces what it needs."""
CELLS = 8
ORDERS = ((2, 3), (3, 3), (5, 4), (7, MAX_DEPTH))
"""Orders of the Taylor polynomials in the inputs that are tried, each with the longest brackets."""


@dataclass(frozen=True)
class Law:
    """One conservation law: its text, and its terms as (coefficient, names of the factors)."""

    text: str
    terms: tuple[tuple[Any, tuple[str, ...]], ...]

    @property
    def degree(self) -> int:
        return max(len(names) for _, names in self.terms)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Laws:
    """What `discover` found; `count` laws are independent, and there are at most `bound`.

    families: the laws by name, for example "W1 W1' - W2' W2". solutions: the dimension of the space of polynomial laws,
    which products of laws enlarge. cells: the number of laws for each cell that was tried, for networks with gates.
    """

    flow: Flow
    dims: Mapping[str, int]
    degree: int
    seed: int
    laws: tuple[Law, ...]
    families: tuple[Family, ...]
    result: Count
    cells: tuple[int, ...] = ()
    dead: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def count(self) -> int:
        """How many independent laws were found."""
        return self.result.count

    @property
    def bound(self) -> int:
        """How many independent laws there are at most, by the Lie closure of the fields."""
        return self.result.bound

    @property
    def gap(self) -> int:
        """How many independent laws may be missing; 0 means that the list is complete."""
        return self.bound - self.count

    @property
    def interrupted(self) -> bool:
        """Whether the search was stopped before its end."""
        return self.result.interrupted

    @property
    def notes(self) -> tuple[str, ...]:
        return self.result.system.formulas.notes

    @property
    def complete(self) -> bool:
        """Whether there are no further laws, by a certificate that the independent checker accepted."""
        return self.gap == 0 and self.certified

    @property
    def certified(self) -> bool:
        """Whether the checker accepted the certificate of the count and of the bound."""
        return self._ruling is not None and self._ruling.accepted

    @property
    def tier(self) -> str:
        """ "kernel" where the checker accepted the certificate, else "numeric"."""
        return "kernel" if self.certified else "numeric"

    @property
    def certificate(self) -> str | None:
        """The path of the accepted certificate."""
        return str(self._path) if self.certified else None

    @property
    def scope(self) -> str:
        sizes = ", ".join(f"{n}={v}" for n, v in sorted(self.dims.items())) or "no sizes"
        return f"{sizes}, on a cell" if self.result.cell is not None else sizes

    @property
    def id(self) -> str:
        sizes = "-".join(f"{n}{v}" for n, v in sorted(self.dims.items()))
        return f"laws/{self.flow.name}{f'-{sizes}' if sizes else ''}"

    @cached_property
    def _path(self) -> Path:
        folder = self.folder if self.folder is not None else scratch_folder()
        return folder / "certificates" / f"{self.id}.json"

    @cached_property
    def _ruling(self) -> Ruling | None:
        if self.interrupted or not self.result.rational:
            return None
        from theorylab import agreement

        agreement.compare(self.flow, [], complete_dims(sorted(self.flow.sizes), self.dims), self.seed)
        try:
            sealed = certificate(self.id, self.result, self.flow.state, self.dims, self.notes)
        except UnsupportedReading:
            return None
        path = document.write(sealed, self._path)
        (ruling,) = check([path])
        if ruling.accepted and ruling.statement_hash != document.statement_hash(sealed):
            raise InternalError(f"the checker accepted another statement than the one of {self.id}")
        return ruling

    def invariants(self) -> tuple[Invariant, ...]:
        """The families that are whole matrices, vectors or numbers, as claims for symbolic sizes."""
        system = self.result.system
        units = [note.rpartition("/")[2] for note in self.notes if note.startswith("time in units of 1/")]

        def factor(name: str, c: Any) -> Any:
            if name != system.names[-1] or system.clock is None:
                return c[name]
            if system.clock == 0:
                return c.t
            rate: Any = system.clock
            for unit in units:
                rate = c[unit] * rate
            return ops.exp(c.t * rate)

        found = []
        for number, family in enumerate(self.families):
            formula = quantity(family, self.flow.state, factor)
            if formula is not None:
                name = f"{self.flow.name} law {number + 1}"
                found.append(Invariant(self.flow, formula, name=name, title=family.body))
        return tuple(found)

    def for_all_sizes(self, *, trials: int = 16, device: str | None = None) -> tuple[Verdict, ...]:
        """The families proved for symbolic sizes by `tl.verify`; complete lists are certified at given sizes."""
        from theorylab.verify import verify

        return tuple(
            verify(claim, dims=self.dims, trials=trials, seed=self.seed, device=device, out=self.folder)
            for claim in self.invariants()
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "dims": dict(self.dims),
            "degree": self.degree,
            "seed": self.seed,
            "count": self.count,
            "bound": self.bound,
            "gap": self.gap,
            "complete": self.complete,
            "tier": self.tier,
            "scope": self.scope,
            "families": [f.text for f in self.families],
            "laws": [law.text for law in self.laws],
            "cells": list(self.cells),
            "dead": list(self.dead),
            "notes": list(self.notes),
            "interrupted": self.interrupted,
            "certificate": self.certificate,
        }

    def __str__(self) -> str:
        lines = [f"{self.flow.name} [{self.scope}]: {sentence(self)}"]
        lines += [f"  {text}" for text in [*(f.text for f in self.families), *self.unnamed]]
        lines += [f"  dead unit: {unit}" for unit in self.dead]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    @cached_property
    def unnamed(self) -> tuple[str, ...]:
        """The laws that belong to no family."""
        covered = sum(f.counted for f in self.families)
        return tuple(law.text for law in self.laws[covered:])


def sentence(laws: Laws) -> str:
    """What is known of the number of laws, in one sentence."""
    found = f"{laws.count} independent conservation law{'s' * (laws.count != 1)} up to degree {laws.degree}"
    if laws.interrupted:
        return f"{found} before the interruption; the list may lack some"
    if laws.gap:
        return f"{found}, at most {laws.bound} in all: a gap of {laws.gap}"
    return f"{found}, and no others ({'certified' if laws.certified else 'numeric evidence'})"


def discover(
    flow: Flow,
    *,
    dims: Mapping[str, int] | None = None,
    degree: int = 2,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Laws:
    """All polynomial conservation laws up to a degree in the parameters, with a bound on how many laws there are.

    A law is constant along the flow for every data set and every differentiable loss; where the flow has a data set,
    for its inputs, every target and every loss. Laws of flows with weight decay or momentum may contain exp(kappa t),
    or t. dims: sizes (small defaults). out: folder of the certificate. The checker runs when `complete` is first read.
    Raises InputError for bad input, and where the search needs more memory than there is.
    """
    if not isinstance(flow, (FirstOrder, SecondOrder)):
        raise InputError(f"discover got {type(flow).__name__}; expected a flow of a model, tl.GradientFlow(model, ...)")
    check_degree(degree)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed!r}; expected an integer from 0 to 2^64 - 1")
    tell: Progress = progress or (lambda text: None)
    sizes = complete_dims(sorted(flow.sizes), dims, flow.fixed_sizes)
    tell("reading the forward map")
    try:
        result, tried, dead = _searched(flow, sizes, degree, random.Random(seed), tell)
    except UnsupportedReading as error:
        raise InputError(
            f"the laws of {flow.name!r} are out of reach, {error}; expected a forward map of sums, products, powers, "
            "relu, exp, tanh, sin, cos, sqrt and their like"
        ) from None
    return _presented(flow, sizes, degree, seed, result, tried, dead, Path(out) if out is not None else None)


def _searched(
    flow: FirstOrder | SecondOrder, sizes: Mapping[str, int], degree: int, rng: random.Random, tell: Progress
) -> tuple[Count, tuple[int, ...], tuple[str, ...]]:
    """The count, the counts of all cells that were tried, and the dead units of the cell of the first."""
    given = formulas(flow, sizes)
    tried: list[int] = []
    dead: tuple[str, ...] = ()
    if is_gated(given):
        best: Count | None = None
        for cell, patterns in cells(given, rng, CELLS):
            found = _counted(system(given, patterns), degree, rng, tell, cell=cell)
            tried.append(found.count)
            if best is None or found.count < best.count:
                best, dead = found, dead_units(found, patterns)
            if found.interrupted:
                break
        assert best is not None
        result = best
    elif has_functions(given):
        result = _expanded(given, degree, rng, tell)
    else:
        result = _counted(system(given), degree, rng, tell)
    return result, tuple(tried), dead


def _expanded(given: Formulas, degree: int, rng: random.Random, tell: Progress) -> Count:
    """The count of a model with functions: outputs are expanded in the input until the list is complete."""
    exact = system(given, order=0)
    best: Count | None = None
    for order, depth in ORDERS:
        tell(f"Taylor coefficients in the input up to order {order}")
        try:
            found = _counted(system(given, order=order), degree, rng, tell, exact=exact, max_depth=depth)
        except UnsupportedReading:
            if best is None:
                raise
            break
        if best is None or found.bound - found.count <= best.bound - best.count:
            best = found
        if best.interrupted or best.bound == best.count:
            break
    assert best is not None
    return best


def _counted(
    made: System,
    degree: int,
    rng: random.Random,
    tell: Progress,
    cell: Cell | None = None,
    exact: System | None = None,
    max_depth: int = MAX_DEPTH,
) -> Count:
    _announce(made, degree, tell)
    return count_laws(made, degree, cell=cell, exact=exact, rng=rng, tell=tell, max_depth=max_depth)


def _free_memory() -> float:
    """Gigabytes of memory that are free; where the system does not say, 8."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1e6
    except (OSError, ValueError):
        pass
    return 8.0


def _announce(made: System, degree: int, tell: Progress) -> None:
    """Say what a long search needs; refuse one that needs more memory than there is."""
    ansatz = Ansatz(made.dimension, degree, made.dimension - 1 if made.clock is not None else None)
    needs = cost(made.fields, ansatz)
    free = _free_memory()
    text = (
        f"laws of degree {degree} in {made.dimension} coordinates: {needs.unknowns} unknown coefficients, "
        f"about {needs.gigabytes:.1f} GB and {needs.seconds:.0f} s"
    )
    if needs.gigabytes > 0.8 * free:
        raise InputError(f"{text}, but {free:.1f} GB of memory are free; expected smaller sizes or a lower degree")
    if needs.seconds > LONG:
        tell(text)


def _presented(
    flow: FirstOrder | SecondOrder,
    sizes: Mapping[str, int],
    degree: int,
    seed: int,
    result: Count,
    tried: tuple[int, ...],
    dead: tuple[str, ...],
    folder: Path | None,
) -> Laws:
    made = result.system
    reader = Reader(made.names, made.formulas.shapes)
    own = result.laws[len(made.formulas.constants) :]
    families, rest = reader.families(own, Checker(made.polynomial_fields))
    named = [law for law in own if not any(law is other for other in rest)]
    shown = tuple(
        Law(reader.text(p), tuple((c, tuple(made.names[n] for n in m)) for m, c in sorted(p.items())))
        for p in [*named, *rest]
    )
    counted = {s for shape in [*flow.state.values(), *made.formulas.input_shapes.values()] for s in shape}
    return Laws(
        flow=flow,
        dims={n: v for n, v in sizes.items() if n in counted},
        degree=degree,
        seed=seed,
        laws=shown,
        families=tuple(families),
        result=result,
        cells=tried,
        dead=dead,
        folder=folder,
    )
