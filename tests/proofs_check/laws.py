"""Certificates of known laws, written by hand. Each function returns a fresh, sealed document that must be accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proofs_check.documents import (
    Document,
    Hinted,
    axes,
    certificate,
    define,
    expr,
    goal,
    letters,
    relation,
    rewrite,
)
from theorylab.derive.relu_path import relu_path


def linear() -> Hinted:
    """Two linear layers, any loss: W2'W2 - W1W1' is conserved (Du, Hu and Lee 1806.00900)."""
    return certificate(
        {
            "letters": letters(W1="k d", W2="m k", x="d n", r="m n"),
            "define": [define("a", "k n", "W1[k,d] x[d,n]"), define("f", "m n", "W2[m,k] a[k,n]")],
            "flows": [{"state": {"W1": expr("1"), "W2": expr("1")}, "outputs": [["f", "r"]]}],
            "goals": [goal("conserved", ax="i:k j:k", flow=0, expr="W2[m,i] W2[m,j] - W1[i,d] W1[j,d]")],
        }
    )


def decayed() -> Hinted:
    """With weight decay the balancedness shrinks at the rate 2 lambda."""
    document = linear()["statement"]
    document["letters"] |= letters(lam="")
    document["flows"][0]["decay"] = expr("lam")
    law = "W2[m,i] W2[m,j] - W1[i,d] W1[j,d]"
    rate = "- 2 lam W2[m,i] W2[m,j] + 2 lam W1[i,d] W1[j,d]"
    document["goals"] = [goal("evolves", ax="i:k j:k", flow=0, expr=law, rate=rate, sense="==")]
    return certificate(document)


def relu_bias() -> Hinted:
    """Each hidden unit of a ReLU layer with bias has its own law, whatever relu'(0) is."""
    return certificate(
        {
            "letters": letters(W1="k d", b="k", W2="m k", x="d n", r="m n"),
            "define": [
                define("a", "k n", "W1[k,d] x[d,n] + b[k]"),
                define("h", "k n", "a[k,n]", "step"),
                define("f", "m n", "W2[m,k] h[k,n] a[k,n]"),
            ],
            "flows": [{"state": {"W1": expr("1"), "b": expr("1"), "W2": expr("1")}, "outputs": [["f", "r"]]}],
            "goals": [goal("conserved", ax="k", flow=0, expr="W1[k,d]^2 + b[k]^2 - W2[m,k]^2")],
        }
    )


def weight_norm() -> Hinted:
    """Weight-normalised diagonal net, L = 2: <z, log u> + g^2/(2 eta) <z, 1> for A z = 0, on ||v|| = 1."""
    return certificate(
        {
            "letters": letters(
                {"v": "positive", "v0": "positive", "eta": "positive"},
                v="N", v0="N", z="N", A="M N", y="M", g="", eta="",
            ),
            "define": [
                define("nu", "", "v[i]^2", "sqrt"),
                define("f", "m:M", "A[m,i] g^2 v[i]^2 nu^-2"),
                define("r", "m:M", "f[m] - y[m]"),
                define("l", "i:N", "v[i] nu^-1", "log"),
            ],
            "flows": [
                {"state": {"g": expr("eta"), "v": expr("1")}, "outputs": [["f", "r"]], "initial": {"v": "v0"}},
            ],
            "relations": [relation("A z = 0", "m:M", "A[m,i] z[i]"), relation("unit start", "", "v0[i]^2 - 1")],
            "goals": [
                goal("conserved", "norm", flow=0, expr="v[i]^2"),
                goal("conserved", "polar", flow=0, expr="z[i] l[i] + 1/2 g^2 eta^-1 z[i]"),
            ],
        },
        {
            "rewrites": [
                rewrite("A z = 0", "A[m,i] z[i]"),
                rewrite("unit start", "v0[i]^2"),
                rewrite("norm", "v[i]^2"),
            ]
        },
    )  # fmt: skip


