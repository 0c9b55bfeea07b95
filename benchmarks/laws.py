"""Discovery of conservation laws beside a plain sympy ansatz, in one run on one machine.

    python benchmarks/laws.py [--out FILE.md]

Times are the least of several runs in a warm process. The discovery is `tl.discover`; the checker's time is that of
`python -S -m proofs_check`, with its start. The peer solves the same equations, laws of degree 2 orthogonal to the same
fields, with sympy's expand and a dense exact nullspace, and gives no bound.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from itertools import combinations_with_replacement
from math import log
from pathlib import Path

import sympy

import theorylab as tl
from theorylab.certificate.kernel import check
from theorylab.discover import Laws

PEER_LIMIT = 120.0


@tl.model(W1="k d", W2="m k")
def two_layers(p, x):
    return p.W2 @ (p.W1 @ x)


@tl.model(W1="a d", W2="b a", W3="m b")
def three_layers(p, x):
    return p.W3 @ (p.W2 @ (p.W1 @ x))


def least(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def peer(n: int) -> int:
    """The number of quadratic laws of the two-layer linear network of width n, by a dense exact ansatz."""
    u = sympy.Matrix(n, n, sympy.symbols(f"u:{n * n}"))
    v = sympy.Matrix(n, n, sympy.symbols(f"v:{n * n}"))
    letters = [*u, *v]
    entries = list(v * u)
    monomials = [*letters, *(a * b for a, b in combinations_with_replacement(letters, 2))]
    unknowns = sympy.symbols(f"c:{len(monomials)}")
    law = sum(c * m for c, m in zip(unknowns, monomials, strict=True))
    slopes = [sympy.diff(law, z) for z in letters]
    rows = []
    for entry in entries:
        rate = sum(s * sympy.diff(entry, z) for s, z in zip(slopes, letters, strict=True))
        for coefficient in sympy.Poly(sympy.expand(rate), *letters).coeffs():
            terms = coefficient.as_coefficients_dict()
            rows.append([terms.get(c, sympy.S.Zero) for c in unknowns])
    field = sympy.polys.matrices.DomainMatrix.from_list_sympy(len(rows), len(unknowns), rows).to_field()
    return len(unknowns) - field.rank()


def measure(flow: tl.Flow, dims: dict[str, int], repeats: int, folder: Path) -> tuple[Laws, float, float]:
    laws = tl.discover(flow, dims=dims, out=folder)
    seconds = least(lambda: tl.discover(flow, dims=dims), repeats)
    assert laws.certificate is not None
    return laws, seconds, least(lambda: check([Path(laws.certificate or "")]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    given = parser.parse_args()
    lines = [
        "# Discovery of conservation laws",
        "",
        f"Machine: {platform.machine()}, python {platform.python_version()}, sympy {sympy.__version__}.",
        "Repeat with `make bench-laws`. Wall seconds in a warm process, the least of several runs; the checker's time",
        "contains its start as a process. The peer is a dense ansatz in sympy that finds the laws and bounds nothing.",
        "",
        "| model | D | laws | complete | seconds | checker | sympy | sympy / theorylab |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    linear, deep = tl.GradientFlow(two_layers), tl.GradientFlow(three_layers)
    cases = [(linear, {"d": n, "k": n, "m": n}) for n in (2, 3, 4, 6, 10, 14)] + [(deep, dict.fromkeys("dabm", 6))]
    tl.discover(linear, dims={"d": 2, "k": 2, "m": 2})
    peer_seconds = 0.0
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for flow, dims in cases:
            repeats = 2 if dims["d"] > 6 else 7
            laws, seconds, checked = measure(flow, dims, repeats, Path(folder))
            dimension = laws.result.system.dimension
            beside = ("", "")
            if flow is linear:
                times[dimension] = seconds
                if 12 * peer_seconds < PEER_LIMIT:
                    start = time.perf_counter()
                    assert peer(dims["d"]) == laws.count
                    peer_seconds = time.perf_counter() - start
                    beside = (f"{peer_seconds:.3g}", f"{peer_seconds / seconds:.0f}")
            sizes = ", ".join(str(v) for v in dims.values())
            row = (f"{flow.name} ({sizes})", dimension, laws.count, "yes" if laws.complete else "no")
            shown = " | ".join([*map(str, row), f"{seconds:.3g}", f"{checked:.3g}", *beside])
            lines.append(f"| {shown} |")
            print(lines[-1], flush=True)
    exponent = log(times[392] / times[72]) / log(392 / 72)
    lines += ["", f"From D = 72 to D = 392 the time of the two-layer network grows like D^{exponent:.1f}."]
    print("\n".join(lines[-2:]))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
