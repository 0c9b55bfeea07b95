"""Indexed polynomials in TeX. An index is named after the size it runs over: sum over d, d', ..."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from theorylab.readings import polynomial as po
from theorylab.readings.array import Size
from theorylab.readings.polynomial import Polynomial

GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Sigma",
    "Phi",
    "Psi",
    "Omega",
]
FUNCTIONS = {
    "log": r"\log",
    "tanh": r"\tanh",
    "sin": r"\sin",
    "cos": r"\cos",
    "arcsinh": r"\operatorname{arcsinh}",
    "sign": r"\operatorname{sign}",
}
MAX_TERMS = 12


def name_tex(name: str) -> tuple[str, list[str]]:
    """A letter's symbol and its own subscripts: "W1" is W with subscript 1, "init.v" is v with superscript (0)."""
    entry = re.fullmatch(r"(.*)\[(.*)\]", name)
    subscripts: list[str] = []
    if entry:
        name, subscripts = entry[1], [str(int(i) + 1) for i in entry[2].split(",")]
    start = name.startswith("init.")
    name = name.removeprefix("init.").removeprefix("integral.").removeprefix("c.")
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d+)", name)
    base, number = (match[1], [match[2]]) if match else (name, [])
    symbol = _word(base)
    if start:
        symbol = f"{symbol}^{{(0)}}"
    return symbol, number + subscripts


def _word(base: str) -> str:
    if base in GREEK:
        return "\\" + base
    if len(base) == 1:
        return base
    return r"\mathrm{" + base.replace("_", r"\_") + "}"


class Names:
    """Names of indices: the size's letter, with primes where several run over one size."""

    def __init__(self, axes: Sequence[tuple[int, Size]]) -> None:
        self.taken: dict[str, int] = {}
        self.free = {i: self.fresh(size) for i, size in axes}

    def fresh(self, size: Size) -> str:
        base = size if isinstance(size, str) and len(size) == 1 else "i"
        base = base.lower()
        count = self.taken.get(base, 0)
        self.taken[base] = count + 1
        return base + "'" * count


def polynomial_tex(p: Polynomial, axes: Sequence[tuple[int, Size]] = ()) -> str:
    """The sum of the terms; more than a dozen are abbreviated."""
    if not p.terms:
        return "0"
    parts = []
    for m, c in sorted(p.terms.items(), key=lambda item: (len(item[0]), repr(item[0])))[:MAX_TERMS]:
        text = _term(m, Fraction(c), Names(axes))
        parts.append(text if text.startswith("-") or not parts else f"+ {text}")
    if len(p.terms) > MAX_TERMS:
        parts.append(rf"+ \cdots \text{{ ({len(p.terms) - MAX_TERMS} more terms)}}")
    return " ".join(parts)


def _term(m: po.Monomial, c: Fraction, names: Names) -> str:
    labels: dict[int, str] = dict(names.free)
    sums = []
    for s, idx, _ in m:
        for i, size in zip(idx, s.sizes, strict=True):
            if i not in labels:
                labels[i] = names.fresh(size)
                sums.append(labels[i])
    over = [f for f in m if f[2] > 0]
    under = [(s, idx, -e) for s, idx, e in m if e < 0]
    top = " ".join(_factor(f, labels) for f in over)
    bottom = " ".join(_factor(f, labels) for f in under)
    value, sign = abs(c), "-" if c < 0 else ""
    if value.denominator != 1:
        number = rf"\tfrac{{{value.numerator}}}{{{value.denominator}}}"
    else:
        number = "" if value == 1 and (top or bottom) else str(value.numerator)
    body = rf"\frac{{{top or 1}}}{{{bottom}}}" if bottom else top
    total = rf"\sum_{{{','.join(sums)}}} " if sums else ""
    return f"{sign}{number} {total}{body}".replace("  ", " ").strip() if (number or sums) else f"{sign}{body}"


def _factor(f: po.Factor, labels: Mapping[int, str]) -> str:
    s, idx, e = f
    indices = [labels[i] for i in idx]
    if s.name == "delta":
        return rf"\delta_{{{' '.join(indices)}}}"
    if s.name.startswith("#"):
        return _power(s.name[1:], e)
    if s.argument is None:
        symbol, own = name_tex(s.name)
        subscript = ",".join([*own, *([" ".join(indices)] if indices else [])])
        return _power(f"{symbol}_{{{subscript}}}" if subscript else symbol, e)
    inner = _atom_argument(s, idx, labels)
    if s.function == "step":
        return rf"\mathbf 1[{inner} > 0]"
    if s.function == "sqrt":
        return _power(rf"\sqrt{{{inner}}}", e) if e != 2 else rf"\left({inner}\right)"
    if s.function == "inv":
        return rf"\left({inner}\right)^{{-{e}}}"
    if s.function == "exp":
        return rf"e^{{{inner}}}" if e == 1 else rf"e^{{{e}\left({inner}\right)}}"
    power = "" if e == 1 else f"^{{{e}}}"
    return rf"{FUNCTIONS[s.function or 'log']}{power}\left({inner}\right)"


def _atom_argument(s: po.Symbol, idx: tuple[int, ...], labels: Mapping[int, str]) -> str:
    assert s.argument is not None
    names = Names(())
    names.free = {n: labels[i] for n, i in enumerate(idx)}
    for label in labels.values():
        base = label.rstrip("'")
        names.taken[base] = max(names.taken.get(base, 0), label.count("'") + 1)
    terms = sorted(s.argument.terms.items(), key=lambda item: repr(item[0]))
    parts = []
    for m, c in terms[:4]:
        text = _term(m, Fraction(c), names)
        parts.append(text if text.startswith("-") or not parts else f"+ {text}")
    if len(terms) > 4:
        parts.append(r"+ \cdots")
    return " ".join(parts)


def _power(text: str, e: int) -> str:
    return text if e == 1 else f"{text}^{{{e}}}" if "^" not in text else f"({text})^{{{e}}}"