def diagonal_net() -> Hinted:
    """The three invariants of u+ v+ - u- v- (Woodworth et al. 2002.09277)."""
    return certificate(
        {
            "letters": letters(X="n d", y="n", up="d", vp="d", um="d", vm="d"),
            "define": [define("f", "n", "X[n,i] up[i] vp[i] - X[n,i] um[i] vm[i]"), define("r", "n", "f[n] - y[n]")],
            "flows": [{"state": {k: expr("1") for k in ("up", "vp", "um", "vm")}, "outputs": [["f", "r"]]}],
            "goals": [
                goal("conserved", "plus", "i:d", flow=0, expr="up[i]^2 - vp[i]^2"),
                goal("conserved", "minus", "i:d", flow=0, expr="um[i]^2 - vm[i]^2"),
                goal("conserved", "cross", "i:d", flow=0, expr="up[i] um[i] + vp[i] vm[i]"),
            ],
        }
    )


def rotation() -> Hinted:
    """One ReLU neuron: the data x M' turn the flow by the orthogonal M (2012.05156, Theorem 5)."""
    return certificate(
        {
            "letters": letters(w="d", x="n d", M="d d", y="n"),
            "define": [
                define("u", "n", "x[n,i] w[i]"),
                define("h", "n", "u[n]", "step"),
                define("f", "n", "h[n] u[n]"),
                define("r", "n", "f[n] - y[n]"),
                define("u2", "n", "x[n,i] M[j,i] w[j]"),
                define("h2", "n", "u2[n]", "step"),
                define("f2", "n", "h2[n] u2[n]"),
                define("r2", "n", "f2[n] - y[n]"),
                define("Mw", "j:d", "M[j,i] w[i]"),
            ],
            "relations": [relation("M' M = I", "a:d b:d", "M[i,a] M[i,b] - delta[a,b]")],
            "flows": [
                {"state": {"w": expr("1")}, "outputs": [["f", "r"]]},
                {"state": {"w": expr("1")}, "outputs": [["f2", "r2"]]},
            ],
            "goals": [goal("conjugate", flow=0, to=1, map={"w": "Mw"})],
        },
        {"rewrites": [rewrite("M' M = I", "M[i,a] M[i,b]")]},
    )


def scaling() -> Hinted:
    """Targets scaled by alpha > 0 scale the flow of one ReLU neuron."""
    return certificate(
        {
            "letters": letters({"alpha": "positive"}, w="d", x="n d", y="n", alpha=""),
            "define": [
                define("u", "n", "x[n,i] w[i]"),
                define("h", "n", "u[n]", "step"),
                define("f", "n", "h[n] u[n]"),
                define("r", "n", "f[n] - y[n]"),
                define("s", "n", "f[n] - alpha y[n]"),
                define("aw", "i:d", "alpha w[i]"),
            ],
            "flows": [
                {"state": {"w": expr("1")}, "outputs": [["f", "r"]]},
                {"state": {"w": expr("1")}, "outputs": [["f", "s"]]},
            ],
            "goals": [goal("conjugate", flow=0, to=1, map={"w": "aw"})],
        }
    )


def lemma_six() -> Hinted:
    """The radial step of 2012.05156, Lemma 6: both identities, for every d."""
    return certificate(
        {
            "letters": letters(w="d", v="d", e="d", r="", c=""),
            "define": [
                define("eps2", "", "w[i]^2 - 2 w[i] v[i] + v[i]^2"),
                define("D", "", "4 r^2 - eps2"),
                define("s", "i:d", "1/2 w[i] + 1/2 v[i] + 1/2 w[i] eps2 D^-1 + 1/2 v[i] eps2 D^-1 + e[i]"),
                define("q", "i:d", "s[i] - w[i]"),
            ],
            "relations": [
                relation("w.w = r^2", "", "w[i]^2 - r^2"),
                relation("v.v = r^2", "", "v[i]^2 - r^2"),
                relation("e.w = 0", "", "e[i] w[i]"),
                relation("e.v = 0", "", "e[i] v[i]"),
                relation("e.e", "", "e[i]^2 - r^2 c^2 + r^2 eps2 D^-1"),
            ],
            "goals": [
                goal("zero", "distance", expr="q[i]^2 - r^2 c^2"),
                goal("zero", "right angle", expr="w[i] q[i]"),
            ],
        },
        {
            "rewrites": [
                rewrite("w.w = r^2", "w[i]^2"),
                rewrite("v.v = r^2", "v[i]^2"),
                rewrite("e.w = 0", "e[i] w[i]"),
                rewrite("e.v = 0", "e[i] v[i]"),
                rewrite("e.e", "e[i]^2"),
            ]
        },
    )


