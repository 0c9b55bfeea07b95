"""Named arrays that are read by attribute, added and scaled like vectors: parameters, and cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from theorylab.errors import InputError


class Namespace(Mapping[str, Any]):
    """Arrays by name: `p.W1`, `p["W1"]`, `p + h * v`, `-p`, `p.replace(W1=...)`."""

    __slots__ = ("_kind", "_values")
    __array_ufunc__ = None

    def __init__(self, values: Mapping[str, Any], kind: str = "parameter") -> None:
        self._values = dict(values)
        self._kind = kind

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            known = ", ".join(self._values) or "none"
            raise InputError(f"unknown {self._kind} {name!r}; expected one of: {known}")
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Namespace({', '.join(self._values)})"

    def replace(self, **values: Any) -> Namespace:
        for name in values:
            self[name]
        return Namespace({**self._values, **values}, self._kind)

    def _combine(self, other: Any, function: Callable[[Any, Any], Any]) -> Namespace:
        if isinstance(other, Mapping):
            if set(other) != set(self):
                raise InputError(
                    f"namespaces of {sorted(self)} and {sorted(other)} do not match; expected the same names"
                )
            return Namespace({n: function(v, other[n]) for n, v in self._values.items()}, self._kind)
        return Namespace({n: function(v, other) for n, v in self._values.items()}, self._kind)

    def __add__(self, other: Mapping[str, Any]) -> Namespace:
        return self._combine(other, lambda a, b: a + b)

    def __sub__(self, other: Mapping[str, Any]) -> Namespace:
        return self._combine(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Namespace:
        return self._combine(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Namespace:
        return self._combine(other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Namespace:
        return self._combine(other, lambda a, b: a / b)

    def __neg__(self) -> Namespace:
        return Namespace({n: -v for n, v in self._values.items()}, self._kind)


class Case(Namespace):
    """A value of everything that a statement quantifies over.

    Besides the setting's variables: `init` (initial parameters), `t`, `x` and `y` (data), `f` (model outputs),
    `r` (derivative of the loss by the outputs), `integral`, `end` (the state a run ends in). Values that are
    expensive or not always there are given as functions and computed when first read.
    """

    __slots__ = ("_lazy", "base", "flow", "one_loss", "state")
    base: Case | None
    """The case without what depends on the state, where this one is the view from a state."""
    flow: Any
    """The flow whose state it is the view from."""
    state: Namespace | None
    """That state."""
    one_loss: bool
    """Whether an unknown loss may be read as one particular loss: to refute, never to prove."""

    def __init__(self, values: Mapping[str, Any], lazy: Mapping[str, Callable[[], Any]] | None = None) -> None:
        super().__init__(values, "case variable")
        self._lazy = dict(lazy or {})
        self.base = self.flow = self.state = None
        self.one_loss = False

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in self._lazy

    def __getitem__(self, name: str) -> Any:
        if name not in self._values and name in self._lazy:
            self._values[name] = self._lazy[name]()
        return super().__getitem__(name)

    def updated(self, values: Mapping[str, Any] = {}, **lazy: Callable[[], Any]) -> Case:
        """A copy with variables changed ("init.v" names an entry of init) and lazy values added."""
        merged = dict(self._values)
        for name, value in values.items():
            head, _, tail = name.partition(".")
            if tail:
                self[head][tail]
                merged[head] = Namespace({**merged[head], tail: value}, f"{head} parameter")
            else:
                merged[name] = value
        updated = Case(merged, {**{k: v for k, v in self._lazy.items() if k not in merged}, **lazy})
        updated.state, updated.one_loss = self.state, self.one_loss
        return updated


def call(function: Any, p: Any, c: Any) -> Any:
    """f(p), f(p, c) or a plain value: the one call convention, by arity."""
    if not callable(function):
        return function
    return function(p, c) if arity(function) >= 2 else function(p)


def arity(function: Callable[..., Any]) -> int:
    """The number of required positional arguments."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(f"{function!r} has no signature; expected a function of (p) or (p, c)") from error
    positional = [
        q for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD) and q.default is q.empty
    ]
    if len(positional) not in (1, 2):
        raise InputError(
            f"{getattr(function, '__name__', function)!r} takes {len(positional)} arguments; expected (p) or (p, c)"
        )
    return len(positional)
