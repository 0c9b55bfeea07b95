"""Functions of expressions: what the kernel knows of each, and its own chain rule.

An atom is a letter that stands for function(argument), entry by entry. Atoms are keyed by the function and the
normal form of the argument, so that equal arguments give the same atom. What is known of y = function(u):

    function   values                                     derivative   assumed
    step       y(c u) = y(u) for c > 0; y^2 = y if binary  0           (any fixed value at u = 0)
    sign       y(-u) = -y(u), y(c u) = y(u), y^2 = 1       0           u != 0
    sqrt       y^2 = u, y > 0                              u'/(2 y)    u > 0
    inv        y u = 1                                     -y^2 u'     u != 0
    exp        y > 0, y(-u) = 1/y(u), y(k u) = y(u)^k      y u'
    log        log 1 = 0                                   u'/u        u > 0
    tanh       odd                                         (1 - y^2) u'
    sin, cos   odd, even, sin^2 + cos^2 = 1                cos u', -sin u'
    arcsinh    odd                                         u'/sqrt(1 + u^2)

A positive factor may leave the argument of a step only if it is positive everywhere: a letter declared positive,
the size of a range, an exp or a sqrt. A letter declared nonnegative may vanish, so it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import gcd, isqrt, lcm

from .algebra import DELTA, Expression, Factor, Frame, Index, Letter, Poly, Ring, free, place, unpack
from .document import MAX_EXPONENT, Budget, Coefficient, Rejected, whole

FUNCTIONS = ("step", "sign", "sqrt", "inv", "exp", "log", "tanh", "sin", "cos", "arcsinh")
ODD = ("sign", "tanh", "sin", "arcsinh")
ASSUMED = {"sign": "is not 0", "sqrt": "is positive", "inv": "is not 0", "log": "is positive"}
ONE: Expression = {(): {0: 1}}


class Calculus(Ring):
    """A ring with atoms. `simplify` puts an argument in normal form (see `reduce`)."""

    binary_gates = False
    simplify: Callable[[Expression], Expression]

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.atoms: dict[object, int] = {}
        self.domain: dict[str, None] = {}  # what was assumed of arguments, in order of appearance
        self.simplify = lambda expression: expression

    # -- signs ---------------------------------------------------------------------------------------------

    def positive(self, letter: int) -> bool:
        known = self.letters[letter]
        return known.sign == "positive" or known.kind in ("exp", "sqrt")

    def nonzero(self, letter: int) -> bool:
        known = self.letters[letter]
        return self.positive(letter) or known.sign == "nonzero" or known.kind == "inv"

    def monomial_of(self, expression: Expression) -> tuple[Frame, int, Coefficient] | None:
        """The only term of an expression, if it has one term and no dummy."""
        if len(expression) != 1:
            return None
        ((frame, poly),) = expression.items()
        if len(poly) != 1 or any(i[0] >= 0 for _, idx, _ in frame for i in idx):
            return None
        ((monomial, coefficient),) = poly.items()
        return frame, monomial, coefficient

    def letters_of(self, frame: Frame, monomial: int) -> list[tuple[int, int]]:
        """The (letter, exponent) pairs of a monomial."""
        return [(letter, e) for letter, _, e in frame] + [(self.scalars[slot], e) for slot, e in unpack(monomial)]

    def reciprocal(self, body: Expression, shape: tuple[str, ...], source: str) -> Expression:
        """1/body: a monomial where body is one term that cannot vanish, otherwise an inv atom."""
        single = self.monomial_of(body)
        if single is not None:
            frame, monomial, coefficient = single
            if all(self.nonzero(letter) for letter, _ in self.letters_of(frame, monomial)):
                inverted = tuple((letter, idx, -e) for letter, idx, e in frame)
                return {inverted: {-monomial: whole(Fraction(1) / coefficient)}}
        return self.atom("inv", body, shape, source)

    # -- atoms ---------------------------------------------------------------------------------------------

    def atom(self, function: str, argument: Expression, shape: tuple[str, ...], source: str) -> Expression:
        """function(argument) over places, as a monomial in atoms and in the factors that leave the argument."""
        u = self.simplify(argument)
        if not u:
            return self._at_zero(function, source)
        if function in ("sqrt", "log") and self._never_positive(u):
            raise Rejected("statement", f"the argument of {function} in {source} is never positive")
        outside = ONE
        if function in ("step", "sign"):
            u, _ = self._split(u, self.positive, 1)
            u = self.scale(u, Fraction(1) / _content(u))
        elif function == "sqrt":
            # sqrt(c^2 u) = c sqrt(u) for c > 0.
            u, outside = self._split(u, self.positive, 2)
            root = _rational_root(_content(u))
            if root is not None:
                u = self.scale(u, Fraction(1) / _content(u))
                outside = self.scale(outside, root)
        elif function == "inv":
            u, divided = self._split(u, self.nonzero, 1)
            content = _content(u) * _leading_sign(u)
            u = self.scale(u, Fraction(1) / content)
            outside = self.scale(_power(divided, -1), Fraction(1) / content)
        exponent = 1
        if function in ODD and _leading_sign(u) < 0:
            u, outside = self.scale(u, -1), self.scale(outside, -1)
        elif function == "cos" and _leading_sign(u) < 0:
            u = self.scale(u, -1)
        elif function == "exp":
            exponent = _content(u).numerator * _leading_sign(u)
            if abs(exponent) > MAX_EXPONENT:
                exponent = 1
            u = self.scale(u, Fraction(1, exponent))
        u = {frame: {m: whole(c) for m, c in poly.items()} for frame, poly in u.items()}
        if u == ONE and function in ("sqrt", "inv", "log"):
            return {} if function == "log" else outside
        if function in ("sign", "sqrt", "inv") and (single := self.monomial_of(u)) is not None:
            frame, monomial, coefficient = single
            pairs = self.letters_of(frame, monomial)
            if function == "sign" and coefficient > 0 and all(self.positive(letter) for letter, _ in pairs):
                return outside
        letter = self._keyed(function, u, shape, source)
        body = self.at_places(letter)
        return self.bounded(self.multiply(outside, _power(body, exponent)))

    def _never_positive(self, u: Expression) -> bool:
        """Whether every term is visibly at most 0: the function would then have no domain, and claims no content."""
        return all(
            coefficient < 0
            and all(
                e % 2 == 0 or self.positive(n) or self.letters[n].sign == "nonnegative"
                for n, e in self.letters_of(frame, monomial)
            )
            for frame, poly in u.items()
            for monomial, coefficient in poly.items()
        )

    def _keyed(self, function: str, u: Expression, shape: tuple[str, ...], source: str) -> int:
        key = (function, shape, frozenset((f, m, c) for f, poly in u.items() for m, c in poly.items()))
        if key not in self.atoms:
            self.atoms[key] = self.new(Letter(f"{function}:{source}", shape, function, argument=u))
            if function in ASSUMED:
                self.domain[f"the argument of {function} in {source} {ASSUMED[function]}"] = None
        return self.atoms[key]

    def _at_zero(self, function: str, source: str) -> Expression:
        if function in ("exp", "cos"):
            return ONE
        if function in ("tanh", "sin", "arcsinh"):
            return {}
        raise Rejected("statement", f"the argument of {function} in {source} is identically 0")

    def _split(self, u: Expression, test: Callable[[int], bool], step: int) -> tuple[Expression, Expression]:
        """u = rest * common^step, with `common` the largest monomial in letters that pass the test."""
        common: dict[tuple[int, tuple[Index, ...]], int] | None = None
        for frame, poly in u.items():
            held = {(letter, idx): e for letter, idx, e in frame if all(i[0] < 0 for i in idx) and test(letter)}
            for monomial in poly:
                own = dict(held)
                for slot, e in unpack(monomial):
                    if test(self.scalars[slot]):
                        own[self.scalars[slot], ()] = e
                if common is None:
                    common = own
                else:
                    both = common.keys() | own.keys()
                    common = {key: min(common.get(key, 0), own.get(key, 0)) for key in both}
        factors = [(letter, idx, e // step) for (letter, idx), e in (common or {}).items() if e // step]
        outside = self._monomial(factors)
        return self.multiply(u, _power(outside, -step)), outside

    def _monomial(self, factors: list[Factor]) -> Expression:
        product = ONE
        for letter, idx, e in factors:
            product = self.multiply(product, self.factor(letter, idx, e))
        return product


Part = tuple[Frame, Poly, dict[int, Poly]]


class Derivation:
    """A derivation of the ring, given by the rates of some letters; it passes through atoms by the chain rule.

    Other letters are constants, except the `unknown` ones, whose rate nobody gave: to meet one is a rejection.
    """

    def __init__(self, ring: Calculus, rates: dict[int, Expression], unknown: Iterable[int] = ()) -> None:
        self.ring = ring
        self.rates = dict(rates)
        self.unknown = frozenset(unknown)

    def rate(self, letter: int) -> Expression:
        """The derivative of a letter, over its places."""
        if letter not in self.rates:
            known = self.ring.letters[letter]
            if letter in self.unknown:
                raise Rejected("statement", f"{known.name} stands for dLoss/df: its own derivative is not known")
            self.rates[letter] = {} if known.argument is None else self.ring.bounded(self._chain(letter, known))
        return self.rates[letter]

    def _chain(self, letter: int, known: Letter) -> Expression:
        ring, u = self.ring, known.argument
        assert u is not None
        if known.kind in ("step", "sign"):
            return {}
        inner = self(u)
        if not inner:
            return {}
        y = ring.at_places(letter)
        if known.kind == "sqrt":
            outer = ring.scale(_power(y, -1), Fraction(1, 2))
        elif known.kind == "inv":
            outer = ring.scale(_power(y, 2), -1)
        elif known.kind == "exp":
            outer = y
        elif known.kind == "log":
            outer = ring.reciprocal(u, known.shape, known.name)
        elif known.kind == "tanh":
            outer = ring.add(ONE, ring.scale(_power(y, 2), -1))
        elif known.kind == "sin":
            outer = ring.atom("cos", u, known.shape, known.name)
        elif known.kind == "cos":
            outer = ring.scale(ring.atom("sin", u, known.shape, known.name), -1)
        else:
            square = ring.add(ONE, ring.multiply(u, u))
            outer = ring.reciprocal(ring.atom("sqrt", square, known.shape, known.name), known.shape, known.name)
        return ring.multiply(outer, inner)

    def __call__(self, expression: Expression) -> Expression:
        return self.of(partials(self.ring, expression))

    def of(self, parts: list[Part]) -> Expression:
        """The derivative of an expression whose partial derivatives are known."""
        ring = self.ring
        total: Expression = {}
        for frame, poly, lowered in parts:
            for letter, partial in lowered.items():
                if self.rate(letter):
                    ring.accumulate(total, ring.multiply({frame: partial}, self.rate(letter)))
            if not any(self.rate(letter) for letter, _, _ in frame):
                continue
            # The dummies are shared between the factor that is differentiated and the others: open them first.
            opened, labels = ring.opened(frame)
            for position, (letter, indices, exponent) in enumerate(opened):
                body = self.rate(letter)
                if body:
                    rest = [*opened[:position], (letter, indices, exponent - 1), *opened[position + 1 :]]
                    rate = ring.at(body, ring.letters[letter].shape, indices)
                    held = ring.term(rest, (), {m: c * exponent for m, c in poly.items()})
                    ring.accumulate(total, ring.closed(ring.multiply(held, rate), labels))
        return total


class Substitution:
    """Replace letters by expressions over places, inside the arguments of atoms as well."""

    def __init__(self, ring: Calculus, images: dict[int, Expression]) -> None:
        self.ring = ring
        self.images: dict[int, Expression | None] = dict(images)

    def image(self, letter: int) -> Expression | None:
        """What replaces a letter, or None where it stays."""
        if letter not in self.images:
            known = self.ring.letters[letter]
            replaced = None
            if known.argument is not None and self.touches(known.argument):
                argument = self(known.argument)
                replaced = self.ring.atom(known.kind, argument, known.shape, known.name)
            self.images[letter] = replaced
        return self.images[letter]

    def touches(self, expression: Expression) -> bool:
        return any(self.image(letter) is not None for letter in occurring(self.ring, expression))

    def __call__(self, expression: Expression) -> Expression:
        ring = self.ring
        total: Expression = {}
        for frame, poly in expression.items():
            groups: dict[tuple[tuple[int, int], ...], dict[int, Coefficient]] = {}
            for monomial, coefficient in poly.items():
                present = [(ring.scalars[slot], e) for slot, e in unpack(monomial)]
                gone = tuple((letter, e) for letter, e in present if self.image(letter) is not None)
                kept = monomial - sum(ring.packed(letter, e) for letter, e in gone)
                groups.setdefault(gone, {})[kept] = coefficient
            opened, labels = ring.opened(frame)
            stays = [f for f in opened if self.image(f[0]) is None]
            moves = [f for f in opened if self.image(f[0]) is not None]
            for gone, rest in groups.items():
                product = ring.term(stays, (), rest)
                for letter, indices, exponent in [*moves, *((letter, (), e) for letter, e in gone)]:
                    product = ring.bounded(ring.multiply(product, self._raised(letter, indices, exponent)))
                ring.accumulate(total, ring.closed(product, labels))
        return ring.bounded(total)

    def _raised(self, letter: int, indices: tuple[Index, ...], exponent: int) -> Expression:
        ring, body = self.ring, self.image(letter)
        assert body is not None
        shape = ring.letters[letter].shape
        if exponent < 0:
            body = ring.reciprocal(body, shape, ring.letters[letter].name)
        return ring.power(ring.at(body, shape, indices), abs(exponent))


def partials(ring: Ring, expression: Expression) -> list[Part]:
    """Each frame with its polynomial, and the partial derivatives of that in the letters without indices."""
    parts: list[Part] = []
    for frame, poly in expression.items():
        lowered: dict[int, Poly] = {}
        ring.budget.spend(4 * len(poly))
        for monomial, coefficient in poly.items():
            for slot, exponent in unpack(monomial):
                letter = ring.scalars[slot]
                lowered.setdefault(letter, {})[monomial - ring.packed(letter)] = whole(coefficient * exponent)
        parts.append((frame, poly, lowered))
    return parts


def gradients(ring: Calculus, expression: Expression, letters: Iterable[int]) -> dict[int, Expression]:
    """The derivative of a scalar expression in each entry of some letters, over the places of each letter."""
    parts = partials(ring, expression)
    found: dict[int, Expression] = {}
    for letter in letters:
        entry = tuple(free(f"^{position}", size) for position, size in enumerate(ring.letters[letter].shape))
        derived = Derivation(ring, {letter: one_entry(ring, entry)}).of(parts)
        found[letter] = ring.rename(derived, {index: place(p, index[2]) for p, index in enumerate(entry)})
    return found


def one_entry(ring: Ring, entry: tuple[Index, ...]) -> Expression:
    """The array over places that is 1 at one entry and 0 elsewhere: the rate of a letter that moves there only."""
    rate = ONE
    for position, index in enumerate(entry):
        rate = ring.multiply(rate, ring.factor(DELTA, (place(position, index[2]), index)))
    return rate


def occurring(ring: Ring, expression: Expression) -> set[int]:
    """The letters of an expression (an atom counts as itself)."""
    found = {letter for frame in expression for letter, _, _ in frame}
    slots = {slot for poly in expression.values() for monomial in poly for slot, _ in unpack(monomial)}
    return found | {ring.scalars[slot] for slot in slots}


def inside(ring: Ring, expression: Expression) -> set[int]:
    """The letters of an expression and of the arguments of its atoms, all the way down."""
    found: set[int] = set()
    queue = list(occurring(ring, expression))
    while queue:
        letter = queue.pop()
        if letter not in found:
            found.add(letter)
            argument = ring.letters[letter].argument
            if argument is not None:
                queue.extend(occurring(ring, argument))
    return found


def _power(body: Expression, exponent: int) -> Expression:
    """A power of an expression that is a product of letters."""
    return {
        tuple((letter, idx, e * exponent) for letter, idx, e in frame): {m * exponent: c for m, c in poly.items()}
        for frame, poly in body.items()
    }


def _content(u: Expression) -> Fraction:
    """The positive rational c such that u/c has coprime integer coefficients."""
    numerators = gcd(*(c.numerator for poly in u.values() for c in poly.values()))
    denominators = lcm(*(c.denominator for poly in u.values() for c in poly.values()))
    return Fraction(numerators, denominators)


def _leading_sign(u: Expression) -> int:
    frame = min(u)
    return 1 if u[frame][min(u[frame])] > 0 else -1


def _rational_root(value: Fraction) -> Fraction | None:
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root * root == value else None
