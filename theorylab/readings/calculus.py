"""Derivatives of formulas, the same call in each reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from theorylab.errors import InputError
from theorylab.readings.array import Array
from theorylab.readings.domain import Demand, demands, note, noting
from theorylab.readings.namespace import Namespace


def reading(*values: Any) -> type[Array] | None:
    """The reading of the first array among the values, looking into mappings and sequences."""
    for value in values:
        if isinstance(value, Array):
            return type(value)
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        found = reading(*inner) if inner else None
        if found is not None:
            return found
    return None


def is_numeric(*values: Any) -> bool:
    kind = reading(*values)
    return kind is not None and kind.__name__ == "Numeric"


def _symbolic(p: Mapping[str, Array]) -> Any:
    from theorylab.readings import exact, indexed

    return indexed if isinstance(next(iter(p.values())), indexed.Indexed) else exact


_depth: ContextVar[int] = ContextVar("depth of nested derivatives", default=0)


@contextmanager
def _fresh(p: Mapping[str, Array]) -> Iterator[dict[str, str]]:
    """Names of letters that stand for p while a function of p is differentiated: others in each nested derivative."""
    depth = _depth.get() + 1
    token = _depth.set(depth)
    try:
        yield {n: "~" * depth + n for n in p}
    finally:
        _depth.reset(token)


def _letters(p: Mapping[str, Array], names: Mapping[str, str]) -> dict[str, Any]:
    from theorylab.readings.exact import Exact
    from theorylab.readings.indexed import Indexed

    return {
        n: Indexed.letter(names[n], a.shape) if isinstance(a, Indexed) else Exact.variable(names[n], a.shape)  # type: ignore[arg-type]
        for n, a in p.items()
    }


def directional(function: Callable[[Namespace], Array], p: Mapping[str, Array], v: Mapping[str, Array]) -> Array:
    """The derivative of function(p) along v, with everything but p held."""
    kind = getattr(p, "_kind", "parameter")
    if is_numeric(p):
        return _numeric_directional(function, p, v, kind)
    engine = _symbolic(p)
    with _fresh(p) as names, demands() as found:
        value = function(Namespace(_letters(p, names), kind))
    if not isinstance(value, Array):
        raise InputError(f"a quantity is {type(value).__name__}; expected an array of the parameters")
    (slope,) = engine.directional([value], {names[n]: v[n] for n in v if n in names})
    back = {names[n]: a for n, a in p.items()}
    _note_at(engine, found, back)
    return engine.substitute([slope], back)[0]


def _note_at(engine: Any, found: Sequence[Demand], back: Mapping[str, Any]) -> None:
    """Note what a formula of fresh letters demands, at the point for which they stand."""
    if not noting():
        return
    for (function, _), argument in zip(found, engine.substitute([a for _, a in found], back), strict=True):
        note(function, argument)


def gradient(function: Callable[[Namespace], Array], p: Mapping[str, Array]) -> Namespace:
    """The gradient of a scalar function(p) by every entry of p."""
    kind = getattr(p, "_kind", "parameter")
    if is_numeric(p):
        return _numeric_gradient(function, p, kind)
    engine = _symbolic(p)
    with _fresh(p) as names, demands() as noted:
        fresh = _letters(p, names)
        value = function(Namespace(fresh, kind))
    if engine.__name__.endswith("exact"):
        found = engine.gradient(value, {names[n]: a.shape for n, a in fresh.items()})
    else:
        found = engine.gradient(value, {names[n]: a for n, a in fresh.items()})
    back = {names[n]: a for n, a in p.items()}
    _note_at(engine, noted, back)
    replaced = engine.substitute([found[names[n]] for n in p], back)
    return Namespace(dict(zip(p, replaced, strict=True)), kind)


def _numeric_directional(function: Any, p: Mapping[str, Any], v: Mapping[str, Any], kind: str) -> Any:
    import torch

    from theorylab.readings.host import note
    from theorylab.readings.numeric import Numeric

    # Torch crashes where every operation of a forward derivative is intercepted, as a search beyond rounding does.
    note("a derivative along a direction")

    def raw(values: dict[str, Any]) -> Any:
        return function(Namespace({n: Numeric(t) for n, t in values.items()}, kind)).data

    point = {n: a.data for n, a in p.items()}
    along = {n: v[n].data.expand(a.data.shape) if n in v else torch.zeros_like(a.data) for n, a in p.items()}
    return Numeric(torch.func.jvp(raw, (point,), (along,))[1])


def _numeric_gradient(function: Any, p: Mapping[str, Any], kind: str) -> Namespace:
    import torch

    from theorylab.readings.numeric import Numeric

    def raw(values: dict[str, Any]) -> Any:
        return function(Namespace({n: Numeric(t) for n, t in values.items()}, kind)).data.sum()

    found = torch.func.grad(raw)({n: a.data for n, a in p.items()})
    return Namespace({n: Numeric(t) for n, t in found.items()}, kind)
