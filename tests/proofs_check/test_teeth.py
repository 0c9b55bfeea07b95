"""Every small semantic change of a certificate is noticed, except those that leave the claim true.

Mutants are sealed again, so that the seal does not hide what the rules see. Each mutant that survives is listed,
with the reason why it is still true; the lists are exact in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from proofs_check import check
from tests.proofs_check import laws
from tests.proofs_check.documents import Document, Hinted, certificate, encode
from tests.proofs_check.mutations import mutants

# law: the rules that notice the mutants, and for those that are still true a pattern with the reason
TEETH: dict[str, tuple[set[str], dict[str, str]]] = {
    "linear": (
        {"conserved"},
        {
            r"define\.[01]\.expr( without term 0|\.0 sign|\.0 coefficient)$": "the scale of the output is arbitrary",
            r"define\.0\.expr\.0 .*factor 1$": "the data are arbitrary",
        },
    ),
    "decayed": (
        {"evolves"},
        {
            r"define\.[01]\.expr( without term 0|\.0 sign|\.0 coefficient)$": "the scale of the output is arbitrary",
            r"define\.0\.expr\.0 .*factor 1$": "the data are arbitrary",
        },
    ),
    "relu_bias": (
        {"conserved", "statement"},
        {
            r"define\.0\.expr( without term|\.\d (sign|coefficient)|\.0 .*factor 1$)": "the inputs are arbitrary",
            r"define\.1\.arg\.0": "the law holds for every gate",
            r"define\.2\.expr( without term 0|\.0 sign|\.0 coefficient|\.0 .*factor 1$)": "and for every scale",
        },
    ),
    "weight_norm": (
        {"conserved", "statement", "relation"},
        {
            r"define\.0\.arg\.0 coefficient": "the law is invariant under the scale of the norm",
            r"define\.1\.expr( without term 0|\.0 sign|\.0 coefficient)": "the scale of the output is arbitrary",
            r"define\.2\.expr": "the loss is arbitrary",
            r"define\.3\.arg\.0 (coefficient|.*factor 1$)": "log(c v |v|^k) differs by a constant",
            r"relations\.0\.expr\.0 (sign|coefficient)": "A z = 0 at another scale",
            r"goals\.0\.expr\.0 (sign|coefficient)": "a multiple of |v|^2",
            r"zero\.norm\.\.times\.0 (sign|coefficient|exponent)": "another factor that is not 0",
        },
    ),
    "diagonal_net": ({"conserved"}, {r"define\.1\.expr": "the loss is arbitrary"}),
    "rotation": (
        {"conjugate", "statement", "relation"},
        {
            r"define\.[15]\.arg\.0 coefficient": "step(3/2 u) = step(u)",
            r"relations\.0\.expr\.1 exponent": "delta^2 = delta",
            r"atoms\.[12]\.arg\.0 coefficient": "step(3/2 u) = step(u)",
        },
    ),
    "scaling": (
        {"conjugate", "statement"},
        {
            r"define\.0\.expr\.0 (sign|coefficient|.*factor 0$|without factor 1)": "homogeneous or constant in w",
            r"define\.1\.arg\.0": "the gate depends on the direction only",
            r"define\.2\.expr( without term 0|\.0 (sign|coefficient|.*factor 0$|without factor 1))": "likewise",
        },
    ),
    "lemma_six": (
        {"zero", "relation"},
        {
            r"define\.2\.expr\.4 sign": "-e is as good as e",
            r"relations\.[23]\.expr\.0 (sign|coefficient)": "a right angle at another scale",
            r"goals\.1\.expr( without term 0|\.0 sign|\.0 coefficient)": "a multiple of 0",
        },
    ),
    "distance": (
        {"nonnegative", "statement"},
        {
            r"define\.[14]\.arg\.0 coefficient": "step(3/2 u) = step(u)",
            r"define\.2\.expr\.0 exponent of factor 0|define\.5\.expr\.1 exponent of factor 0": "h^2 = h",
            r"goals\.0\.expr( without term 2|\.2 )": "v does not move",
            r"pieces\.0\.expr\.\d exponent of factor 0|pieces\.0\.expr\.[23] exponent of factor 1": "h^2 = h",
        },
    ),
    "loss_falls": (
        {"nonnegative", "conserved", "statement", "relation"},
        {
            r"define\.0\.expr\.\d sign|define\.[245]\.expr\.0 sign|define\.1\.arg\.0 (sign|coefficient)": "same g^2",
            r"define\.(2\.expr\.0 exponent of factor 0|[45]\.expr\.0 exponent of factor 1)": "h^2 = h",
            r"define\.3\.expr( without term 1|\.1 )": "the targets are arbitrary",
            r"define\.1\.arg\.0 without factor 0": "a gate that is always open",
        },
    ),
    "momentum": (
        {"evolves"},
        {r"define\.0\.expr( without term 0|\.0 sign|\.0 coefficient|\.0 .*factor 2$)": "the data are arbitrary"},
    ),
    "softmax_shift": (
        {"conserved", "relation"},
        {
            r"define\.0\.expr( without term 0|\.0 (sign|coefficient|without factor 0|.*factor 1$))": "any data",
            r"relations\.0\.expr\.0 (sign|coefficient)": "a multiple of 0",
            r"state\.V": "at every speed",
            r"goals\.0\.expr( without term 0|\.0 (sign|coefficient|without factor 0))": "a multiple, or a constant",
        },
    ),
    "off_diagonal": (
        {"exact-counterexample", "statement"},
        {
            r"define\.1\.arg\.0 coefficient|define\.2\.expr\.0 exponent of factor 1": "the same function",
            r"goals\.0\.expr\.2 .*factor 1$": "b_1 = 1 does not move at the point",
        },
    ),
    "printed_path": ({"relu-path"}, {}),
    "leapfrog": ({"order"}, {r"define\.0\.expr\.0 sign": "v and -v have the same energy"}),
    "decay_path": ({"conjugate"}, {r"define\.4\.expr( without|\.0 .*(sign|coefficient|factor 0$))": "any start"}),
    "gram_form": ({"nonnegative"}, {}),
    "on_a_circle": ({"zero", "relation"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("law", TEETH)
def test_every_change_is_noticed_or_harmless(law: str) -> None:
    rules, harmless = TEETH[law]
    seen: set[str] = set()
    document = laws.ALL[law]()
    for name, mutant in mutants(document):
        outcome = check(encode(mutant))
        still_true = any(re.search(pattern, name) for pattern in harmless)
        if not outcome.accepted and name.startswith("statement") and mutant["rule"] == "indexed-identity":
            searched = certificate(mutant["statement"], document.hints, mutant["scope"])
            if searched["proof"] != mutant["proof"]:
                outcome = check(encode(searched))
        assert outcome.accepted == still_true, f"{name}: {outcome.reason or 'accepted'}"
        if not outcome.accepted:
            seen.add(outcome.reason.split(":")[0])
    assert seen == rules


@pytest.mark.parametrize("law", sorted(TEETH))
def test_proof_of_another_claim_is_noticed(law: str) -> None:
    """The statement of each law with the proof (and the rule) of each other law that has one."""
    document = laws.ALL[law]()
    if not document["proof"]:
        return
    for name, other in laws.ALL.items():
        if name != law:
            theirs = other()
            swapped = certificate(document["statement"], theirs["proof"], document["scope"], theirs["rule"])
            assert not check(encode(swapped)).accepted


def transposed_map(document: Document) -> None:
    document["define"][-1]["expr"][0][1][0] = ["M", ["i", "j"], 1]


def gate_squared_away(document: Document) -> None:
    document["define"][2]["expr"][0][1][1] = ["a", ["k", "n"], 1]


WRONG: dict[str, tuple[Callable[[], Hinted], Callable[[Document], None], str]] = {
    "f = W2 a^2 for W2 h a": (laws.relu_bias, gate_squared_away, "conserved"),
    "rates that differ": (laws.linear, lambda s: s["flows"][0]["state"].update(W1=[["2", []]]), "conserved"),
    "decay of a homogeneous law": (laws.linear, lambda s: s["flows"][0].update(decay=[["1", []]]), "conserved"),
    "one layer frozen": (laws.linear, lambda s: s["flows"][0]["state"].pop("W1"), "conserved"),
    "the map transposed": (laws.rotation, transposed_map, "conjugate"),
    "map without a letter": (laws.rotation, lambda s: s["goals"][0]["map"].clear(), "statement"),
    "the flows exchanged": (laws.scaling, lambda s: s["goals"][0].update(flow=1, to=0), "conjugate"),
    "gates of any value": (laws.distance, lambda s: s.update(gates="any"), "nonnegative"),
    "momentum without its friction": (laws.momentum, lambda s: s["flows"][0].pop("friction"), "evolves"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_statement_is_rejected(name: str) -> None:
    law, spoil, rule = WRONG[name]
    document = law()
    spoil(document["statement"])
    outcome = check(encode(certificate(document["statement"], document.hints)))
    assert outcome.reason.split(":")[0] == rule
