"""The sources of the claims."""

from __future__ import annotations

import theorylab as tl

PAPER = tl.paper(
    "zhao-2022", "Combining explicit and implicit regularization for efficient learning in deep networks",
    arxiv="2306.00342",
)  # fmt: skip
DERIVED = PAPER.claim("", note="formula derived here, not quoted from the paper")
PRODUCT = PAPER.claim("", note="formula of Arora et al. 2019 as known in the field, derived here")
EMPIRICAL = PAPER.claim("", note="after the paper's main finding; the protocol is this module's")
