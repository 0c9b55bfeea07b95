"""An implicit bias: which of many interpolating predictors a diagonal linear network converges to.

theorylab verify examples/implicit_bias_of_a_diagonal_network.py

The predictor is beta = u^2 - v^2. From u(0) = v(0) = alpha, gradient flow on the square loss tends to the interpolator
that minimises the hyperbolic entropy with scale 2 alpha^2. No solver is needed to test that: the gradient of the
functional at the limit has to lie in the span of the samples, and this dual residual is what is measured. There are
fewer samples (M = 2 unless --dims says otherwise) than coordinates (N = 4), or there would be nothing to choose.
"""

import theorylab as tl


@tl.model(u="N", v="N")
def diagonal(p, x):
    return (p.u**2 - p.v**2)[None, :] @ x


setting = tl.Setting(
    tl.assume(
        "both branches start at alpha",
        None,
        lambda c: {"init.u": c.alpha + 0 * c.init.u, "init.v": c.alpha + 0 * c.init.v},
    ),
    alpha=tl.var(draw=tl.draw.loguniform(0.3, 1), positive=True),
    x=tl.var("N M"),
    y=tl.var("1 M"),
)
flow = tl.GradientFlow(diagonal, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting)

hypentropy = tl.Limit(
    flow,
    lambda p: p.u**2 - p.v**2,
    tl.argmin(tl.bias.hypentropy(lambda c: 2 * c.alpha**2)),
    name="hyperbolic entropy",
    statement=r"\beta(t) \to \arg\min_{X^\top \beta = y} \sum_i \int_0^{\beta_i} "
    r"\operatorname{arcsinh}\frac{b}{2\alpha^2}\,db",
    expect="supported",
    settle={"atol": 1e-30, "trials": 16},
)

euclidean = hypentropy.but(value=tl.argmin(tl.bias.l2), name="least Euclidean norm")
