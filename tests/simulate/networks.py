"""One hidden layer of k units, a smooth one and one with kinks; x: (d, n), one sample a column."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops


@tl.model(W="k d", a="k")
def smooth(p, x):
    return p.a[None, :] @ ops.tanh(p.W @ x)


@tl.model(W="k d", a="k")
def bent(p, x):
    return p.a[None, :] @ ops.relu(p.W @ x)
