"""Methods for stiff problems, and switching to them: exact solutions, orders, bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import theorylab as tl
from theorylab import ops
from theorylab.errors import InputError
from theorylab.readings import expression as ex
from theorylab.simulate import Solution, Status, converged, integrate, stiffness
from theorylab.simulate.compiled import Formula
from theorylab.simulate.kernel import solve
from theorylab.simulate.kernel.stiff import Formulas, stiff_source
from theorylab.simulate.methods import ROCK4, RODAS5P, STIFF_METHODS, TSIT5
from theorylab.simulate.program import Program
from theorylab.simulate.stiffness import derivatives
from theorylab.simulate.switching import Stiff, stiff_methods

from .backends import apply, both_engines, needs_compiler, on
from .test_fused import assert_same_bits
from .test_order import slopes
from .zoo import ZOO, Problem, decay, driven, oscillator, tensor

pytestmark = needs_compiler
methods = pytest.mark.parametrize("method", STIFF_METHODS)
problems = pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)


def stiff_decay(rates: Tensor, trials: int = 5, seed: int = 3) -> Problem:
    """y' = -H y, H symmetric with the eigenvalues `rates`, (D,), scaled by 1, 2, ... from trial to trial."""
    noise = torch.Generator().manual_seed(seed)
    d = len(rates)
    frames = torch.linalg.qr(torch.randn(trials, d, d, generator=noise, dtype=torch.float64))[0]
    scaled = rates * torch.arange(1, trials + 1, dtype=torch.float64)[:, None]
    hessian = frames @ torch.diag_embed(scaled) @ frames.mT
    start = torch.randn(trials, d, generator=noise, dtype=torch.float64)

    def exact(t: Tensor) -> Tensor:
        coordinates = (frames.mT @ start[:, :, None])[:, None, :, 0]
        return torch.exp(-t[:, None] * scaled[:, None]) * coordinates @ frames.mT

    constants = {f"h{i}{j}": hessian[:, i, j].clone() for i in range(d) for j in range(i, d)}
    return Problem(
        "stiff", lambda t, y, rows: -(hessian[rows] @ y[:, :, None])[:, :, 0], start, 10.0, exact,
        lambda t, y, c: [-sum(c[f"h{min(i, j)}{max(i, j)}"] * y[j] for j in range(d)) for i in range(d)], constants,
    )  # fmt: skip


def factors(starts: Tensor, curvature: float) -> Problem:
    """The gradient flow of curvature (u v - 1)^2 / 2 from u = v = s: u v = w with w' = 2 curvature w (1 - w)."""
    w = starts[:, None] ** 2

    def exact(t: Tensor) -> Tensor:
        decay = torch.exp(-2 * curvature * t)
        root = torch.sqrt(w / (w + (1 - w) * decay))
        return torch.stack([root, root], 2)

    def formula(t: Any, y: Any, c: Any) -> list[Any]:
        residual = (y[0] * y[1] - 1) * curvature
        return [-residual * y[1], -residual * y[0]]

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.stack(formula(t, y.unbind(1), {}), 1)

    return Problem("two factors", field, torch.stack([starts, starts], 1), 30.0, exact, formula)


@methods
@problems
def test_exact_solutions(problem: Problem, method: str) -> None:
    exact = problem.exact(tensor([0.3 * problem.t_end, problem.t_end]))
    errors = []
    for rtol in (1e-5, 1e-8):
        save = [0.3 * problem.t_end]
        run = integrate(
            problem.on("fused"), problem.initial, t_end=problem.t_end, rtol=rtol, atol=rtol, method=method, save=save
        )
        assert run.finished.all()
        assert (run.method, set(run.finisher)) == (method, {method})
        assert run.y.dtype == torch.float64
        assert run.saved is not None
        both = torch.cat([run.saved, run.y[:, None]], 1)
        errors.append(((both - exact).abs() / (1 + exact.abs())).max().item())
    assert errors[0] < 1e-3
    assert errors[1] < 1e-6
    assert errors[1] < errors[0] / 50


