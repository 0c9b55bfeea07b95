"""Inequalities with gates and squares: true ones get a proof that the checker accepts, false ones get none."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import theorylab as tl
from tests.certificates import identity_document, rulings
from theorylab import ops
from theorylab.certificate.document import seal
from theorylab.claims.base import Claim
from theorylab.derive.prove import prove
from theorylab.derive.steps import derivation
from theorylab.model import Model
from theorylab.setting import Setting

Formula = Callable[..., Any]

S = tl.Setting(
    a=tl.var("n"), b=tl.var("n"), W=tl.var("m n"), y=tl.var("m"), p=tl.var(positive=True), s=tl.var(nonzero=True),
    z=tl.var(), gamma=tl.var(positive=True),
)  # fmt: skip


def neuron(activation: Formula) -> Model:
    @tl.model(w="d")
    def network(p: Any, x: Any, c: Any) -> Any:
        return activation(p.w[None, :] @ x, c)

    return network


def taught(model: Model, setting: Setting | None = None, gates: Any = 0) -> Any:
    """The flow on targets that the weights v fit."""
    given = (setting or tl.Setting()).with_(x=tl.var("d n"), v=tl.var("d"), e=tl.var())
    fit: Any = lambda c: {"w": c.v, "b": c.e}  # noqa: E731
    return tl.GradientFlow(
        model, loss=tl.loss.square, setting=given, gates=gates, data=lambda c: (c.x, model(fit(c), c.x, c))
    )


def distance(p: Any, c: Any) -> Any:
    return ((p.w - c.v) ** 2).sum()


@tl.model(w="d", b="")
def biased(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x + p.b)


def two_layers(activation: Formula) -> Model:
    @tl.model(W1="k d", W2="m k")
    def network(p: Any, x: Any) -> Any:
        return p.W2 @ activation(p.W1 @ x)

    return network


def energy(model: Model, quantity: Formula | None = None, sense: Any = "<=", **options: Any) -> Claim:
    flow = tl.GradientFlow(model, loss=options.pop("loss", tl.loss.square), **options)
    return tl.Evolution(flow, quantity or flow.objective, 0, sense=sense)


relu = neuron(lambda z, c: ops.relu(z))
sloped = tl.Setting(slope=tl.var(positive=True))
linear = two_layers(lambda z: z)
decaying = tl.GradientFlow(
    linear, loss=tl.loss.square, weight_decay=lambda c: c.lam, setting=tl.Setting(lam=tl.var(positive=True))
)

DISTANCES: dict[str, Claim] = {
    "relu": tl.Evolution(taught(relu), distance, 0, sense="<="),
    "relu with gate 1 at 0": tl.Evolution(taught(relu, gates=1), distance, 0, sense="<="),
    "relu, from the other side": tl.Evolution(taught(relu), lambda p, c: -distance(p, c), 0, sense=">="),
    "relu with bias": tl.Evolution(taught(biased), lambda p, c: distance(p, c) + (p.b - c.e) ** 2, 0, sense="<="),
    "relu at a rate": tl.Evolution(
        taught(relu, tl.Setting(eta=tl.var(positive=True))).with_(rates={"w": lambda c: c.eta}), distance, 0, sense="<="
    ),
    "identity": tl.Evolution(taught(neuron(lambda z, c: z)), distance, 0, sense="<="),
    "leaky relu": tl.Evolution(taught(neuron(lambda z, c: ops.leaky_relu(z, Fraction(1, 4)))), distance, 0, sense="<="),
    "leaky relu of any slope": tl.Evolution(
        taught(neuron(lambda z, c: ops.leaky_relu(z, c.slope)), sloped), distance, 0, sense="<="
    ),
}
ENERGIES: dict[str, Claim] = {
    "two relu layers": energy(two_layers(ops.relu)),
    "two linear layers": energy(linear),
    "tanh": energy(two_layers(ops.tanh)),
    "one neuron, logistic loss": energy(relu, loss=tl.loss.logistic),
    "different rates": energy(linear, rates={"W1": lambda c: c.eta}, setting=tl.Setting(eta=tl.var(positive=True))),
    "a rate for each weight": energy(
        linear, rates={"W1": lambda c: c.eta}, setting=tl.Setting(eta=tl.var("k d", positive=True))
    ),
    "weight decay": tl.Evolution(
        decaying,
        lambda p, c: decaying.objective(p, c) + c.lam / 2 * ((p.W1**2).sum() + (p.W2**2).sum()),
        0,
        sense="<=",
    ),
}
INEQUALITIES: dict[str, Claim] = {
    "sum of squares": tl.Inequality(S, lambda c: ((c.a - c.b) ** 2).sum() + (c.b**2).sum()),
    "chain of differences": tl.Inequality(S, lambda c: (c.s - c.z) ** 2 + (c.z - c.p) ** 2),
    "a positive weight": tl.Inequality(S, lambda c: c.p * (c.z - c.s) ** 2 + c.gamma * (c.z - 1) ** 2),
    "entry by entry": tl.Inequality(S, lambda c: c.a**2 + c.b**2, lambda c: 2 * c.a * c.b),
    "Cauchy-Schwarz": tl.Inequality(S, lambda c: (c.a**2).sum() * (c.b**2).sum(), lambda c: (c.a * c.b).sum() ** 2),
    "a residual": tl.Inequality(S, lambda c: ((c.W @ c.a - c.y) ** 2).sum()),
    "a Gram matrix": tl.Inequality(S, lambda c: ((c.W @ c.W.mT) ** 2).sum()),
    "constants are summed": tl.Inequality(S, lambda c: (c.a**2).sum() + c.a.mean() * 0, lambda c: (2 * c.a - 1).sum()),
    "never zero": tl.Inequality(S, lambda c: c.z**2 + 2, lambda c: 2 * c.z, strict=True),
    "a nonzero square": tl.Inequality(S, lambda c: c.s**2, strict=True),
    "every lp norm": tl.Inequality(S, lambda c: 5**c.p + 1 + abs(c.s) ** c.p, lambda c: 5**c.p + 1, strict=True),
    "absolute value": tl.Inequality(S, lambda c: ops.relu(c.z) + ops.relu(-c.z)),
    "a square behind a shut gate": tl.Inequality(S, lambda c: (1 - ops.step(c.z)) * (c.z + c.s) ** 2),
    "maximum": tl.Inequality(S, lambda c: ops.maximum(c.z, c.p), lambda c: c.z),
    "relu is above the identity": tl.Inequality(S, lambda c: ops.relu(c.a).sum(), lambda c: c.a.sum()),
    "a gate that never opens": tl.Inequality(S, lambda c: -(ops.relu(c.gamma * (-c.p - c.z**2)) ** 2)),
}
TRUE = {**DISTANCES, **ENERGIES, **INEQUALITIES}

FALSE: dict[str, Claim] = {
    "the distance grows": tl.Evolution(taught(relu), distance, 0, sense=">="),
    "to twice the point": tl.Evolution(taught(relu), lambda p, c: ((p.w - 2 * c.v) ** 2).sum(), 0, sense="<="),
    "to the opposite point": tl.Evolution(taught(relu), lambda p, c: ((p.w + c.v) ** 2).sum(), 0, sense="<="),
    "at a rate": tl.Evolution(taught(relu), distance, lambda p, c: -distance(p, c), sense="<="),
    "a negative slope": tl.Evolution(
        taught(neuron(lambda z, c: ops.leaky_relu(z, -c.slope)), sloped), distance, 0, sense="<="
    ),
    "the loss grows": energy(linear, sense=">="),
    "the loss falls under weight decay": tl.Evolution(decaying, decaying.objective, 0, sense="<="),
    "three times the product": tl.Inequality(S, lambda c: c.a**2 + c.b**2, lambda c: 3 * c.a * c.b),
    "Cauchy-Schwarz reversed": tl.Inequality(
        S, lambda c: (c.a * c.b).sum() ** 2, lambda c: (c.a**2).sum() * (c.b**2).sum()
    ),
    "strict at a double root": tl.Inequality(S, lambda c: c.z**2 + 1, lambda c: 2 * c.z, strict=True),
    "an odd power": tl.Inequality(S, lambda c: c.s**3),
    "relu is below the identity": tl.Inequality(S, lambda c: c.a.sum(), lambda c: ops.relu(c.a).sum()),
    "a gate that opens": tl.Inequality(S, lambda c: -(ops.relu(c.gamma * (-c.p + c.z**2)) ** 2)),
}
SIZES = {"d": 2, "k": 2, "m": 1, "n": 2}


def sizes_of(claim: Claim) -> dict[str, int]:
    own = claim.subject.sizes
    return {n: SIZES[n] for n in (own() if callable(own) else own)}


def test_true_inequalities_are_proved_for_all_sizes(tmp_path: Path) -> None:
    attempts = {name: prove(claim.goals(), None) for name, claim in TRUE.items()}
    assert [name for name, found in attempts.items() if not all(a.holds for a in found)] == []
    ruled = rulings([identity_document(TRUE[name], found) for name, found in attempts.items()], tmp_path)
    assert [(n, r.reason) for n, r in zip(attempts, ruled, strict=True) if not r.accepted] == []
    assert {r.scope for r in ruled} == {"all sizes", "no sizes"}


def test_true_inequalities_are_proved_at_given_sizes(tmp_path: Path) -> None:
    chosen = {**DISTANCES, **INEQUALITIES}
    documents = []
    for name, claim in chosen.items():
        attempts = prove(claim.goals(), sizes_of(claim))
        assert all(a.holds for a in attempts), name
        documents.append(identity_document(claim, attempts))
    refused = [(n, r.reason) for n, r in zip(chosen, rulings(documents, tmp_path), strict=True) if not r.accepted]
    assert refused == []


@pytest.mark.parametrize("name", FALSE)
def test_false_inequalities_are_not_proved(name: str) -> None:
    for dims in (None, sizes_of(FALSE[name])):
        assert not all(a.holds for a in prove(FALSE[name].goals(), dims))


def test_the_steps_show_every_case_in_which_something_is_left() -> None:
    """Where the neuron's own gate is shut nothing moves; with both gates open the rate is a square."""
    steps = derivation(prove(DISTANCES["relu"].goals(), None))
    cases = {
        step.rule.split(",")[0] + "," + step.rule.split(",")[1]: step.after for step in steps if "case" in step.rule
    }
    assert set(cases) == {"the case h1 = 1, h2 = 1", "the case h1 = 0, h2 = 1"}
    assert r"2 \left(a_{1,n} -a_{2,n}\right)^2" in cases["the case h1 = 1, h2 = 1"]


def test_gates_that_are_not_binary_are_not_split() -> None:
    claim = tl.Evolution(taught(relu, gates=Fraction(1, 2)), distance, 0, sense="<=")
    assert not all(a.holds for a in prove(claim.goals(), None))


def test_the_checker_refuses_proofs_with_one_change(tmp_path: Path) -> None:
    """A square with another weight, a case left out, a gate that is not split."""
    document = identity_document(DISTANCES["relu"], prove(DISTANCES["relu"].goals(), None))
    changed = []
    for change in range(3):
        proof = identity_document(DISTANCES["relu"], prove(DISTANCES["relu"].goals(), None))["proof"]
        (piece,) = proof["nonnegative"]["goal_0"]["pieces"]
        (case,) = (c for c in piece["cases"].values() if c["squares"])
        if change == 0:
            case["squares"][0][0] = "3"
        elif change == 1:
            piece["cases"].clear()
        else:
            piece["gates"].popitem()
        kept = {k: document[k] for k in ("rule", "claim", "scope", "statement", "premises")}
        changed.append(seal(**kept, proof=proof))
    ruled = rulings([document, *changed], tmp_path)
    assert [r.accepted for r in ruled] == [True, False, False, False]
