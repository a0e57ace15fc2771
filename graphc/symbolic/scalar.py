"""The scalar body of each op: what one element of the result is, as a SymPy expression of what it reads.

This is the index form ``out[i] = body(read, …)`` without its indices. SymPy differentiates the body;
no derivative is written here. ``implicit`` states, where it gives a shorter or safer derivative, an
equation F(out, reads) = 0 that the result satisfies (``exp(out) = 1 + exp(x)`` for softplus).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from graphc.ir.dtype import BOOL, DType, is_float
from graphc.ir.op import Op
from graphc.ops import REGISTRY
from graphc.ops import elementwise as ew
from graphc.symbolic.functions import rint

Body = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ScalarForm:
    """One op's scalar body.

    ``body(*reads)`` takes real reads, or with ``logical`` truth values. ``step`` says the op is flat
    almost everywhere (or declared so): its derivative is 0. ``absorbing`` says a zero factor wins
    over an infinite or undefined one, also in the products of the derivative. ``zero_where(out,
    *reads)`` gives, for each read, where its slope is 0 by convention although its formula is 0/0 or
    0·∞ there.
    """

    body: Body
    implicit: Body | None = None
    logical: bool = False
    step: bool = False
    absorbing: bool = False
    zero_where: Callable[..., tuple[Any, ...]] | None = None


def truth(read: Any, dtype: DType) -> Any:
    """A read as a truth value: NumPy's rule that nonzero is true."""
    return read if dtype == BOOL else sympy.Ne(read, 0)


def number(read: Any, dtype: DType) -> Any:
    """A read as a number: a truth value is 1 or 0."""
    return sympy.Piecewise((1, read), (0, True)) if dtype == BOOL else read


def _clip(x: Any, low: Any, high: Any) -> Any:
    return sympy.Piecewise((high, sympy.Or(x > high, low > high)), (low, x < low), (x, True))


def _logistic(x: Any) -> Any:
    return 1 / (1 + sympy.exp(-x))


def _identity(x: Any) -> Any:
    return x


_F = ScalarForm
_half, _third = sympy.Rational(1, 2), sympy.Rational(1, 3)

SCALAR_FORMS: dict[Op, ScalarForm] = {
    # one operand
    ew.NEGATIVE: _F(lambda x: -x),
    ew.ABS: _F(lambda x: sympy.Abs(x)),
    ew.SIGN: _F(lambda x: sympy.sign(x), step=True),
    ew.FLOOR: _F(lambda x: sympy.floor(x), step=True),
    ew.CEIL: _F(lambda x: sympy.ceiling(x), step=True),
    ew.ROUND: _F(lambda x: rint(x), step=True),
    ew.TRUNC: _F(lambda x: sympy.sign(x) * sympy.floor(sympy.Abs(x)), step=True),
    ew.EXP: _F(lambda x: sympy.exp(x), lambda out, x: sympy.log(out) - x),
    ew.EXP2: _F(lambda x: sympy.Integer(2) ** x),
    ew.EXPM1: _F(lambda x: sympy.exp(x) - 1),
    ew.LOG: _F(lambda x: sympy.log(x)),
    ew.LOG2: _F(lambda x: sympy.log(x) / sympy.log(2)),
    ew.LOG10: _F(lambda x: sympy.log(x) / sympy.log(10)),
    ew.LOG1P: _F(lambda x: sympy.log(1 + x)),
    ew.SQRT: _F(lambda x: sympy.sqrt(x), lambda out, x: out**2 - x),
    ew.CBRT: _F(lambda x: sympy.sign(x) * sympy.Abs(x) ** _third, lambda out, x: out**3 - x),
    ew.SQUARE: _F(lambda x: x**2),
    ew.RECIPROCAL: _F(lambda x: 1 / x, lambda out, x: 1 / out - x),
    ew.SIN: _F(lambda x: sympy.sin(x)),
    ew.COS: _F(lambda x: sympy.cos(x)),
    ew.TAN: _F(lambda x: sympy.tan(x), lambda out, x: sympy.atan(out) - x),
    ew.ARCSIN: _F(lambda x: sympy.asin(x)),
    ew.ARCCOS: _F(lambda x: sympy.acos(x)),
    ew.ARCTAN: _F(lambda x: sympy.atan(x)),
    ew.SINH: _F(lambda x: sympy.sinh(x)),
    ew.COSH: _F(lambda x: sympy.cosh(x)),
    ew.TANH: _F(lambda x: sympy.tanh(x)),
    ew.ARCSINH: _F(lambda x: sympy.asinh(x)),
    ew.ARCCOSH: _F(lambda x: sympy.acosh(x)),
    ew.ARCTANH: _F(lambda x: sympy.atanh(x)),
    ew.ERF: _F(lambda x: sympy.erf(x)),
    ew.SIGMOID: _F(_logistic, lambda out, x: sympy.log(out) - sympy.log(1 - out) - x),
    ew.SOFTPLUS: _F(lambda x: sympy.log(1 + sympy.exp(x)), lambda out, x: sympy.exp(out) - 1 - sympy.exp(x)),
    ew.RELU: _F(lambda x: sympy.Piecewise((x, x > 0), (0, True))),
    ew.STOP_GRADIENT: _F(_identity, step=True),
    # two and three operands
    ew.ADD: _F(lambda x, y: x + y),
    ew.SUBTRACT: _F(lambda x, y: x - y),
    ew.MULTIPLY: _F(lambda x, y: x * y),
    ew.ABSORBING_MULTIPLY: _F(lambda x, y: x * y, absorbing=True),
    ew.DIVIDE: _F(lambda x, y: x / y, lambda out, x, y: out * y - x),
    ew.FLOOR_DIVIDE: _F(lambda x, y: sympy.floor(x / y), step=True),
    ew.REMAINDER: _F(lambda x, y: x - y * sympy.floor(x / y)),
    ew.POWER: _F(
        lambda x, y: x**y,
        zero_where=lambda out, x, y: (sympy.Eq(y, 0), sympy.And(sympy.Eq(x, 0), y >= 0)),
    ),
    ew.MAXIMUM: _F(lambda x, y: sympy.Max(x, y)),
    ew.MINIMUM: _F(lambda x, y: sympy.Min(x, y)),
    ew.ARCTAN2: _F(lambda y, x: sympy.atan2(y, x)),
    ew.HYPOT: _F(
        lambda x, y: sympy.sqrt(x**2 + y**2),
        lambda out, x, y: out**2 - x**2 - y**2,
        zero_where=lambda out, x, y: (sympy.Eq(out, 0), sympy.Eq(out, 0)),
    ),
    ew.LOGADDEXP: _F(
        lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
        lambda out, x, y: sympy.exp(out) - sympy.exp(x) - sympy.exp(y),
    ),
    ew.CLIP: _F(_clip),
    ew.WHERE: _F(lambda c, x, y: sympy.Piecewise((x, c), (y, True))),
    ew.CAST: _F(_identity),
    # truth values
    ew.EQUAL: _F(lambda x, y: sympy.Eq(x, y), step=True),
    ew.NOT_EQUAL: _F(lambda x, y: sympy.Ne(x, y), step=True),
    ew.LESS: _F(lambda x, y: x < y, step=True),
    ew.LESS_EQUAL: _F(lambda x, y: x <= y, step=True),
    ew.GREATER: _F(lambda x, y: x > y, step=True),
    ew.GREATER_EQUAL: _F(lambda x, y: x >= y, step=True),
    ew.LOGICAL_NOT: _F(lambda x: sympy.Not(x), logical=True, step=True),
    ew.LOGICAL_AND: _F(lambda x, y: sympy.And(x, y), logical=True, step=True),
    ew.LOGICAL_OR: _F(lambda x, y: sympy.Or(x, y), logical=True, step=True),
    ew.LOGICAL_XOR: _F(lambda x, y: sympy.Xor(x, y), logical=True, step=True),
}

