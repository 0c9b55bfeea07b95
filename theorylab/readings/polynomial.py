"""Indexed polynomials: sums of products of indexed symbols, with summed (dummy) indices, for all sizes.

    f[m, n] = sum_{k, d} W2[m, k] h[k, n] W1[k, d] x[d, n]

An index is an int: 0, 1, ... are the axes of the array that the polynomial gives (free), negative ones are dummies.
Symbols are letters, sizes, Kronecker's delta, and atoms: a named function of an indexed polynomial, kept unexpanded.
Terms are canonical up to renaming of dummies, so that equal sums cancel. With no indices at all this is ordinary
polynomial arithmetic, and statements at concrete sizes use the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from fractions import Fraction
from itertools import permutations, product
from math import factorial, gcd, lcm
from typing import Any

from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.array import Size

Coefficient = int | Fraction
Factor = tuple["Symbol", tuple[int, ...], int]
Monomial = tuple[Factor, ...]

_BIG = 10_000  # dummies made free for a while are named above this
_SHIFT = 10_000_000
_CLOSED = -1_000_000  # and closed again below this

MAX_TIES = 5040
MAX_REWRITES = 200_000

binary_gates: ContextVar[bool] = ContextVar("binary_gates", default=True)
"""Whether a gate is 0 or 1 everywhere, so that its square is itself (false for a convention such as relu'(0) = 1/2)."""


class Budget:
    """How many products of terms may still be formed; a formula that needs more is too large to expand."""

    def __init__(self, products: int) -> None:
        self.left = products

    def spend(self, products: int) -> None:
        self.left -= products
        if self.left < 0:
            raise UnsupportedReading("the formula is too large to expand")


budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


class Symbol:
    """A letter, a size, a delta or an atom. Interned by name: equal symbols are one object."""

    __slots__ = ("argument", "function", "name", "sign", "sizes")
    name: str
    sizes: tuple[Size, ...]
    sign: str
    function: str | None
    argument: Polynomial | None

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: Symbol) -> bool:
        return self.name < other.name

    @property
    def nonzero(self) -> bool:
        return self.sign in ("positive", "nonzero")


_symbols: dict[tuple[str, tuple[Size, ...], str], Symbol] = {}


def symbol(
    name: str, sizes: Sequence[Size] = (), sign: str = "any", function: str | None = None, argument: Polynomial | None = None
) -> Symbol:
    key = (name, tuple(sizes), sign)
    found = _symbols.get(key)
    if found is None:
        found = _symbols[key] = Symbol()
        found.name, found.sizes, found.sign = name, tuple(sizes), sign
        found.function, found.argument = function, argument
    return found


def size_factor(size: Size, count: int = 1) -> tuple[Coefficient, tuple[Factor, ...]]:
    """The value of a size: a number, or a positive symbol."""
    if isinstance(size, int):
        return size**count, ()
    return 1, ((symbol(f"#{size}", (), "positive"), (), count),)


def delta(size: Size) -> Symbol:
    return symbol("delta", (size, size))


