"""Kinks: where gates flip, sliding along them, and what is said of trajectories that touch one."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from torch import Tensor

import theorylab as tl
from theorylab import ops
from theorylab.readings import expression as ex
from theorylab.simulate import Solution, Status, converged, integrate
from theorylab.simulate.cases import draw_cases
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.crossings import leaves
from theorylab.simulate.kinks import SLIDES, kinks
from theorylab.simulate.methods import METHODS, STIFF_METHODS
from theorylab.simulate.problem import Problem
from theorylab.simulate.program import Program
from theorylab.simulate.sliding import decide

from .backends import apply, both_engines, needs_compiler, on
from .zoo import RATIONAL_LIMIT, tensor

pytestmark = needs_compiler
both = both_engines
located = pytest.mark.parametrize(
    ("method", "engine"), list(product([*METHODS, *STIFF_METHODS], ["C", "torch"])), indirect=["engine"]
)
compilation = import_module("theorylab.simulate.compiled")


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


@tl.model(W="k d", a="k")
def two_layers(p: Any, x: Any) -> Any:
    return p.a[None, :] @ ops.relu(p.W @ x)


@tl.model(W="k d", V="m k", a="m")
def three_layers(p: Any, x: Any) -> Any:
    return p.a[None, :] @ ops.relu(p.V @ ops.relu(p.W @ x))


def ensemble(
    model: Any, x: np.ndarray, y: np.ndarray, dims: dict[str, int], init: dict[str, np.ndarray], gates: int = 0
) -> tuple[Formula, Tensor]:
    """The compiled field of a flow on samples x, (n, d), and its initial states."""
    flow = tl.GradientFlow(model, loss=tl.loss.square, data=(x.T, y[None]), gates=gates)
    raw = draw_cases(flow, dims, len(next(iter(init.values()))), 0)
    problem = Problem(flow, dims, {**raw, **{f"init.{name}": values for name, values in init.items()}})
    field = problem.compiled()
    assert isinstance(field, Formula)
    return field, problem.initial


def noisy_net(trials: int) -> tuple[Formula, Tensor]:
    """5-16-1 with targets that it cannot fit: nearly every trajectory slides."""
    noise = np.random.default_rng(4)
    x = noise.standard_normal((20, 5))
    w, other = noise.standard_normal((2, 5)) / np.sqrt(5)
    y = np.maximum(x @ w, 0) - 0.3 * x @ other
    init = {
        "W": noise.standard_normal((trials, 16, 5)) / np.sqrt(5),
        "a": noise.standard_normal((trials, 16)) / 4,
    }
    return ensemble(two_layers, x / np.sqrt(20), y / np.sqrt(20), {"d": 5, "k": 16}, init)


def solved(field: Any, start: Any, **options: Any) -> Solution:
    return integrate(field, torch.as_tensor(start, dtype=torch.float64), **options)


def slid(run: Solution) -> Tensor:
    assert run.slid is not None
    return run.slid


def grazed(run: Solution) -> Tensor:
    assert run.grazed is not None
    return run.grazed


# --- crossings ------------------------------------------------------------------------------------------------------


def family(gamma: float) -> tuple[Formula, Tensor]:
    """The explicit family of Vardi and Shamir, Theorem 3, from 0."""
    x = np.array([[3.0, -1.0, 0.0], [4.0, 2.0, 0.0], [0.0, gamma, gamma]])
    return ensemble(neuron, x, np.array([16.0, 18.0, 0.0]), {"d": 3}, {"w": np.zeros((1, 3))}, gates=1)


@located
@pytest.mark.parametrize(
    ("gamma", "t1", "s"), [(1.0, 0.169650596128, -0.0407729197666735), (5.0, 0.0861474737807, -0.209048812305405)]
)
def test_explicit_family(gamma: float, t1: float, s: float, method: str, engine: str) -> None:
    """Up to t1 all samples are active; then the third coordinate stays at s."""
    field, start = family(gamma)
    run = solved(field, start, t_end=30.0, rtol=1e-10, atol=1e-12, method=method, save=[t1 - 1e-6, t1 + 1e-6])
    assert torch.allclose(run.y, tensor([[5.0, -1.0, s]]), rtol=0, atol=1e-9)
    assert not slid(run).any()
    assert run.saved is not None
    # The third sample's argument falls at a rate of order 1 and vanishes at t1.
    before, after = (gamma * (run.saved[0, :, 1] + run.saved[0, :, 2])).tolist()
    assert before > 0 > after
    assert abs(before + after) < 1e-4 * (before - after) + 1e-9


def rational() -> tuple[Formula, Tensor]:
    x = np.array([[6.0, -6.0, 6.0], [-3.0, -4.0, 18.0], [2.0, 12.0, 9.0]])
    return ensemble(neuron, x, np.array([13314.0, 17514.0, 0.0]), {"d": 3}, {"w": np.zeros((1, 3))}, gates=1)


@located
def test_rational_limit(method: str, engine: str) -> None:
    field, start = rational()
    run = solved(field, start, t_end=10.0, rtol=1e-10, atol=1e-9, method=method, until=converged(1e-6))
    assert run.statuses == (Status.CONVERGED,)
    assert torch.allclose(run.y[0], RATIONAL_LIMIT, rtol=1e-9)


@pytest.mark.parametrize(("method", "order"), [("tsit5", 4.0), ("dop853", 6.0)])
def test_full_order_across_kinks(method: str, order: float) -> None:
    """Errors fall with the number of steps as they do without kinks."""
    field, start = rational()
    errors, steps = [], []
    for rtol in (1e-5, 1e-10):
        run = solved(field, start, t_end=2.0, rtol=rtol, atol=rtol, method=method)
        errors.append(float((run.y[0] - RATIONAL_LIMIT)[2].abs()))
        steps.append(int(run.stats.steps))
    assert math.log(errors[0] / errors[1]) > order * math.log(steps[1] / steps[0])


@located
def test_double_crossing_in_one_step(method: str, engine: str) -> None:
    """x' = 1, y' = 10 where (x - 1)^2 < 1/100: the gate is shut for 0.2, however large the steps."""
    field = on(
        "fused",
        lambda t, y, c: [1 + 0 * y[0], 10 - 10 * apply("step", (y[0] - 1) ** 2 - c["width"])],
        2,
        {"width": tensor([0.01])},
    )
    run = solved(field, [[0.0, 0.0]], t_end=5.0, rtol=1e-6, method=method)
    assert torch.allclose(run.y, tensor([[5.0, 2.0]]), atol=1e-7)
    assert (run.stats.steps + run.stats.rejected)[0] < 60


@both
def test_speeds_on_both_sides(engine: str) -> None:
    """x' = 2 + sign(x - 1): speed 1, then 3, exactly; saved states on both sides."""
    field = on("fused", lambda t, y, c: [2 + apply("sign", y[0] - 1)], 1)
    run = solved(field, [[0.0]], t_end=1e3, rtol=1e-6, save=[0.5, 0.75, 2.0])
    assert run.saved is not None
    assert torch.allclose(run.saved[0, :, 0], tensor([0.5, 0.75, 4.0]), rtol=1e-12)
    assert math.isclose(run.y[0, 0].item(), 1 + 3 * 999.0, rel_tol=1e-12)


