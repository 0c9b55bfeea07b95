"""Neyshabur's thesis: norms of rectifier networks that rescaling does not see, and descent that respects them.

Multiplying the weights into a hidden unit by s > 0 and dividing those out of it by s leaves the function of a ReLU
network as it is. The path norm does not change, Path-SGD maps rescaled weights to the rescaled result, sharpness and
gradient descent do neither. `tl.measures` computes the same on a user's torch.nn.Module.
"""

from __future__ import annotations

from theorylab.catalog.neyshabur_2017.feed_forward import claims as feed_forward_claims
from theorylab.catalog.neyshabur_2017.recurrent import claims as recurrent_claims
from theorylab.catalog.neyshabur_2017.spectral_bounds import claims as bound_claims
from theorylab.catalog.neyshabur_2017.width import claims as width_claims

__all__ = ["bound_claims", "feed_forward_claims", "recurrent_claims", "width_claims"]
