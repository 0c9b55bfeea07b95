"""The sources of the claims."""

from __future__ import annotations

import theorylab as tl

PAPER = tl.paper("kubo-2019", "Implicit regularization in over-parameterized neural networks", arxiv="1903.01997")
DERIVED = PAPER.claim("", note="operational definitions, formula derived here")
EMPIRICAL = PAPER.claim("", note="after the paper's main finding; the protocol is this module's")
