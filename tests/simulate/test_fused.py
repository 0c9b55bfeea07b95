"""Whole solves in generated C: the same runs as in torch, and the same bits in any company."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from theorylab.readings import expression as ex
from theorylab.simulate import Solution, Status, converged, integrate
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.kernel import solve
from theorylab.simulate.methods import METHODS, TSIT5
from theorylab.simulate.typing import Field

from .backends import apply, needs_compiler, on
from .zoo import ZOO, Problem, logistic, tensor

pytestmark = needs_compiler
methods = pytest.mark.parametrize("method", METHODS)
problems = pytest.mark.parametrize("problem", ZOO, ids=lambda problem: problem.name)


def kink_field(t: Any, y: Any, c: Any) -> list[Any]:
    """Two ReLU gates per row, weights from the case, and a coordinate that grows at its own rate."""
    first, second = y[0] + c["a"] * y[1] - 1, y[1] - c["b"]
    return [-first * apply("step", first) - y[0], -second * apply("step", second) + c["a"], c["b"] * y[2]]


def smooth_field(t: Any, y: Any, c: Any) -> list[Any]:
    """The first rates of `kink_field` with one gate open and one shut, so that both integrators take the same steps."""
    return [-1 * (y[0] + c["a"] * y[1] - 1) - y[0], c["a"] + 0 * y[1], c["b"] * y[2]]


def kinks(trials: int, seed: int = 2) -> tuple[dict[str, Tensor], Tensor]:
    noise = torch.Generator().manual_seed(seed)
    constants = {name: torch.randn(trials, generator=noise, dtype=torch.float64) for name in "ab"}
    return constants, torch.randn(trials, 3, generator=noise, dtype=torch.float64)


def in_torch(formula: Field) -> Field:
    """The same compiled formula, but not as one that a kernel can be made of."""
    return lambda t, y, rows: formula(t, y, rows)


def assert_same_bits(a: Solution, b: Solution, rows: Tensor | slice = slice(None)) -> None:
    pairs = [(a.t, b.t), (a.y, b.y), (a.field, b.field), (a.error_estimate, b.error_estimate)]
    for left, right in ((a.saved, b.saved), (a.drift, b.drift), (a.observed, b.observed)):
        assert left is not None
        assert right is not None
        pairs.append((left, right))
    for left, right in pairs:
        assert torch.equal(left.view(torch.int64), right[rows].contiguous().view(torch.int64))
    assert torch.equal(a.status, b.status[rows])
    for count in ("steps", "rejected", "evaluations"):
        assert torch.equal(getattr(a.stats, count), getattr(b.stats, count)[rows])


@methods
@problems
def test_same_run_as_in_torch(problem: Problem, method: str) -> None:
    # At tight tolerances the step sizes of stiff and steep problems hang on the last bits of the field, and the two
    # integrators round differently; here no decision comes near them.
    options: dict[str, Any] = {"t_end": problem.t_end, "rtol": 1e-4, "atol": 1e-6, "method": method}
    options["save"] = [0.0, 0.3 * problem.t_end]
    fused = integrate(problem.on("fused"), problem.initial, **options)
    plain = integrate(problem.field, problem.initial, **options)
    assert fused.statuses == plain.statuses
    assert torch.equal(fused.stats.evaluations, plain.stats.evaluations)
    assert torch.allclose(fused.y, plain.y, rtol=1e-7, atol=1e-9)
    assert torch.allclose(fused.field, plain.field, rtol=1e-7, atol=1e-8)
    assert torch.allclose(fused.error_estimate, plain.error_estimate, rtol=1e-2)
    assert fused.saved is not None
    assert plain.saved is not None
    assert torch.allclose(fused.saved, plain.saved, rtol=1e-7, atol=1e-9)
    assert (fused.method, fused.rtol) == (plain.method, plain.rtol)


@methods
def test_same_run_as_in_torch_with_all_options(method: str) -> None:
    """Drift of an observed formula, a start and end time a row, a vector of tolerances, a first step, convergence."""
    constants, start = kinks(40)
    field = on("fused", smooth_field, 3, constants)
    watch = on("fused", lambda t, y, c: [y[0] * c["b"] + t, (y[1] ** 2 + 1) ** -3], 3, constants)
    options = {
        "t_end": torch.linspace(1.0, 3.0, 40).double(),
        "t_start": torch.linspace(-1.0, 1.0, 40).double(),
        "rtol": 1e-5,
        "atol": tensor([1e-7, 1e-6, 1e-8]),
        "method": method,
        "until": converged(0.2),
        "first_step": 1e-3,
        "save": [1.0, 1.5, 2.5],
    }
    fused = integrate(field, start, observe=watch, **options)
    plain = integrate(in_torch(field), start, observe=in_torch(watch), **options)
    assert fused.statuses == plain.statuses
    assert {Status.CONVERGED, Status.T_END} == set(fused.statuses)
    assert torch.equal(fused.stats.steps, plain.stats.steps)
    assert torch.equal(fused.stats.evaluations, plain.stats.evaluations)
    assert torch.allclose(fused.t, plain.t, rtol=1e-6)
    assert torch.allclose(fused.y, plain.y, rtol=1e-6, atol=1e-8)
    assert fused.saved is not None
    assert plain.saved is not None
    assert torch.allclose(fused.saved, plain.saved, rtol=1e-6, atol=1e-8, equal_nan=True)
    assert fused.observed is not None
    assert plain.observed is not None
    assert torch.equal(fused.observed, plain.observed)
    assert fused.drift is not None
    assert plain.drift is not None
    assert torch.allclose(fused.drift, plain.drift, rtol=1e-5)


@methods
def test_bits_do_not_depend_on_company_order_or_threads(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants that are the same for all trials are kept once; alone they are kept with their trial."""
    constants, start = kinks(53)
    constants["b"][:] = 0.7
    constants["scale"] = torch.full_like(constants["b"], 1.3)
    options = {"t_end": 4.0, "rtol": 1e-7, "method": method, "save": [0.5, 3.0]}

    def watch(t: Any, y: Any, c: Any) -> list[Any]:
        return [y[0] * c["scale"] + c["a"], y[2]]

    def run(rows: Tensor) -> Solution:
        some = {name: values[rows].clone() for name, values in constants.items()}
        field, observe = on("fused", kink_field, 3, some), on("fused", watch, 3, some)
        return integrate(field, start[rows], observe=observe, **options)

    everything = torch.arange(53)
    monkeypatch.setattr(solve, "processors", lambda: 1)
    together = run(everything)
    assert together.counts() == {"t_end": 53}
    for threads in (2, 5):
        monkeypatch.setattr(solve, "processors", lambda count=threads: count)
        assert_same_bits(run(everything), together)
    shuffled = torch.randperm(53, generator=torch.Generator().manual_seed(1))
    assert_same_bits(run(shuffled), together, shuffled)
    for rows in (everything[:1], everything[7:9], everything[20:37]):
        assert_same_bits(run(rows), together, rows)


