"""Functions of arrays that formulas may use, beside `@ + - * / ** .mT .sum() .mean()` and indexing.

Each works in every reading. Shapes follow numpy; errors name the shapes that were given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from theorylab.errors import InputError, ShapeError, UnsupportedReading
from theorylab.readings.array import Array, Axis, Size, is_number, number
from theorylab.readings.calculus import directional, gradient, is_numeric, reading
from theorylab.readings.einsum import contracted, parsed
from theorylab.readings.namespace import Namespace

__all__ = [
    "absolute",
    "arcsinh",
    "array",
    "basis",
    "cayley",
    "concat",
    "cos",
    "cosh",
    "derivative",
    "diag",
    "dot",
    "einsum",
    "exp",
    "expm",
    "eye",
    "gradient",
    "leaky_relu",
    "log",
    "logsumexp",
    "maximum",
    "minimum",
    "norm",
    "null_component",
    "opnorm",
    "outer",
    "relu",
    "root",
    "sign",
    "sin",
    "singular_values",
    "sinh",
    "softmax",
    "sqrt",
    "stack",
    "step",
    "sum",
    "tanh",
    "trace",
    "vec",
    "where",
    "zeros_like",
]


Term = Array | Fraction | int | float


def _array(x: Any) -> Array:
    if isinstance(x, Array):
        return x
    if isinstance(x, str) and hasattr(x, "into"):  # a size, as .shape shows it for all sizes
        from theorylab.readings.indexed import Indexed

        return x.into(Indexed)  # type: ignore[attr-defined]
    if is_number(x):
        from theorylab.readings.exact import Exact

        return Exact.constant(number(x))
    raise InputError(f"an operation got {type(x).__name__}; expected an array of the formula")


def step(x: Term) -> Array:
    """1 where x > 0, 0 where x < 0, the flow's stated convention at 0. Its derivative is 0."""
    return _array(x).apply("step")


def relu(x: Term) -> Array:
    """max(x, 0); its derivative at 0 is the flow's `gates`."""
    x = _array(x)
    return x * x.apply("step")


def leaky_relu(x: Term, slope: Any = Fraction(1, 100)) -> Array:
    """x for x > 0 and slope * x below."""
    x = _array(x)
    return x * slope + x * x.apply("step") * (1 - slope)


def sign(x: Term) -> Array:
    """1, 0 or -1. Exact formulas hold where x is not 0."""
    return _array(x).apply("sign")


def absolute(x: Term) -> Array:
    return abs(_array(x))


def exp(x: Term) -> Array:
    return _array(x).apply("exp")


def log(x: Term) -> Array:
    """Natural logarithm; the formula holds where x > 0."""
    return _array(x).apply("log")


def sqrt(x: Term) -> Array:
    """Square root; the formula holds where x > 0."""
    return _array(x).apply("sqrt")


def tanh(x: Term) -> Array:
    return _array(x).apply("tanh")


def sin(x: Term) -> Array:
    return _array(x).apply("sin")


def cos(x: Term) -> Array:
    return _array(x).apply("cos")


def sinh(x: Term) -> Array:
    e = exp(x)
    return (e - 1 / e) / 2


def cosh(x: Term) -> Array:
    e = exp(x)
    return (e + 1 / e) / 2


def arcsinh(x: Term) -> Array:
    return _array(x).apply("arcsinh")


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return _array(x).sum(axis, keepdims)


def norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Euclidean (Frobenius) norm over the given axes; differentiable where it is not 0."""
    return (_array(x) ** 2).sum(axis, keepdims).apply("sqrt")


def dot(a: Any, b: Any) -> Array:
    """The sum of products of two arrays of one shape, or of two namespaces with the same names."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        total: Any = 0
        for name in a:
            total = (a[name] * b[name]).sum() + total
        return total
    return (_array(a) * b).sum()


def outer(a: Array, b: Array) -> Array:
    """a[i] b[j] over the last axes."""
    return _array(a)[..., :, None] * _array(b)[..., None, :]


def einsum(subscripts: str, *arrays: Array) -> Array:
    """Sums of products by index letters, as in numpy: einsum("ij,jk->ik", a, b) is a @ b, "ii->i" a diagonal.

    Raises InputError for other subscripts (there is no ellipsis), ShapeError where sizes do not fit.
    """
    terms, kept = parsed(subscripts, given := [_array(a) for a in arrays])
    if is_numeric(*given):
        from theorylab.readings import numeric

        return numeric.einsum(f"{','.join(terms)}->{kept}", given)
    return contracted(terms, kept, given, _identity)


def maximum(a: Any, b: Any) -> Array:
    return relu(a - b) + b


def minimum(a: Any, b: Any) -> Array:
    return a - relu(a - b)


def where(condition: Array, a: Any, b: Any) -> Array:
    """a where `condition` (an ops.step) is 1, b where it is 0."""
    return _array(condition) * (a - b) + b


def softmax(x: Array, axis: int = -1) -> Array:
    e = exp(x)
    return e / e.sum(axis, keepdims=True)


def logsumexp(x: Array) -> Array:
    """log of the sum of exp over all entries; in the numeric reading without overflow."""
    x = _array(x)
    if is_numeric(x):
        from theorylab.readings import numeric

        return numeric.logsumexp(x)  # type: ignore[arg-type]
    return log(exp(x).sum())


def zeros_like(x: Array) -> Array:
    return _array(x) * 0


def stack(arrays: Sequence[Any], axis: int = 0) -> Array:
    """Arrays of one shape along a new axis."""
    return _engine(arrays).stack(_unify(arrays), axis)


def concat(arrays: Sequence[Any], axis: int = 0) -> Array:
    """Arrays along an existing axis."""
    return _engine(arrays).concatenate(_unify(arrays), axis)