class Polynomial:
    """An immutable map from canonical monomials to nonzero coefficients."""

    __slots__ = ("_key", "terms")
    terms: dict[Monomial, Coefficient]
    _key: str | None

    def __init__(self, terms: dict[Monomial, Coefficient]) -> None:
        self.terms = terms
        self._key = None

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> str:
        """A canonical text, equal exactly for equal polynomials; the same in every process."""
        if self._key is None:
            self._key = " + ".join(sorted(f"{c}*{_monomial_text(m)}" for m, c in self.terms.items())) or "0"
        return self._key

    def __repr__(self) -> str:
        return self.key

    def __add__(self, other: Polynomial) -> Polynomial:
        if not other.terms:
            return self
        terms = dict(self.terms)
        for m, c in other.terms.items():
            _accumulate(terms, m, c)
        return Polynomial(terms)

    def scale(self, factor: Coefficient) -> Polynomial:
        return Polynomial({m: simple(c * factor) for m, c in self.terms.items()} if factor else {})

    def __neg__(self) -> Polynomial:
        return self.scale(-1)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        if (limit := budget.get()) is not None:
            limit.spend(len(self.terms) * len(other.terms))
        terms: dict[Monomial, Coefficient] = {}
        for m1, c1 in self.terms.items():
            shift = dummy_count(m1)
            for m2, c2 in other.terms.items():
                coefficient, monomial = canonical(m1 + _shift(m2, shift))
                _accumulate(terms, monomial, c1 * c2 * coefficient)
        return Polynomial(terms)

    def __pow__(self, exponent: int) -> Polynomial:
        result, base = ONE, self
        while exponent:
            if exponent & 1:
                result = result * base
            exponent >>= 1
            if exponent:
                base = base * base
        return result

    def relabel(self, labels: Mapping[int, int] | Callable[[int], int]) -> Polynomial:
        """Rename free indices; a negative new name makes a dummy (a sum), equal new names identify indices."""
        rename = labels if callable(labels) else (lambda i: labels.get(i, i))
        terms: dict[Monomial, Coefficient] = {}
        for m, c in self.terms.items():
            factors = [(s, tuple(i - _SHIFT if i < 0 else rename(i) for i in idx), e) for s, idx, e in m]
            coefficient, monomial = canonical(factors)
            _accumulate(terms, monomial, c * coefficient)
        return Polynomial(terms)

    def sum_over(self, axis: int, size: Size) -> Polynomial:
        """The sum over one free index; a term without it is multiplied by the size."""
        terms: dict[Monomial, Coefficient] = {}
        for m, c in self.terms.items():
            if any(axis in idx for _, idx, _ in m):
                factors = [(s, tuple(_CLOSED if i == axis else i for i in idx), e) for s, idx, e in m]
                coefficient, monomial = canonical(factors)
            else:
                value, extra = size_factor(size)
                coefficient, monomial = canonical(m + extra)
                coefficient *= value
            _accumulate(terms, monomial, c * coefficient)
        return Polynomial(terms)

    def free(self) -> list[int]:
        return sorted({i for m in self.terms for _, idx, _ in m for i in idx if i >= 0})

    def symbols(self) -> set[Symbol]:
        return {s for m in self.terms for s, _, _ in m}

    def atoms(self) -> list[Symbol]:
        """All atoms, also inside arguments of atoms, innermost first."""
        found: dict[Symbol, None] = {}

        def visit(p: Polynomial) -> None:
            for s in sorted(p.symbols()):
                if s.argument is not None and s not in found:
                    visit(s.argument)
                    found[s] = None

        visit(self)
        return list(found)

    def letters(self) -> set[Symbol]:
        """All letters (not atoms, sizes or delta), also inside arguments of atoms."""
        inside = [self, *(a.argument for a in self.atoms() if a.argument is not None)]
        return {s for p in inside for s in p.symbols() if s.argument is None and s.name[0] != "#" and s.name != "delta"}


def simple(c: Coefficient) -> Coefficient:
    return c.numerator if isinstance(c, Fraction) and c.denominator == 1 else c


def _accumulate(terms: dict[Monomial, Coefficient], monomial: Monomial, coefficient: Coefficient) -> None:
    total = simple(terms.get(monomial, 0) + coefficient)
    if total:
        terms[monomial] = total
    else:
        terms.pop(monomial, None)


def _monomial_text(m: Monomial) -> str:
    return "*".join(f"{s.name}[{','.join(map(str, idx))}]^{e}" for s, idx, e in m) or "1"


def dummy_count(m: Monomial) -> int:
    return -min((i for _, idx, _ in m for i in idx if i < 0), default=0)


def _shift(m: Monomial, count: int) -> Monomial:
    if not count:
        return m
    return tuple((s, tuple(i - count if i < 0 else i for i in idx), e) for s, idx, e in m)


