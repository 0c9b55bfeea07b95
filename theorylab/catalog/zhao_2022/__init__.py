"""Zhao: a penalty on |W|_* / |W|_F that lowers the rank with adaptive optimizers, and hardly without.

R(W) = |W|_* / |W|_F is the sum of the singular values over the root of the sum of their squares (`penalty`). In a
linear network W = W_N ... W_1 loss and penalty move the singular values by a law of the depth N (`products`), with a
preconditioner by another (`preconditioners`); what that does to matrix completion is measured (`completion`).
"""

from __future__ import annotations

from theorylab.catalog.zhao_2022 import completion, penalty, preconditioners, products

claims = [penalty.claims, products.claims, preconditioners.claims, completion.claims]
