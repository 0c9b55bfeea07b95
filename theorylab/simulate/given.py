"""What a user gives to `tl.simulate`, checked. Every function raises InputError with what was expected."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theorylab.change import Extended
from theorylab.draw import Draw
from theorylab.errors import InputError
from theorylab.flow import Flow
from theorylab.gradient_flow import SecondOrder
from theorylab.simulate.events import Event
from theorylab.simulate.integrate import integrate


def count(name: str, value: Any, meaning: str = "a positive integer") -> int:
    """A positive integer, also one of numpy."""
    try:
        number = 0 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name} is {value!r}; expected {meaning}")
    return number


def stopping(until: Any) -> tuple[Any, list[Event]]:
    """The rule and the events that end a run."""
    given = list(until) if isinstance(until, (list, tuple)) else [] if until is None else [until]
    for rule in given:
        if not callable(rule) and not isinstance(rule, Event):
            raise InputError(
                f"until is {type(rule).__name__}; expected a stopping rule such as tl.converged(1e-8), or tl.event(...)"
            )
        if not isinstance(rule, Event) and not _takes_four(rule):
            name = getattr(rule, "__name__", type(rule).__name__)
            raise InputError(f"until is {name!r}, no rule(t, y, f, rows); expected one such as tl.converged(1e-8)")
    rules = [r for r in given if not isinstance(r, Event)]
    if len(rules) > 1:
        return lambda t, y, f, rows: torch.stack([r(t, y, f, rows) for r in rules]).any(0), [
            r for r in given if isinstance(r, Event)
        ]
    return (rules[0] if rules else None), [r for r in given if isinstance(r, Event)]


def _takes_four(rule: Any) -> bool:
    """Whether a stopping rule can be called with (t, y, f, rows)."""
    try:
        inspect.signature(rule).bind(*range(4))
    except TypeError:
        return False
    except ValueError:  # a callable of which nothing is known
        return True
    return True


def named_events(events: Any, ending: Sequence[Event]) -> dict[str, Event]:
    """All events by name, those that end a run last."""
    if events is not None and not isinstance(events, Mapping):
        raise InputError(f"events is {type(events).__name__}; expected tl.event(...) by name")
    for name, given in (events or {}).items():
        if not isinstance(given, Event):
            raise InputError(f"events has {type(given).__name__} for {name!r}; expected tl.event(...)")
        if str(name).startswith("until"):
            raise InputError(f"events names {name!r}; expected a name other than until, which is that of until=...")
    last = {"until" if len(ending) == 1 else f"until {i + 1}": e for i, e in enumerate(ending)}
    return {**(events or {}), **last}


def check_device(device: Any) -> None:
    """Raise unless float64 numbers can be held there."""
    if device is None or device == "cpu":
        return
    try:
        if torch.device(device).type == "meta":
            raise ValueError("it holds no numbers")
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device is {device!r}; expected 'cpu', or 'cuda' where a GPU is visible ({reason})"
        ) from error


def check_options(options: Mapping[str, Any], t_end: Any, rtol: Any, times: Any) -> None:
    """Raise where an option of `integrate` has no sense."""
    known = inspect.signature(integrate).parameters
    for name in options:
        if name not in known or name in ("field", "initial", "observe", "save"):
            raise InputError(f"simulate got the unknown option {name!r}; expected max_steps, first_step or t_start")
    if t_end is not None and not isinstance(t_end, Tensor):
        try:
            if isinstance(t_end, bool):
                raise TypeError
            ends = np.asarray(t_end, dtype=float)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"t_end is {t_end!r}; expected a time, or one for each trial") from error
        if np.isnan(ends).any() or ((ends < 0).any() and "t_start" not in options):
            raise InputError(f"t_end is {t_end!r}; expected a time that is not negative")
    if not isinstance(rtol, (int, float)) or isinstance(rtol, bool) or not math.isfinite(rtol):
        raise InputError(f"rtol is {rtol!r}; expected a positive number")
    if times is not None:
        try:
            moments = np.asarray(times, dtype=float)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"times is {times!r}; expected rising finite times") from error
        if moments.ndim != 1 or not len(moments):
            raise InputError(f"times is {times!r}; expected at least one time in a flat list")
        if not np.isfinite(moments).all() or (np.diff(moments) <= 0).any():
            raise InputError(f"times is {times!r}; expected rising finite times")


def initial_values(flow: Flow, init: Any) -> tuple[dict[str, Draw], dict[str, np.ndarray]]:
    """Distributions and arrays of initial parameters by name."""
    if init is None:
        return {}, {}
    if isinstance(init, Draw):
        # Velocities and what schemes remember start as the flow says.
        own = flow
        while isinstance(own, (SecondOrder, Extended)):
            own = own.base
        return dict.fromkeys(own.state, init), {}
    if not isinstance(init, Mapping):
        raise InputError(f"init is {type(init).__name__}; expected a distribution, or arrays by parameter name")
    known = flow.initial()
    for name in init:
        if name not in known:
            raise InputError(f"init names the unknown parameter {name!r}; expected one of: {', '.join(known)}")
    draws = {n: v for n, v in init.items() if isinstance(v, Draw)}
    arrays = {n: _initial_array(n, v) for n, v in init.items() if n not in draws}
    if len({len(v) for v in arrays.values()}) > 1:
        raise InputError(
            f"init gives {sorted({len(v) for v in arrays.values()})} trials; expected one leading axis of one length"
        )
    return draws, arrays


def _initial_array(name: str, values: Any) -> np.ndarray:
    try:
        plain = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
        if plain.dtype.kind == "c":
            raise TypeError
        array = plain.astype(np.float64)
    except (TypeError, ValueError) as error:
        held = getattr(values, "dtype", None)
        kind = f"{type(values).__name__}{'' if held is None else f' of {held}'}"
        raise InputError(f"init of {name!r} is {kind}; expected an array of float64 numbers") from error
    if array.ndim == 0:
        raise InputError(f"init of {name!r} is the number {array}; expected an array with a leading trial axis")
    if not len(array):
        raise InputError(f"init of {name!r} has shape {array.shape}; expected at least one trial")
    if not np.isfinite(array).all():
        raise InputError(f"init of {name!r} contains non-finite values; expected finite numbers")
    return array
