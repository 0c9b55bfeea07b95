"""Whether `enforce` reaches every case of its hypotheses, tried on cases that were found without it.

A proof puts the values that `enforce` gives into the claim. It covers the hypothesis only if every case of the
hypothesis is among them, as it is where `enforce` changes nothing that already holds. Here cases are moved onto the
hypotheses by Newton's method on `holds` alone, and then a preimage of each under `enforce` is sought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from theorylab.derive.world import World
from theorylab.errors import UnsupportedReading
from theorylab.flow import Flow
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric
from theorylab.setting import Assumption, Setting
from theorylab.simulate.cases import Cases, as_tensor, draw_cases, reading, variable_shapes

CASES = 6
GROUPS = 5
GRID = 1 / 8
ITERATIONS = 30
RESTARTS = 3
WIDE = 2.0
"""All groups but the first are drawn by this normal law instead of their own: a claim is about all values."""
SHOWN = 160
"""Characters of a case in a message."""
NEAR = 1e-7
ON = 1e-9
REACHED = 1e-6
MISSED = 1e-3
"""A preimage whose image stays this far away, relative to the case, is none."""

Values = dict[str, Tensor]
One = Callable[[Values], Tensor]
"""A formula of one case."""

_checked: dict[tuple[object, ...], Setting] = {}
"""Settings that passed, by identity and sizes; holding them keeps their identity their own."""


def missed(subject: Setting | Flow, sizes: Dims, reading: Dims | None, seed: int = 0) -> str | None:
    """A sentence about cases that satisfy the hypotheses and that `enforce` does not give, nor any near; None without.

    sizes: where cases are tried. reading: the sizes of the exact reading whose use of `enforce` is in question, None
    for all sizes; what it states as a relation needs no `enforce`. Where no cases are found, none are missed.
    """
    setting = subject if isinstance(subject, Setting) else subject.setting
    case = World(subject, reading).case
    names = [a.name for a in setting.assumptions if a.holds is not None and _enforceable(a, case)]
    own = {n: sizes[n] for n in subject.sizes}
    key = (id(setting), *names, *sorted(own.items()))
    if not names or key in _checked:
        return None
    letters = _Letters(subject, own, draw_cases(subject, own, CASES, seed), names)
    if letters.names:
        starts, free = letters.starts()
        on = letters.solve(letters.violation, starts, free=free)
        holds = letters.rows(letters.violation, on).abs().amax(1) <= ON
        # Where enforce has no value at a case or jumps (it divides by a kernel vector z = 0), nothing is said.
        moved = NEAR * torch.randn(on.shape, generator=torch.Generator().manual_seed(1), dtype=on.dtype)
        here, near = (letters.rows(letters.enforced, at) for at in (on, on + moved))
        holds &= torch.nan_to_num(here - near, nan=torch.inf).abs().amax(1) <= MISSED
        holds &= torch.isfinite(on).all(1)
        group = torch.arange(len(on)) // CASES
        if bool(holds.any()) and (found := _unreached(letters, on[holds], group[holds])) is not None:
            shown = letters.shown(found)
            return (
                f"enforce of {' and '.join(map(repr, names))} misses cases that satisfy the hypothesis, such as {shown}"
            )
    _checked[key] = setting
    return None


def solutions(subject: Setting | Flow, sizes: Dims, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Cases that satisfy the hypotheses, found without `enforce`: free numbers by name, most of them short dyadic ones.

    Some of the numbers are held where they are and the equations solved for the others, which parts components of the
    hypotheses that lie far from each other.
    """
    own = {n: sizes[n] for n in subject.sizes}
    letters = _Letters(subject, own, draw_cases(subject, own, CASES, seed), _names(subject))
    if not letters.names:
        return []
    starts, free = letters.starts(GRID)
    on = letters.solve(letters.violation, starts, free=free)
    holds = (letters.rows(letters.violation, on).abs().amax(1) <= ON) & torch.isfinite(on).all(1)
    return [{n: v.numpy() for n, v in letters.free(z).items()} for z in on[holds]]


def _names(subject: Setting | Flow) -> list[str]:
    setting = subject if isinstance(subject, Setting) else subject.setting
    return [a.name for a in setting.assumptions if a.enforce is not None]


def _enforceable(assumption: Assumption, case: Case) -> bool:
    if assumption.enforce is None:
        return False
    try:
        assumption.enforce(case)
    except UnsupportedReading:
        return False
    return True


