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
#define CALLED(name, vectors, numbers)                                    \\
    void name(long n, const double *x, double *lanes, double *one) {      \\
        for (long i = 0; i < n; i += LANES) {                             \\
            vec a;                                                        \\
            EACH_LANE a[lane] = x[i + lane];                              \\
            a = vectors(a);                                               \\
            EACH_LANE lanes[i + lane] = a[lane];                          \\
            EACH_LANE one[i + lane] = numbers(x[i + lane]);               \\
        }                                                                 \\
    }
CALLED(exps, v_exp, s_exp)
CALLED(tanhs, v_tanh, s_tanh)
"""


@cache
def library() -> ctypes.CDLL:
    found = build("\n".join([opening(PROCESSOR), ENTRIES]), OPTIONS)
    assert found is not None
    found.roots.argtypes = [ctypes.c_long, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p]
    for entry in (found.sums, found.exps, found.tanhs):
        entry.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 3]
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


@pytest.mark.parametrize("name", ["exp", "tanh"])
def test_functions_to_two_units_in_the_last_place(name: str) -> None:
    noise = np.random.default_rng(1)
    sizes = np.logspace(-300, 2.85, 4000)
    ends = [
        709.78,
        709.79,
        710.0,
        1e4,
        1e300,
        np.inf,
        708.4,
        745.1,
        746.0,
        0.0,
        19.0,
        20.0,
        21.0,
        0.35,
        0.34657359,
        0.0,
    ]
    x = np.concatenate([sizes, -sizes, noise.uniform(-3, 3, 4000), ends, np.negative(ends), [np.nan] * LANES])
    vectors, numbers = np.empty((2, len(x)))
    getattr(library(), f"{name}s")(len(x), *(array.ctypes.data for array in (x, vectors, numbers)))
    with np.errstate(over="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_allclose(vectors, expected, rtol=5e-16, atol=1e-323)
    assert (vectors.view(np.int64) == numbers.view(np.int64))[~np.isnan(x)].all()
    assert np.isnan(numbers[np.isnan(x)]).all()
