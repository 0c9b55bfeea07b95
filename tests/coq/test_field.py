"""The field that a script states is the flow's: compared with a second reading of the certificate, by python-flint."""

from __future__ import annotations

import pytest

import theorylab as tl
from tests.certificates import identity_document
from tests.derive.second_arithmetic import Second
from theorylab import ops
from theorylab.certificate.indexed import Statement
from theorylab.derive.prove import prove


@tl.model(W1="k d", b="k", W2="m k")
def relu(p, x):
    return p.W2 @ ops.relu(p.W1 @ x + p.b[:, None])


@tl.model(g="", v="d")
def weight_norm(p, x):
    return (p.g * p.v / ops.norm(p.v)) @ x


@tl.model(g="", v="d")
def squared_weight_norm(p, x):
    return (p.g * p.v / ops.norm(p.v)) ** 2 @ x


FLOWS = {
    "gates": (tl.GradientFlow(relu), lambda p: (p.W1**2).sum(-1) + p.b**2 - (p.W2**2).sum(-2)),
    "decay and rates": (
        tl.GradientFlow(relu, weight_decay=2, rates={"W1": 3}),
        lambda p, c: ops.exp(4 * c.t) * ((p.W1**2).sum(-1) / 3 + p.b**2 - (p.W2**2).sum(-2)),
    ),
    "norms": (tl.GradientFlow(weight_norm), lambda p: (p.v**2).sum()),
    "powers of norms": (tl.GradientFlow(squared_weight_norm, rates={"g": 5}), lambda p: (p.v**2).sum()),
}


def terms(found):
    """Flat terms as a certificate writes them."""
    return [
        [
            str(term.coefficient),
            [[k.removeprefix("1/"), list(i), -1 if k.startswith("1/") else 1] for k, i in term.factors],
        ]
        for term in found
    ]


def differences(document):
    """Where the field of the script is not that of the second reading."""
    statement, second = Statement(document), Second(document["statement"])
    rates, found = second.flow(0), []
    for letter, field in statement.field.items():
        for index, entry in second.arrays[letter].items():
            here = {label: place for (label, _), place in zip(statement.axes_of(letter), index, strict=True)}
            left = second.value(terms(field), here) - rates[second.place(entry)]
            if not second.reduced(left).is_zero():
                found.append((letter, index))
    return found


def document(flow, law):
    claim = tl.Invariant(flow, law, name="law")
    return identity_document(claim, prove(claim.goals(), None))


@pytest.mark.parametrize("name", FLOWS)
def test_the_field_of_a_script_is_the_gradient(name):
    assert differences(document(*FLOWS[name])) == []


def test_a_field_that_forgets_the_norm_is_seen(monkeypatch):
    certificate = document(*FLOWS["norms"])
    monkeypatch.setattr(Statement, "chain", lambda self, known, indices: [])
    assert {letter for letter, _ in differences(certificate)} == {"v"}
