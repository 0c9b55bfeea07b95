"""Indexed polynomials at given sizes: numbers put for letters, sums carried out. The check on the all-sizes reading."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters

import numpy as np

from theorylab.readings.array import Size
from theorylab.readings.indexed import Indexed
from theorylab.readings.letters import Dims, resolve
from theorylab.readings.polynomial import Polynomial, Symbol

FUNCTIONS = {
    "sign": np.sign, "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "arcsinh": np.arcsinh, "inv": np.reciprocal,
}  # fmt: skip


def instantiate(
    array: Indexed, values: Mapping[str, np.ndarray], dims: Dims, step_at_zero: float
) -> tuple[np.ndarray, np.ndarray]:
    """The array at the sizes `dims` and the sum of the sizes of its terms, float64 (B, *shape) each.

    values: the letters, (B, *shape).
    """
    trials = len(next(iter(values.values())))
    found = _Instance(values, dims, step_at_zero, trials).polynomial(array.entry, dict(array.axes()))
    return tuple(np.broadcast_to(_spread(array, part), (trials, *resolve(array.shape, dims))) for part in found)  # type: ignore[return-value]


def _spread(array: Indexed, evaluated: np.ndarray) -> np.ndarray:
    """What was evaluated, which lacks the axes of size 1, with all axes of the array."""
    lengths = iter(evaluated.shape[1:])
    return evaluated.reshape(len(evaluated), *(1 if size == 1 else next(lengths) for size in array.shape))


class _Instance:
    def __init__(self, values: Mapping[str, np.ndarray], dims: Dims, step_at_zero: float, trials: int) -> None:
        self.values, self.dims, self.step_at_zero, self.trials = values, dims, step_at_zero, trials
        self.known: dict[Symbol, np.ndarray] = {}

    def symbol(self, s: Symbol) -> np.ndarray:
        """(B, *sizes) the values of a letter, a size, a delta or an atom."""
        if s not in self.known:
            sizes = resolve(s.sizes, self.dims)
            if s.argument is not None:
                inner, _ = self.polynomial(s.argument, dict(enumerate(s.sizes)))
                inner = np.broadcast_to(inner, (self.trials, *sizes))
                if s.function == "step":
                    self.known[s] = np.where(inner == 0, self.step_at_zero, inner > 0)
                else:
                    self.known[s] = FUNCTIONS[s.function or ""](inner)
            elif s.name.startswith("#"):
                self.known[s] = np.full(self.trials, float(self.dims[s.name[1:]]))
            elif s.name == "delta":
                self.known[s] = np.broadcast_to(np.eye(sizes[0]), (self.trials, *sizes))
            else:
                self.known[s] = self.values[s.name].reshape(self.trials, *sizes)
        return self.known[s]

    def polynomial(self, p: Polynomial, axes: Mapping[int, Size]) -> tuple[np.ndarray, np.ndarray]:
        """The value and the size of the terms, (B, *axes), with length 1 along axes that no term has."""
        names = {axis: ascii_letters[n + 1] for n, axis in enumerate(axes)}
        total = size = np.zeros((self.trials, *(1 for _ in axes)))
        for m, c in p.terms.items():
            labels = dict(names)
            operands, subscripts = [np.full(self.trials, float(c))], ["a"]
            for s, idx, e in m:
                for i in idx:
                    labels.setdefault(i, ascii_letters[len(labels) + 1])
                operands.append(self.symbol(s) ** float(e))
                subscripts.append("a" + "".join(labels[i] for i in idx))
            present = "".join(label for label in names.values() if any(label in text for text in subscripts))
            equation = ",".join(subscripts) + "->a" + present
            spread = (slice(None), *(slice(None) if label in present else None for label in names.values()))
            total = total + np.einsum(equation, *operands, optimize=len(operands) > 3)[spread]
            size = size + np.einsum(equation, *map(np.abs, operands), optimize=len(operands) > 3)[spread]
        return total, size
