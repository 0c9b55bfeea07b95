"""Gradient gaps: what the algebra proves, closed forms by other means, and the measures on deep networks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import theorylab as tl
from tests.catalog.certify import claims_of, rulings
from theorylab.catalog.kubo_2019 import segments, training
from theorylab.simulate.cases import Cases, draw_cases

PROVED = {"telescoping", "both-directions", "end-point"}
MUTANTS = {
    "telescoping, sign": segments.telescoping.but(rhs=lambda c: segments.slope(c, c.x1) + segments.slope(c, c.x0)),
    "telescoping, constant": segments.telescoping.but(lhs=lambda c: 2 * segments.gaps(c).sum()),
    "directions, sign": segments.both_directions.but(
        lhs=lambda c: -segments.turns(c) * (segments.inputs(c, c.x1) - segments.inputs(c, c.x0))
    ),
    "end point, other end": segments.end_point.but(
        rhs=lambda c: (
            segments.output(c, c.x0)
            + segments.slope(c, c.x1)
            + (c.a * segments.turns(c) * segments.inputs(c, c.x1)).sum()
        )
    ),
}


def test_the_checker_accepts_every_law_for_all_sizes(tmp_path: Path) -> None:
    claims = {name: c for name, c in claims_of("kubo-2019").items() if c.expected == "proved"}
    assert {name.partition("/")[2] for name in claims} == PROVED
    for name, ruling in rulings(claims, tmp_path).items():
        assert ruling.accepted, f"{name}: {ruling.reason}"
        assert ruling.scope == "all sizes", name


def test_the_checker_rejects_controls_and_mutants(tmp_path: Path) -> None:
    controls = {n: c for n, c in claims_of("kubo-2019").items() if c.expected == "refuted" and c.goals()}
    assert len(controls) >= 2
    accepted = [name for name, ruling in rulings(controls | MUTANTS, tmp_path).items() if ruling.accepted]
    assert not accepted


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gaps_add_up_to_the_deflection_at_any_depth(depth: int) -> None:
    """The slopes at both ends come from autograd, the gaps from the enumeration of kinks."""
    torch.manual_seed(depth)
    layers: list[torch.nn.Module] = []
    for _ in range(depth):
        layers += [torch.nn.Linear(6, 6), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(6, 2)).double()
    x0, x1 = torch.randn(2, 6, dtype=torch.float64) * 3
    along = tl.measures.along_segment(net, x0, x1)
    ends = [torch.func.jvp(net, (x,), (x1 - x0,))[1] for x in (x0, x1)]
    assert len(along.knots) > 0
    torch.testing.assert_close(along.gaps.sum(0), ends[1] - ends[0], rtol=0, atol=1e-12)


def test_the_measures_of_a_module_are_the_formulas_of_the_catalogue() -> None:
    torch.manual_seed(0)
    p = {"w": torch.randn(9, 4), "b": torch.randn(9), "a": torch.randn(9)}
    p = {name: value.double() for name, value in p.items()}
    x0, x1 = torch.randn(2, 4, dtype=torch.float64)
    along = tl.measures.along_segment(training.as_module(p), x0, x1)
    z0, z1 = (p["w"] @ x + p["b"] for x in (x0, x1))
    switching = (z0 > 0) != (z1 > 0)
    gaps = (p["a"] * (z1 - z0).abs())[switching]
    assert len(along.knots) == int(switching.sum()) > 2
    torch.testing.assert_close(along.gaps[:, 0].sort().values, gaps.sort().values)


@pytest.mark.parametrize("theta", [0.3, 1.1, 2.5, math.pi])
def test_the_closed_form_is_the_integral_over_the_angle(theta: float) -> None:
    """w = r (cos phi, sin phi) with E r^2 = 2: a unit switches where cos phi and cos(phi - theta) differ in sign."""
    phi = (torch.arange(200_000, dtype=torch.float64) + 0.5) * (2 * math.pi / 200_000)
    first, second = torch.cos(phi), torch.cos(phi - theta)
    mean = (2 * (second - first) ** 2 * (first * second < 0)).mean()
    formula = 4 / math.pi * math.sin(theta / 2) ** 2 * (theta + math.sin(theta))
    assert abs(float(mean) - formula) < 1e-4


def test_shuffled_labels_are_those_of_the_same_samples_in_the_order_of_their_keys() -> None:
    cases = Cases(training.trained_setting, {}, draw_cases(training.trained_setting, {}, 8, 3))
    label, keys, shuffled = (cases.of_case(lambda c, n=name: c[n]) for name in ("label", "key", "shuffled"))
    assert torch.equal(shuffled, label.gather(1, keys.argsort(1)))
    assert not torch.equal(shuffled, label)


def test_training_moves_the_plotted_output_to_the_labels() -> None:
    figure = training.straight.figures[0](0)
    before, after, straight = figure.series
    assert [s.label for s in figure.series] == ["before training", "after training", "straight"]
    assert straight.y == (after.y[0], after.y[-1])
    assert abs(after.y[0] + 1) < 0.1
    assert abs(after.y[-1] - 1) < 0.1
    assert max(abs(before.y[0] + 1), abs(before.y[-1] - 1)) > 0.2
