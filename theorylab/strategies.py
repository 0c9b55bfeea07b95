"""Hypothesis strategies for property tests about flows: sizes, cases, initializations, data, models and flows.

Values come from the integer codes of the search for counterexamples: multiples of 1/8, simplest first, inside of the
declared ranges and of the declared signs. They are exact in float64, and what Hypothesis shrinks ends in small numbers
at small sizes. `st.from_type` knows models and flows too. Hypothesis is imported when a strategy is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theorylab.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from hypothesis.strategies import SearchStrategy

    from theorylab.claims import Claim
    from theorylab.falsify.strategies import ExactCase
    from theorylab.flow import Flow
    from theorylab.gradient_flow import FirstOrder
    from theorylab.model import Model
    from theorylab.setting import Setting

    Arrays = dict[str, np.ndarray]

LARGEST = 3
ACTIVATIONS = ("identity", "relu", "leaky_relu", "tanh")
NAMES = "kghpq"
"""The sizes of hidden layers, from the input on."""


@dataclass(frozen=True)
class DrawnCase:
    """A case of a setting or a flow in which every hypothesis holds.

    dims: a number for each size. values: float64 arrays by name, without a trial axis, initial parameters as "init.W".
    text: the same for a reader, rationals where a value is one of the grid.
    """

    dims: dict[str, int]
    values: Arrays
    text: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    @property
    def init(self) -> Arrays:
        """The initial parameters, (1, *shape) each, as `tl.simulate(init=...)` takes them."""
        return {n[5:]: v[None] for n, v in self.values.items() if n.startswith("init.")}

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, y), as `tl.GradientFlow(data=...)` takes them."""
        return self.values["x"], self.values["y"]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n}={s}" for n, s in self.dims.items())
        shown = ", ".join(f"{n}={v}".replace("'", "") for n, v in self.text.items())
        return f"DrawnCase({sizes}; {shown})"


def sizes(
    subject: Claim | Setting | Flow, *, dims: Mapping[str, int] | None = None, largest: int = LARGEST
) -> SearchStrategy[dict[str, int]]:
    """A number for every size of a statement: that of `dims` (or of given data), else from 1 to `largest`."""
    from hypothesis import strategies as st

    given = {**getattr(subject, "fixed_sizes", {}), **(dims or {})}
    names = sorted(_sizes(subject))
    for name in given:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"dims gives a value to the unknown size {name!r}; expected one of: {known}")
    return st.fixed_dictionaries({n: st.just(given[n]) if n in given else st.integers(1, largest) for n in names})


def _sizes(subject: Any) -> set[str]:
    from theorylab.claims import Claim

    if isinstance(subject, Claim):
        from theorylab.falsify.target import sizes_of

        return sizes_of(subject)
    return set(subject.sizes)


def cases(
    subject: Claim | Setting | Flow, *, dims: Mapping[str, int] | None = None, largest: int = LARGEST
) -> SearchStrategy[Any]:
    """Cases of a setting or a flow as `DrawnCase`, or exact cases of a claim, for `violation(case)`.

    dims: sizes to fix; others are drawn from 1 to `largest`. Where a hypothesis has no `enforce`, cases that break it
    are rejected. Raises InputError for unknown sizes and for a claim that says nothing exact about cases.
    """
    from theorylab.claims import Claim
    from theorylab.flow import Flow
    from theorylab.setting import Setting

    if isinstance(subject, Claim):
        from theorylab.falsify import strategies

        return strategies.cases(subject, dims=dims, largest=largest)
    if not isinstance(subject, (Setting, Flow)):
        raise InputError(f"cases got {type(subject).__name__}; expected a setting, a flow or a claim")
    from hypothesis import assume
    from hypothesis import strategies as st

    codes: dict[tuple[tuple[str, int], ...], Any] = {}
    drawn = sizes(subject, dims=dims, largest=largest)

    @st.composite
    def draw_case(draw: Any) -> DrawnCase:
        at = draw(drawn, label="sizes")
        key = tuple(at.items())
        if key not in codes:
            codes[key] = _code(subject, at)
        code = codes[key]
        found = _drawn(subject, at, code, draw(st.tuples(*(st.integers(0, int(r) - 1) for r in code.radix))))
        assume(found is not None)
        return found  # type: ignore[return-value]

    return draw_case()


def violation(case: ExactCase) -> Any:
    """What an exact case of a claim violates, decided in exact arithmetic, or None."""
    from theorylab.falsify import strategies

    return strategies.violation(case)


