"""Run records: what a run decided, in one file that a later session can read back.

A run lives in a folder: `run.json` (canonical JSON) and `certificates/ID.json`, one file a certified claim. Seconds
and hardware are kept here and nowhere else, so that everything made from the verdicts is reproducible.

A stored run is data from a stranger. `load` knows no types but those of the dataclasses in
`theorylab.verdict`, refuses what it does not know, and trusts no path: a certificate lies where its id says.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

from theorylab.errors import InputError
from theorylab.verdict import Series, Verdict

FORMAT = "theorylab-run-1"
FILE_NAME = "run.json"

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64
MAX_STRING = 2**20
MAX_INTEGER = 2**64
MAX_DIGITS = 400
MAX_ID = 200
MAX_FILE_NAME = 240

_BRACKETS_AND_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Run:
    """One run: its verdicts and what is needed to repeat it.

    `settings` holds plain JSON values (sizes, trials, dtype, device), `versions` maps package to version.
    `times` (seconds) and `hardware` describe this one run; no report shows them.
    """

    verdicts: tuple[Verdict, ...] = ()
    seed: int = 0
    command: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)


def save(run: Run, folder: str | Path) -> Path:
    """Write `folder/run.json` in one step and return its path.

    Certificates that lie elsewhere are copied to `folder/certificates/ID.json` first. Saving again replaces the
    record, so a long run may be saved after every verdict. Raises InputError where `run` holds something that
    `load` would refuse (a value that is no plain JSON, a number that is not finite).
    """
    folder = Path(folder)
    verdicts = []
    for verdict in run.verdicts:
        if verdict.certificate is not None:
            place = certificate_path(verdict.id)
            _adopt_certificate(verdict, folder / place)
            verdict = verdict.replace(certificate=str(place))
        verdicts.append(verdict)
    record = {"format": FORMAT, **asdict(replace(run, verdicts=tuple(verdicts)))}
    data = canonical_json(record)
    path = folder / FILE_NAME
    parse_run(data, str(path))
    write_atomic(path, data)
    return path


def load(path: str | Path) -> Run:
    """Read a run record: a folder, or its `run.json`.

    Certificates of the verdicts come back as paths under that folder, whether or not the files exist.
    Raises InputError, one sentence, on anything that is not a run record.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read the run record {str(path)!r}: {error.strerror}") from None
    run = parse_run(data, str(path))
    folder = path.parent
    return replace(
        run,
        verdicts=tuple(
            verdict if verdict.certificate is None else verdict.replace(certificate=str(folder / verdict.certificate))
            for verdict in run.verdicts
        ),
    )


def parse_run(data: bytes, name: str = "the data") -> Run:
    """Decode the bytes of a run record; certificate paths stay as written (relative to the record's folder)."""
    document = parse_json(data, name)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        given = document.get("format") if isinstance(document, dict) else document
        raise InputError(f"{name} is not a run record: its format is {_show(given)}, expected {FORMAT!r}")
    run = _decode(Run, {key: value for key, value in document.items() if key != "format"}, "", name)
    seen: set[str] = set()
    for position, verdict in enumerate(run.verdicts):
        where = f"verdicts[{position}]"
        expected = certificate_path(verdict.id, name)
        if verdict.id in seen:
            _refuse(name, f"{where}.id", verdict.id, "an id that occurs once")
        if verdict.certificate not in (None, str(expected)):
            _refuse(name, f"{where}.certificate", verdict.certificate, f"null or {str(expected)!r}")
        seen.add(verdict.id)
    return run


def certificate_path(claim_id: str, name: str = "the verdict") -> PurePosixPath:
    """Where the certificate of a claim lies, relative to the run's folder: `certificates/ID.json`.

    Characters that are unsafe in a file name are percent-encoded; an id that is empty, too long, absolute or that
    climbs (`..`) raises InputError.
    """
    segments = claim_id.split("/")
    climbs = any(segment.strip(" .") == "" or segment.startswith(".") for segment in segments)
    if not claim_id or len(claim_id) > MAX_ID or climbs:
        raise InputError(
            f"{name} has the claim id {_show(claim_id)}, expected names joined by '/', "
            f"none of them empty or starting with '.', of {MAX_ID} characters at most"
        )
    encoded = [quote(segment, safe=" +-._=,@()", errors="surrogatepass") for segment in segments]
    if max(map(len, encoded)) > MAX_FILE_NAME:
        raise InputError(f"{name} has the claim id {_show(claim_id)}, which is too long for a file name")
    return PurePosixPath("certificates", *encoded[:-1], encoded[-1] + ".json")


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, ASCII, a final newline.

    Raises InputError, with the place, on a value that is no plain JSON or a number that is not finite.
    """
    plain = _plain(value, "")
    return (json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n").encode("ascii")


def parse_json(data: bytes, name: str = "the data") -> Any:
    """Strict JSON: UTF-8, bounded size and depth, no repeated keys, finite numbers, no control characters."""
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES // 2**20} MiB, which no run record is")
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(data):
        token = match.group()
        depth += (token in b"[{") - (token in b"]}")
        if depth > MAX_DEPTH:
            raise InputError(f"{name} is nested deeper than {MAX_DEPTH} levels, which no run record is")

    def number(convert: type, text: str) -> int | float:
        value = convert(text) if len(text) <= MAX_DIGITS else math.inf
        if not math.isfinite(value) or (convert is int and abs(value) > MAX_INTEGER):
            raise InputError(f"{name} holds the number {_show(text)}, expected a finite float64 or 64-bit integer")
        return value

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{name} holds an object that repeats the key {_show(twice)}")
        return result

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=pairs,
            parse_int=lambda text: number(int, text),
            parse_float=lambda text: number(float, text),
            parse_constant=lambda text: number(float, text),
        )
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text, expected JSON") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a part. Raises InputError if it cannot."""
    path = Path(path)
    part = path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from None


