"""Dense output: states between the ends of a step, from its interpolant."""

from __future__ import annotations

import torch
from torch import Tensor

from theorylab.simulate.methods import ExplicitRungeKutta
from theorylab.simulate.runge_kutta import coefficients, stages
from theorylab.simulate.typing import Field


def interpolate(
    field: Field,
    method: ExplicitRungeKutta,
    t: Tensor,
    y: Tensor,
    h: Tensor,
    k: Tensor,
    rows: Tensor,
    pairs: Tensor,
    times: Tensor,
) -> Tensor:
    """States of a step at inner times, (P, D).

    The step goes from (t, y) with sizes h, (b,), and has the stages k, (last + 1, b, D), which carry the factor h.
    Pair number i asks for row pairs[i] at times[i]. Extra stages of the method are evaluated for these rows.
    """
    table = coefficients(method, y.device)
    if method.extra_stages:
        width = len(method.c)
        full = torch.empty((width, *y.shape), dtype=y.dtype, device=y.device)
        full[: method.last + 1] = k
        stages(field, table, range(method.last + 1, width), t, y, h, full, rows)
        k = full
    vectors = torch.einsum("ni,ibd->bnd", table.dense, k)[pairs]
    # An end of the step that round-off has moved past the time asked for must not extrapolate.
    theta = ((times - t[pairs]) / h[pairs]).clamp(0.0, 1.0)
    return y[pairs] + torch.einsum("pn,pnd->pd", alternating_basis(theta, len(table.dense)), vectors)


def alternating_basis(theta: Tensor, degree: int) -> Tensor:
    """theta, theta (1 - theta), theta^2 (1 - theta), ...: (P,) -> (P, degree)."""
    columns = [theta]
    for n in range(1, degree):
        columns.append(columns[-1] * ((1 - theta) if n % 2 else theta))
    return torch.stack(columns, dim=1)
