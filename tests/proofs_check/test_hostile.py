"""Certificates made to hurt: each is rejected within 10 seconds of processor time and 500 MB, without a traceback."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import proofs_check
from tests.proofs_check import laws
from tests.proofs_check.documents import certificate, encode, expr, goal, letters, seal

ROOT = Path(proofs_check.__file__).parents[1]
SECONDS, MEMORY = 10, 500 * 2**20
GOOD = encode(laws.linear())


def defined(last: str, definitions: list[Any], **shapes: str) -> bytes:
    """A certificate that says that the last of its definitions vanishes."""
    define = [{"name": name, "axes": [], "expr": expr(body)} for name, body in definitions]
    return encode(
        certificate({"letters": letters(**shapes), "define": define, "goals": [goal("zero", expr=last)]}, {"zero": {}})
    )


def tower(body: str, step: str, height: int = 8, **shapes: str) -> bytes:
    chain = [("p0", body), *((f"p{k}", step.replace("p", f"p{k - 1}")) for k in range(1, height + 1))]
    return defined(f"p{height}", chain, **shapes)


def spoiled(rule: str) -> bytes:
    """A certificate of another rule around the statement of a law."""
    return encode(seal({**laws.linear(), "rule": rule}))


def long_sum() -> bytes:
    """Half a million terms, all different."""
    terms = [["1", [[f"a{n % 700}", [], 1 + n % 60], [f"a{n // 700}", [], 1]]] for n in range(60_000)]
    body = {
        "letters": letters(**{f"a{n}": "" for n in range(700)}),
        "goals": [{"name": "g", "kind": "zero", "axes": [], "expr": terms}],
    }
    return encode(certificate(body, {"zero": {}}))


def multiplied(kind: str) -> bytes:
    """A product of long sums in a letter that moves: the chain rule of the checker meets it."""
    body = {
        "letters": letters(a="n", b="n", r=""),
        "define": [
            {"name": "f", "axes": [], "expr": expr("a[i] b[i]")},
            {"name": "q", "axes": [], "expr": expr("f^40")},
        ],
        "flows": [{"state": {"a": [["1", []]], "b": [["1", []]]}, "outputs": [["q", "r"]]}],
        "goals": [goal(kind, flow=0, expr="q^6", **({"rate": "0", "sense": "=="} if kind == "evolves" else {}))],
    }
    return encode(certificate(body, {"zero": {}}))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: GOOD[: len(GOOD) // 3],
    "binary": lambda: bytes(range(256)) * 1000,
    "gigantic": lambda: b'{"a":"' + b"x" * 60_000_000,
    "gigantic list": lambda: b"[" + b"0," * 4_000_000 + b"0]",
    "many keys": lambda: json.dumps({f"k{n}": n for n in range(400_000)}).encode(),
    "deeply nested": lambda: b"[" * 4_000_000,
    "nested objects": lambda: b'{"a":' * 1_000_000,
    "the same key twice": lambda: GOOD.replace(b'"claim"', b'"claim":"x","claim"', 1),
    "the same key a million times": lambda: b"{" + b'"a":1,' * 1_000_000 + b'"a":1}',
    "huge exponent of a number": lambda: GOOD.replace(b'"1"', b"1e999999999", 1),
    "huge integer": lambda: GOOD.replace(b'"1"', b"9" * 5_000_000, 1),
    "huge integer in a string": lambda: GOOD.replace(b'"1"', b'"' + b"9" * 5_000_000 + b'"', 1),
    "tower of powers": lambda: tower("s + 1", "p^64", s=""),
    "tower of numbers": lambda: tower("3", "p^64"),
    "tower of sums": lambda: tower("s + t + u + v + 1", "p^8", s="", t="", u="", v=""),
    "doubling": lambda: tower("s + t", "p p", 40, s="", t=""),
    "contractions": lambda: tower("v[i] v[i] + w[i] w[i]", "p p p", 6, v="n", w="n"),
    "symmetric dummies": lambda: defined("q", [("q", " ".join(f"M[a{k},b{k}]" for k in range(40)))], M="n n"),
    "a cycle of dummies": lambda: defined(
        "q", [("q", " ".join(f"M[a{k},a{(k + 1) % 40}]" for k in range(40)))], M="n n"
    ),
    "many terms": long_sum,
    "a long derivative": lambda: multiplied("conserved"),
    "another long derivative": lambda: multiplied("evolves"),
    **{f"the rule {rule}": lambda rule=rule: spoiled(rule) for rule in ("rank", "enclosure", "relu-path", "else")},
}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_rejected_within_its_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(HOSTILE[name]())
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-s", "-B", "-m", "proofs_check", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limited,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 1, f"ended with {done.returncode}"
    assert done.stdout.startswith("REJECTED  ")
    assert len(done.stdout) < 1000
    assert "internal" not in done.stdout
