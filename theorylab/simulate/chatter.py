"""Chattering: a method without events crosses one kink of the field again and again.

Where both sides of a kink push onto it, the true (Filippov) solution slides along the kink, and an explicit method
crawls: its error is the jump times h, so the tolerance sets h. Stiffness looks the same from the steps alone; the field
tells them apart, since only a kink keeps its jump between points that are arbitrarily close.
"""

from __future__ import annotations

import torch
from torch import Tensor

from theorylab.simulate.control import norm
from theorylab.simulate.runge_kutta import Attempt, evaluate
from theorylab.simulate.typing import Field

# The last WATCHED of every WINDOW attempts are watched for rough steps, whose error exceeds ROUGH of the change of h f.
WINDOW = 256
WATCHED = 64
ROUGH = 1e-3

# A change of the field that HALVINGS halvings of the distance reduce to no less than this share is a jump. A Lipschitz
# field is left with 6e-8.
HALVINGS = 24
JUMP_SHARE = 0.01
EVALUATIONS = HALVINGS + 1


def is_watched(attempts: int) -> bool:
    """Whether attempt number `attempts`, counted from 1, is one of those watched."""
    return (attempts - 1) % WINDOW >= WINDOW - WATCHED


def is_rough(attempt: Attempt) -> Tensor:
    """Whether the error of the step falls no faster than h, (b,) bool.

    Where the field is smooth on the scale of the step, its error is a high power of h, far below the change of h f.
    """
    return norm(attempt.errors[0]) > ROUGH * norm(attempt.stages[-1] - attempt.stages[0])


def field_jumps(field: Field, a: Tensor, k: Tensor, t: Tensor, y: Tensor, f: Tensor, rows: Tensor) -> Tensor:
    """Whether the field jumps among the stages of a step from (t, y), where it is f; (b,) bool.

    From y to the stage whose field differs most, the segment is halved again and again, each time towards the larger
    change: EVALUATIONS of the field. k, (stages, b, D), are the stages times h, and a, (stages, stages), the matrix of
    the method.
    """
    furthest = torch.linalg.vector_norm(k - k[0], dim=2).argmax(0)
    far = y + torch.einsum("bi,ibd->bd", a[furthest], k)
    near, f_near, f_far = y, f, evaluate(field, t, far, rows)
    whole = norm(f_far - f_near)
    for _ in range(HALVINGS):
        middle = near + 0.5 * (far - near)
        f_middle = evaluate(field, t, middle, rows)
        first = (norm(f_middle - f_near) > norm(f_far - f_middle))[:, None]
        near, f_near = torch.where(first, near, middle), torch.where(first, f_near, f_middle)
        far, f_far = torch.where(first, middle, far), torch.where(first, f_middle, f_far)
    return (whole > 0) & (norm(f_far - f_near) > JUMP_SHARE * whole)
