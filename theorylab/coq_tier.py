"""The tier "coq": the certificate of a proved verdict as a script that Coq compiled in this run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from functools import cache
from pathlib import Path

from theorylab.certificate import coq, coqc
from theorylab.certificate.terms import Uncovered
from theorylab.errors import InputError, InternalError
from theorylab.scratch import scratch_folder
from theorylab.verdict import Evidence, Verdict

CLASSICAL = frozenset(
    ("constructive_indefinite_description", "functional_extensionality_dep", "propositional_extensionality")
)


def require_coq() -> None:
    """Raises InputError where nothing can be compiled."""
    if coqc.missing():
        raise InputError(f"tier coq was asked for, but {coqc.missing()}; expected Coq with mathcomp-analysis")


def compiled(verdict: Verdict) -> Verdict:
    """The verdict with tier "coq" if its certificate has a script and that compiles now; else with the reason.

    The script lies beside the certificate. Only axioms of mathcomp-analysis may be among what it assumes.
    """
    if verdict.status != "proved" or verdict.certificate is None:
        return verdict
    certificate = Path(verdict.certificate)
    try:
        text = coq.script(json.loads(certificate.read_bytes()))
    except Uncovered as reason:
        return _with(verdict, Evidence("coq", f"The certificate has no Coq script: {reason}.", "open"))
    script = certificate.with_name(re.sub(r"\W", "_", certificate.stem, flags=re.ASCII) + ".v")
    script.write_text(text, encoding="ascii")
    folder = calculus()
    work = folder / f"claim_{hashlib.sha256(verdict.id.encode()).hexdigest()[:16]}.v"
    shutil.copy(script, work)
    answer = coqc.compile_file(work)
    axioms = sorted({axiom for printed in answer.assumptions for axiom in printed})
    reason = answer.reason
    if not reason and not answer.assumptions:
        reason = "it contains no theorem"
    if not reason and not CLASSICAL.issuperset(axioms):
        reason = f"it assumes {', '.join(sorted(set(axioms) - CLASSICAL))}"
    if reason:
        return _with(verdict, Evidence("coq", f"Coq did not accept the script: {reason}.", "open"))
    numbers = {
        "compiler": coqc.version(),
        "assumptions": ", ".join(axioms) or coqc.CLOSED,
        "script": hashlib.sha256(text.encode("ascii")).hexdigest(),
        "library": hashlib.sha256((coqc.library() / "Calculus.v").read_bytes()).hexdigest(),
    }
    about = "about every solution of the flow on every interval of time" if "_derivative" in text else "for all values"
    summary = f"Coq compiled the certificate as a theorem {about}."
    if verdict.kind == "limit":
        summary += " It holds the identities behind the limit; the step from them to the minimiser is not part of it."
    if others := [
        line for line in text.splitlines() if line.startswith("Hypothesis ") and "Hypothesis flow_" not in line
    ]:
        numbers["hypotheses"] = "; ".join(line.removeprefix("Hypothesis ").rstrip(".") for line in others)
    again = f"make coq && coqc -w none -Q build/coq theorylab {'/'.join(script.parts[-3:])}"
    return _with(verdict.replace(tier="coq"), Evidence("coq", summary, "for", numbers, reproduce=again))


def _with(verdict: Verdict, evidence: Evidence) -> Verdict:
    """The evidence comes right after the checker's."""
    items = list(verdict.evidence)
    after = next((n + 1 for n, item in enumerate(items) if item.kind == "kernel"), len(items))
    return verdict.replace(evidence=(*items[:after], evidence, *items[after:]))


@cache
def calculus() -> Path:
    """A folder with the compiled calculus, for as long as this process lives."""
    folder = scratch_folder()
    for path in coqc.copy_library(folder, ("Calculus",)):
        answer = coqc.compile_file(path)
        if answer.reason:
            raise InternalError(f"the Coq library does not compile: {answer.reason}")
    return folder
