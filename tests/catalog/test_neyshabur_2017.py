"""The thesis's exact laws as certificates, their mutants, and the catalogue's formulas against tl.measures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import theorylab as tl
import theorylab.measures as ms
from tests.catalog.certify import claims_of, is_provable, rulings
from theorylab import Fraction, ops
from theorylab.catalog.neyshabur_2017 import digits, feed_forward, recurrent, spectral_bounds, training, width
from theorylab.readings.namespace import Case, Namespace
from theorylab.readings.numeric import Numeric
from theorylab.simulate.averages import sample
from theorylab.simulate.observe import observe

DIMS = {"d": 2, "h": 2, "g": 2, "k": 2, "n": 2}
PROVED = {
    "same-function", "path-norm", "path-norm-l1", "path-norm-bias", "evened-out-u", "evened-out-v",
    "evened-out-path-norm", "path-sgd-u", "path-sgd-v", "path-sgd-w", "path-sgd-curvature-u", "path-sgd-curvature-v",
    "path-sgd-curvature-w", "data-dependent-path-norm", "data-dependent-path-norm-0", "data-dependent-path-norm-1",
    "recurrent-same-function", "shared-weights", "recurrent-kappa-1", "recurrent-kappa-1-scaling",
    "recurrent-path-sgd-a", "recurrent-path-sgd-b", "recurrent-path-sgd-c", "l2-measure-layers",
}  # fmt: skip


def test_the_checker_accepts_every_law_for_all_sizes(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("neyshabur-2017").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == "all sizes", name


def _step(scale, flow=feed_forward.flow):
    """A step that divides the gradient by other weights than gamma."""

    def step(p, c):
        descent, by = flow.field(p, c), scale(p)
        return p.replace(**{n: p[n] + c.eta * descent[n] / by[n] for n in p})

    return step


def _equivariant(name, step):
    return feed_forward.path_sgd[0].but(
        lhs=feed_forward.step_then_rescale(step, name), rhs=feed_forward.rescale_then_step(step, name)
    )


def _recurrent(name, step):
    return recurrent.path_sgd[0].but(
        lhs=lambda p, c: recurrent.rescaled(step(p, c), c)[name],
        rhs=lambda p, c: step(recurrent.rescaled(p, c), c)[name],
    )


def _ones(p):
    return {n: 0 * p[n] + 1 for n in p}


MUTANTS = {
    "path norm, last layer not squared": feed_forward.path_norm.but(
        lhs=lambda c: _mixed(feed_forward.rescaled(c, c)), rhs=lambda c: _mixed(c)
    ),
    "path norm, factors not inverted": feed_forward.path_norm.but(
        lhs=lambda c: feed_forward.paths(c.replace(U=c.s[:, None] * c.U, V=c.V * c.s[None, :]))
    ),
    "evened out, other norm": feed_forward.evened_paths.but(lhs=lambda c: abs(feed_forward.evened_out(c).W).sum()),
    "evened out, two outputs": feed_forward.evened[0].but(
        lhs=lambda c: (feed_forward.evened_out(c).U ** 2).sum(), rhs=1
    ),
    "Path-SGD, gamma not divided by": _equivariant("V", _step(_ones)),
    "Path-SGD, root of gamma": _equivariant(
        "V", _step(lambda p: {n: ops.sqrt(g) for n, g in feed_forward.gamma(p).items()})
    ),
    "Path-SGD, the whole path": _equivariant(
        "V", _step(lambda p: {n: g * p[n] ** 2 for n, g in feed_forward.gamma(p).items()})
    ),
    "curvature, constant": feed_forward.curvature[1].but(rhs=lambda c: 2 * (feed_forward.gamma(c)["V"] * c.z**2).sum()),
    "data-dependent, weights not squared": feed_forward.data_dependent.but(
        lhs=lambda c: feed_forward.complexity(feed_forward.one_layer_rescaled(c), c, c.alpha) + c.W.sum()
    ),
    "data-dependent, wrong endpoint": feed_forward.paths_endpoint.but(
        lhs=lambda c: feed_forward.complexity(c, c, Fraction(1, 2))
    ),
    "recurrent, factor inverted": recurrent.same_function.but(
        lhs=lambda p, c: recurrent.flow.outputs(p.replace(A=p.A / c.s[:, None] * c.s[None, :]), c)
    ),
    "recurrent, twice kappa_2": recurrent.shared_weights.but(
        rhs=lambda c: recurrent.one_edge(c) + 2 * recurrent.two_edges(c)
    ),
    "recurrent, kappa_1 alone": recurrent.shared_weights.but(rhs=recurrent.one_edge),
    "recurrent, kappa of one step": _recurrent(
        "B", _step(lambda p: {**recurrent.kappa(p), "B": 1 + 0 * p.B}, recurrent.flow)
    ),
    "l2 measure, one layer": spectral_bounds.frobenius_layers.but(
        lhs=lambda c: spectral_bounds.frobenius(c.replace(U=c.a * c.U, V=c.b * c.V / c.a))
    ),
}


def _mixed(p):
    return ((p.W) @ (p.V**2) @ (p.U**2)).sum()


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    controls = {
        n: c for n, c in claims_of("neyshabur-2017").items() if c.expected == "refuted" and c.kind == "identity"
    }
    exact = {n: c for n, c in controls.items() if n.partition("/")[2] not in NUMERIC}
    assert len(exact) == len(controls) - len(NUMERIC) == 8
    assert not [name for name, ruling in rulings(exact | MUTANTS, tmp_path).items() if ruling.accepted]


NUMERIC = {"path-norm-is-largest-norms", "spectral-capacity-units"}
"""Controls without a form for all sizes."""


@pytest.mark.parametrize("name", MUTANTS)
def test_no_reading_derives_a_mutant(name: str) -> None:
    assert not is_provable(MUTANTS[name], DIMS)


# --- the same formulas as measures of a network -----------------------------------------------------------------------


def case(seed: int, **shapes: tuple[int, ...]) -> tuple[dict[str, torch.Tensor], Case]:
    generator = np.random.default_rng(seed)
    arrays = {n: torch.tensor(generator.standard_normal(s)) for n, s in shapes.items()}
    return arrays, Case({n: Numeric(a) for n, a in arrays.items()})


def chain(*weights: torch.Tensor) -> nn.Sequential:
    modules: list[nn.Module] = []
    for w in weights:
        linear = nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64)
        linear.weight = nn.Parameter(w.clone())
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("seed", range(4))
def test_the_formulas_are_those_of_the_measures(seed: int) -> None:
    arrays, c = case(seed, U=(5, 3), V=(4, 5), W=(2, 4), x=(3, 9))
    network = chain(arrays["U"], arrays["V"], arrays["W"])
    assert float(feed_forward.paths(c).data) == pytest.approx(ms.path_norm(network, (3,)) ** 2, rel=1e-12)
    assert float(feed_forward.paths(c, abs).data) == pytest.approx(ms.path_norm(network, (3,), 1), rel=1e-12)
    for (n, g), own in zip(feed_forward.gamma(c).items(), ms.path_weights(network, (3,)).values(), strict=True):
        torch.testing.assert_close(g.data, own, msg=n)
    capacity = float(spectral_bounds.capacity(c).data)
    ratio = ms.spectral_capacity(network, 1.0) / capacity
    other, d = case(seed + 100, U=(5, 3), V=(4, 5), W=(2, 4))
    twin = ms.spectral_capacity(chain(*other.values()), 1.0) / float(spectral_bounds.capacity(d).data)
    assert ratio == pytest.approx(twin, rel=1e-12)


def test_kappa_1_is_what_the_optimizer_divides_by() -> None:
    """An RNN whose last state is read out: gamma of its shared weights is kappa_1."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True, dtype=torch.float64)
            self.read = nn.Linear(4, 2, bias=False, dtype=torch.float64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.read(self.rnn(x)[0][:, -1])

    torch.manual_seed(0)
    network = Reader()
    names = {"A": "rnn.weight_hh_l0", "B": "rnn.weight_ih_l0", "C": "read.weight"}
    weights = dict(network.named_parameters())
    p = Namespace({n: Numeric(weights[m].detach()) for n, m in names.items()})
    found = ms.path_weights(network, (len(recurrent.COPIES) + 1, 3))
    for n, kappa in recurrent.kappa(p).items():
        torch.testing.assert_close(kappa.data, found[names[n]])


# --- empirical and numeric claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 3])
def test_the_true_loss_in_closed_form(samples: int) -> None:
    """Against a large sample of the distribution itself."""
    generator = np.random.default_rng(samples)
    v, w = generator.standard_normal((2, 4))
    x = generator.standard_normal((200_000, 4))
    damping = np.exp(-0.25 * (x**2).sum(1) / 2)
    values = (1 - np.sin(x @ v) * damping * np.sin(x @ w)) / 2
    c = Case({"v": Numeric(torch.tensor(v))})
    closed = float(spectral_bounds.true_loss(Numeric(torch.tensor(w)), c, spectral_bounds.VARIANCE).data)
    assert abs(values.mean() - closed) < 4 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize(("name", "holds"), [("sharpness_bound", True), ("sharpness_alone", False)])
def test_how_often_the_bound_with_the_expected_sharpness_holds(name: str, holds: bool) -> None:
    claim = getattr(spectral_bounds, name).but(samples=64)
    (group,) = sample(claim.tests()[0], {}, seed=1)
    assert (group.interval.mean >= 0) is holds


@pytest.mark.parametrize(
    "claim", [spectral_bounds.capacity_layers, spectral_bounds.capacity_units], ids=lambda c: c.name
)
def test_the_spectral_capacity_at_random_cases(claim: tl.Identity) -> None:
    found = observe(claim.tests()[0], {"d": 3, "h": 3, "g": 3, "k": 2}, trials=32, seed=0)
    assert found.agrees is (claim.expected == "supported")


def test_without_its_package_an_experiment_is_inconclusive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its plots are left out too."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits.digits.cache_clear()
    verdict = tl.verify(width.width["real"], out=tmp_path)
    assert verdict.status == "inconclusive"
    assert "scikit-learn" in verdict.reason
    assert verdict.evidence[-1].summary.startswith("skipped: the digits need scikit-learn")


def test_the_margin_of_the_experiment() -> None:
    """Of scores that are the images themselves."""
    p = Namespace({"U": Numeric(torch.eye(10).double()), "W": Numeric(torch.eye(10).double())})
    scores = torch.rand(10, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = [0, 3, 9, 2, 2, 5, 7]
    found = digits.margins(p, Numeric(scores), ops.array(y)).data
    others = [max(float(s) for k, s in enumerate(scores[:, i]) if k != label) for i, label in enumerate(y)]
    torch.testing.assert_close(found, scores[y, range(7)] - torch.tensor(others, dtype=torch.float64))


def test_the_measures_of_the_experiment_are_those_of_the_module() -> None:
    """Scaled by the mean margin of the training set; labels are kept or replaced."""
    pytest.importorskip("sklearn", reason="the digits need scikit-learn")
    weights = {"U": torch.randn(6, 64).double(), "W": torch.randn(10, 6).double()}
    p = Namespace({n: Numeric(w) for n, w in weights.items()})
    data = {n: Numeric(digits.digits()[n].into(Numeric).data) for n in ("x", "y")}
    own = data["y"].data
    other = torch.randint(0, 10, own.shape).double()
    coin = torch.rand(own.shape).double()
    c = Case({**data, "label": Numeric(other), "coin": Numeric(coin)})
    for share in (digits.REAL, Fraction(1, 2), digits.RANDOM):
        y = torch.where(coin < float(share), other, own).long()
        net = digits.as_module(weights)
        found = ms.norm_measures(net, abs(float(ms.margins(net, data["x"].data.mT, y).mean())))
        expected = torch.tensor([found.l2, found.l1_path, found.l2_path, found.spectral], dtype=torch.float64)
        torch.testing.assert_close(digits.measures(p, c, share).data, expected.log())


def test_whole_trajectories_of_path_sgd_and_gradient_descent() -> None:
    sizes = {"d": 3, "h": 4, "k": 2, "n": 5}
    assert observe(training.trajectory.tests()[0], sizes, trials=32, seed=1).agrees is True
    descent = training.regression.euler(training.SLOW)
    control = training.trajectory.but(
        lhs=lambda p, c: training.weights(training.later(descent, p, c)[0]),
        rhs=lambda p, c: training.weights(digits.rescaled(training.later(descent, p, c)[1], c.s)),
        name="descent-trajectory",
    )
    assert observe(control.tests()[0], sizes, trials=32, seed=1).agrees is False


def test_the_training_rule_divides_by_the_optimizer_s_weights() -> None:
    weights = {"U": torch.randn(5, 3).double(), "W": torch.randn(2, 5).double()}
    found = training.gamma(Namespace({n: Numeric(w) for n, w in weights.items()}))
    own = ms.path_weights(digits.as_module(weights), (3,))
    for gamma, expected in zip(found.values(), own.values(), strict=True):
        torch.testing.assert_close(gamma.data, expected)
