"""The search itself: blocks and kernels, brackets, names of laws, limits and interruptions."""

from __future__ import annotations

import importlib
import random
from fractions import Fraction

import pytest

import theorylab as tl
from tests.laws.test_counts import discovered, linear, relu
from theorylab import ops
from theorylab.derive.laws import ansatz, brackets, cells, count, sparse
from theorylab.derive.laws.closure import lie_closure
from theorylab.derive.laws.system import formulas, system

public = importlib.import_module("theorylab.discover")


def test_kernel_is_exact() -> None:
    """A kernel with a vector of large entries, and one with fractions."""
    big = 10**30
    assert ansatz.kernel([[big, -1]], 2) in ([[1, big]], [[-1, -big]])
    (vector,) = ansatz.kernel([[2, 3, 0], [0, 5, 7]], 3)
    assert [2 * vector[0] + 3 * vector[1], 5 * vector[1] + 7 * vector[2]] == [0, 0]
    assert ansatz.kernel([[1, 0], [0, 1]], 2) == []


def test_laws_of_a_rotation() -> None:
    """(-y, x) conserves x^2 + y^2 and its square, and nothing of odd degree."""
    field = {0: {(1,): -1}, 1: {(0,): 1}}
    laws = ansatz.polynomial_laws([field], ansatz.Ansatz(2, 4))
    assert len(laws) == 2
    assert {(0, 0): 1, (1, 1): 1} in laws
    assert all(len(m) in (2, 4) for law in laws for m in law)


def test_large_coefficients_are_exact() -> None:
    huge = 3**60
    field = {0: {(1,): -huge}, 1: {(0,): huge + 1}}
    (law,) = ansatz.polynomial_laws([field], ansatz.Ansatz(2, 2))
    assert Fraction(law[0, 0], law[1, 1]) == Fraction(huge + 1, huge)


def test_brackets_by_dual_numbers_are_those_of_polynomials() -> None:
    """[v, X] = DX v - Dv X, three deep, at a random point."""
    rng = random.Random(5)

    def field() -> dict[int, sparse.Poly]:
        monomials = [(), (0,), (1, 2), (0, 0), (2,)]
        return {k: {m: rng.randint(-5, 5) or 1 for m in rng.sample(monomials, 3)} for k in range(3)}

    def bracket(v: dict[int, sparse.Poly], x: dict[int, sparse.Poly]) -> dict[int, sparse.Poly]:
        found = {}
        for k in range(3):
            forward = [sparse.multiply(s, v[j]) for j, s in sparse.partials(x[k]).items()]
            back = [sparse.scale(sparse.multiply(s, x[j]), -1) for j, s in sparse.partials(v[k]).items()]
            found[k] = sparse.add({}, *forward, *back)
        return found

    fields = [field() for _ in range(4)]
    point = [rng.randint(2, 1000) for _ in range(3)]
    symbolic = bracket(fields[0], bracket(fields[1], bracket(fields[2], fields[3])))
    found = brackets.bracket((0, 1, 2, 3), [brackets.compiled(f) for f in fields], point)
    assert [found.get(k, 0) for k in range(3)] == [
        int(sparse.value(symbolic[k], point)) % brackets.PRIME for k in range(3)
    ]


def test_closure_of_rotations_is_transitive_on_spheres() -> None:
    """Two rotations generate all: the rank is 2 on three coordinates."""
    first = {0: {(1,): -1}, 1: {(0,): 1}}
    second = {1: {(2,): -1}, 2: {(1,): 1}}
    closure = lie_closure([first, second], [3, 5, 7], 3, 3)
    assert (closure.rank, closure.depth) == (2, 12) or closure.rank == 2


def test_a_dead_unit_is_noticed_and_named() -> None:
    """In a cell in which a unit is off for every input, its weights are all constant, and the unit is named."""
    given = formulas(tl.GradientFlow(relu, data=([[1, 2], [1, 1]], [[0, 0]])), {"d": 2, "k": 2, "m": 1, "n": 2})
    for seed in range(20):
        for cell, patterns in cells.cells(given, random.Random(seed), 4):
            found = count.count_laws(system(given, patterns), 2, cell=cell)
            dead = cells.dead_units(found, patterns)
            if len(dead) == 1:
                unit = int(dead[0][3])
                assert dead == (f"W1[{unit},:]",)
                constant = {
                    law_letters for law in found.laws if len(law) == 1 for law_letters in law if len(law_letters) == 1
                }
                assert {(2 * unit,), (2 * unit + 1,), (4 + unit,)} <= constant
                return
    pytest.fail("no cell with a dead unit was drawn")


def test_a_unit_with_two_slopes_is_never_dead() -> None:
    @tl.model(W1="k d", W2="m k")
    def leaky(p, x):
        return p.W2 @ ops.leaky_relu(p.W1 @ x)

    flow = tl.GradientFlow(leaky, data=([[1], [1]], [[0]]))
    laws = discovered(flow, k=2, m=1)
    assert laws.dead == ()


def test_signs_of_parameters_are_gates() -> None:
    @tl.model(w="d")
    def signed(p, x):
        return (ops.sign(p.w) * p.w**2)[None, :] @ x

    laws = discovered(tl.GradientFlow(signed), d=2)
    assert (laws.count, laws.complete, laws.dead) == (0, True, ())


def test_only_the_cell_with_fewest_laws_counts() -> None:
    laws = discovered(tl.GradientFlow(relu), d=1, k=3, m=2)
    assert max(laws.cells) > min(laws.cells) == laws.count


