"""Atoms: named functions of indexed polynomials, with what is known of their values and derivatives.

step   y(c u) = y(u) for c > 0                derivative 0
sign   y(c u) = y(u) for c > 0, odd           derivative 0
sqrt   sqrt(c^2 u) = c sqrt(u) for c > 0      u'/(2 y)
       and for squares c = b^2
inv    1/u                                    -y^2 u'
exp    exp(u + v) = exp(u) exp(v), exp(k u) = exp(u)^k for integers k, exp(log u) = u
log    log(exp(u) / exp(v)) = u - v           u'/u
       log(b^k) = k log(b) for odd k
tanh, sin, arcsinh odd, cos even
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import permutations
from math import gcd, isqrt, lcm

from theorylab.errors import InputError
from theorylab.readings.array import Size
from theorylab.readings.polynomial.canonical import canonical
from theorylab.readings.polynomial.symbols import Coefficient, Factor, Symbol, factor_key, symbol
from theorylab.readings.polynomial.terms import ONE, ZERO, Polynomial, dummy_count, simple

ODD = ("sign", "tanh", "sin", "arcsinh")
KEPT = ("step", "sign", "inv")
"""Atoms that get no negative exponents: those of 1/inv(u) = u are written out, and gates may vanish."""
SIGNS = {"exp": "positive", "sqrt": "positive", "inv": "nonzero"}
MAX_PERMUTED_AXES = 3


def atom(function: str, argument: Polynomial) -> Polynomial:
    """function(argument), entry by entry: one atom with the factors that leave its argument."""
    if not argument:
        return _at_zero(function)
    outside = ONE
    if function in ("step", "sign"):
        argument = _divided(argument, _common(argument, lambda s: s.sign == "positive"), _content(argument))
    elif function == "sqrt":
        common = _common(argument, lambda s: s.function not in KEPT and s.name != "delta")
        halves = [(s, idx, e // 2 if s.sign == "positive" else e // 4 * 2) for s, idx, e in common]
        roots = [(s, idx, e) for s, idx, e in halves if e]
        root = _rational_root(_content(argument)) or 1
        argument = _divided(argument, [(s, idx, 2 * e) for s, idx, e in roots], root**2)
        outside = _product(roots, root)
    elif function == "inv":
        factors = _common(argument, lambda s: s.nonzero)
        content = _content(argument) * _leading_sign(argument)
        argument = _divided(argument, factors, content)
        outside = _product([(s, idx, -e) for s, idx, e in factors], Fraction(1) / content)
    if function in ODD and _leading_sign(argument) < 0:
        argument, outside = -argument, -outside
    elif function == "cos" and _leading_sign(argument) < 0:
        argument = -argument
    if argument == ONE and function in ("step", "sign", "sqrt", "inv"):
        return outside
    if argument == ONE and function == "log":
        return ZERO
    if argument == -ONE and function == "step":
        return ZERO
    if function == "exp":
        return _exponential(argument)
    if function == "log":
        if (exponent := _of_exponentials(argument)) is not None:
            return exponent
        argument, outside = _odd_root(argument)
    return outside * _whole(*_symbol(function, argument), 1)


def _at_zero(function: str) -> Polynomial:
    if function in ("log", "inv"):
        raise InputError(f"a formula takes {function} of an expression that is exactly zero")
    if function in ("exp", "cos"):
        return ONE
    return _whole(*_symbol(function, ZERO), 1) if function == "step" else ZERO


def _exponential(argument: Polynomial) -> Polynomial:
    result = ONE
    for m, c in argument.terms.items():
        whole = Fraction(c)
        if len(m) == 1 and m[0][0].function == "log" and m[0][2] == 1 and whole.denominator == 1 and not dummy_count(m):
            base = _argument(*m[0][:2])
            result = result * (base if whole > 0 else reciprocal(base)) ** abs(whole.numerator)
            continue
        base = _symbol("exp", Polynomial({m: simple(Fraction(1, whole.denominator))}))
        result = result * _whole(*base, whole.numerator)
    return result


def _of_exponentials(p: Polynomial) -> Polynomial | None:
    """log p for a product of exponentials without sums, else None."""
    if len(p.terms) != 1:
        return None
    ((m, c),) = p.terms.items()
    if c != 1 or dummy_count(m) or any(s.function != "exp" for s, _, _ in m):
        return None
    total = ZERO
    for s, idx, e in m:
        total = total + _argument(s, idx).scale(e)
    return total


def _odd_root(p: Polynomial) -> tuple[Polynomial, Polynomial]:
    """b and k with p = b^k for one factor b and an odd power k > 1, else p and 1: where b^k > 0, b > 0 too."""
    if len(p.terms) == 1:
        ((m, c),) = p.terms.items()
        if c == 1 and len(m) == 1 and m[0][2] > 1 and m[0][2] % 2 and not dummy_count(m):
            s, idx, k = m[0]
            return _product([(s, idx, 1)], 1), ONE.scale(k)
    return p, ONE


def _argument(s: Symbol, indices: tuple[int, ...]) -> Polynomial:
    """The argument of an atom at the given indices of its axes."""
    assert s.argument is not None
    return s.argument.relabel(dict(enumerate(indices)))


def _symbol(function: str, argument: Polynomial) -> tuple[Symbol, tuple[int, ...]]:
    """The symbol of function(argument) and the names of its axes, in the order with the smallest spelling."""
    free = argument.free()
    orders = permutations(free) if 1 < len(free) <= MAX_PERMUTED_AXES else [tuple(free)]
    spelled = [(argument.relabel({i: n for n, i in enumerate(order)}), order) for order in orders]
    compact, order = min(spelled, key=lambda pair: pair[0].key)
    sizes: dict[int, Size] = {}
    for m in compact.terms:
        for s, idx, _ in m:
            sizes.update({i: size for i, size in zip(idx, s.sizes, strict=True) if i >= 0})
    axes = [sizes[n] for n in range(len(order))]
    return symbol(f"{function}({compact.key})", axes, SIGNS.get(function, "any"), function, compact), order


def _whole(base: Symbol, indices: tuple[int, ...], exponent: int) -> Polynomial:
    coefficient, m = canonical([(base, indices, exponent)])
    return Polynomial({m: coefficient})


def reciprocal(p: Polynomial) -> Polynomial:
    """1/p: negative exponents for a single term without sums, else an atom inv(p)."""
    if not p:
        raise InputError("a formula divides by an expression that is exactly zero")
    if len(p.terms) == 1:
        ((m, c),) = p.terms.items()
        if dummy_count(m) == 0 and all(
            s.function not in ("step", "sign", "inv") and s.name != "delta" for s, _, _ in m
        ):
            return _product([(s, idx, -e) for s, idx, e in m], Fraction(1) / c)
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


# --- factors of an argument -------------------------------------------------------------------------------------------


def _content(p: Polynomial) -> Fraction:
    """The positive rational c for which p/c has coprime integer coefficients."""
    fractions = [Fraction(c) for c in p.terms.values()]
    return Fraction(gcd(*(f.numerator for f in fractions)), lcm(*(f.denominator for f in fractions)))


def _leading_sign(p: Polynomial) -> int:
    leading = min(p.terms, key=lambda m: [factor_key(f) for f in m])
    return 1 if p.terms[leading] > 0 else -1


def _common(p: Polynomial, test: Callable[[Symbol], bool]) -> list[Factor]:
    """The powers common to all terms of symbols that pass the test, at free indices."""
    common: dict[tuple[Symbol, tuple[int, ...]], int] | None = None
    for m in p.terms:
        here = {(s, idx): e for s, idx, e in m if test(s) and all(i >= 0 for i in idx)}
        both = here.keys() if common is None else common.keys() | here.keys()
        common = {k: here.get(k, 0) if common is None else min(common.get(k, 0), here.get(k, 0)) for k in both}
    return [(s, idx, e) for (s, idx), e in (common or {}).items() if e]


def _product(factors: Iterable[Factor], coefficient: Coefficient) -> Polynomial:
    """A single term without sums."""
    return Polynomial({canonical(factors)[1]: simple(coefficient)})


def _divided(p: Polynomial, factors: Iterable[Factor], by: Coefficient) -> Polynomial:
    return p * _product([(s, idx, -e) for s, idx, e in factors], Fraction(1) / by)


def _rational_root(value: Fraction) -> Fraction | None:
    """The square root of a positive rational where it is rational."""
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root**2 == value else None
