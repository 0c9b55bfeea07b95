"""Du, Hu, Lee: gradient flow keeps the differences of adjacent layers, balanced or not.

`flow` has the conservation laws, with and without biases and weight decay, `descent` the exact law of one step of
gradient descent, its drift against the step size, and matrix factorization.
"""

from __future__ import annotations

# ruff: noqa: F403, I001
from theorylab.catalog.du_2018.flow import *
from theorylab.catalog.du_2018.descent import *