@methods
@pytest.mark.parametrize("problem", [driven(), oscillator(), decay()], ids=lambda problem: problem.name)
def test_error_of_one_step_has_the_order(problem: Problem, method: str) -> None:
    """The fields depend on time, are not symmetric, and are linear and symmetric; the local order is one more."""
    sizes = {"driven": [0.2, 0.1, 0.05], "oscillator": [0.1, 0.05, 0.025]}.get(problem.name, [0.02, 0.01, 0.007])
    errors = []
    for h in sizes:
        run = integrate(problem.on("fused"), problem.initial, t_end=h, first_step=h, rtol=0.9, atol=1e6, method=method)
        assert set(run.stats.steps.tolist()) == {1}
        errors.append((run.y - problem.exact(tensor([h]))[:, 0]).norm().item())
    order = STIFF_METHODS[method].order
    (measured,) = slopes([sizes[0], sizes[-1]], [errors[0], errors[-1]])
    assert order + 0.6 < measured < order + 2.0


@methods
def test_one_step_is_the_stability_polynomial(method: str) -> None:
    """On linear fields, also where 1 / (gamma h) - J is not positive definite and Cholesky factors do not exist."""
    rates = tensor([30.0, 2.0, -20.0])
    problem, h = stiff_decay(rates, trials=3), 0.5
    run = integrate(problem.on("fused"), problem.initial, t_end=h, first_step=h, rtol=0.9, atol=1e300, method=method)
    assert set(run.stats.steps.tolist()) == {1}
    assert problem.constants is not None
    entries = [problem.constants[f"h{min(i, j)}{max(i, j)}"] for i in range(3) for j in range(3)]
    hessian = torch.stack(entries, 1).reshape(-1, 3, 3)
    values, frames = torch.linalg.eigh(-h * hessian)
    for trial in range(3):
        z = values[trial].numpy()
        if method == "rodas5p":
            factor = RODAS5P.stability(z.astype(complex)).real
        else:
            # The spectral radius, and with it the number of stages, is the method's own estimate.
            stages = int(run.stats.evaluations[trial])
            found = [m.stability(z) for m in ROCK4.members if m.stages <= stages]
            near = [frames[trial] @ (torch.tensor(f) * (frames[trial].mT @ problem.initial[trial])) for f in found]
            assert min((run.y[trial] - x).norm() / x.norm() for x in near) < 1e-9
            continue
        expected = frames[trial] @ (torch.tensor(factor) * (frames[trial].mT @ problem.initial[trial]))
        assert torch.allclose(run.y[trial], expected, rtol=1e-9)


@methods
def test_stiff_decay_takes_few_evaluations(method: str) -> None:
    problem = stiff_decay(tensor([1.0, 30.0, 1e3, 2e4]))
    field = problem.on("fused")
    options: dict[str, Any] = {"t_end": 10.0, "rtol": 1e-6, "atol": 1e-9}
    run = integrate(field, problem.initial, method=method, **options)
    plain = integrate(field, problem.initial[:1], method="tsit5", **options)
    assert run.finished.all()
    assert (run.y - problem.exact(tensor([10.0]))[:, 0]).abs().max() < 1e-6
    assert run.stats.evaluations[0] < plain.stats.evaluations[0] / 10


@both_engines
def test_auto_changes_the_method_of_each_trajectory(engine: str) -> None:
    """Rows that differ only in their stiffness; then one that is stiff for a while only."""

    def formula(t: Any, y: Any, c: Any) -> list[Any]:
        return [-y[0], -(y[1] - apply("cos", t)) * c["rate"]]

    rate = tensor([2.0, 3e4, 1.0, 1e5])
    field = on("fused", formula, 2, {"rate": rate})
    run = integrate(field, torch.ones(4, 2).double(), t_end=6.0, rtol=1e-6)
    assert run.counts() == {"t_end": 4}
    assert run.finisher == ("tsit5", "rodas5p", "tsit5", "rodas5p")
    fast = rate[:, None] > 1e3
    t = tensor(6.0)
    # y' = -r (y - cos t) settles on (r^2 cos t + r sin t) / (r^2 + 1).
    slow = (rate**2 * torch.cos(t) + rate * torch.sin(t)) / (rate**2 + 1)
    assert torch.allclose(run.y[fast[:, 0], 1], slow[fast[:, 0]], atol=1e-5)

    def fades(t: Any, y: Any, c: Any) -> list[Any]:
        return [-y[1] * y[0] + apply("cos", t) * y[1], -0.6 * y[1]]

    faded = integrate(on("fused", fades, 2), tensor([[1.0, 3e4], [1.0, 1.0]]), t_end=40.0, rtol=1e-6)
    assert faded.finisher == ("tsit5", "tsit5")
    assert faded.stats.steps[0] < 1500
    plain = integrate(on("fused", fades, 2), tensor([[1.0, 3e4]]), t_end=40.0, rtol=1e-9, method="dop853")
    assert plain.stats.steps[0] > 2000
    assert torch.allclose(faded.y[0], plain.y[0], atol=1e-4)


