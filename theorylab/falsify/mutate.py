"""Mutants of a claim: one sign, constant or exponent of a formula changed, or one hypothesis dropped.

A formula is changed in its source, as a syntax tree, and compiled again with the closure, the defaults and the globals
of the user's function.
"""

from __future__ import annotations

import ast
import copy
import linecache
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from theorylab.claims.base import Claim
from theorylab.claims.limit import Minimiser
from theorylab.errors import InputError
from theorylab.readings.array import is_number
from theorylab.readings.namespace import arity

Function = Callable[..., Any]
Definition = ast.Lambda | ast.FunctionDef
Path = tuple[Any, ...]

FORMULAS = ("quantity", "rate", "formula", "map", "lhs", "rhs", "value", "exponent", "time", "rank")
SIDES = ("rate", "formula", "lhs", "rhs", "value")
"""Formulas that say something else when they are doubled."""

AXES = ("sum", "mean", "norm", "reshape")
"""Methods and functions whose further arguments are axes and shapes, no constants of the mathematics."""

MEANT = ("Fraction", "vec", "maximum", "minimum")
"""Functions whose numbers are constants of the mathematics."""

REVERSED = {"<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Changed:
    """A claim with one change: which argument or hypothesis, and what it has become."""

    what: str
    to: str
    claim: Claim


def mutants(claim: Claim) -> Iterator[Changed]:
    """Every mutant of a claim; none of claims about other claims. Mutants that make no sense are passed over."""
    seen: set[tuple[str, str]] = set()
    for name, text, value in _arguments(claim):
        if (name, text) in seen:
            continue
        seen.add((name, text))
        try:
            yield Changed(name, text, claim.but(**{name: value}, name=f"{claim.name or claim.kind} mutant {len(seen)}"))
        except InputError:
            continue
    if "subject" not in claim._arguments:
        return
    for assumption in claim.setting.assumptions:
        yield Changed("hypothesis", f"without {assumption.name}", claim.without(assumption.name))


def _arguments(claim: Claim) -> Iterator[tuple[str, str, Any]]:
    """Argument, text and value of each change."""
    given = claim._arguments
    sense = given.get("sense")
    up = -1 if sense == "<=" else 1
    for name in FORMULAS:
        value = given.get(name)
        if isinstance(value, Minimiser):
            yield from ((name, text, other) for text, other in _other_functionals(value))
        elif is_number(value):
            yield from ((name, str(other), other) for other in _other_numbers(name, value, up))
        elif isinstance(value, FunctionType):
            found = list(mutated(value))
            yield from ((name, text, function) for text, function in found)
            if not found and name in SIDES:
                yield name, "twice what it was", _doubled(value)
        elif callable(value) and name in SIDES:
            yield name, "twice what it was", _doubled(value)
    if sense in REVERSED:
        yield "sense", REVERSED[sense], REVERSED[sense]


def _other_numbers(name: str, value: Any, up: int) -> Iterator[Any]:
    """A number that says more (by 1, exponents by 1/10), and the number with the other sign."""
    if name == "rank":
        if value + up >= 0:
            yield value + up
        return
    step = Fraction(1, 10) if name == "exponent" else 1
    yield value + up * step
    if value:
        yield -value


def _other_functionals(value: Minimiser) -> Iterator[tuple[str, Minimiser]]:
    from theorylab import bias
    from theorylab.claims.limit import argmin

    for other in (bias.l2, bias.l1):
        if other.name != value.name:
            yield f"a minimiser of {other.name}", argmin(other, getattr(value.potential, "constraint", None))


def _doubled(function: Function) -> Function:
    if arity(function) == 2:
        return lambda p, c: 2 * function(p, c)
    return lambda c: 2 * function(c)


# --- functions --------------------------------------------------------------------------------------------------------


def mutated(function: FunctionType) -> Iterator[tuple[str, Function]]:
    """The function with one change at a time, each with the source of what was changed; none if there is no source."""
    node = definition(function)
    if node is None:
        return
    for path, site in _sites(node):
        for replacement in _replacements(site):
            other = _replaced(node, path, replacement)
            yield _shown(other, path), _compiled(function, other)


@lru_cache(maxsize=8)
def _definitions(source: str) -> list[Definition]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, Definition)]