def canonical(factors: Iterable[Factor]) -> tuple[Coefficient, Monomial]:
    """Merge equal factors, contract deltas, and name the dummies -1, -2, ... in a canonical way."""
    factors = list(factors)
    if not any(idx for _, idx, _ in factors):
        return 1, _merge(factors)
    sizes: dict[int, Size] = {}
    for s, idx, _ in factors:
        for i, size in zip(idx, s.sizes, strict=True):
            if sizes.setdefault(i, size) != size:
                raise InputError(f"an index runs over both {sizes[i]} and {size}; expected one size")
    coefficient, factors = _contract(factors)
    before = _dummies(factors)
    merged = _merge(factors)
    after = _dummies(merged)
    for i in before - after:  # the factors of a sum cancelled: what is left is the sum of 1
        value, extra = size_factor(sizes[i])
        coefficient *= value
        merged = _merge(merged + extra)
    return coefficient, _rename(merged, sorted(after)) if after else merged


def _dummies(factors: Iterable[Factor]) -> set[int]:
    return {i for _, idx, _ in factors for i in idx if i < 0}


def _contract(factors: list[Factor]) -> tuple[Coefficient, list[Factor]]:
    """Use up Kronecker deltas that carry a dummy index."""
    coefficient: Coefficient = 1
    while True:
        at = next((k for k, (s, idx, _) in enumerate(factors) if s.name == "delta" and (idx[0] == idx[1] or min(idx) < 0)), None)
        if at is None:
            return coefficient, factors
        s, (a, b), _ = factors[at]
        rest = factors[:at] + factors[at + 1 :]
        if a != b:
            gone, kept = (a, b) if a < b else (b, a)
            rest = [(t, tuple(kept if i == gone else i for i in idx), e) for t, idx, e in rest]
            a = kept
        if a < 0 and not any(a in idx for _, idx, _ in rest):  # sum_a delta[a, a] is the size
            value, extra = size_factor(s.sizes[0])
            coefficient *= value
            rest += extra
        factors = rest


def _merge(factors: Iterable[Factor]) -> Monomial:
    exponents: dict[tuple[Symbol, tuple[int, ...]], int] = {}
    for s, idx, e in factors:
        if s.name == "delta":
            idx = tuple(sorted(idx))
        exponents[s, idx] = exponents.get((s, idx), 0) + e
    merged = []
    for (s, idx), e in exponents.items():
        if s.function == "step" and e > 1 and binary_gates.get():
            e = 1
        elif s.function == "sign" and e > 1:
            e = e % 2
        elif s.name == "delta":
            e = min(e, 1)
        if e:
            merged.append((s, idx, e))
    return tuple(sorted(merged, key=_factor_key))


def _factor_key(f: Factor) -> tuple[str, tuple[int, ...], int]:
    return f[0].name, f[1], f[2]


def _rename(factors: Monomial, dummies: list[int]) -> Monomial:
    color: dict[int, int] = dict.fromkeys(dummies, 0)
    classes = 0
    while classes < len(set(color.values())) < len(dummies) or not classes:
        classes = len(set(color.values()))
        seen: dict[int, list[str]] = {i: [] for i in dummies}
        for s, idx, e in factors:
            view = [f"d{color[i]}" if i < 0 else str(i) for i in idx]
            for position, i in enumerate(idx):
                if i < 0:
                    here = [j == i for j in idx]
                    seen[i].append(f"{s.name} {e} {position} {view} {here}")
        keys = {i: (color[i], sorted(seen[i])) for i in dummies}
        ranks = {repr(key): r for r, key in enumerate(sorted(keys.values()))}
        color = {i: ranks[repr(keys[i])] for i in dummies}
    groups: dict[int, list[int]] = {}
    for i in dummies:
        groups.setdefault(color[i], []).append(i)
    ordered = [groups[c] for c in sorted(groups)]
    ties = 1
    for group in ordered:
        ties *= factorial(len(group))
    if ties > MAX_TIES:
        raise UnsupportedReading(f"a term with {len(dummies)} summed indices is too symmetric to bring into canonical form")
    best: Monomial | None = None
    for choice in product(*(permutations(group) for group in ordered)):
        names = {i: -1 - n for n, i in enumerate(i for group in choice for i in group)}
        candidate = _merge((s, tuple(names.get(i, i) for i in idx), e) for s, idx, e in factors)
        if best is None or [_factor_key(f) for f in candidate] < [_factor_key(f) for f in best]:
            best = candidate
    assert best is not None
    return best


