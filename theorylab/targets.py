"""Targets of the command line: catalogue ids, papers and Python files, resolved to claims.

A user's file is Python and runs in this process.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from theorylab import catalog
from theorylab.catalog.collect import claims_in, collect
from theorylab.claims import Claim
from theorylab.errors import InputError, InternalError

_FILE_TARGET = re.compile(r"(?P<file>.*\.py)(?::(?P<name>[^:/\\]*))?", re.DOTALL)


def resolve(target: str) -> list[tuple[str, Claim]]:
    """The claims that `target` names, each with its id, in the order of definition.

    `target` is a catalogue id (`du-2018/balancedness-relu`), a paper (`du-2018`), FILE.py or FILE.py:NAME.
    Raises InputError where there is no such thing, or no claim in it, and where the file itself raises.
    """
    match = _FILE_TARGET.fullmatch(target)
    if match:
        return _resolve_file(match["file"], match["name"])
    if Path(target).is_file():
        raise InputError(f"{target!r} is a file without the suffix .py, expected a Python file that states claims")
    return _resolve_catalogue(target)


def resolve_all(targets: Iterable[str]) -> list[tuple[str, Claim]]:
    """The claims of several targets without repetitions; raises InputError where two files give one id."""
    found: dict[str, Claim] = {}
    for target in targets:
        for claim_id, claim in resolve(target):
            if found.setdefault(claim_id, claim) is not claim:
                raise InputError(
                    f"the target {target!r} has a claim with the id {claim_id!r}, which another target has too, "
                    "expected files with different names"
                )
    return list(found.items())


def named_values(target: str) -> list[tuple[str, Any]]:
    """The public values that a target reaches, each with its name: claims of the catalogue, or all values of a file.

    Raises InputError as `resolve` does, but a file need not state a claim.
    """
    match = _FILE_TARGET.fullmatch(target)
    if match is None:
        return list(resolve(target))
    values = {name: value for name, value in vars(_run(match["file"])).items() if not name.startswith("_")}
    if match["name"] is None:
        return list(values.items())
    if match["name"] not in values:
        raise InputError(
            f"{match['file']} has no public name {match['name']!r}, expected the name of a flow or a claim"
        )
    return [(match["name"], values[match["name"]])]


def blame(error: BaseException) -> str | None:
    """`FILE, line N` of the innermost frame of `error`, or of its cause, that lies in a user's file, or None."""
    place = None if error.__cause__ is None else blame(error.__cause__)
    if isinstance(error, SyntaxError) and error.filename in _shown_paths:
        place = f"{_shown_paths[error.filename]}, line {error.lineno}"
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if filename in _shown_paths:
            place = f"{_shown_paths[filename]}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def as_input_error(error: BaseException, place: str) -> InputError:
    """An error that a user's file caused, as one sentence with its place."""
    if isinstance(error, InputError):
        return InputError(f"{place}: {error}")
    if isinstance(error, SystemExit):
        return InputError(f"{place}: the file ends the process, expected a file that states claims")
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    kind = type(error).__name__
    return InputError(f"{place}: {kind}: {message}" if message else f"{place}: {kind}")


def _resolve_catalogue(target: str) -> list[tuple[str, Claim]]:
    papers = catalog.papers()
    paper = target.partition("/")[0]
    if paper in papers:
        claims = collect(vars(catalog.load(paper)), paper)
        if target == paper:
            return list(claims.items())
        if target in claims:
            return [(target, claims[target])]
        known = list(claims)
    else:
        known = papers + [entry["id"] for entry in catalog.index()]
    close = get_close_matches(target, known, n=1)
    hint = f"; the closest is {close[0]!r}" if close else ""
    raise InputError(
        f"there is no {target!r} in the catalogue, expected an id or a paper that `theorylab list` shows, "
        f"FILE.py or FILE.py:NAME{hint}"
    )


def _resolve_file(file: str, name: str | None) -> list[tuple[str, Claim]]:
    module = _run(file)
    try:
        claims = collect(vars(module), Path(file).stem)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    if name is None:
        if not claims:
            raise InputError(f"{file} states no claim, expected at least one, such as tl.Invariant(...), under a name")
        return list(claims.items())
    stem = Path(file).stem
    if f"{stem}/{name}" in claims:
        return [(f"{stem}/{name}", claims[f"{stem}/{name}"])]
    if name not in vars(module):
        close = get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], n=1)
        hint = f"; the closest is {close[0]!r}" if close else ""
        raise InputError(f"{file} has no name {name!r}, expected the name of a claim{hint}")
    value = vars(module)[name]
    reached = [claim for _, claim in claims_in(value, name)]
    if not reached:
        raise InputError(
            f"{file}:{name} is a value of type {type(value).__name__}, expected a claim such as tl.Invariant(...)"
        )
    public = [(claim_id, claim) for claim_id, claim in claims.items() if any(claim is other for other in reached)]
    return public or list(collect({name.lstrip("_"): value}, stem).items())


_modules: dict[str, ModuleType] = {}
_shown_paths: dict[str, str] = {}


def _run(file: str) -> ModuleType:
    """The module of a user's file, run once a process.

    It is compiled from the source as it is now: a cached `.pyc` could be that of an older file of the same size.
    """
    path = Path(file)
    if path.is_dir():
        raise InputError(f"{file} is a folder, expected a Python file that states claims")
    if not path.is_file():
        raise InputError(f"there is no file {file!r}, expected a Python file that states claims")
    resolved = str(path.resolve())
    if resolved in _modules:
        return _modules[resolved]
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file!r}: {error.strerror}") from None
    _shown_paths[resolved] = file
    name = f"_theorylab_file_{hashlib.sha256(resolved.encode()).hexdigest()[:16]}"
    spec = ModuleSpec(name, None, origin=resolved)
    spec.has_location = True
    module = module_from_spec(spec)
    module.__file__ = resolved
    sys.modules[name] = module
    folder = str(Path(resolved).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        code: Any = compile(source, resolved, "exec", dont_inherit=True)
        exec(code, vars(module))
    except (KeyboardInterrupt, InternalError):
        raise
    except BaseException as error:
        del sys.modules[name]
        raise as_input_error(error, blame(error) or file) from error
    _modules[resolved] = module
    return module
