"""Normal forms modulo relations: zero proves that a polynomial vanishes where the relations hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from theorylab.errors import UnsupportedReading
from theorylab.readings.polynomial.atoms import atom
from theorylab.readings.polynomial.calculus import at, substitute
from theorylab.readings.polynomial.canonical import canonical
from theorylab.readings.polynomial.symbols import Coefficient, Factor, Monomial, Symbol
from theorylab.readings.polynomial.terms import ONE, ZERO, Polynomial, accumulate, closed, opened

MAX_REWRITES = 200_000
MAX_ROUNDS = 64


class Rule:
    """A rewrite rule lead -> replacement, from a relation that is zero.

    `parts` are the multipliers of the given relations (by name) whose combination was solved for the lead.
    """

    __slots__ = ("lead", "name", "parts", "replacement")

    def __init__(
        self, name: str, lead: Monomial, replacement: Polynomial, parts: Mapping[str, Polynomial] | None = None
    ) -> None:
        self.name, self.lead, self.replacement = name, lead, replacement
        self.parts = dict(parts or {name: ONE})


def match(
    lead: Monomial, factors: Sequence[Factor], summed: Collection[int]
) -> tuple[dict[int, int], list[Factor]] | None:
    """Find `lead` inside a product: the index that each of its indices meets and the other factors, or None.

    summed: the indices of the product that are summed. A dummy of the lead must meet one that no other factor has.
    """

    def search(k: int, assigned: dict[int, int], left: list[Factor]) -> tuple[dict[int, int], list[Factor]] | None:
        if k == len(lead):
            bound = [image for i, image in assigned.items() if i < 0]
            elsewhere = {image for i, image in assigned.items() if i >= 0} | {i for _, idx, _ in left for i in idx}
            alone = len(set(bound)) == len(bound) and not elsewhere.intersection(bound)
            return (assigned, left) if alone and all(i in summed for i in bound) else None
        s, idx, e = lead[k]
        for n, (t, jdx, f) in enumerate(left):
            if t is not s or f * e < 0 or abs(f) < abs(e):
                continue
            trial = dict(assigned)
            if all(trial.setdefault(i, j) == j for i, j in zip(idx, jdx, strict=True)):
                rest = left[:n] + ([(t, jdx, f - e)] if f != e else []) + left[n + 1 :]
                found = search(k + 1, trial, rest)
                if found is not None:
                    return found
        return None

    return search(0, {}, list(factors))


def rewrite(p: Polynomial, rules: Sequence[Rule]) -> Polynomial:
    """Apply the rules until none fits."""
    if not rules:
        return p
    steps = 0
    pending: dict[Monomial, Coefficient] = dict(p.terms)
    done: dict[Monomial, Coefficient] = {}
    while pending:
        m, c = pending.popitem()
        replaced = next((r for rule in rules if (r := _applied(rule, m)) is not None), None)
        if replaced is None:
            accumulate(done, m, c)
            continue
        steps += 1
        if steps > MAX_REWRITES:
            raise UnsupportedReading("rewriting by the hypotheses does not end")
        for m2, c2 in replaced.terms.items():
            accumulate(pending, m2, c * c2)
    return Polynomial(done)


def _applied(rule: Rule, m: Monomial) -> Polynomial | None:
    """The term with the rule's lead replaced once, or None where the lead does not fit."""
    factors, sizes = opened(m)
    found = match(rule.lead, factors, sizes)
    if found is None:
        return None
    assigned, left = found
    coefficient, others = canonical(left)
    placed = rule.replacement.relabel({i: image for i, image in assigned.items() if i >= 0})
    spent = {image for i, image in assigned.items() if i < 0}
    return closed(Polynomial({others: coefficient}) * placed, {i: z for i, z in sizes.items() if i not in spent})


def normal_form(
    p: Polynomial, rules: Sequence[Rule] = (), *, cleared: bool = True, binary_gates: bool = True
) -> Polynomial:
    """A polynomial that is zero only where p is, with powers reduced and denominators cleared; 0 proves p = 0.

    With cleared=False denominators stay, and the result equals p. binary_gates: a gate is 0 or 1 everywhere, so that
    its square is itself (false for a convention such as relu'(0) = 1/2). Denominators inside sums cannot be cleared;
    where they are left, u (1/u) = 1 is used as a rule, and u step(-u) = u - u step(u) where both gates are left.
    """
    if rules:
        p = _rewrite_atoms(p, rules)
    result = _settled(p, rules, cleared, binary_gates)
    products = _products(result) if cleared else []
    if not products:
        return result
    try:
        return _settled(p, [*rules, *products], cleared, binary_gates)
    except UnsupportedReading:
        return result