def distance() -> Hinted:
    """One ReLU neuron: the distance to every zero-loss point falls (2012.05156, Theorem 8, proof)."""
    piece = "2 h[n] u[n]^2 - 2 h[n] u[n] b[n] - 2 h[n] k[n] b[n] u[n] + 2 h[n] k[n] b[n]^2"
    return certificate(
        {
            "gates": "binary",
            "letters": letters(w="d", v="d", x="n d"),
            "define": [
                define("u", "n", "x[n,i] w[i]"),
                define("h", "n", "u[n]", "step"),
                define("f", "n", "h[n] u[n]"),
                define("b", "n", "x[n,i] v[i]"),
                define("k", "n", "b[n]", "step"),
                define("r", "n", "f[n] - k[n] b[n]"),
            ],
            "flows": [{"state": {"w": expr("1")}, "outputs": [["f", "r"]]}],
            "goals": [
                goal("evolves", flow=0, expr="w[i]^2 - 2 w[i] v[i] + v[i]^2", rate="0", sense="<="),
            ],
        },
        {
            "nonnegative": {
                "law": {
                    "pieces": [
                        {
                            "axes": axes("n"),
                            "letters": ["h", "k", "u", "b"],
                            "gates": {"h": "u", "k": "b"},
                            "expr": expr(piece),
                            "cases": {"00": {}, "01": {}, "10": {}, "11": {"squares": [["2", expr("u[n] - b[n]")]]}},
                        }
                    ]
                }
            }
        },
    )


def loss_falls() -> Hinted:
    """The square loss of a ReLU neuron with bias falls along its own flow: the rate is -|grad|^2."""
    whole = [
        {"axes": axes("i:d"), "letters": ["g"], "expr": expr("g[i]^2"), "cases": {"": {}}},
        {"axes": [], "letters": ["gb"], "expr": expr("gb^2"), "cases": {"": {}}},
    ]
    return certificate(
        {
            "gates": "binary",
            "letters": letters(w="d", b="", x="n d", y="n"),
            "define": [
                define("u", "n", "x[n,i] w[i] + b"),
                define("h", "n", "u[n]", "step"),
                define("f", "n", "h[n] u[n]"),
                define("r", "n", "f[n] - y[n]"),
                define("g", "i:d", "r[n] h[n] x[n,i]"),
                define("gb", "", "r[n] h[n]"),
            ],
            "flows": [{"state": {"w": expr("1"), "b": expr("1")}, "outputs": [["f", "r"]]}],
            "goals": [goal("evolves", flow=0, expr="1/2 r[n]^2", rate="0", sense="<=")],
        },
        {"nonnegative": {"law": {"pieces": whole}}},
    )


