"""Settings: the typed variables that a statement quantifies over, and the hypotheses about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from theorylab.draw import Draw, constant, normal
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.array import Array, Size, is_number
from theorylab.readings.namespace import Case, Namespace

Shape = tuple[Size, ...]
Make = Callable[[str, Shape, str], Array]


def parse_shape(text: str, what: str) -> Shape:
    """ "k d" -> ("k", "d"); "2 d" -> (2, "d"); "" is a scalar."""
    if not isinstance(text, str):
        raise InputError(f"the shape of {what} is {text!r}; expected a string of sizes such as 'k d'")
    tokens: list[Size] = []
    for token in text.split():
        if token.isdigit() and int(token) > 0:
            tokens.append(int(token))
        elif token.isidentifier():
            tokens.append(token)
        else:
            raise InputError(f"the shape {text!r} of {what} contains {token!r}; expected names and positive integers")
    return tuple(tokens)


@dataclass(frozen=True)
class Variable:
    """A typed variable. `draw` is its distribution in experiments, or a function of the case that defines it."""

    shape: str = ""
    draw: Draw | Callable[[Case], Any] | None = None
    to: float | None = None
    integer: bool = False
    positive: bool = False
    nonzero: bool = False

    @property
    def sizes(self) -> Shape:
        return parse_shape(self.shape, "a variable")

    @property
    def sign(self) -> str:
        return "positive" if self.positive else "nonzero" if self.nonzero else "any"

    @property
    def definition(self) -> Callable[[Case], Any] | None:
        """The function of the case that gives the value, if the variable is not free."""
        return None if isinstance(self.draw, Draw) else self.draw

    @property
    def defined(self) -> bool:
        return self.definition is not None

    @property
    def distribution(self) -> Draw:
        if isinstance(self.draw, Draw):
            return self.draw
        return Draw("loguniform", 0.2, 5.0) if self.positive else normal()


def var(
    shape: str = "",
    draw: Draw | Callable[[Case], Any] | None = None,
    *,
    to: float | None = None,
    integer: bool = False,
    positive: bool = False,
    nonzero: bool = False,
) -> Variable:
    """A variable of the given shape ("M N", "" for a scalar).

    draw: its distribution in experiments, or a function of the case that defines it (y = f(x)).
    to: the limit along which it is walked, for asymptotic claims. positive, nonzero: known signs of all entries.
    """
    made = Variable(shape, draw, to, integer, positive, nonzero)
    if positive and isinstance(draw, Draw) and not draw.nonnegative:
        raise InputError(
            f"a positive variable is drawn from a {draw.kind} law that has other values; expected one without"
        )
    _ = made.sizes
    return made


@dataclass(frozen=True)
class Assumption:
    """A hypothesis: `holds(c)` is zero where it is true, `enforce(c)` gives changed variables for which it is."""

    name: str
    holds: Callable[[Case], Any] | None
    enforce: Callable[[Case], Mapping[str, Any]] | None = None
    positive: bool = False

    @property
    def stated(self) -> str:
        """The hypothesis as a premise: without `holds`, it is whatever `enforce` gives."""
        return self.name if self.holds is not None else f"{self.name} (the cases that its enforce gives)"


def assume(
    name: str,
    holds: Callable[[Case], Any] | None,
    enforce: Callable[[Case], Mapping[str, Any]] | None = None,
    *,
    positive: bool = False,
) -> Assumption:
    """A hypothesis that can be dropped.

    holds(c): a residual that is 0 (or, with positive=True, a margin that is > 0) where the hypothesis is true.
    None: the hypothesis is that the case is one that `enforce` gives.
    enforce(c): the variables to change so that it is true, e.g. {"A": ..., "init.v": ...}; the identity where it
    is true already. Without it, cases are sampled by rejection and proofs use the relation itself.
    """
    if not name:
        raise InputError("an assumption got an empty name; expected a short description such as 'A z = 0'")
    return Assumption(name, holds, enforce, positive)


@dataclass(frozen=True, init=False)
class Setting:
    """Variables, distributions of the initial parameters, and assumptions in order of application."""

    assumptions: tuple[Assumption, ...] = ()
    init: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def __init__(self, *assumptions: Assumption, init: Any = None, **variables: Any) -> None:
        for a in assumptions:
            if not isinstance(a, Assumption):
                raise InputError(
                    f"a setting got {type(a).__name__}; expected assumptions (tl.assume) and name=tl.var(...)"
                )
        names = [a.name for a in assumptions]
        if len(set(names)) != len(names):
            raise InputError(f"a setting has two assumptions of one name in {names}")
        object.__setattr__(self, "assumptions", tuple(assumptions))
        object.__setattr__(self, "init", dict(init or {}))
        object.__setattr__(self, "variables", {n: _variable(n, v) for n, v in variables.items()})

    def with_(self, *assumptions: Assumption, init: Mapping[str, Any] | None = None, **variables: Any) -> Setting:
        """A setting with more assumptions and with variables added or replaced."""
        return Setting(
            *self.assumptions, *assumptions, init={**self.init, **(init or {})}, **{**self.variables, **variables}
        )

    def without(self, name: str) -> Setting:
        """The setting with one assumption dropped: its retraction is not applied."""
        kept = [a for a in self.assumptions if a.name != name]
        if len(kept) == len(self.assumptions):
            known = ", ".join(repr(a.name) for a in self.assumptions) or "none"
            raise InputError(f"there is no assumption {name!r} to drop; expected one of: {known}")
        return Setting(*kept, init=self.init, **self.variables)

    def merged(self, other: Setting) -> Setting:
        """This setting and another one: of what both name, an assumption, a variable or an init, the other's counts."""
        if not isinstance(other, Setting):
            raise InputError(f"setting is {type(other).__name__}; expected tl.Setting(...)")
        theirs = {a.name: a for a in other.assumptions}
        own = [theirs.pop(a.name, a) for a in self.assumptions]
        return Setting(
            *own,
            *theirs.values(),
            init={**self.init, **other.init},
            **{**self.variables, **other.variables},
        )

    @property
    def sizes(self) -> set[str]:
        """Every symbolic size of the variables."""
        return {s for v in self.variables.values() for s in v.sizes if isinstance(s, str)}

    def initial(self, name: str, shape: Shape) -> Variable:
        """How the initial value of a parameter is given: default normal entries of scale 1."""
        given = self.init.get(name)
        if given is None:
            return Variable(" ".join(map(str, shape)), None)
        if isinstance(given, Variable):
            if given.sizes != shape:
                raise InputError(f"init of {name!r} has shape {given.shape!r}; expected {' '.join(map(str, shape))!r}")
            return given
        if isinstance(given, Draw):
            return Variable(" ".join(map(str, shape)), given)
        if is_number(given):
            if not math.isfinite(given):
                raise InputError(f"init of {name!r} is {given}; expected a finite number")
            return Variable(" ".join(map(str, shape)), constant(float(given)))
        if callable(given):
            return Variable(" ".join(map(str, shape)), given)
        raise InputError(
            f"init of {name!r} is {type(given).__name__}; expected a distribution, a number or a function of the case"
        )

    def case(
        self, values: Mapping[str, Array], initial: Mapping[str, Array], *, only: Collection[str] | None = None
    ) -> Case:
        """The case with given values of the free variables: defined variables computed, hypotheses enforced.

        What is defined follows what is enforced, unless a hypothesis enforces it itself. An assumption whose `enforce`
        has no form in this reading is left as a relation: see `relations`. `only` names the hypotheses to enforce, all
        of them by default.
        """
        c = self._defined(Case({**values, "init": Namespace(initial, "init parameter")}), initial)
        enforced: set[str] = set()
        for a in self.assumptions:
            if a.enforce is not None and (only is None or a.name in only):
                try:
                    changed = a.enforce(c)
                except UnsupportedReading:
                    if a.holds is None:
                        raise
                    continue
                new = _enforced(a, changed, c)
                enforced |= set(new)
                c = self._defined(c.updated(new), initial, enforced)
        return c

    def _defined(self, c: Case, initial: Mapping[str, Array], kept: Collection[str] = ()) -> Case:
        """The case with the variables computed that have a definition, except for those to be kept."""
        for name, variable in self.variables.items():
            if variable.definition is not None and name not in kept:
                c = c.updated({name: variable.definition(c)})
        for name, given in self.init.items():
            definition = given.definition if isinstance(given, Variable) else given if callable(given) else None
            if definition is not None and name in initial and f"init.{name}" not in kept:
                c = c.updated({f"init.{name}": _like(initial[name], definition(c), f"init of {name!r}")})
        return c

    def letters(self, make: Make, initial: Mapping[str, Array]) -> Case:
        """The case whose variables are letters, made when they are first read; hypotheses are not enforced."""

        def value(name: str, variable: Variable) -> Any:
            return variable.definition(case) if variable.definition else make(name, variable.sizes, variable.sign)

        letters = {n: partial(value, n, v) for n, v in self.variables.items()}
        case = Case({"init": Namespace(initial, "init parameter")}, letters)
        return case

    def relations(self, case: Case) -> list[tuple[Assumption, Any]]:
        """The hypotheses that this reading could not enforce, with their residuals."""
        result = []
        for a in self.assumptions:
            if a.enforce is not None:
                try:
                    a.enforce(case)
                    continue
                except UnsupportedReading:
                    pass
            if a.holds is not None and not a.positive:
                result.append((a, a.holds(case)))
        return result


