"""Local derivatives: a node enters, its scalar body and the slope of that body by each read leave.

SymPy differentiates the body by one symbol per read; reads of one tensor are one symbol. The slope
is then rewritten in terms of the node's own output where that is shorter, by three means that know
no op: the body itself is replaced by the output; the implicit function theorem on the op's equation
F(out, reads) = 0; ``exp(x)`` is expressed by σ(x). The form with the fewest operations is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import sympy

from graphc.errors import UnsupportedError
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops.sources import CONSTANT
from graphc.symbolic.functions import rint, sigmoid
from graphc.symbolic.scalar import SCALAR_FORMS, body_of, reason_without_form

OUT = sympy.Symbol("out", real=True)
# Flat pieces: their derivative is 0 by the declared convention (SymPy would answer DiracDelta).
_FLAT = (sympy.sign, sympy.floor, sympy.ceiling, sympy.Heaviside, rint)


@cache
def read_symbol(position: int, is_bool: bool) -> sympy.Symbol:
    """The symbol of a node's n-th distinct read, the same for all nodes, so that slopes are cached."""
    return sympy.Symbol(f"r{position}") if is_bool else sympy.Symbol(f"r{position}", real=True)


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of a body by one read: as SymPy gives it, and rewritten by the output."""

    read: sympy.Symbol
    direct: Any
    refolded: Any


@dataclass(frozen=True, slots=True)
class LocalForm:
    """A node's body and slopes over canonical symbols; ``tensors`` says what each symbol stands for."""

    node: Tensor
    body: Any
    slopes: tuple[Slope, ...]
    tensors: Mapping[sympy.Symbol, Tensor]

    @property
    def absorbing(self) -> bool:
        return SCALAR_FORMS[self.node.op].absorbing


def exact_number(value: np.ndarray[Any, Any]) -> sympy.Expr | None:
    """A constant as the number its shortest decimal form says; None for NaN and infinities."""
    scalar = value.reshape(())[()]
    if value.dtype == BOOL:
        return sympy.Integer(int(scalar))
    if value.dtype.kind in "iu":
        return sympy.Integer(int(scalar))
    if not np.isfinite(scalar):
        return None
    binary = sympy.Rational(float(scalar))
    if binary.q <= 1024 and abs(binary.p) < 2**53:  # 0.5 is ½; 0.1 stays a decimal
        return binary
    return sympy.Float(str(scalar), 17)


def is_number(node: Tensor) -> bool:
    """Whether the node is a constant that a body may absorb."""
    return node.op is CONSTANT and node.shape == () and exact_number(node.attrs["value"]) is not None


def local_form(node: Tensor, active: set[Tensor]) -> LocalForm:
    """The body of a node and its slope by each read that is in ``active``.

    Raises UnsupportedError where the op has no scalar body.
    """
    reason = reason_without_form(node.op)
    if reason is not None:
        raise UnsupportedError(
            f"has no scalar form: {reason}", op=node.op.name, location=node.location,
            remedy="differentiate with gc.grad",
        )  # fmt: skip
    symbols: dict[Tensor, sympy.Symbol] = {}
    arguments: list[Any] = []
    for read in node.inputs:
        value = exact_number(read.attrs["value"]) if read.op is CONSTANT and read.shape == () else None
        if value is not None and read not in active:
            arguments.append(bool(value) if read.dtype == BOOL else value)
        else:
            arguments.append(symbols.setdefault(read, read_symbol(len(symbols), read.dtype == BOOL)))
    dtypes = tuple(i.dtype for i in node.inputs)
    chosen = tuple(s for r, s in symbols.items() if r in active and is_float(r.dtype))
    body, slopes = _slopes(node.op, tuple(map(_hashable, arguments)), dtypes, node.dtype, chosen)
    tensors = {s: t for t, s in symbols.items()}
    tensors[OUT] = node
    return LocalForm(node, body, slopes, tensors)


