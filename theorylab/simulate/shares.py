"""Shares of exponentials in a sum, e^a / (e^a + e^b), in a form that stays a number where exponentials do not."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from theorylab.readings import expression as ex


def with_shares(roots: Sequence[ex.Expression]) -> list[ex.Expression]:
    """The same formulas, where e^a / (c e^a + k e^b) is written as 1 / (c + k e^(b - a)).

    The first is infinity times 0 for large a, as in the field of the logistic loss at margins below -709. Shares in
    longer sums, which take an exponential for each pair of terms, are left as they are.
    """
    return ex.evaluate(roots, ex.var, _Shares())


class _Shares:
    """The domain of expressions, in which products look for shares."""

    const = staticmethod(ex.const)
    power = staticmethod(ex.power)
    call = staticmethod(ex.call)

    @staticmethod
    def add(terms: Sequence[ex.Expression]) -> ex.Expression:
        return ex.add(*terms)

    @staticmethod
    def mul(factors: Sequence[ex.Expression]) -> ex.Expression:
        parts = [part for factor in factors for part in (factor.args if factor.op == "mul" else (factor,))]
        for total in parts:
            terms = exponentials(total.args[0]) if total.op == "pow" and total.args[1] == -1 else []
            for factor in parts if len(terms) == 2 else ():
                if factor.op == "fn" and factor.args[0] == "exp" and factor.args[1] in [a for _, a in terms]:
                    (c, a), (k, b) = sorted(terms, key=lambda term: term[1] is not factor.args[1])
                    rest = [part for part in parts if part is not total and part is not factor]
                    grown = ex.mul(ex.const(k), ex.call("exp", difference(b, a)))
                    return ex.mul(*rest, ex.power(ex.add(grown, ex.const(c)), -1))
        return ex.mul(*factors)


def exponentials(node: ex.Expression) -> list[tuple[Fraction, ex.Expression]]:
    """(c, a) for each term c e^a of a sum of such terms with c > 0, of which numbers are some; else nothing."""
    found = []
    for term in node.args if node.op == "add" else ():
        c, part = Fraction(1), term
        if term.op == "mul" and len(term.args) == 2 and term.args[0].op == "const":
            c, part = term.args[0].args[0], term.args[1]
        if part.op == "const":
            c, exponent = part.args[0], ex.ZERO
        elif part.op == "fn" and part.args[0] == "exp":
            exponent = part.args[1]
        else:
            return []
        if c <= 0:
            return []
        found.append((c, exponent))
    return found


def difference(b: ex.Expression, a: ex.Expression) -> ex.Expression:
    """b - a, without the terms that both have."""
    plus, minus = ([*x.args] if x.op == "add" else [x] for x in (b, a))
    for term in list(plus):
        if term in minus:
            plus.remove(term)
            minus.remove(term)
    turned = [ex.mul(ex.const(-1), term) for term in minus]
    # The order in which differences are written, so that equal ones are one node.
    return ex.add(*sorted([*plus, *turned], key=_is_turned))


def _is_turned(term: ex.Expression) -> bool:
    return term.op == "mul" and term.args[0].op == "const" and term.args[0].args[0] < 0
