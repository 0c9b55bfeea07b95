"""Whatever the bytes are, the answer is a rejection with a named rule, never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import check
from proofs_check.__main__ import main
from proofs_check.document import MAX_BYTES, Budget
from tests.proofs_check import laws
from tests.proofs_check.documents import certificate, encode, expr, goal, letters, seal

GOOD = encode(laws.linear())


def rejected(data: bytes, work: int = 1_000_000) -> str:
    outcome = check(data, Budget(work))
    assert not outcome.accepted
    assert not outcome.reason.startswith("internal")
    return outcome.reason


def replaced(old: str, new: str) -> bytes:
    changed = GOOD.decode().replace(old, new)
    assert changed != GOOD.decode()
    return changed.encode()


@pytest.mark.parametrize("length", [0, 1, 20, len(GOOD) // 2, len(GOOD) - 1])
def test_truncated(length: int) -> None:
    assert rejected(GOOD[:length]).startswith("parser: not JSON")


BYTES = {
    "binary": (bytes(range(256)), "parser: not ASCII"),
    "zeros": (b"\0" * 1000, "parser: not JSON"),
    "utf-8": ('{"é": 1}'.encode(), "parser: not ASCII"),
    "too long": (b" " * (MAX_BYTES + 1), "parser: the file has"),
    "a list": (b"[]", "parser: document is []"),
    "nested lists": (b"[" * 100_000 + b"]" * 100_000, "parser: nested deeper"),
    "nested objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "parser: nested deeper"),
    "a little too deep": (b"[" * 33 + b"]" * 33, "parser: nested deeper"),
    "unclosed nesting": (b"[" * 1_000_000, "parser: "),
    "duplicate key": (b'{"a":"1","a":"2"}', "parser: an object has the same key twice"),
    "float": (b'{"a":1.5}', "parser: the number 1.5 is not exact"),
    "exponent": (b'{"a":1e400}', "parser: the number 1e400 is not exact"),
    "NaN": (b'{"a":NaN}', "parser: the number NaN"),
    "Infinity": (b'{"a":-Infinity}', "parser: the number -Infinity"),
    "large integer": (b'{"a":' + b"9" * 1000 + b"}", "parser: an integer beyond 2^53"),
    "long string": (b'{"a":"' + b"x" * 5000 + b'"}', "parser: a string has 5000"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bad_bytes(name: str) -> None:
    data, start = BYTES[name]
    assert rejected(data).startswith(start)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_changed_byte(position: int, byte: int) -> None:
    changed = GOOD[:position] + bytes([byte]) + GOOD[position + 1 :]
    if changed != GOOD:
        # A changed seal, a changed body, or broken JSON; equal JSON (a blank for a blank) cannot arise.
        assert rejected(changed).split(":")[0] in ("parser", "seal")


def test_seal() -> None:
    assert rejected(replaced('"claim":"test/claim"', '"claim":"test/other"')).startswith("seal")
    document = json.loads(GOOD)
    document["seal"] = "0" * 64
    assert rejected(json.dumps(document).encode()).startswith("seal")


def test_whitespace_and_order_do_not_matter() -> None:
    """The seal binds the content, not its layout."""
    document = json.loads(GOOD)
    loose = json.dumps(dict(reversed(list(document.items()))), indent=3).encode()
    assert check(loose).accepted


def test_duplicate_key_hides_nothing() -> None:
    assert rejected(replaced('"format"', '"claim":"x","format"')).startswith("parser: an object has the same key twice")


SPOILED: list[tuple[str, Any, str]] = [
    ("format", "theorylab-certificate-1", "parser: the format"),
    ("rule", "trust-me", "parser: the rule"),
    ("claim", "a\nACCEPTED  b", "parser: claim"),
    ("claim", 3, "parser: claim"),
    ("premises", "none", "parser: premises"),
    ("premises", [1], "parser: a premise"),
    ("premises", ["a\nACCEPTED  b"], "parser: a premise"),
    ("statement", [], "parser: the statement"),
    ("proof", [], "parser: the proof"),
    ("proof", {"trust": True}, "parser: the proof has the unknown key"),
    ("extra", 1, "parser: document has the unknown key"),
]


@pytest.mark.parametrize(("key", "value", "start"), SPOILED)
def test_spoiled_document(key: str, value: Any, start: str) -> None:
    assert rejected(encode(seal({**laws.linear(), key: value}))).startswith(start)


@pytest.mark.parametrize("key", ["format", "rule", "claim", "scope", "premises", "statement", "proof"])
def test_missing_key(key: str) -> None:
    document = laws.linear()
    del document[key]
    assert rejected(encode(seal(document))).startswith(f"parser: document lacks the key '{key}'")


TERMS: list[tuple[Any, str]] = [
    ([[1, []]], "a coefficient"),
    ([["1.5", []]], "a coefficient"),
    ([["1/0", []]], "a coefficient"),
    ([["+1", []]], "a coefficient"),
    ([["1e3", []]], "a coefficient"),
    ([["١", []]], "a coefficient"),
    ([["0x1", []]], "a coefficient"),
    ([["9" * 4001, []]], "a coefficient"),
    ([["1"]], "a term"),
    ([["1", [["s", []]]]], "a factor"),
    ([["1", [["s", [], 0]]]], "exponent 0"),
    ([["1", [["s", [], 65]]]], "an exponent"),
    ([["1", [["s", [], True]]]], "an exponent"),
    ([["1", [["s", [], 1.0]]]], "the number 1.0"),
    ([["1", [["s", ["i"], 1]]]], "indices"),
    ([["1", [["v", [], 1]]]], "indices"),
    ([["1", [["v", ["@0"], 1]]]], "an index"),
    ([["1", [["v", [1], 1]]]], "an index"),
    ([["1", [["nobody", [], 1]]]], "no letter and no earlier definition"),
    ([["1", [["delta", ["i"], 1]]]], "the indices of delta"),
    ([["1", [["delta", ["i", "j"], 1]]]], "nothing gives the range"),
    ([["1", [["delta", ["i", "j"], -1], ["v", ["i"], 1]]]], "negative exponent"),
    ([["1", [["s", [], 64]] * 5]], "degree beyond"),
    ([["1", [[["s"], [], 1]]]], "a factor"),
    ("s", "expected a list"),
]


@pytest.mark.parametrize(("raw", "sentence"), TERMS)
def test_bad_expression(raw: Any, sentence: str) -> None:
    body = {"letters": letters(s="", v="n"), "goals": [{"name": "g", "kind": "zero", "axes": [], "expr": raw}]}
    assert sentence in rejected(encode(certificate(body)))


def test_growth_is_limited() -> None:
    """Repeated powers, and repeated products of long sums, end at a limit."""
    powers = {"name": "p0", "axes": [], "expr": expr("s + 1")}
    chain = [powers, *({"name": f"p{k}", "axes": [], "expr": expr(f"p{k - 1}^64")} for k in range(1, 9))]
    constants = [{"name": "c0", "axes": [], "expr": expr("3")}]
    constants += [{"name": f"c{k}", "axes": [], "expr": expr(f"c{k - 1}^64")} for k in range(1, 9)]
    sums = [{"name": "q0", "axes": [], "expr": expr("s + t + 1")}]
    sums += [{"name": f"q{k}", "axes": [], "expr": expr(f"q{k - 1}^8")} for k in range(1, 4)]
    symmetric = [{"name": "u", "axes": [], "expr": expr(" ".join(f"v[{chr(97 + k)}]" for k in range(26)))}]
    for definitions in (chain, constants, sums, symmetric):
        body = {
            "letters": letters(s="", t="", v="n"),
            "define": definitions,
            "goals": [goal("zero", expr=definitions[-1]["name"])],
        }
        assert rejected(encode(certificate(body))).split(":")[0] in ("limit", "zero")


def test_rewriting_that_never_ends_shows_nothing() -> None:
    body = {
        "letters": letters(s="", t=""),
        "relations": [{"name": "R", "axes": [], "expr": expr("s - s^2 t")}],
        "goals": [goal("zero", expr="s")],
    }
    proof = {"rewrites": [{"relation": "R", "lead": expr("s")[0]}]}
    assert rejected(encode(certificate(body, proof, "no sizes"))).startswith("zero")


def test_prints_what_is_taken_for_granted(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """From x^2 + 1 = 0 and x = 0 follows 1 = 0: both hypotheses stand in the line that accepts it."""
    body = {
        "letters": letters(x=""),
        "relations": [
            {"name": "x^2 = -1", "axes": [], "expr": expr("x^2 + 1")},
            {"name": "_x = 0", "axes": [], "expr": expr("x")},
        ],
        "goals": [{"name": "one", "kind": "zero", "axes": [], "expr": expr("1")}],
    }
    by_hand = [["1", [["=x^2 = -1", [], 1]]], ["-1", [["=_x = 0", [], 1], ["x", [], 1]]]]  # 1 = (x^2 + 1) - x x
    zero = {"one": {"": {"minus": by_hand}}}
    path = tmp_path / "vacuous.json"
    path.write_bytes(encode(certificate(body, {"zero": zero}, "no sizes", premises=["the limit exists"])))
    assert main([str(path)]) == 0
    assert "if x^2 = -1; x = 0; the limit exists" in capsys.readouterr().out


def test_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(GOOD)
    bad.write_bytes(GOOD[:-2])
    assert main([str(good)]) == 0
    assert capsys.readouterr().out == f"ACCEPTED  {good}  test/claim  [all sizes]\n"
    assert main([str(good), str(bad)]) == 1
    assert capsys.readouterr().out.splitlines()[1].startswith(f"REJECTED  {bad}: parser: not JSON")
    assert main([str(tmp_path / "absent.json")]) == 2
    assert main([]) == 2
    assert main(["--unknown"]) == 2
    capsys.readouterr()
    assert main(["--json", str(good), str(bad)]) == 1
    answers = json.loads(capsys.readouterr().out)
    assert [answer["accepted"] for answer in answers] == [True, False]
    assert answers[0]["scope"] == "all sizes"
    assert answers[0]["goals"] == ["law"]
