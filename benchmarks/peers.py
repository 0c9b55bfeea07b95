"""Other integrators of ensembles, each as solve(workload) -> end states (B, D); None where one is not installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from workloads import ATOL, RTOL, Workload

Solve = Callable[[], np.ndarray]


def lsoda(workload: Workload, rtol: float = RTOL, atol: float = ATOL, method: str = "LSODA") -> Solve:
    """scipy, one trajectory after the other."""

    def rates(t: float, y: np.ndarray) -> np.ndarray:
        return workload.rates(y, lambda x: x)

    def solve() -> np.ndarray:
        runs = [solve_ivp(rates, (0, workload.t_end), y, method, rtol=rtol, atol=atol) for y in workload.states]
        return np.stack([run.y[:, -1] for run in runs])

    return solve


def dop853(workload: Workload) -> Solve:
    """The reference."""
    return lsoda(workload, 1e-11, 1e-13, "DOP853")


def tight_lsoda(workload: Workload) -> Solve:
    """The reference where DOP853 would take too many steps."""
    return lsoda(workload, 1e-11, 1e-13)


def diffrax(workload: Workload) -> Solve | None:
    """Tsit5 under vmap, compiled."""
    if find_spec("diffrax") is None:
        return None
    import diffrax as dx
    import jax

    jax.config.update("jax_enable_x64", True)
    term = dx.ODETerm(lambda t, y, args: workload.rates(y, jax.numpy.asarray))
    control = dx.PIDController(rtol=RTOL, atol=ATOL, pcoeff=0.3, icoeff=0.4)

    def one(y: Any) -> Any:
        return dx.diffeqsolve(
            term, dx.Tsit5(), 0.0, workload.t_end, None, y, stepsize_controller=control, max_steps=10**6,
            adjoint=dx.ForwardMode(),
        ).ys[0]  # fmt: skip

    start = jax.numpy.asarray(workload.states)
    if len(start) == 1:
        alone = jax.jit(one)
        return lambda: np.asarray(alone(start[0]))[None]
    compiled = jax.jit(jax.vmap(one))
    return lambda: np.asarray(compiled(start))


def torch_rates(workload: Workload) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """The rates for a batch of torch rows."""
    held: dict[bytes, torch.Tensor] = {}

    def convert(x: np.ndarray) -> torch.Tensor:
        key = x.tobytes()
        if key not in held:
            held[key] = torch.from_numpy(np.ascontiguousarray(x))
        return held[key].reshape(x.shape)

    return lambda t, y: workload.rates(y, convert)


def torchode(workload: Workload) -> Solve | None:
    """Tsit5, a step for each trajectory."""
    if find_spec("torchode") is None:
        return None
    import torchode as to

    term = to.ODETerm(torch_rates(workload))
    control = to.IntegralController(atol=ATOL, rtol=RTOL, term=term)
    solver = to.AutoDiffAdjoint(to.Tsit5(term=term), control)
    start = torch.from_numpy(workload.states)
    times = torch.tensor([[0.0, workload.t_end]] * len(start), dtype=torch.float64)

    def solve() -> np.ndarray:
        with torch.no_grad():
            return solver.solve(to.InitialValueProblem(y0=start, t_eval=times)).ys[:, -1].numpy()

    return solve


def torchdiffeq(workload: Workload) -> Solve | None:
    """dopri5, one step for all trajectories."""
    if find_spec("torchdiffeq") is None:
        return None
    from torchdiffeq import odeint

    rates, start = torch_rates(workload), torch.from_numpy(workload.states)
    times = torch.tensor([0.0, workload.t_end], dtype=torch.float64)

    def solve() -> np.ndarray:
        with torch.no_grad():
            return odeint(rates, start, times, rtol=RTOL, atol=ATOL, method="dopri5")[-1].numpy()

    return solve


PEERS = {"diffrax Tsit5": diffrax, "torchode Tsit5": torchode, "torchdiffeq dopri5": torchdiffeq}
