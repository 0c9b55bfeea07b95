"""The Coq library compiles, and its theorems rest on the listed assumptions and on nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from theorylab.certificate import coqc

README = Path(__file__).parents[2] / "README.md"
CLASSICAL = ("constructive_indefinite_description", "functional_extensionality_dep", "propositional_extensionality")
PRINTED = re.compile(r"^Print Assumptions (\w+)\.$", re.MULTILINE)
STATED = re.compile(r"^(?:Theorem|Corollary) (\w+)", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+\.v)` \| `(\w+)` \|.*\| (classical|none) \|$", re.MULTILINE)


def test_every_theorem_compiles_with_the_assumptions_in_the_readme(tmp_path):
    if coqc.missing():
        pytest.skip(f"the Coq library is not compiled: {coqc.missing()}")
    found = {}
    for path in coqc.copy_library(tmp_path):
        compiled = coqc.compile_file(path)
        assert not compiled.reason, f"{path.name}: {compiled.reason}"
        names = PRINTED.findall(path.read_text())
        assert len(names) == len(compiled.assumptions)
        found |= {(path.name, name): axioms for name, axioms in zip(names, compiled.assumptions, strict=True)}
    rows = ROW.findall(README.read_text())
    kinds = {(file, name): {"classical": CLASSICAL, "none": ()}[kind] for file, name, kind in rows}
    assert found == kinds


def test_every_theorem_prints_its_assumptions_and_nothing_is_admitted():
    for path in coqc.library().glob("*.v"):
        text = path.read_text()
        assert STATED.findall(text) == PRINTED.findall(text), path.name
        assert not re.search(r"\b(Admitted|admit|Axiom|Parameter|Conjecture)\b", text), path.name
        assert text.startswith("(*"), f"{path.name} does not say in words what it proves"


def test_an_axiom_is_seen(tmp_path):
    if coqc.missing():
        pytest.skip(f"nothing is compiled: {coqc.missing()}")
    script = tmp_path / "False.v"
    script.write_text(
        "Axiom magic : False.\nTheorem anything : 1 = 2.\nProof. case magic. Qed.\n"
        "Theorem honest : 1 = 1.\nProof. reflexivity. Qed.\n"
        "Print Assumptions anything.\nPrint Assumptions honest.\n"
    )
    assert coqc.compile_file(script).assumptions == (("magic",), ())
    script.write_text("Theorem wrong : 1 = 2.\nProof. reflexivity. Qed.\n")
    assert "Unable to unify" in coqc.compile_file(script).reason


def test_a_script_that_takes_too_long_is_ended(tmp_path):
    if coqc.missing():
        pytest.skip(f"nothing is compiled: {coqc.missing()}")
    script = tmp_path / "Endless.v"
    script.write_text("Goal 1 = 2.\nProof. repeat (pose 1; idtac). Qed.\n")
    assert "takes more than 1 s" in coqc.compile_file(script, limit=1).reason
