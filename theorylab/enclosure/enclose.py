"""`tl.enclose`: rigorous bounds of one trajectory, at times or in the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path as FilePath
from typing import Any

from theorylab.certificate import document
from theorylab.certificate import enclosure as written
from theorylab.certificate.domain import conditions
from theorylab.certificate.enclosure import Bounded, Switches
from theorylab.certificate.kernel import check
from theorylab.claims.enclosed import Enclosed
from theorylab.derive.world import World
from theorylab.enclosure.balls import high, low, precision
from theorylab.enclosure.problem import NotEnclosed, OnKink, Problem, problem
from theorylab.enclosure.steps import SLACK, Event, Path
from theorylab.enclosure.tail import Tail, linear, tail
from theorylab.errors import InputError, InternalError, UnsupportedReading
from theorylab.flow import Flow
from theorylab.readings import polynomial as po
from theorylab.readings.array import number
from theorylab.readings.letters import complete_dims
from theorylab.scratch import scratch_folder

MAX_STATE = 16
PRECISIONS = (128, 256, 512)
LONGEST = Fraction(10_000)
"""How long a flow may take until the rest of it is seen to be linear."""

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Bounds:
    """One entry of the quantity lies between two rationals, at a time or (None) in the limit."""

    at: Fraction | None
    low: Fraction
    high: Fraction

    @property
    def width(self) -> Fraction:
        return self.high - self.low


@dataclass(frozen=True)
class Crossing:
    """The argument of a gate has one zero between two times, where it "rises" or "falls"."""

    gate: str
    low: Fraction
    high: Fraction
    direction: str


@dataclass(frozen=True)
class Enclosure:
    """What is known for certain of a trajectory.

    enclosed: whether the checker accepted the certificate; if not, `reason` says why. bounds: of every entry of the
    quantity, in order, at each of the times asked for and last at the end (`final`). crossings: every zero of the
    argument of a gate after the start, by time. zeros: those of the formula that was watched.
    """

    enclosed: bool
    reason: str = ""
    bounds: tuple[Bounds, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    zeros: tuple[Crossing, ...] = ()
    steps: int = 0
    scope: str = ""
    premises: tuple[str, ...] = ()
    certificate: FilePath | None = None
    hash: str = ""

    @property
    def final(self) -> tuple[Bounds, ...]:
        """The bounds at the end of the flow."""
        return tuple(b for b in self.bounds if b.at == self.bounds[-1].at)


def enclose(
    flow: Flow,
    quantity: Formula,
    *,
    case: Mapping[str, Any] | None = None,
    dims: Mapping[str, int] | None = None,
    t_end: Any = None,
    times: Sequence[Any] = (),
    zeros: Formula | None = None,
    width: float = 1e-6,
    out: str | FilePath | None = None,
) -> Enclosure:
    """Bounds of quantity(p), or quantity(p, c), along the flow at one exact case, which the checker has replayed.

    case: an exact number or nested lists of them for every letter of the statement ("gamma", "x", "init.w" where the
    start is not given). t_end: a rational time; without it the flow is followed until its gates no longer change and
    the rest is linear and contracting, and the bounds are those of the limit. times: more times, up to t_end. zeros: a
    scalar formula whose zeros are located. width: how wide the bounds may be. out: a folder for the certificate.

    The state may have 16 entries, which move by polynomials, relu and other piecewise linear functions, quotients, exp,
    log, sqrt and tanh. Intervals widen along a flow: what a few hundred digits do not make up for is not enclosed, and
    said so.
    Raises InputError for bad input.
    """
    if not isinstance(flow, Flow):
        raise InputError(f"enclose got {type(flow).__name__}; expected a flow")
    if not callable(quantity):
        raise InputError(f"the quantity is {type(quantity).__name__}; expected a function of (p) or (p, c)")
    if getattr(flow, "loss", flow) is None:
        raise InputError("enclose got a flow of an arbitrary loss; expected one with loss=..., such as tl.loss.square")
    if not width > 0:
        raise InputError(f"width is {width!r}; expected a positive number")
    end = None if t_end is None else _time(t_end, "t_end")
    stops = sorted({_time(t, "a time") for t in times} | (set() if end is None else {end}))
    if end is not None and stops[-1] > end:
        raise InputError(f"a time is {stops[-1]}; expected at most t_end, which is {end}")
    folder = FilePath(out) if out is not None else scratch_folder()
    wanted = Wanted(stops, end, Fraction(width), folder / "certificates" / "enclosure.json")
    sizes = complete_dims(sorted(flow.sizes), dims, flow.fixed_sizes)
    return _enclose(flow, quantity, zeros, dict(case or {}), sizes, wanted)


def enclose_claim(claim: Enclosed, dims: Mapping[str, int] | None, file: FilePath) -> tuple[Enclosure, dict[str, int]]:
    """The enclosure that decides a claim, with the claim's own bounds in the certificate where they hold; the sizes."""
    flow = claim.subject
    wanted = Wanted(
        () if claim.time is None else (claim.time,), claim.time, (claim.high - claim.low) / 64, file, claim.id,
        claim.premises, (claim.low, claim.high),
    )  # fmt: skip
    sizes = complete_dims(sorted(flow.sizes), dims, flow.fixed_sizes)
    return _enclose(flow, claim.quantity, claim.zeros, claim.at, sizes, wanted), sizes


@dataclass(frozen=True)
class Wanted:
    """The times, how wide the bounds may be, and what the certificate is to be called and to say.

    end: None for the limit. within: bounds that the certificate is to state, if they hold.
    """

    stops: Sequence[Fraction]
    end: Fraction | None
    width: Fraction
    file: FilePath
    claim: str = "enclosure"
    premises: Sequence[str] = ()
    within: tuple[Fraction, Fraction] | None = None