# --- sliding --------------------------------------------------------------------------------------------------------


@located
def test_slides_and_leaves(method: str, engine: str) -> None:
    """x' = t/2 - sign(x) from 1/2: at the kink from t = 2 - sqrt 2 to t = 2, then x = (t - 2)^2 / 4."""
    field = on("fused", lambda t, y, c: [t * y[1] - apply("sign", y[0]), 0 * y[1]], 2)
    times = [0.3, 1.0, 1.999, 3.0]
    run = solved(field, [[0.5, 0.5]], t_end=5.0, rtol=1e-9, method=method, save=times)
    assert slid(run).all()
    assert run.saved is not None
    assert torch.allclose(run.saved[0, :, 0], tensor([0.5 - 0.3 + 0.0225, 0.0, 0.0, 0.25]), atol=1e-9)
    assert torch.allclose(run.y[0], tensor([2.25, 0.5]), atol=1e-8)


@both
def test_one_neuron_slides(engine: str) -> None:
    """Samples (1, 0) and (1, 1) with targets -1 and 1: linear up to w_1 = 0, then w_2' = 1 - w_2 along the kink."""
    field, start = ensemble(
        neuron, np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([-1.0, 1.0]), {"d": 2}, {"w": np.array([[0.5, 0.2]])}
    )
    run = solved(field, start, t_end=3.0, rtol=1e-10, until=None)
    flow = tensor([[-2.0, -1.0, 0.0], [-1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])

    def first_phase(t: float) -> Tensor:
        return torch.linalg.matrix_exp(t * flow) @ tensor([0.5, 0.2, 1.0])

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if first_phase(middle)[0] > 0 else (low, middle)
    expected = 1 + (first_phase(low)[1] - 1) * math.exp(low - 3.0)
    assert slid(run).all()
    assert torch.allclose(run.y[0], torch.stack([tensor(0.0), expected]), atol=1e-9)
    # The velocity is the least element of the subdifferential: none across the kink.
    assert torch.allclose(run.field[0], torch.stack([tensor(0.0), 1 - expected]), atol=1e-9)


@both
def test_converges_on_a_kink(engine: str) -> None:
    """|x| + (x - 1/2)^2 / 2 is least at the kink, where neither side's field vanishes."""
    field = on("fused", lambda t, y, c: [-apply("sign", y[0]) - y[0] + c["at"]], 1, {"at": tensor([0.5, -0.5])})
    run = solved(field, [[1.0], [1.0]], t_end=10.0, rtol=1e-8, until=converged(1e-12))
    assert run.statuses == (Status.CONVERGED, Status.CONVERGED)
    assert torch.allclose(run.t, torch.log(tensor([3.0, 5.0 / 3.0])), rtol=1e-7)
    assert torch.allclose(run.y, tensor([[0.0], [0.0]]), atol=1e-12)


@both
def test_coupled_kinks(engine: str) -> None:
    """Two kinks whose fields push across each other: s_1 = 1/3 and s_2 = 1/6 keep both, and y' = s_1 + 2 s_2."""

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        first, second = apply("sign", y[0]), apply("sign", y[1])
        return [c["half"] * second - first + c["push"], c["half"] * first - second, first + 2 * second]

    field = on("fused", rates, 3, {"half": tensor([0.5]), "push": tensor([0.25])})
    run = solved(field, [[0.3, -0.2, 0.0]], t_end=20.0, rtol=1e-8, save=[10.0])
    assert run.saved is not None
    assert torch.allclose(run.y[0, :2], tensor([0.0, 0.0]), atol=1e-9)
    assert torch.allclose(run.y[0, 2] - run.saved[0, 0, 2], tensor(10 * 2 / 3), rtol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1e-6, 1e-12])