@methods
def test_one_bad_row_does_not_disturb_the_others(method: str) -> None:
    """Rows that are not a number, blow up, or chatter sit between rows that do not."""
    start = torch.linspace(0.1, 0.4, 24).double()[:, None].repeat(1, 2)
    spoiled = start.clone()
    spoiled[3], spoiled[9], spoiled[17] = torch.nan, torch.inf, 30.0
    field = on("fused", lambda t, y, c: [y[0] ** 2, -apply("sign", y[1])], 2)
    options = {"t_end": 1.5, "rtol": 1e-8, "max_steps": 2000, "method": method}
    alone, mixed = (integrate(field, y, **options) for y in (start, spoiled))
    assert [mixed.statuses[i] for i in (3, 9)] == [Status.NON_FINITE] * 2
    assert mixed.statuses[17] == Status.STEP_TOO_SMALL
    assert torch.allclose(mixed.t[17], tensor(1 / 30))
    others = torch.tensor([i for i in range(24) if i not in (3, 9, 17)])
    assert torch.equal(mixed.y[others], alone.y[others])
    assert torch.equal(mixed.status[others], alone.status[others])


def test_every_loop_is_bounded() -> None:
    constants, start = kinks(30)
    run = integrate(on("fused", kink_field, 3, constants), start, t_end=1e6, rtol=1e-10, max_steps=7)
    assert run.counts() == {"max_steps": 30}
    assert (run.stats.steps + run.stats.rejected == 7).all()


def kernel_of(field: Any, **changes: Any) -> Any:
    given = {"field": field, "observe": None, "until": None, "method": TSIT5, "y": logistic().initial, **changes}
    return solve.kernel(**given)


def test_what_a_kernel_serves() -> None:
    field = logistic().on("fused")
    assert kernel_of(field) is not None
    assert kernel_of(field, observe=field, until=converged(1e-3)) is not None
    for changes in (
        {"field": logistic().field},
        {"observe": lambda t, y, rows: y},
        {"until": lambda t, y, f, rows: f[:, 0] > 1},
        {"y": torch.zeros(3, 2, dtype=torch.float64)},
        {"y": torch.zeros(4, 1, dtype=torch.float64)},
    ):
        assert kernel_of(**{"field": field, **changes}) is None


def test_code_that_is_too_large_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    field = logistic().on("fused")
    assert isinstance(field, Formula)
    monkeypatch.setattr(solve, "MAX_NODES", field.program.nodes - 1)
    assert kernel_of(field) is None
    run = integrate(field, logistic().initial, t_end=6.0, rtol=1e-8)
    assert (run.y - logistic().exact(tensor([6.0]))[:, 0]).abs().max() < 1e-6


def test_a_shorter_ensemble_takes_the_first_cases() -> None:
    problem = logistic()
    field = problem.on("fused")
    whole = integrate(field, problem.initial, t_end=2.0)
    assert torch.allclose(integrate(field, problem.initial[:2], t_end=2.0).y, whole.y[:2])


def test_functions_are_those_of_torch() -> None:
    """Each named function, and powers of either sign, at points of both signs."""
    x = torch.linspace(-2.0, 2.0, 21).double()[:, None]
    letter = ex.var("y0")
    for name, expected in {
        "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "tanh": torch.tanh, "sin": torch.sin, "cos": torch.cos,
        "arcsinh": torch.asinh, "sign": torch.sign,
    }.items():  # fmt: skip
        value = _formula([ex.call(name, letter)], 0.0)(x[:, 0], x, torch.arange(21))
        assert torch.allclose(value, expected(x), rtol=1e-15, atol=0, equal_nan=True), name
    powers = [n for n in range(-11, 12) if n]
    value = _formula([ex.power(letter, n) for n in powers], 0.0)(x[:, 0], x, torch.arange(21))
    assert torch.allclose(value, torch.cat([x**n for n in powers], 1), rtol=1e-14)
    for gate in (0.0, 0.5, 1.0):
        value = _formula([ex.call("step", letter)], gate)(x[:, 0], x, torch.arange(21))
        assert torch.equal(value, torch.heaviside(x, tensor(gate)))


def _formula(roots: list[ex.Expression], gate: float) -> Formula:
    formula = compile_formula(roots, ["y0"], {"case": torch.zeros(21).double()}, gate)
    assert formula is not None
    return formula
