"""Which networks the measures accept: any precision, tensors or lists; what they would get wrong is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import theorylab.measures as ms
from theorylab.errors import InputError


def chain(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precision_does_not_matter(dtype: torch.dtype) -> None:
    """The measures of a network are those of the float64 network with the same weights."""
    network = chain().to(dtype)
    exact = copy.deepcopy(network).double()
    x = torch.randn(5, 3).to(dtype)
    assert ms.path_norm(network, (3,)) == ms.path_norm(exact, (3,))
    assert ms.norm_measures(network, 1.0) == ms.norm_measures(exact, 1.0)
    assert torch.equal(ms.margins(network, x, [0, 1, 0, 1, 1]), ms.margins(exact, x.double(), [0, 1, 0, 1, 1]))
    assert ms.data_dependent_path_norm(network, x, 0.5) == ms.data_dependent_path_norm(exact, x.double(), 0.5)


@pytest.mark.parametrize("make", [torch.tensor, np.array, list, lambda v: torch.tensor(v, dtype=torch.uint8)])
def test_labels_of_any_kind(make: Callable[[list[int]], Any]) -> None:
    x = torch.randn(4, 3)
    assert torch.equal(ms.margins(chain(), x, make([0, 1, 1, 0])), ms.margins(chain(), x, [0, 1, 1, 0]))


def test_path_sgd_of_a_half_precision_network() -> None:
    """One step lies within the spacing of float16 of the exact one."""
    network = chain().half()
    exact = copy.deepcopy(network).double()
    for net in (network, exact):
        (net(torch.ones(1, 3, dtype=next(net.parameters()).dtype)) - 1).square().sum().backward()
        ms.PathSGD(net, (3,), lr=0.01).step()
    for a, b in zip(network.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=0.01, atol=0.01)


MEASURES: dict[str, Callable[[Any], Any]] = {
    "path norm": lambda net: ms.path_norm(net, (3,)),
    "norm measures": lambda net: ms.norm_measures(net, 1.0),
    "data-dependent": lambda net: ms.data_dependent_path_norm(net, torch.randn(4, 3), 0.5),
    "spectral": lambda net: ms.spectral_capacity(net, 1.0),
    "rescaled": lambda net: ms.rescaled(net, []),
    "Path-SGD": lambda net: ms.PathSGD(net, (3,), lr=0.1),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.BatchNorm1d(4), "BatchNorm1d"),
        (nn.MaxPool1d(2), "MaxPool1d"),
        (nn.Softmax(-1), "Softmax"),
        (nn.LeakyReLU(2.0), "LeakyReLU"),
        (nn.LayerNorm(4), "LayerNorm"),
    ],
)
def test_modules_that_no_measure_understands(measure: str, module: nn.Module, name: str) -> None:
    network = nn.Sequential(nn.Linear(3, 4), module, nn.Linear(4, 2))
    with pytest.raises(InputError, match=name):
        MEASURES[measure](network)


@pytest.mark.parametrize("measure", ["norm measures", "data-dependent", "spectral", "rescaled"])
def test_wiring_that_is_no_chain_is_refused(measure: str) -> None:
    """Its leaves alone look like a chain of Linear and ReLU."""
    with pytest.raises(InputError, match="Residual"):
        MEASURES[measure](nn.Sequential(Residual(), nn.Linear(3, 2, bias=False)))
    with pytest.raises(InputError, match="Conv1d"):
        MEASURES[measure](nn.Sequential(nn.Conv1d(1, 1, 2), nn.ReLU(), nn.Linear(3, 2, bias=False)))


def test_a_layer_that_is_used_twice_counts_twice() -> None:
    square = nn.Linear(3, 3, bias=False)
    tied = nn.Sequential(square, nn.ReLU(), square)
    apart = nn.Sequential(copy.deepcopy(square), nn.ReLU(), copy.deepcopy(square))
    assert ms.norm_measures(tied, 1.0) == ms.norm_measures(apart, 1.0)
    assert ms.path_norm(tied, (3,)) == ms.path_norm(apart, (3,))


def test_a_residual_block_adds_its_paths() -> None:
    network = Residual()
    (weight,) = (w.detach().double() for w in network.parameters())
    assert ms.path_norm(network, (3,), 1) == pytest.approx(3 + float(weight.abs().sum()))


def test_a_leaky_rectifier_has_no_data_dependent_path_norm() -> None:
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.LeakyReLU(), nn.Linear(4, 2, bias=False))
    with pytest.raises(InputError, match="LeakyReLU"):
        ms.data_dependent_path_norm(network, torch.randn(4, 3), 0.5)


def test_input_that_is_none() -> None:
    x = torch.randn(4, 3)
    with pytest.raises(InputError, match="two or more classes"):
        ms.margins(nn.Linear(3, 1), x, [0, 0, 0, 0])
    with pytest.raises(InputError, match="no array of numbers"):
        ms.margins(chain(), ["a"], [0])
    with pytest.raises(InputError, match="expected it to hold them all"):
        ms.spectral_bound(chain(), 10 * torch.ones(4, 3), [0, 0, 0, 0], margin=1.0, radius=1.0)
    with pytest.raises(InputError, match="a layer of the network is 0"):
        ms.spectral_capacity(nn.Sequential(nn.utils.skip_init(nn.Linear, 3, 2, bias=False)).apply(_zero), 1.0)


class Joined(nn.Module):
    """Two layers joined by a function in `forward`, which no list of modules shows."""

    def __init__(self, join: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.join = nn.Linear(3, 4), nn.Linear(4, 2), join

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.join(self.first(x)))


@pytest.mark.parametrize(
    "join",
    [
        torch.tanh,
        lambda z: z * z,
        lambda z: z.softmax(-1),
        lambda z: z.amax(-1, keepdim=True).expand_as(z),
        lambda z: nn.functional.layer_norm(z, (4,)),
        lambda z: -z,
    ],
)
def test_what_forward_does_between_its_modules_is_seen(join: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match="more than sums"):
        ms.path_norm(Joined(join), (3,))


def test_functional_rectifiers_and_residuals_have_the_paths_of_their_modules() -> None:
    network = Joined(lambda z: z + torch.relu(z))
    first, last = network.first.weight.double(), network.last.weight.double()
    bias, out = network.first.bias.double(), network.last.bias.double()
    total = (last.abs() @ (2 * (first.abs().sum(1) + bias.abs()))).sum() + out.abs().sum()
    assert ms.path_norm(network, (3,), 1) == pytest.approx(float(total))


def test_one_number_a_sample_is_one_output() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    column = nn.Sequential(*list(network.children())[:3])
    x0, x1 = [0.0, 1.0, 2.0], [3.0, -1.0, 0.0]
    assert torch.equal(ms.along_segment(network, x0, x1).gaps, ms.along_segment(column, x0, x1).gaps)
    assert ms.path_norm(network, (3,)) == ms.path_norm(column, (3,))


def test_images_are_taken_as_the_network_flattens_them() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 2, bias=False))
    x = torch.randn(9, 2, 2)
    flat = ms.data_dependent_path_norm(nn.Sequential(*list(network.children())[1:]), x.flatten(1), 0.5)
    assert ms.data_dependent_path_norm(network, x, 0.5) == flat


MISUSE: list[tuple[Callable[[], Any], str]] = [
    (lambda: ms.path_norm(chain(), (5,)), r"fails on an input of shape \(5,\)"),
    (lambda: ms.path_norm(chain(), 3), "expected the shape of one sample"),  # type: ignore[arg-type]
    (lambda: ms.path_norm(chain(), (3,), float("inf")), "expected a finite number"),
    (lambda: ms.margins(chain(), torch.randn(4, 5), [0] * 4), r"fails on samples of shape \(5,\)"),
    (lambda: ms.margins(chain(), torch.zeros(0, 3), torch.zeros(0).long()), "no samples"),
    (lambda: ms.margin_loss(chain(), torch.randn(4, 3), [0] * 4, float("nan")), "margin is nan"),
    (lambda: ms.along_segment(nn.RNN(3, 2, batch_first=True), torch.randn(4, 3), torch.randn(4, 3)), "gives tuple"),
    (lambda: ms.data_dependent_path_norm(chain(), torch.randn(4, 5), 0.5), "expected samples of 3 numbers"),
    (lambda: ms.data_dependent_path_norm(chain(), torch.randn(3), 0.5), "expected samples of 3 numbers"),
    (lambda: ms.rescaled(_tied(), [torch.ones(3)]), "is used twice"),
    (lambda: ms.spectral_capacity(chain(), -1.0), "radius is -1.0"),
    (lambda: ms.margin_bound(0.1, float("nan"), 100), "kl is nan"),
    (lambda: ms.sharpness(chain(), lambda n: n(torch.randn(4, 3)).sum()), "expected data in float64"),
    (lambda: ms.sharpness(chain(), lambda n: n(torch.randn(4, 3).double())), "expected a scalar tensor"),
    (lambda: ms.sharpness(chain(), lambda n: n(torch.randn(4, 3).double()).sum(), steps=0), "steps is 0"),
]


@pytest.mark.parametrize(("misuse", "sentence"), MISUSE)
def test_misuse_is_one_sentence(misuse: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        misuse()
    assert "\n" not in str(caught.value)


def _tied() -> nn.Sequential:
    square = nn.Linear(3, 3, bias=False)
    return nn.Sequential(square, nn.ReLU(), square)


def test_factors_may_be_lists() -> None:
    network = chain()
    factors = [1.0, 2.0, 3.0, 4.0]
    x = torch.randn(5, 3)
    torch.testing.assert_close(ms.rescaled(network, [factors])(x), network(x))


@torch.no_grad()
def _zero(module: nn.Module) -> None:
    for weight in module.parameters(recurse=False):
        weight.zero_()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_a_gpu() -> None:
    network = chain()
    x = torch.randn(5, 3)
    there = copy.deepcopy(network).cuda()
    assert ms.path_norm(there, (3,)) == ms.path_norm(network, (3,))
    assert torch.equal(ms.margins(there, x.cuda(), torch.zeros(5).long().cuda()), ms.margins(network, x, [0] * 5))
    there(x.cuda()).sum().backward()
    ms.PathSGD(there, (3,), lr=0.1).step()