def inits(
    flow: Flow, *, dims: Mapping[str, int] | None = None, largest: int = LARGEST
) -> SearchStrategy[dict[str, np.ndarray]]:
    """Initial parameters, (1, *shape) each, as `tl.simulate(init=...)` takes them."""
    return cases(flow, dims=dims, largest=largest).map(lambda case: case.init)


def data(
    flow: FirstOrder, *, dims: Mapping[str, int] | None = None, largest: int = LARGEST
) -> SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Data sets (x, y) of a gradient flow, one sample a column; a flow without a loss gets targets for a square one."""
    from theorylab.simulate.run import with_loss

    return cases(with_loss(flow), dims=dims, largest=largest).map(lambda case: case.data)


def models(*, layers: tuple[int, int] = (1, 3), activations: Sequence[str] = ACTIVATIONS) -> SearchStrategy[Model]:
    """Networks without biases, x -> W_L s(... s(W_1 x)), of `layers` (fewest, most) layers and one activation s each.

    Sizes are symbols: d in, m out, k, g, ... between. activations: out of identity, relu, leaky_relu, tanh.
    """
    from hypothesis import strategies as st

    fewest, most = layers
    if not 1 <= fewest <= most <= len(NAMES) + 1:
        raise InputError(f"layers is {layers!r}; expected the fewest and the most layers, from 1 to {len(NAMES) + 1}")
    for name in activations:
        if name not in ACTIVATIONS:
            raise InputError(f"activations has {name!r}; expected one of: {', '.join(ACTIVATIONS)}")
    return st.builds(_network, st.integers(fewest, most), st.sampled_from(list(activations)))


def flows(**options: Any) -> SearchStrategy[FirstOrder]:
    """Gradient flows of `models(...)`, of any differentiable loss and any data."""
    from theorylab.gradient_flow import GradientFlow

    return models(**options).map(GradientFlow)


def register() -> None:
    """Tell `st.from_type` of models and flows. Until `tl.model` is used, no one can ask for them."""
    if "theorylab.model" in sys.modules:
        from hypothesis import strategies as st

        from theorylab.gradient_flow import FirstOrder
        from theorylab.model import Model

        st.register_type_strategy(Model, models())
        st.register_type_strategy(FirstOrder, flows())


# --- one case ---------------------------------------------------------------------------------------------------------


def _code(subject: Setting | Flow, dims: Mapping[str, int]) -> Any:
    from theorylab.falsify.cases import CaseCode, case_blocks
    from theorylab.simulate.cases import variable_shapes

    return CaseCode(tuple(case_blocks(subject, dims, variable_shapes(subject, dims))))


def _drawn(subject: Setting | Flow, dims: dict[str, int], code: Any, one: tuple[int, ...]) -> DrawnCase | None:
    """The case with its hypotheses enforced, or None where one of them does not hold."""
    import numpy as np

    from theorylab.falsify.cases import arrays, written
    from theorylab.flow import Flow
    from theorylab.simulate.cases import HELD, Cases, variable_shapes

    raw = arrays(code, code.columns(np.array([one], dtype=np.int64)), 1)
    constants = {n: v for n, v in variable_shapes(subject, dims).items() if n not in raw}
    raw |= {n: np.full((1, *shape), draw.a) for n, (shape, draw) in constants.items()}
    setting = subject.setting if isinstance(subject, Flow) else subject
    given = [*setting.variables.values(), *setting.init.values()]
    if not setting.assumptions and not any(callable(getattr(v, "draw", v)) for v in given):
        values = {n: v[0] for n, v in raw.items()}
        return DrawnCase(dims, values, written(code, one, values))
    case = Cases(subject, dims, raw)
    values = {n: v[0].numpy() for n, v in case.values.items()}
    size = 1 + max(float(np.abs(v).max()) for v in values.values())
    for a in case.setting.assumptions:
        if a.holds is not None:
            shown = case.of_case(a.holds)
            if not bool((shown > 0).all() if a.positive else (shown.abs() <= HELD * size).all()):
                return None
    if not all(np.isfinite(v).all() for v in values.values()):
        return None
    return DrawnCase(dims, values, written(code, one, values))


def _network(layers: int, activation: str) -> Model:
    from theorylab import ops
    from theorylab.model import model

    names = ["d", *NAMES[: layers - 1], "m"]
    shapes = {f"W{i}": f"{names[i]} {names[i - 1]}" for i in range(1, layers + 1)}

    def network(p: Any, x: Any) -> Any:
        h = p.W1 @ x
        for i in range(2, layers + 1):
            h = p[f"W{i}"] @ (h if activation == "identity" else getattr(ops, activation)(h))
        return h

    network.__name__ = f"{activation}_network_{layers}"
    return model(**shapes)(network)