def vec(*entries: Any) -> Array:
    """A vector of scalars; plain numbers alone give a constant."""
    return array(list(entries)) if reading(*entries) is None else stack(entries)


def array(values: Any) -> Array:
    """A constant from nested lists of ints and Fractions; it takes the reading of what it meets."""
    from theorylab.readings.exact import Exact

    return Exact.constant(values)


def basis(like: Array, index: int) -> Array:
    """The unit vector with the shape of the vector `like`."""
    (length,) = like.shape
    if not isinstance(length, int):
        raise UnsupportedReading("a unit vector needs a given size")
    return like * 0 + array([int(i == index) for i in range(length)])


def eye(like: Array) -> Array:
    """The identity with the shape of the square matrix `like`."""
    size, other = like.shape
    if size != other:
        raise InputError(f"eye needs a square matrix, got shape {like.shape}")
    identity = _identity(size)
    return like * 0 + identity if isinstance(size, int) else identity


def _identity(size: Size) -> Array:
    if not isinstance(size, int):
        from theorylab.readings.indexed import eye as indexed_eye

        return indexed_eye(size)
    return array([[int(i == j) for j in range(size)] for i in range(size)])


def diag(x: Array) -> Array:
    """The diagonal of a square matrix as a vector."""
    return (x * eye(x)).sum(-1)


def trace(x: Array) -> Array:
    return diag(x).sum()


def cayley(x: Array) -> Array:
    """The rotation (I - S)(I + S)^-1 with S the skew part of a square x; onto the rotations without eigenvalue -1."""
    size = x.shape[0]
    if not isinstance(size, int):
        raise UnsupportedReading("the Cayley transform needs a given size")
    skew = (x - x.mT) / 2
    identity = eye(x)
    return (identity - skew) @ _inverse(identity + skew)


def _inverse(a: Array) -> Array:
    """The inverse by Faddeev and Le Verrier: no branch, exact in every reading."""
    n = int(a.shape[0])
    identity = eye(a)
    m, c = identity * 0, identity[0, 0]
    for k in range(1, n + 1):
        m = a @ m + c * identity
        c = -trace(a @ m) / k
    return -m / c


def null_component(x: Array, v: Array) -> Array:
    """The part of v, (..., d), that is orthogonal to every column of x, (d, n). Only in the numeric reading."""
    if x.ndim != 2 or v.ndim < 1 or v.shape[-1] != x.shape[0]:
        raise ShapeError(f"null_component got shapes {x.shape} and {v.shape}; expected (d, n) and (..., d)")
    pair = x._pair(v)
    if not is_numeric(*pair):
        raise UnsupportedReading("a projection on a kernel is no rational function of the entries")
    from theorylab.readings import numeric

    return numeric.null_component(*pair)


def singular_values(x: Array) -> Array:
    """The singular values of a matrix, the largest first, (min(shape),). Only in the numeric reading."""
    x = _array(x)
    if x.ndim != 2:
        raise ShapeError(f"singular_values got an array of shape {x.shape}; expected a matrix")
    if not is_numeric(x):
        raise UnsupportedReading("singular values are no rational functions of the entries")
    from theorylab.readings import numeric

    return numeric.singular_values(x)  # type: ignore[arg-type]


def opnorm(x: Array) -> Array:
    """The largest singular value of a matrix. Only in the numeric reading."""
    return singular_values(x)[0]


def expm(x: Array) -> Array:
    """The exponential of a square matrix. Only in the numeric reading."""
    x = _array(x)
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise ShapeError(f"expm got an array of shape {x.shape}; expected a square matrix")
    if not is_numeric(x):
        raise UnsupportedReading("the exponential of a matrix is no rational function of the entries")
    from theorylab.readings import numeric

    return numeric.expm(x)  # type: ignore[arg-type]


def root(function: Callable[[Array], Array], low: Any, high: Any) -> Array:
    """A number between low and high at which a scalar function is 0. Only in the numeric reading.

    By bisection down to neighbouring floats; nan where the function has the same sign at low and at high.
    """
    left, right = _array(low), _array(high)
    values = function(left), function(right)
    if not is_numeric(*values):
        raise UnsupportedReading("the root of an equation is no rational function of the coefficients")
    from theorylab.readings import numeric

    return numeric.root(function, left, right)


def derivative(function: Callable[[Namespace], Array], p: Mapping[str, Array], direction: Mapping[str, Array]) -> Array:
    """The derivative of function(p) along a direction with the names of p."""
    return directional(function, p, direction)


def _engine(arrays: Sequence[Any]) -> Any:
    """The module of the reading in which all the arrays can be."""
    kind = _common(arrays).__name__
    if kind == "Indexed":
        raise UnsupportedReading("stacking needs given sizes")
    from theorylab.readings import exact

    if kind == "Exact":
        return exact
    from theorylab.readings import numeric

    return numeric


def _common(arrays: Sequence[Any]) -> type[Array]:
    kinds = [type(a) for a in arrays if isinstance(a, Array)]
    if not kinds:
        raise InputError("stack and concat got only numbers; expected at least one array, or use ops.array")
    return next((k for k in kinds if k.__name__ != "Exact"), kinds[0])


def _unify(arrays: Sequence[Any]) -> list[Any]:
    """All in one reading; scalars among arrays are spread to their shape."""
    kind = _common(arrays)
    lifted = []
    for a in arrays:
        lifted.append(a.into(kind) if isinstance(a, Array) else kind.constant(number(a) if is_number(a) else a))
    largest = max(lifted, key=lambda a: a.ndim)
    return [a + largest * 0 if a.ndim < largest.ndim else a for a in lifted]