def test_fractions_near_a_place_of_rest(scale: float) -> None:
    """At any scale: e - g + k / 2 = 0 and -e / 4 + g / 2 - k = 0 at g = 7 e / 6, k = e / 3."""
    matrix, rates = np.array([[-1.0, 0.5], [0.5, -1.0]]), scale * np.array([1.0, -0.25])
    found = decide(matrix, rates, np.zeros(2), np.array([-1, -1]), np.zeros(2, dtype=bool))
    assert found is not None
    assert found[0].tolist() == [0, 0]
    assert np.allclose(found[1], scale * np.array([7 / 6, 1 / 3]), rtol=1e-12, atol=0)


@both
@pytest.mark.parametrize("scale", [0.1, 1e-5])
def test_slides_with_small_fractions(scale: float, engine: str) -> None:
    """The same fractions along a run from both kinks, seen through y' = (g + 2 k) / e."""

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        g, k, e = apply("step", y[0]), apply("step", y[1]), c["scale"]
        half = Fraction(1, 2)
        return [e - g + half * k, half * g - k - e * Fraction(1, 4), (g + 2 * k) * c["whole"]]

    field = on("fused", rates, 3, {"scale": tensor([scale]), "whole": tensor([1 / scale])})
    run = solved(field, [[0.0, 0.0, 0.0]], t_end=2.0, rtol=1e-8)
    assert run.statuses == (Status.T_END,)
    assert torch.allclose(run.y, tensor([[0.0, 0.0, 2 * (7 / 6 + 2 / 3)]]), atol=1e-9)
    assert not grazed(run).any()


def test_neurons_that_interpolate() -> None:
    """As many weights as samples: rates fall to round-off beside kinks whose jumps do not, and no run ends there."""
    flow = tl.GradientFlow(neuron, loss=tl.loss.square)
    run = tl.simulate(flow, dims={"d": 10, "n": 10}, trials=300, t_end=50.0, rtol=1e-8, atol=1e-11, method="tsit5")
    assert run.solution.counts() == {"t_end": 300}


