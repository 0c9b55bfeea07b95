"""Bad input through the command line: exit code 2, one sentence that names the cause, nothing written."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from theorylab.cli import main

FILES = Path(__file__).with_name("bad_input")

# Command line: what the sentence has to name.
COMMANDS = {
    "": ["Usage: theorylab"],
    "verfy du-2018": ["verfy", "verify"],
    "verify": ["no target", "FILE.py"],
    "verify --al": ["--al"],
    "verify --all du-2018": ["--all", "du-2018"],
    "verify du-2081": ["du-2081", "catalogue"],
    "verify du-2018/balancedness-rule": ["du-2018/balancedness-rule", "theorylab list"],
    "verify nothing.py": ["nothing.py", "no file"],
    "verify folder.py": ["folder.py", "folder"],
    "verify notes.txt": ["notes.txt", ".py"],
    "verify true.py:lwa": ["lwa", "law"],
    "verify true.py:": ["''", "name of a claim"],
    "verify true.py:flow": ["true.py:flow", "expected a claim"],
    "verify true.py other/true.py": ["true/law", "other/true.py"],
    "verify syntax.py": ["syntax.py, line 2", "SyntaxError"],
    "verify zero.py": ["zero.py", "null bytes"],
    "verify true.py --dims d": ["'d'", "d=3,k=4"],
    "verify true.py --dims d=0": ["'d=0'", "positive"],
    "verify true.py --dims d=3,d=4": ["'d'", "twice"],
    "verify true.py --dims d=2.5": ["'d=2.5'"],
    "verify true.py --dims width=3": ["width", "d"],
    "verify true.py --seed -1": ["--seed", "-1"],
    "verify true.py --seed one": ["--seed", "'one'", "integer"],
    "verify true.py --seed 99999999999999999999": ["--seed", "99999999999999999999"],
    "verify true.py --trials 0": ["--trials", "'0'"],
    "verify true.py --trials": ["--trials"],
    "verify true.py --device tpu": ["'tpu'", "cuda"],
    "verify true.py --device cuda:99": ["cuda"],
    "verify true.py --out notes.txt": ["notes.txt", "folder"],
    "verify true.py --out notes.txt/run": ["notes.txt", "folder"],
    "falsify true.py:nothing": ["'nothing'"],
    "falsify true.py --trials many": ["--trials", "'many'"],
    "list du-2081": ["du-2081", "expected one of"],
    "report": ["RUN"],
    "report nowhere": ["nowhere", "run record"],
    "report notes.txt": ["notes.txt", "JSON"],
    "report strange/run.json": ["strange/run.json", "theorylab-run-1"],
    "report run --format docx": ["report.docx", ".html"],
    "report run --out report.docx": ["report.docx", ".html"],
    "report run --out report.tex --format html": ["report.tex", ".html"],
    "report run --out folder.py": ["folder.py", "file"],
    "report run run": ["run", "earlier"],
    "new": ["FILE"],
    "new mine.txt": ["mine.txt", ".py"],
    "new true.py": ["true.py", "exists"],
    "new nowhere/mine.py": ["nowhere", "folder"],
}

# File of tests/bad_input: what the sentence has to name.
STATEMENTS = {
    "another_formula_each_time": ["the quantity", "each time it is read", "a function of its arguments"],
    "branch_on_a_value": ["line 8", "ops"],
    "data_not_a_pair": ["line 11", "list", "pair (x, y)"],
    "data_of_wrong_shape": ["targets", "(1, 3)", "(n,) with n=2"],
    "empty_range": ["line 5", "uniform(2, 1)"],
    "float_exponent": ["line 8", "0.3", "Fraction"],
    "float_literal": ["line 11", "0.1", "Fraction(1, 10)"],
    "initial_value_of_unknown_parameter": ["line 11", "'v'", "w"],
    "leaves": ["line 5", "ends the process"],
    "loss_by_name": ["line 11", "str", "tl.loss.square"],
    "missing_import": ["line 3", "theorylab_has_no_such_friend"],
    "model_returns_a_list": ["'linear'", "list", "array"],
    "model_without_flow": ["line 11", "Model", "flow"],
    "no_claim": ["no claim", "tl.Invariant"],
    "non_finite_data": ["line 11", "nan", "finite"],
    "not_array_api": ["line 10", "ops"],
    "one_name_twice": ["first", "second", "one_name_twice/law"],
    "quantity_is_a_list": ["list", "array"],
    "quantity_is_text": ["str", "array"],
    "quantity_not_a_function": ["line 11", "int", "function"],
    "quantity_of_three_arguments": ["line 11", "3 arguments", "(p, c)"],
    "raises": ["line 5", "ZeroDivisionError"],
    "rate_of_unknown_parameter": ["line 11", "'g'", "w"],
    "shape_of_symbols": ["line 6", "'k-1'"],
    "standard_library": ["line 10", "ops"],
    "undeclared_model": ["line 10", "function", "tl.model"],
    "unknown_assumption": ["line 12", "balanced start"],
    "unknown_option": ["line 11", "'expected'", "expect"],
    "unknown_parameter": ["line 8", "'W3'", "W1"],
    "unknown_parameter_in_quantity": ["line 11", "'v'", "w"],
    "wrong_shapes": ["line 12", "shapes", "do not match"],
    "wrong_shapes_in_model": ["two_layer", "equal inner sizes"],
}

TRUE_LAW = """
import theorylab as tl


