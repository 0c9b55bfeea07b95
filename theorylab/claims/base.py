"""What every claim is: a statement, the goals that imply it, and the tests that could refute it.

Engines know only `Goal` and `Test`. A new kind of claim is one class, here or in a user's file.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.readings.array import Array, is_number
from theorylab.readings.namespace import Case, Namespace, arity, call
from theorylab.scheme import Scheme
from theorylab.setting import Setting
from theorylab.verdict import Figure

Subject = Setting | Flow | Scheme
Formula = Callable[..., Any]
Sense = Literal["==", "<=", ">="]


@dataclass(frozen=True)
class Source:
    """Where a statement comes from: a paper and a place in it."""

    paper: str = ""
    title: str = ""
    arxiv: str | None = None
    place: str = ""
    note: str = ""

    def claim(self, place: str, note: str = "") -> Source:
        return replace(self, place=place, note=note)

    def __str__(self) -> str:
        parts = [self.title, f"arXiv {self.arxiv}" if self.arxiv else "", self.place, self.note]
        return ", ".join(p for p in parts if p)


def paper(key: str, title: str, arxiv: str | None = None) -> Source:
    """A paper as the source of claims: `paper("du-2018", "...", arxiv="1806.00900").claim("theorem 2.1")`."""
    return Source(key, title, arxiv)


# --- goals: what proves a claim -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A formula that is to hold for every case, and every state where the subject moves.

    derived: it is a step of a proof, and what the claim itself says is in its tests.
    """

    name: str
    subject: Any
    derived: bool = False


