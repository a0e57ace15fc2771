"""Elementwise ops: operands broadcast, and each element of the result needs one element of each.

Most are NumPy ufuncs, whose own dtype resolution is the dtype rule. The table at the end of the
file is the family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.errors import DTypeError, GraphError
from graphc.ir.build import apply
from graphc.ir.dimension import Shape, broadcast_shapes
from graphc.ir.dtype import BOOL, FLOAT32, DType, as_dtype, is_float, result_dtype, ufunc_dtypes
from graphc.ir.op import Attrs, Op
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.erf import erf as erf_array
from graphc.ops.sources import CONSTANT, as_tensor, dimension_value

Array = np.ndarray[Any, Any]
Unary = Callable[[object], Tensor]
Binary = Callable[[object, object], Tensor]


# -- operands --------------------------------------------------------------------------------------
def is_weak(tensor: Tensor) -> bool:
    """Whether the node is a bare Python number, which takes the dtype of its partner."""
    return tensor.op is CONSTANT and bool(tensor.attrs.get("weak"))


def weak_value(value: object) -> int | float | None:
    """The Python number that stands for an operand in dtype resolution, or None for a strong one.

    A bool is strong, as in NumPy: it is a value of dtype bool.
    """
    if isinstance(value, (int, float)) and not isinstance(value, (bool, np.generic)):
        return value
    if isinstance(value, sympy.Expr):
        return 1
    if isinstance(value, Tensor) and is_weak(value):
        scalar: int | float = value.attrs["value"].item()
        return scalar
    return None


def strengthened(value: object, dtype: DType) -> Tensor:
    """The operand as a node; a weak one as a constant of this dtype."""
    if isinstance(value, sympy.Expr):
        return dimension_value(value, dtype)
    weak = weak_value(value)
    if weak is None:
        return as_tensor(value)
    try:
        return apply(CONSTANT, (), value=_read_only(np.asarray(weak, dtype)), weak=False)
    except OverflowError:
        raise DTypeError(
            f"the number {weak} does not fit in {dtype}",
            location=user_location(),
            remedy="convert the other operand to a wider dtype",
        ) from None


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _resolved(
    values: tuple[object, ...], resolve: Callable[..., tuple[DType, ...]], op: str
) -> tuple[Tensor, ...]:
    """The operands as nodes, weak ones in the dtype that ``resolve`` gives them."""
    weak = [weak_value(v) for v in values]
    if all(w is not None for w in weak):  # numbers only: they mean what NumPy makes of them alone
        return tuple(as_tensor(v) for v in values)
    if all(w is None for w in weak):
        return tuple(map(as_tensor, values))
    nodes = [as_tensor(v) if w is None else v for v, w in zip(values, weak, strict=True)]
    kinds = [n.dtype if w is None else type(w) for n, w in zip(nodes, weak, strict=True)]  # type: ignore[attr-defined]
    try:
        dtypes = resolve(tuple(kinds))
        return tuple(
            n if w is None else strengthened(n, d)  # type: ignore[misc]
            for n, w, d in zip(nodes, weak, dtypes, strict=False)
        )
    except DTypeError as error:
        raise error.located(op, user_location()) from None


# -- rules -----------------------------------------------------------------------------------------
def _broadcast(inputs: tuple[Tensor, ...]) -> Shape:
    return broadcast_shapes([i.shape for i in inputs])


def _ufunc_op(ufunc: np.ufunc, name: str | None = None, on_complex: Callable[..., Any] | None = None) -> Op:
    """The ufunc as an op. ``on_complex`` is its meaning for a complex step, x + ih with tiny h, where
    NumPy's own complex function is none or another one."""

    def infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
        return _broadcast(inputs), ufunc_dtypes(ufunc, tuple([i.dtype for i in inputs]))[-1]

    def evaluate(attrs: Attrs, *a: Array) -> Array:
        stepped = on_complex is not None and any(x.dtype.kind == "c" for x in a)
        return np.asarray(on_complex(*a) if stepped else ufunc(*a))  # type: ignore[misc]

    return Op(name or ufunc.__name__, "elementwise", infer, evaluate, ufunc)


def _step_ufunc_op(ufunc: np.ufunc, name: str | None = None) -> Op:
    """A ufunc that is constant between jumps, or true or false: a complex step sees no slope in it."""
    return _ufunc_op(ufunc, name, lambda *a: ufunc(*map(np.real, a)))