def momentum() -> Hinted:
    """Linear layers with momentum: the antisymmetric angular momentum decays at the rate of the friction."""
    turn = "W2[m,i] V2[m,j] - V2[m,i] W2[m,j] + W1[i,d] V1[j,d] - V1[i,d] W1[j,d]"
    rate = "- t W2[m,i] V2[m,j] + t V2[m,i] W2[m,j] - t W1[i,d] V1[j,d] + t V1[i,d] W1[j,d]"
    return certificate(
        {
            "letters": letters(W1="k d", W2="m k", V1="k d", V2="m k", x="d n", r="m n", t=""),
            "define": [define("f", "m n", "W2[m,k] W1[k,d] x[d,n]")],
            "flows": [
                {
                    "state": {"W1": expr("1"), "W2": expr("1")},
                    "velocity": {"W1": "V1", "W2": "V2"},
                    "friction": expr("t"),
                    "outputs": [["f", "r"]],
                }
            ],
            "goals": [goal("evolves", ax="i:k j:k", flow=0, expr=turn, rate=rate, sense="==")],
        }
    )


def softmax_shift() -> Hinted:
    """A loss whose gradient sums to 0 over the classes keeps the column sums of the last layer."""
    return certificate(
        {
            "letters": letters(V="m k", h="k n", r="m n"),
            "define": [define("f", "m n", "V[m,k] h[k,n]")],
            "relations": [relation("shift", "n", "r[m,n]")],
            "flows": [{"state": {"V": expr("1")}, "outputs": [["f", "r"]]}],
            "goals": [goal("conserved", ax="k", flow=0, expr="V[m,k]")],
        },
        {"rewrites": [rewrite("shift", "r[m,n]")]},
    )


def off_diagonal() -> Hinted:
    """The matrix law of the linear net fails for ReLU, at an exact point."""
    document = relu_bias()["statement"]
    document["goals"] = [
        goal("conserved", ax="i:k j:k", flow=0, expr="W2[m,i] W2[m,j] - W1[i,d] W1[j,d] - b[i] b[j]"),
    ]
    point = {
        "goal": "law",
        "sizes": {"d": 1, "k": 2, "m": 1, "n": 1},
        "at": {"W1": [["1"], ["-2"]], "b": ["1", "1"], "W2": [["1", "3"]], "x": [["2"]], "r": [["1"]]},
        "component": [0, 1],
        "value": "-12",
    }
    return certificate(document, point, "d=1, k=2, m=1, n=1", "exact-counterexample")


def printed_path() -> Hinted:
    """The exact counterexample to least-l2 bias of one ReLU neuron, with exit at z = 1/2."""
    path = relu_path([[6, -6, 6], [-3, -4, 18], [2, 12, 9]], [13314, 17514, 0])
    return certificate(path.statement, path.proof, "d=3, n=3", "relu-path")


def leapfrog() -> Hinted:
    """q'' = -q by half a kick, a drift, half a kick: the energy changes by O(h^3) in one step."""
    return certificate(
        {
            "letters": letters(q="", v="", h=""),
            "define": [
                define("half", "", "v - 1/2 h q"),
                define("q1", "", "q + h half"),
                define("v1", "", "half - 1/2 h q1"),
            ],
            "goals": [{**goal("order", expr="q1^2 + v1^2 - q^2 - v^2"), "in": "h", "order": 3}],
        },
        scope="no sizes",
    )


def decay_path() -> Hinted:
    """w' = -c w from w0 is w0 exp(-c t): the formula starts there and moves with a smooth field."""
    return certificate(
        {
            "letters": letters(w="n", w0="n", c="", t=""),
            "define": [
                define("zero", "i:n", "0"),
                define("one", "", "1"),
                define("field", "i:n", "0 - c w[i]"),
                define("e", "", "0 - c t", "exp"),
                define("path", "i:n", "w0[i] e"),
            ],
            "flows": [
                {"state": {}, "explicit": {"w": "zero", "t": "one"}},
                {"state": {}, "explicit": {"w": "field"}},
            ],
            "goals": [{**goal("conjugate", flow=0, to=1, map={"w": "path"}), "unique": True}],
        }
    )


