"""Identity certificates read a second time: at small sizes, as polynomials of python-flint, from the statement alone.

Nothing of the checker is used. Every entry of a letter is a generator, and so is every atom function(argument), up to
what its function allows: step(c u) = step(u) for c > 0, exp(k u) = exp(u)^k, odd and even functions. Step is taken away
from its kink, so step(-u) = 1 - step(u) and step(u)^2 = step(u).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import gcd
from typing import Any

import flint

SIZE = 2
GENERATORS = 160
ODD, EVEN = ("tanh", "sin", "arcsinh", "sign"), ("cos",)
Poly = Any  # flint.fmpq_mpoly
Entries = dict[tuple[int, ...], Poly]


class OutOfScope(Exception):
    """What this second reading does not know: hypotheses and inequalities."""


class Second:
    """One statement, with a number for every size."""

    def __init__(self, statement: Mapping[str, Any]) -> None:
        self.raw = statement
        self.context = flint.fmpq_mpoly_ctx.get([f"g{n}" for n in range(GENERATORS)], "lex")
        self.kinds: list[tuple[str, Poly | None]] = []  # of each generator: function and argument
        self.keys: dict[tuple[str, str], Poly] = {}
        self.sizes: Mapping[str, int] = statement.get("sizes", {})
        self.signs = {n: spec.get("sign", "any") for n, spec in statement["letters"].items()}
        self.positive: set[int] = set()
        self.arrays: dict[str, Entries] = {}
        self.shapes: dict[str, list[str]] = {}
        for name, spec in statement["letters"].items():
            self.shapes[name] = spec["shape"]
            self.arrays[name] = {}
            for index in product(*(range(self.size(s)) for s in spec["shape"])):
                if spec.get("sign") == "positive":
                    self.positive.add(len(self.kinds))
                self.arrays[name][index] = self.new("letter", None)
        for spec in statement.get("define", []):
            self.define(spec)

    def size(self, name: str) -> int:
        return int(name) if name.isdigit() else self.sizes.get(name, SIZE)

    def new(self, kind: str, argument: Poly | None) -> Poly:
        self.kinds.append((kind, argument))
        return self.context.gens()[len(self.kinds) - 1]

    def constant(self, value: Any) -> Poly:
        fraction = Fraction(value)
        return self.context.constant(flint.fmpq(fraction.numerator, fraction.denominator))

    # -- expressions ---------------------------------------------------------------------------------------

    def define(self, spec: Mapping[str, Any]) -> None:
        axes = [(label, size) for label, size in spec["axes"]]
        self.shapes[spec["name"]] = [size for _, size in axes]
        entries = {}
        for index in product(*(range(self.size(s)) for _, s in axes)):
            at = {label: i for (label, _), i in zip(axes, index, strict=True)}
            value = self.value(spec["arg" if "fn" in spec else "expr"], at)
            entries[index] = self.atom(spec["fn"], value) if "fn" in spec else value
        self.arrays[spec["name"]] = entries

    def value(self, terms: Sequence[Any], at: Mapping[str, int]) -> Poly:
        total = self.constant(0)
        for coefficient, factors in terms:
            sizes: dict[str, int] = {}
            for name, labels, _ in factors:
                for label, size in zip(labels, self.shapes.get(name, [""] * len(labels)), strict=True):
                    if size:
                        sizes[label] = self.size(size)
            for name, labels, _ in factors:
                if name == "delta" and (known := [sizes[label] for label in labels if label in sizes]):
                    sizes |= dict.fromkeys(labels, known[0])
            summed = [label for label in sizes if label not in at]
            for choice in product(*(range(sizes[label]) for label in summed)):
                here = {**at, **dict(zip(summed, choice, strict=True))}
                term = self.constant(coefficient)
                for name, labels, e in factors:
                    index = tuple(here[label] for label in labels)
                    if name == "delta":
                        base = self.constant(int(index[0] == index[1]))
                    elif name.startswith("#"):
                        base = self.constant(self.size(name[1:]))
                    else:
                        base = self.arrays[name][index]
                    term = term * (base**e if e >= 0 else self.inverse(base) ** -e)
                total = total + term
        return total

    def inverse(self, p: Poly) -> Poly:
        if p.is_constant():
            return self.constant(1) / p
        for n in self.generators(p):
            if p == self.context.gens()[n] and self.kinds[n][0] == "sqrt":  # 1/y = y/u
                return p * self.inverse(self.kinds[n][1])
        return self.keyed("inv", p)

    def cancelled(self, p: Poly) -> Poly:
        """p with u times 1/u replaced by 1."""
        for n in self.generators(p):
            kind, u = self.kinds[n]
            if kind == "inv":
                inverse, left = self.context.gens()[n], self.constant(0)
                while n in self.generators(p):
                    degree = p.degrees()[n]
                    top = sum((t for t in self.terms(p) if t.degrees()[n] == degree), self.constant(0))
                    whole, rest = divmod(divmod(top, inverse**degree)[0], u)
                    p, left = p - top + whole * inverse ** (degree - 1), left + rest * inverse**degree
                p = p + left
        return p

    def terms(self, p: Poly) -> list[Poly]:
        return [self.context.from_dict({powers: c}) for powers, c in p.terms()]

    def keyed(self, kind: str, p: Poly) -> Poly:
        key = (kind, str(p))
        if key not in self.keys:
            self.keys[key] = self.new(kind, p)
        return self.keys[key]

    def atom(self, kind: str, u: Poly) -> Poly:
        if kind == "inv":
            return self.inverse(u)
        u = self.cancelled(u)
        if u.is_zero():
            return self.constant(1 if kind in ("exp", "cos") else 0)
        content = _content(u)
        if kind in ("step", "sign"):
            u = u / content
            for n in self.positive & set(self.generators(u)):
                g = self.context.gens()[n]
                while (u % g).is_zero():
                    u = divmod(u, g)[0]
        negative = u.leading_coefficient() < 0
        if kind == "step" and negative:
            return self.constant(1) - self.keyed(kind, -u)
        if kind in (*ODD, *EVEN) and negative:
            return self.keyed(kind, -u) * (-1 if kind in ODD else 1)
        if kind == "exp":
            k = Fraction(int(content.p), int(content.q)).numerator
            base = self.keyed(kind, u / self.constant(-k if negative else k))
            return self.inverse(base) ** k if negative else base**k
        return self.keyed(kind, u)

    # -- derivatives ---------------------------------------------------------------------------------------

    def generators(self, p: Poly) -> list[int]:
        return [n for n, degree in enumerate(p.degrees()) if degree > 0]

    def derivative(self, p: Poly, rates: dict[int, Poly]) -> Poly:
        total = self.constant(0)
        for n in self.generators(p):
            total = total + p.derivative(n) * self.rate(n, rates)
        return total

    def rate(self, n: int, rates: dict[int, Poly]) -> Poly:
        if n not in rates:
            kind, u = self.kinds[n]
            if u is None or kind in ("step", "sign"):
                rates[n] = self.constant(0)
            else:
                y = self.context.gens()[n]
                slope = {
                    "inv": lambda: -(y**2),
                    "exp": lambda: y,
                    "log": lambda: self.inverse(u),
                    "sqrt": lambda: y * self.inverse(2 * u),
                    "tanh": lambda: 1 - y**2,
                    "sin": lambda: self.atom("cos", u),
                    "cos": lambda: -self.atom("sin", u),
                    "arcsinh": lambda: self.inverse(self.atom("sqrt", 1 + u**2)),
                }[kind]()
                rates[n] = slope * self.derivative(u, rates)
        return rates[n]

    def place(self, p: Poly) -> int:
        (n,) = self.generators(p)
        return n

    def flow(self, number: int) -> dict[int, Poly]:
        """The rates of all letters along a flow of the statement."""
        spec = self.raw["flows"][number]
        rates: dict[int, Poly] = {}
        decay, friction = (self.value(spec.get(key, []), {}) for key in ("decay", "friction"))
        for name, terms in spec["state"].items():
            speed = self.value(terms, {})
            for index, entry in self.arrays[name].items():
                along: dict[int, Poly] = {self.place(entry): self.constant(1)}
                slope = self.constant(0)
                for f, r in spec.get("outputs", []):
                    for at, output in self.arrays[f].items():
                        slope = slope + self.arrays[r][at] * self.derivative(output, along)
                force = -(speed * slope) - decay * entry
                if name in spec.get("velocity", {}):
                    v = self.arrays[spec["velocity"][name]][index]
                    rates[self.place(v)], force = force - friction * v, v
                rates[self.place(entry)] = force
        for name, value in spec.get("explicit", {}).items():
            for index, entry in self.arrays[name].items():
                rates[self.place(entry)] = self.arrays[value][index]
        return rates

    # -- goals ---------------------------------------------------------------------------------------------

    def residuals(self, goal: Mapping[str, Any]) -> list[Poly]:
        """What has to vanish for a goal to hold, reduced."""
        axes = [(label, self.size(size)) for label, size in goal.get("axes", [])]
        rates = self.flow(goal["flow"]) if "flow" in goal else {}
        found = []
        for index in product(*(range(size) for _, size in axes)):
            at = {label: i for (label, _), i in zip(axes, index, strict=True)}
            value = self.value(goal["expr"], at)
            if goal["kind"] in ("conserved", "evolves"):
                value = self.derivative(value, rates)
            if goal["kind"] == "evolves":
                value = value - self.value(goal["rate"], at)
            found.append(self.reduced(value))
        return found

    def reduced(self, p: Poly) -> Poly:
        """The normal form of p times a product of what its reciprocals divide by."""
        for _ in range(3):
            for n in reversed(range(len(self.kinds))):
                kind, u = self.kinds[n]
                degree = p.degrees()[n]
                if u is None or degree < (1 if kind == "inv" else 2):
                    continue
                y = self.context.gens()[n]
                if kind == "inv":
                    p = sum((c * u ** (degree - j) for j, c in self.by_power(p, n)), self.constant(0))
                elif kind == "sqrt":
                    p = sum((c * u ** (j // 2) * y ** (j % 2) for j, c in self.by_power(p, n)), self.constant(0))
                elif kind == "step":
                    p = sum((c * y ** min(j, 1) for j, c in self.by_power(p, n)), self.constant(0))
                elif kind == "sign":
                    p = sum((c * y ** (j % 2) for j, c in self.by_power(p, n)), self.constant(0))
                elif kind == "sin":
                    cos = self.atom("cos", u)
                    p = sum((c * (1 - cos**2) ** (j // 2) * y ** (j % 2) for j, c in self.by_power(p, n)), 0 * y)
        return p

    def by_power(self, p: Poly, n: int) -> list[tuple[int, Poly]]:
        """The coefficients of p as a polynomial in generator n."""
        parts: dict[int, dict[tuple[int, ...], Any]] = {}
        for exponents, c in p.to_dict().items():
            rest = (*exponents[:n], 0, *exponents[n + 1 :])
            parts.setdefault(int(exponents[n]), {})[rest] = c
        return [(j, self.context.from_dict(part)) for j, part in parts.items()]


def _content(u: Poly) -> Any:
    """The positive rational c such that u / c has coprime integer coefficients."""
    values = list(u.to_dict().values())
    top, bottom = 0, 1
    for c in values:
        top = gcd(top, abs(int(c.p)))
        bottom = bottom * int(c.q) // gcd(bottom, int(c.q))
    return flint.fmpq(top, bottom)


def disagreements(statement: Mapping[str, Any], proof: Mapping[str, Any]) -> list[str]:
    """The goals of an accepted certificate that do not hold here; OutOfScope where this reading cannot tell."""
    kinds = {goal["kind"] for goal in statement["goals"]}
    if statement.get("relations") or proof.get("later"):
        raise OutOfScope("hypotheses")
    if not kinds <= {"zero", "conserved", "evolves"} or any(g.get("sense", "==") != "==" for g in statement["goals"]):
        raise OutOfScope("other kinds of goals")
    reading = Second(statement)
    return [goal["name"] for goal in statement["goals"] if any(not p.is_zero() for p in reading.residuals(goal))]
