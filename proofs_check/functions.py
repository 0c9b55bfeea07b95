"""Functions of expressions: all that the kernel knows of each, as a table, and atoms in normal form.

An atom is a letter that stands for function(argument), entry by entry. Atoms are keyed by the function and the normal
form of the argument, so that equal arguments give the same atom. In the table, for y = f(u):

    assumed   of u, wherever the statement speaks          at_zero, at_one   f(0), f(1)
    sign      of y                                         parity            f(-u) = parity f(u)
    degree    f(c u) = c^degree f(u) for a factor c > 0 (for `inv`: for a factor c that is not 0)
    slope     dy/du in terms of y and u
    powers    pairs k, v with y^k = v; k < 0 says what 1/y is
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, isqrt, lcm

from .algebra import ONE, REACH, WIDTH, Expression, Indices, Letter, Ring, dummies, unpack
from .document import MAX_EXPONENT, Budget, Coefficient, require

Shape = tuple[str, ...]
Build = Callable[["Calculus", Expression, Expression, Letter], Expression]


@dataclass(frozen=True)
class Function:
    slope: Build
    assumed: str = ""
    sign: str = "any"
    parity: int = 0
    degree: Fraction | None = None
    at_zero: int | None = None
    at_one: int | None = None
    powers: tuple[tuple[int, Build], ...] = ()


def _one_minus_square(ring: Calculus, y: Expression) -> Expression:
    return ring.minus(ONE, ring.multiply(y, y))


def _arcsinh_slope(ring: Calculus, y: Expression, u: Expression, of: Letter) -> Expression:
    root = ring.atom("sqrt", ring.add(ONE, ring.multiply(u, u)), of.shape, of.name)
    return ring.reciprocal(root, of.shape, of.name)


FUNCTIONS = {
    # a gate: any fixed value at u = 0; with binary gates that value is 0 or 1, and y^2 = y (see `Calculus.powers_of`)
    "step": Function(lambda r, y, u, of: {}, degree=Fraction(0), at_one=1),
    "sign": Function(lambda r, y, u, of: {}, "is not 0", "nonzero", -1, Fraction(0), at_one=1,
                     powers=((2, lambda r, y, u, of: ONE), (-1, lambda r, y, u, of: y))),
    "sqrt": Function(lambda r, y, u, of: r.scale(raised(y, -1), Fraction(1, 2)), "is positive", "positive",
                     degree=Fraction(1, 2), at_one=1, powers=((2, lambda r, y, u, of: u),)),
    "inv": Function(lambda r, y, u, of: r.scale(raised(y, 2), -1), "is not 0", "nonzero", -1, Fraction(-1), at_one=1,
                    powers=((-1, lambda r, y, u, of: u),)),
    "exp": Function(lambda r, y, u, of: y, "", "positive", at_zero=1),  # exp(u + v) = exp(u) exp(v): see `_exp`
    "log": Function(lambda r, y, u, of: r.reciprocal(u, of.shape, of.name), "is positive", at_one=0),
    "tanh": Function(lambda r, y, u, of: _one_minus_square(r, y), parity=-1, at_zero=0),
    "sin": Function(lambda r, y, u, of: r.atom("cos", u, of.shape, of.name), parity=-1, at_zero=0),
    "cos": Function(lambda r, y, u, of: r.scale(r.atom("sin", u, of.shape, of.name), -1), parity=1, at_zero=1,
                    powers=((2, lambda r, y, u, of: _one_minus_square(r, r.atom("sin", u, of.shape, of.name))),)),
    "arcsinh": Function(_arcsinh_slope, parity=-1, at_zero=0),
    "held": Function(lambda r, y, u, of: ONE),  # u itself, as one letter
}  # fmt: skip
UNKNOWN = Function(lambda r, y, u, of: {})


class Calculus(Ring):
    """A ring with atoms."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.binary_gates = False
        self.atoms: dict[object, int] = {}
        self.domain: dict[str, None] = {}  # what was assumed of arguments, in order of appearance
        self._powers: dict[int, list[tuple[int, Expression]]] = {}

    def atom(self, function: str, argument: Expression, shape: Shape, source: str) -> Expression:
        """function(argument) over places, as a monomial in atoms and in the factors that leave the argument."""
        known, u = FUNCTIONS[function], argument
        if not u:
            defined = known.at_zero is not None
            require(defined, "statement", f"the argument of {function} in {source} is identically 0")
            return self.scale(ONE, known.at_zero or 0)
        never = known.assumed == "is positive" and self.has_sign(self.scale(u, -1), "nonnegative")
        require(not never, "statement", f"the argument of {function} in {source} is never positive")
        if function == "exp":
            return self._exp(u, shape, source)
        outside = ONE
        if known.degree is not None:
            u, outside = self._split(u, known.degree, "nonzero" if function == "inv" else "positive")
        if known.parity and u[min(u)] < 0:
            u, outside = self.scale(u, -1), self.scale(outside, known.parity)
        if u == ONE and known.at_one is not None:
            return self.scale(outside, known.at_one)
        return self.bounded(self.multiply(outside, self._named(function, u, shape, source)))

    def _exp(self, u: Expression, shape: Shape, source: str) -> Expression:
        """exp(sum of c m over the monomials m of u) = product of exp(m/q)^p, for c = p/q (p is kept small)."""
        product = ONE
        for monomial, coefficient in u.items():
            p = coefficient.numerator if abs(coefficient.numerator) <= MAX_EXPONENT else 1
            part = self._named("exp", {monomial: Fraction(coefficient) / p}, shape, source)
            product = self.bounded(self.multiply(product, raised(part, p)))
        return product

    def _named(self, function: str, u: Expression, shape: Shape, source: str) -> Expression:
        """The letter of an argument in normal form, over its places."""
        key = (function, shape, frozenset(u.items()))
        if key not in self.atoms:
            known = FUNCTIONS[function]
            self.atoms[key] = self.new(Letter(f"{function}:{source}", shape, function, known.sign, u))
            shown = self.has_sign(u, "positive") or (known.assumed == "is not 0" and self.has_sign(u, "nonzero"))
            if known.assumed and not shown:
                self.domain[f"the argument of {function} in {source} {known.assumed}"] = None
        return self.over_places(self.atoms[key])

    def _split(self, u: Expression, degree: Fraction, sign: str) -> tuple[Expression, Expression]:
        """The rest of u, and (c m)^degree, for the largest c > 0 and the largest monomial m that may leave it."""
        step = degree.denominator  # only even powers leave a square root
        c = Fraction(gcd(*(a.numerator for a in u.values())), lcm(*(a.denominator for a in u.values())))
        root = Fraction(isqrt(c.numerator), isqrt(c.denominator)) if step == 2 else c
        c = c if root**step == c else Fraction(1)
        common: dict[int, int] = {}
        for n, monomial in enumerate(u):
            own = {s: e for s, e in unpack(monomial) if self._leaves(s, sign)}
            common = {s: min(own.get(s, 0), common.get(s, 0) if n else own.get(s, 0)) for s in own | common}
        powers = [(*self.factors[s], e // step) for s, e in common.items() if e // step]
        m = self.monomial(powers)
        outside = self.monomial((n, idx, e * degree.numerator) for n, idx, e in powers)
        value = Fraction(1) if degree == 0 or c == 1 else root**degree.numerator
        rest = self.scale(u, 1 / c)
        return self.multiply({-step * m: 1}, rest) if m else rest, {outside: value}

    def _leaves(self, slot: int, sign: str) -> bool:
        letter, indices = self.factors[slot]
        return all(i[0] < 0 for i in indices) and (self.positive if sign == "positive" else self.nonzero)(letter)

    # -- what is known of powers ---------------------------------------------------------------------------

    def powers_of(self, letter: int) -> list[tuple[int, Expression]]:
        """Pairs k, v with y^k = v for an atom y, over its places."""
        if letter not in self._powers:
            of = self.letters[letter]
            y, u, found = self.over_places(letter), of.argument or {}, []
            if of.kind == "step" and self.binary_gates:
                found.append((2, y))
            if of.kind == "exp" and (q := u[min(u)].denominator) > 1:
                found.append((q, self._named("exp", self.scale(u, q), of.shape, of.name)))
            found += [(k, value(self, y, u, of)) for k, value in FUNCTIONS.get(of.kind, UNKNOWN).powers]
            self._powers[letter] = found
        return self._powers[letter]

    def identity_of(self, letter: int) -> Expression:
        """What is 0 for an atom, over its places: y^k - v, and u (step(u) + step(-u) - 1)."""
        of, y = self.letters[letter], self.over_places(letter)
        if of.kind == "step":
            u = of.argument or {}
            return self.multiply(u, self.add(y, self.atom("step", self.scale(u, -1), of.shape, of.name), {0: -1}))
        return self.add({}, *(self.minus(raised(y, k), v) for k, v in self.powers_of(letter)[:1]))

    def normal(self, expression: Expression) -> Expression:
        """The expression with y^k replaced by v until no such power is left (the budget ends a loop)."""
        pending, done = dict(expression), dict[int, Coefficient]()
        while pending:
            monomial, coefficient = pending.popitem()
            if (replaced := self.replaced(monomial)) is None:
                self.accumulate(done, {monomial: coefficient})
            else:
                self.accumulate(pending, replaced, coefficient)
        return self.bounded(done)

    def replaced(self, monomial: int) -> Expression | None:
        """One power replaced by its value; None where there is none."""
        for slot, exponent in unpack(monomial):
            require(abs(exponent) <= REACH, "limit", f"rewriting leads to an exponent beyond {REACH}")
            if any(exponent // k > 0 for k, _ in self.powers_of(self.factors[slot][0])):
                break
        else:
            return None
        opened, labels = self.opened(monomial)
        for slot, exponent in unpack(opened):
            letter, indices = self.factors[slot]
            for k, value in self.powers_of(letter):
                if exponent // k > 0:
                    moved = self.at(value, self.letters[letter].shape, indices)
                    return self.closed(self.multiply({opened - (k << WIDTH * slot): 1}, moved), labels)
        return None

    # -- signs ---------------------------------------------------------------------------------------------

    def positive(self, letter: int) -> bool:
        return self.letters[letter].sign == "positive"

    def nonzero(self, letter: int) -> bool:
        return self.letters[letter].sign in ("positive", "nonzero")

    def has_sign(self, expression: Expression, sign: str) -> bool:
        """Whether an expression visibly has a sign: one term that cannot vanish, or only terms >= 0 (some one > 0)."""
        if sign == "any" or (sign == "nonzero" and self.single(expression)):
            return sign == "any" or all(self.nonzero(n) for n, _, _ in self.powers(next(iter(expression))))
        found = sign == "nonnegative"
        for monomial, coefficient in expression.items():
            signs = [(self.letters[n].sign, e) for n, _, e in self.powers(monomial)]
            if coefficient < 0 or any(e % 2 and s != "positive" and (s != "nonnegative" or e < 0) for s, e in signs):
                return False
            found = found or all(s in ("positive", "nonzero") for s, _ in signs)
        return found

    def single(self, expression: Expression) -> bool:
        """Whether an expression is one term without sums."""
        return len(expression) == 1 and not dummies(self.powers(next(iter(expression))))

    def instance(self, body: Expression, shape: Shape, indices: Indices, exponent: int, source: str) -> Expression:
        """body^exponent, for a body over places, at some indices."""
        if exponent < 0:
            body = self.reciprocal(body, shape, source)
        return self.power(self.at(body, shape, indices), abs(exponent))

    def reciprocal(self, body: Expression, shape: Shape, source: str) -> Expression:
        """1/body: a monomial where body is one term that cannot vanish, otherwise an inv atom."""
        if self.single(body) and all(self.nonzero(n) for n, _, _ in self.powers(next(iter(body)))):
            ((monomial, coefficient),) = body.items()
            return self.scale({-monomial: 1}, Fraction(1) / coefficient)
        return self.atom("inv", body, shape, source)


def raised(monomial: Expression, exponent: int) -> Expression:
    """A power of an expression that is a product of letters."""
    return {m * exponent: c for m, c in monomial.items()}
