"""Folders for files that nobody asked to keep."""

from __future__ import annotations

import shutil
import tempfile
from multiprocessing.util import Finalize
from pathlib import Path


def scratch_folder() -> Path:
    """A new private folder, removed when the process that asked for it ends, workers of a pool included."""
    folder = Path(tempfile.mkdtemp(prefix="theorylab-"))
    # atexit does not run in the workers of multiprocessing, its own finalizers do.
    Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=0)
    return folder
