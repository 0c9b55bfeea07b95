"""Batches: one record in one folder, complete at every moment, whatever single claims do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import theorylab as tl
from theorylab import store
from theorylab.batch import Outcome, check_folder, run_batch
from theorylab.errors import InputError, InternalError
from theorylab.progress import PlainMonitor
from theorylab.verdict import Verdict


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


def claims(*names: str) -> list[tuple[str, tl.Invariant]]:
    flow = tl.GradientFlow(linear)
    return [(f"file/{name}", tl.Invariant(flow, lambda p: p.w, name=name)) for name in names]


class Judge:
    """Proves every claim and writes a certificate, except where `raises` has an exception for its name."""

    def __init__(self, folder: Path, **raises: Exception) -> None:
        self.folder, self.raises, self.recorded = folder, raises, []

    def __call__(self, claim: tl.Invariant) -> Verdict:
        record = self.folder / "run.json"
        self.recorded.append([verdict.id for verdict in store.load(record).verdicts] if record.exists() else [])
        if claim.name in self.raises:
            raise self.raises[claim.name]
        path = self.folder / store.certificate_path(claim.id)
        store.write_atomic(path, b"{}")
        return Verdict(claim.id, "proved", "kernel", "all sizes", certificate=str(path))


def run(folder: Path, judge: Judge, *names: str) -> tuple[Outcome, str]:
    stream = io.StringIO()
    monitor = PlainMonitor(len(names), stream)
    outcome = run_batch(
        claims(*names),
        judge,
        folder=folder,
        command="theorylab",
        seed=0,
        settings={"trials": 1},
        monitor=monitor,
        workers=1,
    )
    return outcome, stream.getvalue()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_record_is_complete_after_every_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    judge = Judge(folder)
    outcome, shown = run(folder, judge, "one", "two", "three")
    assert judge.recorded == [[], ["file/one"], ["file/one", "file/two"]]
    assert [line.split(":")[0] for line in shown.splitlines()] == [
        "[1/3] file/one",
        "[2/3] file/two",
        "[3/3] file/three",
    ]
    certificates = {f"certificates/file/{name}.json" for name in ("one", "two", "three")}
    assert files(folder) == {"run.json", "report.html", "report.json", *certificates}
    assert {str(Path(str(v.certificate)).relative_to(folder)) for v in outcome.verdicts} == certificates
    assert outcome.exit_code == 0


def test_bad_input_in_one_claim_leaves_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome, shown = run(folder, Judge(folder, two=InputError("d is 0,\nexpected more")), "one", "two", "three")
    assert [verdict.id for verdict in outcome.verdicts] == ["file/one", "file/three"]
    assert [failure.message for failure in outcome.failures] == ["file/two: d is 0, expected more"]
    assert shown.splitlines()[1] == "theorylab: file/two: d is 0, expected more"
    assert outcome.exit_code == 2


def test_bad_input_alone_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome, _ = run(folder, Judge(folder, one=InputError("no")), "one")
    assert (outcome.verdicts, outcome.report, outcome.exit_code) == ((), None, 2)
    assert not folder.exists()


@pytest.mark.parametrize("error", [InternalError("two readings disagree"), KeyError("of theorylab itself")])
def test_an_internal_error_is_not_swallowed(error: Exception, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(type(error)) as raised:
        run(folder, Judge(folder, two=error), "one", "two", "three")
    assert raised.value is error
    assert [verdict.id for verdict in store.load(folder).verdicts] == ["file/one"]


def test_certificates_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, Judge(folder), "one", "two")
    (folder / "certificates" / "mine.json").write_text("{}")
    run(folder, Judge(folder), "two")
    assert files(folder / "certificates") == {"file/two.json", "mine.json"}


def test_folders_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_folder(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    for bad in ("file", "file/below", "file/deep/below"):
        with pytest.raises(InputError, match="expected a folder to write in"):
            check_folder(tmp_path / bad)


def test_results_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    records = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        monitor = PlainMonitor(len(names), io.StringIO())
        outcome = run_batch(
            claims(*names),
            Judge(folder, two=InputError("no")),
            folder=folder,
            command="theorylab",
            seed=0,
            settings={},
            monitor=monitor,
            workers=workers,
        )
        records.append(([v.id for v in outcome.verdicts], [f.message for f in outcome.failures], files(folder)))
    assert records[0] == records[1]


def test_an_internal_error_comes_back_from_another_process(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="two readings disagree"):
        run_batch(
            claims("one", "two", "three"),
            Judge(tmp_path / "run", two=InternalError("two readings disagree")),
            folder=tmp_path / "run",
            command="theorylab",
            seed=0,
            settings={},
            monitor=PlainMonitor(3, io.StringIO()),
            workers=2,
        )
