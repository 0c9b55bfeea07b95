"""Products of an atom with its argument: u (1/u) = 1, u / sqrt(u) = sqrt(u), u step(u) = u - u step(-u)."""

from __future__ import annotations

import pytest

from proofs_check import check
from tests.proofs_check.documents import Document, certificate, define, encode, goal, letters


def statement(text: str, ax: str = "") -> Document:
    """A formula in softmax weights e[j,n] q[n], sigmoids s, root lengths nu[n], and scalars, that is to vanish."""
    return certificate(
        {
            "letters": letters({"a": "nonzero"}, a="j n", w="n", m="j n", b="n", g="", h=""),
            "define": [
                define("e", "j n", "a[j,n]", "exp"),
                define("total", "n", "e[j,n]"),
                define("q", "n", "total[n]", "inv"),
                define("z", "n", "b[n]", "exp"),
                define("one_plus", "n", "1 + z[n]"),
                define("s", "n", "one_plus[n]", "inv"),
                define("square", "n", "a[j,n]^2"),
                define("nu", "n", "square[n]", "sqrt"),
                define("eg", "", "g", "exp"),
                define("eh", "", "h", "exp"),
                define("pair", "", "eg + eh"),
                define("p", "", "pair", "inv"),
                define("t", "j n", "a[j,n] - b[n]"),
                define("up", "j n", "t[j,n]", "step"),
                define("minus", "j n", "b[n] - a[j,n]"),
                define("down", "j n", "minus[j,n]", "step"),
            ],
            "goals": [goal("zero", ax=ax, expr=text)],
        }
    )


IDENTITIES = {
    "softmax weights add up to 1": "w[n] e[j,n] q[n] - w[n]",
    "their square, too": "w[n] e[j,n] e[k,n] q[n]^2 - w[n]",
    "softmax of a sample": "m[k,n] e[k,n] e[j,n] q[n]^2 - m[k,n] e[k,n] q[n]",
    "1 - sigmoid": "w[n] z[n] s[n] + w[n] s[n] - w[n]",
    "slope of the sigmoid": "w[n] z[n] s[n]^2 - w[n] s[n] + w[n] s[n]^2",
    "length over length": "w[n] a[j,n]^2 nu[n]^-1 - w[n] nu[n]",
    "powers of lengths": "w[n] a[j,n]^2 nu[n]^-3 - w[n] nu[n]^-1",
    "beside another": "w[n] a[j,n]^2 nu[n]^-2 e[k,n] q[n] - w[n]",
    "scalars": "w[n] eg p + w[n] eh p - w[n]",
    "both gates of a difference": "m[j,n] t[j,n] up[j,n] + m[j,n] t[j,n] down[j,n] - m[j,n] t[j,n]",
    "squares of both": "t[j,n]^2 up[j,n] + t[j,n]^2 down[j,n] - t[j,n]^2",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_inside_a_sum(name: str) -> None:
    outcome = check(encode(statement(IDENTITIES[name])))
    assert outcome.accepted, outcome.reason


FALSE = {
    "twice": "w[n] e[j,n] q[n] - 2 w[n]",
    "a weight that depends on j": "m[j,n] e[j,n] q[n] - m[j,n]",
    "another sample's total": "w[n] e[j,n] q[k] - w[n]",
    "one power too many": "w[n] e[j,n] q[n]^2 - w[n]",
    "odd powers": "w[n] a[j,n] nu[n]^-1 - w[n]",
    "a root in the wrong place": "w[n] a[j,n]^2 nu[n]^-2 - w[n] nu[n]",
    "half of the scalars": "w[n] eg p - w[n]",
    "gates at 0": "m[j,n] up[j,n] + m[j,n] down[j,n] - m[j,n]",
    "one gate alone": "m[j,n] t[j,n] up[j,n] - m[j,n] t[j,n]",
    "the difference of both gates": "m[j,n] t[j,n] up[j,n] - m[j,n] t[j,n] down[j,n] - m[j,n] t[j,n]",
}


@pytest.mark.parametrize("name", FALSE)
def test_false_twin_is_rejected(name: str) -> None:
    outcome = check(encode(statement(FALSE[name])))
    assert not outcome.accepted
    assert "goal 'law'" in outcome.reason or "range" in outcome.reason or "runs over" in outcome.reason