def _float_op(name: str, evaluate: Callable[..., Array]) -> Op:
    """An op on real numbers: integers and bools become floats as they do for numpy.exp."""

    def infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
        return _broadcast(inputs), ufunc_dtypes(np.exp, (inputs[0].dtype,))[-1]

    return Op(name, "elementwise", infer, lambda attrs, *a: evaluate(*a))


def _unary(op: Op, doc: str) -> Unary:
    def function(x: object) -> Tensor:
        return apply(op, (as_tensor(x),))

    documented: Unary = _documented(function, op, doc)
    return documented


def _binary(op: Op, doc: str) -> Binary:
    ufunc = op.ufunc
    assert ufunc is not None

    def function(x: object, y: object) -> Tensor:
        values = _resolved((x, y), lambda kinds: ufunc_dtypes(ufunc, kinds), op.name)
        return apply(op, values)

    documented: Binary = _documented(function, op, doc)
    return documented


def _documented(function: Any, op: Op, doc: str) -> Any:
    names = ("x",) if function.__code__.co_argcount == 1 else ("x", "y")
    result = BOOL if op.ufunc and ufunc_dtypes(op.ufunc, (FLOAT32,) * len(names))[-1] == BOOL else FLOAT32
    meaning = (
        f"with NumPy's broadcasting and dtypes: ``numpy.{op.ufunc.__name__}``"
        if op.ufunc is not None
        else "the dtype of a float is kept"
    )
    arguments = ", ".join(f'gc.input("{n}", ("N", 3))' for n in names)
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = (
        f"{doc}\n\n    Elementwise, {meaning}.\n\n    >>> import graphc as gc\n"
        f"    >>> gc.{op.name}({arguments})\n    <{op.name}: {result}(N, 3)>\n    "
    )
    return function


# -- meanings for a complex step -------------------------------------------------------------------
def _first_order(value: Array, *terms: tuple[Array, Array]) -> Array:
    """value + i Σ slope·h, a complex step through a real function, from pairs (slope, argument)."""
    with np.errstate(all="ignore"):
        return np.asarray(
            value + 1j * np.sum(np.broadcast_arrays(*(s * np.imag(a) for s, a in terms)), axis=0)
        )


def _complex_arctan2(y: Array, x: Array) -> Array:
    v, u = np.real(y), np.real(x)
    square = u * u + v * v
    return _first_order(np.arctan2(v, u), (u / square, y), (-v / square, x))


def _complex_hypot(x: Array, y: Array) -> Array:
    u, v = np.real(x), np.real(y)
    root = np.hypot(u, v)
    return _first_order(root, (u / root, x), (v / root, y))


def _complex_logaddexp(x: Array, y: Array) -> Array:
    u, v = np.real(x), np.real(y)
    value = np.logaddexp(u, v)
    return _first_order(value, (np.exp(u - value), x), (np.exp(v - value), y))


def _complex_cbrt(x: Array) -> Array:
    root = np.cbrt(np.real(x))
    return _first_order(root, (1 / (3 * root * root), x))


def _complex_remainder(x: Array, y: Array) -> Array:
    return np.asarray(x - y * np.floor(np.real(x) / np.real(y)))


# -- meanings that NumPy does not have as one ufunc --------------------------------------------------
def _as_float(x: Array) -> Array:
    """Integers and bools as the float that numpy.exp makes of them: an unsigned one must not be negated."""
    return x if x.dtype.kind == "f" else x.astype(ufunc_dtypes(np.exp, (x.dtype,))[-1])


def _sigmoid(x: Array) -> Array:
    if np.iscomplexobj(x):
        value = _sigmoid(np.real(x))
        return _first_order(value, (value * (1 - value), x))
    with np.errstate(over="ignore"):
        return np.asarray(np.reciprocal(1 + np.exp(-_as_float(x))))


def _softplus(x: Array) -> Array:
    if np.iscomplexobj(x):
        return _first_order(_softplus(np.real(x)), (_sigmoid(np.real(x)), x))
    x = _as_float(x)
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


def _relu(x: Array) -> Array:
    if np.iscomplexobj(x):
        return np.where(np.real(x) > 0, x, np.zeros_like(x))
    return np.asarray(np.maximum(x, np.zeros((), x.dtype)))


