"""The command line: `theorylab list | verify | discover | falsify | report | new | doctor`.

Exit codes: 0 every verdict is the expected one; 1 a claim was refuted, or a control was not; 2 bad input or usage;
3 inconclusive. With several targets 2 beats 1 beats 3 beats 0. An error of theorylab itself exits with 70 and
shows its traceback, an interrupted run with 130.

Heavy packages are imported inside the commands: `theorylab --help` and `theorylab list` need none of them.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from theorylab._version import __version__
from theorylab.arguments import (
    All,
    Coq,
    Debug,
    Device,
    Dims,
    Json,
    Mutate,
    Out,
    Seed,
    Targets,
    Trials,
    command_of,
    folder_name,
    integer,
    names_of,
    options_of,
    report_path,
)
from theorylab.errors import InputError

if TYPE_CHECKING:
    from theorylab.batch import Monitor, Outcome
    from theorylab.claims import Claim
    from theorylab.verdict import Verdict

# Typer exports this base class of its usage errors under no name of its own.
UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

BAD_INPUT, INTERNAL_ERROR, INTERRUPTED = 2, 70, 130

app = typer.Typer(
    name="theorylab",
    help="A laboratory for conjectures about training dynamics.",
    epilog="Exit codes: 0 as expected, 1 a claim was refuted or a control was not, 2 bad input, 3 inconclusive.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        print(f"theorylab {__version__}")
        raise typer.Exit


@app.callback()
def theorylab(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Debug = False,
) -> None:
    pass


@app.command("list")
def list_(
    paper: Annotated[str | None, typer.Argument(help="Only this paper.", show_default=False)] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The catalogue: id, paper, kind of claim, expected verdict."""
    from theorylab import catalog
    from theorylab.progress import table

    entries = catalog.index()
    if paper is not None:
        entries = [entry for entry in entries if entry["paper"] == paper]
        if not entries:
            known = ", ".join(catalog.papers())
            raise InputError(f"PAPER is {paper!r}, expected one of {known}")
    if as_json:
        _print_json({"claims": entries})
        return
    rows = [(entry["id"], entry["paper"], entry["kind"], entry["expected"] or "-") for entry in entries]
    print(table(("id", "paper", "kind", "expected"), rows))


