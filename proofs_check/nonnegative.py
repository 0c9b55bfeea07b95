from .document import Rejected


def check_nonnegative(statement, reducer, known, expression, axes, strict, proof):
    raise Rejected("nonnegative", "x")