def _absorbing(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(x == 0, np.zeros((), np.result_type(x, y)), x * y)


def _infer_multiply(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    return _broadcast(inputs), ufunc_dtypes(np.multiply, tuple([i.dtype for i in inputs]))[-1]


def _infer_where(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    if inputs[0].dtype != BOOL:
        raise DTypeError(
            f"the condition has dtype {inputs[0].dtype}, where bool is needed",
            remedy="compare first, e.g. gc.where(x > 0, a, b)",
        )
    return _broadcast(inputs), result_dtype(inputs[1].dtype, inputs[2].dtype)


def _infer_clip(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    return _broadcast(inputs), result_dtype(*[i.dtype for i in inputs])


def _infer_relu(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    if inputs[0].dtype == BOOL:
        raise DTypeError("has no meaning for bool", remedy='convert first, e.g. x.astype("float32")')
    return inputs[0].shape, inputs[0].dtype


def _cast(x: Array, dtype: DType) -> Array:
    if np.iscomplexobj(x):
        return x if is_float(dtype) else np.real(x).astype(dtype)
    return x.astype(dtype)


NEGATIVE = _ufunc_op(np.negative)
ABS = _ufunc_op(np.absolute, "abs", lambda x: np.sign(np.real(x)) * x)
SIGN = _step_ufunc_op(np.sign)
FLOOR = _step_ufunc_op(np.floor)
CEIL = _step_ufunc_op(np.ceil)
ROUND = _step_ufunc_op(np.rint, "round")
TRUNC = _step_ufunc_op(np.trunc)
EXP = _ufunc_op(np.exp)
EXP2 = _ufunc_op(np.exp2)
EXPM1 = _ufunc_op(np.expm1)
LOG = _ufunc_op(np.log)
LOG2 = _ufunc_op(np.log2)
LOG10 = _ufunc_op(np.log10)
LOG1P = _ufunc_op(np.log1p)
SQRT = _ufunc_op(np.sqrt)
CBRT = _ufunc_op(np.cbrt, on_complex=_complex_cbrt)
SQUARE = _ufunc_op(np.square)
RECIPROCAL = _ufunc_op(np.reciprocal)
SIN = _ufunc_op(np.sin)
COS = _ufunc_op(np.cos)
TAN = _ufunc_op(np.tan)
ARCSIN = _ufunc_op(np.arcsin)
ARCCOS = _ufunc_op(np.arccos)
ARCTAN = _ufunc_op(np.arctan)
SINH = _ufunc_op(np.sinh)
COSH = _ufunc_op(np.cosh)
TANH = _ufunc_op(np.tanh)
ARCSINH = _ufunc_op(np.arcsinh)
ARCCOSH = _ufunc_op(np.arccosh)
ARCTANH = _ufunc_op(np.arctanh)
LOGICAL_NOT = _step_ufunc_op(np.logical_not)
ISNAN = _step_ufunc_op(np.isnan)
ISINF = _step_ufunc_op(np.isinf)
ISFINITE = _step_ufunc_op(np.isfinite)

ADD = _ufunc_op(np.add)
SUBTRACT = _ufunc_op(np.subtract)
MULTIPLY = _ufunc_op(np.multiply)
DIVIDE = _ufunc_op(np.divide, "divide")
FLOOR_DIVIDE = _step_ufunc_op(np.floor_divide)
REMAINDER = _ufunc_op(np.remainder, on_complex=_complex_remainder)
POWER = _ufunc_op(np.power)
MAXIMUM = _ufunc_op(np.maximum)
MINIMUM = _ufunc_op(np.minimum)
ARCTAN2 = _ufunc_op(np.arctan2, on_complex=_complex_arctan2)
HYPOT = _ufunc_op(np.hypot, on_complex=_complex_hypot)
LOGADDEXP = _ufunc_op(np.logaddexp, on_complex=_complex_logaddexp)
EQUAL = _step_ufunc_op(np.equal)
NOT_EQUAL = _step_ufunc_op(np.not_equal)
LESS = _step_ufunc_op(np.less)
LESS_EQUAL = _step_ufunc_op(np.less_equal)
GREATER = _step_ufunc_op(np.greater)
GREATER_EQUAL = _step_ufunc_op(np.greater_equal)
LOGICAL_AND = _step_ufunc_op(np.logical_and)
LOGICAL_OR = _step_ufunc_op(np.logical_or)
LOGICAL_XOR = _step_ufunc_op(np.logical_xor)

ERF = _float_op("erf", erf_array)
SIGMOID = _float_op("sigmoid", _sigmoid)
SOFTPLUS = _float_op("softplus", _softplus)
RELU = Op("relu", "elementwise", _infer_relu, lambda attrs, x: _relu(x))
# x * y in which a zero x wins over an infinite or undefined y: how cotangents pass below a `where`.
ABSORBING_MULTIPLY = Op(
    "absorbing_multiply", "elementwise", _infer_multiply, lambda attrs, x, y: _absorbing(x, y)
)
WHERE = Op("where", "elementwise", _infer_where, lambda attrs, c, x, y: np.asarray(np.where(c, x, y)))
CLIP = Op(
    "clip",
    "elementwise",
    _infer_clip,
    lambda attrs, x, low, high: np.asarray(np.minimum(np.maximum(x, low), high)),
)
CAST = Op(
    "astype",
    "elementwise",
    lambda inputs, attrs: (inputs[0].shape, attrs["dtype"]),
    lambda attrs, x: _cast(x, attrs["dtype"]),
)
# The value of its input, through which no derivative flows.
STOP_GRADIENT = Op(
    "stop_gradient",
    "elementwise",
    lambda inputs, attrs: (inputs[0].shape, inputs[0].dtype),
    lambda attrs, x: np.real(x),
    is_view=True,
)

negative = _unary(NEGATIVE, "−x.")
abs = _unary(ABS, "|x|; its derivative at 0 is 0.")
sign = _unary(SIGN, "−1, 0 or 1 by the sign of x; its derivative is 0.")
floor = _unary(FLOOR, "The largest integer not above x; its derivative is 0.")
ceil = _unary(CEIL, "The smallest integer not below x; its derivative is 0.")
round = _unary(ROUND, "The nearest integer, halves to even; its derivative is 0.")
trunc = _unary(TRUNC, "x towards zero to an integer; its derivative is 0.")
exp = _unary(EXP, "e to the power of x.")
exp2 = _unary(EXP2, "2 to the power of x.")
expm1 = _unary(EXPM1, "exp(x) − 1, accurate for small x.")
log = _unary(LOG, "The natural logarithm.")
log2 = _unary(LOG2, "The logarithm to base 2.")
log10 = _unary(LOG10, "The logarithm to base 10.")
log1p = _unary(LOG1P, "log(1 + x), accurate for small x.")
sqrt = _unary(SQRT, "The square root.")
cbrt = _unary(CBRT, "The cube root.")
square = _unary(SQUARE, "x².")
reciprocal = _unary(RECIPROCAL, "1 / x.")
sin = _unary(SIN, "The sine of x in radians.")
cos = _unary(COS, "The cosine of x in radians.")
tan = _unary(TAN, "The tangent of x in radians.")
arcsin = _unary(ARCSIN, "The angle in radians whose sine is x.")
arccos = _unary(ARCCOS, "The angle in radians whose cosine is x.")
arctan = _unary(ARCTAN, "The angle in radians whose tangent is x.")
sinh = _unary(SINH, "The hyperbolic sine.")
cosh = _unary(COSH, "The hyperbolic cosine.")
tanh = _unary(TANH, "The hyperbolic tangent.")
arcsinh = _unary(ARCSINH, "The inverse hyperbolic sine.")
arccosh = _unary(ARCCOSH, "The inverse hyperbolic cosine.")
arctanh = _unary(ARCTANH, "The inverse hyperbolic tangent.")
logical_not = _unary(LOGICAL_NOT, "Whether x is zero or false.")
isnan = _unary(ISNAN, "Whether x is not a number.")
isinf = _unary(ISINF, "Whether x is infinite.")
isfinite = _unary(ISFINITE, "Whether x is a finite number.")
erf = _unary(ERF, "The error function 2/√π ∫₀ˣ exp(−t²) dt.")
sigmoid = _unary(SIGMOID, "The logistic function 1 / (1 + exp(−x)), free of overflow.")
softplus = _unary(SOFTPLUS, "log(1 + exp(x)), free of overflow.")
relu = _unary(RELU, "max(x, 0); its derivative at 0 is 0.")
stop_gradient = _unary(STOP_GRADIENT, "x itself, through which no derivative flows.")

add = _binary(ADD, "x + y.")
subtract = _binary(SUBTRACT, "x − y.")
multiply = _binary(MULTIPLY, "x · y.")
divide = _binary(DIVIDE, "x / y.")
floor_divide = _binary(FLOOR_DIVIDE, "The largest integer not above x / y; its derivative is 0.")
remainder = _binary(REMAINDER, "x − y·floor(x / y), with the sign of y.")
power = _binary(POWER, "x to the power of y.")
maximum = _binary(MAXIMUM, "The larger of x and y; a tie shares the derivative evenly.")
minimum = _binary(MINIMUM, "The smaller of x and y; a tie shares the derivative evenly.")
arctan2 = _binary(
    ARCTAN2, "The angle in radians of the point (y, x): NumPy's argument order is arctan2(y, x)."
)
hypot = _binary(HYPOT, "√(x² + y²), free of overflow.")
logaddexp = _binary(LOGADDEXP, "log(exp(x) + exp(y)), free of overflow.")
equal = _binary(EQUAL, "Whether x = y.")
not_equal = _binary(NOT_EQUAL, "Whether x ≠ y.")
less = _binary(LESS, "Whether x < y.")
less_equal = _binary(LESS_EQUAL, "Whether x ≤ y.")
greater = _binary(GREATER, "Whether x > y.")
greater_equal = _binary(GREATER_EQUAL, "Whether x ≥ y.")
logical_and = _binary(LOGICAL_AND, "Whether x and y are both true.")
logical_or = _binary(LOGICAL_OR, "Whether x or y is true.")
logical_xor = _binary(LOGICAL_XOR, "Whether exactly one of x and y is true.")


def rsqrt(x: object) -> Tensor:
    """1 / √x.

    >>> import graphc as gc
    >>> gc.rsqrt(gc.input("x", (3,)))
    <reciprocal: float32(3,)>
    """
    return reciprocal(sqrt(x))


def common_dtype(values: Sequence[object], op: str) -> tuple[Tensor, ...]:
    """The operands as nodes; a weak number in the dtype that NumPy's promotion gives all of them."""

    def resolve(kinds: tuple[DType | type, ...]) -> tuple[DType, ...]:
        samples = [k if isinstance(k, np.dtype) else k(1) for k in kinds]
        return (result_dtype(*samples),) * len(kinds)

    return _resolved(tuple(values), resolve, op)


def absorbing_multiply(x: object, y: object) -> Tensor:
    """x · y, but 0 wherever x is 0, even where y is infinite or undefined.

    >>> import graphc as gc
    >>> gc.ops.absorbing_multiply(gc.input("x", (3,)), 2)
    <absorbing_multiply: float32(3,)>
    """
    values = _resolved((x, y), lambda kinds: ufunc_dtypes(np.multiply, kinds), "absorbing_multiply")
    return apply(ABSORBING_MULTIPLY, values)


def where(condition: object, x: object, y: object) -> Tensor:
    """x where the condition holds, else y; the branch not taken never reaches a gradient.

    ``condition`` is bool; the three broadcast.

    >>> import graphc as gc
    >>> x = gc.input("x", (3,))
    >>> gc.where(x > 0, x, 0.0)
    <where: float32(3,)>
    """
    return apply(WHERE, (as_tensor(condition), *common_dtype((x, y), "where")))


def unguarded_where(condition: object, x: object, y: object) -> Tensor:
    """``where`` for branches that are finite even where they are not taken, so that no gradient is guarded.

    For the library's own masks (dropped units, targets that do not count), where the guard would cost a
    pass over every matrix below.
    """
    return apply(WHERE, (as_tensor(condition), *common_dtype((x, y), "where")), unguarded=True)


def clip(x: object, low: object = None, high: object = None) -> Tensor:
    """x limited to [low, high]; the derivative is 1 on the closed interval and 0 outside.

    Either bound may be None. Raises GraphError where both are.

    >>> import graphc as gc
    >>> gc.clip(gc.input("x", (3,)), 0, 6)
    <clip: float32(3,)>
    """
    if low is None and high is None:
        raise GraphError("both bounds are None", op="clip", location=user_location(), remedy="give a bound")
    low = -np.inf if low is None else low
    high = np.inf if high is None else high
    x = as_tensor(x)
    infinite = [b for b in (low, high) if isinstance(b, float) and np.isinf(b)]
    if infinite and not is_float(x.dtype):
        info = np.iinfo(x.dtype) if x.dtype != BOOL else None
        if info is not None:
            low = int(info.min) if low == -np.inf else low
            high = int(info.max) if high == np.inf else high
    return apply(CLIP, common_dtype((x, low, high), "clip"))


def astype(x: object, dtype: object) -> Tensor:
    """The elements converted to another dtype; x itself where it has that dtype already.

    >>> import graphc as gc
    >>> gc.astype(gc.input("x", (3,)), "int64")
    <astype: int64(3,)>
    """
    x = as_tensor(x)
    try:
        chosen = as_dtype(dtype)
    except DTypeError as error:
        raise error.located("astype", user_location()) from None
    if x.dtype == chosen and not is_weak(x):
        return x
    if is_weak(x):
        return strengthened(x, chosen)
    return apply(CAST, (x,), dtype=chosen)


OPS = tuple(value for value in globals().values() if isinstance(value, Op) and value.family == "elementwise")
