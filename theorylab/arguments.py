"""What the command line accepts: arguments, options and their limits, checked without a heavy import."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from theorylab.errors import InputError

Targets = Annotated[
    list[str] | None,
    typer.Argument(metavar="TARGET...", help="A catalogue id, a paper, FILE.py or FILE.py:NAME.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="The whole catalogue.")]
Dims = Annotated[str | None, typer.Option(metavar="d=3,k=4", help="Sizes; others are chosen.", show_default=False)]
Seed = Annotated[str, typer.Option(metavar="N", help="Seed of every random draw.")]
Trials = Annotated[str, typer.Option(metavar="N", help="Trajectories or cases of an experiment.")]
Device = Annotated[str | None, typer.Option(metavar="cpu|cuda", help="Where ensembles run.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the record; runs/TARGET by default.", show_default=False),
]
Coq = Annotated[bool, typer.Option("--coq", help="Compile proofs in Coq too: tier coq where it accepts them.")]
Mutate = Annotated[
    bool, typer.Option("--mutate", help="Judge the claims with one sign, constant, exponent or hypothesis changed too.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def options_of(dims: str | None, seed: str, trials: str, device: str | None) -> dict[str, Any]:
    """The options of an experiment, checked as far as that needs no heavy import."""
    if device is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError(f"--device is {device!r}, expected cpu, cuda or cuda:N")
    return {
        "dims": None if dims is None else parse_dims(dims),
        "trials": integer("--trials", trials, 1, 2**24),
        "seed": integer("--seed", seed, 0, 2**63 - 1),
        "device": device,
    }


def integer(option: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII) or not low <= int(text) <= high:
        raise InputError(f"{option} is {text!r}, expected an integer from {low} to {high}")
    return int(text)


def parse_dims(text: str) -> dict[str, int]:
    """`d=3,k=4` as a dictionary; raises InputError on anything but distinct names with positive integers."""
    dims: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=\s*(\d{1,9})\s*", part, re.ASCII)
        if match is None or int(match[2]) < 1:
            raise InputError(f"--dims has {part!r}, expected sizes as in d=3,k=4, each a positive integer")
        if match[1] in dims:
            raise InputError(f"--dims {text!r} names the size {match[1]!r} twice, expected each size once")
        dims[match[1]] = int(match[2])
    return dims


def names_of(targets: list[str] | None, everything: bool) -> list[str]:
    if everything and targets:
        raise InputError(f"both --all and the target {targets[0]!r} were given, expected one or the other")
    if everything:
        from theorylab.catalog import papers

        return papers()
    if not targets:
        raise InputError("no target was given, expected a catalogue id, a paper, FILE.py, FILE.py:NAME or --all")
    return targets


def folder_name(names: list[str]) -> str:
    words = (re.sub(r".*[/\\]|\.py(?=:|$)", "", name) if ".py" in name else name for name in names)
    return re.sub(r"[^A-Za-z0-9.]+", "-", " ".join(words))[:80].strip(".-") or "run"


def command_of(verb: str, targets: list[str], options: dict[str, Any]) -> str:
    """The command that repeats a run; where its record lies makes no difference."""
    words = ["theorylab", verb, *targets]
    if options["dims"]:
        words += ["--dims", ",".join(f"{name}={size}" for name, size in options["dims"].items())]
    words += ["--trials", str(options["trials"]), "--seed", str(options["seed"])]
    words += [f"--{name}" for name in ("coq", "mutate") if options.get(name)]
    if options["device"]:
        words += ["--device", options["device"]]
    return shlex.join(words)


def report_path(runs: list[str], format_: str | None, out: Path | None) -> Path:
    if out is None:
        first = Path(runs[0])
        return (first if first.is_dir() else first.parent) / f"report.{format_ or 'html'}"
    if format_ is not None and out.suffix != f".{format_}":
        raise InputError(f"--out is {str(out)!r}, expected a file that ends in .{format_}, the given --format")
    if out.is_dir():
        raise InputError(f"--out is the folder {str(out)!r}, expected a file")
    return out