@app.command()
def verify(
    targets: Targets = None,
    everything: All = False,
    dims: Dims = None,
    seed: Seed = "0",
    trials: Trials = "256",
    device: Device = None,
    out: Out = None,
    coq: Coq = False,
    mutate: Mutate = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Derive, simulate, attack and judge claims; write certificates and a report."""
    chosen = {name: True for name, given in (("coq", coq), ("mutate", mutate)) if given}
    options = {**options_of(dims, seed, trials, device), **chosen}

    def judge(claim: Claim, folder: Path, monitor: Monitor) -> Verdict:
        from theorylab.verify import verify

        return verify(claim, **options, out=folder, progress=monitor.stage)

    _run("verify", judge, targets, everything, options, out, as_json, debug)


@app.command()
def falsify(
    targets: Targets = None,
    everything: All = False,
    dims: Dims = None,
    seed: Seed = "0",
    trials: Trials = "256",
    device: Device = None,
    out: Out = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Only hunt for counterexamples."""
    options = options_of(dims, seed, trials, device)

    def judge(claim: Claim, folder: Path, monitor: Monitor) -> Verdict:
        from theorylab.falsify import falsify

        return falsify(claim, **options)

    _run("falsify", judge, targets, everything, options, out, as_json, debug)


@app.command()
def discover(
    targets: Targets = None,
    table: Annotated[bool, typer.Option("--table", help="The table of models with known laws.")] = False,
    dims: Dims = None,
    degree: Annotated[str, typer.Option(metavar="N", help="Degree of the polynomial laws, 1 to 8.")] = "2",
    all_sizes: Annotated[bool, typer.Option("--all-sizes", help="Prove the laws for symbolic sizes too.")] = False,
    seed: Seed = "0",
    trials: Trials = "16",
    device: Device = None,
    out: Out = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """All conservation laws, and whether the list is complete."""
    options = options_of(dims, seed, trials, device)
    power = integer("--degree", degree, 1, 8)
    runs = {"trials": options["trials"], "device": options["device"]} if all_sizes else None
    if table == bool(targets):
        raise InputError("discover needs a TARGET or --table, and not both; expected FILE.py, FILE.py:NAME or an id")
    if table and dims is not None:
        raise InputError("--table has sizes of its own, expected no --dims")
    folder = out if out is not None else Path("runs", "laws" if table else folder_name(list(targets or ())))
    with _standard_output(as_json):
        from theorylab import survey as laws
        from theorylab.batch import check_folder
        from theorylab.report.laws import write

        check_folder(folder)
        if table:
            from theorylab.catalog.conservation_laws import rows

            found = laws.table(rows, options["seed"], folder, _told, runs)
        else:
            flows = laws.flows_of(targets or ())
            found = laws.survey(flows, options["dims"], power, options["seed"], folder, _told, runs)
        lines, interrupted = laws.collected(found)
        paths = write(lines, folder)
    if as_json:
        verdicts = [verdict for line in lines for verdict in laws.to_json(line)]
        _print_json({"verdicts": verdicts, "errors": [], "report": str(paths[0])})
    else:
        print(*(laws.shown(line) for line in lines), f"report: {paths[0]}", sep="\n")
    raise typer.Exit(INTERRUPTED if interrupted else laws.exit_code(lines))


def _told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@app.command()
def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or their run.json.")],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="SUFFIX", help="The format: html by default.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="report.SUFFIX in the first RUN by default.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Render stored runs; the suffix of the file chooses the format."""
    path = report_path(runs, format_, out)
    from theorylab import store
    from theorylab.batch import check_folder
    from theorylab.report import report

    loaded = [store.load(run) for run in runs]
    verdicts: dict[str, Verdict] = {}
    for name, run in zip(runs, loaded, strict=True):
        for verdict in run.verdicts:
            if verdict.id in verdicts:
                raise InputError(f"RUN {name!r} has a verdict on {verdict.id!r}, which an earlier RUN has too")
            verdicts[verdict.id] = verdict
    check_folder(path.parent)
    print(report(verdicts.values(), path, run=loaded[0] if len(loaded) == 1 else None))


@app.command()
def new(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file that ends in .py.")],
    debug: Debug = False,
) -> None:
    """A commented conjecture to start from."""
    from theorylab.new import write

    path = write(file)
    print(f"wrote {path}; try: theorylab verify {shlex.quote(str(path))}")


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """What is installed, what is skipped and why."""
    from theorylab.doctor import examine
    from theorylab.progress import table

    findings = examine()
    if as_json:
        _print_json({"version": __version__, "parts": [finding.to_json() for finding in findings]})
        return
    print(f"theorylab {__version__}")
    rows = [(finding.part, finding.status, finding.found, finding.purpose) for finding in findings]
    print(table(("part", "status", "found", "used for"), rows))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `arguments` (by default those of the process) and exit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    said = ""
    try:
        code = app(args=arguments, prog_name="theorylab", standalone_mode=False)
    except InputError as error:
        said = str(error)
        code = _complain(said, debug)
    except UsageError as error:
        said = f"{error.format_message().rstrip('.')}; see theorylab --help"
        code = _usage_error(error.format_message(), debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        said = f"interrupted{_within(error)}"
        print(f"theorylab: {said}", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of standard output has gone; nothing is left to say to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        said = f"an error of theorylab itself: {error}"
        traceback.print_exc()
        print("theorylab: an error of theorylab itself, shown above in full", file=sys.stderr)
        code = INTERNAL_ERROR
    if said and "--json" in arguments:
        _print_json({"verdicts": [], "errors": [{"id": None, "message": " ".join(said.split())}], "report": None})
    raise SystemExit(code or 0)


def _usage_error(message: str, debug: bool) -> int:
    """A usage error as one sentence; without any argument typer's message is the whole help text."""
    if "\n\n" in message:
        print(message, file=sys.stderr)
        return BAD_INPUT
    return _complain(f"{message.rstrip('.')}; see theorylab --help", debug)


def _within(error: BaseException) -> str:
    """Where in a user's file an interruption came, for instance in a loop without an end."""
    targets = sys.modules.get("theorylab.targets")
    place = None if targets is None else targets.blame(error)
    return "" if place is None else f" in {place}"


def _complain(message: str, debug: bool) -> int:
    """One sentence on standard error."""
    if debug:
        traceback.print_exc()
    print("theorylab: " + " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT


def _run(
    verb: str,
    judge: Callable[[Claim, Path, Monitor], Verdict],
    targets: list[str] | None,
    everything: bool,
    options: dict[str, Any],
    out: Path | None,
    as_json: bool,
    debug: bool,
) -> None:
    names = names_of(targets, everything)
    folder = out if out is not None else Path("runs", folder_name(["all"] if everything else names))
    with _standard_output(as_json):
        try:
            outcome = _judge_all(verb, judge, names, everything, options, folder)
        except KeyboardInterrupt as error:  # typer would leave without a word
            raise typer.Abort from error
    if as_json:
        _print_json(
            {
                "verdicts": [verdict.to_json() for verdict in outcome.verdicts],
                "errors": [{"id": failure.id, "message": failure.message} for failure in outcome.failures],
                "report": None if outcome.report is None else str(outcome.report),
            }
        )
    else:
        _print_outcome(outcome)
    if debug:
        for failure in outcome.failures:
            sys.stderr.write(failure.traceback)
    raise typer.Exit(outcome.exit_code)


def _judge_all(
    verb: str,
    judge: Callable[[Claim, Path, Monitor], Verdict],
    names: list[str],
    everything: bool,
    options: dict[str, Any],
    folder: Path,
) -> Outcome:
    from theorylab.batch import check_device, check_folder, run_batch

    check_folder(folder)
    check_device(options["device"])
    from theorylab.progress import monitor
    from theorylab.targets import resolve_all

    if not names:
        raise InputError("the catalogue is empty, expected a paper in it")
    claims = resolve_all(names)
    with monitor(len(claims)) as current:
        return run_batch(
            claims,
            lambda claim: judge(claim, folder, current),
            folder=folder,
            command=command_of(verb, ["--all"] if everything else names, options),
            seed=options["seed"],
            settings={key: value for key, value in options.items() if key != "seed" and value is not None},
            monitor=current,
        )


def _print_outcome(outcome: Outcome) -> None:
    from theorylab.progress import mutant_table, verdict_table

    if outcome.verdicts:
        print(verdict_table(outcome.verdicts, colour=sys.stdout.isatty()))
    if any(verdict.mutants for verdict in outcome.verdicts):
        print("", mutant_table(outcome.verdicts, colour=sys.stdout.isatty()), "", sep="\n")
    if outcome.report is not None:
        print(f"report: {outcome.report}")


@contextmanager
def _standard_output(as_json: bool) -> Iterator[None]:
    """With --json, what user files and libraries print goes to standard error."""
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        yield


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, allow_nan=False))
