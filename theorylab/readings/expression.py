"""Scalar expressions: a shared, immutable graph of sums, products, powers and named functions.

Equal expressions are one object, so common sub-terms are shared and never expanded. The same graph is evaluated in
rationals, in balls, in floats or as polynomials, differentiated, and written into certificates.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any, Protocol, TypeVar

from theorylab.errors import InputError, Undefined

V = TypeVar("V")


class Expression:
    """A node: `op` is const, var, add, mul, pow or fn; `args` are its parts."""

    __slots__ = ("__weakref__", "args", "op")
    op: str
    args: tuple[Any, ...]

    def __repr__(self) -> str:
        if self.op in ("const", "var"):
            return str(self.args[0])
        return f"{self.op}({', '.join(map(repr, self.args))})"


_interned: weakref.WeakValueDictionary[tuple[Any, ...], Expression] = weakref.WeakValueDictionary()


def _node(op: str, args: tuple[Any, ...]) -> Expression:
    key = (op, *(id(a) if isinstance(a, Expression) else a for a in args))
    found = _interned.get(key)
    if found is None:
        found = Expression()
        found.op, found.args = op, args
        _interned[key] = found
    return found


def const(value: Fraction | int) -> Expression:
    return _node("const", (Fraction(value),))


def var(name: str) -> Expression:
    return _node("var", (name,))


ZERO, ONE = const(0), const(1)


def add(*terms: Expression) -> Expression:
    total, rest = Fraction(0), []
    for term in terms:
        if term.op == "const":
            total += term.args[0]
        else:
            rest.append(term)
    if total:
        rest.append(const(total))
    return ZERO if not rest else rest[0] if len(rest) == 1 else _node("add", tuple(rest))


def mul(*factors: Expression) -> Expression:
    total, rest = Fraction(1), []
    for factor in factors:
        if factor.op == "const":
            total *= factor.args[0]
        else:
            rest.append(factor)
    if not total:
        return ZERO
    if total != 1:
        rest.insert(0, const(total))
    return ONE if not rest else rest[0] if len(rest) == 1 else _node("mul", tuple(rest))


def power(base: Expression, exponent: int) -> Expression:
    if exponent == 0:
        return ONE
    if exponent == 1:
        return base
    if base.op == "const":
        if not base.args[0]:
            if exponent < 0:
                raise Undefined("a formula divides by an expression that is exactly zero")
            return ZERO
        return const(base.args[0] ** exponent)
    if base.op == "pow":
        return power(base.args[0], base.args[1] * exponent)
    return _node("pow", (base, exponent))


EXACT_VALUES: dict[tuple[str, Fraction], Fraction] = {
    ("sign", Fraction(0)): Fraction(0),
    ("exp", Fraction(0)): Fraction(1),
    ("log", Fraction(1)): Fraction(0),
    ("tanh", Fraction(0)): Fraction(0),
    ("sin", Fraction(0)): Fraction(0),
    ("cos", Fraction(0)): Fraction(1),
    ("arcsinh", Fraction(0)): Fraction(0),
}


def call(function: str, argument: Expression) -> Expression:
    if argument.op == "const":
        value = argument.args[0]
        if (function, value) in EXACT_VALUES:
            return const(EXACT_VALUES[function, value])
        if function in ("step", "sign") and value:
            return const((value > 0) - (function == "sign") * (value < 0))
        if function == "sqrt" and value >= 0:
            root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
            if root**2 == value:
                return const(root)
    return _node("fn", (function, argument))


def children(node: Expression) -> tuple[Expression, ...]:
    match node.op:
        case "add" | "mul":
            return node.args
        case "pow":
            return (node.args[0],)
        case "fn":
            return (node.args[1],)
    return ()


def topological(roots: Iterable[Expression]) -> list[Expression]:
    """All nodes below the roots, each after its children."""
    order: list[Expression] = []
    seen: set[int] = set()
    stack: list[tuple[Expression, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children(node)))
    return order


class Domain(Protocol[V]):
    """An arithmetic in which expressions take values."""

    def const(self, value: Fraction) -> V: ...
    def add(self, terms: Sequence[V]) -> V: ...
    def mul(self, factors: Sequence[V]) -> V: ...
    def power(self, base: V, exponent: int) -> V: ...
    def call(self, function: str, argument: V) -> V: ...


def evaluate(roots: Sequence[Expression], variable: Callable[[str], V], domain: Domain[V]) -> list[V]:
    """The values of the roots in `domain`, each shared node computed once."""
    value: dict[int, V] = {}
    for node in topological(roots):
        match node.op:
            case "const":
                result = domain.const(node.args[0])
            case "var":
                result = variable(node.args[0])
            case "add":
                result = domain.add([value[id(a)] for a in node.args])
            case "mul":
                result = domain.mul([value[id(a)] for a in node.args])
            case "pow":
                result = domain.power(value[id(node.args[0])], node.args[1])
            case _:
                result = domain.call(node.args[0], value[id(node.args[1])])
        value[id(node)] = result
    return [value[id(root)] for root in roots]


class _Rebuild:
    """The domain of expressions themselves: evaluation is substitution."""

    const = staticmethod(const)
    power = staticmethod(power)
    call = staticmethod(call)

    @staticmethod
    def add(terms: Sequence[Expression]) -> Expression:
        return add(*terms)

    @staticmethod
    def mul(factors: Sequence[Expression]) -> Expression:
        return mul(*factors)


def substitute(roots: Sequence[Expression], values: Mapping[str, Expression]) -> list[Expression]:
    return evaluate(roots, lambda name: values[name] if name in values else var(name), _Rebuild())


def slope(function: str, argument: Expression, node: Expression) -> Expression:
    """The declared derivative of a named function at `argument`; `node` is its value there."""
    match function:
        case "step" | "sign":
            return ZERO
        case "sqrt":
            return mul(const(Fraction(1, 2)), power(node, -1))
        case "exp":
            return node
        case "log":
            return power(argument, -1)
        case "tanh":
            return add(ONE, mul(const(-1), power(node, 2)))
        case "sin":
            return call("cos", argument)
        case "cos":
            return mul(const(-1), call("sin", argument))
        case "arcsinh":
            return power(call("sqrt", add(ONE, power(argument, 2))), -1)
    raise InputError(f"the function {function!r} has no declared derivative")


Partials = Callable[[Expression], list[tuple[Expression, Expression]]]


def partials(node: Expression) -> list[tuple[Expression, Expression]]:
    """(child, d node / d child) for each child of a node; powers of exp(a) go by a, as exp(a)^-2 is soon too large."""
    match node.op:
        case "add":
            return [(a, ONE) for a in node.args]
        case "mul":
            args = node.args
            return [(a, mul(*args[:i], *args[i + 1 :])) for i, a in enumerate(args)]
        case "pow":
            base, exponent = node.args
            if base.op == "fn" and base.args[0] == "exp":
                return [(base.args[1], mul(const(exponent), node))]
            return [(base, mul(const(exponent), power(base, exponent - 1)))]
        case "fn":
            function, argument = node.args
            return [(argument, slope(function, argument, node))]
    return []


def directional(
    roots: Sequence[Expression], direction: Mapping[str, Expression], rule: Partials = partials
) -> list[Expression]:
    """The derivatives of the roots along a direction given for each variable (forward mode).

    rule: gives for a node (expression below it, derivative by that), which is summed over by the chain rule.
    """
    tangent: dict[int, Expression] = {}
    for node in topological(roots):
        if node.op == "var":
            tangent[id(node)] = direction.get(node.args[0], ZERO)
        else:
            parts = [(partial, tangent[id(child)]) for child, partial in rule(node)]
            tangent[id(node)] = add(*(mul(partial, t) for partial, t in parts if t is not ZERO))
    return [tangent[id(root)] for root in roots]


def gradient(root: Expression, names: Sequence[str]) -> list[Expression]:
    """The partial derivatives of one expression by the named variables (reverse mode)."""
    order = topological([root])
    adjoint: dict[int, list[Expression]] = {id(root): [ONE]}
    collected: dict[str, Expression] = {}
    for node in reversed(order):
        weight = add(*adjoint.pop(id(node), [ZERO]))
        if node.op == "var":
            collected[node.args[0]] = weight
        elif weight is not ZERO:
            for child, partial in partials(node):
                adjoint.setdefault(id(child), []).append(mul(weight, partial))
    return [collected.get(name, ZERO) for name in names]


def variables(roots: Iterable[Expression]) -> set[str]:
    return {node.args[0] for node in topological(roots) if node.op == "var"}


def constants(roots: Iterable[Expression]) -> set[Fraction]:
    """The numbers that are written in expressions, exponents left out."""
    return {node.args[0] for node in topological(roots) if node.op == "const"}
