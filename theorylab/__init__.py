"""theorylab: state a conjecture about training dynamics once; prove, simulate, attack, judge and report it.

Every public name is imported when it is first used (PEP 562), so that `import theorylab` and
`theorylab --help` stay fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from theorylab._version import __version__

if TYPE_CHECKING:
    from fractions import Fraction

    from theorylab import bias, draw, loss, measures, ops, strategies
    from theorylab import draw as init
    from theorylab.claims import (
        Conjugate,
        Enclosed,
        Evolution,
        Fails,
        Identity,
        Inequality,
        Invariant,
        Limit,
        Mean,
        NoFunctional,
        Rank,
        Scaling,
        Sparsity,
        Theorem,
        Trajectory,
        argmin,
        paper,
    )
    from theorylab.discover import discover
    from theorylab.enclosure.enclose import enclose
    from theorylab.errors import InputError
    from theorylab.falsify import falsify
    from theorylab.flow import Flow
    from theorylab.gradient_flow import GradientFlow
    from theorylab.model import model
    from theorylab.report import report
    from theorylab.scheme import Scheme
    from theorylab.setting import Setting, assume, var
    from theorylab.simulate import converged, event, simulate
    from theorylab.verdict import Evidence, Figure, Series, Verdict
    from theorylab.verify import verify

# Public name: (module, attribute); the attribute None is the module itself.
_HOMES: dict[str, tuple[str, str | None]] = {
    "Fraction": ("fractions", "Fraction"),
    "bias": ("theorylab.bias", None),
    "draw": ("theorylab.draw", None),
    "init": ("theorylab.draw", None),
    "loss": ("theorylab.loss", None),
    "measures": ("theorylab.measures", None),
    "ops": ("theorylab.ops", None),
    "strategies": ("theorylab.strategies", None),
    "Conjugate": ("theorylab.claims", "Conjugate"),
    "Enclosed": ("theorylab.claims", "Enclosed"),
    "Evolution": ("theorylab.claims", "Evolution"),
    "Fails": ("theorylab.claims", "Fails"),
    "Identity": ("theorylab.claims", "Identity"),
    "Inequality": ("theorylab.claims", "Inequality"),
    "Invariant": ("theorylab.claims", "Invariant"),
    "Limit": ("theorylab.claims", "Limit"),
    "Mean": ("theorylab.claims", "Mean"),
    "NoFunctional": ("theorylab.claims", "NoFunctional"),
    "Rank": ("theorylab.claims", "Rank"),
    "Scaling": ("theorylab.claims", "Scaling"),
    "Sparsity": ("theorylab.claims", "Sparsity"),
    "Theorem": ("theorylab.claims", "Theorem"),
    "Trajectory": ("theorylab.claims", "Trajectory"),
    "argmin": ("theorylab.claims", "argmin"),
    "paper": ("theorylab.claims", "paper"),
    "InputError": ("theorylab.errors", "InputError"),
    "discover": ("theorylab.discover", "discover"),
    "enclose": ("theorylab.enclosure.enclose", "enclose"),
    "falsify": ("theorylab.falsify", "falsify"),
    "Flow": ("theorylab.flow", "Flow"),
    "GradientFlow": ("theorylab.gradient_flow", "GradientFlow"),
    "Scheme": ("theorylab.scheme", "Scheme"),
    "model": ("theorylab.model", "model"),
    "report": ("theorylab.report", "report"),
    "Setting": ("theorylab.setting", "Setting"),
    "assume": ("theorylab.setting", "assume"),
    "var": ("theorylab.setting", "var"),
    "converged": ("theorylab.simulate", "converged"),
    "event": ("theorylab.simulate", "event"),
    "simulate": ("theorylab.simulate", "simulate"),
    "Evidence": ("theorylab.verdict", "Evidence"),
    "Figure": ("theorylab.verdict", "Figure"),
    "Series": ("theorylab.verdict", "Series"),
    "Verdict": ("theorylab.verdict", "Verdict"),
    "verify": ("theorylab.verify", "verify"),
}

__all__ = [
    "Conjugate",
    "Enclosed",
    "Evidence",
    "Evolution",
    "Fails",
    "Figure",
    "Flow",
    "Fraction",
    "GradientFlow",
    "Identity",
    "Inequality",
    "InputError",
    "Invariant",
    "Limit",
    "Mean",
    "NoFunctional",
    "Rank",
    "Scaling",
    "Scheme",
    "Series",
    "Setting",
    "Sparsity",
    "Theorem",
    "Trajectory",
    "Verdict",
    "__version__",
    "argmin",
    "assume",
    "bias",
    "converged",
    "discover",
    "draw",
    "enclose",
    "event",
    "falsify",
    "init",
    "loss",
    "measures",
    "model",
    "ops",
    "paper",
    "report",
    "simulate",
    "strategies",
    "var",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'theorylab' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    module = import_module(home)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    if home == "theorylab.model" and "hypothesis" in sys.modules:
        import_module("theorylab.strategies").register()
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose verbs stay functions.

    Importing the submodule `theorylab.verify` makes Python set the attribute `verify` of this package to the
    module; the public `theorylab.verify` is the function of that module, so such an assignment is not kept.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _HOMES.get(name, (None, None))[1] is not None:
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
