"""The table of models with known laws, as the command line writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from theorylab.catalog.conservation_laws import rows
from theorylab.catalog.rows import Row
from theorylab.cli import main
from theorylab.report.laws import html, markdown
from theorylab.survey import collected, exit_code, table


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    with pytest.raises(SystemExit) as ended:
        main(["discover", *arguments, "--json"])
    return int(str(ended.value.code)), json.loads(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("row", rows, ids=lambda row: row.name)
def test_row(row: Row, tmp_path: Path) -> None:
    (line,) = table([row], 0, tmp_path, lambda text: None)
    assert line.as_expected, [(laws.count, laws.gap, laws.certified) for laws in line.found]


@pytest.mark.parametrize(
    "name", ["two-layer linear", "product of scalars", "exponential with bias", "weight norm g v/|v|"]
)
def test_quick_row(name: str, tmp_path: Path) -> None:
    (row,) = [row for row in rows if row.name == name]
    (line,) = table([row], 0, tmp_path, lambda text: None)
    assert line.as_expected
    assert exit_code([line]) == 0
    for text in (html([line]), markdown([line])):
        assert "certified, complete" in text
        assert all(f"{size}={value}" in text for dims in row.sizes for size, value in dims.items())


def test_a_gap_and_a_wrong_count_are_shown(tmp_path: Path) -> None:
    (row,) = [row for row in rows if row.name == "nonnegative factorisation, one input and one output"]
    (line,) = table([row], 0, tmp_path, lambda text: None)
    assert line.as_expected
    assert "gap 2" in markdown([line])
    (wrong,) = table([Row("wrong", row.flow, row.sizes, lambda **_: 4, gap=2)], 0, tmp_path, lambda text: None)
    assert not wrong.as_expected
    assert exit_code([wrong]) == 1
    assert "3, expected 4" in markdown([wrong])
    assert "3, expected 4" in html([wrong])


def test_an_interrupted_table_shows_what_was_counted(tmp_path: Path) -> None:
    def interrupt(text: str) -> None:
        if text == rows[1].name:
            raise KeyboardInterrupt

    lines, interrupted = collected(table(rows, 0, tmp_path, interrupt))
    assert interrupted
    assert [line.name for line in lines] == [rows[0].name]
    assert lines[0].as_expected


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "examples" / "balancedness.py"
    code, answer = run(capsys, f"{example}:flow", "--dims", "d=2,k=2,m=2", "--out", str(tmp_path))
    assert code == 0
    (verdict,) = answer["verdicts"]
    assert (verdict["status"], verdict["count"], verdict["complete"], verdict["tier"]) == ("proved", 3, True, "kernel")
    assert verdict["certificate"] == str(tmp_path / "certificates" / f"{verdict['id']}.json")
    assert Path(verdict["certificate"]).exists()
    assert (tmp_path / "laws.md").exists()


def test_command_for_all_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "examples" / "balancedness.py"
    options = ("--dims", "d=2,k=2,m=2", "--all-sizes", "--trials", "4", "--device", "cpu", "--out", str(tmp_path))
    code, answer = run(capsys, f"{example}:flow", *options)
    assert code == 0
    (proved,) = answer["verdicts"][0]["all_sizes"]
    assert proved == {"title": "W1 W1' - W2' W2", "status": "proved", "scope": "all sizes"}
    assert "all sizes" in (tmp_path / "laws.md").read_text()


def test_a_gap_is_not_a_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "narrow.py"
    file.write_text(
        "import theorylab as tl\n"
        "@tl.model(A='a d', B='b a', C='m b')\n"
        "def net(p, x):\n    return p.C @ p.B @ p.A @ x\n"
        "flow = tl.GradientFlow(net)\n"
    )
    code, answer = run(capsys, str(file), "--dims", "d=1,a=2,b=2,m=1", "--out", str(tmp_path / "out"))
    assert code == 3
    assert (answer["verdicts"][0]["status"], answer["verdicts"][0]["gap"]) == ("inconclusive", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["discover"], "needs a TARGET or --table"),
        (["discover", "examples/balancedness.py", "--degree", "0"], "--degree"),
        (["discover", "--table", "--dims", "d=2"], "sizes of its own"),
        (["discover", "examples/balancedness.py", "--dims", "q=2"], "unknown size 'q'"),
    ],
)
def test_bad_input(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert message in captured.err.splitlines()[-1]