def _hashable(argument: Any) -> Any:
    return sympy.true if argument is True else sympy.false if argument is False else argument


@lru_cache(maxsize=4096)
def _slopes(
    op: Op, arguments: tuple[Any, ...], dtypes: tuple[Any, ...], result: Any, active: tuple[sympy.Symbol, ...]
) -> tuple[Any, tuple[Slope, ...]]:
    body = body_of(op, arguments, dtypes, result)
    form = SCALAR_FORMS[op]
    slopes = []
    for read in active:
        if form.step:
            continue
        direct = differentiate(body, read)
        if direct == 0:
            continue
        equation = None if form.implicit is None else form.implicit(OUT, *arguments)
        refolded = _refolded(direct, body, equation, read)
        zero = sympy.false
        if form.zero_where is not None and arguments.count(read) == 1:
            zero = form.zero_where(OUT, *arguments)[arguments.index(read)]
        if zero is not sympy.false:
            direct = sympy.Piecewise((0, zero.xreplace({OUT: body})), (direct, True))
            refolded = sympy.Piecewise((0, zero), (refolded, True))
        slopes.append(Slope(read, direct, refolded))
    return body, tuple(slopes)


def differentiate(body: Any, read: sympy.Symbol) -> Any:
    """SymPy's derivative, flat pieces held constant; Heaviside comes out as cases with ½ at a tie."""
    flat = {atom: sympy.Dummy(real=True) for atom in body.atoms(*_FLAT)}
    back = {dummy: atom for atom, dummy in flat.items()}
    slope = sympy.diff(body.xreplace(flat), read).xreplace(back)
    if body.is_Pow and body.exp.free_symbols:
        slope = sympy.powsimp(slope)  # y·x^(y−1), finite at x = 0, for SymPy's y·x^y/x
    return slope.replace(sympy.Heaviside, _cases)


def _cases(argument: Any, *_: Any) -> Any:
    left, right = two_sides(argument)
    return sympy.Piecewise((1, left > right), (sympy.Rational(1, 2), sympy.Eq(left, right)), (0, True))


def two_sides(expression: Any) -> tuple[Any, Any]:
    """a − b as (a, b): compared apart, two equal infinities are a tie and not NaN."""
    terms = sympy.Add.make_args(expression)
    negative = [-t for t in terms if t.could_extract_minus_sign()]
    positive = [t for t in terms if not t.could_extract_minus_sign()]
    return sympy.Add(*positive), sympy.Add(*negative)


def _refolded(direct: Any, body: Any, equation: Any, read: sympy.Symbol) -> Any:
    candidates = [direct]
    if not body.is_Symbol and not body.is_number and not isinstance(body, sympy.Piecewise):
        candidates.append(direct.xreplace({body: OUT}))
    if equation is not None:
        quotient = -sympy.diff(equation, read) / sympy.diff(equation, OUT)
        candidates += [sympy.powsimp(quotient, combine="exp"), sympy.factor_terms(sympy.cancel(quotient))]
    logistic = _by_logistic(direct)
    if logistic is not None:
        candidates.append(logistic)
    # min takes the first of equals: the direct form wins a tie.
    return min(candidates, key=lambda c: int(sympy.count_ops(c)))


def _by_logistic(slope: Any) -> Any:
    """The slope with exp(±x) written as (σ/(1 − σ))^±1, where that removes every exponential."""
    exponentials = slope.atoms(sympy.exp)
    if len(exponentials) != 1:
        return None
    (exponential,) = exponentials
    argument = exponential.args[0]
    sign = -1 if argument.could_extract_minus_sign() else 1
    folded = sympy.Symbol("sigma", positive=True)
    replaced = sympy.factor_terms(
        sympy.cancel(slope.xreplace({exponential: (folded / (1 - folded)) ** sign}))
    )
    if replaced.has(sympy.exp) or replaced.free_symbols & slope.free_symbols:
        return None
    return replaced.xreplace({folded: sigmoid(sign * argument)})
