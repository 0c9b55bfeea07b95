"""What a proof takes for granted is a premise: u ≠ 0 where a formula divides by u, u > 0 under a root or a logarithm.

Also where it cancels, so that nothing of it is left in the formula that is proved.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError
from theorylab.readings.namespace import Namespace

real = tl.Setting(x=tl.var(), y=tl.var())
positive = tl.Setting(x=tl.var(positive=True), y=tl.var(positive=True))


@tl.model(w="")
def redundant(p, x):
    return p.w / p.w * p.w * x


IDENTITIES = {
    "u / u": (lambda c: c.x / c.x, 1, {"x ≠ 0"}),
    "0 times 1 / u": (lambda c: 0 / c.x + c.y, lambda c: c.y, {"x ≠ 0"}),
    "1 / (1 / u)": (lambda c: 1 / (1 / c.x), lambda c: c.x, {"x ≠ 0"}),
    "a sum of fractions": (
        lambda c: 1 / c.x + 1 / c.y,
        lambda c: (c.x + c.y) / (c.x * c.y),
        {"x ≠ 0", "y ≠ 0", "x y ≠ 0"},
    ),
    "exp(log u)": (lambda c: ops.exp(ops.log(c.x)), lambda c: c.x, {"x > 0"}),
    "u^0 by a logarithm": (lambda c: c.x ** (c.y - c.y), 1, {"x > 0"}),
    "a root that cancels": (lambda c: ops.sqrt(c.x - c.y) - ops.sqrt(c.x - c.y), 0, {"x + -1 y > 0"}),
    "inside a derivative": (
        lambda c: ops.gradient(lambda q: q.z / c.y * c.y, Namespace({"z": c.x})).z,
        1,
        {"y ≠ 0"},
    ),
    "log(exp u)": (lambda c: ops.log(ops.exp(c.x)), lambda c: c.x, set()),
    "a positive sum": (lambda c: (1 + c.x**2) / (1 + c.x**2), 1, set()),
}


def proved(claim: tl.Claim, folder: Path) -> set[str]:
    verdict = tl.verify(claim, trials=8, budget=64, out=folder)
    assert verdict.status == "proved", verdict.reason
    return set(verdict.premises)


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_domain_of_a_formula_is_a_premise(name: str, tmp_path: Path) -> None:
    left, right, premises = IDENTITIES[name]
    assert proved(tl.Identity(real, left, right), tmp_path) == premises


@pytest.mark.parametrize("name", ["u / u", "0 times 1 / u", "exp(log u)", "a sum of fractions"])
def test_a_declared_sign_is_no_premise_besides(name: str, tmp_path: Path) -> None:
    left, right, _ = IDENTITIES[name]
    assert proved(tl.Identity(positive, left, right), tmp_path) == set()


def test_the_domain_of_a_model_is_a_premise(tmp_path: Path) -> None:
    flow = tl.GradientFlow(redundant, loss=tl.loss.square)
    assert "w ≠ 0" in proved(tl.Evolution(flow, flow.objective, 0, sense="<="), tmp_path)


def test_a_root_of_a_negative_number_proves_nothing(tmp_path: Path) -> None:
    claim = tl.Identity(real, lambda c: ops.sqrt(-1 - c.x**2) - ops.sqrt(-1 - c.x**2))
    assert tl.verify(claim, trials=8, budget=64, out=tmp_path).status == "inconclusive"


def test_a_hypothesis_without_a_relation_says_what_it_is(tmp_path: Path) -> None:
    four = tl.assume("x is four", None, lambda c: {"x": 4})
    premises = proved(tl.Identity(tl.Setting(four, x=tl.var()), lambda c: c.x, 4), tmp_path)
    assert premises == {"x is four (the cases that its enforce gives)"}


# w' = -1 for w > 0 and +1 for w < 0: a run reaches w = 0 and stays there, so |w| does not go on falling.
towards_zero = tl.Flow(lambda p: {"w": 1 - 2 * ops.step(p.w)}, state={"w": ""})


@pytest.mark.parametrize(
    "claim",
    [
        tl.Evolution(towards_zero, lambda p: abs(p.w), -1),
        tl.Evolution(towards_zero, lambda p: abs(p.w), -1, sense="<="),
        tl.Invariant(towards_zero, lambda p, c: abs(p.w) + c.t),
    ],
)
def test_a_law_of_both_sides_of_a_kink_says_nothing_of_runs_that_stay_on_it(claim: tl.Claim, tmp_path: Path) -> None:
    verdict = tl.verify(claim, trials=32, out=tmp_path)
    assert verdict.status == "inconclusive"
    assert "w ≠ 0 all along" in verdict.reason


def test_a_logarithm_of_zero_proves_nothing(tmp_path: Path) -> None:
    claim = tl.Identity(real, lambda c: ops.log(c.x - c.x) * (c.y - c.y))
    with pytest.raises(InputError, match="log of an expression that is exactly zero"):
        tl.verify(claim, trials=8, budget=64, out=tmp_path)


def test_the_domain_is_a_premise_also_where_there_is_no_proof(tmp_path: Path) -> None:
    """log(x^2) = 2 log x holds where x is positive: without that premise it is false."""
    verdict = tl.verify(tl.Identity(real, lambda c: ops.log(c.x**2), lambda c: 2 * ops.log(c.x)), out=tmp_path)
    assert verdict.status == "supported"
    assert "x > 0" in verdict.premises


def test_indices_of_one_size_have_names_of_their_own(tmp_path: Path) -> None:
    """|Wx|^2 > 0 as a sum over two indices of the inputs."""
    setting = tl.Setting(W=tl.var("k d"), x=tl.var("d n"))

    def direction(v):
        return v / ops.sqrt((v**2).sum(0))

    claim = tl.Identity(setting, lambda c: direction(c.W @ c.x), lambda c: direction(2 * c.W @ c.x))
    assert proved(claim, tmp_path) == {"sum(W[k,d] W[k,d'] x[d,n] x[d',n]) > 0"}
