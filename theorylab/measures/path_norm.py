"""The path norm of a rectifier network, and Path-SGD, which descends in its geometry.

phi_p(w) = (sum over the paths from an input to an output of prod |w_e|^p)^(1/p) (Neyshabur, Tomioka, Srebro 2015,
section 3). A bias is an edge from an input that is constantly 1. Multiplying the edges into a hidden unit by c > 0 and
dividing those out of it by c changes neither the network's function nor the path norm.

Paths are never listed: where every weight is replaced by |w|^p and every input by 1, a rectifier network adds up
all its paths in one forward pass, and its derivative by |w_e|^p adds up those through e without e itself. A
parameter that several edges share (convolution, recurrence) gets the sum over its edges: for recurrent networks with
p = 2 that is kappa^(1) of Neyshabur, Wu, Salakhutdinov, Srebro 2016; half the second derivative of phi_2^2 has more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from theorylab.errors import InputError
from theorylab.measures.networks import LINEAR, RECTIFIERS, SHAPES, checked, double, only, outputs, shape_of_a_sample

ROUNDING = 1e-9
KINDS = (*LINEAR, nn.RNN, *RECTIFIERS, *SHAPES)


def path_norm(network: nn.Module, input_shape: Sequence[int], p: float = 2) -> float:
    """phi_p of a network for one sample of shape `input_shape` (without the batch axis).

    The network may be made of Linear, convolution, RNN (relu, batch first), ReLU, LeakyReLU, Flatten and Dropout
    modules, joined by sums; a factor in its `forward`, such as a mean, counts as it is, whatever p. Raises InputError
    for other modules, for a `forward` that is not linear where all signals are positive, and for p < 1.
    """
    total, _ = _paths(network, input_shape, p)
    _check_linear(network, input_shape, p)
    return float(total.detach()) ** (1 / p)


def path_weights(network: nn.Module, input_shape: Sequence[int], p: float = 2) -> dict[str, Tensor]:
    """gamma_p of every parameter by name, float64, on the CPU and of its shape.

    gamma_p(w, e) = (sum over the paths through e of prod over their other edges of |w|^p)^(2/p). For p = 2 and
    weights that no two edges share it is half the second derivative of phi_2^2 by the weight.
    """
    total, powers = _paths(network, input_shape, p)
    slopes = torch.autograd.grad(total, list(powers.values()), allow_unused=True, materialize_grads=True)
    return {name: s.detach() ** (2 / p) for name, s in zip(powers, slopes, strict=True)}


def _paths(network: nn.Module, input_shape: Sequence[int], p: float) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of prod |w_e|^p over all paths, and the tensors |w|^p that it was computed from."""
    if not 1 <= p < math.inf:
        raise InputError(f"p is {p!r}; expected a finite number of at least 1")
    only(network, KINDS, "the path norm")
    for module in network.modules():
        if isinstance(module, nn.RNN) and (module.nonlinearity != "relu" or not module.batch_first):
            got = f"nonlinearity={module.nonlinearity!r}, batch_first={module.batch_first}"
            raise InputError(f"the path norm got an RNN with {got}; expected nonlinearity='relu', batch_first=True")
    positive = double(network)
    powers = {n: w.detach().abs().pow(p).requires_grad_() for n, w in positive.named_parameters()}
    ones = torch.ones(1, *shape_of_a_sample(input_shape), dtype=torch.float64)
    return outputs(lambda x: _called(positive, powers, x), ones, "an input").sum(), powers


def _called(network: nn.Module, powers: Mapping[str, Tensor], x: Tensor) -> Tensor:
    out: Any = torch.func.functional_call(network, dict(powers), (x,))
    return out[0] if isinstance(out, tuple) else out


def _check_linear(network: nn.Module, input_shape: Sequence[int], p: float) -> None:
    """InputError unless the network with weights |w|^p is affine and rising on positive inputs.

    Paths are products of weights, so it is; a functional tanh, softmax, maximum or product in `forward` breaks that.
    """
    positive = double(network)
    powers = {n: w.detach().abs().pow(p) for n, w in positive.named_parameters()}
    shape = shape_of_a_sample(input_shape)
    draws = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    places = torch.stack([torch.zeros_like(draws[0]), draws[0], draws[1], draws.sum(0)])
    zero, first, second, both = (_called(positive, powers, x[None]).detach() for x in places)
    bend = (both - first - second + zero).abs().max()
    falls = min(float((v - zero).min()) for v in (first, second))
    if not float(bend) <= ROUNDING * float(both.abs().max()) or falls < -ROUNDING * float(both.abs().max()):
        raise InputError(
            "the path norm got a network whose forward is more than sums of its modules on positive signals; "
            "expected modules joined by sums"
        )


class PathSGD(torch.optim.Optimizer):
    """w_e <- w_e - lr / gamma_p(w, e) * dL/dw_e: gradient descent that does not see node-wise rescaling.

    Neyshabur, Salakhutdinov, Srebro 2015, section 4. One step maps rescaled weights to the rescaled result, exactly.
    gamma is computed from the weights before the step; a weight that no path leaves has gamma = 0 and stays.

    Args: network: as for `path_norm`. input_shape: of one sample. lr: the step size. p: of the path norm.
    """

    def __init__(self, network: nn.Module, input_shape: Sequence[int], lr: float, p: float = 2) -> None:
        if not lr > 0:
            raise InputError(f"lr is {lr!r}; expected a positive number")
        self._network, self._shape, self._p = checked(network), shape_of_a_sample(input_shape), p
        path_norm(network, input_shape, p)  # refuses what it does not understand before the first step
        super().__init__(network.parameters(), {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.enable_grad():
            weights: Mapping[str, Tensor] = path_weights(self._network, self._shape, self._p)
        lr = self.param_groups[0]["lr"]
        for name, parameter in self._network.named_parameters():
            if parameter.grad is not None:
                gamma = weights[name].to(parameter.device)
                change = torch.where(gamma > 0, lr * parameter.grad.double() / gamma, 0.0)
                parameter -= change.to(parameter.dtype)
        return loss