def _time(value: Any, what: str) -> Fraction:
    found = number(value)
    if found <= 0:
        raise InputError(f"{what} is {value!r}; expected a positive rational")
    return found


def _enclose(
    flow: Flow,
    quantity: Formula,
    zeros: Formula | None,
    case: Mapping[str, Any],
    dims: Mapping[str, int],
    wanted: Wanted,
) -> Enclosure:
    try:
        world = World(flow, dims)
        formulas = [c.entry for c in world.components(world.evaluate(quantity))]
        watched = [c.entry for c in world.components(world.evaluate(zeros))] if zeros is not None else []
        if len(watched) > 1:
            raise InputError(f"the formula whose zeros are wanted has {len(watched)} entries; expected a scalar")
        given = problem(flow, dims, case, [*formulas, *(po.atom("step", p) for p in watched)], world)
        return _solved(given, formulas, watched, wanted)
    except (NotEnclosed, UnsupportedReading) as reason:
        return Enclosure(False, f"not enclosed: {reason}")


def _solved(
    given: Problem, formulas: Sequence[po.Polynomial], watched: Sequence[po.Polynomial], wanted: Wanted
) -> Enclosure:
    """Follow the flow with more and more digits, until the bounds are narrow enough."""
    if len(given.state) > MAX_STATE:
        raise NotEnclosed(f"the state has {len(given.state)} entries, at most {MAX_STATE} are followed")
    reason = NotEnclosed("no precision was tried")
    for bits in PRECISIONS:
        with precision(bits):
            try:
                path, rest, found = _followed(given, bits, wanted.stops, wanted.end, formulas)
            except NotEnclosed as failure:
                if isinstance(failure, OnKink) and isinstance(reason, OnKink):
                    break
                reason = failure
                continue
        if all(SLACK * b.width <= wanted.width for b in found):
            bounds = [_rounded(b, wanted.width) for b in found]
            return _certified(given, path, rest, bounds, formulas, watched, wanted)
        reason = NotEnclosed(f"the balls are {float(max(b.width for b in found)):.1e} wide at the end")
    raise reason


def _followed(
    given: Problem, bits: int, stops: Sequence[Fraction], end: Fraction | None, formulas: Sequence[po.Polynomial]
) -> tuple[Path, Tail | None, list[Bounds]]:
    """Follow the flow up to the end, or until its rest is linear; bounds as wide as the balls are."""
    path, found, rest = Path(given, bits), [], None
    for stop in stops:
        while path.time < stop:
            path.advance(stop)
        found += _values(path, formulas, path.box, stop)
    while end is None and rest is None:
        field = path.linear.get(path.signs) or path.linear.setdefault(path.signs, linear(path))
        if field is None and not given.gates:
            raise NotEnclosed("the flow is not linear and contracting after its last kink; expected a t_end")
        rest = tail(path, field) if field is not None and path.steps else None
        if rest is None:
            path.advance(None)
        if path.time > LONGEST:
            raise NotEnclosed(f"the flow is not seen to be linear after the time {LONGEST}; expected a t_end")
    if rest is not None:
        found += _values(path, formulas, rest.limit, None)
    return path, rest, found


def _values(path: Path, formulas: Sequence[po.Polynomial], box: Sequence[Any], at: Fraction | None) -> list[Bounds]:
    return [Bounds(at, low(x), high(x)) for x in path.values(path.signs, formulas, box)]


def _rounded(b: Bounds, width: Fraction) -> Bounds:
    """Bounds with few digits, and a little room for the checker's own rounding."""
    unit = Fraction(1, 2 ** ((8 / width).__ceil__()).bit_length())
    return Bounds(b.at, (b.low // unit - 1) * unit, -((-b.high) // unit - 1) * unit)


def _certified(
    given: Problem,
    path: Path,
    rest: Tail | None,
    bounds: Sequence[Bounds],
    formulas: Sequence[po.Polynomial],
    watched: Sequence[po.Polynomial],
    wanted: Wanted,
) -> Enclosure:
    """Write the certificate and have the checker replay it; without its word nothing is enclosed."""
    count, goals = len(formulas), list[Bounded | Switches]()
    for n, b in enumerate(bounds):
        low, high = b.low, b.high
        if wanted.within is not None and wanted.within[0] <= low and high <= wanted.within[1]:
            low, high = wanted.within
        goals.append(Bounded(f"entry_{n % count}_{n // count}", formulas[n % count], b.at, low, high))
    zeros: list[Event] = []
    for p in watched:
        (gate,) = po.atom("step", p).symbols()
        zeros = [e for e in path.events if e.gate == given.gates.index(gate)]
        goals.append(Switches("zeros", p, wanted.end, tuple(zeros)))
    body = written.body(given, goals, path.steps, rest, path.bits, path.order)
    sealed = document.seal(claim=wanted.claim, premises=wanted.premises, **body)
    file = document.write(sealed, wanted.file)
    (ruling,) = check([file])
    if not ruling.accepted:
        file.unlink()
        return Enclosure(False, f"not enclosed: the checker rejected the certificate ({ruling.reason})")
    if ruling.statement_hash != document.statement_hash(sealed):
        raise InternalError("the checker accepted another statement than the one of the enclosure")
    return Enclosure(
        True,
        bounds=tuple(bounds),
        crossings=tuple(_crossing(given, e) for e in path.events),
        zeros=tuple(_crossing(given, e) for e in zeros),
        steps=len(path.steps),
        scope=ruling.scope,
        premises=conditions(ruling.domain, sealed["statement"]),
        certificate=file,
        hash=str(sealed["seal"]),
    )


def _crossing(given: Problem, event: Event) -> Crossing:
    return Crossing(given.gates[event.gate].name, event.low, event.high, event.direction)