@both_engines
def test_two_factors_from_a_small_start(engine: str) -> None:
    problem = factors(tensor([1e-3, 1e-2, 0.1, 0.4]), 1.0)
    exact = problem.exact(tensor([problem.t_end]))[:, 0]
    for method in ("auto", "rock4", "rodas5p"):
        run = integrate(problem.on("fused"), problem.initial, t_end=problem.t_end, rtol=1e-7, method=method)
        assert (run.y - exact).abs().max() < 1e-5, method


@both_engines
@pytest.mark.parametrize("method", ["auto", *STIFF_METHODS])
def test_convergence_is_reached_at_the_stability_limit(method: str, engine: str) -> None:
    """The gradient norm falls to the limit although the error allows stiff components that are larger."""
    problem = stiff_decay(tensor([1.0, 30.0, 1e3, 2e4]))
    run = integrate(
        problem.on("fused"), problem.initial, t_end=200.0, rtol=1e-6, atol=1e-9, method=method, until=converged(1e-9)
    )
    assert run.counts() == {"converged": 5}
    assert (run.field.norm(dim=1) <= 1e-9).all()


@pytest.mark.parametrize("method", ["auto", *STIFF_METHODS])
def test_bits_do_not_depend_on_company_order_or_threads(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = stiff_decay(tensor([1.0, 30.0, 4e3]), trials=37)
    assert problem.constants is not None
    held = {**problem.constants, "scale": torch.full((37,), 1.3).double()}
    options = {"t_end": 2.0, "rtol": 1e-6, "atol": 1e-9, "method": method, "save": [0.5, 1.1], "max_steps": 10**6}

    def formula(t: Any, y: Any, c: Any) -> list[Any]:
        assert problem.scalars is not None
        return [rate * c["scale"] for rate in problem.scalars(t, y, c)]

    def run(rows: Tensor) -> Solution:
        some = {name: values[rows].clone() for name, values in held.items()}
        watch = on("fused", lambda t, y, c: [y[0] * c["scale"], y[2]], 3, some)
        return integrate(on("fused", formula, 3, some), problem.initial[rows], observe=watch, **options)

    everything = torch.arange(37)
    monkeypatch.setattr(solve, "processors", lambda: 1)
    together = run(everything)
    assert together.finished.all()
    monkeypatch.setattr(solve, "processors", lambda: 3)
    assert_same_bits(run(everything), together)
    shuffled = torch.randperm(37, generator=torch.Generator().manual_seed(1))
    assert_same_bits(run(shuffled), together, shuffled)
    for rows in (everything[:1], everything[5:7], everything[11:30]):
        part = run(rows)
        assert_same_bits(part, together, rows)
        assert part.finisher == tuple(together.finisher[i] for i in rows.tolist())


@methods
def test_a_bad_row_does_not_disturb_the_others(method: str) -> None:
    start = torch.linspace(0.1, 0.4, 24).double()[:, None].repeat(1, 2)
    spoiled = start.clone()
    spoiled[3], spoiled[9], spoiled[17] = torch.nan, torch.inf, 30.0
    field = on("fused", lambda t, y, c: [y[0] ** 2, -y[1]], 2)
    options = {"t_end": 1.5, "rtol": 1e-8, "max_steps": 3000, "method": method}
    alone, mixed = (integrate(field, y, **options) for y in (start, spoiled))
    assert [mixed.statuses[i] for i in (3, 9)] == [Status.NON_FINITE] * 2
    assert mixed.statuses[17] in (Status.STEP_TOO_SMALL, Status.NON_FINITE)
    assert torch.allclose(mixed.t[17], tensor(1 / 30))
    others = torch.tensor([i for i in range(24) if i not in (3, 9, 17)])
    assert torch.equal(mixed.y[others], alone.y[others])


@pytest.mark.parametrize("method", ["auto", *STIFF_METHODS])
def test_every_loop_is_bounded(method: str) -> None:
    problem = stiff_decay(tensor([1.0, 1e5, 1e7]))
    run = integrate(problem.on("fused"), problem.initial, t_end=1e9, rtol=1e-9, max_steps=23, method=method)
    assert (run.stats.steps + run.stats.rejected <= 23).all()
    assert set(run.counts()) <= {"max_steps", "t_end"}


def test_a_field_of_zeros_has_no_radius_and_is_crossed_in_few_steps() -> None:
    field = on("fused", lambda t, y, c: [y[0] * 0, y[1] * 0], 2)
    for method in STIFF_METHODS:
        run = integrate(field, torch.ones(3, 2).double(), t_end=1e6, method=method, rtol=1e-6)
        assert torch.equal(run.y, torch.ones(3, 2).double())
        assert (run.stats.steps < 30).all()


def test_derivatives_freeze_the_gates_and_know_symmetry() -> None:
    x, y, z = (ex.var(n) for n in ("y0", "y1", "y2"))
    gate = ex.call("step", ex.add(x, ex.mul(ex.const(-1), y)))
    program = Program.of([ex.mul(gate, x), ex.mul(gate, ex.power(y, 2)), z], ["y0", "y1", "y2"], 0.0)
    found = derivatives(program)
    assert found.symmetric
    assert found.clock is None
    written = found.jacobian
    assert written is not None
    values = {"y0": 2.0, "y1": 0.5, "y2": 1.0}
    numbers: Any = _Numbers()
    entries = ex.evaluate(written, lambda n: np.float64(values[n]), numbers)
    assert [float(e) for e in entries] == [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    rotation = Program.of([y, ex.mul(ex.const(-1), x)], ["y0", "y1"], 0.0)
    assert not derivatives(rotation).symmetric


class _Numbers:
    const = staticmethod(lambda value: float(value))
    add = staticmethod(sum)
    mul = staticmethod(np.prod)
    power = staticmethod(lambda base, exponent: base**exponent)
    call = staticmethod(lambda name, argument: float(argument > 0))


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_large_jacobian_comes_from_products(symmetric: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run, whether the Jacobian is written out or its columns are products with unit vectors."""
    problem = stiff_decay(tensor([1.0, 30.0, 1e3]), trials=3) if symmetric else oscillator()
    runs = []
    for written in (6000, 0):
        monkeypatch.setattr(stiffness, "MAX_WRITTEN", written)
        one = torch.full((len(problem.initial),), 1.0).double()

        def formula(t: Any, y: Any, c: Any, factor: str = f"one{written}") -> list[Any]:
            assert problem.scalars is not None
            return [rate * c[factor] for rate in problem.scalars(t, y, c)]

        field = on("fused", formula, problem.initial.shape[1], {**(problem.constants or {}), f"one{written}": one})
        assert isinstance(field, Formula)
        held = (False,) * len(field.program.held)
        source = stiff_source(RODAS5P, Formulas(field.program, None, held, ()))
        assert ("#define WRITTEN 1" in source, "void tangent(" in source) == (bool(written), not written)
        assert f"#define SYMMETRIC {int(symmetric)}" in source
        runs.append(integrate(field, problem.initial, t_end=1.0, method="rodas5p", rtol=1e-7))
    assert torch.allclose(runs[0].y, runs[1].y, rtol=1e-10, atol=1e-12)
    assert torch.equal(runs[0].stats.steps, runs[1].stats.steps)


def test_which_methods_auto_turns_to() -> None:
    small = stiff_decay(tensor([1.0, 2.0])).on("fused").program  # type: ignore[attr-defined]
    chosen = stiff_methods(len(small.state), small.nodes, TSIT5, 1e-6)
    assert chosen is not None
    assert chosen.methods == (RODAS5P,)
    names = [f"y{i}" for i in range(200)]
    letters = [ex.var(n) for n in names]
    total = ex.add(*letters)
    large = Program.of([ex.mul(x, total) for x in letters], names, 0.0)
    loose = stiff_methods(len(large.state), large.nodes, TSIT5, 1e-6)
    assert loose is not None
    assert loose.methods == (ROCK4,)
    assert stiff_methods(len(large.state), large.nodes, TSIT5, 1e-9) is None
    kinked = Program.of([ex.mul(ex.call("step", letters[0]), letters[0])], names[:1], 0.0)
    assert stiff_methods(len(kinked.state), kinked.nodes, TSIT5, 1e-6) == Stiff((RODAS5P,))


@both_engines
@pytest.mark.parametrize("rtol", [1e-6, 1e-9])
def test_a_stiff_field_with_kinks(rtol: float, engine: str) -> None:
    """x' = 2 + sign(x - 1): speed 1, then 3; v' = r (step(x - 1) - v) follows a step; u' = r (cos t - u) is stiff."""

    def formula(t: Any, y: Any, c: Any) -> list[Any]:
        over = apply("step", y[0] - 1)
        return [1 + 2 * over, (over - y[1]) * 3, (apply("cos", t) - y[2]) * c["rate"]]

    rate = tensor([1.0, 2e4, 1e5, 3e4])
    field, start = on("fused", formula, 3, {"rate": rate}), tensor([[0.0, 0.5, 1.0]] * 4)
    times = [0.9, 1.25, 4.0]
    run = integrate(field, start, t_end=5.0, rtol=rtol, atol=1e-3 * rtol, save=times, max_steps=10**6)
    plain = integrate(field, start[:2], t_end=0.5, rtol=1e-6, atol=1e-9, method="tsit5", max_steps=10**6)
    assert run.statuses == (Status.T_END,) * 4
    assert set(run.finisher[1:]) == {"rodas5p"}
    assert run.finisher[0] in ("tsit5", "dop853")
    assert (run.stats.evaluations[1:] < plain.stats.evaluations[1]).all()
    assert run.saved is not None
    for i, t in enumerate(times):
        x = t if t < 1 else 1 + 3 * (t - 1)
        v = 0.5 * math.exp(-3 * t) + (1 - math.exp(-3 * (t - 1)) if t > 1 else 0.0)
        assert torch.allclose(run.saved[:, i, :2], tensor([[x, v]] * 4), atol=100 * rtol)


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


def test_a_stiff_neuron() -> None:
    """Singular values of the data from 1 to 200: the explicit method takes a hundred times the evaluations."""
    noise = np.random.default_rng(3)
    first, second = (np.linalg.qr(noise.standard_normal((4, 4)))[0] for _ in range(2))
    x = np.concatenate([first * np.array([1.0, 5.0, 30.0, 200.0]) @ second, noise.standard_normal((4, 4))], 1)
    y = np.maximum(noise.standard_normal(4) @ x, 0)[None]
    flow = tl.GradientFlow(neuron, loss=tl.loss.square, data=(x, y))
    options: dict[str, Any] = {"trials": 6, "seed": 1, "t_end": 5.0, "atol": 1e-12, "max_steps": 10**6}
    run, plain = (tl.simulate(flow, rtol=1e-6, method=method, **options) for method in ("auto", "tsit5"))
    assert {s.label for s in run.status} == {"t_end"}
    assert (run.stats.evaluations < plain.stats.evaluations / 20).all()
    assert set(run.solution.finisher) == {"rodas5p"}
    exact = tl.simulate(flow, rtol=1e-10, method="dop853", **options)
    assert torch.allclose(run.params["w"], exact.params["w"], atol=1e-6)


@both_engines
def test_what_slides_stays_with_the_explicit_method(engine: str) -> None:
    """x' = t y_1 - sign(x) slides from t = 2 - sqrt 2 to t = 2, while another coordinate is stiff."""

    def formula(t: Any, y: Any, c: Any) -> list[Any]:
        return [t * y[1] - apply("sign", y[0]), 0 * y[1], (apply("cos", t) - y[2]) * c["rate"]]

    field = on("fused", formula, 3, {"rate": tensor([3e3])})
    run = integrate(field, tensor([[0.5, 0.5, 1.0]]), t_end=5.0, rtol=1e-7, atol=1e-9, save=[1.0, 3.0])
    assert run.statuses == (Status.T_END,)
    assert run.slid is not None
    assert run.slid.all()
    assert run.saved is not None
    assert torch.allclose(run.saved[0, :, 0], tensor([0.0, 0.25]), atol=1e-6)
    assert torch.allclose(run.y[0, :2], tensor([2.25, 0.5]), atol=1e-6)
    assert run.finisher == ("rodas5p",)


@methods
@problems
def test_same_solution_in_torch(problem: Problem, method: str) -> None:
    """The field in torch, and the compiled formula as torch sees it, beside the fused solve."""
    options: dict[str, Any] = {"t_end": problem.t_end, "rtol": 1e-7, "atol": 1e-9, "method": method}
    options |= {"save": [0.0, 0.3 * problem.t_end], "observe": lambda t, y, rows: y[:, :1] ** 2}
    fused = integrate(problem.on("fused"), problem.initial, **{**options, "observe": None})
    exact = problem.exact(tensor([0.3 * problem.t_end, problem.t_end]))
    for field in (problem.field, problem.on("fused")):
        plain = integrate(field, problem.initial, **options)
        assert plain.method == method
        assert plain.statuses == fused.statuses
        assert plain.saved is not None
        assert torch.equal(plain.saved[:, 0], problem.initial)
        both = torch.cat([plain.saved[:, 1:], plain.y[:, None]], 1)
        assert ((both - exact).abs() / (1 + exact.abs())).max() < 1e-5
        assert torch.allclose(plain.stats.steps.double(), fused.stats.steps.double(), rtol=0.1, atol=2)
        assert plain.drift is not None
        assert (plain.drift > 0).any()


@methods
def test_in_torch_rows_stop_on_their_own(method: str) -> None:
    problem = stiff_decay(tensor([1.0, 30.0, 1e3]), trials=4)
    start = torch.cat([problem.initial, torch.full((1, 3), torch.nan).double()])

    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return problem.field(t, y, rows.clamp(max=3))

    run = integrate(field, start, t_end=50.0, rtol=1e-6, atol=1e-9, method=method, until=converged(1e-8))
    assert run.statuses == (*[Status.CONVERGED] * 4, Status.NON_FINITE)
    alone = integrate(field, start[:1], t_end=50.0, rtol=1e-6, atol=1e-9, method=method, until=converged(1e-8))
    assert torch.allclose(alone.y[0], run.y[0], atol=1e-7)
    short = integrate(field, start, t_end=50.0, rtol=1e-6, method=method, max_steps=3)
    assert set(short.counts()) == {"max_steps", "non_finite"}


def test_a_field_without_forward_derivative_is_refused() -> None:
    def field(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return torch.from_numpy(-y.numpy())

    with pytest.raises(InputError, match="the field has no forward derivative"):
        integrate(field, torch.ones(2, 2).double(), t_end=1.0, method="rock4")


@methods
def test_a_start_at_zero_where_the_field_is_not(method: str) -> None:
    """y' = 1e4 (1 - y) and y' = 1 - y from 0: the size of the state says nothing about its changes."""
    field = on("fused", lambda t, y, c: [10_000 * (1 - y[0]), 1 - y[1]], 2)
    run = integrate(field, torch.zeros(3, 2).double(), t_end=1.0, rtol=1e-6, atol=1e-9, method=method)
    assert torch.allclose(run.y, tensor([[1.0, 1 - np.exp(-1.0)]] * 3), atol=1e-6)
    assert (run.stats.steps < 200).all()


@pytest.mark.parametrize("backend", ["fused", "torch"])
def test_a_jacobian_that_is_not_finite_is_no_jacobian(backend: str) -> None:
    """y' = -w / w = -1 has the slope w / w^2 in w, and 1e-200 squared is 0: 1 / inf would leave y where it is."""

    field = on(backend, lambda t, y, c: [-y[1] * y[1] ** -1, 0 * y[1]], 2)
    start = tensor([[1.0, 1e-200], [1.0, 1.0]])
    run = integrate(field, start, t_end=1.0, rtol=1e-6, atol=1e-9, method="rodas5p")
    assert [Status(int(s)) for s in run.status] == [Status.NON_FINITE, Status.T_END]
    assert run.y[1, 0].item() == pytest.approx(0, abs=1e-9)