@tl.model(u="", v="d")
def product(p, x):
    return p.u * (p.v @ x)


flow = tl.GradientFlow(product)
law = tl.Invariant(flow, lambda p: p.u**2 - (p.v**2).sum())
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one good file and several bad ones."""
    from theorylab.store import Run, save
    from theorylab.verdict import Verdict

    monkeypatch.chdir(tmp_path)
    Path("true.py").write_text(TRUE_LAW)
    Path("other").mkdir()
    Path("other/true.py").write_text(TRUE_LAW)
    Path("folder.py").mkdir()
    Path("notes.txt").write_text("law = 1\n")
    Path("syntax.py").write_text("import theorylab as tl\nlaw = (\n")
    Path("zero.py").write_bytes(b"law = 1\0\n")
    Path("strange").mkdir()
    Path("strange/run.json").write_text('{"format": "another"}')
    save(Run((Verdict("true/law", "supported", None, "d=3"),)), "run")
    return tmp_path


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command line."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, captured.out, captured.err


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below `folder` with its contents."""

    def walk() -> Iterator[Path]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            yield from (Path(parent, name) for name in [*folders, *files])

    return {str(path): path.read_bytes() if path.is_file() else None for path in walk()}


def assert_one_sentence(text: str, fragments: list[str]) -> None:
    for fragment in fragments:
        assert fragment in text
    if not text.startswith("Usage: theorylab"):
        assert re.fullmatch(r"theorylab: [^\n]{10,600}\n", text)
    assert "Traceback" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_command(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(here)
    code, out, err = run(command.split(), capsys)
    assert code == 2
    assert out == ""
    assert_one_sentence(err, COMMANDS[command])
    assert tree(here) == before


@pytest.mark.parametrize("name", STATEMENTS)
def test_bad_statement(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FILES / f"{name}.py", here)
    before = tree(here)
    code, out, err = run(["verify", f"{name}.py"], capsys)
    assert code == 2
    assert out == ""
    assert_one_sentence(err, [f"{name}.py" if "line" in STATEMENTS[name][0] else name, *STATEMENTS[name]])
    assert tree(here) == before


def test_every_bad_statement_is_tested() -> None:
    assert {path.stem for path in FILES.glob("*.py")} == set(STATEMENTS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing.py"],
        ["raises.py"],
        ["float_literal.py"],
        ["nothing.py", "--trials", "0"],
        ["nothing.py", "--dims", "d"],
        ["nothing.py", "--frobnicate"],
        [],
    ],
)
def test_json_stays_one_document(arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("raises", "float_literal"):
        shutil.copy(FILES / f"{name}.py", here)
    code, out, err = run(["verify", "--json", *arguments], capsys)
    document = json.loads(out)
    assert code == 2
    assert set(document) == {"verdicts", "errors", "report"}
    assert document["verdicts"] == []
    assert [error["message"] for error in document["errors"]] == [err.removeprefix("theorylab: ").rstrip("\n")]


def test_an_error_of_theorylab_is_a_document_too(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FILES / "raises.py", here)
    monkeypatch.setattr("theorylab.cli.names_of", lambda *_: 1 / 0)
    code, out, err = run(["verify", "--json", "raises.py"], capsys)
    assert code == 70
    assert "Traceback" in err
    assert json.loads(out)["errors"] == [{"id": None, "message": "an error of theorylab itself: division by zero"}]


def test_a_folder_that_cannot_hold_certificates(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "out").mkdir()
    (here / "out" / "certificates").write_text("a file")
    code, _, err = run(["verify", "du-2018/balancedness-linear", "--trials", "4", "--out", "out"], capsys)
    assert code == 2
    assert_one_sentence(err, ["cannot write", "certificates", "Not a directory"])


def test_debug_shows_the_traceback(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FILES / "raises.py", here)
    code, _, err = run(["verify", "raises.py", "--debug"], capsys)
    assert code == 2
    assert "Traceback" in err
    assert "ratio = 1 / (tl.Fraction(1, 2) - tl.Fraction(2, 4))" in err
    assert err.splitlines()[-1].startswith("theorylab: raises.py, line 5")
