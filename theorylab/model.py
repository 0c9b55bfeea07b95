"""Models: one Python function of parameters and inputs, written once and read three ways."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from theorylab.errors import InputError, ShapeError, UnsupportedReading
from theorylab.readings.array import Array
from theorylab.readings.letters import maker
from theorylab.readings.namespace import Case, Namespace
from theorylab.setting import Make, Shape, check_name, parse_shape

SAMPLES = "n"
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
"""Sizes that are told apart by their products."""


@dataclass(frozen=True)
class Model:
    """A function f(p, x) or f(p, x, c) with the shapes of its parameters.

    Called as `model(p, x)` with `p` a namespace (or a dictionary) of arrays; `x` has one sample a column unless
    the shape of one sample was declared.
    """

    function: Callable[..., Any]
    shapes: Mapping[str, Shape]
    sample: Shape | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_embedded: bool = False

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", "model")

    def __call__(self, p: Mapping[str, Any], x: Any, c: Case | None = None) -> Any:
        if not isinstance(p, Namespace):
            p = Namespace(p)
        if self.sample is not None and len(self.sample) < x.ndim:
            return self._each_sample(p, x, c)
        return self._one(p, x, c)

    def _one(self, p: Mapping[str, Any], x: Any, c: Case | None) -> Any:
        arguments = (p, x, c) if self._takes_case else (p, x)
        try:
            result = self.function(*arguments, **self.options)
        except ShapeError as error:
            raise ShapeError(f"{error}, in model {self.name!r}{self._place} of inputs of shape {x.shape}") from error
        if not isinstance(result, Array):
            raise InputError(
                f"model {self.name!r}{self._place} returned {type(result).__name__}; expected an array of p and x"
            )
        return result

    @property
    def _place(self) -> str:
        code = getattr(self.function, "__code__", None)
        return "" if code is None else f" ({Path(code.co_filename).name}, line {code.co_firstlineno})"

    @cached_property
    def _takes_case(self) -> bool:
        names = [
            q
            for q in inspect.signature(self.function).parameters.values()
            if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)
            and q.default is q.empty
            and q.name not in self.options
        ]
        if len(names) not in (2, 3):
            raise InputError(f"model {self.name!r} takes {len(names)} arguments; expected (p, x) or (p, x, c)")
        return len(names) == 3

    def _each_sample(self, p: Mapping[str, Any], x: Any, c: Case | None) -> Any:
        from theorylab import ops
        from theorylab.readings.indexed import Indexed

        count = x.shape[-1]
        if isinstance(x, Indexed):
            one = self._one(p, x.held(), c)
            return one.into(Indexed).released(count)
        return ops.stack([self._one(p, x[..., i], c) for i in range(count)], -1)

    def family(self, **options: Any) -> Model:
        """The member with the given keyword arguments of the function, e.g. `wn.family(L=2)`."""
        known = inspect.signature(self.function).parameters
        for name in options:
            if name not in known and not any(q.kind is q.VAR_KEYWORD for q in known.values()):
                raise InputError(
                    f"model {self.name!r} has no option {name!r}; expected one of its arguments: {', '.join(known)}"
                )
        return Model(self.function, self.shapes, self.sample, {**self.options, **options}, self.is_embedded)

    def embedded(self) -> Model:
        """The same layers between arbitrary differentiable maps that share no parameter with them.

        Exact statements do not change: the inputs and the derivative of the loss by the outputs are arbitrary anyway.
        """
        return Model(self.function, self.shapes, self.sample, self.options, True)

    @property
    def sizes(self) -> set[str]:
        return {s for shape in self.shapes.values() for s in shape if isinstance(s, str)}

    def input_shape(self, case: Callable[[Make], Case] | None = None, sizes: Iterable[str] = ()) -> Shape:
        """The shape of x: declared, or one sample a column with the row size that fits the formula.

        case(make): the case that a function of (p, x, c) reads, as letters; `sizes` are the symbolic sizes in it.
        """
        if self.sample is not None:
            return (*self.sample, SAMPLES)
        ordered = list(dict.fromkeys(s for shape in self.shapes.values() for s in reversed(shape)))
        candidates = [*(["d"] if "d" in ordered else []), *ordered, "d"]
        named = dict.fromkeys([*map(str, candidates), SAMPLES, *sorted(sizes)])
        primes = dict(zip(named, PRIMES, strict=False))
        failure: InputError | None = None
        for dims in (None, primes):
            make = maker(dims)
            for size in candidates:
                p = {n: make(n, shape, "any") for n, shape in self.shapes.items()}
                try:
                    self._one(Namespace(p), make("x", (size, SAMPLES), "any"), case(make) if case else Case({}))
                except UnsupportedReading:
                    break
                except InputError as error:
                    if not isinstance(error, ShapeError):
                        raise
                    failure = failure or error
                else:
                    if size == SAMPLES:
                        raise InputError(
                            f"model {self.name!r} has inputs with {SAMPLES!r} rows, which is the number of samples; "
                            "expected another name for that size, such as 'd'"
                        )
                    return (size, SAMPLES)
        raise InputError(
            f"model {self.name!r} accepts no input of shape (size, n) for any of its sizes; "
            f"expected a formula that does, or a declared sample shape such as x='T d' ({failure})"
        ) from failure

    def output_shape(self, x: Shape, case: Callable[[Make], Case] | None = None) -> Shape:
        """The shape of the outputs for inputs of the shape x, which `input_shape` gives; unnamed sizes are numbers."""
        shapes = [*self.shapes.values(), x]
        taken = {s for shape in shapes for s in shape if isinstance(s, int)}
        names = dict.fromkeys(s for shape in shapes for s in shape if isinstance(s, str))
        primes = dict(zip(names, (q for q in PRIMES if q not in taken), strict=False))
        seen = x[:-1] if self.sample is not None else x
        for dims in (None, primes):
            make = maker(dims)
            p = Namespace({n: make(n, shape, "any") for n, shape in self.shapes.items()})
            try:
                found = self._one(p, make("x", seen, "any"), case(make) if case else Case({})).shape
            except UnsupportedReading:
                continue
            named: dict[Any, Any] = {} if dims is None else {q: n for n, q in primes.items()}
            one: Shape = tuple(named.get(s, s) for s in found)
            return (*one, SAMPLES) if self.sample is not None else one
        raise UnsupportedReading(f"the shape of the outputs of {self.name!r} is not known")


def model(*, x: str | None = None, **shapes: str) -> Callable[[Callable[..., Any]], Model]:
    """Declare a model by the shapes of its parameters, jaxtyping style: `@tl.model(W1="k d", W2="m k")`.

    The function takes (p, x), with x of shape (d, n), one sample a column, and returns (m, n). With `x="T d"` it
    sees one sample of that shape instead. A third argument, if there is one, is the case.
    """
    if not shapes:
        raise InputError("tl.model got no parameters; expected shapes such as W1='k d'")
    for name in shapes:
        check_name(name, "a parameter")
    parsed = {name: parse_shape(text, f"parameter {name!r}") for name, text in shapes.items()}
    sample = None if x is None else parse_shape(x, "the input x")

    def declare(function: Callable[..., Any]) -> Model:
        if not callable(function):
            raise InputError(f"tl.model decorates a function, got {type(function).__name__}")
        return Model(function, parsed, sample)

    return declare
