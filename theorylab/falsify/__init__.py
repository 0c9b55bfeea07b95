"""Hunting counterexamples: case codes, screening, exact decision, shrinking, Hypothesis strategies."""

from __future__ import annotations

from theorylab.falsify.outcome import Hunt
from theorylab.falsify.search import falsify, hunt
from theorylab.falsify.witness import Witness

__all__ = ["Hunt", "Witness", "falsify", "hunt"]
