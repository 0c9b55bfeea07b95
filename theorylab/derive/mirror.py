"""The identities behind a limit: why a flow ends at a minimiser, as goals recognised from what a claim says.

Let f = x' b be the outputs of a predictor b, and G the gradient of a convex functional. If <z, G(b(t))> does not
change for every z with x' z = 0, and G vanishes at the start, then G(b(t)) stays in the range of x; so it does in the
limit, if there is one where G is continuous, and a limit that fits the data is then a minimiser among all that fit
them (Gunasekar et al., 1802.08246, for mirror descent). That the limit exists and fits the data is a premise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theorylab import ops
from theorylab.claims.base import Claim, Conserved, Goal, NonNegative, Zero
from theorylab.claims.limit import Limit, Minimiser
from theorylab.derive.world import World
from theorylab.errors import InputError, UnsupportedReading
from theorylab.gradient_flow import FirstOrder
from theorylab.readings.letters import Dims
from theorylab.readings.namespace import Namespace, call
from theorylab.setting import assume, var

Z, B, V, W = "dual_kernel", "at_predictor", "along_one", "along_other"


def behind(claim: Claim, dims: Dims | None) -> list[tuple[list[Goal], tuple[str, ...]]]:
    """Lists of goals, each of which implies the claim with its premises; () for claims of another kind.

    dims: None for all sizes. Raises UnsupportedReading where the predictor has no form as a vector.
    """
    if not isinstance(claim, Limit) or not isinstance(claim.value, Minimiser):
        return []
    flow, potential = claim.subject, claim.value.potential
    constraint = getattr(potential, "constraint", None)
    moving = any(getattr(v, "to", None) is not None for v in flow.setting.variables.values())
    if constraint is None or constraint.margins or moving or not isinstance(flow, FirstOrder) or flow.loss is None:
        return []
    shape = _tried(lambda: World(flow, dims).evaluate(claim.quantity).shape)()
    if len(shape) != 1:
        raise UnsupportedReading(f"a predictor of shape {shape} is no vector")
    return [
        (_goals(claim, potential, str(shape[0]), positive=False), ()),
        (_goals(claim, potential, str(shape[0]), positive=True), ("the limit has positive entries",)),
    ]


def _goals(claim: Limit, potential: Any, size: str, positive: bool) -> list[Goal]:
    old = claim.subject
    inputs = potential.constraint.inputs or (lambda c: old.inputs(c)[0])
    flow = old.with_(
        setting=old.setting.with_(
            assume("x' z = 0", lambda c: c[Z][None, :] @ inputs(c)),
            **{Z: var(size), B: var(size, positive=positive), V: var(size), W: var(size)},
        )
    )

    def gradient(p: Any, c: Any) -> Any:
        return potential.gradient(call(claim.quantity, p, c), c)

    def curvature(c: Any, one: str, other: str) -> Any:
        """<one, DG(b) other>."""
        slope = ops.derivative(lambda q: potential.gradient(q[B], c), Namespace({B: c[B]}), Namespace({B: c[other]}))
        return (c[one] * slope).sum(-1)

    def at_start(p: Any, c: Any) -> Any:
        return gradient(*flow.start(c if c.base is None else c.base))

    formulas: dict[str, tuple[type[Any], Callable[[Any, Any], Any]]] = {
        "the outputs are linear in the predictor": (
            Zero,
            lambda p, c: call(claim.quantity, p, c)[None, :] @ inputs(c) - c.f,
        ),
        "G vanishes at the start": (Zero, at_start),
        "G is a gradient": (Zero, lambda p, c: curvature(c, W, V) - curvature(c, V, W)),
        "of a convex functional": (NonNegative, lambda p, c: curvature(c, V, V)),
        "<z, G> is conserved for x' z = 0": (Conserved, lambda p, c: (c[Z] * gradient(p, c)).sum(-1)),
    }
    return [
        kind(name=name, subject=flow, formula=_tried(formula), derived=True)
        for name, (kind, formula) in formulas.items()
    ]


def _tried(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula, which was not written for this: where it makes no sense there is no such proof."""

    def attempt(*arguments: Any) -> Any:
        try:
            return formula(*arguments)
        except (InputError, TypeError, AttributeError, ValueError) as error:
            raise UnsupportedReading(f"the functional or the predictor has no exact form: {error}") from error

    if formula.__code__.co_argcount == 2:
        return lambda p, c: attempt(p, c)
    return lambda: attempt()