def test_laws_have_names() -> None:
    @tl.model(u="n", v="n", g="", W="k d", V="m k")
    def mixed(p, x):
        return p.g * (p.V @ (p.W @ x)) * (p.u * p.v).sum()

    laws = discovered(tl.GradientFlow(mixed), n=2, k=2, d=2, m=2)
    texts = {f.text.partition(";")[0].rstrip(")") for f in laws.families}
    assert "W W' - V' V (2 x 2, symmetric" in texts
    assert "u u' - v v' (2 x 2, symmetric" in texts
    assert "u v' - transpose (2 x 2, antisymmetric" in texts
    assert any("g^2" in text for text in texts)
    assert sum(f.counted for f in laws.families) + len(laws.unnamed) == laws.count


def test_rates_of_laws_are_numbers() -> None:
    half = discovered(tl.GradientFlow(linear, weight_decay=tl.Fraction(-1, 2)), d=1, k=1, m=1)
    assert [f.text for f in half.families] == ["exp(-1 t) (|W1|^2 - |W2|^2)"]


def test_a_scalar_model_has_the_size_of_its_input() -> None:
    @tl.model(w="")
    def scalar(p, x):
        return p.w * x

    assert (discovered(tl.GradientFlow(scalar), d=2).count) == 0


def test_laws_for_all_sizes() -> None:
    laws = discovered(tl.GradientFlow(linear), d=2, k=2, m=2)
    (verdict,) = laws.for_all_sizes(trials=4)
    assert (verdict.status, verdict.scope, verdict.title) == ("proved", "all sizes", "W1 W1' - W2' W2")


@pytest.mark.parametrize(
    "flow",
    [
        tl.GradientFlow(linear, momentum=1),
        tl.GradientFlow(linear, weight_decay=lambda c: c.lam, setting=tl.Setting(lam=tl.var(positive=True))),
    ],
    ids=["momentum", "weight decay"],
)
def test_laws_with_the_time_for_all_sizes(flow: tl.Flow) -> None:
    laws = discovered(flow, d=2, k=2, m=2)
    (verdict,) = laws.for_all_sizes(trials=4)
    assert (verdict.status, verdict.scope) == ("proved", "all sizes")


def test_too_large_a_search_is_refused_with_its_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "_free_memory", lambda: 0.01)
    with pytest.raises(
        tl.InputError, match=r"2162272|77420 unknown coefficients, about 0\.2 GB and \d+ s, but 0\.0 GB"
    ):
        tl.discover(tl.GradientFlow(linear), dims={"d": 14, "k": 14, "m": 14})


def test_a_long_search_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "LONG", 0.0)
    told: list[str] = []
    tl.discover(tl.GradientFlow(linear), dims={"d": 2, "k": 2, "m": 2}, progress=told.append)
    assert any("44 unknown coefficients" in text and "GB" in text for text in told)
    assert told.index("reading the forward map") < told.index("matching coefficients")


@pytest.mark.parametrize("stage", ["matching coefficients", "laws of 2 blocks", "brackets of depth 2"])
def test_an_interrupted_search_keeps_what_it_found(stage: str) -> None:
    """The laws are true, the list is never called complete, and there is no certificate."""

    def interrupt(text: str) -> None:
        if text.startswith(stage):
            raise KeyboardInterrupt

    laws = tl.discover(tl.GradientFlow(linear), dims={"d": 2, "k": 2, "m": 2}, progress=interrupt)
    assert laws.interrupted
    assert not laws.complete
    assert laws.certificate is None
    assert laws.count == {"matching coefficients": 0, "laws of 2 blocks": 1, "brackets of depth 2": 3}[stage]
    assert laws.bound >= 3
    assert "before the interruption" in str(laws)


def test_no_rational_point_leaves_numeric_evidence() -> None:
    """exp(1 + b) and exp(2 + b) are never both rational: the count is no proof."""

    @tl.model(b="", v="")
    def model(p, x):
        return p.v * (ops.exp(p.b + 1) + ops.exp(p.b * p.b + 2)) * x

    laws = tl.discover(tl.GradientFlow(model))
    assert not laws.complete
    assert (laws.tier, laws.certificate) == ("numeric", None)


def test_a_root_that_is_never_rational_leaves_numeric_evidence() -> None:
    """|(b_1 - b_2) / sqrt(2)| is irrational at rational points: the relation of the root is kept, modulo a prime."""

    @tl.model(U="k d", b="k")
    def layer_norm(p, x):
        z = p.U @ x + p.b[:, None]
        centred = z - z.mean(0, keepdims=True)
        return centred / ops.norm(centred, 0, keepdims=True)

    laws = tl.discover(tl.GradientFlow(layer_norm), dims={"d": 1, "k": 2})
    assert laws.count >= 3
    assert laws.gap >= 0
    assert (laws.complete, laws.tier) == (False, "numeric")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degree": 0}, "degree is 0"),
        ({"degree": 2.0}, "degree is 2.0"),
        ({"seed": -1}, "seed is -1"),
        ({"dims": {"q": 2}}, "unknown size 'q'"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(tl.InputError, match=message):
        tl.discover(tl.GradientFlow(linear), **arguments)


def test_a_model_is_no_flow() -> None:
    with pytest.raises(tl.InputError, match="discover got Model"):
        tl.discover(linear)