def _enforced(assumption: Assumption, changed: Any, c: Case) -> dict[str, Any]:
    """The values that `enforce` gave, each with the shape of the variable that it replaces."""
    if not isinstance(changed, Mapping):
        raise InputError(
            f"enforce of assumption {assumption.name!r} gives {type(changed).__name__}; "
            "expected a mapping of variables to values"
        )
    values: dict[str, Any] = {}
    for name, value in changed.items():
        head, _, tail = name.partition(".")
        if head not in c or (tail and tail not in c[head]):
            raise InputError(f"assumption {assumption.name!r} enforces the unknown variable {name!r}")
        values[name] = _like(c[head][tail] if tail else c[head], value, f"{name!r} from assumption {assumption.name!r}")
    return values


def _like(array: Array, value: Any, what: str) -> Array:
    """A value as an array with the shape of `array`."""
    lifted = array * 0 + value
    if lifted.shape != array.shape:
        raise InputError(f"{what} has shape {tuple(getattr(value, 'shape', ()))}; expected {tuple(array.shape)}")
    return lifted


def check_name(name: str, what: str, reserved: Collection[str] = ()) -> None:
    """Raise InputError where a name cannot be read as an attribute of a namespace or a case."""
    if not name.isidentifier() or name in reserved or hasattr(Case, name):
        raise InputError(f"{what} is named {name!r}, which is taken or no identifier; expected another name")


def _variable(name: str, given: Any) -> Variable:
    check_name(name, "a setting variable", ("init", "t", "f", "r", "integral", "end"))
    if isinstance(given, Variable):
        return given
    if isinstance(given, str):
        parse_shape(given, f"variable {name!r}")
        return Variable(given)
    if callable(given):
        return Variable("", given)
    raise InputError(
        f"setting variable {name!r} is {type(given).__name__}; expected tl.var(...) or a shape such as 'M N'"
    )
