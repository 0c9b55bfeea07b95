"""Which of several l1 minimisers diagonal networks choose: the published instance, and the limit of the potentials."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from theorylab import bias
from theorylab.errors import InputError

X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
Y = np.array([1.0, 1.2])
CHOSEN = {
    2: (0.347444, 0.272202, 0.213263, 0.167091),
    3: (0.349989, 0.269245, 0.211545, 0.169222),
    4: (0.351267, 0.267712, 0.210776, 0.170245),
}


@pytest.mark.parametrize("depth", CHOSEN)
def test_the_instance_with_a_face_of_minimisers(depth: int) -> None:
    best = bias.tie_break(depth).minimum(X, Y)
    assert best.b == pytest.approx(CHOSEN[depth], abs=1e-5)
    assert best.value == pytest.approx(1, abs=1e-12)
    assert best.certificate.residual < 1e-12
    for other in set(CHOSEN) - {depth}:
        assert bias.tie_break(other).certificate(best.b, X).residual > 1e-4


@pytest.mark.parametrize(("depth", "order"), [(3, 3), (4, 4)])
def test_the_potential_of_a_small_start_tends_to_the_choice(depth: int, order: int) -> None:
    """The distance is of the order alpha^D, k = alpha^D."""
    chosen = bias.tie_break(depth).minimum(X, Y).b
    distances = [
        np.abs(bias.hypentropy(Fraction(1, scale) ** depth, depth).minimum(X, Y).b - chosen).max() for scale in (32, 64)
    ]
    assert np.log2(distances[0] / distances[1]) == pytest.approx(order, abs=0.3)


def test_a_single_minimiser_is_the_choice() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=2)
    best = bias.tie_break().minimum(x, y)
    assert best.b == pytest.approx(bias.l1.minimum(x, y).b, abs=1e-9)
    assert best.certificate.residual < 1e-9


def test_signs_may_differ_on_the_face() -> None:
    """Both coordinates of each sign share alike, by symmetry."""
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.1, 0.1]])
    assert bias.tie_break().minimum(x, [1.0, -4.0]).b == pytest.approx([0.5, 0.5, -1, -1, 0], abs=1e-9)


def test_points_off_the_face_or_not_minimal_are_told() -> None:
    assert bias.tie_break().certificate([0.4, 0.2, 0.2, 0.2], X).residual > 0.01
    assert bias.tie_break().certificate([0.75, -0.25, 0.25, 0.25], X).residual > 0.3


@pytest.mark.parametrize("depth", [1, 2.5, True])
def test_depths_are_integers_from_two(depth: object) -> None:
    with pytest.raises(InputError, match="at least 2"):
        bias.tie_break(depth)  # type: ignore[arg-type]
