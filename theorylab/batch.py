"""Judge several claims, on all processors, and keep the record of it in one folder.

The folder holds `run.json`, `certificates/ID.json`, `report.html` and its twin `report.json`. The record is
saved after every verdict, each file in one step, so an interrupted run leaves a complete record of what was
decided until then; bad input that is found before the first verdict leaves nothing.
"""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from theorylab import store
from theorylab.claims import Claim
from theorylab.errors import InputError, InternalError
from theorylab.report import report
from theorylab.targets import as_input_error, blame
from theorylab.verdict import Verdict
from theorylab.workers import in_order

OK, REFUTED, BAD_INPUT, INCONCLUSIVE = 0, 1, 2, 3

_BY_WEIGHT = (BAD_INPUT, REFUTED, INCONCLUSIVE, OK)

_RECORDED_VERSIONS = (
    "theorylab",
    "numpy",
    "scipy",
    "sympy",
    "torch",
    "hypothesis",
    "python-flint",
    "cvxpy",
    "clarabel",
)


class Monitor(Protocol):
    """What wants to hear how a batch goes."""

    def started(self, claim_id: str) -> None: ...
    def stage(self, text: str) -> None: ...
    def decided(self, verdict: Verdict) -> None: ...
    def failed(self, failure: Failure) -> None: ...


@dataclass(frozen=True)
class Failure:
    """A claim that could not be judged because of bad input; `message` is one sentence, `traceback` for --debug."""

    id: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a batch. `report` is the path of the report, None where there is no verdict to report."""

    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...]
    report: Path | None

    @property
    def exit_code(self) -> int:
        codes = {exit_code(verdict) for verdict in self.verdicts}
        if self.failures:
            codes.add(BAD_INPUT)
        return next(code for code in _BY_WEIGHT if code in codes or code == OK)


def exit_code(verdict: Verdict) -> int:
    """The exit code that one verdict asks for.

    0 if it is the expected one; 1 if a claim was refuted or a control (a claim that is expected to be refuted)
    was not; 3 if less was settled than the claim announces.
    """
    if verdict.as_expected:
        return OK
    if verdict.status == "refuted" or verdict.expected == "refuted":
        return REFUTED
    return INCONCLUSIVE


def run_batch(
    claims: Iterable[tuple[str, Claim]],
    judge: Callable[[Claim], Verdict],
    *,
    folder: Path,
    command: str,
    seed: int,
    settings: Mapping[str, Any],
    monitor: Monitor,
    workers: int | None = None,
) -> Outcome:
    """Judge every claim, save the record in `folder` after each verdict, and write the report at the end.

    Bad input in one claim does not keep the others from being judged. Certificates that an earlier run left in
    `folder` and that this one does not confirm are removed. Raises InternalError as it comes, and InputError
    where `folder` cannot be written. workers: how many processes, all processors if None.
    """
    check_folder(folder)
    earlier = _certificates_of_earlier_run(folder)
    verdicts: list[Verdict] = []
    failures: list[Failure] = []
    times: dict[str, float] = {}
    versions, hardware = installed_versions(), {"machine": platform.machine(), "processors": str(os.cpu_count())}
    listed = list(claims)
    for claim_id, claim in listed:
        claim.named(claim_id)
    for judged in in_order(lambda item: _judged(item[0], item[1], judge), listed, monitor, workers):
        if isinstance(judged, Failure):
            failures.append(judged)
            monitor.failed(judged)
            continue
        verdict, times[verdict.id] = judged
        verdicts.append(verdict)
        store.save(store.Run(tuple(verdicts), seed, command, settings, versions, times, hardware), folder)
        monitor.decided(verdict)
    if not verdicts:
        return Outcome((), tuple(failures), None)
    run = store.load(folder)
    for stale in earlier - _certificates(run):
        stale.unlink(missing_ok=True)
    return Outcome(run.verdicts, tuple(failures), report(run.verdicts, folder / "report.html", run=run))


def _judged(claim_id: str, claim: Claim, judge: Callable[[Claim], Verdict]) -> tuple[Verdict, float] | Failure:
    """A verdict and the seconds it took, or what was wrong with the input. Raises InternalError as it comes."""
    start = time.perf_counter()
    try:
        return judge(claim), time.perf_counter() - start
    except InternalError:
        raise
    except Exception as error:
        place = blame(error)
        if place is None and not isinstance(error, InputError):
            raise
        given = place is not None and place in str(error)
        message = str(error) if given else str(as_input_error(error, place or claim_id))
        return Failure(claim_id, " ".join(message.split()), "".join(traceback.format_exception(error)))


def check_folder(folder: Path) -> None:
    """Raise InputError unless `folder` is, or can become, a folder to write in; creates nothing."""
    place = folder
    while not place.exists() and not place.is_symlink() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"--out is {str(folder)!r}, but {str(place)!r} is no folder, expected a folder to write in")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(
            f"--out is {str(folder)!r}, but {str(place)!r} cannot be written, expected a folder to write in"
        )


def check_device(device: str | None) -> None:
    """Raise InputError where `device` is a GPU that torch does not find."""
    if device is None or device == "cpu":
        return
    import torch

    count = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= count:
        found = f"{count} CUDA device(s)" if count else "no CUDA device"
        raise InputError(f"--device is {device!r}, but torch finds {found}, expected cpu or a device that is there")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a verdict depends on, without importing them."""
    versions = {"python": platform.python_version()}
    for name in _RECORDED_VERSIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _certificates_of_earlier_run(folder: Path) -> set[Path]:
    try:
        return _certificates(store.load(folder))
    except InputError:
        return set()


def _certificates(run: store.Run) -> set[Path]:
    return {Path(verdict.certificate) for verdict in run.verdicts if verdict.certificate is not None}