def gram_form() -> Hinted:
    """a^4 - 2 a^2 b + 2 b^2 - 2 b + 1 = v' G v with v = (1, a^2, b) and G positive semidefinite."""
    text = "a^4 - 2 a^2 b + 2 b^2 - 2 b + 1"
    form = {
        "vector": [expr("1"), expr("a^2"), expr("b")],
        "matrix": [["1", "0", "-1"], ["0", "1", "-1"], ["-1", "-1", "2"]],
    }
    piece = {"axes": [], "letters": ["a", "b"], "expr": expr(text), "cases": {"": {"gram": form}}}
    return certificate(
        {"letters": letters(a="", b=""), "goals": [goal("nonnegative", expr=text, strict=False)]},
        {"nonnegative": {"law": {"pieces": [piece]}}},
        "no sizes",
    )


def on_a_circle() -> Hinted:
    """On x^2 + y^2 = 1 and x y = 1/2 the difference x - y has the square 0."""
    return certificate(
        {
            "letters": letters(x="", y=""),
            "relations": [relation("circle", "", "x^2 + y^2 - 1"), relation("hyperbola", "", "x y - 1/2")],
            "goals": [goal("zero", expr="x^2 - 2 x y + y^2")],
        },
        {"zero": {"law": {"": {"minus": expr("=circle - 2 =hyperbola")}}}},
        "no sizes",
    )


def concrete(size: int, samples: int, objective: bool) -> Hinted:
    """Balancedness of a linear net in scalar letters, the gradient of the square loss substituted."""
    units, batch = range(size), range(samples)

    def product(*names: str) -> list[Any]:
        return [[name, [], 1] for name in names]

    weights = [f"W{layer}_{i}_{j}" for layer in (1, 2) for i in units for j in units]
    data = [f"x_{i}_{s}" for i in units for s in batch] + [f"y_{i}_{s}" for i in units for s in batch]
    definitions: list[Document] = []
    for m in units:
        for s in batch:
            f = [["1", product(f"W2_{m}_{k}", f"W1_{k}_{d}", f"x_{d}_{s}")] for k in units for d in units]
            residual = [*f, ["-1", product(f"y_{m}_{s}")]]
            definitions.append({"name": f"f_{m}_{s}", "axes": [], "expr": f})
            definitions.append({"name": f"r_{m}_{s}", "axes": [], "expr": residual})
    flow: Document = {"state": {name: expr("1") for name in weights}}
    if objective:
        loss = [["1/2", [[f"r_{m}_{s}", [], 2]]] for m in units for s in batch]
        definitions.append({"name": "L", "axes": [], "expr": loss})
        definitions.append({"name": "one", "axes": [], "expr": expr("1")})
        flow["outputs"] = [["L", "one"]]
    else:
        flow["outputs"] = [[f"f_{m}_{s}", f"r_{m}_{s}"] for m in units for s in batch]
    goals = [
        {
            "name": f"law_{i}_{j}",
            "kind": "conserved",
            "flow": 0,
            "axes": [],
            "expr": [["1", product(f"W2_{m}_{i}", f"W2_{m}_{j}")] for m in units]
            + [["-1", product(f"W1_{i}_{d}", f"W1_{j}_{d}")] for d in units],
        }
        for i in units
        for j in units
        if i <= j
    ]
    sizes = {"d": size, "k": size, "m": size, "n": samples}
    return certificate(
        {
            "sizes": sizes,
            "letters": {name: {"shape": []} for name in weights + data},
            "define": definitions,
            "flows": [flow],
            "goals": goals,
        },
        scope=", ".join(f"{name}={number}" for name, number in sizes.items()),
    )


SYMBOLIC: dict[str, Callable[[], Hinted]] = {
    law.__name__: law
    for law in (
        linear, decayed, relu_bias, weight_norm, diagonal_net, rotation, scaling, lemma_six, distance, loss_falls,
        momentum, softmax_shift, decay_path,
    )
}  # fmt: skip
SCALAR = {law.__name__: law for law in (leapfrog, gram_form, on_a_circle, off_diagonal, printed_path)}
ALL: dict[str, Callable[[], Hinted]] = {**SYMBOLIC, **SCALAR}