def definition(function: FunctionType) -> Definition | None:
    """The syntax of a function: a `def` by name and line, a lambda by the positions of its instructions."""
    code = function.__code__
    found = _definitions("".join(linecache.getlines(code.co_filename)))
    if code.co_name != "<lambda>":
        named = (n for n in found if isinstance(n, ast.FunctionDef) and n.name == code.co_name)
        return next((n for n in named if _first_line(n) == code.co_firstlineno), None)
    lambdas = [n for n in found if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
    if len(lambdas) > 1:
        spots = {tuple(position) for position in code.co_positions()}
        lambdas = [n for n in lambdas if _span(n.body) in spots]
    return min(lambdas, key=lambda n: len(ast.unparse(n)), default=None)


def _first_line(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def _span(node: ast.expr) -> tuple[int | None, ...]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _sites(node: Definition) -> Iterator[tuple[Path, ast.expr]]:
    """Every expression of the body that is mathematics, with the way to it from the definition."""
    if isinstance(node, ast.Lambda):
        yield from _within(node.body, ("body",))
        return
    for i, statement in enumerate(node.body):
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield from _within(statement, ("body", i))


def _within(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.expr]]:
    if isinstance(node, ast.expr):
        yield path, node
    for name, value in ast.iter_fields(node):
        if name in ("slice", "decorator_list", "annotation", "test"):
            continue
        if name in ("args", "keywords") and isinstance(node, ast.Call):
            value = _of_call(node, value)
        if isinstance(value, ast.AST):
            yield from _within(value, (*path, name))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if item is not None:
                    yield from _within(item, (*path, name, i))


def _of_call(node: ast.Call, given: list[Any]) -> list[Any]:
    """The arguments of a call that are mathematics, None for axes and shapes."""
    name = _name(node.func)
    if name in MEANT:
        return given
    if name in AXES and isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
        return []
    return [None if _is_constant(getattr(a, "value", a) if isinstance(a, ast.keyword) else a) else a for a in given]


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("ops", "tl")


def _replacements(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, right):
            yield ast.BinOp(left, ast.Sub() if isinstance(op, ast.Add) else ast.Add(), right)
            yield ast.BinOp(left, op, _twice(right))
        case ast.BinOp(left, ast.Pow(), right):
            yield ast.BinOp(left, ast.Pow(), _more(right))
        case ast.BinOp(ast.Constant(int(n)), ast.Mult() | ast.Div() as op, right):
            yield ast.BinOp(ast.Constant(n + 1), op, right)
        case ast.BinOp(left, ast.Mult() | ast.Div() as op, ast.Constant(int(n))):
            yield ast.BinOp(left, op, ast.Constant(n + 1))
        case ast.BinOp(ast.UnaryOp(ast.USub(), ast.Constant(int(n))), ast.Mult() | ast.Div() as op, right):
            yield ast.BinOp(ast.UnaryOp(ast.USub(), ast.Constant(n + 1)), op, right)
        case ast.BinOp(left, ast.Mult(), right):
            yield ast.BinOp(ast.BinOp(left, ast.Pow(), ast.Constant(2)), ast.Mult(), right)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.Call(func, [ast.Constant(int(n)), *rest], keywords) if _name(func) in MEANT:
            yield ast.Call(func, [ast.Constant(n + 1), *rest], keywords)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _twice(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(2 * node.value)
    return ast.BinOp(ast.Constant(2), ast.Mult(), node)


def _more(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + 1)
    return ast.BinOp(node, ast.Add(), ast.Constant(1))


def _replaced(node: Definition, path: Path, replacement: ast.expr) -> Definition:
    root = copy.deepcopy(node)
    at: Any = root
    for step in path[:-1]:
        at = _child(at, step)
    if isinstance(path[-1], int):
        at[path[-1]] = replacement
    else:
        setattr(at, path[-1], replacement)
    return root


def _child(node: Any, step: Any) -> Any:
    return node[step] if isinstance(step, int) else getattr(node, step)


def _shown(node: Definition, path: Path) -> str:
    """The source of the expression of a lambda, or of the statement of a function, that was changed."""
    if isinstance(node, ast.Lambda):
        return ast.unparse(node.body)
    statement: Any = node
    for step in path:
        below = _child(statement, step)
        if isinstance(below, ast.expr):
            break
        statement = below
    text = ast.unparse(statement)
    return text.removeprefix("return ")


def _compiled(function: FunctionType, node: Definition) -> Function:
    """A function with the globals, the closure and the defaults of the given one, and another body."""
    own = function.__code__
    arguments = copy.copy(node.args)
    arguments.defaults, arguments.kw_defaults = [], [None for _ in arguments.kwonlyargs]
    if isinstance(node, ast.FunctionDef):
        node = copy.copy(node)
        node.args, node.decorator_list = arguments, []
        statement: ast.stmt = node
    else:
        statement = ast.Expr(ast.Lambda(arguments, node.body))
    outer = ast.arguments([], [ast.arg(n) for n in own.co_freevars], None, [], [], None, [])
    factory = ast.FunctionDef("factory", outer, [statement], [], None)
    module = ast.fix_missing_locations(ast.Module([factory], []))
    code = _code_in(_code_in(compile(module, own.co_filename, "exec").co_consts, "factory").co_consts, own.co_name)
    cells = dict(zip(own.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[n] for n in code.co_freevars)
    made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _code_in(constants: Sequence[Any], name: str) -> CodeType:
    return next(c for c in constants if isinstance(c, CodeType) and c.co_name == name)
