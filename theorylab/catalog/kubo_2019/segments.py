"""One hidden layer along a segment: f(x) = sum_j a_j relu(z_j), z = w x + b."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.kubo_2019.paper import DERIVED


@tl.model(w="m n", b="m", a="m")
def network(p, x):
    return p.a[None, :] @ ops.relu(p.w @ x + p.b[:, None])


segment = tl.Setting(w=tl.var("m n"), b=tl.var("m"), a=tl.var("m"), x0=tl.var("n"), x1=tl.var("n"))


def output(c, x):
    """f(x), a scalar."""
    return network(c, x[:, None]).sum()


def slope(c, x):
    """The slope of the output along the segment, at a point x of it."""
    return ops.derivative(lambda q: output(c, q["x"]), {"x": x}, {"x": c.x1 - c.x0})


def inputs(c, x):
    """What the units see, z (m,)."""
    return c.w @ x + c.b


def turns(c):
    """(m,): 1 where a unit switches on along the segment, -1 where it switches off, 0 where it does not switch."""
    return ops.step(inputs(c, c.x1)) - ops.step(inputs(c, c.x0))


def gaps(c):
    """The jump of the slope at the kink of each unit, (m,); 0 for a unit that does not switch."""
    return c.a * turns(c) * (inputs(c, c.x1) - inputs(c, c.x0))


telescoping = tl.Identity(
    segment,
    lambda c: gaps(c).sum(),
    lambda c: slope(c, c.x1) - slope(c, c.x0),
    name="telescoping",
    title="The gradient deflection is the sum of the gradient gaps",
    statement=r"\sum_j \mathrm{gap}_j = f'(1^-) - f'(0^+),\quad "
    r"\mathrm{gap}_j = a_j\,\Delta h_j\,\langle w_j, x_1 - x_0\rangle",
    source=DERIVED,
    expect="proved",
)
both_directions = tl.Inequality(
    segment,
    lambda c: turns(c) * (inputs(c, c.x1) - inputs(c, c.x0)),
    name="both-directions",
    title="A unit bends the output by the sign of its weight, whichever way it switches",
    statement=r"\Delta h_j\,\langle w_j, x_1 - x_0\rangle \ge 0",
    source=DERIVED,
    expect="proved",
)
size_of_a_gap = tl.Identity(
    segment,
    gaps,
    lambda c: c.a * abs(turns(c)) * abs(inputs(c, c.x1) - inputs(c, c.x0)),
    name="size-of-a-gap",
    title="The gap of a unit that switches is its output weight times |<w, x1 - x0>|",
    statement=r"\mathrm{gap}_j = a_j\,|\langle w_j, x_1 - x_0\rangle|\;[\,\text{unit } j \text{ switches}\,]",
    note="No rule of the checker takes the sign that both-directions proves for an absolute value.",
    source=DERIVED,
    expect="supported",
)
end_point = tl.Identity(
    segment,
    lambda c: output(c, c.x1),
    lambda c: output(c, c.x0) + slope(c, c.x0) + (c.a * turns(c) * inputs(c, c.x1)).sum(),
    name="end-point",
    title="The output leaves its first tangent by each gap times the rest of the segment after its kink",
    statement=r"f(x_1) = f(x_0) + f'(0^+) + \sum_j \mathrm{gap}_j\,(1 - t_j),\quad "
    r"\langle w_j, x_1 - x_0\rangle\,(1 - t_j) = z_j(x_1)",
    source=DERIVED,
    expect="proved",
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    telescoping.but(
        lhs=lambda c: (c.a * turns(c) ** 2 * (inputs(c, c.x1) - inputs(c, c.x0))).sum(),
        name="telescoping-unsigned",
        title="The sum of a <w, x1 - x0> over the units that switch, without the direction of the switch",
    ),
    end_point.but(
        rhs=lambda c: output(c, c.x0) + slope(c, c.x0),
        name="straight",
        title="Every network is straight between any two points",
    ),
]

claims = [telescoping, both_directions, size_of_a_gap, end_point, controls]