def test_several_gates_at_once() -> None:
    """Where trajectories slide on several kinks, their velocity is the element of least norm, found here by scipy."""
    field, start = noisy_net(16)
    run = solved(field, start, t_end=20.0, rtol=1e-8, atol=1e-11)
    assert run.counts() == {"t_end": 16}
    program = field.program
    found = kinks(program)
    assert found is not None
    arguments = compile_formula(list(found.arguments), program.state, {"unused": torch.zeros(16)}, 0.0)
    assert arguments is not None
    z = arguments(torch.zeros(16), run.y, torch.arange(16))
    gates = [f"gate {i}" for i in range(z.shape[1])]
    frozen = compile_formula(list(found.roots), [*program.state, *gates], {"unused": torch.zeros(1)}, 0.0)
    assert frozen is not None
    together = []
    for trial in range(16):
        zero = torch.nonzero(z[trial].abs() < 1e-10)[:, 0]
        together.append(len(zero))
        base = (z[trial] > 0).double()
        base[zero] = 0.0
        tries = torch.stack([base, *(base + torch.eye(len(base), dtype=torch.float64)[i] for i in zero)])
        states = torch.cat([run.y[trial].expand(len(tries), -1), tries], 1)
        fields = frozen(torch.zeros(len(tries)), states, torch.zeros(len(tries), dtype=torch.int64)).numpy()
        jumps = (fields[1:] - fields[0]).T
        if not len(zero):
            continue
        fraction = lsq_linear(jumps, -fields[0], (0.0, 1.0), method="bvls", tol=1e-14).x
        assert np.allclose(
            run.field[trial].numpy(), fields[0] + jumps @ fraction, atol=1e-9 * np.abs(jumps).max() + 1e-10
        )
    assert max(together) >= 4


def test_noisy_net_agrees_with_a_tighter_run() -> None:
    field, start = noisy_net(16)
    loose = solved(field, start, t_end=100.0, rtol=1e-6, atol=1e-9)
    tight = solved(field, start, t_end=100.0, rtol=1e-8, atol=1e-11)
    assert loose.counts() == tight.counts() == {"t_end": 16}
    decided = ~grazed(loose)
    assert decided.sum() >= 15
    assert ((loose.y - tight.y).norm(dim=1)[decided] < 1e-4).all()
    assert slid(loose).sum() >= 15
    assert (loose.stats.steps + loose.stats.rejected < 1000).all()


def test_bits_do_not_depend_on_company() -> None:
    field, start = noisy_net(24)
    whole = solved(field, start, t_end=5.0, rtol=1e-6)
    for rows in (slice(0, 1), slice(3, 12)):
        alone = solved(field, start[rows], t_end=5.0, rtol=1e-6)
        assert torch.equal(alone.y.view(torch.int64), whole.y[rows].contiguous().view(torch.int64))
        assert torch.equal(alone.stats.evaluations, whole.stats.evaluations[rows])


# --- several layers -------------------------------------------------------------------------------------------------


def test_three_layers() -> None:
    """Gates of the second layer move with those of the first; what is resolved agrees with a tighter run."""
    noise = np.random.default_rng(6)
    x = noise.standard_normal((6, 2))
    init = {
        "W": noise.standard_normal((32, 4, 2)),
        "V": noise.standard_normal((32, 3, 4)) / 2,
        "a": noise.standard_normal((32, 3)) / 2,
    }
    field, start = ensemble(three_layers, x, noise.standard_normal(6), {"d": 2, "k": 4, "m": 3}, init)
    found = kinks(field.program)
    assert found is not None
    assert found.depth == 2
    loose, tight = (solved(field, start, t_end=2.0, rtol=rtol, atol=1e-3 * rtol) for rtol in (1e-7, 1e-9))
    assert {*loose.counts(), *tight.counts()} <= {"t_end", "unresolved_slide"}
    done = loose.finished & tight.finished & ~grazed(loose)
    assert done.sum() >= 16
    assert slid(loose)[done].any()
    assert ((loose.y - tight.y).norm(dim=1)[done] < 1e-5).all()


