"""Discrete schemes as ensembles: exact iterates, the same bits in any company, the same steps in torch and in C."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import theorylab as tl
from theorylab import draw
from theorylab.simulate.random import generator

from .backends import needs_compiler

stepping = import_module("theorylab.simulate.iterate")
H = 0.01


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


@tl.model(u="d", v="d")
def diagonal(p, x):
    return (p.u**2 - p.v**2)[None, :] @ x


flow = tl.GradientFlow(linear, loss=tl.loss.square)
curved = tl.GradientFlow(diagonal, loss=tl.loss.square)
SIZES = {"dims": {"d": 3, "n": 5}, "trials": 9, "seed": 1}


def schemes(of: Any) -> dict[str, tl.Scheme]:
    return {
        "descent": of.euler(H),
        "sgd": of.sgd(H, batch=2),
        "with replacement": of.sgd(H, batch=2, replace=True),
        "heavy ball": of.heavy_ball(H, 0.9),
        "adam": of.adam(H, batch=3),
    }


@pytest.fixture
def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "MAX_NODES", 0)


def gradient(w: Tensor, x: Tensor, y: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    return (((w[:, None] @ x - y) * weights) @ x.mT)[:, 0]


def start(run: Any) -> tuple[Tensor, Tensor, Tensor]:
    return run.case["init.w"].clone(), run.case["x"], run.case["y"]


def test_gradient_descent_is_the_power_of_a_matrix() -> None:
    """w_n = w* + (I - h X X')^n (w_0 - w*) for as many samples as coordinates."""
    run = tl.simulate(flow.euler(H), steps=40, times=[0, 7, 40], dims={"d": 3, "n": 3}, trials=5)
    w, x, y = start(run)
    best = torch.linalg.solve(x.mT, y[:, 0])
    once = torch.eye(3).double() - H * x @ x.mT
    for i, n in enumerate((0, 7, 40)):
        exact = best + (torch.linalg.matrix_power(once, n) @ (w - best)[:, :, None])[:, :, 0]
        assert torch.allclose(run.saved["w"][:, i], exact, rtol=1e-9, atol=1e-11)
    assert torch.equal(run.saved["w"][:, 2], run.params["w"])
    assert run.t.tolist() == [40.0] * 5
    assert run.stats.steps.tolist() == [40] * 5


def test_heavy_ball() -> None:
    """x_{n+1} = x_n - h grad + beta (x_n - x_{n-1}) from x_{-1} = x_0."""
    run = tl.simulate(flow.heavy_ball(H, 0.5), steps=30, **SIZES)
    w, x, y = start(run)
    before = w
    for _ in range(30):
        w, before = w - H * gradient(w, x, y) + 0.5 * (w - before), w
    assert torch.allclose(run.params["w"], w, rtol=1e-11)
    assert torch.allclose(run.params["velocity_w"], w - before, rtol=1e-8, atol=1e-14)


def test_adam_is_that_of_torch() -> None:
    run = tl.simulate(flow.adam(H, beta1=0.8, beta2=0.95, eps=1e-3), steps=25, **SIZES)
    w, x, y = start(run)
    w.requires_grad_(True)
    peer = torch.optim.Adam([w], lr=H, betas=(0.8, 0.95), eps=1e-3)
    for _ in range(25):
        peer.zero_grad()
        w.grad = gradient(w.detach(), x, y)
        peer.step()
    assert torch.allclose(run.params["w"], w.detach(), rtol=1e-10)
    assert torch.allclose(run.params["power1"], torch.full((9,), 0.8**25, dtype=torch.float64), rtol=1e-12)


@pytest.mark.parametrize("replace", [False, True])
def test_sgd_takes_the_batches_of_its_trial(replace: bool) -> None:
    """The weights of a trial are those of its own stream, whatever the ensemble; each step is one on that batch."""
    run = tl.simulate(flow.sgd(H, batch=2, replace=replace), steps=12, times=range(13), **SIZES)
    w, x, y = run.saved["w"], run.case["x"], run.case["y"]
    for trial in range(3):
        weights = draw.batch(2, replace).sequence(tl_stream(1, trial), (5,), 12)
        for n in range(12):
            one = gradient(w[trial, n][None], x[trial][None], y[trial][None], torch.from_numpy(weights[n]))
            assert torch.allclose(w[trial, n + 1], w[trial, n] - H * one[0], rtol=1e-12)


def tl_stream(seed: int, trial: int) -> np.random.Generator:
    from theorylab.simulate.random import stream

    return stream(seed, trial, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_batches_of_an_epoch_hold_every_sample_once(size: int) -> None:
    each = -(-6 // size)
    weights = draw.batch(size).sequence(generator(3, 4), (6,), 4 * each).reshape(4, each, 6)
    assert ((weights > 0).sum(1) == 1).all()
    np.testing.assert_allclose(weights.mean(2), 1.0)
    whole = draw.batch(size).sequence(generator(3, 4), (6,), 7 * each)
    np.testing.assert_array_equal(whole[: 4 * each], weights.reshape(-1, 6))


def test_batches_with_replacement_are_unbiased() -> None:
    """10 000 batches of 4 of 8: each weight is 2 times a binomial (4, 1/8): mean 1, variance 1.75."""
    weights = draw.batch(4, replace=True).sequence(generator(0, 0), (8,), 10_000)
    np.testing.assert_allclose(weights.sum(1), 8)
    error = weights.mean(0) - 1
    assert np.abs(error).max() < 4.5 * (1.75 / 10_000) ** 0.5
    assert np.abs(weights.var(0) - 1.75).max() < 0.2


@needs_compiler
@pytest.mark.parametrize("name", schemes(flow))
@pytest.mark.parametrize("of", [flow, curved], ids=["linear", "diagonal"])
def test_same_steps_in_torch(name: str, of: Any, in_torch: None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"steps": 30, "times": [0, 3, 30], "observe": {"loss": "loss"}, **SIZES}
    plain = tl.simulate(schemes(of)[name], **options)
    monkeypatch.undo()
    fused = tl.simulate(schemes(of)[name], **options)
    assert fused.backend == "generated C"
    assert plain.backend.startswith("batched torch: the step has")
    assert torch.allclose(fused.solution.y, plain.solution.y, rtol=1e-10, atol=1e-12)
    assert torch.allclose(fused.solution.saved, plain.solution.saved, rtol=1e-10, atol=1e-12)
    assert torch.allclose(fused.drift["loss"].value, plain.drift["loss"].value, rtol=1e-9)


@needs_compiler
@pytest.mark.parametrize("name", schemes(flow))
def test_same_bits_in_any_company(name: str) -> None:
    options = {**SIZES, "steps": 30, "times": [3, 30]}
    many = tl.simulate(schemes(curved)[name], **{**options, "trials": 21})
    for trials in (1, 8, 20):
        few = tl.simulate(schemes(curved)[name], **{**options, "trials": trials})
        for a, b in ((few.solution.y, many.solution.y), (few.solution.saved, many.solution.saved)):
            assert torch.equal(a.view(torch.int64), b[:trials].contiguous().view(torch.int64))


@needs_compiler
def test_random_numbers_do_not_depend_on_how_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tl.simulate(flow.sgd(H, batch=2), steps=40, times=[9, 40], **SIZES)
    monkeypatch.setattr(stepping, "CHUNK", 200)
    parts = tl.simulate(flow.sgd(H, batch=2), steps=40, times=[9, 40], **SIZES)
    assert torch.equal(whole.solution.y, parts.solution.y)
    assert torch.equal(whole.solution.saved, parts.solution.saved)


@pytest.mark.parametrize("backend", ["c", "torch"])
def test_status(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """w <- (1 - h k) w: converged where |k w| <= gtol at the step the exact power says, and lost where it overflows."""
    if backend == "torch":
        monkeypatch.setattr(stepping, "MAX_NODES", 0)
    one = tl.Flow(lambda p, c: {"w": -c.k * p.w}, state={"w": ""}, setting=tl.Setting(k=""))
    k = tl.Setting(k=tl.var("", tl.draw.one_of(0.5, 5.0)))
    scheme = one.with_(setting=k).euler(1)
    init = {"w": torch.ones(12, dtype=torch.float64)}
    run = tl.simulate(scheme, init=init, steps=1000, times=[5, 900], until=tl.converged(1e-6))
    slow = run.case["k"] == 0.5
    assert 0 < int(slow.sum()) < 12
    for i in range(12):
        if slow[i]:  # 0.5 * 0.5^n <= 1e-6 from n = 19 on
            assert (run.status[i].label, float(run.t[i])) == ("converged", 19.0)
            assert float(run.params["w"][i]) == 0.5**19
        else:  # (-4)^n leaves float64 at n = 512
            assert (run.status[i].label, float(run.t[i])) == ("non_finite", 511.0)
    assert torch.isnan(run.saved["w"][:, 1]).all()
    assert torch.equal(run.saved["w"][:, 0], torch.where(slow, 0.5**5, (-4.0) ** 5))


def test_a_scheme_of_ones_own_with_noise() -> None:
    """w <- w / 2 + z with a fresh normal z: the variance tends to 4/3."""
    setting = tl.Setting(z="")
    walk = tl.Scheme(lambda p, c: {"w": p.w * Fraction(1, 2) + c.z}, state={"w": ""}, setting=setting, fresh=("z",))
    run = tl.simulate(walk, steps=40, trials=4000, seed=5)
    assert float(run.params["w"].var()) == pytest.approx(4 / 3, rel=0.12)
    assert abs(float(run.params["w"].mean())) < 4.5 * (4 / 3 / 4000) ** 0.5


def test_one_step_of_a_scheme_is_a_claim() -> None:
    """u v of a diagonal net shrinks by 4 h^2 g^2 u v, g the gradient on the batch; heavy ball moves by its velocity."""
    sampled = curved.sgd("h", batch=2)

    def change(factor: int) -> Any:
        def rate(p: Any, c: Any) -> Any:
            g = (c.x @ (c.r * c.batch).mT)[..., 0]
            return -factor * c.h**2 * g**2 * p.u * p.v

        return rate

    law = tl.Evolution(sampled, lambda p: p.u * p.v, change(4), name="product")
    assert tl.verify(law, trials=32).status == "proved"
    assert tl.verify(law.but(rate=change(3), name="wrong"), trials=32).status == "refuted"
    ball = curved.heavy_ball("h", "beta")
    moves = tl.Evolution(ball, lambda p: p.u - p.velocity_u, lambda p: p.velocity_u, name="moves")
    assert tl.verify(moves, trials=32).status == "proved"
    assert tl.verify(moves.but(rate=0, name="rests"), trials=32).status == "refuted"


BAD = {
    "no steps": (lambda: tl.simulate(flow.euler(H)), "steps is None; expected a positive integer"),
    "negative": (lambda: tl.simulate(flow.euler(H), steps=-1), "steps is -1"),
    "end time": (lambda: tl.simulate(flow.euler(H), steps=3, t_end=1.0), "a scheme was given t_end"),
    "half a step": (lambda: tl.simulate(flow.euler(H), steps=3, times=[0.5]), "whole numbers of steps from 0 to 3"),
    "late": (lambda: tl.simulate(flow.euler(H), steps=3, times=[4]), "whole numbers of steps from 0 to 3"),
    "falling": (lambda: tl.simulate(flow.euler(H), steps=3, times=[2, 1]), "rising"),
    "large batch": (lambda: tl.simulate(flow.sgd(H, batch=9), steps=3), "a mini-batch of 9 was asked of 5"),
    "empty batch": (lambda: flow.sgd(H, batch=0), "a mini-batch of size 0"),
    "step of a flow": (lambda: tl.simulate(flow, steps=3), "a flow was given steps=3"),
    "negative step": (lambda: flow.euler(-1), "h is -1; expected a number that is not negative"),
    "text": (lambda: flow.adam(H, eps=[1]), "eps is list; expected a number, a function of the case, or a name"),
    "fresh": (lambda: tl.Scheme(lambda p: p, state={"w": ""}, fresh=("z",)), "fresh names 'z'"),
    "no state": (lambda: tl.Scheme(lambda p: p), "needs either flow=... or state"),
    "other state": (
        lambda: tl.simulate(tl.Scheme(lambda p: {"v": p.w}, state={"w": ""}), steps=1),
        "expected one array for each of w",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "message"), BAD.values(), ids=BAD.keys())
def test_bad_schemes(made: Any, message: str) -> None:
    with pytest.raises(tl.InputError, match=message):
        made()