def _adopt_certificate(verdict: Verdict, target: Path) -> None:
    source = Path(str(verdict.certificate))
    if source.resolve() == target.resolve():
        return
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the certificate of {verdict.id!r} at {str(source)!r}: {error.strerror}"
        ) from None
    write_atomic(target, data)


def _plain(value: Any, where: str) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return {key: _plain(item, f"{where}.{key}" if where else key) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{where}[{position}]") for position, item in enumerate(value)]
    raise InputError(f"{where or 'the value'} is {_show(value)}, expected plain JSON with finite numbers")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str, name: str) -> Any:
    """`value`, a JSON value, as an instance of the annotation `kind`; nothing is converted that is not asked for."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
        _refuse(name, where, value, "one of " + ", ".join(map(repr, arguments)))
    if origin in (Union, UnionType):
        matching = next((option for option in arguments if _accepts(option, value)), None)
        if matching is None:
            _refuse(name, where, value, " or ".join(map(_describe, arguments)))
        return _decode(matching, value, where, name)
    if not _accepts(kind, value):
        _refuse(name, where, value, _describe(kind))
    if origin is tuple:
        return tuple(_decode(arguments[0], item, f"{where}[{i}]", name) for i, item in enumerate(value))
    if origin is Mapping:
        return {
            _text(key, where, name): _decode(arguments[1], item, f"{where}.{key[:40]}", name)
            for key, item in value.items()
        }
    if is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value, where, name)
    if kind is Any:
        return _decode_any(value, where, name)
    return _text(value, where, name) if isinstance(value, str) else value


def _decode_dataclass(kind: type, value: dict[str, Any], where: str, name: str) -> Any:
    prefix = f"{where}." if where else ""
    hints = _hints(kind)
    for key in value:
        if key not in hints:
            _refuse(name, where or "the record", key, "only the keys " + ", ".join(sorted(hints)), "has the key")
    arguments = {}
    for item in fields(kind):
        if item.name in value:
            arguments[item.name] = _decode(hints[item.name], value[item.name], prefix + item.name, name)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise InputError(f"{name} is not a run record: {where or 'the record'} lacks the key {item.name!r}")
    result = kind(**arguments)
    if isinstance(result, Series) and len(result.x) != len(result.y):
        _refuse(name, where, (len(result.x), len(result.y)), "x and y of equal lengths", "has the lengths")
    return result


def _decode_any(value: Any, where: str, name: str) -> Any:
    if isinstance(value, dict):
        return {_text(key, where, name): _decode_any(item, f"{where}.{key[:40]}", name) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode_any(item, f"{where}[{i}]", name) for i, item in enumerate(value)]
    return _text(value, where, name) if isinstance(value, str) else value


def _text(value: str, where: str, name: str) -> str:
    if len(value) > MAX_STRING:
        _refuse(name, where, value, f"text of at most {MAX_STRING} characters")
    if _CONTROL_CHARACTERS.search(value):
        _refuse(name, where, value, "text without control characters")
    return value


def _accepts(kind: Any, value: Any) -> bool:
    origin = get_origin(kind)
    if origin is Mapping or is_dataclass(kind):
        return isinstance(value, dict)
    if origin is tuple:
        return isinstance(value, list)
    if origin is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float)
    return value is None if kind is type(None) else type(value) is kind


def _describe(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin is Mapping or is_dataclass(kind):
        return "an object"
    if origin is tuple:
        return "a list"
    return {str: "text", int: "an integer", float: "a number", bool: "true or false", type(None): "null"}[kind]


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(name: str, where: str, value: Any, expected: str, verb: str = "is") -> NoReturn:
    raise InputError(f"{name} is not a run record: {where} {verb} {_show(value)}, expected {expected}")
