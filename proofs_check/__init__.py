"""The independent checker of theorylab's certificates: Python's standard library, and nothing else.

Reading order: `document` (what a certificate is as a file), `algebra` (indexed polynomials), `functions` (what is known
of each), `calculus` (the chain rule), `statement` (letters, definitions, hypotheses, flows), `zeros` (when an
expression is zero), `goals` (what can be claimed), then one file for each further rule, and `kernel`, which dispatches.
"""

from __future__ import annotations

from .kernel import Outcome, check

__all__ = ["Outcome", "check"]