def constant(value: Coefficient) -> Polynomial:
    value = simple(value)
    return Polynomial({(): value} if value else {})


ONE = constant(1)
ZERO = constant(0)


def letter(name: str, sizes: Sequence[Size], sign: str = "any") -> Polynomial:
    """The array of a letter: axis a is index a. Axes of concrete size 1 keep their index."""
    return Polynomial({((symbol(name, sizes, sign), tuple(range(len(sizes))), 1),): 1})


def content(p: Polynomial) -> tuple[Coefficient, tuple[Factor, ...]]:
    """A positive factor common to all terms: the rational content and common powers of positive symbols."""
    numerators, denominators = 0, 1
    for c in p.terms.values():
        f = Fraction(c)
        numerators, denominators = gcd(numerators, f.numerator), lcm(denominators, f.denominator)
    common: dict[tuple[Symbol, tuple[int, ...]], int] | None = None
    for m in p.terms:
        here = {(s, idx): e for s, idx, e in m if s.sign == "positive" and all(i >= 0 for i in idx)}
        if common is None:
            common = here
        else:
            keys = set(common) | set(here)
            common = {k: min(common.get(k, 0), here.get(k, 0)) for k in keys}
    factors = tuple((s, idx, e) for (s, idx), e in (common or {}).items() if e)
    return simple(Fraction(numerators, denominators)), factors


def is_positive_term(p: Polynomial) -> bool:
    return len(p.terms) == 1 and all(
        c > 0 and all(s.sign == "positive" or e % 2 == 0 and s.nonzero for s, _, e in m) for m, c in p.terms.items()
    )


def atom(function: str, argument: Polynomial) -> Polynomial:
    """A named function of an indexed polynomial, simplified where the value is known."""
    if not argument and function in ("sqrt", "tanh", "sin", "arcsinh", "log", "inv"):
        if function in ("log", "inv"):
            raise InputError(f"a formula takes {function} of an expression that is exactly zero")
        return ZERO
    if not argument and function in ("exp", "cos"):
        return ONE
    if function in ("step", "sign") and argument:
        coefficient, factors = content(argument)
        argument = argument * Polynomial({canonical((s, i, -e) for s, i, e in factors)[1]: simple(Fraction(1, 1) / coefficient)})
        if argument == ONE:
            return ONE
        if argument == -ONE:
            return ZERO if function == "step" else -ONE
    if function == "log" and argument == ONE:
        return ZERO
    if function == "exp" and len(argument.terms) > 1:
        result = ONE
        for m, c in argument.terms.items():
            result = result * atom("exp", Polynomial({m: c}))
        return result
    if function == "exp":
        ((m, c),) = argument.terms.items()
        whole = Fraction(c)
        base = _atom_symbol("exp", Polynomial({m: simple(Fraction(1, whole.denominator))}))
        return _raise_atom(base, whole.numerator)
    if function == "sqrt" and argument == ONE:
        return ONE
    return _raise_atom(_atom_symbol(function, argument), 1)


def _atom_symbol(function: str, argument: Polynomial) -> tuple[Symbol, tuple[int, ...]]:
    free = argument.free()
    compact = argument.relabel({i: n for n, i in enumerate(free)}) if free != list(range(len(free))) else argument
    sizes: dict[int, Size] = {}
    for m in compact.terms:
        for s, idx, _ in m:
            sizes.update({i: size for i, size in zip(idx, s.sizes, strict=True) if i >= 0})
    sign = {"exp": "positive", "sqrt": "positive", "inv": "nonzero"}.get(function, "any")
    made = symbol(f"{function}({compact.key})", [sizes[i] for i in range(len(free))], sign, function, compact)
    return made, tuple(free)


def _raise_atom(base: tuple[Symbol, tuple[int, ...]], exponent: int) -> Polynomial:
    coefficient, m = canonical([(base[0], base[1], exponent)])
    return Polynomial({m: coefficient})


