"""Distributions of variables in experiments, as data. For "for all" claims they are only a search measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from theorylab.errors import InputError


@dataclass(frozen=True)
class Draw:
    """How one entry of a variable is drawn. `kind` names the law; `a`, `b` are its parameters."""

    kind: str
    a: float = 0.0
    b: float = 1.0
    values: tuple[float, ...] = ()

    def sample(self, generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
        """An array of the given shape, float64."""
        size = tuple(shape)
        match self.kind:
            case "normal":
                return self.a + self.b * generator.standard_normal(size)
            case "uniform":
                return generator.uniform(self.a, self.b, size)
            case "loguniform":
                return np.exp(generator.uniform(np.log(self.a), np.log(self.b), size))
            case "integer":
                return generator.integers(int(self.a), int(self.b), size, endpoint=True).astype(float)
            case "one_of" | "ladder":
                return np.asarray(self.values)[generator.integers(0, len(self.values), size)]
            case "constant":
                return np.full(size, self.a)
            case "orthogonal":
                if len(size) != 2 or size[0] != size[1]:
                    raise InputError(f"an orthogonal draw needs a square matrix, got shape {size}")
                q, r = np.linalg.qr(generator.standard_normal(size))
                return q * np.sign(np.diag(r))
            case "batch":
                return self.sequence(generator, size, 1)[0]
        raise InputError(f"unknown distribution {self.kind!r}")

    def epoch(self, shape: Sequence[int]) -> int:
        """How many successive draws are drawn together."""
        return -(-shape[0] // int(self.a)) if self.kind == "batch" and not self.b else 1

    def sequence(self, generator: np.random.Generator, shape: Sequence[int], count: int) -> np.ndarray:
        """`count` draws one after the other, (count, *shape): what fewer draws give is the beginning of what more give.

        Mini-batches without replacement are those of whole epochs, so `count` of them start a new epoch.
        """
        if self.kind == "orthogonal":
            return np.stack([self.sample(generator, shape) for _ in range(count)])
        if self.kind != "batch":
            return self.sample(generator, (count, *shape))
        (samples,), size = shape, int(self.a)
        if size > samples:
            raise InputError(f"a mini-batch of {size} was asked of {samples} samples; expected at most {samples}")
        if self.b:
            chosen = np.minimum((generator.random((count, size)) * samples).astype(int), samples - 1)
            weights = np.zeros((count, samples))
            np.add.at(weights, (np.arange(count)[:, None], chosen), samples / size)
            return weights
        each = self.epoch(shape)
        place = generator.random((-(-count // each), samples)).argsort(1).argsort(1)
        taken = place[:, None] // size == np.arange(each)[:, None]
        held = np.minimum(size, samples - size * np.arange(each))
        return (taken * (samples / held)[:, None]).reshape(-1, samples)[:count]

    @property
    def positive(self) -> bool:
        return self.kind == "loguniform" or (self.kind in ("uniform", "integer", "constant") and self.a > 0)

    @property
    def nonnegative(self) -> bool:
        """Whether no value is negative, and 0 has no weight."""
        if self.kind in ("one_of", "ladder"):
            return min(self.values) > 0
        return self.positive or (self.kind == "uniform" and self.a == 0)


def _range(a: float, b: float, name: str) -> tuple[float, float]:
    if not (np.isfinite(a) and np.isfinite(b) and a <= b):
        raise InputError(f"{name}({a}, {b}) is not a range; expected finite numbers in increasing order")
    return float(a), float(b)


def normal(scale: float = 1.0, mean: float = 0.0) -> Draw:
    """Independent normal entries with standard deviation `scale`."""
    if not (np.isfinite(scale) and scale >= 0):
        raise InputError(f"normal(scale={scale}) needs a finite scale >= 0")
    return Draw("normal", float(mean), float(scale))


def uniform(a: float = 0.0, b: float = 1.0) -> Draw:
    return Draw("uniform", *_range(a, b, "uniform"))


def loguniform(a: float, b: float) -> Draw:
    """exp of a uniform variable; 0 < a <= b."""
    if not a > 0:
        raise InputError(f"loguniform({a}, {b}) needs 0 < a <= b")
    return Draw("loguniform", *_range(a, b, "loguniform"))


def integer(a: int, b: int) -> Draw:
    """Integers from a to b, both included."""
    return Draw("integer", *_range(a, b, "integer"))


def one_of(*values: float) -> Draw:
    if not values:
        raise InputError("one_of() needs at least one value")
    return Draw("one_of", values=tuple(map(float, values)))


def ladder(first: float, last: float, points: int = 8) -> Draw:
    """Positive values from `first` to `last` at equal ratios, for a variable that is walked to its limit (to=...)."""
    if not (np.isfinite([first, last]).all() and first > 0 and last > 0 and first != last):
        raise InputError(f"ladder({first}, {last}) needs two positive numbers that differ")
    if isinstance(points, bool) or not isinstance(points, int) or points < 4:
        raise InputError(f"ladder got points={points!r}; expected an integer of at least 4")
    return Draw("ladder", float(first), float(last), tuple(np.geomspace(first, last, points).tolist()))


def constant(value: float) -> Draw:
    return Draw("constant", float(value), float(value))


def orthogonal() -> Draw:
    """A Haar random orthogonal matrix."""
    return Draw("orthogonal")


def batch(size: int, replace: bool = False) -> Draw:
    """Weights of the samples of a random mini-batch: n / size for samples in it, 0 for the others; their mean is 1."""
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise InputError(f"a mini-batch of size {size!r} was asked for; expected a positive integer")
    return Draw("batch", float(size), float(replace))
