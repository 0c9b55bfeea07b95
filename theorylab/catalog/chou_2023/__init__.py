"""Chou, Rauhut, Ward: weight normalization of diagonal linear networks acts like a smaller initialization.

`diagonal` has the laws and limits for nonnegative signals, `signed` the laws for signed ones, `rates` the law of the
residual, `recovery` what they mean for sparse recovery: the bound of the l1 norm, where weight normalization helps and
where it does not.
"""

from __future__ import annotations

# ruff: noqa: F403, I001
from theorylab.catalog.chou_2023.diagonal import *
from theorylab.catalog.chou_2023.signed import *
from theorylab.catalog.chou_2023.rates import *
from theorylab.catalog.chou_2023.recovery import *