def reciprocal(p: Polynomial) -> Polynomial:
    """1/p: negative exponents for a single term without sums, else an atom inv(p)."""
    if not p:
        raise InputError("a formula divides by an expression that is exactly zero")
    if len(p.terms) == 1:
        ((m, c),) = p.terms.items()
        if dummy_count(m) == 0 and all(s.function not in ("step", "sign", "inv") and s.name != "delta" for s, _, _ in m):
            return Polynomial({canonical((s, idx, -e) for s, idx, e in m)[1]: simple(Fraction(1) / c)})
    return atom("inv", p)


def slope(s: Symbol) -> Polynomial:
    """The declared derivative of an atom by its argument, with the atom's own axes as free indices."""
    assert s.argument is not None
    own = Polynomial({((s, tuple(range(len(s.sizes))), 1),): 1})
    match s.function:
        case "step" | "sign":
            return ZERO
        case "sqrt":
            return reciprocal(own).scale(Fraction(1, 2))
        case "inv":
            return -(own * own)
        case "exp":
            return own
        case "log":
            return reciprocal(s.argument)
        case "tanh":
            return ONE - own * own
        case "sin":
            return atom("cos", s.argument)
        case "cos":
            return -atom("sin", s.argument)
        case "arcsinh":
            return reciprocal(atom("sqrt", ONE + s.argument * s.argument))
    raise InputError(f"the function {s.function!r} has no declared derivative")


def _at(p: Polynomial, indices: Sequence[int]) -> Polynomial:
    """p with its axes 0, 1, ... renamed to the given indices, which are all kept free (>= 0)."""
    return p.relabel({a: i for a, i in enumerate(indices)})



def _rest(m: Monomial, at: int) -> tuple[Polynomial, Factor, dict[int, int]]:
    """m without one power of its factor `at`, with every dummy made free so that more factors can join the sum."""
    free = {i: _BIG - i for _, idx, _ in m for i in idx if i < 0}
    opened = [(s, tuple(free.get(i, i) for i in idx), e) for s, idx, e in m]
    s, idx, e = opened[at]
    rest = opened[:at] + opened[at + 1 :] + ([(s, idx, e - 1)] if e != 1 else [])
    coefficient, monomial = canonical(rest)
    return Polynomial({monomial: coefficient * e}), (s, idx, e), {n: _CLOSED - k for k, n in enumerate(free.values())}


def directional(p: Polynomial, direction: Callable[[Symbol], Polynomial | None]) -> Polynomial:
    """The derivative of p along a direction: for each letter a polynomial with the letter's axes, or None for 0."""
    cache: dict[Symbol, Polynomial] = {}

    def of_symbol(s: Symbol) -> Polynomial:
        if s not in cache:
            if s.argument is None:
                cache[s] = direction(s) or ZERO
            else:
                inner = of(s.argument)
                cache[s] = slope(s) * inner if inner else ZERO
        return cache[s]

    def of(q: Polynomial) -> Polynomial:
        total = ZERO
        for m, c in q.terms.items():
            for at, (s, _, _) in enumerate(m):
                d = of_symbol(s)
                if d:
                    rest, (_, idx, _), close = _rest(m, at)
                    total = total + (rest * _at(d, idx)).relabel(close).scale(c)
        return total

    return of(p)


def partial(p: Polynomial, by: Symbol, labels: Sequence[int]) -> Polynomial:
    """The partial derivative of p by the entry of the letter `by` whose indices get the names `labels`."""
    cache: dict[Symbol, Polynomial] = {}

    def of_symbol(s: Symbol) -> Polynomial:
        if s not in cache:
            if s is by:
                result = ONE
                for axis, label in enumerate(labels):
                    result = result * Polynomial({((delta(s.sizes[axis]), tuple(sorted((axis, label))), 1),): 1})
                cache[s] = result
            elif s.argument is None:
                cache[s] = ZERO
            else:
                inner = of(s.argument)
                cache[s] = slope(s) * inner if inner else ZERO
        return cache[s]

    def of(q: Polynomial) -> Polynomial:
        total = ZERO
        for m, c in q.terms.items():
            for at, (s, _, _) in enumerate(m):
                d = of_symbol(s)
                if d:
                    rest, (_, idx, _), close = _rest(m, at)
                    total = total + (rest * _at(d, idx)).relabel(close).scale(c)
        return total

    return of(p)


