import random

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w[None, :] @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: random.randint(1, 10**9) * p.w)
