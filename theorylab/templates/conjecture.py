"""A conjecture about a gradient flow. Change it into yours, then run

theorylab verify THIS_FILE

A verdict says whether the statement was proved, supported, refuted or left open, and in which scope.
"""

import theorylab as tl
from theorylab import ops


# A model is written as on paper, for one set of parameters. The strings are the shapes of the parameters;
# a letter is a size, and "" is a scalar. x has the shape (d, n): one sample a column.
@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W2 @ ops.relu(p.W1 @ x)


# Without further options the flow is that of any differentiable loss on any data. Options that say more:
# loss=tl.loss.square, data=(X, Y), setting=tl.Setting(...), rates={"W1": 2}, weight_decay=..., momentum=...
flow = tl.GradientFlow(two_layer)


# The claim: this quantity does not change along the flow. It may be a number or an array; here it is one
# number for each hidden unit, the squared norm of its input weights minus that of its output weights.
# Numbers that are no integers are written tl.Fraction(1, 10), so that the algebra stays exact.
def balancedness(p):
    return (p.W1**2).sum(-1) - (p.W2**2).sum(-2)


law = tl.Invariant(flow, balancedness, name="balancedness")


# A control is a variant that ought to fail. If it is not refuted, the experiment had no teeth.
control = law.but(
    quantity=lambda p: (p.W1**2).sum(-1) + (p.W2**2).sum(-2), name="plus instead of minus", expect="refuted"
)
