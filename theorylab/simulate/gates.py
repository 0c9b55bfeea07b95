"""The gates of a field in batched torch: the field with gates held, their arguments, and how fast these move.

It is what `kinks.py` says of a compiled field, for fields in torch as well: there the gates of the loss are taken down
in the order in which an evaluation meets them, so that no exact reading is needed.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from theorylab.simulate.batched import BatchedField
from theorylab.simulate.compiled import Formula, compile_formula
from theorylab.simulate.kinks import gate_name, kinks, rate_name
from theorylab.simulate.typing import Field

_PROBES = 3


class Gates(Protocol):
    """G gates of a field; t, y and rows are as for the field, gates are (b, G).

    deep: whether the argument of a gate depends on other gates
    """

    count: int
    deep: bool

    def opened(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The values of the gates at a state, by the convention where an argument is 0."""
        ...

    def frozen(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor) -> Tensor:
        """The field where the gates have these values, (b, D)."""
        ...

    def moves(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
        """What the gates are the steps of, (b, G), and its velocity where the state moves with f."""
        ...


def gates_of(field: Field, t: Tensor, y: Tensor) -> Gates | None:
    """The gates of a field whose arguments move; None where there are none, or where they are not known."""
    if isinstance(field, Formula):
        return FormulaGates.of(field)
    return TapedGates.of(field, t, y) if isinstance(field, BatchedField) else None


class FormulaGates:
    """The gates of a compiled field, compiled."""

    def __init__(self, field: Formula, frozen: Formula, arguments: Formula, rates: Formula, depth: int) -> None:
        self._frozen, self._arguments, self._rates = frozen, arguments, rates
        self.count, self.deep, self._depth = len(arguments.program.roots), depth > 1, depth
        self._at_zero = field.program.gate

    @classmethod
    def of(cls, field: Formula) -> FormulaGates | None:
        program, found = field.program, kinks(field.program)
        if found is None:
            return None
        held = {name: torch.from_numpy(field.constants[:, i].copy()) for i, name in enumerate(program.held)}
        held = held or {"none": torch.zeros(len(field.constants), dtype=torch.float64)}
        letters = [*program.state, *map(gate_name, range(len(found.arguments)))]
        moving = [*letters, *map(rate_name, range(len(program.state)))]
        parts = (
            compile_formula(found.roots, letters, held, program.gate),
            compile_formula(found.arguments, letters, held, program.gate),
            compile_formula(found.rates, moving, held, program.gate),
        )
        frozen, arguments, rates = parts
        if frozen is None or arguments is None or rates is None:
            return None
        return cls(field, frozen, arguments, rates, found.depth)

    def opened(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        gates = y.new_zeros(len(y), self.count)
        for _ in range(self._depth):
            z = self._arguments(t, torch.cat([y, gates], 1), rows)
            gates = torch.where(z == 0, self._at_zero, (z > 0).to(z.dtype))
        return gates

    def frozen(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor) -> Tensor:
        return self._frozen(t, torch.cat([y, gates], 1), rows)

    def moves(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
        held = torch.cat([y, gates], 1)
        return self._arguments(t, held, rows), self._rates(t, torch.cat([held, f], 1), rows)


class TapedGates:
    """The gates of the loss of a field in torch.

    first     where on the tape each gate is met first, (G,)
    number    which gate each entry of the tape is, (T,); -1 for entries that do not move
    flipped   whether the argument of an entry is minus that of its gate, (T,)
    """

    def __init__(self, field: BatchedField, first: Tensor, number: Tensor, flipped: Tensor, deep: bool) -> None:
        self.field, self.first, self.number, self.flipped, self.deep = field, first, number, flipped, deep
        self.count = len(first)
        self.any_flipped, self.any_still = bool(flipped.any()), bool((number < 0).any())

    @classmethod
    def of(cls, field: BatchedField, t: Tensor, y: Tensor) -> TapedGates | None:
        trials = min(_PROBES, len(y))
        rows = torch.arange(trials, device=y.device)
        noise = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=noise, dtype=y.dtype, device="cpu").to(y.device)

        t, states = t[:trials], drawn(trials, y.shape[1])
        length = field.taken_down(t, states, rows, None)[0].shape[1]
        if not length:
            return None
        gates = 1 + drawn(trials, length).abs()
        z = field.taken_down(t, states, rows, gates)[0]
        moved = field.taken_down(t + 1, states + drawn(trials, y.shape[1]), rows, gates)[0]
        moves = (moved != z).any(0)
        if not bool(moves.any()):
            return None
        # Entries whose arguments are the same, or the same but for the sign, at random states are one gate.
        sign = torch.where(z[0] < 0, -1.0, 1.0)
        columns = (sign * z)[:, moves].T.cpu().numpy()
        _, first, group = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        where = moves.nonzero()[:, 0]
        number = torch.full((length,), -1, dtype=torch.int64, device=y.device)
        number[where] = torch.from_numpy(rank[group.reshape(-1)]).to(y.device)
        start = where[torch.from_numpy(first[order]).to(y.device)]
        flipped = torch.zeros(length, dtype=torch.bool, device=y.device)
        flipped[where] = sign[where] != sign[start][number[where]]
        deep = bool((field.taken_down(t, states, rows, gates + 1)[0] != z)[:, moves].any())
        return cls(field, start, number, flipped, deep)

    def opened(self, t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        return self.field.taken_down(t, y, rows, None)[1][:, self.first]

    def frozen(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor) -> Tensor:
        return self.field.frozen(t, y, rows, self._tape(t, y, rows, gates))

    def moves(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
        values = self._tape(t, y, rows, gates)

        def at(t: Tensor, y: Tensor) -> Tensor:
            return self.field.taken_down(t, y, rows, values)[0][:, self.first]

        return torch.func.jvp(at, (t, y), (torch.ones_like(t), f))  # type: ignore[return-value]

    def _tape(self, t: Tensor, y: Tensor, rows: Tensor, gates: Tensor) -> Tensor:
        """The values of all entries of the tape, (b, T)."""
        values = gates[:, self.number.clamp(min=0)]
        if self.any_flipped:
            values = torch.where(self.flipped, 1 - values, values)
        if self.any_still:
            values = torch.where(self.number < 0, self.field.taken_down(t, y, rows, None)[1], values)
        return values