# Over no axes these hand their one element on; their indices come with the index form.
_ON_ONE_ELEMENT = ("sum", "mean", "prod", "max", "min", "reshape", "transpose", "broadcast_to")
SCALAR_FORMS.update({REGISTRY[name]: _F(_identity) for name in _ON_ONE_ELEMENT if name in REGISTRY})
if "einsum" in REGISTRY:  # with no letters it multiplies its operands
    SCALAR_FORMS[REGISTRY["einsum"]] = _F(lambda *reads: sympy.Mul(*reads))

WITHOUT_SCALAR_FORM: dict[str, str] = {
    "source": "a source is a symbol or a number, not a formula of others",
    "random": "a draw is a symbol: a fixed number as far as calculus goes",
    "reduction": "it reads many elements; index notation is needed",
    "linear algebra": "it reads many elements; index notation is needed",
    "convolution": "it reads many elements; index notation is needed",
    "shape": "it places elements; index notation is needed",
    "indexing": "it selects elements by integers; index notation is needed",
    "loop": "it repeats a body: its derivative is a loop again, not a formula",
    "isnan": "real numbers are never NaN: the question has no real form",
    "isinf": "real numbers are never infinite: the question has no real form",
    "isfinite": "real numbers are always finite: the question has no real form",
}
"""Why an op has no scalar body: by its name, else by its family."""


def body_of(op: Op, reads: Sequence[Any], dtypes: Sequence[DType], result: DType) -> Any:
    """The body over these reads, with NumPy's conversions between truth values and numbers."""
    form = SCALAR_FORMS[op]
    if form.logical or (result == BOOL and len(reads) == 1):
        operands = list(map(truth, reads, dtypes))
    else:
        operands = list(map(number, reads, dtypes))
        if op is ew.WHERE:
            operands[0] = reads[0]
    expression = form.body(*operands)
    if op is ew.CAST and is_float(dtypes[0]) and result.kind in "iu":
        expression = sympy.sign(expression) * sympy.floor(sympy.Abs(expression))
    if result == BOOL and not isinstance(expression, sympy.logic.boolalg.Boolean):
        expression = sympy.Ne(expression, 0)  # NumPy adds and multiplies truth values as or, and
    return expression


def reason_without_form(op: Op) -> str | None:
    """Why the op has no scalar body, or None where it has one."""
    if op in SCALAR_FORMS:
        return None
    return WITHOUT_SCALAR_FORM.get(op.name) or WITHOUT_SCALAR_FORM[op.family]


def forms_by_name() -> Mapping[str, ScalarForm]:
    """The table by op name, for documentation and tests."""
    return {op.name: form for op, form in SCALAR_FORMS.items()}
