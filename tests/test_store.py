"""Run records: what is saved comes back, and nothing else is let in."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.errors import InputError
from theorylab.store import FORMAT, Run, canonical_json, certificate_path, load, parse_json, parse_run, save
from theorylab.verdict import Counterexample, Evidence, Figure, Series, Step, Verdict

text = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
scalar = st.one_of(finite, st.integers(-(2**63), 2**63), text, st.booleans())
series = st.lists(st.tuples(finite, finite), max_size=4).map(
    lambda points: Series("s", tuple(x for x, _ in points), tuple(y for _, y in points))
)
evidence = st.builds(
    Evidence,
    kind=st.sampled_from(
        ("readings", "derivation", "kernel", "search", "simulation", "witness", "step", "argument", "illustration")
    ),
    summary=text,
    outcome=st.sampled_from(("for", "against", "open")),
    numbers=st.dictionaries(text, scalar, max_size=3),
    steps=st.lists(st.builds(Step, text, text, text), max_size=2).map(tuple),
    figures=st.lists(st.builds(Figure, text, text, text, st.lists(series, max_size=2).map(tuple)), max_size=2).map(
        tuple
    ),
)
witness = st.builds(
    Counterexample,
    case=st.dictionaries(text, st.recursive(text, lambda inner: st.lists(inner, max_size=3)), max_size=3),
    violation=text,
    cause=text,
    recheck=text,
)
verdict = st.builds(
    Verdict,
    id=st.from_regex(r"[a-z0-9]{1,8}/[a-z<&\" -]{0,8}[a-z]", fullmatch=True),
    status=st.sampled_from(("proved", "supported", "refuted", "inconclusive")),
    tier=st.sampled_from(("kernel", "coq", "exact", "enclosure", "numeric", None)),
    scope=text,
    premises=st.lists(text, max_size=2).map(tuple),
    evidence=st.lists(evidence, max_size=2).map(tuple),
    counterexample=st.none() | witness,
    expected=st.sampled_from(("proved", "refuted", None)),
    control_of=st.none() | text,
    settings=st.dictionaries(text, scalar, max_size=2),
)
runs = st.builds(
    Run,
    verdicts=st.lists(verdict, max_size=3, unique_by=lambda item: item.id).map(tuple),
    seed=st.integers(-(2**63), 2**63),
    command=text,
    settings=st.dictionaries(text, st.recursive(scalar, lambda inner: st.lists(inner, max_size=2)), max_size=3),
    versions=st.dictionaries(text, text, max_size=2),
    times=st.dictionaries(text, finite, max_size=2),
    hardware=st.dictionaries(text, text, max_size=2),
)


def proved(name: str = "paper/claim", **changes) -> Verdict:
    return Verdict(id=name, status="proved", tier="kernel", scope="all sizes", **changes)


@settings(deadline=None, max_examples=60)
@given(run=runs)
def test_a_saved_run_loads_as_itself(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    path = save(run, folder)
    again = load(folder)
    assert again == run
    assert save(again, folder / "copy").read_bytes() == path.read_bytes()


def test_key_order_does_not_change_the_bytes(tmp_path: Path) -> None:
    left = Run(settings={"a": 1, "b": 2}, versions={"x": "1", "y": "2"})
    right = Run(settings={"b": 2, "a": 1}, versions={"y": "2", "x": "1"})
    assert save(left, tmp_path / "l").read_bytes() == save(right, tmp_path / "r").read_bytes()


def test_certificates_travel_with_the_record_and_come_back_as_paths(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(b"{}")
    folder = tmp_path / "run"
    save(Run((proved(certificate=str(elsewhere)),)), folder)
    assert (
        json.loads((folder / "run.json").read_bytes())["verdicts"][0]["certificate"] == "certificates/paper/claim.json"
    )
    (again,) = load(folder).verdicts
    assert again.certificate == str(folder / "certificates/paper/claim.json")
    assert Path(again.certificate).read_bytes() == b"{}"
    save(load(folder), folder)
    assert load(folder).verdicts == (again,)


def test_a_missing_certificate_is_named_and_no_record_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the certificate of 'paper/claim'"):
        save(Run((proved(certificate=str(tmp_path / "none.json")),)), tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_refused_save_leaves_the_old_record(tmp_path: Path) -> None:
    path = save(Run(seed=1), tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"times\.simulate is nan, expected plain JSON"):
        save(Run(seed=2, times={"simulate": float("nan")}), tmp_path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.json"]


def test_an_interrupted_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(Run(seed=1), tmp_path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left on device"):
        save(Run(seed=2), tmp_path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize(
    ("claim_id", "place"),
    [
        ("du-2018/balancedness-relu", "certificates/du-2018/balancedness-relu.json"),
        ("mine", "certificates/mine.json"),
        ("a/b c.d", "certificates/a/b c.d.json"),
        ("x/<b>&\"'\\\n", "certificates/x/%3Cb%3E%26%22%27%5C%0A.json"),
    ],
)
def test_a_certificate_lies_where_its_id_says(claim_id: str, place: str) -> None:
    assert str(certificate_path(claim_id)) == place


@settings(deadline=None, max_examples=200)
@given(claim_id=st.text(st.sampled_from("a./\\%~\x00 é") | st.characters(), max_size=12))
def test_no_id_leads_out_of_the_certificates(claim_id: str) -> None:
    try:
        place = certificate_path(claim_id)
    except InputError:
        return
    assert os.path.normpath(str(place)) == str(place)
    assert place.parts[0] == "certificates"
    assert not place.is_absolute()


@settings(deadline=None, max_examples=200)
@given(first=st.text(max_size=6), second=st.text(max_size=6))
def test_different_ids_have_different_certificates(first: str, second: str) -> None:
    try:
        places = certificate_path(first), certificate_path(second)
    except InputError:
        return
    assert (places[0] == places[1]) == (first == second)


RECORD = {
    "format": FORMAT,
    "seed": 0,
    "verdicts": [
        {
            "id": "paper/claim",
            "status": "refuted",
            "tier": "exact",
            "scope": "d=1",
            "evidence": [
                {
                    "kind": "search",
                    "summary": "s",
                    "outcome": "against",
                    "numbers": {"cases": 1},
                    "figures": [
                        {"title": "t", "xlabel": "x", "ylabel": "y", "series": [{"label": "l", "x": [1], "y": [2.5]}]}
                    ],
                }
            ],
            "counterexample": {"case": {"w": ["1/2"]}, "violation": "v", "cause": "c", "recheck": "r"},
        }
    ],
}


def changed(path: str, value: object) -> bytes:
    """RECORD with one value replaced; the path names keys and positions, joined by dots."""
    record = json.loads(json.dumps(RECORD))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = record
    for part in parents:
        place = place[part]
    place[last] = value
    return json.dumps(record).encode()


def without(path: str) -> bytes:
    record = json.loads(json.dumps(RECORD))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = record
    for part in parents:
        place = place[part]
    del place[last]
    return json.dumps(record).encode()


def test_the_record_that_the_malformed_ones_are_made_from_is_good() -> None:
    (only,) = parse_run(json.dumps(RECORD).encode()).verdicts
    assert only.evidence[0].figures[0].series[0].y == (2.5,)


EVIDENCE = "verdicts.0.evidence.0"
GOOD = json.dumps(RECORD).encode()
MALFORMED = {
    "empty": (b"", "is not JSON"),
    "not JSON": (b"verdicts: []", "is not JSON"),
    "truncated": (GOOD[:-40], "is not JSON"),
    "two documents": (GOOD + GOOD, "is not JSON"),
    "not UTF-8": (b'{"format": "\xff"}', "is not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "is not UTF-8"),
    "a list": (b"[]", "its format is"),
    "a number": (b"3", "its format is 3"),
    "no format": (without("format"), "its format is None"),
    "another format": (changed("format", "theorylab-certificate-1"), "its format is 'theorylab-certificate-1'"),
    "format is a list": (changed("format", [FORMAT]), "its format is"),
    "unknown key": (changed("eval", "print(1)"), "has the key 'eval'"),
    "unknown key of a verdict": (changed("verdicts.0.__class__", 1), "has the key '__class__'"),
    "missing key": (without("verdicts.0.status"), "lacks the key 'status'"),
    "missing key of a witness": (without("verdicts.0.counterexample.recheck"), "lacks the key 'recheck'"),
    "verdicts are an object": (changed("verdicts", {}), "verdicts is {}, expected a list"),
    "a verdict is text": (changed("verdicts.0", "proved"), "verdicts[0] is 'proved', expected an object"),
    "unknown status": (changed("verdicts.0.status", "true"), "verdicts[0].status is 'true', expected one of 'proved'"),
    "unknown tier": (changed("verdicts.0.tier", "trust me"), "verdicts[0].tier is 'trust me', expected"),
    "unknown kind": (changed(f"{EVIDENCE}.kind", "rumour"), "kind is 'rumour', expected one of 'readings'"),
    "scope is a number": (changed("verdicts.0.scope", 3), "verdicts[0].scope is 3, expected text"),
    "premises are text": (changed("verdicts.0.premises", "abc"), "premises is 'abc', expected a list"),
    "a premise is null": (changed("verdicts.0.premises", [None]), "premises[0] is None, expected text"),
    "numbers are nested": (changed(f"{EVIDENCE}.numbers", {"a": [1]}), "numbers.a is [1], expected"),
    "a step without after": (changed(f"{EVIDENCE}.steps", [{"rule": "r", "before": "b"}]), "lacks the key 'after'"),
    "unequal series": (changed(f"{EVIDENCE}.figures.0.series.0.x", [1, 2]), "has the lengths (2, 1)"),
    "a point is true": (changed(f"{EVIDENCE}.figures.0.series.0.x", [True]), "x[0] is True, expected a number"),
    "seed is text": (changed("seed", "0"), "seed is '0', expected an integer"),
    "seed is true": (changed("seed", True), "seed is True, expected an integer"),
    "seed is a fraction": (changed("seed", 0.5), "seed is 0.5, expected an integer"),
    "seed is huge": (GOOD.replace(b'"seed": 0', b'"seed": ' + b"9" * 30), "holds the number"),
    "digits without end": (GOOD.replace(b'"seed": 0', b'"seed": ' + b"9" * 100_000), "holds the number"),
    "NaN": (GOOD.replace(b"2.5", b"NaN"), "holds the number 'NaN'"),
    "infinity": (GOOD.replace(b"2.5", b"-Infinity"), "holds the number '-Infinity'"),
    "overflow": (GOOD.replace(b"2.5", b"1e999"), "holds the number '1e999'"),
    "a repeated key": (GOOD.replace(b'"seed": 0', b'"seed": 0, "seed": 1'), "repeats the key 'seed'"),
    "times in words": (changed("times", {"verify": "fast"}), "times.verify is 'fast', expected a number"),
    "control character": (changed("verdicts.0.title", "a\x1b[31mb"), "expected text without control characters"),
    "lone surrogate": (changed("verdicts.0.title", "\ud800"), "expected text without control characters"),
    "control character in a case": (changed("verdicts.0.counterexample.case", {"w\x00": "1"}), "without control"),
    "long text": (changed("verdicts.0.title", "a" * (2**20 + 1)), "expected text of at most"),
    "the same id twice": (changed("verdicts", RECORD["verdicts"] * 2), "expected an id that occurs once"),
    "empty id": (changed("verdicts.0.id", ""), "has the claim id ''"),
    "climbing id": (changed("verdicts.0.id", "../../etc/passwd"), "has the claim id '../../etc/passwd'"),
    "absolute id": (changed("verdicts.0.id", "/etc/passwd"), "has the claim id '/etc/passwd'"),
    "long id": (changed("verdicts.0.id", "a" * 201), "200 characters at most"),
    "certificate elsewhere": (
        changed("verdicts.0.certificate", "../../secret.json"),
        "certificate is '../../secret.json', expected null or 'certificates/paper/claim.json'",
    ),
    "absolute certificate": (changed("verdicts.0.certificate", "/etc/passwd"), "certificate is '/etc/passwd'"),
    "deep": (changed("settings", json.loads("[" * 62 + "]" * 62)), "settings is"),
    "deeper": (b"[" * 100_000, "nested deeper than 64"),
    "deep objects": (b'{"a":' * 100_000, "nested deeper than 64"),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_a_run_is_refused_in_one_sentence(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    words = str(caught.value)
    assert message in words
    assert str(tmp_path) in words
    assert "\n" not in words
    assert len(words) < 600


def test_no_record_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the run record .*run\.json'"):
        load(tmp_path)


def test_brackets_in_text_are_not_depth() -> None:
    assert parse_json(canonical_json({"a": "[" * 200 + '\\"' + "{" * 200})) == {"a": "[" * 200 + '\\"' + "{" * 200}


def test_many_open_quotes_do_not_take_quadratic_work() -> None:
    with pytest.raises(InputError, match="is not JSON"):
        parse_json(b'{"a' + b'\\"' * 2_000_000)


@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=60), position=st.integers(0, len(GOOD)))
def test_damaged_bytes_never_crash_the_parser(data: bytes, position: int) -> None:
    with suppress(InputError):
        parse_run(GOOD[:position] + data + GOOD[position + len(data) :])