def _settled(p: Polynomial, rules: Sequence[Rule], cleared: bool, binary_gates: bool) -> Polynomial:
    for _ in range(MAX_ROUNDS):
        q = rewrite(p, rules)
        q = _reduce_powers(q, binary_gates)
        q = _clear(q) if cleared else q
        if q == p:
            return q
        p = q
    raise UnsupportedReading("the normal form does not settle")


def _products(p: Polynomial) -> list[Rule]:
    """What is known of u times an atom of u, for the atoms of p: see `_product`."""
    present = {(s, e > 0) for m in p.terms for s, _, e in m}
    rules: list[Rule | None] = []
    for s in sorted({s for s, _ in present if s.argument is not None}):
        assert s.argument is not None
        own = Polynomial({((s, tuple(range(len(s.sizes))), 1),): 1})
        if s.function == "inv":
            rules.append(_product(s, 1, ONE))
        elif s.function == "sqrt" and (s, False) in present:
            rules.append(_product(s, -1, own))
        elif s.function == "step":
            opposite = atom("step", -s.argument)
            if any((t, True) in present and s < t for t in opposite.symbols()):
                rules.append(_product(s, 1, s.argument - s.argument * opposite))
    return [rule for rule in rules if rule is not None]


def _product(s: Symbol, exponent: int, value: Polynomial) -> Rule | None:
    """u y^exponent = value for an atom y of u, solved for the product with the greatest term of u.

    u inv(u) = 1, u / sqrt(u) = sqrt(u), u step(u) = u - u step(-u).
    """
    assert s.argument is not None
    y = Polynomial({((s, tuple(range(len(s.sizes))), exponent),): 1})
    plain = [m for m in s.argument.terms if all(e > 0 and t.name != "delta" for t, _, e in m)]
    if not plain:
        return None
    greatest = max(plain, key=lambda m: (sum(e for _, _, e in m), repr(m)))
    c = s.argument.terms[greatest]
    (lead,) = (Polynomial({greatest: 1}) * y).terms
    rest = s.argument - Polynomial({greatest: c})
    return Rule(s.name, lead, (value - rest * y).scale(Fraction(1) / c))


def _rewrite_atoms(p: Polynomial, rules: Sequence[Rule]) -> Polynomial:
    """Bring the arguments of atoms to normal form first, so that equal atoms are recognised."""
    cache: dict[Symbol, Polynomial] = {}
    for s in p.atoms():
        assert s.argument is not None
        inner = substitute(s.argument, cache.get)
        cache[s] = atom(s.function or "", rewrite(inner, rules))
    return substitute(p, cache.get) if cache else p


def _power_value(s: Symbol, e: int, binary_gates: bool) -> Polynomial | None:
    """A power of an atom in lower powers, over its axes; None where nothing is known.

    step^2 = step, sign^2 = 1, sqrt(u)^2 = u, cos^2 = 1 - sin^2.
    """
    if e < 2 or s.function not in ("step", "sign", "sqrt", "cos"):
        return None
    axes = tuple(range(len(s.sizes)))
    own = Polynomial({((s, axes, 1),): 1})
    if s.function == "step":
        return own if binary_gates else None
    assert s.argument is not None
    if s.function == "sign":
        square = ONE
    elif s.function == "sqrt":
        square = s.argument
    else:
        square = ONE - atom("sin", s.argument) ** 2
    return square ** (e // 2) * (own if e % 2 else ONE)


def _reduce_powers(p: Polynomial, binary_gates: bool) -> Polynomial:
    pending: dict[Monomial, Coefficient] = dict(p.terms)
    done: dict[Monomial, Coefficient] = {}
    while pending:
        m, c = pending.popitem()
        found = next(
            ((k, v) for k, (s, _, e) in enumerate(m) if (v := _power_value(s, e, binary_gates)) is not None), None
        )
        if found is None:
            accumulate(done, m, c)
            continue
        k, value = found
        factors, sizes = opened(m)
        coefficient, rest = canonical(factors[:k] + factors[k + 1 :])
        reduced = closed(Polynomial({rest: coefficient}) * at(value, factors[k][1]), sizes)
        for m2, c2 in reduced.terms.items():
            accumulate(pending, m2, c * c2)
    return Polynomial(done)


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
            total = ZERO
            for m, c in p.terms.items():
                bare = Polynomial({tuple(f for f in m if not (f[0] is s and f[1] == idx)): c})
                total = total + bare * at(s.argument, idx) ** (top - exponents[m])
            return total
        low = min(exponents.values())
        if low < 0:
            return p * Polynomial({((s, idx, -low),): 1})
    return p
