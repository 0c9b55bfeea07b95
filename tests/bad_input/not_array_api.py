"""A function of numpy where an operation of theorylab is needed."""

import numpy as np

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return np.maximum(p.w, 0) @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
