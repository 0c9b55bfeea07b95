"""A control that drops an assumption which the claim does not have."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w, name="law")
control = law.without("balanced start")