def substitute(p: Polynomial, value: Callable[[Symbol], Polynomial | None]) -> Polynomial:
    """Replace symbols by polynomials with their axes, letters also inside arguments of atoms."""
    cache: dict[Symbol, Polynomial] = {}

    def of_symbol(s: Symbol) -> Polynomial:
        if s not in cache:
            given = value(s)
            if given is not None:
                cache[s] = given
            elif s.argument is None:
                cache[s] = Polynomial({((s, tuple(range(len(s.sizes))), 1),): 1})
            elif s.function == "inv":
                cache[s] = reciprocal(of(s.argument))
            else:
                cache[s] = atom(s.function or "", of(s.argument))
        return cache[s]

    def of(q: Polynomial) -> Polynomial:
        total = ZERO
        for m, c in q.terms.items():
            free = {i: _BIG - i for _, idx, _ in m for i in idx if i < 0}
            result = constant(c)
            for s, idx, e in m:
                base = of_symbol(s)
                base = reciprocal(base) if e < 0 else base
                result = result * _at(base ** abs(e), [free.get(i, i) for i in idx])
            closing = {n: _CLOSED - k for k, n in enumerate(free.values())}
            present = set(result.free())
            for i, n in free.items():
                if n not in present and result:
                    size = next(size for s, idx, _ in m for j, size in zip(idx, s.sizes, strict=True) if j == i)
                    result = result.sum_over(n, size)
            total = total + result.relabel(closing)
        return total

    return of(p)


class Rule:
    """A rewrite rule lead -> replacement, from a relation that is zero.

    `parts` are the multipliers of the given relations (by name) whose combination was solved for the lead.
    """

    __slots__ = ("lead", "name", "parts", "replacement")

    def __init__(self, name: str, lead: Monomial, replacement: Polynomial, parts: Mapping[str, Polynomial] | None = None) -> None:
        self.name, self.lead, self.replacement = name, lead, replacement
        self.parts = dict(parts or {name: ONE})


def match(lead: Monomial, m: Monomial) -> tuple[dict[int, int], list[Factor]] | None:
    """Find `lead` inside `m`: the index assignment and the remaining factors, or None.

    A dummy of the lead must meet a dummy that occurs in no remaining factor.
    """

    def search(at: int, assigned: dict[int, int], left: list[Factor]) -> tuple[dict[int, int], list[Factor]] | None:
        if at == len(lead):
            bound = [assigned[i] for i in assigned if i < 0]
            if len(set(bound)) != len(bound) or any(i >= 0 for i in bound):
                return None
            if any(i in idx for i in bound for _, idx, _ in left):
                return None
            images = {v for k, v in assigned.items() if k >= 0}
            return None if images & set(bound) else (assigned, left)
        s, idx, e = lead[at]
        for n, (t, jdx, f) in enumerate(left):
            if t is not s or f * e < 0 or abs(f) < abs(e):
                continue
            trial = dict(assigned)
            if all(trial.setdefault(i, j) == j for i, j in zip(idx, jdx, strict=True)):
                rest = left[:n] + ([(t, jdx, f - e)] if f != e else []) + left[n + 1 :]
                found = search(at + 1, trial, rest)
                if found is not None:
                    return found
        return None

    return search(0, {}, list(m))


