"""Zhao: a penalty on |W|_* / |W|_F that lowers the rank with adaptive optimizers, and hardly without.

R(W) = |W|_* / |W|_F is the sum of the singular values over the root of the sum of their squares (`penalty`). In a
linear network W = W_N ... W_1 loss and penalty move the singular values by a law of the depth N (`products`), with a
preconditioner by another (`preconditioners`); what that does to matrix completion is measured (`completion`).
"""

from __future__ import annotations

from theorylab.catalog.zhao_2022.completion import claims as completion_claims
from theorylab.catalog.zhao_2022.penalty import claims as penalty_claims
from theorylab.catalog.zhao_2022.preconditioners import claims as preconditioner_claims
from theorylab.catalog.zhao_2022.products import claims as product_claims

__all__ = ["completion_claims", "penalty_claims", "preconditioner_claims", "product_claims"]
