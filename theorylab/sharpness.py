"""How sharp a claim is: every mutant of it judged with a small budget."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from theorylab.claims.base import Claim
from theorylab.errors import InputError
from theorylab.falsify.mutate import Changed, mutants
from theorylab.falsify.search import hunted_verdict
from theorylab.verdict import Fate, Mutant, Status, Verdict

MOST = 64
"""How many mutants of one claim are judged."""

SECONDS = 90.0
"""No mutant is begun after so long: limits and means take seconds each. Dropped hypotheses come first."""

CASES = 256
TRIALS = 64

FATES: dict[Status, Fate] = {"refuted": "dies", "proved": "also true", "supported": "lives", "inconclusive": "lives"}


Judge = Callable[[Claim, Mapping[str, Any]], Verdict]


def attacked(claim: Claim, judge: Judge, options: Mapping[str, Any]) -> tuple[Mutant, ...]:
    """What becomes of each mutant of a claim, of the first `MOST`; no certificate of a mutant is kept."""
    made = sorted(islice(mutants(claim), MOST), key=lambda changed: changed.what != "hypothesis")
    judged: list[Mutant] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="theorylab-") as folder:
        for number, changed in enumerate(made, 1):
            if time.monotonic() - begun > SECONDS:
                judged.append(Mutant(changed.what, changed.to, "not tried", f"{SECONDS:g} s were spent on the others"))
                continue
            options["progress"](f"mutant {number} of {len(made)}: {changed.what} {changed.to}")
            judged.append(_judged(changed, judge, {**options, "out": Path(folder, str(number))}))
    return tuple(judged)


def _judged(changed: Changed, judge: Judge, options: Mapping[str, Any]) -> Mutant:
    """The verdict of a short hunt if that refutes the mutant, else that of all engines."""
    try:
        own = {n: options[n] for n in ("dims", "seed", "device")}
        verdict, _ = hunted_verdict(changed.claim, **own, trials=min(CASES, options["trials"]))
        if verdict.status != "refuted":
            fewer = {"trials": min(TRIALS, options["trials"]), "coq": False, "progress": lambda text: None}
            verdict = judge(changed.claim, {**options, **fewer})
    except InputError as error:
        return Mutant(changed.what, changed.to, "no statement", str(error))
    found = f"{verdict.status}, {verdict.scope}"
    if verdict.counterexample is not None:
        found += f": {verdict.counterexample.violation}"
    elif verdict.status == "inconclusive":
        found += f": {verdict.reason}"
    return Mutant(changed.what, changed.to, FATES[verdict.status], found)