def rewrite(p: Polynomial, rules: Sequence[Rule]) -> Polynomial:
    """Apply the rules until none fits."""
    if not rules:
        return p
    steps = 0
    pending, done = dict(p.terms), {}
    while pending:
        m, c = pending.popitem()
        for rule in rules:
            found = match(rule.lead, m)
            if found is not None:
                break
        else:
            _accumulate(done, m, c)
            continue
        steps += 1
        if steps > MAX_REWRITES:
            raise UnsupportedReading("rewriting by the hypotheses does not end")
        assigned, left = found
        free = {i: _BIG - i for _, idx, _ in left for i in idx if i < 0}
        free |= {i: _BIG - i for i in assigned.values() if i < 0}
        opened = canonical((s, tuple(free.get(i, i) for i in idx), e) for s, idx, e in left)
        placed = rule.replacement.relabel({i: free.get(j, j) for i, j in assigned.items() if i >= 0})
        result = Polynomial({opened[1]: c * opened[0]}) * placed
        used = {i for _, idx, _ in left for i in idx} | {j for i, j in assigned.items() if i >= 0}
        result = result.relabel({n: _CLOSED - k for k, (i, n) in enumerate(free.items()) if i in used})
        for m2, c2 in result.terms.items():
            _accumulate(pending, m2, c2)
    return Polynomial(done)


def normal_form(p: Polynomial, rules: Sequence[Rule] = (), *, cleared: bool = True) -> Polynomial:
    """A polynomial that is zero only where p is, with roots reduced and denominators cleared; 0 proves p = 0.

    With cleared=False denominators stay, and the result equals p.
    """
    if rules:
        p = _rewrite_atoms(p, rules)
    for _ in range(64):
        q = rewrite(p, rules)
        q = _reduce_roots(q)
        q = _clear(q) if cleared else q
        if q == p:
            return q
        p = q
    raise UnsupportedReading("the normal form does not settle")


def _rewrite_atoms(p: Polynomial, rules: Sequence[Rule]) -> Polynomial:
    """Bring the arguments of atoms to normal form first, so that equal atoms are recognised."""
    cache: dict[Symbol, Polynomial] = {}
    for s in p.atoms():
        assert s.argument is not None
        inner = substitute(s.argument, cache.get)
        cache[s] = atom(s.function or "", rewrite(inner, rules))
    return substitute(p, cache.get) if cache else p


def _reduce_roots(p: Polynomial) -> Polynomial:
    """sqrt(u)^2 = u and inv(u) u = 1 where the powers are positive."""
    while True:
        hit = next(((m, k) for m in p.terms for k, (s, _, e) in enumerate(m) if s.function == "sqrt" and e >= 2), None)
        if hit is None:
            return p
        m, k = hit
        free = {i: _BIG - i for _, idx, _ in m for i in idx if i < 0}
        opened = [(s, tuple(free.get(i, i) for i in idx), e) for s, idx, e in m]
        s, idx, e = opened[k]
        assert s.argument is not None
        rest = opened[:k] + opened[k + 1 :] + ([(s, idx, e % 2)] if e % 2 else [])
        coefficient, monomial = canonical(rest)
        result = Polynomial({monomial: coefficient * p.terms[m]}) * _at(s.argument, idx) ** (e // 2)
        result = result.relabel({n: _CLOSED - j for j, n in enumerate(free.values())})
        p = Polynomial({n: c for n, c in p.terms.items() if n != m}) + result


def _clear(p: Polynomial) -> Polynomial:
    """Multiply by the nonzero scalars (or free-indexed entries) that stand in a denominator."""
    candidates = sorted(
        {(s, idx) for m in p.terms for s, idx, e in m if all(i >= 0 for i in idx) and (s.function == "inv" or e < 0)},
        key=lambda f: (-len(f[0].name), f[0].name, f[1]),
    )
    for s, idx in candidates:
        exponents = {m: next((e for t, jdx, e in m if t is s and jdx == idx), 0) for m in p.terms}
        if s.function == "inv":
            assert s.argument is not None
            top = max(exponents.values())
            terms = ZERO
            for m, c in p.terms.items():
                bare = Polynomial({tuple(f for f in m if not (f[0] is s and f[1] == idx)): c})
                terms = terms + bare * _at(s.argument, idx) ** (top - exponents[m])
            return terms
        low = min(exponents.values())
        if low < 0:
            return p * Polynomial({((s, idx, -low),): 1})
    return p
