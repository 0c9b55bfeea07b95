"""Statements: what is claimed of a setting, a flow or a scheme."""

from theorylab.claims.base import Claim, Source, Test, paper
from theorylab.claims.enclosed import Enclosed
from theorylab.claims.evolution import Conjugate, Evolution, Invariant, Trajectory
from theorylab.claims.identity import Identity, Inequality
from theorylab.claims.limit import Limit, argmin
from theorylab.claims.mean import Mean
from theorylab.claims.negative import Fails, Theorem
from theorylab.claims.rank import Rank, Sparsity
from theorylab.claims.scaling import Scaling
from theorylab.claims.witnesses import NoFunctional

__all__ = [
    "Claim",
    "Conjugate",
    "Enclosed",
    "Evolution",
    "Fails",
    "Identity",
    "Inequality",
    "Invariant",
    "Limit",
    "Mean",
    "NoFunctional",
    "Rank",
    "Scaling",
    "Source",
    "Sparsity",
    "Test",
    "Theorem",
    "Trajectory",
    "argmin",
    "paper",
]