@both
def test_slides_in_two_layers(engine: str) -> None:
    """u_1 = x and u_2 = y + relu(x), rates 1 - 2 g_1 and 1 - 2 g_2: both are kept at 0 with halves."""

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        first = apply("step", y[0])
        second = apply("step", y[1] + y[0] * first)
        return [1 - 2 * first, 1 - 2 * second, first * second]

    run = solved(on("fused", rates, 3), [[0.3, 0.9, 0.0]], t_end=5.0, rtol=1e-8, save=[3.0])
    assert run.statuses == (Status.T_END,)
    assert run.saved is not None
    assert torch.allclose(run.y[0, :2], tensor([0.0, 0.0]), atol=1e-8)
    assert torch.allclose(run.y[0, 2] - run.saved[0, 0, 2], tensor(0.5), atol=1e-8)


@both
def test_more_kinks_than_can_be_told_apart(engine: str) -> None:
    """x_i' = -sign(x_i) for one coordinate more than may slide at once: it stops where the last one arrives."""
    count = SLIDES + 1
    start = torch.linspace(0.1, 1.0, count).double()[None]
    run = solved(on("fused", lambda t, y, c: [-apply("sign", x) for x in y], count), start, t_end=5.0, rtol=1e-8)
    assert run.statuses == (Status.UNRESOLVED_SLIDE,)
    assert torch.allclose(run.t, tensor([1.0]), atol=1e-9)
    assert not run.finished.any()


# --- models in torch -------------------------------------------------------------------------------------------------


@tl.model(W="k d", a="k")
def folded(p: Any, x: Any) -> Any:
    z = p.W @ x
    return p.a[None, :] @ (abs(z) + ops.leaky_relu(-z))


NETS = {
    "relu": (two_layers, {"d": 2, "k": 3, "n": 5}, {"loss": tl.loss.square}),
    "decay": (two_layers, {"d": 2, "k": 3, "n": 5}, {"loss": tl.loss.square, "weight_decay": tl.Fraction(1, 50)}),
    "momentum": (two_layers, {"d": 2, "k": 3, "n": 5}, {"loss": tl.loss.square, "momentum": tl.Fraction(1, 2)}),
    "abs": (folded, {"d": 2, "k": 2, "n": 4}, {"loss": tl.loss.square}),
    "three layers": (three_layers, {"d": 2, "k": 2, "m": 2, "n": 4}, {"loss": tl.loss.square}),
}
nets = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "relu" else pytest.mark.slow) for n in NETS], ids=list(NETS)
)


@pytest.mark.parametrize("name", NETS)
def test_kinks_end_no_run(name: str) -> None:
    """Gates that vanish together, one of them behind another: all runs end, and agree at two tolerances."""
    model, dims, given = NETS[name]
    flow = tl.GradientFlow(model, **given)
    options: dict[str, Any] = {"dims": dims, "trials": 12, "seed": 1, "t_end": 1.5}
    loose, tight = (tl.simulate(flow, rtol=rtol, atol=1e-3 * rtol, **options) for rtol in (1e-6, 1e-9))
    for run in (loose, tight):
        assert {s.label for s in run.status} == {"t_end"}
        assert (run.stats.rejected < 60).all()
    decided = ~(grazed(loose.solution) | grazed(tight.solution))
    assert decided.sum() >= 11
    assert torch.allclose(loose.solution.y[decided], tight.solution.y[decided], rtol=1e-4, atol=1e-4)


def test_a_sample_of_zeros() -> None:
    """The arguments of its gates are 0 for ever: more of them than may slide at once are no obstacle."""
    x = np.random.default_rng(0).standard_normal((2, 3))
    x[:, 2] = 0
    flow = tl.GradientFlow(two_layers, loss=tl.loss.square, data=(x, np.array([[1.0, -1.0, 0.5]])))
    run = tl.simulate(flow, dims={"d": 2, "k": SLIDES + 1}, trials=3, t_end=1.0, rtol=1e-6)
    assert {s.label for s in run.status} == {"t_end"}


