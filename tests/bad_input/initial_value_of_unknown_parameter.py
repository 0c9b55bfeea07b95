"""An initial value for a parameter that was not declared."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear, setting=tl.Setting(init={"v": 0}))
law = tl.Invariant(flow, lambda p: p.w)
