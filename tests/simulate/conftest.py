"""Fixtures of the tests of ensembles."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The loop in generated C, or in batched torch on the same compiled formulas."""
    if request.param == "torch":
        monkeypatch.setattr(import_module("theorylab.simulate.integrate"), "kernel", lambda *_: None)
    return request.param