@nets
def test_a_model_in_torch_slides_as_in_generated_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates taken down from an evaluation in torch, without an exact reading: the same ends, sliding and statuses."""
    model, dims, given = NETS[name]
    flow = tl.GradientFlow(model, **given)
    options: dict[str, Any] = {"dims": dims, "trials": 4, "seed": 1, "t_end": 1.0, "rtol": 1e-6, "atol": 1e-9}
    fused = tl.simulate(flow, **options)
    monkeypatch.setattr(compilation, "MAX_NODES", 0)
    plain = tl.simulate(flow, **options)
    assert (fused.backend, plain.backend[:13]) == ("generated C", "batched torch")
    assert plain.status == fused.status
    assert plain.slid is not None
    assert torch.equal(plain.slid, slid(fused.solution))
    assert plain.slid.any() == (name in ("relu", "decay"))
    done = fused.solution.finished & ~(grazed(fused.solution) | grazed(plain.solution))
    assert done.sum() >= 3
    assert torch.allclose(plain.solution.y[done], fused.solution.y[done], rtol=1e-4, atol=1e-4)
    assert torch.allclose(plain.solution.field[done], fused.solution.field[done], rtol=1e-2, atol=1e-3)


# --- touching a kink, and starting on one ---------------------------------------------------------------------------


@located
@pytest.mark.parametrize(("depth", "expected"), [(0.1, False), (1e-9, True), (-1e-9, True), (-0.1, False)])
def test_touching_is_reported(depth: float, expected: bool, method: str, engine: str) -> None:
    """The argument (x - 1)^2 - depth turns at 0 within the tolerance, or not."""
    field = on(
        "fused",
        lambda t, y, c: [1 + 0 * y[0], apply("step", (y[0] - 1) ** 2 - c["depth"])],
        2,
        {"depth": tensor([depth])},
    )
    run = solved(field, [[0.0, 0.0]], t_end=3.0, rtol=1e-6, method=method, first_step=0.1)
    assert run.statuses == (Status.T_END,)
    assert grazed(run).tolist() == [expected]


def test_a_step_that_starts_on_the_kink_leaves_there() -> None:
    """A cubic that rises by less than round-off before it falls leaves where it starts, not where it turns."""
    share, _ = leaves(*(tensor([value]) for value in (-1.5e-12, -4e-12, 2e-12, -8e-12, 1.0)))
    assert share.tolist() == [0.0]
    share, _ = leaves(*(tensor([value]) for value in (1.0, -1.0, -2.0, -2.0, 1.0)))
    assert torch.allclose(share, tensor([0.5]))


@both
@pytest.mark.parametrize("depth", [1e-9, -1e-9])
@pytest.mark.parametrize(("push", "expected"), [(3, False), (-3, True)])
def test_touching_a_kink_that_sends_back(depth: float, push: int, expected: bool, engine: str) -> None:
    """y = (t - 1)^2 + depth while y > 0, with a push where y < 0: back, so that nothing is undecided, or away."""

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        return [2 * (t - 1) + push * (1 - apply("step", y[0]))]

    run = solved(on("fused", rates, 1), [[1 + depth]], t_end=3.0, rtol=1e-6, first_step=0.1)
    assert run.statuses == (Status.T_END,)
    assert grazed(run).tolist() == [expected]
    if not expected:
        assert torch.allclose(run.y, tensor([[4.0]]), atol=1e-5)


@both
@pytest.mark.parametrize("depth", [1e-9, -1e-9])
@pytest.mark.parametrize(("pull", "expected"), [(0.5, False), (2.0, True)])
def test_a_fraction_that_touches_its_bound(depth: float, pull: float, expected: bool, engine: str) -> None:
    """u' = a - g + c k and v' = c g - 2 k for steps g of u and k of v, with c = pull t / 2 and a such that both stay
    at 0 with g = (t - 2)^4 / 32 + depth. Where g touches 0 that is all that they can do as long as the kinks attract
    together, which is c^2 < 2; beyond that u may leave as well.
    """

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        g, k = apply("step", y[0]), apply("step", y[1])
        couple = pull * t * Fraction(1, 2)
        a = ((t - 2) ** 4 * Fraction(1, 32) + c["depth"]) * (1 - couple**2 * Fraction(1, 2))
        return [a - g + couple * k, couple * g - 2 * k, g]

    field = on("fused", rates, 3, {"depth": tensor([depth])})
    run = solved(field, [[0.02, 0.03, 0.0]], t_end=2.5, rtol=1e-6, first_step=0.01)
    assert run.statuses == (Status.T_END,)
    assert slid(run).all()
    assert grazed(run).tolist() == [expected]


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-7])
def test_neurons_that_come_to_rest_on_kinks(rtol: float) -> None:
    """Fewer active samples than weights are fitted: the fractions of kinks on the way fall to 0 and stay there."""
    flow = tl.GradientFlow(neuron, loss=tl.loss.square)
    options: dict[str, Any] = {"dims": {"d": 5, "n": 10}, "trials": 300, "t_end": 50.0, "seed": 0}
    run, tight = (tl.simulate(flow, rtol=r, **options) for r in (rtol, 1e-2 * rtol))
    assert {s.label for s in run.status} == {s.label for s in tight.status} == {"t_end"}
    assert slid(run.solution).sum() > 200
    decided = ~grazed(run.solution)
    assert decided.sum() >= 295
    gap = (run.solution.y - tight.solution.y).abs().amax(1)
    assert (gap[decided] < 100 * rtol).all()


@located
@pytest.mark.parametrize(("pull", "start", "several"), [(2, -1.0, True), (2, -0.5, False), (0, -1.0, False)])
def test_several_solutions_are_reported(pull: int, start: float, several: bool, method: str, engine: str) -> None:
    """For u = x + y and v = x - y, u' = c sign(v) - sign(u) and v' = c sign(u) - sign(v). For c = 2 the origin is a
    place to stay and to leave, along u = v to either side; from (1, -1/2) the kink v = 0 is crossed before. For c = 0
    there is no more than staying.
    """

    def rates(t: Any, y: Any, c: Any) -> list[Any]:
        u, v = apply("sign", y[0] + y[1]), apply("sign", y[0] - y[1])
        first, second = pull * v - u, pull * u - v
        return [0.5 * (first + second), 0.5 * (first - second)]

    field = on("fused", rates, 2)
    run = solved(field, [[0.5 * (1 + start), 0.5 * (1 - start)]], t_end=2.0, rtol=1e-6, method=method)
    assert run.statuses == (Status.T_END,)
    assert grazed(run).tolist() == [several]


@located
def test_convention_at_zero(method: str, engine: str) -> None:
    """From w = 0 the flow of one neuron leaves where relu'(0) = 1, and stays where it is 0."""
    x, y = np.array([[1.0, 0.5], [0.2, 1.0]]), np.array([1.0, 2.0])
    for gates, end in ((0, np.zeros(2)), (1, np.linalg.solve(x, y))):
        field, start = ensemble(neuron, x, y, {"d": 2}, {"w": np.zeros((1, 2))}, gates=gates)
        run = solved(field, start, t_end=60.0, rtol=1e-10, method=method)
        assert torch.allclose(run.y[0], torch.from_numpy(end), atol=1e-8)


