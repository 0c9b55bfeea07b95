"""Sums of products by index letters, in every reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import ops
from theorylab.errors import InputError, ShapeError

from .formulas import DIMS, LETTERS, at, exact_at, exact_letters, indexed_letters, numeric_at, values


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Subscripts and the names of letters: an index letter stands for one size, perhaps in several places."""
    names = draw(st.lists(st.sampled_from(sorted(LETTERS)), min_size=1, max_size=3))
    choice = {size: f"{size}{size.upper()}" for size in DIMS}
    terms = ["".join(draw(st.sampled_from(choice[size])) for size in LETTERS[name]) for name in names]
    present = sorted(set("".join(terms)))
    kept = draw(st.permutations(present)) if present else []
    return f"{','.join(terms)}->{''.join(kept[: draw(st.integers(0, len(kept)))])}", names


def by_numpy(subscripts: str, names: Sequence[str], point: dict[str, np.ndarray]) -> np.ndarray:
    trials = range(len(point["a"]))
    return np.stack([np.einsum(subscripts, *(point[name][t] for name in names)) for t in trials])


@settings(max_examples=150, deadline=None)
@given(contractions(), st.integers(0, 99))
def test_every_reading_says_what_numpy_says(contraction: tuple[str, list[str]], seed: int) -> None:
    subscripts, names = contraction
    point = values(seed)
    expected = by_numpy(subscripts, names, point)

    def formula(p: Any) -> Any:
        return ops.einsum(subscripts, *(p[name] for name in names))

    for found in (
        at(formula(indexed_letters()), point)[0],
        exact_at(formula(exact_letters()), point),
        numeric_at(formula, point),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_products_and_traces_for_all_sizes() -> None:
    p = indexed_letters()
    assert (ops.einsum("ab,bc->ac", p.B, p.A) - p.B @ p.A).is_zero()
    assert (ops.einsum("ab,bc", p.B, p.A) - p.B @ p.A).is_zero()
    assert (ops.einsum("ij->ji", p.A) - p.A.mT).is_zero()
    assert (ops.einsum("ii", p.S) - ops.trace(p.S)).is_zero()
    assert (ops.einsum("ii->i", p.S) - ops.diag(p.S)).is_zero()
    assert (ops.einsum("ab,b,a->", p.A, p.u, p.v) - (p.v * (p.A @ p.u)).sum()).is_zero()
    assert (ops.einsum(" k d , d -> k ", p.A, p.u) - p.A @ p.u).is_zero()


@pytest.mark.parametrize(
    ("subscripts", "names", "error", "message"),
    [
        ("ij,jk->il", "AA", InputError, "'ij,jk->il'; expected letters such as 'ij,jk->ik'"),
        ("ij->ii", "A", InputError, "those of the result once"),
        ("...ij->ij", "A", InputError, "expected letters"),
        (3, "A", InputError, "einsum got 3"),
        ("ij", "AA", InputError, "got 2 arrays; expected 1"),
        ("ijk->i", "A", ShapeError, r"an array of shape \('k', 'd'\) for 'ijk'"),
        ("ij,jk->ik", "AB", ShapeError, "the sizes d and m for 'j'"),
        ("ii->i", "A", ShapeError, "the sizes k and d for 'i'"),
    ],
)
def test_what_does_not_fit_is_said(subscripts: str, names: str, error: type[InputError], message: str) -> None:
    p = indexed_letters()
    with pytest.raises(error, match=message):
        ops.einsum(subscripts, *(p[name] for name in names))
