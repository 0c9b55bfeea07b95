"""The example files are verified as a user would, and every verdict is the one they announce."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from theorylab.cli import main

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(path), "--trials", "64", "--out", str(tmp_path), "--json"])
    verdicts = json.loads(capsys.readouterr().out)["verdicts"]
    assert ended.value.code == 0
    assert len(verdicts) == 2
    assert all(verdict["expected"] is not None for verdict in verdicts)
    assert [verdict["status"] for verdict in verdicts] == [verdict["expected"] for verdict in verdicts]
    for verdict in verdicts:
        written = (tmp_path / "certificates" / f"{verdict['id']}.json").exists()
        assert written == (verdict["certificate"] is not None)
        assert written or verdict["status"] != "proved"


def test_there_is_a_true_law_a_false_one_and_an_implicit_bias() -> None:
    assert len(EXAMPLES) >= 3
