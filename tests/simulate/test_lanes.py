"""Arithmetic of the lanes of generated C."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import pytest

from theorylab.simulate.compiler import build
from theorylab.simulate.kernel.source import LANES, OPTIONS, PROCESSOR, opening

from .backends import needs_compiler

pytestmark = needs_compiler
ENTRIES = """
void roots(long n, double exponent, const double *x, double *out) {
    for (long i = 0; i < n; i += LANES) {
        vec a;
        EACH_LANE a[lane] = x[i + lane];
        a = v_root(a, exponent);
        EACH_LANE out[i + lane] = a[lane];
    }
}
void sums(long n, const double *x, double *vectors, double *numbers) {
    for (long i = 0; i < n; i += LANES) {
        vec a, b, c;
        EACH_LANE a[lane] = x[i + lane], b[lane] = x[n + i + lane], c[lane] = x[2 * n + i + lane];
        const vec sum = v_fma(a, b, c);
        EACH_LANE vectors[i + lane] = sum[lane], numbers[i + lane] = s_fma(a[lane], b[lane], c[lane]);
    }
}
"""


@cache
def library() -> ctypes.CDLL:
    found = build("\n".join([opening(PROCESSOR), ENTRIES]), OPTIONS)
    assert found is not None
    found.roots.argtypes = [ctypes.c_long, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p]
    found.sums.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 3]
    return found


@pytest.mark.parametrize("exponent", [-0.7 / 5, 0.4 / 5, -0.7 / 9, 0.4 / 4, 1.0])
def test_roots_of_errors_of_every_size(exponent: float) -> None:
    x = np.concatenate([np.logspace(-300, 300, 4000), np.linspace(0.5, 2.0, 4000)])
    out = np.empty_like(x)
    library().roots(len(x), exponent, x.ctypes.data, out.ctypes.data)
    np.testing.assert_allclose(out, x**exponent, rtol=2e-13)


def test_root_of_infinity_is_below_every_limit_of_a_step() -> None:
    x = np.full(LANES, np.inf)
    out = np.empty_like(x)
    library().roots(LANES, -0.7 / 5, x.ctypes.data, out.ctypes.data)
    assert (out >= 0).all()
    assert (out < 1e-6).all()


def test_vectors_and_numbers_round_alike() -> None:
    """In sums that nearly cancel, where one rounding and two give different numbers."""
    noise = np.random.default_rng(0)
    a, b = noise.standard_normal((2, 800))
    x = np.stack([a, b, -a * b * (1 + 2.0**-50)])
    vectors, numbers = np.empty((2, 800))
    library().sums(800, x.ctypes.data, vectors.ctypes.data, numbers.ctypes.data)
    assert (vectors.view(np.int64) == numbers.view(np.int64)).all()
    assert np.abs(vectors - (a * b + x[2])).max() < 1e-15
