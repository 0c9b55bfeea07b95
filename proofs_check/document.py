"""What a certificate is as a file: strict JSON with limits, and a seal.

A certificate is data from a stranger. Nothing in it is ever executed, and everything that could grow without
bound has a stated limit: bytes, nesting, strings, digits, exponents, and the work of the kernel itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

FORMAT = "theorylab-certificate-3"
MAX_BYTES = 8 * 2**20
MAX_DEPTH = 32
MAX_STRING = 4096
MAX_DIGITS = 4000
MAX_EXPONENT = 64
MAX_WORK = 12_000_000
MAX_SECONDS = 8.0  # of the processor

DOCUMENT_KEYS = ("format", "rule", "claim", "scope", "premises", "statement", "proof", "seal")
RATIONAL = re.compile(r"-?(0|[1-9][0-9]*)(/[1-9][0-9]*)?\Z", re.ASCII)
PRINTABLE = re.compile(r"[ -~]{0,200}\Z", re.ASCII)
NAME = re.compile(r"[A-Za-z_][ -~]{0,127}\Z", re.ASCII)

Coefficient = int | Fraction


class Rejected(Exception):
    """A certificate that does not prove its statement: the name of the rule that failed, and one sentence."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")


def require(condition: object, rule: str, sentence: str) -> None:
    """Reject the certificate, with the name of the rule and one sentence, unless the condition holds."""
    if not condition:
        raise Rejected(rule, sentence)


class Budget:
    """Counts the elementary steps of the kernel, so that no document can keep it busy for ever."""

    def __init__(self, work: int = MAX_WORK, seconds: float = MAX_SECONDS) -> None:
        self.work = self.left = work
        self.deadline = time.process_time() + seconds

    def spend(self, steps: int) -> None:
        self.left -= steps + 1
        if self.left < 0:
            raise Rejected("limit", f"checking needs more than {self.work} steps")
        if time.process_time() > self.deadline:
            raise Rejected("limit", "checking takes too long")


def digest(value: Any) -> str:
    """SHA-256 (hex) of the one way to write a JSON value: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def statement_hash(document: dict[str, Any]) -> str:
    """What the certificate claims, as a digest: statement, premises and rule, without the proof."""
    return digest({key: document[key] for key in ("statement", "premises", "rule")})


def parse(data: bytes) -> dict[str, Any]:
    """Read a sealed document; raises Rejected with rule "parser" or "seal"."""
    if len(data) > MAX_BYTES:
        raise Rejected("parser", f"the file has {len(data)} bytes, at most {MAX_BYTES} are read")
    hooks: Any = {"parse_int": _small_integer, "parse_float": _no_float, "parse_constant": _no_float}
    try:
        document = json.loads(data.decode("ascii"), object_pairs_hook=_unique, **hooks)
    except RecursionError:
        raise Rejected("parser", f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise Rejected("parser", "not ASCII text") from None
    except ValueError as error:
        raise Rejected("parser", f"not JSON ({str(error)[:200]})") from None
    _limit(document)
    fields(document, "document", DOCUMENT_KEYS)
    require(document["format"] == FORMAT, "parser", f"the format is {show(document['format'])}, expected {FORMAT!r}")
    for key in ("rule", "claim", "scope", "seal"):
        if not PRINTABLE.match(text(document[key], key)):
            raise Rejected("parser", f"{key} is {show(document[key])}, expected up to 200 printable characters")
    for premise in listing(document["premises"], "premises"):
        require(text(premise, "a premise").isprintable(), "parser", "a premise has characters that are not printable")
    sealed = {key: value for key, value in document.items() if key != "seal"}
    require(document["seal"] == digest(sealed), "seal", "the document was changed after it was sealed")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    require(len(found) == len(pairs), "parser", "an object has the same key twice")
    return found


def _small_integer(digits: str) -> int:
    small = len(digits) <= 16 and abs(int(digits)) <= 2**53
    require(small, "parser", "an integer beyond 2^53 is written as a number, expected a string")
    return int(digits)


def _no_float(digits: str) -> float:
    raise Rejected("parser", f"the number {digits[:40]} is not exact, expected a string with a rational")


def _limit(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        longest = max((len(item) for item in level if isinstance(item, str)), default=0)
        require(longest <= MAX_STRING, "parser", f"a string has {longest} characters, at most {MAX_STRING} are read")
        lists = [item for item in level if isinstance(item, (list, dict))]
        level = [inner for item in lists for inner in item]
        level += [inner for item in lists if isinstance(item, dict) for inner in item.values()]
        if not level:
            return
    raise Rejected("parser", f"nested deeper than {MAX_DEPTH} levels")


# -- what the parts of a document have to be ----------------------------------------------------------------------


def _expect(right: bool, value: Any, what: str, wanted: str) -> Any:
    if not right:
        raise Rejected("parser", f"{what} is {show(value)}, expected {wanted}")
    return value


def mapping(value: Any, what: str) -> dict[str, Any]:
    return _expect(isinstance(value, dict), value, what, "an object")


def fields(value: Any, what: str, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """`value` as an object with exactly the required keys and perhaps some optional ones."""
    for key in required:
        require(key in mapping(value, what), "parser", f"{what} lacks the key {key!r}")
    for key in mapping(value, what).keys() - {*required, *optional}:
        raise Rejected("parser", f"{what} has the unknown key {show(key)}")
    return value


def listing(value: Any, what: str, length: int | None = None) -> list[Any]:
    """`value` as a list, of the given length if there is one."""
    right = isinstance(value, list) and length in (None, len(value))
    return _expect(right, value, what, "a list" if length is None else f"a list of {length}")


def text(value: Any, what: str) -> str:
    return _expect(isinstance(value, str), value, what, "a string")


def name(value: Any, what: str) -> str:
    """`value` as a name: printable ASCII that starts with a letter or an underscore."""
    return _expect(isinstance(value, str) and bool(NAME.match(value)), value, what, "a name")


def choice(value: Any, what: str, allowed: Iterable[str]) -> str:
    known = isinstance(value, str) and value in allowed
    return _expect(known, value, what, f"one of {', '.join(allowed)}")


def integer(value: Any, what: str, low: int, high: int) -> int:
    return _expect(type(value) is int and low <= value <= high, value, what, f"an integer from {low} to {high}")


def boolean(value: Any, what: str) -> bool:
    return _expect(type(value) is bool, value, what, "true or false")


def rational(value: Any, what: str) -> Coefficient:
    """A rational written "p" or "p/q"; an int where the denominator is one."""
    right = isinstance(value, str) and len(value) <= MAX_DIGITS and bool(RATIONAL.match(value))
    return whole(Fraction(_expect(right, value, what, 'a rational written "p" or "p/q"')))


def whole(value: Coefficient) -> Coefficient:
    """Plain integers where the denominator is one: they are several times faster."""
    return value.numerator if value.denominator == 1 else value


def show(value: Any) -> str:
    """A short form of a value for a message."""
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