def _unreached(letters: _Letters, cases: Tensor, group: Tensor) -> Tensor | None:
    """One of the cases that are no value of `enforce`, where these are at least a quarter of their group."""
    wanted = letters.rows(letters.values, cases)
    scale = 1 + wanted.abs().amax(1)

    def gap(z: Tensor) -> Tensor:
        return torch.nan_to_num((letters.rows(letters.enforced, z) - wanted).abs().amax(1) / scale, nan=torch.inf)

    left = gap(cases)
    generator = torch.Generator().manual_seed(0)
    for restart in range(RESTARTS):
        if bool((left <= REACHED).all()):
            return None
        noise = torch.randn(cases.shape, generator=generator, dtype=torch.float64)
        found = letters.solve(letters.enforced, cases + (0.3 * noise if restart else 0.0), wanted)
        left = torch.minimum(left, gap(found))
    away = torch.isfinite(left) & (left > MISSED)
    for g in group.unique():
        own = away & (group == g)
        if bool(own.any()) and 4 * int(own.sum()) >= int((group == g).sum()):
            return cases[int(own.nonzero()[0])]
    return None


class _Letters:
    """The free numbers of some cases as vectors: logarithms of those that are positive."""

    def __init__(
        self, subject: Setting | Flow, dims: Dims, raw: Mapping[str, np.ndarray], enforced: Sequence[str]
    ) -> None:
        self.enforcing = enforced
        self.cases = Cases(subject, dims, {n: v[:CASES] for n, v in raw.items()})
        setting = self.cases.setting
        self.raw = {n: torch.as_tensor(v[:CASES], dtype=torch.float64) for n, v in raw.items()}
        self.one = {n: v[0] for n, v in self.raw.items()}
        fixed = {n for n, v in setting.variables.items() if v.integer or v.definition is not None}
        fixed |= {n for n, (_, draw) in variable_shapes(subject, dims).items() if draw.kind in ("constant", "integer")}
        initial = subject.initial() if isinstance(subject, Flow) else {}
        defined = {f"init.{n}" for n, v in initial.items() if v.definition is not None}
        self.compared = [n for n in self.raw if n not in fixed]
        self.names = [n for n in self.compared if n not in defined]
        signs = {n: v.sign for n, v in setting.variables.items()}
        signs |= {f"init.{n}": v.sign for n, v in initial.items()}
        self.positive = {n for n in self.names if signs.get(n) == "positive"}
        self.held = [a for a in setting.assumptions if a.holds is not None]

    def coordinates(self) -> Tensor:
        """(B, D), the cases as they were drawn."""
        parts = [self.raw[n].log() if n in self.positive else self.raw[n] for n in self.names]
        return torch.cat([p.reshape(len(p), -1) for p in parts], 1)

    def starts(self, grid: float = 0.0) -> tuple[Tensor, Tensor]:
        """Cases to solve the hypotheses from, and which of their numbers may move, (B, D) each, `CASES` rows a group.

        The groups: cases as drawn; wide ones; those in which what `enforce` changes is held; random halves held.
        grid: values are rounded to multiples of it.
        """
        drawn = self.coordinates()
        generator = torch.Generator().manual_seed(2)
        wide = [WIDE * torch.randn(drawn.shape, generator=generator, dtype=drawn.dtype) for _ in range(GROUPS - 1)]
        changed = (self.rows(self.enforced, drawn) - self.rows(self.values, drawn)).abs().amax(0) > REACHED
        kept = torch.ones_like(drawn, dtype=torch.bool)
        free = [kept, kept, kept & ~self._coordinates_of(changed)]
        free += [torch.rand(drawn.shape, generator=generator) < 0.5 for _ in range(GROUPS - len(free))]
        starts = torch.cat([drawn, *wide])
        if grid:
            signed = self._is_positive()
            plain = torch.where(signed, starts.exp(), starts)
            near = (plain / grid).round() * grid
            near = torch.where(signed, near.clamp(min=grid), near)
            starts = torch.where(signed, near.log(), near)
        return starts, torch.cat(free)

    def _coordinates_of(self, values: Tensor) -> Tensor:
        """Which coordinates (D,) belong to some of the values compared (V,)."""
        at, by_name = 0, {}
        for n in self.compared:
            by_name[n] = values[at : at + self.one[n].numel()]
            at += self.one[n].numel()
        return torch.cat([by_name[n] for n in self.names])

    def _is_positive(self) -> Tensor:
        return torch.cat([torch.full((self.one[n].numel(),), n in self.positive) for n in self.names])

    def free(self, z: Tensor) -> Values:
        """The free numbers of one case."""
        found = self._split(z)
        return {n: found[n] for n in self.names}

    def _split(self, z: Tensor) -> Values:
        found, at = dict(self.one), 0
        for n in self.names:
            size = self.one[n].numel()
            part = z[at : at + size].reshape(self.one[n].shape)
            found[n] = part.exp() if n in self.positive else part
            at += size
        return found

    def rows(self, one: One, z: Tensor) -> Tensor:
        """A formula of one case at every row of z, (B, R)."""
        with reading(self.cases.gates, self.cases.device):
            return torch.func.vmap(lambda q: one(self._split(q)))(z)

    def _slopes(self, one: One, z: Tensor) -> Tensor:
        """Its Jacobians, (B, R, D)."""
        with reading(self.cases.gates, self.cases.device):
            return torch.func.vmap(torch.func.jacfwd(lambda q: one(self._split(q))))(z)

    def violation(self, values: Values) -> Tensor:
        """(R,), zero exactly where all hypotheses hold; `enforce` takes no part."""
        case = self.cases.setting.case(*self._arrays(values), only=())
        parts = []
        for a in self.held:
            value = as_tensor(a.holds(case)).reshape(-1)  # type: ignore[misc]
            parts.append(torch.relu(ON - value) if a.positive else value)
        return torch.cat(parts)

    def values(self, values: Values) -> Tensor:
        """(V,), the free variables and the initial parameters that they define."""
        return self._flat(values, ())

    def enforced(self, values: Values) -> Tensor:
        """(V,), the same after `enforce`."""
        return self._flat(values, self.enforcing)

    def _flat(self, values: Values, enforced: Sequence[str]) -> Tensor:
        case = self.cases.setting.case(*self._arrays(values), only=enforced)
        flat = {n: case["init"][n[5:]] if n.startswith("init.") else case[n] for n in self.compared}
        return torch.cat([(as_tensor(flat[n]) + torch.zeros_like(values[n])).reshape(-1) for n in self.compared])

    @staticmethod
    def _arrays(values: Values) -> tuple[dict[str, Numeric], dict[str, Numeric]]:
        free = {n: Numeric(t) for n, t in values.items() if not n.startswith("init.")}
        return free, {n[5:]: Numeric(t) for n, t in values.items() if n.startswith("init.")}

    def shown(self, z: Tensor) -> str:
        values = self._split(z)
        text = ", ".join(f"{n} = {np.round(values[n].numpy(), 3).tolist()}" for n in self.names)
        return text if len(text) <= SHOWN else text[:SHOWN] + " ..."

    def solve(self, one: One, z: Tensor, wanted: Tensor | float = 0.0, free: Tensor | None = None) -> Tensor:
        """Rows of z (B, D) moved to where a formula has the values wanted, by damped Gauss-Newton steps.

        free: (B, D), which numbers may move; all by default.
        """

        def off(z: Tensor) -> Tensor:
            return self.rows(one, z) - wanted

        for _ in range(ITERATIONS):
            value = off(z)
            if bool((torch.nan_to_num(value).abs().amax(1) <= ON / 10).all()):
                break
            slopes = self._slopes(one, z) * (1.0 if free is None else free[:, None, :])
            good = torch.isfinite(slopes).all((1, 2)) & torch.isfinite(value).all(1)
            step = torch.zeros_like(z)
            if bool(good.any()):
                inverse = torch.linalg.pinv(slopes[good], rtol=1e-10)
                step[good] = -(inverse @ value[good][..., None])[..., 0]
            step = step / torch.linalg.vector_norm(step, dim=1, keepdim=True).clamp(min=1.0)
            before = torch.nan_to_num(value, nan=torch.inf).square().sum(1, keepdim=True)
            length = torch.ones(len(z), 1, dtype=z.dtype)
            after = before
            for _ in range(8):
                after = torch.nan_to_num(off(z + length * step), nan=torch.inf).square().sum(1, keepdim=True)
                worse = ~(after < before)
                if not bool(worse.any()):
                    break
                length = torch.where(worse, length / 2, length)
            z = torch.where(after < before, z + length * step, z)
        return z
