"""A commented conjecture to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from theorylab.errors import InputError


def template() -> str:
    """The Python source of a file that states one conjecture, ready to be verified as it is."""
    return resources.files("theorylab").joinpath("templates", "conjecture.py").read_text(encoding="utf-8")


def write(file: str) -> Path:
    """Write the template to `file`; raises InputError where it exists or is no place for a Python file."""
    path = Path(file)
    if path.suffix != ".py" or not path.stem or path.stem.startswith("."):
        raise InputError(f"FILE is {file!r}, expected a name that ends in .py")
    if not path.parent.is_dir():
        raise InputError(f"FILE is {file!r}, but there is no folder {str(path.parent)!r}, expected an existing folder")
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(template())
    except FileExistsError:
        raise InputError(f"the file {file!r} exists already, expected the name of a new file") from None
    except OSError as error:
        raise InputError(f"cannot write {file!r}: {error.strerror}") from None
    return path
