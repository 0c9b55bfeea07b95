"""The two ways theorylab refuses to go on."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: one sentence that names what was given and what was expected (exit code 2)."""


class ShapeError(InputError):
    """Arrays whose shapes do not fit together."""


class Undefined(InputError):
    """A formula that has no value at any case: it divides by zero."""


class InternalError(RuntimeError):
    """Two readings or two engines disagree: an error of theorylab itself, shown in full, never averaged away."""


class UnsupportedReading(Exception):
    """A formula has no form in this reading (for instance no all-sizes form); callers fall back to another reading."""


class MissingExtra(Exception):
    """An optional package that a claim needs and that is not installed; the claim is then inconclusive."""