@both
def test_start_on_a_kink_that_attracts(engine: str) -> None:
    """|x| - c x from x = 0: it stays for |c| < 1, whatever the convention, and leaves for |c| > 1."""
    slopes = tensor([0.5, -0.5, 2.0, -2.0])
    for gate in (0.0, 0.5, 1.0):
        x, c = ex.var("y0"), ex.var("c")
        rate = ex.add(c, ex.const(1), ex.mul(ex.const(-2), ex.call("step", x)))
        field = compile_formula([rate], ["y0"], {"c": slopes}, gate)
        run = solved(field, torch.zeros(4, 1), t_end=1.0, rtol=1e-8)
        assert torch.allclose(run.y[:, 0], tensor([0.0, 0.0, 1.0, -1.0]), atol=1e-10)
        assert slid(run).tolist() == [True, True, False, False]


# --- the gates of a program -----------------------------------------------------------------------------------------


def test_gates_of_a_program() -> None:
    """One gate for z and -z, none for constants, gates of gates in the next layer, blocks by shared coordinates."""
    x, y, c = ex.var("x"), ex.var("y"), ex.var("c")
    minus = ex.const(-1)
    first = ex.call("step", ex.add(x, ex.mul(minus, c)))
    again = ex.call("step", ex.add(c, ex.mul(minus, x)))
    held = ex.call("step", c)
    found = kinks(Program.of([ex.mul(first, again, held), ex.call("sign", y)], ["x", "y"], 0.0))
    assert found is not None
    assert (len(found.arguments), found.depth, found.blocks) == (2, 1, (0, 1))
    assert ex.variables(found.roots) == {"gate 0", "gate 1", "c"}
    assert kinks(Program.of([ex.mul(held, x), y], ["x", "y"], 0.0)) is None
    nested = kinks(Program.of([ex.call("step", ex.add(y, ex.mul(x, ex.call("step", x)))), x], ["x", "y"], 0.0))
    assert nested is not None
    assert (nested.depth, nested.blocks) == (2, (0, 0))
    assert kinks(Program.of([x, y], ["x", "y"], 0.0)) is None
