"""Kubo, Banno, Manabe, Minoji: a rectifier network is almost straight between its samples.

On the segment x(t) = x0 + t (x1 - x0) the output is piecewise linear. Where unit j switches, the slope jumps by a gap.
The definitions are operational: gradient gap deviation is the standard deviation of the gaps, gradient deflection their
sum. `tl.measures.along_segment` computes them for a torch.nn.Module of any depth. Here they are formulas for one hidden
layer (`segments`), which have a closed form over random networks (`random_networks`); what training makes of them is
measured (`training`).
"""

from __future__ import annotations

from theorylab.catalog.kubo_2019 import random_networks, segments, training

claims = [segments.claims, random_networks.claims, training.claims]
