"""Names for the callables that a run is made of. All arrays are torch float64, `rows` is torch int64."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# field(t: (b,), y: (b, D), rows: (b,)) -> (b, D); rows[i] is the trial that row i of this call belongs to.
Field = Callable[[Tensor, Tensor, Tensor], Tensor]

# observe(t: (b,), y: (b, D), rows: (b,)) -> (b, q)
Observe = Callable[[Tensor, Tensor, Tensor], Tensor]

# until(t: (b,), y: (b, D), f: (b, D), rows: (b,)) -> (b,) bool: which trajectories stop at (t, y), where the field is f
Until = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
