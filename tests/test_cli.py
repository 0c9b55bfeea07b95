"""The command line: targets, exit codes, what is written, and what may be imported."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab import catalog
from theorylab.arguments import parse_dims
from theorylab.batch import Failure, Outcome, exit_code
from theorylab.catalog.__main__ import index_text
from theorylab.catalog.collect import collect
from theorylab.catalog.page import page_text
from theorylab.cli import main
from theorylab.errors import InputError
from theorylab.progress import table, verdict_table
from theorylab.targets import blame, resolve, resolve_all
from theorylab.verdict import Verdict

STATUSES = ("proved", "supported", "refuted", "inconclusive")


def verdict(status: str, expected: str | None = None, id: str = "a") -> Verdict:
    return Verdict(id, status, None, "d=3", expected=expected)  # type: ignore[arg-type]


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


def claim(name: str | None = None) -> tl.Invariant:
    return tl.Invariant(tl.GradientFlow(linear), lambda p: p.w, name=name)


# --- exit codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "codes"),
    [
        (None, (0, 0, 1, 3)),
        ("proved", (0, 3, 1, 3)),
        ("supported", (0, 0, 1, 3)),
        ("refuted", (1, 1, 0, 1)),
        ("inconclusive", (3, 3, 1, 0)),
    ],
)
def test_exit_code_of_each_status(expected: str | None, codes: tuple[int, ...]) -> None:
    assert tuple(exit_code(verdict(status, expected)) for status in STATUSES) == codes


def test_bad_input_beats_refuted_beats_inconclusive() -> None:
    weight = {0: 0, 3: 1, 1: 2, 2: 3}
    failure = Failure("b", "b.py: no")
    for number in (1, 2, 3):
        for statuses in itertools.product(STATUSES, repeat=number):
            verdicts = tuple(verdict(status) for status in statuses)
            worst = max((exit_code(v) for v in verdicts), key=weight.__getitem__)
            assert Outcome(verdicts, (), None).exit_code == worst
            assert Outcome(verdicts, (failure,), None).exit_code == 2


# --- sizes ----------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True).filter(str.isascii), st.integers(1, 999)))
@settings(deadline=None, max_examples=60)
def test_dims_are_read_as_written(dims: dict[str, int]) -> None:
    if dims:
        assert parse_dims(",".join(f"{name}={size}" for name, size in dims.items())) == dims


@given(st.text(alphabet="dk=,0123-.+e ", max_size=12))
@settings(deadline=None, max_examples=200)
def test_dims_are_positive_or_refused(text: str) -> None:
    try:
        dims = parse_dims(text)
    except InputError:
        return
    assert dims
    assert all(size >= 1 for size in dims.values())
    assert sum(dims.values()) == sum(int(digits) for digits in re.findall(r"=\s*(\d+)", text))


# --- targets --------------------------------------------------------------------------------------------------------


def test_claims_are_found_once_in_order_of_definition() -> None:
    first, second, third, fourth = claim(), claim("The second Law"), claim(), claim()
    cycle: list[object] = [third]
    cycle.append(cycle)
    names = {"law_of": first, "x": 3, "_private": claim(), "again": first, "list": [second, first]}
    found = collect({**names, "c": {2: (cycle, fourth)}}, "file")
    assert list(found) == ["file/law-of", "file/the-second-law", "file/c-2-0-0", "file/c-2-1"]
    assert list(found.values()) == [first, second, third, fourth]
    assert [found_claim.id for found_claim in found.values()] == list(found)


def test_two_claims_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match=r"first and rest\[0\] both have the id 'file/law'"):
        collect({"first": claim("law"), "rest": [claim("Law")]}, "file")


def test_controls_name_the_claim_that_they_control() -> None:
    law = claim("The Law")
    found = collect({"law": law, "control": law.but(quantity=lambda p: p.w**2, name="squared")}, "file")
    assert found["file/squared"].control_of == "file/the-law"


def write(path: Path, *lines: str) -> str:
    model = ["import theorylab as tl", "@tl.model(w='d')", "def linear(p, x): return p.w @ x"]
    path.write_text("\n".join([*model, "flow = tl.GradientFlow(linear)", *lines]) + "\n")
    return str(path)


def test_a_file_and_its_names_resolve_to_the_same_claims(tmp_path: Path) -> None:
    file = write(
        tmp_path / "mine.py",
        "law = tl.Invariant(flow, lambda p: p.w)",
        "rest = [tl.Invariant(flow, lambda p: p.w**2, name='square'), law]",
    )
    everything = dict(resolve(file))
    assert list(everything) == ["mine/law", "mine/square"]
    assert resolve(f"{file}:law") == [("mine/law", everything["mine/law"])]
    assert dict(resolve(f"{file}:rest")) == everything
    assert resolve(f"{file}:square") == [("mine/square", everything["mine/square"])]
    assert resolve_all([f"{file}:square", file, f"{file}:law"]) == [
        ("mine/square", everything["mine/square"]),
        ("mine/law", everything["mine/law"]),
    ]


def test_the_innermost_line_of_a_user_file_is_blamed(tmp_path: Path) -> None:
    quantity = ["def quantity(p):", "    return tl.Fraction(1, p)"]
    file = write(tmp_path / "deep.py", *quantity, "law = tl.Invariant(flow, quantity)")
    [(_, law)] = resolve(file)
    with pytest.raises(ZeroDivisionError) as direct:
        law.quantity(0)
    assert blame(direct.value) == f"{file}, line 6"
    wrapped = InputError("the quantity fails")
    wrapped.__cause__ = direct.value
    assert blame(wrapped) == f"{file}, line 6"
    assert blame(InputError("no file is involved")) is None


def test_a_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    """Two files of equal size, written within one second: no cached byte code may stand in for the second."""
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        file = write(folder / "same.py", f"{name} = tl.Invariant(flow, lambda p: p.w)")
        assert [claim_id for claim_id, _ in resolve(file)] == [f"same/{name}"]
        assert [path.name for path in folder.iterdir()] == ["same.py"]


# --- tables ---------------------------------------------------------------------------------------------------------


def test_table_columns_are_aligned_and_never_cut() -> None:
    cells = [("short", "α = 1"), ("a longer id" * 12, "ähnlich"), ("e\u0301", "")]
    lines = table(("id", "scope"), cells).splitlines()
    start = len("a longer id" * 12) + 2
    assert [line[start:] for line in lines] == ["scope", "-" * 7, "α = 1", "ähnlich", ""]
    assert [line[:start].strip() for line in lines[2:]] == [cell for cell, _ in cells]


def test_the_verdict_table_marks_what_is_not_expected() -> None:
    lines = verdict_table([verdict("proved", "proved"), verdict("proved", "refuted", "b")]).splitlines()[2:]
    assert [line.endswith("*") for line in lines] == [False, True]


# --- imports and the index ------------------------------------------------------------------------------------------

HEAVY = ("numpy", "sympy", "torch", "hypothesis", "scipy", "matplotlib", "cvxpy", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["verify", "--help"], ["--version"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import sys
from theorylab.cli import main
try:
    main({arguments!r})
except SystemExit as exit:
    print(exit.code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"


def test_the_index_is_that_of_the_catalogue() -> None:
    stored = (Path(catalog.__file__).parent / "index.json").read_text(encoding="utf-8")
    assert stored == index_text(), "run python -m theorylab.catalog"


def test_the_page_is_that_of_the_catalogue() -> None:
    stored = (Path(catalog.__file__).parent / "CLAIMS.md").read_text(encoding="utf-8")
    assert stored == page_text(), "run python -m theorylab.catalog"


def test_the_catalogue_names_what_is_missing_for_a_proof() -> None:
    """A formula that is only supported says which rule the checker lacks."""
    claims = {i: c for p in catalog.papers() for i, c in collect(vars(catalog.load(p)), p).items()}
    open_formulas = {i: c for i, c in claims.items() if c.expected == "supported" and c.goals()}
    assert len(open_formulas) >= 10
    assert not [i for i, c in open_formulas.items() if not c.note]


def test_list_shows_every_claim(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == [entry["id"] for entry in catalog.index()]
    with pytest.raises(SystemExit):
        main(["list", "--json"])
    assert json.loads(capsys.readouterr().out)["claims"] == catalog.index()


# --- the whole way --------------------------------------------------------------------------------------------------


def test_a_new_file_is_verified_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["new", "mine.py"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main(["verify", "mine.py", "--trials", "32", "--out", "run", "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    by_id = {item["id"]: item for item in document["verdicts"]}
    assert {key: item["status"] for key, item in by_id.items()} == {
        "mine/balancedness": "proved",
        "mine/plus-instead-of-minus": "refuted",
    }
    assert exit_.value.code == 0
    assert by_id["mine/balancedness"]["scope"] == "all sizes"
    assert by_id["mine/balancedness"]["certificate"] == "run/certificates/mine/balancedness.json"
    assert len(re.findall(r"^\[\d/2\] mine/", captured.err, re.MULTILINE)) == 2
    checked = subprocess.run(
        [sys.executable, "-S", "-m", "proofs_check", str(tmp_path / by_id["mine/balancedness"]["certificate"])],
        cwd=Path(tl.__file__).parents[1], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert checked.stdout.startswith("ACCEPTED")
    files = sorted(path.name for path in Path("run").iterdir())
    assert files == ["certificates", "report.html", "report.json", "run.json"]
    written = {name: Path("run", name).read_bytes() for name in files if name.startswith("report")}
    with pytest.raises(SystemExit):
        main(["report", "run"])
    assert capsys.readouterr().out == "run/report.html\n"
    assert written == {name: Path("run", name).read_bytes() for name in written}


def test_mutants_are_judged_shown_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """|z|^2 >= -3 |z|^2 is true with 4 in the place of 3, and false with the other sign."""
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "mine.py",
        "import theorylab as tl",
        "case = tl.Setting(z=tl.var('d'))",
        "law = tl.Inequality(case, lambda c: (c.z**2).sum(), lambda c: -3 * (c.z * c.z).sum())",
    )
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["verify", "mine.py", "--mutate", "--trials", "32", "--out", "run"])
    shown = capsys.readouterr().out
    assert re.search(r"mine/law +lhs +\(c\.z \*\* 3\)\.sum\(\) +dies", shown)
    assert re.search(r"mine/law +rhs +-4 \* \(c\.z \* c\.z\)\.sum\(\) +(lives|also true) +(supported|proved), ", shown)
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["verify", "mine.py:law", "--mutate", "--trials", "32", "--out", "again", "--json"])
    (judged,) = json.loads(capsys.readouterr().out)["verdicts"]
    fates = {m["to"]: m["fate"] for m in judged["mutants"]}
    assert fates["3 * (c.z * c.z).sum()"] == "dies"
    assert json.loads(Path("run/run.json").read_text())["verdicts"][0]["mutants"] == judged["mutants"]
    page = Path("run/report.html").read_text()
    assert "Sharpness" in page
    assert "(c.z ** 3).sum()" in page


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_run_says_so(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("theorylab.batch.run_batch", interrupted)
    options = ["--json"] if as_json else []
    with pytest.raises(SystemExit) as ended:
        main(["verify", "du-2018/balancedness-linear", "--out", str(tmp_path / "run"), *options])
    out, err = capsys.readouterr()
    assert ended.value.code == 130
    assert err.endswith("theorylab: interrupted\n")
    assert (json.loads(out)["errors"][0]["message"] if as_json else out) == ("interrupted" if as_json else "")


@pytest.mark.parametrize(
    "text", ["\n\nraise KeyboardInterrupt\n", "import theorylab as tl\ndef stuck(c):\n    raise KeyboardInterrupt\n{}"],
    ids=["file", "quantity"],
)  # fmt: skip
def test_an_interruption_names_the_line_of_the_users_file(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Ctrl-C does in a loop without an end."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text.format("claim = tl.Identity(tl.Setting(s=''), stuck, 0, name='stuck')\n"))
    with pytest.raises(SystemExit) as ended:
        main(["verify", "mine.py", "--out", "run"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.endswith("theorylab: interrupted in mine.py, line 3\n")
    assert not Path("run/run.json").exists()