@dataclass(frozen=True, kw_only=True)
class Zero(Goal):
    """formula(c), or formula(p, c), is zero. sides: two formulas whose difference it is, for a certificate to show."""

    formula: Formula
    sides: tuple[Any, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Conserved(Goal):
    """formula(p, c) does not change along the flow."""

    formula: Formula


@dataclass(frozen=True, kw_only=True)
class Evolves(Goal):
    """The derivative of formula(p, c) along the flow is == (or <=, >=) rate(p, c)."""

    formula: Formula
    rate: Any
    sense: Sense = "=="


@dataclass(frozen=True, kw_only=True)
class NonNegative(Goal):
    """formula >= 0, or > 0 if strict."""

    formula: Formula
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class Conjugates(Goal):
    """map(p, c) carries solutions of `subject` to solutions of `to`, run at `time` times the speed.

    unique: the field of `to` also has to be smooth, so that each start has one solution.
    """

    to: Flow
    map: Formula
    time: Any = 1
    unique: bool = False


# --- tests: what could refute a claim ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Slope:
    """What a test of kind "slope" asks: how an observation behaves as a variable is walked along a ladder of values.

    variable: one of the setting, or "t". ladder: its values, on their way to the limit. exponent(c): what the local
    slope of log|observation| against log(variable) is to tend to (or to at least, at most); None where the observation
    is only to tend to zero. vanishing(p, c): what has to vanish in a run for the run to count.
    """

    variable: str
    ladder: tuple[float, ...]
    exponent: Formula | None = None
    sense: Sense = "=="
    vanishing: Formula | None = None


@dataclass(frozen=True, kw_only=True)
class Average:
    """What a test of kind "mean" asks: that the mean of an observation is what `claimed`(c) says, or at least, at most.

    The protocol is fixed here, before any run: `samples` cases, an interval at level `confidence`, by the rule for
    `values`: "boolean" (0 or 1), a range (low, high), or None. margin: within what an equality is meant, a number, or
    None for a hundredth of what is claimed. over: the variables that are random; the others are held fixed, at `groups`
    values each of which gets its own interval. None: all variables are random. seed: added to that of the verification.
    """

    claimed: Formula
    sense: Sense = "=="
    confidence: float = 0.999
    margin: float | None = None
    values: Any = None
    samples: int = 4096
    over: tuple[str, ...] | None = None
    groups: int = 4
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Test:
    """Something to observe. kind: the observation is to be zero, or nonnegative, or what `slope` or `mean` says.

    where: "case" (cases of a setting), "state" (any state of the flow), "run" (all along the run from c.init),
    "end" (where the run ends, with the state as c.end). scale: what a residual is compared with. sides: the size of
    what an inequality compares, in which the search measures how near a run comes to breaking it.
    A `premise` is not claimed but taken for granted: where it fails, the claim says nothing.
    """

    name: str
    kind: Literal["zero", "nonnegative", "slope", "mean"]
    where: Literal["case", "state", "run", "end"]
    subject: Any
    observe: Formula
    scale: Formula | None = None
    sides: Formula | None = None
    strict: bool = False
    horizon: float | None = None
    tolerance: float | None = None
    premise: bool = False
    slope: Slope | None = None
    mean: Average | None = None


# --- claims --------------------------------------------------------------------------------------------------------

Expected = Literal["proved", "supported", "refuted", "inconclusive"]
SETTLE = ("t_end", "gtol", "atol", "trials", "horizon", "max_steps", "tolerance", "tolerances", "ladder")
META = (
    "name",
    "title",
    "source",
    "quantifier",
    "expect",
    "control_of",
    "settle",
    "horizon",
    "statement",
    "premises",
    "note",
    "figures",
)


class Claim(ABC):
    """A statement about a setting, a flow or a scheme.

    Keyword arguments of every kind: name, title, source, quantifier ("every" or "almost every"), expect (the status
    that is expected), horizon (how long runs last), settle (options of the runs: t_end, gtol, trials, atol, ...),
    statement (TeX), premises (stated in words; without any, a claim about ends of runs is not supported where some blow
    up), figures (functions of the seed of a run that give a tl.Figure each),
    note (a remark for its page in the report).
    """

    kind: ClassVar[str] = "claim"

    def __init__(self, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        unknown = set(meta) - set(META)
        if unknown:
            raise InputError(
                f"{type(self).__name__} got the unknown option {sorted(unknown)[0]!r}; "
                f"expected one of: {', '.join(META)}"
            )
        self._arguments = dict(arguments)
        self._meta = dict(meta)
        self.name: str = meta.get("name") or ""
        self.source: Source | None = meta.get("source")
        self.quantifier: str = meta.get("quantifier", "every")
        self.expected: Expected | None = meta.get("expect")
        self.control_of: str | None = meta.get("control_of")
        self.horizon: float | None = meta.get("horizon")
        if self.horizon is not None and not (is_number(self.horizon) and 0 < self.horizon < math.inf):
            raise InputError(f"horizon is {self.horizon!r}; expected a positive number, how long runs last")
        self.settle: dict[str, Any] = dict(meta.get("settle") or {})
        self.note: str = meta.get("note", "")
        self.figures: tuple[Callable[[int], Figure], ...] = tuple(meta.get("figures") or ())
        self._id = ""
        if self.quantifier not in ("every", "almost every"):
            raise InputError(f"quantifier is {self.quantifier!r}; expected 'every' or 'almost every'")
        if self.expected is not None and self.expected not in get_args(Expected):
            raise InputError(f"expect is {self.expected!r}; expected one of: {', '.join(get_args(Expected))}")
        if not all(callable(figure) for figure in self.figures):
            raise InputError(f"figures is {meta['figures']!r}; expected functions of the seed that give a tl.Figure")
        for option in self.settle:
            if option not in SETTLE:
                raise InputError(f"settle has the unknown option {option!r}; expected one of: {', '.join(SETTLE)}")

    @property
    def subject(self) -> Any:
        return self._arguments["subject"]

    @property
    def setting(self) -> Setting:
        return self.subject if isinstance(self.subject, Setting) else self.subject.setting

    @property
    def id(self) -> str:
        return self._id or slug(self.name) or self.kind

    @property
    def title(self) -> str:
        return self._meta.get("title") or self.name or self.id

    @property
    def premises(self) -> tuple[str, ...]:
        return tuple(self._meta.get("premises", ()))

    @property
    def premised(self) -> bool:
        """Whether the statement names premises of its own, beside those that its kind implies."""
        return bool(self._meta.get("premises"))

    @property
    def tex(self) -> str:
        return self._meta.get("statement") or ""

    def named(self, id: str) -> Self:
        """Set the id under which the claim is listed (done once, by whoever collects claims)."""
        self._id = id
        return self

    @abstractmethod
    def goals(self) -> Sequence[Goal]:
        """Formulas that together imply the claim; () if no rule for it exists."""

    @abstractmethod
    def tests(self) -> Sequence[Test]:
        """What to observe, in which runs."""

    def then(self) -> str:
        """The conclusion in words."""
        return self.title

    def but(self, **changes: Any) -> Self:
        """A control: the claim with arguments or options changed, expected to be refuted."""
        reset = dict.fromkeys(("title", "statement", "figures", "note"))
        meta = {**self._meta, **reset, "expect": "refuted", "control_of": self.name or self.id}
        arguments = dict(self._arguments)
        for name, value in changes.items():
            if name in META:
                meta[name] = value
            elif name == "setting" and "subject" in arguments:
                arguments["subject"] = with_setting(self.subject, value)
            elif name in arguments:
                arguments[name] = value
            else:
                known = ", ".join([*arguments, *(["setting"] if "subject" in arguments else []), *META])
                raise InputError(f"{type(self).__name__}.but got {name!r}; expected one of: {known}")
        if "name" not in changes:
            meta["name"] = f"{self.name or self.kind} changed"
        return self._rebuilt(arguments, meta)

    def without(self, assumption: str, **changes: Any) -> Self:
        """A control: the claim with one hypothesis dropped, expected to be refuted."""
        name = changes.pop("name", f"{self.name or self.kind} without {assumption}")
        return self.but(setting=self.setting.without(assumption), name=name, **changes)

    def _rebuilt(self, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> Self:
        return type(self)(**arguments, **{k: v for k, v in meta.items() if v is not None})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def with_setting(subject: Any, setting: Setting) -> Any:
    """The subject over another setting."""
    if isinstance(subject, Setting):
        return setting
    if isinstance(subject, Scheme):
        return replace(subject, flow=replace(subject.flow, setting=setting))
    return replace(subject, setting=setting)


def checked_flow(subject: Any, kind: str) -> Any:
    if not isinstance(subject, Flow):
        raise InputError(f"{kind} got {type(subject).__name__}; expected a flow")
    return subject


def checked_quantity(value: Any, what: str = "quantity") -> Any:
    if not callable(value):
        raise InputError(f"the {what} is {type(value).__name__}; expected a function of the parameters (p) or (p, c)")
    arity(value)
    return value


def of_case(given: Any, what: str, hint: str = "") -> Formula:
    """A function of the case alone, or a number, as a function of the case."""
    if is_number(given):
        return lambda c: given
    if not callable(given) or arity(given) != 1:
        shown = f"a function of {arity(given)} arguments" if callable(given) else type(given).__name__
        raise InputError(
            f"{what} is {shown}; expected a function of the case (c){f', where {hint}' if hint else ''}, or a number"
        )
    return given


def observed(value: Any) -> Any:
    """The value of a quantity, which has to be an array or a number."""
    if isinstance(value, (Array, int, float)) or hasattr(value, "numerator"):
        return value
    raise InputError(f"a quantity is {type(value).__name__}; expected a scalar or an array of the parameters")


def starting(formula: Formula, flow: Flow, c: Case) -> Any:
    """The value of a formula at the start of the run that c is a view of (of `flow` from c, if it is of none)."""
    return call(formula, *(flow.start(c) if c.base is None else c.flow.start(c.base)))


def loss_along(p: Any, c: Any) -> Any:
    """The loss at a state of a run, of the flow that is run: an unknown loss is run as a given one."""
    return c.flow.objective(p, c)


def slopes(formula: Formula, p: Any, c: Any) -> list[Any]:
    """The derivative of a formula along a run of which (p, c) is the view: the part of each state, and that of time."""
    from theorylab import ops

    flow, case = c.flow, c.base
    state = {**p, **({f"integral.{n}": value for n, value in c.integral.items()} if flow.integrals else {})}
    moving = Namespace({**state, "t": c.t})
    velocity = {**flow.velocity(state, case, c.t), "t": c.t * 0 + 1}

    def of(q: Namespace) -> Any:
        return call(formula, *flow.view({n: q[n] for n in state}, case, q["t"]))

    return [ops.derivative(of, moving, {name: rate}) for name, rate in velocity.items()]
