"""An option that claims do not have."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w, expected="proved")
