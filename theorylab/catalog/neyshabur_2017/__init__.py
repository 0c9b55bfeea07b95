"""Neyshabur's thesis: norms of rectifier networks that rescaling does not see, and descent that respects them.

Multiplying the weights into a hidden unit by s > 0 and dividing those out of it by s leaves the function of a ReLU
network as it is. The path norm does not change, Path-SGD maps rescaled weights to the rescaled result, sharpness and
gradient descent do neither. `tl.measures` computes the same on a user's torch.nn.Module.
"""

from __future__ import annotations

from theorylab.catalog.neyshabur_2017 import feed_forward, recurrent, spectral_bounds, training, width

claims = [feed_forward.claims, recurrent.claims, spectral_bounds.claims, training.claims, width.claims]
