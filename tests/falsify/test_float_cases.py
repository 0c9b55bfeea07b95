"""Claims without an exact form: only violations that rounding cannot explain are counterexamples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theorylab as tl
from theorylab import ops
from theorylab.catalog.neyshabur_2017 import spectral_bounds
from theorylab.errors import UnsupportedReading
from theorylab.falsify.float_cases import FloatCases
from theorylab.falsify.search import hunt

matrix = tl.Setting(A=tl.var("d k"), B=tl.var("d k"))
square = tl.Setting(A=tl.var("d d"))
scalar = tl.Setting(x=tl.var(draw=tl.draw.uniform(1, 64)))
SIZES = {"d": 2, "k": 3}


def nonzero(c: Any) -> Any:
    """1, but 0 at the matrix 0."""
    return ops.sign(ops.opnorm(c.A))


def determinant(a: Any) -> Any:
    return a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]


@tl.model(W="m d")
def linear(p, x):
    return p.W @ x


plane = tl.GradientFlow(linear)

TRUE = {
    "triangle": tl.Inequality(
        matrix, lambda c: ops.opnorm(c.A) + ops.opnorm(c.B), lambda c: ops.opnorm(c.A + c.B), name="triangle"
    ),
    "Frobenius": tl.Identity(
        matrix, lambda c: (ops.singular_values(c.A) ** 2).sum(), lambda c: (c.A**2).sum(), name="Frobenius"
    ),
    "determinant": tl.Identity(
        square, lambda c: determinant(ops.expm(c.A)), lambda c: ops.exp(ops.trace(c.A)), name="determinant"
    ),
    "almost every matrix is nonzero": tl.Inequality(square, nonzero, 1, name="nonzero", quantifier="almost every"),
    "norm of a state": tl.Inequality(
        plane, lambda p, c: (p.W**2).sum(), lambda p, c: ops.opnorm(p.W) ** 2, name="state"
    ),
}
FALSE = {
    "triangle, a percent": TRUE["triangle"].but(lhs=lambda c: (ops.opnorm(c.A) + ops.opnorm(c.B)) * 99 / 100),
    "Frobenius, exponent": TRUE["Frobenius"].but(lhs=lambda c: (ops.singular_values(c.A) ** 3).sum()),
    "expm is a sum": tl.Identity(square, lambda c: ops.expm(c.A), lambda c: ops.eye(c.A) + c.A, name="expm"),
    "every matrix is nonzero": TRUE["almost every matrix is nonzero"].but(quantifier="every"),
    "determinant, constant": TRUE["determinant"].but(rhs=lambda c: ops.exp(ops.trace(c.A)) * 101 / 100),
    "a root": tl.Identity(
        scalar, lambda c: ops.root(lambda t: t**2 - c.x, 0 * c.x, c.x + 1), lambda c: c.x / 2, name="root"
    ),
    "norm of a state, reversed": TRUE["norm of a state"].but(
        lhs=lambda p, c: ops.opnorm(p.W) ** 2, rhs=lambda p, c: (p.W**2).sum()
    ),
}  # fmt: skip


def sizes(claim: Any) -> dict[str, int]:
    return {n: {**SIZES, "m": 2, "n": 1}[n] for n in claim.subject.sizes}


@pytest.mark.parametrize("name", TRUE)
def test_true_claims_survive(name: str) -> None:
    found = hunt(TRUE[name], dims=sizes(TRUE[name]), budget=512)
    assert found.counterexample is None
    assert found.examined > found.outside


@pytest.mark.parametrize("name", FALSE)
def test_false_claims_die(name: str) -> None:
    found = hunt(FALSE[name], dims=sizes(FALSE[name]), budget=512)
    assert found.tier == "numeric"
    assert found.counterexample is not None


def test_a_witness_is_shrunk() -> None:
    """(1 + 0.333)^3 - 1 is beyond e / 10 * 3 * 0.333; every size is 1 and every weight."""
    found = hunt(spectral_bounds.perturbation_tenth, dims={"d": 3, "g": 3, "h": 3, "k": 4}, budget=512)
    assert found.dims == {"d": 1, "g": 1, "h": 1, "k": 1}
    assert found.counterexample is not None
    assert {n: found.counterexample.case[n] for n in "UVWx"} == {key: [["1"]] for key in "UVWx"}
    assert found.counterexample.case["dU"] == [["0.333"]]
    assert float(found.counterexample.value) == pytest.approx(0.2997 * np.e / 3 - (1.333**3 - 1), abs=1e-9)


def absorbed(c: Any) -> Any:
    """log(1 + e^-x) / e^-x lies between 1/2 and 1, and floats lose the second term of 1 + e^-x from x = 37 on."""
    tiny = ops.exp(-ops.opnorm(ops.stack([ops.stack([c.x])])))
    return ops.log(1 + tiny) / tiny


def test_what_rounding_explains_is_no_violation() -> None:
    claim = tl.Inequality(scalar, absorbed, lambda c: tl.Fraction(1, 2), name="absorbed")
    cases = FloatCases(claim, claim.tests()[0], {})
    codes = np.arange(len(cases.code.blocks[0].table))[:, None]
    screening = cases.screen(codes)
    assert screening.violates.sum() > 10, "floats show the violation"
    assert set(cases.recheck(codes[screening.violates])) == {None}
    assert hunt(claim, dims={}, budget=512).counterexample is None


def test_runs_inside_formulas_are_left_alone() -> None:
    flow = tl.GradientFlow(linear, loss=tl.loss.square)
    claim = tl.Identity(flow, lambda p, c: flow.after(p, c, 1).W, lambda p, c: p.W, name="after")
    dims = {"d": 1, "m": 1, "n": 1}
    with pytest.raises(UnsupportedReading, match="a run inside a formula has an error of its own"):
        FloatCases(claim, claim.tests()[0], dims).screen(np.zeros((4, 4), dtype=int))
    assert hunt(claim, dims=dims, budget=64).counterexample is None


def test_hypotheses_are_kept() -> None:
    """|expm(A) - 1| <= e^|A| - 1 < 2 where |A| < 1; other cases say nothing."""
    small = tl.assume("|A| < 1", lambda c: 1 - ops.opnorm(c.A), positive=True)
    claim = tl.Inequality(
        square.with_(small), lambda c: 2, lambda c: ops.opnorm(ops.expm(c.A) - ops.eye(c.A)), name="e-1"
    )
    found = hunt(claim, dims={"d": 2}, budget=512)
    assert found.counterexample is None
    assert 0 < found.outside < found.examined
    assert hunt(claim.without("|A| < 1"), dims={"d": 2}, budget=512).counterexample is not None
