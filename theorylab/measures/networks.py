"""Checked views of a user's network: which modules a measure understands, copies that it may change."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
RECTIFIERS = (nn.ReLU, nn.LeakyReLU)
SHAPES = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)
LayerList = list[tuple[Tensor, Tensor | None]]


def checked(network: Any) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise InputError(f"network is {type(network).__name__}; expected a torch.nn.Module")
    return network


def double(network: nn.Module) -> nn.Module:
    """A copy in float64 and evaluation mode on the CPU, whose parameters may be changed."""
    return copy.deepcopy(checked(network)).cpu().double().eval()


def leaves(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules without children, by name, each once."""
    for name, module in checked(network).named_modules():
        if next(module.children(), None) is None:
            yield name, module


def only(network: nn.Module, kinds: Sequence[type[nn.Module]], measure: str) -> None:
    """InputError unless every leaf of the network is of one of these kinds."""
    for name, module in leaves(network):
        if not isinstance(module, tuple(kinds)):
            raise InputError(
                f"{measure} got a network with {type(module).__name__} (module {name or 'itself'!r}); "
                f"expected only {', '.join(k.__name__ for k in kinds)}"
            )
        if isinstance(module, nn.LeakyReLU) and not 0 <= module.negative_slope <= 1:
            raise InputError(f"{measure} got a LeakyReLU of slope {module.negative_slope}; expected one from 0 to 1")


def in_a_row(network: nn.Module, measure: str) -> Iterator[nn.Module]:
    """The modules that a Sequential applies one after the other, those of nested ones included."""
    if isinstance(network, nn.Sequential) and type(network).forward is nn.Sequential.forward:
        for module in network:
            yield from in_a_row(module, measure)
    elif next(network.children(), None) is not None:
        raise InputError(f"{measure} got {type(network).__name__}; expected a torch.nn.Sequential of Linear and ReLU")
    else:
        yield network


def dense_layers(network: nn.Module, measure: str) -> LayerList:
    """(weight (out, in), bias (out,) or None) of a chain of Linear layers with rectifiers between, in float64."""
    if not isinstance(checked(network), nn.Sequential):
        raise InputError(f"{measure} got {type(network).__name__}; expected a torch.nn.Sequential of Linear and ReLU")
    only(network, (nn.Linear, *RECTIFIERS, *SHAPES), measure)
    layers: LayerList = []
    rectified = True
    for module in in_a_row(network, measure):
        if isinstance(module, nn.Linear):
            if not rectified:
                raise InputError(f"{measure} got two Linear layers in a row; expected a ReLU between each pair")
            bias = None if module.bias is None else module.bias.detach().cpu().double()
            layers.append((module.weight.detach().cpu().double(), bias))
            rectified = False
        rectified = rectified or isinstance(module, RECTIFIERS)
    if not layers:
        raise InputError(f"{measure} got a network without Linear layers; expected at least one")
    return layers


def outputs(network: Callable[[Tensor], Any], x: Tensor, what: str) -> Tensor:
    """The outputs (n, ...) for samples x (n, ...). InputError where x does not fit or no one tensor comes out."""
    try:
        found = network(x)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the network fails on {what} of shape {tuple(x.shape[1:])} ({reason}); expected samples that it takes"
        ) from error
    if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != len(x):
        got = f"the shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"the network gives {got} for {len(x)} samples; expected one tensor with a row for each")
    return found


def shape_of_a_sample(given: Any) -> tuple[int, ...]:
    """A shape without the batch axis."""
    try:
        shape = tuple(operator.index(n) for n in given)
    except TypeError as error:
        raise InputError(f"input_shape is {given!r}; expected the shape of one sample, such as (3, 32, 32)") from error
    if any(n < 1 for n in shape):
        raise InputError(f"input_shape is {given!r}; expected positive sizes")
    return shape


def inputs(value: Any, name: str) -> Tensor:
    """A finite float64 tensor of samples, on the CPU."""
    try:
        x = torch.as_tensor(value).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is {type(value).__name__} and no array of numbers; expected samples") from error
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"{name} is not finite; expected finite numbers")
    return x
