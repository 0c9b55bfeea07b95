"""Conservation laws that nobody has to guess: theorylab finds them, and certifies that there are no others.

theorylab discover examples/conservation_laws.py             the laws of both flows, at small sizes
theorylab discover examples/conservation_laws.py --all-sizes  and a proof of each family for symbolic sizes
theorylab discover --table                                    forty models with known laws
theorylab verify examples/conservation_laws.py                the claims below
"""

import theorylab as tl
from theorylab import ops


# A gated unit: the gate bends, so it has no law; the other two matrices are balanced, unit by unit.
@tl.model(up="k d", gate="k d", down="m k")
def swiglu(p, x):
    z = p.gate @ x
    return p.down @ (z / (1 + ops.exp(-z)) * (p.up @ x))


flow = tl.GradientFlow(swiglu)

# With weight decay the same law shrinks at a known rate.
decayed = tl.GradientFlow(swiglu, weight_decay=lambda c: c.lam, setting=tl.Setting(lam=tl.var(positive=True)))

# What `discover` prints for `flow` is |up[j,:]|^2 - |down[:,j]|^2; stated as a claim it is proved for all sizes.
balanced = tl.Invariant(flow, lambda p: (p.up**2).sum(-1) - (p.down**2).sum(-2), name="balanced", expect="proved")

# The gate takes no part: with it in the place of `up` the claim is false.
control = balanced.but(quantity=lambda p: (p.gate**2).sum(-1) - (p.down**2).sum(-2), name="with the gate")
