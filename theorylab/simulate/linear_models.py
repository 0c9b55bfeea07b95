"""Models that are linear in their inputs, written out by what they give for the unit vectors.

f(p, x) is the sum over k of x_k f(p, e_k). With more samples than input coordinates this takes fewer operations, and so
does the gradient of the loss, since the slopes of the loss meet the inputs before they meet the parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorylab.derive.world import World
from theorylab.errors import Undefined
from theorylab.flow import Flow
from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.model import Model
from theorylab.readings import expression as ex
from theorylab.readings.exact import Exact
from theorylab.readings.letters import Dims

# Samples among which a model is looked at: what it does with one shows with few.
_SAMPLES = 3
# No name of a statement holds a space.
_INPUT = "an input"


class _ByUnitVectors(Model):
    """A linear model; its inputs are exact arrays (d, n)."""

    def __call__(self, p: Any, x: Any, c: Any = None) -> Any:
        return super().__call__(p, Exact.constant(np.eye(x.shape[0], dtype=int)), c) @ x


def by_unit_vectors(flow: Flow, dims: Dims) -> Flow:
    """The same flow with its model by unit vectors where that is shorter, for the exact reading at these sizes."""
    base = flow.base if isinstance(flow, SecondOrder) else flow
    if not isinstance(base, FirstOrder):
        return flow
    p, c = World(flow, dims).view
    shape = tuple(base.inputs(c)[0].shape)
    if len(shape) != 2 or shape[0] >= shape[1] or not is_linear(base.model, p, c, shape[0]):
        return flow
    model = base.model
    short = replace(
        base, model=_ByUnitVectors(model.function, model.shapes, model.sample, model.options, model.is_embedded)
    )
    return replace(flow, base=short) if isinstance(flow, SecondOrder) else short


def is_linear(model: Model, p: Any, c: Any, size: int) -> bool:
    """Whether each sample's outputs are the same linear function of its `size` coordinates, as the model is written.

    A model that takes no other number of samples than that of its case is none.
    """
    x = Exact.variable(_INPUT, (size, _SAMPLES))
    try:
        outputs = model(p, x, c)
    except Exception:
        return False
    if not isinstance(outputs, Exact) or outputs.ndim not in (1, 2) or outputs.shape[-1] != x.shape[1]:
        return False
    names = [[entry.args[0] for entry in column] for column in x.data.T]
    everywhere = {name for column in names for name in column}
    for row in outputs.data.reshape(-1, x.shape[1]):
        try:
            at_zero = ex.substitute(list(row), dict.fromkeys(everywhere, ex.ZERO))
        except Undefined:
            return False
        if any(root is not ex.ZERO for root in at_zero):
            return False
        slopes = [ex.gradient(root, column) for root, column in zip(row, names, strict=True)]
        # Slopes that several samples share, of outputs that see their own sample alone, hold no input.
        if any(slope is not first for others in slopes[1:] for slope, first in zip(others, slopes[0], strict=True)):
            return False
        if any(ex.variables([root]) & everywhere - set(column) for root, column in zip(row, names, strict=True)):
            return False
    return True
